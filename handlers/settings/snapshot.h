/*
 * Snapshots: the config that an incident goes by, read once and shared by everybody who asks for its hash.
 *
 * Any thread. What is returned is read-only; strings borrow from it until plan_unref.
 */
#ifndef HANDLERS_SETTINGS_SNAPSHOT_H
#define HANDLERS_SETTINGS_SNAPSHOT_H

#include "db/config.h"
#include "handlers/settings/settings.h"

/* The plan under that hash. -ENOENT, -EINVAL, -ENOMEM. A reference, the caller's to plan_unref. */
int plan_get(struct db_conn *c, const char *sha, struct plan **ret) MUST_CHECK;
/* Keeps the config in force of r and p, and says its hash. Writer thread, inside a transaction. */
int plan_put(struct db_tx *tx, const struct settings *s, const struct rollout *r, const struct playbook *p,
             char sha[CONFIG_SHA_SIZE]) MUST_CHECK;

/* Lets go of the plans that are parts of another config than s, so that none stays longer than what goes by it: they
 * are read from their text when somebody asks again. After a reload. */
void plans_forget_others(const struct settings *s);

#endif
