#!/usr/bin/env python3
"""Fills a state directory with years of incidents, for tests and measurements of big databases.

    history.py STATE_DIRECTORY INCIDENTS [--alerts 10] [--rollouts a,b,c]

The daemon has made the database before (it starts on an empty directory in a moment) and does not run now. Everything is in one
transaction, by the real schema; columns that nothing is said about hold 0 or "". The newest incident was opened a minute ago, the
oldest 390 days ago. Nothing of it is live. The search is left for the daemon to fill.
"""
import argparse
import pathlib
import sqlite3
import time

SPAN_US = 390 * 86400 * 1_000_000
SHA = "0" * 64


def columns(db, table, given):
    """An INSERT's columns and expressions: what is given, and for every other column that must not be NULL its zero."""
    names, values = [], []
    for _, name, kind, not_null, default, key in db.execute(f"PRAGMA table_info({table})"):
        if name in given:
            names.append(name)
            values.append(given[name])
        elif not_null and default is None and not key:
            names.append(name)
            values.append("''" if kind == "TEXT" else "0")
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM "


def fill(path, incidents, alerts=10, rollouts=("shop", "search", "payments", "mail", "maps")):
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = OFF", "cache_size = -400000", "foreign_keys = OFF"):
        db.execute(f"PRAGMA {pragma}")
    version, = db.execute("PRAGMA user_version").fetchone()
    first = db.execute("SELECT coalesce(max(id), 0) FROM incident").fetchone()[0]
    alert = db.execute("SELECT coalesce(max(id), 0) FROM alert").fetchone()[0]
    now = time.time_ns() // 1000 - 60_000_000
    step = SPAN_US // max(incidents, 1)
    db.execute("BEGIN IMMEDIATE")
    db.execute("CREATE TEMP TABLE n (n INTEGER PRIMARY KEY, at INTEGER NOT NULL, rollout TEXT NOT NULL)")
    db.execute("CREATE TEMP TABLE k (k INTEGER PRIMARY KEY)")
    db.executemany("INSERT INTO k VALUES (?)", [(i,) for i in range(alerts)])
    names = "CASE n % {} {} END".format(len(rollouts), " ".join(f"WHEN {i} THEN '{r}'" for i, r in enumerate(rollouts)))
    db.execute(f"INSERT INTO n WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {incidents})"
               f" SELECT n, {now} - ({incidents} - n) * {step}, {names} FROM c")
    db.execute("INSERT INTO config (sha, text) VALUES (?, '{}') ON CONFLICT DO NOTHING", (SHA,))
    db.execute(columns(db, "incident", {
        "id": f"n + {first}", "seq": "9", "rollout": "rollout", "playbook": "'auto-rollback'",
        "severity": "CASE n % 7 WHEN 0 THEN 'P0' ELSE 'critical' END",
        "summary": "CASE n % 5 WHEN 0 THEN 'Canary error rate above threshold in zone ' || (n % 13)"
                   " WHEN 1 THEN 'Latency of checkout is up, case ' || n ELSE 'Cache hit rate fell below 80 %, case ' || n END",
        "kind": "CASE WHEN n % 50 = 7 THEN 3 WHEN n % 50 = 8 THEN 4 WHEN n % 17 = 0 THEN 2 ELSE 1 END",
        "state": "CASE WHEN n % 40 = 3 THEN 7 ELSE 8 END", "config": f"'{SHA}'", "opened_by": "'alertmanager'", "stage": "1",
        "pct_before": "1000", "pct_wanted": "0", "pct_seen": "0", "opened_at": "at", "onset_at": "at - 30000000",
        "onset_from": "'ALERTS_FOR_STATE'", "due_at": "at", "started_at": "at + 1000", "applied_at": "at + 900000",
        "verify_until": "at + 300000000", "rolled_back_at": "at + 10000000", "resolved_at": "at + 600000000", "written": "1",
        "written_at": "at + 2000", "acknowledged": "1", "acked_at": "at + 9000000", "acknowledged_note": "'6 of 6'",
        "effective": "1", "effective_at": "at + 10000000", "place": "at / 1000"}) + "n")
    db.execute(columns(db, "alert", {
        "id": f"{alert} + (n - 1) * {alerts} + k + 1", "fingerprint": "printf('%08x%08x', n, k * 7919 + n % 104729)",
        "starts_at": "at - 60000000", "began": "at - 60000000", "status": "2", "times": "3",
        "labels": "json_object('action', 'auto_rollback', 'alertname', 'CanaryErrorRateHigh', 'instance', 'web-' || (n % 9973) || '-' || k"
                  " || ':9090', 'job', 'lapce-ai-service', 'rollout', rollout, 'severity', 'critical', 'team', 'team-' || (n % 31))",
        "annotations": "json_object('summary', 'Canary error rate high on web-' || k, 'runbook_url',"
                       " 'https://runbooks.example.com/canary/error-rate')",
        "generator_url": "'http://prometheus.example.com:9090/graph?g0.expr=cst%3Aerror_ratio'", "ends_at": "at + 500000000",
        "first_at": "at", "last_at": "at + 500000000", "ended": "at + 500000000"}) + "n, k")
    db.execute(columns(db, "incident_alert", {"incident_id": f"n + {first}", "alert_id": f"{alert} + (n - 1) * {alerts} + k + 1"}) + "n, k")
    db.execute(columns(db, "said", {
        "alert_id": f"{alert} + (n - 1) * {alerts} + k + 1", "delivery": "1", "rollout": "rollout",
        "disposition": "CASE k WHEN 0 THEN 1 ELSE 4 END", "incident_id": f"n + {first}", "at": "at"}) + "n, k")
    for ord_, (phase, kind, name) in enumerate([(1, 1, "set percentage"), (1, 2, "/usr/bin/systemctl reload"), (3, 4, "snapshot")]):
        db.execute(columns(db, "step", {
            "incident_id": f"n + {first}", "ord": str(ord_), "phase": str(phase), "kind": str(kind), "name": f"'{name}'",
            "spec": "'{}'", "state": "3", "attempts": "1", "started_at": "at + 1000", "ended_at": "at + 2000", "output": "''"}) + "n")
    for i, what in enumerate(("opened", "rolling_back", "verifying", "rolled_back", "resolved")):
        db.execute(columns(db, "event", {
            "at": f"at + {i * 1000000}", "incident_id": f"n + {first}", "rollout": "rollout", "who": "'rollbackd'",
            "what": f"'{what}'", "note": "'0% seen 2 times'"}) + "n")
    for channel, event in (("rollouts", "incident"), ("on-call", "page")):
        db.execute(columns(db, "outbox", {
            "incident_id": f"n + {first}", "rollout": "rollout", "channel": f"'{channel}'", "event": f"'{event}'",
            "what": "'rolled_back'", "number": "1", "page": "1" if event == "page" else "0",
            "state": "CASE WHEN n % 1000 = 9 THEN 3 ELSE 2 END", "attempts": "1", "queued_at": "at", "since": "at", "due_at": "at",
            "sent_at": "at + 300000"}) + "n")
    db.execute("UPDATE meta SET value = 0 WHERE key = 'search from'")
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return version


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("directory", type=pathlib.Path)
    p.add_argument("incidents", type=int)
    p.add_argument("--alerts", type=int, default=10)
    p.add_argument("--rollouts", default="shop,search,payments,mail,maps")
    a = p.parse_args()
    began = time.monotonic()
    fill(a.directory / "rollbackd.db", a.incidents, a.alerts, tuple(a.rollouts.split(",")))
    size = sum(f.stat().st_size for f in a.directory.iterdir())
    print(f"{a.incidents} incidents, {a.incidents * a.alerts} alerts, {size / 1e6:.0f} MB, {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
