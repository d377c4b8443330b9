"""From a trigger to a verified rollback, and every row of "What happens when" that concerns it."""
import os
import time

import pytest
from harness import alert, config, ctl, parse_time, request, slack_channel, until


def test_a_trigger_becomes_one_verified_rollback(daemon, service, chat):
    [result] = daemon.post(alert())
    assert result["disposition"] == "rollback_started" and result["rollout"] == "shop"
    i = daemon.wait_state(result["incident"], "rolled_back")
    assert service.percentage() == 0 and service.file_percentage() == "0"
    assert (i["percentage_before"], i["percentage_wanted"], i["percentage_seen"]) == (10, 0, 0)
    assert [s["state"] for s in i["steps"]] == ["done"] * len(i["steps"])
    assert [s["kind"] for s in i["steps"]][:2] == ["flags", "command"]
    assert i["verification"]["written"]["state"] == "yes" and i["verification"]["acknowledged"]["state"] == "yes"
    assert i["stage"] == 1 and i["kind"] == "auto" and i["playbook"] == "auto-rollback"
    assert len(service.reloads()) == 1


def test_every_other_byte_of_the_flags_file_stays(daemon, service):
    service.flags.chmod(0o640)
    before = service.flags.read_text()
    [r] = daemon.post(alert())
    daemon.wait_state(r["incident"], "rolled_back")
    assert service.flags.read_text() == before.replace("SHOP_PERCENTAGE=10", "SHOP_PERCENTAGE=0")
    assert service.flags.stat().st_mode & 0o777 == 0o640


def test_a_service_that_ignores_the_reload_fails_loudly_and_late_success_is_told(daemon_of, service, chat):
    pager = type(chat)()
    channels = "channels:\n" + slack_channel(chat, events="incident") + "\n" + slack_channel(pager, "on-call", "page")
    d = daemon_of(config(service, channels=channels, timeout="1s"))
    service.ignore_reload()
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "failed")
    assert i["percentage_seen"] == 10 and i["verification"]["acknowledged"]["state"] == "no"
    until(lambda: any("CRITICAL: AUTO_ROLLBACK FAILED" in t for t in pager.texts()))
    until(lambda: any("CRITICAL: AUTO_ROLLBACK FAILED" in t for t in chat.texts()))
    assert not any("Rolled back to 0%" in t for t in chat.texts() + pager.texts())
    service.follow_again()
    i = d.wait_state(r["incident"], "rolled_back")
    until(lambda: any("Rolled back to 0% (late" in t for t in chat.texts()))
    until(lambda: any("Rolled back to 0% (late" in t for t in pager.texts()))
    pager.close()


def test_already_there_is_probed_and_nothing_is_applied(daemon_of, service):
    service.raise_to(0)
    d = daemon_of(config(service))
    [r] = d.post(alert())
    assert r["disposition"] == "already_there"
    i = d.wait_state(r["incident"], "rolled_back")
    assert service.reloads() == [] and [s["kind"] for s in i["steps"]] == ["verify"]


def test_thought_to_be_there_but_the_service_disagrees(daemon_of, service):
    service.raise_to(0)
    service.live.write_text("10")
    d = daemon_of(config(service))
    [r] = d.post(alert())
    assert r["disposition"] == "already_there"
    d.wait_state(r["incident"], "rolled_back")
    assert len(service.reloads()) == 1 and service.percentage() == 0


@pytest.mark.parametrize("damage", ["missing", "no key", "symlink"])
def test_a_flags_file_in_doubt_is_not_invented(daemon_of, service, chat, damage):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="page"), timeout="500ms"))
    if damage == "missing":
        service.flags.unlink()
    elif damage == "no key":
        service.flags.write_text("SHOP_PERCENTAGES=10\n")
    else:
        service.flags.rename(service.dir / "real.env")
        service.flags.symlink_to(service.dir / "real.env")
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "failed")
    assert i["verification"]["written"]["state"] == "unknown"
    assert len(service.reloads()) == 1, "the other steps run"
    until(lambda: any("flags file" in t for t in chat.texts()))
    if damage == "missing":
        assert not service.flags.exists()
    elif damage == "no key":
        assert service.flags.read_text() == "SHOP_PERCENTAGES=10\n"
    else:
        assert service.flags.is_symlink() and "SHOP_PERCENTAGE=10" in service.flags.read_text()


