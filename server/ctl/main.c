/*
 * rollbackctl: global options, then a table of commands.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"

#define HELP_WIDTH  80
#define HELP_INDENT 8
#define OPTIONS_MAX 32 /* of a command that are looked at for one that is like another */

static const struct ctl_command commands[] = {
	{"status", "[ROLLOUT] [--watch]", "every rollout, or one, at a glance; and how rollbackd itself is",
         cmd_status},
	{"incidents", "[--rollout R] [--state S,…|open] [--since 24h] [--until 1h] [--limit N]",
         "list incidents, newest first", cmd_incidents},
	{"incident",
         "ID|last [-v | --watch] | ack|note|eta|approve|cancel|retry|review|resolve ID [TEXT] | "
         "extend ID 30m --note TEXT | report ID | "
         "open ROLLOUT --severity P0 --summary TEXT",
         "one in full, or act on one", cmd_incident},
	{"rollback",
         "ROLLOUT --stage N|current [--reason TEXT] [--to 0] [--wait | --or-offline | --offline] [--config FILE] "
         "[--storage DIR]",
         "roll back by hand; also when rollbackd is down: --offline without it; --or-offline asks it, waits, and goes "
         "on without it when it does not answer within 3 s. Both end with 0 verified, 1 not verified, 2 usage, "
         "3 refused (another stage), 4 cannot tell",
         cmd_rollback},
	{"percentage", "ROLLOUT [--config FILE] [--except PROGRAM]",
         "what the service says it is at; nothing when that is unknown", cmd_percentage},
	{"flags",
         "ROLLOUT | set ROLLOUT NAME=VALUE --reason TEXT | set --offline ROLLOUT NAME=VALUE [--config FILE] | "
         "explain ROLLOUT --key K",
         "values and generation; set one; which side a key falls on, and why", cmd_flags},
	{"stage",
         "ROLLOUT | advance|set|hold|resume|approve|certify|publish [ROLLOUT] [N] [--role R [--milestone TEXT]] "
         "[--force] "
         "[--reason TEXT] [--wait]",
         "where it stands in its plan, and what is missing; or move it", cmd_stage},
	{"checklist", "[ROLLOUT] [--done ITEM [--list NAME] [--note TEXT]]",
         "what is ticked, by whom and when; tick an item, by its number or what only it begins with", cmd_checklist},
	{"milestones", "[ROLLOUT] [--done TEXT [--note TEXT]]",
         "what is due after the stages, and what comes before them; say that something is done", cmd_milestones},
	{"freeze", "[ROLLOUT] DURATION --reason TEXT", "raise nothing for so long; 0s ends it", cmd_freeze},
	{"drill", "ROLLOUT [LABEL=VALUE ...] [--alertmanager URL]",
         "a fire drill: the whole way from a real webhook to chat, and nothing is changed on the target", cmd_drill},
	{"notify", "test [CHANNEL]",
         "a test message to each channel, or one: 0 all took it, 1 one refused, 4 one still waits after a minute",
         cmd_notify},
	{"report", "[ROLLOUT] [--daily | --weekly | --final]", "what engineering and management get", cmd_report},
	{"sla", "[ROLLOUT] [--since 30d]", "how long each rollback took against its budgets: 0 all in time, 1 not all",
         cmd_sla},
	{"compare", "ROLLOUT [--percentage 50] [--duration 7d] [--threshold 0.05]",
         "new way against old way: 0 equal or better, 1 worse, 4 cannot tell", cmd_compare},
	{"doctor", "[--config FILE]",
         "asks Prometheus and Alertmanager: does every trigger reach rollbackd, how soon, and is there data",
         cmd_doctor},
	{"simulate", "--rules FILE ... [--since 30d] [--until 0s] [--bound RULE=NUMBER ...] [--config FILE]",
         "what the triggers of rule files would have done over what Prometheus has, how near each came, and what "
         "another "
         "bound would have done: 0 none would have fired, 1 some would, 4 of some it is unknown",
         cmd_simulate},
	{"check-config", "FILE|- … | FILE --against URL",
         "is this config right: offline; --against a rollbackd, what it changes in its plan, and what would begin anew",
         cmd_check_config},
	{"check-web-config", "FILE", "offline: is this file of passwords right", cmd_check_web_config},
	{"check-alert", "[--config FILE] FILE|-", "offline: what would this webhook body do, and why", cmd_check_alert},
};

/* One line: the whole help would bury it. */
static int unknown_command(const char *word)
{
	const char *names[ARRAY_LEN(commands)];

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		names[i] = commands[i].name;
	ctl_unknown("command", word, names, ARRAY_LEN(names));
	return CTL_USAGE;
}

