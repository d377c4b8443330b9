/*
 * rollbackctl notify test: does each channel take a message? Asked before it is needed.
 */
#include <stdio.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"

#define PATIENCE_US (60 * US_PER_S)

/* What became of it: "sent", or why not. 0, or an exit code. */
static int look(const struct ctl *c, struct json_object *message, struct json_object **ret)
{
	CLEANUP(cleanup_free) char *id = text_format("%lld", (long long)json_int_or(message, "id", 0));

	return ctl_ask(c, "GET", "notifications", id ? id : "", "", NULL, ret);
}

static bool waits(struct json_object *message)
{
	return !strcmp(json_str_or(message, "state", ""), "queued");
}

/* A first refusal is worth telling at once, but it is tried again. */
static int follow(const struct ctl *c, struct json_object *message, struct json_object **ret)
{
	for (int64_t until = clock_mono_us() + PATIENCE_US;; ctl_pause()) {
		CLEANUP(json_cleanup) struct json_object *now = NULL;
		int r = look(c, message, &now);

		if (r)
			return r;
		if (!waits(now) || clock_mono_us() >= until) {
			*ret = TAKE(now);
			return 0;
		}
	}
}

static int verdict(struct json_object *message)
{
	const char *state = json_str_or(message, "state", "");

	return !strcmp(state, "sent") ? CTL_YES : waits(message) ? CTL_UNKNOWN : CTL_NO;
}

static void show(struct json_object *message)
{
	const char *error = json_str_or(message, "error", "");

	printf("%s: %s%s%s\n", json_str_or(message, "channel", ""), json_str_or(message, "state", ""),
	       error[0] ? ": " : "", error);
}

int cmd_notify_test(struct ctl *c, int n, const char **words)
{
	CLEANUP(json_cleanup) struct json_object *sent = NULL, *all = json_object_new_array();
	int r = ctl_call(c, "POST", "/api/v1/notifications", ctl_body("channel", words[0], NO_MORE), &sent);
	int worst = CTL_YES;

	(void)n;
	for (size_t i = 0; r == 0 && i < json_len(sent); i++) {
		struct json_object *message = NULL;

		r = follow(c, json_item(sent, i), &message);
		if (r)
			break;
		worst = verdict(message) == CTL_YES || worst == CTL_NO ? worst : verdict(message);
		if (!c->json)
			show(message);
		json_object_array_add(all, message);
	}
	if (r == 0 && c->json)
		ctl_print(c, all, NULL);
	return r ? r : worst;
}
