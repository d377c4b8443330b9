"""Disks that are full, fail or lie: nothing is acknowledged that is not on disk, what runs ends, and nobody has to restart anything."""
import json
import re
import shutil
import signal
import sqlite3
import tempfile
import time

import pytest
from faults import Disk, Tracer, run
from harness import MODE, alert, config, group, request, slack_channel, until

RECOVERY = 5 if MODE == "release" else 15       # seconds after the fault has ended
MIB = 1024 * 1024


@pytest.fixture
def disk_of(folder):
    disks = []

    def make(*mount):
        disks.append(Disk(folder / "rollbackd" / "state", *mount))
        return disks[-1]

    yield make
    for d in disks:
        d.close()


@pytest.fixture
def small_disk(disk_of):
    return disk_of("-t", "tmpfs", "-o", "size=64m,nr_inodes=600,mode=700", "tmpfs")


@pytest.fixture
def tracer_of():
    tracers = []

    def make(*args, **kw):
        tracers.append(Tracer(*args, **kw))
        return tracers[-1]

    yield make
    for t in tracers:
        t.stop()


@pytest.fixture
def doorman(service):
    """A reload that ends when the door is opened: until then a rollback is in the middle of it."""
    door = service.dir / "door"
    text = service.reload.read_text()
    service.reload.write_text(text.replace("#!/bin/sh\n", f"#!/bin/sh\n: > {door}.reached\nwhile [ ! -e {door} ]; do sleep 0.05; done\n", 1))
    return door


STARTED = time.time() - 60


def noise(n):
    """An alert that no playbook takes. The same n is the same episode."""
    return alert("Noise", action=None, starts=STARTED, instance=str(n))


def post(daemon, *alerts):
    return request(daemon.port, "POST", "/webhook", group(*alerts))


def ready(daemon):
    return daemon.call("GET", "/-/ready")[0] == 200


def assert_refused(answer):
    status, headers, body = answer
    assert status == 503, (status, body)
    assert 1 <= int(headers["Retry-After"]) <= 60
    assert json.loads(body)["errorType"] == "unavailable"


def acting(daemon, incident, door):
    """The rollback's command is running, and waits at the door."""
    steps = daemon.incident(incident)["steps"]
    return door.with_name(door.name + ".reached").exists() and any(s["kind"] == "command" and s["state"] == "running" for s in steps)


def recovered(daemon, since):
    until(lambda: ready(daemon), RECOVERY)
    assert post(daemon, noise(since))[0] == 200
    assert time.monotonic() - since < RECOVERY


def check_file(path):
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.close()


# --- no room ---

def test_a_full_disk_refuses_webhooks_but_the_running_rollback_ends(daemon_of, service, chat, doorman, small_disk):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat)), wrap=small_disk.wrap)
    pid = d.process.pid
    [r] = d.post(alert())
    until(lambda: acting(d, r["incident"], doorman))
    small_disk.fill()
    until(lambda: "disk is nearly full" in d.call("GET", "/-/ready")[1])    # a write may fail before room is looked at
    assert_refused(post(d, noise("refused")))
    doorman.touch()
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: any("Rolled back to 0%" in t for t in chat.texts()))
    assert len(service.reloads()) == 1 and service.percentage() == 0
    assert not ready(d) and d.call("GET", "/-/healthy")[0] == 200
    assert_refused(post(d, noise("refused")))
    since = time.monotonic()
    small_disk.empty()
    recovered(d, since)
    assert d.process.pid == pid
    until(lambda: small_disk.path.joinpath("ballast").exists())     # for the next time
    d.restart()
    assert d.incident(r["incident"])["state"] == "rolled_back"
    assert d.post(noise("refused"))[0]["disposition"] == "no_match"     # it was refused: not known yet


@pytest.fixture
def socket():
    """A path short enough for one."""
    with tempfile.TemporaryDirectory() as name:
        yield f"{name}/s"


