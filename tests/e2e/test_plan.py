"""The rollout plan: stages entered and refused, the clean clock, approvals and ticks that end with a run."""
import json
import os
import re
import socket
import time
from urllib.parse import parse_qs, urlparse

import pytest
from harness import Server, alert, config, ctl, parse_time, slack_channel, until

PLAN = """
    stages:
      - {{number: 0, name: Pre-Production, percentage: 100, environment: staging, duration: 7d, checklist: pre}}
      - number: 1
        name: Canary
        percentage: 10
        duration: {clean}
        checklist: canary
        criteria:
          - {{name: error rate delta, query: errors, max: 0.001, min_samples: 100, samples: requests}}
          - {{name: cache hit rate, query: cache, min: 0.8}}
      - {{number: 2, name: Expanded, percentage: 25, duration: 1h, release_notes: "Faster search for everybody."}}
      - {{number: 3, name: Majority, percentage: 50}}
    checklists:
      - name: pre
        items: [{{text: Tests pass}}, {{text: Runbook reviewed}}]
      - name: canary
        items: [{{text: Error logs reviewed}}]
    milestones: [{{after_stage: 2, in: 300ms, text: Performance report, owner: Engineering}}]
    watch: {{data: [{{name: canary traffic, query: traffic}}], patience: 200ms}}
    baselines: [{{metric: error_ratio, query: legacy, samples: legacy_requests, min_samples: 50}}]
"""


class FakePrometheus(Server):
    """Answers instant queries: each text has a value, a list of values, or an error."""

    def __init__(self):
        self.values = {"errors": 0.0005, "requests": 1000, "cache": 0.9, "traffic": 5, "legacy": 0.001, "legacy_requests": 500}
        self.asked = []
        super().__init__()

    def handle(self, method, path, headers, body):
        query = parse_qs(urlparse(path).query)["query"][0]
        self.asked.append(query)
        name = re.sub(r"^(max|min)_over_time\(\((.*)\)\[.*$", r"\2", query)
        value = self.values.get(name, [])
        if isinstance(value, str):
            return 400, {}, json.dumps({"status": "error", "errorType": "bad_data", "error": value})
        values = value if isinstance(value, list) else [value]
        result = [{"metric": v if isinstance(v, dict) else {"n": str(i)}, "value": [time.time(), "1" if isinstance(v, dict) else str(v)]}
                  for i, v in enumerate(values)]
        return 200, {}, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


def plan_config(service, prometheus, chat, clean="400ms", extra="", **parts):
    text = config(service, channels="channels:\n" + slack_channel(chat, events="all") + "\n" + extra,
                  prometheus=f"  prometheus: {{url: \"{prometheus.url}\", timeout: 1s}}\n  evaluation_interval: 100ms", **parts)
    head, rest = text.split("    stages:\n", 1)
    tail = rest[rest.index("name: Majority"):].split("\n", 1)[1]
    return head + PLAN.format(clean=clean).lstrip("\n") + tail


@pytest.fixture
def prometheus():
    p = FakePrometheus()
    yield p
    p.close()


def rollout(d):
    return d.get("/api/v1/rollouts/shop")


def missing(d):
    return [m["what"] for m in rollout(d)["next"]["missing"]]


def move(d, what, user=None, **body):
    return d.call("POST", f"/api/v1/rollouts/shop/{what}", body)


def enter(d, percentage, service, **body):
    status, out = move(d, "advance", **body)
    assert status == 200, out
    until(lambda: rollout(d)["percentage_wanted"] == percentage and rollout(d)["clock"]["entered_at"])
    assert service.file_percentage() == str(percentage) and service.percentage() == percentage
    return out["data"]["advance"]


def test_the_first_start_adopts_the_stage_and_counts_its_clean_time(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat))
    r = until(lambda: rollout(d)["clock"]["runs"] and rollout(d))
    assert r["stage"] == 1 and r["clock"]["required"] == 0.4
    until(lambda: rollout(d)["clock"]["left"] == 0)
    assert missing(d) == ["checklist"]
    assert [c["state"] for c in rollout(d)["criteria"]] == ["holds", "holds"]
    assert d.metric("rollbackd_criterion_state", criterion="cache hit rate") == 1
    assert d.metric("rollbackd_stage_clean_seconds", rollout="shop") >= 0.4
    assert d.metric("rollbackd_baseline", rollout="shop", metric="error_ratio") == 0.001


