#include "tests/simulate/plot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "db/rollout.h"
#include "tests/simulate/alerts.h"
#include "tests/simulate/config.h"
#include "tests/simulate/sim.h"
#include "tests/simulate/watch.h"
#include "tests/simulate/world.h"

#define SETTLE_US (25 * 60 * US_PER_S)
#define STEPS_MAX 300000 /* of one history: more is a busy loop */

static const char *only;

void plot_only(const char *words)
{
	only = words;
}

/* --- people --- */

static void heard(void *arg, int status, const char *body)
{
	(void)arg;
	say("  the answer is %d %.300s", status, status == 200 ? "" : body);
}

static int some_rollout(void)
{
	return config_service(1) >= 0 && (config_service(0) < 0 || rnd_chance(30)) ? 1 : 0;
}

static int stage_of(int rollout)
{
	struct rollout_row row = {0};
	char name[4];

	snprintf(name, sizeof(name), "r%d", rollout);
	int stage = rollout_load(house_reader(), name, &row) == 0 ? row.stage : -1;
	rollout_row_free(&row);
	return stage;
}

struct wish {
	int rollout, service;
	int32_t pct;
};

static void on_rollback(void *arg, int status, const char *body)
{
	struct wish *w = arg;

	heard(NULL, status, body);
	if (status == 200)
		watch_demand(w->rollout, w->service, w->pct);
	free(w);
}

static void roll_back_to(int32_t pct)
{
	struct wish *w = calloc(1, sizeof(*w));
	char path[60], body[100], stage[30] = "";

	if (!w)
		abort();
	w->rollout = some_rollout();
	w->service = config_service(w->rollout);
	w->pct = pct;
	if (pct == 0)
		watch_asks_zero(w->rollout);
	if (stage_of(w->rollout) >= 0)
		snprintf(stage, sizeof(stage), "\"stage\":%d,", stage_of(w->rollout));
	snprintf(path, sizeof(path), "/api/v1/rollouts/r%d/rollback", w->rollout);
	snprintf(body, sizeof(body), "{%s\"to\":%d}", stage, w->pct / 100);
	say("alice rolls r%d back: %s", w->rollout, body);
	house_ask(path, body, on_rollback, w);
}

static void rollback_by_hand(void)
{
	roll_back_to(rnd_chance(60) ? 0 : rnd_chance(50) ? 500 : 1000);
}

static void on_advance(void *arg, int status, const char *body)
{
	heard(NULL, status, body);
	if (status == 200)
		watch_void((int)(intptr_t)arg);
}

static void advance(void)
{
	int r = some_rollout();
	char path[60];

	snprintf(path, sizeof(path), "/api/v1/rollouts/r%d/advance", r);
	say("alice advances r%d", r);
	house_ask(path, "{\"force\":true,\"reason\":\"because\"}", on_advance, (void *)(intptr_t)r);
}

static void set_stage(void)
{
	char path[60], body[80];

	snprintf(path, sizeof(path), "/api/v1/rollouts/r%d/set", some_rollout());
	snprintf(body, sizeof(body), "{\"stage\":%d,\"force\":true,\"note\":\"because\"}", 1 + rnd_below(2));
	say("alice sets %s %s", path, body);
	house_ask(path, body, heard, NULL);
}

static void on_resolve(void *arg, int status, const char *body)
{
	if (status == 200)
		alerts_settled((int)(intptr_t)arg);
	on_advance(arg, status, body);
}

/* By the config in force, as every act that a person asks for. */
static void on_retry(void *arg, int status, const char *body)
{
	int r = (int)(intptr_t)arg;

	heard(NULL, status, body);
	if (status == 200 && config_service(r) >= 0)
		watch_goes_by(watch_open(r), config_service(r));
}

static void act_on_incident(const char *what, house_fn *fn)
{
	int r = some_rollout();
	int64_t id = watch_open(r);
	char path[80];

	if (!id)
		return;
	snprintf(path, sizeof(path), "/api/v1/incidents/%lld/%s", (long long)id, what);
	say("alice: %s incident %lld", what, (long long)id);
	house_ask(path, "{\"note\":\"because\"}", fn, (void *)(intptr_t)r);
}

static void cancel(void)
{
	act_on_incident("cancel", on_resolve);
}

static void retry(void)
{
	act_on_incident("retry", on_retry);
}

static void resolve(void)
{
	act_on_incident("resolve", on_resolve);
}

static void approve(void)
{
	act_on_incident("approve", heard);
}

