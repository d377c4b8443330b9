"""rollbackctl doctor on the real Prometheus and Alertmanager, with what is shipped: rules, routes and config. Only addresses and
paths are replaced, and the demo service takes the requests. Then one thing after the other is broken, and mended again."""
import http.server
import json
import re
import shutil
import subprocess
import threading
import time

import pytest
from harness import ROOT, TOOLS, Alertmanager, Daemon, Program, Prometheus, ctl, free_port, fresh, request, rfc3339, until
from shipped_plan import DemoService

pytestmark = pytest.mark.xdist_group("doctor")      # one world for all of them

SHIPPED = ROOT / "deploy"
RULES = ("cst-recording", "cst-alerts", "rollbackd-alerts")
TRIGGERS = ("CanaryErrorRateBurst", "CanaryErrorRateHigh", "CanaryLatencyP95High", "CanaryCacheHitRateLow", "CanaryP0Incident",
            "CanaryMemoryGrowthFast", "CanaryMemoryLeak", "CanaryIndexCorruption")
# The founding document's rule for stage 1, as it stands there; the name says whose it is.
FOUNDING = """
- name: founding
  interval: 15s
  rules:
  - alert: FoundingErrorRateHigh
    expr: |
      (rate(cst_errors_total[5m]) / rate(cst_requests_total[5m])) >
      (rate(legacy_errors_total[5m]) / rate(legacy_requests_total[5m]) + 0.005)
    for: 2m
    labels:
      severity: critical
      action: auto_rollback
"""
QUANTILE = """
- name: quantile
  rules:
  - alert: QuantileWithoutLe
    expr: histogram_quantile(0.95, sum(rate(cst_latency_bucket[1m]))) > 1
    labels: {action: auto_rollback, rollout: cst-pipeline}
  - alert: ActionMistyped
    expr: cst:errors:rate1m > 100
    labels: {action: auto-rollback, rollout: cst-pipeline}
  - alert: NobodysRollout
    expr: cst:errors:rate1m > 100
    labels: {action: auto_rollback, rollout: search}
  - alert: ActionFromTemplate
    expr: cst:errors:rate1m > 100
    labels: {action: '{{ $labels.x }}', rollout: cst-pipeline}
  - alert: DrillMark
    expr: cst:errors:rate1m > 100
    labels: {action: auto_rollback, rollout: cst-pipeline, drill: '1'}
  - alert: ValueLabel
    expr: cst:errors:rate1m > 100
    for: 1m
    labels: {action: auto_rollback, rollout: cst-pipeline, now: '{{ $value }}'}
  - alert: NoSuchSeries
    expr: sum(rate(cst_never_exported_total[1m])) > 0
    labels: {action: auto_rollback, rollout: cst-pipeline}
"""


def replaced(text, pairs):
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def alertmanagers():
    """The one of this Debian, which from 0.26 on hides the addresses of webhooks, and one that shows them."""
    here = TOOLS / "prometheus-alertmanager"
    version = subprocess.run([here, "--version"], capture_output=True, text=True, check=True).stdout
    hides = [int(n) for n in re.search(r"version (\d+)\.(\d+)", version).groups()] >= [0, 26]
    return here if hides else None, ROOT / "build/tools-bookworm/usr/bin/prometheus-alertmanager" if hides else here


HIDING, SHOWING = alertmanagers()


