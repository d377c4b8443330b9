/*
 * A JSON text token by token, checked on the way: for who takes a few things out of a text and needs no tree of it.
 *
 * It refuses what json_check refuses (json.h), but only when it comes to it: nothing that was taken counts before
 * JSON_END. Pure; any thread.
 */
#ifndef SERVER_CORE_JSON_READER_H
#define SERVER_CORE_JSON_READER_H

#include "server/core/json.h"
#include "server/core/json_raw.h"

#define JSON_KEYS_FEW 64

enum json_token {
	JSON_FAULT, /* error and fault say why; from then on always */
	JSON_END,
	JSON_OBJECT,
	JSON_OBJECT_END,
	JSON_ARRAY,
	JSON_ARRAY_END,
	JSON_KEY,
	JSON_STRING,
	JSON_NUMBER,
	JSON_LITERAL,
};

/* What may come next. */
enum json_step { STEP_VALUE, STEP_FIRST_ITEM, STEP_FIRST_KEY, STEP_AFTER_VALUE };

struct json_member_key {
	uint64_t hash;
	size_t at; /* of the byte behind the opening quote */
};

struct json_reader {
	/* Of the last token: its text, quotes included; of a container its first byte, of its end the last. */
	struct json_raw token;
	bool as_is; /* a string, or key, whose characters all stand for themselves */
	unsigned depth;
	int error; /* 0, -EINVAL, -E2BIG, -ENOMEM */
	struct json_fault fault;
	struct json_size size;
	/* the reader's own */
	const char *text;
	size_t len, at;
	enum json_step step;
	struct {
		bool object;
		size_t first_key; /* where its keys begin on the stack of keys */
	} open[JSON_DEPTH_MAX];
	struct json_member_key *keys; /* owned, unless it is few */
	size_t n_keys, cap_keys;
	size_t tree_max;
	struct json_member_key few[JSON_KEYS_FEW];
};

/* tree_max as in json_measure. */
void json_reader_begin(struct json_reader *c, const char *text, size_t len, size_t tree_max);
enum json_token json_next(struct json_reader *c);
/* Takes the rest of the value that began with that token: the whole value; text NULL after a fault. */
struct json_raw json_take_value(struct json_reader *c, enum json_token began);
void json_reader_end(struct json_reader *c);

#endif
