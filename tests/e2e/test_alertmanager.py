"""The real Alertmanager and Prometheus of Debian, alone and as a cluster."""
import json
import re
import time

from harness import Alertmanager, Prometheus, alert, config, ctl, free_port, parse_time, request, rfc3339, slack_channel, until


def hook(daemon):
    return f"http://127.0.0.1:{daemon.port}/webhook"


def only_incident(daemon, state="rolled_back", timeout=30):
    i = until(lambda: daemon.incidents(), timeout)[0]
    return daemon.wait_state(i["id"], state, timeout=timeout)


def test_fire_repeat_resolve_and_fire_again(daemon_of, service, programs, folder):
    d = daemon_of(config(service, limits="limits: {quiet: 1s}"))
    am = programs(Alertmanager(folder / "am", hook(d)))
    am.fire()
    first = only_incident(d)
    assert service.percentage() == 0
    until(lambda: d.metric("rollbackd_alerts_total", disposition="duplicate") >= 1, 30)     # repeat_interval
    assert len(service.reloads()) == 1
    am.fire(ends=-1)
    d.wait_state(first["id"], "resolved", timeout=30)
    service.raise_to(25)
    am.fire()
    again = until(lambda: [i for i in d.incidents() if i["id"] != first["id"]], 30)[0]
    d.wait_state(again["id"], "rolled_back")
    assert service.percentage() == 0 and len(service.reloads()) == 2


def test_a_group_with_a_mixed_sibling(daemon_of, service, programs, folder):
    d = daemon_of(config(service))
    am = programs(Alertmanager(folder / "am", hook(d)))
    am.fire(instance="a")
    first = only_incident(d)
    am.fire(instance="b")
    until(lambda: len(d.incident(first["id"])["alerts"]) == 2, 30)
    am.fire(instance="a", ends=-1)

    def mixed():
        return sorted(a["status"] for a in d.incident(first["id"])["alerts"]) == ["firing", "resolved"]
    until(mixed, 30)
    assert len(d.incidents()) == 1 and len(service.reloads()) == 1


def test_two_alertmanagers_in_a_cluster_make_one_rollback(daemon_of, service, programs, folder):
    d = daemon_of(config(service))
    one = programs(Alertmanager(folder / "am1", hook(d)))
    two = programs(Alertmanager(folder / "am2", hook(d), peer=one))
    one.fire()
    two.fire()
    i = only_incident(d)
    until(lambda: d.metric("rollbackd_alerts_total", disposition="duplicate") >= 1, 40)
    assert len(d.incidents()) == 1 and len(service.reloads()) == 1
    assert d.incident(i["id"])["alerts"][0]["times"] >= 2


def test_the_receiver_is_down_and_comes_back(daemon_of, service, programs, folder):
    d = daemon_of(config(service))
    am = programs(Alertmanager(folder / "am", hook(d)))
    d.kill()
    am.fire()
    failed = 'alertmanager_notification_requests_failed_total{integration="webhook"}'

    def tried():
        text = request(am.port, "GET", "/metrics")[2].decode()
        return [line for line in text.splitlines() if line.startswith(failed) and float(line.split()[-1]) > 0]
    until(tried, 30)
    d.start()
    only_incident(d, timeout=60)
    assert service.percentage() == 0 and len(service.reloads()) == 1


def test_max_alerts_cuts_off_and_we_say_so(daemon_of, service, programs, folder):
    d = daemon_of(config(service))
    am = programs(Alertmanager(folder / "am", hook(d), max_alerts=1))
    for n in "abc":
        am.fire(instance=n)
    until(lambda: d.metric("rollbackd_alerts_truncated_total") >= 1, 30)
    only_incident(d)


RULES = """
groups:
  - name: shop
    interval: 1s
    rules:
      - {alert: CanaryDown, expr: 'vector(1)', for: 2s, labels: {action: auto_rollback, rollout: shop}, annotations: {summary: 'it is down'}}
"""


