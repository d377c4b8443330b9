#include "tests/unit/config_fixture.h"

/* --- what is right --- */

static void defaults_stand_in_for_what_is_not_said(void **state)
{
	(void)state;
	must_load(SHOP);
	const struct settings *s = cfg->settings;

	assert_string_equal(s->environment, "production");
	assert_string_equal(s->external_url, "");
	assert_string_equal(s->prometheus.url, "");
	assert_int_equal(s->heartbeat.n, 0);
	assert_int_equal(s->retention_us, 400 * 86400 * US_PER_S);
	assert_int_equal(s->sla.detection_us, 120 * US_PER_S);
	assert_int_equal(s->sla.decision_us, 60 * US_PER_S);
	assert_int_equal(s->sla.execution_us, 120 * US_PER_S);
	assert_int_equal(s->sla.verification_us, 300 * US_PER_S);
	assert_int_equal(s->sla.total_us, 600 * US_PER_S);
	assert_int_equal(s->sla.manual_decision_us, 900 * US_PER_S);
	assert_int_equal(s->sla.manual_total_us, 1500 * US_PER_S);
	assert_int_equal(s->limits.cooldown_us, 600 * US_PER_S);
	assert_int_equal(s->limits.quiet_us, 1800 * US_PER_S);
	assert_int_equal(s->limits.rollbacks_per_day, 3);
	assert_int_equal(s->n_channels, 0);
	assert_int_equal(s->n_rollouts, 1);
	const struct rollout *r = &s->rollouts[0];

	assert_string_equal(r->title, "shop");
	assert_string_equal(r->dashboard_url, "");
	assert_null(r->flags_file);
	assert_null(r->flags_key);
	assert_int_equal(r->verify_delay_us, 5 * US_PER_S);
	assert_int_equal(r->verify_every_us, 5 * US_PER_S);
	assert_int_equal(r->verify_timeout_us, 300 * US_PER_S);
	assert_int_equal(r->passes, 2);
	assert_int_equal(r->apply[0].timeout_us, 30 * US_PER_S);
	assert_string_equal(r->apply[0].name, "true");
	assert_true(r->apply[0].idempotent);
	assert_int_equal(r->n_stages, 0);
	assert_int_equal(r->n_queries, 0);
}

static bool alerts_hold(const struct matchers *m, const char *name, const char *value)
{
	const struct text_pair label = {name, value};

	return matchers_judge(m, &label, 1, NULL) == MATCHERS_YES;
}

static void alerts_of_a_rollout_are_those_with_its_name_unless_it_says_others(void **state)
{
	(void)state;
	must_load(SHOP);
	assert_int_equal(cfg->settings->rollouts[0].alerts.n, 1);
	assert_true(alerts_hold(&cfg->settings->rollouts[0].alerts, "rollout", "shop"));
	assert_false(alerts_hold(&cfg->settings->rollouts[0].alerts, "rollout", "shops"));
	must_load(SHOP "    alerts: ['team=~\"a|b\"']\n");
	assert_true(alerts_hold(&cfg->settings->rollouts[0].alerts, "team", "b"));
	assert_false(alerts_hold(&cfg->settings->rollouts[0].alerts, "rollout", "shop"));
}

static void the_built_in_playbook_is_the_last_unless_one_has_its_name(void **state)
{
	(void)state;
	must_load(SHOP);
	assert_int_equal(cfg->settings->n_playbooks, 1);
	must_load(SHOP "playbooks: [{name: mine, match: ['action=\"x\"'], hold: true}]\n");
	assert_int_equal(cfg->settings->n_playbooks, 2);
	const struct playbook *p = &cfg->settings->playbooks[1];

	assert_string_equal(p->name, "auto-rollback");
	assert_string_equal(p->severity, "");
	assert_false(p->hold);
	assert_false(p->previous_stage);
	assert_int_equal(p->to_pct, 0);
	assert_int_equal(p->after_us, 0);
	assert_true(alerts_hold(&p->match, "action", "auto_rollback"));
	assert_false(alerts_hold(&p->match, "action", "x"));

	must_load(SHOP "playbooks:\n- {name: auto-rollback, match: ['a=b'], rollback: {to: 5}}\n"
	               "- {name: z, match: ['a=c'], hold: true}\n");
	assert_int_equal(cfg->settings->n_playbooks, 2);
	assert_int_equal(cfg->settings->playbooks[0].to_pct, 500);
	assert_string_equal(cfg->settings->playbooks[1].name, "z");
}

