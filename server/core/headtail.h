/*
 * Output of unknown length in bounded memory: its first and its last bytes are kept, the rest is counted.
 *
 * Any thread, one at a time. Out of memory is no error here: what does not fit is lost and counted.
 */
#ifndef SERVER_CORE_HEADTAIL_H
#define SERVER_CORE_HEADTAIL_H

#include "server/core/buf.h"

struct headtail {
	struct buf buf; /* in order only after headtail_straighten */
	size_t head;    /* so many first bytes stay; behind them the latest ones go round and round */
	size_t next;    /* where in the round the next byte goes, counted from head */
	size_t lost;
};

/* max bytes in all, the first head of them from the beginning (head <= max). */
#define HEADTAIL(max_bytes, head_bytes) ((struct headtail) {.buf = BUF(max_bytes), .head = (head_bytes)})

void headtail_add(struct headtail *k, const void *data, size_t len);
/* Once, at the end: buf then holds head and tail, one after the other. */
void headtail_straighten(struct headtail *k);
/* Where in buf the lost bytes were; its end if none were. */
size_t headtail_gap(const struct headtail *k);
void headtail_free(struct headtail *k);

#endif
