#include "server/config/yaml.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "alertmanager/matcher.h"
#include "server/core/buf.h"
#include "server/core/cron.h"
#include "server/core/text.h"

#define NAMES_MAX   100   /* keys of a section that are looked at for one that is like another */
#define NODES_MAX   20000 /* visited, aliases each time: a real config has hundreds */
#define DEPTH_MAX   32    /* the table of keys needs a third of it */
#define ANCHORS_MAX 1000
#define PATH_LEN    512
#define LINES       "(lines)" /* of an object and its keys; no key of a config looks like this */
#define SHOWN       60        /* bytes of a wrong value that people are shown */

struct place {
	const struct config_reader *r;
	yaml_document_t *doc;
	char path[PATH_LEN];
	size_t visited;
};

static size_t line_at(const yaml_node_t *n)
{
	return n->start_mark.line + 1;
}

#define FAULT(p, node, ...) config_fault((p)->r, line_at(node), (p)->path, __VA_ARGS__)

static struct json_object *read_section(struct place *p, yaml_node_t *n, const struct section *s);

/* A node more. An alias inside a list inside an alias grows without bound otherwise. */
static bool too_many(struct place *p, const yaml_node_t *n)
{
	if (++p->visited == NODES_MAX)
		config_fault(p->r, line_at(n), "",
		             "from here on the file is not read: more than %d values; "
		             "aliases (*name) that repeat aliases make so many",
		             NODES_MAX);
	return p->visited >= NODES_MAX;
}

/* Extends the path by a key, or by an index (name NULL); p->path[returned] = 0 takes it back. */
static size_t push(struct place *p, const char *name, size_t index)
{
	size_t len = strlen(p->path);

	if (name)
		snprintf(p->path + len, PATH_LEN - len, "%s%s", len ? "." : "", name);
	else
		snprintf(p->path + len, PATH_LEN - len, "[%zu]", index);
	return len;
}

/* --- scalars --- */

/* NULL: it is no scalar, or not one that C can hold. */
static const char *scalar(const yaml_node_t *n)
{
	const char *v = (const char *)n->data.scalar.value;

	return n->type == YAML_SCALAR_NODE && strlen(v) == n->data.scalar.length ? v : NULL;
}

/* "key:" with nothing behind it, or YAML's words for nothing. */
static bool is_nothing(const yaml_node_t *n)
{
	const char *v = scalar(n);

	return v && n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       config_in_words("~ null Null NULL", v[0] ? v : "~");
}

/* The value on one line, cut, for a fault. */
static const char *shown(const char *v, char out[SHOWN + 1])
{
	assert(v);
	CLEANUP(buf_free) struct buf b = BUF(SHOWN);

	text_one_line(&b, v, strlen(v), SHOWN);
	snprintf(out, SHOWN + 1, "%s", buf_text(&b));
	return out;
}

static void wanted(const struct place *p, const yaml_node_t *n, const struct key *k)
{
	assert(k);
	const char *v = scalar(n);
	char text[SHOWN + 1], least[32];
	int64_t us;

	if (!v || !v[0] || is_nothing(n)) {
		FAULT(p, n, "this must be %s", key_type_text(k->type));
		return;
	}
	if ((k->type == KEY_URL || k->type == KEY_BASE) && text_url_has_user(v)) {
		FAULT(p, n,
		      "this holds a user name or password (not shown here), but URLs stand in incidents, reports and "
		      "the "
		      "log: leave it out, and let a proxy beside rollbackd add it, or ask with a command");
		return;
	}
	if (k->secret) {
		FAULT(p, n, "what stands here, and is not shown, is not %s", key_type_text(k->type));
		return;
	}
	shown(v, text);
	text_duration(k->least * INT64_C(1000), least, sizeof(least));
	if (k->words)
		FAULT(p, n, "\"%s\" is none of: %s", text, k->words);
	else if (k->type == KEY_NUMBER)
		FAULT(p, n, "\"%s\" is not a whole number from %ld to %ld", text, k->least, k->most);
	else if (k->type == KEY_DURATION && text_duration_parse(v, &us) == 0)
		FAULT(p, n, "%s is too short: at least %s", text, least);
	else if (k->type == KEY_CRON && cron_parse(v, &(struct cron) {0}) == -ERANGE)
		FAULT(p, n, "\"%s\" never comes: none of these months has such a day", text);
	else
		FAULT(p, n, "\"%s\" is not %s", text, key_type_text(k->type));
}

