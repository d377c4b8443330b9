#include "server/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/config_keys.h"
#include "server/config_yaml.h"
#include "server/core/text.h"

/* --- rules over several keys --- */

struct rules {
	const char *file;
	struct config_faults *faults;
	struct json_object *tree;
};

static size_t line_of(struct json_object *o)
{
	return (size_t)json_int_or(o, "(line)", 0);
}

static struct json_object *list_in(struct json_object *o, const char *key)
{
	struct json_object *arr = NULL;

	return json_get_arr(o, key, &arr) == 1 ? arr : NULL;
}

static size_t length(struct json_object *arr)
{
	return arr ? json_object_array_length(arr) : 0;
}

/* The same value of key in two items of a list. */
static void unique(const struct rules *c, struct json_object *owner, const char *list, const char *path, const char *key)
{
	struct json_object *arr = list_in(owner, list);
	char where[200];

	for (size_t i = 0; i < length(arr); i++)
		for (size_t j = 0; j < i; j++) {
			struct json_object *a = NULL, *b = NULL, *later = json_object_array_get_idx(arr, i);

			json_object_object_get_ex(later, key, &a);
			json_object_object_get_ex(json_object_array_get_idx(arr, j), key, &b);
			if (!a || !b || !json_object_equal(a, b))
				continue;
			snprintf(where, sizeof(where), "%s%s[%zu].%s", path, list, i, key);
			config_fault(c->faults, c->file, line_of(later), where, "%s stands there already in item %zu", json_object_get_string(a),
			             j);
		}
}

static void check_rollout(const struct rules *c, struct json_object *r, size_t i)
{
	struct json_object *flags = NULL, *verify = NULL;
	char where[64], path[80];

	snprintf(where, sizeof(where), "rollouts[%zu]", i);
	snprintf(path, sizeof(path), "%s.", where);
	if (json_get_obj(r, "flags", &flags) != 1 && length(list_in(r, "apply")) == 0)
		config_fault(c->faults, c->file, line_of(r), where, "it has neither flags nor apply: nothing could be rolled back");
	if (json_get_obj(r, "verify", &verify) == 1 && length(list_in(verify, "checks")) == 0)
		config_fault(c->faults, c->file, line_of(verify), where, "verify.checks is empty: \"rolled back\" could never be said");
	unique(c, r, "stages", path, "number");
}

static void check_playbook(const struct rules *c, struct json_object *p, size_t i)
{
	struct json_object *rollback = NULL;
	bool hold = true;
	char where[64];

	snprintf(where, sizeof(where), "playbooks[%zu].hold", i);
	if (json_get_obj(p, "rollback", &rollback) != 1 && json_get_bool(p, "hold", &hold) == 1 && !hold)
		config_fault(c->faults, c->file, line_of(p), where, "false alone means nothing: true, or rollback instead");
}

static void check_webhook(const struct rules *c, struct json_object *ch, size_t i)
{
	struct json_object *hook = NULL;
	char where[64];

	snprintf(where, sizeof(where), "channels[%zu].webhook", i);
	if (json_get_obj(ch, "webhook", &hook) == 1 && json_object_object_get_ex(hook, "secret", NULL)
	    && json_object_object_get_ex(hook, "secret_file", NULL))
		config_fault(c->faults, c->file, line_of(hook), where, "secret or secret_file, not both");
}

/* A prometheus check or query needs to know whom to ask. */
static void check_prometheus(const struct rules *c, struct json_object *r, size_t i, bool has_url)
{
	struct json_object *verify = NULL, *snapshot = NULL;
	char where[64];

	snprintf(where, sizeof(where), "rollouts[%zu]", i);
	struct json_object *checks = json_get_obj(r, "verify", &verify) == 1 ? list_in(verify, "checks") : NULL;
	bool asks = json_get_obj(r, "snapshot", &snapshot) == 1;
	for (size_t n = 0; n < length(checks); n++)
		asks |= json_object_object_get_ex(json_object_array_get_idx(checks, n), "prometheus", NULL);
	if (asks && !has_url)
		config_fault(c->faults, c->file, line_of(r), where, "it asks Prometheus, but global.prometheus.url is missing");
}

