#include "server/ctl/local/offline.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "handlers/checks/target.h"
#include "handlers/engine/retry.h"
#include "handlers/steps/flags_file.h"
#include "handlers/steps/reads_file.h"
#include "handlers/offline/journal.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/local/local.h"

#define BUSY_TRIES 250 /* of 20 ms each: another writer has the lock on the flags file */
#define BUSY_US    (20 * US_PER_MS)
#define NOTE_MAX   700

struct run {
	const struct offline_rollback *rq;
	struct local w;
	struct json_object *record; /* owned: what the journal will say */
	struct json_object *steps;  /* borrowed: of record */
	int32_t to;                 /* the target: what was asked for, or less */
	struct tried *tried;        /* owned: the flags file, then each apply step, then each fallback */
	int journal;                /* -1: nowhere */
	int32_t from, after;        /* hundredths, -1 unknown */
	bool written;
	bool said;                  /* a step that says the percentage has begun: what was seen before is old */
	int64_t applied_at, rounds; /* wall time */
	struct local_round last;
};

/* The same steps as rollbackd's, and tried again as there. */
struct tried {
	bool failed;
	int32_t attempts;
	int64_t due_us; /* mono: not again before */
};

static void tried_now(struct tried *t, bool ok)
{
	t->failed = !ok;
	t->attempts++;
	t->due_us = clock_mono_us() + retry_pause_us(t->attempts);
}

static bool is_due(const struct tried *t)
{
	assert(t);
	return t->failed && clock_mono_us() >= t->due_us;
}

static void PRINTF_LIKE(1, 2) say(const char *fmt, ...)
{
	char at[40];
	va_list ap;

	text_time(clock_wall_us() / US_PER_S * US_PER_S, at, sizeof(at));
	printf("%s  ", at);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
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

static void who_it_is(char *out, size_t size)
{
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *pw = getpwuid(getuid());

	if (sudo && sudo[0])
		snprintf(out, size, "%s", sudo);
	else if (pw)
		snprintf(out, size, "%s", pw->pw_name);
	else
		snprintf(out, size, "uid %u", (unsigned)getuid());
}

static void begin_record(struct run *r)
{
	uint64_t random = (uint64_t)clock_wall_us();
	char id[20], who[100];

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random ^= (uint64_t)getpid() << 48;
	snprintf(id, sizeof(id), "%016llx", (unsigned long long)random);
	who_it_is(who, sizeof(who));
	r->record = json_object_new_object();
	r->steps = json_object_new_array();
	json_add_int(r->record, "version", 1);
	json_add_str(r->record, "id", id);
	json_add_str(r->record, "rollout", r->rq->rollout);
	json_add_time(r->record, "at", clock_wall_us());
	json_add_str(r->record, "who", who);
	json_add_str(r->record, "reason", r->rq->reason);
	if (r->rq->stage >= 0)
		json_add_int(r->record, "stage", r->rq->stage);
	json_add_pct(r->record, "to", r->to);
	json_add_str(r->record, "verified", "unknown");
	json_add(r->record, "steps", r->steps);
}

static void step_done(struct run *r, const char *kind, const char *name, bool ok, const char *text, int64_t since)
{
	struct json_object *o = json_object_new_object();

	json_add_str(o, "name", name);
	json_add_str(o, "kind", kind);
	json_add_bool(o, "ok", ok);
	json_add_str(o, "text", text);
	json_add_time(o, "at", since);
	json_add_time(o, "ended_at", clock_wall_us());
	json_object_array_add(r->steps, o);
	say("%s: %s%s%s", name, ok ? "done" : "FAILED", text[0] ? ": " : "", text);
}

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
	assert(r->record);
	int e = r->journal >= 0 ? journal_add(r->journal, r->record) : 0;

	if (e < 0)
		say("journal: cannot be written: %s", strerrordesc_np(-e));
}

/* --- lowering --- */

static int lower_flags(struct run *r, char *text, size_t size)
{
	const struct rollout *ro = &r->w.plan->rollout;
	struct flags_change change = {.before = -1, .after = -1};
	char why[256] = "", before[16], after[16];
	int e = -EBUSY;

	for (int i = 0; i < BUSY_TRIES && (e == -EBUSY || e == -EAGAIN); i++) {
		if (i)
			local_wait(&r->w, BUSY_US);
		e = flags_file_write(ro->flags_file, ro->flags_key, r->to, &change, why, sizeof(why));
	}
	if (e < 0) {
		snprintf(text, size, "%s", why);
		return e;
	}
	r->from = change.before;
	r->after = change.after;
	if (change.after < r->to)
		r->to = change.after; /* nothing may ask for more than is there */
	text_pct(change.before, before, sizeof(before));
	text_pct(change.after, after, sizeof(after));
	const char *sep = change.note[0] ? "; " : "";
	if (e == 1)
		snprintf(text, size, "%s: %s%s to %s%%%s%s", ro->flags_key, before, change.before < 0 ? "" : "%", after,
		         sep, change.note);
	else
		snprintf(text, size, "%s: is at %s%% already%s%s", ro->flags_key, after, sep, change.note);
	return e;
}