def test_what_a_criterion_leaves_out_is_named(daemon_of, service, prometheus, chat):
    prometheus.values["small"] = [{"language": "go"}, {"language": "lua"}]
    d = daemon_of(plan_config(service, prometheus, chat).replace("query: cache, min: 0.8", "query: cache, min: 0.8, left_out: small"))
    until(lambda: rollout(d)["criteria"][1]["why"] == "holds: 0.9, at least 0.8; too small to be judged: go, lua")


def test_everything_that_is_missing_is_named(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, clean="48h"))
    prometheus.values.update(errors=0.02, cache="no such metric")
    until(lambda: [c["state"] for c in rollout(d)["criteria"]] == ["fails", "unknown"])
    status, out = move(d, "advance")
    assert status == 409 and out["errorType"] == "conflict"
    assert [m["what"] for m in out["data"]["missing"]] == ["criterion", "criterion", "clock", "checklist"]
    texts = [m["text"] for m in out["data"]["missing"]]
    assert texts[0] == "error rate delta: fails: 0.02, at most 0.001"
    assert texts[1].startswith("cache hit rate: unknown: ") and "no such metric" in texts[1]
    assert texts[3] == 'checklist canary: "Error logs reviewed" is not ticked'
    assert service.file_percentage() == "10"
    p = ctl(d, "stage", "advance")
    assert p.returncode == 1 and "not advanced, 4 things are missing" in p.stderr and texts[3] in p.stderr


@pytest.mark.parametrize("values", [{"errors": []}, {"errors": "NaN"}, {"requests": 99}, {"requests": []}, {"errors": [0.0005, 0.5]}])
def test_the_clock_stands_while_a_criterion_fails_or_is_unknown(daemon_of, service, prometheus, chat, values):
    d = daemon_of(plan_config(service, prometheus, chat, clean="48h"))
    until(lambda: rollout(d)["clock"]["clean"] > 0)
    prometheus.values.update(values)
    if values.get("errors") == "NaN":
        prometheus.values["errors"] = ["NaN"]
    until(lambda: not rollout(d)["clock"]["runs"])
    assert "error rate delta" in rollout(d)["clock"]["why"]
    stood = rollout(d)["clock"]["clean"]
    asked = len(prometheus.asked)
    until(lambda: len(prometheus.asked) > asked + 30)      # some looks later
    assert rollout(d)["clock"]["clean"] == stood


def test_entering_a_stage_is_announced_as_promised(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, clean="100ms"))
    until(lambda: rollout(d)["clock"]["left"] == 0)
    enter(d, 25, service, force=True, reason="nobody to tick")
    until(lambda: any("Stage 2" in t for t in chat.texts()))
    [text] = [t for t in chat.texts() if "Stage 2: 25%" in t]
    lines = text.splitlines()
    assert lines[0] == "[ROLLOUT] Shop Stage 2: 25% traffic"
    assert re.fullmatch(r"- Started: \d{4}-\d\d-\d\d \d\d:\d\d UTC", lines[1])
    assert lines[2:5] == ["- Duration: 1 hour", "- Monitoring: https://grafana.example.com/d/shop",
                          "- Rollback: rollbackctl rollback shop --stage 2"]
    assert lines[5] == '- Forced by local: nobody to tick (passed over: checklist canary: "Error logs reviewed" is not ticked)'
    assert rollout(d)["stage"] == 2 and len(service.reloads()) == 1
    assert "SHOP_ENABLED=true" in service.flags.read_text() and "OTHER='keep me'" in service.flags.read_text()
    assert d.incidents() == []              # a stage is no incident
    until(lambda: any("due: Performance report, by Engineering" in t for t in chat.texts()))


def test_forcing_needs_a_reason_and_a_live_incident_cannot_be_forced(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat))
    status, out = move(d, "advance", force=True)
    assert status == 400 and "reason" in out["error"]
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    status, out = move(d, "advance", force=True, reason="now")
    assert status == 409 and "incident" in [m["what"] for m in out["data"]["missing"]]
    assert service.file_percentage() == "0"


