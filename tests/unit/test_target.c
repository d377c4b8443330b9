#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "handlers/checks/target.h"

static void a_rollback_never_goes_above_anything_that_is_known(void **state)
{
	static const int32_t some[] = {-1, 0, 1, 500, 1000, 2500, 10000};
	enum { N = sizeof(some) / sizeof(some[0]) };

	(void)state;
	for (int w = 1; w < N; w++)
		for (int f = 0; f < N; f++)
			for (int s = 0; s < N; s++) {
				int32_t to = rollback_target(some[w], some[f], some[s]);

				assert_true(to >= 0 && to <= some[w]);
				assert_true(some[f] < 0 || to <= some[f]);
				assert_true(some[s] < 0 || to <= some[s]);
				if (some[f] < 0 && some[s] < 0)
					assert_int_equal(to, 0);
				else /* no lower than it must be */
					assert_true(to == some[w] || to == some[f] || to == some[s]);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_rollback_never_goes_above_anything_that_is_known)};

	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
