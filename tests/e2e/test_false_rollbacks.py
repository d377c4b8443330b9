"""The shipped rules over long series without any regression: nothing may fire. And over one with regressions: each must.

Series are drawn from a seed, written as OpenMetrics, and become blocks of the real Prometheus, which then evaluates the shipped
expressions at every 15 s of them. Recorded names are replaced by their expressions, because a rule is never recorded in the past.
"""
import bisect
import itertools
import json
import math
import os
import random
import re
import shutil
import subprocess
import urllib.parse

import pytest

import harness

SHIPPED = harness.ROOT / "deploy" / "prometheus"
STEP = 15
HOUR = 3600 // STEP
SPAN = 54 * 3600                # blocks of this length; each series gets one for itself
EPOCH = SPAN * 9000             # some day in 2025, at the border of a block
# The plan's rule with sums, but without a thought for chance: it rolls back on series that have nothing wrong with them.
AS_THE_PLAN_WROTE_IT = {"duration": 120, "query": """
    sum(rate(cst_errors_total[5m])) / sum(rate(cst_requests_total[5m]))
      > sum(rate(legacy_errors_total[5m])) / sum(rate(legacy_requests_total[5m])) + 0.005"""}
ROLLING = {"auto_rollback", "rollback_previous_stage"}

# Latency: most of 1,000 requests are fast, and the p95 lies where the slow hump begins, so that chance moves it a lot.
BUCKETS = (("0.05", 300), ("0.1", 350), ("0.2", 200), ("0.4", 95), ("0.8", 40), ("1.6", 14), ("+Inf", 1))


class Draw:
    """Poisson numbers from a seed, by their cumulative distribution."""

    def __init__(self, seed):
        self.random, self.tables = random.Random(seed), {}

    def poisson(self, mean):
        if mean <= 0:
            return 0
        low, table = self.tables.get(mean) or self.table(mean)
        return low + bisect.bisect_left(table, self.random.random())

    def table(self, mean):
        low = max(0, int(mean - 9 * math.sqrt(mean) - 9))
        high = int(mean + 9 * math.sqrt(mean) + 20)
        p = (math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(low, high))
        self.tables[mean] = low, list(itertools.accumulate(p))
        return self.tables[mean]


def series(out, seed, start, steps, rate, base, legacy_rate, stage, fault=lambda step: None):
    """Writes steps × 15 s of a service: rate requests/s to CST, legacy_rate to legacy, both failing base of them."""
    draw, totals = Draw(seed), {}

    def add(name, n):
        totals[name] = totals.get(name, 0) + n
        return totals[name]

    memory, jumps = {}, {}
    for i in range(steps):
        what, lines = fault(i), []
        for side, r in (("cst", rate), ("legacy", legacy_rate)):
            lines += pipeline(draw, add, side, r * STEP, base, what if side == "cst" else None)
        lines += extras(draw, add, rate * STEP, what)
        for who in "ab":
            lines.append((f'cst_memory_rss_bytes{{instance="{who}"}}', rss(draw, memory, jumps, who, i, what)))
        for name, value in (("rollbackd_rollout_stage", stage), ("rollbackd_stage_entered_timestamp_seconds", start),
                            ("rollbackd_percentage_changed_timestamp_seconds", start),
                            ("rollbackd_target_percentage", 100 * rate / (rate + legacy_rate))):
            lines.append((f'{name}{{rollout="cst-pipeline"}}', value))
        at = start + i * STEP
        out.write("".join(f"{name} {value:.10g} {at}\n" for name, value in lines))
    out.write("# EOF\n")


