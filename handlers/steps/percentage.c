#include "handlers/steps/percentage.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/rollout.h"
#include "handlers/steps/flags_file.h"

void flags_look(const struct rollout *r, int64_t now_us, bool rehearse, struct flags_look *ret)
{
	assert(r && ret);
	struct flags_change change = {0};

	*ret = (struct flags_look) {.at_us = now_us, .pct = -1, .rehearsed = rehearse};
	if (!r->flags_file)
		return;
	int e = flags_file_read(r->flags_file, r->flags_key, &ret->pct, ret->why, sizeof(ret->why));
	if (e < 0) {
		ret->pct = -1;
		snprintf(ret->error_why, sizeof(ret->error_why), "%s", ret->why);
	} else if (rehearse) {
		e = flags_file_rehearse(r->flags_file, r->flags_key, 0, &change, ret->error_why,
		                        sizeof(ret->error_why));
	}
	ret->error = e < 0 ? e : 0;
}

void flags_look_values(const struct rollout *r, struct flags_look *look)
{
	assert(r && look && !look->values);
	CLEANUP(buf_free) struct buf text = BUF(FLAGS_FILE_MAX);
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	char why[256], value[256];

	if (!r->flags_file || !r->n_values || look->pct < 0 ||
	    flags_file_load(r->flags_file, &text, why, sizeof(why)) < 0)
		return;
	for (size_t i = 0; i < r->n_values; i++) {
		int e = flags_text_value(buf_text(&text), text.len, r->values[i].name, value, sizeof(value));

		json_add_str(o, r->values[i].name, e == 0 ? value : e == -E2BIG ? "longer than can be watched" : NULL);
	}
	look->values = strdup(json_text(o));
}

void flags_look_free(struct flags_look *look)
{
	assert(look);
	free(look->values);
	look->values = NULL;
}

int32_t percentage_by(struct db_conn *c, const struct rollout *r, const struct flags_look *look, char *why,
                      size_t why_size)
{
	assert(c && r && (!why || why_size >= 200));
	struct rollout_row row = {0};
	struct flags_look now = {.pct = -1};
	int32_t pct = -1;

	if (r->flags_file && !look) {
		flags_look(r, 0, false, &now);
		look = &now;
	}
	if (r->flags_file) {
		if (why)
			snprintf(why, why_size, "%s", look->why);
		return look->pct;
	}
	if (rollout_load(c, r->name, &row) == 0)
		pct = row.pct_seen;
	rollout_row_free(&row);
	if (why)
		snprintf(why, why_size, "%s", pct < 0 ? "it has no flags file and was never seen" : "");
	return pct;
}

int32_t percentage_there(struct db_conn *c, const struct rollout *r, char *why, size_t why_size)
{
	return percentage_by(c, r, NULL, why, why_size);
}
