#include "server/ctl/local/offline.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "handlers/engine/file_first.h"
#include "handlers/engine/retry.h"
#include "handlers/engine/round.h"
#include "handlers/incident/kinds.h"
#include "handlers/incident/open.h"
#include "handlers/steps/flags_file.h"
#include "handlers/offline/journal.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/local/local.h"
#include "server/ctl/show/words.h"

#define BUSY_TRIES 250 /* of 20 ms each: another writer has the lock on the flags file */
#define BUSY_US    (20 * US_PER_MS)
#define NOTE_MAX   700

struct run {
	const struct offline_rollback *rq;
	struct local w;
	struct json_object *record; /* owned: what the journal will say */
	int journal;                /* -1: nowhere */
	int32_t from, after;        /* hundredths, what the file held and holds; -1 unknown */
	int64_t began_us, began_mono_us;
	/* What rollbackd would have on disk, as far as its rules go by it; the rules are handlers/engine's. */
	struct incident inc;
	struct step_list steps; /* owned */
	struct change round;    /* owned: the last one */
};

/* Wall time as it would be without a jump of the clock since it began. */
static int64_t now_us(const struct run *r)
{
	return r->began_us + clock_mono_us() - r->began_mono_us;
}

static struct situation situation(const struct run *r)
{
	return (struct situation) {.inc = &r->inc,
	                           .steps = &r->steps,
	                           .rollout = &r->w.plan->rollout,
	                           .seen = round_sighting(&r->round),
	                           .now_us = now_us(r)};
}

static struct finding finding(struct run *r)
{
	return (struct finding) {r->w.config->settings, r->w.plan, &r->inc, &r->round, now_us(r)};
}

static FILE *told; /* where what happens is said: with -o json beside the answer, which is the record */

static void PRINTF_LIKE(1, 2) say(const char *fmt, ...)
{
	char at[40];
	va_list ap;

	text_time(clock_wall_us() / US_PER_S * US_PER_S, at, sizeof(at));
	fprintf(told, "%s  ", at);
	va_start(ap, fmt);
	vfprintf(told, fmt, ap);
	va_end(ap);
	fputc('\n', told);
	fflush(told);
}

/* --- may it be done here? --- */

/* Opened for reading and never created. A lock that cannot be looked at counts as held. */
static bool daemon_holds(const char *storage)
{
	CLEANUP(cleanup_free) char *name = text_format("%s/lock", storage);
	CLEANUP(cleanup_fd) int fd = name ? open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;

	if (fd < 0)
		return errno != ENOENT;
	return flock(fd, LOCK_SH | LOCK_NB) < 0;
}

/* The lock is looked at only when it answers: taken for a moment, it could keep a daemon from starting. */
static bool daemon_is_there(const struct ctl *c, const char *storage)
{
	return ctl_is_ready(c) && daemon_holds(storage);
}

static bool is_stage(const struct run *r)
{
	const struct stage *st = r->from < 0 ? NULL : stage_of_percentage(r->w.config->settings, r->w.rollout, r->from);
	char pct[16];

	text_pct(r->from, pct, sizeof(pct));
	if (r->rq->stage < 0)
		return true;
	if (!rollout_stage(r->w.rollout, (int32_t)r->rq->stage)) {
		fprintf(stderr, "rollbackctl: %s has no stage %lld: nothing was done\n", r->rq->rollout,
		        (long long)r->rq->stage);
		return false;
	}
	if (st && st->number != r->rq->stage) {
		fprintf(stderr, "rollbackctl: %s is at %s%%, which is stage %d, not stage %lld: nothing was done\n",
		        r->rq->rollout, pct, st->number, (long long)r->rq->stage);
		return false;
	}
	if (!st)
		say("stage: cannot be checked (%s%s is the percentage of no stage); going on", pct,
		    r->from < 0 ? "" : "%");
	return true;
}

/* --- the journal --- */

static bool try_journal(struct run *r, char *path)
{
	int fd = path ? journal_open(path) : -ENOMEM;

	if (fd >= 0) {
		r->journal = fd;
		say("journal: %s", path);
	} else if (path) {
		say("journal: cannot be written to %s: %s", path, strerrordesc_np(-fd));
	}
	free(path);
	return fd >= 0;
}

/* Only once the percentage is lowered: it waits for nothing. */
static void open_journal(struct run *r)
{
	const char *flags = r->w.plan->rollout.flags_file;

	if (!try_journal(r, journal_in(r->rq->storage)) && (!flags || !try_journal(r, journal_beside(flags))))
		say("journal: nowhere; the daemon will know that the percentage was changed, and not by whom");
}

