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
#ifndef ALERTMANAGER_KEPT_H
#define ALERTMANAGER_KEPT_H

#include "alertmanager/payload.h"

#define KEPT_LABELS_MAX  256
#define KEPT_LABEL_BYTES (32 * 1024) /* of all labels of an alert, names included */
#define KEPT_SAID        "rollbackd_not_kept"

struct alert_kept {
	char *labels, *annotations; /* owned: JSON objects of strings; "{}" of a rejected alert */
};
/* 0 or -ENOMEM. */
int alert_keep(const struct alert *a, struct alert_kept *ret) MUST_CHECK;
void alert_kept_free(struct alert_kept *k);

#endif
