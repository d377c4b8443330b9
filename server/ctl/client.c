#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/ctl/ctl.h"
#include "server/ctl/show/words.h"

#define ANSWER_MAX (64 * 1024 * 1024)
#define ANSWER_MS  30000L
#define READY_MS   3000L

static size_t take_chunk(char *data, size_t size, size_t n, void *arg)
{
	return buf_add(arg, data, size * n) < 0 ? 0 : size * n;
}

static void escape(struct buf *b, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if ((*p >= '0' && *p <= '9') || ((*p | 32) >= 'a' && (*p | 32) <= 'z') || strchr("-._~", *p))
			buf_char(b, (char)*p);
		else
			buf_printf(b, "%%%02X", *p);
}

void ctl_param(struct buf *path, const char *key, const char *value)
{
	assert(path && path->len && key);
	if (!value)
		return;
	buf_printf(path, "%s%s=", path->data[path->len - 1] == '?' ? "" : "&", key);
	escape(path, value);
}

static void set_target(CURL *h, const struct ctl *c, const char *path, struct buf *url)
{
	assert(c->url && path);
	bool socket = !strncmp(c->url, "unix:", 5);
	size_t len = strlen(c->url);

	while (len > 0 && c->url[len - 1] == '/')
		len--;
	buf_printf(url, "%.*s%s", socket ? 16 : (int)len, socket ? "http://localhost" : c->url, path);
	if (socket)
		curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, c->url + 5);
	curl_easy_setopt(h, CURLOPT_URL, buf_text(url));
}

static CURLcode ask(CURL *h, const struct ctl *c, const char *method, const char *path, const char *body,
                    struct buf *answer)
{
	struct buf url = BUF(8192);
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");

	headers = curl_slist_append(headers, "Expect:");
	if (c->json)
		headers = curl_slist_append(headers, "Accept: application/json");
	set_target(h, c, path, &url);
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, c->timeout_ms ? c->timeout_ms : ANSWER_MS);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, 5L);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_chunk);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, answer);
	if (body)
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
	if (c->user && c->password) {
		curl_easy_setopt(h, CURLOPT_USERNAME, c->user);
		curl_easy_setopt(h, CURLOPT_PASSWORD, c->password);
	}
	CURLcode r = curl_easy_perform(h);
	curl_slist_free_all(headers);
	buf_free(&url);
	return r;
}

/* 421: by that name nobody is there, and nothing was asked. */
static int exit_code(long status)
{
	bool no_access = status == 401 || status == 403 || status == 421;

	if (status == 400)
		return CTL_USAGE;
	return no_access || status >= 500 ? CTL_UNREACHABLE : status >= 400 ? CTL_NO : CTL_YES;
}

/* All that an advance lacks. */
static void print_missing(struct json_object *o)
{
	struct json_object *missing = json_arr_of(json_obj_of(o, "data"), "missing");

	for (size_t i = 0; i < json_len(missing); i++)
		fprintf(stderr, "  - %s\n", json_str_or(json_item(missing, i), "text", ""));
}

static int read_answer(const struct ctl *c, long status, const struct buf *answer, struct json_object **ret)
{
	CLEANUP(json_cleanup) struct json_object *o = NULL;
	struct json_object *data = NULL;
	int code = exit_code(status);

	if (json_parse(buf_text(answer), answer->len, &o, NULL) < 0) {
		fprintf(stderr, "rollbackctl: HTTP %ld, and the answer is no JSON: is this rollbackd?\n", status);
		return CTL_UNREACHABLE;
	}
	if (code || !c->json)
		show_inert(o);
	if (code) {
		fprintf(stderr, "rollbackctl: %s%s\n", json_str_or(o, "error", "refused without a reason"),
		        status == 401 ? " (set ROLLBACKD_USER and ROLLBACKD_PASSWORD_FILE)" : "");
		print_missing(o);
		return code;
	}
	if (status / 100 != 2 || strcmp(json_str_or(o, "status", ""), "success") != 0) {
		fprintf(stderr, "rollbackctl: HTTP %ld, and the answer is not rollbackd's: who is at that address?\n",
		        status);
		return CTL_UNREACHABLE;
	}
	if (json_object_object_get_ex(o, "data", &data))
		*ret = json_object_get(data);
	return 0;
}

static CURLcode try(const struct ctl *c, const char *method, const char *path, const char *body, struct buf *answer,
                    long *ret_status)
{
	assert(method && path && answer && ret_status);
	CURL *h = curl_easy_init();

	if (!h)
		return CURLE_FAILED_INIT;
	CURLcode e = ask(h, c, method, path, body, answer);
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, ret_status);
	curl_easy_cleanup(h);
	return e;
}

/* To connect to a unix socket is to write to it. */
static const char *why_not(const struct ctl *c, CURLcode e)
{
	if (!strncmp(c->url, "unix:", 5) && access(c->url + 5, W_OK) < 0 && errno == EACCES)
		return "permission denied: root, its own user and the group of the socket may connect (usually "
		       "rollbackctl)";
	return curl_easy_strerror(e);
}

static void say_silence(const struct ctl *c, CURLcode e)
{
	if (c->mute)
		return;
	fprintf(stderr, "rollbackctl: rollbackd at %s does not answer: %s\n", c->url, why_not(c, e));
	if (!c->quiet)
		fputs("rollbackctl: to roll back without it: rollbackctl rollback ROLLOUT --stage current "
		      "--or-offline\n",
		      stderr);
}

