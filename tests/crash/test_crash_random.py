"""Under load the daemon, and the processes that run its commands, are killed at random: nothing lost, nothing missed, nothing twice.

CRASH_ROUNDS says how often (6), CRASH_SEED repeats a run.
"""
import os
import random
import threading
import time

import pytest
from crashing import (Ledger, Witness, check_chat, check_stopped, deliver, dump, flags_texts, hook_channel, incident_numbers,
                      kill_groups, put_atomically, refused_or, runners, runs, tool)
from harness import Daemon, Hook, PATIENCE, Service, alert, config, until

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "6"))
SEED = int(os.environ.get("CRASH_SEED", str(random.SystemRandom().randrange(10**9))))
CLIENTS = 4
PAUSE = 0.025                   # seconds between the posts of one client: 4 of them make about 120 a second
LIMITS = "limits: {quiet: 300ms}"

ROLLOUT = """
  - name: {name}
    flags: {{file: {service.flags}, percentage: SHOP_PERCENTAGE}}
    apply:
      - {{command: [{tool}], timeout: 20s, idempotent: false}}
      - {{command: [{service.reload}], timeout: 20s}}
    verify:
      delay: 20ms
      every: 50ms
      passes: 2
      timeout: 30s
      checks:
        - {{http: {{url: "{service.web.url}/flags", value: /rollout_percentage}}}}
    stages:
      - {{number: 1, name: Canary, percentage: 10}}
"""


class Client(threading.Thread):
    """An Alertmanager for one rollout: fires, repeats, resolves, and now and then somebody raises the percentage again."""

    def __init__(self, world, name, seed):
        super().__init__(daemon=True)
        self.world, self.name_of, self.service = world, name, world.services[name]
        self.random = random.Random(seed)
        self.ledger = Ledger()
        self.raised = 1                     # the service starts above 0
        self.serial = self.posts = 0
        self.firing = []
        self.done = threading.Event()
        self.failure = None

    def fresh(self, **labels):
        self.serial += 1
        return alert(instance=f"{self.name_of}-{self.serial}", starts=time.time() - self.random.uniform(0, 90), **labels)

    def trigger(self):
        a = self.fresh(rollout=self.name_of)
        self.firing.append(a)
        return a

    def send(self, *alerts):
        """Until it is taken, with pauses as Alertmanager makes them."""
        while True:
            results = deliver(self.world.daemon, alerts)
            self.posts += 1
            if results is not None:
                self.ledger.note(alerts, results)
                return
            assert time.monotonic() < self.world.deadline, "the daemon takes nothing any more"
            time.sleep(PAUSE)

    def resolve_some(self):
        self.random.shuffle(self.firing)
        n = self.random.randint(1, len(self.firing))
        gone, self.firing = self.firing[:n], self.firing[n:]
        resolved = [{**a, "status": "resolved"} for a in gone]
        self.send(*resolved)
        if self.random.random() < 0.5:
            self.send(*resolved)

    def raise_again(self):
        """Only when the last rollback is over, as a person would; then a trigger, and it must go down once more."""
        d = self.world.daemon
        answer = refused_or(lambda: d.call("GET", f"/api/v1/incidents?limit=1&rollout={self.name_of}"))
        if not answer or answer[0] != 200 or answer[1]["data"][0]["state"] not in ("rolled_back", "resolved"):
            return
        assert self.service.percentage() == 0 and self.service.file_percentage() == "0", "it said rolled back"
        self.raised += 1
        self.service.live.write_text("10")
        put_atomically(self.service.flags, flags_texts(self.service, 10)[0])
        self.send(self.trigger())

    def turn(self):
        what = self.random.random()
        noise = [self.fresh(action=None) for _ in range(self.random.randint(1, 4))]
        if what < 0.45:
            self.send(*noise)
        elif what < 0.65:
            self.send(noise[0], self.trigger())
        elif what < 0.75 and self.firing:
            self.send(*self.firing[-3:])
        elif what < 0.85 and self.firing:
            self.resolve_some()
        else:
            self.raise_again()

    def run(self):
        try:
            self.send(self.trigger())
            while not self.done.is_set():
                self.turn()
                time.sleep(PAUSE)
        except BaseException as e:          # shown by the main thread
            self.failure = e


