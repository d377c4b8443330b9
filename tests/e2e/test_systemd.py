"""What is shipped for systemd: the unit, its user, its directory, and the polkit rule with the units and verbs it allows."""
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest
from harness import BUILD, ROOT, config

SYSTEMD = ROOT / "deploy" / "systemd"
UNIT = (SYSTEMD / "rollbackd.service").read_text()


def run(*argv, **kw):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=60, **kw)


@pytest.fixture
def unit(folder):
    """With the program where it was built: verify wants it to be there."""
    file = folder / "rollbackd.service"
    file.write_text(UNIT.replace("/usr/bin/rollback", str(BUILD / "rollback")).replace("/bin/kill", shutil.which("kill") or "/bin/true"))
    return file


def test_systemd_finds_nothing_wrong_with_the_unit(unit):
    r = run("systemd-analyze", "verify", "--man=no", unit)
    said = [line for line in (r.stdout + r.stderr).splitlines() if "rollbackd" in line]
    assert r.returncode == 0 and said == [], r.stdout + r.stderr


def test_the_unit_is_locked_down(unit):
    r = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
    overall = re.search(r"Overall exposure level for \S+: ([\d.]+)", r.stdout)
    assert overall and float(overall[1]) <= 2.0, r.stdout[-2000:] + r.stderr


def test_the_daemon_takes_the_flags_of_its_unit(folder):
    command = re.search(r"^ExecStart=((?:.*\\\n)*.*)$", UNIT, re.M)[1].replace("\\\n", " ").split()
    args = re.search(r'^Environment="ARGS=(.*)"$', UNIT, re.M)[1].split()
    default = (ROOT / "deploy" / "debian" / "default").read_text()
    assert f'#ARGS="{" ".join(args)}"\n' in default and command.pop() == "$ARGS"
    r = run(BUILD / "rollbackd", *[a.replace("/etc/rollbackd/", f"{folder}/none/") for a in command[1:] + args])
    assert r.returncode == 2 and "rollbackd.yml" in r.stderr and "usage" not in r.stderr      # only the config is missing here


def test_the_user_and_the_directory_are_understood(folder):
    r = run("systemd-sysusers", "--dry-run", SYSTEMD / "rollbackd.sysusers")
    assert r.returncode == 0, r.stderr
    (folder / "etc").mkdir()
    for name in ("passwd", "group"):
        (folder / "etc" / name).write_text("root:x:0:0::/root:/bin/sh\nrollbackd:x:990:990::/var/lib/rollbackd:/usr/sbin/nologin\n"
                                           if name == "passwd" else "root:x:0:\nrollbackd:x:990:\n")
    r = run("systemd-tmpfiles", "--create", f"--root={folder}", SYSTEMD / "rollbackd.tmpfiles")
    assert r.returncode == 0, r.stderr
    made = (folder / "etc" / "rollbackd").stat()
    assert made.st_mode & 0o7777 == 0o750 and made.st_gid == 990


@pytest.fixture
def short():
    """A folder whose name leaves room for a socket's."""
    with tempfile.TemporaryDirectory() as name:
        yield pathlib.Path(name)


def test_systemctl_status_says_where_it_listens_and_that_a_reload_was_refused(daemon_of, service, short):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(short / "notify"))
    manager.settimeout(20)
    sock = f"unix:{short}/sock"
    d = daemon_of(config(service), args=[f"--web.listen-address={sock}"], env={"NOTIFY_SOCKET": str(short / "notify")})

    def status():
        while True:
            lines = dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())
            if "STATUS" in lines:
                return lines["STATUS"]
    where = f"127.0.0.1:{d.port}, {sock}"
    assert status() == f"listens on {where}" and f'address="{where}"' in d.log()
    d.config.write_text("rollouts: [")
    d.process.send_signal(signal.SIGHUP)
    assert "RELOAD WAS REFUSED" in status()
    manager.close()


def test_a_socket_that_was_handed_over_is_the_one_that_is_named(folder, service):
    (folder / "rollbackd.yml").write_text(config(service))
    s = socket.create_server(("127.0.0.1", 0))
    port = s.getsockname()[1]
    p = subprocess.Popen(["/bin/bash", "-c", 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<&%d' % s.fileno(), "bash", BUILD / "rollbackd",
                          f"--config.file={folder}/rollbackd.yml", f"--storage.path={folder}/state"],
                         pass_fds=[s.fileno()], stderr=subprocess.PIPE, text=True)
    try:
        line = next(line for line in p.stderr if "rollbackd is ready" in line)
        assert f"address=127.0.0.1:{port} " in line
    finally:
        p.terminate()
        p.communicate(timeout=20)
        s.close()


CASES = [("rollbackd", "lapce-ai-service.service", "reload", True), ("rollbackd", "lapce-ai-service.service", "try-restart", True),
         ("rollbackd", "lapce-ai-service.service", "stop", False), ("rollbackd", "lapce-ai-service.service", "restart", False),
         ("rollbackd", "lapce-ai-service.service", "set-property", False), ("rollbackd", "ssh.service", "reload", False),
         ("rollbackd", "lapce-ai-service.service.evil", "reload", False), ("rollbackd", None, "reload", False),
         ("nobody", "lapce-ai-service.service", "reload", False)]


@pytest.mark.parametrize("user, unit, verb, allowed", CASES)
def test_the_polkit_rule_allows_the_named_units_and_verbs_only(folder, user, unit, verb, allowed):
    """In Duktape, polkit's own engine."""
    frame = ("var rule; var polkit = {Result: {YES: 'yes'}, addRule: function (f) { rule = f; }};\n" + (SYSTEMD / "50-rollbackd.rules").read_text()
             + "\nfunction ask(id, user, details) { return rule({id: id, lookup: function (k) { return details[k]; }}, {user: user}); }\n"
             f"var d = {json.dumps({'unit': unit, 'verb': verb})}; if (d.unit === null) delete d.unit;\n"
             f"print(ask('org.freedesktop.systemd1.manage-units', {json.dumps(user)}, d) === 'yes');\n"
             f"print(ask('org.freedesktop.systemd1.manage-unit-files', {json.dumps(user)}, d) === 'yes');\n")
    file = folder / "rule.js"
    file.write_text(frame)
    r = run("duk", file)
    assert r.returncode == 0, r.stderr
    assert r.stdout.split() == ["true" if allowed else "false", "false"]
