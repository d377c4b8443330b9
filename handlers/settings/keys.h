/*
 * The table of config keys: one row says what a key is called, what may stand there and which member of which struct it
 * fills. The reader, --help-config and the manual share it. Constant; any thread.
 */
#ifndef HANDLERS_SETTINGS_KEYS_H
#define HANDLERS_SETTINGS_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In brackets what the member is that it fills. */
enum key_type {
	/* const char * */
	KEY_TEXT,
	KEY_PROMQL, /* as far as its text alone tells */
	KEY_LINE,
	KEY_NAME,
	KEY_VARIABLE,
	KEY_URL,
	KEY_BASE,
	KEY_PATH,
	KEY_ZONE,
	KEY_POINTER,
	KEY_WORD,
	KEY_CRON,
	/* numbers */
	KEY_DURATION,   /* int64_t: microseconds */
	KEY_PERCENTAGE, /* int32_t: hundredths */
	KEY_TARGET,     /* the same; -1: previous_stage */
	KEY_NUMBER,     /* int32_t */
	KEY_FRACTION,   /* double */
	KEY_BOOL,       /* bool */
	/* lists of texts, never empty: const char **, NULL-terminated */
	KEY_WORDS,
	KEY_NAMES,
	KEY_ARGV,
	KEY_DATES,
	KEY_NETS,
	KEY_MATCHERS, /* struct matchers */
	/* of keys of their own */
	KEY_SECTION, /* a struct, or further members of the same */
	KEY_LIST,    /* an array of structs, and how many there are */
	KEY_TYPE_N,
};

struct section;
struct key {
	const char *name;
	enum key_type type;
	bool required;             /* a list: and not empty. A text is "" then as long as there is none */
	bool secret;               /* never shown, also when it is wrong */
	bool asks;                 /* needs the address of Prometheus */
	bool always;               /* KEY_SECTION: its defaults hold also when it is not there */
	bool less;                 /* KEY_NUMBER, KEY_PERCENTAGE: -1 as long as there is none, else 0 */
	const char *def;           /* as it would stand in the file; NULL: none. An empty text is allowed only as
	                              default "" */
	const struct section *sub; /* KEY_SECTION, KEY_LIST */
	const char *words;         /* KEY_WORD, KEY_WORDS: those allowed, separated by blanks */
	long least, most;          /* KEY_NUMBER; KEY_DURATION: least, in ms; KEY_LIST: most, 0: any number */
	const char *unique;        /* KEY_LIST: the key in which no two are alike */
	size_t at, size;           /* the member; size 0: none, its being there is all that counts */
	size_t n_at;               /* KEY_LIST: the size_t beside it */
	size_t mark_at, mark_size; /* an enum or bool that says that this key is there; size 0: none */
	int mark;
	const char *help;
};

struct config_reading;
struct section {
	const struct key *keys;
	size_t n;
	size_t size;          /* of the struct that it fills; 0: of the one around it */
	size_t text_at;       /* a const char * in it, and 1, that takes the section as JSON text; 0: none */
	const char *one_of;   /* exactly one of these keys (separated by blanks) must be there; NULL: no such
	                         rule */
	const char *not_both; /* at most one of these; NULL: no such rule */
	/* What is told by several keys: defaults, and faults. Called once all were read, NULL: nothing. */
	void (*complete)(struct config_reading *g, const struct section *s, void *to);
};
#define SECTION_KEYS_MAX 32

extern const struct section config_root, config_plan;
/* "a duration like 30s, 5m or 1h30m" …: what a value of this type looks like. */
const char *key_type_text(enum key_type t);
/* Its member is a const char *, or a list of them. */
bool key_is_text(enum key_type t);
bool key_is_texts(enum key_type t);

/* The value of a scalar. json: a number or a word as it stands in JSON; "": it is a text. */
struct key_value {
	const char *text; /* borrowed from what was read */
	size_t len;
	char json[40];
	int64_t whole; /* of a duration, percentage, number, bool */
	double real;   /* of a fraction */
};
/* What v means for the key; false: nothing. kept: as we wrote it, with durations in seconds, and by the rules of then.
 */
bool key_read(const struct key *k, const char *v, bool kept, struct key_value *ret);
bool config_is_name(const char *v);
bool config_in_words(const char *words, const char *word);

/* What a severity may be where a person writes it. Only P0 means more than the word: it rolls back at once, and begins
 * the stage anew; so a slip like "PO" must not pass. */
#define SEVERITIES "P0 P1 P2 P3 P4 critical error warning info"

#endif
