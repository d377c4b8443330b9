/*
 * Which of two forms of an answer is wanted (RFC 9110, 12.5.1). Pure; any thread.
 */
#ifndef HANDLERS_API_ACCEPT_H
#define HANDLERS_API_ACCEPT_H

#include <stdbool.h>

/* Whether an Accept header (may be NULL) names the type, and likes the usual one no better. */
bool accept_prefers(const char *accept, const char *type, const char *usual);

#endif
