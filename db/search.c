#include "db/search.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "db/event.h"
#include "db/private.h"
#include "db/query.h"
#include "server/core/buf.h"
#include "server/core/json.h"
#include "server/core/log.h"

#define PIECE_BITS    20 /* a piece is numbered below its incident's place; beyond so many nothing more is found */
#define PIECE_MAX     (64 * 1024) /* bytes, with the words: a larger text becomes several */
#define WORDS_MAX     4096        /* bytes of short words of a piece */
#define WORD_MAX      8           /* bytes of two characters */
#define WORD_LEAST    3           /* bytes that a word takes, with what stands around it */
#define KNOWN_MAX     4096        /* bytes in which a label is looked for before it is told again */
#define LINE_MARKS    16384       /* bits for the lines in so many bytes */
#define FILL_AT_ONCE  100         /* incidents of before the index, and so many … */
#define FILL_NOTES    1100        /* … with their alerts together, but one incident at least */
#define FILL_ALERTS   1000        /* of one incident */
#define INDEX_AT_ONCE 200         /* pieces … */
#define INDEX_BYTES   (64 * 1024) /* … and so much of them: some 20 ms */
#define ANEW_MAX      3           /* in one run: what is damaged then is not the index */
#define GRAMS_MAX     24          /* of a text; what was found is compared with all of it */
#define WALK_MAX      2000        /* pieces looked at for one page */
#define WALK_CHUNK    200         /* of them in one statement */
#define FILLED_FROM   "search from"

/* --- the text of a piece --- */

static bool is_word(unsigned char c)
{
	return isalnum(c) || c >= 0x80;
}

static bool is_start(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

static size_t characters(const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += is_start(s[i]);
	return n;
}

/* How a text of one or two characters stands in a piece, and is looked for: no other text has the first byte. */
static int put_word(struct buf *b, const char *s, size_t len)
{
	buf_char(b, '\x01');
	buf_add(b, s, len);
	return buf_char(b, '\n');
}

/* Words, and what stands between them, of one or two characters; each once. */
static void add_words(struct buf *piece, struct buf *words)
{
	const char *s = buf_text(piece);

	for (size_t n; *s && words->len + WORD_LEAST <= WORDS_MAX; s += n) {
		n = 1;
		if (isspace((unsigned char)*s))
			continue;
		while (s[n] && !isspace((unsigned char)s[n]) &&
		       is_word((unsigned char)s[n]) == is_word((unsigned char)*s))
			n++;
		if (n > WORD_MAX || characters(s, n) > 2)
			continue;
		CLEANUP(buf_free) struct buf word = BUF(16);
		if (put_word(&word, s, n) == 0 && !strstr(buf_text(words), buf_text(&word)))
			buf_add(words, word.data, word.len);
	}
	words->error = 0; /* as many as there is room for */
}

/* Text, of which the first lines are looked for. */
struct lines {
	struct buf text;
	uint64_t marks[LINE_MARKS / 64]; /* a line whose mark is not there stands nowhere in it */
};

static uint64_t mark_of(const char *line, size_t len, size_t *ret_at)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)line[i]) * 1099511628211u;
	h ^= h >> 32;
	*ret_at = h / 64 % (LINE_MARKS / 64);
	return UINT64_C(1) << h % 64;
}

static bool has(const struct lines *l, const char *line, size_t len)
{
	size_t most = l->text.len < KNOWN_MAX ? l->text.len : KNOWN_MAX, at;
	uint64_t mark = mark_of(line, len, &at);

	return most && (l->marks[at] & mark) && memmem(l->text.data, most, line, len);
}

static void add_line(struct lines *l, const char *line, size_t len)
{
	size_t at;
	uint64_t mark = mark_of(line, len, &at);

	if (l->text.len < KNOWN_MAX)
		l->marks[at] |= mark;
	buf_add(&l->text, line, len);
}

/* What is known after a piece was written. */
static void add_lines(struct lines *to, const char *text)
{
	for (size_t n; *text && to->text.len < KNOWN_MAX; text += n) {
		const char *end = strchr(text, '\n');

		n = end ? (size_t)(end - text) + 1 : strlen(text);
		add_line(to, text, n);
	}
}

