"""The shipped config through the whole plan, in compressed time (tests/compress.py), on the real Prometheus and Alertmanager and the
demo service: 0, 1, 2, back by an alert, 2 again, 3, back by hand, 3 again, 4, stable, and the milestones until week 12. Each of
the plan's 34 rows (walk.py) is shown on the way by what people would type; every message reads as it should."""
import json
import re
import signal
from urllib.parse import quote

import pytest
from harness import ROOT, basic, request, until
from shipped_plan import PEOPLE
from test_dashboards import queries
from walk import AMTOOL, LATER, ROWS, STAGE, Walk, all_read_as_they_should, checked, environment_of

HOURLY = "{text: Review error logs, every: 60s}={text: Review error logs, every: 8s}"
REPORTS = ('{name: daily, cron: "0 9 * * *"}={name: daily, cron: "* * * * *"}', '{name: weekly, cron: "0 9 * * 1"}={name: weekly, cron: "* * * * *"}',
           '{name: final, cron: "0 9 * * 1"}={name: final, cron: "* * * * *"}')


@pytest.fixture
def walk(folder, chat, programs, daemon_of):
    started = []

    def make(*replacements, **kw):
        started.append(Walk(folder, chat, programs, lambda text: daemon_of(text, start=False), *replacements, **kw))
        return started[0]

    yield make
    for w in started:
        w.table()
        w.close()


def announced(plan, stage, percentage, duration):
    """What a stage that was entered says, line by line."""
    lines = plan.told(f"Stage {stage}: {percentage}% traffic").splitlines()
    assert lines[0] == f"[ROLLOUT] CST Pipeline Stage {stage}: {percentage}% traffic"
    assert lines[2] == f"- Duration: {duration}"
    assert lines[4] == f"- Rollback: rollbackctl rollback cst-pipeline --stage {stage}"
    assert all(re.fullmatch(wanted, line) for wanted, line in zip(STAGE, lines)), lines
    return lines


# --- flags ---

def the_flags(plan):
    out = plan.ctl(1, "flags", "cst-pipeline")
    want = {"CST_PIPELINE_ENABLED": "true", "CST_ROLLOUT_PERCENTAGE": "10", "CST_INCREMENTAL_INDEXING": "true", "CST_TIERED_CACHE": "true",
            "CST_EMBEDDING_REUSE": "true", "CST_LEGACY_FALLBACK": "true"}
    for name, value in want.items():
        assert re.search(rf"^  {name} +{value}$", out, re.M), out
    auth = basic("alice", PEOPLE["alice"])
    status, headers, body = request(plan.daemon.port, "GET", "/api/v1/rollouts/cst-pipeline/flags", headers=auth)
    assert status == 200 and json.loads(body)["data"]["flags"] == {k: int(v) if v.isdigit() else v == "true" for k, v in want.items()}
    again = request(plan.daemon.port, "GET", "/api/v1/rollouts/cst-pipeline/flags", headers={**auth, "If-None-Match": headers["ETag"]})
    assert again[0] == 304
    plan.shows(1, "curl -i .../api/v1/rollouts/cst-pipeline/flags", f"ETag: {headers['ETag']}\n{body.decode()}")
    # the process was started with another percentage, or none; nobody restarted it, and it follows
    live = request(plan.service.port, "GET", "/flags")[2].decode()
    assert "CST_ROLLOUT_PERCENTAGE" not in environment_of(plan.service.process.pid) and plan.service.process.poll() is None
    plan.shows(2, "curl http://127.0.0.1:8080/flags   (its environment has no percentage; it was reloaded, not restarted)", live, r"\b10\b")


def a_value_in_doubt(plan):
    good = plan.service.flags.read_text()
    plan.service.flags.write_text(good.replace("CST_ROLLOUT_PERCENTAGE=10", "CST_ROLLOUT_PERCENTAGE=10%"))
    page = until(lambda: [b["text"] for b in plan.pager.bodies if b["what"] == "flags_unusable"], 30)[-1]
    plan.shows(3, "echo CST_ROLLOUT_PERCENTAGE=10% >> flags.env   (what the pager gets)", page, "10%")
    plan.ctl(3, "status", wanted=[r"^  Doubt +.*CST_ROLLOUT_PERCENTAGE is \"10%\", which is no percentage"])
    assert plan.service.percentage() == 10       # never rounded to a guess, and nobody acted on it
    plan.service.flags.write_text(good)
    until(lambda: [b for b in plan.pager.bodies if b["what"] == "flags_usable"], 30)


