/*
 * Reports about a rollout: what management, engineering and the final review get.
 */
#ifndef HANDLERS_ROLLOUT_REPORT_H
#define HANDLERS_ROLLOUT_REPORT_H

#include "handlers/rollout/evaluation.h"
#include "handlers/rollout/standing.h"

#define REPORT_MAX 16000        /* bytes; what is longer is cut */

/* kind: "daily", "weekly" or "final". Lines of plain text that are Markdown, too. The connection's thread. */
int report_text(struct buf *b, struct db_conn *c, const struct settings *s, const struct rollout *r, const struct standing *st,
                const struct evaluation *ev, const char *kind, int64_t now_us);
/* The final report is wanted when the last stage is entered; the others always. Pure. */
bool report_is_wanted(const struct rollout *r, const struct standing *st, const char *kind);

#endif
