"""The Debian package: what lintian says, what is in it, and (long) a life in a clean Debian that systemd has booted."""
import json
import os
import re
import shutil
import subprocess

import pytest
from harness import MODE, ROOT

ARCHIVE = "http://deb.debian.org/debian"
pytestmark = [pytest.mark.skipif(MODE != "release", reason="the package is built from the release mode"),
              pytest.mark.xdist_group("package")]     # one build of it


def run(*argv, **kw):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, **kw)


def make(*argv):
    """What it said, as lines."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MODE", "MAKEFLAGS", "MAKELEVEL")}
    r = run("make", "--no-print-directory", *argv, cwd=ROOT, timeout=600, env=environment)
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-2000:]
    return r.stdout.strip().splitlines()


@pytest.fixture(scope="module")
def package():
    """The one in the repository."""
    make("repo")
    [deb] = (ROOT / "build/repo").glob("*.deb")
    return deb


def test_lintian_finds_nothing_wrong(package):
    r = run("lintian", "--allow-root", package, timeout=120)
    assert r.returncode == 0 and not re.findall(r"^[EW]: .*", r.stdout, re.M), r.stdout + r.stderr


def test_the_package_holds_what_it_should(package):
    names = {line.split()[5].lstrip(".") for line in run("dpkg-deb", "-c", package).stdout.splitlines() if not line.split()[5].endswith("/")}
    lib = "" if "bookworm" in open("/etc/os-release").read() else "/usr"
    for name in ("/usr/bin/rollbackd", "/usr/bin/rollbackctl", "/usr/libexec/rollbackd/rollbackd-run", lib + "/lib/systemd/system/rollbackd.service", "/usr/lib/sysusers.d/rollbackd.conf",
                 "/usr/lib/tmpfiles.d/rollbackd.conf", "/etc/rollbackd/rollbackd.yml", "/usr/share/doc/rollbackd/examples/rollbackd.yml",
                 "/usr/share/rollbackd/prometheus/cst-alerts.yml", "/usr/share/rollbackd/alertmanager/alertmanager.yml",
                 "/usr/share/rollbackd/scripts/rollback_cst_pipeline.sh", "/usr/share/man/man8/rollbackd.8.gz", "/usr/share/man/man1/rollbackctl.1.gz",
                 "/usr/share/doc/rollbackd/examples/flags-directory.conf", "/usr/share/rollbackd/polkit/50-rollbackd.rules", "/etc/default/rollbackd",
                 "/usr/share/man/man5/rollbackd.yml.5.gz", "/usr/share/bash-completion/completions/rollbackctl", "/usr/share/zsh/vendor-completions/_rollbackctl",
                 "/usr/share/fish/vendor_completions.d/rollbackctl.fish", "/usr/share/doc/rollbackd/README.md", "/usr/share/doc/rollbackd/docs/oncall.md",
                 lib + "/lib/systemd/system/rollbackd.socket"):
        assert name in names, name
    assert any(n.startswith("/usr/share/rollbackd/grafana/dashboards/") for n in names)
    assert not [n for n in names if n.startswith(("/home", "/root", "/tmp", "/usr/local"))]
    depends = run("dpkg-deb", "-f", package, "Depends").stdout
    for library in ("ca-certificates", "procps", "tzdata", "libmicrohttpd12", "libjson-c5", "libcurl3(t64)?-gnutls", "libsqlite3-0"):
        assert re.search(library, depends), depends


def test_the_links_of_the_installed_readme_lead_somewhere(unpacked):
    doc = unpacked / "usr/share/doc/rollbackd"
    targets = re.findall(r"\]\(([^)#]+)", (doc / "README.md").read_text())
    assert len(targets) > 5 and [t for t in targets if not (doc / t).is_file()] == []


def names_of(depends):
    """The packages of a field Depends, each with its alternatives."""
    return {alternative.split()[0].split(":")[0] for group in depends.split(",") for alternative in group.split("|") if alternative.strip()}


def owner_of(library):
    """The package that holds it; Debian's list of files may know it without the /usr in front."""
    real = os.path.realpath(library)
    r = run("dpkg-query", "-S", real, real.removeprefix("/usr"))
    return r.stdout.split(":")[0]


