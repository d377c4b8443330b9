"""The daemon is killed at every named point, once per test; what was acknowledged must be there, and done exactly once."""
import subprocess

import pytest
from crashing import (Ledger, Witness, check_chat, check_stopped, deliver, deliver_until_taken, dump, flags_texts, hook_channel,
                      incident_numbers, kill_groups, refused_or, runners, runs, tool, wait_sent)
from harness import BUILD, PATIENCE, Daemon, Hook, Server, Service, alert, config, until

POINTS = subprocess.run([BUILD / "rollbackd", "--list-failpoints"], check=True, capture_output=True, text=True).stdout.split()
IN_PLACE_POINTS = ["flags-copy-kept", "flags-half-written"]     # only where the flags file cannot be renamed over
RUNNER_POINTS = ["runner-claimed", "runner-ran"]        # reached by the process that runs a command, not by the daemon
LATER_VISITS = {                                        # points that one rollback reaches more than once
    "intake-before-commit": 4, "intake-after-commit": 4, "step-intent-committed": 3, "step-done-uncommitted": 3,
    "runner-spawned": 2, "verify-round-uncommitted": 2, "move-committed": 5, "message-accepted": 2, "checkpoint": 2,
}
WALK = [p for p in POINTS if p not in RUNNER_POINTS + IN_PLACE_POINTS] + [
    f"{p}:{n}" for p, last in LATER_VISITS.items() for n in range(2, last + 1)]


class World:
    """A rollout of two commands: a tool that only takes notes, and the reload that makes the service follow."""

    def __init__(self, folder, idempotent=None, **parts):
        self.service = Service(folder / "service")
        self.hook = Hook("known-to-both")
        self.tool, self.tool_log = tool(self.service, "tool")
        word = "" if idempotent is None else f", idempotent: {str(idempotent).lower()}"
        apply = "".join(f"      - {{command: [{c}], timeout: 20s{word}}}\n" for c in (self.tool, self.service.reload))
        self.daemon = Daemon(folder / "rollbackd", config(self.service, apply=apply, channels=hook_channel(self.hook), **parts))
        self.witness = Witness({self.service.flags: flags_texts(self.service, 10, 0)})
        self.before = open(self.service.flags, "rb")        # the old file itself, whatever has its name
        self.ledger = Ledger()
        self.webhooks = [
            [alert("Elevated", action=None), alert("Elsewhere", action=None, rollout=None)],
            [alert("Elevated", action=None, instance="1"), alert(instance="a"), alert("Elevated", action=None, instance="2")],
            [alert(instance="b")],
            [alert("Over", action=None, status="resolved"), alert("Elevated", action=None, instance="3")],
        ]
        self.left = list(self.webhooks)

    def crash_at(self, failpoint):
        """Until the daemon has died there; acknowledged webhooks leave self.left."""
        d = self.daemon.spawn(env={"ROLLBACKD_FAILPOINT": failpoint})
        until(lambda: d.process.poll() is not None or refused_or(lambda: d.call("GET", "/-/ready")[0] == 200))
        for webhook in self.webhooks:
            results = deliver(d, webhook) if d.process.poll() is None else None
            if results is not None:
                self.ledger.note(webhook, results)
                self.left.remove(webhook)
        self.provoke(failpoint)
        assert d.died() == -9, f"not killed at {failpoint}:\n{d.log()[-3000:]}"

    def provoke(self, failpoint):
        """The log is cut only when one transaction made it longer than 8 MiB: a rollback alone does not bring that about."""
        for n in range(20 if failpoint.startswith("checkpoint") else 0):
            if refused_or(lambda: [wait_sent(self.daemon, i) for i in incident_numbers(self.daemon)]) is None:
                return
            large = [alert("Noise", action=None, instance=f"{n}.{k}", annotations={"text": "x" * 9000}) for k in range(1500)]
            results = deliver(self.daemon, large)
            if results is not None:
                self.ledger.note(large, results)
            try:
                self.daemon.process.wait(2)
                return
            except subprocess.TimeoutExpired:
                pass

    def recover(self):
        """Starts again and sends again, as Alertmanager would. Returns the incident."""
        self.daemon.start()
        self.ledger.check(self.daemon)
        for webhook in self.left:
            self.ledger.note(webhook, deliver_until_taken(self.daemon, webhook))
        self.left = []
        self.ledger.check(self.daemon)
        [incident] = self.daemon.incidents()
        return incident["id"]

    def step(self, incident, name):
        [step] = [s for s in incident["steps"] if s["kind"] == "command" and name in s["name"]]
        return step

    def attempts(self, log):
        """The attempts that ran; all of one incident and one step."""
        told = runs(log)
        assert len({(i, s) for i, s, _ in told}) <= 1 and len(set(told)) == len(told), told
        return [a for _, _, a in told]

    def check_rolled_back(self, number, crashes=1):
        i = self.daemon.wait_state(number, "rolled_back")
        assert self.service.file_percentage() == "0" and self.service.percentage() == 0
        self.before.seek(0)
        assert self.before.read().decode() == flags_texts(self.service, 10)[0], "replaced, never written into"
        assert i["percentage_before"] == 10 and i["percentage_seen"] == 0
        assert len(i["alerts"]) == 2, dump(i)
        assert [s["kind"] for s in i["steps"]] == ["flags", "command", "command", "verify"], dump(i)
        assert i["steps"][0]["state"] == "done" and i["steps"][3]["state"] == "done"
        told = [t["what"] for t in i["timeline"]]
        assert told.count("opened") == 1 and told.count("rolled_back") == 1 and told.count("verified") == 1, told
        check_chat(self.hook, self.daemon, crashes)
        return i

    def close(self):
        self.before.close()
        self.witness.end()
        if self.daemon.process is not None:
            self.daemon.kill()
        self.hook.close()
        self.service.close()