def test_a_value_that_nobody_can_read_is_overwritten_by_zero_and_said(daemon_of, service):
    d = daemon_of(config(service))
    service.flags.write_text("SHOP_PERCENTAGE=ten\nOTHER=kept\n")
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "rolled_back")
    assert service.flags.read_text() == "SHOP_PERCENTAGE=0\nOTHER=kept\n" and service.percentage() == 0
    assert '"ten"' in i["steps"][0]["output"] and "overwritten" in i["steps"][0]["output"]


def test_one_failing_step_does_not_stop_the_next(daemon_of, service):
    apply = f"      - {{command: [/bin/false]}}\n      - {{command: [/nonexistent/tool]}}\n      - {{command: [{service.reload}]}}"
    d = daemon_of(config(service, apply=apply))
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "rolled_back")
    assert [s["state"] for s in i["steps"] if s["kind"] == "command"] == ["failed", "failed", "done"]
    assert service.percentage() == 0


def test_previous_stage_goes_to_the_next_lower_percentage(daemon_of, service):
    service.raise_to(25)
    playbooks = ("playbooks:\n  - {name: degraded, match: ['action=\"rollback_previous_stage\"'], "
                 "rollback: {to: previous_stage}}")
    d = daemon_of(config(service, playbooks=playbooks))
    [r] = d.post(alert(action="rollback_previous_stage"))
    i = d.wait_state(r["incident"], "rolled_back")
    assert i["percentage_wanted"] == 10 and service.percentage() == 10 and i["stage"] == 2


DEFERRED = ("playbooks:\n  - {{name: degraded, match: ['action=\"rollback_previous_stage\"'], "
            "rollback: {{to: previous_stage, after: {after}}}}}\n"
            "  - {{name: wait, match: ['action=\"hold\"'], hold: true}}")


def test_after_waits_and_then_rolls_back(daemon_of, service):
    service.raise_to(25)
    d = daemon_of(config(service, playbooks=DEFERRED.format(after="1s")))
    began = time.monotonic()
    [r] = d.post(alert(action="rollback_previous_stage"))
    assert r["disposition"] == "pending" and d.incident(r["incident"])["state"] == "pending"
    assert service.percentage() == 25
    d.wait_state(r["incident"], "rolled_back")
    assert time.monotonic() - began >= 1 and service.percentage() == 10


def test_a_pending_rollback_survives_a_restart(daemon_of, service):
    service.raise_to(25)
    d = daemon_of(config(service, playbooks=DEFERRED.format(after="3s")))
    [r] = d.post(alert(action="rollback_previous_stage"))
    d.kill()
    d.start()
    d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 10


def test_a_more_urgent_trigger_overtakes_a_pending_one(daemon_of, service):
    service.raise_to(25)
    d = daemon_of(config(service, playbooks=DEFERRED.format(after="1h")))
    [slow] = d.post(alert(action="rollback_previous_stage"))
    [fast] = d.post(alert("Burst"))
    assert fast["disposition"] == "attached" and fast["incident"] == slow["incident"]
    i = d.wait_state(slow["incident"], "rolled_back")
    assert i["percentage_wanted"] == 0 and service.percentage() == 0


def test_hold_changes_nothing_and_a_trigger_turns_it_into_a_rollback(daemon_of, service):
    d = daemon_of(config(service, playbooks=DEFERRED.format(after="1h")))
    [held] = d.post(alert("Elevated", action="hold"))
    assert held["disposition"] == "held" and d.incident(held["incident"])["state"] == "held"
    assert service.percentage() == 10
    [r] = d.post(alert())
    assert r["disposition"] == "attached" and r["incident"] == held["incident"]
    d.wait_state(held["incident"], "rolled_back")
    assert service.percentage() == 0


def test_further_triggers_attach_and_do_not_act_again(daemon, service):
    [first] = daemon.post(alert(instance="a"))
    [second] = daemon.post(alert(instance="b"))
    assert second["disposition"] == "attached" and second["incident"] == first["incident"]
    i = daemon.wait_state(first["incident"], "rolled_back")
    [third] = daemon.post(alert(instance="c"))
    assert third["disposition"] == "attached" and third["incident"] == first["incident"]
    assert len(daemon.incident(i["id"])["alerts"]) == 3 and len(service.reloads()) == 1


