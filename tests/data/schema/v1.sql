-- The database of version 1, as it was shipped: never changed. tests/unit/test_db.c opens it with the current program.
CREATE TABLE alert ( id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, starts_at INTEGER NOT NULL, status INTEGER NOT
  NULL CHECK (status BETWEEN 1 AND 4), labels TEXT NOT NULL, annotations TEXT NOT NULL, generator_url TEXT NOT NULL,
  ends_at INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, times INTEGER NOT NULL DEFAULT 1,
  UNIQUE (fingerprint, starts_at)) STRICT;
CREATE INDEX alert_last ON alert (last_at);
CREATE TABLE incident ( id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL DEFAULT 1, rollout TEXT NOT NULL,
  playbook TEXT NOT NULL, severity TEXT NOT NULL, summary TEXT NOT NULL, kind INTEGER NOT NULL CHECK (kind BETWEEN 1
  AND 3), state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 8), plan TEXT NOT NULL, reason TEXT, opened_by TEXT NOT
  NULL, stage INTEGER NOT NULL, pct_before INTEGER NOT NULL, pct_wanted INTEGER NOT NULL, pct_seen INTEGER NOT NULL,
  already_there INTEGER NOT NULL, opened_at INTEGER NOT NULL, onset_at INTEGER NOT NULL, onset_from TEXT, due_at
  INTEGER NOT NULL, started_at INTEGER NOT NULL, applied_at INTEGER NOT NULL, verify_until INTEGER NOT NULL,
  next_probe INTEGER NOT NULL, verify_rounds INTEGER NOT NULL, verify_passes INTEGER NOT NULL, late INTEGER NOT NULL,
  rolled_back_at INTEGER NOT NULL, failed_at INTEGER NOT NULL, resolved_at INTEGER NOT NULL, quiet_since INTEGER NOT
  NULL, acknowledged_by TEXT, acknowledged_at INTEGER NOT NULL, eta TEXT, written INTEGER NOT NULL, written_at INTEGER
  NOT NULL, written_note TEXT, acknowledged INTEGER NOT NULL, acked_at INTEGER NOT NULL, acknowledged_note TEXT,
  effective INTEGER NOT NULL, effective_at INTEGER NOT NULL, effective_note TEXT, cured INTEGER NOT NULL, cured_at
  INTEGER NOT NULL, cured_note TEXT) STRICT;
CREATE UNIQUE INDEX incident_live ON incident (rollout) WHERE state NOT IN (7, 8);
CREATE INDEX incident_rollout ON incident (rollout, opened_at);
CREATE TABLE incident_alert ( incident_id INTEGER NOT NULL REFERENCES incident (id), alert_id INTEGER NOT NULL
  REFERENCES alert (id), PRIMARY KEY (incident_id, alert_id)) STRICT, WITHOUT ROWID;
CREATE INDEX incident_alert_alert ON incident_alert (alert_id);
CREATE TABLE said ( alert_id INTEGER NOT NULL REFERENCES alert (id), delivery INTEGER NOT NULL CHECK (delivery BETWEEN
  1 AND 4), rollout TEXT NOT NULL, disposition INTEGER NOT NULL, incident_id INTEGER, reason TEXT, at INTEGER NOT
  NULL, PRIMARY KEY (alert_id, delivery, rollout)) STRICT, WITHOUT ROWID;
CREATE TABLE step ( id INTEGER PRIMARY KEY AUTOINCREMENT, incident_id INTEGER NOT NULL REFERENCES incident (id), ord
  INTEGER NOT NULL, phase INTEGER NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL, spec TEXT NOT NULL, state
  INTEGER NOT NULL CHECK (state BETWEEN 1 AND 6), attempts INTEGER NOT NULL, started_at INTEGER NOT NULL, ended_at
  INTEGER NOT NULL, output TEXT, UNIQUE (incident_id, ord)) STRICT;
CREATE TABLE event ( id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, incident_id INTEGER NOT NULL, rollout
  TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, note TEXT) STRICT;
CREATE INDEX event_incident ON event (incident_id, id);
CREATE INDEX event_rollout ON event (rollout, id);
CREATE TABLE outbox ( id INTEGER PRIMARY KEY AUTOINCREMENT, incident_id INTEGER NOT NULL, rollout TEXT, channel TEXT
  NOT NULL, event TEXT NOT NULL, what TEXT NOT NULL, body TEXT NOT NULL, number INTEGER NOT NULL, state INTEGER NOT
  NULL CHECK (state BETWEEN 1 AND 3), attempts INTEGER NOT NULL, queued_at INTEGER NOT NULL, due_at INTEGER NOT NULL,
  sent_at INTEGER NOT NULL, error TEXT) STRICT;
CREATE INDEX outbox_queued ON outbox (channel, incident_id, id) WHERE state = 1;
CREATE INDEX outbox_incident ON outbox (incident_id, channel);
CREATE INDEX outbox_channel ON outbox (channel, state);
CREATE TABLE rollout ( name TEXT PRIMARY KEY, stage INTEGER NOT NULL, stage_since INTEGER NOT NULL, pct_wanted INTEGER
  NOT NULL, pct_seen INTEGER NOT NULL, pct_changed INTEGER NOT NULL, seen_at INTEGER NOT NULL, generation INTEGER NOT
  NULL, flags_sha TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE snapshot ( incident_id INTEGER NOT NULL REFERENCES incident (id), name TEXT NOT NULL, unit TEXT NOT NULL,
  series TEXT, error TEXT, PRIMARY KEY (incident_id, name)) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO alert VALUES (1, 'aaaa', 1000, 1, '{"alertname":"A"}', '{}', 'http://p', 0, 2000, 3000, 2);
INSERT INTO incident (id, seq, rollout, playbook, severity, summary, kind, state, plan, reason, opened_by, stage, pct_before,
  pct_wanted, pct_seen, already_there, opened_at, onset_at, onset_from, due_at, started_at, applied_at, verify_until,
  next_probe, verify_rounds, verify_passes, late, rolled_back_at, failed_at, resolved_at, quiet_since, acknowledged_by,
  acknowledged_at, eta, written, written_at, written_note, acknowledged, acked_at, acknowledged_note, effective,
  effective_at, effective_note, cured, cured_at, cured_note)
  VALUES (7, 3, 'shop', 'auto-rollback', 'critical', 'errors', 1, 4, '{}', NULL, 'alertmanager', 1, 1000, 0, 0, 0, 5000, 1000,
  'startsAt', 5000, 5001, 5002, 6000, 0, 2, 2, 0, 5500, 0, 0, 0, NULL, 0, NULL, 1, 5001, NULL, 1, 5500, '6 of 6', 0, 0, NULL,
  0, 0, NULL);
INSERT INTO incident_alert VALUES (7, 1);
INSERT INTO said VALUES (1, 1, 'shop', 1, 7, 'matched', 5000);
INSERT INTO step VALUES (9, 7, 0, 1, 1, 'set percentage', '{}', 3, 1, 5001, 5002, 'done');
INSERT INTO event VALUES (11, 5000, 7, 'shop', 'alertmanager', 'opened', NULL);
INSERT INTO outbox VALUES (13, 7, 'shop', 'chat', 'incident', 'opened', '{}', 1, 1, 0, 5000, 5000, 0, NULL);
INSERT INTO rollout VALUES ('shop', 1, 100, 0, 0, 5000, 5500, 4, NULL);
INSERT INTO snapshot VALUES (7, 'error_rate', 'ratio', '[]', NULL);
INSERT INTO meta VALUES ('heartbeat', 4000);
PRAGMA user_version = 1;
