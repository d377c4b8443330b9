#include "tests/simulate/world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handlers/steps/flags_file.h"
#include "server/core/text.h"
#include "tests/simulate/sim.h"
#include "tests/simulate/watch.h"
#include "tests/simulate/world.h"

#define SCRAPE_US   (5 * US_PER_S)
#define OLD_NEWS_US (40 * US_PER_S) /* what somebody else did so lately, nobody can know yet for sure */
#define RELOAD_US   (11 * US_PER_S) /* a reload that is under way reads the file at some time */

const char *const fault_names[FAULT_N] = {
	[FAULT_PROM_DOWN] = "Prometheus does not answer",
	[FAULT_PROM_500] = "Prometheus answers 500",
	[FAULT_PROM_REDIRECT] = "Prometheus answers 302",
	[FAULT_PROM_PARTIAL] = "Prometheus answers with warnings, in part",
	[FAULT_PROM_MISSING] = "Prometheus misses instances",
	[FAULT_PROM_FROZEN] = "Prometheus scrapes nothing",
	[FAULT_SLOW] = "answers are slow",
	[FAULT_ACT_FAILS] = "acts fail",
	[FAULT_ACT_HANGS] = "acts hang",
	[FAULT_LAGS] = "instances lag",
	[FAULT_DEAF] = "the first instance is deaf",
	[FAULT_FILE] = "the flags file cannot be written",
	[FAULT_FILE_LOCKED] = "the flags file is locked",
	[FAULT_CHECK_FAILS] = "checks fail",
	[FAULT_DISK] = "nothing gets to the disk",
};

static struct {
	struct service service[SERVICES];
	int64_t until_us[FAULT_N];
	int lock[SERVICES]; /* the lock another program holds; -1 */
} world;

struct service *world_service(int which)
{
	return &world.service[which];
}

static int number(const struct service *s)
{
	return (int)(s - world.service);
}

int32_t world_pct(const struct service *s)
{
	int32_t most = -1;

	for (int i = 0; i < s->n; i++)
		if (s->instance[i].up && s->instance[i].pct > most)
			most = s->instance[i].pct;
	return most;
}

int32_t world_file_pct(const struct service *s)
{
	char why[300];
	int32_t pct = -1;

	return s->file[0] && flags_file_read(s->file, "PCT", &pct, why, sizeof(why)) == 0 ? pct : -1;
}

bool world_holds_more(const struct service *s)
{
	bool more = world_file_pct(s) != 0;

	for (int i = 0; i < s->n; i++)
		more &= s->instance[i].pct > 0;
	return more;
}

static void write_file(const struct service *s, int32_t pct)
{
	char text[16];
	FILE *f = fopen(s->file, "we");

	text_pct(pct, text, sizeof(text));
	if (!f)
		return;
	fprintf(f, "# of the service\nOTHER=1\nPCT=%s\n", text);
	fclose(f);
}

/* --- faults --- */

bool world_has(enum fault f)
{
	return sim_now() < world.until_us[f];
}