static void check_all(const struct rules *c)
{
	struct json_object *rollouts = list_in(c->tree, "rollouts"), *global = NULL, *prometheus = NULL;
	bool has_url = json_get_obj(c->tree, "global", &global) == 1 && json_get_obj(global, "prometheus", &prometheus) == 1;

	if (length(rollouts) == 0 && c->faults->n == 0)
		config_fault(c->faults, c->file, line_of(c->tree), "rollouts", "at least one rollout is needed");
	for (size_t i = 0; i < length(rollouts); i++) {
		check_rollout(c, json_object_array_get_idx(rollouts, i), i);
		check_prometheus(c, json_object_array_get_idx(rollouts, i), i, has_url);
	}
	for (size_t i = 0; i < length(list_in(c->tree, "playbooks")); i++)
		check_playbook(c, json_object_array_get_idx(list_in(c->tree, "playbooks"), i), i);
	for (size_t i = 0; i < length(list_in(c->tree, "channels")); i++)
		check_webhook(c, json_object_array_get_idx(list_in(c->tree, "channels"), i), i);
	unique(c, c->tree, "rollouts", "", "name");
	unique(c, c->tree, "playbooks", "", "name");
	unique(c, c->tree, "channels", "", "name");
	unique(c, c->tree, "users", "", "name");
}

/* --- defaults that depend on other keys --- */

static const struct section *section_named(const struct section *s, const char *name)
{
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

/* "systemctl reload checkout.service": what people read when an act has no name. */
static void name_act(struct json_object *act)
{
	struct json_object *argv = list_in(act, "command"), *http = NULL;
	CLEANUP(buf_free) struct buf b = BUF(200);

	if (json_object_object_get_ex(act, "name", NULL))
		return;
	for (size_t i = 0; i < length(argv); i++) {
		const char *word = json_object_get_string(json_object_array_get_idx(argv, i)), *slash = strrchr(word, '/');

		buf_printf(&b, "%s%s", i ? " " : "", i == 0 && slash ? slash + 1 : word);
	}
	if (json_get_obj(act, "http", &http) == 1)
		buf_printf(&b, "%s %s", json_str_or(http, "method", ""), json_str_or(http, "url", ""));
	json_add_str(act, "name", buf_text(&b));
}

static void add_builtin(struct json_object *tree)
{
	struct json_object *playbooks = list_in(tree, "playbooks");

	for (size_t i = 0; i < length(playbooks); i++)
		if (!strcmp(json_str_or(json_object_array_get_idx(playbooks, i), "name", ""), "auto-rollback"))
			return;
	json_object_array_add(playbooks, json_tokener_parse("{\"name\":\"auto-rollback\",\"match\":[\"action=\\\"auto_rollback\\\"\"],"
	                                                    "\"severity\":\"\",\"rollback\":{\"to\":0.0,\"after\":0.0}}"));
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

static void remove_lines(struct json_object *o)
{
	if (json_object_is_type(o, json_type_array))
		for (size_t i = 0; i < json_object_array_length(o); i++)
			remove_lines(json_object_array_get_idx(o, i));
	if (!json_object_is_type(o, json_type_object))
		return;
	json_object_object_del(o, "(line)");
	json_object_object_foreach(o, key, value) {
		(void)key;
		remove_lines(value);
	}
}

static void normalise(struct json_object *tree)
{
	static const char *const always[] = {"global", "sla", "limits"};
	struct json_object *rollouts = list_in(tree, "rollouts"), *global = NULL;

	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		ensure_section(tree, always[i], section_named(&config_root, always[i]));
	json_get_obj(tree, "global", &global);
	for (size_t i = 0; i < length(rollouts); i++) {
		struct json_object *r = json_object_array_get_idx(rollouts, i);

		default_rollout(r, json_str_or(global, "environment", "production"));
		for (size_t n = 0; n < length(list_in(r, "apply")); n++)
			name_act(json_object_array_get_idx(list_in(r, "apply"), n));
	}
	add_builtin(tree);
	remove_lines(tree);
}

/* --- loading --- */

static int read_file(const char *path, struct buf *b, struct config_faults *faults)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char chunk[16384];
	ssize_t n = fd < 0 ? -1 : 0;

	while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) > 0)
		if (buf_add(b, chunk, (size_t)n) < 0) {
			config_fault(faults, path, 0, "", "larger than 1 MiB");
			return -EINVAL;
		}
	if (n == 0)
		return 0;
	config_fault(faults, path, 0, "", "cannot be read: %s", strerror(errno));
	return -EINVAL;
}