static void a_stage_belongs_to_the_environment_of_the_daemon_unless_it_says_another(void **state)
{
	(void)state;
	must_load("global: {environment: eu-1}\n" SHOP
	          "    stages:\n      - {number: 0, name: Pre, percentage: 100, environment: staging}\n"
	          "      - {number: 7, name: Canary, percentage: 0.25, duration: 1h30m}\n");
	const struct rollout *r = &cfg->settings->rollouts[0];

	assert_int_equal(r->n_stages, 2);
	assert_string_equal(r->stages[0].environment, "staging");
	assert_int_equal(r->stages[0].pct, 10000);
	assert_int_equal(r->stages[0].duration_us, 0);
	assert_string_equal(r->stages[1].environment, "eu-1");
	assert_int_equal(r->stages[1].number, 7);
	assert_int_equal(r->stages[1].pct, 25);
	assert_int_equal(r->stages[1].duration_us, 5400 * US_PER_S);
}

static void an_act_without_a_name_is_called_by_what_it_does(void **state)
{
	(void)state;
	must_load("rollouts:\n  - name: s\n    verify: {checks: [{command: [/bin/true]}]}\n    apply:\n"
	          "      - {command: [/usr/bin/systemctl, reload, /a/b]}\n"
	          "      - {http: {url: \"http://a/x\", method: PUT}}\n"
	          "      - {name: told, command: [/bin/true], idempotent: false}\n"
	          "      - {command: [/bin/sh, -c, \"a\\nb\"]}\n");
	const struct rollout *r = &cfg->settings->rollouts[0];

	assert_string_equal(r->apply[0].name, "systemctl reload /a/b");
	assert_string_equal(r->apply[1].name, "PUT http://a/x");
	assert_string_equal(r->apply[2].name, "told");
	assert_false(r->apply[2].idempotent);
	assert_string_equal(r->apply[3].name, "sh -c a b");
	assert_string_equal(r->apply[3].argv[2], "a\nb");
}

static void a_command_that_checks_has_more_time_than_a_query(void **state)
{
	(void)state;
	must_load(PROMETHEUS "rollouts:\n  - name: s\n    apply: [{command: [/bin/true]}]\n    verify:\n"
	                     "      checks:\n        - {prometheus: up, instances: count(up)}\n"
	                     "        - {command: [/bin/a]}\n        - {http: {url: \"http://a\", value: /p}}\n"
	                     "        - {command: [/bin/a], timeout: 1500ms}\n");
	const struct check *c = cfg->settings->rollouts[0].checks;

	assert_int_equal(c[0].timeout_us, 3 * US_PER_S);
	assert_string_equal(c[0].instances, "count(up)");
	assert_int_equal(c[1].timeout_us, 10 * US_PER_S);
	assert_null(c[1].instances);
	assert_int_equal(c[2].timeout_us, 3 * US_PER_S);
	assert_string_equal(c[2].pointer, "/p");
	assert_int_equal(c[3].timeout_us, 1500 * US_PER_MS);
}

static void aliases_and_anything_else_of_yaml_can_be_used(void **state)
{
	(void)state;
	must_load("%YAML 1.1\n---\nrollouts:\n  - name: 'a'\n    apply: &acts\n      - {command: [/bin/true]}\n"
	          "    verify: &v {checks: [{command: [/bin/true]}]}\n  - name: \"b\"\n    apply: *acts\n"
	          "    verify: *v\nchannels:\n  # - {name: none yet}\nusers:\nlimits:\n...\n");
	assert_int_equal(cfg->settings->n_rollouts, 2);
	assert_int_equal(cfg->settings->rollouts[1].n_apply, 1);
	assert_int_equal(cfg->settings->rollouts[1].n_checks, 1);
	assert_int_equal(cfg->settings->limits.rollbacks_per_day, 3);
}