def pipeline(draw, add, side, mean, base, what):
    share = 0.05 if what == "errors" else base
    errors, lines = draw.poisson(mean * share), []
    count = errors                      # a failure is answered fast
    weights = [w for _, w in BUCKETS]
    if what == "latency":               # one more doubling for everybody, two for the slower half
        weights = [0, 100, 400, 300, 100, 80, 20]
    total = errors
    for (le, _), w in zip(BUCKETS, weights):
        n = draw.poisson(mean * (1 - share) * w / 1000)
        total += n
        count += n
        lines.append((f'{side}_latency_bucket{{le="{le}"}}', add(f"{side}{le}", count)))
    return lines + [(f"{side}_requests_total", add(side, total)), (f"{side}_errors_total", add(side + "e", errors))]


def extras(draw, add, mean, what):
    hit = 0.5 if what == "cache" else 0.88
    return [("cst_cache_hits_total", add("hits", draw.poisson(mean * hit))),
            ("cst_cache_misses_total", add("misses", draw.poisson(mean * (1 - hit)))),
            ("cst_embeddings_reused_total", add("reused", draw.poisson(mean * 0.92))),
            ("cst_embeddings_computed_total", add("computed", draw.poisson(mean * 0.08))),
            ("cst_fallbacks_total", add("fallbacks", draw.poisson(mean * 0.002))),
            ("cst_index_validation_failures_total", add("index", 1 if what == "index" else 0)),
            ("cst_p0_incidents_total", 3)]


def rss(draw, memory, jumps, who, i, what):
    """A sawtooth of 60 MB each 23 or 31 minutes, noise, and now and then 100 MB more at once, given back hours later."""
    period = 92 if who == "a" else 124
    if draw.random.random() < 1 / (12 * HOUR):
        jumps[who] = i + 3 * HOUR
    leak = memory.get(who, 0)
    if what == "memory" and who == "b":
        leak += 70e6 * STEP / 60
    elif what is None:
        leak = max(0, leak - 50e6)
    memory[who] = leak
    return 1.2e9 + 60e6 * (i % period) / period + draw.random.gauss(0, 1e6) + leak + (100e6 if jumps.get(who, 0) > i else 0)


class History:
    """A Prometheus over what was written, which knows the shipped rules."""

    def __init__(self, folder):
        self.folder, self.end = folder, {}
        self.prometheus = harness.Prometheus(folder / "prometheus", [], "", every="15s")
        here = self.prometheus.dir
        for rules in SHIPPED.glob("cst-*.yml"):
            shutil.copy(rules, here)
        text = (here / "prometheus.yml").read_text()
        assert "[rules.yml]" in text
        (here / "prometheus.yml").write_text(text.replace("[rules.yml]", "[cst-recording.yml, cst-alerts.yml]"))
        self.prometheus.argv.append("--storage.tsdb.retention.time=100y")

    def write(self, number, hours, **kw):
        start, path = EPOCH + number * SPAN, self.folder / f"{number}.om"
        with open(path, "w") as out:
            series(out, seed=1000 + number, start=start, steps=hours * HOUR, **kw)
        r = subprocess.run([str(harness.TOOLS / "promtool"), "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=54h",
                            "-q", str(path), str(self.prometheus.dir / "tsdb")], capture_output=True, text=True, timeout=300)
        assert r.returncode == 0, r.stderr
        path.unlink()
        self.end[number] = start + hours * 3600 - STEP

    def start(self):
        self.prometheus.start()
        groups = self.api("/api/v1/rules")["groups"]
        rules = [r for g in groups for r in g["rules"]]
        self.recorded = {r["name"]: r["query"] for r in rules if r["type"] == "recording"}
        self.alerts = [r for r in rules if r["type"] == "alerting"]
        assert len(self.alerts) >= 18 and len(self.recorded) >= 40
        return self

    def api(self, path, **params):
        body = urllib.parse.urlencode(params)
        status, _, out = harness.request(self.prometheus.port, "POST" if params else "GET", path, body or None,
                                         {"Content-Type": "application/x-www-form-urlencoded"}, timeout=300)
        assert status == 200, (status, out[:500])
        return json.loads(out)["data"]

    def expand(self, query):
        """query without recorded names: each is replaced by its expression, over and over."""
        name = re.compile(r"\b(?:cst|legacy|baseline):[a-z0-9_]+(?::[a-z0-9]+)?")
        while name.search(query):
            query = name.sub(lambda m: f"({self.recorded[m[0]]})", query)
        return query

    def firing(self, number, alert):
        """When it fired: the times at which it had been true for its `for` without a gap."""
        start, fired, run = EPOCH + number * SPAN, [], {}
        query = self.expand(alert["query"])
        while start <= self.end[number]:
            stop = min(start + 10000 * STEP, self.end[number])
            found = self.api("/api/v1/query_range", query=query, start=start, end=stop, step=STEP)["result"]
            times = sorted({float(t) for s in found for t, _ in s["values"]})
            for t in times:
                since = run[t - STEP] if t - STEP in run else t
                run = {t: since}
                if t - since >= alert["duration"]:
                    fired.append(t)
            start = stop + STEP
        return fired


