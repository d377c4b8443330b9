#include "handlers/notify/input.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/buf.h"
#include "server/core/text.h"

#define PLAIN_MAX (40 * 1024) /* bytes; the longest text with every character escaped is shorter */

/* As the shipped program for Slack does. */
static void add_inert(struct buf *b, const char *text)
{
	static const struct {
		char c;
		const char *instead;
	} marks[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'@', "@\u200b"}};

	for (; *text; text++) {
		const char *instead = NULL;

		for (size_t i = 0; i < ARRAY_LEN(marks); i++)
			if (*text == marks[i].c)
				instead = marks[i].instead;
		if (instead)
			buf_str(b, instead);
		else
			buf_char(b, *text);
	}
}

char *message_plain(enum channel_kind kind, struct json_object *input)
{
	assert(input);
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	CLEANUP(buf_free) struct buf b = BUF(PLAIN_MAX);
	const char *text = json_str_or(input, "text", "");

	if (kind == CHANNEL_SLACK)
		add_inert(&b, text);
	else
		buf_str(&b, text);
	buf_printf(&b, "(message %s)", json_str_or(input, "id", ""));
	json_add_str(o, "text", buf_text(&b));
	return strdup(json_text(o));
}

struct json_object *message_input(const struct db *db, const struct message *m)
{
	assert(db && m && m->id > 0 && m->body);
	struct json_object *o = json_tokener_parse(m->body);
	const char *uuid = db_uuid_of(db, DB_MESSAGE, m->id), *dot = uuid[0] ? "." : "";
	char id[128];

	if (!o || !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		o = json_object_new_object();
	}
	if (m->incident_id)
		snprintf(id, sizeof(id), "%lld.%lld%s%s", (long long)m->incident_id, (long long)m->number, dot, uuid);
	else
		snprintf(id, sizeof(id), "m%lld%s%s", (long long)m->id, dot, uuid);
	json_add_str(o, "id", id);
	json_add_str(o, "event", m->event);
	json_add_time(o, "at", m->queued_at_us);
	json_add(o, "late", NULL);
	json_add_int(o, "number", m->number);
	return o;
}

/* When it was queued is part of it: a database that was restored from a backup counts on from old numbers. */
void message_key(const struct db *db, const struct message *m, char *out, size_t size)
{
	assert(db && m && m->id > 0 && out && size > 0);
	const char *uuid = db_uuid_of(db, DB_MESSAGE, m->id);

	if (uuid[0])
		snprintf(out, size, "Idempotency-Key: rollbackd-%s-%lld-%llx", uuid, (long long)m->id,
		         (unsigned long long)m->queued_at_us);
	else
		snprintf(out, size, "Idempotency-Key: rollbackd-%lld", (long long)m->id);
}
