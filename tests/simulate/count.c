#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>

#include "tests/simulate/sim.h"

static const char *const words[COUNT_N] = {
	[COUNT_ROLLED_BACK] = "rolled back",
	[COUNT_LATE] = "rolled back late",
	[COUNT_FAILED] = "failed",
	[COUNT_ALREADY_THERE] = "already there",
	[COUNT_ATTACHED_ABOVE] = "attached while above",
	[COUNT_ADVANCES] = "stages begun",
	[COUNT_SUPERSEDED_ALIVE] = "superseded in an act",
	[COUNT_CRASHES] = "crashes",
	[COUNT_CRASHES_IN_AN_ACT] = "crashes in an act",
	[COUNT_RELOADS_THAT_MOVE] = "reloads in an incident",
	[COUNT_RAISED_OUTSIDE] = "raised outside in an incident",
	[COUNT_DRIFTED] = "triggers below what is on record",
	[COUNT_DOUBTS] = "runners that died",
	[COUNT_FILE_REFUSED] = "flags files refused",
	[COUNT_CALLED_OFF] = "called off",
	[COUNT_RESOLVED] = "resolved",
};

static atomic_ullong alone[COUNT_N];
static atomic_ullong *counts = alone; /* shared by the jobs, once there are some */

int count_begin(void)
{
	void *p = mmap(NULL, sizeof(alone), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	counts = p;
	return 0;
}

void count(enum sim_count what)
{
	atomic_fetch_add(&counts[what], 1);
}

int count_tell(void)
{
	int never = 0;

	for (int i = 0; i < COUNT_N; i++) {
		printf("%s%llu %s", i ? ", " : "", (unsigned long long)counts[i], words[i]);
		never += counts[i] == 0;
	}
	putchar('\n');
	return never;
}