static void report(void)
{
	struct wish *w = calloc(1, sizeof(*w));
	char body[100];
	bool urgent = rnd_chance(50);

	if (!w)
		abort();
	w->rollout = some_rollout();
	w->service = config_service(w->rollout);
	snprintf(body, sizeof(body), "{\"rollout\":\"r%d\",\"severity\":\"%s\",\"summary\":\"looks odd\"}", w->rollout,
	         urgent ? "P0" : "P2");
	say("alice reports %s", body);
	if (urgent) {
		watch_asks_zero(w->rollout);
		house_ask("/api/v1/incidents", body, on_rollback, w);
		return;
	}
	house_ask("/api/v1/incidents", body, heard, NULL);
	free(w);
}

/* --- the daemon --- */

static bool stays_down; /* for now */

static void starts(void *arg)
{
	(void)arg;
	if (!house_is_up() && !stays_down)
		house_start();
}

static void crash(void)
{
	if (!house_is_up())
		return;
	say("crash");
	house_crash();
}

static void crash_at_commit(void)
{
	house_crash_after_commit(1 + rnd_below(6));
}

static void reload(void)
{
	config_change();
	house_reload();
}

static void clock_jumps(void)
{
	int64_t by = (rnd_chance(50) ? 1 : -1) * rnd_us(US_PER_S, 86400 * US_PER_S);

	say("the wall clock jumps by %.3f s", (double)by / (double)US_PER_S);
	sim_wall_jump(by);
}

/* --- the world --- */

static struct service *some_service(void)
{
	int s = config_service(some_rollout());

	return world_service(s < 0 ? 0 : s);
}

static void raised_outside(void)
{
	struct service *s = some_service();

	world_outside(s, rnd_chance(50) ? 1000 : 2500, rnd_chance(50));
}

static void lowered_outside(void)
{
	struct service *s = some_service();
	int32_t pct = world_pct(s);

	if (pct > 100)
		world_outside(s, rnd_chance(50) ? pct / 2 / 100 * 100 : 200, rnd_chance(50));
}

static void one_lowered_outside(void)
{
	world_lowers_one(some_service(), rnd_chance(50) ? 200 : 500);
}

/* Somebody's program writes the file, and the service has not read it yet. */
static void file_written(void)
{
	world_writes_file(some_service(), rnd_chance(70) ? 5000 : 1000);
}

static void bounces(void)
{
	world_bounce(some_service());
}

static void goes_wrong(void)
{
	static const enum fault of_acts[] = {FAULT_ACT_FAILS, FAULT_ACT_HANGS, FAULT_FILE, FAULT_LAGS};
	enum fault f = rnd_chance(50) ? of_acts[rnd_below(ARRAY_LEN(of_acts))] : (enum fault)rnd_below(FAULT_N);

	world_fault(f, rnd_us(100 * US_PER_MS, 300 * US_PER_S));
	if (rnd_chance(40)) /* misfortunes come together */
		world_fault((enum fault)rnd_below(FAULT_N), rnd_us(100 * US_PER_MS, 300 * US_PER_S));
}

static void one_over(void)
{
	alerts_resolve(false);
}

static void all_over(void)
{
	alerts_resolve(true);
}

/* --- the history --- */

static const struct {
	const char *word;
	int weight;
	void (*happens)(void);
} plots[] = {
	{"fire", 30, alerts_fire},
	{"over", 8, one_over},
	{"allover", 5, all_over},
	{"repeat", 6, alerts_repeat},
	{"hand", 8, rollback_by_hand},
	{"advance", 12, advance},
	{"set", 4, set_stage},
	{"cancel", 2, cancel},
	{"retry", 3, retry},
	{"resolve", 5, resolve},
	{"approve", 1, approve},
	{"report", 2, report},
	{"crash", 8, crash},
	{"crashcommit", 8, crash_at_commit},
	{"reload", 5, reload},
	{"clock", 3, clock_jumps},
	{"raised", 6, raised_outside},
	{"lowered", 5, lowered_outside},
	{"bounce", 5, bounces},
	{"fault", 30, goes_wrong},
	{"file", 3, file_written},
	{"amclock", 4, alerts_clock_jumps},
	{"onelower", 3, one_lowered_outside},
	{"flap", 3, alerts_flap},
	{"deny", 3, alerts_deny},
};

static bool is_on(const char *word)
{
	size_t len = strlen(word);

	for (const char *at = only; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, word, len) && (at[len] == ',' || !at[len]))
			return true;
	}
	return !only;
}

static void something_happens(void)
{
	int sum = 0;

	for (size_t i = 0; i < ARRAY_LEN(plots); i++)
		sum += is_on(plots[i].word) ? plots[i].weight : 0;
	for (size_t i = 0, at = sum ? (size_t)rnd_below(sum) : 0; sum && i < ARRAY_LEN(plots); i++) {
		size_t weight = is_on(plots[i].word) ? (size_t)plots[i].weight : 0;

		if (at < weight) {
			plots[i].happens();
			return;
		}
		at -= weight;
	}
}

