#include "server/config/yaml.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "handlers/notify/notify.h"
#include "handlers/settings/events.h"
#include "server/core/text.h"

#define PATH_LEN 200

struct rules {
	const struct config_reader *r;
	struct json_object *tree;
	enum config_use use;
};

static struct json_object *list_in(struct json_object *o, const char *key)
{
	struct json_object *arr = NULL;

	return json_get_arr(o, key, &arr) == 1 ? arr : NULL;
}

static size_t length(struct json_object *arr)
{
	return arr ? json_object_array_length(arr) : 0;
}

static struct json_object *section_in(struct json_object *o, const char *key)
{
	struct json_object *s = NULL;

	return json_get_obj(o, key, &s) == 1 ? s : NULL;
}

static bool has(struct json_object *o, const char *key)
{
	return json_object_object_get_ex(o, key, NULL);
}

/* The same value of key in two items of a list. path: of the list's owner, with its dot. */
static void unique(const struct rules *c, struct json_object *owner, const char *path, const char *list,
                   const char *key)
{
	assert(path && list && key);
	struct json_object *arr = list_in(owner, list);
	char where[PATH_LEN];

	for (size_t i = 0; i < length(arr); i++)
		for (size_t j = 0; j < i; j++) {
			struct json_object *first = json_object_array_get_idx(arr, j), *a = NULL, *b = NULL,
					   *later = json_object_array_get_idx(arr, i);

			json_object_object_get_ex(later, key, &a);
			json_object_object_get_ex(first, key, &b);
			if (!a || !b || !json_object_equal(a, b))
				continue;
			snprintf(where, sizeof(where), "%s%s[%zu].%s", path, list, i, key);
			config_fault(c->r, config_line(later, key), where,
			             "\"%s\" is taken by %s[%zu] in line %zu; each needs its own",
			             json_object_get_string(a), list, j, config_line(first, key));
			break;
		}
}

/* --- a rollout --- */

static void check_ways(const struct rules *c, struct json_object *o, const char *path)
{
	if (!has(o, "flags") && list_in(o, "apply") && length(list_in(o, "apply")) == 0)
		config_fault(c->r, config_line(o, NULL), path,
		             "it has neither flags nor apply, so nothing could be rolled back: add one of them");
}

static double seconds(struct json_object *o, const char *key)
{
	double s = 0;

	json_get_double(o, key, &s);
	return s;
}

/* The last of the rounds in a row must come before the deadline. */
static void check_deadline(const struct rules *c, struct json_object *verify, const char *path)
{
	double needs =
		seconds(verify, "delay") + seconds(verify, "every") * (double)(json_int_or(verify, "passes", 1) - 1);
	char where[PATH_LEN], least[32];

	if (!verify || seconds(verify, "timeout") == 0 || needs < seconds(verify, "timeout"))
		return;
	snprintf(where, sizeof(where), "%s.verify.timeout", path);
	text_duration((int64_t)(needs * 1e6), least, sizeof(least));
	config_fault(c->r, config_line(verify, config_line(verify, "timeout") ? "timeout" : NULL), where,
	             "delay and %lld rounds take %s already, so it could never pass: more than that",
	             (long long)json_int_or(verify, "passes", 1), least);
}

/* A check that says instances asks Prometheus; whoever asks Prometheus needs its address. */
static void check_prometheus(const struct rules *c, struct json_object *o, const char *path)
{
	struct json_object *checks = list_in(section_in(o, "verify"), "checks");
	bool has_url = has(section_in(section_in(c->tree, "global"), "prometheus"), "url");
	static const char why[] = "it asks Prometheus, whose address is missing: set global.prometheus.url";
	static const char *const askers[] = {"snapshot", "compare"};
	char where[PATH_LEN];

	for (size_t i = 0; i < length(checks); i++) {
		struct json_object *check = json_object_array_get_idx(checks, i);

		snprintf(where, sizeof(where), "%s.verify.checks[%zu]", path, i);
		if (has(check, "prometheus") && !has_url)
			config_fault(c->r, config_line(check, "prometheus"), where, why);
		if (has(check, "instances") && !has(check, "prometheus"))
			config_fault(c->r, config_line(check, "instances"), where,
			             "instances stands only beside prometheus: leave it out");
	}
	for (size_t i = 0; i < ARRAY_LEN(askers); i++) {
		snprintf(where, sizeof(where), "%s.%s", path, askers[i]);
		if (has(o, askers[i]) && !has_url)
			config_fault(c->r, config_line(o, askers[i]), where, why);
	}
}

