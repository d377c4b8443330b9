#include "server/ctl/local/flag.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "handlers/api/flags.h"
#include "handlers/steps/flags_file.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"
#include "server/ctl/local/local.h"
#include "server/ctl/show/words.h"

#define BUSY_TRIES 20
#define BUSY_US    (100 * US_PER_MS)

static const struct flag_value *flag_of(const struct rollout *r, const char *name)
{
	for (size_t i = 0; i < r->n_values; i++)
		if (!strcmp(r->values[i].name, name))
			return &r->values[i];
	return NULL;
}

static int refuse(const char *name, const char *why)
{
	fprintf(stderr, "rollbackctl: %s: %s\n", name, why);
	return CTL_USAGE;
}

/* The percentage stays as it is found. */
static int write_value(struct local *w, const struct flags_value *v, char *why, size_t why_size)
{
	const struct rollout *r = w->rollout;
	struct flags_change change;
	int32_t there = -1;
	int e = -EBUSY;

	for (int i = 0; i < BUSY_TRIES && (e == -EBUSY || e == -EAGAIN || e == -EPERM); i++) {
		if (i)
			local_wait(w, BUSY_US);
		e = flags_file_read(r->flags_file, r->flags_key, &there, why, why_size);
		if (e == 0)
			e = flags_file_set(r->flags_file, r->flags_key, there, there, v, 1, &change, why, why_size);
	}
	return e;
}

static void said(const char *file, const char *name, const char *value, bool json)
{
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();

	json_add_str(o, "file", file);
	json_add_str(o, "name", name);
	json_add_str(o, "value", value);
	if (json)
		show_json(o, true);
	else
		printf("%s: %s=%s\n", file, name, value);
}

int local_set_flag(const char *config, const char *rollout, const char *name, const char *value, bool json)
{
	assert(config && rollout && name && value);
	struct local w = {0};
	char why[300] = "";
	int r = local_open(config, rollout, &w);

	if (r)
		return r;
	const struct flag_value *flag = flag_of(w.rollout, name);
	if (!w.rollout->flags_file || !flag)
		r = refuse(name, "none of flags.values in the config");
	else if (!flags_is_typed(flag->type, value))
		r = refuse(name, "the value is none of its type (flags.values)");
	else if (write_value(&w, &(struct flags_value) {name, value}, why, sizeof(why)) < 0)
		r = CTL_NO;
	if (r == CTL_NO)
		fprintf(stderr, "rollbackctl: %s\n", why);
	else if (r == 0)
		said(w.rollout->flags_file, name, value, json);
	local_close(&w);
	return r;
}
