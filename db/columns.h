/*
 * What member of a row is what column: one list per row type, which binds, reads and writes the text of statements
 * (internal to db/).
 *
 * A list is LIST(S, KEY, FIRST, NEXT): S is the struct, KEY a column that the database gives (read only), FIRST the
 * first one that is written, NEXT any other; each has (S, kind, member, column).
 */
#ifndef DB_COLUMNS_H
#define DB_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

/* What the member is, and what it is in a statement (COLUMN_LETTER). TEXT is never NULL after a read ("" then),
 * NULLABLE may be; both are owned. CHARS is an array, cut if need be. */
enum column_kind {
	COLUMN_I64,
	COLUMN_I32,
	COLUMN_ENUM,
	COLUMN_BOOL,
	COLUMN_REAL,
	COLUMN_TEXT,
	COLUMN_NULLABLE,
	COLUMN_CHARS,
};
#define COLUMN_TYPE_I64      int64_t
#define COLUMN_TYPE_I32      int32_t
#define COLUMN_TYPE_ENUM     unsigned
#define COLUMN_TYPE_BOOL     bool
#define COLUMN_TYPE_REAL     double
#define COLUMN_TYPE_TEXT     char *
#define COLUMN_TYPE_NULLABLE char *
#define COLUMN_TYPE_CHARS    char *

#define COLUMN_LETTER_I64      "i"
#define COLUMN_LETTER_I32      "i"
#define COLUMN_LETTER_ENUM     "i"
#define COLUMN_LETTER_BOOL     "i"
#define COLUMN_LETTER_REAL     "d"
#define COLUMN_LETTER_TEXT     "t"
#define COLUMN_LETTER_NULLABLE "t"
#define COLUMN_LETTER_CHARS    "t"

/* --- what statements are written with --- */

#define COLUMN_NONE(S, kind, member, sql)
#define COLUMN_KEY_NAME(S, kind, member, sql)      sql ", "
#define COLUMN_NAME(S, kind, member, sql)          sql
#define COLUMN_NEXT_NAME(S, kind, member, sql)     ", " sql
#define COLUMN_MARK(S, kind, member, sql)          "?"
#define COLUMN_NEXT_MARK(S, kind, member, sql)     ", ?"
#define COLUMN_SET(S, kind, member, sql)           sql " = ?"
#define COLUMN_NEXT_SET(S, kind, member, sql)      ", " sql " = ?"
#define COLUMN_EXCLUDED(S, kind, member, sql)      sql " = excluded." sql
#define COLUMN_NEXT_EXCLUDED(S, kind, member, sql) ", " sql " = excluded." sql
#define COLUMN_LETTER(S, kind, member, sql)        COLUMN_LETTER_##kind

#define COLUMNS(LIST)          LIST(, COLUMN_KEY_NAME, COLUMN_NAME, COLUMN_NEXT_NAME)     /* all, to be read */
#define COLUMNS_WRITTEN(LIST)  LIST(, COLUMN_NONE, COLUMN_NAME, COLUMN_NEXT_NAME)         /* a, b */
#define COLUMNS_MARKS(LIST)    LIST(, COLUMN_NONE, COLUMN_MARK, COLUMN_NEXT_MARK)         /* ?, ? */
#define COLUMNS_SET(LIST)      LIST(, COLUMN_NONE, COLUMN_SET, COLUMN_NEXT_SET)           /* a = ?, b = ? */
#define COLUMNS_EXCLUDED(LIST) LIST(, COLUMN_NONE, COLUMN_EXCLUDED, COLUMN_NEXT_EXCLUDED) /* a = excluded.a, … */
#define COLUMNS_TYPES(LIST)    LIST(, COLUMN_NONE, COLUMN_LETTER, COLUMN_LETTER)          /* "it…" */

#define INSERT_ROW(table, LIST) "INSERT INTO " table " (" COLUMNS_WRITTEN(LIST) ") VALUES (" COLUMNS_MARKS(LIST) ")"
/* The later one stands; REST: all but its key, which SQLite would move the row for. */
#define UPSERT_ROW(table, key, LIST, REST)                                                                             \
	INSERT_ROW(table, LIST) " ON CONFLICT (" key ") DO UPDATE SET " COLUMNS_EXCLUDED(REST)