static struct json_object *read_scalar(const struct place *p, const yaml_node_t *n, const struct key *k)
{
	struct json_object *v = scalar(n) ? config_scalar(k, is_nothing(n) ? "" : scalar(n)) : NULL;

	if (!v)
		wanted(p, n, k);
	return v;
}

/* --- lists of texts --- */

static void check_matcher(const struct place *p, const yaml_node_t *n, const char *v)
{
	struct matchers m = {0};
	struct matcher_fault fault = {.why = ""};
	int r = matchers_add(&m, v, &fault);

	if (r < 0)
		FAULT(p, n, "%s", fault.why);
	else if (m.n == 0)
		FAULT(p, n, "this would match every alert: name a label, like action=\"auto_rollback\"");
	matchers_free(&m);
}

static void check_program(const struct place *p, const yaml_node_t *n, const char *v)
{
	const char *slash = strrchr(v, '/');
	char text[SHOWN + 1], last[SHOWN + 1];

	if (v[0] == '/' && v[1])
		return;
	shown(v, text);
	FAULT(p, n, "\"%s\" is not an absolute path: write /usr/bin/%s or the like; there is no shell and no PATH",
	      text, shown(slash ? slash + 1 : v, last));
}

static void check_item(const struct place *p, const yaml_node_t *n, const struct key *k, size_t at)
{
	const char *v = scalar(n);

	if (!v || is_nothing(n))
		FAULT(p, n, "this must be a text; an empty one is written \"\"");
	else if (k->type == KEY_WORDS && !config_in_words(k->words, v))
		wanted(p, n, k);
	else if (k->type == KEY_NAMES && !config_is_name(v))
		FAULT(p, n, "this must be %s", key_type_text(KEY_NAME));
	else if (k->type == KEY_MATCHERS)
		check_matcher(p, n, v);
	else if (k->type == KEY_ARGV && at == 0)
		check_program(p, n, v);
}

static struct json_object *read_texts(struct place *p, yaml_node_t *n, const struct key *k)
{
	struct json_object *arr = NULL;

	if (n->type != YAML_SEQUENCE_NODE || n->data.sequence.items.start == n->data.sequence.items.top) {
		FAULT(p, n, "this must be %s%s%s", key_type_text(k->type), k->words ? " in brackets, some of: " : "",
		      k->words ? k->words : "");
		return NULL;
	}
	arr = json_object_new_array();
	for (yaml_node_item_t *it = n->data.sequence.items.start; it < n->data.sequence.items.top; it++) {
		yaml_node_t *one = yaml_document_get_node(p->doc, *it);
		size_t at = (size_t)(it - n->data.sequence.items.start), len = push(p, NULL, at);

		if (too_many(p, one))
			break;
		check_item(p, one, k, at);
		json_object_array_add(arr, json_object_new_string(scalar(one) ? scalar(one) : ""));
		p->path[len] = '\0';
	}
	return arr;
}

/* --- sections --- */

static struct json_object *read_list(struct place *p, yaml_node_t *n, const struct key *k)
{
	struct json_object *arr = NULL;

	if (is_nothing(n))
		return json_object_new_array();
	if (n->type != YAML_SEQUENCE_NODE) {
		FAULT(p, n, "this must be %s: each begins with \"- \"", key_type_text(k->type));
		return NULL;
	}
	arr = json_object_new_array();
	for (yaml_node_item_t *it = n->data.sequence.items.start; it < n->data.sequence.items.top; it++) {
		size_t len = push(p, NULL, (size_t)(it - n->data.sequence.items.start));

		json_object_array_add(arr, read_section(p, yaml_document_get_node(p->doc, *it), k->sub));
		p->path[len] = '\0';
		if (p->visited >= NODES_MAX)
			break;
	}
	return arr;
}

