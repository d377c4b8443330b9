/*
 * Channels as the config describes them. Immutable after load; any thread.
 */
#ifndef HANDLERS_NOTIFY_OPTIONS_H
#define HANDLERS_NOTIFY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "handlers/settings/settings.h"

struct channel {
	char *name; /* owned, as everything here */
	enum channel_kind kind;
	char *url;     /* owned: from url or url_file; a secret, never logged */
	char *secret;  /* owned: webhook's HMAC key, or NULL */
	char *program; /* jq program text: the config's own or the shipped one of the kind */
};

struct channels {
	struct channel *item;
	size_t n;
};

/* What the settings say. Reads the _file twins now (a secret ends at the first newline). -ENOENT and so on with why. */
int channels_read(const struct settings *s, struct channels *ret, char *why, size_t why_size);
void channels_free(struct channels *c);
/* Whether path is a file whose first line can be a secret, or a URL: 0, or -ENOENT and so on with why, which never
 * shows it. */
int channel_secret_check(const char *path, bool url, char *why, size_t why_size);
const struct channel *channels_find(const struct channels *c, const char *name);

/* The shipped jq program of a kind. */
const char *channel_program(enum channel_kind kind);

#endif
