/*
 * rollbackd: flags, signals, and the life of the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handlers/notify/notify.h"
#include "handlers/steps/runner.h"
#include "server/daemon.h"
#include "server/core/failpoint.h"
#include "server/core/log.h"
#include "server/core/loop.h"
#include "server/http/origin.h"
#include "server/http/server.h"
#include "server/systemd.h"
#include "server/zone.h"

#define TURN_MS   1000 /* between two looks at the threads, for the watchdog */
#define WHERE_MAX 2048 /* of all addresses in words */

enum { EXIT_RUNTIME = 1, EXIT_USAGE = 2, EXIT_STATE = 3 };

struct flags {
	struct app_options app;
	const char *log_level, *log_format;
};

static struct flags flags;

static const struct flag {
	const char *name, *def, *help;
	const char **value;    /* one of the two: the last one given */
	struct app_list *list; /* all of them */
} flag_table[] = {
	{"--config.file", "rollbackd.yml", "Main config file.", &flags.app.config_file, NULL},
	{"--storage.path", "data/", "State directory: database, lock, command results.", &flags.app.storage_path, NULL},
	{"--web.listen-address", "127.0.0.1:9595", "Address to listen on; may be repeated; unix:/path too.", NULL,
         &flags.app.address},
	{"--web.config.file", NULL, "Passwords (basic_auth_users), as of every Prometheus exporter.",
         &flags.app.web_config_file, NULL},
	{"--web.allowed-host", NULL, "Further name by which it may be called (Host); may be repeated.", NULL,
         &flags.app.allowed_host},
	{"--log.level", "info", "Least level that is logged: debug, info, warn, error.", &flags.log_level, NULL},
	{"--log.format", "logfmt", "logfmt or json.", &flags.log_format, NULL},
};

static void usage(FILE *out)
{
	fputs("usage: rollbackd [flags]\n\nReceives Alertmanager's webhooks and rolls back canaries.\n\nFlags:\n", out);
	for (size_t i = 0; i < ARRAY_LEN(flag_table); i++)
		fprintf(out, "  %-24s %s (default: %s)\n", flag_table[i].name, flag_table[i].help,
		        flag_table[i].def ? flag_table[i].def : "none");
	fputs("  --help-config            Every key of the config file.\n  --help, --version\n", out);
}

static int set_flag(const struct flag *row, const char *value)
{
	if (row->value)
		*row->value = value;
	else if (row->list->n < APP_ADDRESSES_MAX)
		row->list->item[row->list->n++] = value;
	else
		return -E2BIG;
	return 0;
}

static const struct flag *flag_named(const char *arg, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(flag_table); i++)
		if (strlen(flag_table[i].name) == len && !strncmp(flag_table[i].name, arg, len))
			return &flag_table[i];
	return NULL;
}

/* --name=value or --name value. Returns how many words were used, or -1. */
static int parse_one(int left, char **argv)
{
	size_t len = strcspn(argv[0], "=");
	const struct flag *row = flag_named(argv[0], len);
	bool joined = argv[0][len] == '=';

	if (!row) {
		fprintf(stderr, "rollbackd: unknown flag %s; see rollbackd --help\n", argv[0]);
		return -1;
	}
	if (!joined && left < 2) {
		fprintf(stderr, "rollbackd: %s needs a value\n", argv[0]);
		return -1;
	}
	if (set_flag(row, joined ? argv[0] + len + 1 : argv[1]) < 0) {
		fprintf(stderr, "rollbackd: %s at most %d times\n", row->name, APP_ADDRESSES_MAX);
		return -1;
	}
	return joined ? 1 : 2;
}

static int parse_flags(int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_LEN(flag_table); i++)
		if (flag_table[i].value)
			set_flag(&flag_table[i], flag_table[i].def);
	for (int i = 1; i < argc;) {
		int used = parse_one(argc - i, argv + i);

		if (used < 0)
			return EXIT_USAGE;
		i += used;
	}
	if (flags.app.web_config_file && !flags.app.web_config_file[0])
		flags.app.web_config_file = NULL;
	if (flags.app.address.n == 0)
		flags.app.address.item[flags.app.address.n++] = "127.0.0.1:9595";
	return 0;
}

