"""README as a newcomer takes it: every file and command of "Your service, in a quarter of an hour", in order and nothing else, until
his own service is protected; then its canary breaks. In a root of its own, and (long) in a Debian that its own systemd has booted."""
import json
import os
import shutil
import subprocess
import sys

import pytest
from harness import MODE, ROOT
from test_packaging import clean_debian, package, run  # noqa: F401 (package is a fixture)

pytestmark = [pytest.mark.skipif(MODE != "release", reason="the package is built from the release mode"), pytest.mark.xdist_group("package")]
OF_ITS_OWN = ["unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child", "--propagation", "private"]


@pytest.fixture
def walked(folder):
    if os.geteuid() != 0 or subprocess.run([*OF_ITS_OWN, "true"], capture_output=True).returncode != 0:
        pytest.skip("needs root, and a kernel that gives a root of its own (unshare)")
    environment = {k: v for k, v in os.environ.items() if k not in ("MODE", "MAKEFLAGS", "MAKELEVEL")}
    r = subprocess.run([*OF_ITS_OWN, sys.executable, ROOT / "tests/e2e/newcomer.py", folder], capture_output=True, text=True, timeout=600,
                       env=environment, cwd=ROOT)
    assert r.returncode == 0, r.stdout[-3000:] + r.stderr[-6000:]
    (folder / "walked.json").write_text(r.stdout.splitlines()[-1])
    return json.loads(r.stdout.splitlines()[-1])


def check(walked):
    steps = walked["steps"]
    wrong = [s for s in steps if s["code"] != 0]
    assert not wrong, (wrong, walked["logs"])
    said = {s["ran"].split("\n")[0]: s["out"] for s in steps}
    assert "0 bad, 0 unknown" in said["rollbackctl doctor"], said
    assert walked["flags"] == "CHECKOUT_PERCENTAGE=0\n"
    [shown] = [s for s in steps if "shown" in s]
    assert shown["out"].startswith(shown["shown"]) and "Rolled back to 0%" in shown["shown"], shown


def test_from_nothing_to_an_own_service_protected_with_the_readmes_commands_alone(walked):
    check(walked)


# The newcomer's machine has a network; Alertmanager wants one for its cluster and does not start with lo alone.
ALONE = 'ARGS="--cluster.listen-address="\n'
UNIT = """[Unit]
After=multi-user.target prometheus.service prometheus-alertmanager.service
[Service]
Type=oneshot
WorkingDirectory=/srv/tree
ExecStart=/bin/sh -c '/usr/bin/python3 tests/e2e/newcomer.py booted >/srv/walked.json 2>/srv/walked.log'
ExecStopPost=/bin/systemctl poweroff
TimeoutStartSec=300
[Install]
WantedBy=multi-user.target
"""


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: debootstrap and systemd-nspawn")
def test_the_same_where_a_systemd_polkit_and_debians_own_units_run(package, folder):  # noqa: F811
    root = clean_debian(folder, package)
    r = run("chroot", root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-q", "-y", "--no-install-recommends",
            "prometheus", "prometheus-alertmanager", "python3", timeout=900)
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-2000:]
    (root / "etc/default/prometheus-alertmanager").write_text(ALONE)
    tree = root / "srv/tree"
    for file in ("README.md", "tests/e2e/newcomer.py"):
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tree / file)
    (tree / "build/deb").mkdir(parents=True)
    shutil.copy(package, tree / "build/deb")
    (root / "usr/local/bin/make").write_text("#!/bin/sh\n# The package was made outside, where there is a compiler.\n")
    (root / "usr/local/bin/make").chmod(0o755)
    (root / "etc/systemd/system/newcomer.service").write_text(UNIT)
    assert run("systemctl", f"--root={root}", "enable", "newcomer.service").returncode == 0
    r = run("systemd-nspawn", "-q", "-D", root, "--register=no", "--keep-unit", "--private-network", "--resolv-conf=off", "--boot",
            timeout=360, stdin=subprocess.DEVNULL)
    assert (root / "srv/walked.json").exists(), r.stdout[-3000:] + r.stderr[-3000:]
    text = (root / "srv/walked.json").read_text()
    assert text, (root / "srv/walked.log").read_text()[-3000:]
    check(json.loads(text))
    shutil.rmtree(root)
