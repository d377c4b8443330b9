/*
 * What people read: tables and an incident in full. Text from alerts is made harmless for a terminal.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "handlers/incident/text.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/show_private.h"

#define CELL_MAX     200
#define COLUMNS_MAX  10
#define COLUMN_LEAST 8

void ctl_print(const struct ctl *c, struct json_object *data, void (*show)(struct json_object *))
{
	assert(c && (show || c->json));
	if (c->json)
		puts(json_object_to_json_string_ext(data, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		show(data);
}

char *show_cell(struct json_object *o, const char *key)
{
	assert(key);
	struct json_object *v = NULL;
	CLEANUP(buf_free) struct buf words = BUF(1024 * 1024);
	struct buf b = BUF(CELL_MAX * 4);

	json_object_object_get_ex(o, key, &v);
	json_words(&words, v);
	if (!v)
		buf_char(&words, '-');
	text_one_line(&b, buf_text(&words), words.len, CELL_MAX);
	char *line = buf_take(&b);
	if (!line)
		abort(); /* out of memory */
	return line;
}

/* Characters, not bytes. */
static int width(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xC0) != 0x80;
	return n;
}

/* How many columns the terminal has; 0: it is none, and nothing is cut. */
static int terminal(void)
{
	struct winsize size = {0};

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void show_trouble(bool is_trouble, const char *line)
{
	assert(line);
	const char *no = getenv("NO_COLOR"); /* https://no-color.org */
	bool red = is_trouble && isatty(STDOUT_FILENO) && !(no && no[0]);

	printf("%s%s%s\n", red ? "\033[31m" : "", line, red ? "\033[0m" : "");
}

/* The widest give way first, so that a row is one line. */
static void fit(int *w, size_t n, int columns)
{
	assert(w && n > 0);
	int sum = 2 * (int)(n - 1);

	for (size_t c = 0; c < n; c++)
		sum += w[c];
	for (; sum > columns; sum--) {
		size_t widest = 0;

		for (size_t c = 1; c < n; c++)
			if (w[c] > w[widest])
				widest = c;
		if (w[widest] <= COLUMN_LEAST)
			return;
		w[widest]--;
	}
}

static void put_cell(const char *s, int to, bool last)
{
	int n = width(s), left = n > to ? to - 1 : n;

	for (; *s && (left > 0 || ((unsigned char)*s & 0xC0) == 0x80); s++) {
		left -= ((unsigned char)s[1] & 0xC0) != 0x80;
		putchar(*s);
	}
	if (n > to)
		fputs("\u2026", stdout);
	for (int i = n; !last && i < to; i++)
		putchar(' ');
	fputs(last ? "\n" : "  ", stdout);
}

void show_table(struct json_object *arr, const struct column *cols, size_t n)
{
	assert(cols && n > 0 && n <= COLUMNS_MAX);
	size_t rows = json_object_array_length(arr);
	int w[COLUMNS_MAX], columns = terminal();

	for (size_t c = 0; c < n; c++)
		w[c] = width(cols[c].title);
	for (size_t i = 0; i < rows; i++)
		for (size_t c = 0; c < n; c++) {
			CLEANUP(cleanup_free) char *text = show_cell(json_object_array_get_idx(arr, i), cols[c].key);

			if (width(text) > w[c])
				w[c] = width(text);
		}
	if (columns)
		fit(w, n, columns);
	for (size_t c = 0; c < n; c++)
		put_cell(cols[c].title, w[c], c + 1 == n);
	for (size_t i = 0; i < rows; i++)
		for (size_t c = 0; c < n; c++) {
			CLEANUP(cleanup_free) char *text = show_cell(json_object_array_get_idx(arr, i), cols[c].key);

			put_cell(text, w[c], c + 1 == n);
		}
}

void show_field(const char *title, struct json_object *o, const char *key)
{
	assert(title && key);
	CLEANUP(cleanup_free) char *text = show_cell(o, key);

	if (text && strcmp(text, "-") != 0 && text[0])
		printf("  %-14s%s\n", title, text);
}

static void say_over(struct json_object *inc)
{
	struct json_object *over = NULL;

	if (json_get_obj(inc, "over", &over) != 1)
		return;
	CLEANUP(cleanup_free) char *because = show_cell(over, "because");
	printf("                Over: %s, because %s\n", json_str_or(over, "answer", "unknown"), because);
}

static void say_incident(struct json_object *rollout)
{
	struct json_object *inc = NULL;

	int64_t drill = json_int_or(rollout, "drill", 0);

	if (drill)
		printf("  Drill         %lld: rollbackctl incident %lld\n", (long long)drill, (long long)drill);
	if (json_get_obj(rollout, "incident", &inc) != 1) {
		puts("  Incident      none");
		return;
	}
	CLEANUP(cleanup_free) char *action = show_cell(inc, "action"), *summary = show_cell(inc, "summary");
	long long id = (long long)json_int_or(inc, "id", 0);

	printf("  Incident      %lld, %s: %s\n", id, json_str_or(inc, "state", "?"), action);
	printf("                %s\n", summary);
	say_over(inc);
	printf("                rollbackctl incident %lld\n", id);
}

static void say_clock(struct json_object *o)
{
	struct json_object *clock = NULL;
	double clean = 0, required = 0;
	char a[40], b[40];

	if (json_get_obj(o, "clock", &clock) != 1)
		return;
	json_get_double(clock, "clean", &clean);
	text_duration_words((int64_t)clean * US_PER_S, a, sizeof(a));
	printf("  Clean         %s", a);
	if (json_get_double(clock, "required", &required) == 1) {
		text_duration_words((int64_t)(required * 1e6), b, sizeof(b));
		printf(" of %s", b);
	}
	putchar('\n');
	show_field("Stands still", clock, "why");
}

/* What stops it, and what is missing: one line each, none when there is nothing to say. */
static void say_plan(struct json_object *o)
{
	struct json_object *hold = NULL, *watch = NULL, *next = NULL, *missing = NULL;
	int64_t stage = 0;
	size_t n = 0;

	if (json_get_obj(o, "hold", &hold) == 1)
		show_field("Held by", hold, "by");
	show_field("Freeze", o, "freeze");
	int entering = incident_state_find(json_str_or(o, "entering", ""));
	if (entering >= 0)
		printf("  Entering      %s\n", message_stage_word((enum incident_state)entering));
	if (json_get_obj(o, "watch", &watch) == 1)
		show_field("NOT WATCHED", watch, "blind");
	if (json_get_obj(o, "next", &next) != 1 || json_get_int(next, "stage", &stage) != 1)
		return;
	if (json_get_arr(next, "missing", &missing) == 1)
		n = json_object_array_length(missing);
	printf("  Next          stage %lld %s: ", (long long)stage, json_str_or(next, "name", ""));
	printf(n ? "%zu missing, rollbackctl stage %s\n" : "nothing is missing\n", n, json_str_or(o, "name", ""));
}

static int32_t pct_of(struct json_object *o, const char *key)
{
	double v = 0;
	int32_t pct = -1;

	if (json_get_double(o, key, &v) != 1 || text_pct_from_double(v, &pct) < 0)
		return -1;
	return pct;
}

/* What is wanted, and what was seen since that was last changed. */
static void say_percentage(struct json_object *o)
{
	int32_t wanted = pct_of(o, "percentage_wanted"), seen = pct_of(o, "percentage_seen");
	bool since = true, old = json_get_bool(o, "seen_since_change", &since) == 1 && !since;
	bool moves = json_str_or(o, "entering", NULL) != NULL;
	char pct[16], want[24], is[24];

	text_pct(wanted, pct, sizeof(pct));
	text_pct(seen, is, sizeof(is));
	snprintf(want, sizeof(want), "%s%s", pct, wanted < 0 ? "" : "%");
	CLEANUP(cleanup_free) char *at = show_cell(o, "seen_at");
	if (seen < 0)
		printf("  Percentage    %s wanted, never seen by a verification\n", want);
	else
		printf("  Percentage    %s wanted, %s%% last seen at %s%s\n", want, is, at,
		       old ? ", before the last change" : "");
	if (seen < 0 || wanted < 0 || seen == wanted || moves)
		return;
	CLEANUP(cleanup_free) char *line = text_format("  !! %s%% SEEN, %s WANTED", is, want);
	show_trouble(true, line ? line : "");
}

static void say_stage(struct json_object *o)
{
	CLEANUP(cleanup_free) char *stage = show_cell(o, "stage"), *name = show_cell(o, "stage_name");

	if (!strcmp(stage, "-")) {
		puts("  Stage         unstaged");
		return;
	}
	printf("  Stage         %s %s\n", stage, name[0] != '-' ? name : "(not in the config any more)");
	say_clock(o);
}

void show_rollout(struct json_object *o)
{
	CLEANUP(cleanup_free) char *name = show_cell(o, "name"), *title = show_cell(o, "title");
	bool same = !strcmp(name, title);

	printf("%s%s%s%s\n", name, same ? "" : " (", same ? "" : title, same ? "" : ")");
	say_stage(o);
	say_percentage(o);
	show_field("Doubt", o, "doubt");
	say_incident(o);
	say_plan(o);
}

void show_rollouts(struct json_object *arr)
{
	for (size_t i = 0; i < json_object_array_length(arr); i++)
		show_rollout(json_object_array_get_idx(arr, i));
	if (!json_object_array_length(arr))
		puts("no rollouts in the config");
}

void show_incidents(struct json_object *arr)
{
	static const struct column cols[] = {
		{"ID", "id"},       {"OPENED", "opened_at"}, {"ROLLOUT", "rollout"},
		{"STATE", "state"}, {"ACTION", "action"},    {"SUMMARY", "summary"},
	};

	if (json_object_array_length(arr))
		show_table(arr, cols, ARRAY_LEN(cols));
	else
		puts("no incidents");
}

void show_list(struct json_object *o, const char *key, const char *title, const struct column *cols, size_t n)
{
	assert(key && title && cols);
	struct json_object *arr = NULL;

	if (json_get_arr(o, key, &arr) != 1 || json_object_array_length(arr) == 0)
		return;
	printf("\n%s\n", title);
	show_table(arr, cols, n);
}

/* --- how rollbackd itself is --- */

/* The sum of the samples of a family; -1: there is none. */
static double metric(const char *metrics, const char *name)
{
	size_t len = strlen(name);
	double sum = -1;

	for (const char *line = metrics; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) != 0 || (line[len] != ' ' && line[len] != '{'))
			continue;
		const char *end = line + strcspn(line, "\n");
		const char *value = memrchr(line, ' ', (size_t)(end - line));

		sum = (sum < 0 ? 0 : sum) + (value ? strtod(value, NULL) : 0);
	}
	return sum;
}

void show_health(const char *metrics)
{
	assert(metrics);
	double queued = metric(metrics, "rollbackd_notifications_queued");
	double dead = metric(metrics, "rollbackd_notifications_undeliverable");
	double heartbeat = metric(metrics, "rollbackd_heartbeat_last_timestamp_seconds");
	char ago[40];

	if (queued > 0)
		printf("Messages      %.0f wait to be sent\n", queued);
	if (dead > 0)
		printf("Messages      %.0f COULD NOT BE DELIVERED: see rollbackctl incident ID\n", dead);
	if (metric(metrics, "rollbackd_config_last_reload_successful") == 0)
		puts("Config        THE LAST RELOAD WAS REFUSED: rollbackd goes on with the old one; see its log");
	if (heartbeat > 0) {
		text_duration_words(clock_wall_us() / US_PER_S * US_PER_S - (int64_t)heartbeat * US_PER_S, ago,
		                    sizeof(ago));
		printf("Heartbeat     last came %s ago\n", ago);
	}
}
