/* The audit trail as a list and as a stream, without a server. */
#include "tests/unit/db_fixture.h"

#include <stdatomic.h>
#include "db/event.h"
#include "handlers/api/api.h"
#include "handlers/api/accept.h"
#include "server/core/metrics.h"

/* --- list or stream --- */

/* RFC 9110, 12.5.1; its own example is the last but two. */
static void a_stream_is_for_who_names_it(void **state)
{
	static const struct {
		const char *accept;
		bool stream;
	} cases[] = {
		{NULL, false},
		{"", false},
		{"*/*", false},
		{"text/*", false},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false},
		{"application/json", false},
		{"text/event-stream", true},
		{"Text/Event-Stream", true},
		{" text/event-stream ", true},
		{"text/event-stream; charset=utf-8", true},
		{"text/event-stream-not", false},
		{"text/event", false},
		{"text/event-stream;q=0", false},
		{"text/event-stream;q=0.000", false},
		{"text/event-stream;q=0.001", true},
		{"text/event-stream, */*", true},
		{"*/*, text/event-stream", true},
		{"application/json, text/event-stream", true},
		{"application/json;q=0.9, text/event-stream", true},
		{"application/json, text/event-stream;q=0.9", false},
		{"*/*, text/event-stream;q=0.9", false},
		{"application/*;q=0.5, text/event-stream;q=0.6, */*", true},
		{"application/json;q=0.1, application/*, text/event-stream;q=0.2", true},
		{"application/json ; q=0.95 , text/event-stream ; Q=0.951", true},
		{"text/event-stream;version=1;q=0.5, application/json;q=0.6", false},
		{"text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5",
	         false},
		{",,, text/event-stream ,", true},
		{";;;,=,text/event-stream;q", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (accept_prefers(cases[i].accept, "text/event-stream", "application/json") != cases[i].stream)
			fail_msg("%s", cases[i].accept ? cases[i].accept : "(none)");
}

/* --- a request --- */

struct fixture {
	struct db *db;
};

struct asked {
	struct http_req req; /* first */
	const char *accept, *last, *rollout, *limit, *cursor;
};

static const char *header_of(const struct http_req *req, const char *name)
{
	const struct asked *a = (const struct asked *)req;

	return !strcmp(name, "Accept") ? a->accept : !strcmp(name, "Last-Event-ID") ? a->last : NULL;
}

static const char *param_of(const struct http_req *req, const char *name)
{
	const struct asked *a = (const struct asked *)req;

	return !strcmp(name, "rollout")  ? a->rollout
	       : !strcmp(name, "limit")  ? a->limit
	       : !strcmp(name, "cursor") ? a->cursor
	                                 : NULL;
}

static struct http_reply ask(struct db *db, struct asked a)
{
	struct api api = {.db = db};
	struct api_read q = {.api = &api, .req = &a.req, .segment = ""};
	struct http_reply reply = {0};

	a.req.header = header_of;
	a.req.param = param_of;
	assert_int_equal(db_reader_open(db, &q.conn), 0);
	assert_int_equal(events_list(&q, &reply), HTTP_REPLIED);
	db_reader_close(q.conn);
	return reply;
}

static atomic_int found;

static void is_ready(struct http_stream *s)
{
	(void)s;
	atomic_fetch_add(&found, 1);
}

static struct http_stream *stream_of(struct fixture *f, const char *last, const char *rollout)
{
	struct http_reply reply =
		ask(f->db, (struct asked) {.accept = "text/event-stream", .last = last, .rollout = rollout});

	assert_non_null(reply.stream);
	assert_string_equal(reply.content_type, "text/event-stream");
	assert_string_equal(reply.stream->beat, ": keep-alive\n\n");
	assert_int_equal(reply.body.len, 0);
	reply.stream->ready = is_ready;
	reply.stream->server = f;
	return reply.stream;
}

/* As the server does: what has nothing looks, and is asked again when it says that it has found something. Tells
 * whether there was anything. */
static bool more(struct http_stream *s, struct buf *b)
{
	uint64_t reads = metric_get(M_READS, 0);
	struct db *db = ((struct fixture *)s->server)->db;
	int before = found;

	assert_int_equal(s->next(s, b), 0);
	if (b->len)
		return true;
	s->look(s);
	UNTIL(metric_get(M_READS, 0) > reads && db_readers_busy_since_us(db) == 0);
	assert_int_equal(s->next(s, b), 0);
	assert_int_equal(found - before, b->len > 0);
	return b->len > 0;
}

static void expect(struct http_stream *s, const char *text)
{
	CLEANUP(buf_free) struct buf b = BUF(1 << 20);

	assert_int_equal(more(s, &b), text[0] != '\0');
	assert_string_equal(buf_text(&b), text);
}

/* --- the record --- */

static struct fixture open_record(void)
{
	struct fixture f = {.db = fixture_start()};

	assert_int_equal(db_readers_start(f.db), 0);
	return f;
}

static void close_record(struct fixture *f)
{
	db_readers_stop(f->db);
	db_close(f->db);
}

static int add(struct db_tx *tx, void *event)
{
	return event_add(tx, event);
}

static void happens(const struct fixture *f, const char *rollout, const char *what, const char *note)
{
	struct event e = {.at_us = 1760436000 * US_PER_S,
	                  .incident_id = 7,
	                  .rollout = (char *)rollout,
	                  .who = (char *)"alice",
	                  .what = (char *)what,
	                  .note = (char *)note};

	assert_int_equal(in_tx(f->db, add, &e), 0);
}

/* 1760436000 is 2025-10-14 10:00 UTC. */
#define DATA(id, rollout, what, note)                                                                                  \
	"id: " #id "\ndata: {\"id\":" #id ",\"at\":\"2025-10-14T10:00:00Z\",\"incident\":7,\"rollout\":\"" rollout     \
	"\",\"who\":\"alice\",\"what\":\"" what "\",\"note\":\"" note "\"}\n\n"

static void it_begins_now_and_tells_what_comes(void **state)
{
	struct fixture f = open_record();

	(void)state;
	happens(&f, "shop", "before", NULL);
	struct http_stream *s = stream_of(&f, NULL, NULL);
	expect(s, "retry: 3000\nid: 1\n\n");
	expect(s, "");
	happens(&f, "shop", "one", NULL);
	happens(&f, "cart", "two", "a note");
	expect(s, DATA(2, "shop", "one", "") DATA(3, "cart", "two", "a note"));
	expect(s, "");
	s->free(s);
	close_record(&f);
}

/* Committed between the request and the first look. */
static void nothing_falls_between_the_request_and_the_first_look(void **state)
{
	struct fixture f = open_record();
	struct http_stream *s = stream_of(&f, "", NULL);

	(void)state;
	happens(&f, "shop", "one", NULL);
	expect(s, "retry: 3000\nid: 0\n\n");
	expect(s, DATA(1, "shop", "one", ""));
	s->free(s);
	close_record(&f);
}

static void it_goes_on_behind_the_last_id(void **state)
{
	static const struct {
		const char *last, *first, *then;
	} cases[] = {
		{"0", "retry: 3000\nid: 0\n\n",
	         DATA(1, "shop", "one", "") DATA(2, "cart", "two", "") DATA(3, "shop", "three", "")},
		{"1", "retry: 3000\nid: 1\n\n", DATA(2, "cart", "two", "") DATA(3, "shop", "three", "")},
		{"3", "retry: 3000\nid: 3\n\n", ""},
		{"4", "retry: 3000\nid: 3\n\n", ""}, /* of another record: from now on */
		{"999999999999999999", "retry: 3000\nid: 3\n\n", ""},
	};
	struct fixture f = open_record();

	(void)state;
	happens(&f, "shop", "one", NULL);
	happens(&f, "cart", "two", NULL);
	happens(&f, "shop", "three", NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_stream *s = stream_of(&f, cases[i].last, NULL);
		expect(s, cases[i].first);
		expect(s, cases[i].then);
		s->free(s);
	}
	struct http_stream *s = stream_of(&f, "0", "shop");
	expect(s, "retry: 3000\nid: 0\n\n");
	expect(s, DATA(1, "shop", "one", "") DATA(3, "shop", "three", ""));
	s->free(s);
	close_record(&f);
}

/* WHATWG HTML, 9.2.6: a line ends with CR, LF or both, so data must hold neither. */
static void an_event_is_one_line_whatever_is_in_it(void **state)
{
	struct fixture f = open_record();
	struct http_stream *s = stream_of(&f, "0", NULL);

	(void)state;
	happens(&f, "shop", "note", "a\nb\r\nc\rid: 9\n\ndata: x \xff \"q\"");
	expect(s, "retry: 3000\nid: 0\n\n");
	expect(s, DATA(1, "shop", "note", "a\\nb\\r\\nc\\rid: 9\\n\\ndata: x \xef\xbf\xbd \\\"q\\\""));
	s->free(s);
	close_record(&f);
}

static int add_many(struct db_tx *tx, void *note)
{
	struct event e = {.who = (char *)"alice", .what = (char *)"note", .note = note};
	int r = 0;

	for (int i = 0; i < 1000 && r == 0; i++)
		r = event_add(tx, &e);
	return r;
}

static void a_backlog_comes_in_pieces_and_in_order(void **state)
{
	static char note[4001];
	struct fixture f = open_record();
	long expected = 0;

	(void)state;
	memset(note, 'x', sizeof(note) - 1);
	assert_int_equal(in_tx(f.db, add_many, note), 0);
	struct http_stream *s = stream_of(&f, "0", NULL);
	for (;;) {
		CLEANUP(buf_free) struct buf b = BUF(48 * 1024);
		if (!more(s, &b))
			break;
		assert_int_equal(b.error, 0);
		assert_true(b.len < 48 * 1024);
		for (const char *at = b.data; (at = strstr(at, "id: ")); at++)
			assert_int_equal(strtol(at + 4, NULL, 10), expected++);
	}
	assert_int_equal(expected, 1001); /* with the one of the beginning, 0 */
	s->free(s);
	close_record(&f);
}

static void what_cannot_be_is_refused(void **state)
{
	static const char *const ids[] = {"x", "-1", " 1", "1 ", "1.0", "0x1", "1234567890123456789"};
	struct fixture f = open_record();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct http_reply r = ask(f.db, (struct asked) {.accept = "text/event-stream", .last = ids[i]});
		assert_int_equal(r.status, 400);
		assert_null(r.stream);
		assert_non_null(strstr(r.body.data, "Last-Event-ID must be the id of an event"));
		buf_free(&r.body);
	}
	struct http_reply r = ask(f.db, (struct asked) {.accept = "text/event-stream", .limit = "5"});
	assert_int_equal(r.status, 400);
	assert_null(r.stream);
	assert_non_null(strstr(r.body.data, "a stream has no limit and no cursor"));
	buf_free(&r.body);
	close_record(&f);
}

