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

    # 0 → 1: what blocks it, the review of the plan, the checklist of the staging stage, partly ticked by CI, the go decision
    plan.wait_missing("blocked", "stage")   # once the fallback's probe has answered
    assert plan.rollout()["stage"] is None
    plan.done("alice", "set", stage=0)
    status, out = plan.move("alice", "advance")
    words = [m["what"] for m in out["data"]["missing"]]
    assert status == 409 and words[:4] == ["blocked", "plan_review", "approval", "checklist"] and set(words[3:]) == {"checklist"}
    plan.done("alice", "done", item="lancedb", note="resolved upstream")
    plan.done("alice", "done", item="review")
    assert plan.move("carol", "approve", role="go-no-go")[0] == 409          # not before the other gates hold
    for name in ("unit-tests", "integration-tests", "security-scan", "benchmarks", "staging"):
        plan.done("ci", "evidence", name=name, verdict="pass", link=f"https://ci.example.com/{name}", sha="4f2c1e", expires="14d")
    assert plan.move("ci", "check", item="1")[0] == 403 and plan.move("alice", "evidence", name="staging", verdict="pass")[0] == 403
    items = {i["text"]: i for c in plan.rollout()["checklists"] if c["of_stage"] for i in c["items"]}
    assert items["Security scan clean"] | {"at": 0, "expires": 0} == {
        "text": "Security scan clean", "state": "done", "person": "ci", "at": 0, "note": None, "verdict": "pass", "sha": "4f2c1e",
        "link": "https://ci.example.com/security-scan", "expires": 0, "evidence": "security-scan", "by": None, "every": None, "valid": None}
    plan.tick_all()
    plan.done("carol", "approve", role="go-no-go", note="go")
    plan.done("ci", "evidence", name="unit-tests", verdict="fail", link="https://ci.example.com/9")
    plan.told('the approval of carol as go-no-go counts no more: checklist pre-rollout: "All unit tests passing" failed')
    plan.done("ci", "evidence", name="unit-tests", verdict="pass")
    [go] = plan.rollout()["approvals"]
    assert go["person"] == "carol" and not go["counts"] and "failed" in go["void_why"] and go["evidence"]["checklist"][0]["verdict"] == "pass"
    plan.done("carol", "approve", role="go-no-go", note="go again")
    plan.enter(1, 10)
    left = {c["name"]: c for c in plan.rollout()["checklists"]}["pre-rollout"]
    assert left["left"] and {i["state"] for i in left["items"]} == {"done"} and left["items"][4]["person"] == "alice"
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
    plan.told("the approval of alice as engineering-lead counts no more: ")
    plan.service.heal()
    plan.wait_missing("approval")
    assert "counts no more" in plan.rollout()["next"]["missing"][0]["text"]
    plan.done("alice", "approve", role="engineering-lead", note="looks good again")
    plan.enter(2, 25)
    announced(plan, 2, 25, "9 s")

    # back by an alert: nobody could approve yet, and ticks are gone
    assert plan.move("alice", "approve", role="engineering-lead")[0] == 409
    plan.tick_all()
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
    plan.wait_missing("reason")
    assert "it would go from 0% to 25% at once: begin lower (rollbackctl stage set cst-pipeline 1)" in plan.rollout()["next"]["missing"][0]["text"]
    plan.enter(2, 25, reason="a fault of the demo, mended")
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
    plan.done("alice", "done", item="cost comparison", note="a third cheaper")
    status, out = plan.move("carol", "approve", role="engineering-director", milestone="Remove legacy")
    assert status == 409 and "stage 4 has not been called stable yet" in out["error"]
    status, out = plan.move("alice", "certify")
    assert status == 409 and {m["what"] for m in out["data"]["missing"]} >= {"checklist"}        # the post-rollout items are asked for
    plan.tick_all()
    until(lambda: plan.rollout()["certificate"]["ready"], 60)
    plan.done("alice", "certify", note="no incident since week 3")
    plan.told("due: Celebrate success", 90)
    assert plan.move("alice", "done", item="remove legacy")[0] == 409
    plan.done("carol", "approve", role="engineering-director", milestone="Remove legacy")
    plan.done("alice", "done", item="remove legacy")
    done = {m["text"]: (m["done_by"], m["note"]) for m in plan.rollout()["milestones"] if m["done_by"]}
    assert done == {"Cost comparison with legacy": ("alice", "a third cheaper"), "Remove legacy code": ("alice", None)}
    assert not [t for t in plan.chat.texts() if "due: Cost comparison" in t]
    assert plan.missing() == ["stage"]
    assert {b["metric"] for b in plan.rollout()["baselines"]} == {"error_ratio", "latency_p95"}
    assert not [t for t in plan.chat.texts() if "BLIND" in t]
