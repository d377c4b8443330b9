#include "handlers/steps/reads_file.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "handlers/steps/flags_file.h"
#include "server/core/scope.h"
#include "server/core/text.h"

static const char mark[] = "${percentage}";

bool act_says_percentage(const struct act *a)
{
	assert(a && (a->kind == ACT_HTTP || a->argv));
	if (a->kind == ACT_HTTP)
		return a->body && strstr(a->body, mark);
	for (size_t i = 0; a->argv[i]; i++)
		if (i > 0 && strstr(a->argv[i], mark)) /* the program's name is taken as it stands */
			return true;
	return false;
}

bool act_reads_file(const struct rollout *r, const struct act *a)
{
	assert(r && a);
	return r->flags_file && !act_says_percentage(a);
}

/* As the service would: rollbackd writes through no link, but whoever reads the file follows it. */
static int read_as_service(const struct rollout *r, int32_t *ret, char *why, size_t why_size)
{
	int e = flags_file_read(r->flags_file, r->flags_key, ret, why, why_size);
	CLEANUP(cleanup_free) char *real = e == -ELOOP ? realpath(r->flags_file, NULL) : NULL;
	struct stat st;

	if (real)
		e = flags_file_read(real, r->flags_key, ret, why, why_size);
	else if (e == -ELOOP && errno == ENOENT)
		e = -ENOENT;
	if (e < 0 && stat(r->flags_file, &st) == 0 && S_ISDIR(st.st_mode))
		e = -ENOENT; /* nobody reads a percentage from that */
	return e;
}

bool reading_may_raise(const struct rollout *r, int32_t wanted, int32_t there, char *why, size_t why_size)
{
	assert(r && wanted >= 0 && why && why_size >= 200);
	char holds[16], is[16];
	int32_t pct = -1;

	snprintf(why, why_size, "%s", "");
	if (!r->flags_file)
		return false;
	int e = read_as_service(r, &pct, why, why_size);
	if (e < 0)
		return e != -ENOENT;
	if (pct <= wanted || (there >= 0 && pct <= there))
		return false;
	text_pct(pct, holds, sizeof(holds));
	text_pct(there, is, sizeof(is));
	snprintf(why, why_size, "the flags file holds %s%%, and the service has %s%s", holds, there < 0 ? "" : is,
	         there < 0 ? "nobody knows what" : "%");
	return true;
}
