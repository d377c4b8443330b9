"""Rules at the edges: joining, never raising, who is told what, and what a crash must not be mistaken for."""
import json
import time

import pytest
from harness import Server, Slack, alert, config, ctl, slack_channel, until

PARTIAL = ("playbooks:\n  - {name: partial, match: ['action=\"partial\"'], rollback: {to: 10}}\n"
           "  - {name: later, match: ['action=\"later\"'], rollback: {to: 0, after: 1h}}\n"
           "  - {name: degraded, match: ['action=\"degraded\"'], rollback: {to: previous_stage, after: 700ms}}\n"
           "  - {name: quarter, match: ['action=\"quarter\"'], rollback: {to: 25}}")


class Switch(Server):
    """Takes the percentage by PUT, and sets the service to it."""

    def __init__(self, service):
        self.service, self.asked = service, []
        super().__init__()

    def handle(self, method, path, headers, body):
        self.asked.append(json.loads(body)["percentage"])
        self.service.live.write_text(str(self.asked[-1]))
        return 200, {}, "{}"

    def apply(self):
        return f"      - {{http: {{method: PUT, url: \"{self.url}/\", body: '{{\"percentage\": ${{percentage}}}}'}}, timeout: 5s}}"


@pytest.fixture
def switch(service):
    s = Switch(service)
    yield s
    s.close()


def test_what_somebody_lowered_meanwhile_is_not_raised_again(daemon_of, service, switch):
    service.raise_to(25)
    d = daemon_of(config(service, apply=switch.apply(), playbooks=PARTIAL))
    [r] = d.post(alert(action="degraded"))
    assert d.incident(r["incident"])["percentage_wanted"] == 10
    service.raise_to(5)             # lower than what the pending rollback wants
    i = d.wait_state(r["incident"], "rolled_back")
    assert switch.asked == [] and service.percentage() == 5 and i["percentage_seen"] == 5       # below the target is there


def test_a_percentage_that_is_unknown_is_not_raised_by_an_intermediate_target(daemon_of, service, switch):
    service.raise_to(10)
    service.flags.write_text("SHOP_PERCENTAGE=ten\n")
    d = daemon_of(config(service, apply=switch.apply(), playbooks=PARTIAL))
    status, out = d.call("POST", "/api/v1/rollouts/shop/rollback", {"to": 25})
    assert status == 409 and "unknown" in out["error"] and switch.asked == []
    [r] = d.post(alert(action="quarter"))
    until(lambda: switch.asked)
    assert switch.asked[0] == 10 and d.incident(r["incident"])["percentage_wanted"] == 10       # where the service was seen: no raise


def test_a_lower_target_wins_also_when_it_came_with_a_delay(daemon_of, service):
    service.raise_to(25)
    d = daemon_of(config(service, playbooks=PARTIAL))
    [first] = d.post(alert(action="partial"))
    d.wait_state(first["incident"], "rolled_back")
    assert service.percentage() == 10
    [second] = d.post(alert(action="later"))
    assert (second["disposition"], second["incident"]) == ("attached", first["incident"])
    until(lambda: service.percentage() == 0)
    assert d.wait_state(first["incident"], "rolled_back")["percentage_wanted"] == 0


def test_a_trigger_while_the_raised_world_is_verified_rolls_back_again(daemon_of, service):
    service.ignore_reload()
    d = daemon_of(config(service, timeout="60s"))
    [first] = d.post(alert(instance="a"))
    d.wait_state(first["incident"], "verifying")
    service.raise_to(50)
    d.post(alert(instance="b"))
    until(lambda: service.file_percentage() == "0")
    assert d.incident(first["incident"])["state"] in ("rolling_back", "verifying")


def test_by_hand_acts_again_on_a_failed_one(daemon_of, service):
    service.ignore_reload()
    d = daemon_of(config(service, timeout="300ms"))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "failed")
    service.broken.unlink()         # only another reload makes the service follow
    status, out = d.call("POST", "/api/v1/rollouts/shop/rollback", {"stage": 1, "reason": "again"})
    assert status == 200 and out["data"]["id"] == r["incident"] and out["data"]["state"] == "rolling_back"
    d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 0 and len(service.reloads()) == 2


