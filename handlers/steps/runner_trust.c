#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "handlers/steps/runner.h"
#include "server/core/buf.h"
#include "server/core/scope.h"

#define LINKS_MAX 40 /* as the kernel */

/* A walk along a path, component by component, as the kernel would go. */
struct walk {
	char at[PATH_MAX];   /* where it is: no symbolic link in it; "" is the root */
	char rest[PATH_MAX]; /* what lies ahead */
	int links;
	struct stat st; /* of at */
	char *why;
	size_t why_size;
};

#define refuse(w, err, ...) say_why((w)->why, (w)->why_size, err, __VA_ARGS__)

static const char *here(const struct walk *w)
{
	return w->at[0] ? w->at : "/";
}

static int check_here(const struct walk *w)
{
	if (w->st.st_uid != 0 && w->st.st_uid != geteuid())
		return refuse(w, -EPERM, "%.120s belongs to user %u: neither root's nor rollbackd's", here(w),
		              (unsigned)w->st.st_uid);
	/* In a sticky directory of root's, like /tmp, nobody can rename or replace what is ours or root's. */
	bool sticky = S_ISDIR(w->st.st_mode) && (w->st.st_mode & S_ISVTX) && w->st.st_uid == 0;
	if ((w->st.st_mode & (S_IWGRP | S_IWOTH)) && !sticky)
		return refuse(w, -EPERM, "%.120s can be written by others than its owner (mode %03o)", here(w),
		              (unsigned)w->st.st_mode & 07777);
	return 0;
}

/* The next component goes from rest to out. False: there is none. */
static bool next_name(struct walk *w, char out[NAME_MAX + 1])
{
	char *from = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(from, "/");

	if (len == 0 || len > NAME_MAX)
		return false;
	memcpy(out, from, len);
	out[len] = '\0';
	memmove(w->rest, from + len, strlen(from + len) + 1);
	return true;
}

static void go_up(struct walk *w)
{
	char *slash = strrchr(w->at, '/');

	if (slash)
		*slash = '\0';
}

static int follow_link(struct walk *w)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t n = readlink(w->at, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	target[n] = '\0';
	int len = snprintf(rest, sizeof(rest), "%s%s", target, w->rest);
	if (len < 0 || (size_t)len >= sizeof(rest))
		return -ENAMETOOLONG;
	memcpy(w->rest, rest, (size_t)len + 1);
	if (target[0] == '/')
		w->at[0] = '\0';
	else
		go_up(w);
	return 0;
}

/* One component on. What it comes from has been checked. */
static int step(struct walk *w, const char *name)
{
	size_t len = strlen(w->at);

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		go_up(w);
		return stat(here(w), &w->st) < 0 ? -errno : 0;
	}
	if (len + strlen(name) + 2 > sizeof(w->at))
		return -ENAMETOOLONG;
	snprintf(w->at + len, sizeof(w->at) - len, "/%s", name);
	if (lstat(w->at, &w->st) < 0)
		return -errno;
	if (!S_ISLNK(w->st.st_mode))
		return check_here(w);
	int r = follow_link(w);
	return r == 0 && stat(here(w), &w->st) < 0 ? -errno : r;
}

int runner_trusts(const char *path, char *why, size_t why_size)
{
	assert(path && why && why_size >= 200);
	struct walk w = {.why = why, .why_size = why_size};
	char name[NAME_MAX + 1];

	why[0] = '\0';
	if (path[0] != '/' || strlen(path) >= sizeof(w.rest))
		return refuse(&w, -EINVAL, "%.120s is no absolute path", path);
	memcpy(w.rest, path, strlen(path) + 1);
	int r = stat("/", &w.st) < 0 ? -errno : check_here(&w);
	while (r == 0 && next_name(&w, name))
		r = step(&w, name);
	if (r == 0 && w.rest[strspn(w.rest, "/")] != '\0')
		r = -ENAMETOOLONG;
	if (r == 0 && !S_ISREG(w.st.st_mode))
		return refuse(&w, -EACCES, "%.120s is no program", path);
	if (r < 0 && why[0] == '\0')
		refuse(&w, r, "%.120s: %s", path, strerrordesc_np(-r));
	return r;
}
