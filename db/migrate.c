#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>

#include "db/sqlite.h"
#include "server/core/text.h"

/* Append only: the n-th entry takes a database from version n to n + 1. Never change one that was shipped. */
static const char *const migrations[] = {
	"CREATE TABLE alert ("
	" id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, starts_at INTEGER NOT NULL,"
	" status INTEGER NOT NULL CHECK (status BETWEEN 1 AND 4), labels TEXT NOT NULL, annotations TEXT NOT NULL,"
	" generator_url TEXT NOT NULL, ends_at INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,"
	" times INTEGER NOT NULL DEFAULT 1, UNIQUE (fingerprint, starts_at)) STRICT;"
	"CREATE INDEX alert_last ON alert (last_at);"

	"CREATE TABLE incident ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL DEFAULT 1, rollout TEXT NOT NULL, playbook TEXT "
	"NOT NULL,"
	" severity TEXT NOT NULL, summary TEXT NOT NULL, kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 3),"
	" state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 8), plan TEXT NOT NULL, reason TEXT, opened_by TEXT NOT "
	"NULL,"
	" stage INTEGER NOT NULL, pct_before INTEGER NOT NULL, pct_wanted INTEGER NOT NULL, pct_seen INTEGER NOT NULL,"
	" already_there INTEGER NOT NULL, opened_at INTEGER NOT NULL, onset_at INTEGER NOT NULL, onset_from TEXT,"
	" due_at INTEGER NOT NULL, started_at INTEGER NOT NULL, applied_at INTEGER NOT NULL, verify_until INTEGER NOT "
	"NULL,"
	" next_probe INTEGER NOT NULL, verify_rounds INTEGER NOT NULL, verify_passes INTEGER NOT NULL, late INTEGER "
	"NOT NULL,"
	" rolled_back_at INTEGER NOT NULL, failed_at INTEGER NOT NULL, resolved_at INTEGER NOT NULL,"
	" quiet_since INTEGER NOT NULL, acknowledged_by TEXT, acknowledged_at INTEGER NOT NULL, eta TEXT,"
	" written INTEGER NOT NULL, written_at INTEGER NOT NULL, written_note TEXT,"
	" acknowledged INTEGER NOT NULL, acked_at INTEGER NOT NULL, acknowledged_note TEXT,"
	" effective INTEGER NOT NULL, effective_at INTEGER NOT NULL, effective_note TEXT,"
	" cured INTEGER NOT NULL, cured_at INTEGER NOT NULL, cured_note TEXT) STRICT;"
	/* At most one open incident per rollout: states 7 and 8 are cancelled and resolved. */
	"CREATE UNIQUE INDEX incident_live ON incident (rollout) WHERE state NOT IN (7, 8);"
	"CREATE INDEX incident_rollout ON incident (rollout, opened_at);"

	"CREATE TABLE incident_alert ("
	" incident_id INTEGER NOT NULL REFERENCES incident (id), alert_id INTEGER NOT NULL REFERENCES alert (id),"
	" PRIMARY KEY (incident_id, alert_id)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX incident_alert_alert ON incident_alert (alert_id);"

	"CREATE TABLE said ("
	" alert_id INTEGER NOT NULL REFERENCES alert (id), delivery INTEGER NOT NULL CHECK (delivery BETWEEN 1 AND 4),"
	" rollout TEXT NOT NULL, disposition INTEGER NOT NULL, incident_id INTEGER, reason TEXT, at INTEGER NOT NULL,"
	" PRIMARY KEY (alert_id, delivery, rollout)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE step ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, incident_id INTEGER NOT NULL REFERENCES incident (id), ord INTEGER NOT "
	"NULL,"
	" phase INTEGER NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL, spec TEXT NOT NULL,"
	" state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 6), attempts INTEGER NOT NULL, started_at INTEGER NOT NULL,"
	" ended_at INTEGER NOT NULL, output TEXT, UNIQUE (incident_id, ord)) STRICT;"

	"CREATE TABLE event ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, incident_id INTEGER NOT NULL, rollout TEXT NOT "
	"NULL,"
	" who TEXT NOT NULL, what TEXT NOT NULL, note TEXT) STRICT;"
	"CREATE INDEX event_incident ON event (incident_id, id);"
	"CREATE INDEX event_rollout ON event (rollout, id);"

	"CREATE TABLE outbox ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, incident_id INTEGER NOT NULL, rollout TEXT, channel TEXT NOT NULL,"
	" event TEXT NOT NULL, what TEXT NOT NULL, body TEXT NOT NULL, number INTEGER NOT NULL,"
	" state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 3), attempts INTEGER NOT NULL, queued_at INTEGER NOT NULL,"
	" due_at INTEGER NOT NULL, sent_at INTEGER NOT NULL, error TEXT) STRICT;"
	"CREATE INDEX outbox_queued ON outbox (channel, incident_id, id) WHERE state = 1;"
	"CREATE INDEX outbox_incident ON outbox (incident_id, channel);"
	"CREATE INDEX outbox_channel ON outbox (channel, state);"

	"CREATE TABLE rollout ("
	" name TEXT PRIMARY KEY, stage INTEGER NOT NULL, stage_since INTEGER NOT NULL, pct_wanted INTEGER NOT NULL,"
	" pct_seen INTEGER NOT NULL, pct_changed INTEGER NOT NULL, seen_at INTEGER NOT NULL, generation INTEGER NOT "
	"NULL,"
	" flags_sha TEXT) STRICT, WITHOUT ROWID;"

	"CREATE TABLE snapshot ("
	" incident_id INTEGER NOT NULL REFERENCES incident (id), name TEXT NOT NULL, unit TEXT NOT NULL, series TEXT, "
	"error TEXT,"
	" PRIMARY KEY (incident_id, name)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;",

	/* The rollout plan: where each rollout stands in it, who approved and ticked what. */
	"ALTER TABLE incident ADD COLUMN raises INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE incident ADD COLUMN review INTEGER NOT NULL DEFAULT 0;" /* 1 required, 2 done */
	"ALTER TABLE incident ADD COLUMN reviewed_by TEXT;"
	"ALTER TABLE incident ADD COLUMN reviewed_at INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX incident_review ON incident (rollout, id) WHERE review = 1;"
	/* One more state of a step; the numbers of steps go on where they were, for files of the command runner bear
           them. */
	"CREATE TABLE step_new ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, incident_id INTEGER NOT NULL REFERENCES incident (id), ord INTEGER NOT "
	"NULL,"
	" phase INTEGER NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL, spec TEXT NOT NULL,"
	" state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 7), attempts INTEGER NOT NULL, started_at INTEGER NOT NULL,"
	" ended_at INTEGER NOT NULL, output TEXT, UNIQUE (incident_id, ord)) STRICT;"
	"INSERT INTO step_new SELECT * FROM step;"
	"DELETE FROM sqlite_sequence WHERE name = 'step_new';"
	"INSERT INTO sqlite_sequence (name, seq) SELECT 'step_new', seq FROM sqlite_sequence WHERE name = 'step';"
	"DROP TABLE step;"
	"ALTER TABLE step_new RENAME TO step;"
	"CREATE TABLE progress ("
	" rollout TEXT PRIMARY KEY, run INTEGER NOT NULL, run_since INTEGER NOT NULL, entered INTEGER NOT NULL,"
	" clean INTEGER NOT NULL, clean_at INTEGER NOT NULL, clean_why TEXT, stopped_at INTEGER NOT NULL, held_by "
	"TEXT, held_since INTEGER NOT NULL,"
	" hold_note TEXT, plan_sha TEXT, restart_at INTEGER NOT NULL, frozen_until INTEGER NOT NULL,"
	" frozen_by TEXT, freeze_note TEXT) STRICT, WITHOUT ROWID;"
	"CREATE TABLE approval ("
	" rollout TEXT NOT NULL, run INTEGER NOT NULL, role TEXT NOT NULL, person TEXT NOT NULL, at INTEGER NOT NULL, "
	"note TEXT,"
	" PRIMARY KEY (rollout, run, role)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE tick ("
	" rollout TEXT NOT NULL, list TEXT NOT NULL, item TEXT NOT NULL, run INTEGER NOT NULL, person TEXT NOT NULL,"
	" at INTEGER NOT NULL, note TEXT, PRIMARY KEY (rollout, run, list, item)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE baseline ("
	" rollout TEXT NOT NULL, metric TEXT NOT NULL, value REAL NOT NULL, at INTEGER NOT NULL,"
	" PRIMARY KEY (rollout, metric)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE hold_span ("
	" id INTEGER PRIMARY KEY, rollout TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, why TEXT NOT "
	"NULL) STRICT;"
	"CREATE INDEX hold_span_rollout ON hold_span (rollout, since);"
	"CREATE INDEX hold_span_until ON hold_span (until);",

	/* What a report tells of each stay at a stage, and of what its criteria last said. */
	"CREATE TABLE stage_run ("
	" rollout TEXT NOT NULL, run INTEGER NOT NULL, stage INTEGER NOT NULL, entered INTEGER NOT NULL, clean INTEGER "
	"NOT NULL,"
	" until INTEGER NOT NULL, results TEXT NOT NULL, PRIMARY KEY (rollout, run)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX stage_run_until ON stage_run (until);",

	/* Who the database is (version 4 of RFC 9562), for names outside it. Rows from before go on under the names
           that they have. */
	"ALTER TABLE meta ADD COLUMN text TEXT;"
	"INSERT INTO meta (key, value, text) VALUES ('uuid', 0, lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) "
	"|| '-4' ||"
	" substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), "
	"2) || '-' ||"
	" hex(randomblob(6))));"
	"INSERT INTO meta (key, value) VALUES"
	" ('steps before uuid', COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'step'), 0)),"
	" ('messages before uuid', COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0));",

	/* The config that an incident goes by is kept once, under its hash; entering a stage is a kind of its own. */
	"CREATE TABLE config (sha TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"INSERT INTO config (sha, text) SELECT DISTINCT sha256(plan), plan FROM incident;"
	"CREATE TABLE incident_new ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL DEFAULT 1, rollout TEXT NOT NULL, playbook TEXT "
	"NOT NULL,"
	" severity TEXT NOT NULL, summary TEXT NOT NULL, kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 4),"
	" state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 8), config TEXT NOT NULL REFERENCES config (sha), reason "
	"TEXT, opened_by TEXT NOT NULL,"
	" stage INTEGER NOT NULL, pct_before INTEGER NOT NULL, pct_wanted INTEGER NOT NULL, pct_seen INTEGER NOT NULL,"
	" already_there INTEGER NOT NULL, opened_at INTEGER NOT NULL, onset_at INTEGER NOT NULL, onset_from TEXT,"
	" due_at INTEGER NOT NULL, started_at INTEGER NOT NULL, applied_at INTEGER NOT NULL, verify_until INTEGER NOT "
	"NULL,"
	" next_probe INTEGER NOT NULL, verify_rounds INTEGER NOT NULL, verify_passes INTEGER NOT NULL, late INTEGER "
	"NOT NULL,"
	" rolled_back_at INTEGER NOT NULL, failed_at INTEGER NOT NULL, resolved_at INTEGER NOT NULL,"
	" quiet_since INTEGER NOT NULL, acknowledged_by TEXT, acknowledged_at INTEGER NOT NULL, eta TEXT,"
	" written INTEGER NOT NULL, written_at INTEGER NOT NULL, written_note TEXT,"
	" acknowledged INTEGER NOT NULL, acked_at INTEGER NOT NULL, acknowledged_note TEXT,"
	" effective INTEGER NOT NULL, effective_at INTEGER NOT NULL, effective_note TEXT,"
	" cured INTEGER NOT NULL, cured_at INTEGER NOT NULL, cured_note TEXT,"
	" review INTEGER NOT NULL, reviewed_by TEXT, reviewed_at INTEGER NOT NULL, seen_at INTEGER NOT NULL,"
	" evidence_since INTEGER NOT NULL, asking INTEGER NOT NULL, unknown_rounds INTEGER NOT NULL) STRICT;"
	"INSERT INTO incident_new SELECT id, seq, rollout, playbook, severity, summary, iif(raises = 1, 4, kind), "
	"state, "
	" sha256(plan), reason, opened_by, stage, pct_before, pct_wanted, pct_seen, already_there, opened_at, onset_at,"
	" onset_from, due_at, started_at, applied_at, verify_until, next_probe, verify_rounds, verify_passes, late,"
	" rolled_back_at, failed_at, resolved_at, quiet_since, acknowledged_by, acknowledged_at, eta, written, "
	"written_at,"
	" written_note, acknowledged, acked_at, acknowledged_note, effective, effective_at, effective_note, cured,"
	" cured_at, cured_note, review, reviewed_by, reviewed_at, 0, max(opened_at, applied_at),"
	" already_there = 1 AND state = 3, 0 FROM incident;"
	"DELETE FROM sqlite_sequence WHERE name = 'incident_new';"
	"INSERT INTO sqlite_sequence (name, seq) SELECT 'incident_new', seq FROM sqlite_sequence WHERE name = "
	"'incident';"
	"DROP TABLE incident;"
	"ALTER TABLE incident_new RENAME TO incident;"
	"CREATE UNIQUE INDEX incident_live ON incident (rollout) WHERE state NOT IN (7, 8);"
	"CREATE INDEX incident_rollout ON incident (rollout, opened_at);"
	"CREATE INDEX incident_review ON incident (rollout, id) WHERE review = 1;"
	"CREATE INDEX incident_config ON incident (config);",

	/* A message's body is there once however many channels tell it, and for as long as it waits. Numbers of
           messages go on where they were: they are told outside. */
	"CREATE TABLE message_body (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;"
	"INSERT INTO message_body (id, body) SELECT id, body FROM outbox WHERE state = 1;"
	"CREATE TABLE outbox_new ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, incident_id INTEGER NOT NULL, rollout TEXT, channel TEXT NOT NULL,"
	" event TEXT NOT NULL, what TEXT NOT NULL, body INTEGER NOT NULL, page INTEGER NOT NULL CHECK (page IN (0, 1)),"
	" number INTEGER NOT NULL, state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4), attempts INTEGER NOT NULL,"
	" queued_at INTEGER NOT NULL, since INTEGER NOT NULL, due_at INTEGER NOT NULL, sent_at INTEGER NOT NULL,"
	" error TEXT) STRICT;"
	"INSERT INTO outbox_new SELECT id, incident_id, rollout, channel, event, what, iif(state = 1, id, 0), event = "
	"'page',"
	" number, state, attempts, queued_at, queued_at, due_at, sent_at, error FROM outbox;"
	"DELETE FROM sqlite_sequence WHERE name = 'outbox_new';"
	"INSERT INTO sqlite_sequence (name, seq) SELECT 'outbox_new', seq FROM sqlite_sequence WHERE name = 'outbox';"
	"DROP TABLE outbox;"
	"ALTER TABLE outbox_new RENAME TO outbox;"
	"CREATE INDEX outbox_queued ON outbox (channel, incident_id, id) WHERE state = 1;"
	"CREATE INDEX outbox_body ON outbox (body) WHERE state = 1;"
	"CREATE INDEX outbox_incident ON outbox (incident_id, channel);"
	"CREATE INDEX outbox_channel ON outbox (channel, state);",

	/* An episode is one time of an alert's firing: startsAt names it no longer, for the same may come twice. */
	"CREATE TABLE alert_new ("
	" id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, starts_at INTEGER NOT NULL,"
	" status INTEGER NOT NULL CHECK (status BETWEEN 1 AND 4), labels TEXT NOT NULL, annotations TEXT NOT NULL,"
	" generator_url TEXT NOT NULL, ends_at INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,"
	" times INTEGER NOT NULL, began INTEGER NOT NULL, ended INTEGER NOT NULL, stale_at INTEGER NOT NULL,"
	" stale_times INTEGER NOT NULL, decided TEXT) STRICT;"
	"INSERT INTO alert_new SELECT id, fingerprint, starts_at, status, labels, annotations, generator_url, ends_at,"
	" first_at, last_at, times, starts_at, iif(status = 2, coalesce((SELECT min(at) FROM said WHERE alert_id = a.id"
	" AND delivery = 2), last_at), 0), coalesce((SELECT min(at) FROM said WHERE alert_id = a.id AND delivery = 3),"
	" 0), 0, NULL FROM alert a;"
	"DROP TABLE alert;"
	"ALTER TABLE alert_new RENAME TO alert;"
	"CREATE INDEX alert_last ON alert (last_at);"
	"CREATE INDEX alert_episodes ON alert (fingerprint, began);",

	/* Steps that are under way, whatever became of their incident. */
	"CREATE INDEX step_running ON step (incident_id) WHERE state = 2;",

	/* Lists of incidents are ranges of an index. Their order is the place: the millisecond of opening, or the next
           that is free, so that it is one number, and no other's. */
	"ALTER TABLE incident ADD COLUMN place INTEGER NOT NULL DEFAULT 0;"
	"UPDATE incident SET place = p FROM (SELECT id AS i, n + max(opened_at / 1000 - n) OVER (ORDER BY n ROWS"
	" UNBOUNDED PRECEDING) AS p FROM (SELECT id, opened_at, row_number() OVER (ORDER BY opened_at, id) AS n FROM"
	" incident)) WHERE id = i;"
	"DROP INDEX incident_rollout;"
	"CREATE UNIQUE INDEX incident_place ON incident (place);"
	"CREATE INDEX incident_kind ON incident (kind, place);"
	"CREATE INDEX incident_rollout ON incident (rollout, kind, place);"
	"CREATE INDEX incident_ended ON incident (state, kind, place) WHERE state IN (7, 8);"
	"CREATE INDEX incident_ended_of ON incident (rollout, state, kind, place) WHERE state IN (7, 8);"
	"CREATE INDEX incident_resolved ON incident (resolved_at) WHERE resolved_at <> 0;"
	"CREATE INDEX incident_acted ON incident (rollout, max(rolled_back_at, applied_at, started_at)) WHERE kind < "
	"3;"
	"CREATE INDEX event_lone ON event (at) WHERE incident_id = 0;"
	"CREATE INDEX event_plan ON event (rollout, what) WHERE incident_id = 0;"
	"CREATE INDEX outbox_lone ON outbox (queued_at) WHERE incident_id = 0;"
	/* By state, so that the last episode of one is found without the others. */
	"DROP INDEX alert_episodes;"
	"CREATE INDEX alert_episodes ON alert (fingerprint, status, began);"
	/* How many messages of a channel wait, and how many were given up: counted where they change. */
	"CREATE TABLE outbox_count (channel TEXT PRIMARY KEY, queued INTEGER NOT NULL, undeliverable INTEGER NOT NULL)"
	" STRICT, WITHOUT ROWID;"
	"INSERT INTO outbox_count SELECT channel, sum(state = 1), sum(state = 3) FROM outbox GROUP BY channel;"
	"CREATE TRIGGER outbox_added AFTER INSERT ON outbox BEGIN"
	" INSERT INTO outbox_count VALUES (new.channel, new.state = 1, new.state = 3) ON CONFLICT (channel) DO UPDATE"
	" SET queued = queued + excluded.queued, undeliverable = undeliverable + excluded.undeliverable; END;"
	"CREATE TRIGGER outbox_changed AFTER UPDATE OF state ON outbox WHEN new.state <> old.state BEGIN"
	" UPDATE outbox_count SET queued = queued + (new.state = 1) - (old.state = 1), undeliverable = undeliverable +"
	" (new.state = 3) - (old.state = 3) WHERE channel = new.channel; END;"
	"CREATE TRIGGER outbox_gone AFTER DELETE ON outbox BEGIN"
	" UPDATE outbox_count SET queued = queued - (old.state = 1), undeliverable = undeliverable - (old.state = 3)"
	" WHERE channel = old.channel; DELETE FROM outbox_count WHERE channel = old.channel AND NOT EXISTS"
	" (SELECT 1 FROM outbox WHERE channel = old.channel); END;",

	/* The search (search.h): the texts of incidents by place and number, which trigrams are in them, and which
           texts are yet to go into the index, or out of it. */
	"CREATE TABLE search_text (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;"
	"CREATE TABLE search_todo (id INTEGER PRIMARY KEY, gone INTEGER NOT NULL) STRICT;"
	"CREATE VIRTUAL TABLE search USING fts5 (text, content = 'search_text', content_rowid = 'id', tokenize = "
	"'trigram', columnsize = 0, detail = none);"
	"INSERT INTO meta (key, value) SELECT 'search from', coalesce(max(place) + 1, 0) FROM incident;",

	/* Alerts of incidents that are not resolved, which raising asks about: of a rollout by its incidents' places;
           those of the last days are enough. And the rollbacks of a day, to be counted without reading them. */
	"CREATE TABLE unresolved (rollout TEXT NOT NULL, place INTEGER NOT NULL, alert_id INTEGER NOT NULL,"
	" PRIMARY KEY (rollout, place, alert_id)) STRICT, WITHOUT ROWID;"
	"INSERT INTO unresolved SELECT n.rollout, n.place, a.id FROM incident n CROSS JOIN incident_alert i ON"
	" i.incident_id = n.id CROSS JOIN alert a ON a.id = i.alert_id WHERE n.place > (unixepoch() - 40 * 86400) * "
	"1000"
	" AND n.kind <> 3 AND a.status = 1;"
	"DROP INDEX incident_acted;"
	"CREATE INDEX incident_acted ON incident (rollout, max(rolled_back_at, applied_at, started_at), started_at, "
	"state,"
	" already_there, kind, rolled_back_at, applied_at) WHERE kind < 3;",

	/* What was written before there were limits is shortened once, not whenever it is read. Indexes: in words that
           every engine knows; and those of what is about no incident begin with that, or SQLite takes another one. */
	"UPDATE message_body SET body = json_object('what', json_extract(body, '$.what'), 'title', json_extract(body,"
	" '$.title'), 'link', json_extract(body, '$.link'), 'text', substr(json_extract(body, '$.text'), 1, 30000),"
	" 'incident', NULL) WHERE length(body) > 1048576 AND json_valid(body);"
	"DROP INDEX incident_acted;"
	"CREATE INDEX incident_acted ON incident (rollout, (CASE WHEN rolled_back_at >= applied_at AND rolled_back_at"
	" >= started_at THEN rolled_back_at WHEN applied_at >= started_at THEN applied_at ELSE started_at END),"
	" started_at, state, already_there, kind, rolled_back_at, applied_at) WHERE kind < 3;"
	"DROP INDEX event_lone;"
	"CREATE INDEX event_lone ON event (incident_id, at) WHERE incident_id = 0;"
	"DROP INDEX event_plan;"
	"CREATE INDEX event_plan ON event (incident_id, rollout, what) WHERE incident_id = 0;"
	"DROP INDEX outbox_lone;"
	"CREATE INDEX outbox_lone ON outbox (incident_id, queued_at) WHERE incident_id = 0;",

	/* Where a copy moved the start of an episode back to: by more than replicas differ. */
	"ALTER TABLE alert ADD COLUMN told_start INTEGER NOT NULL DEFAULT 0;",

	/* A later trigger that decides an incident, and what was preserved for each. 0: the first one. */
	"ALTER TABLE incident ADD COLUMN decided_at INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE incident ADD COLUMN decided_alert INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE incident ADD COLUMN decided_by TEXT;"
	"ALTER TABLE incident ADD COLUMN acted_at INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE snapshot_new ("
	" incident_id INTEGER NOT NULL REFERENCES incident (id), decided_at INTEGER NOT NULL, name TEXT NOT NULL,"
	" unit TEXT NOT NULL, series TEXT, error TEXT, PRIMARY KEY (incident_id, decided_at, name)) STRICT, WITHOUT "
	"ROWID;"
	"INSERT INTO snapshot_new SELECT incident_id, 0, name, unit, series, error FROM snapshot;"
	"DROP TABLE snapshot;"
	"ALTER TABLE snapshot_new RENAME TO snapshot;",

	/* An approval is of something (of leaving its stage: ''), by what was shown, and counts until that turns bad. A
           checkmark may be what a program found. What is done once for a rollout, whatever its runs. */
	"CREATE TABLE approval_new ("
	" rollout TEXT NOT NULL, run INTEGER NOT NULL, subject TEXT NOT NULL, role TEXT NOT NULL, person TEXT NOT NULL,"
	" at INTEGER NOT NULL, note TEXT, evidence TEXT, evidence_sha TEXT, void_at INTEGER NOT NULL, void_why TEXT,"
	" PRIMARY KEY (rollout, run, subject, role)) STRICT, WITHOUT ROWID;"
	"INSERT INTO approval_new SELECT rollout, run, '', role, person, at, note, NULL, NULL, 0, NULL FROM approval;"
	"DROP TABLE approval;"
	"ALTER TABLE approval_new RENAME TO approval;"
	"ALTER TABLE tick ADD COLUMN verdict INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE tick ADD COLUMN link TEXT;"
	"ALTER TABLE tick ADD COLUMN sha TEXT;"
	"ALTER TABLE tick ADD COLUMN expires INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE settled ("
	" rollout TEXT NOT NULL, kind INTEGER NOT NULL, text TEXT NOT NULL, person TEXT NOT NULL, at INTEGER NOT NULL,"
	" note TEXT, PRIMARY KEY (rollout, kind, text)) STRICT, WITHOUT ROWID;",

	/* How many samples stand behind a number of the old way; 0: of before, or not asked. */
	"ALTER TABLE baseline ADD COLUMN samples REAL NOT NULL DEFAULT 0;",

	/* A fifth kind. What a table checks is part of its text alone: no row is written again. */
	"PRAGMA writable_schema = ON;"
	"UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (kind BETWEEN 1 AND 4)', 'CHECK (kind BETWEEN 1 AND 5)')"
	" WHERE name = 'incident';"
	"PRAGMA writable_schema = RESET;",
};

