/* What a scan of an expression finds, in words that a table of cases can hold. */
#ifndef TESTS_UNIT_PROMQL_TOLD_H
#define TESTS_UNIT_PROMQL_TOLD_H

#include <stdio.h>
#include <string.h>
#include "alertmanager/promql.h"
#include "server/core/buf.h"
#include "server/core/text.h"

/* "name span back" of each selector, ! for one behind an offset, "-" for no time; or "no". */
static char *told(const char *text)
{
	static char out[1000];
	struct promql p = {0};
	struct buf b = BUF(900);

	if (promql_scan(text, &p) < 0)
		return strcpy(out, "no");
	for (size_t i = 0; i < p.n; i++) {
		char span[32], back[32];

		text_duration(p.list[i].span_us, span, sizeof(span));
		text_duration(p.list[i].back_us, back, sizeof(back));
		buf_printf(&b, "%s%s%s %s %s", i ? ", " : "", p.list[i].name, p.list[i].shifted ? "!" : "", span, back);
	}
	snprintf(out, sizeof(out), "%s", buf_text(&b));
	buf_free(&b);
	promql_free(&p);
	return out;
}

#endif