def test_by_hand_does_not_keep_a_quiet_incident_open(daemon_of, service):
    d = daemon_of(config(service, limits="limits: {quiet: 1500ms}"))
    a = alert(starts=time.time() - 60)
    [r] = d.post(a)
    d.wait_state(r["incident"], "rolled_back")
    d.post({**a, "status": "resolved"})
    assert d.call("POST", "/api/v1/rollouts/shop/rollback", {"stage": 1})[1]["data"]["id"] == r["incident"]
    d.wait_state(r["incident"], "resolved")


NO_FLAGS = """  - name: remote
    apply: [{{command: [{dir}/set.sh]}}]
    verify: {{delay: 20ms, every: 50ms, timeout: 10s, checks: [{{command: [/bin/cat, {dir}/remote]}}]}}
"""


def test_without_a_flags_file_a_later_episode_acts_again(daemon_of, service):
    live, script = service.dir / "remote", service.dir / "set.sh"
    script.write_text(f"#!/bin/sh\necho $ROLLBACKD_PERCENTAGE > {live}\necho x >> {service.dir}/sets\n")
    script.chmod(0o755)
    live.write_text("50")
    d = daemon_of(config(service, rollouts=NO_FLAGS.format(dir=service.dir)))
    began = time.time() - 60
    [first] = d.post(alert(rollout="remote", instance="a", starts=began))
    d.wait_state(first["incident"], "rolled_back")
    d.post(alert(rollout="remote", instance="b", starts=began + 1))
    d.wait_state(first["incident"], "rolled_back")
    assert (service.dir / "sets").read_text() == "x\n", "a sibling of what was rolled back already"
    live.write_text("40")
    [later] = d.post(alert(rollout="remote", instance="c", starts=time.time()))
    assert later["incident"] == first["incident"]
    until(lambda: live.read_text().strip() == "0")
    d.wait_state(first["incident"], "rolled_back")
    assert (service.dir / "sets").read_text() == "x\nx\n"


def test_resolved_is_answered_once_per_rollout(daemon_of, service):
    d = daemon_of(config(service, rollouts=NO_FLAGS.format(dir=service.dir).replace(
        "name: remote", "name: remote\n    alerts: ['rollout=\"shop\"']")))
    a = alert(starts=time.time() - 60)
    opened = {r["rollout"]: r["incident"] for r in d.post(a)}
    assert set(opened) == {"shop", "remote"}
    for disposition in ("resolved", "duplicate"):
        results = d.post({**a, "status": "resolved"})
        assert {r["disposition"] for r in results} == {disposition}
        assert {r["rollout"]: r["incident"] for r in results} == opened


def test_whoever_was_paged_hears_that_a_person_ended_it(daemon_of, service, chat):
    d = daemon_of(config(service, timeout="300ms", channels="channels:\n" + slack_channel(chat, "on-call", "page")))
    service.ignore_reload()
    [r] = d.post(alert())
    d.wait_state(r["incident"], "failed")
    until(lambda: any("AUTO_ROLLBACK FAILED" in t for t in chat.texts()))
    assert d.act(r["incident"], "resolve", note="switched off by hand")[0] == 200
    until(lambda: any("Status: Resolved" in t for t in chat.texts()))


def test_nobody_is_woken_for_what_is_there_already(daemon_of, service, chat):
    pager = Slack()
    service.raise_to(0)
    channels = "channels:\n" + slack_channel(chat, events="incident") + "\n" + slack_channel(pager, "on-call", "page")
    d = daemon_of(config(service, channels=channels))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: any("already at 0%" in t for t in chat.texts()))
    assert [n["channel"] for n in d.incident(r["incident"])["notifications"]] == ["rollouts"] * 2 and pager.texts() == []
    pager.close()


def test_plain_text_in_place_of_a_failed_program_pings_nobody(daemon_of, service, chat):
    program = "if (.text | contains(\"everyone\")) then error(\"no\") else {text} end"
    channels = (f"channels:\n  - {{name: own, slack: {{url: \"{chat.url}/services/T/B/x\"}}, events: [incident], "
                f"program: '{program}'}}")
    d = daemon_of(config(service, channels=channels))
    d.post(alert(annotations={"summary": "<!everyone> @here & <https://bad.example|click>"}))
    [text] = until(lambda: chat.texts())[:1]
    assert "&lt;!everyone&gt;" in text and "<" not in text and "@here" not in text and "[INCIDENT] Shop" in text


