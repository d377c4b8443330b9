/*
 * rollbackctl's own config, as amtool has it: keys named as the options are, in the user's file and in one of the
 * machine. What the command line says wins over the environment, that over the user's file, that over the machine's.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/config/load.h"
#include "server/config/yaml_any.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"

#define OF_USER    ".config/rollbackd/rollbackctl.yml"
#define OF_MACHINE "/etc/rollbackd/rollbackctl.yml"

static const char *const keys[] = {"url", "user", "password_file", "output", "timeout", "color", "date.format", "utc"};

static int wrong(const char *file, const char *what, const char *key)
{
	const char *near = key ? text_nearest(keys, ARRAY_LEN(keys), key) : NULL;

	fprintf(stderr, "rollbackctl: %s: %s%s%s", file, what, key ? " " : "", key ? key : "");
	fprintf(stderr, near ? ": did you mean %s?\n" : "\n", near);
	return -1;
}

/* What the files before it say stays. */
static int take_keys(struct json_object *to, const char *file, struct json_object *o)
{
	struct json_object *known = NULL;

	json_object_object_foreach(o, key, value)
	{
		if (text_enum_find(keys, ARRAY_LEN(keys), key) < 0)
			return wrong(file, "unknown key", key);
		if (!json_object_is_type(value, json_type_string) || !json_object_get_string(value)[0])
			return wrong(file, "nothing that it can be stands behind", key);
		if (!json_object_object_get_ex(to, key, &known))
			json_add(to, key, json_object_get(value));
	}
	return 0;
}

/* One that cannot even be looked for is none of mine: the HOME of who became somebody else. */
static int cannot_open(const char *file, int error, bool needed)
{
	struct stat st;

	return needed && error != ENOENT && stat(file, &st) == 0 ? wrong(file, strerrordesc_np(error), NULL) : 0;
}

/* Nothing but comments. */
static bool is_bare(const char *text)
{
	while (text[0] == '#' || strspn(text, " \t\r\n"))
		text += text[0] == '#' ? strcspn(text, "\n") : strspn(text, " \t\r\n");
	return !text[0];
}

/* needed: what is there and cannot be read is said. */
static int read_one(struct json_object *to, const char *file, bool needed)
{
	CLEANUP(buf_free) struct buf text = BUF(CONFIG_FILE_MAX);
	CLEANUP(json_cleanup) struct json_object *o = NULL;
	char why[256], chunk[4096];
	size_t got = sizeof(chunk);
	FILE *f = fopen(file, "re");

	if (!f)
		return cannot_open(file, errno, needed);
	while (got == sizeof(chunk)) {
		got = fread(chunk, 1, sizeof(chunk), f);
		buf_add(&text, chunk, got);
	}
	fclose(f);
	if (is_bare(buf_text(&text)))
		return 0;
	if (config_yaml_any(buf_text(&text), text.len, &o, why, sizeof(why)) < 0)
		return wrong(file, why, NULL);
	return take_keys(to, file, o);
}

int ctl_read_own_config(struct ctl *c)
{
	assert(c && !c->own);
	const char *home = getenv("HOME");
	CLEANUP(cleanup_free) char *file = home && home[0] ? text_format("%s/%s", home, OF_USER) : NULL;

	c->own = json_object_new_object();
	int r = file ? read_one(c->own, file, true) : 0;
	return r < 0 ? r : read_one(c->own, OF_MACHINE, false);
}

const char *ctl_setting(const struct ctl *c, const char *name, const char *env)
{
	assert(c && name);
	const char *value = ctl_value(c, name);

	if (!value && env)
		value = getenv(env);
	return value && value[0] ? value : json_str_or(c->own, name, NULL);
}