def takes_new_way(plan):
    keys = [f"workspace-{n}" for n in range(200)]
    return {k for k in keys if json.loads(request(plan.service.port, "GET", "/decide?key=" + quote(k))[2])["pipeline"] == "cst"}


def who_takes_the_new_way(plan, before):
    now = takes_new_way(plan)
    assert before < now         # always the same ones, and more of them
    key = sorted(before)[0]
    plan.ctl(4, "flags", "explain", "cst-pipeline", "--key", key, wanted=["new way"])
    return now


# --- stages ---

def the_stage(plan):
    plan.ctl(5, "status", wanted=[r"^  Stage +1 Canary$", r"^  Clean +.* of 6 s$", r"^  Next +stage 2 Expanded Canary: \d+ missing"])
    stages = [(s["number"], s["percentage"], s["environment"]) for s in plan.rollout()["stages"]]
    assert stages == [(0, 100, "staging"), (1, 10, "production"), (2, 25, "production"), (3, 50, "production"), (4, 100, "production")]
    until(lambda: {c["state"] for c in plan.rollout()["criteria"]} == {"holds"}, 60, every=0.25)
    out = plan.ctl(6, "stage", "cst-pipeline", wanted=[r"criterion +error rate delta +holds: .*%, at most 0\.1%$"])
    assert len(re.findall(r"^  criterion ", out, re.M)) == 8
    gate = {c["name"]: c.get("max") or c.get("min") for c in plan.rollout()["criteria"]}
    assert (gate["error rate delta"], gate["p95 latency delta"], gate["cache hit rate"], gate["memory growth"]) == (0.001, 0.1, 0.8, 10e6)
    plan.shows(7, "rollbackctl stage cst-pipeline", out, r"p95 latency delta +holds: .* at most 0\.1$", r"cache hit rate +holds: .*%, at least 80%$",
               r"memory growth +holds: .* at most 10 MB per minute$")


def the_pre_rollout_list(plan):
    out = plan.ctl(11, "checklist", "cst-pipeline", wanted=[
        r"^  \[x\] All unit tests passing - ci, ", r"^  \[x\] Runbook reviewed and validated - alice, "])
    items = re.search(r"^pre-rollout:\n((?:  .*\n)+)", out, re.M)[1].splitlines()
    assert len(items) == 11 and all(i.startswith("  [x] ") for i in items), items
    assert re.search(r"Security scan clean - ci, .*, https://ci\.example\.com/security-scan", out)


def the_numbers(plan):
    """Recorded once for rules, criteria, dashboards and compare; the stage that the rules go by is a metric of rollbackd."""
    for query in ("cst:error_ratio:rate5m", "baseline:error_ratio"):
        plan.prom(15, query)
    for query in ("cst:latency_p95:rate5m", "legacy:latency_p95:rate5m"):
        assert len(plan.prom(16, query).splitlines()) == 1       # one over all instances
    plan.prom(17, "max(deriv(cst_memory_rss_bytes[90s])) * 60")
    plan.prom(19, 'rollbackd_rollout_stage{rollout="cst-pipeline"}', " 2$")
    plan.shows(21, "amtool check-config deploy/alertmanager/alertmanager.yml", checked(AMTOOL, "check-config", ROOT / "deploy/alertmanager/alertmanager.yml"), "SUCCESS")
    r = plan.cli("doctor", "--config", str(plan.daemon.config))
    for row, wanted in ((21, r"^ok +CanaryErrorRateBurst\b.*"), (18, r"^\w+ +CanaryErrorRateBurst\b.*scrape .* = ")):
        plan.shows(row, "rollbackctl doctor", "\n".join(line for line in r.splitlines() if "CanaryErrorRateBurst" in line or "Watchdog" in line), wanted)


def the_dashboards(plan):
    said = []
    for board, title, expr in queries():
        if plan.prometheus.query(expr):
            said.append(f"{board}: {title}: data")
    plan.shows(30, "each query of deploy/grafana/dashboards", "\n".join(said), "Error rate")
    assert len(said) > 20, said


# --- rollbacks ---

