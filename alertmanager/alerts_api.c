#include "alertmanager/alerts_api.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
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

int alerts_api_count(const char *body, size_t len)
{
	assert(body || len == 0);
	CLEANUP(json_cleanup) struct json_object *root = NULL;
	int r = json_parse(body, len, &root, NULL);

	if (r < 0)
		return r == -ENOMEM ? r : -EBADMSG;
	if (!json_object_is_type(root, json_type_array))
		return -EBADMSG;
	size_t n = json_object_array_length(root);
	return n > INT_MAX ? INT_MAX : (int)n;
}
