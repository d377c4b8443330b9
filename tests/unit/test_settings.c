#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "handlers/notify/options.h"
#include "handlers/settings/settings.h"
#include "server/core/clock.h"
#include "tests/unit/settings_fixture.h"

/* A normalised config with something in every place. */
static const char full[] =
	"{\"global\":{\"external_url\":\"https://r\",\"environment\":\"production\",\"timezone\":\"UTC\","
	"  \"prometheus\":{\"url\":\"http://p:9090\",\"timeout\":2.5},\"retention\":34560000},"
	" \"heartbeat\":{\"match\":[\"alertname=Watchdog\"],\"timeout\":300},"
	" \"rollouts\":[{\"name\":\"shop\",\"alerts\":[\"rollout=shop\",\"team!=b\"],\"title\":\"Shop\",\"dashboard_"
	"url\":\"http://d\","
	"  "
	"\"flags\":{\"file\":\"/etc/"
	"shop.env\",\"percentage\":\"SHOP\",\"values\":[{\"name\":\"ON\",\"type\":\"bool\"}]},"
	"  \"apply\":[{\"name\":\"reload\",\"command\":[\"/bin/r\",\"a b\",\"\"],\"timeout\":30,\"idempotent\":true},"
	"    "
	"{\"name\":\"tell\",\"http\":{\"method\":\"PUT\",\"url\":\"http://"
	"s\",\"body\":\"${percentage}\"},\"timeout\":0.25,"
	"     \"idempotent\":false}],"
	"  \"verify\":{\"delay\":1,\"every\":0.05,\"passes\":3,\"timeout\":60,\"checks\":["
	"    "
	"{\"prometheus\":\"pct\",\"instances\":\"count(up)\",\"timeout\":3},{\"prometheus\":\"pct2\",\"timeout\":3},"
	"    "
	"{\"command\":[\"/bin/ask\"],\"timeout\":10},{\"http\":{\"url\":\"http://s/f\",\"value\":\"/"
	"p\"},\"timeout\":3}]},"
	"  \"snapshot\":{\"window\":1800,\"queries\":[{\"name\":\"errors\",\"unit\":\"ratio\",\"query\":\"e/r\"}]},"
	"  "
	"\"stages\":[{\"number\":0,\"name\":\"Pre\",\"percentage\":100,\"environment\":\"staging\",\"duration\":604800}"
	","
	"    {\"number\":1,\"name\":\"Canary\",\"percentage\":33.33,\"environment\":\"production\",\"duration\":0}]}],"
	" \"playbooks\":["
	"  "
	"{\"name\":\"slow\",\"match\":[\"action=back\"],\"severity\":\"P1\",\"rollback\":{\"to\":\"previous_stage\","
	"\"after\":3600}},"
	"  {\"name\":\"hold\",\"match\":[\"action=hold\"],\"severity\":\"\",\"hold\":true},"
	"  "
	"{\"name\":\"auto-rollback\",\"match\":[\"action=auto_rollback\"],\"severity\":\"\",\"rollback\":{\"to\":0.5,"
	"\"after\":0}}],"
	" \"sla\":{\"detection\":1,\"decision\":2,\"execution\":3,\"verification\":4,\"total\":5,\"manual_decision\":6,"
	"  \"manual_total\":7},"
	" \"limits\":{\"cooldown\":600,\"rollbacks_per_day\":3,\"quiet\":1800},"
	" \"channels\":[{\"name\":\"chat\",\"slack\":{\"url\":\"http://c/x\"},\"events\":[\"rollout\",\"incident\"]},"
	"  "
	"{\"name\":\"all\",\"webhook\":{\"url\":\"http://"
	"h\",\"secret\":\"s3\"},\"events\":[\"all\"],\"program\":\".text\"}],"
	" \"users\":[]}";

static char dir[64], why[400];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/rollbackd-options-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command); /* NOLINT: our own directory */
}

static struct json_object *parsed(const char *text)
{
	struct json_object *o = NULL;

