"""--watch on a terminal and into a pipe; rollbackctl's own config; JSON of what asks nobody."""
import json
import re
import subprocess
import threading

import pytest
from harness import BUILD, alert, config, ctl, free_port, until
from terminal import Terminal

HELD = """playbooks:
  - {name: hold, match: ['action="hold"'], hold: true}
"""


class Grid:
    """What stands on a terminal that was written so to: enough of one for what rollbackctl writes."""

    def __init__(self, rows, columns):
        self.rows, self.columns, self.scrolled = rows, columns, 0
        self.lines = [""] * rows
        self.row = self.column = 0

    def write(self, text):
        for token in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[\s\S]", text):
            if token == "\x1b[H":
                self.row = self.column = 0
            elif token == "\x1b[2J":
                self.lines = [""] * self.rows
            elif token == "\x1b[2K":
                self.lines[self.row] = ""
            elif token == "\x1b[J":
                self.lines[self.row:] = [self.lines[self.row][:self.column]] + [""] * (self.rows - self.row - 1)
            elif token.endswith("m") and len(token) > 1:
                pass
            elif token == "\r":
                self.column = 0
            elif token == "\n":
                self.row += 1
            else:
                assert not token.startswith("\x1b"), token
                if self.column == self.columns:
                    self.row, self.column = self.row + 1, 0
                self.lines[self.row] = self.lines[self.row][:self.column].ljust(self.column) + token + self.lines[self.row][self.column + 1:]
                self.column += 1
            if self.row >= self.rows:
                self.scrolled, self.row = self.scrolled + 1, self.rows - 1
        return self


def url(d):
    return ["--url", f"http://127.0.0.1:{d.port}"]


@pytest.mark.parametrize("rows, columns", [(24, 80), (8, 40)])
def test_status_on_a_terminal_is_redrawn_in_place(daemon_of, service, rows, columns):
    d = daemon_of(config(service, playbooks=HELD))
    t = Terminal(columns, *url(d), "status", "--watch", rows=rows)
    try:
        t.until(lambda text: "Over: yes, because" in text)
        d.post(alert("Odd", action="hold"))
        t.until(lambda text: "Over: no, because" in text)
        t.until(lambda text: text.count("\x1b[H") >= 4)
        drawn = t.out.decode().split("\x1b[H")
        grid = Grid(rows, columns).write("\x1b[H".join(drawn[:-1]))       # the last may be half there
        assert grid.scrolled == 0 and grid.lines[0].startswith("Over: no, because") and "Over: yes" not in "".join(grid.lines)
        assert t.out.count(b"\x1b[2J") == 1
        more = [line for line in grid.lines if re.match("… and [0-9]+ more lines", line)]
        assert len(more) == (rows == 8), grid.lines
    finally:
        t.close()


def test_an_incident_on_a_terminal_is_watched_until_it_is_decided(daemon_of, service):
    service.ignore_reload()
    d = daemon_of(config(service, timeout="30s"))
    [r] = d.post(alert())
    t = Terminal(100, *url(d), "incident", "last", "-w", rows=50)
    try:
        t.until(lambda text: "Over: no, because" in text)
        service.follow_again()
        code, out = t.end()
        grid = Grid(50, 100).write(out.replace("\n", "\r\n"))
        assert code == 0 and grid.scrolled == 0 and "Incident 1: Auto-Rollback, rolled_back" in "\n".join(grid.lines)
    finally:
        t.close()


def test_what_was_seen_stays_and_is_called_old_while_nobody_answers(daemon_of, service):
    d = daemon_of(config(service))
    t = Terminal(100, *url(d), "--timeout", "1s", "status", "-w", rows=30)
    try:
        t.until(lambda text: "Over: yes, because" in text)
        d.stop()
        t.until(lambda text: "rollbackd does not answer since" in text)
        t.until(lambda text: text.count("\x1b[H") >= 3 + text[:text.index("rollbackd does not")].count("\x1b[H"))
        grid = Grid(30, 100).write("\x1b[H".join(t.out.decode().split("\x1b[H")[:-1]))
        assert grid.scrolled == 0 and "does not answer" in grid.lines[0] and grid.lines[1].startswith("Over: yes") and "curl" not in t.out.decode()
        d.start()
        t.until(lambda text: "does not answer" not in text[text.rindex("\x1b[H", 0, text.rindex("\x1b[H")):])
    finally:
        t.close()
    gone = ctl(None, "--timeout", "1s", "status", "--watch")
    assert gone.returncode == 3 and "does not answer" in gone.stderr


