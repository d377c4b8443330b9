/* Matchers as Alertmanager reads them since 0.27: UTF-8 names, quoted names, bare Unicode. amtool beside us. */
#include "alertmanager/matcher.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define AMTOOL "build/tools-forky/usr/bin/amtool" /* the one of Debian 12 does not know this language */

enum verdict { FAILS, HOLDS, REFUSED };

/* The label name has the value, no other label is there. */
static const struct utf8_case {
	const char *text, *name, *value;
	enum verdict verdict;
} cases[] = {
	/* names */
	{"\"foo.bar\"=\"b\"", "foo.bar", "b", HOLDS},
	{"foo.bar=b", "foo.bar", "b", HOLDS},
	{"foo-bar!=b", "foo-bar", "b", FAILS},
	{"1a=b", "1a", "b", HOLDS},
	{"ä=b", "ä", "b", HOLDS},
	{"😀=b", "😀", "b", HOLDS},
	{"a:b.c=x", "a:b.c", "x", HOLDS},
	{"\"foo bar\"=\"b\"", "foo bar", "b", HOLDS},
	{"\"foo\\\"bar\"=b", "foo\"bar", "b", HOLDS},
	{"\"a\\nb\"=x", "a\nb", "x", HOLDS},
	{"foo bar=b", "foo bar", "b", REFUSED},
	{"'a'=b", "a", "b", REFUSED},
	{"a~b=c", "a~b", "c", REFUSED},
	{"\"a.b\"x=\"b\"", "a.b", "b", REFUSED},
	/* operators and values */
	{"日本=~\"本.*\"", "日本", "本x", HOLDS},
	{"a.b=~b|c", "a.b", "c", HOLDS},
	{"a.b=~\"(?i)B\"", "a.b", "b", HOLDS},
	{"a.b!~\"b\"", "a.b", "c", HOLDS},
	{"a.b != b", "a.b", "c", HOLDS},
	{"a.b=\"b c\"", "a.b", "b c", HOLDS},
	{"a.b=\"\"", "a.b", "", HOLDS},
	{"a.b=\u3000b\u00a0", "a.b", "b", HOLDS},
	{"a\u00a0=b", "a", "b", HOLDS},
	{"a.b=", "a.b", "", REFUSED},
	{"a.b=~", "a.b", "", REFUSED},
	{"a.b ! = b", "a.b", "b", REFUSED},
	{"a.b==b", "a.b", "=b", REFUSED},
	{"a.b=!b", "a.b", "!b", REFUSED},
	{"a.b=b c", "a.b", "b c", REFUSED},
	{"a.b=b{", "a.b", "b{", REFUSED},
	{"a.b=c~", "a.b", "c~", REFUSED},
	{"a.b=\\b", "a.b", "b", REFUSED},
	{"a.b=`b`", "a.b", "b", REFUSED},
	{"a.b=\"b\"x", "a.b", "b", REFUSED},
	{"a.b=\"b", "a.b", "b", REFUSED},
	{"a.b=~\"[\"", "a.b", "b", REFUSED},
	/* escapes: Go's where the older language does not read it, else the older one's */
	{"\"a.b\"=\"\\u00e9\\x41\\101\\U0001F600\"", "a.b", "éAA😀", HOLDS},
	{"a.b=\"\\a\\b\\f\\n\\r\\t\\v\\\\\\\"\"", "a.b", "\a\b\f\n\r\t\v\\\"", HOLDS},
	{"a.b=~\"b\\\\.c\"", "a.b", "b.c", HOLDS},
	{"a=\"\\t\"", "a", "\\t", HOLDS},
	{"a=\"\\t\"", "a", "\t", FAILS},
	{"a.b=~\"b\\.c\"", "a.b", "b.c", REFUSED},
	{"a.b=\"\\q\"", "a.b", "q", REFUSED},
	{"a.b=\"\\'\"", "a.b", "'", REFUSED},
	{"a.b=\"\\0\"", "a.b", "b", REFUSED},
	{"a.b=\"\\400\"", "a.b", "b", REFUSED},
	{"a.b=\"\\x4\"", "a.b", "b", REFUSED},
	{"a.b=\"\\xff\"", "a.b", "b", REFUSED},
	{"a.b=\"\\ud800\"", "a.b", "b", REFUSED},
	{"a.b=\"\\U00110000\"", "a.b", "b", REFUSED},
	{"a.b=\"x\ny\"", "a.b", "x\ny", REFUSED},
	/* braces and lists */
	{"{\"foo.bar\"=\"b\"}", "foo.bar", "b", HOLDS},
	{"{foo.bar=b, a=\"\"}", "foo.bar", "b", HOLDS},
	{"{foo.bar=b,}", "foo.bar", "b", HOLDS},
	{" {foo.bar=b} ", "foo.bar", "b", HOLDS},
	{"a.b=b,\n c.d!=x", "a.b", "b", HOLDS},
	{"a=\"b\" , \"c.d\"=\"\"", "a", "b", HOLDS},
	{"{foo.bar=b", "foo.bar", "b", REFUSED},
	{"foo.bar=b}", "foo.bar", "b", REFUSED},
	{"{{a.b=b}}", "a.b", "b", REFUSED},
	{"{foo.bar=b}}", "foo.bar", "b", REFUSED},
	{"{,}", "a", "b", REFUSED},
	{",a.b=b", "a.b", "b", REFUSED},
	{"a.b=b,,", "a.b", "b", REFUSED},
	{"a.b=b c.d=e", "a.b", "b", REFUSED},
	{"a.b,c=d", "a.b", "b", REFUSED},
	{"a!=,b.c=x", "a", "y", REFUSED},
	{"a=b\\, \"c.d\"=\"\"", "a", "b", REFUSED},
};

