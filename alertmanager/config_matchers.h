/*
 * The matchers that a piece of Alertmanager's config has: of a route, or of one side of an inhibition. Pure; any
 * thread.
 */
#ifndef ALERTMANAGER_CONFIG_MATCHERS_H
#define ALERTMANAGER_CONFIG_MATCHERS_H

#include "alertmanager/matcher.h"
#include "server/core/json.h"

struct config_matchers {
	struct matchers read; /* what could be read, all together */
	char *odd;            /* owned: why one could not, the first of them; NULL: all were */
};

/* o: an object with <prefix>matchers, <prefix>match and <prefix>match_re, each of which may be missing; every scalar is
 * a string. prefix: "", "source_" or "target_". 0 or -ENOMEM. */
int config_matchers_read(struct json_object *o, const char *prefix, struct config_matchers *ret) MUST_CHECK;
void config_matchers_free(struct config_matchers *m);

/* As matchers_might_hold; one that could not be read makes a yes a MAYBE. *ret_odd (may be NULL): what odd says, if
 * that is why; else NULL. */
enum matchers_result config_matchers_might_hold(const struct config_matchers *m, const struct text_pair *labels,
                                                size_t n, matchers_open_fn *open, void *arg, const char **ret_label,
                                                const char **ret_odd);

#endif
