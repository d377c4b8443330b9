"""The wall clock is set, under the daemon or between two of its lives: nothing takes longer than its configured time, and nothing
passes at once. The monotonic clock stays true, as it does when an administrator or NTP sets the clock."""
import glob
import time

import pytest

from harness import Slack, alert, config, slack_channel, until

STUCK = "        - {command: [/bin/echo, 10]}"   # the service stays where it is


def faketime(spec="", **more):
    [library] = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    fixed = {"LD_PRELOAD": library, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1", "FAKETIME_NO_CACHE": "1"}
    return {**fixed, **({"FAKETIME": spec} if spec else {}), **more}


def settable(folder, spec):
    """A clock that is set by writing its file, and its environment."""
    clock = folder / "clock"
    clock.write_text(spec)
    return clock, faketime(FAKETIME_TIMESTAMP_FILE=str(clock))


@pytest.mark.parametrize("first, then", [("+1d", "+0"), ("+0", "+1d")])
def test_a_verification_ends_in_time_when_the_clock_is_set_meanwhile(daemon_of, service, first, then):
    clock, env = settable(service.dir, first)
    d = daemon_of(config(service, checks=STUCK, timeout="4s"), env=env)
    began = time.monotonic()
    [r] = d.post(alert())
    d.wait_state(r["incident"], "verifying")
    clock.write_text(then)
    d.wait_state(r["incident"], "failed")
    assert 3.5 <= time.monotonic() - began <= 12


@pytest.mark.parametrize("first, then", [("+1d", "+0"), ("+0", "+1d")])
def test_a_verification_ends_in_time_when_the_clock_was_set_before_a_start(daemon_of, service, first, then):
    clock, env = settable(service.dir, first)
    d = daemon_of(config(service, checks=STUCK, timeout="6s"), env=env)
    began = time.monotonic()
    [r] = d.post(alert())
    d.wait_state(r["incident"], "verifying")
    d.kill()
    clock.write_text(then)
    d.start()
    d.wait_state(r["incident"], "failed")
    assert 5 <= time.monotonic() - began <= 20


@pytest.mark.parametrize("then", ["+0", "+9d"])
def test_messages_that_wait_are_neither_held_up_nor_given_up(daemon_of, service, then):
    clock, env = settable(service.dir, "+1d")
    chat = Slack()
    chat.faults = [(503, {}, "service_unavailable")] * 4
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="incident")), env=env)
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: chat.requests >= 1)
    clock.write_text(then)
    until(lambda: len(chat.texts()) == 2, 30)
    until(lambda: [n["state"] for n in d.incident(r["incident"])["notifications"]] == ["sent", "sent"])
    assert len(chat.texts()) == 2
    chat.close()
