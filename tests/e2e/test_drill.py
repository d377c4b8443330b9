"""The fire drill: the whole way from a real webhook to chat, with nothing changed on the target."""
import itertools
import json
import subprocess
import time

import pytest
from harness import BUILD, Alertmanager, alert, config, ctl, group, request, rfc3339, slack_channel, until

FOLLOW = ("playbooks:\n  - name: auto-rollback\n    match: ['action=\"auto_rollback\"']\n    rollback: {{to: 0}}\n    review: required\n"
          "    restart_at: 1\n    then: [{{name: halt, command: [{0}]}}, {{name: restore, command: [{0}], needs: approval}}]\n")


def drilled(service, chat, **parts):
    return config(service, channels="channels:\n" + slack_channel(chat, events="all"), **parts)


@pytest.fixture
def untouched(service):
    """The target before, and the question whether it is as it was."""
    before = service.flags.stat(), service.flags.read_bytes(), service.live.stat()

    def ask():
        now = service.flags.stat()
        assert (now.st_ino, now.st_mtime_ns, now.st_ctime_ns) == (before[0].st_ino, before[0].st_mtime_ns, before[0].st_ctime_ns)
        assert service.flags.read_bytes() == before[1] and service.live.stat().st_mtime_ns == before[2].st_mtime_ns
        assert service.reloads() == [] and service.percentage() == 10
    return ask


def steps(incident):
    return {s["name"]: (s["state"], s["output"]) for s in incident["steps"]}


def test_the_whole_way_and_nothing_is_changed(daemon_of, service, chat, untouched):
    d = daemon_of(drilled(service, chat, playbooks=FOLLOW.format(service.reload)))
    before = d.get("/api/v1/rollouts/shop")
    p = ctl(d, "drill", "shop")
    assert p.returncode == 0, p.stdout + p.stderr
    assert p.stdout.splitlines()[-1] == "drill 1 passed: nothing was changed"
    untouched()
    i = d.incident(1)
    assert (i["kind"], i["state"], i["passed"], i["rolled_back_at"]) == ("drill", "resolved", True, None)
    assert i["percentage_before"] == i["percentage_wanted"] == i["percentage_seen"] == 10
    assert i["reason"] == "would go from 10% to 0%"
    assert {n: v["state"] for n, v in i["verification"].items()} == {"written": "yes", "acknowledged": "yes", "effective": "unknown", "cured": "unknown"}
    assert set(i["sla"]) == {"detection", "decision", "execution", "verification", "total"}
    assert steps(i)["set percentage"] == ("done", "not written: a drill. SHOP_PERCENTAGE is at 10%, and could be lowered")
    for name in (service.reload.name, "halt", "restore"):
        assert steps(i)[name] == ("done", f"not run: a drill. {service.reload} could be run"), steps(i)
    texts = chat.texts()
    assert [t.splitlines()[0] for t in texts] == ["[DRILL] Shop Auto-Rollback drill: nothing is changed"] * 2
    assert "- Status: Rehearsing" in texts[0] and "- Status: Passed" in texts[1]
    assert "- Action: None: a drill; a real one would go from 10% to 0%" in texts[1]
    assert not [t for t in texts if "[INCIDENT]" in t or "Rolled back" in t]
    # It locks nothing and counts nowhere: the stage's run, review, restart_at, the metrics of real ones.
    after = d.get("/api/v1/rollouts/shop")
    for field in ("stage", "stage_since", "incident", "drill", "restart_at", "review_of", "changed_at"):
        assert before[field] == after[field], field
    assert i["review"] is None
    assert d.metric("rollbackd_incident_transitions_total", state="rolling_back") == 0
    assert d.metric("rollbackd_incident_transitions_total", state="resolved") == 0


def test_a_drill_through_the_real_alertmanager(daemon_of, service, chat, programs, folder, untouched):
    d = daemon_of(drilled(service, chat))
    am = programs(Alertmanager(folder / "am", f"http://127.0.0.1:{d.port}/webhook"))
    p = ctl(d, "drill", "shop", "--alertmanager", f"http://127.0.0.1:{am.port}")
    assert p.returncode == 0, p.stdout + p.stderr
    untouched()
    [a] = d.incident(1)["alerts"]
    assert a["labels"]["alertname"] == "RollbackDrill" and a["labels"]["drill"]


