/* What is kept of a config beside an incident, and read back: by this release, and of others. */
#include "tests/unit/config_fixture.h"

#include "server/core/text.h"

/* The plan of the first rollout and playbook. */
static char *first_plan(void)
{
	char *text = plan_text(cfg->settings, &cfg->settings->rollouts[0], &cfg->settings->playbooks[0]);

	assert_non_null(text);
	return text;
}

static struct plan *read_back(const char *text)
{
	struct plan *p = NULL;

	if (plan_read(text, &p) < 0)
		fail_msg("cannot be read back: %.2000s", text);
	return p;
}

/* The stages and checklist of tests/data/release-0.1/rollbackd.yml. */
#define RELEASE_0_1                                                                                                    \
	PROMETHEUS SHOP "    stages:\n"                                                                                \
			"      - number: 1\n"                                                                          \
			"        name: Canary\n"                                                                       \
			"        percentage: 10\n"                                                                     \
			"        duration: 48h\n"                                                                      \
			"        checklist: canary\n"                                                                  \
			"        approvals: [lead]\n"                                                                  \
			"        criteria: [{name: error rate, query: errors, max: 0.001}]\n"                          \
			"      - {number: 2, name: Expanded, percentage: 25, duration: 72h}\n"                         \
			"    checklists:\n"                                                                            \
			"      - {name: canary, items: [{text: Error logs reviewed}, {text: Dashboard watched}]}\n"

/* Column plan_sha of progress in drill.sql and pending.sql there, as that release wrote it: another one would mean that
 * the plan was changed, and begin the stage anew. */
static void a_stage_is_written_as_the_first_release_wrote_it(void **state)
{
	char sha[65];

	(void)state;
	must_load(RELEASE_0_1);
	const struct rollout *r = &cfg->settings->rollouts[0];
	CLEANUP(cleanup_free) char *first = text_format("[%s,%s]", r->stages[0].frozen, r->checklists[0].frozen);
	CLEANUP(cleanup_free) char *second = text_format("[%s]", r->stages[1].frozen);

	text_sha256(first, strlen(first), sha);
	assert_string_equal(sha, "fa2991db4301034f4411a7a2559fdd6d57a43d8f35c85c8623e217901ef6a2db");
	text_sha256(second, strlen(second), sha);
	assert_string_equal(sha, "d89856a1dc6dd21b25c214cee6168ce03acaa43e509427290a17a782bb646f59");
}

/* Characters that JSON takes as they are and YAML does not, or takes for an end of line. */
static void every_character_comes_back(void **state)
{
	static const char *const odd[] = {"\x7f",         "\xc2\x80",         "\xc2\x85",     "a \xe2\x80\xa8 b",
	                                  "\xe2\x80\xa9", "\xef\xbb\xbf",     "\xef\xbf\xbe", "\xef\xbf\xbf",
	                                  "\x01\x1f\t\n", "\xf0\x9f\x98\x80", "a/b\\c\"d",    "~",
	                                  "null",         "a: b # c",         "*a",           "&a"};
	static const char *const yaml[] = {"\\x7f",       "\\x80",         "\\x85",
	                                   "a \\u2028 b", "\\u2029",       "\\ufeff",
	                                   "\\ufffe",     "\\uffff",       "\\x01\\x1f\\t\\n",
	                                   "\\U0001f600", "a/b\\\\c\\\"d", "~",
	                                   "null",        "a: b # c",      "*a",
	                                   "&a"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		CLEANUP(cleanup_free)
		char *text = text_format("rollouts:\n  - name: s\n    verify: {checks: [{command: [/bin/true]}]}\n"
		                         "    apply: [{command: [/bin/echo, \"%s\", \"\"]}]\n",
		                         yaml[i]);

		must_load(text);
		assert_string_equal(cfg->settings->rollouts[0].apply[0].argv[1], odd[i]);
		CLEANUP(cleanup_free) char *kept = first_plan();
		CLEANUP(plan_cleanup) struct plan *p = read_back(kept);

		assert_string_equal(p->rollout.apply[0].argv[1], odd[i]);
		assert_string_equal(p->rollout.apply[0].argv[2], "");
	}
}

