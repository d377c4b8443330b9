/*
 * Alertmanager's webhook body and its relatives, as structs: versions "4", "3", "1", Grafana, Google's.
 * Pure, fuzzed; any thread.
 *
 * Group fields (status, receiver, version, groupKey …) are never believed: an alert's own status counts.
 *
 * No tree is built: a group costs about as much memory as its body, whatever the body consists of. Characters that are
 * odd (json_raw.h) become U+FFFD.
 *
 * An alert is rejected when it cannot be acted on: it is no object; its status is not "firing" or "resolved" (in lower
 * case, as Alertmanager writes them); its labels are missing, empty, no strings, or two have one name. Strange
 * decoration (annotations, generatorURL, startsAt, endsAt, fingerprint) only counts as absent.
 *
 * All labels are there to be matched, however many and long they are; what of them and of the annotations goes on
 * record is bounded (truncate.h).
 */
#ifndef ALERTMANAGER_PAYLOAD_H
#define ALERTMANAGER_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "alertmanager/arena.h"
#include "server/core/json.h"
#include "server/core/text.h"

#define PAYLOAD_ALERTS_MAX      20000
#define PAYLOAD_DECIDING_MAX    1000               /* that are kept beyond, when they decide something */
#define PAYLOAD_MEMORY_MAX      (48 * 1024 * 1024) /* bytes of one group; a body of 16 MiB needs about as many */
#define PAYLOAD_ANNOTATION_MAX  (8 * 1024)         /* bytes kept of one annotation … */
#define PAYLOAD_ANNOTATIONS_MAX (32 * 1024)        /* … and of all of an alert, names included */
#define PAYLOAD_URL_MAX         (4 * 1024) /* a longer generatorURL counts as absent: half of one leads nowhere */

enum alert_status { ALERT_FIRING = 1, ALERT_RESOLVED = 2 }; /* stored: append, never renumber */

struct alert {
	bool rejected;    /* then only fingerprint, why and name are set */
	const char *name; /* of a rejected alert: its alertname, NULL when that is no text */
	char *why;        /* owned; one sentence, for a rejected alert */
	enum alert_status status;
	char fingerprint[33]; /* as sent, or the 16 hex digits of the sorted labels' hash; rejected: 32 hex of the raw
	                         text's SHA-256. A sent fingerprint that is no 1..32 hex digits counts as missing */
	int64_t starts_at_us; /* missing, no RFC 3339 time, or a time before 1970 (Go's zero time is year 1): 0 */
	int64_t ends_at_us;   /* 0 when firing, missing, malformed or before 1970 */
	struct text_pair *labels; /* sorted by name; these and all texts below belong to the group */
	size_t n_labels;
	struct text_pair *annotations; /* what is kept of them; none when absent, or not all strings */
	size_t n_annotations;
	size_t annotations_cut, bytes_cut; /* how many annotations were cut or left out, and by how many bytes */
	const char *generator_url;         /* "" when absent */
	/* The two objects as sent, when that is how they would be written, whole and in order; else NULL. */
	const char *labels_as_sent, *annotations_as_sent;
};

struct alert_group {
	struct arena memory; /* owned: all texts */
	int64_t truncated;   /* alerts cut off by max_alerts; 0 when absent */
	struct alert *alerts;
	size_t n;
	size_t left_out, left_out_deciding; /* beyond PAYLOAD_ALERTS_MAX; those of them that would decide something */
	const char *left_out_name;          /* alertname of the first of the latter; NULL: none */
};

/* Whether an alert beyond PAYLOAD_ALERTS_MAX can change what is done: 1 or 0; below 0 ends the reading with it. */
struct payload_judge {
	int (*decides)(void *arg, const struct alert *a);
	void *arg;
};

/* Why a body can never be understood: a static or owned sentence for the 400. */
struct payload_fault {
	char why[200];
};

/* 0, or -EINVAL (fault set: not JSON, no alerts array, a bare array as Prometheus sends to /api/v2/alerts …), -E2BIG
 * over PAYLOAD_ALERTS_MAX, JSON_VALUES_MAX or PAYLOAD_MEMORY_MAX, -ENOMEM. One strange alert is marked rejected and
 * spoils nothing else. body is not needed afterwards. */
int alert_group_parse(const char *body, size_t len, struct alert_group **ret, struct payload_fault *fault) MUST_CHECK;
/* The same, but of more than PAYLOAD_ALERTS_MAX alerts the first are kept, and PAYLOAD_DECIDING_MAX more that decide.
 */
int alert_group_parse_judged(const char *body, size_t len, const struct payload_judge *judge, struct alert_group **ret,
                             struct payload_fault *fault) MUST_CHECK;
/* How many bytes it takes. */
size_t alert_group_size(const struct alert_group *g);
void alert_group_free(struct alert_group *g);
void alert_group_cleanup(struct alert_group **g);

/* The value of a label, or annotation; NULL when absent. Borrowed. */
const char *alert_label(const struct alert *a, const char *name);
const char *alert_annotation(const struct alert *a, const char *name);

#endif
