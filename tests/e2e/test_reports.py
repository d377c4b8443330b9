"""The reports: success metrics of the plan target beside value, stages, decisions, rollbacks; and that they are always sent."""
import json
import re
import sqlite3

import pytest
from harness import Slack, alert, ctl, request, slack_channel, until
from test_plan import FakePrometheus, enter, move, plan_config, rollout

LAST = "      - {number: 3, name: Majority, percentage: 50"
SUCCESS = """      - number: 3
        name: Majority
        percentage: 50
        criteria:
          - {name: error rate delta, query: errors, max: 0.001, min_samples: 100, samples: requests}
          - {name: cache hit rate, query: cache, min: 0.8, unit: ratio}
          - {name: embedding reuse, query: reuse, min: 0.85}
"""


@pytest.fixture
def prometheus():
    p = FakePrometheus()
    yield p
    p.close()


def success_config(service, prometheus, chat, **parts):
    head, tail = plan_config(service, prometheus, chat, **parts).split(LAST, 1)
    return head + SUCCESS + tail.split("\n", 1)[1]


def judged(d):
    return [c["state"] for c in rollout(d)["criteria"]]


def report(d, kind="final"):
    p = ctl(d, "report", *([] if kind == "daily" else [f"--{kind}"]))
    assert p.returncode == 0, p.stderr
    return p.stdout


def test_the_final_report_holds_the_whole_story(daemon_of, service, prometheus, chat):
    prometheus.values["reuse"] = 0.9
    d = daemon_of(success_config(service, prometheus, chat, clean="48h", limits="limits: {cooldown: 1s, quiet: 1s}"))
    until(lambda: judged(d) == ["holds", "holds"])
    assert ctl(d, "drill", "shop").returncode == 0
    text = report(d)        # nothing has asked for it yet: a later stage judges it
    assert "  - embedding reuse: unknown: not evaluated yet; at least 0.85\n" in text
    assert "  - zero rollbacks: met: 0 (drills do not count: 1)\n" in text
    assert "- Success metrics of the whole rollout: 4 met, 0 missed, 1 unknown\n" in text

    a = alert(severity="P0")
    [r] = d.post(a)
    d.wait_state(r["incident"], "rolled_back")
    text = report(d)        # at 0 % nothing is judged: the worst that stage 1 saw is shown, with its date
    assert re.search(r"  - cache hit rate: met: 90% at worst, at least 80% \(stage 1, 20..-..-.. ..:.. UTC\)\n", text), text
    assert "  - zero P0 incidents: missed: 1\n  - zero rollbacks: missed: 1 (drills do not count: 1)\n" in text
    assert re.search(r"  - 1 Canary, 10%: entered .* UTC, left .* UTC, clean for .* of 48 hours\n", text), text
    assert "- Rollback SLA, automatic: 1 of 1 within the total\n" in text

    d.post({**a, "status": "resolved", "endsAt": "2026-01-01T00:00:00Z"})
    d.act(r["incident"], "resolve", note="a config fault")
    assert move(d, "hold", note="the market is open")[0] == 200 and move(d, "resume")[0] == 200
    prometheus.values.update(errors=0.0004)
    for percentage in (10, 25, 50):
        enter(d, percentage, service, force=True, reason=f"to {percentage}, a test")
    prometheus.values.update(errors=0.02, cache=0.95, reuse="no such metric")
    until(lambda: judged(d) == ["fails", "holds", "unknown"])
    text = report(d)
    lines = text.splitlines()
    assert lines[0].startswith("[REPORT] Shop, final: until ") and lines[1].startswith("- Stage: 3 Majority, 50% traffic, clean for ")
    assert lines[2] == "- Success metrics of the whole rollout: 1 met, 3 missed, 1 unknown"
    assert re.match(r"  - error rate delta: missed: 0\.02 at worst, at most 0\.001, held [\d.]+% of the time \(stage 3, .* UTC\) \(stage 1: 0\.000[45]\)$", lines[3]), lines[3]
    assert re.match(r"  - cache hit rate: met: 90% at worst, at least 80% \(stage [13], .* UTC\)", lines[4]), lines[4]
    assert lines[5].startswith("  - embedding reuse: unknown: ") and "no such metric" in lines[5] and lines[5].endswith("; at least 0.85")
    assert "  - 0 Pre-Production, 100%: in staging, not seen from here" in lines
    assert re.search(r"  - 1 Canary, 10%: .* in the last of 2 runs\n  - 2 Expanded, 25%: entered .*\n  - 3 Majority, 50%: entered .* UTC, "
                     "still there, clean for ", text), text
    forced = text[text.index("- Forced advances: 3\n"):].splitlines()[1:4]
    assert ["to 10, a test" in forced[0], "to 25, a test" in forced[1], "to 50, a test" in forced[2]] == [True] * 3
    assert re.search(r"- Holds: 1\n  - .*: held by .*: the market is open\n- Holds ended: 1\n", text), text
    assert "- Checklist pre: 0 of 2 done\n  - open: Tests pass\n  - open: Runbook reviewed\n" in text
    assert re.search(r"- Incidents: 1 \(rollbacks 1, failed 0, without a rollback 0, P0 1\); drills 1\n  - .*: incident ", text), text
    assert re.search(r"- Milestone .* UTC: Performance report", text)
    assert len(text) < 16000


