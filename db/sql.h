/*
 * Every statement, prepared when a connection opens: a typo stops the start, not the night. Times are unix
 * microseconds.
 */
#ifndef DB_SQL_H
#define DB_SQL_H

#include <stdbool.h>
#include "db/columns.h"

#define INCIDENT_COLUMNS COLUMNS(INCIDENT_ROW)
/* Between two numbers, which are not among them. */
#define EVENTS_WHERE(where)                                                                                            \
	"SELECT " COLUMNS(EVENT_ROW) " FROM event WHERE " where "id > ?3 AND id < ?4 ORDER BY "                        \
				     "id"
#define EVENTS_NEWEST(where) EVENTS_WHERE(where) " DESC LIMIT ?5"
#define EVENTS_OLDEST(where) EVENTS_WHERE(where) " LIMIT ?5"
/* Last in a statement that query_insert runs. */
#define SQL_RETURNING_ID " RETURNING id"
#define OPEN             "state NOT IN (7, 8)"
#define ENDED            "state IN (7, 8)"
/* As the index incident_acted has it: the latest of the three. */
#define LAST_ACTED                                                                                                     \
	"CASE WHEN rolled_back_at >= applied_at AND rolled_back_at >= started_at THEN rolled_back_at WHEN applied_at"  \
	" >= started_at THEN applied_at ELSE started_at END"
/* Incidents by their place, newest first: ?1 rollout, ?2 state, ?3 below and ?4 from this place, ?5 to ?6 opened, ?7
 * limit, ?8 to ?10 kinds. Each kind is a range of an index, and they are merged: nothing is read that is not shown. */
#define LISTED_KIND(where, kind)                                                                                       \
	"SELECT id AS i, place AS p FROM incident WHERE " where "kind = " kind " AND place < ?3 AND place >= ?4"       \
	" AND opened_at BETWEEN ?5 AND ?6"
#define LISTED_IDS(where)                                                                                              \
	"(" LISTED_KIND(where, "?8") " UNION ALL " LISTED_KIND(where, "?9") " UNION ALL " LISTED_KIND(                 \
		where, "?10") " ORDER BY p DESC LIMIT ?7)"
#define LISTED(where)                                                                                                  \
	"SELECT " INCIDENT_COLUMNS " FROM " LISTED_IDS(where) " AS l JOIN incident ON id = i ORDER BY place DESC"
/* There is one of a rollout at most. */
#define LISTED_LIVE                                                                                                    \
	"incident n WHERE " OPEN " AND (?1 IS NULL OR rollout = ?1) AND (?2 = 0 OR"                                    \
	" state = ?2) AND +kind IN (?8, ?9, ?10) AND +place < ?3 AND +place >= ?4 AND opened_at BETWEEN ?5 AND ?6"
#define PIECES_OF                                                                                                      \
	"id >= (SELECT place FROM incident WHERE id = ?1) << 20 AND id < (SELECT place + 1 FROM incident WHERE id ="   \
	" ?1) << 20"
/* Does piece t of incident n hold the text, and the incident the rest. */
#define SEARCH_HOLDS                                                                                                   \
	"instr(lower(t.text), lower(?11)) > 0 AND (?1 IS NULL OR n.rollout = ?1) AND (?2 = 0 OR n.state = ?2)"         \
	" AND n.kind IN (?8, ?9, ?10) AND n.place < ?3 AND n.opened_at BETWEEN ?5 AND ?6"
#define SEARCH_LISTED_BY(where)                                                                                        \
	"SELECT p, EXISTS (SELECT 1 FROM search_text t WHERE t.id >= p << 20 AND t.id < (p + 1) << 20 AND"             \
	" instr(lower(t.text), lower(?11)) > 0) FROM " LISTED_IDS(where) " AS l ORDER BY p DESC"
/* Rows of before there were limits may hold megabytes in one column. They are never read whole. */
#define BOUNDED(column, most, instead) "CASE WHEN length(" column ") <= " most " THEN " column " ELSE " instead " END"
#define SERIES_READ                    BOUNDED("series", "524288", "NULL")
#define LABELS_READ                    BOUNDED("a.labels", "262144", "'{}'")
#define ANNOTATIONS_READ                                                                                               \
	BOUNDED("a.annotations", "262144", "'{\"rollbackd_not_kept\":\"all annotations, which were too long\"}'")

/* A time that moves by ?1 with the clock, if it is younger than ?2; none passes another on its way (deadlines.c). */
#define MOVED(c)                                                                                                       \
	c " = CASE WHEN " c " > ?2 AND " c " < 4000000000000000000 THEN CASE WHEN " c " + ?1 > ?2 THEN " c             \
	  " + ?1 ELSE ?2 END ELSE " c " END"
/* The incidents that may have a time younger than ?2. */
#define RECENT                                                                                                         \
	"(SELECT id FROM incident WHERE " OPEN " UNION ALL SELECT id FROM incident WHERE resolved_at <> 0 AND "        \
	"resolved_at > ?2)"
#define MOVED_2(a, b)       MOVED(a) "," MOVED(b)
#define MOVED_4(a, b, c, d) MOVED_2(a, b) "," MOVED_2(c, d)

