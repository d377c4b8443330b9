#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include "server/core/clock.h"
#include "server/core/loop_private.h"

enum fetch_state { FETCH_WAITING, FETCH_RUNNING, FETCH_ENDED };

struct loop_fetch {
	TAILQ_ENTRY(loop_fetch) link;
	struct loop *loop;
	enum loop_share share;
	enum fetch_state state;
	int64_t deadline_us;
	struct loop_timer *deadline; /* runs while the fetch waits, too */
	CURL *easy;
	struct curl_slist *headers;
	struct buf body;
	bool too_big, crowded;
	loop_fetch_fn *fn;
	void *arg;
	char curl_text[CURL_ERROR_SIZE];
};

static const unsigned at_once[LOOP_SHARE_N] = {
	[LOOP_SHARE_ACT] = LOOP_ACT_MAX,
	[LOOP_SHARE_PAGE] = LOOP_PAGE_MAX,
	[LOOP_SHARE_TELL] = LOOP_TELL_MAX,
	[LOOP_SHARE_STUDY] = LOOP_STUDY_MAX,
};

static void fetch_delete(struct loop_fetch *f)
{
	if (!f)
		return;
	if (f->deadline)
		loop_timer_cancel(f->loop, f->deadline);
	curl_easy_cleanup(f->easy);
	curl_slist_free_all(f->headers);
	f->loop->bodies[f->share] -= f->body.len;
	buf_free(&f->body);
	free(f);
}

static void fetch_cleanup(struct loop_fetch **f)
{
	fetch_delete(*f);
}

/* Takes f out of its list and away from curl; nothing will call it again. */
static void fetch_detach(struct loop_fetch *f)
{
	assert(f->state != FETCH_ENDED);
	struct loop *l = f->loop;

	if (f->state == FETCH_WAITING) {
		TAILQ_REMOVE(&l->waiting[f->share], f, link);
		l->n_waiting[f->share]--;
	} else {
		TAILQ_REMOVE(&l->running[f->share], f, link);
		l->n_running[f->share]--;
		curl_multi_remove_handle(l->multi, f->easy);
	}
	f->state = FETCH_ENDED;
}