/* name="value", a line each, but for those that are known. */
static void add_labels(struct lines *piece, const struct lines *known, const char *labels)
{
	CLEANUP(json_cleanup) struct json_object *o = json_tokener_parse(labels);

	if (!o || !json_object_is_type(o, json_type_object))
		return;
	json_object_object_foreach(o, name, value)
	{
		CLEANUP(buf_free) struct buf line = BUF(PIECE_MAX);

		buf_str(&line, name);
		buf_str(&line, "=\"");
		buf_str(&line, json_object_get_string(value));
		buf_str(&line, "\"\n");
		if (!line.error && !has(known, line.data, line.len) && !has(piece, line.data, line.len))
			add_line(piece, line.data, line.len);
	}
}

/* --- writing --- */

struct searched_incident {
	int64_t place;
	char *rollout, *summary; /* owned */
};
ROW_TYPE(searched_type, struct searched_incident, SEARCHED_ROW);

struct indexed { /* an incident whose texts are being written */
	struct db_tx *tx;
	int64_t place, next; /* next: the number of the next piece, under the place */
	struct lines known;  /* what its first pieces say */
	struct lines piece;
};

static int write_piece(struct indexed *x)
{
	CLEANUP(buf_free) struct buf words = BUF(WORDS_MAX);
	struct buf *text = &x->piece.text;
	int r = 0;

	if (text->len && x->next >> PIECE_BITS == x->place) {
		add_words(text, &words);
		text->max += WORDS_MAX;
		if (words.len && buf_add(text, words.data, words.len) < 0)
			return -ENOMEM;
		add_lines(&x->known, buf_text(text));
		r = query_run(x->tx, SEARCH_TEXT_ADD, V(x->next, buf_text(text)));
		if (r >= 0)
			r = query_run(x->tx, SEARCH_TODO_ADD, V(x->next++));
	}
	buf_free(text);
	x->piece = (struct lines) {.text = BUF(PIECE_MAX)};
	return query_done(r);
}

static int add_alert(struct indexed *x, int64_t alert)
{
	CLEANUP(cleanup_free) char *labels = NULL;
	int r = query_text(db_tx_conn(x->tx), SEARCH_LABELS, &labels, V(alert));

	if (r != 1)
		return r;
	r = x->piece.text.len + strlen(labels) * 2 > PIECE_MAX ? write_piece(x) : 0;
	add_labels(&x->piece, &x->known, labels);
	x->piece.text.error = 0; /* labels that are too long for any piece are not searched */
	return r;
}

/* Its number, and what the pieces that it has say. */
static int read_known(struct indexed *x)
{
	struct db_conn *c = db_tx_conn(x->tx);
	char **text = NULL;
	size_t n = 0;
	int r = query_number(c, SEARCH_NEXT, &x->next, V(x->place));

	if (r >= 0)
		r = query_list(c, SEARCH_FIRST, &text_row, &text, &n, V(x->place));
	for (size_t i = 0; i < n; i++)
		add_lines(&x->known, text[i]);
	rows_free(&text_row, &text, &n);
	return r;
}

/* The first of its notes says whether it is new. 1 it is to be written, 0 it is gone or filled later. */
static int begin(struct indexed *x, const struct search_note *first, int64_t filled_from)
{
	struct searched_incident n = {0};
	int r = query_one(db_tx_conn(x->tx), SEARCH_INCIDENT, &searched_type, &n, V(first->incident));
	bool now = r == 1 && n.place >= filled_from;

	x->place = n.place;
	x->next = n.place << PIECE_BITS;
	if (now && first->what != SEARCH_NEW)
		r = read_known(x);
	if (now && r >= 0 && first->what <= SEARCH_CHANGED)
		buf_printf(&x->piece.text, "%s\n%.8000s\n", n.rollout, n.summary);
	row_free(&searched_type, &n);
	return r < 0 ? r : now;
}

static int write_incident(struct db_tx *tx, const struct search_note *note, size_t n, int64_t filled_from)
{
	assert(n > 0 && note->incident > 0);
	struct indexed x = {.tx = tx, .known.text = BUF(KNOWN_MAX + 2 * PIECE_MAX), .piece.text = BUF(PIECE_MAX)};
	int r = begin(&x, note, filled_from);
	bool now = r == 1;

	for (size_t i = 0; now && r >= 0 && i < n; i++) {
		if (note[i].what > SEARCH_CHANGED)
			r = add_alert(&x, note[i].what);
	}
	if (now && r >= 0)
		r = write_piece(&x);
	buf_free(&x.piece.text);
	buf_free(&x.known.text);
	return query_done(r);
}