	assert_int_equal(json_parse(text, strlen(text), &o, NULL), 0);
	return o;
}

static struct settings *read_full(void)
{
	struct settings *s = NULL;

	assert_int_equal(settings_of(full, &s, why, sizeof(why)), 0);
	return s;
}

/* --- settings --- */

static void check_rollout(const struct rollout *r)
{
	assert_string_equal(r->name, "shop");
	assert_string_equal(r->title, "Shop");
	assert_string_equal(r->dashboard_url, "http://d");
	assert_string_equal(r->flags_file, "/etc/shop.env");
	assert_string_equal(r->flags_key, "SHOP");
	assert_int_equal(r->alerts.n, 2);

	assert_int_equal(r->n_apply, 2);
	assert_int_equal(r->apply[0].kind, ACT_COMMAND);
	assert_string_equal(r->apply[0].argv[1], "a b");
	assert_string_equal(r->apply[0].argv[2], "");
	assert_null(r->apply[0].argv[3]);
	assert_int_equal(r->apply[0].timeout_us, 30 * US_PER_S);
	assert_true(r->apply[0].idempotent);
	assert_int_equal(r->apply[1].kind, ACT_HTTP);
	assert_string_equal(r->apply[1].method, "PUT");
	assert_string_equal(r->apply[1].body, "${percentage}");
	assert_int_equal(r->apply[1].timeout_us, 250 * US_PER_MS);
	assert_false(r->apply[1].idempotent);

	assert_int_equal(r->verify_delay_us, US_PER_S);
	assert_int_equal(r->verify_every_us, 50 * US_PER_MS);
	assert_int_equal(r->verify_timeout_us, 60 * US_PER_S);
	assert_int_equal(r->passes, 3);
	assert_int_equal(r->n_checks, 4);
	assert_int_equal(r->checks[0].kind, CHECK_PROMETHEUS);
	assert_string_equal(r->checks[0].instances, "count(up)");
	assert_null(r->checks[1].instances);
	assert_int_equal(r->checks[2].kind, CHECK_COMMAND);
	assert_string_equal(r->checks[2].argv[0], "/bin/ask");
	assert_null(r->checks[2].argv[1]);
	assert_int_equal(r->checks[2].timeout_us, 10 * US_PER_S);
	assert_int_equal(r->checks[3].kind, CHECK_HTTP);
	assert_string_equal(r->checks[3].pointer, "/p");

	assert_int_equal(r->snapshot_window_us, 1800 * US_PER_S);
	assert_int_equal(r->n_queries, 1);
	assert_string_equal(r->queries[0].unit, "ratio");
	assert_int_equal(r->n_stages, 2);
	assert_string_equal(r->stages[0].environment, "staging");
	assert_int_equal(r->stages[0].duration_us, 604800 * US_PER_S);
	assert_int_equal(r->stages[1].number, 1);
	assert_int_equal(r->stages[1].pct, 3333);
	assert_int_equal(r->stages[1].duration_us, 0);
}

static void everything_of_the_tree_arrives_in_the_settings(void **state)
{
	CLEANUP(settings_cleanup) struct settings *s = read_full();

	(void)state;
	assert_string_equal(s->external_url, "https://r");
	assert_string_equal(s->environment, "production");
	assert_string_equal(s->prometheus.url, "http://p:9090");
	assert_int_equal(s->prometheus.timeout_us, 2500 * US_PER_MS);
	assert_int_equal(s->heartbeat.n, 1);
	assert_int_equal(s->heartbeat_timeout_us, 300 * US_PER_S);
	assert_int_equal(s->retention_us, 34560000 * US_PER_S);
	assert_int_equal(s->sla.detection_us, 1 * US_PER_S);
	assert_int_equal(s->sla.decision_us, 2 * US_PER_S);
	assert_int_equal(s->sla.execution_us, 3 * US_PER_S);
	assert_int_equal(s->sla.verification_us, 4 * US_PER_S);
	assert_int_equal(s->sla.total_us, 5 * US_PER_S);
	assert_int_equal(s->sla.manual_decision_us, 6 * US_PER_S);
	assert_int_equal(s->sla.manual_total_us, 7 * US_PER_S);
	assert_int_equal(s->limits.cooldown_us, 600 * US_PER_S);
	assert_int_equal(s->limits.quiet_us, 1800 * US_PER_S);
	assert_int_equal(s->limits.rollbacks_per_day, 3);
	assert_int_equal(s->n_rollouts, 1);
	check_rollout(&s->rollouts[0]);
	assert_int_equal(s->n_channels, 2);
	assert_string_equal(s->channels[0].name, "chat");
	assert_int_equal(s->channels[0].events, EVENT_ROLLOUT | EVENT_INCIDENT);
	assert_int_equal(s->channels[1].events, EVENT_ALL);
}

