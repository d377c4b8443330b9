/* The file of passwords: what is right, and every fault with its file and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "server/auth/web_config.h"

/* From the test vectors of crypt_blowfish (wrapper.c): U*U, U*U*. */
#define HASH  "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
#define HASH2 "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"

static char path[] = "/tmp/test_web_config.XXXXXX";

static void write_file(const void *text, size_t len)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static int load(const char *text, struct web_config **ret, struct config_faults *faults)
{
	write_file(text, strlen(text));
	return web_config_load(path, ret, faults);
}

static void users_and_hashes(void **state)
{
	struct config_faults f = {0};
	struct web_config *w = NULL;

	(void)state;
	assert_int_equal(load("# who\nbasic_auth_users:\n  alice: " HASH "\n  'al ert': \"" HASH2 "\"\n", &w, &f), 0);
	assert_int_equal(w->n, 2);
	assert_string_equal(web_config_hash(w, "alice"), HASH);
	assert_string_equal(web_config_hash(w, "al ert"), HASH2);
	assert_null(web_config_hash(w, "bob"));
	web_config_free(w);
}

static void faults_say_where_and_what(void **state)
{
	static const struct {
		const char *text;
		int line; /* 0: about the file */
		const char *part;
	} rows[] = {
		{"", 0, "basic_auth_users is missing or empty"},
		{"basic_auth_users:\n", 0, "basic_auth_users is missing or empty"},
		{"basic_auth_users: {}\n", 0, "basic_auth_users is missing or empty"},
		{"basic_auth_users: {a: " HASH "}\ntls_server_config:\n  cert_file: x\n", 2,
	         "tls_server_config: not yet supported"},
		{"http_server_config: {http2: true}\n", 1, "http_server_config: not yet supported"},
		{"\n\nrate_limit: {interval: 1s}\n", 3, "rate_limit: not yet supported"},
		{"basic_auth_users: {a: " HASH "}\nbasic_auth_user: {}\n", 2,
	         "unknown key \"basic_auth_user\". Known here: basic_auth_users"},
		{"basic_auth_users: {a: " HASH "}\nbasic_auth_users: {}\n", 2, "twice"},
		{"basic_auth_users:\n  a: " HASH "\n  a: " HASH "\n", 3, "this user stands here twice"},
		{"basic_auth_users:\n  a: hunter2\n", 2, "a: this is no bcrypt hash"},
		{"basic_auth_users:\n  a:\n", 2, "no bcrypt hash"},
		{"basic_auth_users:\n  a: [" HASH "]\n", 2, "no bcrypt hash"},
		{"basic_auth_users:\n  a: " HASH "x\n", 2, "no bcrypt hash"},
		{"basic_auth_users:\n  a: $2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n", 2,
	         "no bcrypt hash"},
		{"basic_auth_users:\n  a: $2a$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n", 2,
	         "no bcrypt hash"},
		{"basic_auth_users:\n  a: $2a$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n", 2,
	         "above 14"},
		{"basic_auth_users:\n  'a:b': " HASH "\n", 2, "neither a colon"},
		{"basic_auth_users:\n  '': " HASH "\n", 2, "must be a text"},
		{"basic_auth_users:\n  [a]: " HASH "\n", 2, "must be a text"},
		{"basic_auth_users:\n  local: " HASH "\n", 2, "choose another name"},
		{"basic_auth_users:\n  "
	         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: " HASH "\n",
	         2, "at most 63 bytes"},
		{"basic_auth_users: [a]\n", 1, "this must be users"},
		{"- a\n", 1, "this must be keys and values"},
		{"basic_auth_users: {a: " HASH "}\n---\nb: 1\n", 3, "a second document"},
		{"basic_auth_users: {\n", 2, "this is not YAML"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_faults f = {0};
		struct web_config *w = NULL;
		char where[100];

		if (load(rows[i].text, &w, &f) == 0 || w)
			fail_msg("taken: %s", rows[i].text);
		if (rows[i].line)
			snprintf(where, sizeof(where), "%s:%d: ", path, rows[i].line);
		else
			snprintf(where, sizeof(where), "%s: ", path);
		if (strncmp(f.line[0], where, strlen(where)) != 0 || !strstr(f.line[0], rows[i].part))
			fail_msg("row %zu: %s", i, f.line[0]);
		config_faults_free(&f);
	}
}

static void all_faults_at_once_and_no_secret(void **state)
{
	struct config_faults f = {0};
	struct web_config *w = NULL;

	(void)state;
	assert_true(load("tls_server_config: {}\nbasic_auth_users:\n  a: hunter2\n  b: swordfish\nfoo: 1\n", &w, &f) <
	            0);
	assert_int_equal(f.n, 4);
	for (size_t i = 0; i < f.n; i++) {
		assert_null(strstr(f.line[i], "hunter2"));
		assert_null(strstr(f.line[i], "swordfish"));
	}
	config_faults_free(&f);
}

static void a_file_that_cannot_be_read_or_is_no_text(void **state)
{
	struct config_faults f = {0}, f2 = {0}, f3 = {0};
	struct web_config *w = NULL;
	static const char nul[] = "basic_auth_users:\n  \"a\\0b\": " HASH "\n";

	(void)state;
	assert_true(web_config_load("/nowhere/web.yml", &w, &f) < 0);
	assert_non_null(strstr(f.line[0], "/nowhere/web.yml: it cannot be read: No such file"));
	assert_true(load("basic_auth_users:\n  \xff: x\n", &w, &f2) < 0);
	assert_non_null(strstr(f2.line[0], ":2: this is not UTF-8"));
	assert_true(load(nul, &w, &f3) < 0);
	assert_non_null(strstr(f3.line[0], "must be a text"));
	config_faults_free(&f);
	config_faults_free(&f2);
	config_faults_free(&f3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_and_hashes),
		cmocka_unit_test(faults_say_where_and_what),
		cmocka_unit_test(all_faults_at_once_and_no_secret),
		cmocka_unit_test(a_file_that_cannot_be_read_or_is_no_text),
	};
	int fd = mkstemp(path);

	if (fd < 0)
		return 1;
	close(fd);
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return r;
}
