#include "server/config_yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "alertmanager/matcher.h"
#include "server/config_keys.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define FAULTS_MAX 200
#define DEPTH_MAX  32
#define PATH_LEN   512

struct place {
	struct config_reader *r;
	yaml_document_t *doc;
	char path[PATH_LEN];
	int depth;
};

void config_fault(struct config_faults *f, const char *file, size_t line, const char *path, const char *fmt, ...)
{
	CLEANUP(buf_free) struct buf b = BUF(2000);
	va_list ap;

	if (f->n == FAULTS_MAX)
		return;
	buf_str(&b, file);
	if (line)
		buf_printf(&b, ":%zu", line);
	buf_printf(&b, ": %s%s", path, path[0] ? ": " : "");
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	char **more = reallocarray(f->line, f->n + 1, sizeof(*more));
	if (!more)
		abort();        /* out of memory at start */
	f->line = more;
	f->line[f->n++] = buf_take(&b);
}

#define FAULT(p, node, ...) \
	config_fault((p)->r->faults, (p)->r->file, (node)->start_mark.line + 1, (p)->path, __VA_ARGS__)

static struct json_object *read_section(struct place *p, yaml_node_t *node, const struct section *s);

/* --- scalars --- */

static const char *scalar(const yaml_node_t *n)
{
	return n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

static bool in_words(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; len && (at = strstr(at, word)); at += len)
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

static bool is_name(const char *v)
{
	return v[0] && !v[strspn(v, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-")];
}

static bool is_url(const char *v)
{
	bool scheme = !strncmp(v, "http://", 7) || !strncmp(v, "https://", 8);

	return scheme && strchr(v, ':')[3] && !strpbrk(v, " \t\r\n\"<>");
}

static struct json_object *as_duration(const char *v)
{
	int64_t us;

	return text_duration_parse(v, &us) == 0 ? json_object_new_double((double)us / (double)US_PER_S) : NULL;
}

static struct json_object *as_percentage(const char *v)
{
	int32_t pct;

	return text_pct_parse(v, strlen(v), &pct) == 0 ? json_object_new_double(pct / 100.0) : NULL;
}

static struct json_object *as_number(const char *v, const struct key *k)
{
	char *end = NULL;

	errno = 0;
	long n = strtol(v, &end, 10);
	return !errno && end != v && !*end && n >= k->least && n <= k->most ? json_object_new_int64(n) : NULL;
}

static struct json_object *as_bool(const char *v)
{
	return !strcmp(v, "true") || !strcmp(v, "false") ? json_object_new_boolean(v[0] == 't') : NULL;
}

static struct json_object *text_if(bool ok, const char *v)
{
	return ok ? json_object_new_string(v) : NULL;
}

/* The value of a key whose type is a single scalar; NULL: it is none. */
static struct json_object *scalar_value(const struct key *k, const char *v)
{
	switch (k->type) {
	case KEY_TEXT:
		return json_object_new_string(v);
	case KEY_NAME:
		return text_if(is_name(v) && strlen(v) <= 128, v);
	case KEY_URL:
		return text_if(is_url(v) || (k->def && !strcmp(v, k->def)), v);
	case KEY_PATH:
		return text_if(v[0] == '/' && v[1], v);
	case KEY_POINTER:
		return text_if(!v[0] || v[0] == '/', v);
	case KEY_WORD:
		return text_if(in_words(k->words, v), v);
	case KEY_DURATION:
		return as_duration(v);
	case KEY_PERCENTAGE:
		return as_percentage(v);
	case KEY_TARGET:
		return !strcmp(v, "previous_stage") ? json_object_new_string(v) : as_percentage(v);
	case KEY_NUMBER:
		return as_number(v, k);
	case KEY_BOOL:
		return as_bool(v);
	case KEY_WORDS:
	case KEY_TEXTS:
	case KEY_MATCHERS:
	case KEY_ARGV:
	case KEY_SECTION:
	case KEY_LIST:
		break;
	}
	return NULL;
}

static void wanted(const struct place *p, const yaml_node_t *n, const struct key *k)
{
	const char *v = scalar(n);

	if (k->type == KEY_WORD || k->type == KEY_WORDS)
		FAULT(p, n, "\"%.60s\" is none of: %s", v ? v : "(no text)", k->words);
	else if (k->type == KEY_NUMBER)
		FAULT(p, n, "\"%.60s\" is no whole number from %ld to %ld", v ? v : "(no text)", k->least, k->most);
	else if (v)
		FAULT(p, n, "\"%.60s\" is not %s", v, key_type_text(k->type));
	else
		FAULT(p, n, "this must be %s", key_type_text(k->type));
}

/* --- lists of texts --- */

static bool list_item_fits(const struct place *p, const yaml_node_t *n, const struct key *k, const char *v, size_t at)
{
	struct matchers m = {0};
	struct matcher_fault fault = {.why = ""};

	if (k->type == KEY_WORDS && !in_words(k->words, v)) {
		wanted(p, n, k);
		return false;
	}
	if (k->type == KEY_ARGV && at == 0 && v[0] != '/') {
		FAULT(p, n, "\"%.60s\" is no absolute path: write /usr/bin/%.60s or the like; there is no shell and no PATH", v, v);
		return false;
	}
	if (k->type == KEY_MATCHERS) {
		int r = matchers_add(&m, v, &fault);

		matchers_free(&m);
		if (r < 0)
			FAULT(p, n, "%s", fault.why);
		return r == 0;
	}
	return true;
}

static struct json_object *read_texts(struct place *p, yaml_node_t *n, const struct key *k)
{
	struct json_object *arr = json_object_new_array();

	if (n->type != YAML_SEQUENCE_NODE || n->data.sequence.items.start == n->data.sequence.items.top) {
		wanted(p, n, k);
		return arr;
	}
	for (yaml_node_item_t *it = n->data.sequence.items.start; it < n->data.sequence.items.top; it++) {
		yaml_node_t *one = yaml_document_get_node(p->doc, *it);
		const char *v = scalar(one);

		if (!v)
			FAULT(p, one, "this must be a text");
		else if (list_item_fits(p, one, k, v, (size_t)(it - n->data.sequence.items.start)))
			json_object_array_add(arr, json_object_new_string(v));
	}
	return arr;
}

/* --- sections --- */

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

static struct json_object *read_list(struct place *p, yaml_node_t *n, const struct key *k)
{
	struct json_object *arr = json_object_new_array();
	size_t index = 0;

	if (n->type != YAML_SEQUENCE_NODE) {
		wanted(p, n, k);
		return arr;
	}
	for (yaml_node_item_t *it = n->data.sequence.items.start; it < n->data.sequence.items.top; it++, index++) {
		size_t len = push(p, NULL, index);
		json_object_array_add(arr, read_section(p, yaml_document_get_node(p->doc, *it), k->sub));
		p->path[len] = '\0';
	}
	return arr;
}

static struct json_object *read_scalar(struct place *p, yaml_node_t *n, const struct key *k)
{
	struct json_object *v = scalar(n) ? scalar_value(k, scalar(n)) : NULL;

	if (!v)
		wanted(p, n, k);
	return v;
}

static struct json_object *read_value(struct place *p, yaml_node_t *n, const struct key *k)
{
	if (k->type == KEY_SECTION)
		return read_section(p, n, k->sub);
	if (k->type == KEY_LIST)
		return read_list(p, n, k);
	if (k->type == KEY_WORDS || k->type == KEY_TEXTS || k->type == KEY_MATCHERS || k->type == KEY_ARGV)
		return read_texts(p, n, k);
	return read_scalar(p, n, k);
}

static const struct key *key_named(const struct section *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->keys[i].name, name))
			return &s->keys[i];
	return NULL;
}

/* Levenshtein, for short names. */
static size_t distance(const char *a, const char *b)
{
	size_t row[65], lb = strlen(b);

	if (strlen(a) > 64 || lb > 64)
		return 64;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[lb];
}

static void unknown_key(const struct place *p, const yaml_node_t *n, const struct section *s, const char *name)
{
	CLEANUP(buf_free) struct buf known = BUF(1000);
	const char *near = NULL;
	size_t best = 3;

	for (size_t i = 0; i < s->n; i++) {
		size_t d = distance(name, s->keys[i].name);

		buf_printf(&known, "%s%s", i ? ", " : "", s->keys[i].name);
		if (d < best) {
			best = d;
			near = s->keys[i].name;
		}
	}
	if (near)
		FAULT(p, n, "unknown key \"%.60s\"; did you mean %s?", name, near);
	else
		FAULT(p, n, "unknown key \"%.60s\"; known here: %s", name, buf_text(&known));
}

static void read_pair(struct place *p, yaml_node_t *kn, yaml_node_t *vn, const struct section *s, struct json_object *to)
{
	const char *name = scalar(kn);
	const struct key *k = name ? key_named(s, name) : NULL;

	if (!name) {
		FAULT(p, kn, "a key must be a text");
		return;
	}
	if (!k) {
		unknown_key(p, kn, s, name);
		return;
	}
	size_t len = push(p, name, 0);
	if (json_object_object_get_ex(to, name, NULL))
		FAULT(p, kn, "this key stands here twice");
	else
		json_add(to, name, read_value(p, vn, k));
	p->path[len] = '\0';
}

static size_t count_of(const char *words, struct json_object *o)
{
	char copy[200];
	size_t n = 0;
	char *save = NULL;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		n += json_object_object_get_ex(o, w, NULL);
	return n;
}

void config_defaults(struct json_object *o, const struct section *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct key *k = &s->keys[i];

		if (json_object_object_get_ex(o, k->name, NULL))
			continue;
		if (k->type == KEY_LIST)
			json_add(o, k->name, json_object_new_array());
		else if (k->def)
			json_add(o, k->name, scalar_value(k, k->def));
	}
}

