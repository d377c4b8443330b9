"""Reads of the record that do not end: what else is asked is answered meanwhile, and they end by their bound.

A library that is loaded before makes the statements slow that contain a text, as long as a file is there; SQLite itself is busy then,
so that what interrupts a statement interrupts this, too.
"""
import os
import subprocess
import threading
import time

import pytest
from harness import BUILD, alert, config, request, until

SLOW = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_for_http(void)
{
	char name[16] = "";

	pthread_getname_np(pthread_self(), name, sizeof(name));
	return !strcmp(name, "http") || !strcmp(name, "reader");
}

int sqlite3_step(sqlite3_stmt *s)
{
	static int (*real)(sqlite3_stmt *);
	const char *sql = sqlite3_sql(s);
	int r = SQLITE_OK;

	if (!real)
		real = (int (*)(sqlite3_stmt *))dlsym(RTLD_NEXT, "sqlite3_step");
	while (r == SQLITE_OK && sql && strstr(sql, getenv("SLOW_SQL")) && is_for_http() && access(getenv("SLOW_FILE"), F_OK) == 0)
		r = sqlite3_exec(sqlite3_db_handle(s), "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1\nFROM\tn LIMIT 100000)"
		                 " SELECT count(*) FROM\tn", NULL, NULL, NULL);
	return r == SQLITE_OK ? real(s) : r;
}
"""

COMPARE = """
    compare:
      share: 'vector(0.1)'
      metrics: [{name: memory, unit: bytes, value: {candidate: 'vector(1)', baseline: 'vector(1)'}}]