def test_success_is_judged_by_the_worst_and_what_a_rollback_ended_counts(daemon_of, service, prometheus, chat):
    prometheus.values["reuse"] = 0.9
    d = daemon_of(success_config(service, prometheus, chat, clean="48h"))
    until(lambda: judged(d) == ["holds", "holds"])
    prometheus.values.update(reuse=0.2)             # stage 1 does not judge it; what rolls back shows in it
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    missed = "  - embedding reuse: missed: 0.2 at worst, at least 0.85, held 0% of the time (stage 1, "
    until(lambda: missed in report(d))
    prometheus.values.update(reuse=0.95)            # good again, when nothing takes the new way
    asked = len(prometheus.asked)
    until(lambda: len(prometheus.asked) > asked + 50)
    assert missed.split(", held")[0] in report(d)


def test_a_rollback_that_never_got_there_is_a_rollback_and_breaks_the_sla(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, clean="48h", timeout="300ms", limits="sla: {total: 1s}"))
    until(lambda: judged(d) == ["holds", "holds"])
    service.ignore_reload()
    [r] = d.post(alert())
    d.wait_state(r["incident"], "failed")
    text = report(d, "weekly")
    assert "  - zero rollbacks: missed: 1 (drills do not count: 0)\n" in text
    assert "- Rollback SLA, automatic: 0 of 1 within the total; never seen done: 1\n" in text
    assert "- Incidents: 1 (rollbacks 1, failed 1," in text


def test_the_daily_report_says_what_changed(daemon_of, service, prometheus, chat):
    d = daemon_of(plan_config(service, prometheus, chat, clean="48h"))
    until(lambda: judged(d) == ["holds", "holds"])
    text = report(d, "daily")
    assert "- Criteria of this stage:\n  - error rate delta: holds: 0.0005, at most 0.001\n" in text
    assert re.search(r"- Changes: 1; items ticked: 0, reminders: 0\n  - .* UTC: rollbackd, .*\n- Incidents", text), text    # adopted
    assert move(d, "hold", note="the market\nis open")[0] == 200
    text = report(d, "daily")
    assert re.search(r"- Changes: 2; items ticked: 0, reminders: 0\n.*\n  - .* UTC: held by .*: the market is open\n", text), text


