/* Matchers: the input is a matcher text, a newline, and the value of the label a. */
#include <stdlib.h>
#include <string.h>
#include "alertmanager/matcher.h"
#include "tests/fuzz/fuzz.h"

static void hold_twice(const struct matchers *m, const char *value)
{
	struct text_pair label = {"a", value};
	const char *failed = NULL;
	enum matchers_result first = matchers_judge(m, &label, 1, &failed);

	MUST((first == MATCHERS_YES) == (failed == NULL));
	MUST(first == matchers_judge(m, &label, 1, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct matcher_fault fault = {""};
	struct matchers m = {0};
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	char *value = strrchr(text, '\n');
	if (value)
		*value++ = '\0';
	if (matchers_add(&m, text, &fault) < 0)
		MUST(m.n == 0 && m.list == NULL && fault.why[0] != '\0');
	else
		hold_twice(&m, value ? value : "");
	matchers_free(&m);
	free(text);
	return 0;
}
