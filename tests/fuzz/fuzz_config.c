/* The config loader: the input is a config as people write it, and a plan as an incident keeps it. Either it is refused
 * with a sentence, or what is kept of it is JSON that reads back as the same. */
#include <stdlib.h>
#include <string.h>
#include "handlers/settings/settings.h"
#include "server/config/rules.h"
#include "server/core/json.h"
#include "server/core/text.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct config_reader *r, const struct settings *s, void *arg)
{
	(void)arg;
	config_check(r, s, CONFIG_OFFLINE);
}

static void check_faults(const struct config_faults *f)
{
	MUST(f->n > 0);
	for (size_t i = 0; i < f->n; i++)
		MUST(text_utf8_valid(f->line[i], strlen(f->line[i])) && !strchr(f->line[i], '\n') &&
		     (i == 0 || f->at[i - 1] <= f->at[i]));
}

static void check_kept(const struct settings *s, const struct rollout *r, const struct playbook *p)
{
	CLEANUP(plan_cleanup) struct plan *plan = NULL;
	CLEANUP(cleanup_free) char *text = plan_text(s, r, p);

	MUST(text && json_check(text, strlen(text), NULL) == 0);
	MUST(plan_read(text, &plan) == 0);
	MUST(!strcmp(plan->rollout.frozen, r->frozen) && !strcmp(plan->playbook.frozen, p->frozen));
	MUST(!strcmp(plan->rollout.name, r->name) && plan->rollout.n_stages == r->n_stages);
	MUST(plan->rollout.verify_timeout_us == r->verify_timeout_us && plan->rollout.n_checks == r->n_checks);
	MUST(plan->rollout.n_apply == r->n_apply && plan->rollout.alerts.n == r->alerts.n);
	for (size_t i = 0; i < r->n_stages; i++)
		MUST(plan->rollout.stages[i].pct == r->stages[i].pct &&
		     plan->rollout.stages[i].duration_us == r->stages[i].duration_us);
	MUST(plan->playbook.to_pct == p->to_pct && plan->playbook.after_us == p->after_us);
	MUST(plan->sla.total_us == s->sla.total_us && plan->limits.cooldown_us == s->limits.cooldown_us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_faults faults = {0};
	const struct config_reader r = {.file = "fuzz", .faults = &faults};
	CLEANUP(settings_cleanup) struct settings *s = NULL;
	CLEANUP(plan_cleanup) struct plan *plan = NULL;
	CLEANUP(cleanup_free) char *text = calloc(size + 1, 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	if (settings_read(&r, text, size, check, NULL, &s) < 0)
		check_faults(&faults);
	for (size_t i = 0; s && i < s->n_rollouts; i++)
		for (size_t j = 0; j < s->n_playbooks; j++)
			check_kept(s, &s->rollouts[i], &s->playbooks[j]);
	config_faults_free(&faults);
	if (plan_read(text, &plan) == 0)
		MUST(plan->rollout.name && plan->rollout.title && plan->playbook.severity && plan->external_url);
	return 0;
}