def below(packages):
    """These, and all that they depend on, as they are installed here."""
    known, todo = set(), set(packages)
    while todo:
        known |= todo
        r = run("dpkg-query", "-W", "-f", "${Depends}, ${Pre-Depends}, ", *sorted(todo))
        todo = names_of(r.stdout) - known
    return known


@pytest.mark.parametrize("program", ["usr/bin/rollbackd", "usr/bin/rollbackctl", "usr/libexec/rollbackd/rollbackd-run"])
def test_what_the_programs_are_linked_with_is_what_the_package_depends_on(package, unpacked, program):
    folder = unpacked
    depends = names_of(run("dpkg-deb", "-f", package, "Depends").stdout)
    needed = set(re.findall(r"NEEDED +(\S+)", run("objdump", "-p", folder / program).stdout))
    linked = dict(re.findall(r"(\S+) => (/\S+)", run("ldd", folder / program).stdout))
    assert needed and needed <= linked.keys(), (needed, linked)
    assert {owner_of(linked[name]) for name in needed} <= depends
    assert {owner_of(file) for file in linked.values()} <= below(depends)


def test_apt_installs_it_from_the_repository(package, folder):
    """With nothing but that repository as a source: all else that it wants is on this machine, which has what it was built with."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    apt = ("apt-get", "-o", f"Dir::Etc::SourceList={package.parent}/rollbackd.list", "-o", "Dir::Etc::SourceParts=/dev/null", "-o",
           f"Dir::State::Lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache", "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1")
    r = run(*apt, "update", timeout=120)
    assert r.returncode == 0 and "W:" not in r.stderr and "E:" not in r.stderr, r
    r = run(*apt, "-s", "install", "--no-install-recommends", "rollbackd", timeout=120)
    assert r.returncode == 0 and re.findall(r"^Inst (\S+)", r.stdout, re.M) == ["rollbackd"], r


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    assert run("dpkg-deb", "-x", package, folder).returncode == 0
    return folder


def manual_page(file):
    """As one line."""
    r = run("man", "--warnings", "-E", "UTF-8", "-l", file, env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C.UTF-8"})
    assert r.returncode == 0 and r.stderr == "", r.stderr
    return re.sub("\\s+", " ", r.stdout)


@pytest.mark.parametrize("name, option", [("man8/rollbackd.8", "--help"), ("man5/rollbackd.yml.5", "--help-config")])
def test_the_manual_pages_say_all_that_the_daemon_says(unpacked, name, option):
    text, said = manual_page(unpacked / f"usr/share/man/{name}.gz"), run(unpacked / "usr/bin/rollbackd", option).stdout.splitlines()
    assert len(said) > 5
    for line in said:
        assert re.sub("\\s+", " ", line).strip() in text, (name, line)


def table_of(folder):
    return json.loads(run(folder / "usr/bin/rollbackctl", "--dump-commands").stdout)


def test_the_manual_page_of_rollbackctl_has_all_of_its_table(unpacked):
    text, table = manual_page(unpacked / "usr/share/man/man1/rollbackctl.1.gz"), table_of(unpacked)
    assert len(table["commands"]) > 20
    for command in table["commands"]:
        for part in (" ".join(filter(None, (command["name"], command["verb"], command["args"]))), command["help"], command["more"], command["example"]):
            assert not part or re.sub("\\s+", " ", part) in text, part
    for option in [o for c in [table, *table["commands"]] for o in c["options"]]:
        assert f"--{option['name']}" in text and option["help"] in text, option


ASK = {
    "bash": """. {share}/bash-completion/completions/rollbackctl
