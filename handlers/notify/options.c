#include "handlers/notify/options.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "handlers/notify/programs.h"
#include "server/core/text.h"

#define SECRET_MAX 4096

const char *channel_program(enum channel_kind kind)
{
	assert(kind < ARRAY_LEN(channel_programs));
	return channel_programs[kind];
}

/* Not a pipe or a device, which could be waited for without end. */
static int open_file(const char *path)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return S_ISREG(st.st_mode) ? take_fd(&fd) : -EINVAL;
}

static ssize_t read_all(const char *path, char *text, size_t size)
{
	CLEANUP(cleanup_fd) int fd = open_file(path);
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return fd;
	while (n > 0 && len < size) {
		n = read(fd, text + len, size - len);
		len += n > 0 ? (size_t)n : 0;
	}
	return n < 0 ? -errno : (ssize_t)len;
}

/* As in the config: a URL has no blanks, and nothing that is no ASCII. */
static bool is_url(const char *v)
{
	for (const char *at = v; *at; at++)
		if (*at <= ' ' || *at > '~')
			return false;
	return strncmp(v, "http://", 7) == 0 || strncmp(v, "https://", 8) == 0;
}

/* Why the first line of text, len bytes long and cut there, can't be a secret; NULL: it can. */
static const char *fault_of(const char *text, size_t len, bool url)
{
	assert(text);
	if (len == 0)
		return "its first line is empty";
	if (len >= SECRET_MAX)
		return "its first line is too long for a secret";
	if (strlen(text) != len)
		return "its first line is no text";
	if (url && text_url_has_user(text))
		return "leave out the user name and password of its URL: they would not be used";
	return url && !is_url(text) ? "its first line is no URL" : NULL;
}

static size_t line_len(const char *text, size_t n)
{
	const char *end = memchr(text, '\n', n);
	size_t len = end ? (size_t)(end - text) : n;

	return len && text[len - 1] == '\r' ? len - 1 : len;
}

/* The first line of a file. What is in it is never shown. */
static int read_secret(const char *path, bool url, char **ret, char *why, size_t size)
{
	assert(path && ret && why && size > 0);
	char text[SECRET_MAX + 1];
	ssize_t n = read_all(path, text, sizeof(text) - 1);

	if (n < 0) {
		snprintf(why, size, "%s cannot be read: %s", path, strerror((int)-n));
		return (int)n;
	}
	size_t len = line_len(text, (size_t)n);
	text[len] = '\0';
	const char *fault = fault_of(text, len, url);
	if (fault) {
		snprintf(why, size, "%s: %s", path, fault);
		return -EINVAL;
	}
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

int channel_secret_check(const char *path, bool url, char *why, size_t why_size)
{
	assert(path && why && why_size > 0);
	CLEANUP(cleanup_free) char *secret = NULL;

	return read_secret(path, url, &secret, why, why_size);
}

/* v, or the content of the file. *ret stays NULL when neither is given. */
static int read_either(const char *v, const char *file, bool url, char **ret, char *why, size_t size)
{
	if (!v)
		return file ? read_secret(file, url, ret, why, size) : 0;
	*ret = strdup(v);
	return *ret ? 0 : -ENOMEM;
}

static int read_one(const struct channel_options *o, struct channel *c, char *why, size_t size)
{
	c->kind = o->kind;
	c->name = strdup(o->name);
	c->program = strdup(o->program ? o->program : channel_program(o->kind));
	if (!c->name || !c->program)
		return -ENOMEM;
	int r = read_either(o->url, o->url_file, true, &c->url, why, size);
	return r < 0 ? r : read_either(o->secret, o->secret_file, false, &c->secret, why, size);
}

int channels_read(const struct settings *s, struct channels *ret, char *why, size_t why_size)
{
	assert(s && ret && why && why_size > 0);
	struct channels c = {.item = calloc(s->n_channels + 1, sizeof(*c.item))};
	int r = c.item ? 0 : -ENOMEM;

	while (r == 0 && c.n < s->n_channels) {
		size_t i = c.n++;

		r = read_one(&s->channels[i], &c.item[i], why, why_size);
	}
	if (r < 0) {
		channels_free(&c);
		return r;
	}
	*ret = c;
	return 0;
}

void channels_free(struct channels *c)
{
	assert(c && (c->item || c->n == 0));
	for (size_t i = 0; i < c->n; i++) {
		free(c->item[i].name);
		free(c->item[i].program);
		free(c->item[i].url);
		free(c->item[i].secret);
	}
	free(c->item);
	*c = (struct channels) {0};
}

const struct channel *channels_find(const struct channels *c, const char *name)
{
	assert(c && name);
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->item[i].name, name))
			return &c->item[i];
	return NULL;
}
