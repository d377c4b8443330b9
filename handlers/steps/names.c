#include "handlers/steps/names.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void attempt_name(const struct db *db, int64_t step, int32_t attempt, char out[ATTEMPT_NAME_SIZE])
{
	const char *uuid = db_uuid_of(db, DB_STEP, step);
	int n = snprintf(out, ATTEMPT_NAME_SIZE, "%s%s%lld.%d", uuid, uuid[0] ? "." : "", (long long)step, attempt);

	assert(n > 0 && n < ATTEMPT_NAME_SIZE);
}

/* A number with a dot behind it. False: none. */
static bool read_number(const char **at, int64_t *ret)
{
	char *end = NULL;

	*ret = strtoll(*at, &end, 10);
	if (end == *at || *end != '.' || *ret <= 0)
		return false;
	*at = end + 1;
	return true;
}

size_t attempt_name_parse(const struct db *db, const char *file, int64_t *ret_step, int32_t *ret_attempt)
{
	assert(db && file && ret_step && ret_attempt);
	size_t len = strlen(db_uuid(db));
	const char *at = strncmp(file, db_uuid(db), len) == 0 && file[len] == '.' ? file + len + 1 : file;
	char name[ATTEMPT_NAME_SIZE];
	int64_t step, attempt;

	if (!read_number(&at, &step) || !read_number(&at, &attempt) || attempt > INT32_MAX)
		return 0;
	attempt_name(db, step, (int32_t)attempt, name);
	len = strlen(name);
	if (strncmp(file, name, len) != 0 || file + len + 1 != at)
		return 0; /* another database's, or not written as we write it */
	*ret_step = step;
	*ret_attempt = (int32_t)attempt;
	return len;
}

void step_key(const struct db *db, int64_t incident, int64_t step, int64_t since_us, char out[STEP_KEY_SIZE])
{
	const char *uuid = db_uuid_of(db, DB_STEP, step);
	int n = uuid[0] ? snprintf(out, STEP_KEY_SIZE, "rollbackd-%s-%lld-%lld-%llx", uuid, (long long)incident,
	                           (long long)step, (unsigned long long)since_us)
	                : snprintf(out, STEP_KEY_SIZE, "rollbackd-%lld-%lld", (long long)incident, (long long)step);

	assert(n > 0 && n < STEP_KEY_SIZE);
}