static void playbooks_say_whether_they_lower_or_hold(void **state)
{
	CLEANUP(settings_cleanup) struct settings *s = read_full();
	const struct playbook *slow = settings_playbook(s, "slow"), *hold = settings_playbook(s, "hold");
	const struct playbook *fallback = settings_playbook(s, "auto-rollback");

	(void)state;
	assert_int_equal(s->n_playbooks, 3);
	assert_ptr_equal(fallback, &s->playbooks[2]);
	assert_true(slow->previous_stage);
	assert_int_equal(slow->to_pct, -1);
	assert_int_equal(slow->after_us, 3600 * US_PER_S);
	assert_string_equal(slow->severity, "P1");
	assert_false(slow->hold);
	assert_true(hold->hold);
	assert_false(hold->previous_stage);
	assert_false(fallback->previous_stage);
	assert_int_equal(fallback->to_pct, 50);
	assert_int_equal(fallback->after_us, 0);
	assert_string_equal(fallback->severity, "");
}

static void what_is_not_in_the_config_is_not_found(void **state)
{
	CLEANUP(settings_cleanup) struct settings *s = read_full();

	(void)state;
	assert_ptr_equal(settings_rollout(s, "shop"), &s->rollouts[0]);
	assert_null(settings_rollout(s, "sho"));
	assert_null(settings_rollout(s, ""));
	assert_null(settings_playbook(s, "Hold"));
}

static void a_config_of_almost_nothing_can_be_read(void **state)
{
	static const char text[] = "{\"global\":{},\"sla\":{},\"limits\":{},\"rollouts\":[],\"playbooks\":[],"
				   "\"channels\":[],\"users\":[]}";
	CLEANUP(settings_cleanup) struct settings *s = NULL;

	(void)state;
	assert_int_equal(settings_of(text, &s, why, sizeof(why)), 0);
	assert_int_equal(s->n_rollouts, 0);
	assert_string_equal(s->prometheus.url, "");
	assert_int_equal(s->heartbeat.n, 0);
	assert_int_equal(s->n_channels, 0);
}

static void a_tree_that_was_never_checked_is_refused_and_nothing_is_given(void **state)
{
	static const char *const trees[] = {
		"{\"rollouts\":[{\"name\":\"a\",\"alerts\":[\"no matcher\"]}]}",
		"{\"rollouts\":[{\"name\":\"a\",\"apply\":[{\"command\":[\"/a\"]},{}]}]}",
		"{\"rollouts\":[{\"name\":\"a\",\"verify\":{\"checks\":[{\"command\":[\"/a\"]}]}}],"
		" \"playbooks\":[{\"name\":\"p\",\"match\":[\"x\"]}]}",
		"{\"heartbeat\":{\"match\":[\"=\"]}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
		struct settings *s = (struct settings *)dir;

		assert_int_equal(settings_of(trees[i], &s, why, sizeof(why)), -EINVAL);
		assert_ptr_equal(s, dir);
		assert_true(why[0]);
	}
}

