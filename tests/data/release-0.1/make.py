#!/usr/bin/python3
"""Makes the databases beside this file with the programs of release 0.1, whose database has version 3.

They were made once, and are kept for ever: a later release must go on where this one stopped. Only to add a case:

    git worktree add build/release-0.1 ad1fe65 && make -C build/release-0.1 programs
    tests/data/release-0.1/make.py build/release-0.1/build/release [CASE...]

Needs to run as root: the person who approves and ticks, over the unix socket, is root.
"""
import json
import os
import pathlib
import random
import signal
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))
import harness
import past
from harness import alert, until

CASES = {}


def case(about):
    def take(f):
        CASES[f.__name__] = (about, f)
        return f
    return take


class Making:
    def __init__(self, name):
        folder = harness.fresh("past-" + name)
        self.world = past.World(folder / "service")
        self.service = self.world.service
        self.world.chat.hold.set()          # nothing is delivered: what was told stands in the outbox
        self.world.pager.hold.set()
        self.socket = f"/tmp/past-{os.getpid()}-{random.randrange(10**9)}.sock"
        self.daemon = harness.Daemon(folder / "rollbackd", self.world.config(), args=[f"--web.listen-address=unix:{self.socket}"])
        self.answers = []                   # of each webhook: the alerts and what they were answered

    def start(self, failpoint=""):
        self.daemon.start(env={"ROLLBACKD_FAILPOINT": failpoint})
        until(lambda: self.rollout()["watch"]["percentage"] == "yes")

    def rollout(self):
        return self.daemon.get("/api/v1/rollouts/shop")

    def post(self, *alerts):
        results = self.daemon.post(*alerts)
        self.answers.append([list(alerts), results])
        return results

    def person(self, path, **body):
        status, _, out = harness.request(self.socket, "POST", path, body)
        assert status in (200, 201, 202), (status, out)
        return json.loads(out)["data"]

    def dies(self):
        """And what it had started with it, as when the power goes."""
        if self.daemon.process:
            self.daemon.kill()
        for proc in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (proc / "cmdline").read_bytes()
                if str(self.daemon.dir.parent).encode() in words and int(proc.name) != os.getpid():
                    os.kill(int(proc.name), signal.SIGKILL)
            except OSError:
                pass

    def ask(self, sql):
        db = sqlite3.connect(f"file:{self.daemon.state}/rollbackd.db?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def wait(self, *states):
        return self.daemon.wait_state(self.daemon.incidents()[0]["id"], *states)

    def steps(self, number=1):
        return {s["name"]: s["state"] for s in self.daemon.incident(number)["steps"]}


def step(m, word, state, number=1):
    until(lambda: [s for n, s in m.steps(number).items() if word in n and s == state])


@case("a rollback that waits for its `after` of 1 h, with two alerts")
def pending(m):
    m.service.raise_to(25)
    m.start()
    m.post(alert(action="later", instance="a"), alert(action="later", instance="b"))
    m.wait("pending")
    m.dies()


@case("died after the intake was committed: every step is todo, and nobody got an answer")
def rolling_back_todo(m):
    m.start("intake-after-commit")
    a = alert()
    try:
        m.post(a)
    except OSError:
        m.answers.append([[a], None])
    m.daemon.died()


@case("died when the flags step was running on disk, with nothing done")
def rolling_back_flags_running(m):
    m.start("step-intent-committed")
    m.post(alert())
    m.daemon.died()


@case("died after the flags file was replaced, before that was on disk")
def rolling_back_flags_written(m):
    m.start("flags-renamed")
    m.post(alert())
    m.daemon.died()


@case("the reload command runs: its runner has claimed it, and both died")
def rolling_back_command_running(m):
    m.world.slow.touch()
    m.start()
    m.post(alert())
    until(lambda: m.service.reloads() or m.steps().get(str(m.service.reload.name)) == "running")
    step(m, "reload", "running")
    until(lambda: [f for f in m.daemon.state.rglob("*.claim") if f.read_bytes() == b"R"])
    m.dies()


@case("the reload command's runner was started and died before it claimed anything")
def rolling_back_runner_unclaimed(m):
    m.start("runner-spawned")
    m.post(alert())
    m.daemon.died()
    m.dies()


@case("the reload command ended and its result lies in the runner's file, unread")
def rolling_back_result_unread(m):
    m.start("step-done-uncommitted:2")
    m.post(alert())
    m.daemon.died()
    until(lambda: list(m.daemon.state.rglob("*.res")))


@case("verification goes on: the service did not hear of it")
def verifying(m):
    m.service.ignore_reload()
    m.start()
    m.post(alert(), alert(instance="b"))
    m.wait("verifying")
    until(lambda: m.daemon.incident(1)["verification"]["acknowledged"]["state"] == "no")
    m.dies()


@case("verification of a target that was there already")
def verifying_already_there(m):
    m.service.raise_to(0)
    m.start()
    m.service.web.hold.set()
    m.post(alert())
    m.wait("verifying")
    m.dies()
    m.service.web.hold.clear()


@case("rolled back, its alert fires on; acknowledged, with a note and an ETA; every message is still queued")
def rolled_back(m):
    m.start()
    m.post(alert())
    m.wait("rolled_back")
    m.person("/api/v1/incidents/1/acknowledge", note="looking at it")
    m.person("/api/v1/incidents/1/eta", eta="2h")
    m.dies()


@case("failed and paged: the service does not follow; it goes on verifying")
def failed(m):
    m.service.ignore_reload()
    m.start()
    m.post(alert())
    m.wait("failed")
    m.dies()


@case("held: waits for a person")
def held(m):
    m.start()
    m.post(alert(action="hold"))
    m.wait("held")
    m.dies()


@case("by hand, verification goes on")
def manual(m):
    m.service.ignore_reload()
    m.start()
    m.person("/api/v1/rollouts/shop/rollback", stage=1, reason="looks odd")
    m.wait("verifying")
    m.dies()


@case("a P2 that a person reported: held")
def reported(m):
    m.start()
    m.person("/api/v1/incidents", rollout="shop", severity="P2", summary="search feels slow")
    m.wait("held")
    m.dies()


@case("a drill, verification goes on")
def drill(m):
    m.start()
    m.service.live.write_text("11")
    m.post(alert(drill="x"))
    m.wait("verifying")
    m.dies()


def entering(m):
    m.person("/api/v1/rollouts/shop/advance", force=True, reason="we know what we do")


@case("stage 2 is being entered: 25% is in the file, the reload command runs")
def advance_running(m):
    m.world.slow.touch()
    m.start()
    entering(m)
    until(lambda: m.service.file_percentage() == "25")
    until(lambda: [f for f in m.daemon.state.rglob("*.claim") if f.read_bytes() == b"R"])
    m.dies()


@case("stage 2 is being entered: the service does not follow, verification goes on")
def advance_verifying(m):
    m.service.ignore_reload()
    m.start()
    entering(m)
    until(lambda: m.service.file_percentage() == "25" and m.service.reloads())
    until(lambda: m.ask("SELECT state FROM incident WHERE raises") == [(3,)])
    m.dies()


@case("stage 2 was being entered when a trigger came: the raise gave way to a rollback whose flags step runs")
def advance_superseded(m):
    m.world.slow.touch()
    m.start()
    entering(m)
    until(lambda: m.service.file_percentage() == "25")
    m.post(alert())
    until(lambda: m.service.file_percentage() == "0")
    m.dies()


@case("rolled back; of what follows halt is done and restore waits for approval")
def then_waits(m):
    m.start()
    m.post(alert(action="corruption"))
    m.wait("rolled_back")
    step(m, "restore", "waiting")
    m.dies()


@case("rolled back; halt, which may not be repeated, was running when all died: in doubt after the next start")
def then_running(m):
    m.start()
    m.world.slow.touch()
    m.service.reload.write_text(m.service.reload.read_text().replace(str(m.world.slow), "/nonexistent"))
    m.post(alert(action="corruption"))
    m.wait("rolled_back")
    until(lambda: m.world.follow_ups() == ["halt"])
    m.dies()


@case("as then_running, started and killed once more: halt is in doubt on disk")
def then_in_doubt(m):
    then_running(m)
    m.world.slow.unlink()
    m.start()
    step(m, "halt", "in_doubt")
    m.dies()


@case("resolved, but under review: nothing may be raised")
def reviewed(m):
    m.start()
    a = alert(action="corruption")
    m.post(a)
    m.wait("rolled_back")
    step(m, "restore", "waiting")
    m.person("/api/v1/incidents/1/resolve", note="restored by hand")
    m.post({**a, "status": "resolved", "endsAt": harness.rfc3339(time.time())})
    m.dies()


@case("the plan: approved, one of two ticks, held by a person, frozen, a baseline kept, clean time counted, two former incidents")
def plan(m):
    m.start()
    for what in ("a", "b"):
        a = alert(action="hold", instance=what)
        m.post(a)
        m.wait("held")
        m.person(f"/api/v1/incidents/{m.daemon.incidents()[0]['id']}/resolve", note="nothing")
        m.post({**a, "status": "resolved", "endsAt": harness.rfc3339(time.time())})
    m.person("/api/v1/rollouts/shop/approve", role="lead", note="go")
    m.person("/api/v1/rollouts/shop/check", checklist="canary", item="Error logs reviewed")
    until(lambda: m.ask("SELECT * FROM baseline"))
    until(lambda: m.rollout()["clock"]["clean"] > 0)
    m.person("/api/v1/rollouts/shop/freeze", duration="4h", reason="release day")
    m.person("/api/v1/rollouts/shop/hold", reason="customer demo")
    m.dies()


@case("stage 2 was entered: nothing is under way, and what became of the stay at stage 1 is kept")
def entered(m):
    m.start()
    entering(m)
    until(lambda: m.rollout()["stage"] == 2 and m.rollout()["clock"]["clean"] > 0)
    m.dies()


@case("failed, the chat refused its messages: the rows of the outbox wait for their next attempt")
def outbox(m):
    m.service.ignore_reload()
    for hook in (m.world.chat, m.world.pager):
        hook.hold.clear()
        hook.faults += [(500, {}, "no")] * 10000
    m.start()
    m.post(alert())
    m.wait("failed")
    until(lambda: [n for n in m.daemon.incident(1)["notifications"] if n["attempts"]])
    m.dies()


@case("rolled back without the daemon (rollbackctl --offline), not taken in yet")
def offline(m):
    m.start()
    m.dies()
    now = harness.rfc3339(time.time())
    (m.daemon.state / "offline-rollbacks.jsonl").write_text(json.dumps({
        "id": "x1", "rollout": "shop", "who": "alice", "reason": "rollbackd was slow", "from": 10, "to": 0, "after": 10, "seen": 0, "at": now,
        "applied_at": now, "ended_at": now, "verified": "yes", "steps": []}) + "\n")
    (m.daemon.state / "offline-rollbacks.jsonl").chmod(0o600)
    m.service.raise_to(0)


def main():
    harness.BUILD = pathlib.Path(sys.argv[1]).resolve()
    for name in sys.argv[2:] or CASES:
        about, make = CASES[name]
        m = Making(name)
        try:
            make(m)
            past.keep(past.KEPT / f"{name}.sql", about, m.world, m.daemon.state, m.answers)
            print(name, "made")
        finally:
            if m.daemon.process:
                m.dies()
            m.world.close()


main()