static void write_journal(struct run *r)
{
	journal_record_at(r->record, r->from, r->inc.pct_wanted, r->after);
	int e = r->journal >= 0 ? journal_add(r->journal, r->record) : 0;

	if (e < 0)
		say("journal: cannot be written: %s", strerrordesc_np(-e));
}

/* --- steps --- */

/* One more step to be done, of those roll_back() made room for; a NULL: the flags file is lowered. False: out of
 * memory. */
static bool add_step(struct run *r, enum step_phase phase, const struct act *a)
{
	assert(r && r->steps.item);
	struct step *s = &r->steps.item[r->steps.n];

	*s = (struct step) {.ord = (int32_t)r->steps.n++,
	                    .phase = phase,
	                    .kind = !a                    ? STEP_FLAGS
	                            : a->kind == ACT_HTTP ? STEP_HTTP
	                                                  : STEP_COMMAND,
	                    .name = strdup(a ? a->name : "set percentage"),
	                    .spec = a ? act_text(a) : strdup("{}"),
	                    .state = STEP_TODO};
	return s->name && s->spec;
}

static bool lower_flags(struct run *r, char *text, size_t size)
{
	const struct rollout *ro = &r->w.plan->rollout;
	struct flags_change change = {.before = -1, .after = -1};
	int e = -EBUSY;

	for (int i = 0; i < BUSY_TRIES && (e == -EBUSY || e == -EAGAIN); i++) {
		if (i)
			local_wait(&r->w, BUSY_US);
		e = flags_file_write(ro->flags_file, ro->flags_key, r->inc.pct_wanted, &change, text, size);
	}
	if (e < 0)
		return false;
	r->from = change.before;
	r->after = change.after;
	if (change.after < r->inc.pct_wanted)
		r->inc.pct_wanted = change.after; /* nothing may ask for more than is there */
	flags_change_text(&change, ro->flags_key, e == 1, text, size);
	return true;
}

static bool do_act(struct run *r, const struct step *s, char *text, size_t size)
{
	CLEANUP(json_cleanup) struct json_object *spec = json_tokener_parse(s->spec);
	struct act act = {0};
	bool done = spec && act_read(spec, &act) == 0 && local_act(&r->w, &act, r->inc.pct_wanted, text, size);

	act_free(&act);
	return done;
}

/* What was seen before it ended says nothing any more; what ran before a file that is lowered at last made the service
 * read the old one. */
static void acted_late(struct run *r, const struct step *s)
{
	r->inc.evidence_since_us = s->ended_at_us;
	r->inc.verify_passes = 0;
	r->inc.next_probe_us = s->ended_at_us + r->w.plan->rollout.verify_delay_us;
	if (s->state != STEP_DONE)
		return;
	for (size_t i = 0; s->kind == STEP_FLAGS && i < r->steps.n; i++)
		if (retry_follows(s, &r->steps.item[i]))
			r->steps.item[i].state = STEP_TODO;
	struct situation now = situation(r);
	if (!apply_is_open(&now))
		r->inc.applied_at_us = s->ended_at_us;
}

static void do_step(struct run *r, struct step *s)
{
	assert(r && s);
	int64_t since = clock_wall_us();
	char text[NOTE_MAX] = "";

	s->attempts++;
	bool done = s->kind == STEP_FLAGS ? lower_flags(r, text, sizeof(text)) : do_act(r, s, text, sizeof(text));
	s->state = done ? STEP_DONE : STEP_FAILED;
	s->ended_at_us = now_us(r);
	journal_record_step(r->record, s, text, since);
	say("%s: %s%s%s", s->name, done ? "done" : "FAILED", text[0] ? ": " : "", text);
	if (s->kind != STEP_FLAGS)
		r->inc.evidence_since_us = s->ended_at_us;
	if (r->inc.state == INC_VERIFYING)
		acted_late(r, s);
}

/* Said once for each reason. */
static void say_waiting(struct run *r)
{
	assert(r && (r->steps.item || !r->steps.n));
	struct situation now = situation(r);
	char why[256];

	for (size_t i = 0; i < r->steps.n; i++) {
		struct step *s = &r->steps.item[i];

		if (s->state != STEP_TODO || !file_comes_first(&now, s, why, sizeof(why)) ||
		    (s->output && !strcmp(s->output, why)))
			continue;
		say("%s: waits: %s", s->name, why);
		if (text_set(&s->output, why) < 0)
			return;
	}
}

