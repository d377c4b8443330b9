/*
 * One value against its row of the table: a scalar, or a list of texts.
 */
#include "handlers/settings/read.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "alertmanager/matcher.h"
#include "server/core/cron.h"
#include "server/core/json.h"
#include "server/core/text.h"

#define FAULT(g, node, ...) config_fault((g)->r, yaml_line(node), (g)->path, __VA_ARGS__)

const char *reading_keep(struct config_reading *g, const char *text, size_t len)
{
	return memcpy(reading_take(g, len + 1), text, len);
}

/* --- the JSON text --- */

void reading_put_comma(struct config_reading *g)
{
	const char *text = buf_text(&g->out);
	char last = g->out.len ? text[g->out.len - 1] : '{';

	if (last != '{' && last != '[' && last != ':')
		buf_char(&g->out, ',');
}

void reading_put_text(struct config_reading *g, const char *text, size_t len)
{
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_string_len(text, (int)len);

	buf_str(&g->out, json_text(o));
}

void reading_put_key(struct config_reading *g, const char *name)
{
	reading_put_comma(g);
	buf_printf(&g->out, "\"%s\":", name);
}

void reading_put_value(struct config_reading *g, const struct key_value *v)
{
	if (v->json[0])
		buf_str(&g->out, v->json);
	else
		reading_put_text(g, v->text, v->len);
}

/* --- members --- */

static void *member(void *to, size_t at)
{
	return (char *)to + at;
}

void reading_store(struct config_reading *g, const struct key *k, const struct key_value *v, void *to)
{
	assert(k->size == 0 || to);
	void *m = member(to, k->at);

	if (k->size == 0)
		return;
	if (key_is_text(k->type))
		*(const char **)m = reading_keep(g, v->text, v->len);
	else if (k->type == KEY_FRACTION)
		*(double *)m = v->real;
	else if (k->type == KEY_BOOL)
		*(bool *)m = v->whole;
	else if (k->type == KEY_DURATION)
		*(int64_t *)m = v->whole;
	else
		*(int32_t *)m = (int32_t)v->whole;
}

/* --- scalars --- */

bool reading_is_nothing(const yaml_node_t *n)
{
	const char *v = yaml_text(n);

	return v && n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       config_in_words("~ null Null NULL", v[0] ? v : "~");
}

const char *reading_shown(const char *v, char out[READING_SHOWN + 1])
{
	assert(v);
	CLEANUP(buf_free) struct buf b = BUF(READING_SHOWN);

	text_one_line(&b, v, strlen(v), READING_SHOWN);
	snprintf(out, READING_SHOWN + 1, "%s", buf_text(&b));
	return out;
}

static void wanted(const struct config_reading *g, const yaml_node_t *n, const struct key *k)
{
	assert(k);
	const char *v = yaml_text(n);
	char text[READING_SHOWN + 1], least[32];
	int64_t us;

	if (!v || !v[0] || reading_is_nothing(n)) {
		FAULT(g, n, "this must be %s", key_type_text(k->type));
		return;
	}
	if ((k->type == KEY_URL || k->type == KEY_BASE) && text_url_has_user(v)) {
		FAULT(g, n,
		      "this holds a user name or password (not shown here), but URLs stand in incidents, reports and "
		      "the "
		      "log: leave it out, and let a proxy beside rollbackd add it, or ask with a command");
		return;
	}
	if (k->secret) {
		FAULT(g, n, "what stands here, and is not shown, is not %s", key_type_text(k->type));
		return;
	}
	reading_shown(v, text);
	text_duration(k->least * INT64_C(1000), least, sizeof(least));
	if (k->words)
		FAULT(g, n, "\"%s\" is none of: %s", text, k->words);
	else if (k->type == KEY_NUMBER)
		FAULT(g, n, "\"%s\" is not a whole number from %ld to %ld", text, k->least, k->most);
	else if (k->type == KEY_DURATION && text_duration_parse(v, &us) == 0)
		FAULT(g, n, "%s is too short: at least %s", text, least);
	else if (k->type == KEY_CRON && cron_parse(v, &(struct cron) {0}) == -ERANGE)
		FAULT(g, n, "\"%s\" never comes: none of these months has such a day", text);
	else
		FAULT(g, n, "\"%s\" is not %s", text, key_type_text(k->type));
}

