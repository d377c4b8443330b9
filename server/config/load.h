/*
 * rollbackd.yml: YAML against one table of keys (handlers/settings/keys.c), and rules over several sections. All faults
 * are found at once, each with file, line, key path and what would be right.
 */
#ifndef SERVER_CONFIG_LOAD_H
#define SERVER_CONFIG_LOAD_H

#include <stdio.h>
#include "handlers/notify/options.h"
#include "handlers/settings/settings.h"
#include "server/core/buf.h"

#define CONFIG_FILE_MAX (1024 * 1024)

struct config {
	struct settings *settings; /* a reference */
	struct channels channels;
	struct config_faults notes; /* CONFIG_CHECK: what cannot be told on this machine, or by this user */
};

/* What it is read for. Secret files may be readable for the daemon only, and on its machine only. */
enum config_use {
	CONFIG_RUN,     /* secrets are read, message programs tried */
	CONFIG_OFFLINE, /* neither */
	CONFIG_CHECK,   /* as offline, but a secret file that can be looked at has to hold one */
};

/* The whole file as UTF-8 text; -EINVAL: a fault was added. */
int config_text(const struct config_reader *r, struct buf *ret) MUST_CHECK;
/* 0 or -EINVAL with faults (also for an unreadable file, one line then). */
int config_load(const char *path, enum config_use use, struct config **ret, struct config_faults *faults);
void config_free(struct config *c);

/* Every key with type, default and meaning. */
void config_help(FILE *out);

#endif
