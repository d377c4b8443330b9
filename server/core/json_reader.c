/*
 * The strict validator of json.h: RFC 8259's grammar as a machine of small steps with a stack of open
 * containers.
 *
 * Duplicate keys: the keys of every open object lie on one stack as (hash of the unescaped key, place). When
 * an object closes, its part of the stack is sorted and neighbours are compared, so 10^6 keys cost n log n,
 * whatever a sender makes of their hashes, and memory stays below eight times the body.
 */
#include "server/core/json_reader.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* What json-c 0.16 takes from malloc for a value, measured: an object has room for 11 members from the start, an array
 * for 32 items until it ends, and a member beyond the 11th costs up to three slots of a table that has just grown. */
#define COST_OBJECT      800
#define COST_ARRAY       170
#define COST_NUMBER      112
#define COST_LITERAL     80
#define COST_NULL        24
#define COST_STRING      88  /* and its bytes */
#define COST_MEMBER      32  /* and its name's bytes */
#define COST_MEMBER_MORE 160 /* the same, beyond ROOM_MEMBERS */
#define ROOM_MEMBERS     11

#define FEW_KEYS 16

static enum json_token refuse_at(struct json_reader *c, size_t at, const char *why)
{
	c->fault = (struct json_fault) {at, why};
	c->error = -EINVAL;
	return JSON_FAULT;
}

static enum json_token refuse(struct json_reader *c, const char *why)
{
	return refuse_at(c, c->at, c->at < c->len ? why : "the text ends too early");
}

static enum json_token refuse_too_much(struct json_reader *c, const char *why)
{
	c->fault = (struct json_fault) {c->at, why};
	c->error = -E2BIG;
	return JSON_FAULT;
}

/* One value more, or one member. Counted before anything is built: that is all that bounds what a text costs. */
static bool count(struct json_reader *c, size_t values, size_t cost)
{
	c->size.values += values;
	c->size.tree += cost;
	if (c->size.values > JSON_VALUES_MAX)
		refuse_too_much(c, "more than 4000000 values");
	else if (c->size.tree > c->tree_max)
		refuse_too_much(c, "so many small values that they would take too much memory");
	return c->error == 0;
}

/* The next byte, or -1 at the end. */
static int peek(const struct json_reader *c)
{
	return c->at < c->len ? (unsigned char)c->text[c->at] : -1;
}

static bool take(struct json_reader *c, char wanted)
{
	if (peek(c) != wanted)
		return false;
	c->at++;
	return true;
}

static bool is_blank(int b)
{
	return b == ' ' || b == '\t' || b == '\r' || b == '\n';
}

static inline void skip_blanks(struct json_reader *c)
{
	while (c->at < c->len && (unsigned char)c->text[c->at] <= ' ' && is_blank(c->text[c->at]))
		c->at++;
}

static size_t skip_digits(struct json_reader *c)
{
	size_t from = c->at;

	while (c->at < c->len && c->text[c->at] >= '0' && c->text[c->at] <= '9')
		c->at++;
	return c->at - from;
}

static bool after_value(struct json_reader *c)
{
	int b = peek(c);

	return b < 0 || is_blank(b) || b == ',' || b == ']' || b == '}';
}

static enum json_token check_number(struct json_reader *c)
{
	take(c, '-');
	if (take(c, '0')) {
		size_t zero = c->at - 1;
		if (skip_digits(c) > 0)
			return refuse_at(c, zero, "number has a leading zero");
	} else if (skip_digits(c) == 0) {
		return refuse(c, "number has no digit after the minus sign");
	}
	if (take(c, '.') && skip_digits(c) == 0)
		return refuse(c, "number has no digit after the point");
	if (take(c, 'e') || take(c, 'E')) {
		if (!take(c, '+'))
			take(c, '-');
		if (skip_digits(c) == 0)
			return refuse(c, "number has no digit in its exponent");
	}
	return after_value(c) ? JSON_NUMBER : refuse(c, "number is followed by something else");
}

static enum json_token check_literal(struct json_reader *c, const char *word)
{
	for (; *word; word++)
		if (!take(c, *word))
			return refuse(c, "no JSON value begins like this");
	return after_value(c) ? JSON_LITERAL : refuse(c, "no JSON value begins like this");
}

/* FNV-1a of the characters; 0: not asked for. */
static inline uint64_t hash_plain(const char *text, size_t n, uint64_t hash)
{
	for (size_t i = 0; hash && i < n; i++)
		hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
	return hash;
}

/* Takes what is plain off a string. */
static inline uint64_t skip_plain(struct json_reader *c, uint64_t hash)
{
	size_t n = json_raw_plain(c->text + c->at, c->len - c->at), from = c->at;

	c->at += n;
	return hash_plain(c->text + from, n, hash);
}

