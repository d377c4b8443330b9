"""The rows of the table: each measures and returns what is told of it. A ratio is the median of rounds, in each of which both
sides run one after the other."""

import json
import os
import pathlib
import statistics
import threading
import time

import record
from servers import Alertmanager, AmExecutor, Bare, Rollbackd, Webhook, arrival, fresh, limits, wait_until

MIB = 1024 * 1024
ROLLBACK = '"action":"auto_rollback","rollout":"r{:03}",'


class Nonsense(RuntimeError):
    """What was to be measured was not."""


class Row:
    """number and text as in the table; bound(value) is what it must reach."""

    def __init__(self, number, text, value, wanted, met, unit="", **more):
        if not 0 <= value < float("inf"):
            raise Nonsense(f"row {number}, {text}: {value} is no figure")
        self.__dict__.update(number=number, text=text, value=value, wanted=wanted, met=met, unit=unit, more=more)


def at_least(number, text, value, bound, **more):
    return Row(number, text, value, f"≥ {bound}", value >= bound, **more)


def at_most(number, text, value, bound, unit="", **more):
    return Row(number, text, value, f"≤ {bound}{unit}", value <= bound, unit, **more)


def median(values):
    return statistics.median(list(values))


def against(o, ours, peer, key="rate"):
    """Rounds of two functions that return what load says; the median of their ratio."""
    rounds = []
    for _ in range(o.rounds):
        mine, theirs = ours(), peer()
        rounds.append({"ours": mine, "peer": theirs, "ratio": mine[key] / theirs[key]})
    return median(r["ratio"] for r in rounds), {
        "ours": median(r["ours"][key] for r in rounds), "peer": median(r["peer"][key] for r in rounds),
        "cpu_us": [median(r[side]["cpu_us"] for r in rounds) for side in ("ours", "peer")] if "cpu_us" in rounds[0]["ours"] else None,
        "rounds": rounds}


# --- 1, 2: alerts that nobody has seen before ---

def distinct(o):
    with Rollbackd() as d, Webhook() as w, Alertmanager() as am:
        for number, connections, bound in ((1, 32, 1.3), (2, 128, 1.2)):
            options = ("-c", connections, "-s", o.seconds)
            ratio, more = against(o, lambda: d.load(*options), lambda: w.load(*options))
            yield at_least(number, f"distinct alerts, 200s a second at {connections} connections ÷ webhook not matching", ratio, bound,
                           **more)
            ratio, more = against(o, lambda: d.load(*options), lambda: am.load(*options))
            yield Row(number, f"… at {connections} connections ÷ Alertmanager's ingest, in memory", ratio, "", None, **more)
        if "PEER_AMX" in os.environ:
            with AmExecutor() as x:
                ratio, more = against(o, lambda: d.load(*options), lambda: x.load(*options))
            yield Row(2, "… ÷ prometheus-am-executor, no match", ratio, "", None, **more)


def evenness(o):
    d = Rollbackd("evenness", retention="30d")
    d.start()
    d.stop()
    record.make(d.state, o.old)  # nine in ten are older than retention keeps
    with d:
        run = d.load("-c", 128, "-s", o.long)
        seconds = run["by_second"] or [1]
        yield at_least(2, f"slowest second ÷ median second, in {o.long} s at 128 connections, with retention and checkpoints", min(seconds) / median(seconds), 0.5, ours=min(seconds),
                       peer=median(seconds), run=run)


# --- 3: copies ---

def copies(o):
    options = ("-c", 32, "-s", o.seconds, "-k", 64, "-i", 1)
    with Rollbackd() as d, Bare() as bare:
        d.load("-c", 1, "-n", 64, "-k", 64, "-i", 1)
        ratio, more = against(o, lambda: d.load(*options), lambda: bare.load(*options))
        yield at_least(3, "copies of known alerts ÷ bare libmicrohttpd", ratio, 0.5, **more)


# --- 4, 5, 12: from the webhook to the world ---

