/*
 * May the next stage be entered, and what is missing? Pure; any thread.
 *
 * Rollback never asks a gate.
 */
#ifndef HANDLERS_GATES_GATE_H
#define HANDLERS_GATES_GATE_H

#include "handlers/gates/evaluation.h"
#include "handlers/gates/rollout_state.h"

enum missing_flag {
	MISSING_HARD = 1,   /* force does not help: there would be nothing to enter, or two would act at once */
	MISSING_APART = 2,  /* is no evidence, and no reason why nobody should approve: it passes with time, or is asked
	                       for  beside an approval */
	MISSING_REASON = 4, /* a reason is enough */
};

struct missing {
	const char *what; /* static word for machines: "criterion", "approval", "checklist", "clock" … */
	unsigned flags;   /* of enum missing_flag */
	char text[400];   /* one sentence */
};

struct gate {
	const struct stage *current, *next; /* NULL: none */
	bool enters_again;                  /* next is the current one, which a rollback left */
	bool certifies;          /* it asks whether the stage was stable, not whether the next may be entered */
	struct missing *missing; /* owned */
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
/* What is missing to call the current stage stable (stage.certify). -ENOMEM; -ENOENT: its config asks for no such
 * thing. */
int gate_judge_certify(const struct gate_view *v, struct gate *ret);
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

#endif
