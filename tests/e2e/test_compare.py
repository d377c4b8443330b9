"""New way against old way, on weeks that are backfilled into the real Prometheus."""
import csv
import io
import json
import math
import pathlib
import re
import random
import sqlite3
import subprocess
import threading
import time

import pytest
from harness import ROOT, TOOLS, Prometheus, Server, Service, ctl, parse_time, request, until

pytestmark = pytest.mark.xdist_group("compare")     # one Prometheus for all of them

HOURS = 48
EVERY = 300                                     # seconds between samples
BOUNDS = (0.1, 0.25, 0.5, 1.0)
SIDES = ("cst", "legacy")

METRICS = """
    compare:
      share: 'sum(increase(cst_requests_total{{case="{case}"}}[1h])) / (sum(increase(cst_requests_total{{case="{case}"}}[1h])) + sum(increase(legacy_requests_total{{case="{case}"}}[1h])))'
      metrics:
        - name: errors
          errors:
            candidate: {{events: 'sum(increase(cst_requests_total{{case="{case}"}}[1h]))', bad: 'sum(increase(cst_errors_total{{case="{case}"}}[1h]))'}}
            baseline: {{events: 'sum(increase(legacy_requests_total{{case="{case}"}}[1h]))', bad: 'sum(increase(legacy_errors_total{{case="{case}"}}[1h]))'}}
        - name: latency
          unit: seconds
          histogram:
            candidate: 'sum by (le) (increase(cst_latency_bucket{{case="{case}"}}[1h]))'
            baseline: 'sum by (le) (increase(legacy_latency_bucket{{case="{case}"}}[1h]))'
            quantiles: [0.5, 0.95]
        - name: memory
          unit: bytes
          cost: true
          value: {{candidate: 'avg_over_time(cst_memory_rss_bytes{{case="{case}"}}[1h])', baseline: 'avg_over_time(legacy_memory_rss_bytes{{case="{case}"}}[1h])'}}
"""


class Week:
    """Two services side by side. Everything of one hour depends on the time of day, on both sides alike."""

    def __init__(self, case, errors=(0.002, 0.002), slow=(1.0, 1.0), share=0.5, memory=(1.0, 1.0), hours=HOURS, gap=()):
        self.case, self.errors, self.slow, self.share, self.memory, self.hours, self.gap = \
            case, errors, slow, share, memory, hours, gap

    def lines(self, end, rng):
        start = end - self.hours * 3600 - 1800
        out = {name: [] for side in SIDES for name in (f"{side}_requests", f"{side}_errors", f"{side}_memory_rss_bytes", f"{side}_latency")}
        for s, side in enumerate(SIDES):
            requests = errors = 0
            buckets = [0] * (len(BOUNDS) + 1)
            for at in range(start, end + 2 * 3600, EVERY):
                day = 1 + 0.5 * math.sin(at / 86400 * 2 * math.pi)
                n = int(3000 * day * (self.share if s == 0 else 1 - self.share))
                requests += n
                errors += sum(rng.random() < self.errors[s] for _ in range(n)) if self.errors[s] < 0.05 else int(n * self.errors[s])
                for _ in range(60):
                    took = rng.expovariate(1) * 0.12 * day * self.slow[s]
                    for b in range(len(BOUNDS)):
                        buckets[b] += (took <= BOUNDS[b]) * n // 60
                    buckets[-1] += n // 60
                if side == "legacy" and any(a <= (end - at) / 3600 < b for a, b in self.gap):
                    continue
                label = f'case="{self.case}"'
                out[f"{side}_requests"].append(f"{side}_requests_total{{{label}}} {requests} {at}")
                out[f"{side}_errors"].append(f"{side}_errors_total{{{label}}} {errors} {at}")
                out[f"{side}_memory_rss_bytes"].append(
                    f"{side}_memory_rss_bytes{{{label}}} {int(2e9 * self.memory[s] * rng.uniform(0.99, 1.01))} {at}")
                for b, bound in enumerate((*BOUNDS, "+Inf")):
                    out[f"{side}_latency"].append(f'{side}_latency_bucket{{{label},le="{bound}"}} {buckets[b]} {at}')
        return out


WEEKS = [
    Week("alike"),
    Week("broken", errors=(0.02, 0.002)),
    Week("slower", slow=(1.5, 1.0)),
    Week("lighter", memory=(0.7, 1.0)),
    Week("rare", share=0.1),
    Week("young", hours=4),
    Week("holes", gap=((10, 15),)),
]


