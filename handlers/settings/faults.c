#include "handlers/settings/faults.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include "server/core/buf.h"

#define FAULTS_MAX     200
#define FAULT_TEXT_MAX 8192 /* the name of the file takes half of it at most */

/* In the order of the file; among faults of a line the order in which they were found. */
static void insert(struct config_faults *f, size_t line, char *text)
{
	char **lines = reallocarray(f->line, f->n + 1, sizeof(*lines));
	size_t *at = reallocarray(f->at, f->n + 1, sizeof(*at)), i = f->n;

	if (!text || !lines || !at)
		abort(); /* out of memory */
	f->line = lines;
	f->at = at;
	for (; i > 0 && at[i - 1] > line; i--) {
		at[i] = at[i - 1];
		lines[i] = lines[i - 1];
	}
	at[i] = line;
	lines[i] = text;
	f->n++;
}

void config_fault(const struct config_reader *r, size_t line, const char *path, const char *fmt, ...)
{
	assert(r && r->file && path && fmt);
	CLEANUP(buf_free) struct buf b = BUF(FAULT_TEXT_MAX);
	va_list ap;

	if (r->faults->n > FAULTS_MAX)
		return;
	buf_str(&b, r->file);
	if (r->faults->n == FAULTS_MAX) {
		buf_str(&b, ": there are more faults than these: correct them first");
		insert(r->faults, SIZE_MAX, buf_take(&b));
		return;
	}
	if (line)
		buf_printf(&b, ":%zu", line);
	buf_printf(&b, ": %s%s", path, path[0] ? ": " : "");
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	insert(r->faults, line, buf_take(&b));
}

void config_faults_free(struct config_faults *f)
{
	assert(f && (f->line || f->n == 0));
	for (size_t i = 0; i < f->n; i++)
		free(f->line[i]);
	free(f->line);
	free(f->at);
	*f = (struct config_faults) {0};
}