static int by_line(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b, *cx = strrchr(x, '/'), *cy = strrchr(y, '/');
	long lx, ly;

	cx = strchr(cx ? cx : x, ':');
	cy = strchr(cy ? cy : y, ':');
	lx = cx ? atol(cx + 1) : 0;
	ly = cy ? atol(cy + 1) : 0;
	return lx < ly ? -1 : lx > ly;
}

/* In the order of the file; the rules over several keys come last otherwise. */
static void sort(struct config_faults *f)
{
	if (f->n > 1)
		qsort(f->line, f->n, sizeof(*f->line), by_line);
}

static int load_tree(const char *path, struct json_object **ret, struct config_faults *faults)
{
	CLEANUP(buf_free) struct buf text = BUF(CONFIG_FILE_MAX);
	CLEANUP(json_cleanup) struct json_object *tree = NULL;
	struct config_reader r = {.file = path, .faults = faults};

	if (read_file(path, &text, faults) < 0)
		return -EINVAL;
	if (!text_utf8_valid(buf_text(&text), text.len)) {
		config_fault(faults, path, 0, "", "this is no UTF-8 text");
		return -EINVAL;
	}
	tree = config_tree(&r, buf_text(&text), text.len);
	if (tree)
		check_all(&(struct rules) {.file = path, .faults = faults, .tree = tree});
	sort(faults);
	if (!tree || faults->n)
		return -EINVAL;
	normalise(tree);
	*ret = TAKE(tree);
	return 0;
}

int config_load(const char *path, bool offline, struct config **ret, struct config_faults *faults)
{
	CLEANUP(json_cleanup) struct json_object *tree = NULL;
	struct config *c = calloc(1, sizeof(*c));
	char why[400] = "";

	if (!c)
		return -ENOMEM;
	int r = load_tree(path, &tree, faults);
	if (r == 0)
		r = settings_read(tree, &c->settings, why, sizeof(why));
	if (r == 0 && !offline)
		r = channels_read(tree, &c->channels, why, sizeof(why));
	if (r < 0) {
		if (why[0])
			config_fault(faults, path, 0, "", "%s", why);
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
	free(c);
}

void config_faults_free(struct config_faults *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->line[i]);
	free(f->line);
	*f = (struct config_faults) {0};
}

/* --- help --- */

static void help_section(FILE *out, const struct section *s, int depth)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct key *k = &s->keys[i];

		fprintf(out, "%*s%s: %s", depth * 2, "", k->name, k->help);
		if (!k->sub)
			fprintf(out, " (%s%s%s)", k->words ? k->words : key_type_text(k->type), k->def && k->def[0] ? "; default " : "",
			        k->def ? k->def : "");
		fprintf(out, "%s\n", k->required ? " - required" : "");
		if (k->sub)
			help_section(out, k->sub, depth + 1);
	}
}

void config_help(FILE *out)
{
	help_section(out, &config_root, 0);
}
