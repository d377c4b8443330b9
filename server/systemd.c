#include "server/systemd.h"

#include <assert.h>
#include <errno.h>
#include <systemd/sd-daemon.h>

#include "server/core/clock.h"

void systemd_ready(const char *status)
{
	assert(status);
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void systemd_reloading(void)
{
	/* The time tells this reload's READY=1 from an older one (sd_notify(3)). */
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono_us());
}

void systemd_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void systemd_watchdog(void)
{
	sd_notify(0, "WATCHDOG=1");
}

int systemd_listen_fds(int *fds, size_t max)
{
	int n = sd_listen_fds(0);

	if (n < 0)
		return n;
	if ((size_t)n > max)
		return -E2BIG;
	for (int i = 0; i < n; i++)
		fds[i] = SD_LISTEN_FDS_START + i;
	return n;
}
