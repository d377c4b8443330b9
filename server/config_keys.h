/*
 * The table of config keys: what the parser, --help-config and the manual share (internal to config).
 */
#ifndef SERVER_CONFIG_KEYS_H
#define SERVER_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>

enum key_type {
	KEY_TEXT, KEY_NAME, KEY_URL, KEY_PATH, KEY_DURATION, KEY_PERCENTAGE, KEY_TARGET, KEY_NUMBER, KEY_BOOL, KEY_WORD,
	KEY_WORDS, KEY_TEXTS, KEY_MATCHERS, KEY_ARGV, KEY_POINTER, KEY_SECTION, KEY_LIST,
};

struct key {
	const char *name;
	enum key_type type;
	const char *def;        /* as it would stand in the file; NULL: none */
	bool required;
	const struct section *sub;      /* KEY_SECTION, KEY_LIST */
	const char *words;      /* KEY_WORD, KEY_WORDS: those allowed, separated by blanks */
	long least, most;       /* KEY_NUMBER */
	const char *help;
};

struct section {
	const struct key *keys;
	size_t n;
	const char *one_of;     /* exactly one of these keys (separated by blanks) must be there; NULL: no such rule */
};

extern const struct section config_root;
/* "text", "duration like 30s, 5m, 1h30m" …: what a value of this type looks like. */
const char *key_type_text(enum key_type t);

#endif
