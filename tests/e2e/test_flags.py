"""The flags file when it cannot be changed at once: the canary comes down as soon as it can, without another alert."""
import fcntl
import os
import re
import time

import pytest
from harness import BUILD, Server, alert, config, ctl, slack_channel, until


def flags_step(i):
    return next(s for s in i["steps"] if s["kind"] == "flags")


@pytest.fixture
def lock(service):
    fd = os.open(service.dir, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_a_lock_that_another_program_holds_is_waited_for_also_beyond_the_deadline(daemon_of, service, chat, lock):
    d = daemon_of(config(service, timeout="500ms", channels="channels:\n" + slack_channel(chat, events="all")))
    fcntl.flock(lock, fcntl.LOCK_EX)
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "failed")
    assert flags_step(i)["state"] != "done" and service.file_percentage() == "10"
    runs = len(service.reloads())
    assert runs >= 1, "the other steps run meanwhile"
    until(lambda: flags_step(d.incident(r["incident"]))["attempts"] >= 3)
    fcntl.flock(lock, fcntl.LOCK_UN)
    i = d.wait_state(r["incident"], "rolled_back")
    assert service.file_percentage() == "0" and service.percentage() == 0
    assert flags_step(i)["state"] == "done" and len(service.reloads()) > runs, "what ran before made the service read the old file"
    notes = [t for t in i["timeline"] if t["what"] == "step failed"]
    assert len(notes) == 1, "failing in the same way again is no news"
    assert sum("could not be changed" in t for t in chat.texts()) <= 1


def test_a_short_lock_is_no_failure(daemon_of, service, chat, lock):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="page")))
    fcntl.flock(lock, fcntl.LOCK_EX)
    [r] = d.post(alert())
    until(lambda: flags_step(d.incident(r["incident"]))["state"] == "running")
    fcntl.flock(lock, fcntl.LOCK_UN)
    i = d.wait_state(r["incident"], "rolled_back")
    assert flags_step(i)["attempts"] == 1 and len(service.reloads()) == 1, "nothing ran before the file was lowered"
    assert not [t for t in chat.texts() if "could not be changed" in t]


def test_a_missing_file_is_lowered_when_it_comes_back(daemon_of, service, chat):
    d = daemon_of(config(service, timeout="500ms", channels="channels:\n" + slack_channel(chat, events="page")))
    text = service.flags.read_text()
    service.flags.unlink()
    [r] = d.post(alert())
    until(lambda: any("could not be changed" in t and "tried again" in t for t in chat.texts()))
    assert not service.flags.exists(), "never made up"
    service.flags.write_text(text)
    d.wait_state(r["incident"], "rolled_back")
    assert service.file_percentage() == "0" and service.percentage() == 0


def test_a_command_that_fails_is_tried_again(daemon_of, service):
    door = service.dir / "door"
    service.reload.write_text(service.reload.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n[ -e {door} ] || exit 3\n", 1))
    d = daemon_of(config(service, timeout="500ms"))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "failed")
    assert service.percentage() == 10
    door.touch()
    i = d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 0 and [s["state"] for s in i["steps"] if s["kind"] == "command"] == ["done"]


def test_a_command_that_may_not_be_repeated_is_not(daemon_of, service):
    once = service.dir / "once.sh"
    once.write_text(f"#!/bin/sh\necho ran >> {service.dir}/ran\nexit 1\n")
    once.chmod(0o755)
    apply = f"      - {{command: [{once}], idempotent: false}}\n      - {{command: [/bin/false]}}"
    d = daemon_of(config(service, apply=apply, timeout="500ms"))
    [r] = d.post(alert())
    until(lambda: [s["attempts"] for s in d.incident(r["incident"])["steps"] if s["kind"] == "command"][1] >= 3)
    assert (service.dir / "ran").read_text() == "ran\n"