def test_after_a_rollback_the_stage_is_entered_again_and_its_run_is_new(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, limits="limits: {cooldown: 0s, quiet: 30m}"))
    run = until(lambda: rollout(d)["clock"]["left"] == 0 and rollout(d)["clock"]["run"])
    a = alert()
    [r] = d.post(a)
    d.wait_state(r["incident"], "rolled_back")
    assert rollout(d)["clock"]["run"] > run and rollout(d)["clock"]["clean"] == 0
    assert rollout(d)["stage"] == 1 and rollout(d)["next"] | {"missing": 0} == {
        "stage": 1, "name": "Canary", "percentage": 10, "again": True, "ready": False, "missing": 0}
    d.act(r["incident"], "resolve")
    prometheus.values['ALERTS_FOR_STATE{alertname="CanaryErrorRateHigh"}'] = []
    status, out = move(d, "advance")        # the fake answers "no data" to whatever it is asked about the alert
    assert status == 200, out
    until(lambda: service.file_percentage() == "10" and rollout(d)["clock"]["entered_at"])
    assert service.percentage() == 10


def test_raising_is_refused_while_the_alert_is_active_or_nobody_can_tell(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, limits="limits: {cooldown: 0s}"))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    d.act(r["incident"], "resolve")
    asked = until(lambda: next((q for q in prometheus.asked if q.startswith("ALERTS_FOR_STATE")), None))
    prometheus.values[asked] = 1700000000
    status, out = move(d, "advance")
    assert status == 409 and out["data"]["missing"] == [
        {"what": "alert", "text": "CanaryErrorRateHigh, which rolled it back or held it, is still active"}]
    prometheus.values[asked] = "out of order"
    status, out = move(d, "advance")
    assert status == 409 and out["data"]["missing"][0]["what"] == "alert" and "unknown" in out["data"]["missing"][0]["text"]
    prometheus.values[asked] = []
    assert move(d, "advance")[0] == 200


def test_cooldown_and_rollbacks_per_day_lock_raising(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, limits="limits: {cooldown: 1h, rollbacks_per_day: 1}"))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    d.act(r["incident"], "resolve")
    assert missing(d) == ["cooldown", "rollbacks_per_day"]


def test_a_trigger_while_a_stage_is_being_entered_rolls_back(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, clean="100ms"))
    until(lambda: rollout(d)["clock"]["left"] == 0)
    service.ignore_reload()                 # so that verification goes on for long
    status, out = move(d, "advance", force=True, reason="test")
    assert status == 200, out
    until(lambda: rollout(d)["entering"] == "verifying")
    service.broken.unlink()
    [r] = d.post(alert())
    assert r["disposition"] == "rollback_started"
    i = d.wait_state(r["incident"], "rolled_back")
    assert i["stage"] == 2 and i["percentage_before"] == 25 and service.percentage() == 0
    assert d.incident(out["data"]["advance"])["state"] == "cancelled"
    assert rollout(d)["entering"] is None and not any("Stage 2: 25%" in t for t in chat.texts())


def test_a_stage_that_is_not_verified_pages_and_a_late_success_is_told(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, clean="100ms", timeout="600ms"))
    until(lambda: rollout(d)["clock"]["left"] == 0)
    service.ignore_reload()
    move(d, "advance", force=True, reason="test")
    until(lambda: any("NOT VERIFIED" in t for t in chat.texts()))
    assert rollout(d)["entering"] == "failed" and not rollout(d)["clock"]["entered_at"]
    service.follow_again()
    until(lambda: rollout(d)["clock"]["entered_at"])
    until(lambda: any("verified late" in t for t in chat.texts()))


def test_somebody_who_lowered_the_flag_meanwhile_is_not_overruled(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, clean="100ms"), env={"ROLLBACKD_FAILPOINT": "step-intent-committed"})
    until(lambda: rollout(d)["clock"]["left"] == 0)
    with pytest.raises((OSError, ConnectionError)):
        move(d, "advance", force=True, reason="test")
        d.died()
        raise ConnectionError
    service.raise_to(5)
    d.start(env={"ROLLBACKD_FAILPOINT": ""})
    until(lambda: any("somebody else changed it" in t for t in chat.texts()))
    assert service.file_percentage() == "5"