/* The same for rows of something that is no member of theirs: its columns come first. */
#define UPSERT_ROW_OF(table, of, marks, key, LIST)                                                                     \
	"INSERT INTO " table " (" of ", " COLUMNS_WRITTEN(LIST) ") VALUES (" marks ", " COLUMNS_MARKS(                 \
		LIST) ") ON CONFLICT (" key ") DO UPDATE SET " COLUMNS_EXCLUDED(LIST)

/* --- the lists --- */

#define NUMBER_ROW(S, KEY, FIRST, NEXT)      FIRST(S, I64, first, "")
#define NUMBER_PAIR_ROW(S, KEY, FIRST, NEXT) FIRST(S, I64, first, "") NEXT(S, I64, second, "")
#define TEXT_ROW(S, KEY, FIRST, NEXT)        FIRST(S, TEXT, text, "")

#define STEP_ROW(S, KEY, FIRST, NEXT)                                                                                  \
	KEY(S, I64, id, "id")                                                                                          \
	FIRST(S, I64, incident_id, "incident_id")                                                                      \
	NEXT(S, I32, ord, "ord")                                                                                       \
	NEXT(S, ENUM, phase, "phase")                                                                                  \
	NEXT(S, ENUM, kind, "kind")                                                                                    \
	NEXT(S, TEXT, name, "name")                                                                                    \
	NEXT(S, TEXT, spec, "spec")                                                                                    \
	NEXT(S, ENUM, state, "state")                                                                                  \
	NEXT(S, I32, attempts, "attempts")                                                                             \
	NEXT(S, I64, started_at_us, "started_at")                                                                      \
	NEXT(S, I64, ended_at_us, "ended_at")                                                                          \
	NEXT(S, NULLABLE, output, "output")

#define EPISODE_ROW(S, KEY, FIRST, NEXT)                                                                               \
	KEY(S, I64, id, "id")                                                                                          \
	FIRST(S, BOOL, firing, "CASE WHEN status = 1 THEN 1 ELSE 0 END")                                               \
	NEXT(S, I64, starts_at_us, "starts_at")                                                                        \
	NEXT(S, I64, told_start_us, "told_start")                                                                      \
	NEXT(S, I64, began_us, "began")                                                                                \
	NEXT(S, I64, ends_at_us, "ends_at")                                                                            \
	NEXT(S, I64, last_at_us, "last_at")                                                                            \
	NEXT(S, I64, ended_at_us, "ended")                                                                             \
	NEXT(S, I64, stale_at_us, "stale_at")                                                                          \
	NEXT(S, I64, stale_times, "stale_times")                                                                       \
	NEXT(S, CHARS, decided, "decided")

/* alert a */
#define ALERT_ROW(S, KEY, FIRST, NEXT)                                                                                 \
	KEY(S, I64, id, "a.id")                                                                                        \
	FIRST(S, TEXT, fingerprint, "a.fingerprint")                                                                   \
	NEXT(S, TEXT, labels, LABELS_READ)                                                                             \
	NEXT(S, TEXT, annotations, ANNOTATIONS_READ)                                                                   \
	NEXT(S, TEXT, generator_url, "substr(a.generator_url, 1, 8192)")                                               \
	NEXT(S, ENUM, status, "a.status")                                                                              \
	NEXT(S, I64, starts_at_us, "a.starts_at")                                                                      \
	NEXT(S, I64, ends_at_us, "a.ends_at")                                                                          \
	NEXT(S, I64, first_at_us, "a.first_at")                                                                        \
	NEXT(S, I64, last_at_us, "a.last_at")                                                                          \
	NEXT(S, I64, times, "a.times")

#define DISPOSITION_ROW(S, KEY, FIRST, NEXT)                                                                           \
	FIRST(S, TEXT, rollout, "rollout")                                                                             \
	NEXT(S, ENUM, disposition, "disposition")                                                                      \
	NEXT(S, I64, incident_id, "coalesce(incident_id, 0)")

