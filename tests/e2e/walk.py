"""What the walk through the founding plan stands on: the rows of the plan, who showed which and what it printed, and how every
message has to read (the announcements that people and scripts rely on, line by line)."""
import os
import re
import subprocess

from harness import BUILD, ROOT, TOOLS, until
from shipped_plan import PEOPLE, Plan

ROWS = {
    1: "six flags, typed", 2: "reload without restart", 3: "values in doubt", 4: "user selection",
    5: "stages 0 to 4", 6: "success criteria per stage", 7: "canary gate", 8: "approvals", 9: "legacy fallback stays available",
    10: "deprecation and actions of weeks 4, 8, 12", 11: "pre-rollout checklist", 12: "during-rollout checklist",
    13: "post-rollout checklist",
    14: "automatic rollback triggers", 15: "error rates as in the plan", 16: "p95", 17: "memory growth", 18: "detection within 2 minutes",
    19: "rules per stage", 20: "monitoring dies silently", 21: "Alertmanager",
    22: "automatic rollback, verified", 23: "the four scripts", 24: "manual rollback", 25: "page, report and metrics on failure", 26: "SLA",
    27: "p95 up by 20 %: previous stage", 28: "memory leak", 29: "data corruption",
    30: "dashboards", 31: "messages", 32: "who is told: on-call, engineering, management", 33: "release notes", 34: "success metrics",
}
LATER = {27, 28, 29, 20}        # test_the_contingencies shows these, the whole life all others


class Walk(Plan):
    """A plan under way; what was shown of it is kept."""

    def __init__(self, folder, *args, **kw):
        super().__init__(folder, *args, **kw)
        self.folder = folder
        self.shown = {}

    def shows(self, row, command, printed, *wanted):
        """This command shows that row: each of the patterns stands in what it printed."""
        lines = []
        for pattern in wanted:
            found = re.search(pattern, printed, re.M)
            assert found, f"row {row}, {ROWS[row]}: {command} does not say {pattern!r}:\n{printed}"
            begin, end = printed.rfind("\n", 0, found.start()) + 1, printed.find("\n", found.end())
            lines.append(printed[begin:end if end >= 0 else None])
        self.shown.setdefault(row, []).append((command, lines or printed.strip().splitlines()[:8]))

    def ctl(self, row, *args, wanted=()):
        out = self.cli(*args)
        self.shows(row, "rollbackctl " + " ".join(args), out, *wanted)
        return out

    def script(self, row, name, *args, code=0, wanted=()):
        r = subprocess.run([str(ROOT / "deploy/scripts" / name), *args], capture_output=True, text=True, timeout=120, cwd=self.folder, env={
            "PATH": f"{BUILD}:/usr/bin:/bin", "LANG": "C.UTF-8", "ROLLBACKD_URL": f"http://127.0.0.1:{self.daemon.port}",
            "ROLLBACKD_USER": "alice", "ROLLBACKD_PASSWORD_FILE": str(self.password("alice")),
            "ROLLBACKD_CONFIG": str(self.daemon.config), "ROLLBACKD_STORAGE": str(self.daemon.state)})
        self.shows(row, " ".join([name, *args]) + f" (exit code {r.returncode})", r.stdout + r.stderr, *wanted)
        assert r.returncode == code, (name, r.returncode, r.stdout, r.stderr)
        return r.stdout

    def password(self, who):
        word = self.folder / f"{who}-password"
        word.write_text(PEOPLE[who] + "\n")
        return word

    def did(self):
        """What the commands of the playbooks left."""
        return (self.folder / "did.log").read_text().splitlines()

    def prom(self, row, query, wanted=r"."):
        """What Prometheus says: one sample of each series."""
        out = "\n".join(f"{s['metric']} {s['value'][1]}" for s in until(lambda: self.prometheus.query(query), 30, every=0.25))
        self.shows(row, f"promtool query instant {query!r}", out, wanted)
        return out

    def keep_ticked(self, *but, timeout=90):
        """Ticks what is open or overdue until nothing is missing but these."""
        def ready():
            for name, items in [(c["name"], c["items"]) for c in self.rollout()["checklists"] if c["of_stage"]]:
                for n, item in enumerate(items):
                    if item["state"] != "done" and not item["verdict"]:
                        self.done("alice", "check", checklist=name, item=str(n + 1))
            return self.missing() == sorted(but)
        try:
            until(ready, timeout, every=0.25)
        except AssertionError as e:
            raise AssertionError(f"{e}; missing: {self.rollout()['next']['missing']}")

    def table(self):
        """rows.md: the rows that were shown, by which command, and the lines that were asked for (else the first ones)."""
        rows = ["| row | the plan | command | what it printed |", "|---|---|---|---|"]
        for row in sorted(self.shown):
            for command, lines in self.shown[row]:
                cells = [str(row), ROWS[row], f"`{command}`", "<br>".join(f"`{line.strip()}`" for text in lines for line in text.splitlines() if line.strip())]
                rows.append("| " + " | ".join(c.replace(str(self.folder), "").replace("|", "\\|") for c in cells) + " |")
        (self.folder / "rows.md").write_text("\n".join(rows) + "\n")