def test_dead_chats_however_many_do_not_hold_up_the_pager(daemon_of, service, chat):
    dead = [Slack() for _ in range(4)]
    for s in dead:
        s.hold.set()
    names = "\n".join(slack_channel(s, f"a{n}") for n, s in enumerate(dead))
    d = daemon_of(config(service, rollouts=NO_FLAGS.format(dir=service.dir).replace(
        "name: remote", "name: remote\n    alerts: ['rollout=\"shop\"']"),
        channels="channels:\n" + names + "\n" + slack_channel(chat, "on-call", "page")))
    d.post(alert())                 # two incidents: two messages at once for every channel
    began = time.monotonic()
    until(lambda: chat.texts())
    assert time.monotonic() - began < 5, "it waited for the time limit of another chat"
    for s in dead:
        s.close()


def test_the_end_is_on_the_timeline_however_many_alerts_came_before(daemon):
    results = daemon.post(*(alert(instance=str(n)) for n in range(600)))
    i = daemon.wait_state(results[0]["incident"], "rolled_back")
    what = [e["what"] for e in i["timeline"]]
    assert "rolled_back" in what and "verified" in what
    assert [e["at"] for e in i["timeline"]] == sorted(e["at"] for e in i["timeline"])


@pytest.mark.parametrize("failpoint", ["flags-renamed", "step-done-uncommitted"])
def test_our_own_writing_is_not_taken_for_somebody_elses_after_a_crash(daemon_of, service, failpoint):
    d = daemon_of(config(service), start=False)
    d.start(env={"ROLLBACKD_FAILPOINT": failpoint})
    try:
        d.post(alert())
    except OSError:
        pass
    d.died()
    assert service.file_percentage() == "0"
    d.start()
    [i] = d.incidents()
    d.wait_state(i["id"], "rolled_back")
    assert not [e for e in d.get("/api/v1/events?limit=500") if e["what"] == "changed outside"]


def test_what_is_found_later_is_adopted_and_its_generation_counts(daemon_of, service):
    text = service.flags.read_text()
    service.flags.unlink()
    d = daemon_of(config(service))
    assert d.get("/api/v1/rollouts/shop")["stage"] is None
    service.flags.write_text(text.replace("=10", "=25"))
    d.restart()
    assert d.get("/api/v1/rollouts/shop")["stage"] == 2
    before = d.get("/api/v1/rollouts/shop/flags")["generation"]
    service.raise_to(50)
    d.restart()
    after = d.get("/api/v1/rollouts/shop/flags")
    assert after["generation"] > before and after["percentage"] == 50


@pytest.mark.parametrize("stage", ["1.5", "nan", "1e0x", "0x1", "", " 1"])
def test_a_stage_is_a_whole_number(daemon, service, stage):
    r = ctl(daemon, "rollback", "shop", "--stage", stage)
    assert r.returncode == 2 and "--stage" in r.stderr and daemon.incidents() == [] and service.percentage() == 10



def test_below_the_target_is_there_already_and_stays(daemon_of, service, switch):
    service.raise_to(5)
    d = daemon_of(config(service, apply=switch.apply(), playbooks=PARTIAL))
    [r] = d.post(alert(action="partial"))
    assert r["disposition"] == "already_there"
    assert d.wait_state(r["incident"], "rolled_back")["percentage_wanted"] == 5
    assert switch.asked == [] and service.file_percentage() == "5"


def test_the_earlier_time_and_the_lower_target_win_each_for_itself(daemon_of, service):
    service.raise_to(25)
    d = daemon_of(config(service, playbooks=PARTIAL))
    [slow] = d.post(alert(action="later"))              # to 0 in an hour
    [soon] = d.post(alert(action="degraded"))           # to 10 in less than a second
    assert (slow["disposition"], soon["disposition"]) == ("pending", "attached")
    assert d.wait_state(slow["incident"], "rolled_back")["percentage_wanted"] == 0
    assert service.percentage() == 0


