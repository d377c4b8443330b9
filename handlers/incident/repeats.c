#include "handlers/incident/repeats.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "server/core/thread.h"

#define WAYS    4
#define SETS    (REPEATS_MAX / WAYS)
#define CHANGES 4096 /* counters that alerts share: one that is counted for another costs a way to the writer */

struct repeat {
	char *text; /* owned: the body, then the answer. NULL: nothing is kept here */
	size_t len, answer_len, n_results;
	uint64_t hash;
	char sha[sizeof(((struct settings *)0)->sha)];
	int64_t from_us, until_us; /* wall */
	struct repeats_mark mark;
};

static struct {
	pthread_mutex_t lock;
	struct repeat set[SETS][WAYS]; /* under the lock */
	atomic_uint changes[CHANGES];
} repeats = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- what changes --- */

static unsigned counter_of(const char *fingerprint)
{
	unsigned h = 2166136261u; /* FNV-1a */

	for (; *fingerprint; fingerprint++)
		h = (h ^ (unsigned char)*fingerprint) * 16777619u;
	return (h ^ h >> 16) % CHANGES;
}

void repeats_changed(const char *fingerprint)
{
	assert(fingerprint && thread_may(THREAD_WRITER));
	atomic_fetch_add(&repeats.changes[counter_of(fingerprint)], 1);
}

/* Each only grows: the sum is what it was when none has changed. */
static unsigned changes_of(const struct repeats_mark *m)
{
	unsigned sum = 0;

	for (size_t i = 0; i < m->n; i++)
		sum += atomic_load(&repeats.changes[m->counter[i]]);
	return sum;
}

struct repeats_mark repeats_mark(const struct intake *in)
{
	assert(in && in->group && thread_may(THREAD_WRITER));
	struct repeats_mark m = {0};

	if (in->n_copies != in->group->n || in->group->n > REPEATS_ALERTS_MAX || !intake_is_quiet(in))
		return m;
	for (; m.n < in->group->n; m.n++)
		m.counter[m.n] = (unsigned short)counter_of(in->group->alerts[m.n].fingerprint);
	m.changes = changes_of(&m);
	return m;
}

/* --- what is kept --- */

/* Of the bytes themselves only when they are compared: this one tells where to look. */
static uint64_t hash_of(const char *body, size_t len)
{
	uint64_t h = len, w;

	for (; len >= sizeof(w); body += sizeof(w), len -= sizeof(w)) {
		memcpy(&w, body, sizeof(w));
		h = (h ^ w) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	for (; len > 0; len--)
		h = (h ^ (unsigned char)*body++) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static bool is_body(const struct repeat *r, uint64_t hash, const char *body, size_t len)
{
	return r->text && r->hash == hash && r->len == len && !memcmp(r->text, body, len);
}

static struct repeat *place_for(uint64_t hash, const char *body, size_t len)
{
	struct repeat *set = repeats.set[hash % SETS], *oldest = &set[0];

	for (size_t i = 0; i < WAYS; i++) {
		if (is_body(&set[i], hash, body, len))
			return &set[i];
		if (!set[i].text || (oldest->text && set[i].until_us < oldest->until_us))
			oldest = &set[i];
	}
	return oldest;
}

void repeats_note(const struct intake *in, const char *body, size_t len, const struct buf *answer)
{
	assert(in && body && answer && thread_may(THREAD_WRITER));
	if (!in->mark.n || len > REPEATS_BYTES_MAX || answer->error || answer->len > REPEATS_BYTES_MAX)
		return;
	uint64_t hash = hash_of(body, len);
	char *text = malloc(len + answer->len);

	if (!text)
		return;
	memcpy(text, body, len);
	memcpy(text + len, answer->data, answer->len);
	pthread_mutex_lock(&repeats.lock);
	struct repeat *r = place_for(hash, body, len);
	free(r->text);
	*r = (struct repeat) {.text = text,
	                      .len = len,
	                      .answer_len = answer->len,
	                      .n_results = in->n_results,
	                      .hash = hash,
	                      .from_us = in->copies_from_us,
	                      .until_us = in->copies_until_us,
	                      .mark = in->mark};
	memcpy(r->sha, in->settings->sha, sizeof(r->sha));
	pthread_mutex_unlock(&repeats.lock);
}

static bool holds(const struct repeat *r, const char *sha, int64_t now_us)
{
	return now_us >= r->from_us && now_us < r->until_us && !strcmp(r->sha, sha) &&
	       changes_of(&r->mark) == r->mark.changes;
}

size_t repeats_find(const char *body, size_t len, const char *sha, int64_t now_us, struct buf *answer)
{
	assert(body && sha && answer && now_us > 0);
	size_t n = 0;

	if (len > REPEATS_BYTES_MAX)
		return 0;
	uint64_t hash = hash_of(body, len);
	pthread_mutex_lock(&repeats.lock);
	const struct repeat *set = repeats.set[hash % SETS];
	for (size_t i = 0; i < WAYS; i++)
		if (is_body(&set[i], hash, body, len)) {
			const struct repeat *r = &set[i];

			if (holds(r, sha, now_us) && buf_add(answer, r->text + r->len, r->answer_len) == 0)
				n = r->n_results;
			break;
		}
	pthread_mutex_unlock(&repeats.lock);
	return n;
}
