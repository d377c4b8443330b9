/*
 * The words of a command line, by the table of commands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "server/ctl/ctl.h"

#define WORDS_MAX 20

/* A command line as a shell would split it, up to a ">". */
struct line {
	char text[400];
	char *argv[WORDS_MAX + 1];
	int argc;
};

static void split(const char *text, struct line *l)
{
	memset(l, 0, sizeof(*l));
	snprintf(l->text, sizeof(l->text), "%s", text);
	for (char *p = l->text; p && *p && *p != '>';) {
		char *end = *p == '"' ? strchr(p + 1, '"') : strchr(p, ' ');

		assert_true(l->argc < WORDS_MAX);
		l->argv[l->argc++] = *p == '"' ? p + 1 : p;
		p = end ? end + 1 : NULL;
		if (end)
			*end = '\0';
		if (p && *p == ' ')
			p++;
	}
}

/* The command that is meant; NULL: refused. Its options stay in c, its words in l->argv from *ret_first on. */
static const struct ctl_command *meant(const char *text, struct ctl *c, struct line *l, int *ret_first)
{
	int used = 0;

	split(text, l);
	memset(c, 0, sizeof(*c));
	int n = ctl_args(c, l->argc, l->argv);
	if (n < 1)
		return NULL;
	c->command = ctl_command_of(n, (const char **)l->argv + 1, false, &used);
	*ret_first = 1 + used;
	bool fits = c->command && ctl_fits(c, n - used, (const char **)l->argv + 1 + used);
	return fits ? c->command : NULL;
}

static void every_example_is_taken_as_the_command_that_it_shows(void **state)
{
	(void)state;
	for (const struct ctl_command *cmd = ctl_commands; cmd->name; cmd++) {
		struct ctl c;
		struct line l;
		int first;

		assert_int_equal(strncmp(cmd->example, "rollbackctl ", 12), 0);
		const struct ctl_command *is = meant(cmd->example, &c, &l, &first);
		if (is != cmd)
			fail_msg("%s", cmd->example);
		free(c.given);
	}
}

static void what_is_needed_is_missed_from_every_command(void **state)
{
	(void)state;
	for (const struct ctl_command *cmd = ctl_commands; cmd->name; cmd++) {
		char text[200];
		struct ctl c;
		struct line l;
		int first;
		bool needs = cmd->args[0] && cmd->args[0] != '[';

		for (const struct ctl_option *o = cmd->options; o && o->name; o++)
			needs |= o->needed;
		snprintf(text, sizeof(text), "rollbackctl %s%s%s", cmd->name, cmd->verb ? " " : "",
		         cmd->verb ? cmd->verb : "");
		bool last = strchr(cmd->args, ' ') && cmd->args[0] == '['; /* "[ROLLOUT] N" */
		const struct ctl_command *is = meant(text, &c, &l, &first);
		if (needs || (last && !strstr(cmd->args, "…")))
			assert_null(is);
		else
			assert_ptr_equal(is, cmd);
		free(c.given);
	}
}

static void options_stand_anywhere_in_both_forms_and_the_last_one_wins(void **state)
{
	static const char *const same[] = {"rollbackctl rollback shop --stage 2 --wait",
	                                   "rollbackctl --wait --stage=2 rollback shop",
	                                   "rollbackctl rollback --stage 1 shop --wait --stage 2",
	                                   "rollbackctl rollback --wait --stage=2 -- shop"};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct ctl c;
		struct line l;
		int first;

		assert_non_null(meant(same[i], &c, &l, &first));
		assert_string_equal(l.argv[first], "shop");
		assert_null(l.argv[first + 1]);
		assert_string_equal(ctl_value(&c, "stage"), "2");
		assert_true(ctl_has(&c, "wait"));
		assert_false(ctl_has(&c, "offline"));
		free(c.given);
	}
}

static void another_name_and_several_values_are_found_by_the_first_name(void **state)
{
	struct ctl c;
	struct line l;
	int first;

	(void)state;
	assert_non_null(
		meant("rollbackctl simulate --bound a=1 --rules x --bound b=2 --config.file y", &c, &l, &first));
	assert_string_equal(ctl_nth(&c, "bound", 0), "a=1");
	assert_string_equal(ctl_nth(&c, "bound", 1), "b=2");
	assert_null(ctl_nth(&c, "bound", 2));
	assert_string_equal(ctl_config(&c), "y");
	free(c.given);
}

static void a_name_cut_short_is_no_name(void **state)
{
	static const char *const wrong[] = {"rollbackctl rollback shop --stag 2", "rollbackctl rollback shop --wai",
	                                    "rollbackctl incident 1 --verb", "rollbackctl status --timeou=3s"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct ctl c;
		struct line l;
		int first;

		assert_null(meant(wrong[i], &c, &l, &first));
		free(c.given);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_example_is_taken_as_the_command_that_it_shows),
		cmocka_unit_test(what_is_needed_is_missed_from_every_command),
		cmocka_unit_test(options_stand_anywhere_in_both_forms_and_the_last_one_wins),
		cmocka_unit_test(another_name_and_several_values_are_found_by_the_first_name),
		cmocka_unit_test(a_name_cut_short_is_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
