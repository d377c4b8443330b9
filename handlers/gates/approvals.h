/*
 * Who answers for what, and does it count still. Pure; any thread.
 *
 * An approval is given by what was shown (db/progress.h): when that turns bad it is void, and somebody has to approve
 * again. It ends with the run.
 */
#ifndef HANDLERS_GATES_APPROVALS_H
#define HANDLERS_GATES_APPROVALS_H

#include "db/progress.h"
#include "handlers/gates/gate.h"

/* What is approved. */
#define APPROVAL_LEAVE        ""           /* leaving the stage */
#define APPROVAL_CERTIFY      "certify"    /* that the stage was stable; of no role */
#define APPROVAL_OF_MILESTONE "milestone:" /* and its text */
#define APPROVAL_OF_FORCE     "force:"     /* and a stage's number; of no role */

/* The one of that subject and role, void or not; NULL: there is none. */
const struct approval *approval_of(const struct approval_list *l, const char *subject, const char *role);
bool approval_counts(const struct approval_list *l, const char *subject, const char *role);
/* It is half of what it takes to force a stage: it was given by no evidence. */
bool approval_is_of_force(const struct approval *a);

/* What speaks against what was shown to those who approved: a criterion that fails, an item that CI calls failed. "":
 * nothing. Unknown is no verdict: it stops the gate, and ends nothing. out (>= 400 bytes). */
void approval_contradicted(const struct gate_view *v, char *out, size_t size);

#endif
