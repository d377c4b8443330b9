#include "server/core/log.h"
#include "server/core/metrics.h"
#include "server/core/scope.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <cmocka.h>

static struct buf scrape;

static void scrape_now(void)
{
	buf_free(&scrape);
	scrape = BUF(1u << 20);
	assert_int_equal(metrics_write(&scrape, "1.2.3"), 0);
}

/* The value of the one sample whose line begins with series and a blank. */
static double sample(const char *series)
{
	const char *found = NULL;
	size_t len = strlen(series);

	for (const char *line = buf_text(&scrape); *line; line = strchr(line, '\n') + 1)
		if (strncmp(line, series, len) == 0 && line[len] == ' ') {
			assert_null(found);
			found = line;
		}
	if (!found)
		fail_msg("no %s", series);
	return found ? strtod(found + len, NULL) : 0;
}

static void every_series_of_the_table_is_exposed_from_the_start(void **state)
{
	(void)state;

	scrape_now();
	assert_true(sample("rollbackd_webhook_requests_total{result=\"accepted\"}") == 0);
	assert_true(sample("rollbackd_webhook_requests_total{result=\"unavailable\"}") == 0);
	assert_true(sample("rollbackd_alerts_total{disposition=\"rejected\"}") == 0);
	assert_true(sample("rollbackd_db_commits_total") == 0);
	assert_true(sample("rollbackd_build_info{version=\"1.2.3\"}") == 1);
	assert_true(sample("rollbackd_rollback_phase_seconds_count{phase=\"total\"}") == 0);
}

static void an_index_means_the_label_value_at_that_place(void **state)
{
	(void)state;

	metric_add(M_INCIDENTS, 3, 2);
	metric_add(M_INCIDENTS, 3, 1);
	metric_add(M_ALERTS, 10, 7);
	metric_set(M_HEARTBEAT_TIME, 0, 1760436000);
	metric_set(M_RELOADS_OK, 0, -1);
	scrape_now();
	assert_true(sample("rollbackd_incident_transitions_total{state=\"rolled_back\"}") == 3);
	assert_true(sample("rollbackd_incident_transitions_total{state=\"verifying\"}") == 0);
	assert_true(sample("rollbackd_alerts_total{disposition=\"rejected\"}") == 7);
	assert_true(sample("rollbackd_heartbeat_last_timestamp_seconds") == 1760436000);
	assert_true(sample("rollbackd_config_last_reload_successful") == -1);
	assert_int_equal(metric_get(M_INCIDENTS, 3), 3);
}

static void a_phase_falls_into_its_buckets(void **state)
{
	(void)state;

	metric_phase(PHASE_DECISION, 0.05);
	metric_phase(PHASE_DECISION, 60);
	metric_phase(PHASE_DECISION, 60.5);
	metric_phase(PHASE_DECISION, 5000);
	metric_phase(PHASE_DECISION, -3); /* the clock was set back: counts as none */
	metric_phase(PHASE_DECISION, (double)NAN);
	scrape_now();
	assert_true(sample("rollbackd_rollback_phase_seconds_bucket{phase=\"decision\",le=\"0.1\"}") == 2);
	assert_true(sample("rollbackd_rollback_phase_seconds_bucket{phase=\"decision\",le=\"30\"}") == 2);
	assert_true(sample("rollbackd_rollback_phase_seconds_bucket{phase=\"decision\",le=\"60\"}") == 3);
	assert_true(sample("rollbackd_rollback_phase_seconds_bucket{phase=\"decision\",le=\"120\"}") == 4);
	assert_true(sample("rollbackd_rollback_phase_seconds_bucket{phase=\"decision\",le=\"1800\"}") == 4);
	assert_true(sample("rollbackd_rollback_phase_seconds_bucket{phase=\"decision\",le=\"+Inf\"}") == 5);
	assert_true(sample("rollbackd_rollback_phase_seconds_count{phase=\"decision\"}") == 5);
	assert_true(fabs(sample("rollbackd_rollback_phase_seconds_sum{phase=\"decision\"}") - 5120.55) < 1e-6);
	assert_true(sample("rollbackd_rollback_phase_seconds_count{phase=\"execution\"}") == 0);
}

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20000; i++) {
		metric_add(M_JOBS, 0, 1);
		metric_phase(PHASE_EXECUTION, 0.25);
	}
	return NULL;
}

static void threads_lose_no_count(void **state)
{
	(void)state;
	pthread_t threads[4];

	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	scrape_now();
	assert_true(sample("rollbackd_db_jobs_total") == 80000);
	assert_true(sample("rollbackd_rollback_phase_seconds_count{phase=\"execution\"}") == 80000);
	assert_true(sample("rollbackd_rollback_phase_seconds_sum{phase=\"execution\"}") == 20000);
}

