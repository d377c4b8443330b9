/*
 * The strict validator of json.h: RFC 8259's grammar as a machine of small steps with a stack of open
 * containers.
 *
 * Duplicate keys: the keys of every open object lie on one stack as (hash of the unescaped key, place). When
 * an object closes, its part of the stack is sorted and neighbours are compared, so 10^6 keys cost n log n,
 * whatever a sender makes of their hashes, and memory stays below eight times the body.
 */
#include "server/core/json.h"
#include "server/core/json_raw.h"

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

struct member_key {
	uint64_t hash;
	size_t at; /* of the byte behind the opening quote */
};

struct json_reader {
	const char *text;
	size_t len, at;
	struct json_fault fault;
	int error;

	unsigned depth;
	struct {
		bool object;
		size_t first_key; /* where its keys begin on the stack of keys */
	} open[JSON_DEPTH_MAX];

	struct member_key *keys;
	size_t n_keys, cap_keys;

	struct json_size size;
	size_t tree_max;
};

/* What may come next. STEP_REFUSED: the fault is set. */
enum json_step {
	STEP_VALUE,
	STEP_FIRST_ITEM,
	STEP_FIRST_KEY,
	STEP_KEY,
	STEP_AFTER_VALUE,
	STEP_DONE,
	STEP_REFUSED,
};

static enum json_step refuse_at(struct json_reader *c, size_t at, const char *why)
{
	c->fault = (struct json_fault) {at, why};
	c->error = -EINVAL;
	return STEP_REFUSED;
}

static enum json_step refuse(struct json_reader *c, const char *why)
{
	return refuse_at(c, c->at, c->at < c->len ? why : "the text ends too early");
}

static enum json_step refuse_too_much(struct json_reader *c, const char *why)
{
	c->fault = (struct json_fault) {c->at, why};
	c->error = -E2BIG;
	return STEP_REFUSED;
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

static void skip_blanks(struct json_reader *c)
{
	while (is_blank(peek(c)))
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

static enum json_step check_number(struct json_reader *c)
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
	return after_value(c) ? STEP_AFTER_VALUE : refuse(c, "number is followed by something else");
}

static enum json_step check_literal(struct json_reader *c, const char *word)
{
	for (; *word; word++)
		if (!take(c, *word))
			return refuse(c, "no JSON value begins like this");
	return after_value(c) ? STEP_AFTER_VALUE : refuse(c, "no JSON value begins like this");
}

/* Takes what is plain off a string. Returns the hash of the characters up to there (FNV-1a); not asked for: 0. */
static uint64_t skip_plain(struct json_reader *c, uint64_t hash)
{
	size_t n = json_raw_plain(c->text + c->at, c->len - c->at);

	for (size_t i = 0; hash && i < n; i++)
		hash = (hash ^ (unsigned char)c->text[c->at + i]) * 1099511628211u;
	c->at += n;
	return hash;
}

/* From the opening quote to behind the closing one; *ret_hash (may be NULL) is that of the characters. */
static bool take_string(struct json_reader *c, uint64_t *ret_hash)
{
	uint64_t hash = ret_hash ? 14695981039346656037u : 0;

	c->at++;
	hash = skip_plain(c, hash);
	while (c->at < c->len && c->text[c->at] != '"') {
		uint32_t ch = 0;
		const char *why = NULL;
		size_t n = json_raw_char(c->text, c->len, c->at, &ch, &why);
		if (n == 0) {
			refuse(c, why);
			return false;
		}
		c->size.odd |= json_raw_odd(ch);
		hash = (hash ^ ch) * 1099511628211u;
		c->at += n;
		hash = skip_plain(c, ret_hash ? hash : 0);
	}
	if (!take(c, '"')) {
		refuse(c, NULL);
		return false;
	}
	if (ret_hash)
		*ret_hash = hash;
	return true;
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
	const struct member_key *a = pa, *b = pb;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return compare_text(check, a->at, b->at);
}

/* Few keys whose hashes all differ, as nearly always, need no sorting. */
static bool hashes_differ(const struct member_key *keys, size_t n)
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
	struct member_key *keys = c->keys + first;
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

static bool push_key(struct json_reader *c, struct member_key key)
{
	if (c->n_keys == JSON_MEMBERS_MAX) {
		refuse_too_much(c, "objects with more than 262144 members");
		return false;
	}
	if (c->n_keys == c->cap_keys) {
		size_t cap = c->cap_keys ? 2 * c->cap_keys : 64;
		struct member_key *keys = reallocarray(c->keys, cap, sizeof(*keys));
		if (!keys) {
			refuse(c, "out of memory");
			c->error = -ENOMEM;
			return false;
		}
		c->keys = keys;
		c->cap_keys = cap;
	}
	c->keys[c->n_keys++] = key;
	return true;
}

static enum json_step open_container(struct json_reader *c, bool object)
{
	assert(c->depth <= JSON_DEPTH_MAX);
	if (c->depth == JSON_DEPTH_MAX)
		return refuse(c, "nested too deeply");
	c->open[c->depth].object = object;
	c->open[c->depth].first_key = c->n_keys;
	c->depth++;
	c->at++;
	return object ? STEP_FIRST_KEY : STEP_FIRST_ITEM;
}

static enum json_step close_container(struct json_reader *c)
{
	assert(c->depth > 0);
	c->depth--;
	c->at++;
	if (c->open[c->depth].object && !keys_differ(c, c->open[c->depth].first_key))
		return STEP_REFUSED;
	return STEP_AFTER_VALUE;
}

static enum json_step step_string(struct json_reader *c)
{
	size_t from = c->at;