/* The body itself only where one message is loaded: a list may be long. */
#define MESSAGE_ROW(S, KEY, FIRST, NEXT)                                                                               \
	KEY(S, I64, id, "id")                                                                                          \
	KEY(S, NULLABLE, body, "NULL")                                                                                 \
	FIRST(S, I64, incident_id, "incident_id")                                                                      \
	NEXT(S, NULLABLE, rollout, "rollout")                                                                          \
	NEXT(S, TEXT, channel, "channel")                                                                              \
	NEXT(S, TEXT, event, "event")                                                                                  \
	NEXT(S, TEXT, what, "what")                                                                                    \
	NEXT(S, I64, body_id, "body")                                                                                  \
	NEXT(S, BOOL, page, "page")                                                                                    \
	NEXT(S, I64, number, "number")                                                                                 \
	NEXT(S, ENUM, state, "state")                                                                                  \
	NEXT(S, I64, attempts, "attempts")                                                                             \
	NEXT(S, I64, queued_at_us, "queued_at")                                                                        \
	NEXT(S, I64, since_us, "since")                                                                                \
	NEXT(S, I64, due_at_us, "due_at")                                                                              \
	NEXT(S, I64, sent_at_us, "sent_at")                                                                            \
	NEXT(S, NULLABLE, error, "error")

#define CHANNEL_COUNT_ROW(S, KEY, FIRST, NEXT)                                                                         \
	FIRST(S, TEXT, channel, "channel")                                                                             \
	NEXT(S, I64, queued, "queued")                                                                                 \
	NEXT(S, I64, undeliverable, "undeliverable")

#define EVENT_ROW(S, KEY, FIRST, NEXT)                                                                                 \
	KEY(S, I64, id, "id")                                                                                          \
	FIRST(S, I64, at_us, "at")                                                                                     \
	NEXT(S, I64, incident_id, "incident_id")                                                                       \
	NEXT(S, TEXT, rollout, "rollout")                                                                              \
	NEXT(S, TEXT, who, "who")                                                                                      \
	NEXT(S, TEXT, what, "what")                                                                                    \
	NEXT(S, NULLABLE, note, "note")

#define ROLLOUT_ROW_REST(S, KEY, FIRST, NEXT)                                                                          \
	FIRST(S, I32, stage, "stage")                                                                                  \
	NEXT(S, I64, stage_since_us, "stage_since")                                                                    \
	NEXT(S, I32, pct_wanted, "pct_wanted")                                                                         \
	NEXT(S, I32, pct_seen, "pct_seen")                                                                             \
	NEXT(S, I64, pct_changed_us, "pct_changed")                                                                    \
	NEXT(S, I64, seen_at_us, "seen_at")                                                                            \
	NEXT(S, I64, generation, "generation")                                                                         \
	NEXT(S, NULLABLE, flags_sha, "flags_sha")
#define ROLLOUT_ROW(S, KEY, FIRST, NEXT) FIRST(S, TEXT, name, "name") ROLLOUT_ROW_REST(S, KEY, NEXT, NEXT)

#define PROGRESS_ROW_REST(S, KEY, FIRST, NEXT)                                                                         \
	FIRST(S, I64, run, "run")                                                                                      \
	NEXT(S, I64, run_since_us, "run_since")                                                                        \
	NEXT(S, I64, entered_us, "entered")                                                                            \
	NEXT(S, I64, clean_us, "clean")                                                                                \
	NEXT(S, I64, clean_at_us, "clean_at")                                                                          \
	NEXT(S, NULLABLE, clean_why, "clean_why")                                                                      \
	NEXT(S, I64, stopped_at_us, "stopped_at")                                                                      \
	NEXT(S, NULLABLE, held_by, "held_by")                                                                          \
	NEXT(S, I64, held_since_us, "held_since")                                                                      \
	NEXT(S, NULLABLE, hold_note, "hold_note")                                                                      \
	NEXT(S, NULLABLE, plan_sha, "plan_sha")                                                                        \
	NEXT(S, I32, restart_at, "restart_at")                                                                         \
	NEXT(S, I64, frozen_until_us, "frozen_until")                                                                  \
	NEXT(S, NULLABLE, frozen_by, "frozen_by")                                                                      \
	NEXT(S, NULLABLE, freeze_note, "freeze_note")
#define PROGRESS_ROW(S, KEY, FIRST, NEXT) FIRST(S, TEXT, rollout, "rollout") PROGRESS_ROW_REST(S, KEY, NEXT, NEXT)

