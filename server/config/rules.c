#include "server/config/rules.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handlers/notify/notify.h"
#include "handlers/settings/events.h"
#include "handlers/settings/yaml.h"

struct rules {
	const struct config_reader *r;
	const struct settings *s;
	enum config_use use;
};

/* --- a rollout --- */

static bool is_value(const struct rollout *r, const char *name)
{
	for (size_t i = 0; i < r->n_values; i++)
		if (!strcmp(r->values[i].name, name))
			return true;
	return false;
}

/* Names of its stages that dangle. */
static void check_stage(const struct rules *c, const struct rollout *r, const struct stage *st, const char *path)
{
	assert(st && path);
	if (st->checklist && !rollout_checklist(r, st->checklist))
		config_fault_at(c->r, CONFIG_PATH("%s.checklist", path),
		                "there is no checklist \"%s\": add it to checklists", st->checklist);
	for (size_t i = 0; i < st->n_set; i++)
		if (!is_value(r, st->set[i].name))
			config_fault_at(c->r, CONFIG_PATH("%s.set[%zu].name", path, i),
			                "%s is none of flags.values: add it there", st->set[i].name);
}

static void check_rollout(const struct rules *c, size_t at)
{
	const struct rollout *r = &c->s->rollouts[at];

	for (size_t i = 0; i < r->n_stages; i++)
		check_stage(c, r, &r->stages[i], CONFIG_PATH("rollouts[%zu].stages[%zu]", at, i));
	for (size_t i = 0; i < r->n_milestones; i++)
		if (!rollout_stage(r, r->milestones[i].after_stage))
			config_fault_at(c->r, CONFIG_PATH("rollouts[%zu].milestones[%zu].after_stage", at, i),
			                "there is no stage %d", r->milestones[i].after_stage);
}

/* Under whatever name; one that is not there (yet, or on this machine) is known by its name alone. */
static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !strcmp(a, b) || (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* Two rollouts with one flag would undo each other. */
static void check_shared_flag(const struct rules *c, size_t at)
{
	const struct rollout *mine = &c->s->rollouts[at];

	for (size_t i = 0; mine->flags_file && mine->flags_key[0] && i < at; i++) {
		const struct rollout *other = &c->s->rollouts[i];

		if (other->flags_file && is_same_file(mine->flags_file, other->flags_file) &&
		    !strcmp(mine->flags_key, other->flags_key))
			config_fault_at(c->r, CONFIG_PATH("rollouts[%zu].flags.percentage", at),
			                "rollouts[%zu] writes %s of that file already; each rollout needs its own", i,
			                mine->flags_key);
	}
}

/* --- channels and reports --- */

/* Its folder is not there, or closed: a file of another machine, or of another user. */
static bool is_elsewhere(const char *file, int error)
{
	assert(strchr(file, '/'));
	CLEANUP(cleanup_free) char *folder = strndup(file, (size_t)(strrchr(file, '/') - file) + 1);

	return error == -EACCES || (folder && access(folder, X_OK) < 0);
}

static void check_secret(const struct rules *c, const char *file, bool url, const char *path)
{
	assert(path);
	struct config_reader notes = *c->r;
	char why[400] = "out of memory";
	int r = file ? channel_secret_check(file, url, why, sizeof(why)) : 0;

	notes.faults = notes.notes;
	if (r < 0 && c->use == CONFIG_CHECK && is_elsewhere(file, r))
		config_fault_at(&notes, path, "%s; rollbackd does not start without it", why);
	else if (r < 0)
		config_fault_at(c->r, path, "%s", why);
}

/* Without the daemon a program can't be tried on a sample, but a slip of the pen is seen. Online the daemon tries it,
 * in a child. */
static void check_channel(const struct rules *c, size_t i)
{
	const struct channel_options *o = &c->s->channels[i];
	const char *kind = o->kind == CHANNEL_SLACK ? "slack" : "webhook";
	char why[400];

	if (c->use != CONFIG_OFFLINE) {
		check_secret(c, o->url_file, true, CONFIG_PATH("channels[%zu].%s.url_file", i, kind));
		check_secret(c, o->secret_file, false, CONFIG_PATH("channels[%zu].%s.secret_file", i, kind));
	}
	if (c->use != CONFIG_RUN && o->program && notify_program_check(o->program, why, sizeof(why)) == -EINVAL)
		config_fault_at(c->r, CONFIG_PATH("channels[%zu].program", i), "jq cannot compile it: %s", why);
}

/* A report that nobody hears is found missing weeks later. */
static void check_report(const struct rules *c, size_t at)
{
	const char *name = c->s->reports[at].name;
	unsigned heard = 0;

	for (size_t i = 0; i < c->s->n_channels; i++)
		heard |= c->s->channels[i].events;
	if (!(heard & event_of_report(name)))
		config_fault_at(c->r, CONFIG_PATH("reports[%zu]", at),
		                "no channel hears it: one needs events: [report] or [report.%s]", name);
}

void config_check(const struct config_reader *r, const struct settings *s, enum config_use use)
{
	assert(r && s);
	const struct rules c = {.r = r, .s = s, .use = use};

	for (size_t i = 0; i < s->n_rollouts; i++) {
		check_rollout(&c, i);
		check_shared_flag(&c, i);
	}
	for (size_t i = 0; i < s->n_channels; i++)
		check_channel(&c, i);
	for (size_t i = 0; i < s->n_reports; i++)
		check_report(&c, i);
	config_check_guards(r, s);
}