def test_a_retry_that_waits_survives_a_restart(daemon_of, service, lock):
    d = daemon_of(config(service, timeout="300ms"))
    fcntl.flock(lock, fcntl.LOCK_EX)
    [r] = d.post(alert(starts=time.time()))
    d.wait_state(r["incident"], "failed")
    d.kill()
    fcntl.flock(lock, fcntl.LOCK_UN)
    d.start()
    d.wait_state(r["incident"], "rolled_back")
    assert service.file_percentage() == "0" and service.percentage() == 0


# --- told while there is time ---

def watched(service, prometheus, chat):
    text = config(service, prometheus=f"  prometheus: {{url: \"{prometheus.url}\", timeout: 1s}}\n  evaluation_interval: 200ms",
                  channels="channels:\n" + slack_channel(chat, events="page"))
    return text


@pytest.fixture
def prometheus():
    class Nothing(Server):
        def handle(self, method, path, headers, body):
            return 200, {"Content-Type": "application/json"}, '{"status":"success","data":{"resultType":"vector","result":[]}}'

    p = Nothing()
    yield p
    p.close()


def told(chat):
    return [t for t in chat.texts() if "flags file" in t]


def errors(d):
    return [line for line in d.log().splitlines() if "level=error" in line and "flags file" in line]


def to_a_link(service):
    service.flags.rename(service.dir / "real.env")
    service.flags.symlink_to(service.dir / "real.env")


SPOILED = {
    "a mistyped key": lambda s: s.flags.write_text("SHOP_PERCENTAGES=50\n"),
    "no percentage": lambda s: s.flags.write_text("SHOP_PERCENTAGE=50%\n"),
    "no file": lambda s: s.flags.unlink(),
    "a link": to_a_link,
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_flags_file_that_is_no_use_is_told_at_the_start(daemon_of, service, chat, spoil):
    spoil(service)
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="page")))
    until(lambda: told(chat))
    assert errors(d)
    d.restart()
    d.stop()
    assert len(told(chat)) == 1, "once for each reason"


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_and_when_it_becomes_so_and_when_that_is_over(daemon_of, service, chat, prometheus, spoil):
    d = daemon_of(watched(service, prometheus, chat))
    text = service.flags.read_text()
    assert not told(chat) and not errors(d)
    spoil(service)
    until(lambda: len(told(chat)) == 1)
    assert errors(d)
    service.flags.unlink(missing_ok=True)
    service.flags.write_text(text)
    until(lambda: [t for t in told(chat) if "usable again" in t])
    assert len(told(chat)) == 2


def test_a_reload_tells_it_too(daemon_of, service, chat):
    text = config(service, channels="channels:\n" + slack_channel(chat, events="page"))
    d = daemon_of(text)
    d.config.write_text(text.replace("percentage: SHOP_PERCENTAGE", "percentage: SHOP_PRECENTAGE"))
    assert d.call("POST", "/-/reload")[0] == 200
    until(lambda: told(chat))


def test_at_zero_nobody_is_woken(daemon_of, service, chat, prometheus):
    service.raise_to(0)
    d = daemon_of(watched(service, prometheus, chat))
    service.flags.unlink()
    d.restart()
    until(lambda: errors(d))
    d.stop()
    assert not told(chat)


def test_a_request_that_is_tried_again_is_no_repeat_of_the_one_that_failed(daemon_of, service):
    """Some receivers answer a known key with what they answered before."""
    class Strict(Server):
        def __init__(self):
            self.answers, self.good = {}, False
            super().__init__()

        def handle(self, method, path, headers, body):
            status = self.answers.setdefault(headers["Idempotency-Key"], 200 if self.good else 503)
            if status == 200:
                service.live.write_text(body.decode())
            return status, {}, "{}"

    strict = Strict()
    apply = f"      - {{http: {{method: PUT, url: \"{strict.url}/\", body: '${{percentage}}'}}}}"
    d = daemon_of(config(service, apply=apply, timeout="300ms"))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "failed")
    strict.good = True
    d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 0
    strict.close()


