/*
 * The newest comparison of each rollout's new way with its old way, for the reports: asked for once a step of the
 * comparison, because a report that falls due cannot wait for Prometheus.
 *
 * Lives on the engine's loop, with a connection of its own.
 */
#ifndef HANDLERS_REPORTS_COMPARISONS_H
#define HANDLERS_REPORTS_COMPARISONS_H

#include "db/db.h"
#include "handlers/compare/data.h"
#include "handlers/settings/settings.h"
#include "server/core/json.h"
#include "server/core/loop.h"

enum comparison_kind {
	COMPARISON_WEEK,  /* the last seven days, from the first stage of this environment on */
	COMPARISON_WHOLE, /* from the first stage of this environment that was entered until the last one was */
	COMPARISON_N
};

struct comparisons;
/* Before the loop runs; the first one is begun as soon as it does. */
int comparisons_new(struct loop *loop, struct db *db, struct comparisons **ret) MUST_CHECK;
/* After the loop has stopped. NULL is fine. */
void comparisons_free(struct comparisons *c);

/* What compare_report said last, for the caller to put; NULL: there is none yet. Any thread. */
struct json_object *comparisons_last(struct comparisons *c, const char *rollout, enum comparison_kind kind);

/* The steps that a comparison of this kind is about. -ENOENT: there are none (yet), or nothing is compared. The
 * connection's thread. */
int comparison_grid(struct db_conn *c, const struct settings *s, const struct rollout *r, enum comparison_kind kind,
                    int64_t now_us, struct compare_grid *ret) MUST_CHECK;

#endif
