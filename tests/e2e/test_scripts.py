"""The scripts of deploy/scripts, with rollbackd, without it, and with one that does not answer."""
import fcntl
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import harness
from harness import BUILD, ROOT, alert, ctl, until

SCRIPTS = ROOT / "deploy" / "scripts"


class World:
    """A service, a chat, a daemon that may or may not run, and the scripts beside it."""

    def __init__(self, daemon, service, chat):
        self.daemon, self.service, self.chat = daemon, service, chat
        self.url = f"http://127.0.0.1:{daemon.port}"

    def run(self, script, *args, wrap=(), **env):
        began = time.monotonic()
        p = subprocess.run(
            [*wrap, str(SCRIPTS / script), *args], capture_output=True, text=True, timeout=120, cwd=self.daemon.dir,
            env={"PATH": f"{BUILD}:/usr/bin:/bin", "ROLLOUT": "shop", "ROLLBACKD_URL": self.url, "LANG": "C.UTF-8",
                 "ROLLBACKD_CONFIG": str(self.daemon.config), "ROLLBACKD_STORAGE": str(self.daemon.state), **env})
        p.seconds = time.monotonic() - began
        assert "Sanitizer" not in p.stderr and "runtime error" not in p.stderr, p.stderr
        return p

    @property
    def journal(self):
        return self.daemon.state / "offline-rollbacks.jsonl"

    def records(self, file=None):
        return [json.loads(line) for line in (file or self.journal).read_text().splitlines()]

    def told(self, text):
        return until(lambda: [t for t in self.chat.texts() if text in t])

    def is_lowered(self):
        return self.service.file_percentage() == "0" and self.service.percentage() == 0


@pytest.fixture
def world(daemon_of, service, chat):
    text = harness.config(service, channels="channels:\n" + harness.slack_channel(chat, events="all"), timeout="2s")
    text = text.replace("global:\n", "global:\n  evaluation_interval: 1s\n")
    return World(daemon_of(text), service, chat)


@pytest.fixture
def down(world):
    """The same after kill -9: nobody listens."""
    world.daemon.kill()
    return world


# --- rollbackd is there ---

def test_by_hand_through_rollbackd(world):
    p = world.run("rollback_cst_pipeline.sh", "--stage", "1", "--reason", "search is slow")
    assert p.returncode == 0, p.stdout + p.stderr
    assert "rolled back and verified" in p.stdout and "without rollbackd" not in p.stdout + p.stderr
    assert world.is_lowered()
    [i] = world.daemon.incidents()
    assert (i["state"], i["kind"], i["summary"], i["percentage_before"]) == ("rolled_back", "manual", "search is slow", 10)
    assert not world.journal.exists()


def test_another_stage_is_refused_and_nothing_is_done(world):
    p = world.run("rollback_cst_pipeline.sh", "--stage", "2")
    assert p.returncode == 3 and "at stage 1, not at stage 2" in p.stderr, p.stdout + p.stderr
    assert world.service.percentage() == 10 and world.service.reloads() == [] and world.daemon.incidents() == []


def test_usage(world):
    for args in ((), ("--stage",), ("--stage", "x"), ("--stage", "-1"), ("--level", "1"), ("--stage", "1", "now")):
        p = world.run("rollback_cst_pipeline.sh", *args)
        assert p.returncode == 2 and "usage" in p.stderr, args
    assert world.run("auto_rollback.sh", "a", "b").returncode == 2
    assert world.run("get_cst_percentage", "x").returncode == 2
    assert world.run("compare_pipeline_performance.sh", "--percentage", "50").returncode == 2
    assert world.run("compare_pipeline_performance.sh", "--duration").returncode == 2
    assert world.run("rollback_cst_pipeline.sh", "--stage", "1", ROLLOUT="none").returncode == 2
    assert world.service.percentage() == 10


def test_the_percentage_is_asked_of_the_other_checks_when_one_of_them_is_who_asks(world):
    """A check may be get_cst_percentage itself: it is left out, or it would go round in circles."""
    text = world.daemon.config.read_text()
    check = re.search(r"      checks:\n", text)
    world.daemon.config.write_text(text[:check.end()] + f"        - {{command: [{SCRIPTS}/get_cst_percentage]}}\n" + text[check.end():])
    p = world.run("get_cst_percentage")
    assert (p.returncode, p.stdout) == (0, "10\n"), p.stderr


