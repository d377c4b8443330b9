"""Which alert is new, which is a copy, which is over: and who is asked before it is believed."""
import contextlib
import itertools
import json
import re
import sqlite3
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


# --- new, or a copy ---

def enter_again(d, service, number, percentage=10):
    """The incident ended, and the stage was entered once more by hand."""
    assert d.act(number, "resolve", note="done")[0] == 200
    service.raise_to(percentage)


def dispositions(d, *alerts, **fields):
    return [r["disposition"] for r in d.post(*alerts, **fields)]


@pytest.mark.parametrize("starts", [None, "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", ""])
def test_without_a_start_a_firing_after_a_resolved_is_a_new_episode(daemon_of, service, starts):
    d = daemon_of(config(service))
    a = {k: v for k, v in alert(starts=starts).items() if (k, v) != ("startsAt", None)}
    if starts is None:
        del a["startsAt"]
    [first] = d.post(a)
    d.wait_state(first["incident"], "rolled_back")
    assert dispositions(d, a, a) == ["duplicate", "duplicate"]
    assert dispositions(d, over(a)) == ["resolved"] and dispositions(d, over(a)) == ["duplicate"]
    enter_again(d, service, first["incident"])
    [second] = d.post(a)
    assert second["disposition"] == "rollback_started" and second["incident"] != first["incident"]
    d.wait_state(second["incident"], "rolled_back")
    assert dispositions(d, a) == ["duplicate"]


def test_the_same_again_is_stale_at_first_and_lives_when_it_keeps_coming(daemon_of, service):
    d = daemon_of(config(service, limits="limits: {stale: 2s}"))
    a = alert(starts=time.time() - 300)
    [first] = d.post(a)
    d.wait_state(first["incident"], "rolled_back")
    d.post(over(a))
    ended = time.monotonic()
    enter_again(d, service, first["incident"])
    assert dispositions(d, a) == ["stale"]
    assert dispositions(d, a) == ["duplicate"] and service.percentage() == 10
    d.restart()
    assert time.monotonic() - ended > 2 or dispositions(d, a) == ["duplicate"]
    said_now = until(lambda: [x for x in dispositions(d, a) if x != "duplicate"], every=0.4)    # fewer than ten of them
    assert said_now == ["rollback_started"] and time.monotonic() - ended >= 2
    [copy] = d.post(a)
    assert copy["disposition"] == "duplicate"
    d.wait_state(copy["incident"], "rolled_back")
    assert service.percentage() == 0
    # Its old end once more ends it not; an end of its own does.
    assert dispositions(d, over(a, endsAt=rfc3339(time.time() - 60))) == ["duplicate"]
    assert dispositions(d, over(a)) == ["resolved"]


@pytest.mark.parametrize("who", ["Prometheus", "Alertmanager", "nobody", "another alert"])
def test_a_stale_alert_that_somebody_calls_active_lives_at_once(daemon_of, service, world, who):
    d = daemon_of(config(service, limits="limits: {stale: 1h}", prometheus=asks(world, alertmanager=who == "Alertmanager")))
    a = alert(starts=time.time() - 300)
    [first] = d.post(a)
    d.wait_state(first["incident"], "rolled_back")
    d.post(over(a))
    enter_again(d, service, first["incident"])
    world.active = [] if who == "nobody" else [{**a["labels"], **({"instance": "x", "alertname": "Other"} if who == "another alert" else {})}]
    before = len(world.asked)
    assert dispositions(d, a) == ["stale"]
    if who in ("nobody", "another alert"):
        until(lambda: [q for q in world.asked[before:] if "ALERTS" in q])
        assert dispositions(d, a) == ["duplicate"]
        until(lambda: len([q for q in world.asked[before:] if "ALERTS" in q]) >= 2)     # the first answer has been looked at
        assert len(d.incidents()) == 1 and service.percentage() == 10
        return
    second = until(lambda: [i for i in d.incidents() if i["id"] != first["incident"]])[0]
    d.wait_state(second["id"], "rolled_back")
    [copy] = d.post(a)
    assert (copy["disposition"], copy["incident"]) == ("duplicate", second["id"])
    [alive] = d.incident(second["id"])["alerts"]
    assert alive["status"] == "firing" and alive["starts_at"] == d.incident(first["incident"])["alerts"][0]["starts_at"]
    assert service.percentage() == 0


