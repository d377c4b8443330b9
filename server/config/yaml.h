/*
 * What the parts of config know of each other (internal to config): YAML against the table of keys becomes a
 * tree, rules over several keys look at the tree, and both add every fault they find.
 */
#ifndef SERVER_CONFIG_YAML_H
#define SERVER_CONFIG_YAML_H

#include "server/config/load.h"
#include "server/config/keys.h"

struct config_reader {
	const char *file; /* as shown in faults */
	struct config_faults *faults;
	struct config_faults *notes; /* what cannot be told here: no fault */
};

/* Adds "FILE:LINE: PATH: text" where the line belongs; line 0 (about the file) stands first and is not shown.
 */
void config_fault(const struct config_reader *r, size_t line, const char *path, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* The whole file as UTF-8 text; -EINVAL: a fault was added. */
int config_text(const struct config_reader *r, struct buf *ret) MUST_CHECK;

struct yaml_document_s;
/* Parses the text, which must be one document, and shows it to visit once. False from visit: it said what is wrong. */
typedef bool config_visit_fn(const struct config_reader *r, struct yaml_document_s *doc, void *arg);
void config_document(const struct config_reader *r, const char *text, size_t len, config_visit_fn *visit, void *arg);

/* NULL when the text is no YAML at all (a fault was added); otherwise a tree, whole only if no fault was
 * added: a value with a fault is null in it. */
struct json_object *config_tree(const struct config_reader *r, const char *text, size_t len);
/* Each object of the tree remembers where it and its keys stood in the file. key NULL: the object itself. 0:
 * not there. */
size_t config_line(struct json_object *o, const char *key);
/* Takes those notes out again. */
void config_forget_lines(struct json_object *o);

/* What is not in o and has a default gets it; every list is there. */
void config_defaults(struct json_object *o, const struct section *s);

/* The value that v means for a key of a single scalar; NULL: it is none. */
struct json_object *config_scalar(const struct key *k, const char *v);
bool config_is_name(const char *v);
bool config_in_words(const char *words, const char *word);

/* The plan of one rollout: stages, checklists, milestones. path: of the rollout. */
void config_check_plan(const struct config_reader *r, struct json_object *rollout, const char *path,
                       bool has_prometheus);
/* Guards of a rollout that a slip of the pen would void: the order of its stages, approvals that nobody can give. */
void config_check_guards(const struct config_reader *r, struct json_object *tree);
/* The rules that need more than one key. */
void config_check(const struct config_reader *r, struct json_object *tree, enum config_use use);

#endif