def test_hold_freeze_and_stage_set(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, clean="48h"))
    until(lambda: rollout(d)["clock"]["runs"])
    assert move(d, "hold")[0] == 400
    assert move(d, "hold", note="customer demo")[0] == 200
    until(lambda: not rollout(d)["clock"]["runs"])
    assert rollout(d)["clock"]["why"] == "held by local" and d.metric("rollbackd_held", rollout="shop") == 1
    assert move(d, "resume")[0] == 200
    until(lambda: rollout(d)["clock"]["runs"])
    assert ctl(d, "freeze", "4h", "--reason", "release day").returncode == 0
    assert "freeze" in missing(d) and "release day" in rollout(d)["freeze"]
    for forgotten in ({}, {"reason": "longer"}, {"duraton": "8h", "reason": "longer"}):
        assert d.call("POST", "/api/v1/rollouts/shop/freeze", forgotten)[0] == 400, forgotten
    assert "freeze" in missing(d)
    assert ctl(d, "freeze", "0s").returncode == 0
    assert "freeze" not in missing(d)
    r = ctl(d, "freeze", "0s")
    assert r.returncode == 1 and "is not frozen by anybody" in r.stderr
    p = ctl(d, "stage", "set", "2")         # entering again would ask no gate, so nobody gets there by word
    assert p.returncode == 1 and "it is at 10%, stage 2 has 25%: that would skip the gates before it" in p.stderr
    assert ctl(d, "stage", "set", "2", "--force").returncode == 2 and rollout(d)["stage"] == 1
    p = ctl(d, "stage", "set", "2", "--force", "--reason", "it was there before the move")
    assert p.returncode == 0, p.stderr      # 10 % is below stage 2's: nothing is raised by saying so
    until(lambda: any("FORCED past the gates before it: it was there before the move" in t for t in chat.texts()))
    assert rollout(d)["stage"] == 2 and service.file_percentage() == "10" and rollout(d)["next"]["again"]
    p = ctl(d, "stage", "set", "0")         # with traffic here its triggers would roll nothing back
    assert p.returncode == 1 and "stage 0 is of environment staging, and it is at 10% here" in p.stderr, p.stderr
    assert "rollbackctl stage set shop 1" in p.stderr and rollout(d)["stage"] == 2
    p = ctl(d, "stage", "set", "3")
    assert p.returncode == 1 and "skip the gates" in p.stderr
    assert any("held by local: customer demo" in t for t in chat.texts())


def test_approvals_and_ticks_need_a_person(daemon, service):
    status, out = daemon.call("POST", "/api/v1/rollouts/shop/approve", {"role": "engineering-lead"})
    assert status == 403 and "who you are" in out["error"]


def test_a_blind_canary_pages_once_and_says_when_sight_returns(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat))
    until(lambda: rollout(d)["clock"]["runs"])
    prometheus.values["traffic"] = []
    until(lambda: any("THE CANARY IS BLIND: canary traffic: no data" in t for t in chat.texts()))
    assert d.metric("rollbackd_canary_blind", rollout="shop") == 1 and not rollout(d)["clock"]["runs"]
    d.restart()                             # told once, also across a restart
    asked = len(prometheus.asked)
    until(lambda: len(prometheus.asked) > asked + 30)
    prometheus.values["traffic"] = 5
    until(lambda: any("the canary is watched again" in t for t in chat.texts()))
    [page] = [t for t in chat.texts() if "BLIND" in t]
    command = re.search(r"roll it back: rollbackctl (rollback shop.*)", page).group(1)
    p = ctl(d, *command.split())        # what the page says is what one can type
    assert p.returncode == 0, (command, p.stderr)
    until(lambda: service.percentage() == 0)