/* sha256(text), for the statements above. */
static void sql_sha256(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	const char *text = (const char *)sqlite3_value_text(v[0]);
	char hex[65];

	(void)n;
	if (text && text_sha256(text, (size_t)sqlite3_value_bytes(v[0]), hex) == 0)
		sqlite3_result_text(ctx, hex, -1, SQLITE_TRANSIENT);
	else
		sqlite3_result_error(ctx, "no hash", -1);
}

/* A table that others refer to is made anew and takes its old name: they are checked afterwards, not meanwhile
 * (sqlite.org/lang_altertable.html, section 7). */
static int check_references(sqlite3 *sql)
{
	char table[100];
	int r = sqlite_ask(sql, "PRAGMA foreign_key_check", table, sizeof(table));

	return r == 1 ? -EEXIST : r;
}

static int migrate_one(sqlite3 *sql, int from)
{
	assert(from >= 0 && from < (int)ARRAY_LEN(migrations));
	char version[64];
	int r = sqlite_do(sql, "BEGIN IMMEDIATE");

	snprintf(version, sizeof(version), "PRAGMA user_version = %d", from + 1);
	if (r == 0)
		r = sqlite_do(sql, migrations[from]);
	if (r == 0)
		r = sqlite_do(sql, version);
	if (r == 0 && strstr(migrations[from], "DROP TABLE"))
		r = check_references(sql);
	if (r == 0)
		r = sqlite_do(sql, "COMMIT");
	if (r < 0)
		(void)!sqlite_do(sql, "ROLLBACK");
	return r;
}