def what_a_rollback_leaves(plan, number):
    i = plan.incident(number)
    assert i["verification"]["written"]["state"] == i["verification"]["acknowledged"]["state"] == i["verification"]["effective"]["state"] == "yes"
    plan.ctl(22, "incident", str(number), wanted=["0% seen 2 times in a row", "Rolled back to 0%"])
    plan.ctl(14, "incidents", wanted=["Rolled back to 0%"])
    page = [b["text"] for b in plan.pager.bodies if b["what"] == "rolled_back"][0]
    plan.shows(25, "what the pager got", page, r"^- Action: Rolled back to 0%$")
    until(lambda: plan.incident(number)["snapshot"]["state"] == "done", 60, every=0.25)
    plan.ctl(25, "incident", "report", str(number), wanted=[r"^## Timeline$", r"^## Metrics$", r"error\\_ratio\\_cst"])
    detection = plan.incident(number)["sla"]["detection"]
    assert detection["met"] and detection["seconds"] < 120
    out = plan.ctl(26, "sla", "cst-pipeline", wanted=["1 rollback$", r"DETECTED +DECIDED +APPLIED +VERIFIED +TOTAL", "detection", "total"])
    assert "MISSED" not in out, out


def back_by_hand(plan):
    plan.script(23, "get_cst_percentage", wanted=["^50$"])
    plan.script(23, "compare_pipeline_performance.sh", "--cst-percentage", "50", "--duration", "2m", "--threshold", "0.05", code=4,
                wanted=["^METRIC +CANDIDATE +BASELINE", "^Verdict: inconclusive .*not the comparison asked for"])
    plan.script(24, "rollback_cst_pipeline.sh", "--stage", "1", "--reason", "looks odd", code=3, wanted=["stage 3"])
    assert plan.service.percentage() == 50
    plan.script(24, "rollback_cst_pipeline.sh", "--stage", "3", "--reason", "looks odd", wanted=["rolled back and verified"])
    assert plan.service.percentage() == 0
    i = plan.incidents()[0]
    assert i["kind"] == "manual" and i["percentage_wanted"] == 0
    lines = plan.told("CST Pipeline Manual Rollback").splitlines()
    assert "looks odd" in lines[1] and lines[1].endswith(", by alice") and lines[2] == "- Stage: 3 (50% traffic)", lines
    until(lambda: plan.incident(i["id"])["snapshot"]["state"] == "done", 60, every=0.25)
    assert plan.call("alice", "POST", f"/api/v1/incidents/{i['id']}/resolve", {"note": "a rehearsal"})[0] == 200


def again(plan, stage, percentage, why):
    plan.wait_missing("reason")
    assert "begin lower (rollbackctl stage set cst-pipeline 1)" in plan.rollout()["next"]["missing"][0]["text"]
    plan.enter(stage, percentage, reason=why)
    lines = plan.told(f"- Reason given by alice: {why}").splitlines()
    assert lines[0] == f"[ROLLOUT] CST Pipeline Stage {stage}: {percentage}% traffic" and lines[5].startswith("- Reason given by")


# --- after the last stage ---

def post_rollout(plan):
    """What is known of the post-rollout items stands beside them, and is their note when nobody gives one."""
    until(lambda: "[x] Legacy fallback still available - rollbackd" in plan.cli("checklist", "cst-pipeline"), 30, every=0.25)
    plan.ctl(9, "checklist", "cst-pipeline", wanted=[r"\[x\] Legacy fallback still available - rollbackd, .*: all 3 checks of fallback_probe hold$"])
    items = {i["text"]: i for c in plan.rollout()["checklists"] if c["of_stage"] for i in c["items"]}
    assert list(items)[2:] == ["Analyze performance vs baseline", "Review all incidents", "Update documentation", "Cost analysis",
                               "User satisfaction survey", "Lessons learned session"]
    known = items["Review all incidents"]["known"]
    assert re.match(r"2 incidents, 2 rollbacks, 0 P0; \d+, .* looks odd: rolled back; \d+, .*: rolled back$", known), known
    until(lambda: "; errors " in {i["text"]: i for c in plan.rollout()["checklists"] if c["of_stage"] for i in c["items"]}["Analyze performance vs baseline"]["known"], 60)
    plan.ctl(13, "checklist", "--done", "Review all incidents")
    plan.ctl(13, "checklist", "--done", "Analyze performance")
    items = {i["text"]: i for c in plan.rollout()["checklists"] if c["of_stage"] for i in c["items"]}
    assert (items["Review all incidents"]["note"], items["Review all incidents"]["known"], items["Update documentation"]["known"]) == (known, None, None)
    plan.ctl(13, "checklist", "cst-pipeline", wanted=[
        r"\[ \] Cost analysis\n      known: .*; requests_per_cpu_second \w+, .* against .*; api_calls_per_request ",
        r"\[x\] Review all incidents - alice, .*: 2 incidents", r"\[x\] Analyze performance vs baseline - alice, .*; errors \w+, .*% against .*%"])


