/*
 * What the tests of the config share: a file that is loaded, and what its faults must be.
 */
#ifndef TESTS_UNIT_CONFIG_FIXTURE_H
#define TESTS_UNIT_CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "handlers/settings/keys.h"
#include "server/config/load.h"
#include "server/core/buf.h"
#include "server/core/clock.h"

/* A config with no fault; what is added stands from line 5 on, with four blanks inside the rollout. */
#define SHOP                                                                                                           \
	"rollouts:\n"                                                                                                  \
	"  - name: shop\n"                                                                                             \
	"    apply: [{command: [/bin/true]}]\n"                                                                        \
	"    verify: {checks: [{command: [/bin/true]}]}\n"
#define SECOND     "  - name: shop\n    apply: [{command: [/bin/true]}]\n    verify: {checks: [{command: [/bin/true]}]}\n"
#define PROMETHEUS "global: {prometheus: {url: \"http://p:9090\"}}\n"

static char dir[64], path[128];
static struct config *cfg;
static struct config_faults faults;

static inline int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/rollbackd-config-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/rollbackd.yml", dir);
	return 0;
}

static inline int tear_down(void **state)
{
	char command[128];

	(void)state;
	config_free(cfg);
	cfg = NULL;
	config_faults_free(&faults);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command); /* NOLINT: our own directory */
}

static inline void write_bytes(const char *file, const char *text, size_t len)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static inline int load(const char *text)
{
	config_free(cfg);
	cfg = NULL;
	config_faults_free(&faults);
	write_bytes(path, text, strlen(text));
	return config_load(path, CONFIG_OFFLINE, &cfg, &faults);
}

static inline void must_load(const char *text)
{
	int r = load(text);

	if (r != 0)
		print_error("%s\n", faults.n ? faults.line[0] : "no fault");
	assert_int_equal(r, 0);
	assert_int_equal(faults.n, 0);
}

/* Fault i stands at line and key path, and its sentence holds word. */
static inline void expect_fault(const char *text, size_t i, int line, const char *key, const char *word)
{
	char head[300];
	const char *is = i < faults.n ? faults.line[i] : "(none)";

	if (line)
		snprintf(head, sizeof(head), "%s:%d: %s%s", path, line, key, key[0] ? ": " : "");
	else
		snprintf(head, sizeof(head), "%s: %s%s", path, key, key[0] ? ": " : "");
	if (strncmp(is, head, strlen(head)) != 0 || !strstr(is + strlen(head), word))
		fail_msg("\n%sshould say\n  %s… %s\nsays\n  %s", text, head, word, is);
}

struct bad {
	const char *text;
	int line;
	const char *key, *word;
};

static inline void expect_bad(const struct bad *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(load(rows[i].text), -EINVAL);
		assert_null(cfg);
		expect_fault(rows[i].text, 0, rows[i].line, rows[i].key, rows[i].word);
		if (faults.n != 1)
			fail_msg("\n%sone fault makes %zu lines, the second: %s", rows[i].text, faults.n,
			         faults.line[1]);
	}
}

#endif
