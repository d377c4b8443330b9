#include "handlers/offline/journal.h"

#include <assert.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "server/core/clock.h"

static void who_it_is(char *out, size_t size)
{
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *pw = getpwuid(getuid());

	if (sudo && sudo[0])
		snprintf(out, size, "%s", sudo);
	else if (pw)
		snprintf(out, size, "%s", pw->pw_name);
	else
		snprintf(out, size, "uid %u", (unsigned)getuid());
}

struct json_object *journal_record(const char *rollout, const char *reason, int64_t stage)
{
	assert(rollout && stage >= -1);
	struct json_object *o = json_object_new_object();
	uint64_t random = (uint64_t)clock_wall_us();
	char id[20], who[100];

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random ^= (uint64_t)getpid() << 48;
	snprintf(id, sizeof(id), "%016llx", (unsigned long long)random);
	who_it_is(who, sizeof(who));
	json_add_int(o, "version", 1);
	json_add_str(o, "id", id);
	json_add_str(o, "rollout", rollout);
	json_add_time(o, "at", clock_wall_us());
	json_add_str(o, "who", who);
	json_add_str(o, "reason", reason);
	if (stage >= 0)
		json_add_int(o, "stage", stage);
	json_add_str(o, "verified", "unknown");
	json_add(o, "steps", json_object_new_array());
	return o;
}

void journal_record_step(struct json_object *record, const struct step *s, const char *text, int64_t since_us)
{
	assert(record && s && text);
	struct json_object *o = json_object_new_object();

	json_add_str(o, "name", s->name);
	json_add_str(o, "kind", step_kind_name(s->kind));
	json_add_bool(o, "ok", s->state == STEP_DONE);
	json_add_str(o, "text", text);
	json_add_time(o, "at", since_us);
	json_add_time(o, "ended_at", clock_wall_us());
	json_object_array_add(json_arr_of(record, "steps"), o);
}

void journal_record_at(struct json_object *record, int32_t from, int32_t to, int32_t after)
{
	assert(record);
	json_add_pct(record, "from", from);
	json_add_pct(record, "to", to);
	json_add_pct(record, "after", after);
}

void journal_record_end(struct json_object *record, const struct incident *inc, bool seen, const char *note)
{
	assert(record && inc && note);
	struct json_object *conditions = json_object_new_object();
	bool no = false;

	for (int i = CONDITION_WRITTEN; i <= CONDITION_EFFECTIVE; i++) {
		const struct condition *c = &inc->condition[i];

		if (!c->at_us) /* not asked for */
			continue;
		struct json_object *o = json_object_new_object();
		no |= c->state == STATUS_NO;
		json_add_str(o, "state", condition_status_name(c->state));
		json_add_str(o, "note", c->note ? c->note : "");
		json_object_object_add(conditions, condition_name((enum condition_type)i), o);
	}
	json_add(record, "verification", conditions);
	json_add_pct(record, "seen", inc->pct_seen);
	json_add_int(record, "rounds", inc->verify_rounds);
	json_add_time(record, "applied_at", inc->applied_at_us);
	json_add_time(record, "ended_at", clock_wall_us());
	json_add_str(record, "verified", seen ? "yes" : no ? "no" : "unknown");
	json_add_str(record, "note", note);
}