/* of a rollout and run */
#define APPROVAL_ROW(S, KEY, FIRST, NEXT)                                                                              \
	FIRST(S, TEXT, subject, "subject")                                                                             \
	NEXT(S, TEXT, role, "role")                                                                                    \
	NEXT(S, TEXT, person, "person")                                                                                \
	NEXT(S, I64, at_us, "at")                                                                                      \
	NEXT(S, NULLABLE, note, "note")                                                                                \
	NEXT(S, NULLABLE, evidence, "evidence")                                                                        \
	NEXT(S, NULLABLE, evidence_sha, "evidence_sha")                                                                \
	NEXT(S, I64, void_at_us, "void_at")                                                                            \
	NEXT(S, NULLABLE, void_why, "void_why")

/* of a rollout and run */
#define CHECKMARK_ROW(S, KEY, FIRST, NEXT)                                                                             \
	FIRST(S, TEXT, list, "list")                                                                                   \
	NEXT(S, TEXT, item, "item")                                                                                    \
	NEXT(S, TEXT, person, "person")                                                                                \
	NEXT(S, I64, at_us, "at")                                                                                      \
	NEXT(S, NULLABLE, note, "note")                                                                                \
	NEXT(S, ENUM, verdict, "verdict")                                                                              \
	NEXT(S, NULLABLE, link, "link")                                                                                \
	NEXT(S, NULLABLE, sha, "sha")                                                                                  \
	NEXT(S, I64, expires_us, "expires")

/* of a rollout */
#define SETTLED_ROW(S, KEY, FIRST, NEXT)                                                                               \
	FIRST(S, ENUM, kind, "kind")                                                                                   \
	NEXT(S, TEXT, text, "text")                                                                                    \
	NEXT(S, TEXT, person, "person")                                                                                \
	NEXT(S, I64, at_us, "at")                                                                                      \
	NEXT(S, NULLABLE, note, "note")

/* of a rollout */
#define BASELINE_ROW(S, KEY, FIRST, NEXT)                                                                              \
	FIRST(S, TEXT, metric, "metric")                                                                               \
	NEXT(S, REAL, value, "value")                                                                                  \
	NEXT(S, I64, at_us, "at")                                                                                      \
	NEXT(S, REAL, samples, "samples")

/* of a rollout */
#define HOLD_ROW(S, KEY, FIRST, NEXT)                                                                                  \
	FIRST(S, I64, since_us, "since")                                                                               \
	NEXT(S, I64, until_us, "until")                                                                                \
	NEXT(S, TEXT, why, "why")

/* of a rollout */
#define STAGE_RUN_ROW(S, KEY, FIRST, NEXT)                                                                             \
	FIRST(S, I64, run, "run")                                                                                      \
	NEXT(S, I32, stage, "stage")                                                                                   \
	NEXT(S, I64, entered_us, "entered")                                                                            \
	NEXT(S, I64, clean_us, "clean")                                                                                \
	NEXT(S, I64, until_us, "until")                                                                                \
	NEXT(S, TEXT, results, "results")

