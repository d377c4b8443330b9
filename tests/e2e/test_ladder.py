"""The verification ladder (written, acknowledged, effective, cured), other ways to get there, and what follows a rollback."""
import collections
import datetime
import json
import os
import re
import random
import time
from urllib.parse import parse_qs, urlparse

import pytest
from harness import Server, alert, config, ctl, slack_channel, until


class Answers(Server):
    """A Prometheus whose answers a test sets: query to value."""

    def __init__(self):
        self.values = {"traffic": 0, "symptom": 0}
        self.matching = {}              # beginning of a query: value
        self.asked = collections.Counter()
        super().__init__()

    def handle(self, method, path, headers, body):
        query = parse_qs(urlparse(path).query).get("query", [""])[0]
        age = re.fullmatch(r"min\(timestamp\((.*)\)\)", query)   # scraped this moment
        self.asked[query] += 1
        value = self.values.get(age[1] if age else query)
        value = next((v for start, v in self.matching.items() if query.startswith(start)), value)
        value = time.time() if age and value is not None else value
        result = [] if value is None else [{"metric": {}, "value": [time.time(), str(value)]}]
        return 200, {}, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


@pytest.fixture
def prometheus():
    p = Answers()
    yield p
    p.close()


def ladder(service, prometheus, chat, extra="", verify="", **parts):
    text = config(service, channels="channels:\n" + slack_channel(chat, events="all"),
                  prometheus=f"  prometheus: {{url: \"{prometheus.url}\", timeout: 1s}}", **parts)
    text = text.replace("      checks:\n", f"{verify}      checks:\n")
    return text.replace("    verify:\n", f"{extra}    verify:\n", 1)


EFFECTIVE = "      effective: {prometheus: traffic, max: 0.01}\n"
CURED = "      cured: {prometheus: symptom, max: 0.001, timeout: 600ms}\n"


def told(chat, words):
    return until(lambda: next((t for t in chat.texts() if words in t), None))


def test_rolled_back_is_not_said_while_traffic_goes_on(daemon_of, service, prometheus, chat):
    d = daemon_of(ladder(service, prometheus, chat, verify=EFFECTIVE))
    prometheus.values["traffic"] = 3.5
    [r] = d.post(alert())
    i = until(lambda: [x for x in [d.incident(r["incident"])] if x["verification"]["effective"]["state"] == "no"])[0]
    assert i["verification"]["acknowledged"]["state"] == "yes" and i["state"] == "verifying"
    assert i["verification"]["effective"]["note"] == "3.5, at most 0.01"
    prometheus.values["traffic"] = None             # no data is unknown, and never yes
    until(lambda: d.incident(r["incident"])["verification"]["effective"]["state"] == "unknown")
    prometheus.values["traffic"] = 0.01
    assert d.wait_state(r["incident"], "rolled_back")["verification"]["effective"]["state"] == "yes"


def test_effective_is_judged_only_at_zero(daemon_of, service, prometheus, chat):
    playbook = "playbooks:\n  - {name: partly, match: ['action=\"auto_rollback\"'], rollback: {to: 5}}"
    d = daemon_of(ladder(service, prometheus, chat, verify=EFFECTIVE, playbooks=playbook))
    prometheus.values["traffic"] = 3.5
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "rolled_back")
    assert i["percentage_seen"] == 5 and i["verification"]["effective"]["state"] == "unknown"


def test_cured_is_told_when_the_symptom_is_gone(daemon_of, service, prometheus, chat):
    d = daemon_of(ladder(service, prometheus, chat, verify=CURED.replace("600ms", "30s")))
    prometheus.values["symptom"] = 0.3
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "rolled_back")              # said before it is cured
    assert i["verification"]["cured"]["state"] == "no"
    prometheus.values["symptom"] = 0.0005
    told(chat, "Shop: cured: the symptom is gone (0.0005, at most 0.001)")
    assert d.incident(r["incident"])["verification"]["cured"]["state"] == "yes"