def test_a_rollback_that_rollbackd_cannot_verify_is_no_success(world):
    world.service.ignore_reload()
    p = world.run("rollback_cst_pipeline.sh", "--stage", "1")
    assert p.returncode == 1 and "CRITICAL" in p.stderr
    world.service.follow_again()


def test_by_itself_through_rollbackd(world):
    p = world.run("auto_rollback.sh", "p95 doubled")
    assert p.returncode == 0, p.stdout + p.stderr
    lines = p.stdout.splitlines()
    assert lines[0] == "Triggering automatic rollback..." and lines[-1] == "OK: Rollback successful"
    assert world.is_lowered() and world.daemon.incidents()[0]["summary"] == "p95 doubled"


def test_a_terminal_that_knows_utf_8_gets_the_plans_marks(world):
    wrap = ["script", "-qec", " ".join([str(SCRIPTS / "auto_rollback.sh")]), "/dev/null"]
    p = subprocess.run(wrap, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                       env={"PATH": f"{BUILD}:/usr/bin:/bin", "ROLLOUT": "shop", "ROLLBACKD_URL": world.url, "LANG": "C.UTF-8",
                            "SHELL": "/bin/sh"})
    assert p.returncode == 0 and "\u2705 Rollback successful" in p.stdout, p.stdout + p.stderr


def test_a_failed_one_pages(world):
    page = world.daemon.dir / "page.sh"
    page.write_text(f'#!/bin/sh\necho "$1" > {world.daemon.dir}/paged\n')
    page.chmod(0o755)
    world.service.ignore_reload()
    p = world.run("auto_rollback.sh", ALERT_ONCALL=str(page))
    assert p.returncode == 1 and p.stdout.splitlines()[-1] == "FAILED: Rollback failed"
    assert "CRITICAL: AUTO_ROLLBACK FAILED" in p.stderr
    assert (world.daemon.dir / "paged").read_text() == "CRITICAL: AUTO_ROLLBACK FAILED\n"
    world.told("CRITICAL: AUTO_ROLLBACK FAILED")
    world.service.follow_again()


def test_a_running_daemon_is_not_gone_round(world):
    p = ctl(world.daemon, "rollback", "shop", "--stage", "1", "--offline", "--config", world.daemon.config, "--storage", world.daemon.state)
    assert p.returncode == 3 and "runs and answers" in p.stderr
    assert world.service.percentage() == 10


# --- rollbackd is down ---

def test_by_hand_without_rollbackd(down):
    p = down.run("rollback_cst_pipeline.sh", "--stage", "1", "--reason", "search is slow", SUDO_USER="alice")
    assert p.returncode == 0, p.stdout + p.stderr
    for text in ("SHOP_PERCENTAGE: 10% to 0%", "exit code 0", "0% seen 2 times in a row", "without rollbackd"):
        assert text in p.stdout
    assert down.is_lowered() and len(down.service.reloads()) == 1
    assert "OTHER='keep me'" in down.service.flags.read_text()
    last = down.records()[-1]
    assert (last["who"], last["reason"], last["from"], last["to"], last["verified"]) == ("alice", "search is slow", 10, 0, "yes")


def test_the_daemon_puts_it_on_record_once(down):
    assert down.run("rollback_cst_pipeline.sh", "--stage", "1", "--reason", "search is slow", SUDO_USER="alice").returncode == 0
    d = down.daemon.start()
    [i] = d.incidents()
    assert (i["state"], i["kind"], i["playbook"], i["stage"]) == ("rolled_back", "manual", "offline", 1)
    assert (i["percentage_before"], i["percentage_wanted"], i["percentage_seen"]) == (10, 0, 0)
    i = d.incident(i["id"])
    assert i["timeline"][0]["who"] == "alice" and "search is slow" in i["timeline"][0]["note"]
    assert any("10% to 0%, verified: yes" in e["note"] for e in i["timeline"])
    assert [(s["name"].rsplit("/")[-1], s["state"]) for s in i["steps"]][:2] == [("set percentage", "done"), ("reload.sh", "done")]
    assert {k: i["verification"][k]["state"] for k in ("written", "acknowledged")} == {"written": "yes", "acknowledged": "yes"}
    down.told("rolled back without rollbackd by alice: search is slow")
    until(lambda: not down.journal.exists())
    assert down.records(pathlib.Path(f"{down.journal}.imported"))[-1]["verified"] == "yes"
    d.restart()
    assert len(d.incidents()) == 1
    assert not [t for t in down.chat.texts() if "changed outside" in t]
    assert d.get("/api/v1/rollouts/shop")["percentage_wanted"] == 0
    assert not d.get("/api/v1/rollouts/shop")["clock"]["runs"]