void read_scalar(struct config_reading *g, const yaml_node_t *n, const struct key *k, void *to)
{
	struct key_value v;

	if (!yaml_text(n) || !key_read(k, reading_is_nothing(n) ? "" : yaml_text(n), g->kept, &v)) {
		wanted(g, n, k);
		return;
	}
	reading_store(g, k, &v, to);
	reading_put_value(g, &v);
}

/* --- lists of texts --- */

static void add_matcher(const struct config_reading *g, const yaml_node_t *n, const char *v, struct matchers *m)
{
	struct matcher_fault fault = {.why = "out of memory"};
	size_t before = m->n;

	if (matchers_add(m, v, &fault) < 0)
		FAULT(g, n, "%s", fault.why);
	else if (m->n == before && !g->kept)
		FAULT(g, n, "this would match every alert: name a label, like action=\"auto_rollback\"");
}

static void check_program(const struct config_reading *g, const yaml_node_t *n, const char *v)
{
	const char *slash = strrchr(v, '/');
	char text[READING_SHOWN + 1], last[READING_SHOWN + 1];

	if (v[0] == '/' && v[1])
		return;
	reading_shown(v, text);
	FAULT(g, n, "\"%s\" is not an absolute path: write /usr/bin/%s or the like; there is no shell and no PATH",
	      text, reading_shown(slash ? slash + 1 : v, last));
}

static void check_item(const struct config_reading *g, const yaml_node_t *n, const struct key *k, size_t at)
{
	const char *v = yaml_text(n);
	char text[READING_SHOWN + 1];

	if (!v || reading_is_nothing(n))
		FAULT(g, n, "this must be a text; an empty one is written \"\"");
	else if (g->kept)
		return;
	else if (k->type == KEY_WORDS && !config_in_words(k->words, v))
		wanted(g, n, k);
	else if (k->type == KEY_NAMES && !config_is_name(v))
		FAULT(g, n, "this must be %s", key_type_text(KEY_NAME));
	else if (k->type == KEY_DATES && !cron_is_date(v))
		FAULT(g, n, "\"%s\" is no date like 2026-12-24", reading_shown(v, text));
	else if (k->type == KEY_NETS && text_net_parse(v, &(struct text_net) {0}) < 0)
		FAULT(g, n, "\"%s\" is no address, and no network like 10.1.0.0/16", reading_shown(v, text));
	else if (k->type == KEY_ARGV && at == 0)
		check_program(g, n, v);
}

/* One of a list; m: where it goes. */
static void read_text(struct config_reading *g, const yaml_node_t *n, const struct key *k, size_t at, void *m)
{
	const char *v = yaml_text(n) ? yaml_text(n) : "";

	check_item(g, n, k, at);
	if (k->type != KEY_MATCHERS)
		(*(const char ***)m)[at] = reading_keep(g, v, strlen(v));
	else if (yaml_text(n) && !reading_is_nothing(n))
		add_matcher(g, n, v, m);
	reading_put_comma(g);
	reading_put_text(g, v, strlen(v));
}

void read_texts(struct config_reading *g, const yaml_node_t *n, const struct key *k, void *to)
{
	const yaml_node_item_t *items = n->data.sequence.items.start;
	bool is_list = n->type == YAML_SEQUENCE_NODE;
	size_t count = is_list ? (size_t)(n->data.sequence.items.top - items) : 0;

	if (!is_list || (!count && !g->kept)) {
		FAULT(g, n, "this must be %s%s%s", key_type_text(k->type), k->words ? " in brackets, some of: " : "",
		      k->words ? k->words : "");
		return;
	}
	if (reading_too_many(g, n, count))
		return;
	if (k->type != KEY_MATCHERS)
		*(const char ***)member(to, k->at) = reading_take(g, (count + 1) * sizeof(char *));
	buf_char(&g->out, '[');
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *one = yaml_document_get_node(g->r->doc, items[i]);
		size_t len = reading_push(g, NULL, i);

		if (reading_too_many(g, one, 0))
			return;
		read_text(g, one, k, i, member(to, k->at));
		g->path[len] = '\0';
	}
	buf_char(&g->out, ']');
}
