/*
 * Matchers as Alertmanager reads them since 0.27 (matcher/parse): names and values in double quotes, by Go's rules, or
 * bare, of any characters but blanks and {}!=~,\"'`. Pure; any thread.
 */
#ifndef ALERTMANAGER_MATCHER_UTF8_H
#define ALERTMANAGER_MATCHER_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include "server/core/scope.h"

/* One matcher, read and not yet understood. */
struct matcher_words {
	bool negative, regex;
	char *name, *value; /* owned; whom it is given to may TAKE them */
	const char *text;   /* borrowed: as written, len bytes */
	size_t len;
};
/* 0, or what ends the reading. */
typedef int matcher_words_fn(void *arg, struct matcher_words *one);

/* Gives fn each of them in turn. text: well-formed UTF-8. 0; -EINVAL: it is no list of matchers, or one holds a NUL;
 * -ENOMEM; or what fn returned. */
int matcher_utf8_read(const char *text, matcher_words_fn *fn, void *arg) MUST_CHECK;

/* Whether a label's name can stand bare in the matchers of every Alertmanager. */
bool matcher_name_is_classic(const char *name);
/* Length of the white space of Unicode that p begins with; 0: none. */
size_t matcher_space_at(const char *p, size_t len);

#endif