@pytest.fixture(scope="module")
def prometheus():
    folder = ROOT / "build" / "e2e" / "compare_prometheus"
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    p = Prometheus(folder, [], "groups: []")
    end, rng = int(time.time()) // 3600 * 3600, random.Random(20251014)
    merged = {}
    for week in WEEKS:
        for name, lines in week.lines(end, rng).items():
            merged.setdefault(name, []).extend(lines)
    text = "".join("\n".join([f"# TYPE {name} {'gauge' if 'bytes' in name else 'unknown' if 'latency' in name else 'counter'}", *lines]) + "\n"
                   for name, lines in merged.items()) + "# EOF\n"
    (folder / "weeks.om").write_text(text)
    subprocess.run([str(TOOLS / "promtool"), "tsdb", "create-blocks-from", "openmetrics", str(folder / "weeks.om"), str(folder / "tsdb")],
                   check=True, capture_output=True, timeout=120)
    p.start()
    yield p
    p.stop()


def config(folder, prometheus, cases):
    service = Service(folder / "service")
    rollouts = "".join(f"""
  - name: {case}
    flags: {{file: {folder}/{case}.env, percentage: PERCENTAGE}}
    verify: {{delay: 0s, every: 50ms, passes: 1, checks: [{{http: {{url: "{service.web.url}/flags", value: /rollout_percentage}}}}]}}
""" + METRICS.format(case=case) for case in cases)
    for case in cases:
        (folder / f"{case}.env").write_text("PERCENTAGE=50\n")
    return f"global: {{prometheus: {{url: '{prometheus.url}'}}}}\nrollouts:{rollouts}", service


@pytest.fixture
def compared(folder, daemon_of, prometheus):
    text, service = config(folder, prometheus, [w.case for w in WEEKS])
    yield daemon_of(text)
    service.close()


def compare(d, case, **asked):
    """(exit code, report) of rollbackctl; the API says the same."""
    words = [w for k, v in {"percentage": 50, "duration": f"{HOURS}h", **asked}.items() if v is not None for w in (f"--{k}", str(v))]
    r = ctl(d, "-o", "json", "compare", case, *words)
    return r.returncode, json.loads(r.stdout) if r.stdout else r.stderr


def verdicts(report):
    return {m["name"]: m["verdict"] for m in report["metrics"]}


def test_alike_is_equal(compared):
    code, report = compare(compared, "alike")
    assert (code, report["verdict"]) == (0, "equal"), report
    assert set(verdicts(report)) == {"errors", "latency p50", "latency p95", "memory"}
    assert set(verdicts(report).values()) == {"equal"} and report["left_out"] == []
    assert abs(report["observed_share"] - 50) < 1 and report["as_asked"] is True
    assert report["duration"] == HOURS * 3600 and report["threshold"] == 0.05 and report["percentage"] == 50
    assert parse_time(report["to"]) % 3600 == 0 and time.time() - parse_time(report["to"]) < 3700
    for m in report["metrics"]:
        lo, hi = m["interval"]
        assert lo <= m["difference"] <= hi and m["n"] == HOURS and len(m["why"]) > 40
    errors = report["metrics"][0]
    requests = errors["requests"]
    assert 0.9 < requests["candidate"] / requests["baseline"] < 1.1 and requests["candidate"] > 100 * HOURS
    assert report["metrics"][-1]["requests"] is None        # memory is of no number of requests
    assert abs(errors["candidate"] - 0.002) < 0.0003 and errors["interval"][1] < 0.001


def test_a_comparison_is_printed_for_documents_and_sheets(compared):
    words = ["compare", "broken", "--percentage", "50", "--duration", f"{HOURS}h"]
    code, report = compare(compared, "broken")
    md = ctl(compared, "-o", "md", *words)
    assert md.returncode == code and md.stdout.startswith("# Comparison: broken\n\n**worse**: worse: errors\n")
    requests = report["metrics"][0]["requests"]
    assert f"| {requests['candidate']} / {requests['baseline']} | worse |" in md.stdout
    sheet = ctl(compared, "-o", "csv", *words)
    rows = list(csv.DictReader(io.StringIO(sheet.stdout, newline="")))
    assert sheet.returncode == code and [r["metric"] for r in rows] == [m["name"] for m in report["metrics"]]
    for row, m in zip(rows, report["metrics"]):
        assert float(row["candidate"]) == m["candidate"] and float(row["low"]) == m["interval"][0] and row["why"] == m["why"]
        assert row["candidate_requests"] == (str(m["requests"]["candidate"]) if m["requests"] else "")
    assert ctl(compared, "-o", "csv", "status").returncode == 2


def test_more_errors_are_worse_and_named(compared):
    code, report = compare(compared, "broken")
    assert (code, report["verdict"]) == (1, "worse")
    assert verdicts(report) == {"errors": "worse", "latency p50": "equal", "latency p95": "equal", "memory": "equal"}
    assert report["why"] == "worse: errors" and abs(report["metrics"][0]["difference"] - 0.018) < 0.001


