"""What the crash tests share: clients that keep a ledger, witnesses of the flags files and of chat, the state directory's check."""
import http.client
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import threading
import time

import harness


def refused_or(call):
    """call(), or None when the daemon died before it answered."""
    try:
        return call()
    except (OSError, http.client.HTTPException):
        return None


def deliver(daemon, alerts):
    """One attempt to post a webhook: its results, or None when it was not answered with 200."""
    answer = refused_or(lambda: daemon.call("POST", "/webhook", harness.group(*alerts)))
    if answer is None:
        return None
    status, out = answer
    assert status in (200, 503), (status, out)
    return out["data"]["results"] if status == 200 else None


def deliver_until_taken(daemon, alerts):
    """As Alertmanager would: again and again until there is a 200."""
    return harness.until(lambda: deliver(daemon, alerts))


def episode(alert):
    return alert["fingerprint"], alert["startsAt"]


class Ledger:
    """What was acknowledged: of every episode the last status, and the incident that was named for it. One thread each."""

    def __init__(self):
        self.alerts = {}                    # episode: the alert as last acknowledged
        self.incidents = {}                 # episode: its incident, or None
        self.fresh = {}                     # (episode, status): how often it was answered as new
        self.unmatched = set()              # episodes of triggers never answered with an incident

    def note(self, alerts, results):
        assert len(results) == len(alerts), (alerts, results)
        for a, r in zip(alerts, results):
            assert r["fingerprint"] == a["fingerprint"]
            key, status = episode(a), a["status"]
            if r["disposition"] != "duplicate":
                self.fresh[key, status] = self.fresh.get((key, status), 0) + 1
                assert self.fresh[key, status] == 1, f"answered as new twice: {a} {r}"
            known = self.alerts.get(key)
            if known and known["status"] == status:
                assert r["disposition"] == "duplicate", f"acknowledged before, and now {r}"
                assert r["incident"] == self.incidents[key], (self.incidents[key], r)
            self.alerts[key], self.incidents[key] = a, r["incident"]

    def check(self, daemon, batch=200):
        """Everything acknowledged is still known."""
        everything = list(self.alerts.values())
        for at in range(0, len(everything), batch):
            alerts = everything[at:at + batch]
            results = deliver_until_taken(daemon, alerts)
            lost = [r for r in results if r["disposition"] != "duplicate"]
            assert not lost, f"{len(lost)} acknowledged alerts were lost: {lost[:5]}"
            self.note(alerts, results)


class Witness:
    """Reads files all the time; each must always be there and hold one of the contents allowed."""

    def __init__(self, allowed):
        self.allowed = {str(path): {c.encode() for c in contents} for path, contents in allowed.items()}
        self.seen = {path: set() for path in self.allowed}
        self.torn = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.stop.is_set():
            for path, contents in self.allowed.items():
                try:
                    with open(path, "rb") as f:
                        content = f.read()
                except OSError as e:
                    content = repr(e).encode()
                self.seen[path].add(content)
                if content not in contents:
                    self.torn.append((path, content))
            time.sleep(0.0005)

    def end(self):
        self.stop.set()
        self.thread.join()
        assert not self.torn, f"a flags file was seen torn: {self.torn[:3]}"
        assert all(self.seen.values())


def flags_texts(service, *percentages):
    return [f"# flags of the shop\nSHOP_ENABLED=true\nSHOP_PERCENTAGE={p}\nOTHER='keep me'\n" for p in percentages]


def put_atomically(path, text):
    new = path.with_name(path.name + ".test")
    new.write_text(text)
    new.rename(path)


def tool(service, name):
    """A command that only writes down that it ran. Returns (script, log)."""
    log, script = service.dir / f"{name}.log", service.dir / f"{name}.sh"
    log.write_text("")
    script.write_text(f'#!/bin/sh\necho "$ROLLBACKD_INCIDENT_ID $ROLLBACKD_STEP $ROLLBACKD_ATTEMPT" >> {log}\n')
    script.chmod(0o755)
    return script, log


def runs(log):
    """[(incident, step, attempt)] as a command wrote them down."""
    return [tuple(map(int, line.split())) for line in log.read_text().splitlines()]


def runners(daemon):
    """The processes that run steps for this daemon's state directory, and the commands below them."""
    found, parents = [], {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        if words[0].endswith(b"/rollbackd-run") and any(w.startswith(str(daemon.state).encode()) for w in words):
            found.append(int(entry.name))
    return found, [pid for pid, parent in parents.items() if parent in found]


def kill_groups(pids):
    for pid in pids:
        try:
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass                            # it had ended, or leads no group of its own


def incident_numbers(daemon, rollout=None):
    """All of them, page by page."""
    path = "/api/v1/incidents?limit=500" + (f"&rollout={rollout}" if rollout else "")
    numbers, cursor = [], ""
    while True:
        status, out = daemon.call("GET", path + cursor)
        assert status == 200, out
        numbers += [i["id"] for i in out["data"]]
        if not out.get("next"):
            return numbers
        cursor = f"&cursor={out['next']}"


def wait_sent(daemon, number):
    """The ids of the messages decided about an incident, once all are sent."""
    def sent():
        all_of_them = daemon.incident(number)["notifications"]
        assert all_of_them and all(n["state"] == "sent" for n in all_of_them), all_of_them
        return [f"{number}.{n['number']}" for n in all_of_them]
    sent.__name__ = f"the messages of incident {number} are sent"
    return harness.until(sent, 60)


def check_chat(hook, daemon, crashes, at_once=1):
    """Every message decided about an incident arrives, in order; a crash doubles at most what was on its way, and the number
    shows it."""
    decided = {n: wait_sent(daemon, n) for n in incident_numbers(daemon)}
    with hook.lock:
        arrived = [b["id"].rpartition(".")[0] for b in hook.bodies if not b["id"].startswith("m")]    # without the database's UUID
    assert hook.forged == 0
    for number, wanted in decided.items():
        here = [i for i in arrived if i.split(".")[0] == str(number)]
        assert len(set(wanted)) == len(wanted) and set(wanted) == set(here), f"decided {wanted}, arrived {here}"
        if crashes <= 1:        # of many kills some fall between a page and the next, which waits for it no longer than 2 s
            assert here == sorted(here, key=lambda i: int(i.split(".")[1])), f"out of order: {here}"
    twice = len(arrived) - len(set(arrived))
    assert twice <= crashes * at_once, f"{crashes} crashes, and {twice} messages arrived twice"


def check_stopped(daemon):
    """A clean stop, and a sound database."""
    code = daemon.stop()
    assert code == 0, f"rollbackd ended with {code}:\n{daemon.log()[-4000:]}"
    log = daemon.log()
    assert "runtime error" not in log and "Sanitizer" not in log, log[-6000:]
    assert list((daemon.state / "commands").iterdir()) == [], "files of attempts that have ended are left"
    copy = daemon.dir / "copy"
    copy.mkdir()
    files = [f for f in daemon.state.iterdir() if f.is_file()]
    for f in files:
        shutil.copy(f, copy)
    bases = [f for f in copy.iterdir() if f.read_bytes()[:16] == b"SQLite format 3\0"]
    assert bases, files
    for base in bases:
        db = sqlite3.connect(base)
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        db.close()


def hook_channel(hook, events="all"):
    return f'channels:\n  - {{name: audit, webhook: {{url: "{hook.url}/hook", secret: {hook.secret}}}, events: [{events}]}}'


def dump(thing):
    return json.dumps(thing, indent=1)[:6000]
