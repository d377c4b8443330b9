/*
 * The words of a command line, by the table of commands. Options are taken first, wherever they stand; which of them
 * fit is known once the words that are left have named the command.
 */
#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/text.h"
#include "server/ctl/ctl.h"

#define NAMES_MAX 96  /* of options, all commands together */
#define LONG      256 /* from here on, what getopt_long answers is the index of a name */

struct ctl_given {
	const char *name, *value; /* as it was typed, without dashes; value NULL: a switch */
};

/* All names of all commands: which one is meant is known before the command is. */
struct names {
	struct option list[NAMES_MAX + 1];
	char letters[2 * NAMES_MAX + 3];
	int of_letter[256]; /* index of the name */
	size_t n;
};

static void add_name(struct names *all, const char *name, const struct ctl_option *o)
{
	size_t i = 0;

	while (i < all->n && strcmp(all->list[i].name, name) != 0)
		i++;
	assert(i < NAMES_MAX && (i == all->n || (all->list[i].has_arg == required_argument) == (o->value != NULL)));
	if (i == all->n)
		all->list[all->n++] =
			(struct option) {name, o->value ? required_argument : no_argument, NULL, LONG + (int)i};
	if (o->letter && !strchr(all->letters, o->letter)) {
		all->of_letter[(unsigned char)o->letter] = (int)i;
		snprintf(all->letters + strlen(all->letters), 3, o->value ? "%c:" : "%c", o->letter);
	}
}

static void add_names(struct names *all, const struct ctl_option *options)
{
	for (const struct ctl_option *o = options; o && o->name; o++) {
		add_name(all, o->name, o);
		if (o->also)
			add_name(all, o->also, o);
	}
}

static const struct ctl_option *named(const struct ctl_option *options, const char *name)
{
	for (const struct ctl_option *o = options; o && o->name; o++)
		if (!strcmp(o->name, name) || (o->also && !strcmp(o->also, name)))
			return o;
	return NULL;
}

static void unknown(const char *what, const char *word, const char *const names[], size_t n)
{
	const char *near = text_nearest(names, n, word);

	fprintf(stderr, "rollbackctl: unknown %s %s", what, word);
	fprintf(stderr, near ? ": did you mean %s?\n" : ": see rollbackctl --help\n", near);
}

/* near: the options among which one may have been meant. */
static int unknown_option(const struct names *near, const char *word)
{
	CLEANUP(cleanup_free) char *typed = strndup(word, strcspn(word, "="));
	char dashed[NAMES_MAX][40];
	const char *names[NAMES_MAX];

	for (size_t i = 0; i < near->n; i++) {
		snprintf(dashed[i], sizeof(dashed[i]), "--%s", near->list[i].name);
		names[i] = dashed[i];
	}
	unknown("option", typed ? typed : word, names, near->n);
	return -1;
}

/* A word is cut short when it stands for its name by being its beginning: tomorrow another name may begin so. */
static bool is_whole(const char *word, const char *name)
{
	assert(word && name);
	return !strncmp(word, "--", 2) && strcspn(word + 2, "=") == strlen(name);
}

/* One option. -1: said what is wrong with it. */
static int take(struct ctl *c, const struct names *all, int answer, char *word)
{
	assert(c->given && word);
	int known = answer == ':' || answer == '?' ? optopt : answer; /* an index from LONG on, or a letter */
	bool is_long = !strncmp(word, "--", 2);
	const char letter[] = {'-', (char)known, '\0'};

	if (is_long ? known < LONG || !is_whole(word, all->list[known - LONG].name) : answer == '?')
		return unknown_option(all, is_long ? word : letter);
	if (answer == ':')
		return fprintf(stderr, "rollbackctl: %s needs a value\n", word), -1;
	if (answer == '?')
		return fprintf(stderr, "rollbackctl: --%s takes no value\n", all->list[known - LONG].name), -1;
	const struct option *o = &all->list[is_long ? known - LONG : all->of_letter[known]];
	c->given[c->n_given++] = (struct ctl_given) {o->name, o->has_arg ? optarg : NULL};
	return 0;
}

int ctl_args(struct ctl *c, int argc, char **argv)
{
	assert(c && argv && !c->given);
	struct names all = {.letters = "-:"}; /* in their order, whatever POSIXLY_CORRECT says */
	int left = 1, at = 1;

	add_names(&all, ctl_globals);
	for (const struct ctl_command *cmd = ctl_commands; cmd->name; cmd++)
		add_names(&all, cmd->options);
	c->given = calloc((size_t)argc + 1, sizeof(*c->given));
	if (!c->given)
		abort();
	opterr = 0;
	optind = 0; /* from the beginning, also a second time */
	for (int answer; (answer = getopt_long(argc, argv, all.letters, all.list, NULL)) != -1; at = optind) {
		if (answer == 1)
			argv[left++] = optarg;
		else if (take(c, &all, answer, argv[at]) < 0)
			return -1;
	}
	while (optind < argc) /* behind "--" */
		argv[left++] = argv[optind++];
	argv[left] = NULL;
	return left - 1;
}

/* --- the command --- */

static const struct ctl_command *find(const char *name, const char *verb)
{
	for (const struct ctl_command *c = ctl_commands; c->name; c++)
		if (!strcmp(c->name, name) && (verb ? c->verb && !strcmp(c->verb, verb) : !c->verb))
			return c;
	return NULL;
}