def to_zero(o):
    n, each = o.triggers, []
    for _ in range(o.rounds):
        raw = limits(o.seconds)["two_commits_and_a_file"]
        with Rollbackd(rollouts=n) as d:
            ours = arrival(d, d.files, n)
        d.reset()  # after it has stopped: it would lower them again
        with Webhook(files=d.files) as w:
            each.append((ours, arrival(w, d.files, n, path="/hooks/acts"), raw))
    zero = median(a["zero"]["p50_us"] / raw["p50_us"] for a, _, raw in each)
    tail = median(a["zero"]["p99_us"] / a["zero"]["p50_us"] for a, _, _ in each)
    done = median(a["done"]["p50_us"] / b["done"]["p50_us"] for a, b, _ in each)
    yield at_most(4, "POST → 0 on disk, median ÷ (2 FULL commits + atomic file)", zero, 2.0,
                  ours=median(a["zero"]["p50_us"] for a, _, _ in each), peer=median(raw["p50_us"] for _, _, raw in each), rounds=each)
    yield at_most(4, "POST → 0 on disk, p99 ÷ median", tail, 10, ours=median(a["zero"]["p99_us"] for a, _, _ in each))
    yield at_most(5, "POST → reload command has run ÷ webhook running a script that does the same", done, 1.0,
                  ours=median(a["done"]["p50_us"] for a, _, _ in each), peer=median(b["done"]["p50_us"] for _, b, _ in each))


def many_at_once(o):
    n, each = o.triggers, []
    for _ in range(o.rounds):
        with Rollbackd(rollouts=n + 20) as d:
            one = arrival(d, d.files, 20)
            each.append((arrival(d, d.files, n, first=20, together=True), one))
    yield at_most(12, f"{n} rollouts triggered in one webhook: the last at 0 ÷ one alone",
                  median(a["zero"]["max_us"] / b["zero"]["p50_us"] for a, b in each), 15, rounds=each,
                  ours=median(a["zero"]["max_us"] for a, _ in each), peer=median(b["zero"]["p50_us"] for _, b in each))


# --- 6: large bodies ---