static int by_incident(const void *a, const void *b)
{
	const struct search_note *x = a, *y = b;

	if (x->incident != y->incident)
		return x->incident < y->incident ? -1 : 1;
	return x->what < y->what ? -1 : x->what > y->what;
}

static int filled_from(struct db_conn *c, int64_t *ret)
{
	int r = meta_get(c, FILLED_FROM, ret);

	return r == -ENOENT ? 0 : r;
}

int search_write(struct db_tx *tx)
{
	assert(tx && tx->conn);
	struct search_note *note = tx->notes;
	size_t n = tx->n_notes;
	int64_t from = 0;
	int r = n ? filled_from(tx->conn, &from) : 0;

	if (n)
		qsort(note, n, sizeof(*note), by_incident);
	for (size_t at = 0, end; r == 0 && at < n; at = end) {
		for (end = at + 1; end < n && note[end].incident == note[at].incident;)
			end++;
		r = write_incident(tx, note + at, end - at, from);
	}
	return r;
}

int search_note(struct db_tx *tx, int64_t incident_id, int64_t what)
{
	assert(tx && incident_id > 0 && what >= SEARCH_NEW);
	if (tx->n_notes == tx->notes_max) {
		size_t max = tx->notes_max ? tx->notes_max * 2 : 16;
		struct search_note *more = reallocarray(tx->notes, max, sizeof(*more));

		if (!more)
			return -ENOMEM;
		tx->notes = more;
		tx->notes_max = max;
	}
	tx->notes[tx->n_notes++] = (struct search_note) {incident_id, what};
	return 0;
}

void search_forget(struct db_tx *tx, size_t n)
{
	assert(tx && n <= tx->n_notes);
	tx->n_notes = n;
}

void search_drop(struct db_tx *tx)
{
	assert(tx);
	free(TAKE(tx->notes));
	tx->n_notes = tx->notes_max = 0;
}

/* --- a step --- */

static int note_all_of(struct db_tx *tx, int64_t incident)
{
	int64_t *alert = NULL;
	size_t n = 0;
	int r = query_list(tx->conn, SEARCH_ALERTS, &number_row, &alert, &n, V(incident, FILL_ALERTS));

	if (r == 0)
		r = search_note(tx, incident, SEARCH_NEW);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = search_note(tx, incident, alert[i]);
	free(alert);
	return r;
}

/* The texts of the next ones, below *from, which moves down, or to 0 when there are none. */
static int fill(struct db_tx *tx, int64_t *from)
{
	struct number_pair *found = NULL; /* incident and place */
	size_t n = 0;
	int r = query_list(tx->conn, SEARCH_UNFILLED, &number_pair_row, &found, &n, V(*from, FILL_AT_ONCE));

	if (r == 0 && n == 0)
		*from = 0;
	for (size_t i = 0; r == 0 && i < n && tx->n_notes < FILL_NOTES; i++) {
		r = note_all_of(tx, found[i].first);
		*from = found[i].second;
	}
	free(found);
	if (r == 0)
		r = meta_set(tx, FILLED_FROM, *from);
	if (r == 0)
		r = search_write(tx);
	search_drop(tx);
	return r;
}

static int index_one(struct db_tx *tx, int64_t id, bool gone, size_t *bytes)
{
	CLEANUP(cleanup_free) char *text = NULL;
	int r = query_text(tx->conn, SEARCH_TEXT, &text, V(id));

	*bytes += text ? strlen(text) : 0;
	if (r == 1)
		r = query_run(tx, gone ? SEARCH_REMOVE : SEARCH_ADD, V(id, text));
	if (r >= 0 && gone)
		r = query_run(tx, SEARCH_TEXT_REMOVE, V(id));
	return r < 0 ? r : query_done(query_run(tx, SEARCH_TODO_REMOVE, V(id)));
}

/* Texts that are there go into the index, or out of it. */
static int index_todo(struct db_tx *tx, bool *ret_more)
{
	struct number_pair todo[INDEX_AT_ONCE]; /* piece, whether it is gone */
	struct rows rows = {.item = todo, .max = INDEX_AT_ONCE};
	int r = query_rows(tx->conn, SEARCH_TODO, &number_pair_row, &rows, V(INDEX_AT_ONCE));
	size_t bytes = 0, i = 0;

	for (; r == 0 && i < rows.n && bytes < INDEX_BYTES; i++)
		r = index_one(tx, todo[i].first, todo[i].second, &bytes);
	*ret_more |= i < rows.n || rows.n == INDEX_AT_ONCE;
	return r;
}