def test_slower_is_worse_at_every_quantile(compared):
    code, report = compare(compared, "slower")
    assert code == 1 and verdicts(report)["latency p50"] == verdicts(report)["latency p95"] == "worse"
    assert verdicts(report)["errors"] == "equal"


def test_a_larger_threshold_accepts_more(compared):
    code, report = compare(compared, "slower", threshold=1)
    assert (code, report["verdict"]) == (0, "equal"), report


def test_lighter_is_better(compared):
    code, report = compare(compared, "lighter")
    assert (code, report["verdict"], verdicts(report)["memory"]) == (0, "better", "better")
    memory = report["metrics"][-1]
    assert -0.35 * 2e9 < memory["difference"] < -0.25 * 2e9 and "GB" in memory["why"]


def test_another_share_is_not_the_comparison_asked_for(compared):
    code, report = compare(compared, "rare")
    assert code == 4 and report["as_asked"] is False and report["verdict"] == "inconclusive"
    assert report["why"].startswith("not the comparison asked for: the candidate had 10.0% of the traffic, not 50%")
    code, report = compare(compared, "rare", percentage=10)
    assert code == 0 and report["as_asked"] is True
    assert compare(compared, "rare", percentage=12.1)[0] == 4
    code, report = compare(compared, "rare", percentage=None)
    assert code == 0 and report["percentage"] is None and report["as_asked"] is None


def test_a_few_hours_are_inconclusive(compared):
    code, report = compare(compared, "young")
    assert (code, report["verdict"]) == (4, "inconclusive")
    gap = [g for g in report["left_out"] if g["metric"] == "memory"][0]
    assert gap["reason"] == "no data of either side" and gap["from"] == report["from"]
    assert report["metrics"][-1]["n"] <= 5 and report["metrics"][-1]["interval"] == [None, None]


def test_hours_that_one_side_saw_are_listed(compared):
    code, report = compare(compared, "holes")
    assert (code, report["verdict"]) == (0, "equal"), report
    [gap] = [g for g in report["left_out"] if g["metric"] == "memory"]
    hours = (parse_time(gap["to"]) - parse_time(gap["from"])) / 3600
    assert gap["reason"] == "no data of the baseline" and 4 <= hours <= 5
    assert report["metrics"][-1]["n"] == HOURS - hours


def test_the_time_of_a_rollback_does_not_count(compared):
    d = compared
    status, out = d.call("POST", "/api/v1/rollouts/broken/rollback", {"reason": "a drill of the test"})
    assert status == 200
    assert d.stop() == 0
    end = int(time.time()) // 3600 * 3600
    [db] = [f for f in pathlib.Path(d.state).iterdir() if f.suffix == ".db"]
    with sqlite3.connect(db) as c:      # two days ago, over after five hours
        c.execute("UPDATE incident SET opened_at = ?, rolled_back_at = ?, resolved_at = ?, state = 8",
                  ((end - 20 * 3600 + 60) * 10**6, (end - 19 * 3600) * 10**6, (end - 15 * 3600) * 10**6))
        for hour, why in (30, "held by alice"), (40, "error rate delta: 0.018, at most 0.001"):
            c.execute("INSERT INTO hold_span (rollout, since, until, why) VALUES ('broken', ?, ?, ?)",
                      ((end - hour * 3600) * 10**6, (end - (hour - 2) * 3600) * 10**6, why))
    c.close()
    d.start()
    _, report = compare(d, "broken")
    [gap, held] = report["left_out"]
    assert gap["reason"] == f"incident {out['data']['id']}: rolled back" and gap["metric"] is None
    assert parse_time(gap["to"]) == end - 15 * 3600
    # What the plan's criterion saw fail is the very thing to be compared.
    assert held["reason"] == "held by alice" and report["metrics"][0]["n"] == HOURS - 5 - 2
    # Behind 500 younger ones it is not looked at, and neither it nor its time may count.
    assert d.stop() == 0
    with sqlite3.connect(db) as c:
        names = [row[1] for row in c.execute("PRAGMA table_info(incident)") if row[1] != "id"]
        taken = ", ".join({"state": "7", "opened_at": str((end - 3 * 3600) * 10**6), "place": "place + n"}.get(name, name) for name in names)
        c.execute(f"WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 500)"
                  f" INSERT INTO incident ({', '.join(names)}) SELECT {taken} FROM incident, x")
    c.close()
    d.start()
    _, report = compare(d, "broken")
    assert [g["reason"] for g in report["left_out"] if "incident" in g["reason"]] == \
        ["too many incidents since: those of this time were not looked at"]
    assert report["metrics"][0]["n"] <= 3