static struct json_object *read_value(struct place *p, yaml_node_t *n, const struct key *k)
{
	assert(n && k);
	if (k->type == KEY_SECTION)
		return read_section(p, n, k->sub);
	if (too_many(p, n))
		return NULL;
	if (k->type == KEY_LIST)
		return read_list(p, n, k);
	return key_is_texts(k->type) ? read_texts(p, n, k) : read_scalar(p, n, k);
}

static const struct key *key_named(const struct section *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->keys[i].name, name))
			return &s->keys[i];
	return NULL;
}

static const char *nearest(const struct section *s, const char *name)
{
	const char *names[NAMES_MAX];
	size_t n = s->n < NAMES_MAX ? s->n : NAMES_MAX;

	for (size_t i = 0; i < n; i++)
		names[i] = s->keys[i].name;
	return text_nearest(names, n, name);
}

/* {url=https://…} is a key to YAML: there a key that is like none is not shown. */
static bool has_secrets(const struct section *s)
{
	bool any = false;

	for (size_t i = 0; i < s->n; i++)
		any = any || s->keys[i].secret;
	return any;
}

static void unknown_key(const struct place *p, const yaml_node_t *n, const struct section *s, const char *name)
{
	CLEANUP(buf_free) struct buf known = BUF(1000);
	const char *near = nearest(s, name);
	char text[SHOWN + 1];

	for (size_t i = 0; i < s->n; i++)
		buf_printf(&known, "%s%s", i ? ", " : "", s->keys[i].name);
	shown(has_secrets(s) && !near ? "…" : name, text);
	if (near)
		FAULT(p, n, "unknown key \"%s\": did you mean %s? Known here: %s", text, near, buf_text(&known));
	else
		FAULT(p, n, "unknown key \"%s\". Known here: %s", text, buf_text(&known));
}

static void read_pair(struct place *p, yaml_node_t *kn, yaml_node_t *vn, const struct section *s,
                      struct json_object *to)
{
	const char *name = scalar(kn);
	const struct key *k = name ? key_named(s, name) : NULL;
	size_t first = name ? config_line(to, name) : 0;

	if (too_many(p, kn))
		return;
	if (!k) {
		if (name)
			unknown_key(p, kn, s, name);
		else
			FAULT(p, kn, "a key must be a text");
		return;
	}
	size_t len = push(p, name, 0);
	if (first) {
		FAULT(p, kn, "this key stands here twice, first in line %zu; only one can hold", first);
	} else {
		json_add_int(json_object_object_get(to, LINES), name, (int64_t)line_at(kn));
		json_add(to, name, read_value(p, vn, k));
	}
	p->path[len] = '\0';
}

void config_defaults(struct json_object *o, const struct section *s)
{
	assert(o && s);
	for (size_t i = 0; i < s->n; i++) {
		const struct key *k = &s->keys[i];

		if (json_object_object_get_ex(o, k->name, NULL))
			continue;
		if (k->type == KEY_LIST)
			json_add(o, k->name, json_object_new_array());
		else if (k->def)
			json_add(o, k->name, config_scalar(k, k->def));
	}
}

static size_t count_of(const char *words, struct json_object *o, const struct section *s)
{
	size_t n = 0;

	for (size_t i = 0; words && i < s->n; i++)
		n += config_in_words(words, s->keys[i].name) && json_object_object_get_ex(o, s->keys[i].name, NULL);
	return n;
}

static void check_presence(const struct place *p, const yaml_node_t *n, const struct section *s, struct json_object *o)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct key *k = &s->keys[i];
		struct json_object *v = NULL;
		bool there = json_object_object_get_ex(o, k->name, &v);

		if (k->required && !there)
			FAULT(p, n, "%s is missing: %s", k->name, k->help);
		else if (k->required && json_object_is_type(v, json_type_array) && !json_object_array_length(v))
			config_fault(p->r, config_line(o, k->name), p->path, "%s is empty: %s", k->name, k->help);
	}
	if (s->one_of && count_of(s->one_of, o, s) != 1)
		FAULT(p, n, "exactly one of these must be here: %s", s->one_of);
	if (count_of(s->not_both, o, s) > 1)
		FAULT(p, n, "only one of these can be here: %s", s->not_both);
}