/* The flag that carries the percentage is not one of the others. */
static void check_values(const struct rules *c, struct json_object *flags, const char *path)
{
	struct json_object *values = list_in(flags, "values");
	const char *key = json_str_or(flags, "percentage", "");
	char where[PATH_LEN];

	for (size_t i = 0; i < length(values); i++) {
		struct json_object *v = json_object_array_get_idx(values, i);

		snprintf(where, sizeof(where), "%s.flags.values[%zu].name", path, i);
		if (!strcmp(json_str_or(v, "name", " "), key))
			config_fault(c->r, config_line(v, "name"), where,
			             "%s carries the percentage: leave it out here", key);
	}
}

static void check_rollout(const struct rules *c, struct json_object *o, size_t i)
{
	char path[64], inside[96];

	snprintf(path, sizeof(path), "rollouts[%zu]", i);
	check_ways(c, o, path);
	check_deadline(c, section_in(o, "verify"), path);
	check_prometheus(c, o, path);
	check_values(c, section_in(o, "flags"), path);
	snprintf(inside, sizeof(inside), "%s.flags.", path);
	unique(c, section_in(o, "flags"), inside, "values", "name");
	snprintf(inside, sizeof(inside), "%s.snapshot.", path);
	unique(c, section_in(o, "snapshot"), inside, "queries", "name");
	snprintf(inside, sizeof(inside), "%s.compare.", path);
	unique(c, section_in(o, "compare"), inside, "metrics", "name");
	snprintf(inside, sizeof(inside), "%s.", path);
	unique(c, o, inside, "stages", "number");
	unique(c, o, inside, "checklists", "name");
	unique(c, o, inside, "baselines", "metric");
	config_check_plan(c->r, o, path, has(section_in(section_in(c->tree, "global"), "prometheus"), "url"));
}

/* Two rollouts with one flag would undo each other. */
static void check_shared_flag(const struct rules *c, struct json_object *rollouts, size_t i)
{
	struct json_object *mine = section_in(json_object_array_get_idx(rollouts, i), "flags");
	char where[64];

	snprintf(where, sizeof(where), "rollouts[%zu].flags.percentage", i);
	for (size_t j = 0; mine && j < i; j++) {
		struct json_object *other = section_in(json_object_array_get_idx(rollouts, j), "flags");

		if (!strcmp(json_str_or(mine, "file", "1"), json_str_or(other, "file", "2")) &&
		    !strcmp(json_str_or(mine, "percentage", "1"), json_str_or(other, "percentage", "2")))
			config_fault(c->r, config_line(mine, "percentage"), where,
			             "rollouts[%zu] writes %s of that file already; each rollout needs its own", j,
			             json_str_or(mine, "percentage", ""));
	}
}

/* --- the others --- */

static void check_playbook(const struct rules *c, struct json_object *o, size_t i)
{
	bool hold = true;
	char where[64];

	snprintf(where, sizeof(where), "playbooks[%zu].hold", i);
	if (!has(o, "rollback") && json_get_bool(o, "hold", &hold) == 1 && !hold)
		config_fault(c->r, config_line(o, "hold"), where,
		             "false alone means nothing: write hold: true, or rollback instead");
}

/* Its folder is not there, or closed: a file of another machine, or of another user. */
static bool is_elsewhere(const char *file, int error)
{
	assert(strchr(file, '/'));
	CLEANUP(cleanup_free) char *folder = strndup(file, (size_t)(strrchr(file, '/') - file) + 1);

	return error == -EACCES || (folder && access(folder, X_OK) < 0);
}

