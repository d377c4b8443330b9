#include "server/core/json.h"
#include "server/core/buf.h"
#include "server/core/clock.h"
#include "server/core/json_raw.h"
#include "server/core/text.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <string.h>

static int refuse(struct json_fault *fault, size_t offset, const char *why)
{
	if (fault)
		*fault = (struct json_fault) {offset, why};
	return -EINVAL;
}

static void free_tokener(json_tokener **tok)
{
	if (*tok)
		json_tokener_free(*tok);
}

/* text with each odd character as U+FFFD, for json-c, which would cut names and values at a NUL. */
static int without_odd(struct buf *b, const char *text, size_t len)
{
	assert(b->len == 0);
	bool in_string = false;
	const char *why = NULL;
	uint32_t c = 0;

	for (size_t at = 0, n = 1; at < len; at += n, n = 1) {
		if (in_string && text[at] != '"')
			n = json_raw_char(text, len, at, &c, &why);
		else
			in_string ^= text[at] == '"';
		if (in_string && text[at] != '"' && json_raw_odd(c))
			buf_str(b, "\xef\xbf\xbd");
		else
			buf_add(b, text + at, n);
	}
	return b->error;
}

/* text is well-formed. */
static int build(const char *text, size_t len, struct json_object **ret_obj, struct json_fault *fault)
{
	/* It counts the value inside the innermost container too. */
	CLEANUP(free_tokener) json_tokener *tok = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
	if (!tok)
		return -ENOMEM;
	/* Not its strict mode: what is well-formed has been judged, and that of json-c 0.18 (Debian 13) takes every
	 * byte beyond ASCII for a control character, and numbers beyond 64 bits for faults. */
	struct json_object *obj = json_tokener_parse_ex(tok, text, (int)len);
	if (json_tokener_get_error(tok) == json_tokener_continue)
		obj = json_tokener_parse_ex(tok, "", 1); /* a number at the top ends only here */
	if (json_tokener_get_error(tok) != json_tokener_success)
		return refuse(fault, json_tokener_get_parse_end(tok),
		              json_tokener_error_desc(json_tokener_get_error(tok)));
	if (!obj)
		return refuse(fault, 0, "nothing but null");
	*ret_obj = obj;
	return 0;
}

int json_parse_within(const char *text, size_t len, size_t tree_max, struct json_object **ret_obj, size_t *ret_tree,
                      struct json_fault *fault)
{
	assert(text || len == 0);
	assert(ret_obj);
	CLEANUP(buf_free) struct buf clean = BUF(3 * len); /* one broken byte becomes three */
	struct json_size size;

	if (len >= INT_MAX / 3)
		return refuse(fault, 0, "too large");
	int r = json_measure(text, len, tree_max, &size, fault);
	if (r == 0 && size.odd)
		r = without_odd(&clean, text, len);
	if (r < 0)
		return r;
	r = size.odd ? build(buf_text(&clean), clean.len, ret_obj, fault) : build(text, len, ret_obj, fault);
	if (r == 0 && ret_tree)
		*ret_tree = size.tree;
	return r;
}

int json_parse(const char *text, size_t len, struct json_object **ret_obj, struct json_fault *fault)
{
	return json_parse_within(text, len, JSON_TREE_MAX, ret_obj, NULL, fault);
}

void json_cleanup(struct json_object **obj)
{
	if (obj)
		json_object_put(*obj);
}

/* As the getters: 1 found with this type, 0 absent or null, -EINVAL. */
static int member(struct json_object *obj, const char *key, json_type type, struct json_object **ret)
{
	assert(key && ret);
	struct json_object *value = NULL;

	if (!json_object_is_type(obj, json_type_object))
		return -EINVAL;
	if (!json_object_object_get_ex(obj, key, &value) || !value)
		return 0;
	if (!json_object_is_type(value, type))
		return -EINVAL;
	*ret = value;
	return 1;
}

