#include "tests/simulate/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/config/load.h"
#include "tests/simulate/sim.h"
#include "tests/simulate/world.h"

struct choice {
	int service[ROLLOUTS]; /* -1: the rollout is not there */
	int passes, delay_s, every_s;
	bool fallback, then;
};

static struct {
	char path[200];
	struct choice next, now;
} config;

void config_begin(const char *dir)
{
	snprintf(config.path, sizeof(config.path), "%s/rollbackd.yml", dir);
	config.next = (struct choice) {.service = {0, rnd_chance(30) ? 1 : -1},
	                               .passes = 1 + rnd_below(2),
	                               .delay_s = rnd_below(3),
	                               .every_s = 1 + rnd_below(4),
	                               .fallback = rnd_chance(20),
	                               .then = rnd_chance(20)};
	config.now = config.next;
}

void config_move(void)
{
	config.next.service[0] = config.next.service[0] == 0 ? 2 : 0;
}

void config_change(void)
{
	int what = rnd_below(4);

	if (what == 0)
		config_move();
	else if (what == 1)
		config.next.service[0] = config.next.service[0] < 0 ? 0 : -1;
	else if (what == 2)
		config.next.service[1] = config.next.service[1] < 0 ? 1 : -1;
	else
		config.next.passes = 3 - config.next.passes;
	if (config.next.service[0] < 0 && config.next.service[1] < 0)
		config.next.service[0] = 0;
}

void config_in_force(void)
{
	config.now = config.next;
}

void config_stays(void)
{
	config.next = config.now;
}

int config_service(int rollout)
{
	return config.now.service[rollout];
}

/* --- the file --- */

static void put_acts(FILE *f, int n, const struct service *s)
{
	if (s->file[0])
		fprintf(f, "    flags: {file: %s, percentage: PCT}\n", s->file);
	if (s->kind == SERVICE_RELOADS)
		fprintf(f, "    apply: [{command: [/bin/true, reload, \"%d\"], timeout: 10s}]\n", n);
	if (s->kind == SERVICE_COMMAND)
		fprintf(f, "    apply: [{command: [/bin/true, set, \"%d\"], timeout: 10s}]\n", n);
	if (s->kind == SERVICE_HTTP)
		fprintf(f,
		        "    apply: [{http: {method: PUT, url: \"http://svc%d/flags\", body: '{\"pct\": "
		        "${percentage}}'}, timeout: 5s}]\n",
		        n);
	if (config.next.fallback && s->kind == SERVICE_RELOADS)
		fprintf(f, "    fallback: [{after: 20s, command: [/bin/true, reload, \"%d\"], timeout: 10s}]\n", n);
}

static void put_checks(FILE *f, int n, const struct service *s)
{
	fprintf(f,
	        "    verify:\n      delay: %ds\n      every: %ds\n      passes: %d\n      timeout: 1m\n      checks:\n",
	        config.next.delay_s, config.next.every_s, config.next.passes);
	if (s->checks & CHECK_BY_PROMETHEUS)
		fprintf(f, "        - {prometheus: pct_%d, instances: 'count(up{job=\"svc%d\"})'}\n", n, n);
	if (s->checks & CHECK_BY_COMMAND)
		fprintf(f, "        - {command: [/bin/true, get, \"%d\"], timeout: 5s}\n", n);
	if (s->checks & CHECK_BY_HTTP)
		fprintf(f, "        - {http: {url: \"http://svc%d/flags\", value: /pct}}\n", n);
}

static void put_rollout(FILE *f, int rollout, int service)
{
	const struct service *s = world_service(service);

	fprintf(f, "  - name: r%d\n    alerts: ['rollout=~\"r%d|both\"']\n", rollout, rollout);
	put_acts(f, service, s);
	put_checks(f, service, s);
	fprintf(f, "    stages:\n"
	           "      - {number: 1, name: one, percentage: 10}\n"
	           "      - {number: 2, name: two, percentage: 25}\n"
	           "      - {number: 3, name: three, percentage: 50}\n");
}

static void put_playbooks(FILE *f)
{
	static const char *const rows[][2] = {
		{"to0", "rollback: {to: 0}"},
		{"to10", "rollback: {to: 10}"},
		{"previous", "rollback: {to: previous_stage}"},
		{"later", "rollback: {to: 0, after: " PLAYBOOK_LATER_US_TEXT "}"},
		{"hold", "hold: true"},
	};

	fprintf(f, "playbooks:\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		fprintf(f, "  - {name: %s, match: ['action=\"%s\"'], %s%s}\n", rows[i][0], rows[i][0], rows[i][1],
		        config.next.then && i == 0 ? ", then: [{name: after, command: [/bin/true, then, \"0\"], "
		                                     "timeout: 10s, idempotent: true}]"
		                                   : "");
}

static void put_config(FILE *f)
{
	fprintf(f,
	        "global:\n  evaluation_interval: 150s\n  prometheus: {url: \"http://prom\", timeout: 3s}\nrollouts:\n");
	for (int i = 0; i < ROLLOUTS; i++)
		if (config.next.service[i] >= 0)
			put_rollout(f, i, config.next.service[i]);
	put_playbooks(f);
	fprintf(f, "limits: {cooldown: 10s, rollbacks_per_day: 1000, quiet: 2m}\n"
	           "channels:\n"
	           "  - {name: pager, webhook: {url: \"http://pager/\"}, events: [page]}\n"
	           "users:\n"
	           "  - {name: alice, roles: [operator]}\n");
}

struct config *config_now(void)
{
	struct config_faults faults = {0};
	struct config *cfg = NULL;
	FILE *f = fopen(config.path, "we");

	if (!f)
		abort();
	put_config(f);
	fclose(f);
	if (config_load(config.path, true, &cfg, &faults) < 0) {
		for (size_t i = 0; i < faults.n; i++)
			fprintf(stderr, "%s\n", faults.line[i]);
		abort();
	}
	config_faults_free(&faults);
	return cfg;
}