static void label_values_and_help_are_escaped(void **state)
{
	(void)state;
	CLEANUP(buf_free) struct buf b = BUF(1000);

	assert_int_equal(metrics_family(&b, "x", "gauge", "a \"b\"\nc\\d"), 0);
	assert_int_equal(metrics_sample(&b, "x", 0.5, "l", "q\" b\\ n\n u\xff", "m", "\xc3\xa9", NULL), 0);
	assert_int_equal(metrics_sample(&b, "x", (double)INFINITY, NULL), 0);
	assert_string_equal(buf_text(&b), "# HELP x a \"b\"\\nc\\\\d\n# TYPE x gauge\n"
	                                  "x{l=\"q\\\" b\\\\ n\\n u\xef\xbf\xbd\",m=\"\xc3\xa9\"} 0.5\nx +Inf\n");
}

static void a_buffer_too_small_is_reported(void **state)
{
	(void)state;
	CLEANUP(buf_free) struct buf b = BUF(500);

	assert_true(metrics_write(&b, "1.2.3") < 0);
}

static double cpu_used(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int open_fds(int below)
{
	int n = 0;

	for (int fd = 0; fd < below; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void the_process_tells_the_truth_about_itself(void **state)
{
	(void)state;
	struct rusage usage;
	struct rlimit files;

	CLEANUP(cleanup_fd) int extra = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	while (cpu_used() < 0.1)
		scrape_now();
	double used_before = cpu_used();
	scrape_now();
	double used_after = cpu_used(), cpu = sample("process_cpu_seconds_total");
	assert_true(cpu >= used_before - 0.03 && cpu <= used_after + 0.03); /* counted in ticks of 10 ms */
	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	assert_int_equal((int)sample("process_open_fds"), open_fds(1024));
	assert_true(sample("process_start_time_seconds") <= (double)time(NULL) + 1);
	assert_true(sample("process_start_time_seconds") > (double)time(NULL) - 3600);
	assert_true(sample("process_resident_memory_bytes") > 100e3);
	assert_true(sample("process_resident_memory_bytes") <= (double)usage.ru_maxrss * 1024 + 16e6);
	assert_true(sample("process_virtual_memory_bytes") > sample("process_resident_memory_bytes"));
	assert_true(sample("process_virtual_memory_max_bytes") > 0);
	assert_true(sample("process_max_fds") == (double)files.rlim_cur);
	close(take_fd(&extra));
	scrape_now();
	assert_int_equal((int)sample("process_open_fds"), open_fds(1024));
}

static void dropped_log_lines_are_counted(void **state)
{
	(void)state;
	int real_stderr = dup(STDERR_FILENO);

	assert_true(real_stderr >= 0);
	close(STDERR_FILENO);
	log_error("nobody can read this");
	assert_int_equal(dup2(real_stderr, STDERR_FILENO), STDERR_FILENO);
	close(real_stderr);
	scrape_now();
	assert_true(sample("rollbackd_log_dropped_lines_total") == 1);
}

/* promtool: PROMTOOL, or the one that was fetched for the build, or the one on the PATH. */
static const char *find_promtool(void)
{
	const char *const places[] = {getenv("PROMTOOL"), "build/tools/usr/bin/promtool", "promtool"};
	char command[500];

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		snprintf(command, sizeof(command), "command -v %s >/dev/null", places[i] ? places[i] : "");
		if (places[i] && system(command) == 0)
			return places[i];
	}
	return NULL;
}

static void promtool_finds_nothing_to_complain_about(void **state)
{
	(void)state;
	const char *promtool = find_promtool();
	char command[500];

	if (!promtool)
		skip();
	snprintf(command, sizeof(command), "%s check metrics", promtool);
	metric_phase(PHASE_TOTAL, 48.2);
	scrape_now();
	FILE *tool = popen(command, "we");
	assert_non_null(tool);
	assert_int_equal(fwrite(scrape.data, 1, scrape.len, tool), scrape.len);
	assert_int_equal(pclose(tool), 0);
}

static int free_scrape(void **state)
{
	(void)state;
	buf_free(&scrape);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_series_of_the_table_is_exposed_from_the_start),
		cmocka_unit_test(an_index_means_the_label_value_at_that_place),
		cmocka_unit_test(a_phase_falls_into_its_buckets),
		cmocka_unit_test(threads_lose_no_count),
		cmocka_unit_test(label_values_and_help_are_escaped),
		cmocka_unit_test(a_buffer_too_small_is_reported),
		cmocka_unit_test(the_process_tells_the_truth_about_itself),
		cmocka_unit_test(dropped_log_lines_are_counted),
		cmocka_unit_test(promtool_finds_nothing_to_complain_about),
	};

	return cmocka_run_group_tests(tests, NULL, free_scrape);
}
