/*
 * Settings from JSON, as it is kept of a config: no rule is asked.
 */
#ifndef TESTS_UNIT_SETTINGS_FIXTURE_H
#define TESTS_UNIT_SETTINGS_FIXTURE_H

#include <stdio.h>
#include <string.h>
#include "handlers/settings/settings.h"

/* 0, or -EINVAL with the first fault in why. */
static inline int settings_of(const char *json, struct settings **ret, char *why, size_t why_size)
{
	struct config_faults faults = {0};
	const struct config_reader r = {.file = "settings", .faults = &faults};
	int err = settings_read(&r, json, strlen(json), NULL, NULL, ret);

	snprintf(why, why_size, "%s", faults.n ? faults.line[0] : "");
	config_faults_free(&faults);
	return err;
}

#endif