def test_a_real_alert_takes_over_from_a_drill(daemon_of, service, chat):
    d = daemon_of(drilled(service, chat, delay="30s", timeout="60s"))
    [r] = d.post(alert(drill="x"))
    assert r["disposition"] == "rollback_started"
    d.wait_state(r["incident"], "verifying")
    [real] = d.post(alert())
    assert real["disposition"] == "rollback_started" and real["incident"] != r["incident"]
    drill = d.incident(r["incident"])
    assert drill["state"] == "cancelled" and drill["passed"] is False
    until(lambda: service.percentage() == 0)
    until(lambda: [t for t in chat.texts() if t.startswith("[DRILL]") and "- Status: Called off" in t])


def test_no_drill_while_an_incident_is_open(daemon_of, service, chat):
    d = daemon_of(drilled(service, chat))
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "rolled_back")
    p = ctl(d, "drill", "shop")
    assert p.returncode == 1 and "no drill while incident 1 is open" in p.stderr
    now = d.incident(1)
    assert len(now["alerts"]) == 1 and now["timeline"] == i["timeline"] and len(d.incidents()) == 1


@pytest.mark.parametrize("what", ["missing", "writable"])
def test_a_command_that_could_not_be_run_fails_the_drill(daemon_of, service, chat, untouched, what):
    d = daemon_of(drilled(service, chat))
    if what == "missing":
        service.reload.rename(service.dir / "gone.sh")
    else:
        service.reload.chmod(0o777)
    p = ctl(d, "drill", "shop")
    assert p.returncode == 1 and "drill 1 FAILED" in p.stdout, p.stdout + p.stderr
    untouched()
    i = d.incident(1)
    assert i["state"] == "failed" and i["passed"] is False and steps(i)[service.reload.name][0] == "failed"
    failed = until(lambda: [t for t in chat.texts() if "- Status: FAILED" in t])[0]
    assert failed.startswith("[DRILL]") and "CRITICAL" not in failed
    assert "- Next: rollbackctl drill shop, once that is mended" in failed
    service.raise_to(10)                                # settles the file's times for the next look
    refused = d.call("POST", "/api/v1/rollouts/shop/advance", {})
    assert refused[0] == 409 and "drill 1 has failed" in json.dumps(refused[1])
    assert d.act(1, "retry")[0] == 409 and d.incident(1)["state"] == "failed"


def test_a_service_that_does_not_answer_fails_the_drill(daemon_of, service, chat, untouched):
    d = daemon_of(drilled(service, chat, timeout="500ms"))
    service.web.close()
    p = ctl(d, "drill", "shop")
    assert p.returncode == 1, p.stdout + p.stderr
    untouched()
    assert d.incident(1)["verification"]["acknowledged"]["state"] != "yes"
    assert ctl(d, "incident", "resolve", "1").returncode == 0
    ended = until(lambda: [t for t in chat.texts() if "- Status: Ended by a person; not passed" in t])
    assert ended[0].startswith("[DRILL]") and d.incident(1)["passed"] is False


def test_a_newer_drill_replaces_one_that_failed(daemon_of, service, chat):
    d = daemon_of(drilled(service, chat))
    service.reload.chmod(0o777)
    assert ctl(d, "drill", "shop").returncode == 1
    service.reload.chmod(0o755)
    assert ctl(d, "drill", "shop").returncode == 0
    assert d.incident(1)["state"] == "cancelled" and d.incident(2)["passed"] is True


def test_an_alert_that_matches_nothing_fails_the_drill(daemon_of, service, chat):
    d = daemon_of(drilled(service, chat))
    p = ctl(d, "drill", "shop", "rollout=shoq")
    assert p.returncode == 1 and "no drill was started" in p.stderr
    assert ctl(d, "drill", "shop", "rollout").returncode == 2
    assert not chat.texts()                             # not even the page about an unclaimed trigger


def test_a_message_that_chat_refuses_fails_the_drill(daemon_of, service, chat, untouched):
    d = daemon_of(drilled(service, chat))
    chat.faults += [(404, {}, "no_service")] * 2
    p = ctl(d, "drill", "shop")
    assert p.returncode == 1 and "a message cannot be delivered" in p.stdout, p.stdout
    assert "undeliverable" in p.stdout
    untouched()


