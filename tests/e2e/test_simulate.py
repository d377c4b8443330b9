"""rollbackctl simulate agrees with Prometheus' own evaluation of the same rules: over series with nothing wrong, over series with faults,
and, sample by sample, on for, keep_firing_for, gaps and recorded names."""
import json
import re
import subprocess
import time

import pytest

import harness
from test_false_rollbacks import EPOCH, HOUR, ROLLING, SHIPPED, SPAN, STEP, History, cell


@pytest.fixture
def history(folder):
    h = History(folder)
    yield h
    h.prometheus.stop()


def config(folder, port):
    file = folder / "simulate.yml"
    file.write_text(f"""
global: {{prometheus: {{url: "http://127.0.0.1:{port}"}}}}
rollouts:
  - {{name: cst-pipeline, apply: [{{command: [/bin/true]}}], verify: {{checks: [{{command: [/bin/true]}}]}}}}
playbooks:
  - {{name: previous, match: ['action="rollback_previous_stage"'], rollback: {{to: previous_stage, after: 1h}}}}
  - {{name: hold, match: ['action="hold"'], hold: true}}
""")
    return file


def times(moment):
    return harness.parse_time(moment)


def simulate(folder, port, start, end, rules, *args, out="json"):
    def at(t):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))
    p = harness.ctl(None, "-o", out, "simulate", "--rules", *rules, "--since", at(start), "--until", at(end), "--config", config(folder, port), *args)
    assert p.returncode in (0, 1, 4), p.stdout + p.stderr
    return p.returncode, json.loads(p.stdout) if out == "json" else p.stdout


def fired(rule, end):
    """The evaluations at which it fired."""
    found = set()
    for e in rule["fired"]:
        until = times(e["until"]) if e["until"] else end + STEP
        found |= {float(t) for t in range(round(times(e["at"])), round(until), STEP)}
    return sorted(found)


def shipped(history, folder, number):
    start, end = EPOCH + number * SPAN, history.end[number]
    code, out = simulate(folder, history.prometheus.port, start - STEP, end, sorted(SHIPPED.glob("cst-*.yml")))
    rules = {r["name"]: r for r in out["rules"]}
    alerts = {a["name"]: a for a in history.alerts if a["labels"].get("action") in ROLLING | {"hold"}}
    assert set(rules) == set(alerts) and len(rules) >= 12
    for name, rule in rules.items():
        assert rule["error"] is None and rule["recorded"] is None, rule
        assert fired(rule, end) == history.firing(number, alerts[name]), name
    return code, rules


def test_three_faults_are_found_as_prometheus_finds_them(history, folder):
    faults, slot, length = ("errors", "cache", "index"), 2 * HOUR, HOUR // 3

    def fault(i):
        where, offset = divmod(i, slot)
        name = faults[where] if where < 3 else None
        return name if HOUR <= offset < HOUR + (1 if name == "index" else length) else None

    history.write(0, 7, **cell(20, 0.005), fault=fault)
    history.start()
    code, rules = shipped(history, folder, 0)
    assert code == 1
    rolled = {n: r["fired"] for n, r in rules.items() if r["fired"] and r["action"] == "rollback"}
    assert {"CanaryErrorRateBurst", "CanaryErrorRateHigh", "CanaryCacheHitRateLow", "CanaryIndexCorruption"} <= set(rolled), rolled
    assert {e["outcome"] for e in rolled["CanaryCacheHitRateLow"]} == {"rolled_back"}
    # What did not fire says how near it came; what fired came further than its bound.
    assert rules["CanaryErrorRateHigh"]["nearest"]["of_bound"] > 1 and rules["CanaryCacheHitRateLow"]["nearest"]["value"] < 0.7
    quiet = rules["CanaryMemoryGrowthFast"]
    assert not quiet["fired"] and 0 < quiet["nearest"]["of_bound"]
    # Another bound: a cache that must answer 30 % alone would never have rolled back, one of 99 % for long before.
    start, end = EPOCH, history.end[0]
    for bound, n in (("0.3", lambda c: c["fired_n"] == 0), ("0.99", lambda c: c["fired_n"] > 0 and times(c["first_at"]) < EPOCH + 3 * 3600)):
        _, out = simulate(folder, history.prometheus.port, start, end, sorted(SHIPPED.glob("cst-*.yml")), "--bound", f"CanaryCacheHitRateLow={bound}")
        changed = {r["name"]: r for r in out["rules"]}["CanaryCacheHitRateLow"]["changed"]
        assert changed["instead_of"] == 0.7 and n(changed), changed


