"""Flags that a person sets, evidence, approvals, drills by themselves and the fallback's probe, while the daemon is killed at random: each
intention has one outcome, what was acknowledged is known, a drill is one however often it was sent, and the percentage stays where it is.

CRASH_ROUNDS says how often (6), CRASH_SEED repeats a run.
"""
import hashlib
import json
import os
import random
import sqlite3
import tempfile
import threading
import time

from crashing import Witness, check_stopped, refused_or, runs
from harness import Daemon, PATIENCE, Server, Service, Slack, config, group, request, slack_channel, until

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "6"))
SEED = int(os.environ.get("CRASH_SEED", str(random.SystemRandom().randrange(10**9))))
STAGE = "- {number: 1, name: Canary, percentage: 10, duration: 48h}"


class Forwarder(Server):
    """An Alertmanager that sends on at once what it is given, and tries no second time."""

    def __init__(self, port):
        self.to = port
        super().__init__()

    def handle(self, method, path, headers, body):
        if method == "POST":
            for a in json.loads(body):
                a = {**a, "status": "firing", "endsAt": "0001-01-01T00:00:00Z",
                     "fingerprint": hashlib.sha256(json.dumps(a["labels"], sort_keys=True).encode()).hexdigest()[:16]}
                refused_or(lambda: request(self.to, "POST", "/webhook", group(a)))
        return 200, {}, "[]"


class Legacy(Server):
    def __init__(self):
        self.status = 200
        super().__init__()

    def handle(self, method, path, headers, body):
        return self.status, {}, "{}"


class Person(threading.Thread):
    """Does one thing after the other, and keeps what was acknowledged and what was tried since."""

    def __init__(self, world, seed):
        super().__init__(daemon=True)
        self.world, self.random = world, random.Random(seed)
        self.done = threading.Event()
        self.failure = None
        self.flag, self.flags_tried, self.sha, self.shas_tried = "true", [], None, []
        self.acknowledged = {"flag": 0, "evidence": 0, "approve": 0}

    def post(self, what, path, body):
        """Whether it was acknowledged."""
        answer = refused_or(lambda: request(self.world.socket, "POST", f"/api/v1/rollouts/shop/{path}", body))
        assert answer is None or answer[0] in (200, 409, 503), (what, answer)
        good = answer is not None and answer[0] == 200
        self.acknowledged[what] += good
        return good

    def set_flag(self):
        value = self.random.choice(["true", "false"])
        self.flags_tried.append(value)
        if self.post("flag", "flags", {"name": "TIERED_CACHE", "value": value, "reason": "a test"}):
            self.flag, self.flags_tried = value, []

    def send_evidence(self):
        sha = f"{self.random.getrandbits(32):08x}"
        self.shas_tried.append(sha)
        if self.post("evidence", "evidence", {"name": "unit-tests", "verdict": self.random.choice(["pass", "pass", "fail"]), "sha": sha}):
            self.sha, self.shas_tried = sha, []

    def approve(self):
        """As soon as it may: of all that is tried here only this needs all the rest to be well."""
        self.world.legacy.status = 200
        if self.post("evidence", "evidence", {"name": "unit-tests", "verdict": "pass", "sha": self.sha or "0"}):
            self.post("approve", "approve", {"role": "lead"})

    def flip(self):
        self.world.legacy.status = 503 if self.world.legacy.status == 200 else 200

    def run(self):
        try:
            while not self.done.is_set():
                self.random.choice([self.set_flag, self.set_flag, self.send_evidence, self.flip, self.approve])()
                self.done.wait(self.random.uniform(0, 0.05))
        except BaseException as e:          # shown by the main thread
            self.failure = e


def with_everything(service, chat, am_port, legacy):
    text = config(service, channels="channels:\n" + slack_channel(chat, events="all"),
                  prometheus=f"  evaluation_interval: 100ms\n  alertmanager: {{url: \"http://127.0.0.1:{am_port}\"}}")
    assert text.count(STAGE) == 1 and text.count("    verify:\n") == 1
    text = text.replace("{name: SHOP_ENABLED, type: bool}", "{name: SHOP_ENABLED, type: bool}, {name: TIERED_CACHE, type: bool}")
    text = text.replace("    verify:\n", "    drill: {cron: \"* * * * *\"}\n    fallback_probe: [{name: reachable, http: {url: \"%s\"}, timeout: 2s}]\n"
                        "    checklists: [{name: canary, items: [{text: Unit tests, evidence: unit-tests}]}]\n    verify:\n" % legacy.url)
    text = text.replace(STAGE, "- {number: 1, name: Canary, percentage: 10, duration: 10ms, checklist: canary, approvals: [lead]}")
    return text + "\nusers: [{name: root, roles: [operator, webhook, evidence, lead]}]\n"


