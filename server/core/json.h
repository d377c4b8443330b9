/*
 * JSON: a strict RFC 8259 validator in front of json-c, and short helpers over json-c objects.
 *
 * json-c's strict mode lets through NaN, -01, raw control characters and duplicate keys; the validator refuses those
 * (RFC 8259 sections 4, 6, 7; RFC 7493 for duplicate keys). U+0000, lone surrogates and bytes that are no UTF-8 are
 * taken in strings, where they become U+FFFD (json_raw.h says why).
 *
 * It also counts, before anything is built: 2 MiB of `{}` are half a gigabyte as a tree. Pure; any thread, one tree per
 * thread.
 */
#ifndef SERVER_CORE_JSON_H
#define SERVER_CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <json-c/json.h>
#include "server/core/buf.h"
#include "server/core/scope.h"

#define JSON_DEPTH_MAX   32
#define JSON_VALUES_MAX  4000000 /* of one text; 20,000 alerts have about 600,000 */
#define JSON_MEMBERS_MAX 262144  /* of all objects that are open at once: each costs 16 bytes, and is sorted */
#define JSON_TREE_MAX    (32 * 1024 * 1024) /* bytes of the tree that json_parse builds */

struct json_fault {
	size_t offset;   /* of the byte that is wrong */
	const char *why; /* static: "duplicate key", "number has a leading zero" … */
};

struct json_size {
	size_t values;
	size_t tree; /* bytes that json-c would take for it, at most */
	bool odd;    /* characters that become U+FFFD are in it */
};

/* 0; -EINVAL with *fault set (fault may be NULL): not JSON; -E2BIG, with *fault: too many values, members, or a tree of
 * more than tree_max bytes; -ENOMEM. Iterative: no text can exhaust the stack; memory stays below 16 MiB. */
int json_measure(const char *text, size_t len, size_t tree_max, struct json_size *ret,
                 struct json_fault *fault) MUST_CHECK;
/* The same, whatever the tree would cost. */
int json_check(const char *text, size_t len, struct json_fault *fault) MUST_CHECK;

/* json_measure, then json-c; -EINVAL also from 2 GiB on, -E2BIG beyond JSON_TREE_MAX, -ENOMEM (fault may stay as it
 * was). *ret_obj is the caller's to json_object_put; a top-level null is refused. */
int json_parse(const char *text, size_t len, struct json_object **ret_obj, struct json_fault *fault) MUST_CHECK;
/* With another bound on the tree; *ret_tree (may be NULL) is what it takes at most. */
int json_parse_within(const char *text, size_t len, size_t tree_max, struct json_object **ret_obj, size_t *ret_tree,
                      struct json_fault *fault) MUST_CHECK;

/* For CLEANUP. */
void json_cleanup(struct json_object **obj);

/* Members of an object. 1 found, 0 absent or null, -EINVAL another type (or obj is no object); ret untouched then.
 * Strings are borrowed and contain no NUL. Whole numbers beyond 64 bits are clamped (json-c); a number with a point or
 * an exponent is no int; a double too large for one (1e400) is -EINVAL. */
int json_get_str(struct json_object *obj, const char *key, const char **ret);
int json_get_int(struct json_object *obj, const char *key, int64_t *ret);
int json_get_double(struct json_object *obj, const char *key, double *ret); /* integers too */
int json_get_bool(struct json_object *obj, const char *key, bool *ret);
int json_get_obj(struct json_object *obj, const char *key, struct json_object **ret);
int json_get_arr(struct json_object *obj, const char *key, struct json_object **ret);
/* Anything but 1: the default; false; NULL; a percentage in hundredths, -1. */
const char *json_str_or(struct json_object *obj, const char *key, const char *def);
int64_t json_int_or(struct json_object *obj, const char *key, int64_t def);
double json_double_or(struct json_object *obj, const char *key, double def);
bool json_true(struct json_object *obj, const char *key);
struct json_object *json_obj_of(struct json_object *obj, const char *key);
struct json_object *json_arr_of(struct json_object *obj, const char *key);
int32_t json_pct_of(struct json_object *obj, const char *key);
/* Elements of an array; NULL has none. */
size_t json_len(struct json_object *arr);
struct json_object *json_item(struct json_object *arr, size_t i);

/* Add to an object; out of memory aborts the process (crash-only: json-c 0.16 cannot report it everywhere).
 * str: NULL adds null, malformed UTF-8 is repaired. pct: -1 adds null. time: 0 adds null, else RFC 3339. */
void json_add_under(struct json_object *obj, const char *key, bool lasts, struct json_object *value_taken);
void json_add_str_under(struct json_object *obj, const char *key, bool lasts, const char *s);
void json_add_int_under(struct json_object *obj, const char *key, bool lasts, int64_t v);
void json_add_double_under(struct json_object *obj, const char *key, bool lasts, double v); /* NaN, infinities: null */
void json_add_bool_under(struct json_object *obj, const char *key, bool lasts, bool v);
void json_add_pct_under(struct json_object *obj, const char *key, bool lasts, int32_t pct);
void json_add_time_under(struct json_object *obj, const char *key, bool lasts, int64_t us);
/* A key that is a literal lasts: it is not copied. */
#define JSON_KEY(key)                key, __builtin_constant_p(key)
#define json_add(obj, key, value)    json_add_under(obj, JSON_KEY(key), value)
#define json_add_str(obj, key, s)    json_add_str_under(obj, JSON_KEY(key), s)
#define json_add_int(obj, key, v)    json_add_int_under(obj, JSON_KEY(key), v)
#define json_add_double(obj, key, v) json_add_double_under(obj, JSON_KEY(key), v)
#define json_add_bool(obj, key, v)   json_add_bool_under(obj, JSON_KEY(key), v)
#define json_add_pct(obj, key, pct)  json_add_pct_under(obj, JSON_KEY(key), pct)
#define json_add_time(obj, key, us)  json_add_time_under(obj, JSON_KEY(key), us)

/* Compact text (slashes not escaped), borrowed from obj. */
const char *json_text(struct json_object *obj);

/* Appends a value as people read it: a text as it is, a time in it to the second, an object as key=value pairs; nothing
 * for NULL and null. Anything may stand in it: it is not one line. */
void json_words(struct buf *b, struct json_object *v);

/* Appends a string to a text as json_text has it; NULL: null. Where there is no tree. */
void json_write_str(struct buf *b, const char *s);

/* The value at an RFC 6901 pointer; NULL when there is none. Borrowed. */
struct json_object *json_at(struct json_object *obj, const char *pointer);

#endif
