/*
 * What of an alert goes on record: its labels and annotations as two JSON objects of bounded size.
 *
 * Everything that reads an incident reads them again, many times over: 15 MB of annotations in each of eight webhooks
 * once killed the daemon at every start. Nothing that decides is cut: matching and the fingerprint use what was sent.
 * Pure; any thread.
 *
 * A label is kept whole or not at all, since one with half its value would select other series than it names; the
 * short ones come first, and of all those that say what an alert is. What is missing is said in an annotation of ours.
 */
#ifndef ALERTMANAGER_TRUNCATE_H
#define ALERTMANAGER_TRUNCATE_H

#include "alertmanager/payload.h"

#define TRUNCATE_LABELS_MAX  256
#define TRUNCATE_LABEL_BYTES (32 * 1024) /* of all labels of an alert, names included */
#define TRUNCATE_NOTE        "rollbackd_not_kept"

struct truncated_alert {
	const char *labels, *annotations; /* JSON objects of strings; "{}" of a rejected alert. As long as the alert */
	char *own_labels, *own_annotations; /* owned: what is not the alert's */
};
/* 0 or -ENOMEM. */
int alert_truncate(const struct alert *a, struct truncated_alert *ret) MUST_CHECK;
void truncated_alert_free(struct truncated_alert *k);

#endif
