/*
 * The API as programs read it: OpenAPI 3.0, made of the table of routes. What a row does not say is not in it.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "handlers/api/routes.h"
#include "server/core/http_reply.h"
#include "server/core/text.h"
#include "server/web/form.h"

#define WORD_MAX     64
#define PATH_MAX_LEN 256

/* --- what the words mean --- */

static const struct api_word params[] = {
	{NULL, "rollout", "string", "Only of this rollout", NULL, "shop"},
	{NULL, "limit", "integer", "At most so many, 1 to 500; else 50", NULL, "10"},
	{NULL, "cursor", "integer", "The next of the page before", NULL, "7"},
	{NULL, "since", "string", "Not before: a time (RFC 3339), or a duration ago (24h)", NULL, "24h"},
	{NULL, "until", "string", "Before: a time (RFC 3339), or a duration ago (24h)", NULL, "1h"},
	{NULL, "q", "string", "Only those in whose alerts, notes and outputs all these words stand", NULL, "web"},
	{NULL, "live", "string", "true: only those that are not over", "true,false", "true"},
	{NULL, "state", "string", "Only in this state",
         "pending,rolling_back,verifying,rolled_back,failed,held,cancelled,resolved", "failed"},
	{"/api/v1/incidents", "kind", "string", "Only of this kind", "auto,manual,drill", "auto"},
	{"/incidents", "kind", "string", "Only of this kind", "auto,manual,drill", "auto"},
	{NULL, "kind", "string", "Which report; else daily", "daily,weekly,final", "weekly"},
	{NULL, "next", "string", "Where it leads then: a path of this host", NULL, "/"},
	{NULL, "percentage", "number", "Of the share that must have gone the new way, 0 to 100", NULL, "50"},
	{NULL, "duration", "string", "So far back; else 7d", NULL, "1h"},
	{NULL, "threshold", "number", "The relative difference that counts; else 0.05", NULL, "0.05"},
};

static const struct api_word members[] = {
	{NULL, "rollout", "string", "The name of a rollout", NULL, NULL},
	{NULL, "severity", "string", "P0 rolls back at once", "P0,P1,P2,P3,P4,critical,error,warning,info", NULL},
	{NULL, "summary", "string", "What is wrong, in a sentence", NULL, NULL},
	{NULL, "note", "string", "What you want to be on the timeline", NULL, NULL},
	{NULL, "reason", "string", "Why", NULL, NULL},
	{NULL, "eta", "string", "A duration from now (2h), or a time; empty: none", NULL, NULL},
	{NULL, "step", "string", "approve: the step that is meant; else the one that waits", NULL, NULL},
	{NULL, "duration", "string", "extend: so much longer; freeze: for so long, 0s ends it", NULL, NULL},
	{NULL, "stage", "integer", "The number of a stage; a rollback names the current one", NULL, NULL},
	{NULL, "to", "number", "The percentage to go down to; else 0", NULL, NULL},
	{NULL, "name", "string", "Of a flag of the config, or of an evidence", NULL, NULL},
	{NULL, "value", "string", "What the flag becomes, of its type", NULL, NULL},
	{NULL, "channel", "string", "The name of a channel; else all", NULL, NULL},
	{NULL, "role", "string", "approve: the role in whose name", NULL, NULL},
	{NULL, "checklist", "string", "check: the name of a checklist", NULL, NULL},
	{NULL, "item", "string", "check: the item, its number or text", NULL, NULL},
	{NULL, "force", "boolean", "advance: although something is missing; with a reason", NULL, NULL},
	{NULL, "milestone", "string", "done: which one", NULL, NULL},
	{NULL, "verdict", "string", "evidence: what CI found", NULL, NULL},
	{NULL, "link", "string", "evidence: where it can be read", NULL, NULL},
	{NULL, "sha", "string", "evidence: of which commit", NULL, NULL},
	{NULL, "expires", "string", "evidence: a time, or a duration from now", NULL, NULL},
};

static const struct api_word *word_of(const struct api_word *words, size_t n, const char *pattern, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(words[i].name, name) && (!words[i].pattern || !strcmp(words[i].pattern, pattern)))
			return &words[i];
	return NULL;
}

