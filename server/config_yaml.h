/*
 * YAML against the table of keys: a normalised JSON tree, or every fault with its line (internal to config).
 */
#ifndef SERVER_CONFIG_YAML_H
#define SERVER_CONFIG_YAML_H

#include "server/config.h"
#include "server/core/buf.h"

struct config_reader {
	const char *file;       /* as shown in faults */
	struct config_faults *faults;
};

/* Adds "FILE:LINE: PATH: text". line 0: without. */
void config_fault(struct config_faults *f, const char *file, size_t line, const char *path, const char *fmt, ...)
        __attribute__((format(printf, 5, 6)));

/* NULL when the text is no YAML at all (a fault was added); otherwise a tree, whole only if no fault was added.
 * Each object carries its line under the key "(line)", which config.c takes out again. */
struct json_object *config_tree(struct config_reader *r, const char *text, size_t len);

/* What is not in o and has a default gets it. */
struct section;
void config_defaults(struct json_object *o, const struct section *s);

#endif
