"""How rollbackctl looks: over or not in the first line, widths, colours, times, and text from outside that does nothing."""
import json
import re
import unicodedata

import pytest
from harness import Server, alert, config, ctl
from terminal import on_terminal

HELD = """playbooks:
  - {name: hold, match: ['action="hold"'], hold: true}
"""
EVIL = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \u202eesrever \u200f\u061c \u009b2J \r\n<b>bold</b> \u9519\u8bef" + " long" * 400


def url(d):
    return ["--url", f"http://127.0.0.1:{d.port}"]


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def wide(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def odd_in(out):
    """What does more to a terminal than stand there."""
    return [c for c in out if c != "\n" and c != "\t" and (unicodedata.category(c) in ("Cc", "Zl", "Zp") or c in "\u200e\u200f\u061c"
                                                         or "\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069")]


def test_whether_it_is_over_is_the_first_line_of_status_incidents_and_incident(daemon_of, service):
    d = daemon_of(config(service, playbooks=HELD))
    assert ctl(d, "status").stdout.startswith("Over: yes, because no incident of it is open")
    assert ctl(d, "incidents").stdout == "no incidents\n"
    [r] = d.post(alert("Odd", action="hold"))
    for words in (["status"], ["status", "shop"], ["incidents"], ["incidents", "--state", "open"], ["incident", r["incident"]], ["incident", "last"]):
        assert ctl(d, *words).stdout.startswith("Over: no, because "), words
    d.post(alert("Odder", action="hold", rollout="none"))
    assert d.act(r["incident"], "resolve")[0] == 200
    for words in (["status"], ["status", "shop"], ["incidents"], ["incident", r["incident"]]):
        assert ctl(d, *words).stdout.startswith("Over: yes, because "), words


def test_on_a_terminal_nothing_of_a_table_is_wider_and_no_label_is_lost(daemon_of, service):
    d = daemon_of(config(service))
    labels = {f"label_{n}": f"value-{n}-of-a-long-one" for n in range(12)}
    [r] = d.post(alert(**labels))
    d.wait_state(r["incident"], "rolled_back")
    for columns in (80, 60, 200):
        for words in (["incidents"], ["incident", "1"], ["incident", "1", "-v"], ["status"], ["sla", "shop"], ["stage", "shop"]):
            lines = plain(on_terminal(columns, *url(d), *words)).splitlines()
            in_tables, table = [], False
            for line in lines:
                table = bool(line) and (table or re.match(r"[A-Z]+( [A-Z]+)?  +[A-Z]", line) is not None)
                in_tables += [line] if table else []
            assert not [line for line in in_tables if wide(line) > columns], (columns, words)
            if words[0] == "incident":
                folded = "".join("".join(in_tables).split())
                assert all(f"{k}={v}" in folded for k, v in labels.items()), (columns, words)
    assert max(map(len, ctl(d, "incidents").stdout.splitlines())) > 80      # what goes into a pipe is whole


def test_colours_stand_on_a_terminal_only_unless_asked_for(daemon_of, service):
    d = daemon_of(config(service))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    coloured = "\x1b[32mrolled_back\x1b[0m"
    assert coloured in on_terminal(200, *url(d), "incidents")
    assert coloured in ctl(d, "incidents", "--color=always").stdout
    for out in (ctl(d, "incidents").stdout, on_terminal(200, *url(d), "incidents", env={"NO_COLOR": "1"}),
                on_terminal(200, *url(d), "--color", "never", "incidents"), on_terminal(200, *url(d), "incidents", env={"TERM": "dumb"})):
        assert "rolled_back" in out and "\x1b" not in out
    said = ctl(d, "incidents", "--color=sometimes")
    assert said.returncode == 2 and "auto, always or never" in said.stderr


def test_times_are_the_readers(daemon_of, service):
    d = daemon_of(config(service))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    opened = d.incident(1)["opened_at"]
    at = lambda *words, tz="Asia/Tokyo": re.search(r"^  Opened +(.*)$", ctl(d, "incident", "1", *words, env={"TZ": tz}).stdout, re.M)[1]
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d JST, \d+s ago", at()), at()
    assert at("--utc").startswith(opened[:19].replace("T", " ") + " UTC, ")
    assert at("--date.format", "rfc3339") == opened[:19] + "Z"
    assert at("--date.format=%Y|%H:%M", tz="UTC") == opened[:4] + "|" + opened[11:16]
    assert re.fullmatch(r"\d+s ago", at("--date.format=relative"))
    assert re.search(r"^1 +\d+s ago +shop ", ctl(d, "incidents").stdout, re.M)
    assert opened[:19].replace("T", " ") + " UTC" in ctl(d, "incidents", "--date.format=local", "--utc").stdout
    assert json.loads(ctl(d, "-o", "json", "incident", "1", "--utc").stdout)["opened_at"] == opened
    said = ctl(d, "incidents", "--date.format=yesterday")
    assert said.returncode == 2 and "local, relative, rfc3339" in said.stderr


@pytest.mark.parametrize("columns", [80, 200])
def test_what_comes_from_outside_does_nothing_to_a_terminal(daemon_of, service, columns):
    d = daemon_of(config(service, playbooks=HELD))
    d.post(alert("Odd", action="hold", evil=EVIL, annotations={"summary": EVIL, "description": EVIL}))
    assert d.act(1, "note", note=EVIL)[0] == 200
    seen = 0
    for words in (["status"], ["incidents"], ["incident", "1"], ["incident", "1", "-v"], ["incident", "report", "1"], ["report"], ["stage", "shop"],
                  ["-o", "json", "incident", "1"], ["-o", "json", "incidents"], ["-o", "json", "incident", "report", "1"], ["ack", "1", "--note", EVIL],
                  ["incident", "open", "shop", "--severity", "P2", "--summary", EVIL]):
        out = on_terminal(columns, *url(d), "--color=never", *words)
        seen += "esrever" in out
        odd = odd_in(out)
        assert not odd, (words, odd, out[:2000])
    assert seen >= 8
    whole = json.loads(ctl(d, "-o", "json", "incident", "1").stdout)    # and programs get what was sent
    assert whole["alerts"][0]["labels"]["evil"] == d.incident(1)["alerts"][0]["labels"]["evil"]
    assert "\u202e" in whole["alerts"][0]["labels"]["evil"]


class Evil(Server):
    """A rollbackd whose every text is meant for the terminal. fails: it refuses everything."""

    def __init__(self):
        self.fails = False
        super().__init__()

    def handle(self, method, path, headers, body):
        item = {"text": EVIL, "person": EVIL, "note": EVIL, "link": EVIL, "state": EVIL, "role": EVIL, "void_why": EVIL, "name": EVIL, "why": EVIL,
                "channel": EVIL, "error": EVIL, "id": 1, "what": EVIL, "who": EVIL, "owner": EVIL, "locked": EVIL, "at": EVIL, "output": EVIL}
        data = {**item, "rollout": EVIL, "title": EVIL, "summary": EVIL, "opened_by": EVIL, "over": {"answer": EVIL, "because": EVIL}, "next": [EVIL],
                "criteria": [item], "approvals": [item], "checklists": [{"name": EVIL, "of_stage": True, "items": [item]}], "milestones": [item],
                "blocked_by": [item], "timeline": [item], "steps": [item], "notifications": [item], "flags": {"A": EVIL}, "hold": {"by": EVIL, "note": EVIL},
                "stage_name": EVIL, "doubt": EVIL, "freeze": EVIL, "verdict": EVIL, "metrics": [item], "headline": EVIL, "severity": EVIL,
                "verification": {"written": {"state": EVIL, "note": EVIL, "asked": True}}}
        if "/report" in path:
            return 200, {"Content-Type": "text/markdown"}, EVIL
        if self.fails:
            return 409, {"Content-Type": "application/json"}, json.dumps({"status": "error", "error": EVIL, "data": {"missing": [item]}})
        listed = path.split("?")[0].endswith(("/rollouts", "/incidents", "/notifications")) and not (method == "POST" and path.endswith("/incidents"))
        return 200, {"Content-Type": "application/json"}, json.dumps({"status": "success", "data": [data] if listed else data})


@pytest.mark.parametrize("fails", [False, True])
def test_no_text_of_an_answer_does_anything_wherever_it_stands(fails):
    evil, seen = Evil(), 0
    evil.fails = fails
    try:
        for words in (["status"], ["status", "x"], ["incidents"], ["incident", "1"], ["incident", "1", "-v"], ["stage", "x"], ["checklist", "x"],
                      ["milestones", "x"], ["flags", "x"], ["ack", "1"], ["incident", "report", "1"], ["report", "x"], ["compare", "x"],
                      ["compare", "x", "-o", "md"], ["incident", "open", "x", "--severity", "P2", "--summary", "y"], ["rollback", "x", "--stage", "1"],
                      ["-o", "json", "stage", "x"], ["-o", "json", "rollback", "x", "--stage", "1"]):
            for out in (on_terminal(100, *url(evil), "--color=never", *words), "".join(ctl(evil, *words).stderr)):
                seen += "esrever" in out
                assert not odd_in(out), (words, out[:1000])
    finally:
        evil.close()
    assert seen >= 15