def test_a_reload_that_read_half_a_file_is_done_again(daemon_of, service):
    """Another program wrote the file in place just then: the service has nothing, and every step is done."""
    text = service.reload.read_text()
    service.reload.write_text(text.replace("#!/bin/sh\n", f"#!/bin/sh\n[ -e {service.dir}/once ] || {{ : > {service.dir}/once; echo x > {service.live}; exit 0; }}\n", 1))
    d = daemon_of(config(service, timeout="300ms"))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "failed")
    i = d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 0 and [s["attempts"] for s in i["steps"] if s["kind"] == "command"] == [2]


def saying(service):
    """A step that says the percentage itself, and one that makes the service read the file."""
    script = service.dir / "set.sh"
    script.write_text(f"#!/bin/sh\necho $1 >> {service.dir}/set.log\necho $1 > {service.live}\n")
    script.chmod(0o755)
    return f"      - {{command: [{service.reload}], timeout: 20s}}\n      - {{command: [{script}, '${{percentage}}']}}"


def test_nobody_is_made_to_read_a_file_that_holds_more_than_the_service_has(daemon_of, service, chat, lock):
    service.raise_to(50)
    service.live.write_text("5")        # a person lowered the service, and not the file
    d = daemon_of(config(service, timeout="500ms", channels="channels:\n" + slack_channel(chat, events="page")))
    fcntl.flock(lock, fcntl.LOCK_EX)
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "failed")
    until(lambda: flags_step(d.incident(r["incident"]))["attempts"] >= 3)
    assert service.reloads() == [] and service.percentage() == 5, "that would have raised it from 5% to 50%"
    assert [s["state"] for s in i["steps"] if s["kind"] == "command"] == ["todo"]
    fcntl.flock(lock, fcntl.LOCK_UN)
    d.wait_state(r["incident"], "rolled_back")
    assert len(service.reloads()) == 1 and service.file_percentage() == "0" and service.percentage() == 0


def test_a_step_that_says_the_percentage_waits_for_no_file(daemon_of, service, lock):
    service.raise_to(50)
    d = daemon_of(config(service, timeout="500ms", apply=saying(service)))
    fcntl.flock(lock, fcntl.LOCK_EX)
    [r] = d.post(alert())
    until(lambda: service.percentage() == 0)
    d.wait_state(r["incident"], "failed")
    assert service.percentage() == 0 and service.reloads() == [], "reading the file would raise it from 0% to 50% again"
    fcntl.flock(lock, fcntl.LOCK_UN)
    d.wait_state(r["incident"], "rolled_back")
    assert len(service.reloads()) == 1 and service.percentage() == 0


def test_after_a_crash_it_waits_as_before(daemon_of, service, lock):
    service.raise_to(50)
    service.live.write_text("5")
    d = daemon_of(config(service, timeout="500ms"))
    fcntl.flock(lock, fcntl.LOCK_EX)
    [r] = d.post(alert())
    d.wait_state(r["incident"], "failed")
    d.kill()
    d.start()
    until(lambda: flags_step(d.incident(r["incident"]))["attempts"] >= 4)
    assert service.reloads() == [] and service.percentage() == 5
    fcntl.flock(lock, fcntl.LOCK_UN)
    d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 0


def test_a_file_that_is_written_again_meanwhile_is_lowered_again(daemon_of, service):
    service.ignore_reload()             # so that the verification goes on
    d = daemon_of(config(service))
    [r] = d.post(alert())
    until(lambda: len(service.reloads()) == 1)
    service.flags.write_text(service.flags.read_text().replace("PERCENTAGE=0", "PERCENTAGE=50"))
    until(lambda: service.file_percentage() == "0")
    until(lambda: len(service.reloads()) == 2)
    service.follow_again()
    d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 0


