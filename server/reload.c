#include "server/reload.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "db/incident.h"

/* 1 dropped, 0 not, -errno. */
static int drops(struct db_conn *c, const struct settings *s, int64_t id, char *why, size_t size)
{
	struct incident inc = {0};
	int r = incident_load(c, id, &inc);

	if (r == 0 && !settings_rollout(s, inc.rollout)) {
		r = 1;
		snprintf(why, size,
		         "it drops rollout %.60s, whose incident %lld (%s) is still live: see it through, or resolve "
		         "it first",
		         inc.rollout, (long long)id, incident_state_name(inc.state));
	}
	incident_free(&inc);
	return r == -ENOENT ? 0 : r;
}

bool reload_drops_live(struct db_conn *c, const struct settings *s, char *why, size_t size)
{
	CLEANUP(cleanup_free) int64_t *ids = NULL;
	size_t n = 0;

	assert(c && s && why);
	int r = incident_live_ids(c, &ids, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = drops(c, s, ids[i], why, size);
	if (r < 0)
		snprintf(why, size, "the live incidents could not be read");
	return r != 0;
}
