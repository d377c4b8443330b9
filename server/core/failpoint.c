#include "server/core/failpoint.h"
#include "server/core/scope.h"
#include "server/core/text.h"

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
static int armed_point;
static atomic_long visits_left;

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

int failpoint_setup(const char *value)
{
	char name[NAME_MAX_BYTES];
	long visits = 1;

	if (!value || !*value)
		return 0;
	size_t len = strcspn(value, ":");
	if (len >= sizeof(name))
		return -EINVAL;
	memcpy(name, value, len);
	name[len] = '\0';
	int point = text_enum_find(names, FAIL_N, name);
	if (point < 0)
		return point;
	if (value[len] == ':' && parse_visits(value + len + 1, &visits) < 0)
		return -EINVAL;
	armed_point = point;
	atomic_store(&visits_left, visits);
	failpoint_armed = 1;
	return 0;
}

void failpoint_list(FILE *out)
{
	for (size_t i = 0; i < FAIL_N; i++)
		fprintf(out, "%s\n", names[i]);
}

void failpoint_reached(enum failpoint point)
{
	if ((int)point != armed_point || atomic_fetch_sub(&visits_left, 1) != 1)
		return;
	kill(getpid(), SIGKILL);
	for (;;)
		pause(); /* until the signal has landed on this thread too */
}