def test_a_report_is_sent_while_prometheus_is_down(daemon_of, service, prometheus, chat):
    d = daemon_of(success_config(service, prometheus, chat, clean="48h"))
    until(lambda: judged(d) == ["holds", "holds"])
    prometheus.close()
    until(lambda: judged(d) == ["unknown", "unknown"])
    d.stop()
    # The last one was sent an hour ago, and one falls due every minute.
    with sqlite3.connect(next(d.state.glob("*.db"))) as db:
        db.execute("INSERT OR REPLACE INTO meta (key, value) SELECT 'report:shop:weekly', unixepoch() * 1000000 - 3600000000")
    d.config.write_text(d.config.read_text() + '\nreports: [{name: weekly, cron: "* * * * *"}]\n')
    d.start()
    text = until(lambda: [t for t in chat.texts() if t.startswith("[REPORT] Shop, weekly")])[0]
    line = re.search(r"  - error rate delta: (unknown: .*; at most 0\.001)\n", text)
    assert line and "connection refused" in line.group(1), text
    assert "- Success metrics of the whole rollout: 2 met, 0 missed, 3 unknown\n" in text     # no P0, no rollback: known without it


def test_a_report_is_an_object_for_who_asks_for_json(daemon_of, service, prometheus, chat):
    d = daemon_of(success_config(service, prometheus, chat, clean="48h"))
    until(lambda: judged(d) == ["holds", "holds"])
    p = ctl(d, "-o", "json", "report", "--weekly")
    data = json.loads(p.stdout)
    assert (p.returncode, data["kind"], data["stage"], data["percentage"], data["rollout"]) == (0, "weekly", 1, 10, "shop")
    assert {m["name"]: m["verdict"] for m in data["success"]} == {
        "error rate delta": "met", "cache hit rate": "met", "embedding reuse": "unknown", "zero P0 incidents": "met", "zero rollbacks": "met"}
    assert data["success"][0]["value"] == 0.0005 and data["success"][0]["max"] == 0.001
    assert [m["what"] for m in data["next"]["missing"]] == ["clock", "checklist"] and data["incidents"]["count"] == 0
    assert data["text"].startswith("[REPORT] Shop, weekly: ")
    path = "/api/v1/rollouts/shop/report?kind=daily"
    status, headers, body = request(d.port, "GET", path, headers={"Accept": "application/json"})
    answer = json.loads(body)
    assert status == 200 and headers["Content-Type"].startswith("application/json") and answer["status"] == "success"
    assert answer["data"]["kind"] == "daily" and answer["data"]["changes"]["list"][0]["what"] == "adopted"
    status, headers, body = request(d.port, "GET", path)
    assert status == 200 and headers["Content-Type"].startswith("text/markdown") and body.startswith(b"[REPORT] Shop, daily: ")


def test_each_channel_hears_the_reports_that_it_asked_for(daemon_of, service, prometheus, chat):
    engineering, management = Slack(), Slack()
    extra = "\n".join([slack_channel(engineering, name="engineering", events="report.daily"),
                       slack_channel(management, name="management", events='report.weekly, report.final')])
    d = daemon_of(success_config(service, prometheus, chat, clean="48h", extra=extra))
    until(lambda: judged(d) == ["holds", "holds"])
    d.stop()
    with sqlite3.connect(next(d.state.glob("*.db"))) as db:
        for kind in ("daily", "weekly"):
            db.execute("INSERT OR REPLACE INTO meta (key, value) SELECT ?, unixepoch() * 1000000 - 3600000000", [f"report:shop:{kind}"])
    d.config.write_text(d.config.read_text() + '\nreports: [{name: daily, cron: "* * * * *"}, {name: weekly, cron: "* * * * *"}]\n')
    d.start()
    until(lambda: engineering.texts() and management.texts() and len([t for t in chat.texts() if t.startswith("[REPORT]")]) >= 2)
    assert {t.split(":")[0] for t in engineering.texts()} == {"[REPORT] Shop, daily"}
    assert {t.split(":")[0] for t in management.texts()} == {"[REPORT] Shop, weekly"}
    engineering.close()
    management.close()
