"""Readiness is measured, not believed: the old way is asked all the time whether it could take the traffic, the way back rehearsed."""
import json
import sqlite3
import time

import pytest
from harness import Alertmanager, Server, Slack, alert, config, ctl, free_port, slack_channel, until


class Legacy(Server):
    """The old way: answers a probe in so many seconds, or with an error."""

    def __init__(self):
        self.status, self.seconds = 200, 0.05
        super().__init__()

    def handle(self, method, path, headers, body):
        return self.status, {}, json.dumps({"seconds": self.seconds})


@pytest.fixture
def legacy():
    server = Legacy()
    yield server
    server.close()


PROBE = """
    fallback_probe:
      - {{name: reachable, http: {{url: "{0}/probe"}}, timeout: 5s}}
      - {{name: fast enough, http: {{url: "{0}/probe", value: /seconds}}, max: 1, timeout: 5s}}
"""


def probed(service, chat, legacy, more=""):
    text = config(service, channels="channels:\n" + slack_channel(chat, events="all"))
    text = text.replace("global:\n", "global:\n  evaluation_interval: 200ms\n", 1)
    head, rest = text.split("    verify:", 1)
    return head.rstrip() + PROBE.format(legacy.url) + more + "    verify:" + rest


def fallback(d):
    return d.get("/api/v1/rollouts/shop")["fallback_probe"]


def missing(d):
    return [m["what"] for m in d.get("/api/v1/rollouts/shop")["next"]["missing"]]


def told(chat, words):
    return [t for t in chat.texts() if words in t]


def test_raising_is_locked_while_the_old_way_is_not_ready_and_people_are_told_once(daemon_of, service, chat, legacy):
    d = daemon_of(probed(service, chat, legacy, "    checklists: [{name: all, items: [{text: Old way there, every: 1h, by: fallback}]}]\n"))
    until(lambda: fallback(d)["state"] == "yes")
    until(lambda: d.get("/api/v1/rollouts/shop")["checklists"][0]["items"][0]["person"] == "rollbackd")
    assert [(c["name"], c["state"], c["value"]) for c in fallback(d)["checks"]] == [("reachable", "yes", None), ("fast enough", "yes", 0.05)]
    assert d.metric("rollbackd_fallback_ready", rollout="shop") == 1 and "fallback" not in missing(d)
    assert "  Fallback      ready\n" in ctl(d, "status").stdout and "- Fallback: ready\n" in ctl(d, "report").stdout
    legacy.seconds = 3
    until(lambda: fallback(d)["state"] == "no")
    assert d.metric("rollbackd_fallback_ready", rollout="shop") == 0
    assert "  Fallback      NOT READY: fast enough: 3, at most 1\n" in ctl(d, "status").stdout
    assert "- Fallback: NOT READY: fast enough: 3, at most 1\n" in ctl(d, "report", "--weekly").stdout
    refused = d.call("POST", "/api/v1/rollouts/shop/advance", {})
    assert refused[0] == 409 and "the old way could not take the traffic: fast enough: 3, at most 1" in json.dumps(refused[1])
    until(lambda: told(chat, "THE FALLBACK IS NOT READY: fast enough: 3, at most 1."))
    legacy.status = 503                                 # another reason is no news
    until(lambda: "503" in (fallback(d)["why"] or ""))
    d.restart()
    until(lambda: fallback(d)["state"] == "no")
    legacy.status, legacy.seconds = 200, 0.05
    until(lambda: told(chat, "the fallback is ready again, after"))
    assert len(told(chat, "THE FALLBACK")) == 1 and len(told(chat, "ready again")) == 1 and "fallback" not in missing(d)


def test_the_milestone_that_removes_the_old_way_is_not_due_while_it_is_not_ready(daemon_of, service, chat, legacy):
    legacy.status = 503
    milestones = """    milestones:
      - {after_stage: 2, in: 10ms, text: Report}
      - {after_stage: 2, in: 10ms, text: Remove the old way, removes: fallback}
"""
    d = daemon_of(probed(service, chat, legacy, milestones))
    until(lambda: fallback(d)["state"] == "no")
    forced = d.call("POST", "/api/v1/rollouts/shop/advance", {"force": True, "reason": "the old way is being mended"})
    assert forced[0] == 200, forced
    until(lambda: told(chat, "due: Report"))
    report, removal = d.get("/api/v1/rollouts/shop")["milestones"]
    assert (report["due"], report["locked"]) == (True, None)
    assert removal["due"] is False and removal["locked"].startswith("reachable: answered 503")
    assert "Remove the old way (locked: the old way is not ready)" in ctl(d, "report").stdout
    assert not told(chat, "due: Remove")
    legacy.status = 200
    until(lambda: told(chat, "due: Remove the old way"))