static atomic_bool suspect;
static int begun_anew; /* this and the next are the writer's */
static bool given_up;

void search_suspect(void)
{
	atomic_store(&suspect, true);
}

bool search_is_suspect(void)
{
	return atomic_load(&suspect);
}

/* Empties the index; all of it is filled anew. */
static int begin_anew(struct db_tx *tx)
{
	static const enum sql empty[] = {SEARCH_EMPTY, SEARCH_TODO_EMPTY, SEARCH_TEXT_EMPTY, SEARCH_FILL_ALL};
	int r = ++begun_anew > ANEW_MAX ? -EUCLEAN : 0;

	atomic_store(&suspect, false);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(empty); i++)
		r = query_plain(tx->conn, empty[i]);
	given_up = r == -EUCLEAN;
	log_error(given_up ? "the index of the search is damaged and cannot be made anew: no text is found"
	                   : "the index of the search is damaged; it is made anew");
	return given_up ? 0 : r;
}

int search_step(struct db_tx *tx, bool *ret_more)
{
	assert(tx && ret_more && !tx->n_notes);
	int64_t from = 0;
	int r = search_is_suspect() ? begin_anew(tx) : 0;

	*ret_more = false;
	if (r < 0 || given_up)
		return r;
	r = filled_from(tx->conn, &from);
	if (r == 0 && from)
		r = fill(tx, &from);
	*ret_more = from > 0;
	return r == 0 ? index_todo(tx, ret_more) : r;
}

/* --- finding --- */

/* What a piece must hold: the text, or a short one as a word. */
static int needle_of(const char *q, struct buf *ret)
{
	size_t len = strlen(q);

	return characters(q, len) < 3 ? put_word(ret, q, len) : buf_add(ret, q, len);
}

/* Every three characters in a row, which the index knows: "abc" AND "bcd". */
static int grams_of(const char *needle, struct buf *ret)
{
	size_t starts[4] = {0}, n = 0, grams = 0, len = strlen(needle);

	for (size_t i = 0; i <= len && grams < GRAMS_MAX; i++) {
		if (!is_start(needle[i]) && i < len)
			continue;
		if (n == 4)
			memmove(starts, starts + 1, 3 * sizeof(*starts));
		starts[n < 4 ? n++ : 3] = i;
		if (n < 4)
			continue;
		buf_str(ret, grams++ ? " AND \"" : "\"");
		for (size_t k = starts[0]; k < starts[3]; k++) {
			buf_char(ret, needle[k]);
			if (needle[k] == '"')
				buf_char(ret, '"');
		}
		buf_char(ret, '"');
	}
	return ret->error;
}

/* Numbers of parameters of SEARCH_FIND, behind those of a list. */
enum { NEEDLE = FILTER_VALUES, GRAMS, BELOW, VALUES };

/* Pieces have been looked at, newest first, down to one that is below all before. */
struct walk {
	struct db_conn *conn;
	struct value v[VALUES + 1];
	enum sql listed; /* how to go by what narrows the list; SQL_N: nothing does */
	size_t limit;
	struct searched *to;
};
/* A part of the way: which pieces hold the text in what the filter lets through. */
struct stretch {
	struct number_pair piece[WALK_CHUNK];
	size_t n;
	int64_t below; /* where the next begins; 0: there is none */
};

/* unit: bits by which what is read is less than a piece. */
static int read_stretch(struct walk *w, enum sql which, const struct value *v, int unit, struct stretch *ret)
{
	struct rows rows = {.item = ret->piece, .max = WALK_CHUNK};
	int r = query_rows(w->conn, which, &number_pair_row, &rows, v);

	for (size_t i = 0; i < rows.n; i++)
		ret->piece[i].first <<= unit;
	ret->n = rows.n;
	ret->below = ret->n < WALK_CHUNK ? 0 : ret->piece[ret->n - 1].first;
	return r;
}