/* What stays as it was opened is not saved again: indexes go by it. */
#define INCIDENT_ROW_REST(S, KEY, FIRST, NEXT)                                                                         \
	FIRST(S, TEXT, playbook, "playbook")                                                                           \
	NEXT(S, TEXT, severity, "severity")                                                                            \
	NEXT(S, TEXT, summary, "summary")                                                                              \
	NEXT(S, ENUM, state, "state")                                                                                  \
	NEXT(S, TEXT, config, "config")                                                                                \
	NEXT(S, NULLABLE, reason, "reason")                                                                            \
	NEXT(S, TEXT, opened_by, "opened_by")                                                                          \
	NEXT(S, I32, stage, "stage")                                                                                   \
	NEXT(S, I32, pct_before, "pct_before")                                                                         \
	NEXT(S, I32, pct_wanted, "pct_wanted")                                                                         \
	NEXT(S, I32, pct_seen, "pct_seen")                                                                             \
	NEXT(S, BOOL, already_there, "already_there")                                                                  \
	NEXT(S, I64, onset_at_us, "onset_at")                                                                          \
	NEXT(S, NULLABLE, onset_from, "onset_from")                                                                    \
	NEXT(S, I64, due_at_us, "due_at")                                                                              \
	NEXT(S, I64, started_at_us, "started_at")                                                                      \
	NEXT(S, I64, applied_at_us, "applied_at")                                                                      \
	NEXT(S, I64, verify_until_us, "verify_until")                                                                  \
	NEXT(S, I64, next_probe_us, "next_probe")                                                                      \
	NEXT(S, I64, verify_rounds, "verify_rounds")                                                                   \
	NEXT(S, I64, verify_passes, "verify_passes")                                                                   \
	NEXT(S, BOOL, late, "late")                                                                                    \
	NEXT(S, I64, rolled_back_at_us, "rolled_back_at")                                                              \
	NEXT(S, I64, failed_at_us, "failed_at")                                                                        \
	NEXT(S, I64, resolved_at_us, "resolved_at")                                                                    \
	NEXT(S, I64, quiet_since_us, "quiet_since")                                                                    \
	NEXT(S, NULLABLE, acknowledged_by, "acknowledged_by")                                                          \
	NEXT(S, I64, acknowledged_at_us, "acknowledged_at")                                                            \
	NEXT(S, NULLABLE, eta, "eta")                                                                                  \
	NEXT(S, ENUM, condition[CONDITION_WRITTEN].state, "written")                                                   \
	NEXT(S, I64, condition[CONDITION_WRITTEN].at_us, "written_at")                                                 \
	NEXT(S, NULLABLE, condition[CONDITION_WRITTEN].note, "written_note")                                           \
	NEXT(S, ENUM, condition[CONDITION_ACKNOWLEDGED].state, "acknowledged")                                         \
	NEXT(S, I64, condition[CONDITION_ACKNOWLEDGED].at_us, "acked_at")                                              \
	NEXT(S, NULLABLE, condition[CONDITION_ACKNOWLEDGED].note, "acknowledged_note")                                 \
	NEXT(S, ENUM, condition[CONDITION_EFFECTIVE].state, "effective")                                               \
	NEXT(S, I64, condition[CONDITION_EFFECTIVE].at_us, "effective_at")                                             \
	NEXT(S, NULLABLE, condition[CONDITION_EFFECTIVE].note, "effective_note")                                       \
	NEXT(S, ENUM, condition[CONDITION_CURED].state, "cured")                                                       \
	NEXT(S, I64, condition[CONDITION_CURED].at_us, "cured_at")                                                     \
	NEXT(S, NULLABLE, condition[CONDITION_CURED].note, "cured_note")                                               \
	NEXT(S, ENUM, review, "review")                                                                                \
	NEXT(S, NULLABLE, reviewed_by, "reviewed_by")                                                                  \
	NEXT(S, I64, reviewed_at_us, "reviewed_at")                                                                    \
	NEXT(S, I64, seen_at_us, "seen_at")                                                                            \
	NEXT(S, I64, evidence_since_us, "evidence_since")                                                              \
	NEXT(S, BOOL, asking, "asking")                                                                                \
	NEXT(S, I64, unknown_rounds, "unknown_rounds")                                                                 \
	NEXT(S, I64, decided_at_us, "decided_at")                                                                      \
	NEXT(S, I64, decided_alert, "decided_alert")                                                                   \
	NEXT(S, NULLABLE, decided_by, "decided_by")                                                                    \
	NEXT(S, I64, acted_at_us, "acted_at")
#define INCIDENT_ROW(S, KEY, FIRST, NEXT)                                                                              \
	KEY(S, I64, id, "id")                                                                                          \
	KEY(S, I64, seq, "seq")                                                                                        \
	FIRST(S, TEXT, rollout, "rollout")                                                                             \
	NEXT(S, ENUM, kind, "kind")                                                                                    \
	NEXT(S, I64, opened_at_us, "opened_at")                                                                        \
	NEXT(S, I64, place, "place")                                                                                   \
	INCIDENT_ROW_REST(S, KEY, NEXT, NEXT)

/* What is searched of an incident itself */
#define SEARCHED_ROW(S, KEY, FIRST, NEXT)                                                                              \
	FIRST(S, I64, place, "place")                                                                                  \
	NEXT(S, TEXT, rollout, "rollout")                                                                              \
	NEXT(S, TEXT, summary, "summary")

/* of an incident */
#define SNAPSHOT_ROW(S, KEY, FIRST, NEXT)                                                                              \
	FIRST(S, I64, decided_at_us, "decided_at")                                                                     \
	NEXT(S, TEXT, name, "name")                                                                                    \
	NEXT(S, TEXT, unit, "unit")                                                                                    \
	NEXT(S, NULLABLE, series, SERIES_READ)                                                                         \
	NEXT(S, NULLABLE, error,                                                                                       \
	     "coalesce(error, CASE WHEN length(series) > 524288 THEN 'too large to be shown' ELSE NULL END)")

#endif
