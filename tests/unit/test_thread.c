#include "server/core/thread.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void *be_the_writer(void *arg)
{
	char name[16] = "";

	(void)arg;
	thread_is(THREAD_WRITER);
	pthread_getname_np(pthread_self(), name, sizeof(name));
	assert_string_equal(name, "writer");
	assert_true(thread_may(THREAD_WRITER));
	assert_false(thread_may(THREAD_HTTP));
	assert_false(thread_may(THREAD_ENGINE));
	return NULL;
}

static void a_thread_with_a_name_may_what_is_its_own(void **state)
{
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, be_the_writer, NULL), 0);
	pthread_join(t, NULL);
}

static void one_without_a_name_may_all_also_after_others_took_theirs(void **state)
{
	(void)state;
	for (int n = THREAD_UNNAMED + 1; n < THREAD_N; n++)
		assert_true(thread_may((enum thread_name)n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_with_a_name_may_what_is_its_own),
		cmocka_unit_test(one_without_a_name_may_all_also_after_others_took_theirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
