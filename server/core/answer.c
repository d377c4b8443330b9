#include "server/core/answer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "server/core/text.h"

#define BODY_SHOWN 200 /* bytes */
#define URL_SHOWN  120

bool answer_is_good(const struct fetch_result *r)
{
	assert(r);
	return r->error == 0 && r->status >= 200 && r->status <= 299 && r->status != 206;
}

void answer_failure(struct buf *b, const struct fetch_result *r, int64_t timeout_us)
{
	assert(b && r && timeout_us >= 0);
	char limit[32];

	text_duration(timeout_us, limit, sizeof(limit));
	if (r->error == -ETIMEDOUT)
		buf_printf(b, "no answer within %s", limit);
	else if (r->error)
		buf_printf(b, "no answer: %s", r->error_text[0] ? r->error_text : strerrordesc_np(-r->error));
	else
		buf_printf(b, "answered %d", r->status);
	if (r->error)
		return;
	if (r->status >= 300 && r->status <= 399)
		buf_str(b, ", a redirect, which is not followed");
	if (r->body_len == 0)
		return;
	buf_str(b, ": ");
	text_one_line(b, r->body, r->body_len, BODY_SHOWN);
}

void answer_url(struct buf *b, const char *url)
{
	assert(b && url);
	text_one_line(b, url, strcspn(url, "?#"), URL_SHOWN);
}
