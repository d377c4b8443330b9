/*
 * What is said of the commands, out of their table: to who asks, to who slipped, and to what makes other pages of it.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/ctl/ctl.h"

#define WIDTH   80
#define WORDS   34 /* column where the help of a command begins */
#define OPTION  28 /* and of an option */
#define PLAIN   4
#define LEAST_2 2

/* Characters, not bytes. */
static size_t length(const char *s, size_t bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < bytes; i++)
		n += ((unsigned char)s[i] & 0xC0) != 0x80;
	return n;
}

/* Words from column at on, in lines of at most WIDTH, each beginning in column from. */
static void fold(size_t at, size_t from, const char *text)
{
	assert(text && from < WIDTH);
	if (at + LEAST_2 > from)
		putchar('\n'), at = 0;
	printf("%*s", (int)(from - at), "");
	at = from;
	for (size_t bytes, n; *text; text += bytes + (text[bytes] == ' '), at += n) {
		bytes = strcspn(text, " ");
		n = length(text, bytes);
		if (at > from && at + 1 + n > WIDTH)
			printf("\n%*s", (int)from, ""), at = from;
		else if (at > from)
			putchar(' '), at++;
		fwrite(text, 1, bytes, stdout);
	}
	putchar('\n');
}

void help_synopsis(struct buf *b, const struct ctl_command *cmd)
{
	assert(b && cmd);
	buf_printf(b, "%s%s%s%s%s", cmd->name, cmd->verb ? " " : "", cmd->verb ? cmd->verb : "",
	           cmd->args[0] ? " " : "", cmd->args);
	for (const struct ctl_option *o = cmd->options; o && o->name; o++)
		if (o->needed)
			buf_printf(b, " --%s %s", o->name, o->value);
}

static void list_command(const struct ctl_command *cmd)
{
	CLEANUP(buf_free) struct buf b = BUF(300);

	buf_str(&b, "  ");
	help_synopsis(&b, cmd);
	fputs(buf_text(&b), stdout);
	fold(length(buf_text(&b), b.len), WORDS, cmd->help);
}

static void list_options(const char *title, const struct ctl_option *options)
{
	CLEANUP(buf_free) struct buf b = BUF(300);

	if (options)
		printf("\n%s\n", title);
	for (const struct ctl_option *o = options; o && o->name && o->help; o++) {
		const char letter[] = {'-', o->letter, ',', ' ', '\0'};

		buf_reset(&b);
		buf_printf(&b, "  %s--%s%s%s", o->letter ? letter : "    ", o->name, o->value ? " " : "",
		           o->value ? o->value : "");
		fputs(buf_text(&b), stdout);
		fold(length(buf_text(&b), b.len), OPTION, o->help);
	}
}

void help_all(void)
{
	puts("usage: rollbackctl COMMAND [WORD …] [OPTION …]\n");
	for (const struct ctl_command *c = ctl_commands; c->name; c++)
		list_command(c);
	list_options("Options of every command, which may stand anywhere:", ctl_globals);
	puts("\nrollbackctl COMMAND --help tells its options, with an example. \"ack 12\" is short\n"
	     "for \"incident ack 12\", and so is every word that acts on an incident.\n"
	     "Environment: ROLLBACKD_URL, ROLLBACKD_USER, ROLLBACKD_PASSWORD_FILE.\n"
	     "Config: ~/.config/rollbackd/rollbackctl.yml, /etc/rollbackd/rollbackctl.yml:\n"
	     "url, user, password_file, and output, timeout, color, date.format, utc.\n"
	     "Exit codes: 0 yes or done, 1 no, 2 usage, 3 cannot reach or not allowed,\n"
	     "4 cannot tell.");
}

void help_of(const struct ctl_command *cmd)
{
	assert(cmd && cmd->name);
	CLEANUP(buf_free) struct buf b = BUF(300);
	bool others = false;

	help_synopsis(&b, cmd);
	printf("usage: rollbackctl %s\n\n", buf_text(&b));
	fold(0, PLAIN, cmd->help);
	if (cmd->more)
		fold(0, PLAIN, cmd->more);
	list_options("Options, beside those of rollbackctl --help:", cmd->options);
	printf("\nExample:\n%*s%s\n", PLAIN, "", cmd->example);
	for (const struct ctl_command *c = cmd->verb ? NULL : ctl_commands; c && c->name; c++)
		if (c->verb && !strcmp(c->name, cmd->name)) {
			fputs(others ? "" : "\nAlso:\n", stdout);
			list_command(c);
			others = true;
		}
}

int ctl_usage(const struct ctl *c, const char *what, ...)
{
	assert(c && c->command && what);
	CLEANUP(buf_free) struct buf b = BUF(1000);
	const struct ctl_command *cmd = c->command;
	va_list ap;

	va_start(ap, what);
	buf_vprintf(&b, what, ap);
	va_end(ap);
	buf_str(&b, ": rollbackctl ");
	help_synopsis(&b, cmd);
	fprintf(stderr, "rollbackctl: %s (more: --help)\n", buf_text(&b));
	return CTL_USAGE;
}

/* --- for programs --- */

static struct json_object *options_json(const struct ctl_option *options)
{
	struct json_object *all = json_object_new_array();

	for (const struct ctl_option *o = options; o && o->name && o->help; o++) {
		struct json_object *one = json_object_new_object();
		const char letter[] = {o->letter, '\0'};

		json_add_str(one, "name", o->name);
		json_add_str(one, "letter", o->letter ? letter : NULL);
		json_add_str(one, "value", o->value);
		json_add_bool(one, "needed", o->needed);
		json_add_str(one, "help", o->help);
		json_object_array_add(all, one);
	}
	return all;
}

void help_dump(void)
{
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	struct json_object *all = json_object_new_array();

	for (const struct ctl_command *c = ctl_commands; c->name; c++) {
		struct json_object *one = json_object_new_object();

		json_add_str(one, "name", c->name);
		json_add_str(one, "verb", c->verb);
		json_add_str(one, "args", c->args);
		json_add_str(one, "help", c->help);
		json_add_str(one, "more", c->more);
		json_add_str(one, "example", c->example);
		json_add(one, "options", options_json(c->options));
		json_object_array_add(all, one);
	}
	json_add(o, "options", options_json(ctl_globals));
	json_add(o, "commands", all);
	puts(json_text(o));
}