COMP_WORDS=(rollbackctl {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _rollbackctl; printf '%s\\n' "${{COMPREPLY[@]}}" """,
    # zsh's own part compares with what was typed; here it is played by grep.
    "zsh": """compdef() {{}}; _describe() {{ print -l -- "${{(@P)2}}" }}; _files() {{}}; _message() {{}}
source {share}/zsh/vendor-completions/_rollbackctl
words=(rollbackctl {words}); CURRENT=$#words; _rollbackctl | sed 's/:.*//' | grep -e "^$words[CURRENT]" """,
    "fish": """source {share}/fish/vendor_completions.d/rollbackctl.fish; complete -C "rollbackctl {words}" | string replace -r '\\t.*' ''""",
}


def completed(shell, folder, words):
    """What the real shell offers for the last of the words, which may be ''."""
    assert shutil.which(shell)
    text = ASK[shell].format(share=folder / "usr/share", words=words.replace("''", "") if shell == "fish" else words)
    r = run(shell, *{"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell], "-c", text, timeout=60,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"})
    assert r.stderr == "", r.stderr
    return set(r.stdout.split())


@pytest.mark.parametrize("shell", ASK)
def test_completion_knows_every_command_verb_and_option(unpacked, shell):
    table = table_of(unpacked)
    commands = table["commands"]
    names, shared = {c["name"] for c in commands}, {f"--{o['name']}" for o in table["options"]}
    assert completed(shell, unpacked, "''") == names
    assert completed(shell, unpacked, "chec") == {n for n in names if n.startswith("chec")}
    assert completed(shell, unpacked, "--url x incident re") == {"report", "resolve", "retry", "review"}
    assert completed(shell, unpacked, "--output ''") == {"table", "json", "md", "csv"}
    for name in ("rollback", "flags", "sla", "simulate"):
        own = {f"--{o['name']}" for c in commands if c["name"] == name and not c["verb"] for o in c["options"]}
        assert completed(shell, unpacked, f"{name} --") == own | shared, name
    for command in [c for c in commands if c["verb"] in ("explain", "approve", "open")]:
        own = {f"--{o['name']}" for o in command["options"]}
        assert completed(shell, unpacked, f"{command['name']} {command['verb']} --") == own | shared, command


def test_installed_below_another_prefix_the_unit_starts_the_program_that_is_there(package, folder):
    make("install", f"DESTDIR={folder}", "PREFIX=/usr/local")
    unit = (folder / "usr/local/lib/systemd/system/rollbackd.service").read_text()
    program = re.search(r"^ExecStart=(\S+)", unit, re.M)[1]
    assert "ExecReload=/usr/local/bin/rollbackctl check-config /etc/rollbackd/rollbackd.yml\n" in unit
    assert program == "/usr/local/bin/rollbackd" and os.access(folder / program[1:], os.X_OK)
    assert os.access(folder / "usr/local/libexec/rollbackd/rollbackd-run", os.X_OK)
    assert (folder / "usr/local/share/man/man1/rollbackctl.1").exists()


# --- in a clean Debian ---

LIFE = r"""#!/bin/bash
# Runs inside, as root, when the machine has booted. Each line of result is a fact for the test.
cd /srv
fact() { echo "$*" >>result; }
waits() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return 0; sleep 0.2; done; return 1; }
files() { find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /srv -o -path /var/log -o -path /var/lib/dpkg \
	-o -path /var/cache -o -path /var/lib/systemd \) -prune -o -print | sort; getent passwd; getent group; }
post() { sed "s/\"rollout\":\"example\"/\"rollout\":\"$1\"/; s/00000000000000aa/00000000000000$2/" webhook.json |
	curl -s -H 'Content-Type: application/json' --data-binary @- http://127.0.0.1:9595/webhook; }
state() { rollbackctl -o json incident $1 | grep -q "\"state\": *\"$2\""; }
files >before
apt() { apt-get -o Dir::Etc::SourceList=/srv/rollbackd.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=/srv/lists "$@"; }
mkdir -p lists/partial; { apt update && apt install -y rollbackd; } >install.log 2>&1; fact installed $?
waits curl -sf http://127.0.0.1:9595/-/ready; fact ready $?
fact active $(systemctl is-active rollbackd) $(systemctl is-enabled rollbackd)
fact user $(ps -o user= -C rollbackd)
fact state $(stat -c %U:%a /var/lib/rollbackd) config $(stat -c %U:%G:%a /etc/rollbackd/rollbackd.yml)
curl -s -H 'Content-Type: application/json' --data-binary @webhook.json http://127.0.0.1:9595/webhook >answer; fact webhook $(cat answer)
waits state 1 rolled_back; fact rolled_back $?
fact socket $(rollbackctl --url unix:/run/rollbackd/sock status >/dev/null 2>&1; echo $?)
systemctl reload rollbackd; fact reload $?
fact complaints $(journalctl -u rollbackd -p warning -o cat --no-pager)
kill -9 $(systemctl show -p MainPID --value rollbackd); waits sh -c 'rollbackctl incident 1'; fact back_after_kill $?

# A service, reloaded from inside the unit's walls by way of polkit: what the rule names, and nothing else.
cp polkit.rules /etc/polkit-1/rules.d/50-rollbackd.rules; cp plan.yml /etc/rollbackd/rollbackd.yml
chown -R rollbackd: /etc/lapce-ai; systemctl start lapce-ai-service other; systemctl reload rollbackd
waits rollbackctl -o json flags one
post one ab >/dev/null; waits state 2 rolled_back; fact acts $?; rollbackctl -o json incident 2 >acts.json
fact flags $(cat /etc/lapce-ai/flags.env) reloaded $(cat reloaded) others $(cat other 2>/dev/null)

# The daemon is restarted while a command runs: it runs to its end, once, and its result is found.
post two ac >/dev/null; waits pgrep -f slow.sh
systemctl restart rollbackd; fact outlived $(pgrep -fc '^/bin/sh /srv/slow.sh')
waits state 3 rolled_back; rollbackctl -o json incident 3 >outlived.json; fact ran $(cat /var/lib/rollbackd/ran)

# A flags directory that was made while the daemon ran: read-only for it, which it says, until the shipped drop-in and a restart.
mkdir /etc/late; echo LATE=10 >/etc/late/flags.env; chown -R rollbackd: /etc/late; systemctl reload rollbackd
waits sh -c "journalctl -u rollbackd -o cat --no-pager | grep 'rollout=late.*Read-only file system'"; fact told $?
mkdir -p /etc/systemd/system/rollbackd.service.d
sed s,/etc/checkout,/etc/late, /usr/share/doc/rollbackd/examples/flags-directory.conf >/etc/systemd/system/rollbackd.service.d/late.conf
systemctl daemon-reload; systemctl restart rollbackd; waits rollbackctl incident 1
post late ae >/dev/null; waits state 4 rolled_back; fact late $? $(cat /etc/late/flags.env)
rm -r /etc/late /etc/systemd/system/rollbackd.service.d; systemctl daemon-reload

# A hung daemon is replaced.
mkdir -p /run/systemd/system/rollbackd.service.d; printf '[Service]\nWatchdogSec=2\n' >/run/systemd/system/rollbackd.service.d/quick.conf
systemctl daemon-reload; systemctl restart rollbackd; hung=$(systemctl show -p MainPID --value rollbackd); kill -STOP $hung
waits sh -c "! kill -0 $hung && rollbackctl incident 1"; fact watchdog $?
rm -r /run/systemd/system/rollbackd.service.d; systemctl daemon-reload

# A wrong config is told to whoever reloads, and why; what was right stays in force.
cp /etc/rollbackd/rollbackd.yml right.yml; echo 'rollouts: [{name: x, aplly: 1}]' >/etc/rollbackd/rollbackd.yml
systemctl reload rollbackd 2>/dev/null; fact refused $? $(journalctl -u rollbackd -n 20 -o cat --no-pager | grep -c 'did you mean apply')
cat right.yml >/etc/rollbackd/rollbackd.yml; systemctl reload rollbackd; fact right_again $?

# systemd listens, as the comment of the socket says: what comes while rollbackd is away waits for it.
grep -m1 -o 'systemctl stop rollbackd;.*' $(systemctl show -p FragmentPath --value rollbackd.socket) >socket.sh; sh -e socket.sh >socket.log 2>&1; fact handed $?
waits rollbackctl --url unix:/run/rollbackd.sock incident 1; fact by_socket $? $(stat -c %G:%a /run/rollbackd.sock)
systemctl stop rollbackd.service 2>/dev/null; fact away $(systemctl is-active rollbackd) then $(curl -s -m 20 -o /dev/null -w '%{http_code}' http://127.0.0.1:9595/-/ready)

# An upgrade leaves alone what the administrator has deleted, and whose it is.
chgrp daemon /etc/rollbackd; rm /etc/rollbackd/rollbackd.yml
dpkg -i rollbackd.deb >upgrade.log 2>&1; fact upgraded $? config $(ls /etc/rollbackd) group $(stat -c %G /etc/rollbackd)
chgrp rollbackd /etc/rollbackd; cp plan.yml /etc/rollbackd/rollbackd.yml; waits rollbackctl incident 1
dpkg --remove rollbackd >remove.log 2>&1; fact removed $? record $([ -e /var/lib/rollbackd/rollbackd.db ]; echo $?)

# Purged in one go from a running service, in the middle of a command.
dpkg -i rollbackd.deb >again.log 2>&1; waits rollbackctl incident 1; fact again $? $(systemctl is-active rollbackd rollbackd.socket)
cp plan.yml /etc/rollbackd/rollbackd.yml; chmod 644 /etc/rollbackd/rollbackd.yml; systemctl reload rollbackd
post three ad >/dev/null; waits pgrep -f slow.sh; fact command $?
dpkg --purge rollbackd >purge.log 2>&1; fact purged $?
fact processes $(pgrep -fc '^/bin/sh /srv/slow.sh') names $(find / -xdev \( -path /proc -o -path /sys -o -path /srv -o -path /etc/polkit-1 \) -prune -o -name '*rollbackd*' -print)
rm /etc/polkit-1/rules.d/50-rollbackd.rules
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

# The example stays: a reload that drops a rollout with an open incident is refused.
PLAN = """rollouts:
  - name: example
    apply: [{command: [/usr/bin/true]}]
    verify: {delay: 0s, every: 1s, checks: [{command: [/usr/bin/echo, "0"]}]}
  - name: one
    flags: {file: /etc/lapce-ai/flags.env, percentage: CST_ROLLOUT_PERCENTAGE}
    apply:
      - {command: [/usr/bin/systemctl, reload, lapce-ai-service.service], timeout: 10s}
      - {command: [/usr/bin/systemctl, try-restart, lapce-ai-service.service], timeout: 10s}
      - {command: [/usr/bin/systemctl, stop, lapce-ai-service.service], timeout: 10s}
      - {command: [/usr/bin/systemctl, reload, other.service], timeout: 10s}
    verify: {delay: 0s, every: 1s, checks: [{command: [/usr/bin/echo, "0"]}]}
  - name: late
    flags: {file: /etc/late/flags.env, percentage: LATE}
    apply: [{command: [/usr/bin/true]}]
    verify: {delay: 0s, every: 1s, checks: [{command: [/usr/bin/echo, "0"]}]}
  - name: two
    apply:
      - {command: [/srv/slow.sh], timeout: 30s, idempotent: false}
    verify: {delay: 0s, every: 1s, checks: [{command: [/usr/bin/echo, "0"]}]}
  - name: three
    apply:
      - {command: [/srv/slow.sh], timeout: 30s, idempotent: false}
    verify: {delay: 0s, every: 1s, checks: [{command: [/usr/bin/echo, "0"]}]}
"""

SERVICE = """[Service]
ExecStart=/bin/sleep infinity
ExecReload=/bin/sh -c 'echo yes >>/srv/{}'
"""

# Long enough for a restart of the daemon beside it. Its sandbox can write nowhere but into the state directory.
SLOW = """#!/bin/sh
sleep 4
echo ran >>/var/lib/rollbackd/ran
echo to the end
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
    depends = run("dpkg-deb", "-f", package, "Depends").stdout.strip() + ", " + run("dpkg-deb", "-f", package, "Recommends").stdout.strip()
    r = run("chroot", root, "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", f"apt-get update -q && apt-get satisfy -q -y --no-install-recommends '{depends}'", timeout=900)
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-2000:]
    return root