static bool take_char(struct json_reader *c, uint64_t *hash)
{
	uint32_t ch = 0;
	const char *why = NULL;
	size_t n = json_raw_char(c->text, c->len, c->at, &ch, &why);

	if (n == 0) {
		refuse(c, why);
		return false;
	}
	c->size.odd |= json_raw_odd(ch);
	c->as_is &= c->text[c->at] != '\\' && !json_raw_odd(ch);
	*hash = *hash ? (*hash ^ ch) * 1099511628211u : 0;
	c->at += n;
	return true;
}

/* From the opening quote to behind the closing one. Returns the hash of its characters, for any but 0; 0 after a fault.
 */
static uint64_t take_string(struct json_reader *c, uint64_t hash)
{
	size_t from = c->at++;
	bool wanted = hash != 0;

	c->as_is = true;
	hash = skip_plain(c, hash);
	while (c->at < c->len && c->text[c->at] != '"') {
		if (!take_char(c, &hash))
			return 0;
		hash = skip_plain(c, hash);
	}
	if (!take(c, '"')) {
		refuse(c, NULL);
		return 0;
	}
	c->token = (struct json_raw) {c->text + from, c->at - from};
	return wanted && hash ? hash : 1;
}

/* Compares two keys that take_string has accepted; each ends at its closing quote. */
static int compare_text(const struct json_reader *c, size_t a, size_t b)
{
	const char *why;

	while (c->text[a] != '"' && c->text[b] != '"') {
		uint32_t ca = 0, cb = 0;
		a += json_raw_char(c->text, c->len, a, &ca, &why);
		b += json_raw_char(c->text, c->len, b, &cb, &why);
		if (ca != cb)
			return ca < cb ? -1 : 1;
	}
	return (c->text[b] == '"') - (c->text[a] == '"');
}

static int by_hash_and_text(const void *pa, const void *pb, void *check)
{
	const struct json_member_key *a = pa, *b = pb;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return compare_text(check, a->at, b->at);
}

