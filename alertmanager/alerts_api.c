#include "alertmanager/alerts_api.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "alertmanager/matcher_utf8.h"
#include "server/core/text.h"

static void add_percent_encoded(struct buf *b, char c)
{
	if (isalnum((unsigned char)c) || strchr("-._~", c))
		buf_char(b, c);
	else
		buf_printf(b, "%%%02X", (unsigned char)c);
}

/* The text of a matcher's value in double quotes, as Alertmanager's parser of matchers reads it. */
static void add_value(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			add_percent_encoded(b, '\\');
		if (*s == '\n') {
			add_percent_encoded(b, '\\');
			buf_char(b, 'n');
		} else {
			add_percent_encoded(b, *s);
		}
	}
}

int alerts_api_url(struct buf *b, const char *base, struct json_object *labels)
{
	assert(base && labels);
	assert(b);
	size_t len = strlen(base);
	char before = '?';

	while (len && base[len - 1] == '/')
		len--;
	buf_add(b, base, len);
	buf_str(b, "/api/v2/alerts");
	json_object_object_foreach(labels, name, value)
	{
		if (!matcher_name_is_classic(name) || !json_object_is_type(value, json_type_string) ||
		    text_was_replaced(json_object_get_string(value)))
			continue;
		buf_printf(b, "%cfilter=%s%%3D%%22", before, name);
		add_value(b, json_object_get_string(value));
		buf_str(b, "%22");
		before = '&';
	}
	return b->error;
}

static int parse(const char *body, size_t len, struct json_object **ret)
{
	assert(body || len == 0);
	int r = json_parse(body, len, ret, NULL);

	if (r < 0)
		return r == -ENOMEM ? r : -EBADMSG;
	return json_object_is_type(*ret, json_type_array) ? 0 : -EBADMSG;
}

int alerts_api_count(const char *body, size_t len)
{
	CLEANUP(json_cleanup) struct json_object *root = NULL;
	int r = parse(body, len, &root);

	if (r < 0)
		return r;
	size_t n = json_object_array_length(root);
	return n > INT_MAX ? INT_MAX : (int)n;
}

/* --- what is in the way --- */

/* The first text of an array; "": there is none. */
static const char *first_of(struct json_object *o, const char *key)
{
	struct json_object *arr = NULL;
	const char *text = NULL;

	if (o && json_get_arr(o, key, &arr) == 1 && json_object_array_length(arr))
		text = json_object_get_string(json_object_array_get_idx(arr, 0));
	return text ? text : "";
}

/* False: nothing suppresses it. */
static bool say_suppressed(struct json_object *alert, char *why, size_t size)
{
	struct json_object *status = NULL;

	if (json_get_obj(alert, "status", &status) != 1)
		return false;
	const char *silence = first_of(status, "silencedBy"), *by = first_of(status, "inhibitedBy"),
		   *mute = first_of(status, "mutedBy");
	if (silence[0])
		snprintf(why, size, "a silence hides it (amtool silence expire %.100s)", silence);
	else if (by[0])
		snprintf(why, size, "another alert inhibits it (inhibit_rules of Alertmanager)");
	else if (mute[0])
		snprintf(why, size, "its route is mute at this time (%.100s)", mute);
	return silence[0] || by[0] || mute[0];
}

static void say_receivers(struct json_object *alert, char *why, size_t size)
{
	struct json_object *arr = NULL;
	struct buf names = BUF(150);

	if (json_get_arr(alert, "receivers", &arr) == 1)
		for (size_t i = 0; i < json_object_array_length(arr); i++)
			buf_printf(&names, "%s%s", i ? ", " : "",
			           json_str_or(json_object_array_get_idx(arr, i), "name", ""));
	snprintf(why, size, "Alertmanager sends it to %s", names.len ? buf_text(&names) : "nobody");
	buf_free(&names);
}

int alerts_api_obstacle(const char *body, size_t len, char *why, size_t size)
{
	assert(why && size > 0);
	CLEANUP(json_cleanup) struct json_object *root = NULL;
	int r = parse(body, len, &root);
	size_t n = r == 0 ? json_object_array_length(root) : 0;

	for (size_t i = 0; i < n; i++)
		if (!json_object_is_type(json_object_array_get_idx(root, i), json_type_object))
			return -EBADMSG;
	for (size_t i = 0; i < n; i++)
		if (say_suppressed(json_object_array_get_idx(root, i), why, size))
			return 0;
	if (r == 0 && n)
		say_receivers(json_object_array_get_idx(root, 0), why, size);
	else if (r == 0)
		snprintf(why, size, "Alertmanager does not have it: Prometheus does not reach it, or relabels it");
	return r;
}
