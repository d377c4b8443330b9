"""A reload is the main thread's: it may take its time, and nobody waits for it but who asked."""
import contextlib
import os
import pathlib
import signal
import threading

from harness import Hook, alert, config, request, until


def channel(hook, program):
    return f"channels:\n  - {{name: own, webhook: {{url: \"{hook.url}/\", secret: s}}, events: [incident], program: '{program}'}}"


HANGS = "def f: f; f"       # until it has used up its 2 s of a processor


def children(d):
    task = f"/proc/{d.process.pid}/task"
    return [c for t in os.listdir(task) for c in open(f"{task}/{t}/children").read().split()]


class Asked:
    """Reloads that are asked for over HTTP at the same time."""

    def __init__(self, d, n=1):
        self.answers = []

        def go():
            status, _, body = request(d.port, "POST", "/-/reload", timeout=60)
            self.answers.append((status, body))
        self.threads = [threading.Thread(target=go) for _ in range(n)]
        for t in self.threads:
            t.start()

    def wait(self):
        for t in self.threads:
            t.join(60)
        return self.answers


def test_nobody_waits_for_a_reload_whose_program_hangs(daemon_of, service):
    hook = Hook("s")
    d = daemon_of(config(service, channels=channel(hook, "{a: 1}")))
    d.config.write_text(config(service, channels=channel(hook, HANGS)))
    asked = Asked(d)
    until(lambda: children(d))
    for n in range(10):
        status, _, _ = request(d.port, "POST", "/webhook", {"version": "4", "status": "firing", "alerts": [alert(name=f"A{n}", action=None)]}, timeout=4)
        assert status == 200 and request(d.port, "GET", "/-/healthy", timeout=4)[0] == 200
        assert n or not asked.answers
    [(status, body)] = asked.wait()
    assert status == 400 and b"channel own: its program fails on a sample" in body, body
    assert d.metric("rollbackd_config_last_reload_successful") == 0
    hook.close()


def programs_of(config_file):
    """The processes that try or run message programs for the daemon with this config."""
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and b"--run-program" in (entry / "cmdline").read_bytes():
                parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
                if str(config_file).encode() in pathlib.Path("/proc", parent, "cmdline").read_bytes():
                    yield int(entry.name)
        except OSError:
            pass


def started_with_a_program_that_stands(d):
    """False: the program was over before it could be stopped."""
    def stop_it():
        with contextlib.suppress(ProcessLookupError, AssertionError):
            os.kill(until(lambda: next(programs_of(d.config), None), 5, every=0.001), signal.SIGSTOP)
    d.stop()
    stopper = threading.Thread(target=stop_it)
    stopper.start()
    d.start()
    stopper.join()
    return "a channel's program could not be tried" in d.log()


def test_a_start_is_not_refused_for_a_program_that_has_no_time(daemon_of, service):
    """After a crash, on a machine that is busy: rollbacks come before the looks of a message."""
    hook = Hook("s")
    d = daemon_of(config(service, channels=channel(hook, "{a: 1}")))
    until(lambda: started_with_a_program_that_stands(d), 120)
    assert "took too long" in d.log()
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    hook.close()


def test_many_who_ask_at_once_are_all_answered_and_the_last_config_is_in_force(daemon_of, service):
    d = daemon_of(config(service))
    for title in "One", "Two", "Three":
        d.config.write_text(config(service).replace("title: Shop", f"title: {title}"))
        d.process.send_signal(signal.SIGHUP)
        answers = Asked(d, 20).wait()
        assert [status for status, _ in answers] == [200] * 20, answers
        assert d.get("/api/v1/rollouts/shop")["title"] == title
    assert 3 <= d.log().count("config reloaded") <= 63


def test_a_stop_while_a_reload_is_tried_or_waited_for(daemon_of, service):
    hook = Hook("s")
    d = daemon_of(config(service, channels=channel(hook, "{a: 1}")))
    d.config.write_text(config(service, channels=channel(hook, HANGS)))
    first = Asked(d)
    until(lambda: children(d))
    second = Asked(d, 3)
    d.process.send_signal(signal.SIGTERM)
    assert d.stop() == 0
    assert [status for status, _ in first.wait()] == [400]
    assert all(status in (400, 503) for status, _ in second.wait())
    hook.close()
