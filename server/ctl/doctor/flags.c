/* Could a rollback lower each flags file now? The act's own question, asked with rollbackd's rights where that can be.
 */
#include <assert.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handlers/steps/flags_file.h"
#include "server/core/text.h"
#include "server/ctl/doctor/doctor.h"

#define DAEMON_USER "rollbackd" /* whom the package makes */

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

/* In a child, for it gives up its rights: '+' and what is to be said, or '-' and why not. */
static void ask(const struct rollout *r, const struct passwd *pw, int out)
{
	struct flags_change ch = {.before = -1};
	char why[256] = "", at[16], text[700];

	become(pw);
	int e = flags_file_rehearse(r->flags_file, r->flags_key, 0, &ch, why, sizeof(why));
	text_pct(ch.before, at, sizeof(at));
	int n = e < 0 ? snprintf(text, sizeof(text), "-%s", why)
	              : snprintf(text, sizeof(text), "+%s is at %s%s in %.200s, and could be lowered%s%s", r->flags_key,
	                         at, ch.before < 0 ? "" : "%", r->flags_file, ch.note[0] ? ": " : "", ch.note);
	if (write(out, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1) < 0)
		_exit(2);
	_exit(0);
}

static void judge_one(const struct rollout *r, struct findings *f)
{
	assert(r->flags_file && r->flags_key);
	const struct passwd *pw = daemon_user();
	char text[700] = "";
	int ends[2], status = 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return found(f, FOUND_UNKNOWN, r->name, "flags", "could not be asked: %m");
	pid_t child = fork();
	if (child == 0)
		ask(r, pw, ends[1]);
	close(ends[1]);
	ssize_t n = child > 0 ? read(ends[0], text, sizeof(text) - 1) : -1;
	close(ends[0]);
	if (child > 0)
		waitpid(child, &status, 0);
	if (n <= 0)
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