def test_the_table_is_for_people(compared):
    r = ctl(compared, "compare", "broken", "--percentage", "50", "--duration", f"{HOURS}h", "--threshold", "0.05")
    assert r.returncode == 1
    for part in ("METRIC", "CANDIDATE", "95% INTERVAL", "errors", "points", "latency p95", "GB", "\nVerdict: worse (worse: errors)"):
        assert part in r.stdout, (part, r.stdout)


def test_the_shipped_section_asks_what_prometheus_understands(folder, daemon_of, prometheus):
    """All cases together; what the test has no series of is said to have no data, not to be a wrong query."""
    shipped = (ROOT / "deploy" / "rollbackd.yml").read_text()
    section = re.search(r"^    compare:\n(?:^(?:      .*|\s*)\n)+", shipped, re.M)[0]
    text, service = config(folder, prometheus, ["alike"])
    text = text[:text.index("    compare:")] + section
    d = daemon_of(text)
    _, report = compare(d, "alike", percentage=None)
    result = {m["name"]: m for m in report["metrics"]}
    assert list(result) == ["errors", "latency p50", "latency p95", "latency p99", "cache_hit_ratio", "memory",
                            "requests_per_cpu_second", "api_calls_per_request"]
    for name, m in result.items():
        if name in ("cache_hit_ratio", "requests_per_cpu_second", "api_calls_per_request"):
            assert m["why"] == "no hour of which both sides have data", m
        else:
            assert m["n"] == HOURS, m
    assert 30 < report["observed_share"] < 50
    service.close()


def test_what_was_asked_wrongly(compared):
    for words in (["nothing"], ["alike", "--duration", "soon"], ["alike", "--duration", "10m"], ["alike", "--duration", "500d"],
                  ["alike", "--percentage", "101"], ["alike", "--threshold", "-1"], ["alike", "--threshold", "x"], [], ["a", "b"]):
        r = ctl(compared, "compare", *words)
        assert r.returncode == 2 and r.stderr, (words, r)
    assert compared.call("GET", "/api/v1/rollouts/alike/compare?duration=10m")[0] == 400
    assert compared.call("GET", "/api/v1/rollouts/nothing/compare")[0] == 404


def test_without_a_prometheus_nothing_is_known(folder, daemon_of):
    class Gone:
        url = "http://127.0.0.1:1"

    text, service = config(folder, Gone, ["alike"])
    d = daemon_of(text)
    code, report = compare(d, "alike")
    assert code == 4 and set(verdicts(report).values()) == {"inconclusive"} and report["as_asked"] is None
    assert all("no answer" in m["why"] for m in report["metrics"]) and "is not known" in report["why"]
    service.close()


def test_a_silent_prometheus_holds_nothing_up(folder, daemon_of):
    """Eight comparisons wait for it; the ninth is refused, a rollback is not, and the daemon stops in time."""
    silent = Server()
    silent.hold.set()
    text, service = config(folder, silent, ["alike"])
    d = daemon_of(text)
    answers = []
    path = "/api/v1/rollouts/alike/compare"
    threads = [threading.Thread(target=lambda: answers.append(request(d.port, "GET", path, timeout=60)[0])) for _ in range(9)]
    for t in threads:
        t.start()
    until(lambda: answers)
    assert answers == [503]
    service.live.write_text("0")
    status, out = d.call("POST", "/api/v1/rollouts/alike/rollback", {"reason": "while it is silent"})
    assert status == 200
    d.wait_state(out["data"]["id"], "rolled_back")
    began = time.monotonic()
    assert d.stop() == 0
    assert time.monotonic() - began < 15
    for t in threads:
        t.join(30)
    assert answers == [503] * 9
    silent.close()
    service.close()


def test_the_weekly_report_says_what_it_costs_and_what_is_worse(compared):
    def weekly(case):
        text = ctl(compared, "report", case, "--weekly").stdout
        return "New way against old way, 20" in text and text
    text = until(lambda: weekly("lighter"), 90, every=0.5)
    assert re.search(r"- New way against old way, .* to .*: nothing is worse for sure, but it cannot be told of .*memory\n"
                     r"  - cost, memory: inconclusive, 1\.\d+ GB against (2|1\.99\d)(\.\d+)? GB: .*only \d+ of 16\d hours could be compared", text), text
    assert "\n  - latency" not in text               # no cost, and not worse
    text = until(lambda: weekly("broken"), 90, every=0.5)
    assert re.search(r": worse: errors\n  - errors: worse, (1\.9|2)\d*(\.\d+)?% against 0\.\d+%\n  - cost, memory: inconclusive, ", text), text
    data = json.loads(ctl(compared, "-o", "json", "report", "broken", "--weekly").stdout)
    assert data["comparison"]["verdict"] == "worse" and data["text"].startswith("[REPORT] broken, weekly: ")
