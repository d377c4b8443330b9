/*
 * The lines between the chunks of a body. The library neither shows nor bounds them: 0.9 turns in circles, with a
 * whole core, as soon as such a line (its size, its extension) fills the buffer without an end, and takes extensions
 * a thousand times as long as the data. What came over the wire and what waits there is known to the kernel.
 */
#include "server/http/private.h"

#include <assert.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#define LINES_ALWAYS (64 * 1024) /* of chunk lines in a body, and … */
#define LINES_FACTOR 8           /* … so many times its data: chunks of one byte have five */
#define IN_VAIN_MAX  3           /* it reads in every turn in which it can: one in vain may be a coincidence */

static int waiting(int fd)
{
	int n = 0;

	return ioctl(fd, SIOCINQ, &n) < 0 ? 0 : n;
}

/* What the library has read from the connection; -1: a unix socket. */
static int64_t taken(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
	    len < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received))
		return -1;
	return (int64_t)info.tcpi_bytes_received - waiting(fd);
}

void chunks_begin(struct request *r)
{
	assert(r->conn && !r->chunked && !r->body_seen);
	r->chunked = true;
	r->http->n_chunked++;
	r->conn->chunks = (struct chunks) {.begin = taken(r->conn->fd)};
}

static bool is_stuck(struct conn *c)
{
	struct chunks *k = &c->chunks;
	int n = waiting(c->fd);

	k->in_vain = n > 0 && n == k->waiting && k->seen == c->bytes ? k->in_vain + 1 : 0;
	k->waiting = n;
	k->seen = c->bytes;
	return k->in_vain >= IN_VAIN_MAX;
}

static bool is_mostly_lines(const struct conn *c)
{
	int64_t now = c->chunks.begin < 0 ? -1 : taken(c->fd);

	return now >= 0 && (uint64_t)(now - c->chunks.begin) > c->bytes * (LINES_FACTOR + 1) + LINES_ALWAYS;
}

void chunks_turn(struct http *h)
{
	struct conn *c;

	assert(on_http_thread(h));
	if (h->n_chunked == 0)
		return;
	LIST_FOREACH(c, &h->conns, link)
	if (c->phase == PHASE_BODY && !c->doomed && c->request->chunked && (is_stuck(c) || is_mostly_lines(c))) {
		http_warn(h, "a request was cut off: its chunk lines are longer than its data", "path",
		          c->request->path);
		conn_doom(h, c);
	}
}
