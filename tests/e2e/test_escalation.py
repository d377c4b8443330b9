"""One incident that gets worse: a hold, a memory leak that lowers, an index corruption. What is told is true of what lowered it."""
import re

import pytest

from harness import Prometheus, Server, alert, config, ctl, parse_time, slack_channel, until

PLAYBOOKS = """playbooks:
  - {name: growth, match: ['action="hold"'], hold: true}
  - name: memory-leak
    match: ['action="auto_rollback"', 'scenario="memory_leak"']
    severity: critical
    rollback: {to: 0}
    then: [{name: heap snapshot, command: [/bin/true]}]
  - name: data-corruption
    match: ['action="auto_rollback"', 'scenario="data_corruption"']
    severity: P0
    rollback: {to: 0}
    then: [{name: halt indexing, command: [/bin/true]}]
    review: required
  - name: contingency
    match: ['action="rollback_previous_stage"']
    rollback: {to: previous_stage, after: 2s}
sla: {decision: 1900ms}
"""


@pytest.fixture
def metrics(programs, folder, service):
    class Exporter(Server):
        def handle(self, method, path, headers, body):
            return 200, {"Content-Type": "text/plain; version=0.0.4"}, f"shop_percentage {service.percentage()}\n"

    service.raise_to(50)
    exporter = Exporter()
    prometheus = programs(Prometheus(folder / "prometheus", [("shop", f"127.0.0.1:{exporter.port}")], "groups: []\n"))
    until(lambda: prometheus.query("shop_percentage"))
    yield (f"  prometheus: {{url: \"{prometheus.url}\", timeout: 3s}}",
           "    snapshot: {window: 40s, queries: [{name: percentage, unit: percent, query: shop_percentage}]}")
    exporter.close()


def test_hold_then_leak_then_corruption(daemon_of, service, chat, metrics):
    prometheus, snapshot = metrics
    d = daemon_of(config(service, playbooks=PLAYBOOKS, prometheus=prometheus, snapshot=snapshot,
                         channels="channels:\n" + slack_channel(chat, events="all")))
    [held] = d.post(alert("MemoryGrowth", action="hold", severity="warning", annotations={"summary": "Growth above the gate"}))
    assert held["disposition"] == "held"
    n = held["incident"]
    before_hold = until(lambda: d.incident(n)["snapshot"]["series"].get("percentage"), 30)
    service.raise_to(25)                                # somebody lowers it by hand while the incident is held
    [leak] = d.post(alert("MemoryLeak", scenario="memory_leak", annotations={"summary": "Heap grows", "value": "61 MB/min"}))
    assert (leak["disposition"], leak["incident"]) == ("attached", n)
    d.wait_state(n, "rolled_back")
    [worse] = d.post(alert("IndexCorruption", scenario="data_corruption", annotations={"summary": "Index broken"}))
    assert worse["incident"] == n
    i = until(lambda: [i for i in [d.incident(n)] if i["state"] == "rolled_back" and i["snapshot"]["series"]], 30)[0]

    assert (i["summary"], i["severity"], i["playbook"]) == ("Heap grows", "P0", "memory-leak")
    assert (i["percentage_before"], i["percentage_wanted"], i["percentage_seen"]) == (25, 0, 0)
    assert i["sla"]["decision"]["met"] and i["sla"]["decision"]["seconds"] < 1.9
    assert {p[1] for p in before_hold} == {50}
    [earlier] = i["snapshot"]["earlier"]
    assert earlier["at"] == i["opened_at"] and earlier["series"]["percentage"] == before_hold
    assert {p[1] for p in i["snapshot"]["series"]["percentage"]} - {0, 25, 50} == set() and i["decided_at"] > i["opened_at"]
    assert {s["name"]: s["state"] for s in i["steps"] if s["name"] in ("heap snapshot", "halt indexing")} == {
        "heap snapshot": "done", "halt indexing": "done"}

    done = until(lambda: [t for t in chat.texts() if "Rolled back to 0%" in t and "Trigger: Heap grows" in t])[-1]
    assert "(25% traffic)" in done
    assert "value 61 MB/min" in done and "MISSED" not in done.split("decision")[1].split(",")[0], done
    until(lambda: [t for t in chat.texts() if "Escalated: P0 (was critical): Index broken" in t])

    report = ctl(d, "incident", "report", n).stdout
    assert "- Severity: P0" in report and "- Traffic: 25% before, 0% wanted, 0% seen" in report
    assert re.search(r"## Metrics before the trigger of [^\n]+\n\n\| series \| before it came, mean \|\n\|---\|---\|\n\| percentage \| 50 percent \|", report), report
    assert "## Metrics\n" in report
    weekly = ctl(d, "report", "--weekly").stdout
    assert "P0 1" in weekly and f"incident {n}, P0, from 25% to 0%, rolled_back: Heap grows" in weekly, weekly
    assert d.metric("rollbackd_rollback_phase_seconds_count", phase="decision") == 1
    assert d.metric("rollbackd_rollback_phase_seconds_sum", phase="decision") < 1.9


