/*
 * Alertmanager's matchers: =, !=, =~, !~, as Alertmanager reads them by default: by the rules of 0.25 (pkg/labels), and
 * what those refuse by the ones of 0.27 (matcher_utf8.h). Regular expressions are anchored; RE2 syntax only:
 * look-around, back-references and the like are refused as Alertmanager would. Compiled matchers are immutable: any
 * thread.
 */
#ifndef ALERTMANAGER_MATCHER_H
#define ALERTMANAGER_MATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include "server/core/scope.h"
#include "server/core/text.h"

struct matcher;
struct matchers { /* all must hold; none: matches everything */
	struct matcher **list;
	size_t n;
};

struct matcher_fault {
	char why[200]; /* one sentence: what is wrong and what would be right */
};

/* Adds the one matcher in text ('action="auto_rollback"', 'stage=~1|2'), or several: '{a="b", c!~"d"}' and
 * 'a="b",c="d"'. 0, -EINVAL with fault set, -ENOMEM. */
int matchers_add(struct matchers *m, const char *text, struct matcher_fault *fault) MUST_CHECK;
/* One whose parts are known, whatever characters stand in them; sign: "=", "!=", "=~" or "!~". */
int matchers_add_parts(struct matchers *m, const char *name, const char *sign, const char *value,
                       struct matcher_fault *fault) MUST_CHECK;
void matchers_free(struct matchers *m);

/* Whether all hold. MAYBE: nobody can tell, because a regular expression ran into a limit (of steps, depth or memory)
 * before it was done. That is not "no", and each caller decides what it does with it. */
enum matchers_result { MATCHERS_NO, MATCHERS_MAYBE, MATCHERS_YES };

/* A missing label counts as "". Labels sorted or not. *ret_which (may be NULL) tells, unless YES, the first matcher
 * that did not hold, or the first that gave up: its text, borrowed. */
enum matchers_result matchers_judge(const struct matchers *m, const struct text_pair *labels, size_t n,
                                    const char **ret_which) MUST_CHECK;

/* As written; borrowed. */
const char *matcher_text(const struct matcher *m);

/* A label by which it holds, as far as that is plain: the value of =, the first alternative of =~ without anything that
 * has a meaning there. Its name, borrowed, and its value; NULL: there is no plain one, or it needs none. */
const char *matcher_example(const struct matcher *m, char *value, size_t size);

/* None is a regular expression, so judging them takes no time worth speaking of. */
bool matchers_are_plain(const struct matchers *m);

/* The same when not all labels are known. open tells of a label that is not among labels whether it may have a value
 * that nobody knows; else it counts as "". MAYBE also: it depends on the label *ret_label (may be NULL; borrowed). */
typedef bool matchers_open_fn(void *arg, const char *label);
enum matchers_result matchers_might_hold(const struct matchers *m, const struct text_pair *labels, size_t n,
                                         matchers_open_fn *open, void *arg, const char **ret_label);

#endif