/* 0: an answer came. */
static int perform(const struct ctl *c, const char *method, const char *path, const char *body, struct buf *answer,
                   long *ret_status)
{
	CURLcode e = try(c, method, path, body, answer, ret_status);

	if (c->status)
		*c->status = e == CURLE_OK ? *ret_status : 0;
	if (e == CURLE_OK)
		return 0;
	say_silence(c, e);
	return CTL_UNREACHABLE;
}

bool ctl_is_ready(const struct ctl *c)
{
	assert(c);
	CLEANUP(buf_free) struct buf answer = BUF(65536);
	struct ctl hasty = *c;
	long status = 0;

	hasty.timeout_ms = READY_MS;
	return try(&hasty, "GET", "/-/ready", NULL, &answer, &status) == CURLE_OK && status == 200;
}

int ctl_call(const struct ctl *c, const char *method, const char *path, struct json_object *body,
             struct json_object **ret_data)
{
	assert(c && method && path && ret_data);
	CLEANUP(json_cleanup) struct json_object *sent = body;
	CLEANUP(buf_free) struct buf answer = BUF(ANSWER_MAX);
	long status = 0;
	int r = perform(c, method, path, sent ? json_text(sent) : NULL, &answer, &status);

	return r ? r : read_answer(c, status, &answer, ret_data);
}

static void path_of(struct buf *path, const char *list, const char *name, const char *what)
{
	buf_printf(path, "/api/v1/%s/", list);
	escape(path, name);
	buf_str(path, what);
}

int ctl_ask(const struct ctl *c, const char *method, const char *list, const char *name, const char *what,
            struct json_object *body, struct json_object **ret_data)
{
	assert(list && name && what);
	CLEANUP(buf_free) struct buf path = BUF(8192);

	path_of(&path, list, name, what);
	return ctl_call(c, method, buf_text(&path), body, ret_data);
}

int ctl_show(const struct ctl *c, const char *list, const char *name, const char *what,
             void (*show)(struct json_object *))
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	int r = ctl_ask(c, "GET", list, name, what, NULL, &data);

	if (r == 0)
		ctl_print(c, data, show);
	return r;
}

int ctl_incident(const struct ctl *c, int64_t id, struct json_object **ret_data)
{
	assert(id > 0);
	char name[24];

	snprintf(name, sizeof(name), "%lld", (long long)id);
	return ctl_ask(c, "GET", "incidents", name, "", NULL, ret_data);
}

void ctl_pause(void)
{
	const struct timespec pause = {.tv_nsec = 250 * 1000000L};

	nanosleep(&pause, NULL);
}

struct json_object *ctl_body(const char *key, ...)
{
	struct json_object *o = json_object_new_object();
	va_list ap;

	va_start(ap, key);
	for (; key; key = va_arg(ap, const char *)) {
		const char *value = va_arg(ap, const char *);

		if (value)
			json_add_str(o, key, value);
	}
	va_end(ap);
	return o;
}

int ctl_send(const struct ctl *c, const char *whom, const char *path, struct json_object *body)
{
	assert(c && whom && path);
	CLEANUP(json_cleanup) struct json_object *sent = body;
	CLEANUP(buf_free) struct buf answer = BUF(ANSWER_MAX);
	long status = 0;
	CURLcode e = try(c, "POST", path, json_text(sent), &answer, &status);

	if (e == CURLE_OK && status / 100 == 2)
		return 0;
	fprintf(stderr, "rollbackctl: %s at %s ", whom, c->url);
	if (e != CURLE_OK)
		fprintf(stderr, "does not answer: %s\n", curl_easy_strerror(e));
	else {
		CLEANUP(cleanup_free) char *why = show_harmless(buf_text(&answer));

		fprintf(stderr, "refused it with HTTP %ld: %.300s\n", status, why);
	}
	return CTL_UNREACHABLE;
}

int ctl_fetch(const struct ctl *c, const char *path, struct buf *ret)
{
	assert(c && path && ret);
	CLEANUP(json_cleanup) struct json_object *ignored = NULL;
	CLEANUP(buf_free) struct buf answer = BUF(ANSWER_MAX);
	long status = 0;
	int r = perform(c, "GET", path, NULL, &answer, &status);

	if (r)
		return r;
	if (status != 200)
		return read_answer(c, status, &answer, &ignored);
	return buf_add(ret, answer.data, answer.len) < 0 ? CTL_UNREACHABLE : 0;
}

int ctl_print_text(const struct ctl *c, const char *list, const char *name, const char *what)
{
	assert(list && name && what);
	CLEANUP(buf_free) struct buf path = BUF(8192), text = BUF(1024 * 1024);

	path_of(&path, list, name, what);
	int r = ctl_fetch(c, buf_text(&path), &text);
	CLEANUP(json_cleanup) struct json_object *o = c->json ? ctl_body("text", buf_text(&text), NO_MORE) : NULL;
	if (r == 0 && o)
		ctl_print(c, o, NULL);
	else if (r == 0) {
		CLEANUP(cleanup_free) char *shown = show_harmless(buf_text(&text));

		fputs(shown, stdout);
	}
	return r;
}
