#include "handlers/steps/percentage.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/rollout.h"
#include "handlers/steps/flags_file.h"
#include "server/core/clock.h"

#define SETTLED_US (2 * US_PER_S)  /* what is written within one tick of a file system's clock leaves the same times */
#define READ_US    (60 * US_PER_S) /* read again, whatever the times say: some file systems tell them late, or never */

/* The kernel's, which stamps files. */
static int64_t kernel_us(void)
{
	struct timespec t = {0};

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

/* Before it is read: what it is now, and since when it has been that, as far as the last look knows. */
static struct flags_seen see(const struct rollout *r, const struct flags_seen *last)
{
	struct flags_seen s = {.read_us = kernel_us()};

	if (lstat(r->flags_file, &s.file) < 0)
		return (struct flags_seen) {0};
	s.since_us = last->since_us && same_file(&s.file, &last->file) ? last->since_us : s.read_us;
	return s;
}

/* It has been this file since well before it was read, and that is not long ago. */
static bool is_untouched(const struct flags_seen *last, const struct flags_seen *now)
{
	return now->since_us && now->since_us == last->since_us && last->read_us - last->since_us >= SETTLED_US &&
	       now->read_us - last->read_us < READ_US;
}

static void read_file(const struct rollout *r, int64_t now_us, bool rehearse, const struct flags_seen *seen,
                      struct flags_look *ret)
{
	struct flags_change change = {0};

	*ret = (struct flags_look) {.at_us = now_us, .pct = -1, .rehearsed = rehearse, .seen = *seen};
	int e = flags_file_read(r->flags_file, r->flags_key, &ret->pct, ret->why, sizeof(ret->why));
	if (e < 0) {
		ret->pct = -1;
		snprintf(ret->error_why, sizeof(ret->error_why), "%s", ret->why);
	} else if (rehearse) {
		e = flags_file_rehearse(r->flags_file, r->flags_key, 0, &change, ret->error_why,
		                        sizeof(ret->error_why));
	}
	ret->error = e < 0 ? e : 0;
}

void flags_look_values(const struct rollout *r, struct flags_look *look)
{
	assert(r && look && !look->values);
	CLEANUP(buf_free) struct buf text = BUF(FLAGS_FILE_MAX);
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	char why[256], value[256];

	if (!r->flags_file || !r->n_values || look->pct < 0 ||
	    flags_file_load(r->flags_file, &text, why, sizeof(why)) < 0)
		return;
	for (size_t i = 0; i < r->n_values; i++) {
		int e = flags_text_value(buf_text(&text), text.len, r->values[i].name, value, sizeof(value));

		json_add_str(o, r->values[i].name, e == 0 ? value : e == -E2BIG ? "longer than can be watched" : NULL);
	}
	look->values = strdup(json_text(o));
}

void flags_look_free(struct flags_look *look)
{
	assert(look);
	free(look->values);
	look->values = NULL;
}

void flags_look(const struct rollout *r, int64_t now_us, bool rehearse, struct flags_look *ret)
{
	assert(r && ret);
	*ret = (struct flags_look) {0};
	flags_look_again(r, now_us, rehearse, ret);
}

void flags_look_again(const struct rollout *r, int64_t now_us, bool rehearse, struct flags_look *look)
{
	assert(r && look);
	if (!r->flags_file) {
		*look = (struct flags_look) {.at_us = now_us, .pct = -1, .rehearsed = rehearse};
		return;
	}
	struct flags_seen now = see(r, &look->seen);
	if (!rehearse && !look->rehearsed && look->error == 0 && is_untouched(&look->seen, &now))
		look->at_us = now_us;
	else
		read_file(r, now_us, rehearse, &now, look);
}

/* -1: never, or its row cannot be read. */
static int32_t seen_last(struct db_conn *c, const struct rollout *r)
{
	struct rollout_row row = {.pct_seen = -1};
	int32_t pct = rollout_load(c, r->name, &row) == 0 ? row.pct_seen : -1;

	rollout_row_free(&row);
	return pct;
}

int32_t percentage_by(struct db_conn *c, const struct rollout *r, const struct flags_look *look, char *why,
                      size_t why_size)
{
	assert(c && r && (!why || why_size >= 200));
	struct flags_look now = {.pct = -1};
	int32_t pct = -1;

	if (r->flags_file && !look) {
		flags_look(r, 0, false, &now);
		look = &now;
	}
	if (r->flags_file) {
		if (why)
			snprintf(why, why_size, "%s", look->why);
		return look->pct;
	}
	pct = seen_last(c, r);
	if (why)
		snprintf(why, why_size, "%s", pct < 0 ? "it has no flags file and was never seen" : "");
	return pct;
}

int32_t percentage_there(struct db_conn *c, const struct rollout *r, char *why, size_t why_size)
{
	return percentage_by(c, r, NULL, why, why_size);
}

int32_t percentage_at_most(struct db_conn *c, const struct rollout *r, int32_t pct)
{
	assert(c && r && pct >= 0);
	struct flags_look look = {.pct = -1};
	int32_t seen = pct > 0 ? seen_last(c, r) : -1;

	if (pct > 0 && r->flags_file) {
		flags_look(r, 0, false, &look);
		if (look.pct < pct)
			pct = look.pct < 0 ? 0 : look.pct;
	}
	if (seen < 0 && !r->flags_file)
		return 0; /* nobody can tell what is there */
	return seen >= 0 && seen < pct ? seen : pct;
}