/* 1 written, 0 it was there already, -errno. Without a flags file: 1, but that above 0 the service is asked first. */
static int lower(struct run *r)
{
	int64_t since = clock_wall_us();
	char text[NOTE_MAX];

	if (!r->w.plan->rollout.flags_file)
		return r->to == 0;
	int e = lower_flags(r, text, sizeof(text));
	r->written = e >= 0;
	tried_now(&r->tried[0], r->written);
	step_done(r, "flags", "set percentage", e >= 0, text, since);
	json_add_pct(r->record, "from", r->from);
	json_add_pct(r->record, "after", r->after);
	return e;
}

/* It would make the service read a file that may hold more than is there: not before the file was lowered, as
 * rollbackd does it. */
static bool must_wait(const struct run *r, const struct act *a, char *why, size_t why_size)
{
	bool known = !r->said && r->rounds > 0 && !r->last.partial;

	return act_reads_file(&r->w.plan->rollout, a) &&
	       reading_may_raise(&r->w.plan->rollout, r->to, known ? r->last.least : -1, why, why_size);
}

/* False: it waits, and has not begun. */
static bool act(struct run *r, const struct act *a, struct tried *t)
{
	int64_t since = clock_wall_us();
	char text[NOTE_MAX], why[256];

	if (must_wait(r, a, why, sizeof(why))) {
		if (!t->failed)
			say("%s: waits: %s", a->name, why);
		t->failed = true;
		return false;
	}
	r->said |= act_says_percentage(a);
	bool ok = local_act(&r->w, a, r->to, text, sizeof(text));
	r->last.least = -1; /* seen before this act */
	step_done(r, a->kind == ACT_HTTP ? "http" : "command", a->name, ok, text, since);
	tried_now(t, ok);
	return true;
}

static void apply(struct run *r)
{
	for (size_t i = 0; i < r->w.plan->rollout.n_apply; i++)
		act(r, &r->w.plan->rollout.apply[i], &r->tried[i + 1]);
	r->applied_at = clock_wall_us();
}

/* --- verifying --- */

static bool is_seen(const struct run *r)
{
	const struct local_round *l = &r->last;
	bool wants_effect = r->w.plan->rollout.effective_query && r->to == 0;

	return l->written == STATUS_YES && l->acknowledged == STATUS_YES &&
	       (!wants_effect || l->effective == STATUS_YES);
}

/* Said when it changes, not every round. */
static void look(struct run *r)
{
	char before[sizeof(r->last.text)];

	memcpy(before, r->last.text, sizeof(before));
	local_check(&r->w, r->to, false, &r->last);
	r->rounds++;
	if (!strcmp(before, r->last.text))
		return;
	for (char *line = strtok(memcpy(before, r->last.text, sizeof(before)), "\n"); line; line = strtok(NULL, "\n"))
		say("seen: %s", line);
}

static void fall_back(struct run *r, int64_t since_mono)
{
	const struct rollout *ro = &r->w.plan->rollout;

	for (size_t i = 0; i < ro->n_fallbacks && r->last.acknowledged != STATUS_YES; i++) {
		struct tried *t = &r->tried[1 + ro->n_apply + i];

		if (t->attempts == 0 && clock_mono_us() >= since_mono + ro->fallbacks[i].after_us &&
		    act(r, &ro->fallbacks[i].act, t))
			return;
	}
}

/* A file that is lowered at last: what ran before made the service read the old one. True: something was done, and only
 * what is seen from now on counts. */
static bool try_again(struct run *r)
{
	const struct rollout *ro = &r->w.plan->rollout;
	bool done = false;

	if (is_due(&r->tried[0])) {
		if (lower(r) < 0)
			return false;
		apply(r);
		return true;
	}
	for (size_t i = 0; i < ro->n_apply; i++) {
		struct tried *t = &r->tried[i + 1];

		if (is_due(t) && (ro->apply[i].idempotent || t->attempts == 0) && !is_seen(r))
			done |= act(r, &ro->apply[i], t) && !t->failed;
	}
	if (done)
		r->applied_at = clock_wall_us();
	return done;
}

static bool verify(struct run *r)
{
	const struct rollout *ro = &r->w.plan->rollout;
	int64_t since = clock_mono_us(), until = since + ro->verify_timeout_us;
	int passes = 0;

	local_wait(&r->w, ro->verify_delay_us);
	for (;;) {
		look(r);
		passes = is_seen(r) ? passes + 1 : 0;
		if (passes >= ro->passes)
			return true;
		if (clock_mono_us() >= until)
			return false;
		fall_back(r, since);
		if (try_again(r))
			passes = 0;
		local_wait(&r->w, ro->verify_every_us);
	}
}

/* --- the result --- */

static void add_condition(struct json_object *to, const char *name, enum condition_status state, const char *note)
{
	struct json_object *o = json_object_new_object();

	json_add_str(o, "state", condition_status_name(state));
	json_add_str(o, "note", note);
	json_add(to, name, o);
}

static const char *verdict(const struct run *r, bool seen)
{
	bool no = r->last.written == STATUS_NO || r->last.acknowledged == STATUS_NO || r->last.effective == STATUS_NO;

	return seen ? "yes" : no ? "no" : "unknown";
}