@pytest.fixture
def world(folder):
    made = []

    def make(**kw):
        made.append(World(folder, **kw))
        return made[-1]
    yield make
    for w in made:
        w.close()


def test_the_walk_knows_every_point():
    assert len(POINTS) >= 13 and set(LATER_VISITS) <= set(POINTS) and set(RUNNER_POINTS + IN_PLACE_POINTS) <= set(POINTS)


@pytest.mark.parametrize("failpoint", IN_PLACE_POINTS)
def test_a_flags_file_written_in_place_survives_a_kill_at(folder, failpoint):
    """A file with two names is not replaced, for one of them would lead to the old text."""
    service = Service(folder / "service")
    other = service.dir / "other-name.env"
    other.hardlink_to(service.flags)
    d = Daemon(folder / "rollbackd", config(service))
    d.start(env={"ROLLBACKD_FAILPOINT": failpoint})
    trigger = alert()
    deliver(d, [trigger])                   # it may die before the answer is out
    assert d.died() == -9
    half = other.read_text()
    assert (half in flags_texts(service, 10, 0)) == (failpoint == "flags-copy-kept")
    d.start()
    number = deliver_until_taken(d, [trigger])[0]["incident"]
    i = d.wait_state(number, "rolled_back")
    assert i["steps"][0]["state"] == "done" and service.percentage() == 0
    assert other.read_text() == service.flags.read_text() == flags_texts(service, 0)[0] and other.samefile(service.flags)
    assert not [f.name for f in service.dir.iterdir() if "rollbackd" in f.name]
    check_stopped(d)
    service.close()


ABOUT_COMMANDS = [p for p in WALK if p.split(":")[0] in ("step-intent-committed", "step-done-uncommitted", "runner-spawned")]


@pytest.mark.parametrize("idempotent, failpoint", [(False, p) for p in WALK] + [(None, p) for p in ABOUT_COMMANDS])
def test_a_rollback_survives_a_kill_at(world, failpoint, idempotent):
    w = world(idempotent=idempotent)
    w.crash_at(failpoint)
    number = w.recover()
    i = w.check_rolled_back(number)
    assert len(w.attempts(w.tool_log)) == 1 and len(w.attempts(w.service.runs)) == 1, "no crash of the daemon repeats a command"
    assert [s["state"] for s in i["steps"]] == ["done"] * 4, dump(i)
    w.ledger.check(w.daemon)
    check_stopped(w.daemon)