def the_end(plan):
    names = ["Two weeks of stable operation: rollbackctl stage certify", "Performance analysis report", "Cost comparison with legacy", "User satisfaction survey",
             "Incident review and root cause analysis", "Update architectural documents", "Knowledge transfer sessions",
             "Identify remaining legacy dependencies", "Plan code removal", "Update CI/CD pipelines", "Archive legacy documentation",
             "Legacy code may be removed after the final review", "Remove legacy code", "Update build systems", "Simplify configuration", "Celebrate success"]
    told = [re.search("due: (.*)", t)[1] for t in plan.chat.texts() if "due: " in t and "overdue" not in t]
    assert [t.split(",")[0] for t in told] == [n for n in names if n != "Cost comparison with legacy"], told       # that one was done before
    out = plan.ctl(10, "milestones", "cst-pipeline", wanted=[r"\[x\] Remove legacy code - alice", r"\[ \] Celebrate success \(DUE since "])
    assert all(n in out for n in names)
    plan.ctl(34, "report", "--final", wanted=[
        r"^- Success metrics of the whole rollout: \d+ met, \d+ missed, \d+ unknown$", r"^  - error rate delta: ", r"^  - p95 latency: ", r"^  - cache hit rate: ",
        r"^  - embedding reuse: ", r"^  - memory: .* 3 GB", r"^  - zero P0 incidents: met: 0$", r"^  - zero rollbacks: missed: 2 \(drills do not count: 0\)$"])
    plan.ctl(5, "report", "--weekly", wanted=[r"^- Dates, planned beside actual:\n  - 0 Pre-Production: planned .*, entered ",
                                            r"^  - 4 Full: planned .* CES?T, entered .* CES?T"])
    plan.ctl(9, "stage", "cst-pipeline", wanted=[r"fallback ready: yes"])
    assert plan.daemon.metric("rollbackd_fallback_ready", rollout="cst-pipeline") == 1
    plan.prom(15, "baseline:error_ratio")        # legacy has no traffic any more


def everybody_was_told(plan):
    texts = plan.chat.texts()
    all_read_as_they_should([*texts, *(b["text"] for b in plan.pager.bodies)])
    stages = [t.splitlines()[0] for t in texts if re.match(r"\[ROLLOUT\] CST Pipeline Stage \d: [\d.]+% traffic\n", t)]
    assert stages == [f"[ROLLOUT] CST Pipeline Stage {n}: {p}% traffic" for n, p in ((1, 10), (2, 25), (2, 25), (3, 50), (3, 50), (4, 100))]
    plan.shows(31, "what chat and pager got", "\n\n".join(t for t in texts if t.startswith(("[ROLLOUT] CST Pipeline Stage 2", "[INCIDENT]")))[:3000])
    on_call = [b["text"].splitlines()[0] for b in plan.pager.bodies]
    assert [t for t in on_call if re.match(r"\[ROLLOUT\] CST Pipeline Stage \d: [\d.]+% traffic$", t)] == stages
    plan.shows(32, "the first lines of what the pager got", "\n".join(on_call), *[rf"Stage {n}: {p}% traffic$" for n, p in ((1, 10), (2, 25), (3, 50), (4, 100))])
    for kind in ("daily", "weekly", "final"):
        plan.shows(32, f"the {kind} report that was sent", plan.told(f"[REPORT] CST Pipeline, {kind}: "), rf"^\[REPORT\] CST Pipeline, {kind}: ", "^- Stage: ")


# --- contingencies ---

def fires(plan, name, summary, ends=None, **labels):
    """Through the real Alertmanager, as the shipped rule would."""
    plan.alertmanager.fire(name, ends=ends, annotations={"summary": summary}, rollout="cst-pipeline", **labels)


def nobody_watches(plan):
    plan.alertmanager.process.send_signal(signal.SIGSTOP)
    page = until(lambda: [b["text"] for b in plan.pager.bodies if b["what"] == "blind" and "heartbeat" in b["text"]], 60)[-1]
    plan.shows(20, "kill -STOP alertmanager   (what the pager gets)", page, "BLIND")
    plan.ctl(20, "status", wanted=["NOT WATCHED"])
    plan.alertmanager.process.send_signal(signal.SIGCONT)
    until(lambda: plan.pager.bodies[-1]["what"] == "sees_again", 60)