def test_at_zero_and_the_symptom_persists(daemon_of, service, prometheus, chat):
    d = daemon_of(ladder(service, prometheus, chat, verify=CURED))
    prometheus.values["symptom"] = 0.3
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    text = told(chat, "the symptom persists")
    assert text.startswith("Shop: at 0% and the symptom persists (0.3, at most 0.001): the canary is probably not the cause.")
    rounds = d.incident(r["incident"])["timeline"]
    d.restart()                                     # told once, and looked at further
    asked = prometheus.asked["symptom"]
    until(lambda: prometheus.asked["symptom"] > asked + 2)
    assert d.incident(r["incident"])["timeline"] == rounds
    assert len([t for t in chat.texts() if "persists" in t]) == 1
    prometheus.values["symptom"] = None             # that for a moment nobody knows does not mend it
    asked = prometheus.asked["min(timestamp(symptom))"]
    until(lambda: prometheus.asked["min(timestamp(symptom))"] > asked + 2)
    assert d.incident(r["incident"])["verification"]["cured"]["state"] == "no"
    prometheus.values["symptom"] = 0
    told(chat, "Shop: cured: the symptom is gone (0, at most 0.001)")


def test_silence_does_not_end_what_was_not_cured(daemon_of, service, prometheus, chat):
    d = daemon_of(ladder(service, prometheus, chat, verify=CURED, limits="limits: {quiet: 100ms}"))
    prometheus.values["symptom"] = 0.3
    [r] = d.post(alert())
    told(chat, "the symptom persists")
    d.post(alert(status="resolved", starts=r["starts_at"]))
    asked = prometheus.asked["symptom"]
    until(lambda: prometheus.asked["symptom"] > asked + 8)      # far longer than quiet
    i = d.incident(r["incident"])
    assert i["state"] == "rolled_back" and i["over"]["because"].startswith("at 0% and the symptom persists")
    prometheus.values["symptom"] = 0
    d.wait_state(r["incident"], "resolved")


def test_a_trigger_is_asked_for_its_own_symptom(daemon_of, service, prometheus, chat):
    own = CURED.replace("600ms}", "600ms, symptoms: [{name: p95 latency, match: ['alertname=\"Slow\"'], "
                        "prometheus: 'p95 - p95 @ ${onset} offset 5m', max: 0.1}]}")
    d = daemon_of(ladder(service, prometheus, chat, verify=own))
    prometheus.values["symptom"] = 0                # no error anywhere
    prometheus.values["p95"] = 0.4
    prometheus.matching["p95 - p95 @ "] = 0.4
    [r] = d.post(alert(alertname="Slow"))
    told(chat, "Shop: at 0% and the symptom persists (p95 latency: 0.4, at most 0.1): the canary is probably not the cause.")
    query = next(q for q in prometheus.asked if q.startswith("p95 - p95 @ "))
    onset = datetime.datetime.fromisoformat(d.incident(r["incident"])["onset_at"].replace("Z", "+00:00")).timestamp()
    assert abs(float(re.fullmatch(r"p95 - p95 @ ([\d.]+) offset 5m", query)[1]) - onset) < 0.01


def test_an_unknown_cure_is_neither_claimed_nor_paged(daemon_of, service, prometheus, chat):
    d = daemon_of(ladder(service, prometheus, chat, verify=CURED))
    prometheus.values["symptom"] = None
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: [e for e in d.incident(r["incident"])["timeline"] if e["what"] == "cure unknown"])
    assert d.incident(r["incident"])["verification"]["cured"]["state"] == "unknown"
    assert not [t for t in chat.texts() if ": cured:" in t or "persists" in t]


def fallback(service, after="300ms", **more):
    script = service.dir / "restart.sh"
    script.write_text(f"#!/bin/sh\necho restart >> {service.dir}/restarts\n"
                      f"sed -n 's/^SHOP_PERCENTAGE=//p' {service.flags} > {service.live}\n")
    script.chmod(0o755)
    return script, f"    fallback:\n      - {{after: {after}, command: [{script}], timeout: 5s}}\n"


def test_another_way_is_tried_once_when_nobody_acknowledges(daemon_of, service, prometheus, chat):
    script, extra = fallback(service)
    d = daemon_of(ladder(service, prometheus, chat, extra=extra))
    service.ignore_reload()
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "rolled_back")
    assert (service.dir / "restarts").read_text() == "restart\n" and service.percentage() == 0
    step = [s for s in i["steps"] if s["name"].endswith("restart.sh")]
    assert len(step) == 1 and step[0]["state"] == "done"


def test_no_other_way_is_tried_when_the_first_one_worked(daemon_of, service, prometheus, chat):
    script, extra = fallback(service, after="10ms")
    d = daemon_of(ladder(service, prometheus, chat, extra=extra, passes=5))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert not (service.dir / "restarts").exists()


