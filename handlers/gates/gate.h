/*
 * May the next stage be entered, and what is missing? Pure; any thread.
 *
 * Rollback never asks a gate.
 */
#ifndef HANDLERS_GATES_GATE_H
#define HANDLERS_GATES_GATE_H

#include "handlers/gates/evaluation.h"
#include "handlers/gates/rollout_state.h"

struct missing {
	const char *what; /* static word for machines: "criterion", "approval", "checklist", "clock" … */
	bool hard;        /* force does not help: there would be nothing to enter, or two would act at once */
	char text[400];   /* one sentence */
};

struct gate {
	const struct stage *current, *next; /* NULL: none */
	bool enters_again;                  /* next is the current one, which a rollback left */
	struct missing *missing;            /* owned */
	size_t n, cap;
	bool lost; /* there was no memory for one more */
};

struct gate_view {
	const struct settings *settings;
	const struct rollout *rollout;
	const struct rollout_state *st;
	const struct evaluation *ev; /* at_us 0: never evaluated */
	int64_t now_us;
};

int gate_judge(const struct gate_view *v, struct gate *ret); /* -ENOMEM */
void gate_free(struct gate *g);

/* Where it stands and would go: current, next, enters_again alone. */
void gate_route(const struct gate_view *v, struct gate *ret);
/* The next stage of this environment; NULL: none. */
const struct stage *stage_after(const struct gate_view *v, int32_t number);

/* Why the stage's clock stands still, by what is known now; "": it runs. out: at least 300 bytes. */
void gate_clock_why(const struct gate_view *v, char *out, size_t size);

struct freeze_span {
	int64_t until_us;
	const char *by, *reason; /* borrowed; by NULL: a window of the config */
};
/* Is a freeze in force then? */
bool freeze_at(const struct rollout *r, const struct progress *p, int64_t at_us, struct freeze_span *ret);
/* Is a freeze in force? Its reason and end, else false. */
bool freeze_now(const struct rollout *r, const struct progress *p, int64_t now_us, char *why, size_t size);

enum checkmark_state { CHECKMARK_OPEN, CHECKMARK_DONE, CHECKMARK_EXPIRED, CHECKMARK_OVERDUE };
/* How an item stands; *ret_checkmark (may be NULL) is its last checkmark, NULL if there is none. */
enum checkmark_state item_state(const struct checklist *list, const struct check_item *item,
                                const struct checkmark_list *checkmarks, int64_t now_us,
                                const struct checkmark **ret_checkmark);
const char *checkmark_state_name(enum checkmark_state s);

#endif
