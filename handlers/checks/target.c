#include "handlers/checks/target.h"

#include <assert.h>

int32_t rollback_target(int32_t wanted, int32_t file, int32_t seen)
{
	assert(wanted >= 0 && wanted <= 10000);
	if (file < 0 && seen < 0)
		return 0;
	if (file >= 0 && file < wanted)
		wanted = file;
	if (seen >= 0 && seen < wanted)
		wanted = seen;
	return wanted;
}