def test_on_a_full_disk_a_flag_is_not_written_before_it_can_be_recorded(daemon_of, service, small_disk, socket):
    """Nor is anything else that people and programs say of the plan taken: what is acknowledged is on disk, and what is not was not done."""
    stage = "- {number: 1, name: Canary, percentage: 10, duration: 48h}"
    text = config(service).replace(stage, stage[:-1] + ", checklist: canary, approvals: [lead]}").replace(
        "    stages:\n", "    checklists: [{name: canary, items: [{text: Unit tests, evidence: unit-tests}]}]\n    stages:\n")
    users = "\nusers: [{name: root, roles: [operator, evidence, lead]}]\n"
    d = daemon_of(text + users, wrap=small_disk.wrap, args=(f"--web.listen-address=unix:{socket}",))
    before = service.flags.read_text()
    small_disk.fill()
    until(lambda: "disk is nearly full" in d.call("GET", "/-/ready")[1])
    flag = {"name": "SHOP_ENABLED", "value": False, "reason": "a test"}
    evidence = {"name": "unit-tests", "verdict": "pass", "sha": "4f2c1e0"}
    for what, body in (("flags", flag), ("evidence", evidence), ("approve", {"role": "lead"}), ("check", {"item": "Unit tests"})):
        status, _, out = request(socket, "POST", f"/api/v1/rollouts/shop/{what}", body)
        assert status == 503, (what, status, out)
    assert service.flags.read_text() == before and not service.reloads()
    small_disk.empty()
    until(lambda: ready(d), RECOVERY)
    assert d.get("/api/v1/rollouts/shop")["checklists"][0]["items"][0]["person"] is None
    for what, body in (("evidence", evidence), ("flags", flag)):
        status, _, out = request(socket, "POST", f"/api/v1/rollouts/shop/{what}", body)
        assert status == 200, (what, out)
    assert service.flags.read_text() == before.replace("SHOP_ENABLED=true", "SHOP_ENABLED=false")
    until(lambda: len(service.reloads()) == 1)
    assert not [e for e in d.get("/api/v1/events?limit=100") if e["what"] == "flags_changed"]


def test_a_rollback_without_any_room_waits_and_ends_when_there_is_some(daemon_of, service, doorman, small_disk):
    d = daemon_of(config(service), wrap=small_disk.wrap)
    [r] = d.post(alert())
    until(lambda: acting(d, r["incident"], doorman))
    small_disk.fill()
    until(lambda: not small_disk.path.joinpath("ballast").exists())
    small_disk.fill()                                               # somebody ate that too
    assert_refused(post(d, noise("refused")))
    doorman.touch()
    until(lambda: len(service.reloads()) == 1)
    since = time.monotonic()
    small_disk.empty()
    recovered(d, since)
    d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 0 and len(service.reloads()) <= 10       # DOUBTS_MAX: the runner had no room for its result either


def test_a_disk_without_names_for_new_files_refuses_and_recovers(daemon_of, service, small_disk):
    d = daemon_of(config(service), wrap=small_disk.wrap)
    small_disk.fill_names()
    until(lambda: not ready(d))
    assert_refused(post(d, noise("refused")))
    [r] = d.post(alert())                           # nothing stops what lowers
    since = time.monotonic()
    small_disk.empty()
    recovered(d, since)
    d.wait_state(r["incident"], "rolled_back")


def test_it_starts_on_a_full_disk_and_takes_up_what_was_running(daemon_of, service, doorman, small_disk):
    d = daemon_of(config(service), wrap=small_disk.wrap)
    [r] = d.post(alert())
    until(lambda: acting(d, r["incident"], doorman))
    d.kill()
    small_disk.fill()
    d.spawn()
    until(lambda: d.call("GET", "/-/healthy")[0] == 200)
    assert_refused(post(d, noise("refused")))
    doorman.touch()
    d.wait_state(r["incident"], "rolled_back")
    assert len(service.reloads()) == 1


# --- a disk that says no ---

def test_every_200_was_synced_before(daemon_of, service, tracer_of):
    d = daemon_of(config(service))
    t = tracer_of(d, "fdatasync,sendto,sendmsg,writev,write,send")
    for n in range(20):
        assert post(d, noise(n))[0] == 200
    lines = t.stop().splitlines()
    synced, answers = False, 0
    for line in lines:
        if re.search(r"fdatasync(\(| resumed).*= 0$", line):
            synced = True
        elif '"HTTP/1.1 200' in line:
            assert synced, f"answered before it was on disk: {line}"
            synced, answers = False, answers + 1
    assert answers == 20
    assert any("fdatasync" in line and "rollbackd.db-wal" in line for line in lines)