def test_ten_copies_over_a_quarter_of_the_time_are_no_late_ones(daemon_of, service):
    d = daemon_of(config(service, limits="limits: {stale: 20s}"))
    a = alert(starts=time.time() - 300)
    d.post(over(a))
    first = time.monotonic()
    assert dispositions(d, *[a] * 12) == ["stale"] + ["duplicate"] * 11, "a queue that was emptied"
    until(lambda: dispositions(d, a) == ["rollback_started"])
    assert 5 <= time.monotonic() - first < 15


def test_wherever_replicas_move_the_start_it_is_a_copy_and_what_began_later_is_another(daemon_of, service):
    d = daemon_of(config(service))
    at = time.time() - 60
    [first] = d.post(alert(starts=at))
    d.wait_state(first["incident"], "rolled_back")
    for moved in (at - 15, at + 15, at):
        [copy] = d.post(alert(starts=moved))
        assert (copy["disposition"], copy["incident"]) == ("duplicate", first["incident"])
    assert len(d.incident(first["incident"])["alerts"]) == 1
    # Its resolved got lost, and the alert fires again.
    enter_again(d, service, first["incident"])
    [again] = d.post(alert(starts=time.time()))
    assert again["disposition"] == "rollback_started"
    d.wait_state(again["incident"], "rolled_back")
    assert [a["status"] for a in d.incident(first["incident"])["alerts"]] == ["resolved"]


@pytest.mark.parametrize("apart", [2, 20, 400, 4000])
def test_two_senders_whose_clocks_differ_tell_of_one_episode(daemon_of, service, apart):
    d = daemon_of(config(service))
    now = time.time()
    right, behind = alert(starts=now - 20), alert(starts=now - 20 - apart)
    [first] = d.post(right)
    d.wait_state(first["incident"], "rolled_back")
    assert dispositions(d, *[behind, right] * 5) == ["duplicate"] * 10
    assert [a["status"] for a in d.incident(first["incident"])["alerts"]] == ["firing"]


@pytest.mark.parametrize("end", [{"startsAt": "the end"}, {"startsAt": None}, {"endsAt": None}, {"startsAt": "earlier"}], ids=str)
def test_a_resolved_ends_what_began_before_its_end_whatever_its_start(daemon_of, service, end):
    d = daemon_of(config(service, limits="limits: {quiet: 100ms}"))
    a = alert(starts=time.time() - 60)
    [r] = d.post(a)
    d.wait_state(r["incident"], "rolled_back")
    now = rfc3339(time.time())
    times = {"the end": now, "earlier": rfc3339(time.time() - 300)}
    gone = {k: v for k, v in {**over(a, endsAt=now), **{k: times.get(v, v) for k, v in end.items()}}.items() if v is not None}
    [res] = d.post(gone)
    assert (res["disposition"], res["incident"]) == ("resolved", r["incident"])
    assert dispositions(d, gone) == ["duplicate"]
    d.wait_state(r["incident"], "resolved")


def test_after_the_senders_clock_was_set_back_an_end_that_comes_before_its_beginning_is_no_copy_of_the_last(daemon_of, service):
    d = daemon_of(config(service, limits="limits: {stale: 3s}"))
    now = time.time()
    first = alert(starts=now - 60)
    [r] = d.post(first)
    d.wait_state(r["incident"], "rolled_back")
    assert dispositions(d, over(first, endsAt=rfc3339(now - 7200))) == ["resolved"]
    ended = time.monotonic()
    enter_again(d, service, r["incident"])
    until(lambda: time.monotonic() - ended > 3)
    next_one, told = alert(starts=now - 7100), time.monotonic()
    assert dispositions(d, over(next_one, endsAt=rfc3339(now - 7099))) == ["duplicate"]
    assert dispositions(d, next_one) == ["stale"]
    # Copies of an end that is known do not put it off.
    said_now = until(lambda: [x for x in dispositions(d, over(first, endsAt=rfc3339(now - 7200)), next_one) if x != "duplicate"], every=0.5)
    assert said_now == ["rollback_started"] and time.monotonic() - told >= 3


