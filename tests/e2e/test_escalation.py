"""One incident that gets worse: a hold, a memory leak that lowers, an index corruption. What is told is true of what lowered it."""
import re

import pytest

from harness import Prometheus, Server, alert, config, ctl, slack_channel, until

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
    assert re.search(r"## Metrics before the trigger of [^\n]+\n\n\| series \| before it came \|\n\|---\|---\|\n\| percentage \| 50 percent \|", report), report
    assert "## Metrics, mean" in report
    weekly = ctl(d, "report", "--weekly").stdout
    assert "P0 1" in weekly and f"incident {n}, P0, rolled_back, from 25% to 0%: Heap grows" in weekly, weekly
    assert d.metric("rollbackd_rollback_phase_seconds_count", phase="decision") == 1
    assert d.metric("rollbackd_rollback_phase_seconds_sum", phase="decision") < 1.9


def test_a_deferred_contingency_keeps_its_sla(daemon_of, service, chat):
    service.raise_to(25)
    d = daemon_of(config(service, playbooks=PLAYBOOKS, channels="channels:\n" + slack_channel(chat)))
    [r] = d.post(alert("Slow", action="rollback_previous_stage"))
    assert r["disposition"] == "pending"
    i = d.wait_state(r["incident"], "rolled_back")
    assert i["percentage_seen"] == 10 and i["sla"]["decision"]["met"], i["sla"]
    text = until(lambda: [t for t in chat.texts() if "Rolled back to 10%" in t])[0]
    assert "decision" in text and "MISSED" not in text and "without the 2 s that its playbook had it wait" in text, text
