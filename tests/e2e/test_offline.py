"""A rollback without the daemon keeps to the same rules: it never raises, it tries again, and says yes only to what was seen."""
import fcntl
import os
import re
import subprocess
import threading

import pytest
from harness import BUILD, Daemon, config, until


@pytest.fixture
def offline(folder, service):
    def run(text, *args, wait=True):
        d = Daemon(folder / "rollbackd", text)
        d.state.mkdir(exist_ok=True)
        argv = [str(BUILD / "rollbackctl"), "--url", "http://127.0.0.1:1", "rollback", "shop", "--offline", "--config", str(d.config),
                "--storage", str(d.state), *map(str, args)]
        p = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if not wait:
            return p
        out, _ = p.communicate(timeout=60)
        return p.returncode, out
    return run


def setter(service):
    """A command that sets the service to what it is told, and notes it."""
    script = service.dir / "set.sh"
    script.write_text(f"#!/bin/sh\necho $1 >> {service.dir}/set.log\necho $1 > {service.live}\n")
    script.chmod(0o755)
    return f"      - {{command: [{script}, '${{percentage}}']}}"


def was_set(service):
    log = service.dir / "set.log"
    return log.read_text().split() if log.exists() else []


def without_flags(text):
    return re.sub(r"    flags:\n(      .*\n)+", "", text)


@pytest.mark.parametrize("live, to, wanted", [("5", "25", "5"), ("25", "25", "25"), ("50", "25", "25"), ("50", "0", "0")])
def test_it_never_raises_what_the_service_says(offline, service, live, to, wanted):
    service.live.write_text(live)
    code, out = offline(without_flags(config(service, apply=setter(service))), "--to", to)
    assert code == 0, out
    assert service.live.read_text().strip() == wanted
    assert all(float(p) <= float(live) for p in was_set(service)), was_set(service)
    assert was_set(service) == ([] if float(live) <= float(to) else [wanted]), "at or below the target counts as there"


def test_when_nobody_can_tell_it_goes_to_zero(offline, service):
    checks = "        - {command: [/bin/false]}"
    code, out = offline(without_flags(config(service, apply=setter(service), checks=checks, timeout="300ms")), "--to", "25")
    assert code == 1 and was_set(service)[0] == "0" and "nobody can tell" in out, out


def test_what_the_file_holds_is_not_exceeded_either(offline, service):
    service.raise_to(5)
    service.live.write_text("50")       # until it reads the file
    code, out = offline(config(service, apply=setter(service)), "--to", "25")
    assert code == 0 and was_set(service) == ["5"] and service.file_percentage() == "5", out


@pytest.mark.parametrize("answer, wanted", [("echo 5", "5"), ("exit 1", "0")], ids=["has less", "does not say"])
def test_another_instance_is_not_raised_either(offline, service, answer, wanted):
    other = service.dir / "other.sh"
    other.write_text(f"#!/bin/sh\n{answer}\n")
    other.chmod(0o755)
    service.live.write_text("50")
    checks = f"        - {{command: [/bin/cat, {service.live}]}}\n        - {{command: [{other}]}}"
    offline(without_flags(config(service, apply=setter(service), checks=checks, timeout="300ms")), "--to", "25")
    assert set(was_set(service)) == {wanted}


def test_one_that_does_not_say_at_first_is_asked_again(offline, service):
    """As rollbackd asks, three times: it is no reason yet to go to 0 %."""
    other = service.dir / "other.sh"
    other.write_text(f"#!/bin/sh\n[ -e {service.dir}/asked ] || {{ touch {service.dir}/asked; exit 1; }}\ncat {service.live}\n")
    other.chmod(0o755)
    service.live.write_text("50")
    checks = f"        - {{command: [/bin/cat, {service.live}]}}\n        - {{command: [{other}]}}"
    code, out = offline(without_flags(config(service, apply=setter(service), checks=checks)), "--to", "25")
    assert code == 0 and was_set(service) == ["25"], out


def test_a_lock_and_a_command_that_fails_are_tried_again(offline, service):
    fd = os.open(service.dir, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    door = service.dir / "door"
    service.reload.write_text(service.reload.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n[ -e {door} ] || exit 3\n", 1))
    p = offline(config(service, timeout="30s"), wait=False)
    seen = []
    reader = threading.Thread(target=lambda: seen.extend(p.stdout))
    reader.start()
    until(lambda: any("set percentage: FAILED" in line for line in seen))
    os.close(fd)
    until(lambda: service.file_percentage() == "0")
    door.touch()
    assert p.wait(30) == 0
    reader.join()
    assert service.percentage() == 0


def test_no_effect_is_no_yes(offline, service):
    service.ignore_reload()
    code, out = offline(config(service, timeout="500ms"))
    assert code == 1 and "NOT VERIFIED" in out and service.percentage() == 10


def test_nobody_is_made_to_read_a_file_that_holds_more_than_the_service_has(offline, service):
    service.raise_to(50)
    service.live.write_text("5")
    fd = os.open(service.dir, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    p = offline(config(service), wait=False)
    lines = []
    for line in p.stdout:
        lines.append(line)
        if "reload.sh: waits: the flags file holds 50%" in line:
            break
    assert lines and "waits" in lines[-1] and service.reloads() == [] and service.percentage() == 5, lines
    os.close(fd)
    out, _ = p.communicate(timeout=60)
    assert p.returncode == 0 and service.percentage() == 0 and service.file_percentage() == "0", out


def test_a_step_that_says_the_percentage_waits_for_no_file(offline, service):
    service.raise_to(50)
    fd = os.open(service.dir, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    apply = f"      - {{command: [{service.reload}], timeout: 20s}}\n" + setter(service)
    code, out = offline(config(service, apply=apply, timeout="300ms"))
    os.close(fd)
    assert code == 1 and was_set(service)[:1] == ["0"] and service.percentage() == 0 and service.reloads() == [], out


def test_a_file_that_is_written_again_meanwhile_is_lowered_again(offline, service):
    service.ignore_reload()             # so that the verification goes on
    p = offline(config(service), wait=False)
    until(lambda: len(service.reloads()) == 1)
    service.flags.write_text(service.flags.read_text().replace("PERCENTAGE=0", "PERCENTAGE=50"))
    until(lambda: service.file_percentage() == "0" and len(service.reloads()) == 2)
    service.follow_again()
    out, _ = p.communicate(timeout=60)
    assert p.returncode == 0 and service.percentage() == 0, out


def test_another_way_is_tried_once_when_nobody_acknowledges(offline, service):
    service.ignore_reload()
    restart = service.dir / "restart.sh"
    restart.write_text(f"#!/bin/sh\necho restart >> {service.dir}/restarts\necho 0 > {service.live}\n")
    restart.chmod(0o755)
    apply = f"      - {{command: [{service.reload}], timeout: 20s}}\n    fallback:\n      - {{after: 200ms, command: [{restart}], timeout: 5s}}"
    code, out = offline(config(service, apply=apply))
    assert code == 0 and service.percentage() == 0, out
    assert (service.dir / "restarts").read_text() == "restart\n" and len(service.reloads()) == 1, out
