"""Changes of the clock, lived through: a fast clock (libfaketime) takes a daemon over each of them, and every report, freeze, reminder,
milestone and earliest date is compared with an independent calculation (tests/data/cron_zones.py, Python's zoneinfo)."""
import datetime
import glob
import http.client
import re
import sqlite3
import sys
import zoneinfo

import pytest
from harness import ROOT, alert, config, parse_time, slack_channel, until

sys.path.insert(0, str(ROOT / "tests/data"))
from cron_zones import CHANGES, walk  # noqa: E402

SPEED = 720                                     # seconds of the daemon's in one of ours
BEFORE, AFTER = 3.5 * 3600, 4 * 3600            # of the change, in the daemon's seconds
NIGHT = ("30 1 * * *", 75 * 60)                 # ends at 02:45
MONTHS = {                                      # longer than a month, and ends in an hour that is left out, or comes twice
    ("Europe/Berlin", 3): "30 2 20 2 *", ("Europe/Berlin", 10): "30 2 18 9 *",
    ("America/New_York", 3): "30 2 30 1 *", ("America/New_York", 11): "30 1 25 9 *",
    ("Australia/Lord_Howe", 4): "45 1 27 2 *", ("Australia/Lord_Howe", 10): "15 2 28 8 *",
}
REPORTS = {"daily": "30 2 * * *", "weekly": "30 * * * *"}
CASES = [(zone, datetime.datetime.strptime(moment, "%Y-%m-%d %H:%M").replace(tzinfo=datetime.timezone.utc))
         for zone, moment in CHANGES if (zone, int(moment[5:7])) in MONTHS]


def fast_clock(start):
    [library] = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    return {"LD_PRELOAD": library, "NO_FAKE_STAT": "1", "FAKETIME": f"@{start:%Y-%m-%d %H:%M:%S} x{SPEED}", "TZ": "UTC"}


def plan(service, chat, zone, months):
    text = config(service, channels="channels:\n" + slack_channel(chat, events="all"), prometheus=f"  timezone: {zone}\n  evaluation_interval: 2m")
    stage = "- {number: 1, name: Canary, percentage: 10, duration: 48h}"
    assert text.count(stage) == 1
    freezes = ", ".join(f'{{cron: "{cron}", duration: {seconds}s, reason: {reason}}}'
                        for cron, seconds, reason in ((*NIGHT, "night"), (months, 37 * 86400, "months")))
    text = text.replace("    stages:\n", f"    freeze: [{freezes}]\n    milestones: [{{after_stage: 1, in: 5h, text: Look back}}]\n"
                        "    checklists: [{name: canary, items: [{text: Error logs, every: 3h}]}]\n    stages:\n")
    return text.replace(stage, stage[:-1] + ", checklist: canary}") + "\nreports: [%s]\n" % ", ".join(
        f'{{name: {name}, cron: "{cron}"}}' for name, cron in REPORTS.items())


def seconds(t):
    return t.timestamp()


class Expected:
    """When each thing begins, and when it is frozen: in seconds."""

    def __init__(self, zone, start, months):
        day = datetime.timedelta(days=1)
        self.begins = {name: [seconds(b) for b in walk(zone, cron, 60, start, start + day)[0]] for name, cron in REPORTS.items()}
        spans = walk(zone, *NIGHT, start, start + 9 * day)[1] + walk(zone, months, 37 * 86400, start, start + 9 * day)[1]
        self.frozen = [(seconds(a), seconds(b)) for a, b in spans]

    def is_frozen(self, at):
        return any(a <= at < b for a, b in self.frozen)

    def thawed(self, at):
        while self.is_frozen(at):
            at = max(b for a, b in self.frozen if a <= at < b)
        return at


def samples_of(d, end):
    """What the daemon says at one moment, again and again, until its own clock is there. Its time limits are as fast as its clock: now
    and then it hangs up, or says 503."""
    path, headers, samples = "/api/v1/rollouts/shop/report?kind=daily", {"Accept": "application/json"}, []

    def its_clock_is_there():
        try:
            status, out = d.call("GET", path, headers=headers)
        except http.client.HTTPException:
            return False
        if status == 200:
            samples.append(out["data"])
        return status == 200 and parse_time(out["data"]["until"]) >= end

    until(its_clock_is_there, 240)
    return samples


def told_at(text):
    """What a message says of when it was."""
    return re.search(r"^- At: (.*)$", text, re.M)[1]


def messages(d):
    """When each was decided, by what it is."""
    out = {}
    with sqlite3.connect(next(d.state.glob("*.db"))) as db:
        for what, at in db.execute("SELECT what, queued_at FROM outbox ORDER BY id"):
            out.setdefault(what, []).append(at / 1e6)
    return out


@pytest.mark.parametrize("zone, change", CASES, ids=[f"{z.split('/')[1]}-{m:%m}" for z, m in CASES])
def test_a_change_of_the_clock(daemon_of, service, chat, zone, change):
    months = MONTHS[zone, change.month]
    start = change - datetime.timedelta(seconds=BEFORE)
    expected = Expected(zone, start - datetime.timedelta(hours=1), months)
    d = daemon_of(plan(service, chat, zone, months), env=fast_clock(start))
    samples = samples_of(d, seconds(change) + AFTER)
    [r] = d.post(alert())                               # what this opens is told on the other side of the change
    until(lambda: [t for t in chat.texts() if t.startswith("[INCIDENT]")])
    d.stop()
    first, last = parse_time(samples[0]["until"]), parse_time(samples[-1]["until"])

    for s in samples:
        now = parse_time(s["until"])
        assert (s["freeze"] is not None) == expected.is_frozen(now) == ("freeze" in [m["what"] for m in s["next"]["missing"]]), s["until"]
        stage2 = expected.thawed(now + 48 * 3600 - s["clock"]["clean"])
        dates = [parse_time(f["earliest"]) for f in s["forecast"]]
        assert all(abs(a - b) <= 2 for a, b in zip(dates, [stage2, expected.thawed(stage2 + 72 * 3600)])), (s["until"], s["forecast"], s["clock"])
    frozen = [s["freeze"] is not None for s in samples]
    assert len(samples) >= 50 and True in frozen and False in frozen

    told = messages(d)
    for name in REPORTS:        # each follows a beginning of its own, and no beginning is without one
        began = [b for b in expected.begins[name] if first <= b <= last - 1800]
        before = first
        for at in told[name]:
            assert [b for b in expected.begins[name] if before < b <= at], (name, at)
            before = at
        assert began and all(any(at >= b for at in told[name]) for b in began), (name, told[name], began)
    entered = parse_time(samples[-1]["clock"]["entered_at"])
    assert len(told["overdue"]) == 1 and told["overdue"][0] >= entered + 3 * 3600
    assert len(told["milestone"]) == 1 and told["milestone"][0] >= entered + 5 * 3600
    assert told["overdue"][0] < told["milestone"][0] <= last

    local = [datetime.datetime.fromtimestamp(int(at) + s, zoneinfo.ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")
             for times in told.values() for at in times for s in (0, 1)]
    at = [told_at(t) for t in chat.texts()]
    assert set(at) <= set(local) and len({a.split(" ")[2] for a in at}) == 2, (at, local)   # by both names of the zone