def slower_than_legacy(plan):
    words = ("CanaryLatencyP95Degraded", "p95 is 20 % above legacy")
    labels = {"action": "rollback_previous_stage", "severity": "warning"}
    fires(plan, *words, **labels)
    i = until(lambda: next(iter(plan.incidents()), None), 30)
    told = plan.told("unless every alert resolves first")
    assert told.splitlines()[0] == "[INCIDENT] CST Pipeline Rollback Pending" and plan.service.percentage() == 25
    plan.shows(27, "what the chat got", told, r"^- Action: Rolls back to 10% at .*, in \d+ s, unless every alert resolves first$")
    plan.wait_incident(i["id"], "rolled_back")
    assert plan.service.percentage() == 10
    plan.ctl(27, "incident", str(i["id"]), wanted=["Rolled back to 10%"])
    fires(plan, *words, ends=-1, **labels)
    plan.wait_incident(i["id"], "resolved")


def it_leaks(plan):
    words = ("CanaryMemoryLeak", "Memory grows by more than 10 MB a minute")
    fires(plan, *words, scenario="memory_leak")
    i = until(lambda: next((i for i in plan.incidents() if i["playbook"] == "memory-leak"), None), 30)
    plan.wait_incident(i["id"], "rolled_back")
    assert plan.service.percentage() == 0
    until(lambda: "heap-snapshot" in plan.did())
    plan.ctl(28, "incident", str(i["id"]), wanted=["heap snapshot", "Rolled back to 0%"])
    fires(plan, *words, ends=-1, scenario="memory_leak")
    plan.wait_incident(i["id"], "resolved")
    until(lambda: "restart" in plan.missing(), 30)
    plan.ctl(28, "stage", "cst-pipeline", wanted=["after the last incident it starts again from stage 0 only"])


def through_staging_again(plan):
    plan.done("alice", "set", stage=0)
    for item in ("lancedb", "review"):
        plan.done("alice", "done", item=item)
    plan.tick_all()
    plan.keep_ticked("approval")
    plan.done("carol", "approve", role="go-no-go")
    plan.keep_ticked()
    plan.enter(1, 10)


def corrupt(plan):
    words = ("CanaryIndexCorruption", "Index validation failed")
    fires(plan, *words, scenario="data_corruption")
    i = until(lambda: next((i for i in plan.incidents() if i["playbook"] == "data-corruption"), None), 30)
    plan.wait_incident(i["id"], "rolled_back")
    assert plan.service.percentage() == 0
    until(lambda: plan.did()[-2:] == ["indexer halt", "indexer validate"])
    until(lambda: any("restore waits for you" in b["text"] or "restore" in b["text"] for b in plan.pager.bodies if b["what"] == "waits_for_approval"))
    plan.ctl(29, "incident", "approve", str(i["id"]), "backup of 03:00")
    until(lambda: plan.did()[-1] == "indexer restore")
    plan.ctl(29, "stage", "cst-pipeline", wanted=[r"must be reviewed first: rollbackctl incident review"])
    plan.ctl(29, "incident", "review", str(i["id"]), "lock order fixed")
    assert "review" not in plan.missing() and "restart" in plan.missing()