	return take_string(c, NULL) && count(c, 0, c->at - from) ? STEP_AFTER_VALUE : STEP_REFUSED;
}

static enum json_step step_value(struct json_reader *c)
{
	int b = peek(c);

	switch (b) {
	case '{':
	case '[':
		return count(c, 1, b == '{' ? COST_OBJECT : COST_ARRAY) ? open_container(c, b == '{') : STEP_REFUSED;
	case '"':
		return count(c, 1, COST_STRING) ? step_string(c) : STEP_REFUSED;
	case 't':
		return count(c, 1, COST_LITERAL) ? check_literal(c, "true") : STEP_REFUSED;
	case 'f':
		return count(c, 1, COST_LITERAL) ? check_literal(c, "false") : STEP_REFUSED;
	case 'n':
		return count(c, 1, COST_NULL) ? check_literal(c, "null") : STEP_REFUSED;
	default:
		break;
	}
	if (b != '-' && (b < '0' || b > '9'))
		return refuse(c, "no JSON value begins like this");
	return count(c, 1, COST_NUMBER) ? check_number(c) : STEP_REFUSED;
}

static enum json_step step_key(struct json_reader *c)
{
	assert(c->depth > 0 && c->open[c->depth - 1].object);
	struct member_key key = {.at = c->at + 1};
	size_t before = c->n_keys - c->open[c->depth - 1].first_key;

	if (peek(c) != '"')
		return refuse(c, "a key in double quotes is missing here");
	if (!take_string(c, &key.hash) || !push_key(c, key) ||
	    !count(c, 0, c->at - key.at + (before < ROOM_MEMBERS ? COST_MEMBER : COST_MEMBER_MORE)))
		return STEP_REFUSED;
	skip_blanks(c);
	return take(c, ':') ? STEP_VALUE : refuse(c, "a colon is missing after the key");
}

static enum json_step step_after_value(struct json_reader *c)
{
	if (c->depth == 0)
		return c->at == c->len ? STEP_DONE : refuse(c, "something follows the JSON value");
	bool object = c->open[c->depth - 1].object;
	if (peek(c) == (object ? '}' : ']'))
		return close_container(c);
	if (take(c, ','))
		return object ? STEP_KEY : STEP_VALUE;
	return refuse(c, object ? "a comma or } is missing here" : "a comma or ] is missing here");
}

static enum json_step step_once(struct json_reader *c, enum json_step step)
{
	skip_blanks(c);
	switch (step) {
	case STEP_FIRST_ITEM:
		return peek(c) == ']' ? close_container(c) : step_value(c);
	case STEP_VALUE:
		return step_value(c);
	case STEP_FIRST_KEY:
		return peek(c) == '}' ? close_container(c) : step_key(c);
	case STEP_KEY:
		return step_key(c);
	case STEP_AFTER_VALUE:
		return step_after_value(c);
	case STEP_DONE:
	case STEP_REFUSED:
		break;
	}
	return step;
}

int json_measure(const char *text, size_t len, size_t tree_max, struct json_size *ret, struct json_fault *fault)
{
	assert(text || len == 0);
	assert(ret);
	struct json_reader c = {.text = text, .len = len, .tree_max = tree_max};
	enum json_step step = STEP_VALUE;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		step = refuse(&c, "a byte order mark stands before the JSON");
	while (step != STEP_DONE && step != STEP_REFUSED)
		step = step_once(&c, step);
	free(c.keys);
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