@pytest.mark.parametrize("failpoint", ["step-intent-committed", "step-done-uncommitted", "verify-round-uncommitted", "move-committed:2"])
def test_a_crash_in_a_drill_changes_nothing_either(daemon_of, service, chat, untouched, failpoint):
    d = daemon_of(drilled(service, chat, playbooks=FOLLOW.format(service.reload)), start=False)
    d.start(env={"ROLLBACKD_FAILPOINT": failpoint})
    [r] = d.post(alert(drill="x"))
    d.died()
    d.start(env={"ROLLBACKD_FAILPOINT": ""})
    assert d.wait_state(r["incident"], "resolved")["passed"] is True
    untouched()


def test_check_alert_knows_a_drill(daemon_of, service, chat, folder):
    d = daemon_of(drilled(service, chat))
    body = folder / "body.json"
    body.write_text(json.dumps(group(alert(drill="x"))))
    p = ctl(None, "check-alert", "--config.file", d.config, body)
    assert p.returncode == 0 and "would rehearse it: a drill, nothing is changed" in p.stdout, p.stdout + p.stderr


def test_a_real_alert_with_the_fingerprint_of_a_drill_is_no_copy_of_it(daemon_of, service, chat):
    d = daemon_of(drilled(service, chat, delay="30s", timeout="60s"))
    same = {"fingerprint": "0123456789abcdef", "starts": rfc3339(time.time() - 5)}
    [r] = d.post(alert(drill="x", **same))
    assert [r["disposition"] for r in d.post(alert(**same))] == ["rollback_started"]
    assert d.incident(r["incident"])["state"] == "cancelled"
    until(lambda: service.percentage() == 0)
    # Nor does the end of one end the other, and copies stay copies.
    assert d.post(alert(drill="x", **same))[0]["disposition"] == d.post(alert(**same))[0]["disposition"] == "duplicate"
    assert d.post(alert(drill="x", status="resolved", **same))[0]["incident"] is None
    real = d.incident(r["incident"] + 1)
    assert [a["status"] for a in real["alerts"]] == ["firing"] and "alert resolved" not in [t["what"] for t in real["timeline"]]


def test_a_change_by_others_during_a_drill_is_told_as_what_it_is(daemon_of, service, chat):
    d = daemon_of(drilled(service, chat))
    service.reload.chmod(0o777)
    assert ctl(d, "drill", "shop").returncode == 1
    service.raise_to(25)
    d.restart()
    [told] = until(lambda: [t for t in chat.texts() if "changed outside rollbackd" in t])
    assert "10% on record, 25% in" in told and "rollback set" not in told


# --- everything real goes first ---

KINDS = ("playbooks:\n  - {{name: later, match: ['action=\"later\"'], rollback: {{to: 0, after: 1h}}}}\n"
         "  - {{name: watch, match: ['action=\"watch\"'], hold: true}}\n"
         "  - {{name: auto-rollback, match: ['action=\"auto_rollback\"'], rollback: {{to: 0}}}}\n")


def by_hand(d):
    status, out = d.call("POST", "/api/v1/rollouts/shop/rollback", {"stage": 1, "reason": "slow"})
    assert status in (200, 201, 202), out


def reported(severity):
    def report(d):
        p = ctl(d, "incident", "open", "shop", "--severity", severity, "--summary", "customers cannot pay")
        assert p.returncode == 0, p.stderr
    return report


def offline(d):
    """As the scripts leave it behind: taken in at the next look."""
    now = rfc3339(time.time())
    (d.state / "offline-rollbacks.jsonl").write_text(json.dumps({
        "id": "x1", "rollout": "shop", "who": "alice", "reason": "rollbackd was slow", "from": 10, "to": 0, "after": 10, "seen": 0, "at": now,
        "applied_at": now, "ended_at": now, "verified": "yes", "steps": []}) + "\n")


REAL = {
    "alert": (lambda d: d.post(alert()), "rolled_back"), "by hand": (by_hand, "rolled_back"), "P0": (reported("P0"), "rolled_back"),
    "P2": (reported("P2"), "held"), "later": (lambda d: d.post(alert(action="later")), "pending"),
    "hold": (lambda d: d.post(alert(action="watch")), "held"), "offline": (offline, "rolled_back"),
}


