/*
 * The composition root: builds the parts in order and takes them apart in reverse. Main thread.
 */
#ifndef SERVER_DAEMON_H
#define SERVER_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include "server/config/load.h"
#include "server/auth/web_config.h"

#define APP_ADDRESSES_MAX 16

struct app_options {
	const char *config_file, *storage_path;
	const char *web_config_file; /* NULL: no passwords, and nobody but this machine */
	struct app_list {
		const char *item[APP_ADDRESSES_MAX];
		size_t n;
	} address, allowed_host;
	const char *exe;    /* absolute path of this program */
	const char *runner; /* and of rollbackd-run */
};

struct app;
/* Takes cfg and web (NULL: none). 0, or -errno with why (>= 400): -EBUSY and its like come from the state directory
 * (exit code 3), -EADDRINUSE and its like from listening (1). *ret_state tells which. */
int app_start(const struct app_options *o, struct config *cfg, struct web_config *web, struct app **ret,
              bool *ret_state, char *why, size_t size);
/* Where it listens, in words. */
void app_where(const struct app *a, struct buf *b);
/* Readable when somebody has asked for a reload over HTTP. */
int app_reload_fd(const struct app *a);
/* Reads the config again, and tells who asked. False: it is wrong, and changes nothing. Some seconds at most. */
bool app_reload(struct app *a);
/* True while none of its threads is stuck: the writer, the engine's, those that read, the HTTP server's. */
bool app_alive(const struct app *a);
/* Drains for at most 5 s, then stops everything. */
void app_stop(struct app *a);

#endif