class ShippedAlertmanager(Alertmanager):
    def __init__(self, folder, rollbackd_port, program=SHOWING):
        folder.mkdir()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        for name in ("rollbackd", "pager", "slack-url"):
            (folder / name).write_text("http://127.0.0.1:1/x\n")
        self.file = folder / "alertmanager.yml"
        self.shipped = replaced((SHIPPED / "alertmanager/alertmanager.yml").read_text(), [
            ("127.0.0.1:9595", f"127.0.0.1:{rollbackd_port}"), ("/etc/alertmanager/", f"{folder}/")])
        self.file.write_text(self.shipped)
        Program.__init__(self, folder, "alertmanager", [
            str(program), f"--config.file={self.file}", f"--storage.path={folder}/am",
            f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn", "--cluster.listen-address="], "/-/ready")

    def change(self, *pairs):
        self.file.write_text(replaced(self.shipped, pairs))
        assert request(self.port, "POST", "/-/reload")[0] == 200


class ShippedPrometheus(Prometheus):
    """The shipped intervals are what is judged; until there is data everything is scraped and evaluated each second."""

    def __init__(self, folder, rollbackd_port, service_port, alertmanager):
        folder.mkdir()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.file, self.extra = folder / "prometheus.yml", folder / "rollbackd-alerts.yml"
        self.shipped = replaced((SHIPPED / "prometheus/prometheus.yml").read_text(), [
            ("127.0.0.1:9595", f"127.0.0.1:{rollbackd_port}"), ("127.0.0.1:8080", f"127.0.0.1:{service_port}"),
            ("127.0.0.1:9093", f"127.0.0.1:{alertmanager.port}"), ("127.0.0.1:9090", f"127.0.0.1:{self.port}")])
        self.file.write_text(re.sub(r"(scrape_interval|evaluation_interval|scrape_timeout): 1[05]s", r"\1: 1s", self.shipped))
        for name in RULES:
            text = (SHIPPED / f"prometheus/{name}.yml").read_text()
            (folder / f"{name}.yml").write_text(text.replace("interval: 15s", "interval: 1s"))
        Program.__init__(self, folder, "prometheus", [
            str(TOOLS / "prometheus"), f"--config.file={self.file}", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn", "--web.enable-lifecycle"], "/-/ready")

    def reload(self):
        assert request(self.port, "POST", "/-/reload")[0] == 200, (self.dir / "prometheus.log").read_text()[-2000:]

    def as_shipped(self):
        self.file.write_text(self.shipped)
        for name in RULES:
            shutil.copy(SHIPPED / f"prometheus/{name}.yml", self.dir)
        self.reload()

    def add_rules(self, text):
        self.extra.write_text((SHIPPED / "prometheus/rollbackd-alerts.yml").read_text() + text)
        self.reload()


class World:
    def __init__(self, folder):
        self.dir, self.started = folder, []
        port = free_port()
        self.service = DemoService(folder, 10)
        try:
            self.alertmanager = self.start(ShippedAlertmanager(folder / "am", port))
            self.prometheus = self.start(ShippedPrometheus(folder / "prometheus", port, self.service.port, self.alertmanager))
            for name in ("slack-url", "management-url", "on-call-secret"):
                (folder / name).write_text("http://127.0.0.1:1/services/T/B/x\n")
            self.shipped = replaced((SHIPPED / "rollbackd.yml").read_text(), [
                ("/etc/lapce-ai/flags.env", str(self.service.flags)), ("127.0.0.1:9090", f"127.0.0.1:{self.prometheus.port}"),
                ("127.0.0.1:9093", f"127.0.0.1:{self.alertmanager.port}"), ("127.0.0.1:8080", f"127.0.0.1:{self.service.port}"),
                ("/usr/bin/cst-indexer", "/bin/echo"), ("/usr/bin/cst-heap-snapshot", "/bin/echo"), ("/usr/bin/systemctl", "/bin/echo"),
                ("/usr/bin/rollbackctl", "/bin/echo"), ("/etc/rollbackd/", f"{folder}/"), ("https://oncall.example.com/hook", "http://127.0.0.1:1/hook")])
            # What looks back a day in steps of an hour has no answer from a Prometheus that is a minute old.
            self.text = replaced(self.shipped, [("[24h:1h]", "[30s:1s]")])
            self.daemon = Daemon(folder / "rollbackd", self.text)
            self.daemon.port = port
            self.daemon.start()
        except BaseException:
            self.stop()
            raise

    def start(self, program):
        self.started.append(program)
        return program.start()

    def stop(self):
        for program in reversed(self.started):
            program.stop()
        self.service.stop()
        return self.daemon.stop()

    def ask(self, *changes, text=None, options=("-o", "json")):
        """(exit code, {what: [(state, says)]})"""
        config = self.dir / "doctor.yml"
        config.write_text(replaced(text or self.text, changes))
        r = ctl(self.daemon, *options, "doctor", f"--config={config}")
        assert r.stdout, r.stderr
        found = {}
        for one in json.loads(r.stdout)["findings"]:
            found.setdefault(one["what"], []).append((one["state"], one["says"]))
        return r.returncode, found

    def until_code(self, wanted, *changes, timeout=60):
        def asked():
            nonlocal last
            last = self.ask(*changes)
            assert last[0] == wanted, (last[0], not_well(last[1]))
            return last
        last = None
        return until(asked, timeout, every=0.5)


def not_well(found):
    return {what: said for what, says in found.items() if (said := [s for s in says if s[0] in ("bad", "unknown")])}


@pytest.fixture(scope="module")
def world():
    w = World(fresh("doctor"))
    w.until_code(0, timeout=90)
    w.prometheus.as_shipped()
    w.until_code(0)             # each rule was evaluated in its new group
    yield w
    code = w.stop()
    assert code == 0, w.daemon.log()[-4000:]


@pytest.mark.skipif(not HIDING, reason="the Alertmanager of this Debian shows the addresses of webhooks")
def test_an_alertmanager_that_hides_where_it_sends_to_is_found_by_the_receivers_name(world, programs, folder):
    am = programs(ShippedAlertmanager(folder / "am", world.daemon.port, HIDING))
    there = (f"127.0.0.1:{world.alertmanager.port}", f"127.0.0.1:{am.port}")
    code, found = world.ask(there)
    for name in TRIGGERS:
        (state, says), (noted, why) = found[f"{name} route"][:2]
        assert state == "ok" and "reaches rollbackd by receiver rollbackd after group_wait 0s" in says, found[f"{name} route"]
        assert noted == "note" and f"rollbackctl drill cst-pipeline --alertmanager {am.url}" in why, found[f"{name} route"]
    am.file.write_text(re.sub(r"(name|receiver): rollbackd\b", r"\1: automation", am.shipped))
    assert request(am.port, "POST", "/-/reload")[0] == 200
    code, found = world.ask(there)
    assert code != 0
    state, says = found["CanaryErrorRateBurst route"][0]
    assert state == "unknown" and "goes to receiver automation; Alertmanager does not show the URL" in says and "drill" in says


def test_all_is_well_as_shipped(world):
    code, found = world.ask()
    assert code == 0 and not not_well(found)
    for name in TRIGGERS:
        assert found[f"{name} action"][0] == ("ok", found[f"{name} action"][0][1])
        assert found[f"{name} route"][0][0] == "ok" and "after group_wait 0s" in found[f"{name} route"][0][1]
    # deploy/prometheus: scrape 15 s, its span 1m, two groups of 15 s, for 15 s
    assert found["CanaryErrorRateBurst time"] == [("ok", "scrape 15s + span 1m + eval 30s + for 15s + group_wait 0s = 2m at worst; "
                                                         "sla.detection is 2m")]
    state, says = found["CanaryErrorRateHigh time"][0]
    assert state == "note" and says.startswith("scrape 15s + span 5m + eval 30s + for 15s + group_wait 0s = 6m at worst")
    assert found["cst-pipeline detection"][0][0] == "ok" and found["cst-pipeline queries"][0][0] == "ok"
    assert found["retention"] == [("ok", 'Prometheus keeps 15d; the farthest look back is 1w, by stage "Majority"')]
    assert "Watchdog route" in found and "RollbackdDown route" not in found       # people's alerts are none of its business
    r = ctl(world.daemon, "doctor", "--config", world.dir / "doctor.yml")
    assert r.returncode == 0 and re.search(r"^ok +CanaryErrorRateBurst route: reaches rollbackd", r.stdout, re.M)
    assert re.search(r"^0 bad, 0 unknown, \d+ notes, \d+ ok$", r.stdout, re.M)
    assert "ticking an item" in r.stderr                # by: doctor, which only a known person ticks; the verdict stays


def test_a_young_prometheus_cannot_tell_about_yesterday(world):
    code, found = world.ask(text=world.shipped)
    assert code == 4 and list(not_well(found)) == ['cst-pipeline criterion "p95 latency scatters"']
    assert "farther than Prometheus remembers" in not_well(found)['cst-pipeline criterion "p95 latency scatters"'][0][1]


@pytest.mark.parametrize("name, changes, what, state, says", [
    ("swallowed", [("  routes:\n", "  routes:\n  - {matchers: ['severity=\"critical\"'], receiver: team-chat}\n")],
     "CanaryErrorRateBurst route", "bad", "never reaches rollbackd: it goes to team-chat,"),
    ("unknown label", [("  routes:\n", "  routes:\n  - {matchers: ['job=\"x\"'], receiver: team-chat}\n")],
     "CanaryErrorRateBurst route", "unknown", "depends on its label job, which the rule does not set"),
    ("group_wait", [("group_wait: 0s", "group_wait: 30s")],
     "cst-pipeline detection", "bad", "no rule rolls it back within sla.detection, 2m, at worst; CanaryErrorRateBurst is the fastest, with 2m30s"),
    ("send_resolved", [("    send_resolved: true               #", "    send_resolved: false  #")],
     "CanaryErrorRateBurst route", "bad", "send_resolved: false"),
    ("another host", [("webhook\n    send_resolved: true   ", "webhook2\n    send_resolved: true   ")],
     "CanaryErrorRateBurst route", "bad", "no webhook_configs there ends in /webhook"),
    ("inhibited", [("inhibit_rules:\n", "inhibit_rules:\n- {source_matchers: ['alertname=\"RollbackdDown\"'], "
                                        "target_matchers: ['action=\"auto_rollback\"']}\n")],
     "CanaryErrorRateBurst route", "bad", 'is hidden while RollbackdDown fires: nothing reaches rollbackd meanwhile (inhibit_rules: '
     '{alertname="RollbackdDown"} hides {action="auto_rollback"})'),
    ("perhaps inhibited", [("inhibit_rules:\n", "inhibit_rules:\n- {source_matchers: ['alertname=\"RollbackdDown\"'], "
                                                "target_matchers: ['action=\"auto_rollback\"'], equal: [job]}\n")],
     "CanaryErrorRateBurst route", "unknown", "may be hidden while RollbackdDown fires: that depends on labels"),
    ("heartbeat", [("    group_interval: 30s\n    repeat_interval: 1m\n\n  # --- to people", "    group_interval: 30s\n    repeat_interval: 1h\n\n  # ---")],
     "Watchdog heartbeat", "bad", "comes too seldom"),
])
def test_a_broken_alertmanager(world, name, changes, what, state, says):
    world.alertmanager.change(*changes)
    try:
        code, found = world.ask()
    finally:
        world.alertmanager.change()
    assert [s for s in found[what] if s[0] == state and says in s[1]], not_well(found)
    assert code == (4 if state == "unknown" else 1), not_well(found)


def test_a_flags_file_that_could_not_be_lowered(world):
    flags = world.service.flags
    inode = flags.stat().st_ino
    state, says = world.ask()[1]["cst-pipeline flags"][0]
    assert state == "ok" and "could be lowered" in says and flags.stat().st_ino == inode, "asked, and nothing changed"
    code, found = world.ask(("percentage: CST_ROLLOUT_PERCENTAGE", "percentage: CST_ROLLOUT_PRECENTAGE"))
    assert code == 1 and not_well(found)["cst-pipeline flags"][0][0] == "bad"
    away = flags.with_name("away")
    flags.rename(away)
    try:
        assert "No such file" in not_well(world.ask()[1])["cst-pipeline flags"][0][1]
    finally:
        away.rename(flags)


def test_a_command_that_could_not_be_run(world):
    assert world.ask()[1]["commands"][0][0] == "ok"
    code, found = world.ask(("[/bin/echo, halt]", "[/usr/bin/nothing-here, halt]"))
    [(state, says)] = not_well(found)["data-corruption commands"]
    assert code == 1 and state == "bad" and "nothing-here: No such file" in says


def test_a_silence_takes_a_trigger_away(world):
    body = {"matchers": [{"name": "action", "value": "auto_.*", "isRegex": True, "isEqual": True}], "createdBy": "x", "comment": "x",
            "startsAt": rfc3339(time.time()), "endsAt": rfc3339(time.time() + 3600)}
    status, _, out = request(world.alertmanager.port, "POST", "/api/v2/silences", body)
    assert status == 200, out
    code, found = world.until_code(1)
    assert all(any("is silenced until" in says for _, says in found[f"{name} route"]) for name in TRIGGERS)
    assert request(world.alertmanager.port, "DELETE", f"/api/v2/silence/{json.loads(out)['silenceID']}")[0] == 200
    world.until_code(0)


@pytest.mark.parametrize("changes, what, says", [
    ([("duration: 7d\n        approvals: [engineering-director]", "duration: 20d\n        approvals: [engineering-director]")],
     "retention", 'keeps 15d; stage "Majority" looks back 20d'),
    ([("{name: memory, query: 'max(cst_memory_rss_bytes)'", "{name: memory, query: 'max(cst_no_such_series)'")],
     'cst-pipeline criterion "memory"', "no data: max(cst_no_such_series)"),
    ([("{name: memory, query: 'max(cst_memory_rss_bytes)'", "{name: memory, query: 'max cst_memory_rss_bytes'")],
     'cst-pipeline criterion "memory"', "parse error"),
    ([("detection: 2m", "detection: 30s")], "CanaryErrorRateBurst time", "Even without the span, for a fault that shows in full at once, 1m"),
])
def test_a_config_that_does_not_fit(world, changes, what, says):
    code, found = world.ask(*changes)
    assert code == 1 and [s for s in found[what] if s[0] == "bad" and says in s[1]], not_well(found)


def test_the_founding_documents_rule_is_red_with_the_reason(world):
    world.prometheus.add_rules(FOUNDING)
    try:
        code, found = world.ask()
    finally:
        world.prometheus.as_shipped()
    assert code == 1
    assert found["FoundingErrorRateHigh time"] == [("bad", "scrape 15s + span 5m + eval 15s + for 2m + group_wait 0s = 7m30s at worst. Even without "
                                                           "the span, for a fault that shows in full at once, 2m30s: more than sla.detection, 2m")]
    assert found["FoundingErrorRateHigh action"][0][0] == "unknown"         # its label rollout
    assert [state for state, _ in found["FoundingErrorRateHigh text"]] == ["note", "note"]      # per instance, and 0/0


def test_rules_that_nothing_comes_of(world):
    world.prometheus.add_rules(QUANTILE)
    try:
        code, found = world.ask()
    finally:
        world.prometheus.as_shipped()
    assert code == 1
    assert found["QuantileWithoutLe text"] == [("bad", "histogram_quantile over an aggregation that loses le: there is never an answer. Write sum by "
                                                       "(le) (...)")]
    assert found["ActionMistyped action"] == [("bad", 'its label action="auto-rollback" matches no playbook: nothing would happen')]
    assert found["NobodysRollout action"][0][0] == "bad" and "no rollout claims its labels" in found["NobodysRollout action"][0][1]
    assert found["ActionFromTemplate action"][0][0] == "unknown"
    assert found["DrillMark action"] == [("bad", "never acts: its label drill (1) makes a fire drill of it, which changes nothing. Take the label away")]
    assert "DrillMark time" not in found and "DrillMark route" not in found
    [(state, says)] = found["ValueLabel labels"]
    assert state == "note" and says.startswith("its label now holds the value: each other value is another alert") and "`for` (1m)" in says
    assert found["NoSuchSeries data"] == [("bad", "Prometheus has nothing about cst_never_exported_total: it cannot fire")]


RECORDED = """
- name: disguised
  rules:
  - {record: cst_rollout_percentage, expr: max(cst_rollout_percentage_of_instance)}
"""


def test_a_check_on_what_a_rule_records_under_the_name_of_a_scraped_series(world):
    world.prometheus.add_rules(RECORDED)
    try:
        code, found = world.ask()
    finally:
        world.prometheus.as_shipped()
    assert code == 1
    assert [s for s in found["rollout cst-pipeline"] if s[0] == "bad" and "its check asks for cst_rollout_percentage, which a rule records" in s[1]]


class Ruler:
    """What Prometheus or vmalert answers to doctor, from a table: everything else is 404."""

    def __init__(self, pages):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = pages.get(self.path.split("?")[0])
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps({"status": "success", "data": body}).encode() if body is not None else b"unsupported path")

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def test_rules_that_somebody_else_evaluates(world):
    """A store without rules (VictoriaMetrics) cannot tell; vmalert, at global.rules_url, has them, and whom it sends them to."""
    status, _, out = request(world.prometheus.port, "GET", "/api/v1/rules")
    store = Ruler({"/api/v1/rules": {"groups": []}, "/api/v1/labels": ["rollout"]})
    vmalert = Ruler({"/vmalert/api/v1/rules": json.loads(out)["data"],
                     "/vmalert/api/v1/notifiers": {"notifiers": [{"kind": "static", "targets": [
                         {"address": f"{world.alertmanager.url}/api/v2/alerts", "labels": {}}]}]}})
    try:
        there = (world.prometheus.url, store.url)
        code, found = world.ask(there)
        [(state, says)] = found["Prometheus rules"]
        assert state == "unknown" and "global.rules_url" in says and code in (1, 3, 4)
        assert "cst-pipeline detection" not in found, "no rule was judged, so none is missing"
        code, found = world.ask(there, ("  alertmanager: {url:", f"  rules_url: {vmalert.url}/vmalert/\n  alertmanager: {{url:"))
        assert "Prometheus rules" not in found and found["Prometheus"][0][0] == "ok", found["Prometheus"]
        assert found["Prometheus alertmanagers"] == [("ok", f"it sends alerts to {world.alertmanager.url}")]
        assert found["CanaryErrorRateBurst action"][0][0] == "ok" and found["CanaryErrorRateBurst route"][0][0] == "ok"
    finally:
        store.server.shutdown()
        vmalert.server.shutdown()


def test_who_does_not_answer(world):
    nobody = f"127.0.0.1:{free_port()}"
    code, found = world.until_code(3, (f"127.0.0.1:{world.alertmanager.port}", nobody))
    assert found["Alertmanager"][0][0] == "unknown" and "no answer" in found["Alertmanager"][0][1]
    assert "group_wait unknown = at least 2m" in found["CanaryErrorRateBurst time"][0][1]
    code, found = world.ask((f"127.0.0.1:{world.prometheus.port}", nobody))
    assert code == 3 and "no answer" in found["Prometheus rules"][0][1]
    r = ctl(None, "-o", "json", "doctor", "--config", world.dir / "doctor.yml")
    assert r.returncode == 1 and json.loads(r.stdout)["findings"][0]["state"] == "bad"
    r = ctl(None, "doctor", "--config", world.dir / "nowhere.yml")
    assert r.returncode == 2 and r.stdout == ""