static void others_get_the_list_as_ever(void **state)
{
	struct fixture f = open_record();

	(void)state;
	happens(&f, "shop", "one", NULL);
	struct http_reply list = ask(f.db, (struct asked) {.accept = "*/*", .last = "x"});
	struct http_reply head = ask(f.db, (struct asked) {.req.method = HTTP_HEAD, .accept = "text/event-stream"});
	assert_int_equal(list.status, 200);
	assert_null(list.stream);
	assert_null(list.content_type);
	assert_non_null(strstr(list.body.data, "\"data\":[{\"id\":1,\"at\":\"2025-10-14T10:00:00Z\","));
	assert_null(head.stream);
	assert_string_equal(head.body.data, list.body.data);
	buf_free(&list.body);
	buf_free(&head.body);
	close_record(&f);
}

static void what_is_committed_while_it_looks_is_found_without_being_asked(void **state)
{
	struct fixture f = open_record();
	struct http_stream *s = stream_of(&f, "0", NULL);
	int before = found;

	(void)state;
	expect(s, "retry: 3000\nid: 0\n\n");
	for (int i = 0; i < 50; i++)
		s->look(s); /* as at a storm of commits: one read at a time */
	happens(&f, "shop", "one", NULL);
	s->look(s);
	UNTIL(found > before);
	expect(s, DATA(1, "shop", "one", ""));
	assert_int_equal(found - before, 1);
	s->free(s);
	close_record(&f);
}

