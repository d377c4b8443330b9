#include "server/auth/session.h"

#include <assert.h>
#include <string.h>

#include "server/core/text.h"

static bool is_used(const struct session *s)
{
	return s->hash[0] != '\0';
}

/* Unused longest; of user, or of all. */
static struct session *oldest(struct sessions *s, const char *user, size_t *ret_n)
{
	struct session *old = NULL;

	*ret_n = 0;
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		struct session *one = &s->item[i];

		if (!is_used(one) || (user && strcmp(one->user, user) != 0))
			continue;
		(*ret_n)++;
		if (!old || one->used_us < old->used_us)
			old = one;
	}
	return old;
}

static struct session *unused(struct sessions *s)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (!is_used(&s->item[i]))
			return &s->item[i];
	return NULL;
}

static void drop_old(struct sessions *s, int64_t now_us)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (is_used(&s->item[i]) && now_us - s->item[i].since_us >= SESSION_AGE_US)
			s->item[i] = (struct session) {0};
}

bool session_begin(struct sessions *s, const struct session *begun, struct session *ret_ended)
{
	assert(s && is_used(begun) && begun->user[0] && begun->since_us > 0 && ret_ended);
	size_t of_user, all;

	drop_old(s, begun->since_us);
	struct session *his = oldest(s, begun->user, &of_user), *anybodys = oldest(s, NULL, &all);
	struct session *place = of_user >= SESSIONS_OF_ONE ? his : all >= SESSIONS_MAX ? anybodys : unused(s);
	assert(place);
	*ret_ended = *place;
	*place = *begun;
	return is_used(ret_ended);
}

const struct session *session_find(struct sessions *s, const char *hash, int64_t now_us)
{
	assert(s && hash[0] && now_us > 0);
	struct session *found = NULL;

	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (text_same_secret(s->item[i].hash, hash))
			found = &s->item[i];
	if (!found)
		return NULL;
	if (now_us - found->since_us >= SESSION_AGE_US) {
		*found = (struct session) {0};
		return NULL;
	}
	found->used_us = now_us;
	return found;
}

bool session_end(struct sessions *s, const char *hash)
{
	assert(s && hash[0]);
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (text_same_secret(s->item[i].hash, hash)) {
			s->item[i] = (struct session) {0};
			return true;
		}
	return false;
}

size_t session_end_unless(struct sessions *s, bool (*keeps)(const void *arg, const struct session *one),
                          const void *arg)
{
	assert(s && keeps);
	size_t n = 0;

	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (is_used(&s->item[i]) && !keeps(arg, &s->item[i])) {
			s->item[i] = (struct session) {0};
			n++;
		}
	return n;
}

size_t session_count(const struct sessions *s, int64_t now_us)
{
	size_t n = 0;

	for (size_t i = 0; i < SESSIONS_MAX; i++)
		n += is_used(&s->item[i]) && now_us - s->item[i].since_us < SESSION_AGE_US;
	return n;
}
