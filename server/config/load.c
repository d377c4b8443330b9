#include "server/config/load.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/config/yaml.h"
#include "server/core/buf.h"
#include "server/core/text.h"

#define ACT_NAME_MAX 200

static struct json_object *list_in(struct json_object *o, const char *key)
{
	struct json_object *arr = NULL;

	return json_get_arr(o, key, &arr) == 1 ? arr : NULL;
}

static size_t length(struct json_object *arr)
{
	return arr ? json_object_array_length(arr) : 0;
}

/* --- defaults that depend on other keys --- */

static const struct section *section_named(const struct section *s, const char *name)
{
	assert(s && name);
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->keys[i].name, name))
			return s->keys[i].sub;
	return NULL;
}

static void default_rollout(struct json_object *r, const char *environment)
{
	const char *name = json_str_or(r, "name", "");
	struct json_object *stages = list_in(r, "stages");

	if (!list_in(r, "alerts")) {
		CLEANUP(cleanup_free) char *own = text_format("rollout=\"%s\"", name);
		struct json_object *arr = json_object_new_array();

		json_object_array_add(arr, json_object_new_string(own ? own : ""));
		json_add(r, "alerts", arr);
	}
	if (!json_object_object_get_ex(r, "title", NULL))
		json_add_str(r, "title", name);
	for (size_t i = 0; i < length(stages); i++) {
		struct json_object *st = json_object_array_get_idx(stages, i);

		if (!json_object_object_get_ex(st, "environment", NULL))
			json_add_str(st, "environment", environment);
	}
}

/* "PUT http://127.0.0.1:8080/flags". A user, a password and a query, where tokens stand, are left out: it goes to the
 * chat. */
static void name_request(struct buf *b, struct json_object *http)
{
	const char *url = json_str_or(http, "url", ""), *host = strstr(url, "://");
	size_t authority = host ? strcspn(host + 3, "/?#") : 0;
	const char *user = host ? memrchr(host + 3, '@', authority) : NULL;

	buf_printf(b, "%s ", json_str_or(http, "method", ""));
	buf_add(b, url, user ? (size_t)(host + 3 - url) : strcspn(url, "?#"));
	if (user)
		buf_add(b, user + 1, strcspn(user + 1, "?#"));
}

/* "systemctl reload checkout.service": what people read when an act has no name. */
static void name_act(struct json_object *act)
{
	struct json_object *argv = list_in(act, "command"), *http = NULL;
	CLEANUP(buf_free) struct buf words = BUF(CONFIG_FILE_MAX), name = BUF(ACT_NAME_MAX);

	if (json_object_object_get_ex(act, "name", NULL))
		return;
	for (size_t i = 0; i < length(argv); i++) {
		const char *word = json_object_get_string(json_object_array_get_idx(argv, i));
		const char *slash = i == 0 ? strrchr(word, '/') : NULL;

		buf_printf(&words, "%s%s", i ? " " : "", slash ? slash + 1 : word);
	}
	if (json_get_obj(act, "http", &http) == 1)
		name_request(&words, http);
	text_one_line(&name, buf_text(&words), words.len, ACT_NAME_MAX);
	json_add_str(act, "name", buf_text(&name));
}

static void name_acts(struct json_object *o, const char *list)
{
	for (size_t n = 0; n < length(list_in(o, list)); n++)
		name_act(json_object_array_get_idx(list_in(o, list), n));
}

/* A command starts a process first. */
static void default_check(struct json_object *check)
{
	if (!json_object_object_get_ex(check, "timeout", NULL))
		json_add_double(check, "timeout", json_object_object_get_ex(check, "command", NULL) ? 10 : 3);
}

static void add_builtin(struct json_object *tree)
{
	static const char text[] = "{\"name\":\"auto-rollback\",\"match\":[\"action=\\\"auto_rollback\\\"\"],"
				   "\"severity\":\"\",\"rollback\":{\"to\":0,\"after\":0}}";
	struct json_object *playbooks = list_in(tree, "playbooks");

	for (size_t i = 0; i < length(playbooks); i++)
		if (!strcmp(json_str_or(json_object_array_get_idx(playbooks, i), "name", ""), "auto-rollback"))
			return;
	json_object_array_add(playbooks, json_tokener_parse(text));
}

/* A section that is not in the file gets its defaults all the same. */
static void ensure_section(struct json_object *o, const char *name, const struct section *s)
{
	struct json_object *sec = NULL;

	if (json_get_obj(o, name, &sec) == 1)
		return;
	sec = json_object_new_object();
	config_defaults(sec, s);
	json_add(o, name, sec);
}

