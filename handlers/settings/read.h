/*
 * YAML against the table of keys: each value goes straight into the member that its row names, and as JSON into the
 * text that is kept of a section (internal to settings and config).
 *
 * Two kinds of text are read: what people write, with every rule; and what we wrote of it (kept), where durations are
 * seconds, keys that are not known any more are passed over and those that came later get their default.
 */
#ifndef HANDLERS_SETTINGS_READ_H
#define HANDLERS_SETTINGS_READ_H

#include "alertmanager/arena.h"
#include "handlers/settings/keys.h"
#include "handlers/settings/yaml.h"
#include "server/core/buf.h"

struct config_reading {
	const struct config_reader *r; /* with its document */
	struct arena *arena;           /* everything that the structs point to */
	bool kept;
	struct buf out; /* the JSON text so far */
	char path[CONFIG_PATH_LEN];
	size_t visited;          /* values, those of an alias each time */
	const char *environment; /* global.environment */
	bool has_prometheus;     /* global.prometheus.url */
};

/* Most bytes that the structs of one text take. */
#define CONFIG_ARENA_MAX (256 * 1024 * 1024)

/* The whole of r's document into to, which is zeroed. What is wrong is added to r's faults. False: it was not read to
 * its end, so nothing can be said of what is missing. */
bool config_read(const struct config_reader *r, struct arena *arena, bool kept, const struct section *s, void *to);

/* For a section's complete: v for a key that is not there, as it would stand in the file. */
void reading_default(struct config_reading *g, const struct section *s, const char *key, const char *v, void *to);
/* size bytes of the arena, zeroed. Out of memory aborts the process. */
void *reading_take(struct config_reading *g, size_t size);

/* --- between read.c and read_value.c --- */

#define READING_SHOWN 60 /* bytes of a wrong value that people are shown */

/* One value: into its member, and to the text. Faults are added. */
void read_scalar(struct config_reading *g, const struct yaml_node_s *n, const struct key *k, void *to);
void read_texts(struct config_reading *g, const struct yaml_node_s *n, const struct key *k, void *to);
void reading_store(struct config_reading *g, const struct key *k, const struct key_value *v, void *to);
/* Some nodes more are visited. True: they are too many, which was said. */
bool reading_too_many(struct config_reading *g, const struct yaml_node_s *n, size_t more);
/* Extends the path by a key, or by an index (name NULL); g->path[returned] = 0 takes it back. */
size_t reading_push(struct config_reading *g, const char *name, size_t index);
const char *reading_keep(struct config_reading *g, const char *text, size_t len);
/* "key:" with nothing behind it, or YAML's words for nothing. */
bool reading_is_nothing(const struct yaml_node_s *n);
/* The value on one line, cut, for a fault. */
const char *reading_shown(const char *v, char out[READING_SHOWN + 1]);
/* The JSON text. */
void reading_put_comma(struct config_reading *g);
void reading_put_key(struct config_reading *g, const char *name);
void reading_put_text(struct config_reading *g, const char *text, size_t len);
void reading_put_value(struct config_reading *g, const struct key_value *v);

/* The hooks of the table (complete.c). */
void complete_settings(struct config_reading *g, const struct section *s, void *to);
void complete_rollout(struct config_reading *g, const struct section *s, void *to);
void complete_flags(struct config_reading *g, const struct section *s, void *to);
void complete_verify(struct config_reading *g, const struct section *s, void *to);
void complete_act(struct config_reading *g, const struct section *s, void *to);
void complete_check(struct config_reading *g, const struct section *s, void *to);
void complete_fallback_check(struct config_reading *g, const struct section *s, void *to);
void complete_drill(struct config_reading *g, const struct section *s, void *to);
void complete_criterion(struct config_reading *g, const struct section *s, void *to);
void complete_stage(struct config_reading *g, const struct section *s, void *to);
void complete_stage_flag(struct config_reading *g, const struct section *s, void *to);
void complete_metric(struct config_reading *g, const struct section *s, void *to);
void complete_playbook(struct config_reading *g, const struct section *s, void *to);
void complete_freeze(struct config_reading *g, const struct section *s, void *to);
void complete_report(struct config_reading *g, const struct section *s, void *to);
void complete_channel(struct config_reading *g, const struct section *s, void *to);

#endif
