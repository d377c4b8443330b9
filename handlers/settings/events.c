#include "handlers/settings/events.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "server/core/scope.h"

/* By weight: the first that fits names the message. */
static const struct {
	const char *word;
	unsigned bits;
} classes[] = {
	{"incident", EVENT_INCIDENT},
	{"page", EVENT_PAGE},
	{"rollout", EVENT_ROLLOUT},
	{"stage", EVENT_STAGE},
	{"plan", EVENT_PLAN},
	{"report", EVENT_REPORT},
	{"report.daily", EVENT_REPORT_DAILY},
	{"report.weekly", EVENT_REPORT_WEEKLY},
	{"report.final", EVENT_REPORT_FINAL},
	{"all", EVENT_ALL},
};

unsigned event_bits(const char *word)
{
	assert(word);
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (!strcmp(classes[i].word, word))
			return classes[i].bits;
	return 0;
}

const char *event_heard(unsigned said, unsigned heard)
{
	assert(!(said & ~(unsigned)EVENT_ALL));
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if ((said & classes[i].bits) && (heard & classes[i].bits) == classes[i].bits)
			return classes[i].word;
	return NULL;
}

unsigned event_of_report(const char *name)
{
	assert(name);
	char word[40];

	snprintf(word, sizeof(word), "report.%s", name);
	unsigned bits = event_bits(word);
	return bits ? bits : EVENT_REPORT;
}