/* Keys of a later release are passed over, those that an earlier one did not know have their default. */
static void what_another_release_kept_is_read(void **state)
{
	CLEANUP(plan_cleanup)
	struct plan *p = read_back("{\"rollout\":{\"name\":\"shop\",\"later\":{\"a\":[1,null]},"
	                           "\"apply\":[{\"http\":{\"url\":\"http:\\/\\/h\"},\"timeout\":0.001}]},"
	                           "\"playbook\":{\"name\":\"manual\",\"rollback\":{\"to\":\"previous_stage\"}},"
	                           "\"limits\":{\"quiet\":1800},\"later\":1}");

	(void)state;
	assert_string_equal(p->rollout.title, "shop");
	assert_int_equal(p->rollout.apply[0].kind, ACT_HTTP);
	assert_string_equal(p->rollout.apply[0].url, "http://h");
	assert_string_equal(p->rollout.apply[0].method, "POST");
	assert_int_equal(p->rollout.apply[0].timeout_us, 1000);
	assert_true(p->playbook.previous_stage);
	assert_int_equal(p->playbook.restart_at, -1);
	assert_int_equal(p->limits.quiet_us, 1800 * US_PER_S);
	assert_int_equal(p->limits.stale_us, 60 * US_PER_S);
	assert_string_equal(p->prometheus.url, "");
}

/* Its defaults make it longer than the file, and it must not meet the file's limits. */
static void the_largest_config_comes_back(void **state)
{
	CLEANUP(buf_free) struct buf b = BUF(CONFIG_FILE_MAX);

	(void)state;
	buf_str(&b,
	        PROMETHEUS SHOP "    stages:\n    - number: 1\n      name: a\n      percentage: 1\n      criteria:\n");
	for (int i = 0; i < 2800; i++)
		buf_printf(&b, "      - {name: c%d, query: up, max: 1}\n", i);
	must_load(buf_text(&b));
	CLEANUP(cleanup_free) char *kept = first_plan();
	CLEANUP(plan_cleanup) struct plan *p = read_back(kept);

	assert_int_equal(p->rollout.stages[0].n_criteria, 2800);
	assert_string_equal(p->rollout.stages[0].criteria[2799].name, "c2799");
}

static void a_plan_is_kept_as_it_was_written(void **state)
{
	static const char by_hand[] = "{\"name\":\"manual\"}";

	(void)state;
	must_load(RELEASE_0_1);
	CLEANUP(cleanup_free) char *kept = first_plan();
	CLEANUP(plan_cleanup) struct plan *p = read_back(kept);

	assert_string_equal(p->rollout.frozen, cfg->settings->rollouts[0].frozen);
	assert_string_equal(p->playbook.frozen, cfg->settings->playbooks[0].frozen);
	struct playbook manual = {.frozen = by_hand};
	CLEANUP(cleanup_free)
	char *other = plan_text(cfg->settings, &cfg->settings->rollouts[0], &manual);
	CLEANUP(plan_cleanup) struct plan *q = read_back(other);

	assert_string_equal(q->playbook.frozen, by_hand);
}

/* Nothing of it is parsed or copied. */
static void a_plan_of_the_config_in_force_outlives_it(void **state)
{
	(void)state;
	must_load(RELEASE_0_1);
	struct settings *s = settings_ref(cfg->settings);
	struct plan *p = plan_of_settings(s, &s->rollouts[0], &s->playbooks[0]);

	assert_non_null(p);
	settings_unref(s);
	config_free(cfg);
	cfg = NULL;
	assert_string_equal(p->rollout.stages[0].name, "Canary");
	assert_string_equal(p->playbook.name, "auto-rollback");
	assert_string_equal(p->prometheus.url, "http://p:9090");
	assert_int_equal(p->limits.cooldown_us, 600 * US_PER_S);
	assert_int_equal(p->rollout.alerts.n, 1);
	plan_unref(p);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_stage_is_written_as_the_first_release_wrote_it),
		T(every_character_comes_back),
		T(what_another_release_kept_is_read),
		T(the_largest_config_comes_back),
		T(a_plan_is_kept_as_it_was_written),
		T(a_plan_of_the_config_in_force_outlives_it),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
