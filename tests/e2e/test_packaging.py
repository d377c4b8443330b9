"""The Debian package: what lintian says, what is in it, and (long) a life in a clean Debian that systemd has booted."""
import os
import re
import shutil
import subprocess

import pytest
from harness import MODE, ROOT

ARCHIVE = "http://deb.debian.org/debian"
pytestmark = pytest.mark.skipif(MODE != "release", reason="the package is built from the release mode")


def run(*argv, **kw):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, **kw)


@pytest.fixture(scope="module")
def package():
    environment = {k: v for k, v in os.environ.items() if k not in ("MODE", "MAKEFLAGS", "MAKELEVEL")}
    r = run("make", "--no-print-directory", "deb", cwd=ROOT, timeout=600, env=environment)
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-2000:]
    return ROOT / r.stdout.strip().splitlines()[-1]


def test_lintian_finds_no_error(package):
    r = run("lintian", "--allow-root", package, timeout=120)
    assert not re.findall(r"^E: .*", r.stdout, re.M), r.stdout


def test_the_package_holds_what_it_should(package):
    names = {line.split()[5].lstrip(".") for line in run("dpkg-deb", "-c", package).stdout.splitlines() if not line.split()[5].endswith("/")}
    for name in ("/usr/bin/rollbackd", "/usr/bin/rollbackctl", "/lib/systemd/system/rollbackd.service", "/usr/lib/sysusers.d/rollbackd.conf",
                 "/usr/lib/tmpfiles.d/rollbackd.conf", "/etc/rollbackd/rollbackd.yml", "/usr/share/doc/rollbackd/examples/rollbackd.yml",
                 "/usr/share/rollbackd/prometheus/cst-alerts.yml", "/usr/share/rollbackd/alertmanager/alertmanager.yml",
                 "/usr/share/rollbackd/scripts/rollback_cst_pipeline.sh", "/usr/share/man/man8/rollbackd.8.gz"):
        assert name in names, name
    assert any(n.startswith("/usr/share/rollbackd/grafana/dashboards/") for n in names)
    assert not [n for n in names if n.startswith(("/home", "/root", "/tmp", "/usr/local"))]
    depends = run("dpkg-deb", "-f", package, "Depends").stdout
    for library in ("libmicrohttpd12", "libjson-c5", "libcurl3-gnutls", "libsqlite3-0"):
        assert library in depends


# --- in a clean Debian ---

LIFE = r"""#!/bin/bash
# Runs inside, as root, when the machine has booted. Each line of result is a fact for the test.
cd /srv
fact() { echo "$*" >>result; }
waits() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return 0; sleep 0.2; done; return 1; }
files() { find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /srv -o -path /var/log -o -path /var/lib/dpkg \
	-o -path /var/cache -o -path /var/lib/systemd \) -prune -o -print | sort; getent passwd; getent group; }
files >before
dpkg -i rollbackd.deb >install.log 2>&1; fact installed $?
waits curl -sf http://127.0.0.1:9595/-/ready; fact ready $?
fact active $(systemctl is-active rollbackd) $(systemctl is-enabled rollbackd)
fact user $(ps -o user= -C rollbackd)
fact state $(stat -c %U:%a /var/lib/rollbackd) config $(stat -c %U:%G:%a /etc/rollbackd/rollbackd.yml)
curl -s -H 'Content-Type: application/json' --data-binary @webhook.json http://127.0.0.1:9595/webhook >answer; fact webhook $(cat answer)
waits sh -c 'rollbackctl -o json incident 1 | grep -q "\"state\": *\"rolled_back\""'; fact rolled_back $?
fact socket $(rollbackctl --url unix:/run/rollbackd/sock status >/dev/null 2>&1; echo $?)
systemctl reload rollbackd; fact reload $?
kill -9 $(systemctl show -p MainPID --value rollbackd); waits sh -c 'rollbackctl incident 1'; fact back_after_kill $?
dpkg --remove rollbackd >remove.log 2>&1; fact removed $? record $([ -e /var/lib/rollbackd/rollbackd.db ]; echo $?)
dpkg --purge rollbackd >purge.log 2>&1; fact purged $?
files >after
diff before after >left && fact left nothing || fact left $(cat left)
fact end
systemctl poweroff
"""

