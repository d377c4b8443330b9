/*
 * Alertmanager's webhook body and its relatives, as structs: versions "4", "3", "1", Grafana, Google's.
 * (reference: the webhook contract, A2 and A7.) Pure, fuzzed; any thread.
 *
 * Group fields (status, receiver, version, groupKey …) are never believed: an alert's own status counts.
 *
 * An alert is rejected when it cannot be acted on: it is no object; its status is not "firing" or "resolved" (in lower
 * case, as Alertmanager writes them); its labels are missing, empty, too many, too long or no strings; its startsAt is
 * no RFC 3339 time. Strange decoration (annotations, generatorURL, endsAt, fingerprint) only counts as absent.
 */
#ifndef ALERTMANAGER_PAYLOAD_H
#define ALERTMANAGER_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "server/core/json.h"
#include "server/core/text.h"

#define PAYLOAD_ALERTS_MAX     20000
#define PAYLOAD_LABELS_MAX     256         /* per alert */
#define PAYLOAD_VALUE_MAX      (16 * 1024) /* bytes of one label name or value */
#define PAYLOAD_ANNOTATION_MAX (64 * 1024) /* bytes of one annotation */

enum alert_status { ALERT_FIRING = 1, ALERT_RESOLVED = 2 }; /* stored: append, never renumber */

struct alert {
	bool rejected; /* then only fingerprint, raw and why are set */
	char *why;     /* owned; one sentence, for a rejected alert */
	enum alert_status status;
	char fingerprint[33]; /* as sent, or the 16 hex digits of the sorted labels' hash; rejected: 32 hex of the raw
	                         text's SHA-256. A sent fingerprint that is no 1..32 hex digits counts as missing */
	int64_t starts_at_us; /* missing, or a time before 1970 (Go's zero time is year 1): 0 */
	int64_t ends_at_us;   /* 0 when firing, missing, malformed or before 1970 */
	struct text_pair *labels; /* sorted by name; strings borrowed from the group's JSON tree */
	size_t n_labels;
	struct json_object *labels_json;      /* borrowed; objects of strings */
	struct json_object *annotations_json; /* borrowed; NULL when absent, or not all strings of bounded length */
	const char *generator_url;            /* borrowed; "" when absent */
	struct json_object *raw;              /* borrowed; the alert as sent */
};

struct alert_group {
	struct json_object *root; /* owned */
	const char *receiver;     /* borrowed; "" when absent. Regexp-quoted by Alertmanager: for display only */
	const char *group_key;    /* borrowed; "" when absent or not a string */
	const char *external_url;
	int64_t truncated; /* alerts cut off by max_alerts; 0 when absent */
	struct alert *alerts;
	size_t n;
};

/* Why a body can never be understood: a static or owned sentence for the 400. */
struct payload_fault {
	char why[200];
};

/* 0, or -EINVAL (fault set: not JSON, no alerts array, a bare array as Prometheus sends to /api/v2/alerts …), -E2BIG
 * over PAYLOAD_ALERTS_MAX, -ENOMEM. One strange alert is marked rejected and spoils nothing else. */
int alert_group_parse(const char *body, size_t len, struct alert_group **ret, struct payload_fault *fault) MUST_CHECK;
void alert_group_free(struct alert_group *g);
void alert_group_cleanup(struct alert_group **g);

/* The value of a label; NULL when absent. Borrowed. */
const char *alert_label(const struct alert *a, const char *name);

#endif
