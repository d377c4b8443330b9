/*
 * Short quotations of text from outside inside our sentences. Pure; any thread.
 */
#ifndef ALERTMANAGER_QUOTE_H
#define ALERTMANAGER_QUOTE_H

#include <stddef.h>

#define QUOTE_SIZE 64

/* s as one line of well-formed text, cut with "…" when long; returns out. */
const char *quote(char out[QUOTE_SIZE], const char *s, size_t len);

#endif