const struct api_word *api_param(const struct api_route *r, const char *name)
{
	assert(r && name);
	return word_of(params, ARRAY_LEN(params), r->pattern, name);
}

const struct api_word *api_member(const struct api_route *r, const char *name)
{
	assert(r && name);
	return word_of(members, ARRAY_LEN(members), r->pattern, name);
}

/* The next word of "a,b,c"; false: there is none. */
static bool next_word(const char **list, char word[WORD_MAX])
{
	if (!*list || !**list)
		return false;
	size_t len = strcspn(*list, ",");
	assert(len < WORD_MAX);
	memcpy(word, *list, len);
	word[len] = '\0';
	*list += len + ((*list)[len] == ',');
	return true;
}

/* --- pieces --- */

static struct json_object *object_in(struct json_object *parent, const char *key)
{
	struct json_object *o = json_object_new_object();

	json_add(parent, key, o);
	return o;
}

static struct json_object *ref(const char *what)
{
	struct json_object *o = json_object_new_object();

	json_add_str(o, "$ref", what);
	return o;
}

static struct json_object *typed(const char *type)
{
	struct json_object *o = json_object_new_object();

	json_add_str(o, "type", type);
	return o;
}

static struct json_object *schema_of(const struct api_word *w)
{
	struct json_object *o = typed(w->type);
	const char *left = w->of;
	char word[WORD_MAX];

	if (!left)
		return o;
	struct json_object *of = json_object_new_array();
	json_add(o, "enum", of);
	while (next_word(&left, word))
		json_object_array_add(of, json_object_new_string(word));
	return o;
}

static void add_param(struct json_object *list, const char *in, const char *name, const char *help,
                      struct json_object *schema, const char *example)
{
	struct json_object *o = json_object_new_object();

	json_add_str(o, "name", name);
	json_add_str(o, "in", in);
	if (!strcmp(in, "path"))
		json_add_bool(o, "required", true);
	json_add_str(o, "description", help);
	json_add(o, "schema", schema);
	if (example)
		json_add_str(o, "example", example);
	json_object_array_add(list, o);
}

/* --- the path --- */

/* What stands behind these folders. */
static const struct {
	const char *folder, *name, *type, *help;
} places[] = {
	{"incidents", "id", "integer", "The number of an incident"},
	{"rollouts", "name", "string", "The name of a rollout"},
	{"notifications", "id", "integer", "The number of a message"},
	{"assets", "name", "string", "The name of a file, as a page has it"},
};

/* Appends the name of the '*' behind the path so far, in braces, and a parameter for it. */
static void add_place(struct buf *path, struct json_object *list)
{
	const char *slash = strrchr(buf_text(path), '/');
	char folder[WORD_MAX];

	/* "/incidents/": the folder is what stands between the last two. */
	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - buf_text(path)) : 0, buf_text(path));
	const char *last = strrchr(folder, '/');
	for (size_t i = 0; last && i < ARRAY_LEN(places); i++)
		if (!strcmp(last + 1, places[i].folder)) {
			buf_printf(path, "{%s}", places[i].name);
			add_param(list, "path", places[i].name, places[i].help, typed(places[i].type), NULL);
			return;
		}
	assert(!"a '*' behind a folder that has no name in the table places");
}

/* word: what stands for the second '*'. */
static void path_of(const struct api_route *r, const char *word, struct buf *path, struct json_object *list)
{
	int n = 0;

	for (const char *p = r->pattern; *p; p++) {
		if (*p != '*')
			buf_char(path, *p);
		else if (n++ == 0)
			add_place(path, list);
		else
			buf_str(path, word);
	}
}

/* --- what is sent, what comes --- */

static void add_query(const struct api_route *r, struct json_object *list)
{
	const char *left = r->params;
	char word[WORD_MAX];

	while (next_word(&left, word)) {
		const struct api_word *w = api_param(r, word);

		assert(w);
		add_param(list, "query", word, w->help, schema_of(w), w->example);
	}
}