def large(o):
    n = o.alerts
    ratios, peak = [], 0
    for _ in range(o.rounds):
        with Rollbackd() as d:
            one = d.load("-n", o.bodies, "-a", n)
            peak = max(peak, d.memory("VmHWM"))
        with Rollbackd() as d:
            hundred = d.load("-n", o.bodies * n // 100, "-a", 100)
        ratios.append((one["seconds"] / hundred["seconds"], one, hundred))
    yield at_most(6, f"{n} alerts in one webhook ÷ the same in webhooks of 100, per alert", median(r[0] for r in ratios), 1.0,
                  ours=median(n * o.bodies / r[1]["seconds"] for r in ratios),
                  peer=median(n * o.bodies / r[2]["seconds"] for r in ratios), rounds=ratios)
    yield at_most(6, f"peak memory after bodies of {n} alerts", peak / MIB, 64, " MiB")


# --- 7, 8, 9: a record of years ---

QUERIES = ("/api/v1/incidents", "/api/v1/incidents?limit=500", "/api/v1/incidents?rollout=r003", "/api/v1/incidents?state=resolved",
           "/api/v1/incidents?state=cancelled&rollout=r004&limit=5", "/api/v1/incidents?kind=manual", "/api/v1/incidents?q=slow",
           "/api/v1/incidents?q=node-77&limit=10", "/api/v1/incidents?q=nothing-is-called-so", "/api/v1/incidents?since=2020-01-01T00:00:00Z",
           "/api/v1/incidents/7", "/api/v1/rollouts", "/api/v1/rollouts/r003", "/api/v1/events", "/metrics")


def asked(d, o):
    return {q: d.load("-c", 1, "-n", o.queries, "-g", path=q, alert=False)["us"]["p99"] for q in QUERIES}


def pending(d):
    for i in range(3):
        d.load("-n", 1, "-i", int(time.time()) * 3 + i, "-l", f'"action":"later","rollout":"r{i:03}",')


def start_time(d):
    begun = time.monotonic()
    d.start()
    took = time.monotonic() - begun
    return took


def found_all(d):
    return b"warnings" not in d.get("/api/v1/incidents?q=nothing-is-called-so")


def with_record(o, incidents):
    """A rollbackd with so many incidents, all of them in the index of its search; three rollbacks are pending. BENCH_RECORDS names a
    directory that keeps the records for the next run: a large one takes minutes."""
    d = Rollbackd(f"record-{incidents}", rollouts=record.ROLLOUTS)
    if "BENCH_RECORDS" in os.environ:
        d.state = pathlib.Path(os.environ["BENCH_RECORDS"]) / f"record-{incidents}"
    d.start()
    if not json.loads(d.get("/api/v1/incidents?limit=1"))["data"]:
        d.stop()
        record.make(d.state, incidents)
        d.start()
    pending(d)
    wait_until(lambda: found_all(d), "the index of the search is not filled", d.process, patience_s=3600, every_s=0.2)
    d.stop()
    return d


def years(o):
    small, big = with_record(o, 1000), with_record(o, o.incidents)
    times = [[start_time(d), d.stop()][0] for d in (small, big) for _ in range(o.rounds)]
    ready = [median(times[:o.rounds]), median(times[o.rounds:])]
    with small, big:
        few, many = asked(small, o), asked(big, o)
        yield from (at_most(7, f"{q}: p99 at {o.incidents} incidents ÷ at 1000", many[q] / max(few[q], 1), 1.3, ours=many[q], peer=few[q])
                    for q in QUERIES)
        yield from beside(big, o)
    yield at_most(9, f"start to ready at {o.incidents} incidents, three pending", ready[1] * 1000, 200, " ms")
    yield at_most(9, "… ÷ at 1000 incidents", ready[1] / ready[0], 2, ours=ready[1] * 1000, peer=ready[0] * 1000)


def beside(d, o):
    """The p99 of webhooks alone, and while all queries and reloads run without pause."""
    options, ratios = ("-c", 4, "-w", 2000, "-s", o.seconds), []
    for _ in range(o.rounds):
        alone = d.load(*options)
        over = threading.Event()
        busy = [threading.Thread(target=ask, args=(d, over, what)) for what in (QUERIES, None)]
        for t in busy:
            t.start()
        under = d.load(*options)
        over.set()
        for t in busy:
            t.join()
        ratios.append((under["us"]["p99"] / alone["us"]["p99"], alone, under))
    yield at_most(8, "p99 of webhooks while those queries and reloads run ÷ alone", median(r[0] for r in ratios), 1.5,
                  ours=median(r[2]["us"]["p99"] for r in ratios), peer=median(r[1]["us"]["p99"] for r in ratios), rounds=ratios)


def ask(d, over, queries):
    while not over.is_set():
        if queries:
            for q in queries:
                d.get(q)
        else:
            d.get("/-/reload", "POST")


# --- 10, 11: at rest ---

def resident(o):
    with Rollbackd() as d:
        time.sleep(o.rest / 10)
        yield at_most(10, "resident, idle with one rollout", d.memory() / MIB, 8, " MiB")
        d.load("-c", 32, "-n", o.webhooks)
        time.sleep(o.rest / 10)
        yield at_most(10, f"resident, after {o.webhooks} webhooks", d.memory() / MIB, 24, " MiB", peak=d.memory("VmHWM") / MIB)
    with Webhook() as w:
        w.load("-c", 32, "-s", o.seconds)
        yield Row(10, "… of webhook, after a run", w.memory() / MIB, "", None, " MiB")


def idle(o):
    with Rollbackd(rollouts=o.rollouts) as d:
        arrival(d, d.files, min(20, o.rollouts), together=True)
        time.sleep(o.rest / 4)
        before, begun = d.cpu_s(), time.monotonic()
        time.sleep(o.rest)
        yield at_most(11, f"CPU when idle with {o.rollouts} rollouts, 20 open incidents",
                      100 * (d.cpu_s() - before) / (time.monotonic() - begun), 0.2, " % of a core")


ALL = {"1": distinct, "2": evenness, "3": copies, "4": to_zero, "6": large, "7": years, "10": resident, "11": idle, "12": many_at_once}
SAME = {"5": "4", "8": "7", "9": "7"}  # measured together


def named(numbers):
    return [ALL[n] for n in dict.fromkeys(SAME.get(n, n) for n in numbers)] if numbers else list(ALL.values())