def test_check_config_says_what_is_wrong_with_a_probe(folder, service, chat, legacy):
    file = folder / "rollbackd.yml"
    file.write_text(probed(service, chat, legacy).replace(", max: 1, timeout", ", timeout"))
    p = ctl(None, "check-config", file)
    assert p.returncode != 0 and "value and min or max stand together, or neither" in p.stdout + p.stderr


# --- drills by themselves ---

def schedule(d, ago):
    """As if the last look at the calendar had been so many seconds ago."""
    db = sqlite3.connect(d.state / "rollbackd.db")
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('drill_considered:shop', ?)", (int((time.time() - ago) * 1e6),))
    db.commit()
    db.close()


def drilled(service, chat, am_port, cron="* * * * *", fallback=""):
    text = config(service, channels="channels:\n" + slack_channel(chat, events="all"))
    text = text.replace("global:\n", f"global:\n  evaluation_interval: 200ms\n  alertmanager: {{url: \"http://127.0.0.1:{am_port}\"}}\n", 1)
    head, rest = text.split("    verify:", 1)
    return head + f"    drill: {{cron: \"{cron}\", through: alertmanager}}\n{fallback}    verify:" + rest


def events(d, what):
    return [e for e in d.get("/api/v1/events?limit=100") if e["what"] == what]


def test_a_drill_by_itself_goes_the_whole_way(daemon_of, service, chat, programs, folder):
    port = free_port()
    fallback = f"    fallback: [{{after: 60s, command: [{service.reload}, again]}}]\n"
    d = daemon_of(drilled(service, chat, port, fallback=fallback), start=False)
    am = programs(Alertmanager(folder / "am", f"http://127.0.0.1:{d.port}/webhook"))
    d.config.write_text(d.config.read_text().replace(f"127.0.0.1:{port}", f"127.0.0.1:{am.port}"))
    before = service.flags.read_bytes()
    d.start()
    assert d.metric("rollbackd_drill_passed", rollout="shop") == -1
    until(lambda: d.get("/api/v1/rollouts/shop")["evaluated_at"])
    d.stop()
    schedule(d, 90)
    d.start()
    until(lambda: events(d, "scheduled_drill_passed"))
    assert service.flags.read_bytes() == before and service.reloads() == []
    i = d.incident(1)
    assert i["kind"] == "drill" and i["passed"] is True and i["summary"].startswith("Scheduled drill of 20")
    # The other ways are rehearsed as well, though nobody needed one.
    assert [(s["state"], s["output"]) for s in i["steps"] if s["name"].endswith("again")] == [("done", f"not run: a drill. {service.reload} could be run")]
    assert d.metric("rollbackd_drill_passed", rollout="shop") == 1
    assert d.metric("rollbackd_drill_last_passed_timestamp_seconds", rollout="shop") > time.time() - 300
    assert d.get("/api/v1/rollouts/shop")["drills"]["passed"] is True
    assert "Rehearsed     drill passed 20" in ctl(d, "status").stdout
    weekly = ctl(d, "report", "--weekly").stdout
    assert "- Rollback rehearsed: last passed 20" in weekly and "; by itself 1 passed, 0 failed, 0 called off, 0 left out" in weekly
    assert [t for t in chat.texts() if t.startswith("[DRILL]") and "- Status: Passed" in t]


def test_a_drill_by_itself_that_fails_pages(daemon_of, service, chat, programs, folder):
    port = free_port()
    d = daemon_of(drilled(service, chat, port), start=False)
    am = programs(Alertmanager(folder / "am", f"http://127.0.0.1:{d.port}/webhook"))
    d.config.write_text(d.config.read_text().replace(f"127.0.0.1:{port}", f"127.0.0.1:{am.port}"))
    service.reload.chmod(0o777)                         # anybody could change what it runs
    d.start()
    until(lambda: d.get("/api/v1/rollouts/shop")["evaluated_at"])
    d.stop()
    schedule(d, 90)
    d.start()
    until(lambda: events(d, "scheduled_drill_failed"))
    assert d.metric("rollbackd_drill_passed", rollout="shop") == 0
    assert "Rehearsed     DRILL FAILED 20" in ctl(d, "status").stdout
    until(lambda: [t for t in chat.texts() if t.startswith("[DRILL]") and "- Status: FAILED" in t])
    assert ", FAILED 20" in ctl(d, "report").stdout