static void *hold_and_let_go(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		struct settings *s = settings_ref(arg);

		free(plan_text(s, &s->rollouts[0], &s->playbooks[0]));
		settings_unref(s);
	}
	return NULL;
}

static void settings_outlive_the_reload_while_any_thread_holds_them(void **state)
{
	struct settings *s = read_full();
	pthread_t threads[2];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hold_and_let_go, s), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	struct settings *mine = settings_ref(s);

	settings_unref(s);
	assert_string_equal(mine->rollouts[0].name, "shop");
	assert_int_equal(mine->refs, 1);
	settings_unref(mine);
	settings_unref(NULL);
}

/* --- the frozen plan --- */

static void a_plan_keeps_what_the_incident_was_opened_with(void **state)
{
	struct settings *s = read_full();
	CLEANUP(cleanup_free) char *text = plan_text(s, &s->rollouts[0], settings_playbook(s, "slow"));
	CLEANUP(plan_cleanup) struct plan *p = NULL;

	(void)state;
	settings_unref(s); /* the config is gone, as after a reload */
	assert_int_equal(plan_read(text, &p), 0);
	check_rollout(&p->rollout);
	assert_string_equal(p->playbook.name, "slow");
	assert_true(p->playbook.previous_stage);
	assert_int_equal(p->playbook.after_us, 3600 * US_PER_S);
	assert_int_equal(p->playbook.match.n, 1);
	assert_int_equal(p->sla.manual_total_us, 7 * US_PER_S);
	assert_int_equal(p->limits.quiet_us, 1800 * US_PER_S);
	assert_string_equal(p->prometheus.url, "http://p:9090");
	assert_int_equal(p->prometheus.timeout_us, 2500 * US_PER_MS);
	assert_string_equal(p->external_url, "https://r");
}

static void a_plan_is_proper_json_and_holds_no_secret(void **state)
{
	CLEANUP(settings_cleanup) struct settings *s = read_full();
	CLEANUP(cleanup_free) char *text = plan_text(s, &s->rollouts[0], &s->playbooks[1]);
	CLEANUP(json_cleanup) struct json_object *o = parsed(text);

	(void)state;
	assert_int_equal(json_object_object_length(o), 6);
	assert_null(strstr(text, "s3"));
	assert_null(strstr(text, "http://c/x"));
}

static void what_is_no_plan_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"null",
		"[]",
		"{",
		"{}",
		"{\"rollout\":{}}",
		"{\"playbook\":{}}",
		"{\"rollout\":[],\"playbook\":{}}",
		"{\"rollout\":{\"apply\":[7]},\"playbook\":{}}",
		"{\"rollout\":{\"alerts\":[\"x\"]},\"playbook\":{}}",
		"{\"rollout\":{},\"playbook\":{\"match\":[\"x\"]}}",
	};
	struct plan *p = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(plan_read(texts[i], &p), -EINVAL);
		assert_null(p);
	}
	plan_unref(NULL);
}

/* --- acts --- */

static void expect_same_act(const struct act *a)
{
	CLEANUP(cleanup_free) char *text = act_text(a);
	CLEANUP(json_cleanup) struct json_object *spec = parsed(text);
	struct act b;

	assert_int_equal(act_read(spec, &b), 0);
	assert_int_equal(b.kind, a->kind);
	assert_string_equal(b.name, a->name);
	assert_int_equal(b.timeout_us, a->timeout_us);
	assert_int_equal(b.idempotent, a->idempotent);
	for (size_t i = 0; a->argv && (i == 0 || a->argv[i - 1]); i++) {
		assert_int_equal(!!b.argv[i], !!a->argv[i]);
		if (a->argv[i])
			assert_string_equal(b.argv[i], a->argv[i]);
	}
	if (a->kind == ACT_HTTP) {
		assert_string_equal(b.method, a->method);
		assert_string_equal(b.url, a->url);
		assert_string_equal(b.body, a->body);
	}
	act_free(&b);
}

