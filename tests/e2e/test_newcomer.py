"""README as a newcomer takes it: every file and command of "Your service, in a quarter of an hour", in order and nothing else, until
his own service is protected; then its canary breaks."""
import json
import os
import subprocess
import sys

import pytest
from harness import MODE, ROOT

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


def test_from_nothing_to_an_own_service_protected_with_the_readmes_commands_alone(walked):
    steps = walked["steps"]
    wrong = [s for s in steps if s["code"] != 0]
    assert not wrong, (wrong, walked["logs"])
    said = {s["ran"].split("\n")[0]: s["out"] for s in steps}
    assert "0 bad, 0 unknown" in said["rollbackctl doctor"], said
    assert walked["flags"] == "CHECKOUT_PERCENTAGE=0\n"
    [shown] = [s for s in steps if "shown" in s]
    assert shown["out"].startswith(shown["shown"]) and "Rolled back to 0%" in shown["shown"], shown
