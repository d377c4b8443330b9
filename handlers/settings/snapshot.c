#include "handlers/settings/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Places for the plans of 500 rollouts whose incidents are open, and none is far from where it is looked for; one that
 * fell out is read from the database again. */
#define SETS 64
#define WAYS 8

struct kept {
	char sha[CONFIG_SHA_SIZE];
	struct plan *plan; /* one reference; NULL: free */
	uint64_t used;
};

static struct {
	pthread_mutex_t lock;
	struct kept kept[SETS][WAYS];
	uint64_t clock;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The first digits of a hash are as good as any. */
static struct kept *set_of(const char *sha)
{
	char digits[4] = "";

	memcpy(digits, sha, strnlen(sha, sizeof(digits) - 1));
	return cache.kept[strtoul(digits, NULL, 16) % SETS];
}

static struct plan *find(const char *sha)
{
	assert(sha);
	struct kept *set = set_of(sha);
	struct plan *found = NULL;

	pthread_mutex_lock(&cache.lock);
	for (size_t i = 0; i < WAYS && !found; i++)
		if (set[i].plan && !strcmp(set[i].sha, sha)) {
			set[i].used = ++cache.clock;
			found = plan_ref(set[i].plan);
		}
	pthread_mutex_unlock(&cache.lock);
	return found;
}

/* In the place of the one that nobody asked for longest. */
static void keep(const char *sha, struct plan *p)
{
	assert(sha && p);
	struct kept *at = set_of(sha), *set = at;

	pthread_mutex_lock(&cache.lock);
	for (size_t i = 0; i < WAYS; i++)
		if (!set[i].plan || set[i].used < at->used)
			at = &set[i];
	struct plan *gone = at->plan;
	*at = (struct kept) {.plan = plan_ref(p), .used = ++cache.clock};
	snprintf(at->sha, sizeof(at->sha), "%s", sha);
	pthread_mutex_unlock(&cache.lock);
	plan_unref(gone);
}

void plans_forget_others(const struct settings *s)
{
	for (size_t i = 0; i < SETS * WAYS; i++) {
		struct kept *k = &cache.kept[i / WAYS][i % WAYS];
		struct plan *gone = NULL;

		pthread_mutex_lock(&cache.lock);
		if (k->plan && k->plan->of && k->plan->of != s) {
			gone = k->plan;
			*k = (struct kept) {0};
		}
		pthread_mutex_unlock(&cache.lock);
		plan_unref(gone);
	}
}

int plan_get(struct db_conn *c, const char *sha, struct plan **ret)
{
	assert(c && ret);
	CLEANUP(cleanup_free) char *text = NULL;

	assert(sha && strlen(sha) < CONFIG_SHA_SIZE);
	*ret = find(sha);
	if (*ret)
		return 0;
	int r = config_row_text(c, sha, &text);
	if (r == 0)
		r = plan_read(text, ret);
	if (r == 0)
		keep(sha, *ret);
	return r;
}

static bool is_own(const struct settings *s, const struct playbook *p)
{
	return p >= s->playbooks && p < s->playbooks + s->n_playbooks;
}

/* Whoever asks for it next finds it without a row to be read. Out of memory: he reads it. */
static void keep_own(const struct settings *s, const struct rollout *r, const struct playbook *p, const char *sha)
{
	CLEANUP(plan_cleanup) struct plan *plan = find(sha);

	if (plan || !is_own(s, p))
		return;
	plan = plan_of_settings(s, r, p);
	if (plan)
		keep(sha, plan);
}

int plan_put(struct db_tx *tx, const struct settings *s, const struct rollout *r, const struct playbook *p,
             char sha[CONFIG_SHA_SIZE])
{
	assert(tx && sha);
	CLEANUP(cleanup_free) char *text = plan_text(s, r, p);
	int e = text ? config_row_put(tx, text, sha) : -ENOMEM;

	if (e == 0)
		keep_own(s, r, p, sha);
	return e;
}