/* X(id, writes, types, text): statements that write are prepared on the writing connection only. types: a letter for
 * each parameter, from ?1: i a whole number of 64 bits, d a double, t a text. A second engine cannot tell them from the
 * text. */
#define SQL_STATEMENTS(X)                                                                                              \
	X(SQL_BEGIN, 1, "", "BEGIN IMMEDIATE")                                                                         \
	X(SQL_COMMIT, 1, "", "COMMIT")                                                                                 \
	X(SQL_ROLLBACK, 1, "", "ROLLBACK")                                                                             \
	X(SQL_SAVEPOINT, 1, "", "SAVEPOINT job")                                                                       \
	X(SQL_RELEASE, 1, "", "RELEASE job")                                                                           \
	X(SQL_UNDO, 1, "", "ROLLBACK TO job")                                                                          \
	X(SQL_MOMENT, 0, "", "BEGIN")                                                                                  \
	X(SQL_MOMENT_END, 0, "", "END")                                                                                \
	X(EPISODE_LAST, 0, "ti",                                                                                       \
	  "SELECT " COLUMNS(EPISODE_ROW) " FROM alert WHERE fingerprint = ?1 AND status = ?2 ORDER BY began DESC, "    \
	                                 "id DESC LIMIT 1")                                                            \
	X(EPISODE_ANY, 0, "t", "SELECT id FROM alert WHERE fingerprint = ?1 LIMIT 1")                                  \
	X(EPISODE_FIRING, 0, "t", "SELECT " COLUMNS(EPISODE_ROW) " FROM alert WHERE fingerprint = ?1 AND status = 1")  \
	X(ALERT_ADD, 1, "tiitttiiit",                                                                                  \
	  "INSERT INTO alert (fingerprint, starts_at, status, labels, annotations, generator_url, ends_at,"            \
	  " first_at, last_at, times, began, ended, stale_at, stale_times, decided)"                                   \
	  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 1, ?9, CASE WHEN ?3 = 2 THEN ?8 ELSE 0 END, 0, 0, ?10"         \
	  ")" SQL_RETURNING_ID)                                                                                        \
	X(ALERT_AGAIN, 1, "ii", "UPDATE alert SET last_at = ?2, times = times + 1 WHERE id = ?1")                      \
	/* Nothing is written that is there already; last_at is right within a second. */                              \
	X(ALERT_COPY, 1, "iitti",                                                                                      \
	  "UPDATE alert SET last_at = ?2, times = times + 1, labels = ?3, annotations = ?4, told_start = ?5 WHERE id " \
	  "= ?1 AND"                                                                                                   \
	  " status = 1 AND NOT (last_at > ?2 - 1000000 AND last_at <= ?2 AND labels = ?3 AND annotations = ?4 AND "    \
	  "told_start = ?5)")                                                                                          \
	X(ALERT_END, 1, "iii", "UPDATE alert SET status = 2, ends_at = ?2, ended = ?3 WHERE id = ?1 AND status = 1")   \
	X(ALERT_ENDED_AGAIN, 1, "ii",                                                                                  \
	  "UPDATE alert SET last_at = ?2, times = times + 1, ended = ?2, stale_times = 0 WHERE id = ?1 AND status = "  \
	  "2")                                                                                                         \
	X(ALERT_STALE, 1, "ii",                                                                                        \
	  "UPDATE alert SET stale_at = CASE WHEN stale_at = 0 THEN ?2 ELSE stale_at END, stale_times = stale_times + " \
	  "1 WHERE id = ?1")                                                                                           \
	X(ALERT_DECIDED, 1, "it", "UPDATE alert SET decided = ?2 WHERE id = ?1")                                       \
	X(DISPOSITION_WITHDRAW, 1, "ii", "DELETE FROM said WHERE alert_id = ?1 AND delivery = ?2 AND rollout = ''")    \
	X(ALERT_LOAD, 0, "i", "SELECT " COLUMNS(ALERT_ROW) " FROM alert a WHERE id = ?1")                              \
	X(DISPOSITION_ADD, 1, "iitiiti",                                                                               \
	  "INSERT INTO said (alert_id, delivery, rollout, disposition, incident_id, reason, at)"                       \
	  " VALUES (?1, ?2, ?3, ?4, nullif(?5, 0), ?6, ?7)")                                                           \
	X(DISPOSITION_OF_ALERT, 0, "ii",                                                                               \
	  "SELECT " COLUMNS(DISPOSITION_ROW) " FROM said WHERE alert_id = ?1 AND delivery = ?2 ORDER BY rollout")      \
	X(ALERT_ATTACH, 1, "ii",                                                                                       \
	  "INSERT INTO incident_alert (incident_id, alert_id) VALUES (?1, ?2) ON CONFLICT (incident_id, alert_id) DO " \
	  "NOTHING")                                                                                                   \
	X(ALERT_OF_INCIDENT, 0, "ii",                                                                                  \
	  "SELECT " COLUMNS(ALERT_ROW) " FROM incident_alert i JOIN alert a ON a.id = i.alert_id"                      \
	                               " WHERE i.incident_id = ?1 ORDER BY i.alert_id LIMIT ?2")                       \
	X(ALERT_COUNT, 0, "i",                                                                                         \
	  "SELECT count(*), count(*) FILTER (WHERE a.status = 1) FROM incident_alert i JOIN alert a ON a.id = "        \
	  "i.alert_id WHERE i.incident_id = ?1")                                                                       \
	X(ALERT_LABELS_OF_INCIDENT, 0, "ii",                                                                           \
	  "SELECT DISTINCT a.labels FROM incident_alert i JOIN alert a ON a.id = i.alert_id WHERE i.incident_id = ?1"  \
	  " LIMIT ?2")                                                                                                 \
	X(ALERT_INCIDENTS, 0, "ii",                                                                                    \
	  "SELECT i.incident_id FROM incident_alert i JOIN incident n ON n.id = i.incident_id"                         \
	  " WHERE i.alert_id = ?1 AND n." OPEN " ORDER BY i.incident_id LIMIT ?2")                                     \
	X(INCIDENT_ADD, 1, COLUMNS_TYPES(INCIDENT_ROW), INSERT_ROW("incident", INCIDENT_ROW) SQL_RETURNING_ID)         \
	X(INCIDENT_SAVE, 1, COLUMNS_TYPES(INCIDENT_ROW_REST) "ii",                                                     \
	  "UPDATE incident SET seq = seq + 1, " COLUMNS_SET(INCIDENT_ROW_REST) " WHERE id = ? AND seq = ?")            \
	X(CONFIG_PUT, 1, "tt", "INSERT INTO config (sha, text) VALUES (?1, ?2) ON CONFLICT (sha) DO NOTHING")          \
	X(CONFIG_DROP, 1, "t",                                                                                         \
	  "DELETE FROM config WHERE sha = ?1 AND NOT EXISTS (SELECT 1 FROM incident i WHERE i.config = ?1)")           \
	X(CONFIG_OF_INCIDENT, 0, "i", "SELECT config FROM incident WHERE id = ?1")                                     \
	X(CONFIG_LOAD, 0, "t", "SELECT text FROM config WHERE sha = ?1")                                               \
	X(INCIDENT_LOAD, 0, "i", "SELECT " INCIDENT_COLUMNS " FROM incident WHERE id = ?1")                            \
	X(INCIDENT_OPEN_OF, 0, "t", "SELECT " INCIDENT_COLUMNS " FROM incident WHERE rollout = ?1 AND " OPEN)          \
	X(INCIDENT_OPEN_IDS, 0, "", "SELECT id FROM incident WHERE " OPEN " ORDER BY +id")                             \
	X(INCIDENT_LIST, 0, "tiiiiiiiii", LISTED(""))                                                                  \
	X(INCIDENT_LIST_OF, 0, "tiiiiiiiii", LISTED("rollout = ?1 AND "))                                              \
	X(INCIDENT_LIST_ENDED, 0, "tiiiiiiiii", LISTED("state = ?2 AND " ENDED " AND "))                               \
	X(INCIDENT_LIST_ENDED_OF, 0, "tiiiiiiiii", LISTED("rollout = ?1 AND state = ?2 AND " ENDED " AND "))           \
	X(INCIDENT_LIST_LIVE, 0, "tiiiiiiiii",                                                                         \
	  "SELECT " INCIDENT_COLUMNS " FROM " LISTED_LIVE " ORDER BY +place DESC LIMIT ?7")                            \
	X(INCIDENT_AT, 0, "i", "SELECT " INCIDENT_COLUMNS " FROM incident WHERE place = ?1")                           \
	/* As the lists; ?11 the text, ?12 its trigrams, ?13 the piece above. Whether the rest holds is a column: what \
	 * was looked at is bounded by ?7. What is not in the index yet is looked at as it is. */                      \
	X(SEARCH_FIND, 0, "tiiiiiiiiitti",                                                                             \
	  "SELECT s.rowid AS id, " SEARCH_HOLDS                                                                        \
	  " FROM search s JOIN search_text t ON t.id = s.rowid JOIN incident n ON n.place = t.id >> 20"                \
	  " WHERE s.search MATCH ?12 AND s.rowid < ?13 AND s.rowid >= ?4 << 20 UNION ALL SELECT d.id, " SEARCH_HOLDS   \
	  " FROM search_todo d JOIN search_text t ON t.id = d.id JOIN incident n ON n.place = t.id >> 20"              \
	  " WHERE d.id < ?13 AND d.id >= ?4 << 20 AND d.gone = 0 ORDER BY id DESC LIMIT ?7")                           \
	/* As the lists, each with whether the text is in a piece of it: ?11 as above. */                              \
	X(SEARCH_LISTED, 0, "tiiiiiiiiit", SEARCH_LISTED_BY(""))                                                       \
	X(SEARCH_LISTED_OF, 0, "tiiiiiiiiit", SEARCH_LISTED_BY("rollout = ?1 AND "))                                   \
	X(SEARCH_LISTED_ENDED, 0, "tiiiiiiiiit", SEARCH_LISTED_BY("state = ?2 AND " ENDED " AND "))                    \
	X(SEARCH_LISTED_ENDED_OF, 0, "tiiiiiiiiit",                                                                    \
	  SEARCH_LISTED_BY("rollout = ?1 AND state = ?2 AND " ENDED " AND "))                                          \
	X(SEARCH_LIVE, 0, "tiiiiiiiiit",                                                                               \
	  "SELECT place FROM " LISTED_LIVE                                                                             \
	  " AND EXISTS (SELECT 1 FROM search_text t WHERE t.id >= n.place << 20 AND t.id <"                            \
	  " (n.place + 1) << 20 AND instr(lower(t.text), lower(?11)) > 0) ORDER BY +place DESC LIMIT ?7")              \
	X(SEARCH_INCIDENT, 0, "i", "SELECT " COLUMNS(SEARCHED_ROW) " FROM incident WHERE id = ?1")                     \
	X(SEARCH_LABELS, 0, "i", "SELECT " LABELS_READ " FROM alert a WHERE id = ?1")                                  \
	X(SEARCH_ALERTS, 0, "ii",                                                                                      \
	  "SELECT alert_id FROM incident_alert WHERE incident_id = ?1 ORDER BY alert_id LIMIT ?2")                     \
	X(SEARCH_UNFILLED, 0, "ii", "SELECT id, place FROM incident WHERE place < ?1 ORDER BY place DESC LIMIT ?2")    \
	X(SEARCH_FIRST, 0, "i",                                                                                        \
	  "SELECT text FROM search_text WHERE id >= ?1 << 20 AND id < (?1 + 1) << 20 ORDER BY id LIMIT 2")             \
	X(SEARCH_NEXT, 0, "i",                                                                                         \
	  "SELECT coalesce(max(id) + 1, ?1 << 20) FROM search_text WHERE id >= ?1 << 20 AND id < (?1 + 1) << 20")      \
	X(SEARCH_TEXT_ADD, 1, "it", "INSERT INTO search_text (id, text) VALUES (?1, ?2)")                              \
	X(SEARCH_TEXT, 0, "i", "SELECT text FROM search_text WHERE id = ?1")                                           \
	X(SEARCH_TEXT_REMOVE, 1, "i", "DELETE FROM search_text WHERE id = ?1")                                         \
	X(SEARCH_TODO_ADD, 1, "i", "INSERT INTO search_todo (id, gone) VALUES (?1, 0)")                                \
	X(SEARCH_TODO, 0, "i", "SELECT id, gone FROM search_todo ORDER BY id LIMIT ?1")                                \
	X(SEARCH_TODO_REMOVE, 1, "i", "DELETE FROM search_todo WHERE id = ?1")                                         \
	X(SEARCH_TODO_EMPTY, 1, "", "DELETE FROM search_todo")                                                         \
	X(SEARCH_REMOVE, 1, "it", "INSERT INTO search (search, rowid, text) VALUES ('delete', ?1, ?2)")                \
	X(SEARCH_ADD, 1, "it", "INSERT INTO search (rowid, text) VALUES (?1, ?2)")                                     \
	X(SEARCH_EMPTY, 1, "", "INSERT INTO search (search) VALUES ('delete-all')")                                    \
	X(SEARCH_TEXT_EMPTY, 1, "", "DELETE FROM search_text")                                                         \
	X(SEARCH_FILL_ALL, 1, "",                                                                                      \
	  "UPDATE meta SET value = (SELECT coalesce(max(place) + 1, 0) FROM incident) WHERE key = 'search from'")      \
	/* The first place from ?1 on that nobody has. */                                                              \
	X(INCIDENT_PLACE, 0, "i",                                                                                      \
	  "SELECT coalesce((SELECT i.place + 1 FROM incident i WHERE i.place >= ?1 AND EXISTS (SELECT 1 FROM incident" \
	  " WHERE place = ?1) AND NOT EXISTS (SELECT 1 FROM incident j WHERE j.place = i.place + 1)"                   \
	  " ORDER BY i.place LIMIT 1), ?1)")                                                                           \
	X(INCIDENT_ROLLBACKS_SINCE, 0, "tii",                                                                          \
	  "SELECT started_at FROM incident WHERE rollout = ?1 AND (" LAST_ACTED ") >= ?2 AND kind < 3 AND"             \
	  " started_at >= ?2 AND started_at <> 0 AND state <> 7 AND already_there = 0 ORDER BY started_at DESC LIMIT " \
	  "?3")                                                                                                        \
	X(INCIDENT_COUNT_STATES, 0, "",                                                                                \
	  "SELECT state, count(*) FROM incident WHERE " OPEN " AND +kind < 3 GROUP BY state")                          \
	X(SNAPSHOT_PUT, 1, "iitttt",                                                                                   \
	  "INSERT INTO snapshot (incident_id, decided_at, name, unit, series, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"  \
	  " ON CONFLICT (incident_id, decided_at, name) DO UPDATE SET unit = excluded.unit,"                           \
	  " error = CASE WHEN excluded.series IS NULL AND snapshot.series IS NOT NULL THEN snapshot.error ELSE "       \
	  "excluded.error END,"                                                                                        \
	  " series = coalesce(excluded.series, snapshot.series)")                                                      \
	X(SNAPSHOT_OF, 0, "i",                                                                                         \
	  "SELECT " COLUMNS(SNAPSHOT_ROW) " FROM snapshot WHERE incident_id = ?1 ORDER BY decided_at, name")           \
	X(STEP_ADD, 1, COLUMNS_TYPES(STEP_ROW), INSERT_ROW("step", STEP_ROW) SQL_RETURNING_ID)                         \
	X(STEP_SAVE, 1, "iiiiit",                                                                                      \
	  "UPDATE step SET state = ?2, attempts = ?3, started_at = ?4, ended_at = ?5, output = ?6 WHERE id = ?1")      \
	X(STEP_RUNNING_IN, 0, "",                                                                                      \
	  "SELECT DISTINCT incident_id FROM step WHERE state = 2 AND phase IN (1, 4, 5) ORDER BY incident_id")         \
	/* Steps that run are few, incidents of a rollout many: those are not to be begun with (|| ''). */             \
	X(STEP_RUNNING_ELSEWHERE, 0, "ti",                                                                             \
	  "SELECT count(*) FROM step s JOIN incident i ON i.id = s.incident_id WHERE s.state = 2 AND s.phase IN (1, "  \
	  "5) AND i.rollout || '' = ?1"                                                                                \
	  " AND i.id <> ?2")                                                                                           \
	X(STEP_LOAD, 0, "i", "SELECT " COLUMNS(STEP_ROW) " FROM step WHERE id = ?1")                                   \
	X(STEP_FOLLOWUPS_OPEN, 0, "i",                                                                                 \
	  "SELECT id, incident_id, ord, phase, kind, name, '', state, attempts, started_at, ended_at, NULL FROM step"  \
	  " WHERE incident_id = ?1 AND phase = 4 AND state IN (4, 5, 7) ORDER BY ord")                                 \
	X(STEP_OF_INCIDENT, 0, "i", "SELECT " COLUMNS(STEP_ROW) " FROM step WHERE incident_id = ?1 ORDER BY ord")      \
	X(EVENT_ADD, 1, COLUMNS_TYPES(EVENT_ROW), INSERT_ROW("event", EVENT_ROW))                                      \
	X(EVENT_NEWEST, 0, "itiii", EVENTS_NEWEST(""))                                                                 \
	X(EVENT_OLDEST, 0, "itiii", EVENTS_OLDEST(""))                                                                 \
	X(EVENT_NEWEST_OF, 0, "itiii", EVENTS_NEWEST("incident_id = ?1 AND (?2 IS NULL OR rollout = ?2) AND "))        \
	X(EVENT_OLDEST_OF, 0, "itiii", EVENTS_OLDEST("incident_id = ?1 AND (?2 IS NULL OR rollout = ?2) AND "))        \
	X(EVENT_NEWEST_ROLLOUT, 0, "itiii", EVENTS_NEWEST("rollout = ?2 AND "))                                        \
	X(EVENT_OLDEST_ROLLOUT, 0, "itiii", EVENTS_OLDEST("rollout = ?2 AND "))                                        \
	X(EVENT_NEWEST_PLAN, 0, "itiiit", EVENTS_NEWEST("incident_id = 0 AND rollout = ?2 AND what = ?6 AND "))        \
	X(META_SET, 1, "ti",                                                                                           \
	  "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")      \
	X(META_SET_TEXT, 1, "tit",                                                                                     \
	  "INSERT INTO meta (key, value, text) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE SET value = "           \
	  "excluded.value, text = excluded.text")                                                                      \
	X(EVENT_LAST_AT, 0, "", "SELECT at FROM event WHERE id = (SELECT max(id) FROM event)")                         \
	X(SHIFT_INCIDENT, 1, "ii",                                                                                     \
	  "UPDATE incident SET " MOVED_4("due_at", "started_at", "applied_at", "verify_until") "," MOVED_4(            \
		  "next_probe", "rolled_back_at", "failed_at",                                                         \
		  "resolved_at") "," MOVED_4("quiet_since", "acknowledged_at", "written_at",                           \
	                                     "acked_at") "," MOVED_4("effective_at", "cured_at", "seen_at",            \
	                                                             "evidence_since") " WHERE id IN " RECENT)         \
	/* The end of the attempt before is part of the name of one that runs. */                                      \
	X(SHIFT_STEP, 1, "ii",                                                                                         \
	  "UPDATE step SET " MOVED_2("started_at", "ended_at") " WHERE incident_id IN " RECENT " AND +state <> 2")     \
	X(SHIFT_OUTBOX, 1, "ii", "UPDATE outbox SET " MOVED_2("since", "due_at") " WHERE state = 1")                   \
	X(SHIFT_PROGRESS, 1, "ii",                                                                                     \
	  "UPDATE progress SET " MOVED_4("run_since", "entered", "clean_at",                                           \
	                                 "stopped_at") "," MOVED_2("held_since", "frozen_until"))                      \
	X(SHIFT_APPROVAL, 1, "ii", "UPDATE approval SET " MOVED_2("at", "void_at") " WHERE at > ?2")                   \
	X(SHIFT_CHECKMARK, 1, "ii", "UPDATE tick SET " MOVED("at") " WHERE at > ?2")                                   \
	X(SHIFT_ROLLOUT, 1, "ii", "UPDATE rollout SET " MOVED_2("stage_since", "pct_changed") "," MOVED("seen_at"))    \
	X(SHIFT_HOLD, 1, "ii", "UPDATE hold_span SET " MOVED_2("since", "until") " WHERE until > ?2")                  \
	X(SHIFT_ALERT, 1, "ii",                                                                                        \
	  "UPDATE alert SET " MOVED_2("last_at", "ended") "," MOVED("stale_at") " WHERE last_at > ?2")                 \
	/* A mark may be a fingerprint, which may be as large as a time. */                                            \
	X(SHIFT_META, 1, "ii",                                                                                         \
	  "UPDATE meta SET " MOVED(                                                                                    \
		  "value") " WHERE value > ?2 AND key NOT LIKE 'report:%' AND key NOT LIKE 'clock %' AND key NOT "     \
	                   "LIKE 'unheard:%'")                                                                         \
	X(META_GET, 0, "t", "SELECT value FROM meta WHERE key = ?1")                                                   \
	X(META_TEXT, 0, "t", "SELECT text FROM meta WHERE key = ?1")                                                   \
	X(OUTBOX_NUMBER, 0, "it", "SELECT count(*) + 1 FROM outbox WHERE incident_id = ?1 AND channel = ?2")           \
	X(BODY_ADD, 1, "t", "INSERT INTO message_body (body) VALUES (?1)" SQL_RETURNING_ID)                            \
	X(BODY_LOAD, 0, "i", "SELECT body FROM message_body WHERE id = ?1")                                            \
	X(BODY_DROP, 1, "i",                                                                                           \
	  "DELETE FROM message_body WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM outbox WHERE body = ?1 AND state = "   \
	  "1)")                                                                                                        \
	X(OUTBOX_ADD, 1, COLUMNS_TYPES(MESSAGE_ROW), INSERT_ROW("outbox", MESSAGE_ROW) SQL_RETURNING_ID)               \
	/* A page waits for nothing. Anything else waits for the message before it, of the same incident, but for one  \
	 * that was tried and has waited since before ?4. */                                                           \
	X(OUTBOX_DUE, 0, "iiti",                                                                                       \
	  "SELECT " COLUMNS(MESSAGE_ROW) " FROM outbox o WHERE state = 1 AND due_at <= ?1 AND channel = ?3 AND "       \
	                                 "(page = 1 OR NOT"                                                            \
	                                 " EXISTS (SELECT 1 FROM outbox e WHERE e.state = 1 AND e.channel = "          \
	                                 "o.channel AND e.incident_id = "                                              \
	                                 "o.incident_id"                                                               \
	                                 " AND e.id < o.id AND (e.attempts = 0 OR e.since > ?4))) ORDER BY page "      \
	                                 "DESC, attempts > 0, id LIMIT ?2")                                            \
	X(OUTBOX_CHANNELS, 0, "", "SELECT channel FROM outbox_count WHERE queued > 0 ORDER BY channel")                \
	X(OUTBOX_NEXT, 0, "", "SELECT min(due_at) FROM outbox WHERE state = 1")                                        \
	X(OUTBOX_OLDEST, 0, "", "SELECT min(queued_at) FROM outbox WHERE state = 1")                                   \
	X(OUTBOX_QUEUE, 0, "ti",                                                                                       \
	  "SELECT count(*), min(id) FROM outbox WHERE channel = ?1 AND state = 1 AND page = ?2")                       \
	X(OUTBOX_LATER, 0, "iti",                                                                                      \
	  "SELECT coalesce(max(id), 0), coalesce(max(id) FILTER (WHERE page = 1), 0) FROM outbox WHERE incident_id = " \
	  "?1 AND channel = ?2 AND id > ?3 "                                                                           \
	  "AND state = 2")                                                                                             \
	X(OUTBOX_LOAD, 0, "i", "SELECT " COLUMNS(MESSAGE_ROW) " FROM outbox WHERE id = ?1")                            \
	X(OUTBOX_SAVE, 1, "iiiiit",                                                                                    \
	  "UPDATE outbox SET state = ?2, attempts = ?3, due_at = ?4, sent_at = ?5, error = ?6, body = CASE WHEN ?2 = " \
	  "1 THEN body ELSE 0 END WHERE id = ?1")                                                                      \
	X(OUTBOX_OF_INCIDENT, 0, "i",                                                                                  \
	  "SELECT " COLUMNS(MESSAGE_ROW) " FROM outbox WHERE incident_id = ?1 ORDER BY id")                            \
	X(OUTBOX_COUNT, 0, "", "SELECT " COLUMNS(CHANNEL_COUNT_ROW) " FROM outbox_count ORDER BY channel")             \
	X(ROLLOUT_LOAD, 0, "t", "SELECT " COLUMNS(ROLLOUT_ROW) " FROM rollout WHERE name = ?1")                        \
	X(ROLLOUT_SAVE, 1, COLUMNS_TYPES(ROLLOUT_ROW), UPSERT_ROW("rollout", "name", ROLLOUT_ROW, ROLLOUT_ROW_REST))   \
	X(ALERT_UNRESOLVED, 0, "tii",                                                                                  \
	  "SELECT DISTINCT " LABELS_READ                                                                               \
	  " FROM unresolved u JOIN alert a ON a.id = u.alert_id WHERE u.rollout = ?1 AND"                              \
	  " u.place >= ?2 LIMIT ?3")                                                                                   \
	/* Most have none, and DISTINCT makes a table of its own even then. */                                         \
	X(UNRESOLVED_ANY, 0, "ti", "SELECT 1 FROM unresolved WHERE rollout = ?1 AND place >= ?2 LIMIT 1")              \
	X(UNRESOLVED_ADD, 1, "ii",                                                                                     \
	  "INSERT INTO unresolved (rollout, place, alert_id) SELECT n.rollout, n.place, a.id FROM incident n, alert a" \
	  " WHERE n.id = ?1 AND n.kind <> 3 AND a.id = ?2 AND a.status = 1")                                           \
	X(UNRESOLVED_END, 1, "i",                                                                                      \
	  "DELETE FROM unresolved WHERE (rollout, place) IN (SELECT n.rollout, n.place FROM incident_alert i JOIN "    \
	  "incident n"                                                                                                 \
	  " ON n.id = i.incident_id WHERE i.alert_id = ?1) AND alert_id = ?1")                                         \
	X(INCIDENT_UNREVIEWED, 0, "t", "SELECT coalesce(max(id), 0) FROM incident WHERE rollout = ?1 AND review = 1")  \
	X(INCIDENT_LAST_ROLLBACK, 0, "t",                                                                              \
	  "SELECT " LAST_ACTED " FROM incident WHERE rollout = ?1 AND kind < 3 ORDER BY " LAST_ACTED " DESC LIMIT 1")  \
	X(PROGRESS_LOAD, 0, "t", "SELECT " COLUMNS(PROGRESS_ROW) " FROM progress WHERE rollout = ?1")                  \
	X(PROGRESS_SAVE, 1, COLUMNS_TYPES(PROGRESS_ROW),                                                               \
	  UPSERT_ROW("progress", "rollout", PROGRESS_ROW, PROGRESS_ROW_REST))                                          \
	X(PROGRESS_RESTART_AT, 1, "ti",                                                                                \
	  "UPDATE progress SET restart_at = ?2 WHERE rollout = ?1 AND (restart_at < 0 OR restart_at > ?2)")            \
	X(PROGRESS_RESTARTED, 1, "t", "UPDATE progress SET restart_at = -1 WHERE rollout = ?1")                        \
	X(APPROVAL_ADD, 1, "ti" COLUMNS_TYPES(APPROVAL_ROW),                                                           \
	  UPSERT_ROW_OF("approval", "rollout, run", "?, ?", "rollout, run, subject, role", APPROVAL_ROW))              \
	X(APPROVAL_OF_RUN, 0, "ti",                                                                                    \
	  "SELECT " COLUMNS(APPROVAL_ROW) " FROM approval WHERE rollout = ?1 AND run = ?2 ORDER BY at, role")          \
	X(APPROVAL_VOID, 1, "tiit",                                                                                    \
	  "UPDATE approval SET void_at = ?3, void_why = ?4 WHERE rollout = ?1 AND run = ?2 AND void_at = 0")           \
	X(SETTLED_ADD, 1, "t" COLUMNS_TYPES(SETTLED_ROW),                                                              \
	  UPSERT_ROW_OF("settled", "rollout", "?", "rollout, kind, text", SETTLED_ROW))                                \
	X(SETTLED_OF, 0, "t", "SELECT " COLUMNS(SETTLED_ROW) " FROM settled WHERE rollout = ?1 ORDER BY kind, text")   \
	X(CHECKMARK_ADD, 1, "ti" COLUMNS_TYPES(CHECKMARK_ROW),                                                         \
	  UPSERT_ROW_OF("tick", "rollout, run", "?, ?", "rollout, run, list, item", CHECKMARK_ROW))                    \
	X(CHECKMARK_OF_RUN, 0, "ti",                                                                                   \
	  "SELECT " COLUMNS(CHECKMARK_ROW) " FROM tick WHERE rollout = ?1 AND run = ?2 ORDER BY list, item")           \
	X(BASELINE_SET, 1, "t" COLUMNS_TYPES(BASELINE_ROW),                                                            \
	  UPSERT_ROW_OF("baseline", "rollout", "?", "rollout, metric", BASELINE_ROW))                                  \
	X(BASELINE_OF, 0, "t", "SELECT " COLUMNS(BASELINE_ROW) " FROM baseline WHERE rollout = ?1 ORDER BY metric")    \
	X(HOLD_ADD, 1, "tiit", "INSERT INTO hold_span (rollout, since, until, why) VALUES (?1, ?2, ?3, ?4)")           \
	X(HOLD_OF, 0, "tii",                                                                                           \
	  "SELECT " COLUMNS(HOLD_ROW) " FROM hold_span WHERE rollout = ?1 AND until > ?2 AND since < ?3 ORDER BY "     \
	                              "since LIMIT 1000")                                                              \
	X(CHECKMARK_EVER, 0, "t",                                                                                      \
	  "SELECT " COLUMNS(                                                                                           \
		  CHECKMARK_ROW) " FROM tick t WHERE rollout = ?1 AND NOT EXISTS (SELECT 1 FROM tick l WHERE"          \
	                         " l.rollout = t.rollout AND l.list = t.list AND l.item = t.item AND (l.at > t.at "    \
	                         "OR (l.at = t.at AND l.run > t.run))) ORDER BY list, item")                           \
	X(RUN_SAVE, 1, "t" COLUMNS_TYPES(STAGE_RUN_ROW),                                                               \
	  UPSERT_ROW_OF("stage_run", "rollout", "?", "rollout, run", STAGE_RUN_ROW))                                   \
	X(RUN_END, 1, "tii", "UPDATE stage_run SET until = ?3 WHERE rollout = ?1 AND run = ?2")                        \
	X(RUN_OF, 0, "t",                                                                                              \
	  "SELECT " COLUMNS(STAGE_RUN_ROW) " FROM stage_run WHERE rollout = ?1 ORDER BY run DESC LIMIT 1000")          \
	X(RUN_LAST, 0, "t",                                                                                            \
	  "SELECT " COLUMNS(STAGE_RUN_ROW) " FROM stage_run WHERE rollout = ?1 ORDER BY run DESC LIMIT 1")             \
	X(RETIRE_RUNS, 1, "ii",                                                                                        \
	  "DELETE FROM stage_run WHERE (rollout, run) IN (SELECT rollout, run FROM stage_run WHERE until < ?1"         \
	  " ORDER BY until LIMIT ?2)")                                                                                 \
	X(RETIRE_FIND, 0, "ii",                                                                                        \
	  "SELECT id FROM incident WHERE resolved_at <> 0 AND resolved_at < ?1 AND +state IN (7, 8) AND +review <> 1"  \
	  " ORDER BY resolved_at LIMIT ?2")                                                                            \
	X(RETIRE_STEPS, 1, "i", "DELETE FROM step WHERE incident_id = ?1")                                             \
	X(RETIRE_SNAPSHOT, 1, "i", "DELETE FROM snapshot WHERE incident_id = ?1")                                      \
	X(RETIRE_MESSAGES, 1, "i", "DELETE FROM outbox WHERE incident_id = ?1 AND state <> 1")                         \
	X(RETIRE_EVENTS, 1, "i", "DELETE FROM event WHERE incident_id = ?1")                                           \
	X(RETIRE_UNRESOLVED, 1, "i",                                                                                   \
	  "DELETE FROM unresolved WHERE (rollout, place) = (SELECT rollout, place FROM incident WHERE id = ?1)")       \
	X(RETIRE_ATTACHED, 1, "i", "DELETE FROM incident_alert WHERE incident_id = ?1")                                \
	/* Pieces that are in the index go out of it later (search.h); the others are nowhere else. */                 \
	X(RETIRE_SEARCH_TEXT, 1, "i",                                                                                  \
	  "DELETE FROM search_text WHERE id IN (SELECT id FROM search_todo WHERE " PIECES_OF ")")                      \
	X(RETIRE_SEARCH_TODO, 1, "i", "DELETE FROM search_todo WHERE " PIECES_OF)                                      \
	X(RETIRE_SEARCH, 1, "i", "INSERT INTO search_todo (id, gone) SELECT id, 1 FROM search_text WHERE " PIECES_OF)  \
	X(RETIRE_INCIDENT, 1, "i", "DELETE FROM incident WHERE id = ?1")                                               \
	X(RETIRE_DISPOSITIONS, 1, "ii",                                                                                \
	  "DELETE FROM said WHERE alert_id IN (SELECT id FROM alert a WHERE last_at < ?1 AND NOT EXISTS (SELECT 1"     \
	  " FROM incident_alert i WHERE i.alert_id = a.id) ORDER BY last_at, id LIMIT ?2)")                            \
	X(RETIRE_ALERTS, 1, "ii",                                                                                      \
	  "DELETE FROM alert WHERE id IN (SELECT id FROM alert a WHERE last_at < ?1 AND NOT EXISTS (SELECT 1"          \
	  " FROM incident_alert i WHERE i.alert_id = a.id) AND NOT EXISTS (SELECT 1 FROM said s WHERE s.alert_id = "   \
	  "a.id)"                                                                                                      \
	  " ORDER BY last_at, id LIMIT ?2)")                                                                           \
	X(RETIRE_HOLDS, 1, "ii",                                                                                       \
	  "DELETE FROM hold_span WHERE id IN (SELECT id FROM hold_span WHERE until < ?1 ORDER BY until LIMIT ?2)")     \
	X(RETIRE_LONE_EVENTS, 1, "ii",                                                                                 \
	  "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE incident_id = 0 AND at < ?1"                      \
	  " ORDER BY at LIMIT ?2)")                                                                                    \
	X(RETIRE_LONE_MESSAGES, 1, "ii",                                                                               \
	  "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE incident_id = 0 AND queued_at < ?1"             \
	  " AND +state <> 1 ORDER BY queued_at LIMIT ?2)")

#define SQL_ENUM(id, writes, types, text) id,
enum sql { SQL_STATEMENTS(SQL_ENUM) SQL_N };

struct sql_statement {
	bool writes;
	const char *types, *text;
};
extern const struct sql_statement sql_statements[SQL_N];

#endif