static const struct step *next_step(const struct run *r)
{
	assert(r && (r->steps.item || !r->steps.n));
	struct situation now = situation(r);
	int64_t due = 0;

	for (size_t i = 0; i < r->steps.n; i++)
		if (r->steps.item[i].state == STEP_TODO && next_may_begin(&now, &r->steps.item[i]))
			return &r->steps.item[i];
	const struct step *s = next_retry(&now, &due);
	return s && due <= now.now_us ? s : NULL;
}

/* All that may begin or is due; the file that holds more again is written once, then looked at. */
static void do_steps(struct run *r)
{
	const struct step *s;
	bool again = true;

	for (;;) {
		s = next_step(r);
		if (!s && again) {
			struct situation now = situation(r);

			s = file_to_write_again(&now);
			again = false;
		}
		if (!s)
			break;
		do_step(r, &r->steps.item[s->ord]);
	}
	say_waiting(r);
}

/* --- looking --- */

/* Said when it changes, not every round. */
static void look(struct run *r)
{
	CLEANUP(cleanup_free) char *before = TAKE(r->round.text);

	change_clear(&r->round);
	r->round = round_unheard(r->inc.evidence_since_us);
	local_check(&r->w, incident_wanted(&r->inc), &r->round);
	r->round.deadline_passed = now_us(r) >= r->inc.verify_until_us;
	r->inc.pct_seen = r->round.seen;
	struct finding f = finding(r);
	if (round_conditions(&f) < 0 || !r->round.text || (before && !strcmp(before, r->round.text)))
		return;
	CLEANUP(cleanup_free) char *lines = strdup(r->round.text);
	for (char *line = lines ? strtok(lines, "\n") : NULL; line; line = strtok(NULL, "\n"))
		say("seen: %s", line);
}

/* Until it is known whether anything has to be done. */
static enum asked_answer ask(struct run *r)
{
	const struct rollout *ro = &r->w.plan->rollout;

	incident_ask(&r->inc, ro, now_us(r));
	for (;;) {
		look(r);
		struct finding f = finding(r);
		enum asked_answer what = round_asked(&f);
		if (what == ASKED_THERE ? r->inc.verify_passes >= ro->passes : what != ASKED_WAIT)
			return what;
		local_wait(&r->w, ro->verify_every_us);
	}
}

static void wait_for_round(struct run *r)
{
	struct situation now = situation(r);
	int64_t due = 0;

	while (now.now_us < r->inc.next_probe_us) {
		int64_t until = r->inc.next_probe_us;

		if (next_retry(&now, &due) && due < until)
			until = due;
		local_wait(&r->w, until - now.now_us);
		do_steps(r);
		now = situation(r);
	}
}

/* True: it was seen. */
static bool verify(struct run *r)
{
	const struct rollout *ro = &r->w.plan->rollout;

	for (;;) {
		wait_for_round(r);
		look(r);
		struct finding f = finding(r);
		struct situation now = situation(r);
		round_count(&f, acts_are_open(&now));
		if (r->inc.verify_passes >= ro->passes || r->round.deadline_passed)
			return r->inc.verify_passes >= ro->passes;
		const struct fallback *next = next_fallback(&now);
		if (next && !add_step(r, PHASE_FALLBACK, &next->act))
			return false;
		r->inc.next_probe_us = now_us(r) + ro->verify_every_us;
		do_steps(r);
	}
}

/* --- the result --- */

static int finish(struct run *r, bool seen)
{
	const struct rollout *ro = &r->w.plan->rollout;
	bool lowered = !ro->flags_file || (r->steps.item && r->steps.item[0].state == STEP_DONE);
	const struct condition *written = &r->inc.condition[CONDITION_WRITTEN],
			       *acknowledged = &r->inc.condition[CONDITION_ACKNOWLEDGED];
	char note[1200], to[16], found[16];

	text_pct(r->inc.pct_wanted, to, sizeof(to));
	text_pct(r->round.seen, found, sizeof(found));
	if (seen)
		snprintf(note, sizeof(note), "rolled back and verified: %s%% seen %d %s in a row", to, ro->passes,
		         text_many(ro->passes, "time", "times"));
	else
		snprintf(note, sizeof(note),
		         "NOT VERIFIED: %s%% wanted, %s%s seen%s; written: %s (%.200s), acknowledged: %s (%.300s)", to,
		         found, r->round.seen < 0 ? "" : "%", lowered ? "" : ", and the flags file was not lowered",
		         condition_status_name(written->state), written->note,
		         condition_status_name(acknowledged->state), acknowledged->note);
	journal_record_end(r->record, &r->inc, seen, note);
	write_journal(r);
	say("%s (without rollbackd, which takes it from the journal at its next start)", note);
	return seen ? CTL_YES : CTL_NO;
}

