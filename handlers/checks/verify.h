/*
 * One round of verification: every check of a rollout at once, and the flags file.
 *
 * Engine thread. verify_start calls back once, after the slowest check or its time limit, never inside the
 * call. What could not be established is unknown, never yes or no. The judges are pure.
 */
#ifndef HANDLERS_CHECKS_VERIFY_H
#define HANDLERS_CHECKS_VERIFY_H

#include "alertmanager/prometheus.h"
#include "db/incident.h"
#include "handlers/checks/symptoms.h"
#include "handlers/settings/settings.h"
#include "server/core/loop.h"

#define PROBE_NOTE_MAX 300

/* What is wanted: a rollback wants at most that (below it counts as there), everything else exactly that. */
struct wanted {
	int32_t pct; /* hundredths */
	bool at_most;
};
bool wanted_is_met(struct wanted t, int32_t pct);

/* What one check said. */
struct verdict {
	enum condition_status state;
	bool stale;                /* unknown or partial because nothing young enough is there yet */
	size_t agree, answers;     /* answers that are the wanted percentage, of how many; "6 of 6" */
	int32_t seen, least;       /* highest and lowest percentage it reported; -1 none */
	bool partial;              /* not everybody who was asked has said where it is */
	char note[PROBE_NOTE_MAX]; /* one line: "6 of 6 at 0%", "10%, not 0%", "no answer within 3s" */
};

/* Every sample must meet the target; with instances >= 0 exactly that many of them. One that is
 * another percentage: no, and the note names it by its labels (three, and how many more). NaN, infinite, none, too few
 * or too many: unknown. */
void judge_prometheus(const struct prom_vector *v, int64_t instances, struct wanted t, struct verdict *ret);
/* A percentage as text (a program's output, a JSON string). No percentage: unknown. */
void judge_value(const char *text, size_t len, struct wanted t, struct verdict *ret);
/* A JSON number, or a string that is a percentage. NULL or another type: unknown. */
void judge_json(struct json_object *value, struct wanted t, struct verdict *ret);
/* All checks together: one no is a no, else one unknown (or no check at all) is unknown. */
void judge_all(const struct verdict *v, size_t n, struct verdict *ret);

struct verify_condition {
	enum condition_status state;
	const char *note; /* borrowed; "6 of 6", "5 of 6: Prometheus: no answer within 3s" */
};
struct verify_result {
	struct verify_condition written; /* without a flags file: yes, there is nothing to write */
	struct verify_condition acknowledged;
	struct verify_condition effective, cured; /* unknown where they are not configured, or not judged now */
	bool stale;                               /* what is unknown or partial is so only for want of young answers */
	bool asked;                               /* there are checks to ask */
	int32_t file;                             /* what the flags file holds; -1 unknown, or there is none */
	int32_t seen, least;                      /* highest and lowest percentage that any check reported; -1 none */
	bool partial;                             /* somebody who was asked has not said where it is */
	const char *text;                         /* borrowed: a line per answer */
};
typedef void verify_fn(void *arg, const struct verify_result *r);

struct verify;
/* plan is borrowed and must outlive it. Only what was sampled or asked after since_mono_us counts (0: any age; what is
 * asked now is younger than what has ended). symptoms: whose cure is judged; NULL: nobody's, and what it holds is taken
 * in any case. 0 or -errno: nothing was started. */
int verify_start(struct loop *l, const struct plan *plan, struct wanted target, int64_t since_mono_us,
                 struct asked_symptoms *symptoms, verify_fn *fn, void *arg, struct verify **ret) MUST_CHECK;
void verify_cancel(struct verify *p); /* no call back; NULL is fine */

#endif