static bool has_name(const char *name)
{
	const struct ctl_command *c = ctl_commands;

	while (c->name && strcmp(c->name, name) != 0)
		c++;
	return c->name != NULL;
}

/* The verbs of name, or all names when it is NULL. At most max. */
static size_t names_of(const char *name, const char **ret, size_t max)
{
	size_t n = 0;

	for (const struct ctl_command *c = ctl_commands; c->name; c++) {
		const char *one = name ? c->verb : c->name;

		if (n < max && one && (!name || !strcmp(c->name, name)) && (n == 0 || strcmp(ret[n - 1], one) != 0))
			ret[n++] = one;
	}
	return n;
}

static const struct ctl_command *unknown_command(const char *name, const char *word)
{
	const char *names[NAMES_MAX] = {NULL};
	size_t n = names_of(name, names, NAMES_MAX);
	CLEANUP(cleanup_free) char *what = name ? text_format("action on %s:", name) : NULL;

	if (name && !word)
		fprintf(stderr, "rollbackctl: %s needs %s: see rollbackctl %s --help\n", name, names[0], name);
	else
		unknown(name && what ? what : "command", word, names, n);
	return NULL;
}

const struct ctl_command *ctl_command_of(int n, const char **words, bool asked, int *ret_used)
{
	assert(n > 0 && words && ret_used);
	const char *second = n > 1 ? words[1] : NULL;
	const struct ctl_command *c;

	*ret_used = 1;
	if (!has_name(words[0])) {
		c = find("incident", words[0]); /* "ack 1" is "incident ack 1" */
		return c ? c : unknown_command(NULL, words[0]);
	}
	c = second ? find(words[0], second) : NULL;
	*ret_used = c ? 2 : 1;
	if (!c)
		c = find(words[0], NULL);
	for (const struct ctl_command *one = ctl_commands; !c && asked && one->name; one++)
		c = !strcmp(one->name, words[0]) ? one : NULL;
	return c ? c : unknown_command(words[0], second);
}

/* How many words args asks for; most: -1 any number. missing: the first that n words leave out. */
struct arity {
	int least, most;
	const char *missing;
};

static struct arity arity_of(const char *args, int n)
{
	struct arity a = {0};

	for (const char *word = args; *word; word += strcspn(word, " "), word += *word == ' ') {
		bool more = !strncmp(word, "…", strlen("…"));

		a.least += !more && *word != '[';
		a.most = more || a.most < 0 ? -1 : a.most + 1;
		if (a.least > n && !a.missing)
			a.missing = word;
	}
	return a;
}

static bool words_fit(const struct ctl *c, int n, const char **words)
{
	struct arity a = arity_of(c->command->args, n);
	const char *verbs[NAMES_MAX];

	if (a.missing)
		return ctl_usage(c, "%.*s is missing", (int)strcspn(a.missing, " "), a.missing), false;
	if (a.most < 0 || n <= a.most)
		return true;
	size_t n_verbs = c->command->verb ? 0 : names_of(c->command->name, verbs, NAMES_MAX);
	if (n > 0 && text_nearest(verbs, n_verbs, words[0]))
		return unknown_command(c->command->name, words[0]), false;
	return ctl_usage(c, "%s is one word too many", words[a.most]), false;
}

static bool options_fit(const struct ctl *c)
{
	for (size_t i = 0; i < c->n_given; i++) {
		const char *name = c->given[i].name;

		if (!named(c->command->options, name) && !named(ctl_globals, name))
			return ctl_usage(c, "--%s is no option of this", name), false;
	}
	for (const struct ctl_option *o = c->command->options; o && o->name; o++)
		if (o->needed && !ctl_value(c, o->name))
			return ctl_usage(c, "--%s %s is missing", o->name, o->value), false;
	return true;
}

bool ctl_fits(const struct ctl *c, int n, const char **words)
{
	assert(c && c->command && words);
	return options_fit(c) && words_fit(c, n, words);
}

/* --- what was given --- */

const char *ctl_nth(const struct ctl *c, const char *name, size_t nth)
{
	assert(c && name);
	const struct ctl_option *o = c->command ? named(c->command->options, name) : NULL;

	if (!o)
		o = named(ctl_globals, name);
	assert(o);
	for (size_t i = 0; i < c->n_given; i++)
		if ((!strcmp(c->given[i].name, o->name) || (o->also && !strcmp(c->given[i].name, o->also))) &&
		    nth-- == 0)
			return c->given[i].value ? c->given[i].value : "";
	return NULL;
}

/* The last one wins, as in a shell's alias that is overruled. */
const char *ctl_value(const struct ctl *c, const char *name)
{
	const char *value = NULL, *one;

	for (size_t nth = 0; (one = ctl_nth(c, name, nth)); nth++)
		value = one;
	return value;
}

bool ctl_has(const struct ctl *c, const char *name)
{
	return ctl_nth(c, name, 0) != NULL;
}

const char *ctl_config(const struct ctl *c)
{
	const char *file = ctl_value(c, "config");

	if (!file)
		file = getenv("ROLLBACKD_CONFIG");
	return file ? file : "/etc/rollbackd/rollbackd.yml";
}