@pytest.mark.parametrize("words", [["status"], ["status", "shop"], ["incidents"]])
def test_into_a_pipe_goes_only_what_changed(daemon_of, service, words):
    d = daemon_of(config(service, playbooks=HELD))
    d.post(alert("Odd", action="hold"))
    p = subprocess.Popen([str(BUILD / "rollbackctl"), *url(d), *words, "--watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = []
    threading.Thread(target=lambda: lines.extend(iter(p.stdout.readline, "")), daemon=True).start()
    try:
        until(lambda: len(lines) >= 3 and lines[0].startswith("Over: no"))
        before = until(lambda: len(lines))
        assert d.act(1, "resolve")[0] == 200
        changed = until(lambda: [line for line in lines[before:] if "shop" in line])
        assert re.match(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d \S+  (shop: stage|incident 1 \(shop\) resolved: )", changed[-1]), changed
        assert "\x1b" not in "".join(lines) and len([line for line in lines if line.startswith("Over:")]) == 1
    finally:
        p.kill()
        p.communicate()


def test_changes_as_json_are_one_object_a_line(daemon_of, service):
    d = daemon_of(config(service, playbooks=HELD))
    d.post(alert("Odd", action="hold"))
    p = subprocess.Popen([str(BUILD / "rollbackctl"), *url(d), "-o", "json", "incidents", "-w"], stdout=subprocess.PIPE, text=True)
    try:
        assert json.loads(p.stdout.readline())["state"] == "held"
        assert d.act(1, "resolve")[0] == 200
        assert json.loads(p.stdout.readline())["state"] == "resolved"
    finally:
        p.kill()
        p.communicate()


def own(folder, text):
    file = folder / ".config" / "rollbackd" / "rollbackctl.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return {"HOME": str(folder)}


def run(*words, env):
    return subprocess.run([str(BUILD / "rollbackctl"), *map(str, words)], capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin:/bin", **env})


def test_its_own_config_says_where_and_how(daemon_of, service, folder):
    d = daemon_of(config(service))
    d.post(alert())
    home = own(folder, f"url: http://127.0.0.1:{d.port}\noutput: json\ndate.format: '%H'\ntimeout: 5s\n")
    assert json.loads(run("incidents", env=home).stdout)[0]["id"] == 1
    assert run("-o", "table", "status", env=home).stdout.startswith("Over: ")               # the command line wins
    nowhere = f"http://127.0.0.1:{free_port()}"
    assert run("status", env={**home, "ROLLBACKD_URL": nowhere}).returncode == 3              # and the environment
    assert run("--url", f"http://127.0.0.1:{d.port}", "status", env={**home, "ROLLBACKD_URL": nowhere}).returncode == 0
    for text, what in (("timout: 3s\n", "unknown key timout: did you mean timeout?"), ("url: [a]\n", "url"), ("- a\n", "mapping"), ("url: {\n", "rollbackctl.yml"),
                       ("color: sometimes\n", "--color is"), ("timeout: soon\n", "soon"), ("user: alice\n", "belong together")):
        said = run("status", env=own(folder, text))
        assert said.returncode == 2 and said.stdout == "" and what in said.stderr and len(said.stderr.splitlines()) == 1, (text, said)
    assert run("check-config", d.config, env=own(folder, "ulr: x\n")).returncode == 0         # asks nobody, needs nothing
    for text in ("", "# nothing yet\n"):
        assert run("--url", f"http://127.0.0.1:{d.port}", "status", env=own(folder, text)).returncode == 0, text


def test_check_alert_and_check_web_config_as_json(daemon_of, service, folder):
    d = daemon_of(config(service))
    body = json.dumps({"version": "4", "groupKey": "x", "status": "firing", "receiver": "r", "groupLabels": {}, "commonLabels": {},
                       "commonAnnotations": {}, "externalURL": "http://am", "truncatedAlerts": 0, "alerts": [alert()]})
    r = subprocess.run([str(BUILD / "rollbackctl"), "-o", "json", "check-alert", "--config", str(d.config), "-"], input=body, capture_output=True, text=True)
    [one] = json.loads(r.stdout)["alerts"]
    assert r.returncode == 0 and one["would"] == "roll back to 0%" and one["rollouts"] == ["shop"] and one["status"] == "firing"
    r = subprocess.run([str(BUILD / "rollbackctl"), "-o", "json", "check-alert", "--config", str(d.config), "-"], input="{", capture_output=True, text=True)
    assert r.returncode == 1 and json.loads(r.stdout)["refused"] == 400
    (folder / "web.yml").write_text("basic_auth_users:\n  alice: secret\n")
    r = ctl(None, "-o", "json", "check-web-config", folder / "web.yml")
    assert r.returncode == 1 and json.loads(r.stdout)["right"] is False and len(json.loads(r.stdout)["faults"]) == 1
    r = subprocess.run([str(BUILD / "rollbackctl"), "check-web-config", "-"], input="basic_auth_users:\n  alice: $2y$10$" + "a" * 53 + "\n",
                       capture_output=True, text=True)
    assert r.returncode == 0 and "1 user" in r.stdout, r