int json_get_str(struct json_object *obj, const char *key, const char **ret)
{
	struct json_object *value = NULL;
	int r = member(obj, key, json_type_string, &value);

	if (r == 1)
		*ret = json_object_get_string(value);
	return r;
}

int json_get_int(struct json_object *obj, const char *key, int64_t *ret)
{
	struct json_object *value = NULL;
	int r = member(obj, key, json_type_int, &value);

	if (r == 1)
		*ret = json_object_get_int64(value);
	return r;
}

int json_get_double(struct json_object *obj, const char *key, double *ret)
{
	struct json_object *value = NULL;
	int r = member(obj, key, json_type_double, &value);

	if (r == -EINVAL)
		r = member(obj, key, json_type_int, &value);
	if (r != 1)
		return r;
	double v = json_object_get_double(value);
	if (!isfinite(v))
		return -EINVAL;
	*ret = v;
	return 1;
}

int json_get_bool(struct json_object *obj, const char *key, bool *ret)
{
	struct json_object *value = NULL;
	int r = member(obj, key, json_type_boolean, &value);

	if (r == 1)
		*ret = json_object_get_boolean(value);
	return r;
}

int json_get_obj(struct json_object *obj, const char *key, struct json_object **ret)
{
	return member(obj, key, json_type_object, ret);
}

int json_get_arr(struct json_object *obj, const char *key, struct json_object **ret)
{
	return member(obj, key, json_type_array, ret);
}

const char *json_str_or(struct json_object *obj, const char *key, const char *def)
{
	const char *value = def;

	json_get_str(obj, key, &value);
	return value;
}

int64_t json_int_or(struct json_object *obj, const char *key, int64_t def)
{
	int64_t value = def;

	json_get_int(obj, key, &value);
	return value;
}

double json_double_or(struct json_object *obj, const char *key, double def)
{
	double value = def;

	json_get_double(obj, key, &value);
	return value;
}

bool json_true(struct json_object *obj, const char *key)
{
	bool value = false;

	return json_get_bool(obj, key, &value) == 1 && value;
}

struct json_object *json_obj_of(struct json_object *obj, const char *key)
{
	struct json_object *value = NULL;

	json_get_obj(obj, key, &value);
	return value;
}

struct json_object *json_arr_of(struct json_object *obj, const char *key)
{
	struct json_object *value = NULL;

	json_get_arr(obj, key, &value);
	return value;
}

int32_t json_pct_of(struct json_object *obj, const char *key)
{
	int32_t pct = -1;
	double value = 0;

	return json_get_double(obj, key, &value) == 1 && text_pct_from_double(value, &pct) == 0 ? pct : -1;
}

size_t json_len(struct json_object *arr)
{
	return arr ? json_object_array_length(arr) : 0;
}

struct json_object *json_item(struct json_object *arr, size_t i)
{
	return json_object_array_get_idx(arr, i);
}

/* A new object that must exist: out of memory ends the process (see json.h). */
static struct json_object *must(struct json_object *obj)
{
	if (!obj)
		abort();
	return obj;
}

void json_add_under(struct json_object *obj, const char *key, bool lasts, struct json_object *value_taken)
{
	assert(obj && key);
	unsigned how = lasts ? JSON_C_OBJECT_ADD_CONSTANT_KEY : 0;

	if (json_object_object_add_ex(obj, key, value_taken, how) < 0)
		abort();
}

/* s with every malformed byte replaced by U+FFFD. */
static struct json_object *repaired(const char *s, size_t len)
{
	CLEANUP(buf_free) struct buf b = BUF(3 * len);
	uint32_t c;

	while (len > 0) {
		size_t n = text_utf8_next(s, len, &c);
		if (n > 0)
			buf_add(&b, s, n);
		else
			buf_str(&b, "\xef\xbf\xbd");
		s += n ? n : 1;
		len -= n ? n : 1;
	}
	if (b.error)
		abort();
	return must(json_object_new_string(buf_text(&b)));
}

