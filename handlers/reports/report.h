/*
 * Reports about a rollout: what management, engineering and the final review get.
 */
#ifndef HANDLERS_REPORTS_REPORT_H
#define HANDLERS_REPORTS_REPORT_H

#include "handlers/gates/evaluation.h"
#include "handlers/gates/rollout_state.h"

#define REPORT_MAX 16000 /* bytes; what is longer is cut */

/* kind: "daily", "weekly" or "final". Lines of plain text that are Markdown, too. The connection's thread. */
int report_text(struct buf *b, struct db_conn *c, const struct settings *s, const struct rollout *r,
                const struct rollout_state *st, const struct evaluation *ev, const char *kind, int64_t now_us);
/* The final report is wanted when the last stage is entered; the others always. Pure. */
bool report_is_wanted(const struct rollout *r, const struct rollout_state *st, const char *kind);

#endif
