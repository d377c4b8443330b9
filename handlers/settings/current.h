/*
 * The settings in force: one pointer, swapped by a reload, read by every thread.
 */
#ifndef HANDLERS_SETTINGS_CURRENT_H
#define HANDLERS_SETTINGS_CURRENT_H

#include "handlers/settings/settings.h"

/* A reference, for the caller to settings_unref. NULL only before the first current_set. Any thread. */
struct settings *current_settings(void);
/* Takes a reference of its own. Any thread. */
void current_set(struct settings *s);
/* It keeps a whole config in memory that is not in force any more: plan_get has a smaller one. Any thread. */
bool plan_is_outdated(const struct plan *p);

#endif