@pytest.mark.parametrize("idempotent", [None, False])
@pytest.mark.parametrize("failpoint", RUNNER_POINTS)
def test_a_command_whose_runner_died_with_the_daemon_is_in_doubt(world, failpoint, idempotent):
    w = world(idempotent=idempotent)
    w.crash_at(f"runner-spawned,{failpoint}")
    number = w.recover()
    i = w.check_rolled_back(number)
    step, ran = w.step(i, "tool"), failpoint == "runner-ran"
    if idempotent is None:
        assert step["state"] == "done" and step["attempts"] == 2, dump(step)
        assert w.attempts(w.tool_log) == ([1, 2] if ran else [2])
    else:
        assert step["state"] == "in_doubt" and step["attempts"] == 1, dump(step)
        assert w.attempts(w.tool_log) == ([1] if ran else [])
        until(lambda: [b for b in w.hook.bodies if b["what"] == "in_doubt" and "tool" in b["text"]])
    assert w.step(i, "reload")["state"] == "done" and w.attempts(w.service.runs) == [1], "the next step runs, once"
    check_stopped(w.daemon)


@pytest.mark.parametrize("failpoint", RUNNER_POINTS)
def test_a_runner_that_dies_every_time_under_a_living_daemon_ends_in_doubt(world, failpoint):
    w = world(timeout="500ms")
    w.daemon.start(env={"ROLLBACKD_FAILPOINT": failpoint})
    [r] = w.daemon.post(alert(instance="a"))
    i = w.daemon.wait_state(r["incident"], "failed" if failpoint == "runner-claimed" else "rolled_back",
                            timeout=3 * PATIENCE)       # two steps, ten attempts each, each time with a longer pause
    for name, log in (("tool", w.tool_log), ("reload", w.service.runs)):
        step = w.step(i, name)
        assert step["state"] == "in_doubt" and 1 < step["attempts"] <= 20, dump(step)
        assert w.attempts(log) == ([] if failpoint == "runner-claimed" else list(range(1, step["attempts"] + 1)))
    assert w.daemon.restart().incident(r["incident"])["state"] == i["state"], "what was ruled stays"
    if i["state"] == "failed":
        assert w.daemon.act(r["incident"], "retry")[0] == 200
        w.daemon.wait_state(r["incident"], "rolled_back")
    assert w.service.percentage() == 0
    check_stopped(w.daemon)


@pytest.mark.parametrize("idempotent", [None, False])
def test_a_runner_killed_under_a_living_daemon_is_ruled_by_the_step(world, idempotent):
    w = world(idempotent=idempotent)
    gate = w.service.dir / "gate"
    w.tool.write_text(w.tool.read_text() + f"while [ ! -e {gate} ]; do sleep 0.02; done\n")
    w.daemon.start()
    [r] = w.daemon.post(alert(instance="a"))
    until(lambda: runs(w.tool_log))
    group, commands = runners(w.daemon)
    assert len(group) == 1 and len(commands) == 1
    gate.touch()
    kill_groups(group)
    i = w.daemon.wait_state(r["incident"], "rolled_back")
    step = w.step(i, "tool")
    assert w.attempts(w.tool_log) == ([1, 2] if idempotent is None else [1])
    assert step["state"] == ("done" if idempotent is None else "in_doubt"), dump(step)
    assert w.attempts(w.service.runs) == [1]
    check_stopped(w.daemon)


# --- other ways to get there, and what follows ---

LADDER_WALK = [f"{p}:{n}" for p, first, last in (       # beyond the visits that the apply steps make
    ("step-intent-committed", 4, 6), ("step-done-uncommitted", 4, 6), ("runner-spawned", 3, 5), ("verify-round-uncommitted", 1, 4),
    ("move-committed", 4, 12)) for n in range(first, last + 1)]


class LadderWorld(World):
    """The service ignores its reload; a restart makes it follow. Two steps follow the rollback, a third one waits for a person."""

    def __init__(self, folder):
        super().__init__(folder, idempotent=False)
        self.logs = {}
        scripts = {name: self.note_taker(name) for name in ("restart", "halt", "validate", "restore")}
        s = self.service
        with open(scripts["restart"], "a") as script:
            script.write(f"sed -n 's/^SHOP_PERCENTAGE=//p' {s.flags} > {s.live}.again\nmv {s.live}.again {s.live}\n")
        then = "".join(f"      - {{name: {n}, command: [{scripts[n]}], timeout: 20s{more}}}\n"
                       for n, more in (("halt", ""), ("validate", ""), ("restore", ", needs: approval")))
        fallback = f"    fallback:\n      - {{after: 300ms, command: [{scripts['restart']}], timeout: 20s, idempotent: false}}\n"
        playbooks = ("playbooks:\n  - name: corrupt\n    match: ['action=\"auto_rollback\"']\n    rollback: {to: 0}\n"
                     f"    then:\n{then}")
        apply = "".join(f"      - {{command: [{c}], timeout: 20s, idempotent: false}}\n" for c in (self.tool, s.reload))
        text = config(s, apply=apply, channels=hook_channel(self.hook), playbooks=playbooks)
        self.daemon.config.write_text(text.replace("    verify:\n", fallback + "    verify:\n", 1))
        s.ignore_reload()

    def note_taker(self, name):
        script, self.logs[name] = tool(self.service, name)
        return script


