#include "handlers/settings/read.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "alertmanager/matcher.h"
#include "server/core/text.h"

#define NODES_MAX 20000              /* visited, aliases each time: a real config has hundreds */
#define KEPT_MAX  (20 * NODES_MAX)   /* with the defaults of every section */
#define TEXT_MAX  (16 * 1024 * 1024) /* of the JSON text: aliases may repeat what is long */

#define FAULT(g, node, ...) config_fault((g)->r, yaml_line(node), (g)->path, __VA_ARGS__)

static void read_section(struct config_reading *g, yaml_node_t *n, const struct section *s, void *to);

void *reading_take(struct config_reading *g, size_t size)
{
	void *p = arena_take(g->arena, size);

	if (!p)
		abort(); /* out of memory: what may stand in a text is bounded far below the arena's maximum */
	return p;
}

static size_t nodes_max(const struct config_reading *g)
{
	return g->kept ? KEPT_MAX : NODES_MAX;
}

static bool is_over(const struct config_reading *g)
{
	return g->visited >= nodes_max(g);
}

/* An alias inside a list inside an alias grows without bound otherwise, in number or in length. */
bool reading_too_many(struct config_reading *g, const yaml_node_t *n, size_t more)
{
	if (is_over(g))
		return true;
	if (g->out.error) {
		config_fault(g->r, yaml_line(n), "",
		             "from here on the file is not read: more than %d bytes; aliases (*name) that repeat long "
		             "texts make so many",
		             TEXT_MAX);
		g->visited = nodes_max(g);
		return true;
	}
	g->visited += more < nodes_max(g) - g->visited ? more : nodes_max(g) - g->visited;
	if (is_over(g))
		config_fault(g->r, yaml_line(n), "",
		             "from here on the file is not read: more than %zu values; "
		             "aliases (*name) that repeat aliases make so many",
		             nodes_max(g));
	return is_over(g);
}

size_t reading_push(struct config_reading *g, const char *name, size_t index)
{
	size_t len = strlen(g->path);

	if (name)
		snprintf(g->path + len, CONFIG_PATH_LEN - len, "%s%s", len ? "." : "", name);
	else
		snprintf(g->path + len, CONFIG_PATH_LEN - len, "[%zu]", index);
	return len;
}

/* --- members --- */

static void *member(void *to, size_t at)
{
	return (char *)to + at;
}

static void mark(const struct key *k, void *to)
{
	if (k->mark_size == sizeof(bool))
		*(bool *)member(to, k->mark_at) = k->mark;
	else if (k->mark_size)
		*(int *)member(to, k->mark_at) = k->mark;
}

/* What the members hold as long as nothing is read. */
static void prepare(const struct section *s, void *to)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct key *k = &s->keys[i];

		if (k->size && key_is_text(k->type) && k->required)
			*(const char **)member(to, k->at) = "";
		else if (k->less)
			*(int32_t *)member(to, k->at) = -1;
	}
}

/* --- lists of sections --- */

static const struct key *key_named(const struct section *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->keys[i].name, name))
			return &s->keys[i];
	return NULL;
}

/* Both have the key, and the same in it. */
static bool is_alike(const struct key *k, const char *a, const char *b)
{
	if (!key_is_text(k->type))
		return *(const int32_t *)(a + k->at) >= 0 &&
		       *(const int32_t *)(a + k->at) == *(const int32_t *)(b + k->at);
	const char *text = *(const char *const *)(a + k->at);

	return text[0] && !strcmp(text, *(const char *const *)(b + k->at));
}

static void check_unique(const struct config_reading *g, const struct key *k, const char *items, size_t n)
{
	const struct key *by = key_named(k->sub, k->unique);

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++) {
			if (!is_alike(by, items + i * k->sub->size, items + j * k->sub->size))
				continue;
			const char *later = CONFIG_PATH("%s[%zu].%s", g->path, i, k->unique);
			config_fault_at(g->r, later, "\"%s\" is taken by %s[%zu] in line %zu; each needs its own",
			                config_scalar(g->r, later), k->name, j,
			                config_line(g->r, CONFIG_PATH("%s[%zu].%s", g->path, j, k->unique)));
			break;
		}
}

static void read_items(struct config_reading *g, const yaml_node_t *n, const struct key *k, char *items, size_t count)
{
	for (size_t i = 0; i < count && !is_over(g); i++) {
		size_t len = reading_push(g, NULL, i);

		reading_put_comma(g);
		read_section(g, yaml_document_get_node(g->r->doc, n->data.sequence.items.start[i]), k->sub,
		             items + i * k->sub->size);
		g->path[len] = '\0';
	}
	if (k->unique && !g->kept && !is_over(g))
		check_unique(g, k, items, count);
}