static int steps;

/* Lets time pass; the daemon comes again when it is down. */
static void pass(int64_t us)
{
	int64_t until = sim_now() + us;

	while (!sim_violation() && sim_step(until)) {
		if (!house_is_up())
			sim_at(sim_now() + rnd_us(10 * US_PER_MS, 30 * US_PER_S), NULL, starts, NULL);
		if (++steps > STEPS_MAX)
			violate("busy: %d things have happened", steps);
	}
}

/* --- how it begins --- */

static void begins_with_a_stage(void)
{
	if (!some_service()->file[0]) { /* where it stands is not known before a rollback */
		rollback_by_hand();
		pass(30 * US_PER_S);
		resolve();
		pass(rnd_us(US_PER_S, 30 * US_PER_S));
	}
	set_stage();
	pass(rnd_us(US_PER_S, 30 * US_PER_S));
	advance();
	pass(rnd_us(100 * US_PER_MS, 60 * US_PER_S));
}

/* Long ago the service was lowered by somebody, and what is on record does not know. */
static void begins_lower(void)
{
	begins_with_a_stage();
	pass(60 * US_PER_S);
	lowered_outside();
	pass(60 * US_PER_S);
	count(COUNT_DRIFTED);
	if (rnd_chance(50)) { /* and nobody can tell */
		world_fault(FAULT_PROM_DOWN, 120 * US_PER_S);
		world_fault(FAULT_CHECK_FAILS, 120 * US_PER_S);
		roll_back_to(rnd_chance(50) ? 500 : 1000);
	} else if (rnd_chance(50))
		rollback_by_hand();
	pass(rnd_us(10 * US_PER_MS, 30 * US_PER_S));
}

/* Its instances differ, for long, and what is applied they all get. */
static void begins_uneven(void)
{
	begins_with_a_stage();
	pass(30 * US_PER_S);
	one_lowered_outside();
	pass(rnd_us(20 * US_PER_S, 80 * US_PER_S));
	if (rnd_chance(50))
		rollback_by_hand();
	else
		alerts_fire();
	pass(rnd_us(10 * US_PER_MS, 30 * US_PER_S));
}

static void begins_rolled_back(void)
{
	begins_with_a_stage();
	alerts_fire();
	pass(rnd_us(10 * US_PER_S, 60 * US_PER_S));
	alerts_resolve(true);
	pass(rnd_us(US_PER_S, 200 * US_PER_S));
}

/* A stage is entered while Prometheus still has what was before, and what lowers it again does not work. */
static void begins_blind(void)
{
	rollback_by_hand();
	pass(30 * US_PER_S);
	resolve();
	pass(15 * US_PER_S);
	set_stage();
	pass(US_PER_S);
	world_fault(FAULT_PROM_FROZEN, 280 * US_PER_S);
	advance();
	pass(rnd_us(US_PER_S, 30 * US_PER_S));
	world_fault(rnd_chance(50) ? FAULT_ACT_FAILS : FAULT_LAGS, 60 * US_PER_S);
	alerts_fire();
	pass(rnd_us(US_PER_S, 90 * US_PER_S));
}

/* Not every instance hears of the rollback, and not every one is asked. */
static void begins_partial(void)
{
	static const enum fault partly[] = {FAULT_PROM_PARTIAL, FAULT_PROM_PARTIAL, FAULT_PROM_PARTIAL,
	                                    FAULT_PROM_MISSING, FAULT_PROM_MISSING, FAULT_PROM_500,
	                                    FAULT_PROM_REDIRECT};

	world_fault(rnd_chance(70) ? FAULT_DEAF : FAULT_LAGS, 120 * US_PER_S);
	world_fault(partly[rnd_below(ARRAY_LEN(partly))], rnd_us(10 * US_PER_S, 120 * US_PER_S));
	alerts_fire();
	pass(rnd_us(US_PER_S, 90 * US_PER_S));
}

/* It was at 0 when it was asked, and no more when the answer comes. */
static void begins_asked_before(void)
{
	begins_with_a_stage();
	pass(30 * US_PER_S);
	rollback_by_hand();
	pass(rnd_us(100 * US_PER_MS, 4 * US_PER_S));
	world_fault(FAULT_SLOW, 60 * US_PER_S);
	pass(rnd_us(US_PER_S, 8 * US_PER_S));
	raised_outside();
	pass(rnd_us(US_PER_MS, 100 * US_PER_MS));
	alerts_fire();
	pass(rnd_us(US_PER_S, 60 * US_PER_S));
}