static void no_note_of_the_reader_stays_in_a_plan(void **state)
{
	(void)state;
	must_load(SHOP);
	assert_null(strchr(cfg->settings->rollouts[0].frozen, '('));
	assert_null(strchr(cfg->settings->playbooks[0].frozen, '('));
}

static void secrets_come_from_their_files_only_when_online(void **state)
{
	char text[1000], file[128];

	(void)state;
	snprintf(file, sizeof(file), "%s/secret", dir);
	write_bytes(file, "http://chat/x\nmore\n", 19);
	snprintf(text, sizeof(text),
	         SHOP "channels:\n"
	              "- {name: a, slack: {url_file: %s}, events: [all]}\n"
	              "- {name: b, webhook: {url: \"http://b\", secret_file: %s/none}, events: [page]}\n"
	              "- {name: c, slack: {url_file: %s/neither}, events: [page]}\n",
	         file, dir, dir);
	must_load(text);
	assert_int_equal(cfg->channels.n, 0);
	assert_int_equal(cfg->settings->n_channels, 3);
	config_free(cfg);
	cfg = NULL;
	assert_int_equal(config_load(path, CONFIG_RUN, &cfg, &faults), -EINVAL);
	assert_int_equal(faults.n, 2);
	expect_fault(text, 0, 7, "channels[1].webhook.secret_file", "/none cannot be read: No such file");
	expect_fault(text, 1, 8, "channels[2].slack.url_file", "/neither cannot be read: No such file");
	config_faults_free(&faults);

	write_bytes(file, "hunter2\n", 8);
	snprintf(text, sizeof(text), SHOP "channels:\n- {name: a, slack: {url_file: %s}, events: [all]}\n", file);
	write_bytes(path, text, strlen(text));
	assert_int_equal(config_load(path, CONFIG_RUN, &cfg, &faults), -EINVAL);
	assert_int_equal(faults.n, 1);
	expect_fault(text, 0, 6, "channels[0].slack.url_file", "its first line is no URL");
	assert_null(strstr(faults.line[0], "hunter2"));
	config_faults_free(&faults);
	write_bytes(file, "http://u:hunter2@chat/x\n", 24);
	assert_int_equal(config_load(path, false, &cfg, &faults), -EINVAL);
	assert_int_equal(faults.n, 1);
	expect_fault(text, 0, 6, "channels[0].slack.url_file", "leave out the user name");
	assert_null(strstr(faults.line[0], "hunter2"));
	config_faults_free(&faults);
	write_bytes(file, "http://chat/x\nmore\n", 19);

	snprintf(text, sizeof(text), SHOP "channels: [{name: a, slack: {url_file: %s}, events: [all]}]\n", file);
	write_bytes(path, text, strlen(text));
	assert_int_equal(config_load(path, CONFIG_RUN, &cfg, &faults), 0);
	assert_string_equal(channels_find(&cfg->channels, "a")->url, "http://chat/x");
}