static void unlock(void *arg)
{
	int *fd = arg;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void lock_file(int which, int64_t for_us)
{
	char dir[200];

	if (!world.service[which].file[0] || world.lock[which] >= 0)
		return;
	snprintf(dir, sizeof(dir), "%s", world.service[which].file);
	*strrchr(dir, '/') = '\0';
	world.lock[which] = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	flock(world.lock[which], LOCK_EX | LOCK_NB);
	sim_at(sim_now() + for_us, &world, unlock, &world.lock[which]);
}

void world_fault(enum fault f, int64_t for_us)
{
	say("for %.3f s %s", (double)for_us / (double)US_PER_S, fault_names[f]);
	world.until_us[f] = sim_now() + for_us;
	for (int i = 0; f == FAULT_FILE_LOCKED && i < SERVICES; i++)
		lock_file(i, for_us);
}

void world_no_faults(void)
{
	for (int i = 0; i < FAULT_N; i++)
		world.until_us[i] = 0;
	for (int i = 0; i < SERVICES; i++)
		unlock(&world.lock[i]);
}

/* --- what the services do --- */

static void tell(const struct service *s, const char *what)
{
	char a[INSTANCES][16];

	if (!sim_verbose())
		return;
	for (int i = 0; i < INSTANCES; i++) {
		snprintf(a[i], sizeof(a[i]), "-");
		if (i < s->n && s->instance[i].up)
			text_pct(s->instance[i].pct, a[i], sizeof(a[i]));
	}
	say("  service %d %s: %s %s %s (file %d)", number(s), what, a[0], a[1], a[2], world_file_pct(s));
}

static void changed(struct service *s, const char *what)
{
	int32_t pct = world_pct(s);

	s->changed_us = sim_now();
	if (pct < s->lowest)
		s->lowest = pct;
	tell(s, what);
	watch_world(number(s));
}

struct late {
	struct service *s;
	int i;
	int32_t pct;
};
static struct late lates[SERVICES][INSTANCES];

static void take(struct service *s, int i, int32_t pct)
{
	int32_t is = pct >= 0 ? pct : world_file_pct(s);

	if (is >= 0 && s->instance[i].up)
		s->instance[i].pct = is;
}

static void take_late(void *arg)
{
	struct late *l = arg;

	take(l->s, l->i, l->pct);
	changed(l->s, "follows late");
}

void world_applies(struct service *s, int32_t pct)
{
	for (int i = 0; i < s->n; i++) {
		struct late *l = &lates[number(s)][i];

		sim_drop(l); /* what it was told last counts */
		*l = (struct late) {s, i, pct};
		if (i == 0 && world_has(FAULT_DEAF))
			sim_at(world.until_us[FAULT_DEAF] + US_PER_S, l, take_late, l);
		else if (world_has(FAULT_LAGS) && rnd_chance(50))
			sim_at(sim_now() + rnd_us(500 * US_PER_MS, 60 * US_PER_S), l, take_late, l);
		else
			take(s, i, pct);
	}
	changed(s, "was told");
}

/* Prometheus still says so: nobody can know better who asks it. */
static bool scraped_at_least(const struct service *s, int32_t pct)
{
	bool does = false;

	for (int i = 0; i < s->n && (s->checks & CHECK_BY_PROMETHEUS); i++)
		does |= s->instance[i].scraped_at_us && s->instance[i].scraped >= pct;
	return does;
}

/* Everybody who was asked could know where each of them is. */
static bool is_as_it_was_for_long(const struct service *s)
{
	bool all = sim_now() - s->changed_us > OLD_NEWS_US;

	for (int i = 0; i < s->n; i++)
		all &= s->instance[i].up;
	return all;
}

/* One instance is lower than the others, and Prometheus names them one by one. */
static bool raises_one(const struct service *s, int32_t pct)
{
	bool raises = false;

	for (int i = 0; i < s->n; i++)
		raises |= pct > s->instance[i].pct && pct > s->instance[i].scraped;
	return raises && (s->checks & CHECK_BY_PROMETHEUS) && is_as_it_was_for_long(s);
}

void world_act_begins(struct service *s, int32_t pct, int64_t incident)
{
	bool old_news = (s->lowered_outside_us && sim_now() - s->lowered_outside_us < OLD_NEWS_US) ||
	                (s->file_written_us && sim_now() - s->file_written_us < RELOAD_US);

	if (pct > world_pct(s) && world_pct(s) >= 0 && !old_news && !scraped_at_least(s, pct) &&
	    !watch_may_raise(incident))
		violate("raise: incident %lld applies %d to service %d, which runs with %d", (long long)incident, pct,
		        number(s), world_pct(s));
	if (raises_one(s, pct) && !old_news && !watch_may_raise(incident))
		violate("raise: incident %lld applies %d to service %d, of which an instance has less for long",
		        (long long)incident, pct, number(s));
	if (watch_first_act(incident) && !s->file[0] && pct > 0 && world_pct(s) <= pct && is_as_it_was_for_long(s))
		violate("needless: incident %lld applies %d to service %d, which has %d for long", (long long)incident,
		        pct, number(s), world_pct(s));
}

void world_act_ends(struct service *s)
{
	s->lowest = world_pct(s);
}

void world_outside(struct service *s, int32_t pct, bool file)
{
	say("somebody else sets service %d to %d%s", number(s), pct, file && s->file[0] ? ", by its file" : "");
	if (pct < world_pct(s))
		s->lowered_outside_us = sim_now();
	watch_outside(number(s), pct);
	if (file && s->file[0])
		write_file(s, pct);
	for (int i = 0; i < s->n; i++)
		if (s->instance[i].up)
			s->instance[i].pct = pct;
	changed(s, "was changed");
}

void world_lowers_one(struct service *s, int32_t pct)
{
	struct instance *in = &s->instance[rnd_below(s->n)];

	if (!in->up || in->pct <= pct)
		return;
	say("somebody else sets an instance of service %d to %d", number(s), pct);
	in->pct = pct;
	s->lowered_outside_us = sim_now();
	changed(s, "was changed");
}

void world_writes_file(struct service *s, int32_t pct)
{
	if (!s->file[0])
		return;
	say("somebody else writes %d into the flags file of service %d", pct, number(s));
	s->file_written_us = sim_now();
	watch_outside(number(s), pct);
	write_file(s, pct);
}

static void comes_back(void *arg)
{
	struct instance *in = arg;

	for (int k = 0; k < SERVICES; k++)
		for (int i = 0; i < world.service[k].n; i++)
			if (&world.service[k].instance[i] == in) {
				int32_t file = world_file_pct(&world.service[k]);

				in->pct = file >= 0 ? file : in->pct;
				if (file < 0 &&
				    in->pct > world_pct(&world.service[k])) /* what a file holds was written before */
					watch_outside(k, in->pct);
				in->up = true;
				changed(&world.service[k], "has an instance back");
			}
}

void world_bounce(struct service *s)
{
	struct instance *in = &s->instance[rnd_below(s->n)];

	if (!in->up || s->n < 2)
		return;
	in->up = false;
	changed(s, "lost an instance");
	sim_at(sim_now() + rnd_us(US_PER_S, 120 * US_PER_S), &world, comes_back, in);
}

static void poll_file(void *arg)
{
	struct service *s = arg;
	int32_t was = world_pct(s), is = world_file_pct(s);

	for (int i = 0; i < s->n && is >= 0; i++)
		take(s, i, is);
	if (world_pct(s) != was)
		changed(s, "polled");
	sim_at(sim_now() + rnd_us(2 * US_PER_S, 20 * US_PER_S), &world, poll_file, s);
}

static void scrape(void *arg)
{
	struct service *s = arg;

	for (int i = 0; i < s->n && !world_has(FAULT_PROM_FROZEN); i++) {
		s->instance[i].scraped = s->instance[i].pct;
		s->instance[i].scraped_at_us = s->instance[i].up ? sim_true_us() : 0;
	}
	sim_at(sim_now() + SCRAPE_US, &world, scrape, s);
}

/* --- the beginning --- */

static void begin_service(int which, const char *dir)
{
	static const int32_t percentages[] = {1000, 2500, 5000};
	struct service *s = &world.service[which];
	int32_t pct = percentages[rnd_below(3)];
	char folder[150];

	*s = (struct service) {.kind = (enum service_kind)rnd_below(SERVICE_KINDS), .n = 1 + rnd_below(INSTANCES)};
	s->checks = rnd_chance(35) ? CHECK_BY_PROMETHEUS : 1 + (unsigned)rnd_below(7);
	for (int i = 0; i < s->n; i++)
		s->instance[i] = (struct instance) {.pct = pct, .up = true};
	s->lowest = pct;
	world.lock[which] = -1;
	if (s->kind == SERVICE_RELOADS || s->kind == SERVICE_POLLS) {
		snprintf(folder, sizeof(folder), "%s/f%d", dir, which);
		mkdir(folder, 0700);
		snprintf(s->file, sizeof(s->file), "%s/flags.env", folder);
		write_file(s, pct);
	}
	if (s->kind == SERVICE_POLLS)
		sim_at(sim_now() + rnd_us(2 * US_PER_S, 20 * US_PER_S), &world, poll_file, s);
	sim_at(sim_now() + rnd_us(US_PER_MS, SCRAPE_US), &world, scrape, s);
	tell(s, "begins");
}

void world_begin(const char *dir)
{
	for (int i = 0; i < FAULT_N; i++)
		world.until_us[i] = 0;
	for (int i = 0; i < SERVICES; i++)
		begin_service(i, dir);
}

void world_end(void)
{
	world_no_faults();
}
