#include "handlers/notify/delivery.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/core/clock.h"
#include "server/core/json.h"
#include "server/core/text.h"

#define BACKOFF_FIRST_US   (1 * US_PER_S)
#define BACKOFF_MOST_US    (300 * US_PER_S)
#define RETRY_AFTER_MOST_S 3600.0
#define PAGE_MOST_US       (60 * US_PER_S)

static enum delivery_verdict said(enum delivery_verdict v, const struct fetch_result *r, char *error, size_t size)
{
	struct buf b = BUF(160);

	text_one_line(&b, r->body ? r->body : "", r->body_len, 120);
	snprintf(error, size, "HTTP %d%s%s", r->status, b.len ? ": " : "", buf_text(&b));
	buf_free(&b);
	return v;
}

/* --- what the body of a 2xx says ---
 *
 * Some services answer 200 and say no in the body: Slack and what speaks its format by a word (docs.slack.dev, incoming
 * webhooks: channel_not_found, rollup_error), JSON APIs by a member (Slack's ok, Discord's and Lark's code, DingTalk's
 * errcode, Mattermost's status_code), Microsoft Teams by a sentence ("Webhook message delivery failed with error:
 * Microsoft Teams endpoint returned HTTP error 429"). Everything else is a yes: "ok", "1", nothing, a page of HTML.
 */

#define WORD_MAX 80 /* bytes of an error word; Slack's longest is posting_to_general_channel_denied */

static bool holds_any(const char *text, const char *const *words, size_t n)
{
	assert(text && words);
	for (size_t i = 0; i < n; i++)
		if (strcasestr(text, words[i]))
			return true;
	return false;
}

/* A single word_in_snake_case, as Slack's errors are. */
static bool is_error_word(const char *s, size_t len)
{
	static const char *const parts[] = {"invalid", "error",    "denied",   "prohibited", "not_",   "no_",
	                                    "too_",    "archived", "disabled", "inactive",   "failed", "unavailable",
	                                    "limited", "timeout",  "missing",  "expired",    "revoked"};
	char word[WORD_MAX + 1];

	if (len > WORD_MAX || len == 0)
		return false;
	memcpy(word, s, len);
	word[len] = '\0';
	if (strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
		return false;
	return strcmp(word, "ratelimited") == 0 || (strchr(word, '_') && holds_any(word, parts, ARRAY_LEN(parts)));
}

static bool is_written(struct json_object *v, const char *const *texts, size_t n)
{
	const char *text = json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN);

	for (size_t i = 0; i < n; i++)
		if (strcmp(text, texts[i]) == 0)
			return true;
	return false;
}

static bool is_false(struct json_object *v)
{
	static const char *const texts[] = {"false", "0", "\"false\""};

	return is_written(v, texts, ARRAY_LEN(texts));
}

static bool is_something(struct json_object *v)
{
	static const char *const texts[] = {"null", "false", "0", "\"\"", "[]", "{}"};

	return !is_written(v, texts, ARRAY_LEN(texts));
}

/* 0 where a service counts its errors, 2xx where it repeats HTTP's status. */
static bool is_error_code(struct json_object *v)
{
	int64_t n = json_object_get_int64(v);

	return json_object_is_type(v, json_type_int) && n != 0 && (n < 200 || n >= 300);
}

static bool is_failure(struct json_object *v)
{
	static const char *const words[] = {"error", "fail"};

	return json_object_is_type(v, json_type_string) &&
	       holds_any(json_object_get_string(v), words, ARRAY_LEN(words));
}

static bool object_says_no(struct json_object *o)
{
	static const struct {
		const char *key;
		bool (*no)(struct json_object *);
	} members[] = {
		{"ok", is_false},
		{"success", is_false},
		{"error", is_something},
		{"errors", is_something},
		{"errcode", is_error_code},
		{"code", is_error_code},
		{"StatusCode", is_error_code},
		{"status_code", is_error_code},
		{"status", is_failure},
	};
	struct json_object *v = NULL;

	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		if (json_object_object_get_ex(o, members[i].key, &v) && members[i].no(v))
			return true;
	return false;
}