static int start_log(const struct flags *f)
{
	enum log_level level;
	bool json = !strcmp(f->log_format, "json");

	if (log_level_parse(f->log_level, &level) < 0 || (!json && strcmp(f->log_format, "logfmt") != 0)) {
		fprintf(stderr,
		        "rollbackd: --log.level is debug, info, warn or error; --log.format is logfmt or json\n");
		return EXIT_USAGE;
	}
	log_setup(level, json);
	return 0;
}

static int check_address(const struct flags *f, const char *address)
{
	if (!http_is_address(address)) {
		fprintf(stderr,
		        "rollbackd: --web.listen-address=%s is no address: 127.0.0.1:9595, [::1]:9595, :9595 (all of "
		        "this machine's) or unix:/path are\n",
		        address);
		return EXIT_USAGE;
	}
	if (f->app.web_config_file || http_is_loopback(address))
		return 0;
	fprintf(stderr,
	        "rollbackd: %s is reachable from other machines, and nothing here asks for a password: give "
	        "--web.config.file, or listen on 127.0.0.1, [::1] or unix:/path\n",
	        address);
	return EXIT_USAGE;
}

static int check_addresses(const struct flags *f)
{
	int r = 0;

	for (size_t i = 0; i < f->app.address.n && r == 0; i++)
		r = check_address(f, f->app.address.item[i]);
	return r;
}

static int check_hosts(const struct flags *f)
{
	for (size_t i = 0; i < f->app.allowed_host.n; i++)
		if (!http_is_host(f->app.allowed_host.item[i])) {
			fprintf(stderr,
			        "rollbackd: --web.allowed-host=%s is no host: a name or an address is, without scheme, "
			        "port and path; IPv6 in brackets\n",
			        f->app.allowed_host.item[i]);
			return EXIT_USAGE;
		}
	return 0;
}

static int load(const struct flags *f, struct config **ret)
{
	struct config_faults faults = {0};
	char why[400] = "";
	int r = config_load(f->app.config_file, CONFIG_RUN, ret, &faults);

	for (size_t i = 0; i < faults.n; i++)
		fprintf(stderr, "%s\n", faults.line[i]);
	config_faults_free(&faults);
	int tried = r == 0 ? notify_try_programs(&(*ret)->channels, f->app.exe, why, sizeof(why)) : 0;
	/* A machine that is busy after a crash: its messages go out as plain text, if need be. */
	if (tried == -ETIMEDOUT) {
		log_warn("a channel's program could not be tried", "config", f->app.config_file, "err", why);
	} else if (tried < 0) {
		fprintf(stderr, "%s: %s\n", f->app.config_file, why);
		config_free(*ret);
		r = -EINVAL;
	}
	if (r == 0)
		zone_set((*ret)->settings->timezone); /* before any thread */
	return r < 0 ? EXIT_USAGE : 0;
}

static int load_web(const struct flags *f, struct web_config **ret)
{
	struct config_faults faults = {0};
	int r = f->app.web_config_file ? web_config_load(f->app.web_config_file, ret, &faults) : 0;

	for (size_t i = 0; i < faults.n; i++)
		fprintf(stderr, "%s\n", faults.line[i]);
	config_faults_free(&faults);
	return r < 0 ? EXIT_USAGE : 0;
}

/* Files 0 to 2 must be open: the database must never become stderr. */
static void process_setup(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
	umask(077);
	signal(SIGPIPE, SIG_IGN);
}

/* Blocked before the first thread exists: all others inherit that, only the main thread reads them. Nobody reads
 * SIGCHLD, children are waited for by their pidfds: it stays pending, else each end wakes some thread for nothing. */