/* n NULL: an empty one. There is always room for one more. */
static void read_list(struct config_reading *g, const yaml_node_t *n, const struct key *k, void *to)
{
	bool is_list = n && n->type == YAML_SEQUENCE_NODE;
	size_t count = is_list ? (size_t)(n->data.sequence.items.top - n->data.sequence.items.start) : 0;

	if (n && !is_list && !reading_is_nothing(n)) {
		FAULT(g, n, "this must be %s: each begins with \"- \"", key_type_text(k->type));
		return;
	}
	if (count >= nodes_max(g) && reading_too_many(g, n, count))
		return;
	if (k->most && count > (size_t)k->most && !g->kept)
		FAULT(g, n, "more than %ld of these", k->most);
	char *items = reading_take(g, (count + 1) * k->sub->size);
	*(char **)member(to, k->at) = items;
	*(size_t *)member(to, k->n_at) = count;
	buf_char(&g->out, '[');
	if (count)
		read_items(g, n, k, items, count);
	buf_char(&g->out, ']');
}

/* --- sections --- */

static const char *nearest(const struct section *s, const char *name)
{
	const char *names[SECTION_KEYS_MAX];

	for (size_t i = 0; i < s->n; i++)
		names[i] = s->keys[i].name;
	return text_nearest(names, s->n, name);
}

/* {url=https://…} is a key to YAML: there a key that is like none is not shown. */
static bool has_secrets(const struct section *s)
{
	bool any = false;

	for (size_t i = 0; i < s->n; i++)
		any = any || s->keys[i].secret;
	return any;
}

static void unknown_key(const struct config_reading *g, const yaml_node_t *n, const struct section *s, const char *name)
{
	CLEANUP(buf_free) struct buf known = BUF(1000);
	const char *near = nearest(s, name);
	char text[READING_SHOWN + 1];

	for (size_t i = 0; i < s->n; i++)
		buf_printf(&known, "%s%s", i ? ", " : "", s->keys[i].name);
	reading_shown(has_secrets(s) && !near ? "…" : name, text);
	if (near)
		FAULT(g, n, "unknown key \"%s\": did you mean %s? Known here: %s", text, near, buf_text(&known));
	else
		FAULT(g, n, "unknown key \"%s\". Known here: %s", text, buf_text(&known));
}

static bool is_empty_list(const struct key *k, void *to)
{
	return k->type == KEY_LIST && *(size_t *)member(to, k->n_at) == 0;
}

static void read_value(struct config_reading *g, yaml_node_t *n, const struct key *k, void *to)
{
	reading_put_key(g, k->name);
	if (k->type == KEY_SECTION)
		read_section(g, n, k->sub, member(to, k->at));
	else if (reading_too_many(g, n, 1))
		return;
	else if (k->type == KEY_LIST)
		read_list(g, n, k, to);
	else if (key_is_texts(k->type))
		read_texts(g, n, k, to);
	else
		read_scalar(g, n, k, to);
	if (k->asks && !g->kept && !g->has_prometheus && !is_empty_list(k, to))
		config_fault_at(g->r, g->path,
		                "this asks Prometheus, whose address is missing: set global.prometheus.url");
}

/* lines: where each key of the section stands, 0: not there. */
static void read_pair(struct config_reading *g, yaml_node_t *kn, yaml_node_t *vn, const struct section *s, void *to,
                      size_t *lines)
{
	const char *name = yaml_text(kn);
	const struct key *k = name ? key_named(s, name) : NULL;

	if (reading_too_many(g, kn, 1) || (!k && g->kept))
		return;
	if (!k) {
		if (name)
			unknown_key(g, kn, s, name);
		else
			FAULT(g, kn, "a key must be a text");
		return;
	}
	size_t len = reading_push(g, name, 0), *first = &lines[k - s->keys];
	if (*first) {
		FAULT(g, kn, "this key stands here twice, first in line %zu; only one can hold", *first);
	} else {
		*first = yaml_line(kn);
		mark(k, to);
		read_value(g, vn, k, to);
	}
	g->path[len] = '\0';
}

/* --- what is not there --- */

static void fill(struct config_reading *g, const struct key *k, const char *text, void *to)
{
	struct matcher_fault fault;
	struct key_value v;

	reading_put_key(g, k->name);
	if (k->type != KEY_MATCHERS && key_read(k, text, false, &v)) {
		reading_store(g, k, &v, to);
		reading_put_value(g, &v);
	} else if (k->type == KEY_MATCHERS && matchers_add(member(to, k->at), text, &fault) == 0) {
		buf_char(&g->out, '[');
		reading_put_text(g, text, strlen(text));
		buf_char(&g->out, ']');
	}
}