@pytest.mark.parametrize("failpoint", LADDER_WALK)
def test_other_ways_and_what_follows_survive_a_kill_at(folder, failpoint):
    w = LadderWorld(folder)
    try:
        w.crash_at(failpoint)
        number = w.recover()
        w.daemon.wait_state(number, "rolled_back")
        until(lambda: "waits for approval" in [t["what"] for t in w.daemon.incident(number)["timeline"]])
        i = w.daemon.incident(number)
        assert w.service.percentage() == 0
        for name, log in w.logs.items():
            assert len(w.attempts(log)) == (name != "restore"), (name, log.read_text())
        assert len(w.attempts(w.service.runs)) == len(w.attempts(w.tool_log)) == 1
        states = {s["name"].split("/")[-1]: s["state"] for s in i["steps"]}
        assert states == {"set percentage": "done", "tool.sh": "done", "reload.sh": "done", "verify": "done", "halt": "done",
                          "validate": "done", "restore": "waiting", "restart.sh": "done"}, dump(i)
        told = [t["what"] for t in i["timeline"]]
        assert [told.count(x) for x in ("fallback", "waits for approval", "rolled_back")] == [1, 1, 1], told
        check_stopped(w.daemon)
    finally:
        w.close()


# --- a drill ---

DRILL_WALK = [f"{p}:{n}" for p, last in (               # seven steps, two rounds, two messages; one commit for each of theirs
    ("intake-before-commit", 1), ("intake-after-commit", 1), ("step-intent-committed", 7), ("step-done-uncommitted", 7),
    ("verify-round-uncommitted", 2), ("move-committed", 13), ("message-accepted", 2)) for n in range(1, last + 1)]


class Asked(Server):
    """A service of steps that are requests; a drill sends none."""

    def __init__(self):
        self.got = []
        super().__init__()

    def handle(self, method, path, headers, body):
        self.got.append((method, path))
        return 200, {}, "{}"


class DrillWorld(LadderWorld):
    def __init__(self, folder):
        self.asked = Asked()
        super().__init__(folder)
        text = self.daemon.config.read_text()
        request = f"      - {{http: {{url: \"{self.asked.url}/set\", method: POST}}, name: request}}\n"
        assert text.count("    fallback:\n") == 1
        self.daemon.config.write_text(text.replace("    fallback:\n", request + "    fallback:\n"))
        self.webhooks = [[alert(drill="x")]]
        self.left = list(self.webhooks)

    def touched(self):
        told = [log.read_text() for log in (*self.logs.values(), self.tool_log, self.service.runs)]
        now = self.service.flags.stat()
        return now.st_ino, now.st_mtime_ns, now.st_ctime_ns, told, list(self.asked.got)

    def close(self):
        super().close()
        self.asked.close()


@pytest.mark.parametrize("failpoint", DRILL_WALK)
def test_a_drill_changes_nothing_with_a_kill_at(folder, failpoint):
    w = DrillWorld(folder)
    try:
        before = w.touched()
        w.crash_at(failpoint)
        number = w.recover()
        i = w.daemon.wait_state(number, "resolved")
        assert i["passed"] is True and len(i["steps"]) == 9, dump(i)
        assert {s["state"] for s in i["steps"]} == {"done"}, dump(i)
        told = [t["what"] for t in i["timeline"]]
        assert told.count("drill") == told.count("drill passed") == 1, told
        wait_sent(w.daemon, number)
        assert {b["text"].split("\n")[0] for b in w.hook.bodies} == {"[DRILL] Shop Auto-Rollback drill: nothing is changed"}
        assert w.touched() == before
        check_stopped(w.daemon)
    finally:
        w.close()