def test_what_people_do_says_what_is_so(daemon_of, service, chat):
    """Put off, in JSON and as a table; a second rollback by hand; the drift; the clock of now."""
    service.raise_to(25)
    d = daemon_of(config(service, playbooks=PLAYBOOKS.replace("after: 2s", "after: 1h"),
                         channels="channels:\n" + slack_channel(chat, events="all")))
    n = d.post(alert("Slow", action="rollback_previous_stage"))[0]["incident"]
    due = d.incident(n)["due_at"]
    p = ctl(d, "incident", "extend", n, "30m")
    assert p.returncode != 0 and "say why" in p.stderr
    p = ctl(d, "extend", n, "30m", "--note", "the fix is on its way")
    assert p.returncode == 0 and f"incident {n}: extended; pending" in p.stdout, p
    assert parse_time(d.incident(n)["due_at"]) - parse_time(due) == 1800
    until(lambda: [t for t in chat.texts() if "- Extended by " in t and "the fix is on its way" in t])

    p = ctl(d, "rollback", "shop", "--stage", "2", "--reason", "enough", "--wait")
    assert p.returncode == 0 and f"joined incident {n}, opened " in p.stdout and "opened: " not in p.stdout.split("\n", 1)[1], p
    until(lambda: [t for t in chat.texts() if "Manual Rollback" in t and "Trigger: enough, by " in t and "Rolled back to 0%" in t])
    again = ctl(d, "rollback", "shop", "--stage", "2", "--reason", "", "--wait")
    assert again.returncode == 0 and "set percentage" not in again.stdout and "attached by " in again.stdout, again

    out = d.get("/api/v1/rollouts/shop/sla")
    assert out["by_hand"]["rollbacks"] == out["by_hand"]["met"] == 1 and out["automatic"]["rollbacks"] == 0
    [one] = out["rollbacks"]
    assert one["id"] == n and one["by_hand"] and one["met"] and one["sla"]["decision"]["limit"] == 900
    p = ctl(d, "sla", "shop", "--since", "1h")
    assert p.returncode == 0 and "1 rollback\n" in p.stdout and "By hand: 1 of 1 within the total" in p.stdout, p
    assert d.call("GET", "/api/v1/rollouts/none/sla")[0] == 404 and d.call("GET", "/api/v1/rollouts/shop/sla?since=x")[0] == 400

    service.raise_to(50)
    text = until(lambda: [t for t in chat.texts() if "above the 0% that incident" in t], 40)[0]
    assert text.startswith("[ROLLOUT] Shop was changed outside rollbackd: 0% on record, 50% in ")
    assert "To lower it again: rollbackctl rollback shop --stage current" in text
    i = d.incident(n)
    assert i["action"] == "Was rolled back to 0%, and raised since: it is at 50%" and i["over"]["answer"] == "no"
    p = ctl(d, "rollback", "shop", "--stage", "current", "--wait")
    assert p.returncode == 0 and service.percentage() == 0

    assert d.call("POST", "/api/v1/rollouts/shop/hold", {"note": "demo"})[0] == 200
    held = d.get("/api/v1/rollouts/shop")["clock"]["why"]
    assert d.call("POST", "/api/v1/rollouts/shop/resume", {})[0] == 200 and d.act(n, "resolve", note="done")[0] == 200
    why = d.get("/api/v1/rollouts/shop")["clock"]["why"]
    assert why and "held" not in why and f"incident {n}" not in why, (held, why)


def test_a_rollback_at_the_target_says_so(daemon_of, service):
    service.raise_to(0)
    d = daemon_of(config(service))
    stage = d.get("/api/v1/rollouts/shop")["stage"]
    p = ctl(d, "rollback", "shop", "--reason", "", *(["--stage", stage] if stage is not None else []))
    assert p.returncode == 0 and "already at 0%" in p.stdout and "rolling back" not in p.stdout, p


def test_a_deferred_contingency_keeps_its_sla(daemon_of, service, chat):
    service.raise_to(25)
    d = daemon_of(config(service, playbooks=PLAYBOOKS, channels="channels:\n" + slack_channel(chat)))
    [r] = d.post(alert("Slow", action="rollback_previous_stage"))
    assert r["disposition"] == "pending"
    i = d.wait_state(r["incident"], "rolled_back")
    assert i["percentage_seen"] == 10 and i["sla"]["decision"]["met"], i["sla"]
    text = until(lambda: [t for t in chat.texts() if "Rolled back to 10%" in t])[0]
    assert "decision" in text and "MISSED" not in text and "without the 2 s that its playbook had it wait" in text, text