def test_nothing_wrong_and_nothing_known(history, folder):
    history.write(0, 2, **cell(5, 0.005))
    history.start()
    _, rules = shipped(history, folder, 0)
    assert not [r for r in rules.values() if r["fired"]]
    # A span in which Prometheus has nothing: unknown, and never "would not have fired".
    code, text = simulate(folder, history.prometheus.port, EPOCH - 7200, EPOCH - 3600, sorted(SHIPPED.glob("cst-*.yml")), out="table")
    (folder / "text").write_text(text)
    blocks = dict(b.split(": ", 1) for b in re.split(r"\n(?=\w+: )", text)[1:])
    assert blocks["CanaryErrorRateHigh"] == "cannot tell\n  UNKNOWN for 1 hour: no data at all", text
    assert not [n for n, b in blocks.items() if "would not have fired" in b], text


@pytest.mark.long
def test_forty_eight_hours(history, folder):
    for number, c in enumerate((cell(1, 0.01), cell(5, 0.005, legacy=1, stage=3))):
        history.write(number, 48, **c)
    history.start()
    for number in (0, 1):
        _, rules = shipped(history, folder, number)
        assert not [r for r in rules.values() if r["fired"]]


RULES = """
groups:
- name: g
  interval: 15s
  rules:
  - {record: 'job:x:max', expr: 'max(x) by (pod)'}
  - {record: 'job:x:double', expr: '2 * job:x:max'}
  - {alert: Plain, expr: 'job:x:double > 8', labels: {action: auto_rollback, rollout: cst-pipeline}}
  - {alert: Waits, expr: 'job:x:double > 8', for: 1m, labels: {action: auto_rollback, rollout: cst-pipeline}}
  - {alert: Keeps, expr: 'job:x:double > 8 # twice', for: 30s, keep_firing_for: 1m, labels: {action: auto_rollback, rollout: cst-pipeline}}
  - {alert: Nothing, expr: 'job:x:double > 8'}
"""
# Per pod; _ is a scrape that failed: Prometheus looks back five minutes.
SAMPLES = {"a": "1x9 5x3 1x3 5x6 1x1 5x2 1x20 5x4 _x25 1x10", "b": "1x12 6x10 1x5 6x1 1x1 6x8 _x30 1x16"}


def values(text):
    for part in text.split():
        value, n = part.split("x")
        yield from [value] * int(n)


def test_sample_by_sample_as_promtool_evaluates_them(folder):
    rules = folder / "rules.yml"
    rules.write_text(RULES)
    lines, steps = [], 0
    for pod, text in SAMPLES.items():
        all_ = list(values(text))
        steps = max(steps, len(all_))
        lines += [(i, f'x{{pod="{pod}"}} {v} {EPOCH + i * STEP}\n') for i, v in enumerate(all_) if v != "_"]
    om = folder / "x.om"
    om.write_text("".join(t for _, t in sorted(lines)) + "# EOF\n")
    prometheus = harness.Prometheus(folder / "prometheus", [], "", every="15s")
    prometheus.argv.append("--storage.tsdb.retention.time=100y")
    r = subprocess.run([str(harness.TOOLS / "promtool"), "tsdb", "create-blocks-from", "openmetrics", "-q", str(om), str(prometheus.dir / "tsdb")],
                       capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stderr
    prometheus.start()
    try:
        end = EPOCH + (steps - 1) * STEP
        code, out = simulate(folder, prometheus.port, EPOCH - STEP, end, [rules])
    finally:
        prometheus.stop()
    assert code == 1 and out["left_out"] == 1 and [r["name"] for r in out["rules"]] == ["Plain", "Waits", "Keeps"]
    assert {r["name"]: r["fired_n"] for r in out["rules"]}["Plain"] >= 6
    # promtool is told to expect exactly that, at every evaluation.
    tests = []
    for rule in out["rules"]:
        for i in range(steps):
            at = EPOCH + i * STEP
            firing = [e["labels"]["pod"] for e in rule["fired"] if times(e["at"]) <= at and (not e["until"] or times(e["until"]) > at)]
            tests.append({"eval_time": f"{i * STEP}s", "alertname": rule["name"],
                          "exp_alerts": [{"exp_labels": {"action": "auto_rollback", "rollout": "cst-pipeline", "pod": p}} for p in firing]})
    check = folder / "check.yml"
    check.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": "15s", "tests": [{
        "interval": "15s", "input_series": [{"series": f'x{{pod="{p}"}}', "values": " ".join(values(t))} for p, t in SAMPLES.items()],
        "alert_rule_test": tests}]}))
    r = subprocess.run([str(harness.TOOLS / "promtool"), "test", "rules", str(check)], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stdout + r.stderr


def test_what_is_wrong_with_the_rules_is_said(folder):
    rules = folder / "rules.yml"
    rules.write_text("groups:\n- name: g\n  rules:\n  - {record: a, expr: b}\n  - {record: b, expr: a}\n  - {alert: C, expr: a > 1}\n")
    p = harness.ctl(None, "simulate", "--rules", rules, "--config", config(folder, 1))
    assert p.returncode == 2 and "C: the rules that it stands on record each other in a circle" in p.stderr
    p = harness.ctl(None, "simulate", "--rules", folder / "none.yml", "--config", config(folder, 1))
    assert p.returncode == 2 and "No such file" in p.stderr
