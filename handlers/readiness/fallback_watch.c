#include "handlers/readiness/fallback_watch.h"

#include <assert.h>
#include <errno.h>

#include "handlers/readiness/marks.h"
#include "server/core/text.h"

enum { TOLD_NOBODY, TOLD_PEOPLE, TOLD_PAGER }; /* stored: append, never renumber */

static int tell(struct db_tx *tx, const struct settings *s, const struct rollout *r, const struct fallback_look *look)
{
	CLEANUP(cleanup_free)
	char *text = text_format("%s: %s. A rollback sends the traffic there; nothing is raised meanwhile. Mend the "
	                         "old way before it is needed",
	                         look->ready == STATUS_NO ? "THE FALLBACK IS NOT READY"
	                                                  : "WHETHER THE FALLBACK IS READY IS UNKNOWN",
	                         look->why);
	int err = text ? readiness_announce(tx, s, r,
	                                    look->above_zero ? ANNOUNCE_FALLBACK_NOT_READY_ABOVE
	                                                     : ANNOUNCE_FALLBACK_NOT_READY,
	                                    text)
	               : -ENOMEM;

	return err < 0 ? err : mark_set(tx, r, "fallback_told", look->above_zero ? TOLD_PAGER : TOLD_PEOPLE);
}

static int not_ready(struct db_tx *tx, const struct settings *s, const struct rollout *r,
                     const struct fallback_look *look)
{
	int64_t since = mark_get(db_tx_conn(tx), r, "fallback_since"), now = db_tx_now(tx);
	int64_t told = mark_get(db_tx_conn(tx), r, "fallback_told");

	if (!since)
		return mark_set(tx, r, "fallback_since", now);
	if (now - since < r->watch.patience_us || told >= (look->above_zero ? TOLD_PAGER : TOLD_PEOPLE))
		return 0;
	return tell(tx, s, r, look);
}

static int ready(struct db_tx *tx, const struct settings *s, const struct rollout *r)
{
	int64_t since = mark_get(db_tx_conn(tx), r, "fallback_since");
	int64_t told = mark_get(db_tx_conn(tx), r, "fallback_told");
	char span[40];
	int err = since ? mark_set(tx, r, "fallback_since", 0) : 0;

	if (err < 0 || told == TOLD_NOBODY)
		return err;
	text_duration_words(db_tx_now(tx) - since, span, sizeof(span));
	CLEANUP(cleanup_free) char *text = text_format("the fallback is ready again, after %s", span);
	err = text ? readiness_announce(tx, s, r,
	                                told == TOLD_PAGER ? ANNOUNCE_FALLBACK_READY_ABOVE : ANNOUNCE_FALLBACK_READY,
	                                text)
	           : -ENOMEM;
	return err < 0 ? err : mark_set(tx, r, "fallback_told", TOLD_NOBODY);
}

int fallback_watch(struct db_tx *tx, const struct settings *s, const struct rollout *r,
                   const struct fallback_look *look)
{
	assert(tx && s && r && look && look->why);
	if (!r->n_probes) /* it was taken out of the config */
		return mark_get(db_tx_conn(tx), r, "fallback_told") ? mark_set(tx, r, "fallback_told", TOLD_NOBODY) : 0;
	return look->ready == STATUS_YES ? ready(tx, s, r) : not_ready(tx, s, r, look);
}
