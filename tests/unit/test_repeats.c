/* The very bytes of a webhook that is wholly on record: when what was answered to them is answered again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "handlers/incident/repeats.h"
#include "server/core/clock.h"

#define NOW    (1700000000 * US_PER_S)
#define ANSWER "{\"results\":[]}"

/* Each test has alerts of its own: what is kept is one for the process. */
struct webhook {
	struct settings settings;
	struct alert alerts[REPEATS_ALERTS_MAX + 1];
	struct alert_group group;
	struct intake in;
	char body[REPEATS_BYTES_MAX + 2];
};

static void make(struct webhook *w, const char *fingerprint, size_t n)
{
	memset(w, 0, sizeof(*w));
	snprintf(w->body, sizeof(w->body), "a body of %s", fingerprint);
	strcpy(w->settings.sha, "config one");
	for (size_t i = 0; i < n; i++)
		snprintf(w->alerts[i].fingerprint, sizeof(w->alerts[i].fingerprint), "%s%zu", fingerprint, i);
	w->group = (struct alert_group) {.alerts = w->alerts, .n = n};
	w->in = (struct intake) {.settings = &w->settings,
	                         .group = &w->group,
	                         .n_results = n,
	                         .n_copies = n,
	                         .copies_from_us = NOW,
	                         .copies_until_us = NOW + US_PER_S};
}

static void note(struct webhook *w)
{
	struct buf answer = BUF(2 * REPEATS_BYTES_MAX);

	buf_str(&answer, ANSWER);
	repeats_note(&w->in, w->body, strlen(w->body), &answer);
	buf_free(&answer);
}

static void record(struct webhook *w)
{
	w->in.mark = repeats_mark(&w->in);
	note(w);
}

static size_t found_by(const struct webhook *w, const char *sha, int64_t now_us)
{
	struct buf answer = BUF(REPEATS_BYTES_MAX);
	size_t n = repeats_find(w->body, strlen(w->body), sha, now_us, &answer);

	assert_string_equal(buf_text(&answer), n ? ANSWER : "");
	buf_free(&answer);
	return n;
}

static size_t found(const struct webhook *w)
{
	return found_by(w, "config one", NOW + 1);
}

static void the_same_bytes_are_known_and_others_are_not(void **state)
{
	(void)state;
	struct webhook w;

	make(&w, "a", 2);
	assert_int_equal(found(&w), 0);
	record(&w);
	assert_int_equal(found(&w), 2);
	w.body[0]++;
	assert_int_equal(found(&w), 0);
}

static void they_are_known_for_a_second_by_the_same_config(void **state)
{
	(void)state;
	struct webhook w;

	make(&w, "b", 1);
	record(&w);
	assert_int_equal(found_by(&w, "config one", NOW), 1);
	assert_int_equal(found_by(&w, "config one", NOW + US_PER_S - 1), 1);
	assert_int_equal(found_by(&w, "config one", NOW + US_PER_S), 0);
	assert_int_equal(found_by(&w, "config one", NOW - 1), 0); /* the clock was set back */
	assert_int_equal(found_by(&w, "config two", NOW), 0);
}

static void what_changes_of_one_alert_ends_it(void **state)
{
	(void)state;
	struct webhook w;

	make(&w, "c", 3);
	record(&w);
	repeats_changed("another one");
	assert_int_equal(found(&w), 3);
	repeats_changed("c1");
	assert_int_equal(found(&w), 0);
	record(&w);
	assert_int_equal(found(&w), 3);
}

/* Later in the same transaction. */
static void what_changes_before_the_commit_counts_too(void **state)
{
	(void)state;
	struct webhook w;

	make(&w, "d", 1);
	w.in.mark = repeats_mark(&w.in);
	repeats_changed("d0");
	note(&w);
	assert_int_equal(found(&w), 0);
}

static void only_what_was_wholly_copies_and_quiet_is_kept(void **state)
{
	(void)state;
	struct webhook w;

	make(&w, "e", 2);
	w.in.n_copies = 1;
	record(&w);
	assert_int_equal(found(&w), 0);
	make(&w, "f", 2);
	w.in.unseen[UNSEEN_UNCLAIMED].n = 1;
	record(&w);
	assert_int_equal(found(&w), 0);
	make(&w, "g", REPEATS_ALERTS_MAX + 1);
	record(&w);
	assert_int_equal(found(&w), 0);
	make(&w, "h", 0);
	record(&w);
	assert_int_equal(found(&w), 0);
}

static void a_large_body_is_not_kept(void **state)
{
	(void)state;
	struct webhook w;

	make(&w, "i", 1);
	memset(w.body, 'x', REPEATS_BYTES_MAX);
	record(&w);
	assert_int_equal(found(&w), 1);
	w.body[REPEATS_BYTES_MAX] = 'x';
	record(&w);
	assert_int_equal(found(&w), 0);
}

static void of_many_the_oldest_give_way(void **state)
{
	(void)state;
	static struct webhook all[REPEATS_MAX * 2];
	size_t old = 0, young = 0;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		char name[24];

		snprintf(name, sizeof(name), "j%zu.", i);
		make(&all[i], name, 1);
		all[i].in.copies_until_us += (int64_t)i;
		record(&all[i]);
	}
	for (size_t i = 0; i < REPEATS_MAX; i++) {
		old += found(&all[i]);
		young += found(&all[REPEATS_MAX + i]);
	}
	assert_true(old + young <= REPEATS_MAX);
	assert_true(young > old);
	assert_int_equal(found(&all[ARRAY_LEN(all) - 1]), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_bytes_are_known_and_others_are_not),
		cmocka_unit_test(they_are_known_for_a_second_by_the_same_config),
		cmocka_unit_test(what_changes_of_one_alert_ends_it),
		cmocka_unit_test(what_changes_before_the_commit_counts_too),
		cmocka_unit_test(only_what_was_wholly_copies_and_quiet_is_kept),
		cmocka_unit_test(a_large_body_is_not_kept),
		cmocka_unit_test(of_many_the_oldest_give_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
