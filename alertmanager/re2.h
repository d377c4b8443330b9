/*
 * Go's regular expressions (RE2 syntax, as regexp.Compile reads them) rewritten for PCRE2.
 *
 * Every item is parsed and written anew, so nothing that only PCRE2 knows can slip through and nothing means
 * something else there: \s without vertical tab, \v as vertical tab, {,5} as plain text, \p{Greek} as a
 * script. Groups lose their numbers and names (nothing refers to them). Pure; any thread.
 *
 * Stricter than Go in a few corners: brackets have to balance inside the expression, flags can't stand
 * between an item and its repetition, groups nest 100 deep at most, no surrogate code points, no \p{Lu} after
 * (?i). Laxer: a group's name may come twice. Known to differ: \pC holds unassigned code points too, and
 * (?i)\w and
 * (?i)[[:alpha:]] miss the two non-ASCII letters (U+017F, U+212A) that fold to ASCII ones.
 */
#ifndef ALERTMANAGER_RE2_H
#define ALERTMANAGER_RE2_H

#include "alertmanager/matcher.h"
#include "server/core/buf.h"

#define RE2_DEPTH_MAX 100

/* Appends the PCRE2 pattern that matches, whole, what ^(?:re)$ matches in Go. To be compiled with PCRE2_UTF,
 * PCRE2_DOLLAR_ENDONLY and PCRE2_ALT_CIRCUMFLEX, newline LF. re: well-formed UTF-8.
 * 0, -EINVAL with fault set, -ENOMEM, -ENOSPC over b's maximum. */
int re2_translate(struct buf *b, const char *re, struct matcher_fault *fault) MUST_CHECK;

#endif
