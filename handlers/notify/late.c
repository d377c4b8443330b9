#include "handlers/notify/late.h"

#include <assert.h>
#include <string.h>

#include "server/core/buf.h"
#include "server/core/text.h"

#define WORTH_US (600 * US_PER_S) /* so long what was overtaken is still tried */
#define TEXT_MAX (128 * 1024)

enum telling late_telling(const struct lateness *l)
{
	assert(l && (l->overtaken || !l->overtaken_by_page));
	bool late = l->waited_us >= LATE_US;

	if (l->page && l->overtaken_by_page && late)
		return TELL_NOT;
	return late || l->overtaken ? TELL_AS_PAST : TELL_AS_IT_IS;
}

bool late_is_worth_trying(const struct lateness *l)
{
	assert(l);
	return !l->overtaken || l->waited_us < WORTH_US;
}

/* Where the line goes: before the first of the list, below the title. */
static size_t below_title(const char *text)
{
	const char *list = strncmp(text, "- ", 2) == 0 ? text : strstr(text, "\n- ");

	return list == text ? 0 : list ? (size_t)(list - text) + 1 : strlen(text);
}

static void late_line(struct buf *b, int64_t decided_us, int64_t waited_us, const char *since)
{
	char at[60], waited[40];

	text_time_local(decided_us, at, sizeof(at));
	text_duration_words(waited_us > 0 ? waited_us : 0, waited, sizeof(waited));
	buf_printf(b, "- Late: of %s, delivered %s late", at, waited);
	if (since)
		buf_printf(b, "; since then %s", since);
	buf_char(b, '\n');
}

void late_mark(struct json_object *input, int64_t decided_us, int64_t waited_us, const char *since)
{
	assert(input);
	CLEANUP(buf_free) struct buf b = BUF(TEXT_MAX);
	const char *text = json_str_or(input, "text", "");
	size_t at = below_title(text);
	struct json_object *late = json_object_new_object();

	buf_add(&b, text, at);
	if (at && text[at - 1] != '\n')
		buf_char(&b, '\n');
	late_line(&b, decided_us, waited_us, since);
	buf_str(&b, text + at);
	json_add_str(input, "text", buf_text(&b));
	json_add_int(late, "seconds", waited_us / US_PER_S);
	json_add_str(late, "since", since);
	json_add(input, "late", late);
}
