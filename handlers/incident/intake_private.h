/*
 * What the parts of the intake share: intake.c (a webhook as a whole), take.c (one alert), unseen.c (who is paged for
 * what cannot be acted on). Writer thread, inside the transaction.
 */
#ifndef HANDLERS_INCIDENT_INTAKE_PRIVATE_H
#define HANDLERS_INCIDENT_INTAKE_PRIVATE_H

#include "handlers/incident/intake.h"

/* A line of the answer. incident 0, rollout and reason NULL: none. */
int intake_add_result(struct intake *in, const struct alert *a, const char *rollout, enum disposition d,
                      int64_t incident, const char *reason);
/* Room for one more in a list that grows. */
int intake_grow(void *list, size_t *cap, size_t n, size_t size);
int intake_note_begun(struct intake *in, int64_t incident, const struct rollout *r);
/* Each once. */
int intake_note_id(struct id_list *l, int64_t id);

/* Records one alert, decides and acts. */
int take_alert(struct db_tx *tx, struct intake *in, const struct alert *a, const struct route *rt);

/* That a trigger was not acted on: is_new, or a copy of what was said before. name may be NULL. */
void unseen_note(struct intake *in, enum unseen_kind kind, const char *name, bool is_new);
/* Pages for what was noted, each kind at most once an hour. */
int unseen_page(struct db_tx *tx, struct intake *in);

#endif