def test_the_contingencies(walk, folder):
    for name in ("indexer", "heap-snapshot"):
        (folder / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {folder}/did.log\n')
        (folder / name).chmod(0o755)
    (folder / "did.log").touch()
    plan = walk(f"/usr/bin/cst-indexer={folder}/indexer", f"/usr/bin/cst-heap-snapshot={folder}/heap-snapshot",
                "timeout: 300s}\n\nrollouts:=timeout: 15s}\n\nrollouts:", "to: previous_stage, after: 60s=to: previous_stage, after: 4s", percentage=25)
    until(lambda: plan.rollout()["watch"]["heartbeat_at"] and plan.rollout()["clock"]["runs"], 90, every=0.25)
    nobody_watches(plan)
    slower_than_legacy(plan)
    it_leaks(plan)
    through_staging_again(plan)
    corrupt(plan)
    all_read_as_they_should([*plan.chat.texts(), *(b["text"] for b in plan.pager.bodies)])
    assert set(plan.shown) == LATER


def test_the_whole_plan(walk):
    plan = walk(HOURLY, *REPORTS)
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
        "text": "Security scan clean", "state": "done", "person": "ci", "at": 0, "note": None, "verdict": "pass", "sha": "4f2c1e", "known": None,
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
    the_pre_rollout_list(plan)
    the_flags(plan)
    a_value_in_doubt(plan)
    at_10 = takes_new_way(plan)
    assert 5 <= len(at_10) <= 40

    # 1 → 2: refused without approval, refused while a criterion fails, then granted
    plan.wait_missing("approval", "checklist")
    plan.tick_all()
    the_stage(plan)
    plan.told('overdue: "Review error logs"')
    plan.shows(12, "what the chat got", plan.told('overdue: "Review error logs"'))
    plan.tick_all()
    status, out = plan.move("alice", "advance")
    assert status == 409 and [m["text"] for m in out["data"]["missing"]] == ["approval of role engineering-lead for leaving stage 1"]
    plan.shows(8, "rollbackctl stage advance cst-pipeline", out["error"] + "\n" + "\n".join(m["text"] for m in out["data"]["missing"]))
    status, out = plan.move("bob", "approve", role="engineering-lead")
    assert status == 403, out
    plan.done("alice", "approve", role="engineering-lead", note="looks good")
    plan.service.fault(errors=0.003)
    until(lambda: "criterion" in plan.missing(), 40, every=0.25)
    status, out = plan.move("alice", "advance")
    assert status == 409 and re.search(r"error rate delta: fails: 0\.\d+%, at most 0\.1%", str(out["data"]["missing"]))
    plan.told("the approval of alice as engineering-lead counts no more: ")
    plan.service.heal()
    plan.keep_ticked("approval")
    assert "counts no more" in plan.rollout()["next"]["missing"][0]["text"]
    plan.done("alice", "approve", role="engineering-lead", note="looks good again")
    plan.keep_ticked()
    plan.enter(2, 25)
    announced(plan, 2, 25, "9 s")
    at_25 = who_takes_the_new_way(plan, at_10)
    notes = plan.ctl(33, "stage", "publish", "cst-pipeline")
    plan.shows(33, "what the chat got", plan.told("A new parser reads your code for a part of our users.") + notes)
    the_numbers(plan)
    the_dashboards(plan)

    # back by an alert: nobody could approve yet, and ticks are gone
    assert plan.move("alice", "approve", role="engineering-lead")[0] == 409
    plan.tick_all()
    plan.service.fault(errors=0.3)
    incident = until(lambda: next((i for i in plan.incidents() if i["percentage_wanted"] == 0), None), 60)["id"]
    until(lambda: plan.incident(incident)["state"] == "rolled_back", 60)
    assert plan.service.percentage() == 0
    lines = plan.told("Rolled back to 0%").splitlines()
    assert lines[0] == "[INCIDENT] CST Pipeline Auto-Rollback" and lines[1].startswith("- Trigger: ")
    assert lines[2:6] == ["- Stage: 2 (25% traffic)", "- Action: Rolled back to 0%", "- Status: Investigating", "- ETA: not set"]
    assert [a["person"] for a in plan.rollout()["approvals"]] == [None, None]
    assert plan.rollout()["clock"]["clean"] == 0
    until(lambda: any(b["what"] == "rolled_back" for b in plan.pager.bodies))
    plan.service.heal()
    what_a_rollback_leaves(plan, incident)
    until(lambda: plan.incident(incident)["state"] == "resolved", 120)

    # 2 again, 3, by hand back and 3 again, 4: two roles want two people
    again(plan, 2, 25, "a fault of the demo, mended")
    plan.wait_missing("approval", "checklist")
    plan.tick_all()
    plan.done("alice", "approve", role="engineering-lead")
    assert plan.move("alice", "approve", role="product-owner")[0] == 403
    plan.done("bob", "approve", role="product-owner")
    plan.keep_ticked()
    plan.enter(3, 50)
    announced(plan, 3, 50, "21 s")
    who_takes_the_new_way(plan, at_25)
    back_by_hand(plan)
    again(plan, 3, 50, "a rehearsal")
    plan.wait_missing("approval", "checklist")
    plan.tick_all()
    plan.done("carol", "approve", role="engineering-director")
    plan.keep_ticked()
    plan.enter(4, 100)
    announced(plan, 4, 100, "for good")

    # milestones, from the real entering of the last stage; the pinned baseline survives the end of legacy's traffic
    plan.done("alice", "done", item="cost comparison", note="a third cheaper")
    post_rollout(plan)
    plan.told("due: Two weeks of stable operation")
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
    assert plan.missing() == ["stage"]
    assert {b["metric"] for b in plan.rollout()["baselines"]} == {"error_ratio", "latency_p95"}
    assert not [t for t in plan.chat.texts() if "BLIND" in t]
    the_end(plan)
    everybody_was_told(plan)
    assert set(plan.shown) == set(ROWS) - LATER
