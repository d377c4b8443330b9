"""A database that release 0.1 left behind opens, migrates, and its open incident comes to its right end.

tests/data/release-0.1 has one for every state in which the daemon can die; its make.py says how they were made.
"""
import json
import os
import random
import sqlite3
import time

import past
import pytest
from harness import alert, ctl, request, rfc3339, until

HOUR = 3600


@pytest.fixture
def world(folder):
    w = past.World(folder / "service")
    yield w
    w.close()


class Upgraded:
    """The daemon of today on a kept database, and the world that it finds."""

    def __init__(self, world, daemon_of, name, ago):
        self.world, self.service = world, world.service
        self.kept = past.Kept(name)
        self.socket = f"/tmp/rollbackd-{os.getpid()}-{random.randrange(10**9)}.sock"
        self.daemon = daemon_of(world.config(), start=False, args=[f"--web.listen-address=unix:{self.socket}"])
        self.kept.restore(world, self.daemon.state, ago)
        self.daemon.start()

    def rollout(self):
        return self.daemon.get("/api/v1/rollouts/shop")

    def incident(self):
        return self.daemon.incident(1)

    def ends_at(self, state, percentage):
        i = self.daemon.wait_state(1, state)
        until(lambda: self.service.percentage() == percentage and self.service.file_percentage() == str(percentage))
        return i

    def alerts_resolve(self):
        """In one webhook, as Alertmanager says it of a group."""
        self.daemon.post(*({**a, "status": "resolved", "endsAt": rfc3339(time.time())} for a, _ in self.kept.known.values()))

    def gets_quiet(self, percentage=0):
        self.alerts_resolve()
        return self.ends_at("resolved", percentage)

    def person(self, path, **body):
        status, _, out = request(self.socket, "POST", path, body)
        return status, json.loads(out)

    def steps(self):
        return {s["name"]: s["state"] for s in self.incident()["steps"]}


@pytest.fixture
def upgraded(world, daemon_of):
    return lambda name, ago=0: Upgraded(world, daemon_of, name, ago)


