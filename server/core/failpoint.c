#include "server/core/failpoint.h"
#include "server/core/scope.h"
#include "server/core/text.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#define NAME_MAX_BYTES 64

static const char *const names[FAIL_N] = {
	[FAIL_INTAKE_BEFORE_COMMIT] = "intake-before-commit",
	[FAIL_INTAKE_AFTER_COMMIT] = "intake-after-commit",
	[FAIL_STEP_INTENT_COMMITTED] = "step-intent-committed",
	[FAIL_FLAGS_TEMP_WRITTEN] = "flags-temp-written",
	[FAIL_FLAGS_RENAMED] = "flags-renamed",
	[FAIL_FLAGS_COPY_KEPT] = "flags-copy-kept",
	[FAIL_FLAGS_HALF_WRITTEN] = "flags-half-written",
	[FAIL_STEP_DONE_UNCOMMITTED] = "step-done-uncommitted",
	[FAIL_RUNNER_SPAWNED] = "runner-spawned",
	[FAIL_RUNNER_CLAIMED] = "runner-claimed",
	[FAIL_RUNNER_RAN] = "runner-ran",
	[FAIL_VERIFY_ROUND_UNCOMMITTED] = "verify-round-uncommitted",
	[FAIL_MOVE_COMMITTED] = "move-committed",
	[FAIL_MESSAGE_ACCEPTED] = "message-accepted",
	[FAIL_CHECKPOINT] = "checkpoint",
};

int failpoint_armed;
static atomic_long visits_left[FAIL_N]; /* 0: not armed */

/* The n of "name:n": 1 to 10^9. */
static int parse_visits(const char *s, long *ret)
{
	char *end;

	if (s[0] < '1' || s[0] > '9')
		return -EINVAL;
	errno = 0;
	long n = strtol(s, &end, 10);
	if (errno || *end || n > 1000000000)
		return -EINVAL;
	*ret = n;
	return 0;
}

/* One "name" or "name:n" of len bytes. */
static int parse_one(const char *value, size_t len, int *ret_point, long *ret_visits)
{
	char text[NAME_MAX_BYTES];

	if (len >= sizeof(text))
		return -EINVAL;
	memcpy(text, value, len);
	text[len] = '\0';
	char *colon = strchr(text, ':');
	if (colon)
		*colon = '\0';
	int point = text_enum_find(names, FAIL_N, text);
	if (point < 0)
		return point;
	*ret_point = point;
	*ret_visits = 1;
	return colon ? parse_visits(colon + 1, ret_visits) : 0;
}

int failpoint_setup(const char *value)
{
	long visits[FAIL_N] = {0};

	if (!value || !*value)
		return 0;
	for (size_t len;; value += len + 1) {
		int point;
		long n;

		len = strcspn(value, ",");
		int r = parse_one(value, len, &point, &n);
		if (r < 0)
			return r;
		visits[point] = n;
		if (!value[len])
			break;
	}
	for (int i = 0; i < FAIL_N; i++)
		atomic_store(&visits_left[i], visits[i]);
	failpoint_armed = 1;
	return 0;
}

void failpoint_list(FILE *out)
{
	assert(out);
	for (size_t i = 0; i < FAIL_N; i++)
		fprintf(out, "%s\n", names[i]);
}

void failpoint_reached(enum failpoint point)
{
	assert(point < FAIL_N);
	if (atomic_fetch_sub(&visits_left[point], 1) != 1)
		return;
	kill(getpid(), SIGKILL);
	for (;;)
		pause(); /* until the signal has landed on this thread too */
}
