"""The shipped config through the whole plan, in compressed time (tests/compress.py), on the real Prometheus and Alertmanager
and the demo service: 0, 1, 2, back by an alert, 2 again, 3, 4, milestones."""
import re

import pytest
from harness import until
from shipped_plan import Plan


@pytest.fixture
def plan(folder, chat, programs, daemon_of):
    p = Plan(folder, chat, programs, lambda text: daemon_of(text, start=False))
    yield p
    p.close()


def announced(plan, stage, percentage, duration):
    """What a stage that was entered says, line by line."""
    lines = plan.told(f"Stage {stage}: {percentage}% traffic").splitlines()
    assert lines[0] == f"[ROLLOUT] CST Pipeline Stage {stage}: {percentage}% traffic"
    assert re.fullmatch(r"- Started: \d{4}-\d\d-\d\d \d\d:\d\d CES?T", lines[1])
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
    until(lambda: any(b["what"] == "rolled_back" for b in plan.pager.bodies))
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
