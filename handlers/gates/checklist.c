#include "handlers/gates/checklist.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/core/text.h"

#define ITEMS_LISTED 30 /* of a list, in a sentence */

static const char *const state_names[] = {"open", "done", "expired", "overdue", "failed"};
TEXT_ENUM_NAME(checkmark_state_name, enum checkmark_state, state_names)

enum checkmark_state item_state(const struct checklist *list, const struct check_item *item,
                                const struct checkmark_list *checkmarks, int64_t now_us,
                                const struct checkmark **ret_checkmark)
{
	assert(list && item && checkmarks);
	const struct checkmark *last = NULL;

	for (size_t i = 0; i < checkmarks->n; i++)
		if (!strcmp(checkmarks->item[i].list, list->name) && !strcmp(checkmarks->item[i].item, item->text))
			last = &checkmarks->item[i];
	if (ret_checkmark)
		*ret_checkmark = last;
	if (!last)
		return CHECKMARK_OPEN;
	if (last->verdict == EVIDENCE_FAIL)
		return CHECKMARK_FAILED;
	if ((item->valid_us && last->at_us + item->valid_us < now_us) ||
	    (last->expires_us && last->expires_us < now_us))
		return CHECKMARK_EXPIRED;
	return item->every_us && last->at_us + item->every_us < now_us ? CHECKMARK_OVERDUE : CHECKMARK_DONE;
}

int text_meant(const char *const texts[], size_t n, const char *word)
{
	assert((texts || n == 0) && word);
	size_t len = strlen(word);
	char *end = NULL;
	unsigned long number = strtoul(word, &end, 10);
	int found = -ENOENT;

	for (size_t i = 0; i < n; i++) {
		if (!strcmp(texts[i], word))
			return (int)i;
		if (len && !strncasecmp(texts[i], word, len))
			found = found == -ENOENT ? (int)i : -EEXIST;
	}
	bool is_number = len && !*end && number >= 1 && number <= n;
	return found == -ENOENT && is_number ? (int)number - 1 : found;
}

static void say_items(const char *const texts[], size_t n, struct buf *b)
{
	for (size_t i = 0; i < n && i < ITEMS_LISTED; i++)
		buf_printf(b, "%s%zu %.60s", i ? "; " : "", i + 1, texts[i]);
}

const struct check_item *checklist_item(const struct checklist *list, const char *word, char *why, size_t size)
{
	assert(list && word && why && size > 0);
	CLEANUP(cleanup_free) const char **texts = calloc(list->n_items + 1, sizeof(*texts));
	CLEANUP(buf_free) struct buf items = BUF(4000);

	for (size_t i = 0; texts && i < list->n_items; i++)
		texts[i] = list->items[i].text;
	int found = texts ? text_meant(texts, list->n_items, word) : -ENOENT;
	if (found >= 0)
		return &list->items[found];
	if (texts)
		say_items(texts, list->n_items, &items);
	snprintf(why, size, "checklist %s has %s \"%.100s\": %s", list->name,
	         found == -EEXIST ? "several items that begin with" : "no item", word, buf_text(&items));
	return NULL;
}