static int take_signals(void)
{
	sigset_t set, all;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	all = set;
	sigaddset(&all, SIGCHLD);
	sigprocmask(SIG_BLOCK, &all, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void reload(struct app *a)
{
	systemd_reloading();
	systemd_ready(app_reload(a) ? "the config was reloaded"
	                            : "THE LAST RELOAD WAS REFUSED: the config of before stays in force, see the log");
}

/* 0: none came. */
static int next_signal(int signals)
{
	struct signalfd_siginfo info;

	return read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

static void wait_for_the_end(struct app *a, int signals)
{
	struct pollfd what[] = {{.fd = signals, .events = POLLIN}, {.fd = app_reload_fd(a), .events = POLLIN}};

	for (;;) {
		poll(what, ARRAY_LEN(what), TURN_MS);
		int sig = next_signal(signals);
		if (sig == SIGTERM || sig == SIGINT)
			return;
		if (sig == SIGHUP || (what[1].revents & POLLIN))
			reload(a);
		what[1].revents = 0;
		if (app_alive(a))
			systemd_watchdog();
	}
}

static void say_ready(const struct flags *f, const struct app *a)
{
	CLEANUP(buf_free) struct buf where = BUF(WHERE_MAX);
	char status[WHERE_MAX + 20];

	app_where(a, &where);
	log_info("rollbackd is ready", "version", ROLLBACKD_VERSION, "address", buf_text(&where), "config",
	         f->app.config_file);
	snprintf(status, sizeof(status), "listens on %s", buf_text(&where));
	systemd_ready(status);
}

static int serve(const struct flags *f)
{
	int signals = take_signals();
	struct web_config *web = NULL;
	struct config *cfg = NULL;
	struct app *a = NULL;
	bool state = false;
	char why[500] = "";

	if (signals < 0 || loop_global_init() < 0)
		return EXIT_RUNTIME;
	int r = load_web(f, &web);
	if (r == 0)
		r = load(f, &cfg);
	if (r) {
		web_config_free(web);
		return r;
	}
	r = app_start(&f->app, cfg, web, &a, &state, why, sizeof(why));
	if (r < 0) {
		log_error("cannot start", "err", why[0] ? why : strerror(-r));
		return state ? EXIT_STATE : EXIT_RUNTIME;
	}
	say_ready(f, a);
	wait_for_the_end(a, signals);
	log_info("stopping");
	systemd_stopping();
	app_stop(a);
	log_info("stopped");
	return 0;
}

/* Without it no command of a rollback can be run: that is told now, not in the night. */
static int find_runner(const char *exe, char *out)
{
	if (runner_find(exe, out) == 0)
		return 0;
	fprintf(stderr,
	        "rollbackd: rollbackd-run, which runs the commands of rollbacks, is neither in ../libexec/rollbackd "
	        "nor "
	        "beside %s: install it again\n",
	        exe);
	return EXIT_RUNTIME;
}

static bool is(const char *arg, const char *name)
{
	return arg && !strcmp(arg, name);
}

int main(int argc, char **argv)
{
	static char exe[PATH_MAX], runner[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	flags.app.exe = n > 0 ? exe : argv[0];
	process_setup();
	if (failpoint_setup(getenv("ROLLBACKD_FAILPOINT")) < 0) {
		fprintf(stderr, "rollbackd: ROLLBACKD_FAILPOINT names no failpoint\n");
		return EXIT_USAGE;
	}
	if (argc == 4 &&
	    is(argv[1], "--run-step")) /* a daemon of before rollbackd-run, upgraded and not yet restarted */
		return runner_main(argv[2], argv[3]);
	if (argc == 2 && is(argv[1], "--run-program"))
		return notify_program_main();
	if (argc == 2 && is(argv[1], "--list-failpoints"))
		return failpoint_list(stdout), 0;
	if (argc == 2 && is(argv[1], "--help"))
		return usage(stdout), 0;
	if (argc == 2 && is(argv[1], "--help-config"))
		return config_help(stdout), 0;
	if (argc == 2 && is(argv[1], "--version"))
		return puts("rollbackd " ROLLBACKD_VERSION), 0;
	int r = parse_flags(argc, argv);
	if (r == 0)
		r = start_log(&flags);
	if (r == 0)
		r = check_addresses(&flags);
	if (r == 0)
		r = check_hosts(&flags);
	if (r == 0)
		r = find_runner(flags.app.exe, runner);
	flags.app.runner = runner;
	return r ? r : serve(&flags);
}