# --- messages ---

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d CES?T"
STAGE = [r"\[ROLLOUT\] CST Pipeline Stage \d: [\d.]+% traffic", r"- Started: \d{4}-\d\d-\d\d \d\d:\d\d CES?T",
         r"- Duration: (for good|\d+ [a-z]+( \d+ [a-z]+)?)", r"- Monitoring: https://grafana\.example\.com/d/cst-rollout",
         r"- Rollback: rollbackctl rollback cst-pipeline --stage \d"]
TITLES = "Auto-Rollback|Manual Rollback|Held|Rollback Pending|Called Off|Drill|Reported Incident"
INCIDENT = [rf"\[INCIDENT\] CST Pipeline ({TITLES})", r"- Trigger: \S.*", r"- Stage: (\d|none) \(([\d.]+%|unknown) traffic\)",
            r"- Action: \S.*", r"- Status: (Waiting|Rolling back|Verifying|Investigating|Held: waits for a person|Cancelled|Resolved)(, acknowledged by \w+)?",
            r"- ETA: (not set|\d+ [a-z]+( \d+ [a-z]+)? to resolution|passed .* ago)"]


def reads_as_it_should(text):
    """A message is one of the forms, line by line, and each says when, in global.timezone."""
    lines = text.splitlines()
    while lines and lines[0].startswith("LATE"):
        lines.pop(0)
    form = STAGE if re.match(r"\[ROLLOUT\] CST Pipeline Stage \d: [\d.]+% traffic", lines[0]) else INCIDENT if lines[0].startswith("[INCIDENT]") else []
    for n, wanted in enumerate(form):
        assert re.fullmatch(wanted, lines[n]), f"line {n + 1} is {lines[n]!r}, not {wanted!r}, of:\n{text}"
    assert re.match(r"(\[(ROLLOUT|INCIDENT|REPORT|RELEASE NOTES)\] )?CST Pipeline\b|\[DRILL\] ", lines[0]), text
    if not lines[0].startswith("[REPORT]"):
        assert len([1 for line in lines if re.fullmatch(f"- At: {TIME}", line)]) == 1, f"it does not say when, once:\n{text}"
    if form is INCIDENT:
        assert re.search(r"^- Details: https://rollback\.example\.com/incidents/\d+$", text, re.M), text


def all_read_as_they_should(texts):
    faults = []
    for text in texts:
        try:
            reads_as_it_should(text)
        except AssertionError as e:
            faults.append(str(e))
    assert not faults, "\n\n".join(faults)


def environment_of(pid):
    """What a process was started with: it never changes."""
    return dict(pair.split("=", 1) for pair in open(f"/proc/{pid}/environ", encoding="utf-8").read().split("\0") if "=" in pair)


def checked(*argv):
    r = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=60, env={**os.environ, "LANG": "C.UTF-8"})
    assert r.returncode == 0, r.stdout + r.stderr
    return r.stdout + r.stderr


AMTOOL = TOOLS / "amtool"