static int prepare(sqlite3 *sql)
{
	int code = sqlite3_create_function(sql, "sha256", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, sql_sha256, NULL,
	                                   NULL);

	/* else no migration may change what a table checks */
	if (code == SQLITE_OK)
		code = sqlite3_db_config(sql, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
	return code == SQLITE_OK ? sqlite_do(sql, "PRAGMA foreign_keys = OFF") : db_errno(code);
}

int db_migrate(sqlite3 *sql, char *why, size_t size)
{
	assert(sql && why && size > 0);
	const int newest = (int)ARRAY_LEN(migrations);
	char number[20] = "";
	int r = sqlite_ask(sql, "PRAGMA user_version", number, sizeof(number)), version = atoi(number);

	if (r == 1 && version > newest) {
		snprintf(why, size,
		         "the database was written by a newer rollbackd (version %d, this one knows %d): install that "
		         "one",
		         version, newest);
		return -EPROTO;
	}
	if (r == 1 && version == newest)
		return 0;
	r = r < 0 ? r : prepare(sql);
	for (; r == 0 && version < newest; version++)
		r = migrate_one(sql, version);
	if (r == 0) /* the room of tables that were made anew is given back */
		r = sqlite_do(sql, "PRAGMA incremental_vacuum; PRAGMA foreign_keys = ON");
	if (r == 0)
		r = db_errno(sqlite3_db_config(sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL));
	if (r < 0)
		snprintf(why, size, "the database could not be brought up to date: %s", sqlite3_errmsg(sql));
	return r;
}
