/*
 * The table of config keys: what the parser, --help-config and the manual share (internal to config).
 */
#ifndef SERVER_CONFIG_KEYS_H
#define SERVER_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>

enum key_type {
	KEY_TEXT,
	KEY_PROMQL, /* as far as its text alone tells */
	KEY_LINE,
	KEY_NAME,
	KEY_VARIABLE,
	KEY_URL,
	KEY_BASE,
	KEY_PATH,
	KEY_ZONE,
	KEY_DURATION,
	KEY_PERCENTAGE,
	KEY_TARGET,
	KEY_NUMBER,
	KEY_FRACTION,
	KEY_CRON,
	KEY_BOOL,
	KEY_WORD,
	KEY_POINTER,
	/* lists of texts, never empty */
	KEY_WORDS,
	KEY_NAMES,
	KEY_MATCHERS,
	KEY_ARGV,
	/* of keys of their own */
	KEY_SECTION,
	KEY_LIST,
};

struct key {
	const char *name;
	enum key_type type;
	const char *def;           /* as it would stand in the file; NULL: none. An empty text is allowed only as
	                              default "" */
	bool required;             /* a list: and not empty */
	bool secret;               /* never shown, also when it is wrong */
	const struct section *sub; /* KEY_SECTION, KEY_LIST */
	const char *words;         /* KEY_WORD, KEY_WORDS: those allowed, separated by blanks */
	long least, most;          /* KEY_NUMBER; KEY_DURATION: least, in ms */
	const char *help;
};

struct section {
	const struct key *keys;
	size_t n;
	const char *one_of;   /* exactly one of these keys (separated by blanks) must be there; NULL: no such
	                         rule */
	const char *not_both; /* at most one of these; NULL: no such rule */
};

extern const struct section config_root;
/* "a duration like 30s, 5m or 1h30m" …: what a value of this type looks like. */
const char *key_type_text(enum key_type t);
bool key_is_texts(enum key_type t);

#endif
