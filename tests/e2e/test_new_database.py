"""A database that begins anew, as the message on a damaged one asks for: nothing that the old one left is taken for its own, and nothing of it
is taken for the old one's."""
import shutil
import sqlite3
import time

from harness import Hook, Server, alert, config, until

NAMES = ("rollbackd.db", "rollbackd.db-wal", "rollbackd.db-shm")


class Target(Server):
    """Sets the service, and honours Idempotency-Key: a repeat is answered well, and not carried out."""

    def __init__(self, service):
        self.service, self.keys, self.repeats = service, set(), 0
        super().__init__()

    def handle(self, method, path, headers, body):
        key = headers["Idempotency-Key"]
        if key in self.keys:
            self.repeats += 1
        else:
            self.keys.add(key)
            self.service.live.write_text(body.decode())
        return 200, {}, "{}"


def move_away(d):
    old = d.dir / "old"
    old.mkdir()
    for name in NAMES:
        if (d.state / name).exists():
            (d.state / name).rename(old / name)


def slow_reload(service):
    text = service.reload.read_text()
    service.reload.write_text(text.replace("#!/bin/sh\n", f"#!/bin/sh\nwhile [ -e {service.dir}/wait ]; do sleep 0.02; done\n", 1))
    return service.dir / "wait"


def killed_in_the_command(d, wait):
    """An incident whose command runs when the daemon is killed."""
    wait.touch()
    [r] = d.post(alert())
    until(lambda: [f for f in (d.state / "commands").iterdir() if f.suffix == ".claim" and f.read_bytes() == b"R"])
    d.kill()
    return r["incident"]


def test_command_files_of_an_older_database_do_no_harm(daemon_of, service):
    d = daemon_of(config(service))
    wait = slow_reload(service)
    killed_in_the_command(d, wait)
    move_away(d)
    wait.unlink()
    until(lambda: list((d.state / "commands").glob("*.res")))
    service.raise_to(10)
    n = len(service.reloads())
    d.start()
    [r] = d.post(alert(starts=time.time()))
    d.wait_state(r["incident"], "rolled_back")
    assert len(service.reloads()) == n + 1 and service.percentage() == 0


def test_a_name_that_is_taken_costs_an_attempt_and_not_the_rollback(daemon_of, service):
    """As after a backup of the database was restored: it counts on from an old number."""
    d = daemon_of(config(service))
    backup = d.dir / "backup"
    d.stop()
    shutil.copytree(d.state, backup)
    d.start()
    wait = slow_reload(service)
    killed_in_the_command(d, wait)
    wait.unlink()
    until(lambda: list((d.state / "commands").glob("*.res")))
    for name in NAMES:
        (d.state / name).unlink(missing_ok=True)
    shutil.copy(backup / NAMES[0], d.state)
    service.raise_to(10)
    d.start()
    [r] = d.post(alert(starts=time.time()))
    i = d.wait_state(r["incident"], "rolled_back", "failed")
    [step] = [s for s in i["steps"] if s["kind"] == "command"]
    assert (i["state"], step["state"], step["attempts"], service.percentage()) == ("rolled_back", "done", 2, 0)


def test_no_request_of_a_new_database_is_taken_for_a_repeat(daemon_of, service):
    target, hook = Target(service), Hook("s3cret")
    apply = f"      - {{http: {{method: PUT, url: \"{target.url}/\", body: '${{percentage}}'}}}}"
    channels = f"channels:\n  - {{name: audit, webhook: {{url: \"{hook.url}/\", secret: s3cret}}, events: [all]}}"
    d = daemon_of(config(service, apply=apply, channels=channels))
    seen = []
    for again in (False, True):
        if again:
            d.stop()
            move_away(d)
            service.raise_to(10)
            d.start()
        [r] = d.post(alert(starts=time.time()))
        d.wait_state(r["incident"], "rolled_back")
        until(lambda: len(hook.keys) > len(seen) and all(n["state"] == "sent" for n in d.incident(r["incident"])["notifications"]))
        seen = list(hook.keys)
    ids = [b["id"] for b in hook.bodies]
    assert len(target.keys) == 2 and target.repeats == 0 and service.percentage() == 0
    assert len(set(hook.keys)) == len(hook.keys) and len(set(ids)) == len(ids), (hook.keys, ids)
    target.close()
    hook.close()


def test_a_command_under_way_from_before_there_were_uuids_is_found(daemon_of, service):
    d = daemon_of(config(service))
    d.stop()
    with sqlite3.connect(d.state / NAMES[0]) as db:
        db.execute("UPDATE meta SET value = 100 WHERE key = 'steps before uuid'")
    db.close()
    d.start()
    wait = slow_reload(service)
    number = killed_in_the_command(d, wait)
    assert (d.state / "commands" / "2.1.claim").exists()        # as the release before wrote it
    d.start()
    wait.unlink()
    i = d.wait_state(number, "rolled_back")
    [step] = [s for s in i["steps"] if s["kind"] == "command"]
    assert step["attempts"] == 1 and len(service.reloads()) == 1
    until(lambda: not list((d.state / "commands").iterdir()))
