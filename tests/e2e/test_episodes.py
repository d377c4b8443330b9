"""Which alert is new, which is a copy, which is over: and who is asked before it is believed."""
import itertools
import json
import re
import time
from urllib.parse import parse_qs, urlparse

import pytest
from harness import Server, alert, config, rfc3339, slack_channel, until

WAITS = ("playbooks:\n  - {{name: waits, match: ['action=\"auto_rollback\"'], rollback: {{to: previous_stage, after: {after}}}}}\n")


class World(Server):
    """A Prometheus that knows which alerts are active, or is dead: answering 503, or with nothing at all for as long as hold is set.
    It plays Alertmanager's list of alerts as well."""

    def __init__(self):
        self.active, self.dead, self.asked = [], False, []
        super().__init__()

    def handle(self, method, path, headers, body):
        url = urlparse(path)
        ask = parse_qs(url.query)
        self.asked.append(path)
        if self.dead:
            return 503, {}, "starting"
        if url.path == "/api/v2/alerts":
            wanted = [re.fullmatch(r'(\w+)="(.*)"', f).groups() for f in ask.get("filter", [])]
            return 200, {}, json.dumps([{"labels": a} for a in self.active if all(a.get(k) == v for k, v in wanted)])
        query = ask["query"][0]
        found = []
        if query.startswith("ALERTS"):
            wanted = re.findall(r'(\w+)=~?"\|?((?:[^"\\]|\\.)*)"', query)
            found = [a for a in self.active if all(a.get(k, v) == v for k, v in wanted)]
        return 200, {}, json.dumps({"status": "success", "data": {"resultType": "vector", "result": [
            {"metric": a, "value": [time.time(), "1"]} for a in found]}})


@pytest.fixture
def world():
    w = World()
    yield w
    w.close()


def asks(world, alertmanager=False):
    text = f"  prometheus: {{url: \"{world.url}\", timeout: 1s}}"
    return f"  alertmanager: {{url: \"{world.url}\"}}" if alertmanager else text


def over(a, **more):
    return {**a, "status": "resolved", "endsAt": rfc3339(time.time()), **more}


def said(d, number, what):
    return next((e["note"] for e in d.incident(number)["timeline"] if e["what"] == what), None)


# --- over, or not ---

def waiting(daemon_of, service, after="1h", chat=None, **parts):
    service.raise_to(25)
    channels = {"channels": "channels:\n" + slack_channel(chat, events="all")} if chat else {}
    return daemon_of(config(service, playbooks=WAITS.format(after=after), **channels, **parts))


@pytest.mark.parametrize("order", itertools.permutations(["old resolved", "new firing", "another resolved"]), ids=" ".join)
def test_what_is_over_is_judged_once_after_all_alerts_of_a_webhook(daemon_of, service, world, order):
    d = waiting(daemon_of, service, prometheus=asks(world))
    a, b, c = (alert(current=str(n), starts=time.time() - 60) for n in range(3))
    first, _ = d.post(a, c)
    due = d.incident(first["incident"])["due_at"]
    body = {"old resolved": over(a), "new firing": b, "another resolved": over(c)}
    said_of = {r["fingerprint"]: r for r in d.post(*[body[o] for o in order])}
    assert said_of[b["fingerprint"]]["disposition"] == "attached" and said_of[a["fingerprint"]]["disposition"] == "resolved"
    i = d.incident(first["incident"])
    assert i["state"] == "pending" and i["due_at"] == due
    d.post(over(b))
    d.wait_state(first["incident"], "cancelled")
    assert service.percentage() == 25 and service.reloads() == []


def test_while_prometheus_calls_it_active_a_rollback_goes_on_waiting_and_says_so(daemon_of, service, world, chat):
    d = waiting(daemon_of, service, chat=chat, prometheus=asks(world))
    a = alert(starts=time.time() - 60)
    # The value moves with each evaluation: Prometheus has another series by now, of the same condition.
    [r] = d.post({**a, "labels": {**a["labels"], "current": "17"}}, )
    world.active = [{**a["labels"], "current": "17"}]
    d.post(over({**a, "labels": {**a["labels"], "current": "17"}}))
    note = until(lambda: said(d, r["incident"], "goes on waiting"))
    assert "Prometheus says that CanaryErrorRateHigh is active" in note
    until(lambda: any("goes on waiting" in t for t in chat.texts()))
    assert d.incident(r["incident"])["state"] == "pending"
    world.active = []                       # over now: it is asked again, and said once only
    d.wait_state(r["incident"], "cancelled")
    assert len([t for t in chat.texts() if "goes on waiting" in t]) == 1


@pytest.mark.parametrize("how", ["refuses", "is silent", "is not configured"])
def test_without_an_answer_a_rollback_goes_on_waiting_and_comes_when_it_is_due(daemon_of, service, world, how):
    world.dead = how == "refuses"
    if how == "is silent":
        world.hold.set()
    d = waiting(daemon_of, service, after="3s", **({} if how == "is not configured" else {"prometheus": asks(world)}))
    a = alert(starts=time.time() - 60)
    [r] = d.post(a)
    d.post(over(a))
    note = until(lambda: said(d, r["incident"], "goes on waiting"))
    assert "is unknown" in note and d.incident(r["incident"])["state"] in ("pending", "rolling_back", "verifying", "rolled_back")
    d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 10


def test_alertmanager_is_asked_where_there_is_no_prometheus(daemon_of, service, world):
    d = waiting(daemon_of, service, prometheus=asks(world, alertmanager=True))
    a = alert(starts=time.time() - 60)
    world.active = [a["labels"]]            # silenced: it vanishes from the webhooks, but not from the list
    [r] = d.post(a)
    d.post(over(a))
    assert "Alertmanager says" in until(lambda: said(d, r["incident"], "goes on waiting"))
    world.active = []
    d.wait_state(r["incident"], "cancelled")


def test_an_alert_that_fires_while_the_question_is_under_way_makes_its_answer_worth_nothing(daemon_of, service, world):
    d = waiting(daemon_of, service, prometheus="  prometheus: {url: \"%s\", timeout: 20s}" % world.url)
    a = alert(starts=time.time() - 60)
    [r] = d.post(a)
    until(lambda: [e for e in world.asked if "ALERTS" in e])        # when it began: answered before all requests are held
    world.hold.set()
    d.post(over(a))
    [again] = d.post(alert(instance="another", starts=time.time()))
    assert again["disposition"] == "attached"
    world.hold.clear()
    until(lambda: len([q for q in world.asked if "ALERTS" in q]) >= 2)
    d.post(over(alert(instance="a third", starts=time.time() - 5)))   # whatever the writer does after the answer's commit
    assert d.incident(r["incident"])["state"] == "pending"


def test_an_incident_ends_when_it_is_quiet_and_not_while_prometheus_is_dead(daemon_of, service, world):
    d = daemon_of(config(service, limits="limits: {quiet: 100ms}", prometheus=asks(world)))
    a, b = alert(starts=time.time() - 60), alert("Second", starts=time.time() - 60)
    [r] = d.post(a)
    d.wait_state(r["incident"], "rolled_back")
    d.post(over(a))
    d.wait_state(r["incident"], "resolved")
    service.raise_to(10)
    [r] = d.post(b)
    d.wait_state(r["incident"], "rolled_back")
    world.dead = True
    d.post(over(b))
    assert "is unknown" in until(lambda: said(d, r["incident"], "stays open"))
    assert d.incident(r["incident"])["state"] == "rolled_back"
    d.kill()
    world.dead = False
    d.start()                               # asked again, also by the next life
    d.wait_state(r["incident"], "resolved")
