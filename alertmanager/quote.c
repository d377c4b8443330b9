#include "alertmanager/quote.h"

#include <assert.h>
#include <stdio.h>
#include "server/core/buf.h"
#include "server/core/text.h"

const char *quote(char out[QUOTE_SIZE], const char *s, size_t len)
{
	assert(out && (s || len == 0));
	CLEANUP(buf_free) struct buf b = BUF(QUOTE_SIZE - 1);

	(void)text_one_line(&b, s, len, QUOTE_SIZE - 4);
	snprintf(out, QUOTE_SIZE, "%s", buf_text(&b));
	return out;
}