def test_a_fallback_that_fails_leaves_the_incident_failed_and_paged(daemon_of, service, prometheus, chat):
    script, extra = fallback(service)
    d = daemon_of(ladder(service, prometheus, chat, extra=extra, timeout="1s"))
    script.write_text("#!/bin/sh\nexit 3\n")
    service.ignore_reload()
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "failed")
    until(lambda: [s["state"] for s in d.incident(r["incident"])["steps"] if s["name"].endswith("restart.sh")] == ["failed"])  # and again
    told(chat, "CRITICAL: AUTO_ROLLBACK FAILED")


# --- what follows ---

def follow(service, *needs):
    lines = []
    for name, more in needs:
        script = service.dir / f"{name}.sh"
        script.write_text(f"#!/bin/sh\necho {name} $(cat {service.live}) >> {service.dir}/then.log\n")
        script.chmod(0o755)
        lines.append(f"      - {{name: {name}, command: [{script}], timeout: 5s{more}}}")
    return ("playbooks:\n  - name: data-corruption\n    match: ['action=\"auto_rollback\"']\n    rollback: {to: 0}\n"
            "    then:\n" + "\n".join(lines) + "\n    review: required\n    restart_at: 1\n")


def log(service):
    file = service.dir / "then.log"
    return file.read_text().splitlines() if file.exists() else []


def test_what_follows_runs_in_order_after_the_percentage_was_lowered(daemon_of, service, prometheus, chat):
    d = daemon_of(ladder(service, prometheus, chat, playbooks=follow(service, ("halt", ""), ("validate", ", idempotent: true"))))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: [s["state"] for s in d.incident(r["incident"])["steps"] if s["name"] in ("halt", "validate")] == ["done", "done"])
    assert log(service) == ["halt 0", "validate 0"]


def test_a_step_that_needs_approval_waits_and_tells_people_once(daemon_of, service, prometheus, chat):
    d = daemon_of(ladder(service, prometheus, chat, playbooks=follow(service, ("halt", ""), ("restore", ", needs: approval"), ("after", ""))))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    told(chat, f'step "restore" waits for a person: rollbackctl incident approve {r["incident"]}')
    status, out = d.act(r["incident"], "approve")
    assert status == 403 and "who you are" in out["error"]
    until(lambda: all(n["state"] == "sent" for n in d.incident(r["incident"])["notifications"]))     # else it is told once more
    d.restart()
    assert log(service) == ["halt 0"]
    assert len([t for t in chat.texts() if 'step "restore" waits for a person' in t]) == 1


def test_whoever_approves_hears_what_was_not_done_before_and_resolving_ends_what_waits(daemon_of, service, prometheus, chat):
    d = daemon_of(ladder(service, prometheus, chat, playbooks=follow(service, ("halt", ""), ("restore", ", needs: approval"))))
    (service.dir / "halt.sh").write_text("#!/bin/sh\nexit 1\n")
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert f'rollbackctl incident approve {r["incident"]}. BEFORE IT WAS NOT DONE: "halt" (failed)' in told(chat, "waits for a person")
    assert d.act(r["incident"], "resolve")[0] == 200
    i = d.incident(r["incident"])
    assert [s["state"] for s in i["steps"] if s["name"] == "restore"] == ["skipped"]
    assert d.act(r["incident"], "acknowledge")[0] == 409 and d.act(r["incident"], "eta", eta="2h")[0] == 409      # it is over
    assert ("not done: restore", "local") in [(e["what"], e["who"]) for e in i["timeline"]]


def test_a_rollout_under_review_is_locked(daemon_of, service, prometheus, chat):
    d = daemon_of(ladder(service, prometheus, chat, playbooks=follow(service, ("halt", "")), limits="limits: {cooldown: 0s}"))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: log(service) == ["halt 0"])
    assert d.act(r["incident"], "resolve")[0] == 200
    rollout = d.get("/api/v1/rollouts/shop")
    assert rollout["review_of"] == r["incident"] and "review" in [m["what"] for m in rollout["next"]["missing"]]
    assert d.metric("rollbackd_locked", rollout="shop") == 1
    assert d.act(r["incident"], "review")[0] == 400
    p = ctl(d, "incident", "review", r["incident"], "the parser lost a lock; fixed in 1.2")
    assert p.returncode == 0, p.stderr
    assert d.incident(r["incident"])["reviewed_by"] == "local"
    assert "review" not in [m["what"] for m in d.get("/api/v1/rollouts/shop")["next"]["missing"]]
    assert d.act(r["incident"], "review", note="again")[0] == 409


