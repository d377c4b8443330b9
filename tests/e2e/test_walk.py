"""The shipped config through the whole plan, in compressed time (tests/compress.py), on the real Prometheus and Alertmanager
and the demo service: 0, 1, 2, back by an alert, 2 again, 3, 4, milestones."""
import base64
import crypt
import re
import subprocess
import sys
import time

import pytest
from harness import BUILD, ROOT, Alertmanager, Daemon, Hook, Prometheus, Program, free_port, request, until

PEOPLE = {"alertmanager": "am-secret", "alice": "wonderland", "bob": "builder", "carol": "christmas"}
RATE = 20000            # requests a second: enough that 0.1 points mean something after ten seconds


def compressed(file, *replacements):
    r = subprocess.run([sys.executable, str(ROOT / "tests/compress.py"), str(file), *replacements], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return r.stdout


class DemoService:
    def __init__(self, folder):
        self.flags = folder / "flags.env"
        self.flags.write_text("CST_PIPELINE_ENABLED=true\nCST_ROLLOUT_PERCENTAGE=0\nCST_INCREMENTAL_INDEXING=true\n"
                              "CST_TIERED_CACHE=true\nCST_EMBEDDING_REUSE=true\nCST_LEGACY_FALLBACK=true\n")
        self.port = free_port()
        self.log = open(folder / "service.log", "wb")
        self.process = subprocess.Popen([str(BUILD / "demo-service"), "--listen", f"127.0.0.1:{self.port}", "--flags", str(self.flags),
                                         "--rate", str(RATE)], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        until(lambda: request(self.port, "GET", "/flags")[0] == 200)

    def percentage(self):
        return float(re.search(rb"[\d.]+", request(self.port, "GET", "/flags")[2])[0])

    def fault(self, **faults):
        query = "&".join(f"{k}={v}" for k, v in faults.items())
        assert request(self.port, "POST", f"/fault?pipeline=cst&{query}")[0] == 200

    def heal(self):
        assert request(self.port, "POST", "/fault/clear")[0] == 200

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()


def web_config():
    users = {name: crypt.crypt(word, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)) for name, word in PEOPLE.items()}
    return "basic_auth_users:\n" + "".join(f"  {name}: {hashed}\n" for name, hashed in users.items())


class Plan:
    """All that the walk needs, running; people act under their names."""

    def __init__(self, folder, chat, programs, daemons):
        self.service = DemoService(folder)
        self.pager = Hook("pager-secret")
        self.chat = chat
        port, prometheus_port = free_port(), free_port()
        for name, text in (("slack-url", f"{chat.url}/services/T/B/x"), ("on-call-secret", "pager-secret")):
            (folder / name).write_text(text + "\n")
        self.alertmanager = programs(Alertmanager(folder / "am", f"http://alertmanager:{PEOPLE['alertmanager']}@127.0.0.1:{port}/webhook"))
        text = compressed(ROOT / "deploy/rollbackd.yml", f"/etc/lapce-ai/flags.env={self.service.flags}",
                          f"[/usr/bin/systemctl, reload, lapce-ai-service.service]=[/usr/bin/python3, -c, \"import os; os.kill({self.service.process.pid}, 1)\"]",
                          "[/usr/bin/systemctl, try-restart, lapce-ai-service.service]=[/usr/bin/true]",
                          f"http://127.0.0.1:8080=http://127.0.0.1:{self.service.port}", f"http://127.0.0.1:9090=http://127.0.0.1:{prometheus_port}",
                          f"http://127.0.0.1:9093={self.alertmanager.url}", f"/etc/rollbackd/={folder}/",
                          f"https://oncall.example.com/hook={self.pager.url}/hook")
        (folder / "web.yml").write_text(web_config())
        rules = [compressed(ROOT / f"deploy/prometheus/{name}.yml") for name in ("cst-recording", "cst-alerts", "rollbackd-alerts")]
        rules = rules[0] + "".join(r.split("groups:\n", 1)[1] for r in rules[1:])
        self.daemon = daemons(text)
        self.daemon.port = port
        self.daemon.spawn(args=[f"--web.config.file={folder}/web.yml"])
        self.daemon.wait_ready()
        prometheus = Prometheus(folder / "prometheus", [("lapce-ai-service", f"127.0.0.1:{self.service.port}"), ("rollbackd", f"127.0.0.1:{port}")],
                                rules, [self.alertmanager], port=prometheus_port)
        self.prometheus = programs(prometheus)

    def call(self, who, method, path, body=None):
        token = base64.b64encode(f"{who}:{PEOPLE[who]}".encode()).decode()
        return self.daemon.call(method, path, body, headers={"Authorization": f"Basic {token}"})

    def rollout(self):
        status, out = self.call("alice", "GET", "/api/v1/rollouts/cst-pipeline")
        assert status == 200, out
        return out["data"]

    def move(self, who, what, **body):
        return self.call(who, "POST", f"/api/v1/rollouts/cst-pipeline/{what}", body)

    def done(self, who, what, **body):
        status, out = self.move(who, what, **body)
        assert status == 200, (what, body, out)
        return out["data"]

    def missing(self):
        return sorted({m["what"] for m in self.rollout()["next"]["missing"]})

    def tick_all(self):
        for name, items in [(c["name"], c["items"]) for c in self.rollout()["checklists"] if c["of_stage"]]:
            for n in range(len(items)):
                self.done("alice", "check", checklist=name, item=str(n + 1))

    def wait_missing(self, *what, timeout=90):
        def only():
            return self.missing() == sorted(what)
        only.__name__ = f"only {what} missing"
        try:
            until(only, timeout, every=0.25)
        except AssertionError as e:
            raise AssertionError(f"{e}; missing: {self.rollout()['next']['missing']}; {self.rollout()['clock']}; {self.rollout()['watch']}")

    def enter(self, stage, percentage):
        self.done("alice", "advance")
        until(lambda: self.rollout()["stage"] == stage and self.rollout()["clock"]["entered_at"], 30)
        assert self.service.percentage() == percentage

    def told(self, words, timeout=60):
        return until(lambda: [t for t in self.chat.texts() if words in t], timeout)[-1]

    def close(self):
        self.service.stop()
        self.pager.close()


@pytest.fixture
def plan(folder, chat, programs, daemon_of):
    p = Plan(folder, chat, programs, lambda text: daemon_of(text, start=False))
    yield p
    p.close()


def announced(plan, stage, percentage, duration):
    """interface.md, section 5, line by line."""
    lines = plan.told(f"Stage {stage}: {percentage}% traffic").splitlines()
    assert lines[0] == f"[ROLLOUT] CST Pipeline Stage {stage}: {percentage}% traffic"
    assert re.fullmatch(r"- Started: \d{4}-\d\d-\d\d \d\d:\d\d UTC", lines[1])
    assert lines[2] == f"- Duration: {duration}"
    assert lines[3] == "- Monitoring: https://grafana.example.com/d/cst-rollout"
    assert lines[4] == f"- Rollback: rollbackctl rollback cst-pipeline --stage {stage}"


def test_the_whole_plan(plan):
    until(lambda: plan.rollout()["watch"]["heartbeat_at"], 60)

    # 0 → 1: the checklist of the staging stage
    assert plan.rollout()["stage"] is None and plan.missing() == ["stage"]
    plan.done("alice", "set", stage=0)
    status, out = plan.move("alice", "advance")
    assert status == 409 and [m["what"] for m in out["data"]["missing"]] == ["checklist"] * 12
    plan.tick_all()
    plan.enter(1, 10)
    announced(plan, 1, 10, "6 s")

    # 1 → 2: refused without approval, refused while a criterion fails, then granted
    plan.wait_missing("approval", "checklist")
    plan.tick_all()
    status, out = plan.move("alice", "advance")
    assert status == 409 and [m["text"] for m in out["data"]["missing"]] == ["approval of role engineering-lead for leaving stage 1"]
    status, out = plan.move("bob", "approve", role="engineering-lead")
    assert status == 403, out
    plan.done("alice", "approve", role="engineering-lead", note="looks good")
    plan.service.fault(errors=0.003)
    until(lambda: "criterion" in plan.missing(), 40, every=0.25)
    status, out = plan.move("alice", "advance")
    assert status == 409 and re.search(r"error rate delta: fails: 0\.00\d+ ratio, at most 0\.001", str(out["data"]["missing"]))
    plan.service.heal()
    plan.wait_missing()
    plan.enter(2, 25)
    announced(plan, 2, 25, "9 s")

    # back by an alert: approvals are gone
    plan.done("alice", "approve", role="engineering-lead")
    plan.service.fault(errors=0.3)
    incident = until(lambda: plan.call("alice", "GET", "/api/v1/incidents")[1]["data"], 60)[0]["id"]
    until(lambda: plan.call("alice", "GET", f"/api/v1/incidents/{incident}")[1]["data"]["state"] == "rolled_back", 60)
    assert plan.service.percentage() == 0
    lines = plan.told("Rolled back to 0%").splitlines()
    assert lines[0] == "[INCIDENT] CST Pipeline Auto-Rollback" and lines[1].startswith("- Trigger: ")
    assert lines[2:6] == ["- Stage: 2 (25% traffic)", "- Action: Rolled back to 0%", "- Status: Investigating", "- ETA: not set"]
    assert [a["person"] for a in plan.rollout()["approvals"]] == [None, None]
    assert plan.rollout()["clock"]["clean"] == 0
    assert any(b["what"] == "rolled_back" for b in plan.pager.bodies)
    plan.service.heal()
    until(lambda: plan.call("alice", "GET", f"/api/v1/incidents/{incident}")[1]["data"]["state"] == "resolved", 120)

    # 2 again, 3, 4: two roles want two people
    plan.wait_missing()
    plan.enter(2, 25)
    plan.wait_missing("approval", "checklist")
    plan.tick_all()
    plan.done("alice", "approve", role="engineering-lead")
    assert plan.move("alice", "approve", role="product-owner")[0] == 403
    plan.done("bob", "approve", role="product-owner")
    plan.wait_missing()
    plan.enter(3, 50)
    announced(plan, 3, 50, "21 s")
    plan.wait_missing("approval", "checklist")
    plan.tick_all()
    plan.done("carol", "approve", role="engineering-director")
    plan.wait_missing()
    plan.enter(4, 100)
    announced(plan, 4, 100, "for good")

    # milestones, from the real entering of the last stage; the pinned baseline survives the end of legacy's traffic
    plan.told("due: Two weeks of stable operation")
    plan.told("due: Celebrate success", 90)
    assert plan.missing() == ["stage"]
    assert {b["metric"] for b in plan.rollout()["baselines"]} == {"error_ratio", "latency_p95"}
    assert not [t for t in plan.chat.texts() if "BLIND" in t]
