"""A record of years, for measurements: incidents that are over, of ALERTS alerts each, evenly over what retention keeps.

    record.py STATE_DIRECTORY INCIDENTS

By the schema of a database that rollbackd has just made, in one transaction; columns that nothing is said about hold 0 or "". The
index of the search is left for the daemon to fill."""

import contextlib
import pathlib
import sqlite3
import sys
import time

HOUR_US = 3600 * 1000000
ALERTS = 10  # of each incident
ROLLOUTS = 20
SHA = "0" * 64  # of a config that says nothing

EVENTS = ("opened", "rolling_back", "verifying", "rolled_back", "resolved")
STEPS = ((1, 1, "set percentage"), (1, 2, "/usr/bin/touch"), (3, 4, "snapshot"))  # phase, kind, name
MESSAGES = (("rollouts", "incident", 0), ("on-call", "page", 1))  # channel, event, page

# n: an incident's number, its time, its rollout; k: an alert's number among its own; i: the incident's row
N = """CREATE TEMP TABLE n (i INTEGER PRIMARY KEY, at INTEGER NOT NULL, rollout TEXT NOT NULL)"""
N_ROWS = """
INSERT INTO n WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < :n)
SELECT i, :now - (:n - i) * :apart, printf('r%03d', i % :rollouts) FROM c
"""
INCIDENT = {
    "id": "i", "seq": "9", "rollout": "rollout", "playbook": "'auto-rollback'", "severity": "iif(i % 7, 'critical', 'warning')",
    "summary": "printf('Requests of shop %d are slow', i % 5000)",
    "kind": "CASE WHEN i % 50 = 7 THEN 3 WHEN i % 50 = 8 THEN 4 WHEN i % 11 = 0 THEN 2 ELSE 1 END", "state": "iif(i % 9, 8, 7)",
    "config": f"'{SHA}'", "opened_by": "'alertmanager'", "stage": "1", "pct_before": "1000", "opened_at": "at", "place": "at / 1000",
    "onset_at": "at - 30000000", "onset_from": "'startsAt'", "due_at": "at", "started_at": "at + 1000", "applied_at": "at + 900000",
    "rolled_back_at": "at + 10000000", "resolved_at": "at + 600000000", "written": "1", "written_at": "at + 2000", "acknowledged": "1",
    "acked_at": "at + 9000000", "acknowledged_note": "'6 of 6'", "effective": "1", "effective_at": "at + 10000000"}
ALERT_ID = "(i - 1) * :each + k + 1"
ALERT = {
    "id": ALERT_ID, "fingerprint": "printf('%08x%08x', i, k * 7919 + i % 104729)", "starts_at": "at - 60000000",
    "began": "at - 60000000", "status": "2", "times": "3",
    "labels": "printf('{\"alertname\":\"HighRequestLatency\",\"action\":\"auto_rollback\",\"instance\":\"node-%d.example.com:9100\",'"
              " || '\"job\":\"checkout\",\"rollout\":\"%s\",\"severity\":\"critical\",\"team\":\"team-%d\"}', (i * 10 + k) % 20000, rollout,"
              " i % 31)",
    "annotations": "'{\"summary\":\"Requests of checkout are slow\"}'",
    "generator_url": "'http://prometheus.example.com:9090/graph?g0.expr=cst%3Aerror_ratio'", "ends_at": "at + 500000000",
    "first_at": "at", "last_at": "at + 500000000", "ended": "at + 500000000"}


def insert(db, table, given, rows, values):
    """What is given, and for every other column that must not be NULL its zero."""
    names, columns = [], []
    for _, name, kind, not_null, default, key in db.execute(f"PRAGMA table_info({table})"):
        if name in given or (not_null and default is None and not key):
            names.append(name)
            columns.append(given.get(name, "''" if kind == "TEXT" else "0"))
    db.execute(f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(columns)} FROM {rows}", values)


def rows_of(db, values):
    insert(db, "incident", INCIDENT, "n", values)
    insert(db, "alert", ALERT, "n, k", values)
    insert(db, "incident_alert", {"incident_id": "i", "alert_id": ALERT_ID}, "n, k", values)
    insert(db, "said", {"alert_id": ALERT_ID, "delivery": "1", "rollout": "rollout", "disposition": "CASE k WHEN 0 THEN 1 ELSE 4 END",
                        "incident_id": "i", "at": "at"}, "n, k", values)
    for n, (phase, kind, name) in enumerate(STEPS):
        insert(db, "step", {"incident_id": "i", "ord": str(n), "phase": str(phase), "kind": str(kind), "name": f"'{name}'", "spec": "'{}'",
                            "state": "3", "attempts": "1", "started_at": "at + 1000", "ended_at": "at + 2000"}, "n", values)
    for n, what in enumerate(EVENTS):
        insert(db, "event", {"at": f"at + {n * 1000000}", "incident_id": "i", "rollout": "rollout", "who": "'rollbackd'",
                             "what": f"'{what}'", "note": "'0% seen 2 times'"}, "n", values)
    for channel, event, page in MESSAGES:
        insert(db, "outbox", {"incident_id": "i", "rollout": "rollout", "channel": f"'{channel}'", "event": f"'{event}'",
                              "what": "'rolled_back'", "number": "1", "page": str(page), "state": "iif(i % 1000 = 9, 3, 2)",
                              "attempts": "1", "queued_at": "at", "since": "at", "due_at": "at", "sent_at": "at + 300000"}, "n", values)


def make(state, incidents):
    """Fills the new database of a rollbackd that does not run."""
    now = time.time_ns() // 1000 - HOUR_US
    values = {"n": incidents, "now": now, "apart": 300 * 24 * HOUR_US // incidents, "rollouts": ROLLOUTS, "each": ALERTS}
    with contextlib.closing(sqlite3.connect(state / "rollbackd.db", isolation_level=None)) as db:
        for pragma in ("synchronous = OFF", "cache_size = -400000", "foreign_keys = OFF"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("BEGIN IMMEDIATE")
        db.execute(N)
        db.execute(N_ROWS, values)
        db.execute("CREATE TEMP TABLE k (k INTEGER PRIMARY KEY)")
        db.executemany("INSERT INTO k VALUES (?)", [(k,) for k in range(ALERTS)])
        db.execute("INSERT INTO config (sha, text) VALUES (?, '{}')", (SHA,))
        rows_of(db, values)
        db.execute("UPDATE meta SET value = (SELECT max(place) + 1 FROM incident) WHERE key = 'search from'")
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