def test_a_person_reports_an_incident(daemon_of, service, prometheus, chat):
    d = daemon_of(ladder(service, prometheus, chat))
    p = ctl(d, "-o", "json", "incident", "open", "shop", "--severity", "P2", "--summary", "search feels slow")
    assert p.returncode == 0, p.stderr
    i = json.loads(p.stdout)
    assert i["state"] == "held" and i["kind"] == "manual" and service.percentage() == 10
    lines = told(chat, "search feels slow").splitlines()
    assert lines[0] == "[INCIDENT] Shop Reported Incident" and "- Action: None: a report; nothing was rolled back" in lines
    p = ctl(d, "-o", "json", "incident", "open", "shop", "--severity", "P0", "--summary", "search returns wrong files")
    i = d.wait_state(json.loads(p.stdout)["id"], "rolled_back")
    assert service.percentage() == 0
    lines = told(chat, "- Action: Rolled back to 0%").splitlines()     # a report no longer
    assert lines[0] == "[INCIDENT] Shop Manual Rollback"
    for bad in ({}, {"rollout": "shop"}, {"rollout": "shop", "severity": "", "summary": "x"}):
        assert d.call("POST", "/api/v1/incidents", bad)[0] == 400
    assert d.call("POST", "/api/v1/incidents", {"rollout": "none", "severity": "P0", "summary": "x"})[0] == 404


def test_the_report_holds_the_story_and_no_markdown_from_outside(daemon_of, service, prometheus, chat):
    d = daemon_of(ladder(service, prometheus, chat))
    [r] = d.post(alert(annotations={"summary": "errors | <script> **up** [x](http://evil)"}))
    d.wait_state(r["incident"], "rolled_back")
    p = ctl(d, "incident", "report", r["incident"])
    assert p.returncode == 0, p.stderr
    lines = p.stdout.splitlines()
    assert lines[0] == f"# Incident {r['incident']}: errors \\| \\<script\\> \\*\\*up\\*\\* \\[x\\](http://evil)"
    assert "- Stage: 1" in lines and "- Traffic: 10% before, 0% wanted, 0% seen" in lines
    for section in ("Time", "Verification", "Timeline", "Alerts", "Steps", "Who was told", "Review"):
        assert f"## {section}" in lines, section
    assert any(line.startswith("| total | ") and line.endswith("| met |") for line in lines)
    [detection] = [line for line in lines if line.startswith("| detection ")]      # this Prometheus does not know when it began
    assert detection.startswith("| detection (since it fired) | 30 s | 2 minutes |") and "met" not in detection
    assert any("| set percentage | done | 1 |" in line for line in lines)
    assert "- [ ] What was the cause?" in lines
    assert ctl(d, "incident", "report", 99).returncode == 1


def test_a_message_says_what_was_measured_which_rungs_were_reached_and_how_long_it_took(daemon_of, service, prometheus, chat):
    text = ladder(service, prometheus, chat, verify=EFFECTIVE) + "\nsla: {execution: 10ms}\n"
    d = daemon_of(text)
    [r] = d.post(alert(annotations={"summary": "Error rate exceeded threshold", "value": "1.84%", "bound": "baseline + 0.5 points",
                                    "baseline": "0.11%", "window": "5m", "samples": "3012 requests"}))
    d.wait_state(r["incident"], "rolled_back")
    measured = "- Measured: value 1.84%, bound baseline + 0.5 points, baseline 0.11%, window 5m, samples 3012 requests"
    first = told(chat, "- Action: Rolling back to 0%").splitlines()       # the one that wakes people
    assert measured in first and not [line for line in first if "detection" in line]      # when it began is not known yet
    lines = told(chat, "Rolled back to 0%").splitlines()
    assert measured in lines
    assert "- Verified: written yes, acknowledged yes, effective yes" in lines
    [took] = [line for line in lines if line.startswith("- Time: detection (since it fired) 30 s")]
    assert " of 2 minutes, decision " in took and " of 10 ms MISSED, verification " in took and took.endswith(" of 10 minutes")
    assert d.metric("rollbackd_sla_breaches_total", phase="execution") == 1
    assert d.metric("rollbackd_sla_breaches_total", phase="total") == 0