UNIT = """[Unit]
After=multi-user.target network.target
[Service]
Type=oneshot
ExecStart=/srv/life.sh
StandardOutput=file:/srv/life.log
StandardError=file:/srv/life.log
TimeoutStartSec=180
[Install]
WantedBy=multi-user.target
"""

WEBHOOK = ('{"version":"4","groupKey":"{}:{}","truncatedAlerts":0,"status":"firing","receiver":"rollbackd","groupLabels":{},"commonLabels":{},'
           '"commonAnnotations":{},"externalURL":"http://am","alerts":[{"status":"firing","labels":{"alertname":"CanaryErrorRateHigh",'
           '"action":"auto_rollback","rollout":"example"},"annotations":{"summary":"errors"},"startsAt":"2026-01-01T00:00:00Z",'
           '"endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"00000000000000aa"}]}')


def clean_debian(folder, package):
    """Its own root, with what the package depends on, and not the package."""
    for tool in ("debootstrap", "systemd-container"):
        assert run("sh", ROOT / "tests/deps.sh", tool).returncode == 0
    root = folder / "root"
    r = run("debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus,curl,procps,ca-certificates", "bookworm", root, ARCHIVE, timeout=900)
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-2000:]
    for file in ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"):
        (root / file[1:]).unlink(missing_ok=True)
        shutil.copy(file, root / file[1:])
    for kind in ("apt.conf.d", "auth.conf.d"):         # how this machine reaches the archive
        if os.path.isdir(f"/etc/apt/{kind}"):
            shutil.copytree(f"/etc/apt/{kind}", root / "etc/apt" / kind, dirs_exist_ok=True)
    depends = run("dpkg-deb", "-f", package, "Depends").stdout.strip()
    r = run("chroot", root, "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", f"apt-get update -q && apt-get satisfy -q -y --no-install-recommends '{depends}'", timeout=900)
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-2000:]
    return root


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: debootstrap and systemd-nspawn")
def test_installed_in_a_clean_debian_it_runs_takes_a_webhook_and_leaves_nothing(package, folder):
    root = clean_debian(folder, package)
    shutil.copy(package, root / "srv/rollbackd.deb")
    (root / "srv/webhook.json").write_text(WEBHOOK)
    (root / "srv/life.sh").write_text(LIFE)
    (root / "srv/life.sh").chmod(0o755)
    (root / "etc/systemd/system/life.service").write_text(UNIT)
    assert run("systemctl", f"--root={root}", "enable", "life.service").returncode == 0
    # In a root and a network of its own: nothing of it reaches this machine.
    r = run("systemd-nspawn", "-q", "-D", root, "--register=no", "--keep-unit", "--private-network", "--resolv-conf=off", "--boot",
            timeout=240, stdin=subprocess.DEVNULL)
    result = root / "srv/result"
    assert result.exists(), r.stdout[-3000:] + r.stderr[-3000:]
    facts = dict(line.partition(" ")[::2] for line in result.read_text().splitlines())
    log = "\n".join(p.read_text() for p in (root / "srv").glob("*.log"))
    assert facts.get("installed") == "0" and facts["ready"] == "0", (facts, log)
    assert facts["active"] == "active enabled" and facts["user"] == "rollbackd"
    assert facts["state"] == "rollbackd:700 config root:rollbackd:640"
    assert '"disposition":"rollback_started"' in facts["webhook"].replace(" ", "") and facts["rolled_back"] == "0", facts
    assert facts["socket"] == "0" and facts["reload"] == "0" and facts["back_after_kill"] == "0", (facts, log)
    assert facts["removed"] == "0 record 0"              # the record stays until the purge
    assert facts["purged"] == "0" and facts["left"] == "nothing" and "end" in facts, facts
