#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "handlers/steps/flags_file.h"
#include "handlers/steps/flags_private.h"
#include "server/core/text.h"

#define SHOWN_MAX 40 /* bytes of a wrong value that people are shown */
#define ROUNDS    8

/* The first one is asked first, and its view of the text is the one that is kept where readers differ. */
enum reader { SYSTEMD, DOTENV, DOCKER, READER_N };
static const struct {
	const char *name;
	bool (*next)(struct cursor *, struct assignment *);
} readers[READER_N] = {
	[SYSTEMD] = {"systemd", flags_systemd_next},
	[DOTENV] = {"dotenv", flags_dotenv_next},
	[DOCKER] = {"docker --env-file", flags_docker_next},
};

void assignment_add(struct assignment *a, char ch, bool significant)
{
	assert(a && a->value_len <= sizeof(a->value));
	if (a->value_len == sizeof(a->value)) {
		a->too_long = true;
		return;
	}
	a->value[a->value_len++] = ch;
	if (significant)
		a->significant = a->value_len;
}

static bool next_of_key(enum reader who, struct cursor *c, const char *key, struct assignment *a)
{
	assert(who < READER_N && key);
	while (readers[who].next(c, a))
		if (a->key_len == strlen(key) && memcmp(a->key, key, a->key_len) == 0)
			return true;
	return false;
}

/* The last assignment is the one in effect, for each of them. */
static bool in_effect(enum reader who, const char *text, size_t len, const char *key, struct assignment *ret)
{
	assert(who < READER_N && ret);
	struct cursor c = {.text = text, .len = len};
	struct assignment a;
	bool found = false;

	for (; next_of_key(who, &c, key, &a); found = true)
		*ret = a;
	return found;
}

/* --- replacing --- */

static bool is_plain_text(const char *value, size_t len)
{
	static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-";

	for (size_t i = 0; i < len; i++)
		if (!memchr(plain, value[i], sizeof(plain) - 1))
			return false;
	return true;
}

/* Such as we write. */
static bool is_plain(const struct assignment *a)
{
	return !a->too_long && is_plain_text(a->value, a->significant);
}

static int32_t pct_of(const struct assignment *a)
{
	int32_t pct = -1;

	return a->too_long || text_pct_parse(a->value, a->significant, &pct) < 0 ? -1 : pct;
}

/* A percentage may have blanks around it, inside its quotes. */
static bool could_act(const struct assignment *a)
{
	return is_plain(a) || pct_of(a) >= 0;
}

/* The other readers' views of the same text, which walk along with systemd's. */
struct view {
	struct cursor c;
	struct assignment a;
	bool there;
};

static const struct assignment *same_assignment(struct view *v, enum reader who, const char *key, const char *at)
{
	while (v->there && v->a.key < at)
		v->there = next_of_key(who, &v->c, key, &v->a);
	return v->there && v->a.key == at ? &v->a : NULL;
}

/* Where the value of an assignment stands: as the reader sees it who gets something plain. A quote that is never closed
 * takes the rest of the file for systemd, and one line for the others. */
static void find_range(struct view view[READER_N], const char *key, const struct assignment *a, size_t *from,
                       size_t *to)
{
	*from = a->from;
	*to = a->to;
	for (int who = DOTENV; who < READER_N && !(is_plain(a) && !a->unclosed); who++) {
		const struct assignment *other = same_assignment(&view[who], (enum reader)who, key, a->key);

		if (!other || !(is_plain(other) || a->unclosed))
			continue;
		*from = other->from;
		*to = other->to;
		return;
	}
}

/* All assignments that systemd sees. */
static int replace_all(const char *text, size_t len, const char *key, const char *value, struct buf *out)
{
	struct cursor c = {.text = text, .len = len};
	struct view view[READER_N] = {0};
	struct assignment a;
	size_t copied = 0, from, to;
	int n = 0;

	for (int who = DOTENV; who < READER_N; who++) {
		view[who].c = c;
		view[who].there = next_of_key((enum reader)who, &view[who].c, key, &view[who].a);
	}
	for (; next_of_key(SYSTEMD, &c, key, &a); n++) {
		find_range(view, key, &a, &from, &to);
		assert(copied <= from && from <= to && to <= len);
		buf_add(out, text + copied, from - copied);
		buf_str(out, value);
		copied = to;
	}
	buf_add(out, text + copied, len - copied);
	return out->error ? out->error : n;
}

static bool is_value(const struct assignment *a, const char *value)
{
	return a->significant == strlen(value) && !memcmp(a->value, value, a->significant);
}

static bool is_taken(const struct buf *text, const char *key, const char *value)
{
	struct assignment a;

	for (int who = SYSTEMD; who < READER_N; who++)
		if (in_effect((enum reader)who, buf_text(text), text->len, key, &a) && is_value(&a, value))
			return true;
	return false;
}