def test_a_trigger_that_fires_in_prometheus_and_does_not_come_pages(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, limits="sla: {detection: 400ms}"))
    fires, trigger = 'ALERTS{alertstate="firing"}', alert()
    prometheus.values[fires] = [{"__name__": "ALERTS", "alertstate": "firing", **trigger["labels"], "action": "look"}]   # no trigger
    until(lambda: prometheus.asked.count(fires) > 10)
    prometheus.values[fires] = [{"__name__": "ALERTS", "alertstate": "firing", **trigger["labels"]}]
    until(lambda: any("NOT HEARD: CanaryErrorRateHigh fires in Prometheus" in t for t in chat.texts()))
    asked = prometheus.asked.count(fires)
    until(lambda: prometheus.asked.count(fires) > asked + 10)
    [page] = [t for t in chat.texts() if "NOT HEARD" in t]
    assert re.search(r"rollbackctl doctor\. Roll back by hand: rollbackctl rollback shop --stage current$", page, re.M), page
    other = {**prometheus.values[fires][0], "alertname": "CanaryOther"}     # an episode of its own is told of its own
    prometheus.values[fires].append(other)
    until(lambda: any("NOT HEARD: CanaryOther fires in Prometheus" in t for t in chat.texts()))
    prometheus.values[fires].remove(other)
    until(lambda: any("has come, or is over; 1 still does not come" in t for t in chat.texts()))
    d.restart()                             # told once, also across a restart
    d.post(trigger)                         # the way is free again
    until(lambda: any(re.search("has come, or is over$", t, re.M) for t in chat.texts()))
    until(lambda: service.percentage() == 0)
    assert len([t for t in chat.texts() if "NOT HEARD" in t]) == 2


def test_somebody_who_raises_it_after_a_rollback_is_noticed(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    service.live.write_text("10")           # the service alone: the file still says 0
    until(lambda: any("raised outside rollbackd: 10% seen, 0% wanted after a rollback" in t for t in chat.texts()))
    service.live.write_text("0")
    until(lambda: any("at 0% again, as it should be" in t for t in chat.texts()))


def test_somebody_who_raises_it_after_a_rollback_that_found_it_there_is_noticed(daemon_of, service, prometheus, chat):
    pager = type(chat)()
    playbook = "playbooks:\n  - {name: partly, match: ['action=\"auto_rollback\"'], rollback: {to: 10}}"
    d = daemon_of(plan_config(service, prometheus, chat, playbooks=playbook, limits="limits: {cooldown: 0s, quiet: 30m}",
                              extra=slack_channel(pager, "pager", "page")))
    run = until(lambda: rollout(d)["clock"]["left"] == 0 and rollout(d)["clock"]["run"])
    [r] = d.post(alert())
    assert r["disposition"] == "already_there"
    d.wait_state(r["incident"], "rolled_back")
    assert service.reloads() == []
    clock = rollout(d)["clock"]
    assert clock["run"] > run and clock["clean"] == 0 and not clock["runs"] and rollout(d)["next"]["again"]
    service.live.write_text("50")           # the service alone: the file still says 10
    until(lambda: any("raised outside rollbackd: 50% seen, 10% wanted after a rollback" in t for t in pager.texts()))
    service.live.write_text("10")
    until(lambda: any("at 10% again, as it should be" in t for t in pager.texts()))
    d.act(r["incident"], "resolve")
    prometheus.values['ALERTS_FOR_STATE{alertname="CanaryErrorRateHigh"}'] = []
    status, out = move(d, "advance")
    assert status == 200, out
    until(lambda: rollout(d)["clock"]["runs"])
    assert rollout(d)["stage"] == 1 and service.percentage() == 10
    pager.close()


def test_so_it_is_after_one_without_the_daemon(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat))
    run = until(lambda: rollout(d)["clock"]["left"] == 0 and rollout(d)["clock"]["run"])
    d.stop()
    p = ctl(None, "rollback", "shop", "--to", "10", "--offline", "--config", d.config, "--storage", d.state)
    assert p.returncode == 0 and service.reloads() == [], p.stdout + p.stderr
    d.start()
    assert d.incident(1)["already_there"] and d.incident(1)["state"] == "rolled_back"
    clock = rollout(d)["clock"]
    assert clock["run"] > run and clock["clean"] == 0 and not clock["runs"]
    service.live.write_text("50")
    until(lambda: any("raised outside rollbackd: 50% seen, 10% wanted after a rollback" in t for t in chat.texts()))