static void check_secret(const struct rules *c, struct json_object *o, const char *path, const char *key)
{
	assert(path && key);
	const char *file = NULL;
	char where[PATH_LEN], why[400] = "out of memory";

	if (json_get_str(o, key, &file) != 1)
		return;
	snprintf(where, sizeof(where), "%s.%s", path, key);
	int r = channel_secret_check(file, !strcmp(key, "url_file"), why, sizeof(why));
	struct config_reader notes = {.file = c->r->file, .faults = c->r->notes};
	if (r < 0 && c->use == CONFIG_CHECK && is_elsewhere(file, r))
		config_fault(&notes, config_line(o, key), where, "%s; rollbackd does not start without it", why);
	else if (r < 0)
		config_fault(c->r, config_line(o, key), where, "%s", why);
}

static void check_secrets(const struct rules *c, struct json_object *channel, size_t i)
{
	static const struct {
		const char *kind, *key;
	} secrets[] = {{"slack", "url_file"}, {"webhook", "url_file"}, {"webhook", "secret_file"}};
	char path[64];

	for (size_t n = 0; n < ARRAY_LEN(secrets) && c->use != CONFIG_OFFLINE; n++) {
		snprintf(path, sizeof(path), "channels[%zu].%s", i, secrets[n].kind);
		check_secret(c, section_in(channel, secrets[n].kind), path, secrets[n].key);
	}
}

/* Without the daemon it can't be tried on a sample, but a slip of the pen is seen. Online the daemon tries it, in a
 * child. */
static void check_program(const struct rules *c, struct json_object *channel, size_t i)
{
	const char *program = NULL;
	char where[64], why[400];

	if (c->use == CONFIG_RUN || json_get_str(channel, "program", &program) != 1 ||
	    notify_program_check(program, why, sizeof(why)) != -EINVAL)
		return;
	snprintf(where, sizeof(where), "channels[%zu].program", i);
	config_fault(c->r, config_line(channel, "program"), where, "jq cannot compile it: %s", why);
}

/* Does any channel hear a report of that name? */
static bool is_heard(const struct rules *c, const char *name)
{
	struct json_object *channels = list_in(c->tree, "channels");

	for (size_t i = 0; i < length(channels); i++) {
		struct json_object *events = list_in(json_object_array_get_idx(channels, i), "events");

		for (size_t n = 0; n < length(events); n++) {
			const char *word = json_object_get_string(json_object_array_get_idx(events, n));

			if (word && event_bits(word) & event_of_report(name))
				return true;
		}
	}
	return false;
}

/* A report that nobody hears is found missing weeks later. */
static void check_reports(const struct rules *c)
{
	struct json_object *reports = list_in(c->tree, "reports");
	char where[64];

	for (size_t i = 0; i < length(reports); i++) {
		struct json_object *report = json_object_array_get_idx(reports, i);
		const char *name = json_str_or(report, "name", "");

		snprintf(where, sizeof(where), "reports[%zu]", i);
		if (!is_heard(c, name))
			config_fault(c->r, config_line(report, "name"), where,
			             "no channel hears it: one needs events: [report] or [report.%s]", name);
	}
}

void config_check(const struct config_reader *r, struct json_object *tree, enum config_use use)
{
	assert(r && tree);
	static const char *const lists[] = {"rollouts", "playbooks", "channels", "users", "reports"};
	const struct rules c = {.r = r, .tree = tree, .use = use};
	struct json_object *rollouts = list_in(tree, "rollouts"), *playbooks = list_in(tree, "playbooks"),
			   *channels = list_in(tree, "channels");

	for (size_t i = 0; i < length(rollouts); i++) {
		check_rollout(&c, json_object_array_get_idx(rollouts, i), i);
		check_shared_flag(&c, rollouts, i);
	}
	for (size_t i = 0; i < length(playbooks); i++)
		check_playbook(&c, json_object_array_get_idx(playbooks, i), i);
	for (size_t i = 0; i < length(channels); i++) {
		check_secrets(&c, json_object_array_get_idx(channels, i), i);
		check_program(&c, json_object_array_get_idx(channels, i), i);
	}
	check_reports(&c);
	config_check_guards(r, tree);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		unique(&c, tree, "", lists[i], "name");
}