static void end_record(struct run *r, bool seen, const char *note)
{
	struct json_object *conditions = json_object_new_object();
	const struct local_round *l = &r->last;

	add_condition(conditions, condition_name(CONDITION_WRITTEN), l->written, l->note[0]);
	add_condition(conditions, condition_name(CONDITION_ACKNOWLEDGED), l->acknowledged, l->note[1]);
	if (r->w.plan->rollout.effective_query)
		add_condition(conditions, condition_name(CONDITION_EFFECTIVE), l->effective, l->note[2]);
	json_add(r->record, "verification", conditions);
	json_add_pct(r->record, "seen", l->seen);
	json_add_int(r->record, "rounds", r->rounds);
	json_add_time(r->record, "applied_at", r->applied_at);
	json_add_time(r->record, "ended_at", clock_wall_us());
	json_add_str(r->record, "verified", verdict(r, seen));
	json_add_str(r->record, "note", note);
	write_journal(r);
}

static int finish(struct run *r, bool seen)
{
	char note[1200], to[16], pct[16], found[16];

	text_pct(r->to, to, sizeof(to));
	text_pct(r->to, pct, sizeof(pct));
	text_pct(r->last.seen, found, sizeof(found));
	if (seen)
		snprintf(note, sizeof(note), "rolled back and verified: %s%% seen %d times in a row", pct,
		         r->w.plan->rollout.passes);
	else
		snprintf(note, sizeof(note),
		         "NOT VERIFIED: %s%% wanted, %s%s seen%s; written: %s (%.200s), acknowledged: %s (%.300s)", to,
		         found, r->last.seen < 0 ? "" : "%",
		         r->written || !r->w.plan->rollout.flags_file ? "" : ", and the flags file was not lowered",
		         condition_status_name(r->last.written), r->last.note[0],
		         condition_status_name(r->last.acknowledged), r->last.note[1]);
	end_record(r, seen, note);
	say("%s (without rollbackd, which takes it from the journal at its next start)", note);
	return seen ? CTL_YES : CTL_NO;
}

/* Above 0 only what somebody can tell is no raise. */
static void find_target(struct run *r)
{
	char to[16], asked[16];

	r->to = r->rq->to_pct;
	if (r->to == 0)
		return;
	local_check(&r->w, r->to, false, &r->last);
	bool open = r->last.partial && r->w.plan->rollout.n_checks; /* the one that does not answer might be raised */
	r->to = open ? 0 : rollback_target(r->to, r->from, r->last.least);
	text_pct(r->to, to, sizeof(to));
	text_pct(r->rq->to_pct, asked, sizeof(asked));
	if (r->from < 0 && r->last.seen < 0)
		say("nobody can tell where it is, and %s%% may be more than is there: it goes to 0%%", asked);
	else if (open)
		say("not everybody says where it is, and %s%% may be more than is there: it goes to 0%%", asked);
	else if (r->to < r->rq->to_pct)
		say("it is at %s%% already: it stays there, %s%% would be more", to, asked);
	r->last = (struct local_round) {.seen = -1};
}

static int run(struct run *r)
{
	find_target(r);
	begin_record(r);
	int lowered = lower(r);
	r->applied_at = clock_wall_us();
	open_journal(r);
	write_journal(r); /* if we are killed now, it is known who lowered it */
	if (lowered == 0)
		look(r); /* found where it should be: nothing is applied when the service says so, too */
	if (lowered != 0 || !is_seen(r))
		apply(r);
	return finish(r, verify(r));
}

/* What is there, for the check of the stage; a file that cannot be read stops nothing. */
static void look_at_file(struct run *r)
{
	const struct rollout *ro = &r->w.plan->rollout;
	char why[256];

	if (ro->flags_file && flags_file_read(ro->flags_file, ro->flags_key, &r->from, why, sizeof(why)) < 0)
		say("flags file: %s", why);
}

int offline_rollback(const struct ctl *c, const struct offline_rollback *rq)
{
	assert(c && rq && rq->rollout && rq->config && rq->storage);
	struct run r = {.rq = rq, .journal = -1, .from = -1, .after = -1, .last = {.seen = -1}};

	if (!rq->insist && daemon_is_there(c, rq->storage)) {
		fprintf(stderr, "rollbackctl: rollbackd runs and answers at %s: ask it, without --offline\n", c->url);
		return CTL_REFUSED;
	}
	int code = local_open(rq->config, rq->rollout, rq->to_pct, &r.w);
	if (code)
		return code;
	umask(077);
	say("rolling back %s without rollbackd, by %s", rq->rollout, rq->config);
	look_at_file(&r);
	r.tried = calloc(r.w.plan->rollout.n_apply + r.w.plan->rollout.n_fallbacks + 1, sizeof(*r.tried));
	code = !r.tried ? CTL_NO : is_stage(&r) ? run(&r) : CTL_REFUSED;
	free(r.tried);
	if (r.journal >= 0)
		close(r.journal);
	json_object_put(r.record);
	local_close(&r.w);
	return code;
}