def test_an_end_with_the_start_of_a_copy_after_the_senders_clock_was_set_back_ends_what_fires(daemon_of, service):
    d = daemon_of(config(service, limits="limits: {quiet: 100ms}"))
    now = time.time()
    [r] = d.post(alert(starts=now - 60))
    d.wait_state(r["incident"], "rolled_back")
    again = alert(starts=now - 7200)     # its resolved got lost
    assert dispositions(d, again) == ["duplicate"]
    assert dispositions(d, over(again, startsAt=rfc3339(now - 9000), endsAt=rfc3339(now - 8000))) == ["resolved"], "one that is not known"
    assert [a["status"] for a in d.incident(r["incident"])["alerts"]] == ["firing"]
    assert dispositions(d, over(again, endsAt=rfc3339(now - 7100))) == ["resolved"]
    d.wait_state(r["incident"], "resolved")


def test_an_old_end_ends_no_later_episode(daemon_of, service):
    d = daemon_of(config(service))
    now = time.time()
    old, new = alert(starts=now - 600), alert(starts=now - 60)
    end = over(old, endsAt=rfc3339(now - 300))
    assert dispositions(d, old) == ["rollback_started"] and dispositions(d, end) == ["resolved"]
    [r] = d.post(new)
    assert r["disposition"] == "attached"
    assert dispositions(d, end) == ["duplicate"]
    assert sorted(a["status"] for a in d.incident(r["incident"])["alerts"]) == ["firing", "resolved"]
    assert dispositions(d, old) == ["duplicate"]


@pytest.mark.parametrize("order", [1, -1], ids=["forwards", "backwards"])
def test_one_alert_in_both_states_is_taken_in_the_order_of_its_times(daemon_of, service, order):
    d = daemon_of(config(service))
    now = time.time()
    a, later = alert(starts=now - 60), alert(starts=now - 5)
    both = [a, over(a, endsAt=rfc3339(now - 10))]
    assert dispositions(d, *both[::order]) == ["rollback_started", "resolved"][::order]
    [number] = {i["id"] for i in d.incidents()}
    # An end and the next beginning in one webhook: the episode that fires is the later one.
    end = over(later, endsAt=rfc3339(now - 1))
    assert dispositions(d, later) == ["attached"]
    assert dispositions(d, *[end, alert(starts=now)][::order]) == ["resolved", "attached"][::order]
    assert sorted(x["status"] for x in d.incident(number)["alerts"]) == ["firing", "resolved", "resolved"]


# --- what is not acted on is told, and decided anew ---

def paged(chat, what):
    return [t for t in chat.texts() if what in t]


def reload(d, text):
    d.config.write_text(text)
    status, out = d.call("POST", "/-/reload")
    assert status == 200, out


def test_a_trigger_that_nobody_claimed_is_decided_anew_when_the_config_changed(daemon_of, service, chat):
    good = config(service, channels="channels:\n" + slack_channel(chat, events="page"))
    bad = good.replace("    title: Shop\n", "    title: Shop\n    alerts: ['rollout=\"somebody\"']\n")
    d = daemon_of(bad)
    a = alert()
    [r] = d.post(a)
    assert r["disposition"] == "no_match" and r["incident"] is None
    until(lambda: paged(chat, "no rollout claims: CanaryErrorRateHigh."))
    assert dispositions(d, a) == ["duplicate"]
    reload(d, bad.replace("title: Shop", "title: The Shop"))           # decided anew, with the same outcome
    assert dispositions(d, a) == ["duplicate"]
    reload(d, good)
    d.restart()
    [r] = d.post(a)
    assert r["disposition"] == "rollback_started"
    d.wait_state(r["incident"], "rolled_back")
    [copy] = d.post(a)
    assert (copy["disposition"], copy["incident"], copy["rollout"]) == ("duplicate", r["incident"], "shop")
    assert service.percentage() == 0 and len(paged(chat, "no rollout claims")) == 1


