"""Runs the pages' blocks of commands as they stand, in a root and a network of their own (newcomer.py), where a rollbackd runs with the
rollout `checkout`. Started by test_docs.py below `unshare`, with the marked blocks on standard input; prints what became of each.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import newcomer
from harness import BUILD, ROOT, alert, group, request, until
from newcomer import FLAGS, TOOLS, Checkout, Units
from shipped_plan import bcrypt

SOCKET = "/run/rollbackd/sock"
STATE = pathlib.Path("/var/lib/rollbackd")
CONFIG = """
global:
  external_url: http://127.0.0.1:9595
  evaluation_interval: 100ms
  prometheus: {url: "http://127.0.0.1:9090"}
  alertmanager: {url: "http://127.0.0.1:9093"}
rollouts:
  - name: checkout
    title: Checkout
    flags:
      file: /etc/checkout/flags.env
      percentage: CHECKOUT_PERCENTAGE
      values: [{name: CHECKOUT_TIERED_CACHE, type: bool}]
    apply: [{command: [/usr/bin/systemctl, reload, checkout.service]}]
    verify: {delay: 50ms, every: 50ms, timeout: 10s, checks: [{http: {url: "http://127.0.0.1:8080/flags", value: /rollout_percentage}}]}
    stages:
      - {number: 0, name: None, percentage: 0}
      - {number: 1, name: Canary, percentage: 10, duration: 100ms, approvals: [engineering-lead], checklist: canary}
      - {number: 2, name: Half, percentage: 50, certify: 100ms}
    checklists: [{name: canary, items: [{text: Runbook reviewed}, {text: Unit tests passing, evidence: unit-tests}]}]
    milestones: [{after_stage: 2, in: 100ms, text: Cost comparison}]
    blocked_by: [{text: Security review}]
    compare:
      metrics: [{name: requests, value: {candidate: 'sum(checkout_requests_total)', baseline: 'sum(checkout_requests_total)'}}]
playbooks:
  - name: data-corruption
    match: ['scenario="data_corruption"']
    rollback: {to: 0}
    then: [{name: restore, command: [/usr/bin/true], needs: approval}]
    review: required
  - {name: later, match: ['action="rollback_previous_stage"'], rollback: {to: previous_stage, after: 1h}}
limits: {cooldown: 0s, rollbacks_per_day: 0}
channels: [{name: chat, webhook: {url: "http://127.0.0.1:8080/chat"}, events: [all]}]
users:
  - {name: root, roles: [operator, engineering-lead, webhook, evidence]}
  - {name: ci, roles: [evidence]}
"""


# --- the worlds that a block may ask for ---

class Daemon:
    process = None

    @classmethod
    def stop(cls):
        if cls.process:
            cls.process.terminate()
            assert cls.process.wait(60) == 0
            cls.process = None

    @classmethod
    def start(cls, *args):
        with open("/tmp/rollbackd.log", "ab") as log:
            cls.process = subprocess.Popen([
                "/usr/bin/rollbackd", "--config.file=/etc/rollbackd/rollbackd.yml", f"--storage.path={STATE}",
                "--web.listen-address=127.0.0.1:9595", f"--web.listen-address=unix:{SOCKET}", *args], stdout=log, stderr=log, cwd="/")
        until(lambda: request(SOCKET, "GET", "/-/ready")[0] == 200)


def call(method, path, body=None):
    status, _, out = request(SOCKET, method, path, body)
    assert status == 200, (path, status, out)
    return json.loads(out)["data"]


def begin(*args):
    """A new record at 10 %, and nothing open."""
    Daemon.stop()
    shutil.rmtree(STATE, ignore_errors=True)
    FLAGS.write_text("CHECKOUT_PERCENTAGE=10\nCHECKOUT_TIERED_CACHE=true\n")
    Checkout.reload()
    Daemon.start(*args)
    until(lambda: call("GET", "/api/v1/rollouts/checkout")["watch"]["percentage"] == "yes")
    return 12


def incident(state, **labels):
    begin()
    [r] = call("POST", "/webhook", group(alert(**{"rollout": "checkout", **labels})))["results"]
    until(lambda: call("GET", f"/api/v1/incidents/{r['incident']}")["state"] == state)
    return r["incident"]


def data_corruption():
    number = incident("rolled_back", scenario="data_corruption")
    until(lambda: [s for s in call("GET", f"/api/v1/incidents/{number}")["steps"] if s["state"] == "waiting"])
    return number


def wait_for_people():
    """Until nothing is missing but what the page's commands do."""
    until(lambda: {m["what"] for m in call("GET", "/api/v1/rollouts/checkout")["next"]["missing"]} <= {"approval", "checklist", "blocked"})


def the_plan():
    begin("--web.config.file=/etc/rollbackd/web.yml")
    call("POST", "/api/v1/rollouts/checkout/evidence", {"name": "unit-tests", "verdict": "pass"})
    wait_for_people()
    return 12


def down():
    begin()
    Daemon.stop()
    return 12


WORLDS = {
    "an own service": begin, "the plan": the_plan, "rollbackd is down": down,
    "an incident": lambda: incident("rolled_back"), "data corruption": data_corruption,
    "a rollback that waits": lambda: incident("pending", action="rollback_previous_stage"),
}


def prepare(readme):
    for name in ("rollbackd", "rollbackctl"):
        shutil.copy(BUILD / name, "/usr/bin")
    for path in ("/usr/libexec/rollbackd", "/etc/rollbackd", "/etc/prometheus", "/var/backups", "/run/rollbackd"):
        os.makedirs(path, exist_ok=True)
    shutil.copy(BUILD / "rollbackd-run", "/usr/libexec/rollbackd")
    pathlib.Path("/etc/rollbackd/rollbackd.yml").write_text(CONFIG)
    pathlib.Path("/etc/rollbackd/web.yml").write_text(f"basic_auth_users: {{ci: {bcrypt('secret')}}}\n")
    for mark, text in newcomer.steps(readme):
        if mark.startswith("yaml /etc/prometheus/"):
            pathlib.Path(mark.split()[1]).write_text(text)
    os.environ |= {"PATH": f"/usr/sbin:/usr/bin:/sbin:/bin:{TOOLS}", "PASSWORD": "secret", "ROLLBACKD_URL": f"unix:{SOCKET}"}


def take(block, number):
    """(what became of it, the number of the incident that stands for 12)"""
    marks = block["marks"]
    if marks.get("world"):
        number = WORLDS[marks["world"]]()
    elif Daemon.process is None:
        begin()
    text = re.sub(r"\b12\b", str(number), block["text"])
    codes = [int(c) for c in marks.get("ends", "0").split()]
    return newcomer.run(text, int(marks.get("within", "0s").rstrip("s")), codes), number


def main():
    blocks, number, told = json.load(sys.stdin), 12, []
    newcomer.enter(pathlib.Path(sys.argv[1]))
    newcomer.set_flags()
    newcomer.start_service()
    newcomer.stand_in_for_systemctl()
    prepare((ROOT / "README.md").read_text())
    assert Units.start("prometheus") == 0 and Units.start("prometheus-alertmanager") == 0
    world = None
    for block in blocks:
        if block["marks"].get("world") == world:
            block["marks"].pop("world", None)         # goes on in the one where it is
        else:
            world = block["marks"].get("world", world)
        done, number = take(block, number)
        told.append({**done, "page": block["page"]})
    Daemon.stop()
    print(json.dumps({"ran": told, "log": pathlib.Path("/tmp/rollbackd.log").read_text(errors="replace")[-5000:]}))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