static void normalise(struct json_object *tree)
{
	static const char *const always[] = {"global", "sla", "limits"};
	struct json_object *rollouts = list_in(tree, "rollouts"), *global = NULL, *verify = NULL;

	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		ensure_section(tree, always[i], section_named(&config_root, always[i]));
	json_get_obj(tree, "global", &global);
	for (size_t i = 0; i < length(rollouts); i++) {
		struct json_object *r = json_object_array_get_idx(rollouts, i);

		default_rollout(r, json_str_or(global, "environment", "production"));
		name_acts(r, "apply");
		name_acts(r, "fallback");
		json_get_obj(r, "verify", &verify);
		for (size_t n = 0; n < length(list_in(verify, "checks")); n++)
			default_check(json_object_array_get_idx(list_in(verify, "checks"), n));
	}
	for (size_t i = 0; i < length(list_in(tree, "playbooks")); i++)
		name_acts(json_object_array_get_idx(list_in(tree, "playbooks"), i), "then");
	add_builtin(tree);
	config_forget_lines(tree);
}

/* --- loading --- */

static int read_bytes(const struct config_reader *r, struct buf *b)
{
	CLEANUP(cleanup_fd) int fd = open(r->file, O_RDONLY | O_CLOEXEC);
	char chunk[16384];
	ssize_t n = fd < 0 ? -1 : 0;

	while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) > 0)
		if (buf_add(b, chunk, (size_t)n) < 0) {
			config_fault(r, 0, "", "it is larger than %d bytes", CONFIG_FILE_MAX);
			return -EINVAL;
		}
	if (n == 0)
		return 0;
	config_fault(r, 0, "", "it cannot be read: %s", strerror(errno));
	return -EINVAL;
}

/* The first line with a byte that is wrong; 0: none. libyaml would not say where. */
static size_t line_of_bad_text(const char *text, size_t len)
{
	size_t line = 1;

	for (const char *end; len > 0; len -= (size_t)(end - text), text = end, line++) {
		end = memchr(text, '\n', len);
		end = end ? end + 1 : text + len;
		if (!text_utf8_valid(text, (size_t)(end - text)))
			return line;
	}
	return 0;
}

int config_text(const struct config_reader *r, struct buf *ret)
{
	assert(r && r->file && ret && ret->len == 0);
	if (read_bytes(r, ret) < 0)
		return -EINVAL;
	size_t bad = line_of_bad_text(buf_text(ret), ret->len);
	if (bad)
		config_fault(r, bad, "", "this is not UTF-8 text: save the file as UTF-8");
	return bad ? -EINVAL : 0;
}

static int load_tree(const struct config_reader *r, enum config_use use, struct json_object **ret)
{
	assert(r && ret);
	CLEANUP(buf_free) struct buf text = BUF(CONFIG_FILE_MAX);
	CLEANUP(json_cleanup) struct json_object *tree = NULL;

	if (config_text(r, &text) < 0)
		return -EINVAL;
	tree = config_tree(r, buf_text(&text), text.len);
	if (tree)
		config_check(r, tree, use);
	if (!tree || r->faults->n)
		return -EINVAL;
	normalise(tree);
	*ret = TAKE(tree);
	return 0;
}

int config_load(const char *path, enum config_use use, struct config **ret, struct config_faults *faults)
{
	assert(path && ret && faults);
	CLEANUP(json_cleanup) struct json_object *tree = NULL;
	struct config *c = calloc(1, sizeof(*c));
	const struct config_reader reader = {.file = path, .faults = faults, .notes = c ? &c->notes : NULL};
	char why[400] = "out of memory";

	int r = c ? load_tree(&reader, use, &tree) : -ENOMEM;
	if (r == 0)
		r = settings_read(tree, &c->settings, why, sizeof(why));
	if (r == 0 && use == CONFIG_RUN)
		r = channels_read(tree, &c->channels, why, sizeof(why));
	if (r < 0) {
		if (faults->n == 0)
			config_fault(&reader, 0, "", "%s", why);
		config_free(c);
		return -EINVAL;
	}
	*ret = c;
	return 0;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	settings_unref(c->settings);
	channels_free(&c->channels);
	config_faults_free(&c->notes);
	free(c);
}

/* --- help --- */

/* "(one of: bool int string; default string; required)" */
static void help_value(FILE *out, const struct key *k)
{
	fputs(" (", out);
	if (k->words)
		fprintf(out, "%s: %s", k->type == KEY_WORDS ? "a list of" : "one of", k->words);
	else if (k->type == KEY_NUMBER)
		fprintf(out, "a whole number from %ld to %ld", k->least, k->most);
	else
		fputs(k->type == KEY_TEXT ? "a text" : key_type_text(k->type), out);
	if (k->def && k->def[0])
		fprintf(out, "; default %s", k->def);
	fputs(k->required ? "; required)\n" : ")\n", out);
}

static void help_section(FILE *out, const struct section *s, int depth)
{
	assert(s && depth >= 0);
	if (s->one_of)
		fprintf(out, "%*s# exactly one of: %s\n", depth * 2, "", s->one_of);
	if (s->not_both)
		fprintf(out, "%*s# at most one of: %s\n", depth * 2, "", s->not_both);
	for (size_t i = 0; i < s->n; i++) {
		fprintf(out, "%*s%s: %s", depth * 2, "", s->keys[i].name, s->keys[i].help);
		help_value(out, &s->keys[i]);
		if (s->keys[i].sub)
			help_section(out, s->keys[i].sub, depth + 1);
	}
}

void config_help(FILE *out)
{
	assert(out);
	help_section(out, &config_root, 0);
}