static enum verdict ours(const struct utf8_case *c)
{
	struct text_pair label = {c->name, c->value};
	struct matcher_fault fault = {""};
	struct matchers m = {0};
	int r = matchers_add(&m, c->text, &fault);

	if (r < 0) {
		assert_int_equal(r, -EINVAL);
		assert_true(m.n == 0 && fault.why[0]);
		return REFUSED;
	}
	enum matchers_result say = matchers_judge(&m, &label, 1, NULL);
	matchers_free(&m);
	assert_int_not_equal(say, MATCHERS_MAYBE);
	return say == MATCHERS_YES ? HOLDS : FAILS;
}

static void the_newer_language_is_read_where_the_older_one_is_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (ours(&cases[i]) != cases[i].verdict)
			fail_msg("%s: verdict %d", cases[i].text, ours(&cases[i]));
}

/* JSON's strings are YAML's. */
static void write_quoted(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++)
		if ((unsigned char)*text < 0x20)
			fprintf(f, "\\u%04x", (unsigned)*text);
		else
			fprintf(f, "%s%c", strchr("\"\\", *text) ? "\\" : "", *text);
	fputc('"', f);
}

static enum verdict amtools(const struct utf8_case *c, const char *config, const char *script)
{
	char out[500] = "";
	FILE *f = fopen(config, "w");

	assert_non_null(f);
	fputs("receivers: [{name: off}, {name: hit}]\nroute: {receiver: 'off', routes: [{receiver: hit, matchers: [",
	      f);
	write_quoted(f, c->text);
	fputs("]}]}\n", f);
	fclose(f);
	f = fopen(script, "w");
	assert_non_null(f);
	fprintf(f, "%s config routes test --config.file=%s \"$(cat <<'END'\n", AMTOOL, config);
	write_quoted(f, c->name);
	fputc('=', f);
	write_quoted(f, c->value);
	fputs("\nEND\n)\" 2>/dev/null\n", f);
	fclose(f);
	char command[200];
	snprintf(command, sizeof(command), "sh %s", script);
	f = popen(command, "r");
	assert_non_null(f);
	out[fread(out, 1, sizeof(out) - 1, f)] = '\0';
	pclose(f);
	return strstr(out, "hit") ? HOLDS : strstr(out, "off") ? FAILS : REFUSED;
}

static void amtool_agrees(void **state)
{
	char dir[] = "/tmp/matchers-XXXXXX", config[60], script[60];

	(void)state;
	if (access(AMTOOL, X_OK) != 0)
		skip();
	assert_non_null(mkdtemp(dir));
	snprintf(config, sizeof(config), "%s/am.yml", dir);
	snprintf(script, sizeof(script), "%s/ask", dir);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (amtools(&cases[i], config, script) != cases[i].verdict)
			fail_msg("%s: amtool says %d", cases[i].text, amtools(&cases[i], config, script));
	unlink(config);
	unlink(script);
	rmdir(dir);
}

static void what_cannot_be_read_says_how_it_is_written(void **state)
{
	struct matcher_fault fault = {""};
	struct matchers m = {0};

	(void)state;
	assert_int_equal(matchers_add(&m, "foo bar=x", &fault), -EINVAL);
	assert_non_null(strstr(fault.why, "expected a label name"));
	assert_int_equal(matchers_add(&m, "foo.bar=~\"(?=x)\"", &fault), -EINVAL);
	assert_non_null(strstr(fault.why, "look-ahead"));
	assert_int_equal(matchers_add(&m, "foo.bar=x", &fault), 0);
	assert_string_equal(fault.why, "");
	matchers_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newer_language_is_read_where_the_older_one_is_not),
		cmocka_unit_test(amtool_agrees),
		cmocka_unit_test(what_cannot_be_read_says_how_it_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