static struct json_object *read_section(struct place *p, yaml_node_t *n, const struct section *s)
{
	assert(p && n && s);
	struct json_object *o, *lines;

	if (too_many(p, n))
		return NULL;
	if (n->type != YAML_MAPPING_NODE && !is_nothing(n)) {
		FAULT(p, n, "this must be %s", key_type_text(KEY_SECTION));
		return NULL;
	}
	o = json_object_new_object();
	lines = json_object_new_object();
	json_add_int(lines, "", (int64_t)line_at(n));
	json_add(o, LINES, lines);
	if (n->type == YAML_MAPPING_NODE)
		for (yaml_node_pair_t *it = n->data.mapping.pairs.start;
		     it < n->data.mapping.pairs.top && p->visited < NODES_MAX; it++)
			read_pair(p, yaml_document_get_node(p->doc, it->key), yaml_document_get_node(p->doc, it->value),
			          s, o);
	if (p->visited >= NODES_MAX)
		return o;
	check_presence(p, n, s, o);
	config_defaults(o, s);
	return o;
}

/* --- lines --- */

size_t config_line(struct json_object *o, const char *key)
{
	struct json_object *lines = NULL;

	return json_get_obj(o, LINES, &lines) == 1 ? (size_t)json_int_or(lines, key ? key : "", 0) : 0;
}

void config_forget_lines(struct json_object *o)
{
	if (json_object_is_type(o, json_type_array))
		for (size_t i = 0; i < json_object_array_length(o); i++)
			config_forget_lines(json_object_array_get_idx(o, i));
	if (!json_object_is_type(o, json_type_object))
		return;
	json_object_object_del(o, LINES);
	json_object_object_foreach(o, key, value)
	{
		(void)key;
		config_forget_lines(value);
	}
}

/* --- the file --- */

/* libyaml's reader knows the byte only, its other parts the line. */
static size_t line_of_problem(const yaml_parser_t *y, const char *text, size_t len)
{
	size_t line = 1;

	if (y->error != YAML_READER_ERROR)
		return y->problem_mark.line + 1;
	for (size_t i = 0; i < len && i < y->problem_offset; i++)
		line += text[i] == '\n';
	return line;
}

/* Where a line of the text begins; lines count from 1. */
static const char *text_of_line(const char *text, size_t line)
{
	assert(line > 0);
	while (--line > 0 && (text = strchr(text, '\n')))
		text++;
	return text ? text : "";
}

static size_t colons_in(const char *line)
{
	size_t n = 0;

	for (const char *end = line + strcspn(line, "\n"); line < end; line++)
		n += line[0] == ':' && (line[1] == ' ' || line + 1 == end);
	return n;
}

/* What people did when the parser says this: it names what it met, not what is wrong. */
static const char *cure(const char *problem, const char *line)
{
	const char *start = line + strspn(line, " ");

	if (start[0] == '\t' || strstr(problem, "tab character"))
		return "; a tab stands where the line is indented: YAML takes blanks only";
	if (strstr(problem, "mapping values are not allowed"))
		return colons_in(line) > 1
		               ? "; a second colon stands in this line: put the text between quotes, as in title: "
		                 "\"CST: Pipeline\""
		               : "; the line is indented further than those it belongs to, or the one before lacks "
		                 "something";
	if (strstr(problem, "did not find expected") || strstr(problem, "could not find expected"))
		return "; the line is indented otherwise than those it belongs to, or a quote or bracket before it is "
		       "not closed";
	return strstr(problem, "cannot start any token")
	               ? "; a text that begins with this character stands between quotes"
	               : "";
}

static void not_yaml(const struct config_reader *r, const yaml_parser_t *y, const char *text, size_t len)
{
	const char *problem = y->problem ? y->problem : "out of memory";
	size_t line = line_of_problem(y, text, len);
	const char *hint = y->error == YAML_READER_ERROR ? "" : cure(problem, text_of_line(text, line));

	if (y->context && y->context_mark.line + 1 < line)
		config_fault(r, line, "", "this is not YAML: %s, %s that begins in line %zu%s", problem, y->context,
		             y->context_mark.line + 1, hint);
	else
		config_fault(r, line, "", "this is not YAML: %s%s", problem, hint);
}