/* By the filter's index: all that it lets through, whatever they hold. */
static int by_filter(struct walk *w, struct stretch *ret)
{
	struct value v[NEEDLE + 2] = {{0}};
	int64_t below = w->v[BELOW].number, from = below == INT64_MAX ? below : ((below - 1) >> PIECE_BITS) + 1;

	memcpy(v, w->v, (NEEDLE + 1) * sizeof(*v));
	if (v[FILTER_BEFORE].number > from)
		v[FILTER_BEFORE] = value_number(from);
	return read_stretch(w, w->listed, v, PIECE_BITS, ret);
}

static void add_found(struct walk *w, const struct stretch *s)
{
	struct searched *to = w->to;

	for (size_t i = 0; i < s->n && to->n < w->limit; i++) {
		int64_t place = s->piece[i].first >> PIECE_BITS; /* it has several pieces in a row */
		if (s->piece[i].second && (!to->n || to->place[to->n - 1] != place))
			to->place[to->n++] = place;
	}
}

/* A text that is everywhere and a filter that lets little through, or a rare text and a filter that lets much through:
 * both ways lead to the same, and the one that got further is gone. */
static int go_on(struct walk *w, size_t *looked_at, int64_t *ret_below)
{
	struct stretch text, filter;
	size_t found = w->to->n;
	int r = read_stretch(w, SEARCH_FIND, w->v, 0, &text);

	if (r < 0)
		return r;
	*looked_at += text.n;
	add_found(w, &text);
	if (w->to->n < w->limit && text.below && w->listed != SQL_N) {
		r = by_filter(w, &filter);
		*looked_at += filter.n;
	} else {
		filter.below = INT64_MAX;
	}
	if (r == 0 && filter.below < text.below) {
		w->to->n = found;
		add_found(w, &filter);
	}
	*ret_below = filter.below < text.below ? filter.below : text.below;
	return r;
}

/* The cursor that goes on with the pieces below that: of a place that was begun the rest, unless it was found. */
static int64_t next_of(const struct searched *found, int64_t below)
{
	int64_t place = below >> PIECE_BITS;
	bool rest = place << PIECE_BITS != below && (!found->n || found->place[found->n - 1] != place);

	return place + rest;
}

static int walk(struct walk *w)
{
	int64_t below = INT64_MAX;
	size_t looked_at = 0;
	int r = 0;

	while (r == 0 && below && w->to->n < w->limit && looked_at < WALK_MAX) {
		r = go_on(w, &looked_at, &below);
		w->v[BELOW] = value_number(below);
	}
	if (r == 0 && below && w->to->n < w->limit)
		w->to->next = next_of(w->to, below);
	return r;
}

static int find(struct db_conn *c, const struct incident_filter *f, const char *needle, const char *grams,
                struct searched *ret)
{
	static const enum sql by[2][2] = {{SEARCH_LISTED, SEARCH_LISTED_OF},
	                                  {SEARCH_LISTED_ENDED, SEARCH_LISTED_ENDED_OF}};
	bool narrow = f->rollout || f->state || f->kind;
	struct walk w = {c, {{0}}, narrow ? by[f->state != 0][f->rollout != NULL] : SQL_N, f->limit, ret};

	w.v[NEEDLE] = value_text(needle);
	incident_filter_values(f, w.v);
	if (incident_filter_is_open(f))
		return query_list(c, SEARCH_LIVE, &number_row, &ret->place, &ret->n, w.v);
	w.v[GRAMS] = value_text(grams);
	int64_t before = w.v[FILTER_BEFORE].number;
	w.v[BELOW] = value_number(before < INT64_MAX >> PIECE_BITS ? before << PIECE_BITS : INT64_MAX);
	w.v[FILTER_LIMIT] = value_number(WALK_CHUNK);
	ret->place = calloc(f->limit, sizeof(*ret->place));
	return ret->place ? walk(&w) : -ENOMEM;
}

int search_find(struct db_conn *c, const struct incident_filter *f, struct searched *ret)
{
	assert(c && f && f->q && f->q[0] && ret);
	CLEANUP(buf_free) struct buf needle = BUF(64 * 1024), grams = BUF(4096);
	struct searched found = {0};
	int r = filled_from(c, &found.from);

	if (r == 0 && (needle_of(f->q, &needle) < 0 || grams_of(buf_text(&needle), &grams) < 0))
		r = -EINVAL;
	if (r == 0)
		r = find(c, f, buf_text(&needle), buf_text(&grams), &found);
	if (r == -EUCLEAN)
		search_suspect();
	if (r < 0)
		free(TAKE(found.place));
	else
		*ret = found;
	return r;
}