/* Nothing may ask for more than is there. */
static void settle_target(struct run *r, enum asked_answer what)
{
	struct finding f = finding(r);
	char to[16], asked[16];

	text_pct(r->inc.pct_wanted, asked, sizeof(asked));
	if (what == ASKED_NOBODY) {
		r->inc.pct_wanted = 0;
		say("%s where it is, and %s%% may be more than is there: it goes to 0%%",
		    r->round.seen < 0 ? "nobody can tell" : "not everybody says", asked);
		return;
	}
	r->inc.pct_wanted = round_target(&f);
	text_pct(r->inc.pct_wanted, to, sizeof(to));
	if (r->inc.pct_wanted < r->rq->to_pct)
		say("it is at %s%% already: it stays there, %s%% would be more", to, asked);
	else if (what == ASKED_THERE)
		say("it is at %s%% already", to);
}

/* The percentage first; then it is on record, if we are killed now, who lowered it. False: out of memory. */
static bool roll_back(struct run *r)
{
	const struct rollout *ro = &r->w.plan->rollout;

	r->steps.item = calloc(1 + ro->n_apply + ro->n_fallbacks, sizeof(*r->steps.item));
	bool ok = r->steps.item && (!ro->flags_file || add_step(r, PHASE_APPLY, NULL));

	for (size_t i = 0; ok && i < ro->n_apply; i++)
		ok = add_step(r, PHASE_APPLY, &ro->apply[i]);
	if (!ok)
		return false;
	r->inc.state = INC_ROLLING_BACK;
	r->inc.asking = false;
	if (ro->flags_file)
		do_step(r, &r->steps.item[0]);
	open_journal(r);
	write_journal(r);
	do_steps(r);
	r->inc.state = INC_VERIFYING;
	r->inc.applied_at_us = r->inc.evidence_since_us = now_us(r);
	r->inc.verify_until_us = r->inc.applied_at_us + ro->verify_timeout_us;
	r->inc.next_probe_us = r->inc.applied_at_us + ro->verify_delay_us;
	return true;
}

static int run(struct run *r)
{
	bool below = r->from >= 0 && r->from <= r->inc.pct_wanted;
	enum asked_answer what = ASKED_ABOVE;

	if (r->inc.pct_wanted > 0 || below) {
		what = ask(r);
		settle_target(r, what);
	}
	r->inc.applied_at_us = now_us(r);
	r->record = journal_record(r->rq->rollout, r->rq->reason, r->rq->stage);
	if (what == ASKED_THERE)
		open_journal(r);
	return finish(r, what == ASKED_THERE || (roll_back(r) && verify(r)));
}

/* What is there, for the check of the stage; a file that cannot be read stops nothing. */
static void look_at_file(struct run *r)
{
	const struct rollout *ro = &r->w.plan->rollout;
	char why[256];

	if (ro->flags_file && flags_file_read(ro->flags_file, ro->flags_key, &r->from, why, sizeof(why)) < 0)
		say("flags file: %s", why);
	r->after = r->from;
}

int offline_rollback(const struct ctl *c, const struct offline_rollback *rq)
{
	assert(c && rq && rq->rollout && rq->config && rq->storage && rq->to_pct >= 0 && rq->to_pct <= 10000);
	struct run r = {.rq = rq,
	                .journal = -1,
	                .from = -1,
	                .began_us = clock_wall_us(),
	                .began_mono_us = clock_mono_us(),
	                .inc = {.kind = KIND_MANUAL, .state = INC_VERIFYING, .stage = -1, .pct_wanted = rq->to_pct},
	                .round = round_unheard(0)};

	if (!rq->insist && daemon_is_there(c, rq->storage)) {
		fprintf(stderr, "rollbackctl: rollbackd runs and answers at %s: ask it, without --offline\n", c->url);
		return CTL_REFUSED;
	}
	int code = local_open(rq->config, rq->rollout, &r.w);
	if (code)
		return code;
	umask(077);
	told = c->json ? stderr : stdout;
	say("rolling back %s without rollbackd, by %s", rq->rollout, rq->config);
	look_at_file(&r);
	code = is_stage(&r) ? run(&r) : CTL_REFUSED;
	if (r.journal >= 0)
		close(r.journal);
	if (c->json && r.record)
		show_json(r.record, true);
	json_object_put(r.record);
	step_list_free(&r.steps);
	incident_free(&r.inc);
	change_clear(&r.round);
	local_close(&r.w);
	return code;
}