def test_prometheus_fires_verifies_and_is_preserved(daemon_of, service, programs, folder):
    """The whole way: rule, Alertmanager, webhook; verification, snapshot and onset from the same Prometheus."""
    port = free_port()
    from harness import Server

    class Exporter(Server):
        def handle(self, method, path, headers, body):
            return 200, {"Content-Type": "text/plain; version=0.0.4"}, f"shop_percentage {service.percentage()}\n"

    exporter = Exporter()
    d = daemon_of("", start=False)
    d.port = port
    am = programs(Alertmanager(folder / "am", hook(d)))
    prometheus = Prometheus(folder / "prometheus", [("shop", f"127.0.0.1:{exporter.port}")], RULES, [am])
    d.config.write_text(config(
        service, prometheus=f"  prometheus: {{url: \"{prometheus.url}\", timeout: 3s}}", timeout="30s", every="500ms",
        checks="        - {prometheus: shop_percentage, instances: 'count(up{job=\"shop\"})'}",
        snapshot="    snapshot: {window: 40s, queries: [{name: percentage, unit: percent, query: shop_percentage}]}"))
    d.start()
    programs(prometheus)
    i = only_incident(d, timeout=60)
    assert i["verification"]["acknowledged"]["state"] == "yes" and "1 of 1" in i["verification"]["acknowledged"]["note"]

    def preserved():
        return d.incident(i["id"])["snapshot"]["state"] == "done" and d.incident(i["id"])["snapshot"]["series"]["percentage"]
    points = until(preserved, 30)
    assert {p[1] for p in points} <= {0, 10}
    sla = until(lambda: [s for s in [d.incident(i["id"])["sla"]["detection"]] if s["from"] == "ALERTS_FOR_STATE"], 30)[0]
    assert sla["seconds"] >= 2, "the pending time of the rule counts"
    # What came of it is measured as well, a tenth of the window later: the world at 0.
    seen = parse_time(i["rolled_back_at"])
    until(lambda: [p for p in d.incident(i["id"])["snapshot"]["series"]["percentage"] if p[0] > seen and p[1] == 0], 30)
    report = ctl(d, "incident", "report", i["id"]).stdout
    assert "| series | before it began, mean | when it was lowered | after, mean |" in report
    assert re.search(r"\| percentage \| [^|]+ \| 10 percent \| 0 percent \|", report), report
    looks = {s["name"]: s for s in d.incident(i["id"])["steps"]}["metrics afterwards"]
    assert looks["state"] == "running" and looks["output"].startswith("1 of 3\npercentage: preserved")
    assert d.act(i["id"], "resolve")[0] == 200           # before the last time: what there is is kept, and nothing is to be done any more
    assert {s["name"]: s["state"] for s in d.incident(i["id"])["steps"]}["metrics afterwards"] == "done"
    exporter.close()


def test_a_trigger_that_is_silenced_pages_with_the_silence(daemon_of, service, chat, programs, folder):
    d = daemon_of("", start=False)
    d.port = free_port()
    am = programs(Alertmanager(folder / "am", hook(d)))
    body = {"matchers": [{"name": "action", "value": "auto_rollback", "isRegex": False, "isEqual": True}], "createdBy": "x", "comment": "x",
            "startsAt": rfc3339(time.time()), "endsAt": rfc3339(time.time() + 3600)}
    status, _, out = request(am.port, "POST", "/api/v2/silences", body)
    assert status == 200, out
    silence = json.loads(out)["silenceID"]
    prometheus = programs(Prometheus(folder / "prometheus", [], RULES, [am]))
    d.config.write_text(config(
        service, prometheus=f"  prometheus: {{url: \"{prometheus.url}\", timeout: 3s}}\n  alertmanager: {{url: \"{am.url}\"}}\n"
                            "  evaluation_interval: 500ms",
        limits="sla: {detection: 10s}", channels="channels:\n" + slack_channel(chat, events="page")))
    d.start()
    text = until(lambda: [t for t in chat.texts() if "NOT HEARD: CanaryDown fires in Prometheus" in t], 60)[0]
    assert f"a silence hides it (amtool silence expire {silence})" in text, text
    assert service.percentage() == 10
    assert request(am.port, "DELETE", f"/api/v2/silence/{silence}")[0] == 200       # what the page says to do
    only_incident(d, timeout=60)
    until(lambda: any("has come, or is over" in t for t in chat.texts()), 30)


