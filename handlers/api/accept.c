#include "handlers/api/accept.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WHOLE 1000 /* a quality of 1 */

/* The value of a weight, "0.5", in thousandths. */
static int thousandths(const char *text)
{
	int v = (*text == '1') * WHOLE;

	if (text[0] && text[1] == '.')
		for (int i = 2, unit = WHOLE / 10; unit && text[i] >= '0' && text[i] <= '9'; i++, unit /= 10)
			v += (text[i] - '0') * unit;
	return v < WHOLE ? v : WHOLE;
}

/* Of one member of an Accept header, "type;a=b;q=0.5": the weight behind the type. */
static int weight(const char *params, size_t len)
{
	assert(params);
	const char *end = params + len;

	for (const char *p = params; p < end; p++) {
		if (*p != ';')
			continue;
		const char *name = p + 1 + strspn(p + 1, " \t");
		if (name + 1 < end && (*name == 'q' || *name == 'Q') && name[1] == '=')
			return thousandths(name + 2);
	}
	return WHOLE;
}

/* The weight that accept gives a media range; -1: it does not name it. */
static int quality(const char *accept, const char *range)
{
	assert(accept && range);
	size_t len = strlen(range);

	while (*accept) {
		accept += strspn(accept, ", \t");
		size_t n = strcspn(accept, ","), type = strcspn(accept, ",; \t");

		if (type == len && !strncasecmp(accept, range, len))
			return weight(accept + type, n - type);
		accept += n;
	}
	return -1;
}

bool accept_prefers(const char *accept, const char *type, const char *usual)
{
	assert(type && usual && strchr(usual, '/'));
	int wanted = accept ? quality(accept, type) : -1, other = wanted > 0 ? quality(accept, usual) : -1;
	char range[64];

	snprintf(range, sizeof(range), "%.*s/*", (int)strcspn(usual, "/"), usual);
	if (wanted > 0 && other < 0)
		other = quality(accept, range);
	if (wanted > 0 && other < 0)
		other = quality(accept, "*/*");
	return wanted > 0 && wanted >= other;
}