def test_a_trigger_after_somebody_raised_it_rolls_back_again(daemon, service):
    [first] = daemon.post(alert(instance="a"))
    daemon.wait_state(first["incident"], "rolled_back")
    service.raise_to(50)
    [again] = daemon.post(alert(instance="b"))
    assert again["disposition"] == "attached" and again["incident"] == first["incident"]
    until(lambda: service.percentage() == 0)
    i = daemon.wait_state(first["incident"], "rolled_back")
    assert len(service.reloads()) == 2 and len([s for s in i["steps"] if s["kind"] == "flags"]) == 2


def test_an_alert_of_two_rollouts_opens_one_incident_each(daemon_of, service, folder):
    from harness import Service
    other = Service(folder / "other", 40)
    second = f"""  - name: checkout
    alerts: ['rollout="shop"']
    flags: {{file: {other.flags}, percentage: SHOP_PERCENTAGE}}
    apply:
      - {{command: [{other.reload}]}}
    verify: {{delay: 50ms, every: 50ms, timeout: 10s, checks: [{{command: [/bin/cat, {other.live}]}}]}}
"""
    d = daemon_of(config(service, rollouts=second))
    results = d.post(alert())
    assert sorted(r["rollout"] for r in results) == ["checkout", "shop"]
    assert len({r["incident"] for r in results}) == 2
    for r in results:
        d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 0 and other.percentage() == 0
    other.close()


def test_a_trigger_that_no_rollout_claims_pages_once_an_hour(daemon_of, service, chat):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="page")))
    for n in range(3):
        [r] = d.post(alert(rollout="unknown", instance=str(n)))
        assert r["disposition"] == "no_match" and r["incident"] is None
    until(lambda: chat.texts())
    [r] = d.post(alert("Sure", instance="x"))       # a later page: everything before it has been decided
    until(lambda: any("Shop" in t for t in chat.texts()))
    assert len([t for t in chat.texts() if "no rollout claims" in t]) == 1


def test_resolved_alerts_do_not_stop_a_rollback_and_quiet_ends_it(daemon_of, service):
    d = daemon_of(config(service, limits="limits: {quiet: 500ms}"))
    a = alert(starts=time.time() - 60)
    [r] = d.post(a)
    [res] = d.post({**a, "status": "resolved"})
    assert res["disposition"] == "resolved" and res["incident"] == r["incident"]
    i = d.wait_state(r["incident"], "resolved")
    assert i["rolled_back_at"] and service.percentage() == 0
    assert parse_time(i["resolved_at"]) >= parse_time(i["rolled_back_at"])


def test_a_later_episode_after_the_end_opens_a_new_incident(daemon_of, service):
    d = daemon_of(config(service, limits="limits: {quiet: 100ms}"))
    a = alert(starts=time.time() - 60)
    [r] = d.post(a)
    d.wait_state(r["incident"], "rolled_back")
    d.post({**a, "status": "resolved"})
    d.wait_state(r["incident"], "resolved")
    service.raise_to(25)
    [again] = d.post(alert(starts=time.time()))
    assert again["disposition"] == "rollback_started" and again["incident"] != r["incident"]
    d.wait_state(again["incident"], "rolled_back")
    assert service.percentage() == 0


def test_first_start_adopts_what_it_finds(daemon_of, service):
    service.raise_to(25)
    d = daemon_of(config(service))
    [r] = d.get("/api/v1/rollouts")
    assert r["stage"] == 2 and r["percentage_wanted"] == 25
    service.raise_to(33)
    d.restart()
    [r] = d.get("/api/v1/rollouts")
    assert r["percentage_wanted"] == 33
    changed = [e for e in d.get("/api/v1/events?rollout=shop") if e["what"] == "changed outside"]
    assert len(changed) == 1 and "25%" in changed[0]["note"] and "33%" in changed[0]["note"]


def test_unstaged_rollback_works(daemon_of, service):
    service.raise_to(33)
    d = daemon_of(config(service))
    assert d.get("/api/v1/rollouts/shop")["stage"] is None
    [r] = d.post(alert())
    assert d.wait_state(r["incident"], "rolled_back")["stage"] is None
    assert service.percentage() == 0