static void an_act_written_and_read_is_the_same_act(void **state)
{
	const char *argv[] = {"/bin/a", "", "two words", "\"quoted\" \\ \n\t日本", NULL};
	const struct act acts[] = {
		{.kind = ACT_COMMAND, .name = "a", .argv = argv, .timeout_us = 30 * US_PER_S, .idempotent = true},
		{.kind = ACT_COMMAND, .name = "", .argv = argv, .timeout_us = 1},
		{.kind = ACT_HTTP,
	         .name = "h",
	         .method = "PUT",
	         .url = "http://a/?b=c",
	         .body = "{\"p\": ${percentage}}",
	         .timeout_us = 1234567},
		{.kind = ACT_HTTP,
	         .name = "h",
	         .method = "POST",
	         .url = "http://a",
	         .body = "",
	         .timeout_us = INT64_C(100) * 365 * 86400 * US_PER_S,
	         .idempotent = true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		expect_same_act(&acts[i]);
}

static void an_act_of_neither_kind_is_refused(void **state)
{
	static const char *const specs[] = {"{}", "{\"command\":\"/bin/a\"}", "{\"http\":[]}"};
	struct act a = {.timeout_us = 77};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		CLEANUP(json_cleanup) struct json_object *spec = parsed(specs[i]);

		assert_int_equal(act_read(spec, &a), -EINVAL);
		assert_int_equal(a.timeout_us, 77);
	}
}

static void the_percentage_stands_in_the_body_wherever_it_is_asked_for(void **state)
{
	static const struct {
		const char *body;
		int32_t pct;
		const char *is;
	} rows[] = {
		{"", 0, ""},
		{"none", 0, "none"},
		{"${percentage}", 0, "0"},
		{"${percentage}", 1000, "10"},
		{"${percentage}", 3333, "33.33"},
		{"${percentage}", 50, "0.5"},
		{"${percentage}", 10000, "100"},
		{"{\"a\": ${percentage}, \"b\": \"${percentage}%\"}", 2500, "{\"a\": 25, \"b\": \"25%\"}"},
		{"${percentage}${percentage}", 100, "11"},
		{"$${percentage}}", 100, "$1}"},
		{"${percentage", 100, "${percentage"},
		{"${Percentage} $percentage", 100, "${Percentage} $percentage"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct act a = {.kind = ACT_HTTP, .body = rows[i].body};
		CLEANUP(cleanup_free) char *body = act_body(&a, rows[i].pct);

		assert_non_null(body);
		assert_string_equal(body, rows[i].is);
	}
}

/* --- channels --- */

static void channels_know_where_to_send_and_what(void **state)
{
	CLEANUP(settings_cleanup) struct settings *s = read_full();
	struct channels c = {0};

	(void)state;
	assert_int_equal(channels_read(s, &c, why, sizeof(why)), 0);
	assert_int_equal(c.n, 2);
	const struct channel *chat = channels_find(&c, "chat"), *all = channels_find(&c, "all");

	assert_int_equal(chat->kind, CHANNEL_SLACK);
	assert_string_equal(chat->url, "http://c/x");
	assert_null(chat->secret);
	assert_string_equal(chat->program, channel_program(CHANNEL_SLACK));
	assert_int_equal(all->kind, CHANNEL_WEBHOOK);
	assert_string_equal(all->secret, "s3");
	assert_string_equal(all->program, ".text");
	assert_null(channels_find(&c, "none"));
	channels_free(&c);
	channels_free(&c);
	assert_int_equal(c.n, 0);
}

static int read_file_channel(const char *content, size_t len, struct channels *c)
{
	char file[128], text[400];

	snprintf(file, sizeof(file), "%s/url", dir);
	if (content) {
		FILE *f = fopen(file, "w");

		assert_non_null(f);
		assert_int_equal(fwrite(content, 1, len, f), len);
		assert_int_equal(fclose(f), 0);
	}
	snprintf(text, sizeof(text), "{\"channels\":[{\"name\":\"a\",\"slack\":{\"url_file\":\"%s\"}}]}", file);
	CLEANUP(settings_cleanup) struct settings *s = NULL;

	assert_int_equal(settings_of(text, &s, why, sizeof(why)), 0);
	return channels_read(s, c, why, sizeof(why));
}

static void a_secret_is_the_first_line_of_its_file(void **state)
{
	static const char *const contents[] = {"http://c/x", "http://c/x\n", "http://c/x\r\n", "http://c/x\n\nmore"};
	struct channels c = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
		assert_int_equal(read_file_channel(contents[i], strlen(contents[i]), &c), 0);
		assert_string_equal(c.item[0].url, "http://c/x");
		channels_free(&c);
	}
}

static void a_secret_that_is_none_is_refused_without_showing_it(void **state)
{
	static char longer[6000];
	struct channels c = {0};

	(void)state;
	assert_int_equal(read_file_channel(NULL, 0, &c), -ENOENT);
	assert_non_null(strstr(why, "/url cannot be read: No such file"));
	assert_int_equal(read_file_channel("", 0, &c), -EINVAL);
	assert_non_null(strstr(why, "empty"));
	assert_int_equal(read_file_channel("\nhttp://c\n", 10, &c), -EINVAL);
	assert_non_null(strstr(why, "empty"));
	assert_int_equal(read_file_channel("hunter2\n", 8, &c), -EINVAL);
	assert_non_null(strstr(why, "/url: its first line is no URL"));
	assert_null(strstr(why, "hunter2"));
	assert_int_equal(read_file_channel("http://c/hunter2 \n", 18, &c), -EINVAL);
	assert_non_null(strstr(why, "is no URL"));
	assert_null(strstr(why, "hunter2"));
	assert_int_equal(read_file_channel("http://c/a\0b\n", 13, &c), -EINVAL);
	assert_non_null(strstr(why, "is no text"));
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "http://", 7);
	assert_int_equal(read_file_channel(longer, sizeof(longer), &c), -EINVAL);
	assert_non_null(strstr(why, "too long"));
	assert_int_equal(c.n, 0);
}

