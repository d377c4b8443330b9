/* The webhook decoder: whatever the bytes, every alert is either rejected with a sentence or complete. */
#include <stdlib.h>
#include <string.h>
#include "alertmanager/payload.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct alert *a)
{
	MUST(a->fingerprint[0] != '\0' && strlen(a->fingerprint) < sizeof(a->fingerprint));
	MUST(a->generator_url != NULL);
	MUST(a->rejected == (a->why != NULL));
	if (a->rejected)
		return;
	MUST(a->status == ALERT_FIRING || a->status == ALERT_RESOLVED);
	MUST(a->n_labels > 0 && a->n_labels <= PAYLOAD_LABELS_MAX);
	MUST(a->starts_at_us >= 0 && a->ends_at_us >= 0);
	for (size_t i = 0; i < a->n_labels; i++)
		MUST(alert_label(a, a->labels[i].name) == a->labels[i].value);
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