def columns(file):
    db = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)] and db.execute("PRAGMA foreign_key_check").fetchall() == []
    names = [n for n, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
    tables = {t: sorted((c[1], c[2], c[3], c[5]) for c in db.execute(f"PRAGMA table_info({t})")) for t in names}
    indexes = sorted(n for n, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"))
    version = db.execute("PRAGMA user_version").fetchone()
    db.close()
    return tables, indexes, version


@pytest.mark.parametrize("name", past.names())
def test_it_becomes_a_database_like_a_new_one_and_every_alert_is_known(upgraded, daemon_of, world, name):
    u = upgraded(name)
    for a, r in u.kept.known.values():
        [now] = u.daemon.post(a)
        assert now["disposition"] == "duplicate", (a, now)
        assert r is None or now["incident"] == r["incident"], (r, now)
    for number in [i["id"] for i in u.daemon.incidents()]:
        for read in ("", "/report"):
            assert u.daemon.call("GET", f"/api/v1/incidents/{number}{read}")[0] == 200
        assert ctl(u.daemon, "incident", number).returncode == 0
    assert ctl(u.daemon, "report", "--final").returncode == 0 and ctl(u.daemon, "status").returncode == 0
    assert u.daemon.stop() == 0
    new = daemon_of(world.config(), name="new")
    assert new.stop() == 0
    assert columns(u.daemon.state / "rollbackd.db") == columns(new.state / "rollbackd.db")


def test_there_is_one_of_every_state():
    """Of what release 0.1 could be in when it died; so that nobody takes one away unnoticed."""
    states, steps, kinds = set(), set(), set()
    for name in past.names():
        db = sqlite3.connect(":memory:")
        db.executescript(past.Kept(name).sql)
        states |= {s for s, in db.execute("SELECT state FROM incident")}
        steps |= {s for s, in db.execute("SELECT state FROM step")}
        kinds |= set(db.execute("SELECT kind, raises FROM incident"))
        db.close()
    assert states == set(range(1, 9)) and steps == set(range(1, 8)), (states, steps)
    assert kinds == {(1, 0), (2, 0), (3, 0), (2, 1)}


# --- what waits ---

def test_a_pending_one_is_called_off_when_its_alerts_resolve(upgraded):
    u = upgraded("pending")
    assert u.incident()["state"] == "pending" and len(u.incident()["alerts"]) == 2
    u.alerts_resolve()
    u.ends_at("cancelled", 25)
    assert u.service.reloads() == []


def test_a_pending_one_whose_time_passed_meanwhile_rolls_back(upgraded):
    u = upgraded("pending", ago=2 * HOUR)
    u.ends_at("rolled_back", 10)
    u.gets_quiet(10)


@pytest.mark.parametrize("name", ["held", "reported"])
def test_a_held_one_waits_on_and_a_trigger_makes_it_a_rollback(upgraded, name):
    u = upgraded(name)
    assert u.incident()["state"] == "held" and u.service.percentage() == 10
    [r] = u.daemon.post(alert("Burst"))
    assert (r["disposition"], r["incident"]) == ("attached", 1)
    u.ends_at("rolled_back", 0)


def test_a_held_one_is_cancelled_by_a_person(upgraded):
    u = upgraded("held")
    assert u.person("/api/v1/incidents/1/cancel", note="known")[0] == 200
    u.ends_at("cancelled", 10)


# --- what acts ---

@pytest.mark.parametrize("name", [n for n in past.names() if n.startswith("rolling_back")])
def test_a_rollback_under_way_comes_to_its_end(upgraded, name):
    u = upgraded(name)
    i = u.ends_at("rolled_back", 0)
    assert (i["percentage_before"], i["percentage_wanted"], i["percentage_seen"]) == (10, 0, 0)
    acts = [s for s in i["steps"] if s["kind"] in ("flags", "command", "verify")]
    assert len(acts) == 3 and {s["state"] for s in acts} == {"done"}, u.steps()
    u.gets_quiet()


# A minute: one that has failed for long is looked at less often.
@pytest.mark.parametrize("name, ago", [("verifying", 0), ("verifying", 2 * HOUR), ("manual", 0), ("manual", 2 * HOUR), ("failed", 0), ("failed", 60)])
def test_verification_goes_on_until_the_world_is_there(upgraded, name, ago):
    u = upgraded(name, ago)
    until(lambda: u.incident()["verification"]["acknowledged"]["state"] == "no")
    assert u.incident()["state"] in ("rolling_back", "verifying", "failed")
    u.service.follow_again()
    u.ends_at("rolled_back", 0)
    if name == "manual":
        assert u.incident()["kind"] == "manual" and u.person("/api/v1/incidents/1/resolve", note="over")[0] == 200
        u.ends_at("resolved", 0)
    else:
        u.gets_quiet()


def test_what_was_there_already_is_seen_to_be(upgraded):
    u = upgraded("verifying_already_there")
    u.ends_at("rolled_back", 0)
    assert u.service.reloads() == []
    u.gets_quiet()


def test_what_is_rolled_back_ends_when_it_gets_quiet(upgraded):
    u = upgraded("rolled_back")
    i = u.incident()
    assert i["state"] == "rolled_back" and i["acknowledged_by"] == "root" and i["eta"] and i["alerts"][0]["status"] == "firing"
    u.gets_quiet()
    assert len(u.service.reloads()) == 1


def test_what_is_rolled_back_and_raised_by_somebody_is_rolled_back_again(upgraded):
    u = upgraded("rolled_back")
    u.service.raise_to(10)
    [r] = u.daemon.post(alert(instance="b"))
    assert (r["disposition"], r["incident"]) == ("attached", 1)
    until(lambda: u.service.percentage() == 0)
    u.ends_at("rolled_back", 0)
    assert len(u.service.reloads()) == 2


def test_a_drill_passes_and_changes_nothing(upgraded):
    u = upgraded("drill")
    u.service.live.write_text("10")
    assert u.ends_at("resolved", 10)["passed"] is True
    assert u.service.reloads() == []


# --- what raises ---

@pytest.mark.parametrize("name", ["advance_running", "advance_verifying"])
def test_a_stage_that_was_being_entered_is_entered(upgraded, name):
    u = upgraded(name)
    if u.kept.head["broken"]:
        u.service.follow_again()
    until(lambda: u.rollout()["stage"] == 2 and u.rollout()["clock"]["entered_at"])
    assert u.service.percentage() == 25 and u.service.file_percentage() == "25" and u.daemon.incidents() == []
    until(lambda: [t for t in u.world.chat.texts() if "Stage 2: 25% traffic" in t])


@pytest.mark.parametrize("name", ["advance_running", "advance_verifying", "entered"])
def test_a_trigger_goes_before_a_stage_that_is_being_entered(upgraded, name):
    u = upgraded(name)
    if u.kept.head["broken"]:
        u.service.broken.unlink()
    [r] = u.daemon.post(alert())
    assert r["disposition"] == "rollback_started"
    u.daemon.wait_state(r["incident"], "rolled_back")
    assert u.service.percentage() == 0 and u.service.file_percentage() == "0"


def test_a_rollback_that_superseded_a_raise_has_the_last_word(upgraded):
    u = upgraded("advance_superseded")
    [number] = [i["id"] for i in u.daemon.incidents()]
    u.daemon.wait_state(number, "rolled_back")
    assert u.service.percentage() == 0 and u.service.file_percentage() == "0"


# --- what follows a rollback ---

@pytest.mark.parametrize("name, halt", [("then_waits", "done"), ("then_running", "in_doubt"), ("then_in_doubt", "in_doubt")])
def test_a_step_that_waits_for_approval_goes_on_waiting_and_then_runs(upgraded, name, halt):
    u = upgraded(name)
    until(lambda: (u.steps()["halt"], u.steps()["restore"]) == (halt, "waiting"))
    assert u.world.follow_ups() == ["halt"], "what may not be repeated is not"
    assert u.incident()["state"] == "rolled_back"
    if halt == "in_doubt":
        until(lambda: [t for t in u.world.pager.texts() if "halt" in t])
    status, out = u.person("/api/v1/incidents/1/approve", step="restore", note="backup of 03:00")
    assert status == 200, out
    until(lambda: u.steps()["validate"] == "done")
    assert u.world.follow_ups() == ["halt", "restore", "validate"]


def test_a_review_is_still_required(upgraded):
    u = upgraded("reviewed")
    assert u.rollout()["review_of"] == 1 and "review" in [m["what"] for m in u.rollout()["next"]["missing"]]
    assert u.person("/api/v1/incidents/1/review", note="the parser lost a lock")[0] == 200
    assert "review" not in [m["what"] for m in u.rollout()["next"]["missing"]]


# --- the plan, the outbox, the journal ---

def test_the_plan_stands_where_it_stood(upgraded):
    u = upgraded("plan")
    r = u.rollout()
    assert r["stage"] == 1 and r["clock"]["clean"] > 0
    missing = [m["what"] for m in r["next"]["missing"]]
    assert "approval" not in missing and {"hold", "freeze", "checklist"} <= set(missing), r["next"]
    assert [m["text"] for m in r["next"]["missing"] if m["what"] == "checklist"] == ['checklist canary: "Dashboard watched" is not ticked']
    assert [b["metric"] for b in r["baselines"]] == ["error_ratio"]
    assert u.person("/api/v1/rollouts/shop/resume")[0] == 200
    until(lambda: u.rollout()["clock"]["runs"])
    assert u.rollout()["clock"]["clean"] >= r["clock"]["clean"]
    assert {i["state"] for i in u.daemon.incidents()} == {"resolved"} and len(u.daemon.incidents()) == 2


def test_the_stay_at_a_former_stage_stands_in_the_report(upgraded):
    u = upgraded("entered")
    assert u.rollout()["stage"] == 2
    report = ctl(u.daemon, "report", "--final").stdout
    assert "Canary" in report and "error rate" in report and "0.0005" in report, report


def test_messages_that_waited_are_delivered(upgraded):
    u = upgraded("outbox")
    assert u.incident()["state"] == "failed"
    until(lambda: [t for t in u.world.pager.texts() if t.startswith("CRITICAL: AUTO_ROLLBACK FAILED")])
    until(lambda: [t for t in u.world.chat.texts() if t.startswith("CRITICAL: AUTO_ROLLBACK FAILED")])
    until(lambda: not [n for n in u.incident()["notifications"] if n["state"] == "queued"])


def test_a_rollback_made_without_the_daemon_is_taken_in(upgraded):
    u = upgraded("offline")
    i = u.ends_at("rolled_back", 0)
    assert i["kind"] == "manual" and u.service.reloads() == []
