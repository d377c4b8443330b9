/* The webhook decoder: whatever the bytes, every alert is either rejected with a sentence or complete. */
#include <stdlib.h>
#include <string.h>
#include "alertmanager/truncate.h"
#include "tests/fuzz/fuzz.h"

static void check_kept(const struct alert *a)
{
	struct truncated_alert k = {0};

	MUST(alert_truncate(a, &k) == 0);
	/* Every byte may need six, and names and values four quotes, a colon and a comma more. */
	MUST(strlen(k.labels) <= 6 * TRUNCATE_LABEL_BYTES + 6 * TRUNCATE_LABELS_MAX + 2);
	MUST(strlen(k.annotations) <= 6 * (PAYLOAD_ANNOTATIONS_MAX + 400) + 6 * a->n_annotations + 2);
	MUST(json_check(k.labels, strlen(k.labels), NULL) == 0);
	MUST(json_check(k.annotations, strlen(k.annotations), NULL) == 0);
	truncated_alert_free(&k);
}

static void check(const struct alert *a)
{
	MUST(a->fingerprint[0] != '\0' && strlen(a->fingerprint) < sizeof(a->fingerprint));
	MUST(a->generator_url != NULL);
	MUST(a->rejected == (a->why != NULL));
	check_kept(a);
	if (a->rejected)
		return;
	MUST(a->status == ALERT_FIRING || a->status == ALERT_RESOLVED);
	MUST(a->n_labels > 0);
	MUST(a->starts_at_us >= 0 && a->ends_at_us >= 0);
	for (size_t i = 0; i < a->n_labels; i++)
		MUST(alert_label(a, a->labels[i].name) == a->labels[i].value &&
		     text_utf8_valid(a->labels[i].value, strlen(a->labels[i].value)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct alert_group *g = NULL;
	struct payload_fault fault = {""};

	if (alert_group_parse((const char *)data, size, &g, &fault) < 0) {
		MUST(g == NULL && fault.why[0] != '\0');
		return 0;
	}
	for (size_t i = 0; i < g->n; i++)
		check(&g->alerts[i]);
	alert_group_free(g);
	return 0;
}