def test_a_changed_plan_begins_a_new_run(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, clean="48h"))
    run = until(lambda: rollout(d)["clock"]["clean"] > 0 and rollout(d)["clock"]["run"])
    d.config.write_text(d.config.read_text().replace("max: 0.001", "max: 0.002"))
    assert d.call("POST", "/-/reload")[0] == 200
    until(lambda: rollout(d)["clock"]["run"] == run + 1)
    until(lambda: any("its plan was changed in the config" in t for t in chat.texts()))


def test_reports_and_release_notes(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, clean="48h"))
    until(lambda: rollout(d)["clock"]["clean"] > 0)  # it was evaluated
    p = ctl(d, "report", "--weekly")
    assert p.returncode == 0, p.stderr
    assert p.stdout.startswith("[REPORT] Shop, weekly: ")
    assert "- Stage: 1 Canary, 10% traffic" in p.stdout and "error rate delta: met: 0.0005 at worst, at most 0.001" in p.stdout
    assert "- Checklist canary: 0 of 1 done" in p.stdout and "Rollback SLA" not in p.stdout     # there was none
    assert "  - zero rollbacks: met: 0 (drills do not count: 0)" in p.stdout and "  - 2 Expanded: planned 20" in p.stdout
    status, out = move(d, "publish", stage=2)
    assert status == 200, out
    until(lambda: any("Faster search for everybody." in t for t in chat.texts()))
    assert move(d, "publish", stage=3)[0] == 409


def test_the_earliest_dates_of_the_later_stages_are_shown(daemon_of, service):
    d = daemon_of(config(service))
    began = time.time()
    dates = [(f["stage"], round((parse_time(f["earliest"]) - began) / 3600, 1)) for f in rollout(d)["forecast"]]
    assert dates == [(2, 48.0), (3, 120.0)]                 # stage 1 takes 48 h, stage 2 72 h
    out = ctl(d, "stage", "shop").stdout
    assert f"stage 3 Majority               {rollout(d)['forecast'][1]['earliest'][:10]}" in out and "at the earliest" in out
    assert all(re.search(r":\d\d UTC at the earliest", line) for line in out.splitlines() if "at the earliest" in line), out


def test_a_milestone_waits_while_its_stage_is_rolled_back(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat).replace("in: 300ms, text: Performance report", "in: 2s, text: Remove the old way"))
    enter(d, 25, service, force=True, reason="a test")
    due = parse_time(rollout(d)["milestones"][0]["due_at"])
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert rollout(d)["milestones"][0]["due_at"] is None and not rollout(d)["milestones"][0]["due"]
    until(lambda: time.time() > due)
    asked = len(prometheus.asked)
    until(lambda: len(prometheus.asked) > asked + 30)       # some looks after that time
    assert not [t for t in chat.texts() if "Remove the old way" in t]
    assert "Remove the old way" not in ctl(d, "report", "--weekly").stdout


def test_entering_a_stage_is_not_told_as_a_rollback(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat))
    p = ctl(d, "stage", "advance", "--force", "--reason", "a test", "--wait")
    assert p.returncode == 0, p.stderr
    assert [e for e in d.get("/api/v1/events") if e["what"] != "milestone"][0]["what"] == "entered"
    raise_ = d.incident(1)
    assert raise_["kind"] == "advance" and raise_["action"] == "Entered at 25%"
    assert "entered: 25% seen 2 times in a row" in p.stdout and "rolled_back" not in p.stdout and "rolling_back" not in p.stdout, p.stdout


