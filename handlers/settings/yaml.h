/*
 * A text as one YAML document, within bounds on its depth and anchors; whatever it holds, it is read in time that
 * grows with its length only. Any thread.
 */
#ifndef HANDLERS_SETTINGS_YAML_H
#define HANDLERS_SETTINGS_YAML_H

#include <stdbool.h>
#include "handlers/settings/faults.h"

/* Parses the text, which a NUL follows, and shows it to visit once, as r->doc. False from visit: it said what is wrong.
 */
typedef bool config_visit_fn(const struct config_reader *r, void *arg);
void config_document(const struct config_reader *r, const char *text, size_t len, config_visit_fn *visit, void *arg);

/* The same of JSON, which is YAML but for a few characters. Its depth is bounded too, and it has no anchors. */
void config_json(const struct config_reader *r, const char *text, size_t len, config_visit_fn *visit, void *arg);

#define CONFIG_PATH_LEN 512
/* "rollouts[0].verify", for as long as the statement lasts. */
#define CONFIG_PATH(...) config_path((char[CONFIG_PATH_LEN]) {""}, __VA_ARGS__)
const char *config_path(char out[CONFIG_PATH_LEN], const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Of what stands at that path in r->doc. The line of a key is where its name stands; of one that is not there it is
 * where the section begins that lacks it. */
bool config_has(const struct config_reader *r, const char *path);
size_t config_line(const struct config_reader *r, const char *path);
/* The scalar there; NULL: none, or not one that C can hold. Borrowed from the document. */
const char *config_scalar(const struct config_reader *r, const char *path);

/* A fault of what stands at that path, or of the section that lacks it. */
#define config_fault_at(r, path, ...)                                                                                  \
	do {                                                                                                           \
		const char *path_ = (path);                                                                            \
		config_fault(r, config_line(r, path_), path_, __VA_ARGS__);                                            \
	} while (0)

/* A scalar's text; NULL: n is none, or not one that C can hold. */
struct yaml_node_s;
const char *yaml_text(const struct yaml_node_s *n);
size_t yaml_line(const struct yaml_node_s *n);

#endif
