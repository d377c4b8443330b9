"""What people read in an alert: every shipped rule has its texts, and they are filled in when it fires.

Each case of tests/rules that expects an alert is run again with the question which annotations it got: promtool tells them
when it is made to expect none.
"""
import re
import subprocess

import harness

RULES = harness.ROOT / "tests" / "rules"
SHIPPED = harness.ROOT / "deploy" / "prometheus"
PROMTOOL = str(harness.TOOLS / "promtool")
TEXTS = {"summary", "description", "do"}
FIGURES = {"value", "bound", "baseline", "window", "samples"}


def cases():
    """{alert name: (head of its file, its case, when it fires)}, the first of each."""
    found = {}
    for path in sorted(RULES.glob("*.yml")):
        head, body = path.read_text().replace("../../deploy", str(harness.ROOT / "deploy")).split("tests:\n", 1)
        for case in re.split(r"\n(?=- name: )", "\n" + body)[1:]:
            series = case[:case.index("_test:")].rsplit("\n", 1)[0]
            for name, at in re.findall(r"""expr: '[^']*alertname="(\w+)"[^']*'\n\s+eval_time: (\w+)\n""", case):
                found.setdefault(name, (head, series, at))
    return found


def annotations(folder, name, head, series, at):
    path = folder / "case.yml"
    path.write_text(f"{head}tests:\n{series}\n  alert_rule_test:\n  - {{eval_time: {at}, alertname: {name}, exp_alerts: []}}\n")
    r = subprocess.run([PROMTOOL, "test", "rules", str(path)], capture_output=True, text=True, timeout=120)
    assert r.returncode == 1 and f"alertname: {name}" in r.stderr, r.stderr
    return dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', r.stderr[r.stderr.index("Annotations:"):]))


def test_every_alert_tells_what_it_saw_and_what_to_do(folder):
    shipped = {name: path.name for path in SHIPPED.glob("*-alerts.yml") for name in re.findall(r"- alert: (\w+)", path.read_text())}
    assert len(shipped) >= 30
    found = cases()
    for name, file in sorted(shipped.items()):
        assert name in found, f"no case of tests/rules makes {name} fire"
        got = annotations(folder, name, *found[name])
        wanted = TEXTS | (FIGURES if file == "cst-alerts.yml" else set())
        assert wanted <= set(got), (name, got)
        for key, text in got.items():
            assert text.strip() and "error expanding" not in text and "no value" not in text, (name, key, text)
            assert "{{" not in text and "%!" not in text, (name, key, text)