def test_everything_that_shows_a_stage_that_was_entered_says_entered(daemon_of, service, prometheus, chat):
    """None of the words, times and budgets of a rollback, wherever it is looked at."""
    d = daemon_of(plan_config(service, prometheus, chat))
    assert ctl(d, "stage", "advance", "--force", "--reason", "a test", "--wait").returncode == 0
    shown = ctl(d, "incident", 1).stdout
    report = ctl(d, "incident", "report", 1).stdout
    assert "Entered at 25%" in shown and re.search(r"Over: yes, because stage 2 was entered", shown), shown
    assert re.search(r"^- \*?\*?Entered", report, re.M) or re.search(r"\| *Entered", report), report
    for text in (shown, report):
        assert not re.search(r"rolled.back|rolling.back|rollback_started", text, re.I), text
    assert not d.incident(1).get("sla") and "## Time\n" not in report
    assert d.incidents() == []                              # nothing of it is an incident for people


CORRUPTION = ("playbooks:\n  - {name: corruption, match: ['action=\"auto_rollback\"'], rollback: {to: 0}, review: required, restart_at: 0}\n"
              "  - {name: hold, match: ['action=\"hold\"'], hold: true}")


def test_neither_review_nor_restart_is_passed_by_force(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, playbooks=CORRUPTION, limits="limits: {cooldown: 1s}"))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    d.act(r["incident"], "resolve")
    until(lambda: missing(d) == ["review", "restart"])
    forced = {"force": True, "reason": "ship it anyway"}
    status, out = move(d, "advance", **forced)
    assert status == 409 and "reviewed first" in out["error"]
    assert d.act(r["incident"], "review", note="a parser lost its lock; mended")[0] == 200
    assert move(d, "advance", **forced)[0] == 409 and missing(d) == ["restart"]
    assert move(d, "set", stage=2, **forced)[0] == 409
    assert move(d, "set", stage=0)[0] == 200
    assert rollout(d)["restart_at"] == 0 and move(d, "set", stage=2, **forced)[0] == 409      # saying 0 is not beginning at 0
    status, out = move(d, "advance", **forced)          # the gate of stage 0, forced and announced
    assert status == 200, out
    until(lambda: rollout(d)["percentage_wanted"] == 10 and rollout(d)["clock"]["entered_at"])
    assert rollout(d)["restart_at"] is None and service.percentage() == 10


def test_a_held_rollout_is_raised_by_force_alone(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, clean="100ms"))
    until(lambda: missing(d) == ["checklist"])
    assert move(d, "hold", note="customer demo")[0] == 200
    assert missing(d) == ["checklist", "hold"]
    status = ctl(d, "status").stdout
    assert "  Stage         1 Canary\n  Clean         " in status and "\n  Held by       local\n" in status
    assert "\n  Next          stage 2 Expanded: 2 missing, rollbackctl stage shop\n" in status
    p = ctl(d, "stage", "advance")
    assert p.returncode == 1 and "held by local: customer demo; to end that: rollbackctl stage resume shop" in p.stderr
    assert service.percentage() == 10


def test_nothing_is_raised_from_zero_while_prometheus_does_not_answer(daemon_of, service, prometheus, chat):
    service.raise_to(0)
    d = daemon_of(plan_config(service, prometheus, chat))
    assert move(d, "set", stage=0)[0] == 200
    prometheus.hold.set()
    status, out = move(d, "advance")
    prometheus.hold.clear()
    assert status == 409 and "monitoring" in [m["what"] for m in out["data"]["missing"]] and service.percentage() == 0


def test_held_incidents_are_no_rollbacks_of_the_day(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, playbooks=CORRUPTION, limits="limits: {rollbacks_per_day: 1}"))
    [r] = d.post(alert(action="hold"))
    assert r["disposition"] == "held"
    d.act(r["incident"], "resolve")
    until(lambda: "incident" not in missing(d))
    assert "rollbacks_per_day" not in missing(d)
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert "rollbacks_per_day" in missing(d)