def test_a_crash_between_the_record_and_the_renaming_records_nothing_twice(down):
    assert down.run("rollback_cst_pipeline.sh", "--stage", "1").returncode == 0
    lines = down.journal.read_text()
    d = down.daemon.start()
    until(lambda: not down.journal.exists())
    d.kill()
    down.journal.write_text(lines)
    d.start()
    until(lambda: not down.journal.exists())
    assert len(d.incidents()) == 1


def test_a_password_that_cannot_be_read_stops_nothing(down):
    p = down.run("rollback_cst_pipeline.sh", "--stage", "1", ROLLBACKD_USER="alice", ROLLBACKD_PASSWORD_FILE="/nonexistent")
    assert p.returncode == 0 and "cannot be read" in p.stderr and down.is_lowered()


def test_another_stage_is_refused_without_rollbackd(down):
    p = down.run("rollback_cst_pipeline.sh", "--stage", "2")
    assert p.returncode == 3 and "10%, which is stage 1, not stage 2" in p.stderr
    p = down.run("rollback_cst_pipeline.sh", "--stage", "7")
    assert p.returncode == 3 and "no stage 7" in p.stderr
    assert down.service.percentage() == 10 and not down.journal.exists()


def test_at_zero_already(down):
    down.service.raise_to(0)
    p = down.run("rollback_cst_pipeline.sh", "--stage", "1")
    assert p.returncode == 0 and "is at 0% already" in p.stdout
    assert down.service.reloads() == []
    d = down.daemon.start()
    [i] = d.incidents()
    assert (i["state"], i["percentage_before"]) == ("rolled_back", 0)


def test_at_zero_in_the_file_and_not_in_the_service(down):
    down.service.raise_to(0)
    down.service.live.write_text("10")
    p = down.run("rollback_cst_pipeline.sh", "--stage", "1")
    assert p.returncode == 0 and len(down.service.reloads()) == 1 and down.service.percentage() == 0


def test_it_never_raises(down):
    p = ctl(None, "rollback", "shop", "--stage", "1", "--to", "25", "--offline", "--config", down.daemon.config, "--storage",
            down.daemon.state)
    assert p.returncode == 0 and "is at 10% already" in p.stdout
    assert down.service.file_percentage() == "10"


def test_a_flags_file_that_cannot_be_read(down):
    text = down.service.flags.read_text()
    down.service.flags.write_text(text.replace("PERCENTAGE=10", "PERCENTAGES=10"))
    p = down.run("rollback_cst_pipeline.sh", "--stage", "1")
    assert p.returncode == 1 and "set percentage: FAILED" in p.stdout and "NOT VERIFIED" in p.stdout
    assert "CRITICAL" in p.stderr and "PERCENTAGES=10" in down.service.flags.read_text()
    assert len(down.service.reloads()) >= 1         # the other steps run all the same
    down.service.flags.unlink()
    assert down.run("rollback_cst_pipeline.sh", "--stage", "1").returncode == 1 and not down.service.flags.exists()
    down.service.flags.write_text(text)
    down.service.live.write_text("10")
    d = down.daemon.start()
    down.told("CRITICAL: AUTO_ROLLBACK FAILED")
    d.wait_state(d.incidents()[0]["id"], "rolled_back")     # of two that failed the second one is asked for while the first is open
    assert down.is_lowered() and len(d.incidents()) == 1


def test_a_reload_that_fails_is_seen_by_the_checks(down):
    body = down.service.reload.read_text()
    down.service.reload.write_text("#!/bin/sh\necho no such unit >&2\nexit 5\n")
    p = down.run("auto_rollback.sh")
    assert p.returncode == 1 and "exit code 5: no such unit" in p.stdout
    assert p.stdout.splitlines()[-1] == "FAILED: Rollback failed" and "CRITICAL: AUTO_ROLLBACK FAILED" in p.stderr
    assert down.service.file_percentage() == "0" and down.records()[-1]["verified"] == "no"
    d = down.daemon.start()
    [i] = d.incidents()
    assert i["state"] == "failed"
    down.service.reload.write_text(body)
    subprocess.run([down.service.reload], check=True)
    i = d.wait_state(i["id"], "rolled_back")        # it went on looking
    down.told("CRITICAL: AUTO_ROLLBACK FAILED")