def test_what_one_rollout_was_told_stands_when_another_claims_it_too(daemon_of, service):
    d = daemon_of(config(service))
    a = alert()
    [first] = d.post(a)
    d.wait_state(first["incident"], "rolled_back")
    both = config(service, rollouts="""
  - name: cart
    alerts: ['rollout="shop"']
    apply: [{command: [/bin/true]}]
    verify: {checks: [{command: [/bin/true]}]}
""")
    reload(d, both)
    said_of = {r["rollout"]: r for r in d.post(a)}
    assert (said_of["shop"]["disposition"], said_of["shop"]["incident"]) == ("duplicate", first["incident"])
    assert said_of["cart"]["disposition"] != "duplicate" and said_of["cart"]["incident"] not in (None, first["incident"])
    assert dispositions(d, a) == ["duplicate", "duplicate"]
    assert len(service.reloads()) == 1


def an_hour_later(d):
    """The marks of when a page was sent, as they are an hour later."""
    d.stop()
    with contextlib.closing(sqlite3.connect(next(d.state.glob("*.db")))) as db:
        assert db.execute("UPDATE meta SET value = value - 3600000000 WHERE key LIKE '%_paged_at'").rowcount > 0
        db.commit()
    d.start()


STRANGE = [{"status": "FIRING"}, {"labels": {"alertname": "Odd", "replica": 7}}, {"labels": {}}, {"labels": None}]


@pytest.mark.parametrize("strange", STRANGE, ids=str)
def test_a_trigger_that_is_rejected_pages_once_an_hour_as_long_as_it_comes(daemon_of, service, chat, strange):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="page")))
    a = {**alert("Odd"), **strange}
    assert dispositions(d, a) == ["rejected"]
    [page] = until(lambda: paged(chat, "cannot be understood"))
    assert ("Odd" in page) == ("alertname" in (a["labels"] or {}))
    assert dispositions(d, a) == ["duplicate"]
    assert dispositions(d, *[{**alert(f"Odd{n}"), **strange} for n in range(2)]).count("rejected") == 2
    an_hour_later(d)
    assert dispositions(d, a) == ["duplicate"]
    pages = until(lambda: [p for p in [paged(chat, "cannot be understood")] if len(p) == 2][0])
    assert "and 2 more since the last page" in pages[1]


def test_the_page_names_who_was_not_claimed_and_how_many_more(daemon_of, service, chat):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="page")))
    d.post(*[alert(f"Trigger{n}", rollout="nobody") for n in range(5)])
    [page] = until(lambda: paged(chat, "no rollout claims"))
    assert "Trigger0, Trigger1, Trigger2 (5 alerts in all)" in page


def test_what_max_alerts_cut_off_is_told(daemon_of, service, chat):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="page")))
    d.post(alert(action=None), truncatedAlerts=3)
    d.post(alert(action=None), truncatedAlerts=4)
    until(lambda: paged(chat, "max_alerts"))
    d.post(alert())                         # a later page: everything before it has been decided
    until(lambda: paged(chat, "Shop"))
    assert len(paged(chat, "max_alerts")) == 1


@pytest.mark.parametrize("name", ["DatasourceError", "DatasourceNoData"])
def test_a_source_that_is_blind_holds_and_pages(daemon_of, service, chat, name):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="page")))
    blind = alert(name, rulename="Canary errors", datasource_uid="x")
    assert [d.post(blind)[0]["disposition"] for _ in range(2)] == ["held", "duplicate"]
    [text] = until(chat.texts)
    assert "BLIND: Grafana cannot evaluate Canary errors" in text and "held and not rolled back" in text
    assert service.percentage() == 10 and d.get("/api/v1/incidents")[0]["state"] == "held"
    d.post(alert())             # somebody sees: that is another matter
    until(lambda: service.percentage() == 0)
    assert len([t for t in chat.texts() if "BLIND" in t]) == 1