/* As json-c writes them, so that one text can be compared with the other. */
static void write_escape(struct buf *b, char c)
{
	static const char letters[] = "\"\\\b\f\n\r\t", escapes[] = "\"\\bfnrt";
	const char *l = strchr(letters, c);

	if (c && l)
		buf_printf(b, "\\%c", escapes[l - letters]);
	else
		buf_printf(b, "\\u%04x", (unsigned char)c);
}

void json_write_str(struct buf *b, const char *s)
{
	assert(b);
	uint32_t c;

	if (!s) {
		buf_str(b, "null");
		return;
	}
	buf_char(b, '"');
	for (size_t len = strlen(s), n; len > 0; s += n, len -= n) {
		bool ascii = (signed char)*s >= 0;

		n = ascii ? json_raw_plain(s, len) : text_utf8_next(s, len, &c);
		if (n > 0)
			buf_add(b, s, n);
		else if (ascii)
			write_escape(b, *s);
		else
			buf_str(b, "\xef\xbf\xbd");
		n += n == 0;
	}
	buf_char(b, '"');
}

void json_add_str_under(struct json_object *obj, const char *key, bool lasts, const char *s)
{
	struct json_object *value = NULL;

	if (s && text_utf8_valid(s, strlen(s)))
		value = must(json_object_new_string(s));
	else if (s)
		value = repaired(s, strlen(s));
	json_add_under(obj, key, lasts, value);
}

void json_add_int_under(struct json_object *obj, const char *key, bool lasts, int64_t v)
{
	json_add_under(obj, key, lasts, must(json_object_new_int64(v)));
}

void json_add_double_under(struct json_object *obj, const char *key, bool lasts, double v)
{
	char text[32];

	if (!isfinite(v)) {
		json_add_under(obj, key, lasts, NULL);
		return;
	}
	text_double(v, text, sizeof(text));
	json_add_under(obj, key, lasts, must(json_object_new_double_s(v, text)));
}

void json_add_bool_under(struct json_object *obj, const char *key, bool lasts, bool v)
{
	json_add_under(obj, key, lasts, must(json_object_new_boolean(v)));
}

void json_add_pct_under(struct json_object *obj, const char *key, bool lasts, int32_t pct)
{
	if (pct < 0)
		json_add_under(obj, key, lasts, NULL);
	else if (pct % 100 == 0)
		json_add_int_under(obj, key, lasts, pct / 100);
	else
		json_add_double_under(obj, key, lasts, pct / 100.0);
}

void json_add_time_under(struct json_object *obj, const char *key, bool lasts, int64_t us)
{
	char text[40];

	text_time(us, text, sizeof(text));
	json_add_str_under(obj, key, lasts, us == 0 ? NULL : text);
}

const char *json_text(struct json_object *obj)
{
	assert(obj);
	const char *text = json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (!text)
		abort();
	return text;
}

struct json_object *json_at(struct json_object *obj, const char *pointer)
{
	assert(pointer);
	struct json_object *value = NULL;

	if (json_pointer_get(obj, pointer, &value) < 0)
		return NULL;
	return value;
}

/* To the second: nobody reads microseconds. */
static void text_words(struct buf *b, const char *text)
{
	int64_t us = 0;
	char out[40];

	if (text_time_parse(text, strlen(text), &us) == 0) {
		text_time(us - us % US_PER_S, out, sizeof(out));
		text = out;
	}
	buf_str(b, text);
}

void json_words(struct buf *b, struct json_object *v)
{
	assert(b);
	const char *between = "";

	if (!v)
		return;
	if (json_object_is_type(v, json_type_string)) {
		text_words(b, json_object_get_string(v));
		return;
	}
	if (!json_object_is_type(v, json_type_object)) {
		buf_str(b, json_text(v));
		return;
	}
	json_object_object_foreach(v, key, one)
	{
		const char *text = json_object_is_type(one, json_type_string) ? json_object_get_string(one) : NULL;
		bool plain = text && text[0] && !text[strcspn(text, " \"=,")];

		buf_printf(b, "%s%s=%s", between, key, plain ? text : json_text(one));
		between = " ";
	}
}