static struct json_object *body_schema(const struct api_route *r)
{
	struct json_object *schema = typed("object"), *properties = object_in(schema, "properties");
	const char *left = r->body;
	char word[WORD_MAX];

	while (next_word(&left, word)) {
		const struct api_word *w = api_member(r, word);
		struct json_object *o = w ? schema_of(w) : typed("string");

		if (w)
			json_add_str(o, "description", w->help);
		json_object_object_add(properties, word, o);
	}
	if (r->form) {
		struct json_object *token = typed("string"), *required = json_object_new_array();

		json_add_str(token, "description", "Of the page that the form stood on");
		json_add(properties, FORM_TOKEN, token);
		json_object_array_add(required, json_object_new_string(FORM_TOKEN));
		json_add(schema, "required", required);
	}
	json_add_bool(schema, "additionalProperties", false);
	return schema;
}

static void add_body(const struct api_route *r, struct json_object *op)
{
	bool any = r->body && !r->form;

	if (!r->body)
		return;
	struct json_object *body = object_in(op, "requestBody"), *content = object_in(body, "content");
	struct json_object *type =
		object_in(content, r->form ? "application/x-www-form-urlencoded" : "application/json");
	json_add_bool(body, "required", !any);
	json_add(type, "schema", !strcmp(r->body, "*") ? ref("#/components/schemas/Webhook") : body_schema(r));
}

static struct json_object *data_schema(const struct api_route *r)
{
	struct json_object *o = typed("object"), *properties = object_in(o, "properties");
	struct json_object *status = typed("string"), *data = typed(r->list ? "array" : "object");

	json_add(properties, "status", status);
	json_add(properties, "data", data);
	if (r->list)
		json_add(data, "items", typed("object"));
	if (r->list && text_is_listed("limit", r->params))
		json_add(properties, "next", typed("string"));
	return o;
}

static void add_type(struct json_object *content, const char *type, struct json_object *schema)
{
	json_add(object_in(content, type), "schema", schema);
}

static void add_good(const struct api_route *r, struct json_object *answers)
{
	bool leads = r->form && !r->type;
	struct json_object *good = object_in(answers, leads ? "303" : "200");

	json_add_str(good, "description", leads ? "Done; Location shows it" : "Done");
	if (leads)
		return;
	struct json_object *content = object_in(good, "content");
	if (r->type)
		add_type(content, r->type, typed("string"));
	else
		add_type(content, "application/json", data_schema(r));
	if (r->type_too)
		add_type(content, r->type_too,
		         typed(strcmp(r->type_too, "application/json") != 0 ? "string" : "object"));
}

static void add_answers(const struct api_route *r, struct json_object *op)
{
	const struct {
		bool there;
		const char *status, *why;
	} bad[] = {
		{true, "400", "A parameter, or a member of the body, that it does not know or cannot understand"},
		{(r->roles & ROLE_ALL) != 0, "401", "Nobody knows who asks"},
		{r->roles != 0, "403", "The role is missing, or the page of another site asks"},
		{strchr(r->pattern, '*') != NULL, "404", "There is no such thing"},
		{r->method != HTTP_GET, "409", "Not in this state; the sentence says what stands in the way"},
		{r->method != HTTP_GET, "413", "The body is too long"},
		{r->method != HTTP_GET, "415", "The body has another Content-Type"},
		{r->roles != 0, "421", "It does not go by the name in Host"},
		{true, "503", "Not now; Retry-After says when"},
	};
	struct json_object *answers = object_in(op, "responses");

	add_good(r, answers);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (bad[i].there) {
			struct json_object *one = json_object_new_object();

			json_add_str(one, "description", bad[i].why);
			add_type(object_in(one, "content"), "application/json", ref("#/components/schemas/Error"));
			json_object_object_add(answers, bad[i].status, one);
		}
}

/* --- the whole --- */

