#include "handlers/plan/flags_values.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "db/event.h"
#include "db/rollout.h"
#include "handlers/incident/announce.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define TEXT_MAX 4000

static int mark(struct db_tx *tx, const struct rollout *r, bool differs)
{
	CLEANUP(cleanup_free) char *key = text_format("flags_differ:%s", r->name);
	int64_t before = 0;

	if (!key)
		return -ENOMEM;
	int e = meta_get(db_tx_conn(tx), key, &before);
	if (e < 0 && e != -ENOENT)
		return e;
	return before == differs ? 0 : meta_set(tx, key, differs);
}

static bool is_marked(struct db_tx *tx, const struct rollout *r)
{
	CLEANUP(cleanup_free) char *key = text_format("flags_differ:%s", r->name);
	int64_t differs = 0;

	return key && meta_get(db_tx_conn(tx), key, &differs) == 0 && differs;
}

static int record(struct db_tx *tx, const struct rollout *r, const char *values)
{
	CLEANUP(cleanup_free) char *key = text_format("flags:%s", r->name);
	int e = key ? meta_set_text(tx, key, values) : -ENOMEM;

	return e < 0 ? e : mark(tx, r, false);
}

static int next_generation(struct db_tx *tx, const struct rollout *r)
{
	struct rollout_row row = {0};
	int e = rollout_load(db_tx_conn(tx), r->name, &row);

	row.generation++;
	if (e == 0)
		e = rollout_save(tx, &row);
	rollout_row_free(&row);
	return e == -ENOENT ? 0 : e;
}

static int tell(struct db_tx *tx, const struct settings *s, const struct rollout *r, enum announcement_id id,
                const char *who, const char *text)
{
	CLEANUP(cleanup_free) char *line = text_format("[ROLLOUT] %s: %s", r->title, text);
	struct event e = {.rollout = (char *)r->name,
	                  .who = (char *)who,
	                  .what = (char *)announcement_get(id)->what,
	                  .note = (char *)text};
	int err = line ? event_add(tx, &e) : -ENOMEM;

	return err < 0 ? err : announce_text(tx, s, id, r->name, line);
}

/* --- by hand --- */

/* What the stage sets when it is entered, and has been. */
static bool is_of_stage(struct db_tx *tx, const struct rollout *r, const char *name, const char *value)
{
	struct rollout_row row = {.stage = -1};
	const struct stage *st = rollout_load(db_tx_conn(tx), r->name, &row) == 0 ? rollout_stage(r, row.stage) : NULL;
	bool is = false;

	for (size_t i = 0; st && value && i < st->n_set; i++)
		is |= !strcmp(st->set[i].name, name) && !strcmp(st->set[i].value, value);
	rollout_row_free(&row);
	return is;
}

/* ": NAME from true to false, …" of those that differ and are not the stage's; a flag that was not watched before is
 * no change. */
static void list_changes(struct db_tx *tx, const struct rollout *r, struct json_object *before,
                         struct json_object *after, struct buf *b)
{
	const char *sep = "";

	for (size_t i = 0; i < r->n_values; i++) {
		const char *name = r->values[i].name, *was = json_str_or(before, name, NULL),
			   *is = json_str_or(after, name, NULL);

		if (!json_object_object_get_ex(before, name, NULL) || (was && is ? !strcmp(was, is) : was == is) ||
		    is_of_stage(tx, r, name, is))
			continue;
		buf_printf(b, "%s%s from %.100s to %.100s", sep, name, was ? was : "not set", is ? is : "not set");
		sep = ", ";
	}
}

static int changed(struct db_tx *tx, const struct settings *s, const struct rollout *r, const char *known,
                   const char *values)
{
	CLEANUP(json_cleanup)
	struct json_object *before = json_tokener_parse(known), *after = json_tokener_parse(values);
	CLEANUP(buf_free) struct buf b = BUF(TEXT_MAX);
	int e = record(tx, r, values);

	if (e == 0)
		e = next_generation(tx, r);
	list_changes(tx, r, before, after, &b);
	if (e < 0 || !b.len)
		return e;
	CLEANUP(cleanup_free)
	char *text = text_format("flags were changed without rollbackd, in %s: %s", r->flags_file, buf_text(&b));
	return text ? tell(tx, s, r, ANNOUNCE_FLAGS_CHANGED, "rollbackd", text) : -ENOMEM;
}

int flags_values_sync(struct db_tx *tx, const struct settings *s, const struct rollout *r,
                      const struct flags_look *look)
{
	assert(tx && s && r && look && thread_may(THREAD_WRITER));
	CLEANUP(cleanup_free) char *key = text_format("flags:%s", r->name), *known = NULL;

	if (!look->values)
		return 0;
	int e = key ? meta_get_text(db_tx_conn(tx), key, &known) : -ENOMEM;
	if (e == -ENOENT)
		return record(tx, r, look->values);
	if (e < 0)
		return e;
	if (!strcmp(known, look->values))
		return mark(tx, r, false);
	return is_marked(tx, r) ? changed(tx, s, r, known, look->values) : mark(tx, r, true);
}

/* --- through rollbackd --- */

int flags_values_set(struct db_tx *tx, const struct settings *s, const struct rollout *r, const struct flag_set *set)
{
	assert(tx && s && r && set && set->name && set->value && set->reason && thread_may(THREAD_WRITER));
	CLEANUP(cleanup_free)
	char *text = text_format("flag %s set from %.100s to %.100s by %s: %s", set->name,
	                         set->before ? set->before : "not set", set->value, set->who.name, set->reason);
	int e = text ? next_generation(tx, r) : -ENOMEM;

	if (e == 0 && set->values)
		e = record(tx, r, set->values);
	return e < 0 ? e : tell(tx, s, r, ANNOUNCE_FLAG_SET, set->who.name, text);
}
