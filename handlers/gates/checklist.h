/*
 * Items that people or CI tick, and what else is told by its text. Pure; any thread.
 */
#ifndef HANDLERS_GATES_CHECKLIST_H
#define HANDLERS_GATES_CHECKLIST_H

#include "db/progress.h"
#include "handlers/settings/settings.h"

enum checkmark_state { CHECKMARK_OPEN, CHECKMARK_DONE, CHECKMARK_EXPIRED, CHECKMARK_OVERDUE, CHECKMARK_FAILED };
const char *checkmark_state_name(enum checkmark_state s);

/* How an item stands; *ret_checkmark (may be NULL) is its last checkmark, NULL if there is none. */
enum checkmark_state item_state(const struct checklist *list, const struct check_item *item,
                                const struct checkmark_list *checkmarks, int64_t now_us,
                                const struct checkmark **ret_checkmark);

/* Which of n texts word means: the text itself, its number from 1 on, or, in any case, what only one of them begins
 * with. -ENOENT; -EEXIST: several begin so. */
int text_meant(const char *const texts[], size_t n, const char *word);

/* The same of a checklist's items; NULL: *why (>= 600 bytes) says so, and lists them. */
const struct check_item *checklist_item(const struct checklist *list, const char *word, char *why, size_t size);

#endif
