"""A record of years: a database of the first release, whose schema never changes, for rollbackd to bring up to date. The
incidents are over."""

import sqlite3
import time

from servers import ROOT

HOUR_US = 3600 * 1000000
ALERTS = 10  # of each incident
WRITTEN = ("said", "incident_alert", "step", "event", "outbox", "snapshot", "incident", "alert", "rollout", "meta")  # by the schema's test

INCIDENTS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :n)
INSERT INTO incident (id, rollout, playbook, severity, summary, kind, state, plan, reason, opened_by, stage, pct_before, pct_wanted,
 pct_seen, already_there, opened_at, onset_at, onset_from, due_at, started_at, applied_at, verify_until, next_probe, verify_rounds,
 verify_passes, late, rolled_back_at, failed_at, resolved_at, quiet_since, acknowledged_by, acknowledged_at, eta, written, written_at,
 written_note, acknowledged, acked_at, acknowledged_note, effective, effective_at, effective_note, cured, cured_at, cured_note)
SELECT i, printf('r%03d', i % :rollouts), 'auto-rollback', iif(i % 7, 'critical', 'warning'),
 printf('Requests of shop %d are slow', i % 5000), 1 + (i % 11 = 0), iif(i % 9, 8, 7), '{}', NULL, 'alertmanager', 1, 1000, 0, 0, 0,
 :now - (:n - i + 1) * :apart, :now - (:n - i + 1) * :apart, 'startsAt', 0, :now - (:n - i + 1) * :apart, 0, 0, 0, 0, 2, 0,
 :now - (:n - i + 1) * :apart, 0, :now - (:n - i) * :apart, 0, NULL, 0, NULL, 2, 0, NULL, 2, 0, NULL, 0, 0, NULL, 0, 0, NULL FROM n
"""
ALERT_ROWS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :n)
INSERT INTO alert (id, fingerprint, starts_at, status, labels, annotations, generator_url, ends_at, first_at, last_at, times)
SELECT i, printf('%016x', i * 7919), :now - (:n - i + 1) * :apart / :each, 2, printf('{"alertname":"HighRequestLatency","action":'
 || '"auto_rollback","instance":"node-%d.example.com:9100","job":"checkout","rollout":"r%03d","severity":"critical"}', i % 20000,
 i / :each % :rollouts), '{"summary":"Requests of checkout are slow"}', 'http://prometheus.example.com:9090/graph',
 :now - (:n - i) * :apart / :each, :now - (:n - i + 1) * :apart / :each, :now - (:n - i) * :apart / :each, 3 FROM n
"""
LINKS = "INSERT INTO incident_alert SELECT (id - 1) / :each + 1, id FROM alert"
SAID = "INSERT INTO said SELECT id, 1, 'r000', 1, (id - 1) / :each + 1, NULL, first_at FROM alert"
EVENTS = """
INSERT INTO event (at, incident_id, rollout, who, what, note) SELECT opened_at, id, rollout, 'alertmanager', 'opened', summary
 FROM incident
"""


def make(state, incidents, rollouts=20):
    """incidents of ALERTS alerts each, evenly over what retention keeps."""
    state.mkdir(mode=0o700)
    db = sqlite3.connect(state / "rollbackd.db")
    db.executescript("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;")
    db.executescript((ROOT / "tests/data/schema/v1.sql").read_text() + "".join(f"DELETE FROM {t};" for t in WRITTEN))
    now = int(time.time() * 1e6) - HOUR_US
    values = {"now": now, "apart": 300 * 24 * HOUR_US // incidents, "rollouts": rollouts, "each": ALERTS}
    with db:
        for statement, n in ((INCIDENTS, incidents), (ALERT_ROWS, incidents * ALERTS), (LINKS, 0), (SAID, 0), (EVENTS, 0)):
            db.execute(statement, {**values, "n": n})
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