static const struct ctl_command *command_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* A word for the eye: up to a blank that stands in no brackets. */
static size_t word_length(const char *s)
{
	int depth = 0;
	size_t n = 0;

	for (; s[n] && (s[n] != ' ' || depth > 0); n++)
		depth += (s[n] == '[') - (s[n] == ']');
	return n;
}

/* Words from column at on, in lines of at most 80 bytes, the further ones indented. */
static void fold(FILE *out, size_t at, const char *text)
{
	assert(out && text);
	const char *word = text;

	for (size_t n; *word; word += n + (word[n] == ' ')) {
		bool breaks = at + 1 + (n = word_length(word)) > HELP_WIDTH;

		if (word > text)
			fprintf(out, breaks ? "\n%*s" : "%*s", breaks ? HELP_INDENT : 1, "");
		at = (breaks ? HELP_INDENT : at + (word > text)) + n;
		fwrite(word, 1, n, out);
	}
	fputc('\n', out);
}

static void help_of(FILE *out, const struct ctl_command *cmd)
{
	fprintf(out, "  %s ", cmd->name);
	fold(out, 3 + strlen(cmd->name), cmd->args);
	fprintf(out, "%*s", HELP_INDENT, "");
	fold(out, HELP_INDENT, cmd->help);
}

static void usage(FILE *out)
{
	fputs("usage: rollbackctl [--url URL] [--timeout 30s] [-o|--output table|json|md|csv]\n"
	      "                   COMMAND\n\n",
	      out);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		help_of(out, &commands[i]);
	fputs("\nURL: http://127.0.0.1:9595 or unix:/path. Also from ROLLBACKD_URL,\n"
	      "ROLLBACKD_USER, ROLLBACKD_PASSWORD_FILE.\n"
	      "Exit codes: 0 yes or done, 1 no, 2 usage, 3 cannot reach or not allowed,\n"
	      "4 cannot tell.\n",
	      out);
}