class World:
    def __init__(self, folder, seed):
        self.random = random.Random(seed)
        self.names = [f"rollout-{n}" for n in range(CLIENTS)]
        self.services = {n: Service(folder / n) for n in self.names}
        self.tools = {n: tool(self.services[n], "tool") for n in self.names}
        for s in self.services.values():    # long enough for a runner to be found among the processes
            s.reload.write_text(s.reload.read_text().replace("#!/bin/sh\n", "#!/bin/sh\nsleep 0.05\n", 1))
        self.hook = Hook("known-to-both")
        usual = Service(folder / "usual")   # the harness' config has a rollout of its own; nothing happens to it
        self.all = [*self.services.values(), usual]
        rollouts = "".join(ROLLOUT.format(name=n, service=s, tool=self.tools[n][0]) for n, s in self.services.items())
        self.daemon = Daemon(folder / "rollbackd", config(usual, rollouts=rollouts, limits=LIMITS,
                                                          channels=hook_channel(self.hook)))
        self.witness = Witness({s.flags: flags_texts(s, 10, 0) for s in self.services.values()})
        self.kills = self.runners_killed = 0
        self.deadline = time.monotonic() + 60 + 20 * ROUNDS
        self.clients = [Client(self, n, self.random.random()) for n in self.names]

    def kill(self):
        assert self.daemon.process.poll() is None, f"it ended by itself: {self.daemon.log()[-3000:]}"
        self.daemon.kill()
        self.kills += 1

    def no_client_failed(self):
        for c in self.clients:
            if c.failure:
                raise AssertionError(f"seed {SEED}: {c.failure}") from c.failure

    def kill_runners(self):
        """They live for some milliseconds: waits for some, for a while."""
        until_then = time.monotonic() + 2
        groups, commands = runners(self.daemon)
        while not groups and time.monotonic() < until_then:
            time.sleep(0.002)
            groups, commands = runners(self.daemon)
        self.runners_killed += len(groups)
        kill_groups(groups + (commands if self.random.random() < 0.5 else []))

    def one_round(self, runners_too):
        time.sleep(self.random.uniform(0.03, 1.5))
        if runners_too and self.random.random() < 0.7:
            self.kill_runners()
        self.kill()
        for _ in range(self.random.choice([0, 0, 3, 5])):
            self.daemon.spawn()
            time.sleep(self.random.uniform(0.005, 0.05))
            self.kill()
        self.daemon.start()
        self.no_client_failed()

    def finish(self):
        for c in self.clients:
            c.done.set()
        for c in self.clients:
            c.join(PATIENCE * 3)
            assert not c.is_alive()
        self.no_client_failed()

    def ended(self, name):
        """The incidents of a rollout, whole, once all are over."""
        def over():
            all_of_them = [self.daemon.incident(n) for n in incident_numbers(self.daemon, name)]
            assert all(i["state"] in ("rolled_back", "resolved") for i in all_of_them), [i["state"] for i in all_of_them]
            return all_of_them
        over.__name__ = f"{name} is rolled back"
        return until(over)

    def close(self):
        for c in self.clients:
            c.done.set()
        self.witness.end()
        if self.daemon.process is not None:
            self.daemon.kill()
        self.hook.close()
        for s in self.all:
            s.close()


def check_runs(world, client, runners_too):
    """Each raise was answered by one rollback, and each of its commands ran once."""
    name, incidents = client.name_of, world.ended(client.name_of)
    steps = [s for i in incidents for s in i["steps"]]
    flags = [s for s in steps if s["kind"] == "flags"]
    assert len(flags) == client.raised, f"{name} was raised {client.raised} times and rolled back {len(flags)} times"
    assert all(s["state"] == "done" for s in flags)
    for part, log, repeatable in (("tool", world.tools[name][1], False), ("reload", client.service.runs, True)):
        told = runs(log)
        assert len(set(told)) == len(told), f"an attempt ran twice: {[t for t in told if told.count(t) > 1]}"
        commands = [s for s in steps if s["kind"] == "command" and part in s["name"]]
        done = [s for s in commands if s["state"] == "done"]
        doubtful = [s for s in commands if s["state"] == "in_doubt"]
        ran = {(i, s) for i, s, _ in told}
        assert len(commands) == client.raised and len(done) + len(doubtful) == len(commands), dump(commands)
        assert len(done) <= len(ran) <= len(commands), (name, part, len(done), len(ran))
        if not (repeatable and runners_too):
            assert len(told) == len(ran), f"{part} ran twice for one step: {told}"
        if not runners_too:
            assert not doubtful and len(told) == client.raised
        if repeatable:
            assert not doubtful


@pytest.mark.parametrize("runners_too", [False, True], ids=["the daemon", "the daemon and its runners"])
def test_killed_at_random_under_load(folder, runners_too):
    print(f"CRASH_SEED={SEED} CRASH_ROUNDS={ROUNDS}")
    w = World(folder, SEED + runners_too)
    try:
        w.daemon.start()
        for c in w.clients:
            c.start()
        for n in range(ROUNDS):
            print(f"round {n}", flush=True)
            w.one_round(runners_too)
        w.finish()
        for c in w.clients:
            w.ended(c.name_of)
            assert c.service.file_percentage() == "0" and c.service.percentage() == 0, c.name_of
            c.ledger.check(w.daemon)
            check_runs(w, c, runners_too)
        check_chat(w.hook, w.daemon, w.kills, at_once=2)  # of one channel, and never of one incident
        print(f"{w.kills} kills, {w.runners_killed} of runners, {sum(c.posts for c in w.clients)} posts, "
              f"{sum(len(c.ledger.alerts) for c in w.clients)} episodes, {sum(c.raised for c in w.clients)} rollbacks")
        assert bool(w.runners_killed) == runners_too
        assert sum(len(c.ledger.alerts) for c in w.clients) > 10 * ROUNDS
        check_stopped(w.daemon)
    finally:
        w.close()