static void check_presence(struct place *p, const yaml_node_t *n, const struct section *s, struct json_object *o)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->keys[i].required && !json_object_object_get_ex(o, s->keys[i].name, NULL))
			FAULT(p, n, "%s is missing: %s", s->keys[i].name, s->keys[i].help);
	if (s->one_of && count_of(s->one_of, o) != 1)
		FAULT(p, n, "exactly one of these must be here: %s", s->one_of);
}

static struct json_object *read_section(struct place *p, yaml_node_t *n, const struct section *s)
{
	struct json_object *o = json_object_new_object();
	bool empty = n->type == YAML_SCALAR_NODE && !n->data.scalar.length;

	if (n->type != YAML_MAPPING_NODE && !empty) {
		FAULT(p, n, "this must be a section of keys");
		return o;
	}
	if (p->depth++ == DEPTH_MAX) {
		FAULT(p, n, "nested too deep");
		p->depth--;
		return o;
	}
	if (!empty)
		for (yaml_node_pair_t *it = n->data.mapping.pairs.start; it < n->data.mapping.pairs.top; it++)
			read_pair(p, yaml_document_get_node(p->doc, it->key), yaml_document_get_node(p->doc, it->value), s, o);
	check_presence(p, n, s, o);
	config_defaults(o, s);
	json_add_int(o, "(line)", (int64_t)n->start_mark.line + 1);
	p->depth--;
	return o;
}

struct json_object *config_tree(struct config_reader *r, const char *text, size_t len)
{
	struct json_object *tree = NULL;
	yaml_parser_t parser;
	yaml_document_t doc;

	if (!yaml_parser_initialize(&parser))
		return NULL;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (!yaml_parser_load(&parser, &doc)) {
		config_fault(r->faults, r->file, parser.problem_mark.line + 1, "", "this is no YAML: %s",
		             parser.problem ? parser.problem : "unknown problem");
		yaml_parser_delete(&parser);
		return NULL;
	}
	struct place p = {.r = r, .doc = &doc};
	yaml_node_t *root = yaml_document_get_root_node(&doc);
	if (root)
		tree = read_section(&p, root, &config_root);
	else
		config_fault(r->faults, r->file, 0, "", "the file is empty: at least one rollout is needed");
	yaml_document_delete(&doc);
	yaml_parser_delete(&parser);
	return tree;
}
