/*
 * rollbackctl: what holds for every command, then the command.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"
#include "server/ctl/show/words.h"

/* The first line of ROLLBACKD_PASSWORD_FILE, for ROLLBACKD_USER. -1: said what is wrong. */
static int read_password(struct ctl *c)
{
	const char *file = getenv("ROLLBACKD_PASSWORD_FILE");

	c->user = getenv("ROLLBACKD_USER");
	if (!(c->user && c->user[0]) && !(file && file[0])) { /* never one of here and one of there */
		c->user = json_str_or(c->own, "user", NULL);
		file = json_str_or(c->own, "password_file", NULL);
	}
	CLEANUP(cleanup_free) char *line = NULL;
	size_t room = 0;

	bool user = c->user && c->user[0], named = file && file[0];

	if (user != named)
		fputs("rollbackctl: ROLLBACKD_USER and ROLLBACKD_PASSWORD_FILE belong together (in its config user and "
		      "password_file); only one is set\n",
		      stderr);
	if (!user || !named)
		return user || named ? -1 : 0;
	FILE *f = fopen(file, "re");
	ssize_t n = f ? getline(&line, &room, f) : -1;
	if (f)
		fclose(f);
	if (n > 0)
		line[strcspn(line, "\r\n")] = '\0';
	if (n > 0 && line[0]) {
		c->password = TAKE(line);
		return 0;
	}
	fprintf(stderr, "rollbackctl: the password file %s %s\n", file,
	        f ? "has no password in its first line" : "cannot be read");
	return -1;
}

static int output_format(struct ctl *c, const char *word)
{
	assert(word);
	const struct {
		const char *word;
		bool *on;
	} formats[] = {{"table", NULL}, {"json", &c->json}, {"md", &c->md}, {"csv", &c->csv}};

	c->json = c->md = c->csv = false;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (!strcmp(word, formats[i].word)) {
			if (formats[i].on)
				*formats[i].on = true;
			return 0;
		}
	fputs("rollbackctl: -o takes table or json; of compare md or csv, too\n", stderr);
	return -1;
}

static int time_limit(struct ctl *c, const char *text)
{
	int64_t us = 0;

	if (text_duration_parse(text, &us) == 0 && us >= US_PER_MS && us <= 3600 * US_PER_S) {
		c->timeout_ms = (long)(us / US_PER_MS);
		return 0;
	}
	fprintf(stderr, "rollbackctl: --timeout takes a duration like 5s, not \"%s\"\n", text);
	return -1;
}

/* 0, or said what is wrong. */
static int read_globals(struct ctl *c)
{
	const char *url = ctl_setting(c, "url", "ROLLBACKD_URL"), *output = ctl_setting(c, "output", NULL);
	const char *timeout = ctl_setting(c, "timeout", NULL);
	bool utc = ctl_has(c, "utc") || !strcmp(json_str_or(c->own, "utc", ""), "true");

	c->url = url ? url : "http://127.0.0.1:9595";
	if (!show_setup(ctl_setting(c, "color", NULL), ctl_setting(c, "date.format", NULL), utc))
		return -1;
	return (timeout && time_limit(c, timeout) < 0) || (output && output_format(c, output) < 0) ? -1 : 0;
}

static int run(struct ctl *c, int n, const char **words)
{
	assert(c->command);
	const struct ctl_command *cmd = c->command;
	bool goes_on = cmd->run == cmd_rollback || cmd->run == cmd_percentage; /* they may do without the daemon */

	if (!ctl_fits(c, n, words))
		return CTL_USAGE;
	/* What asks nobody needs neither a config nor a password. */
	bool offline = cmd->offline && !(cmd->run == cmd_check_config && ctl_has(c, "against"));
	if (!offline && ctl_read_own_config(c) < 0 && !goes_on)
		return CTL_USAGE;
	if (read_globals(c) < 0)
		return CTL_USAGE;
	if ((c->md || c->csv) && cmd->run != cmd_compare)
		return fputs("rollbackctl: -o md and -o csv are of compare\n", stderr), CTL_USAGE;
	if (!offline && read_password(c) < 0 && !goes_on)
		return CTL_USAGE;
	return cmd->run(c, n, words);
}

/* words: of the whole command line, without its options. */
static int command(struct ctl *c, int n, const char **words)
{
	bool help = n > 0 && !strcmp(words[0], "help"), asked = help || ctl_has(c, "help");
	int used = 0;

	if (ctl_has(c, "version"))
		return puts("rollbackctl " ROLLBACKD_VERSION), CTL_YES;
	if (ctl_has(c, "dump-commands"))
		return help_dump(), CTL_YES;
	if (n == help)
		return asked ? help_all() : (void)fputs("rollbackctl: which command? See rollbackctl --help\n", stderr),
		       asked ? CTL_YES : CTL_USAGE;
	c->command = ctl_command_of(n - help, words + help, asked, &used);
	if (!c->command)
		return CTL_USAGE;
	if (asked)
		return help_of(c->command), CTL_YES;
	return run(c, n - used, words + used);
}

int main(int argc, char **argv)
{
	struct ctl c = {.url = NULL};
	int n = ctl_args(&c, argc, argv), r = CTL_USAGE;

	if (n >= 0)
		r = command(&c, n, (const char **)argv + 1);
	json_cleanup(&c.own);
	free(c.password);
	free(c.given);
	return r;
}