@pytest.mark.parametrize("state, playbook", [("held", "hold: true"), ("pending", "rollback: {to: 0, after: 1h}")])
def test_what_only_waits_says_what_was_measured_and_learns_when_it_began(daemon_of, service, prometheus, chat, state, playbook):
    playbook = f"playbooks:\n  - {{name: waits, match: ['action=\"auto_rollback\"'], {playbook}}}"
    d = daemon_of(ladder(service, prometheus, chat, playbooks=playbook))
    starts, began = int(time.time()) - 10, int(time.time()) - 200   # it was pending for 190 s before it fired
    prometheus.values['ALERTS_FOR_STATE{alertname="CanaryErrorRateHigh",action=~"|auto_rollback",'
                      'rollout=~"|shop",severity=~"|critical"}'] = began
    [r] = d.post(alert(starts=starts, annotations={"summary": "Memory is too high", "value": "3.1 GB", "bound": "2 GB"}))
    lines = told(chat, "Memory is too high").splitlines()
    assert "- Measured: value 3.1 GB, bound 2 GB" in lines
    assert not [line for line in lines if "detection" in line]       # not known yet
    sla = until(lambda: [s for s in [d.incident(r["incident"])["sla"]["detection"]] if s["from"] == "ALERTS_FOR_STATE"])[0]
    assert sla["seconds"] >= 200 and sla["met"] is False and d.incident(r["incident"])["state"] == state


def test_a_message_says_who_called_it_off_or_ended_it_and_why(daemon_of, service, prometheus, chat):
    playbook = "playbooks:\n  - {name: waits, match: ['action=\"auto_rollback\"'], rollback: {to: 0, after: 1h}}"
    d = daemon_of(ladder(service, prometheus, chat, playbooks=playbook))
    [r] = d.post(alert(annotations={"summary": "the first"}))
    p = ctl(d, "incident", "cancel", r["incident"], "known: a test\n- Status: all is well")
    assert p.returncode == 0, p.stderr
    assert "- Called off by local: known: a test - Status: all is well" in told(chat, "- Status: Cancelled").splitlines()
    [r] = d.post(alert(instance="b", annotations={"summary": "the second"}))
    d.post(alert(instance="b", status="resolved", starts=r["starts_at"], annotations={"summary": "the second"}))
    d.wait_state(r["incident"], "cancelled")
    text = until(lambda: next((t for t in chat.texts() if "the second" in t and "- Status: Cancelled" in t), None))
    assert "- Called off by rollbackd: every alert resolved before its time came" in text.splitlines()
    [r] = d.post(alert(instance="c", annotations={"summary": "the third"}))
    assert d.act(r["incident"], "resolve")[0] == 200
    assert [x for x in told(chat, "- Status: Resolved").splitlines() if x.startswith("- Ended by ") and ":" not in x]


def test_above_zero_a_symptom_that_persists_does_not_acquit_the_canary(daemon_of, service, prometheus, chat):
    playbook = "playbooks:\n  - {name: partly, match: ['action=\"auto_rollback\"'], rollback: {to: 5}}"
    d = daemon_of(ladder(service, prometheus, chat, verify=CURED, playbooks=playbook))
    prometheus.values["symptom"] = 0.3
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    text = told(chat, "the symptom persists")
    assert text.startswith("Shop: at 5% and the symptom persists (0.3, at most 0.001): ") and "probably not the cause" not in text
    assert "rollbackctl rollback shop --stage 1" in text


def test_what_was_seen_before_is_not_claimed_of_the_next_rollback(daemon_of, service, prometheus, chat):
    d = daemon_of(ladder(service, prometheus, chat, verify=EFFECTIVE))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    service.raise_to(10)
    gate = service.dir / "gate"
    service.reload.write_text(service.reload.read_text() + f"while [ ! -e {gate} ]; do sleep 0.02; done\n")
    d.post(alert(instance="b"))
    i = d.wait_state(r["incident"], "rolling_back")
    assert {n: i["verification"][n]["state"] for n in ("acknowledged", "effective")} == {"acknowledged": "unknown", "effective": "unknown"}
    gate.touch()
    i = d.wait_state(r["incident"], "rolled_back")
    assert i["verification"]["acknowledged"]["state"] == i["verification"]["effective"]["state"] == "yes"


def test_what_follows_is_done_as_well_when_the_percentage_was_there_already(daemon_of, service, prometheus, chat):
    service.raise_to(0)
    d = daemon_of(ladder(service, prometheus, chat, playbooks=follow(service, ("halt", ""))))
    [r] = d.post(alert())
    assert r["disposition"] == "already_there"
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: log(service) == ["halt 0"])
    assert service.reloads() == []


def test_a_reported_p0_rolls_back_however_it_is_typed(daemon_of, service, prometheus, chat):
    d = daemon_of(ladder(service, prometheus, chat))
    p = ctl(d, "-o", "json", "incident", "open", "shop", "--severity", "p0", "--summary", "search returns wrong files")
    assert p.returncode == 0, p.stderr
    i = d.wait_state(json.loads(p.stdout)["id"], "rolled_back")
    assert i["severity"] == "P0" and service.percentage() == 0


