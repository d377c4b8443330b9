/*
 * --watch: again and again, until it is decided, stopped or refused. On a terminal in one place, which never scrolls;
 * into a pipe goes what is there, then what changes.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/show/words.h"
#include "server/ctl/watch.h"

#define GLANCE_S 2 /* from one to the next */

/* --- a terminal --- */

struct screen {
	struct buf *out; /* NULL: it is measured */
	int columns, rows, row, column;
};

static void next_row(struct screen *s)
{
	s->row++;
	s->column = 0;
	if (s->out && s->row < s->rows)
		buf_str(s->out, "\r\n\033[2K");
}

static void put(struct screen *s, const char *bytes, size_t n, int wide)
{
	if (s->column + wide > s->columns)
		next_row(s);
	s->column += wide;
	if (s->out && s->row < s->rows)
		buf_add(s->out, bytes, n);
}

/* Line by line, those that are too long in several; escape sequences have no width. Returns how many rows it takes. */
static int lay_out(struct screen *s, const char *text)
{
	assert(s && text);
	size_t n;

	for (size_t len = strlen(text); len > 0; text += n, len -= n) {
		uint32_t c = 0;

		n = *text == '\033' ? strcspn(text, "m") + 1 : text_utf8_next(text, len, &c);
		n = n ? n : 1;
		int wide = *text == '\033' ? 0 : wcwidth((wchar_t)c);
		if (c != '\n')
			put(s, text, n, wide > 0 ? wide : 0);
		else if (len > n)
			next_row(s);
	}
	return s->row + 1;
}

/* All that fits; what does not is counted in the last line. */
static void draw(const char *text, bool first)
{
	CLEANUP(buf_free) struct buf out = BUF(1024 * 1024);
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
		size = (struct winsize) {.ws_row = 24, .ws_col = 80};
	struct screen s = {.columns = size.ws_col, .rows = size.ws_row - 1};
	int all = lay_out(&s, text);

	buf_str(&out, first ? "\033[2J\033[H\033[2K" : "\033[H\033[2K");
	s = (struct screen) {.out = &out, .columns = size.ws_col, .rows = all > s.rows ? s.rows - 1 : s.rows};
	lay_out(&s, text);
	buf_str(&out, show_plain());
	if (all > s.rows)
		buf_printf(&out, "\r\n\033[2K… and %d more lines", all - s.rows);
	buf_str(&out, "\r\n\033[J");
	fwrite(out.data, 1, out.len, stdout);
	fflush(stdout);
}

/* What show prints. The caller's to free. */
static char *printed(struct ctl *c, const struct watched *w, struct json_object *data, const char *silent_since)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = stdout, *memory = open_memstream(&text, &len);

	if (!memory)
		abort();
	stdout = memory;
	if (silent_since)
		printf("%srollbackd does not answer since %s: this is what it said before%s\n", show_colour(SHOW_BAD),
		       silent_since, show_plain());
	w->show(c, data);
	stdout = to;
	if (fclose(memory) < 0)
		abort();
	return text;
}

/* --- a pipe --- */

/* What of it counts as a change: fields are JSON pointers; of one that begins with "?" only whether it is there. */
static char *state_of(struct json_object *o, const char *const *fields)
{
	struct buf b = BUF(65536);

	for (; *fields; fields++) {
		bool only_there = **fields == '?';
		struct json_object *v = json_at(o, *fields + only_there);

		buf_printf(&b, "%s\n", !v ? "-" : only_there ? "is" : json_text(v));
	}
	return buf_take(&b);
}

static void tell(const struct ctl *c, const struct watched *w, struct json_object *one)
{
	CLEANUP(buf_free) struct buf at = BUF(200);
	char now[40];

	if (c->json)
		return show_json(one, false);
	text_time(clock_wall_us() / US_PER_S * US_PER_S, now, sizeof(now));
	show_times(&at, now, false);
	printf("%s  ", buf_text(&at));
	w->line(one);
}

/* last: the states by their ids; NULL before the first time, when all is shown as without --watch. */
static void tell_changes(struct ctl *c, const struct watched *w, struct json_object **last, struct json_object *data)
{
	bool first = !*last;

	if (first)
		*last = json_object_new_object();
	if (first && !c->json)
		w->show(c, data);
	for (size_t i = 0; i < json_len(data); i++) {
		struct json_object *one = json_item(data, i), *id = NULL;
		CLEANUP(cleanup_free) char *state = state_of(one, w->fields);

		json_object_object_get_ex(one, w->id, &id);
		const char *key = json_object_get_string(id);
		if (!key || !state || !strcmp(json_str_or(*last, key, ""), state))
			continue;
		json_object_object_add(*last, key, json_object_new_string(state));
		if (c->json || !first)
			tell(c, w, one);
	}
	fflush(stdout);
}

/* --- both --- */

/* Since when there is no answer; "": there is one. Into a pipe goes no banner, so it is said once. */
struct silence {
	char since[60];
};

static void note_silence(struct silence *s, bool silent, bool terminal)
{
	if (silent && !s->since[0]) {
		text_time_local(clock_wall_us(), s->since, sizeof(s->since));
		if (!terminal)
			fputs("rollbackctl: rollbackd does not answer; waiting for it\n", stderr);
	} else if (!silent && s->since[0]) {
		s->since[0] = '\0';
		if (!terminal)
			fputs("rollbackctl: rollbackd answers again\n", stderr);
	}
}

int ctl_watch(struct ctl *c, const struct watched *w, const char *what)
{
	assert(c && w && w->ask && w->show);
	const struct timespec pause = {.tv_sec = GLANCE_S};
	bool terminal = isatty(STDOUT_FILENO) && !c->json;
	CLEANUP(json_cleanup) struct json_object *shown = NULL, *last = NULL;
	struct silence silence = {.since = ""};

	do {
		CLEANUP(json_cleanup) struct json_object *data = NULL;
		bool first = !shown;
		int r = w->ask(c, what, &data), code = -1;

		if (r && (r != CTL_UNREACHABLE || first))
			return r;
		c->mute = true; /* said once, below */
		note_silence(&silence, r, terminal);
		if (r == 0) {
			json_cleanup(&shown);
			shown = json_object_get(data);
			code = w->result ? w->result(data) : -1;
		}
		if (terminal) {
			CLEANUP(cleanup_free)
			char *text = printed(c, w, shown, silence.since[0] ? silence.since : NULL);

			draw(text, first);
		} else if (r == 0) {
			tell_changes(c, w, &last, data);
		}
		if (code >= 0)
			return code;
	} while (nanosleep(&pause, NULL) == 0);
	return CTL_UNKNOWN;
}