/* Every place of a secret, wrong in every way. */
static void no_fault_shows_a_secret(void **state)
{
	static const struct {
		const char *channel, *key, *word;
	} rows[] = {
		{"slack: {url: hunter2.example.com}", "slack.url", "is not shown, is not a URL"},
		{"slack: {url: [hunter2]}", "slack.url", "must be a URL"},
		{"slack: {url: {hunter2: x}}", "slack.url", "must be a URL"},
		{"slack: {url=http://chat/hunter2}", "slack", "Known here: url, url_file"},
		{"webhook: {url: \"http://h/ hunter2\"}", "webhook.url", "is not shown"},
		{"webhook: {url: \"http://h\", secret: \"hunter2\\n\"}", "webhook.secret",
	         "is not shown, is not a text of one line"},
		{"webhook: {url: \"http://h\", secret: \"hunter2\\0\"}", "webhook.secret", "must be a text"},
		{"webhook: {url: \"http://h\", secret: hunter2, secret: hunter2}", "webhook.secret",
	         "stands here twice"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[600], key[64];

		snprintf(key, sizeof(key), "channels[0].%s", rows[i].key);
		snprintf(text, sizeof(text), SHOP "channels:\n- {name: a, events: [all], %s}\n", rows[i].channel);
		assert_int_equal(load(text), -EINVAL);
		expect_fault(text, 0, 6, key, rows[i].word);
		for (size_t n = 0; n < faults.n; n++)
			assert_null(strstr(faults.line[n], "hunter2"));
	}
}

static void a_request_is_called_by_its_address_without_password_and_token(void **state)
{
	static const struct {
		const char *url, *name;
	} rows[] = {
		{"http://h:1/x", "POST http://h:1/x"},
		{"http://h/x?token=t", "POST http://h/x"},
		{"https://h/x?a=@b", "POST https://h/x"},
		{"http://h/x@y", "POST http://h/x@y"},
		{"http://[::1]:8080/x", "POST http://[::1]:8080/x"},
		{"http://[::1]", "POST http://[::1]"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[400];

		snprintf(text, sizeof(text),
		         "rollouts:\n  - name: s\n    verify: {checks: [{command: [/bin/true]}]}\n"
		         "    apply: [{http: {url: \"%s\"}}]\n",
		         rows[i].url);
		must_load(text);
		assert_string_equal(cfg->settings->rollouts[0].apply[0].name, rows[i].name);
		assert_string_equal(cfg->settings->rollouts[0].apply[0].url, rows[i].url);
	}
}

/* Every place of the config that holds a URL: none is used with its password, and each is shown somewhere. */
static void a_password_in_an_address_is_refused_with_the_cure_and_not_shown(void **state)
{
	static const struct {
		const char *before, *after, *key;
	} places[] = {
		{"global: {external_url: ", "}\n" SHOP, "global.external_url"},
		{"global: {prometheus: {url: ", "}}\n" SHOP, "global.prometheus.url"},
		{"global: {alertmanager: {url: ", "}}\n" SHOP, "global.alertmanager.url"},
		{SHOP "    dashboard_url: ", "\n", "rollouts[0].dashboard_url"},
		{SHOP "    fallback: [{after: 1m, http: {url: ", "}}]\n", "rollouts[0].fallback[0].http.url"},
		{"rollouts:\n  - {name: s, verify: {checks: [{command: [/bin/true]}]}, apply: [{http: {url: ", "}}]}\n",
	         "rollouts[0].apply[0].http.url"},
		{"rollouts:\n  - {name: s, apply: [{command: [/bin/true]}], verify: {checks: [{http: {value: /a, url: ",
	         "}}]}}\n", "rollouts[0].verify.checks[0].http.url"},
		{SHOP "playbooks: [{name: p, match: [a=b], rollback: {to: 0}, then: [{name: t, http: {url: ", "}}]}]\n",
	         "playbooks[0].then[0].http.url"},
		{SHOP "channels: [{name: a, events: [all], slack: {url: ", "}}]\n", "channels[0].slack.url"},
		{SHOP "channels: [{name: a, events: [all], webhook: {secret: s, url: ", "}}]\n",
	         "channels[0].webhook.url"},
	};
	static const char *const urls[] = {"\"http://hunter2@h/x\"", "\"https://u:hunter2@h:1/x\"",
	                                   "'http://:hunter2@h'"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		for (size_t j = 0; j < ARRAY_LEN(urls); j++) {
			CLEANUP(cleanup_free)
			char *text = text_format("%s%s%s", places[i].before, urls[j], places[i].after);
			bool found = false;

			assert_int_equal(load(text), -EINVAL);
			for (size_t n = 0; n < faults.n; n++) {
				assert_null(strstr(faults.line[n], "hunter2"));
				found |= strstr(faults.line[n], places[i].key) && strstr(faults.line[n], "let a proxy");
			}
			assert_true(found);
		}
}

static void an_address_that_paths_are_added_to_ends_in_no_slash(void **state)
{
	(void)state;
	must_load("global: {external_url: \"https://r/base//\", prometheus: {url: \"http://p:9090/\"}}\n" SHOP);
	assert_string_equal(cfg->settings->external_url, "https://r/base");
	assert_string_equal(cfg->settings->prometheus.url, "http://p:9090");
	must_load("global:\n  external_url:\n  timezone: America/Argentina/Ushuaia\n" SHOP);
	assert_string_equal(cfg->settings->external_url, "");
}

static void a_fault_of_a_file_with_a_very_long_name_is_whole(void **state)
{
	char longest[4000];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(config_load(longest, CONFIG_OFFLINE, &cfg, &faults), -EINVAL);
	assert_non_null(strstr(faults.line[0], "aaa: it cannot be read: File name too long"));
}

/* --- the table --- */

static void check_table(const struct section *s, const char *help)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct key *k = &s->keys[i];

		assert_non_null(k->help);
		assert_non_null(key_type_text(k->type));
		assert_non_null(strstr(help, k->name));
		assert_int_equal(!!k->sub, k->type == KEY_SECTION || k->type == KEY_LIST);
		assert_int_equal(!!k->words, k->type == KEY_WORD || k->type == KEY_WORDS);
		assert_false(k->required && k->def);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(k->name, s->keys[j].name);
		if (k->sub)
			check_table(k->sub, help);
	}
}

static void help_names_every_key_of_the_table(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	config_help(out);
	fclose(out);
	check_table(&config_root, text);
	assert_non_null(strstr(text, "\n  cooldown: "));
	assert_non_null(strstr(text, "default 10m"));
	assert_non_null(strstr(text, "# exactly one of: slack webhook"));
	free(text);
}

static void the_shipped_example_is_right_and_uses_every_section(void **state)
{
	(void)state;
	int r = config_load("deploy/rollbackd.yml", CONFIG_OFFLINE, &cfg, &faults);

	if (r < 0)
		print_error("%s\n", faults.line[0]);
	assert_int_equal(r, 0);
	const struct settings *s = cfg->settings;
	assert_int_equal(s->n_rollouts, 1);
	assert_int_equal(s->heartbeat.n, 1);
	assert_int_equal(s->n_playbooks, 5);
	assert_string_equal(s->playbooks[4].name, "auto-rollback");
	assert_true(s->n_channels > 0);
	CLEANUP(buf_free) struct buf text = BUF(CONFIG_FILE_MAX);
	const struct config_reader reader = {.file = "deploy/rollbackd.yml", .faults = &faults};

	assert_int_equal(config_text(&reader, &text), 0);
	for (size_t i = 0; i < config_root.n; i++) {
		char key[64], hint[64]; /* what would be wrong for most stands as a comment */

		snprintf(key, sizeof(key), "\n%s:", config_root.keys[i].name);
		snprintf(hint, sizeof(hint), "\n# %s:", config_root.keys[i].name);
		assert_true(strstr(buf_text(&text), key) || strstr(buf_text(&text), hint));
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(defaults_stand_in_for_what_is_not_said),
		T(alerts_of_a_rollout_are_those_with_its_name_unless_it_says_others),
		T(the_built_in_playbook_is_the_last_unless_one_has_its_name),
		T(a_stage_belongs_to_the_environment_of_the_daemon_unless_it_says_another),
		T(an_act_without_a_name_is_called_by_what_it_does),
		T(a_command_that_checks_has_more_time_than_a_query),
		T(aliases_and_anything_else_of_yaml_can_be_used),
		T(no_note_of_the_reader_stays_in_a_plan),
		T(secrets_come_from_their_files_only_when_online),
		T(no_fault_shows_a_secret),
		T(a_request_is_called_by_its_address_without_password_and_token),
		T(a_password_in_an_address_is_refused_with_the_cure_and_not_shown),
		T(an_address_that_paths_are_added_to_ends_in_no_slash),
		T(a_fault_of_a_file_with_a_very_long_name_is_whole),
		T(help_names_every_key_of_the_table),
		T(the_shipped_example_is_right_and_uses_every_section),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