"""
HOLDS = "FROM hold_span"        # a comparison asks for them, and nothing else does: dear
ALL = "FROM "                    # all that is asked of tables
EVENTS = "FROM event"           # the audit trail: cheap


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    (folder / "slow.c").write_text(SLOW)
    r = subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "slow.so", folder / "slow.c", "-ldl"], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return folder / "slow.so"


class Slow:
    """A daemon whose statements with that text end when the test does, or at their bound."""

    def __init__(self, daemon_of, service, library, sql):
        self.file = service.dir / "slow"
        self.file.touch()
        self.asked = []
        self.answers = []
        asan = "detect_leaks=1:abort_on_error=0:exitcode=99:verify_asan_link_order=0"
        self.d = daemon_of(config(service, prometheus='  prometheus: {url: "http://127.0.0.1:1"}', snapshot=COMPARE),
                           env={"LD_PRELOAD": str(library), "SLOW_SQL": sql, "SLOW_FILE": str(self.file), "ASAN_OPTIONS": asan})

    def ask(self, path):
        def go():
            status, headers, body = request(self.d.port, "GET", path, timeout=60)
            self.answers.append((status, headers, body))
        t = threading.Thread(target=go)
        t.start()
        self.asked.append(t)

    def end(self):
        self.file.unlink(missing_ok=True)
        for t in self.asked:
            t.join(60)
        return self.answers


@pytest.fixture
def slow_of(daemon_of, service, library):
    made = []

    def make(sql):
        made.append(Slow(daemon_of, service, library, sql))
        return made[-1]

    yield make
    for s in made:
        s.end()


def busy(d):
    """A reading thread computes."""
    def is_busy():
        for t in os.listdir(f"/proc/{d.process.pid}/task"):
            fields = open(f"/proc/{d.process.pid}/task/{t}/stat").read()
            if "(reader)" in fields or "(http)" in fields:
                if int(fields.rsplit(")", 1)[1].split()[11]) >= 5:      # ticks of 10 ms
                    return True
        return False
    until(is_busy)


COMPARISON = "/api/v1/rollouts/shop/compare?percentage=10&duration=48h"


def answered(d, path, status=200, method="GET", body=None, timeout=4):
    got, _, out = request(d.port, method, path, body, timeout=timeout)
    assert got == status, (path, got, out)
    return out


def test_a_webhook_waits_for_no_read(slow_of):
    s = slow_of(EVENTS)
    for _ in range(6):
        s.ask("/api/v1/events")
    busy(s.d)
    for n in range(20):
        assert answered(s.d, "/-/healthy") == b"rollbackd is healthy.\n"
        answered(s.d, "/webhook", method="POST", body={"version": "4", "status": "firing", "alerts": [alert(name=f"Other{n}", action=None)]})
        answered(s.d, "/-/ready")
    assert not s.answers        # all the time
    assert [status for status, _, _ in s.end()] == [200] * 6


def test_a_dear_read_holds_up_no_cheap_one_however_many_there_are(slow_of):
    s = slow_of(HOLDS)
    [r] = s.d.post(alert())
    s.ask(COMPARISON)
    busy(s.d)
    for _ in range(17):
        s.ask(COMPARISON)
    [refused] = until(lambda: s.answers)        # one is read, 16 wait
    assert refused[0] == 503 and int(refused[1]["Retry-After"]) > 0 and b"too many such questions are waiting; try again" in refused[2]
    for path in ("/metrics", f"/api/v1/incidents/{r['incident']}", "/api/v1/incidents", "/api/v1/rollouts", "/api/v1/rollouts/shop",
                 "/api/v1/rollouts/shop/flags", "/api/v1/events", "/", f"/incidents/{r['incident']}", f"/api/v1/incidents/{r['incident']}/report"):
        answered(s.d, path)
    assert len(s.answers) == 1
    assert len(s.end()) == 18


def test_a_read_that_does_not_end_is_interrupted_and_says_so(slow_of):
    s = slow_of(EVENTS)
    began = time.monotonic()
    s.ask("/api/v1/events")
    [(status, headers, body)] = until(lambda: s.answers, 30)
    assert status == 503 and int(headers["Retry-After"]) > 0 and time.monotonic() - began >= 4
    assert b"reading this took longer than it may: ask for less, or try again" in body and b'"errorType":"timeout"' in body
    assert s.d.metric("rollbackd_db_reads_total", result="timeout") == 1
    s.end()
    answered(s.d, "/api/v1/events")     # the same connection goes on


def test_metrics_say_what_the_process_knows_when_nothing_can_be_read(slow_of):
    s = slow_of(ALL)
    text = answered(s.d, "/metrics", timeout=30).decode()
    assert "rollbackd_db_commits_total" in text and "rollbackd_build_info" in text
    assert "rollbackd_rollout_stage" not in text
    s.end()
    assert "rollbackd_rollout_stage" in answered(s.d, "/metrics", timeout=30).decode()


def test_clients_that_go_away_leave_nothing_behind(slow_of):
    s = slow_of(HOLDS)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            request(s.d.port, "GET", COMPARISON, timeout=0.2)
    busy(s.d)
    s.file.unlink()
    status, _, out = request(s.d.port, "GET", COMPARISON, timeout=60)
    assert status != 503, out
    answered(s.d, "/-/healthy")


def test_a_stop_ends_what_is_read_and_what_waits(slow_of):
    s = slow_of(HOLDS)
    for _ in range(4):
        s.ask(COMPARISON)
    busy(s.d)
    assert s.d.stop() == 0
    assert [status for status, _, _ in s.end()] == [503] * 4


def test_a_reload_meanwhile_is_done_and_the_read_goes_on_by_the_settings_of_its_time(slow_of):
    s = slow_of(HOLDS)
    s.ask(COMPARISON)
    busy(s.d)
    s.d.config.write_text(s.d.config.read_text().replace("title: Shop", "title: Store").replace(COMPARE, ""))
    assert s.d.call("POST", "/-/reload", timeout=15)[0] == 200
    assert s.d.get("/api/v1/rollouts/shop")["title"] == "Store"
    assert request(s.d.port, "GET", COMPARISON)[0] == 404 or s.answers == []
    [(status, _, body)] = s.end()[:1]
    assert status != 404, body