/* The rollback comes while the stage's own acts are still under way. */
static void begins_superseded(void)
{
	bool stubborn = rnd_chance(60);

	begins_with_a_stage();
	if (stubborn)
		acts_are_stubborn(US_PER_S);
	else if (rnd_chance(60))
		world_fault(FAULT_ACT_HANGS, 5 * US_PER_S);
	advance();
	pass(stubborn ? rnd_us(US_PER_S, 3 * US_PER_S) : rnd_us(20 * US_PER_MS, 5 * US_PER_S));
	if (stubborn)
		rollback_by_hand();
	else
		alerts_fire();
	pass(rnd_us(10 * US_PER_MS, 20 * US_PER_S));
}

/* What was rolled back is moved elsewhere, where it was never rolled back. */
static void begins_moved(void)
{
	if (rnd_chance(60)) /* and what failed there has not been done when it moves */
		world_fault(rnd_chance(50) ? FAULT_FILE : FAULT_ACT_FAILS, 120 * US_PER_S);
	alerts_fire();
	pass(rnd_us(US_PER_S, 60 * US_PER_S));
	config_move();
	house_reload();
	pass(rnd_us(10 * US_PER_MS, 30 * US_PER_S));
	rollback_by_hand();
	alerts_fire();
	pass(rnd_us(US_PER_S, 60 * US_PER_S));
}

/* The file holds more than the service has, and it cannot be lowered: whoever reads it now goes up. */
static void begins_below_its_file(void)
{
	struct service *s = some_service();

	world_outside(s, 200, false);
	pass(60 * US_PER_S);
	world_fault(FAULT_FILE, rnd_us(10 * US_PER_S, 120 * US_PER_S));
	if (rnd_chance(50))
		alerts_fire();
	else
		rollback_by_hand();
	pass(rnd_us(US_PER_S, 60 * US_PER_S));
}

/* A rollback to more than 0 is not done yet when somebody lowers the service further; perhaps the daemon is down then.
 */
static void begins_lowered_meanwhile(void)
{
	static const enum fault late[] = {FAULT_FILE, FAULT_ACT_FAILS, FAULT_ACT_HANGS};

	begins_with_a_stage();
	pass(60 * US_PER_S);
	world_fault(late[rnd_below(ARRAY_LEN(late))], rnd_us(60 * US_PER_S, 120 * US_PER_S));
	stays_down = rnd_chance(60);
	if (stays_down && rnd_chance(50)) /* between what is intended and what is done */
		house_crash_after_commit(1 + rnd_below(6));
	roll_back_to(1000);
	pass(rnd_us(10 * US_PER_MS, 10 * US_PER_S));
	if (stays_down)
		crash();
	world_outside(world_service(config_service(0) < 0 ? 1 : config_service(0)), 200, false);
	pass(rnd_us(45 * US_PER_S, 90 * US_PER_S));
	stays_down = false;
	starts(NULL);
	pass(rnd_us(US_PER_S, 60 * US_PER_S));
}

static void opening(void)
{
	static void (*const openings[])(void) = {begins_superseded,       begins_moved,        begins_moved,
	                                         begins_with_a_stage,     begins_with_a_stage, begins_lower,
	                                         begins_uneven,           begins_blind,        begins_rolled_back,
	                                         begins_partial,          begins_asked_before, begins_asked_before,
	                                         begins_below_its_file,   begins_partial,      begins_lowered_meanwhile,
	                                         begins_lowered_meanwhile};

	if (rnd_chance(75))
		openings[rnd_below(ARRAY_LEN(openings))]();
}

static int64_t gap(void)
{
	return rnd_chance(25) ? rnd_us(40 * US_PER_S, 200 * US_PER_S) : rnd_us(2 * US_PER_MS, 20 * US_PER_S);
}

static void play(void)
{
	int n = 1 + rnd_below(14);

	pass(rnd_us(10 * US_PER_MS, 100 * US_PER_S));
	opening();
	for (int i = 0; i < n && !sim_violation(); i++) {
		if (i == n / 3 && rnd_chance(40))
			goes_wrong();
		if (i == n / 3)
			alerts_fire();
		else
			something_happens();
		pass(gap());
	}
	say("nothing goes wrong any more");
	world_no_faults();
	if (rnd_chance(50))
		alerts_resolve(true);
	pass(SETTLE_US);
	if (!sim_violation())
		watch_end();
}

bool plot_play(uint64_t seed, bool verbose, const char *dir)
{
	char path[200];

	sim_begin(seed, verbose);
	steps = 0;
	stays_down = false;
	watch_begin();
	acts_begin();
	config_begin(dir);
	world_begin(dir);
	alerts_begin();
	snprintf(path, sizeof(path), "%s/state", dir);
	if (house_open(path) < 0)
		abort();
	house_start();
	play();
	house_close();
	world_end();
	return sim_violation() == NULL;
}