def test_an_approval_runs_what_was_asked_for_and_then_the_rest_in_order(daemon_of, service, prometheus, chat):
    sock = f"/tmp/rollbackd-{os.getpid()}-{random.randrange(10**9)}.sock"
    book = follow(service, ("halt", ""), ("restore", ", needs: approval"), ("after", ""))
    d = daemon_of(ladder(service, prometheus, chat, playbooks=book), args=[f"--web.listen-address=unix:{sock}"])
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    told(chat, 'step "restore" waits for a person')
    at_sock = ["--url", f"unix:{sock}", "incident", "approve", r["incident"]]
    p = ctl(None, *at_sock, "--step", "halt")
    assert p.returncode == 1 and 'the step that waits is "restore", not "halt"' in p.stderr
    assert log(service) == ["halt 0"]
    p = ctl(None, *at_sock, "backup of 03:00", "--step", "restore")
    assert p.returncode == 0, p.stderr
    until(lambda: log(service) == ["halt 0", "restore 0", "after 0"])
    i = d.incident(r["incident"])
    [said] = [e for e in i["timeline"] if e["what"] == "approved: restore"]
    assert said["note"] == "backup of 03:00" and said["who"] not in ("", "local", "rollbackd")
    until(lambda: all(s["state"] == "done" for s in d.incident(r["incident"])["steps"]))
    assert ctl(None, *at_sock).returncode == 1          # nothing waits any more


def test_what_follows_later_names_no_more_than_is_there_by_then(daemon_of, service):
    sock, script = f"/tmp/rollbackd-{os.getpid()}-{random.randrange(10**9)}.sock", service.dir / "name.sh"
    script.write_text(f"#!/bin/sh\necho $ROLLBACKD_PERCENTAGE $1 >> {service.dir}/then.log\n")
    script.chmod(0o755)
    service.raise_to(25)
    book = (f"playbooks:\n  - name: partial\n    match: ['action=\"partial\"']\n    rollback: {{to: 10}}\n    then:\n"
            f"      - {{name: now, command: [{script}, '${{percentage}}']}}\n"
            f"      - {{name: late, command: [{script}, '${{percentage}}'], needs: approval}}\n")
    d = daemon_of(config(service, playbooks=book), args=[f"--web.listen-address=unix:{sock}"])
    [r] = d.post(alert(action="partial"))
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: log(service) == ["10 10"])
    service.raise_to(0)                                 # by hand, in the meantime
    assert ctl(None, "--url", f"unix:{sock}", "incident", "approve", r["incident"]).returncode == 0
    until(lambda: log(service) == ["10 10", "0 0"])


def test_an_eta_is_read_as_people_say_it(daemon_of, service, prometheus, chat):
    d = daemon_of(ladder(service, prometheus, chat))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert ctl(d, "incident", "eta", r["incident"], "2h").returncode == 0
    at = datetime.datetime.fromisoformat(d.incident(r["incident"])["eta"])
    assert abs((at - datetime.datetime.now(datetime.timezone.utc)).total_seconds() - 7200) < 60
    assert "- ETA: 2 hours to resolution" in told(chat, "- ETA: 2").splitlines()
    for words in ("soonish", "-1h", "0s", "2020-01-01T00:00:00Z"):
        status, out = d.act(r["incident"], "eta", eta=words)
        assert status == 400 and "a duration like 2h" in out["error"], (words, out)
    assert d.incident(r["incident"])["eta"] == at.isoformat().replace("+00:00", "Z")
    assert d.act(r["incident"], "resolve")[0] == 200
    assert "- ETA: 2 hours to resolution" in told(chat, "- Status: Resolved").splitlines()


def test_a_message_names_the_command_that_comes_next(daemon_of, service, prometheus, chat):
    d = daemon_of(ladder(service, prometheus, chat, timeout="1s", playbooks=follow(service, ("halt", ""))))
    service.ignore_reload()
    [r] = d.post(alert())
    n = r["incident"]
    assert f"- Next: rollbackctl incident retry {n}" in told(chat, "CRITICAL: AUTO_ROLLBACK FAILED").splitlines()
    service.follow_again()
    assert f'- Next: rollbackctl incident review {n} "what was wrong, and what was done"' in told(chat, "(late:").splitlines()
