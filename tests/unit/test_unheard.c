/* Triggers that fire in Prometheus and do not come here: which they are. */
#include "config_fixture.h"
#include "handlers/gates/unheard.h"

#define FIRING(labels)                                                                                                 \
	"{\"metric\":{\"__name__\":\"ALERTS\",\"alertstate\":\"firing\"," labels "},\"value\":[1760436000,\"1\"]}"
#define TRIGGER "\"action\":\"auto_rollback\",\"alertname\":\"Slow\",\"rollout\":\"shop\""

/* How many of them are unheard, with what is known here. */
static struct unheard unheard(const char *series, const char *known)
{
	CLEANUP(buf_free) struct buf body = BUF(40000);
	struct prom_vector v = {0};
	struct unheard u;
	char why[200], *all[] = {(char *)known};

	buf_printf(&body, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[%s]}}", series);
	assert_int_equal(prom_vector_parse(buf_text(&body), body.len, &v, why, sizeof(why)), 0);
	must_load(SHOP);
	assert_int_equal(unheard_find(cfg->settings, &cfg->settings->rollouts[0], &v, all, known != NULL, &u), 0);
	prom_vector_free(&v);
	return u;
}

static void a_trigger_of_the_rollout_that_nobody_here_knows_is_unheard(void **state)
{
	(void)state;
	struct unheard u = unheard(FIRING(TRIGGER), NULL);

	assert_int_equal(u.n, 1);
	assert_string_equal(u.list[0].name, "Slow");
	assert_int_equal(unheard(FIRING(TRIGGER), "{" TRIGGER ",\"pod\":\"a\"}").n, 0); /* an external label more */
	assert_int_equal(unheard(FIRING(TRIGGER ",\"replica\":\"a\""), "{" TRIGGER "}").n, 0); /* dropped on the way */
	assert_int_equal(unheard(FIRING(TRIGGER ",\"pod\":\"b\""), "{" TRIGGER ",\"pod\":\"a\"}").n, 1);
	assert_int_equal(unheard(FIRING(TRIGGER), "{\"alertname\":\"Other\"}").n, 1);
	u = unheard(FIRING(TRIGGER) "," FIRING(TRIGGER ",\"pod\":\"b\""), NULL);
	assert_int_equal(u.n, 2);
	assert_int_not_equal(u.list[0].fingerprint, u.list[1].fingerprint);
	assert_int_equal(u.list[0].fingerprint, unheard(FIRING(TRIGGER), NULL).list[0].fingerprint);
}

static void many_labels_and_many_alerts_are_looked_at(void **state)
{
	CLEANUP(buf_free) struct buf labels = BUF(3000), all = BUF(30000);

	(void)state;
	buf_str(&labels, TRIGGER);
	for (int i = 0; i < 100; i++)
		buf_printf(&labels, ",\"l%d\":\"x\"", i);
	for (int i = 0; i < UNHEARD_MAX + 2; i++)
		buf_printf(&all,
		           "%s{\"metric\":{\"__name__\":\"ALERTS\",\"alertstate\":\"firing\",%s,\"pod\":\"%d\"},"
		           "\"value\":[1760436000,\"1\"]}",
		           i ? "," : "", buf_text(&labels), i);
	assert_int_equal(unheard(buf_text(&all), NULL).n, UNHEARD_MAX + 2);
}

static void what_would_not_do_anything_here_is_no_trigger(void **state)
{
	(void)state;
	assert_int_equal(unheard("", NULL).n, 0);
	assert_int_equal(unheard(FIRING("\"alertname\":\"Slow\",\"rollout\":\"shop\""), NULL).n, 0);
	assert_int_equal(
		unheard(FIRING("\"action\":\"auto_rollback\",\"alertname\":\"Slow\",\"rollout\":\"other\""), NULL).n,
		0);
	assert_int_equal(unheard(FIRING(TRIGGER ",\"drill\":\"1\""), NULL).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trigger_of_the_rollout_that_nobody_here_knows_is_unheard),
		cmocka_unit_test(many_labels_and_many_alerts_are_looked_at),
		cmocka_unit_test(what_would_not_do_anything_here_is_no_trigger),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