def test_a_sync_that_fails_once_is_never_a_200_and_leaves_no_ghost(daemon_of, service, tracer_of):
    """Killed right after the 503: what was refused must not come to life at the next start."""
    d = daemon_of(config(service))
    refused = 0
    for n in range(1, 7):
        t = tracer_of(d, "fdatasync", f"fdatasync:error=EIO:when={(n + 1) // 2}")
        trigger = alert(f"Trigger{n}")
        status, _, body = post(d, trigger)
        d.kill()
        t.stop()
        d.start()
        if status == 503:
            refused += 1
            assert d.incidents() == [] and service.reloads() == []
        else:                                   # the failing sync was a later one, or a checkpoint's: it was recorded before
            assert status == 200, (status, body)
            break
    assert refused, "no sync of a webhook's commit was hit"
    [r] = d.post(trigger)
    [i] = d.incidents()
    d.wait_state(i["id"], "rolled_back")
    assert len(service.reloads()) == 1


def test_a_disk_whose_syncs_fail_is_unready_until_they_work(daemon_of, service, doorman, tracer_of):
    d = daemon_of(config(service))
    [r] = d.post(alert())
    until(lambda: acting(d, r["incident"], doorman))
    t = tracer_of(d, "fdatasync", "fdatasync:error=EIO:when=1+")
    doorman.touch()
    until(lambda: not ready(d))
    for n in range(5):
        assert_refused(post(d, noise(n)))
    assert d.incident(r["incident"])["state"] == "rolling_back"     # its outcome cannot be recorded: nothing is claimed
    since = time.monotonic()
    t.stop()
    recovered(d, since)
    d.wait_state(r["incident"], "rolled_back")
    assert len(service.reloads()) == 1
    for n in range(5):
        assert d.post(noise(n))[0]["disposition"] == "no_match"    # none was recorded


@pytest.mark.parametrize("fault", ["pwrite64:error=EIO", "pwrite64:error=ENOSPC", "fdatasync:error=ENOSPC", "openat:error=EMFILE"])
def test_calls_that_fail_for_a_while_do_no_harm(daemon_of, service, tracer_of, fault):
    d = daemon_of(config(service))
    t = tracer_of(d, fault.split(":")[0], f"{fault}:when=1+")
    taken = []
    for n in range(6):
        status, _, body = post(d, noise(n))
        assert status in (200, 503), (status, body)
        taken.append(status == 200)
    since = time.monotonic()
    t.stop()
    recovered(d, since)
    for n, known in enumerate(taken):
        what = d.post(noise(n))[0]["disposition"]
        assert what == ("duplicate" if known else "no_match"), (fault, n, taken)
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert len(service.reloads()) == 1
    assert d.stop() == 0
    check_file(d.state / "rollbackd.db")


# --- a state directory that cannot be used ---

def refuses_to_start(d, *words):
    """Exit code 3, and a sentence in the log."""
    before = len(d.log())
    d.spawn()
    assert d.died() == 3, d.log()
    said = d.log()[before:]
    for w in words:
        assert w in said, said
    assert "Sanitizer" not in said, said
    assert not (d.dir / "core").exists()


def stopped(daemon_of, service):
    """One that ran and recorded something."""
    d = daemon_of(config(service))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert d.stop() == 0
    return d


def test_a_state_directory_that_everybody_may_write_is_refused(daemon_of, service):
    d = stopped(daemon_of, service)
    d.state.chmod(0o777)
    refuses_to_start(d, "everybody may write", f"chmod 700 {d.state}")
    d.state.chmod(0o700)
    d.start()
    assert d.incidents()[0]["state"] == "rolled_back"


