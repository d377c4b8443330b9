/*
 * Rule files as simulate needs them: each expression with the recorded names in it replaced.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertmanager/promql.h"
#include "server/config/yaml_any.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/simulate/simulate.h"

#define FILE_MAX   (4 * 1024 * 1024)
#define EXPR_MAX   (128 * 1024)
#define ROUNDS_MAX 20 /* of rules that stand on rules */

/* --- reading --- */

static int read_whole(const char *file, struct buf *b)
{
	char chunk[16384];
	FILE *f = fopen(file, "re");
	if (!f)
		return -errno;
	int r = 0;

	while (r == 0 && !feof(f) && !ferror(f))
		r = buf_add(b, chunk, fread(chunk, 1, sizeof(chunk), f));
	if (r == 0 && ferror(f))
		r = -EIO;
	fclose(f);
	return r;
}

/* 0 when there is none; -EINVAL. */
static int duration_of(struct json_object *o, const char *key, int64_t def, int64_t *ret)
{
	const char *text = json_str_or(o, key, NULL);

	*ret = def;
	return text ? text_duration_parse(text, ret) : 0;
}

static int bad(const char *file, const char *name, const char *why)
{
	fprintf(stderr, "rollbackctl: %s: %s%s%s\n", file, name, name[0] ? ": " : "", why);
	return -EINVAL;
}

static int add_rule(struct sim_book *b, const char *file, struct json_object *o, int64_t step_us)
{
	const char *record = json_str_or(o, "record", NULL), *name = json_str_or(o, "alert", record);
	struct sim_rule r = {.name = name,
	                     .file = file,
	                     .labels = json_obj_of(o, "labels"),
	                     .alerting = !record,
	                     .step_us = step_us};

	if (!name || !json_str_or(o, "expr", NULL))
		return bad(file, name ? name : "", "a rule has a name (alert or record) and an expr");
	if (duration_of(o, "for", 0, &r.for_us) < 0 || duration_of(o, "keep_firing_for", 0, &r.keep_us) < 0)
		return bad(file, name, "for and keep_firing_for are durations like 15s");
	if (b->n == SIM_RULES_MAX)
		return bad(file, name, "these are more rules than are looked at");
	struct sim_rule *list = reallocarray(b->list, b->n + 1, sizeof(*list));
	if (!list || !(r.expr = strdup(json_str_or(o, "expr", ""))))
		abort(); /* out of memory */
	promql_uncomment(r.expr);
	b->list = list;
	b->list[b->n++] = r;
	return 0;
}

static int add_groups(struct sim_book *b, const char *file, struct json_object *tree, int64_t step_us)
{
	struct json_object *groups = json_arr_of(tree, "groups");
	int r = groups ? 0 : bad(file, "", "these are no rules: groups is missing");

	for (size_t i = 0; r == 0 && i < json_len(groups); i++) {
		struct json_object *rules = json_arr_of(json_item(groups, i), "rules");
		int64_t step = step_us;

		if (duration_of(json_item(groups, i), "interval", step_us, &step) < 0 || step <= 0)
			r = bad(file, json_str_or(json_item(groups, i), "name", ""), "interval is a duration like 15s");
		for (size_t k = 0; r == 0 && k < json_len(rules); k++)
			r = add_rule(b, file, json_item(rules, k), step);
	}
	return r;
}

static int read_file(struct sim_book *b, const char *file, int64_t step_us)
{
	CLEANUP(buf_free) struct buf text = BUF(FILE_MAX);
	struct json_object *tree = NULL;
	char why[200];
	int r = read_whole(file, &text);

	if (r < 0)
		return bad(file, "", strerrordesc_np(-r));
	if (config_yaml_any(buf_text(&text), text.len, &tree, why, sizeof(why)) < 0)
		return bad(file, "", why);
	json_object_array_add(b->files, tree);
	return add_groups(b, file, tree, step_us);
}

/* --- recorded names --- */

static const struct sim_rule *recording(const struct sim_book *b, const char *name)
{
	for (size_t i = 0; i < b->n; i++)
		if (!b->list[i].alerting && !strcmp(b->list[i].name, name))
			return &b->list[i];
	return NULL;
}

/* A selector of a name alone, with nothing behind it that only a selector can have. */
static bool is_plain(const struct promql_selector *s)
{
	const char *p = s->text + s->len;

	while (*p == ' ' || *p == '\n' || *p == '\t')
		p++;
	return s->len == strlen(s->name) && *p != '[' && *p != '@' && strncmp(p, "offset", 6) != 0;
}

/* Into b: expr with each recorded name replaced by what records it. */
static int replace(const struct sim_book *book, struct sim_rule *r, const char *expr, struct buf *b)
{
	CLEANUP(promql_free) struct promql p = {0};
	const char *from = expr;
	int e = promql_scan(expr, &p);

	for (size_t i = 0; e == 0 && i < p.n; i++) {
		const struct sim_rule *by = recording(book, p.list[i].name);

		if (!by)
			continue;
		if (!is_plain(&p.list[i]) || by->labels) {
			snprintf(r->recorded, sizeof(r->recorded), "%s", by->name);
			continue;
		}
		buf_add(b, from, (size_t)(p.list[i].text - from));
		buf_printf(b, "(%s)", by->expr);
		from = p.list[i].text + p.list[i].len;
	}
	buf_str(b, from);
	return e == 0 && b->error ? -E2BIG : e;
}

/* Recording rules first stand on others as well: over and over, until nothing changes. */
static int resolve(const struct sim_book *book, struct sim_rule *r)
{
	for (int round = 0; round < ROUNDS_MAX; round++) {
		CLEANUP(buf_free) struct buf b = BUF(EXPR_MAX);
		int e = replace(book, r, r->expr, &b);

		if (e < 0)
			return bad(r->file, r->name,
			           e == -E2BIG ? "with all that it stands on it is too long"
			                       : "its expr cannot be followed");
		if (!strcmp(buf_text(&b), r->expr))
			return 0;
		free(r->expr);
		r->expr = buf_take(&b);
		if (!r->expr)
			abort(); /* out of memory */
	}
	return bad(r->file, r->name, "the rules that it stands on record each other in a circle");
}

int sim_book_read(const char *const *files, size_t n, int64_t step_us, struct sim_book *ret)
{
	assert(files && n > 0 && step_us > 0 && ret);
	struct sim_book b = {.files = json_object_new_array()};
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = read_file(&b, files[i], step_us);
	for (size_t i = 0; r == 0 && i < b.n; i++)
		if (b.list[i].alerting)
			r = resolve(&b, &b.list[i]);
	if (r < 0)
		sim_book_free(&b);
	else
		*ret = b;
	return r;
}

void sim_book_free(struct sim_book *b)
{
	assert(b);
	for (size_t i = 0; i < b->n; i++)
		free(b->list[i].expr);
	free(b->list);
	json_object_put(b->files);
	*b = (struct sim_book) {0};
}