def test_a_service_that_says_nothing_is_not_verified(down):
    down.service.web.close()
    p = down.run("rollback_cst_pipeline.sh", "--stage", "1")
    assert p.returncode == 1 and "unknown" in p.stdout and down.records()[-1]["verified"] == "unknown"
    assert down.service.file_percentage() == "0"


def test_another_writer_has_the_lock(down):
    """The daemon locks the directory of the flags file while it writes."""
    fd = os.open(down.service.dir, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    threading.Timer(1.5, lambda: os.close(fd)).start()
    p = down.run("rollback_cst_pipeline.sh", "--stage", "1")
    assert p.returncode == 0 and p.seconds > 1.5 and down.is_lowered()


def test_two_at_once(down):
    results = []
    threads = [threading.Thread(target=lambda: results.append(down.run("rollback_cst_pipeline.sh", "--stage", "1"))) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    # the second one may find 0 %, which is the percentage of no stage: that stops nothing
    assert [p.returncode for p in results] == [0, 0], results
    assert down.is_lowered() and len({r["id"] for r in down.records()}) == 2
    d = down.daemon.start()
    until(lambda: {i["state"] for i in d.incidents()} == {"rolled_back"})      # the second one made it look once more


def test_a_state_directory_that_cannot_be_written(down):
    elsewhere = down.daemon.dir / "file"
    elsewhere.write_text("")
    p = down.run("rollback_cst_pipeline.sh", "--stage", "1", ROLLBACKD_STORAGE=str(elsewhere))
    beside = pathlib.Path(f"{down.service.flags}.offline-rollbacks.jsonl")
    assert p.returncode == 0 and f"journal: {beside}" in p.stdout
    d = down.daemon.start()
    assert [i["playbook"] for i in d.incidents()] == ["offline"]
    until(lambda: not beside.exists())


def test_a_config_that_cannot_be_read(down):
    p = down.run("rollback_cst_pipeline.sh", "--stage", "1", ROLLBACKD_CONFIG="/nonexistent.yml")
    assert p.returncode == 1 and "CRITICAL" in p.stderr and "/nonexistent.yml" in p.stderr
    assert down.service.percentage() == 10


def test_raised_again_before_the_daemon_starts(down):
    assert down.run("rollback_cst_pipeline.sh", "--stage", "1").returncode == 0
    down.service.raise_to(25)
    down.daemon.start()
    down.told("changed outside rollbackd: 0% on record, 25%")


@pytest.mark.parametrize("point", ["step-intent-committed", "flags-renamed"])
def test_a_rollout_that_was_entering_a_stage_does_not_go_up_again(daemon_of, service, chat, point):
    """kill -9 just before or after the file was raised, a rollback by hand, and the daemon again: it stays down."""
    service.raise_to(0)
    text = harness.config(service, channels="channels:\n" + harness.slack_channel(chat, events="all"))
    text = text.replace("    stages:\n", "    stages:\n      - {number: 0, name: Off, percentage: 0}\n")
    d = daemon_of(text, start=False)
    d.start(env={"ROLLBACKD_FAILPOINT": point})
    try:
        d.call("POST", "/api/v1/rollouts/shop/advance", {"force": True, "reason": "try it"})
    except (OSError, http.client.HTTPException):
        pass
    d.died()
    assert service.file_percentage() == ("10" if point == "flags-renamed" else "0")
    w = World(d, service, chat)
    p = w.run("rollback_cst_pipeline.sh", "--stage", "1" if point == "flags-renamed" else "0")
    assert p.returncode == 0, p.stdout + p.stderr
    d.start()
    w.told("rolled back without rollbackd")
    until(lambda: [(i["playbook"], i["state"]) for i in d.incidents()] == [("offline", "rolled_back")])
    assert not [s for s in d.incident(d.incidents()[0]["id"])["steps"] if s["state"] in ("todo", "running")]
    assert d.get("/api/v1/rollouts/shop")["percentage_wanted"] == 0
    assert service.file_percentage() == "0" and service.percentage() == 0
    assert any(e["what"] == "called off" for e in d.get("/api/v1/events?limit=100"))


def test_joining_the_incident_that_was_open(world):
    """rollbackd dies in the middle of a rollback; the script finishes it; it is one incident."""
    world.service.ignore_reload()
    [r] = world.daemon.post(alert())
    world.daemon.wait_state(r["incident"], "verifying", "failed")
    world.daemon.kill()
    world.service.broken.unlink()
    p = world.run("rollback_cst_pipeline.sh", "--stage", "1")
    assert p.returncode == 0, p.stdout + p.stderr
    world.daemon.start()
    i = world.daemon.wait_state(r["incident"], "rolled_back")
    assert any(e["what"] == "rolled back without rollbackd" for e in i["timeline"])
    assert len(world.daemon.incidents()) == 1


def test_the_incident_that_was_rolled_back_is_looked_at_anew(world):
    """A rollback without rollbackd meets a live incident as every other does: where the service is is asked, and it is brought down."""
    [r] = world.daemon.post(alert())
    world.daemon.wait_state(r["incident"], "rolled_back")
    world.daemon.kill()
    world.service.live.write_text("10")
    world.service.ignore_reload()
    p = world.run("rollback_cst_pipeline.sh", "--stage", "1")
    assert p.returncode == 1 and "NOT VERIFIED" in p.stdout, p.stdout + p.stderr
    world.service.follow_again()
    world.service.live.write_text("10")
    world.daemon.start()
    until(lambda: world.service.percentage() == 0)
    i = world.daemon.wait_state(r["incident"], "rolled_back")
    assert any(e["what"] == "rolled back without rollbackd" for e in i["timeline"])
    assert [x["id"] for x in world.daemon.incidents()] == [r["incident"]]


def test_one_that_was_held_is_rolled_back(daemon_of, service, chat):
    """What a person did without rollbackd is not left half done because the incident waited for him."""
    world = World(daemon_of(harness.config(
        service, timeout="2s", channels="channels:\n" + harness.slack_channel(chat, events="all"),
        playbooks="playbooks:\n  - {name: waits, match: ['action=\"hold\"'], hold: true}\n")), service, chat)
    [r] = world.daemon.post(alert(action="hold"))
    assert r["disposition"] == "held"
    world.daemon.kill()
    service.ignore_reload()
    assert world.run("rollback_cst_pipeline.sh", "--stage", "1").returncode == 1
    service.follow_again()
    service.live.write_text("10")
    world.daemon.start()
    i = world.daemon.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 0 and i["percentage_wanted"] == 0


# --- rollbackd does not answer ---

class Silent:
    """Accepts, and says nothing."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"


def test_accepting_and_silent(down):
    silent = Silent()
    p = down.run("rollback_cst_pipeline.sh", "--stage", "1", ROLLBACKD_URL=silent.url)
    assert p.returncode == 0 and down.is_lowered(), p.stdout + p.stderr
    assert 3 <= p.seconds < 15 and "going on without rollbackd" in p.stderr


def test_one_that_does_not_go_by_this_name(world):
    """Nothing was asked of it: that is no answer, and no reason to leave the percentage where it is."""
    url = world.url.replace("127.0.0.1", "rollbackd.localhost")
    asked = ctl(world.daemon, "--url", url, "status")
    assert asked.returncode == 3 and "--web.allowed-host=rollbackd.localhost" in asked.stderr, asked.stderr
    p = world.run("rollback_cst_pipeline.sh", "--stage", "1", ROLLBACKD_URL=url)
    assert p.returncode == 0 and world.is_lowered(), p.stdout + p.stderr
    assert "going on without rollbackd" in p.stderr


def test_a_hung_daemon_that_holds_the_lock(world):
    os.kill(world.daemon.process.pid, signal.SIGSTOP)
    try:
        p = world.run("rollback_cst_pipeline.sh", "--stage", "1", "--reason", "it hangs")
        assert p.returncode == 0 and world.is_lowered(), p.stdout + p.stderr
        explicit = ctl(world.daemon, "rollback", "shop", "--stage", "1", "--offline", "--config", world.daemon.config, "--storage",
                       world.daemon.state)
        assert explicit.returncode == 0, explicit.stderr
    finally:
        os.kill(world.daemon.process.pid, signal.SIGCONT)
    until(lambda: not world.journal.exists(), 30)   # it wakes up and takes it in, without a restart
    until(lambda: world.daemon.get("/api/v1/rollouts/shop")["percentage_wanted"] == 0)
    until(lambda: world.daemon.incidents() and {i["state"] for i in world.daemon.incidents()} == {"rolled_back"})
    assert not [t for t in world.chat.texts() if "changed outside" in t]


def test_killed_while_the_script_waits(daemon_of, service, chat):
    slow = service.dir / "slow.sh"
    slow.write_text(f"#!/bin/sh\ntouch {service.dir}/begun\nsleep 1\n")
    slow.chmod(0o755)
    text = harness.config(service, apply=f"      - {{command: [{slow}], timeout: 20s}}\n      - {{command: [{service.reload}], timeout: 20s}}")
    d = daemon_of(text)
    w = World(d, service, chat)
    result = []
    t = threading.Thread(target=lambda: result.append(w.run("rollback_cst_pipeline.sh", "--stage", "1")))
    t.start()
    until(lambda: (service.dir / "begun").exists())
    d.kill()
    t.join()
    assert result[0].returncode == 0, result[0].stdout + result[0].stderr
    assert "going on without rollbackd" in result[0].stderr and w.is_lowered()
    d.start()
    [i] = until(d.incidents)
    d.wait_state(i["id"], "rolled_back")


# --- what the service says ---

def test_the_percentage_of_the_service(down):
    p = down.run("get_cst_percentage")
    assert (p.returncode, p.stdout) == (0, "10\n")
    down.service.live.write_text("0.5")
    assert down.run("get_cst_percentage").stdout == "0.5\n"
    down.service.live.write_text("0")
    assert (down.run("get_cst_percentage").returncode, down.run("get_cst_percentage").stdout) == (0, "0\n")


def test_an_unknown_percentage_is_not_zero(down):
    down.service.web.close()
    p = down.run("get_cst_percentage")
    assert (p.returncode, p.stdout) == (4, "") and "unknown" in p.stderr


def test_two_answers_are_no_answer(daemon_of, service, chat):
    other = service.dir / "other.sh"
    other.write_text("#!/bin/sh\necho 25\n")
    other.chmod(0o755)
    own = service.dir / "get_cst_percentage"        # must not be asked by itself
    own.write_text("#!/bin/sh\necho 77\n")
    own.chmod(0o755)
    http = f"        - {{http: {{url: \"{service.web.url}/flags\", value: /rollout_percentage}}}}\n"
    d = daemon_of(harness.config(service, checks=http + f"        - {{command: [{other}]}}\n        - {{command: [{own}]}}"), start=False)
    w = World(d, service, chat)
    p = w.run("get_cst_percentage")
    assert (p.returncode, p.stdout) == (4, "")
    other.write_text("#!/bin/sh\necho 10\n")
    p = w.run("get_cst_percentage")
    assert (p.returncode, p.stdout) == (0, "10\n"), p.stderr


def test_without_the_config_rollbackd_is_asked(world):
    until(lambda: world.daemon.get("/api/v1/rollouts/shop")["seen_at"])
    p = world.run("get_cst_percentage", ROLLBACKD_CONFIG="/nonexistent.yml")
    assert (p.returncode, p.stdout) == (0, "10\n"), p.stderr
    world.daemon.kill()
    p = world.run("get_cst_percentage", ROLLBACKD_CONFIG="/nonexistent.yml")
    assert (p.returncode, p.stdout) == (4, "")


# --- the comparison ---

@pytest.mark.parametrize("said, code", [(0, 0), (1, 1), (2, 2), (3, 4), (4, 4)])
def test_what_the_comparison_says(world, said, code):
    fake = world.daemon.dir / "rollbackctl"
    fake.write_text(f'#!/bin/sh\necho "$@"\nexit {said}\n')
    fake.chmod(0o755)
    p = world.run("compare_pipeline_performance.sh", "--cst-percentage", "50", "--duration=7d", "--threshold", "0.05",
                  ROLLBACKCTL=str(fake))
    assert p.returncode == code
    assert p.stdout == "compare shop --percentage 50 --duration 7d --threshold 0.05\n"


def test_a_comparison_that_cannot_be_made(down):
    assert down.run("compare_pipeline_performance.sh").returncode == 4