void reading_default(struct config_reading *g, const struct section *s, const char *key, const char *v, void *to)
{
	assert(g && s && key && v && to);
	const struct key *k = key_named(s, key);

	assert(k);
	fill(g, k, v, to);
}

static void add_defaults(struct config_reading *g, const struct section *s, const size_t *lines, void *to)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct key *k = &s->keys[i];

		if (lines[i] || (!k->def && !k->always && k->type != KEY_LIST))
			continue;
		if (k->def) {
			fill(g, k, k->def, to);
			continue;
		}
		reading_put_key(g, k->name);
		if (k->always)
			read_section(g, NULL, k->sub, member(to, k->at));
		else
			read_list(g, NULL, k, to);
	}
}

/* What was kept stays as it was written: it gets its defaults in the structs only. */
static void complete(struct config_reading *g, const struct section *s, const size_t *lines, void *to)
{
	size_t before = g->out.len;

	add_defaults(g, s, lines, to);
	if (s->complete)
		s->complete(g, s, to);
	if (g->kept && !g->out.error) {
		g->out.len = before;
		g->out.data[before] = '\0';
	}
}

static size_t count_of(const char *words, const size_t *lines, const struct section *s)
{
	size_t n = 0;

	for (size_t i = 0; words && i < s->n; i++)
		n += config_in_words(words, s->keys[i].name) && lines[i];
	return n;
}

/* Something that was kept may lack what it had no use for, but not what says of which kind it is. */
static bool tells_kind(const struct section *s)
{
	bool any = false;

	for (size_t i = 0; i < s->n; i++)
		any = any || (s->keys[i].mark_size && config_in_words(s->one_of, s->keys[i].name));
	return any;
}

static void check_presence(const struct config_reading *g, const yaml_node_t *n, const struct section *s,
                           const size_t *lines, void *to)
{
	for (size_t i = 0; i < s->n && !g->kept; i++) {
		const struct key *k = &s->keys[i];

		if (k->required && !lines[i])
			FAULT(g, n, "%s is missing: %s", k->name, k->help);
		else if (k->required && is_empty_list(k, to) && *(char **)member(to, k->at))
			config_fault(g->r, lines[i], g->path, "%s is empty: %s", k->name, k->help);
	}
	if (s->one_of && count_of(s->one_of, lines, s) != 1 && (!g->kept || tells_kind(s)))
		FAULT(g, n, "exactly one of these must be here: %s", s->one_of);
	if (count_of(s->not_both, lines, s) > 1)
		FAULT(g, n, "only one of these can be here: %s", s->not_both);
}

static void read_pairs(struct config_reading *g, const yaml_node_t *n, const struct section *s, void *to, size_t *lines)
{
	for (const yaml_node_pair_t *it = n->data.mapping.pairs.start; it < n->data.mapping.pairs.top && !is_over(g);
	     it++)
		read_pair(g, yaml_document_get_node(g->r->doc, it->key), yaml_document_get_node(g->r->doc, it->value),
		          s, to, lines);
}

/* n NULL: one that is not there. */
static void read_section(struct config_reading *g, yaml_node_t *n, const struct section *s, void *to)
{
	assert(s->n <= SECTION_KEYS_MAX);
	size_t lines[SECTION_KEYS_MAX] = {0}, begin = g->out.len;

	prepare(s, to);
	if (n && reading_too_many(g, n, 1))
		return;
	if (n && n->type != YAML_MAPPING_NODE && !reading_is_nothing(n)) {
		FAULT(g, n, "this must be %s", key_type_text(KEY_SECTION));
		return;
	}
	buf_char(&g->out, '{');
	if (n && n->type == YAML_MAPPING_NODE)
		read_pairs(g, n, s, to, lines);
	if (is_over(g))
		return;
	if (n)
		check_presence(g, n, s, lines, to);
	complete(g, s, lines, to);
	buf_char(&g->out, '}');
	if (s->text_at && !g->out.error)
		*(const char **)member(to, s->text_at - 1) = reading_keep(g, g->out.data + begin, g->out.len - begin);
}

bool config_read(const struct config_reader *r, struct arena *arena, bool kept, const struct section *s, void *to)
{
	assert(r && r->doc && arena && s && to);
	struct config_reading g = {.r = r, .arena = arena, .kept = kept, .out = BUF(TEXT_MAX)};
	yaml_node_t *root = yaml_document_get_root_node(r->doc);
	bool whole = false;

	if (root) {
		g.environment = config_scalar(r, "global.environment");
		g.has_prometheus = config_has(r, "global.prometheus.url");
		read_section(&g, root, s, to);
		whole = !reading_too_many(&g, root, 0);
	} else {
		config_fault(r, 0, "", "the file is empty: at least one rollout is needed");
	}
	buf_free(&g.out);
	return whole;
}