/* The client goes while a read for it is under way or waits. */
static void it_may_be_freed_while_it_looks(void **state)
{
	struct fixture f = open_record();

	(void)state;
	happens(&f, "shop", "one", NULL);
	for (int i = 0; i < 100; i++) {
		struct http_stream *s = stream_of(&f, "0", NULL);

		expect(s, "retry: 3000\nid: 0\n\n");
		s->look(s);
		s->free(s);
	}
	struct http_stream *s = stream_of(&f, "0", NULL);
	expect(s, "retry: 3000\nid: 0\n\n");
	db_readers_stop(f.db);
	s->look(s);
	CLEANUP(buf_free) struct buf b = BUF(100);
	assert_int_equal(s->next(s, &b), -ESHUTDOWN);
	s->free(s);
	close_record(&f);
}

/* 1001 events of 4 kB: a page of 500 would have 2 MB. */
static void a_page_is_bounded_in_bytes_and_nothing_is_lost(void **state)
{
	static char note[4001];
	struct fixture f = open_record();
	char cursor[24] = "";
	long expected = 1000, pages = 0;

	(void)state;
	memset(note, 'x', sizeof(note) - 1);
	assert_int_equal(in_tx(f.db, add_many, note), 0);
	do {
		struct http_reply r = ask(
			f.db, (struct asked) {.accept = "*/*", .limit = "500", .cursor = cursor[0] ? cursor : NULL});
		CLEANUP(json_cleanup) struct json_object *o = json_tokener_parse(buf_text(&r.body));
		struct json_object *data = NULL;

		assert_int_equal(r.status, 200);
		assert_true(r.body.len <= API_PAGE_BYTES + 100);
		assert_int_equal(json_get_arr(o, "data", &data), 1);
		for (size_t i = 0; i < json_object_array_length(data); i++) {
			int64_t id = 0;

			assert_int_equal(json_get_int(json_object_array_get_idx(data, i), "id", &id), 1);
			assert_int_equal(id, expected--);
		}
		snprintf(cursor, sizeof(cursor), "%s", json_str_or(o, "next", ""));
		buf_free(&r.body);
		pages++;
	} while (cursor[0]);
	assert_int_equal(expected, 0);
	assert_true(pages >= 4);
	close_record(&f);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_is_for_who_names_it),
		T(it_begins_now_and_tells_what_comes),
		T(nothing_falls_between_the_request_and_the_first_look),
		T(it_goes_on_behind_the_last_id),
		T(an_event_is_one_line_whatever_is_in_it),
		T(a_backlog_comes_in_pieces_and_in_order),
		T(what_is_committed_while_it_looks_is_found_without_being_asked),
		T(it_may_be_freed_while_it_looks),
		T(what_cannot_be_is_refused),
		T(others_get_the_list_as_ever),
		T(a_page_is_bounded_in_bytes_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