@pytest.fixture
def history(folder):
    h = History(folder)
    yield h
    h.prometheus.stop()


def assert_silent(history, cells):
    told = []
    for number, cell in cells.items():
        for alert in history.alerts:
            fired = history.firing(number, alert)
            if fired:
                told.append(f"{alert['name']} {len(fired)} times, first after {fired[0] - EPOCH - number * SPAN:.0f} s: {cell}")
    assert not told, "\n".join(told)


def cell(rate, base, legacy=9, stage=1):
    return {"rate": rate, "base": base, "legacy_rate": rate * legacy, "stage": stage}


@pytest.mark.long
def test_forty_eight_hours_without_a_regression_roll_nothing_back(history):
    grid = [cell(rate, base) for rate in (1, 5, 50) for base in (0.001, 0.005, 0.01)]
    grid += [cell(rate, base, legacy=1, stage=3) for rate in (1, 5, 50) for base in (0.001, 0.005, 0.01)]
    if os.environ.get("CELLS"):
        grid = grid[:int(os.environ["CELLS"])]
    cells = dict(enumerate(grid))
    for number, c in cells.items():
        history.write(number, 48, **c)
    history.start()
    assert_silent(history, cells)


def test_eight_hours_without_a_regression_roll_nothing_back(history):
    cells = {0: cell(1, 0.01), 1: cell(5, 0.005, legacy=1, stage=3)}
    for number, c in cells.items():
        history.write(number, 8, **c)
    history.start()
    assert_silent(history, cells)
    assert history.firing(0, AS_THE_PLAN_WROTE_IT), "these series are too tame to show anything"


def test_a_regression_in_the_same_series_fires_its_rule_and_no_other(history):
    """Each fault lasts 20 minutes, with an hour of health before it."""
    faults = {"errors": {"CanaryErrorRateBurst", "CanaryErrorRateHigh"}, "latency": {"CanaryLatencyP95High", "CanaryLatencyP95Degraded"},
              "cache": {"CanaryCacheHitRateLow"}, "memory": {"CanaryMemoryGrowthFast", "CanaryMemoryLeak"}, "index": {"CanaryIndexCorruption"}}
    slot, length = 2 * HOUR, HOUR // 3

    def fault(i):
        where, offset = divmod(i, slot)
        name = list(faults)[where] if where < len(faults) else None
        return name if HOUR <= offset < HOUR + (1 if name == "index" else length) else None

    history.write(0, 2 * len(faults) + 1, **cell(20, 0.005), fault=fault)
    history.start()
    seen = {name: set() for name in faults}
    for alert in history.alerts:
        if alert["labels"].get("action") in ROLLING:
            for t in history.firing(0, alert):
                where, offset = divmod(int(t - EPOCH) // STEP, slot)
                assert where < len(faults) and HOUR <= offset <= HOUR + length + HOUR // 2, (alert["name"], t - EPOCH)
                seen[list(faults)[where]].add(alert["name"])
    for name, allowed in faults.items():
        assert seen[name] and seen[name] <= allowed, (name, seen)