def test_a_drill_by_itself_waits_for_a_quiet_time(daemon_of, service, chat):
    am = Taker()
    try:
        d = daemon_of(drilled(service, chat, am.port))
        [r] = d.post(alert())
        d.wait_state(r["incident"], "rolled_back")
        d.stop()
        schedule(d, 90)
        d.start()
        looked = d.get("/api/v1/rollouts/shop")["evaluated_at"]
        until(lambda: d.get("/api/v1/rollouts/shop")["evaluated_at"] not in (None, looked))
        assert not events(d, "scheduled_drill") and not am.bodies
        d.post(alert(status="resolved"))
        assert d.act(r["incident"], "resolve", note="over")[0] == 200
        until(lambda: am.bodies)
        [sent] = json.loads(am.bodies[0])
        assert sent["labels"]["action"] == "auto_rollback" and sent["labels"]["rollout"] == "shop" and sent["labels"]["drill"]
    finally:
        am.close()


class Taker(Server):
    """An Alertmanager that takes alerts and forwards none."""

    def __init__(self):
        self.bodies = []
        super().__init__()

    def handle(self, method, path, headers, body):
        if method == "POST":
            self.bodies.append(body)
        return 200, {}, "[]"


class Ruler(Server):
    """Knows an alert rule, as vmalert or Prometheus would show it."""

    def handle(self, method, path, headers, body):
        assert path == "/api/v1/rules?type=alert", path
        labels = {"action": "auto_rollback", "rollout": "shop", "team": "search", "seen": "{{ $value }}"}
        rules = [{"type": "alerting", "name": "ShopErrors", "query": "vector(1)", "labels": labels}]
        return 200, {"Content-Type": "application/json"}, json.dumps({"status": "success", "data": {"groups": [{"rules": rules}]}})


def test_a_drill_by_itself_takes_the_way_of_a_real_trigger(daemon_of, service, chat):
    """Its labels are a rule's, also when it is sent again; so it is one alert, and Alertmanager routes it as the real one."""
    am, ruler = Taker(), Ruler()
    try:
        text = drilled(service, chat, am.port).replace("global:\n", f"global:\n  rules_url: \"{ruler.url}\"\n", 1)
        d = daemon_of(text.replace("drill: {", "drill: {except: [2030-01-01], suspend: true, "), start=False)
        d.start()
        until(lambda: d.get("/api/v1/rollouts/shop")["evaluated_at"])
        assert "Drills        suspended" in ctl(d, "status").stdout
        d.stop()
        schedule(d, 90)
        d.start()
        until(lambda: [e for e in events(d, "scheduled_drill_left_out") if "suspended" in e["note"]])
        assert not am.bodies
        d.stop()
        d.config.write_text(text)
        schedule(d, 90)
        d.start()
        until(lambda: len(am.bodies) > 1)
        first, again = (json.loads(b)[0] for b in am.bodies[:2])
        assert first["labels"] == {"alertname": "RollbackDrill", "action": "auto_rollback", "rollout": "shop", "team": "search",
                                   "drill": first["labels"]["drill"]}
        assert again == first
    finally:
        am.close()
        ruler.close()


def test_a_drill_needs_the_address_of_alertmanager(folder, service, chat):
    file = folder / "rollbackd.yml"
    file.write_text(drilled(service, chat, 9).replace("  alertmanager: {url: \"http://127.0.0.1:9\"}\n", ""))
    p = ctl(None, "check-config", file)
    assert p.returncode != 0 and "set global.alertmanager.url" in p.stdout + p.stderr


# --- what ticks itself ---

LISTS = """    stages:
      - {number: 1, name: Canary, percentage: 10, duration: 1h, checklist: ready, criteria: [{name: errors, query: errors, max: 1}]}
      - {number: 2, name: More, percentage: 25}
    checklists:
      - name: ready
        items:
          - {text: Rollback rehearsed, valid: 7d, by: drill}
          - {text: Flags tested, by: flags}
          - {text: Dashboard looked at, every: 1m, by: metrics}
          - {text: Rules validated, by: doctor}
          - {text: Runbook read}
"""


