/*
 * Sentences about HTTP answers, the same wherever people read them. Pure; any thread.
 */
#ifndef SERVER_CORE_ANSWER_H
#define SERVER_CORE_ANSWER_H

#include "server/core/loop.h"

/* 2xx, but for 206: nobody asks for a part. */
bool answer_is_good(const struct fetch_result *r);
/* Why r is none: "no answer within 3s", "no answer: …", "answered 503: <how the body begins>", one line. */
void answer_failure(struct buf *b, const struct fetch_result *r, int64_t timeout_us);
/* The URL without its query, which may hold a secret; one line, cut when long. */
void answer_url(struct buf *b, const char *url);

#endif