def test_a_file_that_is_lowered_at_last_raises_nobody_who_was_lowered_further_meanwhile(daemon_of, service, lock):
    service.raise_to(50)
    to_ten = "playbooks:\n  - {name: auto-rollback, match: ['action=\"auto_rollback\"'], rollback: {to: 10}}\n"
    d = daemon_of(config(service, timeout="1s", apply=saying(service), playbooks=to_ten))
    fcntl.flock(lock, fcntl.LOCK_EX)
    [r] = d.post(alert())
    until(lambda: service.percentage() == 10)
    service.live.write_text("5")        # a person goes further down

    def rounds():
        return next(s for s in d.incident(r["incident"])["steps"] if s["kind"] == "verify")["attempts"]

    seen = rounds()
    until(lambda: rounds() >= seen + 2)     # the one that is under way may have asked before
    fcntl.flock(lock, fcntl.LOCK_UN)
    d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 5 and service.file_percentage() == "10"


def with_values(service, chat, events="rollout"):
    service.flags.write_text(service.flags.read_text() + "TIERED_CACHE=true\nWORKERS=4\n")
    text = config(service, channels="channels:\n" + slack_channel(chat, events=events), prometheus="  evaluation_interval: 100ms")
    values = "      values: [{name: SHOP_ENABLED, type: bool}]\n"
    assert text.count(values) == 1
    return text.replace(values, "      values: [{name: TIERED_CACHE, type: bool}, {name: WORKERS, type: int}]\n")


def flags(d):
    return d.get("/api/v1/rollouts/shop/flags")


def test_a_flag_that_somebody_changed_by_hand_is_told_once_and_moves_the_generation(daemon_of, service, chat):
    d = daemon_of(with_values(service, chat))
    before = until(lambda: flags(d))
    service.flags.write_text(service.flags.read_text().replace("TIERED_CACHE=true", "TIERED_CACHE=false"))
    [text] = until(lambda: [t for t in chat.texts() if "changed without" in t])
    assert text.startswith(f"[ROLLOUT] Shop: flags were changed without rollbackd, in {service.flags}: TIERED_CACHE from true to false\n")
    assert flags(d)["generation"] == before["generation"] + 1 and flags(d)["flags"]["TIERED_CACHE"] is False
    d.stop()
    service.flags.write_text(service.flags.read_text().replace("WORKERS=4", "WORKERS=8"))     # while nobody looks
    d.start()
    until(lambda: any("WORKERS from 4 to 8" in t for t in chat.texts()))
    assert len([t for t in chat.texts() if "changed without" in t]) == 2


def test_a_person_sets_a_flag(daemon_of, service, chat):
    d = daemon_of(with_values(service, chat))
    before = until(lambda: flags(d))
    for wrong in (["TIERED_CACHE=maybe"], ["SHOP_PERCENTAGE=100"], ["NOBODYS=1"], ["TIERED_CACHE"]):
        assert ctl(d, "flags", "set", "shop", *wrong, "--reason", "x").returncode == 2, wrong
    assert ctl(d, "flags", "set", "shop", "TIERED_CACHE=false").returncode == 2              # nobody says why
    assert service.flags.read_text().count("TIERED_CACHE=true\n") == 1
    p = ctl(d, "flags", "set", "shop", "TIERED_CACHE=false", "--reason", "it serves old pages")
    assert p.returncode == 0 and re.search(r"TIERED_CACHE +false", p.stdout), p
    assert "TIERED_CACHE=false\nWORKERS=4\n" in service.flags.read_text() and service.file_percentage() == "10"
    until(lambda: any(re.search(r"flag TIERED_CACHE set from true to false by .*: it serves old pages", t) for t in chat.texts()))
    assert flags(d)["generation"] == before["generation"] + 1
    workers = {"name": "WORKERS", "value": 8, "reason": "a larger machine"}
    status, out = until(lambda: (lambda a: a[0] != 409 and a)(d.call("POST", "/api/v1/rollouts/shop/flags", workers)))
    assert status == 200 and flags(d)["flags"]["WORKERS"] == 8, out
    until(lambda: any("set from 4 to 8" in t for t in chat.texts()))
    assert not [t for t in chat.texts() if "changed without" in t]