def test_a_higher_target_does_not_lift_a_lower_one(daemon_of, service):
    service.raise_to(25)
    d = daemon_of(config(service, playbooks=PARTIAL))
    [slow] = d.post(alert(action="later"))
    d.post(alert(action="partial"))                     # to 10, now
    assert d.wait_state(slow["incident"], "rolled_back")["percentage_wanted"] == 0
    assert service.percentage() == 0


def test_an_answer_to_an_older_question_does_not_count(daemon_of, service):
    service.raise_to(25)
    ask, first, go = service.dir / "ask.sh", service.dir / "first", service.dir / "go"
    ask.write_text(f"#!/bin/sh\nif [ ! -e {first} ]; then touch {first}; while [ ! -e {go} ]; do sleep 0.02; done; echo 10; "
                   f"else cat {service.live}; fi\n")
    ask.chmod(0o755)
    d = daemon_of(config(service, playbooks=PARTIAL, passes=1, timeout="6s",
                         checks=f"        - {{command: [{ask}], timeout: 20s}}"))
    [r] = d.post(alert(action="partial"))
    until(first.exists)                                 # the round that asks for 10% is under way, for 6 s at most
    service.ignore_reload()
    d.post(alert())                                     # to 0, and the service does not follow
    until(lambda: len(service.reloads()) == 1 and d.incident(r["incident"])["state"] != "rolling_back")
    go.touch()
    assert d.wait_state(r["incident"], "failed", "rolled_back")["state"] == "failed"


def test_a_pending_rollback_acts_by_the_config_in_force_when_it_is_due(daemon_of, service):
    service.raise_to(25)
    d = daemon_of(config(service, apply="      - {command: [/bin/false]}", playbooks=PARTIAL.replace("700ms", "1500ms")))
    [r] = d.post(alert(action="degraded"))
    d.config.write_text(config(service, playbooks=PARTIAL))
    assert d.call("POST", "/-/reload")[0] == 200
    assert d.incident(r["incident"])["state"] == "pending"
    d.wait_state(r["incident"], "rolled_back")
    assert len(service.reloads()) == 1


def test_a_command_in_doubt_is_repeated_only_where_the_config_allows_it(daemon_of, service, chat):
    apply = f"      - {{command: [{service.reload}], timeout: 20s, idempotent: false}}"
    d = daemon_of(config(service, apply=apply, channels="channels:\n" + slack_channel(chat, events="page")),
                  env={"ROLLBACKD_FAILPOINT": "runner-ran"})
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "rolled_back")      # it had run after all
    assert [s["state"] for s in i["steps"] if s["kind"] == "command"] == ["in_doubt"] and len(service.reloads()) == 1
    until(lambda: any("in doubt" in t for t in chat.texts()))


def test_an_alert_that_fires_anew_ends_the_quiet(daemon_of, service):
    d = daemon_of(config(service, limits="limits: {quiet: 1s}"))
    a, b = (alert(instance=x, starts=time.time() - 60) for x in "ab")
    [r] = d.post(a)
    d.wait_state(r["incident"], "rolled_back")
    d.post({**a, "status": "resolved"})
    d.post(b)
    quiet_over = time.monotonic() + 1.3
    until(lambda: time.monotonic() > quiet_over)
    assert d.incident(r["incident"])["state"] == "rolled_back", "one still fires"
    d.post({**b, "status": "resolved"})
    d.wait_state(r["incident"], "resolved")


def test_the_runners_files_do_not_pile_up(daemon, service):
    [r] = daemon.post(alert())
    daemon.wait_state(r["incident"], "rolled_back")
    until(lambda: not list((daemon.state / "commands").iterdir()))


def test_a_service_at_zero_is_not_enough_while_the_file_is_in_doubt(daemon_of, service):
    d = daemon_of(config(service, apply="      - {command: [/bin/true]}", timeout="500ms"))
    service.flags.write_text("SHOP_PERCENTAGES=10\n")
    service.live.write_text("0")            # until its next restart, when it reads the file
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "failed", "rolled_back")
    assert i["state"] == "failed" and i["verification"]["acknowledged"]["state"] == "yes"
    assert i["verification"]["written"]["state"] == "unknown"
