/*
 * What a verification round says: is it there, does anything have to be done, and to which target without raising
 * anything. The engine and a rollback without the daemon follow the same rules. Pure; any thread.
 */
#ifndef HANDLERS_ENGINE_ROUND_H
#define HANDLERS_ENGINE_ROUND_H

#include "handlers/checks/verify.h"
#include "handlers/engine/next.h"
#include "handlers/engine/record.h"

/* A CHANGE_ROUND that has heard nothing yet; what the checks said; and what that is worth for the steps. */
struct change round_unheard(int64_t evidence_since_us);
void round_hear(struct change *ch, const struct verify_result *r);
struct sighting round_sighting(const struct change *ch);

/* A round that has ended, and what it is judged by. All borrowed. */
struct finding {
	const struct settings *settings;
	const struct plan *plan;
	struct incident *inc; /* round_count and round_asked count the round there */
	const struct change *round;
	int64_t now_us;
};

/* A condition as it stands now; it keeps the time of its last change. 0 or -ENOMEM. */
int condition_is(struct incident *inc, enum condition_type which, enum condition_status state, const char *note,
                 int64_t now_us);
/* What the round says of each that is asked for. 0 or -ENOMEM. */
int round_conditions(const struct finding *f);

/* Did it help? Unknown before it is acknowledged and, where that is asked, effective. The note borrows from the round.
 */
struct condition round_cure(const struct finding *f);

/* Rolled back is not said before the traffic is gone, too. */
bool round_wants_effect(const struct plan *plan, const struct incident *inc);

/* After the acts: one more round, and one more that saw it where it should be, or the first again. acts_open: something
 * is under way that could still change it. */
void round_count(const struct finding *f, bool acts_open);

/* Does anything have to be done? */
enum asked_answer {
	ASKED_WAIT,   /* not known yet: another round */
	ASKED_THERE,  /* at or below the target, and so is the file */
	ASKED_ABOVE,  /* above it, or nobody can tell and 0 % is wanted, which cannot raise */
	ASKED_NOBODY, /* nobody can tell within their bounds, and more than 0 % is wanted */
};
enum asked_answer round_asked(const struct finding *f);

/* It has acted since it was told to, and only looks again because somebody else asked. */
bool round_is_after_act(const struct incident *inc);

/* To what to roll back: never more than is there, neither what the service was seen at nor what the file holds. */
int32_t round_target(const struct finding *f);

#endif
