/*
 * Threads that lower flags files, several at a time: the files of a hundred rollouts share the commits of their file
 * system's journal, and one that hangs holds up neither the engine nor the files of another directory.
 *
 * A file is changed by one thread at a time. All that change files of one directory at the same time do so under one
 * lock of it, which keeps others out as flags_file.h says.
 */
#ifndef HANDLERS_STEPS_FLAGS_WRITER_H
#define HANDLERS_STEPS_FLAGS_WRITER_H

#include "handlers/steps/flags_file.h"

struct flags_writer;

/* Owned by whoever submits it, and lent until done. */
struct flags_task {
	char *path, *key; /* as of flags_file_write */
	int32_t pct;
	void (*done)(struct flags_task *t); /* on one of the threads; must not block */
	int result;                         /* these three: as of flags_file_write */
	struct flags_change change;
	char why[256];
	struct flags_task *next; /* while it waits */
};

int flags_writer_start(struct flags_writer **ret);
/* Any thread; in the order in which they come, as far as their files are free. 0, or -ESHUTDOWN: it was not taken. */
int flags_writer_submit(struct flags_writer *w, struct flags_task *t) MUST_CHECK;
/* What is being written is waited for; what waits is done by nobody, and is its owner's again. */
void flags_writer_stop(struct flags_writer *w);
void flags_writer_free(struct flags_writer *w);

#endif
