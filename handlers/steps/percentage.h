/*
 * What is there, as far as is known without asking anybody.
 */
#ifndef HANDLERS_STEPS_PERCENTAGE_H
#define HANDLERS_STEPS_PERCENTAGE_H

#include <sys/stat.h>
#include "db/db.h"
#include "handlers/settings/settings.h"

/* A look at a rollout's flags file, taken outside of the transaction that goes by it: a file system that hangs holds up
 * whoever looks, not the writer. */
struct flags_look {
	int64_t at_us;  /* db_now, before it was read: what is on record since then is younger */
	int32_t pct;    /* what it holds; -1 unknown, or there is no flags file */
	char why[256];  /* why it is unknown, or who reads it so; may be "" */
	bool rehearsed; /* it was asked, too, whether it could be lowered */
	int error;      /* 0, or -errno: as far as was asked, nothing could be rolled back by it … */
	char error_why[256];
	char *values; /* owned: flags_look_values; NULL: not read, or cannot be */
	bool told;    /* flags_watch.h: that was told, and whether it is over shows a rehearsal only: the next look's */
	struct flags_seen {
		struct stat file; /* before it was read */
		int64_t since_us,
			read_us; /* the kernel's time, whatever clocks say: it has been that file, it was read */
	} seen;
};

/* Any thread that may wait for a disk. */
void flags_look(const struct rollout *r, int64_t now_us, bool rehearse, struct flags_look *ret);
/* The same once more, of the same file and key: one that nobody has touched since is not read again for a minute.
 * look: the last one, which becomes the new one. */
void flags_look_again(const struct rollout *r, int64_t now_us, bool rehearse, struct flags_look *look);
/* Reads the other flags of the rollout, too: {"NAME": "value", …} in the order of the config, null for one that the
 * file does not set. The same threads. */
void flags_look_values(const struct rollout *r, struct flags_look *look);
void flags_look_free(struct flags_look *look); /* its members */

/* The flags file's value, else the one last seen, in hundredths of a percent. look: what was read before; NULL: it is
 * read now. -1 unknown; why (>= 200 bytes, may be NULL) then says why. The connection's thread. */
int32_t percentage_by(struct db_conn *c, const struct rollout *r, const struct flags_look *look, char *why,
                      size_t why_size);
int32_t percentage_there(struct db_conn *c, const struct rollout *r, char *why, size_t why_size);
/* What a step may name that begins long after pct was decided: the least of pct, what the flags file holds and what was
 * seen last, so that it raises nothing. 0 when nobody can tell. A thread that may wait for a disk. */
int32_t percentage_at_most(struct db_conn *c, const struct rollout *r, int32_t pct);

#endif
