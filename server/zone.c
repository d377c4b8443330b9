#include "server/zone.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "server/core/thread.h"

/* localtime_r goes by what tzset has read, under its lock; and since TZ is there before the first thread, only what it
 * says changes later, never the list of variables that others read. */
void zone_set(const char *zone)
{
	assert(zone && thread_self() == THREAD_UNNAMED);
	setenv("TZ", zone[0] ? zone : "UTC", 1);
	tzset();
}