def seen(d):
    return d.get("/api/v1/rollouts/shop")["percentage_seen"]


def telling(d):
    return [m for m in d.get("/api/v1/rollouts/shop")["next"]["missing"] if "the service is being told of a flag" in m["text"]]


SET = ("flags", "set", "shop", "TIERED_CACHE=false", "--reason", "it serves old pages")


def test_a_flag_is_recorded_written_applied_seen_and_told(daemon_of, service, chat):
    d = daemon_of(with_values(service, chat))
    until(lambda: seen(d) == 10)
    stage = d.get("/api/v1/rollouts/shop")["stage"]
    p = ctl(d, *SET, "--wait")
    assert p.returncode == 0, p
    assert len(service.reloads()) == 1 and service.file_percentage() == "10" and service.percentage() == 10
    [text] = until(lambda: [t for t in chat.texts() if "flag TIERED_CACHE set from true to false by" in t])
    assert ": it serves old pages. Since then 10% was seen\n- At: " in text
    happened = [e["what"] for e in reversed(d.get("/api/v1/events?limit=100&rollout=shop"))]
    assert [w for w in happened if w in ("flag_asked", "flag_set", "verified", "told")] == ["flag_asked", "flag_set", "verified", "told"]
    assert d.incidents() == [] and d.get("/api/v1/rollouts/shop")["stage"] == stage      # none for people, and no stage begins anew


def test_setting_a_flag_raises_nothing_and_says_what_was_left_out(daemon_of, service, chat):
    """The service has less than the file: what makes it read the file again, or says the file's percentage, would raise it."""
    d = daemon_of(with_values(service, chat))
    until(lambda: seen(d) == 10)
    service.live.write_text("0")
    p = ctl(d, *SET)
    assert p.returncode == 4 and "it stands in the file; no apply step was run: above 0% they could raise it" in p.stderr, p
    assert "TIERED_CACHE=false\n" in service.flags.read_text() and service.percentage() == 0 and not service.reloads()
    until(lambda: any("it serves old pages. It stands in the file; no apply step was run: above 0%" in t for t in chat.texts()))


def test_while_an_incident_is_open_a_flag_is_set_in_the_file_alone(daemon_of, service, chat):
    d = daemon_of(with_values(service, chat))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    reloads = len(service.reloads())
    p = ctl(d, *SET)
    assert p.returncode == 4 and f"incident {r['incident']} is open" in p.stderr, p
    assert "TIERED_CACHE=false\n" in service.flags.read_text() and service.file_percentage() == "0" and len(service.reloads()) == reloads


@pytest.fixture
def held(service, folder):
    """A reload that waits until somebody writes into its pipe."""
    pipe, script = folder / "pipe", folder / "held.sh"
    os.mkfifo(pipe)
    script.write_text(f"#!/bin/sh\nread word < {pipe}\nexec {service.reload}\n")
    script.chmod(0o755)
    return script, pipe


def test_a_rollback_takes_over_from_a_flag_that_is_being_applied(daemon_of, service, chat, held):
    script, pipe = held
    d = daemon_of(with_values(service, chat).replace(f"[{service.reload}]", f"[{script}]"))
    until(lambda: seen(d) == 10)
    assert ctl(d, *SET).returncode == 0
    busy = d.call("POST", "/api/v1/rollouts/shop/flags", {"name": "WORKERS", "value": 8, "reason": "a larger machine"})
    assert busy[0] == 409 and "is being told of another flag" in busy[1]["error"], busy
    assert telling(d)
    [r] = d.post(alert())
    until(lambda: [s for s in d.incident(r["incident"])["steps"] if s["state"] == "running" and s["kind"] == "command"])
    pipe.write_text("go\n")
    d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 0
    until(lambda: any("the rest was called off, and whether the service has read it is not known" in t for t in chat.texts()))


