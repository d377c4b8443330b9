"""rollbackd-run, the program that runs the commands of steps: what it needs, where it is found, and what it syncs."""
import json
import os
import re
import shutil
import subprocess

import pytest
from faults import Tracer
from harness import BUILD, MODE, alert, config, until

RUN = BUILD / "rollbackd-run"
SANITIZERS = {"libasan", "libubsan", "libtsan", "libm", "libgcc_s", "libstdc++"}


def test_it_needs_nothing_but_libc():
    r = subprocess.run(["readelf", "-d", RUN], capture_output=True, text=True, check=True)
    needed = set(re.findall(r"\(NEEDED\).*\[(\S+?)\.so", r.stdout))
    assert "libc" in needed
    assert needed - ({"libc"} if MODE == "release" else {"libc"} | SANITIZERS) == set()


def test_without_it_the_daemon_does_not_start(folder, service):
    """A copy of rollbackd alone: half of an installation."""
    alone = folder / "bin" / "rollbackd"
    alone.parent.mkdir()
    shutil.copy(BUILD / "rollbackd", alone)
    (folder / "rollbackd.yml").write_text(config(service))
    r = subprocess.run([alone, f"--config.file={folder}/rollbackd.yml", f"--storage.path={folder}/state"],
                       capture_output=True, text=True, timeout=30)
    assert r.returncode == 1 and "rollbackd-run" in r.stderr and "install it again" in r.stderr, r.stderr
    assert not (folder / "state").exists()


@pytest.mark.parametrize("place", ["bin", "libexec/rollbackd"])
def test_it_is_found_beside_the_daemon_and_where_it_is_installed(folder, daemon_of, service, monkeypatch, place):
    for name, where in (("rollbackd", "bin"), ("rollbackd-run", place)):
        (folder / "usr" / where).mkdir(parents=True, exist_ok=True)
        shutil.copy(BUILD / name, folder / "usr" / where)
    monkeypatch.setattr("harness.BUILD", folder / "usr" / "bin")
    d = daemon_of(config(service))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert len(service.reloads()) == 1


def write_attempt(folder, name, script):
    """As the daemon of release 0.1 wrote it: no HOME in the environment, nothing about syncing."""
    spec = {"argv": ["/bin/sh", "-c", script, "sh", 'quote " and \\ and \u00e4 and \u0001'], "env": ["A=1", "B=\u00fc"],
            "timeout_us": 20000000, "max_output": 1000}
    (folder / f"{name}.spec").write_text(json.dumps(spec))
    (folder / f"{name}.claim").touch()


@pytest.mark.parametrize("called", ["rollbackd --run-step", "rollbackd-run"])
def test_a_daemon_that_was_upgraded_and_not_yet_restarted_still_runs_its_steps(folder, called):
    program, *words = called.split()
    write_attempt(folder, "7.1", 'echo "$1|$A|$B|$HOME"; umask; exit 3')
    r = subprocess.run([BUILD / program, *words, folder, "7.1"], env={"PATH": "/usr/bin:/bin"}, timeout=30)
    assert r.returncode == 0
    result = json.loads((folder / "7.1.res").read_text())
    home = os.path.expanduser(f"~{os.popen('id -un').read().strip()}")
    assert result["end"] == "exited" and result["exit_code"] == 3 and result["signal"] == 0
    assert result["text"] == f'it ended with exit code 3\nquote " and \\ and \u00e4 and \\x01|1|\u00fc|{home}\n0022\n'
    assert (folder / "7.1.claim").read_bytes() == b"R"


def synced(trace):
    """Which of the files of attempts were synced, by their endings, in order; and when a command was begun."""
    names = re.findall(r"(?:fsync|fdatasync)\(\d+<\S*/commands(?:/\S+\.(\w+))?>|(execve)\(\"\S+reload", trace)
    return [execve or suffix or "directory" for suffix, execve in names]


@pytest.mark.skipif(MODE == "tsan", reason="TSan's runtime does not live under strace")
@pytest.mark.parametrize("idempotent", [False, True])
def test_what_a_power_cut_may_not_take_is_synced_before_the_command_begins(daemon_of, service, idempotent):
    apply = f"      - {{command: [{service.reload}], timeout: 20s, idempotent: {str(idempotent).lower()}}}"
    d = daemon_of(config(service, apply=apply))
    t = Tracer(d, "fsync,fdatasync,execve")
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: not list((d.state / "commands").iterdir()))
    found = synced(t.stop())
    begun = found.index("execve")
    if idempotent:      # whether it had begun or not, it is done again
        assert found == ["execve"]
    else:
        assert found[:begun] == ["tmp", "directory", "claim"] and found[begun + 1:] == ["tmp", "directory"]