def test_by_hand(daemon, service):
    r = ctl(daemon, "rollback", "shop", "--stage", "2")
    assert r.returncode == 1 and "stage 1" in r.stderr and service.percentage() == 10
    r = ctl(daemon, "rollback", "shop", "--stage", "1", "--to", "30")
    assert r.returncode == 1 and "raise" in r.stderr
    r = ctl(daemon, "rollback", "shop", "--stage", "1", "--reason", "looks odd", "--wait")
    assert r.returncode == 0, r.stderr
    assert "step done: set percentage" in r.stdout and "rolled_back" in r.stdout
    assert service.percentage() == 0
    [i] = daemon.incidents()
    assert i["kind"] == "manual" and i["summary"] == "looks odd" and i["state"] == "rolled_back"


def test_by_hand_joins_a_live_one(daemon_of, service):
    service.raise_to(25)
    d = daemon_of(config(service, playbooks=DEFERRED.format(after="1h")))
    [r] = d.post(alert(action="rollback_previous_stage"))
    status, out = d.call("POST", "/api/v1/rollouts/shop/rollback", {"stage": 2, "reason": "now"})
    assert status == 200 and out["data"]["id"] == r["incident"]
    d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 0


def test_a_flaky_answer_must_pass_several_times_in_a_row(daemon_of, service):
    answers = service.dir / "answers"
    answers.write_text("10\n")            # for the first look after the start; the next comes 15 s later
    ask = service.dir / "ask.sh"
    ask.write_text(f"#!/bin/sh\nhead -n 1 {answers}\nsed -i 1d {answers}\necho x >> {service.dir}/asked\n")
    ask.chmod(0o755)
    d = daemon_of(config(service, checks=f"        - {{command: [{ask}]}}", passes=3))
    asked = service.dir / "asked"
    until(lambda: asked.exists() and d.get("/api/v1/rollouts/shop")["watch"]["percentage"] == "yes")
    asked.unlink()
    answers.write_text("0\n10\n0\n0\n0\n0\n0\n")
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "rolled_back")
    verify = [s for s in i["steps"] if s["kind"] == "verify"][0]
    assert verify["attempts"] == 5 == len((service.dir / "asked").read_text().splitlines())


@pytest.mark.parametrize("answer", ["", "banana", "nan", "101", "0 0"])
def test_nonsense_is_unknown_never_yes(daemon_of, service, answer):
    ask = service.dir / "ask.sh"
    ask.write_text(f"#!/bin/sh\necho '{answer}'\n")
    ask.chmod(0o755)
    d = daemon_of(config(service, checks=f"        - {{command: [{ask}]}}", timeout="400ms"))
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "failed")
    assert i["verification"]["acknowledged"]["state"] == "unknown" and i["percentage_seen"] is None


def test_people_act_only_in_the_right_state(daemon_of, service):
    d = daemon_of(config(service, timeout="400ms", playbooks=DEFERRED.format(after="1h")))
    service.ignore_reload()
    [r] = d.post(alert())
    d.wait_state(r["incident"], "failed")
    assert d.act(r["incident"], "cancel")[0] == 409
    status, out = d.act(r["incident"], "acknowledge", note="on it")
    assert status == 200 and out["data"]["acknowledged_by"]
    assert d.act(r["incident"], "note", note="restarting it")[0] == 200
    assert d.act(r["incident"], "note")[0] == 400
    assert d.act(r["incident"], "eta", eta="2 hours")[1]["data"]["eta"].endswith("Z")
    service.broken.unlink()
    status, out = d.act(r["incident"], "retry")
    assert status == 200 and out["data"]["state"] == "rolling_back"
    d.wait_state(r["incident"], "rolled_back")
    assert d.act(r["incident"], "retry")[0] == 409
    assert d.act(r["incident"], "resolve", note="done")[1]["data"]["state"] == "resolved"
    assert d.act(r["incident"], "resolve")[0] == 409
    assert d.act(999, "resolve")[0] == 404
    line = [e["what"] for e in d.incident(r["incident"])["timeline"]]
    for what in ("opened", "failed", "acknowledged", "note", "eta", "rolling_back", "rolled_back", "resolved"):
        assert what in line, line


def test_cancel_a_pending_rollback(daemon_of, service):
    service.raise_to(25)
    d = daemon_of(config(service, playbooks=DEFERRED.format(after="1h")))
    [r] = d.post(alert(action="rollback_previous_stage"))
    assert d.act(r["incident"], "cancel", note="known")[0] == 200
    assert d.incident(r["incident"])["state"] == "cancelled" and service.reloads() == []