def test_what_a_crash_left_of_a_flag_is_not_applied_later(daemon_of, service, chat, held):
    script, pipe = held
    d = daemon_of(with_values(service, chat).replace(f"[{service.reload}]", f"[{script}]"))
    until(lambda: seen(d) == 10)
    assert ctl(d, *SET).returncode == 0
    d.kill()
    service.raise_to(0)                                 # lowered meanwhile, by hand
    d.start()
    until(lambda: any("the rest was called off" in t for t in chat.texts()))
    until(lambda: not telling(d))
    assert service.percentage() == 0 and not service.reloads()


def test_a_crash_between_the_file_and_its_record_is_told_as_what_it_was(daemon_of, service, chat):
    d = daemon_of(with_values(service, chat), env={"ROLLBACKD_FAILPOINT": "flags-renamed"})
    until(lambda: seen(d) == 10)
    assert ctl(d, *SET).returncode == 3
    d.died()
    assert "TIERED_CACHE=false\n" in service.flags.read_text()
    d.env = {}
    d.start()
    until(lambda: any("flag TIERED_CACHE set to false by " in t and "rollbackd was stopped meanwhile. Set it again" in t for t in chat.texts()))
    assert not [t for t in chat.texts() if "changed without" in t] and not service.reloads()


def test_a_kill_switch_is_a_rung_of_fallback(daemon_of, service, chat, folder):
    path = folder / "rollbackd" / "rollbackd.yml"
    fallback = (f"    fallback:\n      - {{after: 200ms, command: [{BUILD}/rollbackctl, flags, set, --offline, shop, TIERED_CACHE=false, "
                f"--config, {path}], timeout: 20s}}\n      - {{after: 200ms, command: [{service.reload}], timeout: 20s}}\n")
    text = with_values(service, chat)
    assert text.count("    verify:\n") == 1
    d = daemon_of(text.replace("    verify:\n", fallback + "    verify:\n"))
    service.ignore_reload()
    [r] = d.post(alert())
    i = until(lambda: (lambda i: [s["state"] for s in i["steps"]][-2:] == ["done", "done"] and len(i["steps"]) >= 4 and i)(d.incident(r["incident"])))
    assert "TIERED_CACHE=false" in service.flags.read_text() and service.file_percentage() == "0"
    assert [s["name"] for s in i["steps"] if "flags set" in s["name"]]
    until(lambda: any("TIERED_CACHE from true to false" in t for t in chat.texts()))
    # What is none of the rollout's flags, or none of its type, is not written.
    for wrong in ("SHOP_PERCENTAGE=100", "TIERED_CACHE=maybe"):
        assert ctl(d, "flags", "set", "--offline", "shop", wrong, "--config", str(path)).returncode == 2
    assert service.file_percentage() == "0"


def test_a_command_that_could_not_be_run_is_told_when_it_comes_into_force(daemon_of, service):
    """Not at three in the morning, when it is needed."""
    gone, open_to_all = service.dir / "gone.sh", service.dir / "open.sh"
    open_to_all.write_text("#!/bin/sh\n")
    open_to_all.chmod(0o777)
    good = config(service)
    bad = config(service, apply=f"      - {{command: [{gone}], timeout: 20s}}\n      - {{command: [{service.reload}], timeout: 20s}}",
                 playbooks="playbooks:\n  - {name: p0, match: ['action=\"auto_rollback\"'], rollback: {to: 0}, "
                           f"then: [{{name: halt, command: [{open_to_all}]}}]}}\n")

    def told(d):
        return [line for line in d.log().splitlines() if "a command of a rollback could not be run" in line]
    d = daemon_of(good)
    assert told(d) == []
    d.config.write_text(bad)
    assert d.call("POST", "/-/reload")[0] == 200
    one, other = told(d)
    assert "level=error" in one and "of=shop" in one and "No such file" in one and str(gone) in one
    assert "of=p0" in other and "can be written by others" in other
    d.restart()
    assert len(told(d)) == 4
