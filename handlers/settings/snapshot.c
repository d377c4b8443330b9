#include "handlers/settings/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "server/core/text.h"

/* More than the configs that open incidents go by at one time; one that fell out is read from the database again. */
#define KEPT_MAX 64

static struct {
	pthread_mutex_t lock;
	struct {
		char sha[CONFIG_SHA_SIZE];
		struct plan *plan; /* one reference; NULL: free */
		uint64_t used;
	} kept[KEPT_MAX];
	uint64_t clock;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct plan *find(const char *sha)
{
	assert(sha);
	struct plan *found = NULL;

	pthread_mutex_lock(&cache.lock);
	for (size_t i = 0; i < KEPT_MAX && !found; i++)
		if (cache.kept[i].plan && !strcmp(cache.kept[i].sha, sha)) {
			cache.kept[i].used = ++cache.clock;
			found = plan_ref(cache.kept[i].plan);
		}
	pthread_mutex_unlock(&cache.lock);
	return found;
}

/* In the place of the one that nobody asked for longest. */
static void keep(const char *sha, struct plan *p)
{
	assert(sha && p);
	struct plan *gone;
	size_t at = 0;

	pthread_mutex_lock(&cache.lock);
	for (size_t i = 1; i < KEPT_MAX; i++)
		if (cache.kept[i].used < cache.kept[at].used)
			at = i;
	gone = cache.kept[at].plan;
	cache.kept[at].plan = plan_ref(p);
	cache.kept[at].used = ++cache.clock;
	snprintf(cache.kept[at].sha, sizeof(cache.kept[at].sha), "%s", sha);
	pthread_mutex_unlock(&cache.lock);
	plan_unref(gone);
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

int plan_put(struct db_tx *tx, const struct settings *s, const struct rollout *r, const struct playbook *p,
             char sha[CONFIG_SHA_SIZE])
{
	assert(tx && sha);
	CLEANUP(cleanup_free) char *text = plan_text(s, r, p);

	return text ? config_row_put(tx, text, sha) : -ENOMEM;
}

int plan_in_force(const struct settings *s, const struct rollout *r, const struct playbook *p, struct plan **ret)
{
	assert(ret);
	CLEANUP(cleanup_free) char *text = plan_text(s, r, p);
	char sha[CONFIG_SHA_SIZE];
	int err = text ? text_sha256(text, strlen(text), sha) : -ENOMEM;

	if (err < 0)
		return err;
	*ret = find(sha);
	if (*ret)
		return 0;
	err = plan_read(text, ret);
	if (err == 0)
		keep(sha, *ret);
	return err;
}
