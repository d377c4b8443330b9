/*
 * Tables: on a terminal no wider than it. Its widest columns give way first; what is then too long is cut, or folded
 * where it stands in the last column and must not be lost.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/text.h"
#include "server/ctl/show/show_private.h"

#define COLUMNS_MAX  10
#define COLUMN_LEAST 5
#define LAST_LEAST   20 /* of one that is folded */
#define BETWEEN      2

/* The cells of a table: the titles, then the rows. */
struct grid {
	const struct column *cols;
	size_t n, rows;
	char **text; /* owned, [rows * n] */
	int width[COLUMNS_MAX];
};

static char *cell_of(struct json_object *row, const struct column *col)
{
	return row ? show_cell_in(row, col) : text_format("%s", col->title);
}

static void fill(struct grid *g, struct json_object *arr)
{
	for (size_t i = 0; i < g->rows * g->n; i++) {
		size_t row = i / g->n, c = i % g->n;

		g->text[i] = cell_of(row ? json_item(arr, row - 1) : NULL, &g->cols[c]);
		int wide = g->text[i] ? show_width(g->text[i]) : 0;
		if (wide > g->width[c])
			g->width[c] = wide;
	}
}

static void fit(struct grid *g, int columns)
{
	int sum = BETWEEN * (int)(g->n - 1);

	for (size_t c = 0; c < g->n; c++)
		sum += g->width[c];
	for (; sum > columns; sum--) {
		size_t widest = g->n;

		for (size_t c = 0; c < g->n; c++) {
			int least = c + 1 == g->n && g->cols[c].folds ? LAST_LEAST : COLUMN_LEAST;

			if (g->width[c] > least && (widest == g->n || g->width[c] > g->width[widest]))
				widest = c;
		}
		if (widest == g->n)
			return;
		g->width[widest]--;
	}
}

/* How many bytes of s fit into so many columns; *ret_used: of them. */
static size_t fitting(const char *s, int columns, int *ret_used)
{
	size_t len = strlen(s), at = 0, n;

	*ret_used = 0;
	for (uint32_t c = 0; at < len; at += n) {
		n = text_utf8_next(s + at, len - at, &c);
		n = n ? n : 1;
		char one[8] = "";
		memcpy(one, s + at, n);
		int wide = show_width(one);

		if (*ret_used + wide > columns)
			return at;
		*ret_used += wide;
	}
	return at;
}

static void put_cell(const char *s, int to, bool last, const char *colour)
{
	int used = show_width(s);
	bool cut = used > to;
	size_t bytes = fitting(s, cut ? to - 1 : to, &used);

	printf("%s%.*s%s%s", colour, (int)bytes, s, cut ? "\u2026" : "", colour[0] ? show_plain() : "");
	if (last)
		putchar('\n');
	else
		printf("%*s", to - used - cut + BETWEEN, "");
}

/* Words in lines of so many columns, from column from on. */
static void put_folded(const char *s, int to, int from)
{
	for (int used; show_width(s) > to; printf("\n%*s", from, "")) {
		size_t bytes = fitting(s, to, &used), end = bytes;

		while (end > 0 && s[end] != ' ')
			end--;
		bytes = end ? end : bytes;
		printf("%.*s", (int)bytes, s);
		s += bytes + strspn(s + bytes, " ");
	}
	puts(s);
}

static void put_row(const struct grid *g, size_t row)
{
	int from = 0;

	for (size_t c = 0; c < g->n; from += g->width[c++] + BETWEEN) {
		const char *s = g->text[row * g->n + c] ? g->text[row * g->n + c] : "";
		bool last = c + 1 == g->n;

		if (last && row && g->cols[c].folds)
			put_folded(s, g->width[c], from);
		else
			put_cell(s, g->width[c], last, show_colour(row ? s : SHOW_TITLE));
	}
}

void show_table(struct json_object *arr, const struct column *cols, size_t n)
{
	assert(cols && n > 0 && n <= COLUMNS_MAX);
	struct grid g = {.cols = cols, .n = n, .rows = json_len(arr) + 1};
	int columns = show_columns();

	g.text = calloc(g.rows * n, sizeof(char *));
	if (!g.text)
		abort();
	fill(&g, arr);
	if (columns)
		fit(&g, columns);
	for (size_t row = 0; row < g.rows; row++)
		put_row(&g, row);
	for (size_t i = 0; i < g.rows * n; i++)
		free(g.text[i]);
	free(g.text);
}

void show_list(struct json_object *o, const char *key, const char *title, const struct column *cols, size_t n)
{
	assert(key && title && cols);
	struct json_object *arr = json_arr_of(o, key);

	if (!json_len(arr))
		return;
	printf("\n%s%s%s\n", show_colour(SHOW_TITLE), title, show_plain());
	show_table(arr, cols, n);
}
