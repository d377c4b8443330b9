"""Readiness is measured, not believed: the old way is asked all the time whether it could take the traffic."""
import json

import pytest
from harness import Server, config, ctl, slack_channel, until


class Legacy(Server):
    """The old way: answers a probe in so many seconds, or with an error."""

    def __init__(self):
        self.status, self.seconds = 200, 0.05
        super().__init__()

    def handle(self, method, path, headers, body):
        return self.status, {}, json.dumps({"seconds": self.seconds})


@pytest.fixture
def legacy():
    server = Legacy()
    yield server
    server.close()


PROBE = """
    fallback_probe:
      - {{name: reachable, http: {{url: "{0}/probe"}}, timeout: 5s}}
      - {{name: fast enough, http: {{url: "{0}/probe", value: /seconds}}, max: 1, timeout: 5s}}
"""


def probed(service, chat, legacy, more=""):
    text = config(service, channels="channels:\n" + slack_channel(chat, events="all"))
    text = text.replace("global:\n", "global:\n  evaluation_interval: 200ms\n", 1)
    head, rest = text.split("    verify:", 1)
    return head.rstrip() + PROBE.format(legacy.url) + more + "    verify:" + rest


def fallback(d):
    return d.get("/api/v1/rollouts/shop")["fallback_probe"]


def missing(d):
    return [m["what"] for m in d.get("/api/v1/rollouts/shop")["next"]["missing"]]


def told(chat, words):
    return [t for t in chat.texts() if words in t]


def test_raising_is_locked_while_the_old_way_is_not_ready_and_people_are_told_once(daemon_of, service, chat, legacy):
    d = daemon_of(probed(service, chat, legacy))
    until(lambda: fallback(d)["state"] == "yes")
    assert [(c["name"], c["state"], c["value"]) for c in fallback(d)["checks"]] == [("reachable", "yes", None), ("fast enough", "yes", 0.05)]
    assert d.metric("rollbackd_fallback_ready", rollout="shop") == 1 and "fallback" not in missing(d)
    assert "  Fallback      ready\n" in ctl(d, "status").stdout and "- Fallback: ready\n" in ctl(d, "report").stdout
    legacy.seconds = 3
    until(lambda: fallback(d)["state"] == "no")
    assert d.metric("rollbackd_fallback_ready", rollout="shop") == 0
    assert "  Fallback      NOT READY: fast enough: 3, at most 1\n" in ctl(d, "status").stdout
    assert "- Fallback: NOT READY: fast enough: 3, at most 1\n" in ctl(d, "report", "--weekly").stdout
    refused = d.call("POST", "/api/v1/rollouts/shop/advance", {})
    assert refused[0] == 409 and "the old way could not take the traffic: fast enough: 3, at most 1" in json.dumps(refused[1])
    until(lambda: told(chat, "THE FALLBACK IS NOT READY: fast enough: 3, at most 1."))
    legacy.status = 503                                 # another reason is no news
    until(lambda: "503" in (fallback(d)["why"] or ""))
    d.restart()
    until(lambda: fallback(d)["state"] == "no")
    legacy.status, legacy.seconds = 200, 0.05
    until(lambda: told(chat, "the fallback is ready again, after"))
    assert len(told(chat, "THE FALLBACK")) == 1 and len(told(chat, "ready again")) == 1 and "fallback" not in missing(d)


def test_the_milestone_that_removes_the_old_way_is_not_due_while_it_is_not_ready(daemon_of, service, chat, legacy):
    legacy.status = 503
    milestones = """    milestones:
      - {after_stage: 2, in: 10ms, text: Report}
      - {after_stage: 2, in: 10ms, text: Remove the old way, removes: fallback}
"""
    d = daemon_of(probed(service, chat, legacy, milestones))
    until(lambda: fallback(d)["state"] == "no")
    forced = d.call("POST", "/api/v1/rollouts/shop/advance", {"force": True, "reason": "the old way is being mended"})
    assert forced[0] == 200, forced
    until(lambda: told(chat, "due: Report"))
    report, removal = d.get("/api/v1/rollouts/shop")["milestones"]
    assert (report["due"], report["locked"]) == (True, None)
    assert removal["due"] is False and removal["locked"].startswith("reachable: answered 503")
    assert "Remove the old way (locked: the old way is not ready)" in ctl(d, "report").stdout
    assert not told(chat, "due: Remove")
    legacy.status = 200
    until(lambda: told(chat, "due: Remove the old way"))


def test_check_config_says_what_is_wrong_with_a_probe(folder, service, chat, legacy):
    file = folder / "rollbackd.yml"
    file.write_text(probed(service, chat, legacy).replace(", max: 1, timeout", ", timeout"))
    p = ctl(None, "check-config", file)
    assert p.returncode != 0 and "value and min or max stand together, or neither" in p.stdout + p.stderr
