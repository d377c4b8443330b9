/*
 * What flags_file.c (reading, deciding), flags_put.c (how the new text gets there) and flags_copy.c (a crash in the
 * middle of writing in place) share. Any thread; one file at a time each.
 */
#ifndef HANDLERS_STEPS_FLAGS_FILE_PRIVATE_H
#define HANDLERS_STEPS_FLAGS_FILE_PRIVATE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include "handlers/steps/flags_file.h"

struct file {
	const char *path, *key;
	char *why; /* where the sentence goes */
	size_t why_size;
	int dir;  /* to reach the file by */
	int lock; /* -1 none */
	bool locked;
	char base[NAME_MAX + 1];
	char temp[NAME_MAX + 1]; /* always the same names: what a crash left is overwritten, or recovered */
	char copy[NAME_MAX + 1];
	char spare[64]; /* its name in the spare directory (flags_copy_name); "": there is none */
	struct stat st; /* as it was when text was read */
	struct buf text;
	char note[FLAGS_NOTE_MAX]; /* what could not be kept */
};

/* A sentence in why; returns err. */
#define flags_refuse(f, err, ...) say_why((f)->why, (f)->why_size, err, __VA_ARGS__)
/* "cannot <what> <path>: …", right after a system call that failed. -errno. */
int flags_cannot(const struct file *f, const char *what);
/* Somebody edited or replaced it since it was read. */
bool flags_has_changed(const struct file *f);
int flags_write_all(int fd, const void *data, size_t len); /* 0 or -errno */

/* flags_put.c */

enum flags_way { FLAGS_RENAME = 1, FLAGS_IN_PLACE };
struct put {
	enum flags_way way;
	int fd; /* the temporary file, or the file itself open for writing; -1 none */
};
/* Everything that putting text there takes but the last move: this is what is rehearsed. 0, or -errno with a sentence.
 * down: it lowers what is there. from: the open file. */
int flags_put_prepare(struct file *f, int from, const struct buf *text, bool down, struct put *ret) MUST_CHECK;
/* The last move. -EAGAIN: it was changed meanwhile. */
int flags_put_commit(struct file *f, const struct buf *text, bool down, struct put *p) MUST_CHECK;
/* Removes what prepare made. After a commit: nothing to do. */
void flags_put_drop(struct file *f, struct put *p);

/* flags_copy.c: both texts, on disk before the file is written in place. */

/* Fills in f->spare. */
void flags_copy_name(struct file *f);
/* 0, or -errno with a sentence. */
int flags_copy_keep(struct file *f, const struct buf *text, bool down) MUST_CHECK;
void flags_copy_remove(const struct file *f);
/* Is there one? Then somebody writes in place now, or died while he did. */
bool flags_copy_is_there(const struct file *f);
/* Under the lock: a file that was half written becomes whole again, as the lower of its two texts. One that is whole,
 * or that somebody has edited since, stays. 0, or -errno with a sentence. */
int flags_copy_recover(struct file *f) MUST_CHECK;

#endif
