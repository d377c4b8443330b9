#include "handlers/settings/settings.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/buf.h"
#include "server/core/clock.h"
#include "server/core/text.h"

/* The caller's to free; NULL: out of memory. */
static const char **read_argv(struct json_object *list)
{
	size_t n = json_object_array_length(list);
	const char **argv = calloc(n + 1, sizeof(*argv));

	for (size_t i = 0; argv && i < n; i++)
		argv[i] = json_object_get_string(json_object_array_get_idx(list, i));
	return argv;
}

int act_read(struct json_object *spec, struct act *ret)
{
	assert(spec && ret);
	struct json_object *http = NULL, *command = NULL;
	struct act a = {.kind = json_get_obj(spec, "http", &http) == 1 ? ACT_HTTP : ACT_COMMAND,
	                .name = json_str_or(spec, "name", "")};
	double seconds = 0;

	if (!http && json_get_arr(spec, "command", &command) != 1)
		return -EINVAL;
	if (command && !(a.argv = read_argv(command)))
		return -ENOMEM;
	if (json_get_double(spec, "timeout", &seconds) == 1)
		a.timeout_us = llround(seconds * (double)US_PER_S);
	json_get_bool(spec, "idempotent", &a.idempotent);
	if (http) {
		a.method = json_str_or(http, "method", "");
		a.url = json_str_or(http, "url", "");
		a.body = json_str_or(http, "body", "");
	}
	*ret = a;
	return 0;
}

void act_free(struct act *a)
{
	assert(a);
	free(a->argv);
	*a = (struct act) {0};
}

char *act_text(const struct act *a)
{
	assert(a && a->name);
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();

	json_add_str(o, "name", a->name);
	json_add_double(o, "timeout", (double)a->timeout_us / (double)US_PER_S);
	json_add_bool(o, "idempotent", a->idempotent);
	if (a->kind == ACT_HTTP) {
		struct json_object *http = json_object_new_object();

		json_add_str(http, "method", a->method);
		json_add_str(http, "url", a->url);
		json_add_str(http, "body", a->body);
		json_add(o, "http", http);
	} else {
		struct json_object *argv = json_object_new_array();

		for (size_t i = 0; a->argv[i]; i++)
			json_object_array_add(argv, json_object_new_string(a->argv[i]));
		json_add(o, "command", argv);
	}
	return strdup(json_text(o));
}

/* Every ${percentage}. */
static char *filled(const char *from, int32_t pct)
{
	assert(from);
	static const char mark[] = "${percentage}";
	struct buf b = BUF(1024 * 1024);
	char text[16];

	text_pct(pct, text, sizeof(text));
	for (const char *at = from, *hit;; at = hit + sizeof(mark) - 1) {
		hit = strstr(at, mark);
		if (!hit) {
			buf_str(&b, at);
			break;
		}
		buf_add(&b, at, (size_t)(hit - at));
		buf_str(&b, text);
	}
	return buf_take(&b);
}

char *act_body(const struct act *a, int32_t pct)
{
	return filled(a->body ? a->body : "", pct);
}

char **act_argv(const struct act *a, int32_t pct)
{
	size_t n = 0;

	assert(a->kind == ACT_COMMAND && a->argv);
	while (a->argv[n])
		n++;
	char **all = calloc(n + 1, sizeof(*all));
	size_t done = 0;

	while (all && done < n && (all[done] = done ? filled(a->argv[done], pct) : strdup(a->argv[0])) != NULL)
		done++;
	if (done == n)
		return all;
	act_argv_free(all);
	return NULL;
}

void act_argv_free(char **argv)
{
	for (char **at = argv; at && *at; at++)
		free(*at);
	free(argv);
}
