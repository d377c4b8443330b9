/*
 * Delivery rules, pure: was it accepted, shall it be tried again, and when.
 */
#ifndef HANDLERS_NOTIFY_DELIVERY_H
#define HANDLERS_NOTIFY_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "server/core/loop.h"

enum delivery_verdict { VERDICT_SENT, VERDICT_RETRY, VERDICT_REFUSED };

/* A 2xx is a yes unless its body says no, whatever kind the channel is: who speaks Slack's format need not be Slack.
 * error: one sentence, "" when sent; never holds the URL. */
enum delivery_verdict delivery_verdict(const struct fetch_result *r, char *error, size_t size);

/* Exponential with full jitter, 1 s to 5 min: somewhere in (0.5, 1] of the step, drawn from random (any 32 bits).
 * attempts counts from 1. */
int64_t delivery_backoff_us(int64_t attempts, uint32_t random);

/* Retry-After as seconds ("2", "1.5") or an HTTP date, clamped to 1 s … 1 h; -1 for none or nonsense. now is wall time.
 */
int64_t delivery_retry_after_us(const char *header, int64_t now_us);

/* How long it waits until it is tried again: the longer of the two. A page comes again within a minute, whatever its
 * receiver says: nothing delays a page. */
int64_t delivery_wait_us(bool page, int64_t attempts, uint32_t random, const char *retry_after, int64_t now_us);

#endif