def test_while_prometheus_and_chat_hold_every_request_the_percentage_is_lowered(daemon_of, service, chat):
    from harness import Server
    silent = Server()
    silent.hold.set()
    chat.hold.set()
    d = daemon_of(config(
        service, prometheus=f"  prometheus: {{url: \"{silent.url}\", timeout: 1s}}", timeout="2s",
        checks="        - {prometheus: shop_percentage}",
        snapshot="    snapshot: {window: 5m, queries: [{name: percentage, unit: percent, query: shop_percentage}]}",
        channels="channels:\n" + slack_channel(chat, events="all")))
    began = time.monotonic()
    [r] = d.post(alert())
    until(lambda: service.percentage() == 0)
    assert time.monotonic() - began < 5 and len(service.reloads()) == 1
    i = d.wait_state(r["incident"], "failed")
    assert i["verification"]["acknowledged"]["state"] == "unknown"
    until(lambda: d.incident(i["id"])["snapshot"]["state"] == "failed")
    d.kill()
    d.start()
    chat.hold.clear()
    until(lambda: any("CRITICAL: AUTO_ROLLBACK FAILED" in t for t in chat.texts()), 60)
    assert any("Rolling back" in t for t in chat.texts())
    silent.close()


def test_an_episode_that_alertmanager_lost_sight_of_lives_again(daemon_of, service, programs, folder):
    """It is reported resolved when its sender was silent for a while, and fires on with the same startsAt."""
    d = daemon_of("", start=False)
    am = programs(Alertmanager(folder / "am", hook(d)))
    d.config.write_text(config(service, prometheus=f"  alertmanager: {{url: \"{am.url}\"}}", limits="limits: {stale: 1h}"))
    d.start()
    starts = rfc3339(time.time() - 300)

    def tell(seconds):
        a = {"labels": alert()["labels"], "annotations": {"summary": "errors, \"many\""}, "startsAt": starts,
             "endsAt": rfc3339(time.time() + seconds)}
        assert request(am.port, "POST", "/api/v2/alerts", [a])[0] == 200
    tell(2)
    first = only_incident(d)
    until(lambda: d.incident(first["id"])["alerts"][0]["status"] == "resolved", 30)
    assert d.act(first["id"], "resolve", note="done")[0] == 200
    service.raise_to(10)
    tell(600)
    second = until(lambda: [i for i in d.incidents() if i["id"] != first["id"]], 30)[0]
    d.wait_state(second["id"], "rolled_back")
    assert service.percentage() == 0 and len(service.reloads()) == 2
    [again] = d.incident(second["id"])["alerts"]
    assert again["starts_at"] == first["alerts"][0]["starts_at"] and again["status"] == "firing"


def test_two_alertmanagers_resolve_once_and_fire_again_once(daemon_of, service, programs, folder):
    d = daemon_of(config(service))
    one = programs(Alertmanager(folder / "am1", hook(d)))
    two = programs(Alertmanager(folder / "am2", hook(d), peer=one))
    for am in (one, two):
        am.fire()
    i = only_incident(d)
    for am in (one, two):
        am.fire(ends=-0.001)
    until(lambda: [a["status"] for a in d.incident(i["id"])["alerts"]] == ["resolved"], 30)
    for am in (one, two):
        am.fire()
    until(lambda: [a["status"] for a in d.incident(i["id"])["alerts"]].count("firing") == 1, 30)
    told = [e["what"] for e in d.incident(i["id"])["timeline"]]
    assert told.count("alert resolved") == 1 and told.count("attached") == 1
    assert len(d.incidents()) == 1 and len(service.reloads()) == 1


def test_prometheus_dies_and_a_rollback_that_waits_is_not_called_off(daemon_of, service, programs, folder):
    """Prometheus gives each alert a few seconds: after that Alertmanager reports what it no longer hears of as resolved."""
    service.raise_to(25)
    d = daemon_of("", start=False)
    am = programs(Alertmanager(folder / "am", hook(d)))
    prometheus = Prometheus(folder / "prometheus", [], RULES.replace("auto_rollback", "slow"), [am])
    playbook = "playbooks:\n  - {name: slow, match: ['action=\"slow\"'], rollback: {to: previous_stage, after: 40s}}"
    d.config.write_text(config(service, playbooks=playbook, prometheus=f"  prometheus: {{url: \"{prometheus.url}\", timeout: 1s}}"))
    d.start()
    programs(prometheus)
    i = only_incident(d, "pending", timeout=60)
    prometheus.process.kill()
    note = until(lambda: [e["note"] for e in d.incident(i["id"])["timeline"] if e["what"] == "goes on waiting"], 30)[0]
    assert "is unknown" in note and d.incident(i["id"])["state"] == "pending"
    d.wait_state(i["id"], "rolled_back", timeout=60)
    assert service.percentage() == 10
