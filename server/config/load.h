/*
 * rollbackd.yml: YAML checked against one table of keys, handed over as a normalised JSON tree.
 *
 * The table (config_keys.c) is what the parser, --help-config and the manual share. All faults are found at once,
 * each with file, line, key path and what would be right.
 */
#ifndef SERVER_CONFIG_LOAD_H
#define SERVER_CONFIG_LOAD_H

#include <stdbool.h>
#include <stdio.h>
#include "handlers/notify/options.h"
#include "handlers/settings/settings.h"

#define CONFIG_FILE_MAX (1024 * 1024)

/* At most some 200, then one that says so. */
struct config_faults {
	char **line; /* owned: "rollbackd.yml:12: rollouts[0].verify.delay: …" */
	size_t *at;  /* owned: the line of each, by which they are sorted; 0: about the whole file */
	size_t n;
};
void config_faults_free(struct config_faults *f);

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

/* 0 or -EINVAL with faults (also for an unreadable file, one line then). */
int config_load(const char *path, enum config_use use, struct config **ret, struct config_faults *faults);
void config_free(struct config *c);

/* Every key with type, default and meaning. */
void config_help(FILE *out);

#endif
