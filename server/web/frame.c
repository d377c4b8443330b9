/*
 * What stands around every page: head, style, who looks, how rollbackd itself is.
 */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/web/assets.h"
#include "server/web/private.h"

/* The style sheet stands in the page: its hash allows it, and nothing is asked for before a page can be read. */
static const char *style(void)
{
	return (const char *)asset_named("page.css")->plain;
}

/* --- the policy --- */

#define SHA256_SIZE 32
#define STUCK_US    (30 * US_PER_S)

static char policy[400];
static pthread_once_t policy_once = PTHREAD_ONCE_INIT;

static void base64(const unsigned char *in, size_t len, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t three = (uint32_t)in[i] << 16 | (i + 1 < len ? (uint32_t)in[i + 1] << 8 : 0) |
		                 (i + 2 < len ? in[i + 2] : 0);

		*out++ = digits[three >> 18 & 63];
		*out++ = digits[three >> 12 & 63];
		*out++ = i + 1 < len ? digits[three >> 6 & 63] : '=';
		*out++ = i + 2 < len ? digits[three & 63] : '=';
	}
	*out = '\0';
}

static void make_policy(void)
{
	unsigned char digest[SHA256_SIZE];
	char hash[48];

	int r = gnutls_hash_fast(GNUTLS_DIG_SHA256, style(), strlen(style()), digest);
	assert(r >= 0);
	(void)r;
	base64(digest, sizeof(digest), hash);
	snprintf(policy, sizeof(policy),
	         "default-src 'none'; style-src 'self' 'sha256-%s'; script-src 'self'; connect-src 'self'; img-src "
	         "'self'; "
	         "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	         hash);
}

const char *web_policy(void)
{
	pthread_once(&policy_once, make_policy);
	return policy;
}

/* --- how rollbackd itself is --- */

/* What waits for a moment is on its way. */
static void health_queued(struct buf *b, const struct web_page *p, int64_t queued)
{
	int64_t since = html_time_of(p->health, "queued_since");
	bool stuck = since && p->now_us - since > STUCK_US;

	html(b, stuck ? "<a class=\"not-ok\" href=\"/#health\">chat: %lld queued since " : "<span>chat: %lld queued",
	     (long long)queued);
	if (stuck)
		html_clock(b, since, p->now_us);
	html(b, stuck ? "</a>" : "</span>");
}

static void health_messages(struct buf *b, const struct web_page *p)
{
	int64_t queued = json_int_or(p->health, "queued", 0), dead = json_int_or(p->health, "undeliverable", 0);

	if (dead)
		html(b, "<a class=\"not-ok\" href=\"/#health\">chat: %lld could not be delivered</a>", (long long)dead);
	else if (queued)
		health_queued(b, p, queued);
	else
		html(b, "<span>chat ok</span>");
}

static void health_blind(struct buf *b, struct json_object *h)
{
	struct json_object *blind = json_obj_of(h, "blind");

	if (!blind || !json_object_object_length(blind)) {
		html(b, " · <span>watching ok</span>");
		return;
	}
	json_object_object_foreach(blind, name, why)
	{
		html(b, " · <a class=\"not-ok\" href=\"/rollouts/%s\">%s is not watched: %.*s</a>", name, name, 200,
		     json_object_get_string(why));
		break;
	}
	if (json_object_object_length(blind) > 1)
		html(b, " <span>and %d more</span>", json_object_object_length(blind) - 1);
}

static void health_heartbeat(struct buf *b, const struct web_page *p)
{
	int64_t at = html_time_of(p->health, "heartbeat_at");
	bool late = json_true(p->health, "heartbeat_late");

	if (!at && !late)
		return;
	html(b, late ? " · <a class=\"not-ok\" href=\"/#health\">heartbeat late: " : " · <span>heartbeat ");
	if (at)
		html_ago(b, at, p->now_us);
	else
		html(b, "it never came");
	html(b, late ? "</a>" : "</span>");
}

static void health(struct buf *b, const struct web_page *p)
{
	html(b, "<p id=\"health\">");
	if (p->health) {
		health_messages(b, p);
		health_blind(b, p->health);
		health_heartbeat(b, p);
		html(b,
		     json_true(p->health, "config_refused")
		             ? " · <a class=\"not-ok\" href=\"/#health\">the last reload of the config was refused</a>"
		             : " · <span>config ok</span>");
	}
	html(b, "</p>\n");
}

/* --- around --- */

static void attributes(struct buf *b, const struct web_page *p, const struct web_frame *f)
{
	html(b, " data-page=\"%s\"", f->page);
	if (f->id)
		html(b, " data-id=\"%lld\"", (long long)f->id);
	if (f->rollout)
		html(b, " data-rollout=\"%s\"", f->rollout);
	if (f->state)
		html(b, " data-state=\"%s\"", f->state);
	html(b, " data-seq=\"%lld\"", (long long)p->seq);
}

void frame_begin(struct buf *b, const struct web_page *p, const struct web_frame *f, const char *title)
{
	assert(b && p && p->user && f && f->page && title);
	const struct asset *script = asset_named("page.js");

	html(b,
	     "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	     "<meta name=\"color-scheme\" content=\"light dark\">\n<title>%s</title>\n<style>",
	     title);
	buf_str(b, style());
	html(b, "</style>\n");
	if (script)
		html(b, "<script type=\"module\" src=\"%s\"></script>\n", script->href);
	html(b, "</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header>\n"
	        "<p id=\"top\"><a href=\"/\">rollbackd</a>");
	if (p->environment[0])
		html(b, " · %s", p->environment);
	if (p->user[0])
		html(b, p->signed_in ? " · <a href=\"/login\">%s (%s)</a>" : " · %s (%s)", p->user,
		     p->operates ? "operator" : "viewer");
	html(b, "</p>\n");
	health(b, p);
	html(b, "</header>\n<div id=\"banner\" role=\"alert\" hidden></div>\n<main id=\"main\" tabindex=\"-1\"");
	attributes(b, p, f);
	html(b, ">\n");
}

void frame_end(struct buf *b)
{
	html(b, "</main>\n<p id=\"news\" role=\"status\" hidden></p>\n</body>\n</html>\n");
}

void part_begin(struct buf *b, const char *id, const char *heading)
{
	assert(id && heading);
	html(b, "<section id=\"%s\" aria-labelledby=\"h-%s\">\n<h2 id=\"h-%s\">%s</h2>\n", id, id, id, heading);
}

void part_end(struct buf *b)
{
	html(b, "</section>\n");
}

bool part_has_room(const struct buf *b, size_t start, size_t most)
{
	assert(b && b->len >= start);
	return b->len - start < most;
}
