/*
 * The service manager: what it is told, and the sockets it hands over. Without one every call does nothing.
 */
#ifndef SERVER_SYSTEMD_H
#define SERVER_SYSTEMD_H

#include <stddef.h>

void systemd_ready(const char *status); /* the line that systemctl status shows */
void systemd_reloading(void);           /* systemd_ready follows */
void systemd_stopping(void);
void systemd_watchdog(void);

/* The sockets handed over by socket activation (close-on-exec is set): their number, or -errno; -E2BIG beyond
 * max. */
int systemd_listen_fds(int *fds, size_t max);

#endif
