#include "handlers/api/flags.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/rollout.h"
#include "handlers/steps/flags_file.h"
#include "server/core/http_reply.h"
#include "server/core/text.h"

#define VALUE_MAX 256

struct reading {
	const char *text; /* of the flags file */
	size_t len;
	char why[300]; /* what is doubtful; "" nothing */
};

static struct json_object *typed_bool(const char *value)
{
	if (!strcmp(value, "true") || !strcmp(value, "false"))
		return json_object_new_boolean(value[0] == 't');
	return NULL;
}

static struct json_object *typed_int(const char *value)
{
	char *end = NULL;

	errno = 0;
	long long v = strtoll(value, &end, 10);
	return errno || end == value || *end ? NULL : json_object_new_int64(v);
}

static struct json_object *typed_string(const char *value)
{
	return json_object_new_string(value);
}

static const struct {
	const char *name;
	struct json_object *(*typed)(const char *value);
} types[] = {{"bool", typed_bool}, {"int", typed_int}, {"string", typed_string}};

static struct json_object *typed_value(const char *type, const char *value)
{
	assert(type && value);
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (!strcmp(types[i].name, type))
			return types[i].typed(value);
	return NULL;
}

bool flags_is_typed(const char *type, const char *value)
{
	struct json_object *v = typed_value(type, value);
	bool is = v != NULL;

	json_object_put(v);
	return is;
}

static void add_value(struct json_object *flags, const char *name, const char *type, struct reading *rd)
{
	assert(name && type && rd);
	char value[VALUE_MAX];
	int r = flags_text_value(rd->text, rd->len, name, value, sizeof(value));
	struct json_object *v = r == 0 ? typed_value(type, value) : NULL;

	if (!v && !rd->why[0])
		snprintf(rd->why, sizeof(rd->why),
		         r == -ENOENT ? "the flags file does not set %.100s" : "%.100s is no %.10s", name, type);
	json_add(flags, name, v);
}

static void add_values(struct json_object *flags, const struct rollout *r, struct reading *rd)
{
	for (size_t i = 0; i < r->n_values; i++)
		add_value(flags, r->values[i].name, r->values[i].type, rd);
}

static void add_percentage(struct json_object *o, struct json_object *flags, const struct rollout *r,
                           struct reading *rd)
{
	int32_t pct = -1;
	char why[256] = "";

	if (flags_text_get(rd->text, rd->len, r->flags_key, &pct, why, sizeof(why)) < 0) {
		pct = -1;
		snprintf(rd->why, sizeof(rd->why), "%s", why);
	}
	json_add_pct(o, "percentage", pct);
	json_add_pct(flags, r->flags_key, pct);
}

/* Not there yet: 0, as when it is there and nothing was changed. */
static int generation_of(struct db_conn *c, const char *rollout, int64_t *ret)
{
	assert(c && rollout && ret);
	struct rollout_row row = {0};
	int r = rollout_load(c, rollout, &row);

	*ret = row.generation;
	rollout_row_free(&row);
	return r == -ENOENT ? 0 : r;
}

/* bucket = murmur3_32(salt:key) * 10000 >> 32: deploy/sampling.md */
static struct json_object *sampling_json(const struct rollout *r)
{
	struct json_object *o = json_object_new_object();

	json_add_str(o, "salt", r->salt);
	json_add_str(o, "rule", "murmur3_32(salt:key)");
	return o;
}

/* The tag is that of the values, so a byte that changes nothing does not wake every service. */
static void answer(const struct http_req *req, struct http_reply *reply, struct json_object *o)
{
	const char *text = json_text(o), *known = req->header(req, "If-None-Match");
	char sha[65];

	if (text_sha256(text, strlen(text), sha) == 0)
		snprintf(reply->etag, sizeof(reply->etag), "\"%.32s\"", sha);
	if (known && reply->etag[0] && strstr(known, reply->etag)) {
		json_object_put(o);
		reply->status = 304;
		return;
	}
	api_answer(reply, 200, o, NULL);
}

void flags_answer(const struct api_read *q, struct http_reply *reply, const struct rollout *r)
{
	assert(q && reply && r);
	struct buf text = BUF(FLAGS_FILE_MAX);
	struct reading rd = {.why = ""};
	int64_t generation = 0;

	if (!r->flags_file) {
		http_error(reply, 404, "not_found", "rollout %s has no flags file", r->name);
		return;
	}
	/* Before the file: a service must never acknowledge a generation with the percentage of an older one. */
	int err = generation_of(q->conn, r->name, &generation);
	if (err < 0) {
		api_answer_errno(reply, err, "");
		return;
	}
	if (flags_file_load(r->flags_file, &text, rd.why, sizeof(rd.why)) < 0) {
		buf_free(&text);
		http_error(reply, 503, "unavailable", "%s", rd.why);
		return;
	}
	struct json_object *o = json_object_new_object(), *flags = json_object_new_object();
	rd.text = buf_text(&text);
	rd.len = text.len;
	json_add_str(o, "rollout", r->name);
	json_add_int(o, "generation", generation);
	add_percentage(o, flags, r, &rd);
	add_values(flags, r, &rd);
	json_add(o, "flags", flags);
	json_add(o, "sampling", sampling_json(r));
	buf_free(&text);
	if (rd.why[0]) {
		json_object_put(o);
		http_error(reply, 503, "unavailable", "the flags are doubtful: %s", rd.why);
		return;
	}
	answer(q->req, reply, o);
}