@pytest.mark.parametrize("damage", ["header", "page", "cut off"])
def test_a_damaged_database_is_refused_with_a_sentence(daemon_of, service, damage):
    d = stopped(daemon_of, service)
    file = d.state / "rollbackd.db"
    whole = file.read_bytes()
    assert len(whole) > 20 * 4096
    junk = bytes(range(256)) * 16
    if damage == "header":
        file.write_bytes(junk[:100] + whole[100:])
    elif damage == "page":
        middle = len(whole) // 4096 // 2 * 4096
        file.write_bytes(whole[:middle] + junk + whole[middle + 4096:])
    else:
        file.write_bytes(whole[:len(whole) // 4096 // 2 * 4096])
    hurt = file.read_bytes()
    refuses_to_start(d, "is damaged", "move rollbackd.db, rollbackd.db-wal and rollbackd.db-shm away together", str(d.state))
    assert file.read_bytes() == hurt            # somebody may want to look at it
    assert len(service.reloads()) == 1
    file.write_bytes(whole)
    d.start()
    assert d.incidents()[0]["state"] == "rolled_back"


def test_a_newer_database_is_refused_with_a_sentence(daemon_of, service):
    d = stopped(daemon_of, service)
    db = sqlite3.connect(d.state / "rollbackd.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    refuses_to_start(d, "was written by a newer rollbackd (version 99")
    refuses_to_start(d, "was written by a newer rollbackd (version 99")


def test_a_directory_that_cannot_be_written_is_refused_with_a_sentence(daemon_of, service, small_disk):
    d = daemon_of(config(service), wrap=small_disk.wrap)
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert d.stop() == 0
    small_disk.remount("ro")
    refuses_to_start(d, str(d.state), "Read-only file system")
    small_disk.remount("rw")
    d.start()
    assert d.incident(r["incident"])["state"] == "rolled_back"


def test_a_second_daemon_on_the_same_directory_is_refused_with_a_sentence(daemon_of, service):
    first = daemon_of(config(service))
    second = daemon_of(config(service), name="second", start=False)
    second.state = first.state
    refuses_to_start(second, "in use by another rollbackd", str(first.state))
    [r] = first.post(alert())
    first.wait_state(r["incident"], "rolled_back")
    assert first.stop() == 0
    second.start()
    assert second.incident(r["incident"])["state"] == "rolled_back"


def test_a_database_that_was_moved_away_is_noticed(daemon_of, service):
    """What is written to a file without a name would be gone after the next start."""
    d = daemon_of(config(service))
    file = d.state / "rollbackd.db"
    file.rename(d.state / "elsewhere")
    until(lambda: not ready(d))
    assert_refused(post(d, alert()))
    since = time.monotonic()
    (d.state / "elsewhere").rename(file)
    recovered(d, since)


def test_a_person_who_locks_the_database_delays_and_breaks_nothing(daemon_of, service):
    d = daemon_of(config(service))
    db = sqlite3.connect(d.state / "rollbackd.db", isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    status, headers, body = post(d, alert())
    assert status == 503 and headers["Retry-After"], body
    since = time.monotonic()
    db.execute("ROLLBACK")
    recovered(d, since)
    db.close()
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")


# --- power ---

@pytest.mark.parametrize("attempt", [1, 2])
def test_no_acknowledged_webhook_is_lost_when_the_power_goes(daemon_of, service, folder, disk_of, attempt):
    """The file system is a file: while the daemon is stopped dead, that file holds what the disk would hold without power."""
    image, cut = folder / "disk.img", folder / "cut.img"
    with open(image, "wb") as f:
        f.truncate(96 * MIB)
    r = run("mkfs.ext4", "-q", image)
    assert r.returncode == 0, r.stderr
    disk = disk_of("-o", "loop", image)
    d = daemon_of(config(service), wrap=disk.wrap)
    known = []
    deadline = time.monotonic() + 0.7 * attempt
    while time.monotonic() < deadline:
        alerts = [noise(f"{len(known)}.{k}") for k in range(3)]
        if post(d, *alerts)[0] == 200:
            known.append(alerts)
    assert len(known) > 10
    d.process.send_signal(signal.SIGSTOP)
    until(lambda: re.search(r"^State:\s+T", open(f"/proc/{d.process.pid}/status").read(), re.M))
    shutil.copyfile(image, cut)
    d.kill()
    disk.close()
    after = disk_of("-o", "loop", cut)
    d.wrap = after.wrap
    d.start()
    for alerts in known:
        results = d.post(*alerts)
        assert [r["disposition"] for r in results] == ["duplicate"] * 3, (len(known), alerts, results)
    assert d.stop() == 0
    for name in ("rollbackd.db", "rollbackd.db-wal"):       # out of the mount namespace, whose names mean nothing in a chroot
        if (after.path / name).exists():
            shutil.copyfile(after.path / name, folder / name)
    check_file(folder / "rollbackd.db")