/* What a reader would still take instead: what he could act on, and anything while nobody takes the value. 1 replaced,
 * 0 there is nothing to do, -errno. */
static int replace_for(enum reader who, struct buf *text, const char *key, const char *value)
{
	struct assignment a;

	if (!in_effect(who, buf_text(text), text->len, key, &a) || is_value(&a, value) ||
	    !(could_act(&a) || !is_taken(text, key, value)))
		return 0;
	struct buf next = BUF(FLAGS_FILE_MAX);
	buf_add(&next, text->data, a.from);
	buf_str(&next, value);
	buf_add(&next, text->data + a.to, text->len - a.to);
	int r = next.error ? next.error : 1;
	if (r < 0) {
		buf_free(&next);
		return r;
	}
	buf_free(text);
	*text = next;
	return 1;
}

/* What is replaced for one reader may be another text for the next: until none takes anything else. How many were. */
static int replace_for_each(struct buf *text, const char *key, const char *value)
{
	int n = 0, before = -1;

	for (int round = 0; round < ROUNDS && n != before; round++) {
		before = n;
		for (int who = SYSTEMD; who < READER_N; who++) {
			int r = replace_for((enum reader)who, text, key, value);

			if (r < 0)
				return r;
			n += r;
		}
	}
	return n;
}

int flags_text_replace(const char *text, size_t len, const char *key, const char *value, struct buf *out)
{
	CLEANUP(buf_free) struct buf next = BUF(FLAGS_FILE_MAX);

	assert(text && key && key[0] && value && out);
	if (!is_plain_text(value, strlen(value)))
		return -EINVAL;
	int n = replace_all(text, len, key, value, &next);
	if (n < 0)
		return n;
	int more = replace_for_each(&next, key, value);
	if (more < 0)
		return more;
	if (!is_taken(&next, key, value))
		return -ENOENT;
	int r = buf_add(out, next.data, next.len);
	return r < 0 ? r : n + more > 0 ? n + more : 1;
}

/* --- reading --- */

static int no_percentage(const char *key, const struct assignment *a, char *why, size_t why_size)
{
	struct buf shown = BUF(SHOWN_MAX);

	text_one_line(&shown, a->value, a->significant, SHOWN_MAX);
	snprintf(why, why_size, "%.80s is \"%s\", which is no percentage (0 to 100, at most two decimals)", key,
	         buf_text(&shown));
	buf_free(&shown);
	return -EINVAL;
}

static void name_reader(enum reader who, int32_t pct, int32_t of_systemd, char *why, size_t why_size)
{
	char says[16], other[16];

	text_pct(pct, says, sizeof(says));
	text_pct(of_systemd, other, sizeof(other));
	snprintf(why, why_size, "as %s reads it: %s%%; systemd takes %s%s from it", readers[who].name, says,
	         of_systemd < 0 ? "no percentage" : other, of_systemd < 0 ? "" : "%");
}

int flags_text_get(const char *text, size_t len, const char *key, int32_t *ret_pct, char *why, size_t why_size)
{
	struct assignment seen, a;
	int32_t pct = -1, of_systemd = -1;
	enum reader highest = SYSTEMD;
	bool found = false;

	assert(text && key && key[0] && ret_pct && why && why_size > 0);
	for (int who = SYSTEMD; who < READER_N; who++) {
		if (!in_effect((enum reader)who, text, len, key, &a))
			continue;
		if (!found)
			seen = a;
		found = true;
		if (pct_of(&a) > pct) {
			pct = pct_of(&a);
			highest = (enum reader)who;
		}
		if (who == SYSTEMD)
			of_systemd = pct;
	}
	if (!found) {
		snprintf(why, why_size, "it does not set %.80s", key);
		return -ENOENT;
	}
	if (pct < 0)
		return no_percentage(key, &seen, why, why_size);
	why[0] = '\0';
	if (highest != SYSTEMD)
		name_reader(highest, pct, of_systemd, why, why_size);
	*ret_pct = pct;
	return 0;
}

int32_t flags_text_least(const char *text, size_t len, const char *key)
{
	assert(text && key && key[0]);
	struct assignment a;
	int32_t least = -1;

	for (int who = SYSTEMD; who < READER_N; who++) {
		int32_t pct = in_effect((enum reader)who, text, len, key, &a) ? pct_of(&a) : -1;

		if (pct >= 0 && (least < 0 || pct < least))
			least = pct;
	}
	return least;
}

int flags_text_value(const char *text, size_t len, const char *key, char *ret, size_t size)
{
	assert(text && key && ret && size > 0);
	struct assignment a;
	int who = SYSTEMD;

	while (who < READER_N && !in_effect((enum reader)who, text, len, key, &a))
		who++;
	if (who == READER_N)
		return -ENOENT;
	if (a.too_long || a.significant >= size)
		return -E2BIG;
	memcpy(ret, a.value, a.significant);
	ret[a.significant] = '\0';
	return 0;
}
