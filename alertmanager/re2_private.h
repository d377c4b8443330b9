/*
 * What the files of re2 share: an expression on its way from RE2's syntax to PCRE2's. Pure; one thread for each.
 */
#ifndef ALERTMANAGER_RE2_PRIVATE_H
#define ALERTMANAGER_RE2_PRIVATE_H

#include <string.h>
#include "alertmanager/re2.h"

#define RUNE_MAX 0x10ffff

/* What stands directly before the next item: decides whether a repetition may follow. */
enum before { BEFORE_NOTHING, BEFORE_ATOM, BEFORE_REPEAT };

struct re2_scan {
	const char *re; /* the whole expression, for quotations */
	const char *at; /* next byte */
	struct buf *out;
	struct matcher_fault *fault;
	enum before before;
	bool folded; /* (?i) stood somewhere before */
	int last;    /* product of the nested counts in the item just read */
	size_t depth;
	int most[RE2_DEPTH_MAX + 1]; /* the highest such product per open group */
};

/* -EINVAL, with a sentence that quotes the expression. */
int re2_fail(struct re2_scan *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The character at *at, which moves behind it. */
unsigned re2_rune_next(const char **at);
/* An item that a repetition may follow was written; weight: the product of its counts. */
void re2_atom_done(struct re2_scan *s, int weight);
int re2_emit_atom(struct re2_scan *s, const char *text);
int re2_emit_rune(struct re2_scan *s, unsigned rune);
int re2_literal(struct re2_scan *s, unsigned rune);

/* One character written with a backslash; at behind it. */
int re2_escape_rune(struct re2_scan *s, unsigned *ret);
/* 1 when a set of characters was read and emitted, 0 when there is none; at on the backslash. */
int re2_escape_set(struct re2_scan *s, bool in_brackets);
/* An item that begins with a backslash. */
int re2_item_escape(struct re2_scan *s);

static inline bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

static inline bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

#endif
