"""Databases that a former release wrote: what tests/data/release-0.1/make.py keeps of one, and how a test brings it back to life.

A kept database is SQL. What was particular to the machine it was made on has a name in it (@FOLDER@, @SERVICE@, ...), and its times are
those of the making: restore() moves all of them, so that the daemon that wrote it seems to have died a moment (or `ago` seconds) ago.
"""
import calendar
import json
import pathlib
import re
import sqlite3
import time

from harness import ROOT, Server, Service, Slack

KEPT = ROOT / "tests" / "data" / "release-0.1"
MICROSECONDS = re.compile(r"(?<![\w.])1[6-9]\d{14}(?![\w.])")       # a time of the years 2020 to 2033
FOLLOW_UPS = ("halt", "restore", "validate")


class FakePrometheus(Server):
    """Every query has one value; those that nobody gave one have no series. No alert of its own fires."""

    def __init__(self):
        self.values = {"errors": 0.0005, "legacy": 0.001, "legacy_requests": 500}
        super().__init__()

    def handle(self, method, path, headers, body):
        from urllib.parse import parse_qs, urlparse
        parts = urlparse(path)
        query = parse_qs(parts.query).get("query", [""])[0] or parse_qs(body.decode()).get("query", [""])[0]
        if parts.path.endswith("/alerts"):
            return 200, {}, json.dumps({"status": "success", "data": {"alerts": []}})
        age = re.fullmatch(r"min\(timestamp\((.*)\)\)", query)
        value = self.values.get(age[1] if age else query)
        value = time.time() if age and value is not None else value
        if parts.path.endswith("query_range"):
            series = [] if value is None else [{"metric": {}, "values": [[time.time(), str(value)]]}]
            return 200, {}, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": series}})
        series = [] if value is None else [{"metric": {}, "value": [time.time(), str(value)]}]
        return 200, {}, json.dumps({"status": "success", "data": {"resultType": "vector", "result": series}})


class World:
    """The service, the chat, the pager and the Prometheus that the kept config names."""

    def __init__(self, folder):
        self.service = Service(folder)
        self.prometheus, self.chat, self.pager = FakePrometheus(), Slack(), Slack()
        self.slow = self.service.dir / "slow"           # while it is there, reload.sh and the follow-ups do not come to their end
        wait = f"while [ -e {self.slow} ]; do sleep 0.02; done\n"
        self.service.reload.write_text(self.service.reload.read_text().replace("#!/bin/sh\n", "#!/bin/sh\n" + wait, 1))
        self.log = self.service.dir / "then.log"
        self.log.write_text("")
        for name in FOLLOW_UPS:
            script = self.service.dir / f"{name}.sh"
            script.write_text(f"#!/bin/sh\necho {name} >> {self.log}\n{wait}")
            script.chmod(0o755)

    def names(self):
        return {"@FOLDER@": str(self.service.dir), "@SERVICE@": self.service.web.url, "@PROMETHEUS@": self.prometheus.url,
                "@CHAT@": self.chat.url, "@PAGER@": self.pager.url}

    def config(self):
        return put_names((KEPT / "rollbackd.yml").read_text(), self.names())

    def follow_ups(self):
        return self.log.read_text().split()

    def close(self):
        for s in (self.service, self.prometheus, self.chat, self.pager):
            s.close()


def move(text, microseconds):
    """An RFC 3339 time with six digits, moved to the microsecond; the zero time stays."""
    if text.startswith("0001"):
        return text
    t = calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) * 1000000 + int(text[20:26]) + microseconds
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t // 1000000)) + f".{t % 1000000:06d}Z"


def put_names(text, names):
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def take_names(text, names):
    for name, value in names.items():
        text = text.replace(value, name)
    return text


def keep(path, about, world, state, answers):
    """Writes what the dead daemon left in state (a directory) to path."""
    files = {}
    for f in sorted(p for p in state.rglob("*") if p.is_file()):
        if not f.name.startswith("rollbackd.db") and f.name not in ("lock", "ballast"):
            text = f.read_bytes().decode("latin-1")
            files[str(f.relative_to(state))] = [oct(f.stat().st_mode & 0o777), take_names(text, world.names())]
    db = sqlite3.connect(state / "rollbackd.db")
    [version] = db.execute("PRAGMA user_version").fetchone()
    sql = "\n".join(db.iterdump())
    db.close()
    head = {"about": about, "at": int(time.time() * 1e6), "flags": world.service.file_percentage(), "live": str(world.service.percentage()),
            "broken": world.service.broken.exists(), "answers": answers, "files": files, "runs": world.service.reloads(),
            "then": world.follow_ups()}
    path.write_text(f"-- {json.dumps(head)}\n{take_names(sql, world.names())}\nPRAGMA user_version = {version};\n")


class Kept:
    """A kept database, its head and its text."""

    def __init__(self, name):
        first, self.sql = (KEPT / f"{name}.sql").read_text().split("\n", 1)
        self.head = json.loads(first[3:])

    def restore(self, world, state, ago=0):
        """As if the daemon had died `ago` seconds before now. self.known: the last word on each alert, and what it was answered."""
        moved = int(time.time() * 1e6) - self.head["at"] - int(ago * 1e6)
        sql = MICROSECONDS.sub(lambda m: str(int(m[0]) + moved), put_names(self.sql, world.names()))
        self.known = {}
        for alerts, results in self.head["answers"]:
            for a, r in zip(alerts, results or [None] * len(alerts)):
                a = {**a, "startsAt": move(a["startsAt"], moved), "endsAt": move(a["endsAt"], moved)}
                self.known[a["fingerprint"]] = a, r
        state = pathlib.Path(state)
        state.mkdir(mode=0o700)
        db = sqlite3.connect(state / "rollbackd.db")
        db.executescript(sql)
        db.close()
        (state / "rollbackd.db").chmod(0o600)
        for name, (mode, text) in self.head["files"].items():
            f = state / name
            f.parent.mkdir(mode=0o700, exist_ok=True, parents=True)
            f.write_bytes(put_names(text, world.names()).encode("latin-1"))
            f.chmod(int(mode, 8))
        world.service.raise_to(self.head["flags"])
        world.service.live.write_text(self.head["live"])
        world.service.runs.write_text("".join(r + "\n" for r in self.head["runs"]))
        world.log.write_text("".join(t + "\n" for t in self.head["then"]))
        if self.head["broken"]:
            world.service.ignore_reload()


def names():
    return sorted(p.stem for p in KEPT.glob("*.sql"))