/* The first line of ROLLBACKD_PASSWORD_FILE, for ROLLBACKD_USER. -1: said what is wrong. */
static int read_password(struct ctl *c)
{
	const char *file = getenv("ROLLBACKD_PASSWORD_FILE");
	CLEANUP(cleanup_free) char *line = NULL;
	size_t room = 0;

	bool user = c->user && c->user[0], named = file && file[0];

	if (user != named)
		fputs("rollbackctl: ROLLBACKD_USER and ROLLBACKD_PASSWORD_FILE belong together; only one is set\n",
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
	fprintf(stderr, "rollbackctl: ROLLBACKD_PASSWORD_FILE: %s %s\n", file,
	        f ? "has no password in its first line" : "cannot be read");
	return -1;
}

static bool is_asking(int n, char **argv)
{
	for (int i = 0; i < n; i++)
		if (!strncmp(argv[i], "--against", 9))
			return true;
	return false;
}

static int run(struct ctl *c, const struct ctl_command *cmd, int n, char **argv)
{
	c->command = cmd;
	bool goes_on = cmd->run == cmd_rollback || cmd->run == cmd_percentage; /* they may do without the daemon */

	/* The offline checks ask nobody. */
	bool offline = !strncmp(cmd->name, "check-", 6) && !is_asking(n, argv);
	if (!offline && read_password(c) < 0 && !goes_on)
		return CTL_USAGE;
	return cmd->run(c, n, argv);
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

/* Without the ".file" and ".path" that the daemon's flags have: whoever types those means the same. */
static size_t stem(const char *name, size_t len)
{
	bool has = len > 5 && (!strncmp(name + len - 5, ".file", 5) || !strncmp(name + len - 5, ".path", 5));

	return has ? len - 5 : len;
}

static const struct option *option_named(const char *word, const struct option *options, size_t n, size_t *ret_len)
{
	*ret_len = strcspn(word, "=");
	size_t len = stem(word, *ret_len);

	for (size_t i = 0; i < n; i++)
		if (stem(options[i].name, strlen(options[i].name)) == len && !strncmp(options[i].name, word, len))
			return &options[i];
	return NULL;
}

/* How many of the words the option in front of them uses; 0: it is none of these; -1: it is wrong. */
static int take_option(int left, char **argv, const struct option *options, size_t n)
{
	assert(left > 0);
	size_t len;
	const struct option *o = option_named(argv[0], options, n, &len);

	if (!o)
		return 0;
	if (!o->value)
		*o->on = true;
	else if (argv[0][len] == '=')
		*o->value = argv[0] + len + 1;
	else if (left >= 2)
		*o->value = argv[1];
	else
		return fprintf(stderr, "rollbackctl: %s needs a value\n", o->name), -1;
	return o->value && !argv[0][len] ? 2 : 1;
}

/* Takes the global options out of the words, wherever they stand. Returns how many words are left, or -1. */
static int globals(struct ctl *c, int argc, char **argv, bool *ret_help)
{
	const char *timeout = NULL, *output = NULL;
	const struct option options[] = {{"--url", &c->url, NULL},
	                                 {"--timeout", &timeout, NULL},
	                                 {"-o", &output, NULL},
	                                 {"--output", &output, NULL},
	                                 {"--help", NULL, ret_help}};
	int left = 1;

	for (int i = 1, used; i < argc; i += used) {
		used = take_option(argc - i, argv + i, options, ARRAY_LEN(options));
		if (used < 0)
			return -1;
		if (used == 0)
			argv[left++] = argv[i], used = 1;
	}
	argv[left] = NULL;
	return (timeout && time_limit(c, timeout) < 0) || (output && output_format(c, output) < 0) ? -1 : left;
}

int main(int argc, char **argv)
{
	const char *url = getenv("ROLLBACKD_URL");
	struct ctl c = {.url = url ? url : "http://127.0.0.1:9595", .user = getenv("ROLLBACKD_USER")};
	bool help = false;
	int n = globals(&c, argc, argv, &help), r = CTL_USAGE;

	if (n < 0)
		return r;
	bool acts = n > 1 && ctl_is_action(argv[1]); /* "ack 1" is "incident ack 1" */
	const struct ctl_command *cmd = n > 1 ? command_named(acts ? "incident" : argv[1]) : NULL;
	if (help && cmd)
		return help_of(stdout, cmd), CTL_YES;
	if ((help && n == 1) || (n == 2 && !strcmp(argv[1], "help")))
		return usage(stdout), CTL_YES;
	if (n == 2 && !strcmp(argv[1], "--version"))
		return puts("rollbackctl " ROLLBACKD_VERSION), CTL_YES;
	if (cmd && (c.md || c.csv) && strcmp(cmd->name, "compare") != 0)
		return fputs("rollbackctl: -o md and -o csv are of compare\n", stderr), r;
	if (cmd) {
		r = run(&c, cmd, acts ? n - 1 : n - 2, acts ? argv + 1 : argv + 2);
		free(c.password);
		return r;
	}
	static const char *const global_options[] = {"--url", "--timeout", "-o", "--output", "--help", "--version"};
	if (n > 1 && argv[1][0] == '-')
		return ctl_unknown("option", argv[1], global_options, ARRAY_LEN(global_options)), r;
	return n > 1 ? unknown_command(argv[1]) : (usage(stderr), r);
}

int ctl_usage(const struct ctl *c)
{
	assert(c && c->command);
	fputs("usage: rollbackctl\n", stderr);
	help_of(stderr, c->command);
	return CTL_USAGE;
}

void ctl_unknown(const char *what, const char *word, const char *const names[], size_t n)
{
	assert(what && word && names);
	const char *near = text_nearest(names, n, word);

	fprintf(stderr, "rollbackctl: unknown %s %s", what, word);
	if (near)
		fprintf(stderr, ": did you mean %s?\n", near);
	else
		fputs(": see rollbackctl --help\n", stderr);
}

static int unknown_option(const char *word, const struct option *options, size_t n)
{
	const char *names[OPTIONS_MAX];

	for (size_t i = 0; i < n && i < OPTIONS_MAX; i++)
		names[i] = options[i].name;
	ctl_unknown("option", word, names, n < OPTIONS_MAX ? n : OPTIONS_MAX);
	return -1;
}

int ctl_options(int n, char **argv, const struct option *options, size_t n_options, const char **rest, int max)
{
	assert(n >= 0 && argv && (options || n_options == 0) && (rest || max == 0));
	int found = 0;

	for (int i = 0, used; i < n; i += used) {
		used = take_option(n - i, argv + i, options, n_options);
		if (used == 0 && !strncmp(argv[i], "--", 2) && argv[i][2])
			used = unknown_option(argv[i], options, n_options);
		if (used < 0)
			return -1;
		if (used == 0 && found == max)
			return fprintf(stderr, "rollbackctl: %s is one word too many\n", argv[i]), -1;
		if (used == 0)
			rest[found++] = argv[i], used = 1;
	}
	return found;
}