def test_the_http_step_carries_the_percentage_and_one_idempotency_key(daemon_of, service):
    from harness import Server

    class Flags(Server):
        seen = []

        def handle(self, method, path, headers, body):
            self.seen.append((method, path, body.decode(), headers.get("Idempotency-Key")))
            service.live.write_text("0")
            return 200, {}, "{}"

    web = Flags()
    apply = f"      - {{http: {{method: PUT, url: \"{web.url}/flags\", body: '{{\"rollout_percentage\": ${{{{percentage}}}}}}'}}, timeout: 5s}}"
    d = daemon_of(config(service, apply=apply.replace("{{percentage}}", "{percentage}")))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    [(method, path, body, key)] = web.seen
    assert (method, path, body) == ("PUT", "/flags", '{"rollout_percentage": 0}') and key
    web.close()


def test_a_slow_command_is_stopped_at_its_time_limit(daemon_of, service):
    slow = service.dir / "slow.sh"
    slow.write_text("#!/bin/sh\ntrap '' TERM\nsleep 60\n")
    slow.chmod(0o755)
    apply = f"      - {{command: [{slow}], timeout: 300ms}}\n      - {{command: [{service.reload}]}}"
    d = daemon_of(config(service, apply=apply))
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "rolled_back", timeout=40)
    first = [s for s in i["steps"] if s["kind"] == "command"][0]
    assert first["state"] == "failed" and "did not end within 300ms" in first["output"]


def test_sla_says_where_detection_counts_from(daemon):
    [r] = daemon.post(alert(starts=time.time() - 41))
    i = daemon.wait_state(r["incident"], "rolled_back")
    assert i["sla"]["detection"]["from"] == "startsAt"
    assert 40 < i["sla"]["detection"]["seconds"] < 60 and i["sla"]["detection"]["met"] is True
    assert i["sla"]["detection"]["limit"] == 120 and i["sla"]["total"]["seconds"] > i["sla"]["detection"]["seconds"]


def test_labels_reach_a_command_as_environment_only(daemon_of, service):
    show = service.dir / "show.sh"
    out = service.dir / "env"
    show.write_text(f"#!/bin/sh\nenv > {out}\n")
    show.chmod(0o755)
    d = daemon_of(config(service, apply=f"      - {{command: [{show}]}}\n      - {{command: [{service.reload}]}}"),
                  env={"SECRET_TOKEN": "do not pass on"})
    [r] = d.post(alert(instance="$(touch /tmp/pwned); `id`"))
    d.wait_state(r["incident"], "rolled_back")
    env = dict(line.split("=", 1) for line in out.read_text().splitlines() if "=" in line)
    assert env["ROLLBACKD_INCIDENT_ID"] == str(r["incident"]) and env["ROLLBACKD_ROLLOUT"] == "shop"
    assert env["ROLLBACKD_PERCENTAGE"] == "0" and "SECRET_TOKEN" not in env
    assert not os.path.exists("/tmp/pwned")


def test_a_reload_that_drops_a_live_rollout_is_refused(daemon, service):
    [r] = daemon.post(alert())
    daemon.wait_state(r["incident"], "rolled_back")
    good = daemon.config.read_text()
    daemon.config.write_text(good.replace("name: shop", "name: store").replace('rollout="shop"', 'rollout="store"'))
    status, out = daemon.call("POST", "/-/reload")
    assert status == 400 and "shop" in out["error"]
    daemon.config.write_text("rollouts: [{nme: x}]")
    status, out = daemon.call("POST", "/-/reload")
    assert status == 400 and "nme" in out["error"]
    assert daemon.metric("rollbackd_config_last_reload_successful") == 0
    daemon.config.write_text(good.replace("title: Shop", "title: The Shop"))
    assert daemon.call("POST", "/-/reload")[0] == 200
    assert daemon.get("/api/v1/rollouts/shop")["title"] == "The Shop"
    assert daemon.metric("rollbackd_config_last_reload_successful") == 1


def test_a_relative_state_directory_serves_as_well(daemon_of, service):
    d = daemon_of(config(service), args=["--storage.path=data/"])          # the default
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert (d.dir / "data/rollbackd.db").exists() and len(service.reloads()) == 1