static void a_secret_that_is_no_file_is_refused_and_never_waited_for(void **state)
{
	char fifo[128];

	(void)state;
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(channel_secret_check(fifo, true, why, sizeof(why)), -EINVAL);
	assert_int_equal(channel_secret_check(dir, true, why, sizeof(why)), -EISDIR);
	assert_int_equal(channel_secret_check("/dev/zero", false, why, sizeof(why)), -EINVAL);
	assert_int_equal(channel_secret_check("/proc/self/comm", false, why, sizeof(why)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_of_the_tree_arrives_in_the_settings),
		cmocka_unit_test(playbooks_say_whether_they_lower_or_hold),
		cmocka_unit_test(what_is_not_in_the_config_is_not_found),
		cmocka_unit_test(a_config_of_almost_nothing_can_be_read),
		cmocka_unit_test(a_tree_that_was_never_checked_is_refused_and_nothing_is_given),
		cmocka_unit_test(settings_outlive_the_reload_while_any_thread_holds_them),
		cmocka_unit_test(a_plan_keeps_what_the_incident_was_opened_with),
		cmocka_unit_test(a_plan_is_proper_json_and_holds_no_secret),
		cmocka_unit_test(what_is_no_plan_is_refused),
		cmocka_unit_test(an_act_written_and_read_is_the_same_act),
		cmocka_unit_test(an_act_of_neither_kind_is_refused),
		cmocka_unit_test(the_percentage_stands_in_the_body_wherever_it_is_asked_for),
		cmocka_unit_test(channels_know_where_to_send_and_what),
		cmocka_unit_test_setup_teardown(a_secret_is_the_first_line_of_its_file, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_secret_that_is_none_is_refused_without_showing_it, make_dir,
	                                        remove_dir),
		cmocka_unit_test_setup_teardown(a_secret_that_is_no_file_is_refused_and_never_waited_for, make_dir,
	                                        remove_dir),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