@pytest.mark.parametrize("state", ["verifying", "failed"])
@pytest.mark.parametrize("what", REAL)
def test_what_is_real_takes_over(daemon_of, service, chat, what, state):
    d = daemon_of(drilled(service, chat, playbooks=KINDS.format(), timeout="60s").replace("global:\n", "global:\n  evaluation_interval: 1s\n"))
    if state == "failed":
        service.reload.chmod(0o777)
    else:
        service.ignore_reload()
        service.live.write_text("11")                   # so the drill goes on looking, until the real one is there
    [r] = d.post(alert(drill="x"))
    d.wait_state(r["incident"], state)
    service.reload.chmod(0o755)
    service.broken.unlink(missing_ok=True)
    act, then = REAL[what]
    act(d)
    real = until(lambda: [i for i in d.incidents() if i["kind"] != "drill"])
    assert len(real) == 1
    d.wait_state(real[0]["id"], then)
    assert d.incident(r["incident"])["state"] == "cancelled"
    until(lambda: [t for t in chat.texts() if t.startswith("[DRILL]") and "- Status: Called off" in t])
    assert not [t for t in chat.texts() if t.startswith("[DRILL]") and ("[INCIDENT]" in t or "CRITICAL" in t)]


@pytest.mark.parametrize("order", itertools.permutations(("a", "b", "drill")))
def test_a_drill_among_real_alerts_in_one_body(daemon_of, service, chat, order):
    d = daemon_of(drilled(service, chat, limits="limits: {quiet: 300ms}"))
    alerts = {"a": alert(instance="a"), "b": alert(instance="b"), "drill": alert(drill="x")}
    d.post(*(alerts[o] for o in order))
    [real] = [i for i in d.incidents() if i["kind"] == "auto"]
    d.wait_state(real["id"], "rolled_back")
    assert service.percentage() == 0 and len(service.reloads()) == 1
    assert {a["labels"].get("instance") for a in d.incident(real["id"])["alerts"]} == {"a", "b"}
    # The drill's alert, which fires on, does not keep it from getting quiet.
    d.post(*({**alerts[o], "status": "resolved", "endsAt": rfc3339(time.time())} for o in "ab"))
    d.wait_state(real["id"], "resolved")
    assert d.metric("rollbackd_incident_transitions_total", state="rolling_back") == 1
    assert d.metric("rollbackd_alerts_total", disposition="rollback_started") == 1


def test_the_clock_of_the_stage_runs_on_and_nothing_is_locked_after_it(daemon_of, service, chat, untouched):
    text = drilled(service, chat, delay="30s", timeout="60s", limits="limits: {cooldown: 1h, rollbacks_per_day: 1}")
    d = daemon_of(text.replace("global:\n", "global:\n  evaluation_interval: 1s\n"))
    [r] = d.post(alert(drill="x"))
    d.wait_state(r["incident"], "verifying")
    began = d.metric("rollbackd_stage_clean_seconds", rollout="shop")
    until(lambda: d.metric("rollbackd_stage_clean_seconds", rollout="shop") >= began + 2)
    assert d.incident(1)["state"] == "verifying"
    missing = d.call("POST", "/api/v1/rollouts/shop/advance", {})[1]["data"]["missing"]
    assert {m["what"] for m in missing} == {"clock", "incident"}
    assert d.call("POST", "/-/reload")[0] == 200 and d.incident(1)["state"] == "verifying"
    d.restart()
    d.post(alert(drill="y"))                            # calls the first one off; neither is a rollback
    missing = d.call("POST", "/api/v1/rollouts/shop/advance", {})[1]["data"]["missing"]
    assert {m["what"] for m in missing} == {"clock", "incident"}
    assert d.metric("rollbackd_incidents", state="verifying") == d.metric("rollbackd_incidents", state="rolling_back") == 0
    untouched()


def test_a_reload_leaves_a_drill_under_way_as_it_began(daemon_of, service, chat, untouched):
    d = daemon_of(drilled(service, chat, delay="1s", timeout="60s"))
    [r] = d.post(alert(drill="x"))
    d.wait_state(r["incident"], "verifying")
    d.config.write_text(d.config.read_text().replace("/flags\", value: /rollout_percentage", "/flags\", value: /gone"))
    assert d.call("POST", "/-/reload")[0] == 200
    assert d.wait_state(r["incident"], "resolved")["passed"] is True
    untouched()


# --- what people read ---