class Answers(Server):
    """A Prometheus in which every query has one value, or none."""

    def __init__(self):
        self.value, self.near = "0", []
        super().__init__()

    def handle(self, method, path, headers, body):
        result = [{"metric": {}, "value": [time.time(), self.value]}] if self.value and "ALERTS" not in path else []
        if "pending" in path:
            result = [{"metric": labels, "value": [time.time(), "3"]} for labels in self.near]
        return 200, {}, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


def items(d):
    [ready] = d.get("/api/v1/rollouts/shop")["checklists"]
    return {i["text"]: (i["state"], i["person"]) for i in ready["items"]}


def test_items_tick_themselves_by_what_is_measured(daemon_of, service, chat):
    prometheus = Answers()
    try:
        prometheus.value = None
        text = config(service, channels="channels:\n" + slack_channel(chat, events="all"))
        text = text.replace("global:\n", f"global:\n  evaluation_interval: 200ms\n  prometheus: {{url: \"{prometheus.url}\"}}\n", 1)
        head, rest = text.split("    stages:\n", 1)
        tail = rest[rest.index("\n", rest.rindex("number:")) + 1:]
        d = daemon_of(head + LISTS + tail)
        until(lambda: items(d)["Flags tested"] == ("done", "rollbackd"))
        assert [items(d)[t] for t in ("Rollback rehearsed", "Dashboard looked at", "Rules validated", "Runbook read")] == [("open", None)] * 4
        prometheus.value = "0"                          # a criterion that is known
        until(lambda: items(d)["Dashboard looked at"] == ("done", "rollbackd"))
        assert ctl(d, "drill", "shop").returncode == 0
        until(lambda: items(d)["Rollback rehearsed"] == ("done", "rollbackd"))
        assert "[x] Rollback rehearsed - rollbackd" in ctl(d, "checklist", "shop").stdout
        assert items(d)["Rules validated"] == items(d)["Runbook read"] == ("open", None)
        assert len(events(d, "ticked")) == 3
    finally:
        prometheus.close()


# --- what is told ---

def test_each_channel_is_asked_for_with_a_test_message(daemon_of, service, chat):
    silent = Slack()
    try:
        channels = "channels:\n" + slack_channel(chat, events="all") + "\n" + slack_channel(silent, name="pager", events="page")
        d = daemon_of(config(service, channels=channels))
        p = ctl(d, "notify", "test")
        assert (p.returncode, p.stdout) == (0, "rollouts: sent\npager: sent\n"), p.stdout + p.stderr
        [text] = silent.texts()
        assert text.startswith("[TEST] rollbackd: a test message to pager, by ") and "Nothing has happened\n- At: " in text
        silent.faults += [(404, {}, "no_service")]
        p = ctl(d, "-o", "json", "notify", "test", "pager")
        [m] = json.loads(p.stdout)
        assert p.returncode == 1 and (m["channel"], m["state"], m["what"]) == ("pager", "undeliverable", "test") and m["error"]
        assert len(chat.texts()) == 1                   # nobody else was asked
        p = ctl(d, "notify", "test", "nobody")
        assert p.returncode == 1 and "there is no channel nobody" in p.stderr
    finally:
        silent.close()


def test_near_misses_stand_in_the_weekly_report(daemon_of, service, chat):
    prometheus = Answers()
    prometheus.near = [{"__name__": "ALERTS", "alertstate": "pending", "alertname": name, "action": "auto_rollback", "rollout": "shop"}
                       for name in ("CanaryErrorRateHigh", "CanaryP95")] + [{"alertname": "DiskFull"}]
    try:
        text = config(service, channels="channels:\n" + slack_channel(chat, events="all"))
        text = text.replace("global:\n", f"global:\n  evaluation_interval: 200ms\n  prometheus: {{url: \"{prometheus.url}\"}}\n", 1)
        d = daemon_of(text + "\nreports: [{name: weekly, cron: \"0 9 * * 1\"}]\n")
        until(lambda: d.get("/api/v1/rollouts/shop")["watch"]["near_misses"] == 2)
        assert "- Near misses of 7 days: 2 (CanaryErrorRateHigh and others): about to fire, and never did\n" in ctl(d, "report", "--weekly").stdout
    finally:
        prometheus.close()