def test_the_report_says_what_success_is_and_how_long_rollbacks_took(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, limits="limits: {cooldown: 1s}\nsla: {detection: 10s, total: 1h}"))
    assert ctl(d, "drill", "shop").returncode == 0
    [r] = d.post(alert(severity="P0"))
    d.wait_state(r["incident"], "rolled_back")
    took = d.incident(r["incident"])["sla"]
    text = ctl(d, "report", "--final").stdout
    assert "- Success metrics of the whole rollout: " in text and "\n  - error rate delta: " in text
    assert "  - zero P0 incidents: missed: 1\n  - zero rollbacks: missed: 1 (drills do not count: 1)\n" in text
    assert "- Rollback SLA, automatic: 1 of 1 within the total\n" in text and "by hand" not in text
    assert 30 <= took["detection"]["seconds"] < 40      # the alert says that it began 30 s before it came
    seconds = int(took["detection"]["seconds"])
    assert f"  - detection: p50 {seconds} s, p95 {seconds} s, worst {seconds} s of 10 s; 0 of 1 met\n" in text
    assert re.search(r"  - execution: p50 .*, p95 .*, worst .* of 2 minutes; 1 of 1 met\n", text)
    assert "p95" not in ctl(d, "report").stdout         # the daily one is short


def test_slips_of_the_pen_on_the_command_line_are_told(daemon_of, service):
    d = daemon_of(config(service))
    assert ctl(d, "incidents", "--rollout", "shop").stdout == "no incidents\n"
    p = ctl(d, "incidents", "--rollout", "shoq")
    assert p.returncode == 1 and "there is no rollout shoq" in p.stderr
    p = ctl(d, "stage", "--help")
    assert p.returncode == 0 and p.stdout.startswith("usage: rollbackctl stage [ROLLOUT]") and "\n  stage advance [ROLLOUT] " in p.stdout
    p = ctl(d, "stage", "advance", "--help")
    assert p.returncode == 0 and p.stdout.startswith("usage: rollbackctl stage advance [ROLLOUT]") and "--force " in p.stdout
    for words in (["incidents", "-o", "json"], ["--output=json", "incidents"], ["incidents", "--output", "json"]):
        p = ctl(d, *words)
        assert p.returncode == 0 and json.loads(p.stdout) == [], (words, p.stdout, p.stderr)
    assert ctl(None, f"--url=http://127.0.0.1:{d.port}", "status").returncode == 0
    for words in (["--url"], ["status", "-o"], ["-o", "yaml", "status"], ["--tineout", "5s", "status"]):
        p = ctl(d, *words)
        assert p.returncode == 2 and len(p.stderr.splitlines()) == 1, (words, p.stderr)


def test_what_a_new_config_would_reset_is_shown_before_and_said_when_it_does(daemon_of, service, prometheus, chat, folder):
    d = daemon_of(plan_config(service, prometheus, chat, clean="48h"))
    run = until(lambda: rollout(d)["clock"]["clean"] > 0 and rollout(d)["clock"]["run"])
    new, url = folder / "new.yml", f"http://127.0.0.1:{d.port}"

    def against():
        p = ctl(None, "check-config", new, "--against", url)
        assert p.returncode == 0, p.stderr
        return p.stdout

    new.write_text(d.config.read_text())
    assert "shop: its plan stays as it is\n  nothing begins anew\n" in against()
    new.write_text(d.config.read_text().replace("name: Canary", "name: First users").replace("Faster search for", "Faster search, for"))
    out = against()
    assert "  stage 1: name: Canary → First users\n" in out and "  stage 2: release_notes: " in out and out.endswith("  nothing begins anew\n")
    d.config.write_text(new.read_text())
    assert d.call("POST", "/-/reload")[0] == 200
    until(lambda: [e for e in d.get("/api/v1/events") if e["what"] == "plan reworded" and e["note"] == "name: Canary → First users"])
    assert rollout(d)["clock"]["run"] == run

    new.write_text(d.config.read_text().replace("max: 0.001", "max: 0.002"))
    out = against()
    assert '  stage 1: criterion "error rate delta" max: 0.001 → 0.002\n' in out and "  STAGE 1 BEGINS ANEW: " in out, out
    assert rollout(d)["clock"]["run"] == run                # asking changes nothing
    d.config.write_text(new.read_text())
    assert d.call("POST", "/-/reload")[0] == 200
    until(lambda: rollout(d)["clock"]["run"] == run + 1)
    until(lambda: any('its plan was changed in the config (criterion "error rate delta" max: 0.001 → 0.002): '
                      'clock, approvals and ticks begin anew' in t for t in chat.texts()))
    assert ctl(None, "check-config", new, "--against", "http://127.0.0.1:1").returncode == 3