def test_a_drill_says_so_wherever_it_is_read(daemon_of, service, chat):
    d = daemon_of(drilled(service, chat))
    service.reload.chmod(0o777)
    assert ctl(d, "drill", "shop").returncode == 1
    assert "\n[DRILL] Incident 1: failed\n" in ctl(d, "incident", "1").stdout
    markdown = ctl(d, "incident", "report", "1").stdout
    assert markdown.startswith("# [DRILL] Incident 1: Fire drill") and "## Review" not in markdown
    assert ": [DRILL] incident 1, failed: Fire drill" in ctl(d, "report").stdout
    status = ctl(d, "status").stdout
    assert "  Drill         1: rollbackctl incident 1\n" in status and "Incident      none" in status


def test_a_lock_by_a_drill_says_what_can_be_done(daemon_of, service, chat):
    d = daemon_of(drilled(service, chat, delay="30s", timeout="60s"))
    [r] = d.post(alert(drill="x"))
    d.wait_state(r["incident"], "verifying")
    refused = json.dumps(d.call("POST", "/api/v1/rollouts/shop/advance", {"force": True, "reason": "now"})[1])
    assert "drill 1 is under way: wait for its end" in refused and "resolve" not in refused
    for act in ("resolve", "retry", "cancel"):
        assert d.act(1, act)[0] == 409 and d.incident(1)["state"] == "verifying"
    assert service.percentage() == 10 and not service.reloads()


def test_the_drill_of_the_rollout_that_was_named(daemon_of, service, chat):
    other = f"""  - name: other
    alerts: ['rollout="shop"']
    flags: {{file: {service.dir}/other.env, percentage: OTHER_PERCENTAGE}}
    apply: [{{command: [{service.dir}/missing]}}]
    verify: {{delay: 50ms, every: 50ms, passes: 1, checks: [{{http: {{url: "{service.web.url}/flags", value: /rollout_percentage}}}}]}}
"""
    (service.dir / "other.env").write_text("OTHER_PERCENTAGE=10\n")
    d = daemon_of(drilled(service, chat, rollouts=other))
    p = ctl(d, "drill", "shop")
    assert p.returncode == 0 and "passed" in p.stdout, p.stdout + p.stderr
    assert "SHOP_PERCENTAGE is at 10%" in p.stdout and "OTHER" not in p.stdout
    assert "the alert started a drill of other, too: rollbackctl incident 2" in p.stderr
    p = ctl(d, "drill", "other")
    assert p.returncode == 1 and "no drill was started" in p.stderr
    p = ctl(d, "drill", "other", "rollout=shop")
    assert p.returncode == 1 and "FAILED" in p.stdout and "OTHER_PERCENTAGE is at 10%" in p.stdout, p.stdout + p.stderr


def test_a_drill_that_is_called_off_says_so(daemon_of, service, chat):
    d = daemon_of(drilled(service, chat, delay="30s", timeout="60s"))
    with subprocess.Popen([BUILD / "rollbackctl", "--url", f"http://127.0.0.1:{d.port}", "drill", "shop"], stdout=subprocess.PIPE, text=True) as p:
        d.wait_state(until(lambda: d.incidents())[0]["id"], "verifying")
        d.post(alert())
        out = p.communicate(timeout=60)[0]
    assert p.returncode == 1 and out.splitlines()[-1] == "drill 1 called off: a real trigger or another drill took its place", out


def test_one_json_document(daemon_of, service, chat):
    d = daemon_of(drilled(service, chat))
    p = ctl(d, "-o", "json", "drill", "shop")
    assert p.returncode == 0 and p.stderr == ""
    assert (json.loads(p.stdout)["kind"], json.loads(p.stdout)["passed"]) == ("drill", True)


def test_what_can_be_known_before_is_said_before(daemon_of, service, chat, programs, folder):
    d = daemon_of(drilled(service, chat))
    am = programs(Alertmanager(folder / "am", f"http://127.0.0.1:{d.port}/webhook"))
    way = ("--alertmanager", f"http://127.0.0.1:{am.port}")
    p = ctl(d, "drill", "shoq", *way)
    assert p.returncode == 1 and "shoq" in p.stderr, p.stderr
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    p = ctl(d, "drill", "shop", *way)                   # not after two minutes, with a guess
    assert p.returncode == 1 and p.stderr == "rollbackctl: no drill while incident 1 is open\n"
    assert json.loads(request(am.port, "GET", "/api/v2/alerts")[2]) == []
