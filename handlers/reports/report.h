/*
 * Reports about a rollout: what management, engineering and the final review get.
 */
#ifndef HANDLERS_REPORTS_REPORT_H
#define HANDLERS_REPORTS_REPORT_H

#include "handlers/gates/evaluation.h"
#include "handlers/gates/rollout_state.h"
#include "handlers/reports/comparisons.h"

#define REPORT_MAX 16000 /* bytes; what is longer is cut */

struct report_request {
	const struct settings *settings;
	const struct rollout *rollout;
	const struct rollout_state *st;
	const struct evaluation *ev;
	struct json_object *comparison; /* borrowed: report_comparison; NULL: none */
	struct json_object *whole;      /* borrowed: report_whole; NULL: none */
	const char *kind;               /* "daily", "weekly" or "final" */
	int64_t now_us;
	int64_t since_us; /* looks back as far as that, at least a day, a week; 0: no farther */
};

/* Lines of plain text that are Markdown, too. The connection's thread. */
int report_text(struct buf *b, struct db_conn *c, const struct report_request *rq) MUST_CHECK;
/* The same as an object, with the text in it; the caller's to put. */
int report_json(struct db_conn *c, const struct report_request *rq, struct json_object **ret) MUST_CHECK;

bool report_is_kind(const char *word);
/* What new way against old way has to say for a report of that kind; the caller's to put, NULL: nothing. Any thread. */
struct json_object *report_comparison(struct comparisons *c, const char *rollout, const char *kind);
/* The same of the whole rollout: what is known already of the items that say prefill. */
struct json_object *report_whole(struct comparisons *c, const char *rollout);
/* The final report is wanted when the last stage is entered, until it was sent after the last milestone; the others
 * always. sent_us: when it was last sent, 0 never. */
bool report_is_wanted(struct db_conn *c, const struct rollout *r, const struct rollout_state *st, const char *kind,
                      int64_t sent_us);

#endif
