"""The flags file when it cannot be changed at once: the canary comes down as soon as it can, without another alert."""
import fcntl
import os
import time

import pytest
from harness import alert, config, slack_channel, until


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
