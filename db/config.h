/*
 * The configs that incidents go by: each text once, under its SHA-256. Rows are never changed.
 */
#ifndef DB_CONFIG_H
#define DB_CONFIG_H

#include "db/db.h"

#define CONFIG_SHA_SIZE 65 /* hex and a NUL */

/* Keeps text, if it is not there yet, and says its name. Writer thread, inside a transaction. */
int config_row_put(struct db_tx *tx, const char *text, char sha[CONFIG_SHA_SIZE]) MUST_CHECK;
/* Forgets it, unless an incident goes by it. sha may be NULL. */
int config_row_drop(struct db_tx *tx, const char *sha) MUST_CHECK;
/* *ret is the caller's to free. -ENOENT: nothing has that name. */
int config_row_text(struct db_conn *c, const char *sha, char **ret) MUST_CHECK;

#endif