static bool body_says_no(const char *body, size_t len)
{
	static const char *const sentences[] = {"message delivery failed", "endpoint returned HTTP error"};
	CLEANUP(json_cleanup) struct json_object *o = NULL;

	while (len && isspace((unsigned char)*body)) {
		body++;
		len--;
	}
	while (len && isspace((unsigned char)body[len - 1]))
		len--;
	if (len && *body == '{' && json_parse(body, len, &o, NULL) == 0)
		return object_says_no(o);
	return is_error_word(body, len) || holds_any(body, sentences, ARRAY_LEN(sentences));
}

/* What will not change by itself; anything else that says no may pass. */
static bool is_for_good(const char *body)
{
	static const char *const words[] = {"not_found", "invalid",   "no_service", "no_team",
	                                    "no_text",   "no_active", "archived",   "prohibited",
	                                    "denied",    "too_many",  "too_long",   "revoked"};

	return holds_any(body, words, ARRAY_LEN(words));
}

static bool is_2xx(int status)
{
	return status >= 200 && status < 300;
}

enum delivery_verdict delivery_verdict(const struct fetch_result *r, char *error, size_t size)
{
	assert(r && error && size);
	const char *body = r->body ? r->body : "";

	error[0] = '\0';
	/* Whatever became of the rest of the answer, its first line said yes. */
	if (r->error && !is_2xx(r->status)) {
		snprintf(error, size, "no answer: %s",
		         r->error_text && r->error_text[0] ? r->error_text : strerror(-r->error));
		return VERDICT_RETRY;
	}
	/* 408 and 425 ask for the same request once more (RFC 9110, 15.5.9; RFC 8470, 5.2). */
	if (r->status == 408 || r->status == 425 || r->status == 429 || r->status >= 500)
		return said(VERDICT_RETRY, r, error, size);
	if (!is_2xx(r->status))
		return said(VERDICT_REFUSED, r, error, size);
	if (!body_says_no(body, r->body_len))
		return VERDICT_SENT;
	return said(is_for_good(body) ? VERDICT_REFUSED : VERDICT_RETRY, r, error, size);
}

int64_t delivery_backoff_us(int64_t attempts, uint32_t random)
{
	assert(attempts > 0);
	int64_t step = BACKOFF_FIRST_US;

	while (--attempts > 0 && step < BACKOFF_MOST_US)
		step *= 2;
	if (step > BACKOFF_MOST_US)
		step = BACKOFF_MOST_US;
	return step / 2 + (int64_t)((double)step / 2 * ((double)random / (double)UINT32_MAX));
}

int64_t delivery_retry_after_us(const char *header, int64_t now_us)
{
	struct tm tm = {0};
	char *end = NULL;

	if (!header || !header[0])
		return -1;
	double s = strtod(header, &end);
	if (end != header && *end == '\0') {
		if (!isfinite(s) || s < 0)
			return -1;
	} else {
		end = strptime(header, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		if (!end || *end)
			return -1;
		s = (double)timegm(&tm) - (double)now_us / (double)US_PER_S;
	}
	if (s > RETRY_AFTER_MOST_S)
		s = RETRY_AFTER_MOST_S;
	return s < 1 ? US_PER_S : (int64_t)(s * (double)US_PER_S);
}

int64_t delivery_wait_us(bool page, int64_t attempts, uint32_t random, const char *retry_after, int64_t now_us)
{
	int64_t wait = delivery_backoff_us(attempts, random), asked = delivery_retry_after_us(retry_after, now_us);

	wait = asked > wait ? asked : wait;
	return page && wait > PAGE_MOST_US ? PAGE_MOST_US : wait;
}
