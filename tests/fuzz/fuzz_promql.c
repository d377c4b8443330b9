/* PromQL: whatever the text, what is told of it lies inside of it and is bounded. */
#include <stdlib.h>
#include <string.h>
#include "alertmanager/promql.h"
#include "alertmanager/promql_duration.h"
#include "tests/fuzz/fuzz.h"

#define DURATION_MOST 10000000000000000 /* 10^10 s */

static void check(const char *text, const struct promql *p)
{
	const char *end = text + strlen(text);

	MUST(p->n <= PROMQL_SELECTORS_MAX);
	for (size_t i = 0; i < p->n; i++) {
		const struct promql_selector *s = &p->list[i];

		MUST(s->name && s->text >= text && s->text + s->len <= end);
		MUST(!s->last || (s->last >= text && s->last + s->last_len <= end));
		MUST(s->span_us >= 0 && s->back_us >= 0 && s->lag_us >= 0);
	}
	MUST(promql_back(p) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct promql_ages ages = {0};
	struct promql p = {0};
	char *text = malloc(size + 1);
	int64_t us;

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (promql_scan(text, &p) == 0)
		check(text, &p);
	promql_free(&p);
	if (promql_ages(text, true, &ages) == 0) {
		MUST(ages.n > 0 && ages.n <= PROMQL_AGES_MAX);
		promql_ages_free(&ages);
	}
	(void)promql_is_closed(text);
	if (promql_duration(text, strlen(text), &us) == 0)
		MUST(us >= -DURATION_MOST && us <= DURATION_MOST);
	free(text);
	return 0;
}
