/* Could a rollback lower each flags file, and run each command, now? The acts' own questions, asked with rollbackd's
 * rights where that can be. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handlers/engine/rehearsal.h"
#include "handlers/steps/flags_file.h"
#include "handlers/steps/runner.h"
#include "server/core/text.h"
#include "server/ctl/doctor/doctor.h"

#define DAEMON_USER       "rollbackd" /* whom the package makes */
#define COMMANDS_TEXT_MAX (256 * 1024)

/* Root may more than rollbackd: it asks as the package's user. NULL: as whoever asks. */
static const struct passwd *daemon_user(void)
{
	return geteuid() == 0 ? getpwnam(DAEMON_USER) : NULL;
}

static void become(const struct passwd *pw)
{
	if (pw && (initgroups(pw->pw_name, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0))
		_exit(2);
}

typedef void ask_fn(const void *what, int out);

/* In a child, for it gives up its rights: what it writes, or below 0. */
static ssize_t ask_in_child(ask_fn *ask, const void *what, const struct passwd *pw, char *text, size_t size)
{
	int ends[2], status = 0;
	size_t len = 0;
	ssize_t n = -1;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid_t child = fork();
	if (child == 0) {
		become(pw);
		ask(what, ends[1]);
		_exit(0);
	}
	close(ends[1]);
	while (child > 0 && (n = read(ends[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(ends[0]);
	if (child > 0)
		waitpid(child, &status, 0);
	return n < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0 ? -EIO : (ssize_t)len;
}

/* '+' and what is to be said, or '-' and why not. */
static void ask_flags(const void *what, int out)
{
	const struct rollout *r = what;
	struct flags_change ch = {.before = -1};
	char why[256] = "", at[16], text[700];

	int e = flags_file_rehearse(r->flags_file, r->flags_key, 0, &ch, why, sizeof(why));
	text_pct(ch.before, at, sizeof(at));
	int n = e < 0 ? snprintf(text, sizeof(text), "-%s", why)
	              : snprintf(text, sizeof(text), "+%s is at %s%s in %.200s, and could be lowered%s%s", r->flags_key,
	                         at, ch.before < 0 ? "" : "%", r->flags_file, ch.note[0] ? ": " : "", ch.note);
	if (write(out, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1) < 0)
		_exit(2);
}

static void judge_one(const struct rollout *r, struct findings *f)
{
	assert(r->flags_file && r->flags_key);
	const struct passwd *pw = daemon_user();
	char text[700] = "";

	if (ask_in_child(ask_flags, r, pw, text, sizeof(text)) <= 0)
		found(f, FOUND_UNKNOWN, r->name, "flags", "could not be asked as user %s",
		      pw ? pw->pw_name : "of this shell");
	else
		found(f, text[0] == '+' ? FOUND_OK : FOUND_BAD, r->name, "flags",
		      text[0] == '+' ? "%s%s%s" : "a rollback could not lower the flags file: %s%s%s", text + 1,
		      pw ? ", as user " : "", pw ? pw->pw_name : "");
}

void judge_flags(const struct settings *s, struct findings *f)
{
	assert(s && f);
	for (size_t i = 0; i < s->n_rollouts; i++)
		if (s->rollouts[i].flags_file)
			judge_one(&s->rollouts[i], f);
}

/* --- commands --- */

static int asked_out; /* of the child */

static void say_one(const char *whose, const char *command, const char *why)
{
	(void)command; /* why begins with it, or says where on the way to it */
	dprintf(asked_out, "%s\t%s\n", whose, why);
}

static void ask_commands(const void *what, int out)
{
	char exe[PATH_MAX] = "", runner[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[n > 0 ? n : 0] = '\0';
	asked_out = out;
	rehearse_commands(what, runner_find(exe, runner) == 0 ? runner : exe, say_one);
}

void judge_commands(const struct settings *s, struct findings *f)
{
	assert(s && f);
	const struct passwd *pw = daemon_user();
	CLEANUP(cleanup_free) char *text = calloc(1, COMMANDS_TEXT_MAX);
	char *rest = text, *line;

	if (!text || ask_in_child(ask_commands, s, pw, text, COMMANDS_TEXT_MAX) < 0)
		return found(f, FOUND_UNKNOWN, "commands", NULL, "could not be asked");
	if (!text[0])
		found(f, FOUND_OK, "commands", NULL, "each that a rollback needs could be run%s%s",
		      pw ? ", as user " : "", pw ? pw->pw_name : "");
	while ((line = strsep(&rest, "\n")) && line[0]) {
		char *why = strchr(line, '\t');

		if (!why) /* cut off */
			break;
		*why = '\0';
		found(f, FOUND_BAD, line, "commands", "a rollback could not run %s", why + 1);
	}
}