/* An empty list of roles stands for everybody who is known; a route without roles is open. */
static void add_roles(const struct api_route *r, struct json_object *op)
{
	static const char *const names[] = {"webhook", "viewer", "operator", "evidence"};
	struct json_object *roles = json_object_new_array(), *ways = json_object_new_array();

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (r->roles & http_role_find(names[i]))
			json_object_array_add(roles, json_object_new_string(names[i]));
	json_add(op, "x-roles", roles);
	json_add(op, "security", ways);
	if (!(r->roles & ROLE_ALL))
		return;
	static const char *const schemes[] = {"password", "session"};
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		struct json_object *way = json_object_new_object();

		json_object_object_add(way, schemes[i], json_object_new_array());
		json_object_array_add(ways, way);
	}
}

static const char *method_word(enum http_method m)
{
	return m == HTTP_GET ? "get" : m == HTTP_POST ? "post" : "put";
}

static void add_route(struct json_object *paths, const struct api_route *r, const char *word)
{
	CLEANUP(buf_free) struct buf path = BUF(PATH_MAX_LEN);
	struct json_object *op = json_object_new_object(), *list = json_object_new_array(), *item = NULL;

	json_add_str(op, "summary", r->summary ? r->summary : "");
	json_add(op, "parameters", list);
	path_of(r, word, &path, list);
	add_query(r, list);
	add_body(r, op);
	add_answers(r, op);
	add_roles(r, op);
	assert(!path.error);
	if (!json_object_object_get_ex(paths, buf_text(&path), &item)) {
		item = json_object_new_object();
		json_object_object_add(paths, buf_text(&path), item);
	}
	json_object_object_add(item, method_word(r->method), op);
}

static void add_paths(struct json_object *doc)
{
	struct json_object *paths = object_in(doc, "paths");
	size_t n;
	const struct api_route *routes = api_routes(&n);

	for (size_t i = 0; i < n; i++) {
		const char *left = routes[i].words;
		char word[WORD_MAX];

		if (!left)
			add_route(paths, &routes[i], "");
		while (next_word(&left, word))
			add_route(paths, &routes[i], word);
	}
}

static void add_components(struct json_object *doc)
{
	struct json_object *components = object_in(doc, "components"), *schemas = object_in(components, "schemas");
	struct json_object *error = typed("object"), *members_of = object_in(error, "properties");
	struct json_object *ways = object_in(components, "securitySchemes");
	struct json_object *password = object_in(ways, "password"), *session = object_in(ways, "session");

	json_add(members_of, "status", typed("string"));
	json_add(members_of, "errorType", typed("string"));
	json_add(members_of, "error", typed("string"));
	json_add(schemas, "Error", error);
	struct json_object *webhook = typed("object");
	json_add_str(webhook, "description", "Alertmanager's webhook, version 4, and its relatives");
	json_add(schemas, "Webhook", webhook);
	json_add_str(password, "type", "http");
	json_add_str(password, "scheme", "basic");
	json_add_str(session, "type", "apiKey");
	json_add_str(session, "in", "cookie");
	json_add_str(session, "name", "rollbackd");
	json_add_str(session, "description", "After signing in at /login; __Host-rollbackd where it is HTTPS");
}

struct json_object *openapi_document(const char *version)
{
	assert(version);
	struct json_object *doc = json_object_new_object(), *info = NULL, *servers = json_object_new_array();

	json_add_str(doc, "openapi", "3.0.3");
	info = object_in(doc, "info");
	json_add_str(info, "title", "rollbackd");
	json_add_str(info, "description", "Rolls back what an alert asks for, sees that it happened, and says so.");
	json_add_str(info, "version", version);
	json_add(doc, "servers", servers);
	struct json_object *here = json_object_new_object();
	json_add_str(here, "url", "/");
	json_object_array_add(servers, here);
	add_paths(doc);
	add_components(doc);
	return doc;
}

enum http_verdict openapi_show(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                               const char *word)
{
	CLEANUP(json_cleanup) struct json_object *doc = openapi_document(a->version);

	(void)req;
	(void)segment;
	(void)word;
	reply->body.max = API_BODY_MAX;
	buf_str(&reply->body, json_text(doc));
	buf_char(&reply->body, '\n');
	return HTTP_REPLIED;
}