class World:
    def __init__(self, folder, seed):
        self.random = random.Random(seed)
        self.service, self.chat, self.legacy = Service(folder / "service"), Slack(), Legacy()
        plain = self.service.flags.read_text()
        self.service.flags.write_text(plain + "TIERED_CACHE=true\n")
        self.short = tempfile.TemporaryDirectory()      # a path short enough for a socket
        self.socket = f"{self.short.name}/s"
        self.daemon = Daemon(folder / "rollbackd", "", args=(f"--web.listen-address=unix:{self.socket}",))
        self.am = Forwarder(self.daemon.port)
        self.daemon.config.write_text(with_everything(self.service, self.chat, self.am.port, self.legacy))
        self.witness = Witness({self.service.flags: [plain + f"TIERED_CACHE={v}\n" for v in ("true", "false")],
                                self.service.live: ["10", "10\n"]})
        self.person = Person(self, self.random.random())

    def make_a_drill_due(self):
        """As if the last look at the calendar had been a minute and a half ago."""
        with sqlite3.connect(self.daemon.state / "rollbackd.db") as db:
            db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('drill_considered:shop', ?)", (int((time.time() - 90) * 1e6),))
        db.close()

    def one_round(self):
        time.sleep(self.random.uniform(0.2, 1.2))       # when it is killed is what is random
        assert self.daemon.process.poll() is None, self.daemon.log()[-3000:]
        self.daemon.kill()
        self.make_a_drill_due()
        self.daemon.start()
        if self.person.failure:
            raise AssertionError(f"seed {SEED}: {self.person.failure}") from self.person.failure

    def events(self):
        out, cursor = [], ""
        while True:
            status, page = self.daemon.call("GET", f"/api/v1/events?limit=500&rollout=shop{cursor}")
            assert status == 200, page
            out += page["data"]
            if not page.get("next"):
                return out[::-1]
            cursor = f"&cursor={page['next']}"

    def close(self):
        self.person.done.set()
        self.witness.end()
        if self.daemon.process is not None:
            self.daemon.kill()
        self.short.cleanup()
        for server in (self.am, self.legacy, self.chat, self.service):
            server.close()


def count(events, *kinds):
    return sum(e["what"] in kinds for e in events)


def is_settled(w):
    events = w.events()
    assert count(events, "flag_asked") == count(events, "flag_set", "flag_not_set")
    assert count(events, "scheduled_drill") == count(events, "scheduled_drill_passed", "scheduled_drill_called_off", "scheduled_drill_failed")
    missing = [m["what"] for m in w.daemon.get("/api/v1/rollouts/shop")["next"]["missing"]]
    assert not {"incident", "fallback"} & set(missing), missing
    return True


def check_flags(w, events):
    open_one = None
    for e in (e for e in events if e["what"] in ("flag_asked", "flag_set", "flag_not_set")):
        assert (e["what"] == "flag_asked") == (open_one is None), "each has one outcome, before the next is begun"
        open_one = e if e["what"] == "flag_asked" else None
    assert open_one is None and not count(events, "flags_changed"), "a change of ours was taken for somebody else's"
    is_now = w.service.flags.read_text().rsplit("TIERED_CACHE=", 1)[1].strip()
    assert is_now in {w.person.flag, *w.person.flags_tried}, (is_now, w.person.flag, w.person.flags_tried)
    told = runs(w.service.runs)
    assert len(set(told)) == len(told), "an attempt of a step ran twice"


def check_plan(w, events):
    item = w.daemon.get("/api/v1/rollouts/shop")["checklists"][0]["items"][0]
    assert w.person.sha is None or item["sha"] in {w.person.sha, "0", *w.person.shas_tried}, (item, w.person.sha)
    assert count(events, "approved") >= w.person.acknowledged["approve"]
    told = [e["what"] for e in events if e["what"] in ("fallback_not_ready", "fallback_ready")]
    assert all(a != b for a, b in zip(told, told[1:])), told


def check_drills(drills, events):
    summaries = [i["summary"] for i in drills]
    assert len(set(summaries)) == len(summaries) <= count(events, "scheduled_drill"), summaries
    assert not count(events, "scheduled_drill_failed"), [e for e in events if e["what"] == "scheduled_drill_failed"]
    return count(events, "scheduled_drill")


def test_the_plan_killed_at_random(folder):
    print(f"CRASH_SEED={SEED} CRASH_ROUNDS={ROUNDS}")
    w = World(folder, SEED)
    try:
        w.daemon.start()
        w.person.start()
        for _ in range(ROUNDS):
            w.one_round()
        w.person.done.set()
        w.person.join(PATIENCE)
        assert not w.person.is_alive() and not w.person.failure, w.person.failure
        w.legacy.status = 200
        until(lambda: is_settled(w), 2 * PATIENCE)
        drills = w.daemon.incidents(kind="drill")       # before the events: the next one may begin at any moment
        events = w.events()
        check_flags(w, events)
        check_plan(w, events)
        drills = check_drills(drills, events)
        print(w.person.acknowledged, drills, "drills", len(events), "events")
        assert w.person.acknowledged["flag"] and w.person.acknowledged["evidence"] and drills, "nothing was tried"
        assert w.service.file_percentage() == "10" and w.service.percentage() == 10
        check_stopped(w.daemon)
    finally:
        w.close()