/* Few keys whose hashes all differ, as nearly always, need no sorting. */
static bool hashes_differ(const struct json_member_key *keys, size_t n)
{
	if (n > FEW_KEYS)
		return false;
	for (size_t i = 1; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (keys[i].hash == keys[j].hash)
				return false;
	return true;
}

/* Pops the keys of the object that closes. Of several repeated keys the first repetition is named. */
static bool keys_differ(struct json_reader *c, size_t first)
{
	assert(first <= c->n_keys);
	struct json_member_key *keys = c->keys + first;
	size_t n = c->n_keys - first, worst = c->len;

	c->n_keys = first;
	if (hashes_differ(keys, n))
		return true;
	qsort_r(keys, n, sizeof(*keys), by_hash_and_text, c);
	for (size_t i = 1; i < n; i++) {
		size_t later = keys[i].at > keys[i - 1].at ? keys[i].at : keys[i - 1].at;
		if (later < worst && by_hash_and_text(&keys[i - 1], &keys[i], c) == 0)
			worst = later;
	}
	if (worst == c->len)
		return true;
	refuse_at(c, worst - 1, "duplicate key");
	return false;
}

static bool more_room(struct json_reader *c)
{
	struct json_member_key *old = c->keys == c->few ? NULL : c->keys,
			       *keys = reallocarray(old, 2 * c->cap_keys, sizeof(*keys));

	if (!keys)
		return false;
	if (!old)
		memcpy(keys, c->few, sizeof(c->few));
	c->keys = keys;
	c->cap_keys *= 2;
	return true;
}

static bool push_key(struct json_reader *c, struct json_member_key key)
{
	if (c->n_keys == JSON_MEMBERS_MAX) {
		refuse_too_much(c, "objects with more than 262144 members");
		return false;
	}
	if (c->n_keys == c->cap_keys && !more_room(c)) {
		refuse(c, "out of memory");
		c->error = -ENOMEM;
		return false;
	}
	c->keys[c->n_keys++] = key;
	return true;
}

static enum json_token open_container(struct json_reader *c, bool object)
{
	assert(c->depth <= JSON_DEPTH_MAX);
	if (c->depth == JSON_DEPTH_MAX)
		return refuse(c, "nested too deeply");
	c->open[c->depth].object = object;
	c->open[c->depth].first_key = c->n_keys;
	c->depth++;
	c->at++;
	c->step = object ? STEP_FIRST_KEY : STEP_FIRST_ITEM;
	return object ? JSON_OBJECT : JSON_ARRAY;
}

static enum json_token close_container(struct json_reader *c)
{
	assert(c->depth > 0);
	c->depth--;
	c->token = (struct json_raw) {c->text + c->at++, 1};
	c->step = STEP_AFTER_VALUE;
	if (!c->open[c->depth].object)
		return JSON_ARRAY_END;
	return keys_differ(c, c->open[c->depth].first_key) ? JSON_OBJECT_END : JSON_FAULT;
}

static enum json_token read_string(struct json_reader *c)
{
	return take_string(c, 0) && count(c, 0, c->token.len) ? JSON_STRING : JSON_FAULT;
}

static enum json_token read_scalar(struct json_reader *c, int b)
{
	switch (b) {
	case '"':
		return count(c, 1, COST_STRING) ? read_string(c) : JSON_FAULT;
	case 't':
		return count(c, 1, COST_LITERAL) ? check_literal(c, "true") : JSON_FAULT;
	case 'f':
		return count(c, 1, COST_LITERAL) ? check_literal(c, "false") : JSON_FAULT;
	case 'n':
		return count(c, 1, COST_NULL) ? check_literal(c, "null") : JSON_FAULT;
	default:
		break;
	}
	if (b != '-' && (b < '0' || b > '9'))
		return refuse(c, "no JSON value begins like this");
	return count(c, 1, COST_NUMBER) ? check_number(c) : JSON_FAULT;
}

static enum json_token read_value(struct json_reader *c)
{
	size_t from = c->at;
	int b = peek(c);

	if (b == '{' || b == '[') {
		c->token = (struct json_raw) {c->text + from, 1};
		return count(c, 1, b == '{' ? COST_OBJECT : COST_ARRAY) ? open_container(c, b == '{') : JSON_FAULT;
	}
	c->step = STEP_AFTER_VALUE;
	enum json_token t = read_scalar(c, b);
	if (t != JSON_STRING)
		c->token = (struct json_raw) {c->text + from, c->at - from};
	return t;
}

static enum json_token read_key(struct json_reader *c)
{
	assert(c->depth > 0 && c->open[c->depth - 1].object);
	struct json_member_key key = {.at = c->at + 1};
	size_t before = c->n_keys - c->open[c->depth - 1].first_key;

	if (peek(c) != '"')
		return refuse(c, "a key in double quotes is missing here");
	key.hash = take_string(c, 14695981039346656037u);
	if (!key.hash || !push_key(c, key) ||
	    !count(c, 0, c->at - key.at + (before < ROOM_MEMBERS ? COST_MEMBER : COST_MEMBER_MORE)))
		return JSON_FAULT;
	skip_blanks(c);
	c->step = STEP_VALUE;
	return take(c, ':') ? JSON_KEY : refuse(c, "a colon is missing after the key");
}

/* Behind the comma, or the end of what is open. */
static enum json_token read_after_value(struct json_reader *c)
{
	if (c->depth == 0)
		return c->at == c->len ? JSON_END : refuse(c, "something follows the JSON value");
	bool object = c->open[c->depth - 1].object;
	if (peek(c) == (object ? '}' : ']'))
		return close_container(c);
	if (!take(c, ','))
		return refuse(c, object ? "a comma or } is missing here" : "a comma or ] is missing here");
	skip_blanks(c);
	return object ? read_key(c) : read_value(c);
}

enum json_token json_next(struct json_reader *c)
{
	if (c->error)
		return JSON_FAULT;
	skip_blanks(c);
	switch (c->step) {
	case STEP_FIRST_ITEM:
		return peek(c) == ']' ? close_container(c) : read_value(c);
	case STEP_VALUE:
		return read_value(c);
	case STEP_FIRST_KEY:
		return peek(c) == '}' ? close_container(c) : read_key(c);
	case STEP_AFTER_VALUE:
		break;
	}
	return read_after_value(c);
}

struct json_raw json_take_value(struct json_reader *c, enum json_token began)
{
	assert(c && began != JSON_KEY && began != JSON_END);
	struct json_raw value = c->token;
	enum json_token t = began;

	if (t == JSON_OBJECT || t == JSON_ARRAY)
		for (unsigned below = c->depth - 1; t != JSON_FAULT && c->depth > below;)
			t = json_next(c);
	value.len = (size_t)(c->text + c->at - value.text);
	if (t == JSON_FAULT)
		value = (struct json_raw) {NULL, 0};
	return value;
}

void json_reader_begin(struct json_reader *c, const char *text, size_t len, size_t tree_max)
{
	assert(c && (text || len == 0));
	memset(c, 0, offsetof(struct json_reader, few));
	c->text = text;
	c->len = len;
	c->tree_max = tree_max;
	c->keys = c->few;
	c->cap_keys = JSON_KEYS_FEW;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		refuse(c, "a byte order mark stands before the JSON");
}

void json_reader_end(struct json_reader *c)
{
	assert(c && c->keys);
	if (c->keys != c->few)
		free(c->keys);
	c->keys = NULL;
}

int json_measure(const char *text, size_t len, size_t tree_max, struct json_size *ret, struct json_fault *fault)
{
	assert(ret);
	struct json_reader c;
	enum json_token t;

	json_reader_begin(&c, text, len, tree_max);
	while ((t = json_next(&c)) != JSON_END && t != JSON_FAULT)
		;
	json_reader_end(&c);
	if (c.error && fault)
		*fault = c.fault;
	if (c.error == 0)
		*ret = c.size;
	return c.error;
}

int json_check(const char *text, size_t len, struct json_fault *fault)
{
	struct json_size size;

	return json_measure(text, len, SIZE_MAX, &size, fault);
}
