/*
 * The flags of a rollout, and which side a key falls on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/sampling.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"
#include "server/ctl/show/words.h"
#include "server/ctl/local/flag.h"

static void show_flags(struct json_object *o)
{
	struct json_object *flags = json_obj_of(o, "flags");

	printf("%s, generation %lld\n", json_str_or(o, "rollout", ""), (long long)json_int_or(o, "generation", 0));
	if (!flags)
		return;
	json_object_object_foreach(flags, name, value)
	{
		printf("  %-32s %s\n", name, value ? json_object_get_string(value) : "unknown");
	}
}

/* The first stage, by number, whose percentage takes the bucket in. */
static struct json_object *first_stage(struct json_object *stages, uint32_t bucket, const char *environment)
{
	struct json_object *best = NULL;

	for (size_t i = 0; i < json_len(stages); i++) {
		struct json_object *s = json_item(stages, i);

		if (strcmp(json_str_or(s, "environment", ""), environment) != 0 ||
		    !sampling_on(bucket, json_pct_of(s, "percentage")))
			continue;
		if (!best || json_int_or(s, "number", 0) < json_int_or(best, "number", 0))
			best = s;
	}
	return best;
}

/* Stages of the environment that the daemon applies: the last stage's, which is where a rollout ends. */
static const char *environment_of(struct json_object *stages)
{
	size_t n = json_len(stages);

	return n ? json_str_or(json_item(stages, n - 1), "environment", "") : "";
}

/* What the services go by now: the flags file, where there is one; -1 when it is doubtful. */
static int32_t pct_now(struct json_object *o)
{
	int32_t in_file = json_pct_of(o, "percentage_in_file");

	return in_file >= 0 || json_str_or(o, "doubt", NULL) ? in_file : json_pct_of(o, "percentage_wanted");
}

struct explanation {
	const char *key, *salt;
	uint32_t bucket;
	int32_t now, wanted;
	struct json_object *first; /* stage; NULL: none takes it in. Borrowed. */
};

static void explain_json(const struct explanation *e)
{
	CLEANUP(json_cleanup) struct json_object *out = json_object_new_object();

	json_add_str(out, "key", e->key);
	json_add_str(out, "salt", e->salt);
	json_add_int(out, "bucket", e->bucket);
	json_add_pct(out, "percentage", e->now);
	json_add_pct(out, "percentage_wanted", e->wanted);
	json_add(out, "new", e->now < 0 ? NULL : json_object_new_boolean(sampling_on(e->bucket, e->now)));
	json_add(out, "from_stage", e->first ? json_object_new_int64(json_int_or(e->first, "number", 0)) : NULL);
	show_json(out, true);
}

static void explain_text(const struct explanation *e, const char *doubt)
{
	char now[16], wanted[16], place[16];
	bool on = sampling_on(e->bucket, e->now);

	text_pct(e->now, now, sizeof(now));
	text_pct(e->wanted, wanted, sizeof(wanted));
	text_pct((int32_t)e->bucket, place, sizeof(place));
	printf("%s stands at %s%% of all keys (bucket %u of 10000: murmur3_32(\"%s:%s\"))\n", e->key, place, e->bucket,
	       e->salt, e->key);
	if (e->now < 0)
		printf("the percentage is unknown, so nobody can say which side it takes now%s%s\n", *doubt ? ": " : "",
		       doubt);
	else
		printf("at %s%% it takes the %s way, because %s%% is %s %s%%\n", now, on ? "new" : "old", place,
		       on ? "below" : "not below", now);
	if (e->now >= 0 && e->wanted >= 0 && e->now != e->wanted)
		printf("(%s%% is what the flags file says; wanted is %s%%)\n", now, wanted);
	if (e->first)
		printf("it takes the new way from stage %lld (%s) on\n", (long long)json_int_or(e->first, "number", 0),
		       json_str_or(e->first, "name", ""));
	else
		puts("no stage takes it in");
}

static int explain(struct json_object *o, const char *key, bool as_json)
{
	struct json_object *stages = json_arr_of(o, "stages");
	struct explanation e = {.key = key,
	                        .salt = json_str_or(o, "salt", NULL),
	                        .now = pct_now(o),
	                        .wanted = json_pct_of(o, "percentage_wanted")};

	if (!e.salt || !stages)
		return CTL_UNKNOWN;
	e.bucket = sampling_bucket(e.salt, key);
	e.first = first_stage(stages, e.bucket, environment_of(stages));
	if (as_json)
		explain_json(&e);
	else
		explain_text(&e, json_str_or(o, "doubt", ""));
	return e.now < 0 ? CTL_UNKNOWN : CTL_YES;
}

/* The file has it; whether the service was told of it, too. */
static int say_set(struct ctl *c, const char *rollout, struct json_object *data)
{
	const char *untold = json_str_or(data, "untold", NULL);
	int64_t incident = json_int_or(data, "incident", 0);

	if (untold)
		fprintf(stderr, "rollbackctl: it stands in the file; no apply step was run: %s\n", untold);
	if (incident && ctl_has(c, "wait"))
		return ctl_follow(c, incident, 0, true);
	int r = ctl_show(c, "rollouts", rollout, "/flags", show_flags);
	if (r == 0 && incident && !c->json)
		printf("the apply steps run; how they end: rollbackctl incident %lld\n", (long long)incident);
	return r ? r : untold ? CTL_UNKNOWN : CTL_YES;
}

/* NAME=VALUE. The daemon asks for a reason; without it there is nobody to note one. */
int cmd_flags_set(struct ctl *c, int n, const char **words)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	const char *equals = strchr(words[1], '=');
	bool offline = ctl_has(c, "offline");

	(void)n;
	if (!equals || equals == words[1])
		return ctl_usage(c, "%s sets nothing", words[1]);
	if (ctl_has(c, "config") && !offline)
		return ctl_usage(c, "--config goes with --offline");
	if (ctl_has(c, "wait") && offline)
		return ctl_usage(c, "--wait does not go with --offline: no step is run");
	CLEANUP(cleanup_free) char *name = strndup(words[1], (size_t)(equals - words[1]));
	if (!name)
		return CTL_UNREACHABLE;
	if (offline)
		return local_set_flag(ctl_config(c), words[0], name, equals + 1, c->json);
	int r = ctl_ask(c, "POST", "rollouts", words[0], "/flags",
	                ctl_body("name", name, "value", equals + 1, "reason", ctl_value(c, "reason"), NO_MORE), &data);
	return r ? r : say_set(c, words[0], data);
}

int cmd_flags_explain(struct ctl *c, int n, const char **words)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	int r = ctl_ask(c, "GET", "rollouts", words[0], "", NULL, &data);

	(void)n;
	return r ? r : explain(data, ctl_value(c, "key"), c->json);
}

int cmd_flags(struct ctl *c, int n, const char **words)
{
	(void)n;
	return ctl_show(c, "rollouts", words[0], "/flags", show_flags);
}