def steps_of(file):
    """{name: (state, attempts)} of an incident's steps."""
    return {s["name"]: (s["state"], s["attempts"]) for s in json.loads(file.read_text())["steps"]}


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: debootstrap and systemd-nspawn")
def test_installed_in_a_clean_debian_it_runs_takes_a_webhook_and_leaves_nothing(package, folder):
    root = clean_debian(folder, package)
    shutil.copytree(package.parent, root / "srv/repo")
    shutil.copy(package, root / "srv/rollbackd.deb")
    (root / "srv/rollbackd.list").write_text("deb [trusted=yes] file:/srv/repo ./\n")
    (root / "srv/webhook.json").write_text(WEBHOOK)
    for name, text in (("life.sh", LIFE), ("slow.sh", SLOW)):
        (root / "srv" / name).write_text(text)
        (root / "srv" / name).chmod(0o755)
    (root / "srv/plan.yml").write_text(PLAN)
    shutil.copy(ROOT / "deploy/systemd/50-rollbackd.rules", root / "srv/polkit.rules")
    for unit, file in (("lapce-ai-service", "reloaded"), ("other", "other")):
        (root / f"etc/systemd/system/{unit}.service").write_text(SERVICE.format(file))
    (root / "etc/lapce-ai").mkdir()
    (root / "etc/lapce-ai/flags.env").write_text("CST_TIERED_CACHE=true\nCST_ROLLOUT_PERCENTAGE=10\n")
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
    assert facts["complaints"] == "", facts             # systemd has nothing to say about the unit either
    steps = steps_of(root / "srv/acts.json")
    lapce = "lapce-ai-service.service"
    for name, state in ((f"reload {lapce}", "done"), (f"try-restart {lapce}", "done"), (f"stop {lapce}", "failed"), ("reload other.service", "failed")):
        assert steps[f"systemctl {name}"][0] == state, steps
    assert facts["acts"] == "0" and facts["flags"] == "CST_TIERED_CACHE=true CST_ROLLOUT_PERCENTAGE=0 reloaded yes others", facts
    assert facts["outlived"] == "1" and facts["ran"] == "ran", (facts, log)
    assert ("done", 1) in [v for k, v in steps_of(root / "srv/outlived.json").items() if "slow" in k]
    assert facts["told"] == "0" and facts["late"] == "0 LATE=0", (facts, log)
    assert facts["refused"] == "1 1" and facts["right_again"] == "0", (facts, log)
    assert facts["handed"] == "0" and facts["by_socket"] == "0 rollbackctl:660" and facts["away"] == "inactive then 200", (facts, log)
    assert facts["watchdog"] == "0" and facts["upgraded"] == "0 config group daemon", (facts, log)
    assert facts["removed"] == "0 record 0"              # the record stays until the purge
    assert facts["again"] == "0 active active" and facts["command"] == "0" and facts["processes"] == "0 names", (facts, log)
    assert facts["purged"] == "0" and facts["left"] == "nothing" and "end" in facts, (facts, log)
    shutil.rmtree(root)                                  # half a gigabyte; after a failure it stays for a look
