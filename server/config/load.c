#include "server/config/load.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/settings/keys.h"
#include "server/config/rules.h"
#include "server/core/text.h"

static int read_bytes(const struct config_reader *r, struct buf *b)
{
	CLEANUP(cleanup_fd) int fd = open(r->file, O_RDONLY | O_CLOEXEC);
	char chunk[16384];
	ssize_t n = fd < 0 ? -1 : 0;

	while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) > 0)
		if (buf_add(b, chunk, (size_t)n) < 0) {
			config_fault(r, 0, "", "it is larger than %d bytes", CONFIG_FILE_MAX);
			return -EINVAL;
		}
	if (n == 0)
		return 0;
	config_fault(r, 0, "", "it cannot be read: %s", strerror(errno));
	return -EINVAL;
}

/* The first line with a byte that is wrong; 0: none. libyaml would not say where. */
static size_t line_of_bad_text(const char *text, size_t len)
{
	size_t line = 1;

	for (const char *end; len > 0; len -= (size_t)(end - text), text = end, line++) {
		end = memchr(text, '\n', len);
		end = end ? end + 1 : text + len;
		if (!text_utf8_valid(text, (size_t)(end - text)))
			return line;
	}
	return 0;
}

int config_text(const struct config_reader *r, struct buf *ret)
{
	assert(r && r->file && ret && ret->len == 0);
	if (read_bytes(r, ret) < 0)
		return -EINVAL;
	size_t bad = line_of_bad_text(buf_text(ret), ret->len);
	if (bad)
		config_fault(r, bad, "", "this is not UTF-8 text: save the file as UTF-8");
	return bad ? -EINVAL : 0;
}

static void check(const struct config_reader *r, const struct settings *s, void *use)
{
	config_check(r, s, *(const enum config_use *)use);
}

static int load(const struct config_reader *r, enum config_use use, struct config *c)
{
	assert(r && c);
	CLEANUP(buf_free) struct buf text = BUF(CONFIG_FILE_MAX);
	char why[400] = "out of memory";

	if (config_text(r, &text) < 0 || settings_read(r, buf_text(&text), text.len, check, &use, &c->settings) < 0)
		return -EINVAL;
	if (use != CONFIG_RUN || channels_read(c->settings, &c->channels, why, sizeof(why)) == 0)
		return 0;
	config_fault(r, 0, "", "%s", why);
	return -EINVAL;
}

int config_load(const char *path, enum config_use use, struct config **ret, struct config_faults *faults)
{
	assert(path && ret && faults);
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		abort(); /* out of memory */
	const struct config_reader reader = {.file = path, .faults = faults, .notes = &c->notes};
	if (load(&reader, use, c) < 0) {
		config_free(c);
		return -EINVAL;
	}
	*ret = c;
	return 0;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	settings_unref(c->settings);
	channels_free(&c->channels);
	config_faults_free(&c->notes);
	free(c);
}

/* --- help --- */

/* "(one of: bool int string; default string; required)" */
static void help_value(FILE *out, const struct key *k)
{
	fputs(" (", out);
	if (k->words)
		fprintf(out, "%s: %s", k->type == KEY_WORDS ? "a list of" : "one of", k->words);
	else if (k->type == KEY_NUMBER)
		fprintf(out, "a whole number from %ld to %ld", k->least, k->most);
	else
		fputs(k->type == KEY_TEXT ? "a text" : key_type_text(k->type), out);
	if (k->def && k->def[0])
		fprintf(out, "; default %s", k->def);
	fputs(k->required ? "; required)\n" : ")\n", out);
}

static void help_section(FILE *out, const struct section *s, int depth)
{
	assert(s && depth >= 0);
	if (s->one_of)
		fprintf(out, "%*s# exactly one of: %s\n", depth * 2, "", s->one_of);
	if (s->not_both)
		fprintf(out, "%*s# at most one of: %s\n", depth * 2, "", s->not_both);
	for (size_t i = 0; i < s->n; i++) {
		fprintf(out, "%*s%s: %s", depth * 2, "", s->keys[i].name, s->keys[i].help);
		help_value(out, &s->keys[i]);
		if (s->keys[i].sub)
			help_section(out, s->keys[i].sub, depth + 1);
	}
}

void config_help(FILE *out)
{
	assert(out);
	help_section(out, &config_root, 0);
}