/* By how much an event nests deeper. */
static int deeper(yaml_event_type_t t)
{
	return (t == YAML_SEQUENCE_START_EVENT || t == YAML_MAPPING_START_EVENT) -
	       (t == YAML_SEQUENCE_END_EVENT || t == YAML_MAPPING_END_EVENT);
}

static bool has_anchor(const yaml_event_t *e)
{
	return (e->type == YAML_SCALAR_EVENT && e->data.scalar.anchor) ||
	       (e->type == YAML_SEQUENCE_START_EVENT && e->data.sequence_start.anchor) ||
	       (e->type == YAML_MAPPING_START_EVENT && e->data.mapping_start.anchor);
}

/* The time that libyaml takes grows with the square of the depth and of the number of anchors: minutes for a
 * file of nothing but brackets. So these are counted first; an error of syntax is left for the reading
 * proper. False: a fault was added. */
static bool is_readable(const struct config_reader *r, const char *text, size_t len)
{
	yaml_parser_t y;
	yaml_event_t e;
	int depth = 0, anchors = 0;
	bool end = false;

	if (!yaml_parser_initialize(&y))
		abort(); /* out of memory */
	yaml_parser_set_input_string(&y, (const unsigned char *)text, len);
	while (!end && yaml_parser_parse(&y, &e)) {
		depth += deeper(e.type);
		anchors += has_anchor(&e);
		if (depth > DEPTH_MAX || anchors > ANCHORS_MAX)
			config_fault(r, e.start_mark.line + 1, "", "no more than %d %s",
			             depth > DEPTH_MAX ? DEPTH_MAX : ANCHORS_MAX,
			             depth > DEPTH_MAX ? "sections and lists can stand inside each other"
			                               : "anchors (&name) can be set");
		end = e.type == YAML_STREAM_END_EVENT || depth > DEPTH_MAX || anchors > ANCHORS_MAX;
		yaml_event_delete(&e);
	}
	yaml_parser_delete(&y);
	return depth <= DEPTH_MAX && anchors <= ANCHORS_MAX;
}

static bool read_document(const struct config_reader *r, yaml_document_t *doc, void *ret_tree)
{
	struct json_object **tree = ret_tree;
	struct place p = {.r = r, .doc = doc};
	yaml_node_t *root = yaml_document_get_root_node(doc);

	if (root)
		*tree = read_section(&p, root, &config_root);
	else
		config_fault(r, 0, "", "the file is empty: at least one rollout is needed");
	return *tree != NULL;
}

/* libyaml would leave the rest of the file unread, and so unheard. */
static void refuse_more(const struct config_reader *r, yaml_parser_t *y, const char *text, size_t len)
{
	yaml_document_t doc;

	if (!yaml_parser_load(y, &doc)) {
		not_yaml(r, y, text, len);
		return;
	}
	if (yaml_document_get_root_node(&doc))
		config_fault(r, line_at(yaml_document_get_root_node(&doc)), "",
		             "a second document begins here: the config is one document, without a line ---");
	yaml_document_delete(&doc);
}

void config_document(const struct config_reader *r, const char *text, size_t len, config_visit_fn *visit, void *arg)
{
	assert(r && (text || len == 0) && visit);
	yaml_parser_t y;
	yaml_document_t doc;

	if (!is_readable(r, text, len))
		return;
	if (!yaml_parser_initialize(&y))
		abort(); /* out of memory */
	yaml_parser_set_input_string(&y, (const unsigned char *)text, len);
	if (yaml_parser_load(&y, &doc)) {
		bool read = visit(r, &doc, arg);

		yaml_document_delete(&doc);
		if (read)
			refuse_more(r, &y, text, len);
	} else {
		not_yaml(r, &y, text, len);
	}
	yaml_parser_delete(&y);
}

struct json_object *config_tree(const struct config_reader *r, const char *text, size_t len)
{
	assert(r && (text || len == 0));
	struct json_object *tree = NULL;

	config_document(r, text, len, read_document, &tree);
	return tree;
}