static void fetch_finish(struct loop_fetch *f, int error, const char *text)
{
	assert(f->fn && text && error <= 0);
	struct fetch_result r = {.error = error, .error_text = text};
	struct curl_header *h;
	long status = 0;

	fetch_detach(f);
	curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
	r.status = (int)status;
	if (curl_easy_header(f->easy, "Retry-After", 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
		r.retry_after = h->value;
	r.body = buf_text(&f->body);
	r.body_len = f->body.len;
	f->fn(f->arg, &r);
	fetch_delete(f);
}

/* What curl's verdicts mean to a reader. No text: curl's own, which for these names no path and no query. */
static const struct curl_verdict {
	CURLcode code;
	int error;
	const char *text;
} verdicts[] = {
	{CURLE_UNSUPPORTED_PROTOCOL, -EPROTO, "the answer is not HTTP"},
	{CURLE_WEIRD_SERVER_REPLY, -EPROTO, "the answer is not HTTP"},
	{CURLE_URL_MALFORMAT, -EINVAL, "the URL is malformed"},
	{CURLE_LOGIN_DENIED, -EINVAL, "the URL holds a user name or password"},
	{CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH, "the name could not be resolved"},
	{CURLE_GOT_NOTHING, -EIO, "the connection was closed without an answer"},
	{CURLE_PARTIAL_FILE, -EIO, "the connection was closed in the middle of the answer"},
	{CURLE_SEND_ERROR, -EIO, "the connection broke while sending"},
	{CURLE_RECV_ERROR, -EIO, "the connection broke while receiving"},
	{CURLE_OUT_OF_MEMORY, -ENOMEM, "out of memory"},
	{CURLE_SSL_CONNECT_ERROR, -EPROTO, NULL},
	{CURLE_PEER_FAILED_VERIFICATION, -EPROTO, NULL},
	{CURLE_SSL_CACERT_BADFILE, -EPROTO, NULL},
	{CURLE_SSL_CERTPROBLEM, -EPROTO, NULL},
	{CURLE_SSL_CIPHER, -EPROTO, NULL},
	{CURLE_SSL_ISSUER_ERROR, -EPROTO, NULL},
};

static bool reached(const struct loop_fetch *f, CURLINFO phase)
{
	curl_off_t us = 0;

	return curl_easy_getinfo(f->easy, phase, &us) == CURLE_OK && us > 0;
}

static bool over_tls(const struct loop_fetch *f)
{
	const char *url = NULL;

	return curl_easy_getinfo(f->easy, CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK && url &&
	       strncasecmp(url, "https:", 6) == 0;
}

/* The furthest phase that curl has noted tells what was missing. */
static const char *timeout_text(const struct loop_fetch *f)
{
	assert(f->state != FETCH_ENDED);
	long port = 0;

	if (f->state == FETCH_WAITING)
		return "time limit reached behind other transfers";
	if (reached(f, CURLINFO_STARTTRANSFER_TIME_T))
		return "time limit reached in the middle of the answer";
	if (reached(f, CURLINFO_PRETRANSFER_TIME_T))
		return "time limit reached: connected, but no answer";
	/* The time of the TCP connect is noted only after the TLS handshake; our port before it, but not by curl 8. */
	if (curl_easy_getinfo(f->easy, CURLINFO_LOCAL_PORT, &port) == CURLE_OK && port > 0)
		return "time limit reached during the TLS handshake";
	if (over_tls(f) && reached(f, CURLINFO_NAMELOOKUP_TIME_T))
		return "time limit reached: could not connect, or not end the TLS handshake";
	if (reached(f, CURLINFO_NAMELOOKUP_TIME_T))
		return "time limit reached: could not connect";
	return "time limit reached: the name could not be resolved";
}

static void finish_unconnected(struct loop_fetch *f)
{
	long e = 0;

	curl_easy_getinfo(f->easy, CURLINFO_OS_ERRNO, &e);
	if (e == ETIMEDOUT)
		fetch_finish(f, -ETIMEDOUT, "could not connect: no answer");
	else if (e == ECONNREFUSED || e <= 0)
		fetch_finish(f, -ECONNREFUSED, "connection refused");
	else {
		snprintf(f->curl_text, sizeof(f->curl_text), "could not connect: %s", strerrordesc_np((int)e));
		fetch_finish(f, -(int)e, f->curl_text);
	}
}

static void finish_by_table(struct loop_fetch *f, CURLcode code)
{
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
		if (verdicts[i].code == code) {
			const char *text = verdicts[i].text ? verdicts[i].text : f->curl_text;

			fetch_finish(f, verdicts[i].error, *text ? text : curl_easy_strerror(code));
			return;
		}
	fetch_finish(f, -EIO, curl_easy_strerror(code));
}

static void fetch_ended(struct loop_fetch *f, CURLcode code)
{
	if (f->too_big)
		fetch_finish(f, -EMSGSIZE, "the answer is too long");
	else if (f->crowded)
		fetch_finish(f, -EMSGSIZE, "the answers that come in together are too long");
	else if (f->body.error)
		fetch_finish(f, f->body.error, "out of memory");
	else if (code == CURLE_OK)
		fetch_finish(f, 0, "");
	else if (code == CURLE_OPERATION_TIMEDOUT)
		fetch_finish(f, -ETIMEDOUT, timeout_text(f));
	else if (code == CURLE_COULDNT_CONNECT)
		finish_unconnected(f);
	else if (code == CURLE_RECV_ERROR && over_tls(f) && !reached(f, CURLINFO_APPCONNECT_TIME_T))
		fetch_finish(f, -EPROTO, "the connection broke during the TLS handshake");
	else
		finish_by_table(f, code);
}

static void deadline_passed(void *arg)
{
	struct loop_fetch *f = arg;

	f->deadline = NULL;
	fetch_finish(f, -ETIMEDOUT, timeout_text(f));
}

/* curl's callbacks. They only collect: ours must be free to cancel. */

static size_t body_came(char *data, size_t size, size_t n, void *arg)
{
	struct loop_fetch *f = arg;
	assert(f->body.len <= f->body.max && size == 1);
	size_t len = size * n, room = f->body.max - f->body.len, *all = &f->loop->bodies[f->share];

	f->too_big = len > room;
	f->crowded = !f->too_big && len > LOOP_BODIES_MAX - *all;
	if (f->crowded || buf_add(&f->body, data, f->too_big ? room : len) < 0)
		return 0; /* ends the transfer */
	*all += f->too_big ? room : len;
	assert(*all >= f->body.len);
	return f->too_big ? 0 : len;
}

/* curl 7.88 opens its sockets without close-on-exec. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	(void)arg;
	(void)purpose;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* The request. */

/* QUICK_EXIT: without it the end of a transfer waits for its name resolution (measured: 10 s instead of 1 s).
 * HTTP/1.1: nothing here gains by HTTP/2. */
static const struct number_option {
	CURLoption option;
	long value;
} number_options[] = {
	{CURLOPT_NOSIGNAL, 1},
	{CURLOPT_QUICK_EXIT, 1},
	{CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
	{CURLOPT_FOLLOWLOCATION, 0},
	{CURLOPT_NETRC, CURL_NETRC_IGNORED},
	{CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
	{CURLOPT_SSL_VERIFYPEER, 1},
	{CURLOPT_SSL_VERIFYHOST, 2},
	{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
	{CURLOPT_MAXLIFETIME_CONN, 300},
};

static const struct text_option {
	CURLoption option;
	const char *value;
} text_options[] = {
	{CURLOPT_PROTOCOLS_STR, "http,https"},
	{CURLOPT_PROXY, ""}, /* not even the environment's */
	{CURLOPT_USERAGENT, "rollbackd/" ROLLBACKD_VERSION},
};

static int set_fixed(CURL *easy)
{
	CURLcode bad = CURLE_OK;

	for (size_t i = 0; i < ARRAY_LEN(number_options); i++)
		bad |= curl_easy_setopt(easy, number_options[i].option, number_options[i].value);
	for (size_t i = 0; i < ARRAY_LEN(text_options); i++)
		bad |= curl_easy_setopt(easy, text_options[i].option, text_options[i].value);
	bad |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	bad |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_came);
	return bad ? -ENOMEM : 0;
}

static bool starts_with(const char *s, const char *word)
{
	return strncasecmp(s, word, strlen(word)) == 0;
}

static bool sends_body(const struct fetch_spec *s)
{
	static const char *const without[] = {"GET", "HEAD", "DELETE"};

	for (size_t i = 0; i < ARRAY_LEN(without); i++)
		if (!s->body && strcmp(s->method, without[i]) == 0)
			return false;
	return true;
}

static int set_method(CURL *easy, const struct fetch_spec *s)
{
	CURLcode bad = CURLE_OK;

	if (sends_body(s)) {
		bad |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(s->body ? s->body_len : 0));
		bad |= curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, s->body ? s->body : "");
	} else if (strcmp(s->method, "HEAD") == 0) {
		bad |= curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	}
	bad |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, s->method);
	return bad ? -ENOMEM : 0;
}

static int add_header(struct loop_fetch *f, const char *header)
{
	struct curl_slist *longer = curl_slist_append(f->headers, header);

	if (!longer)
		return -ENOMEM;
	f->headers = longer;
	return 0;
}

static int set_headers(struct loop_fetch *f, const struct fetch_spec *s)
{
	bool typed = false;

	for (const char *const *h = s->headers; h && *h; h++) {
		typed = typed || starts_with(*h, "Content-Type:");
		if (add_header(f, *h) < 0)
			return -ENOMEM;
	}
	if (add_header(f, "Expect:") < 0) /* else a body over 1 MB waits up to 1 s for "100 Continue" */
		return -ENOMEM;
	if (!typed && add_header(f, "Content-Type:") < 0) /* else curl calls every body a web form */
		return -ENOMEM;
	return curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->headers) ? -ENOMEM : 0;
}

static int set_own(struct loop_fetch *f, const struct fetch_spec *s)
{
	CURLcode bad = CURLE_OK;

	bad |= curl_easy_setopt(f->easy, CURLOPT_URL, s->url);
	bad |= curl_easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
	bad |= curl_easy_setopt(f->easy, CURLOPT_PRIVATE, f);
	bad |= curl_easy_setopt(f->easy, CURLOPT_ERRORBUFFER, f->curl_text);
	return bad ? -ENOMEM : 0;
}

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

static bool header_ok(const char *h)
{
	size_t name = strspn(h, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

	return name > 0 && h[name] == ':' && !has_control(h);
}

static bool spec_ok(const struct fetch_spec *s)
{
	if (!s->method || !*s->method || s->method[strspn(s->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")])
		return false;
	if (!s->url || has_control(s->url))
		return false;
	if (!starts_with(s->url, "http://") && !starts_with(s->url, "https://"))
		return false;
	for (const char *const *h = s->headers; h && *h; h++)
		if (!header_ok(*h))
			return false;
	return s->timeout_us > 0 && (unsigned)s->share < LOOP_SHARE_N && s->body_len <= LONG_MAX;
}

static int fetch_new(struct loop *l, const struct fetch_spec *s, struct loop_fetch **ret)
{
	assert(s->share < LOOP_SHARE_N);
	CLEANUP(fetch_cleanup) struct loop_fetch *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->loop = l;
	f->share = s->share;
	f->body = BUF(s->max_body);
	f->deadline_us = clock_later(clock_mono_us(), s->timeout_us);
	f->deadline = loop_timer_at(l, f->deadline_us, deadline_passed, f);
	if (!f->deadline)
		return -ENOMEM;
	f->easy = curl_easy_init();
	if (!f->easy || set_fixed(f->easy) < 0 || set_own(f, s) < 0 || set_method(f->easy, s) < 0 ||
	    set_headers(f, s) < 0)
		return -ENOMEM;
	*ret = TAKE(f);
	return 0;
}

int loop_fetch(struct loop *l, const struct fetch_spec *spec, loop_fetch_fn *fn, void *arg, struct loop_fetch **ret)
{
	assert(l && spec && fn && loop_is_ours(l));
	struct loop_fetch *f = NULL;
	int r;

	if (!spec_ok(spec))
		return -EINVAL;
	if (l->n_waiting[spec->share] >= LOOP_QUEUE_MAX)
		return -EAGAIN;
	r = fetch_new(l, spec, &f);
	if (r < 0)
		return r;
	f->fn = fn;
	f->arg = arg;
	TAILQ_INSERT_TAIL(&l->waiting[f->share], f, link);
	l->n_waiting[f->share]++;
	if (ret)
		*ret = f;
	return 0;
}

void loop_fetch_cancel(struct loop *l, struct loop_fetch *f)
{
	assert(l && loop_is_ours(l));
	(void)l;
	if (!f || f->state == FETCH_ENDED) /* its own callback: fetch_finish frees it */
		return;
	fetch_detach(f);
	fetch_delete(f);
}

/* The turn. */

/* The deadline timer ends a transfer; curl is told the time too, to divide it among a name's addresses. It
 * gets a little more, because its own clock may run out a millisecond early. */
static CURLcode set_time_left(struct loop_fetch *f)
{
	int64_t ms = (f->deadline_us - clock_mono_us()) / US_PER_MS + 10;
	long limit = ms < 1 ? 1 : ms > INT_MAX ? INT_MAX : (long)ms;
	CURLcode bad = curl_easy_setopt(f->easy, CURLOPT_TIMEOUT_MS, limit);

	return bad | curl_easy_setopt(f->easy, CURLOPT_CONNECTTIMEOUT_MS, limit);
}

static void fetch_start(struct loop_fetch *f)
{
	struct loop *l = f->loop;

	assert(f->state == FETCH_WAITING && l->n_waiting[f->share] > 0);
	TAILQ_REMOVE(&l->waiting[f->share], f, link);
	l->n_waiting[f->share]--;
	TAILQ_INSERT_TAIL(&l->running[f->share], f, link);
	l->n_running[f->share]++;
	f->state = FETCH_RUNNING;
	if (set_time_left(f) || curl_multi_add_handle(l->multi, f->easy))
		fetch_finish(f, -ENOMEM, "out of memory");
}

static bool can_start(const struct loop *l, enum loop_share share)
{
	assert(l->n_running[share] <= at_once[share]);
	return l->n_waiting[share] > 0 && l->n_running[share] < at_once[share];
}

bool loop_fetches_ready(const struct loop *l)
{
	bool ready = false;

	for (int i = 0; i < LOOP_SHARE_N; i++)
		ready = ready || can_start(l, i);
	return ready;
}

static void read_completions(struct loop *l)
{
	int left;
	CURLMsg *m;

	while ((m = curl_multi_info_read(l->multi, &left)) != NULL) {
		struct loop_fetch *f = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&f);
		fetch_ended(f, m->data.result);
	}
}

int loop_fetches_turn(struct loop *l)
{
	assert(l);
	CURLMcode m;
	int running;

	for (int i = 0; i < LOOP_SHARE_N; i++)
		for (unsigned n = at_once[i]; n > 0 && can_start(l, i); n--)
			/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not see that the first one
			 * leaves */
			fetch_start(TAILQ_FIRST(&l->waiting[i]));
	m = curl_multi_perform(l->multi, &running);
	if (m != CURLM_OK)
		return m == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO;
	read_completions(l);
	return 0;
}

static void fetches_free(struct loop_fetches *list)
{
	struct loop_fetch *f = TAILQ_FIRST(list), *next;

	for (; f; f = next) {
		next = TAILQ_NEXT(f, link);
		loop_fetch_cancel(f->loop, f);
	}
}

void loop_fetches_free(struct loop *l)
{
	for (int i = 0; i < LOOP_SHARE_N; i++) {
		fetches_free(&l->waiting[i]);
		fetches_free(&l->running[i]);
	}
}
