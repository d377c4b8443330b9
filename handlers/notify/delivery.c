#include "handlers/notify/delivery.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/core/clock.h"
#include "server/core/text.h"

#define BACKOFF_FIRST_US   (1 * US_PER_S)
#define BACKOFF_MOST_US    (300 * US_PER_S)
#define RETRY_AFTER_MOST_S 3600.0

static enum verdict said(enum verdict v, const struct fetch_result *r, char *error, size_t size)
{
	struct buf b = BUF(160);

	text_one_line(&b, r->body ? r->body : "", r->body_len, 120);
	snprintf(error, size, "HTTP %d%s%s", r->status, b.len ? ": " : "", buf_text(&b));
	buf_free(&b);
	return v;
}

enum verdict delivery_verdict(enum channel_kind kind, const struct fetch_result *r, char *error, size_t size)
{
	error[0] = '\0';
	if (r->error) {
		snprintf(error, size, "no answer: %s",
		         r->error_text && r->error_text[0] ? r->error_text : strerror(-r->error));
		return VERDICT_RETRY;
	}
	if (r->status == 429 || r->status >= 500)
		return said(VERDICT_RETRY, r, error, size);
	if (r->status < 200 || r->status >= 300)
		return said(VERDICT_REFUSED, r, error, size);
	if (kind == CHANNEL_SLACK && strcmp(r->body ? r->body : "", "ok") != 0)
		return said(VERDICT_RETRY, r, error, size); /* Slack says exactly "ok", or it did not take it */
	return VERDICT_SENT;
}

int64_t delivery_backoff_us(int64_t attempts, uint32_t random)
{
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
