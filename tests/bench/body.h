/*
 * Bodies as Alertmanager's webhook sends them, of about 900 bytes per alert. What makes an alert another one (its
 * instance and its fingerprint) has a fixed width, so the next body is made by writing over the last.
 */
#ifndef TESTS_BENCH_BODY_H
#define TESTS_BENCH_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct body_shape {
	unsigned alerts;    /* in one body */
	const char *labels; /* more of them, as JSON members: "\"action\":\"hold\"," ; may be "" */
	bool array;         /* only the alerts, as /api/v2/alerts wants them */
};

struct body {
	char *text; /* owned */
	size_t len;
	size_t *slots; /* owned: where serial numbers stand, two for each alert */
	unsigned alerts;
};

/* 0, or -ENOMEM. */
int body_make(const struct body_shape *s, struct body *ret);
/* Numbers the alerts of copy, which holds text, from serial on. */
void body_number(const struct body *b, char *copy, uint64_t serial);
void body_free(struct body *b);

#endif
