"""What is done from the page without JavaScript: forms, confirmed on a page of their own, and what they lead to."""
import re

import pytest
from harness import alert, basic, config, group, request, slack_channel, until
from html_page import BROWSER, get, lands, page_of, submit
from test_auth import ALICE, AM, VIC, WEB

PLAYBOOKS = """playbooks:
  - name: broken-data
    match: ['action="fix"']
    rollback: {to: 0}
    then:
      - {name: validate, command: [/bin/false]}
      - {name: restore, command: [/bin/true], needs: approval}
  - {name: later, match: ['action="later"'], rollback: {to: 0, after: 1h}}
"""
USERS = """users:
  - {name: alertmanager, roles: [webhook]}
  - {name: alice, roles: [operator]}
  - {name: vic, roles: [viewer]}
"""


@pytest.fixture
def shop(daemon_of, service, chat):
    return daemon_of(config(service, timeout="300ms", playbooks=PLAYBOOKS, channels="channels:\n" + slack_channel(chat)))


@pytest.fixture
def failed(shop, service):
    service.ignore_reload()
    [r] = shop.post(alert())
    shop.wait_state(r["incident"], "failed")
    return shop, r["incident"]


@pytest.fixture
def guarded(daemon_of, service, folder):
    """With passwords: alice is operator, vic viewer."""
    web = folder / "web.yml"
    web.write_text(WEB)
    return daemon_of(config(service, playbooks=PLAYBOOKS) + USERS, auth=ALICE, args=[f"--web.config.file={web}"])


def fires(d, **labels):
    status, out = d.call("POST", "/webhook", group(alert(**labels)), headers=basic(*AM))
    assert status == 200, out
    return out["data"]["results"][0]["incident"]


def test_acknowledging_takes_one_press_and_is_told(failed, chat):
    d, n = failed
    p = lands(d, submit(d, get(d, f"/incidents/{n}"), "acknowledge"), f"/incidents/{n}")
    assert re.search(r"Acknowledged by you, \d\d:\d\d:\d\d", p.words()) and "Who has it local, for" in p.words()
    assert d.incident(n)["acknowledged_by"] == "local"
    assert until(lambda: [t for t in chat.texts() if "cknowledged" in t])


def test_ending_what_is_elsewhere_needs_a_reason_and_keeps_what_was_typed(failed):
    d, n = failed
    p = get(d, f"/incidents/{n}/resolve")
    assert "The service is still at 10 %. Resolving does not change that" in p.words()
    answer = submit(d, p, "resolve")
    p = page_of(answer, 400)
    assert "needs a reason" in p.words() and d.incident(n)["state"] == "failed"
    p = lands(d, submit(d, p, "resolve", note="the canary was <removed>\nby hand"), f"/incidents/{n}")
    assert "Resolved by local" in p.words() and "the canary was <removed> by hand" in p.words()
    again = page_of(submit(d, get(d, f"/incidents/{n}/resolve"), "resolve", note="typed <before>"), 409)
    assert "Resolved by local" in again.words() and again.form("resolve")["fields"]["note"] == "typed <before>"
    assert [a for t, a in again.tags if t == "button" and "disabled" in a]


def test_retry_and_rollback_by_hand(failed, service):
    d, n = failed
    service.follow_again()
    lands(d, submit(d, get(d, f"/incidents/{n}/retry"), "retry", note="once more"), f"/incidents/{n}")
    d.wait_state(n, "rolled_back")
    assert d.act(n, "resolve")[0] == 200
    service.raise_to(10)
    p = get(d, "/rollouts/shop/rollback")
    assert p.form("rollback")["fields"]["stage"] == "1" and "from " in p.words()
    stale = submit(d, p, "rollback", stage="2", reason="looks odd")
    kept = page_of(stale, 409)
    assert kept.form("rollback")["fields"] == {**kept.form("rollback")["fields"], "stage": "1", "reason": "looks odd"}
    p = lands(d, submit(d, kept, "rollback", reason="looks odd"), f"/incidents/{n + 1}")
    i = d.wait_state(n + 1, "rolled_back")
    assert i["kind"] == "manual" and i["opened_by"] == "local" and "looks odd" in p.words() and service.percentage() == 0


def test_what_waits_is_called_off_put_off_and_given_an_eta(shop):
    [r] = shop.post(alert("Slow", action="later"))
    n = r["incident"]
    p = page_of(submit(shop, get(shop, f"/incidents/{n}/eta"), "eta", eta="soon"), 400)
    assert "not \"soon\"" in p.words() and p.form("eta")["fields"]["eta"] == "soon"
    lands(shop, submit(shop, p, "eta", eta="2h"), f"/incidents/{n}")
    lands(shop, submit(shop, get(shop, f"/incidents/{n}/extend"), "extend", duration="30m", note="a fix is on its way"), f"/incidents/{n}")
    lands(shop, submit(shop, get(shop, f"/incidents/{n}"), "note", note="it was the cache"), f"/incidents/{n}")
    p = lands(shop, submit(shop, get(shop, f"/incidents/{n}/cancel"), "cancel"), f"/incidents/{n}")
    assert "Called off by local" in p.words() and "it was the cache" in p.words() and "a fix is on its way" in p.words()


def test_what_was_not_done_is_ticked_before_what_follows_is_approved(guarded):
    n = fires(guarded, action="fix")
    until(lambda: [s for s in guarded.incident(n)["steps"] if s["state"] == "waiting" and s["started_at"]])
    p = get(guarded, f"/incidents/{n}")
    assert "Approval of restore; before it validate FAILED" in p.words() and f"/incidents/{n}/approve" in p.links
    p = get(guarded, f"/incidents/{n}/approve")
    p = page_of(submit(guarded, p, "approve"), 400)
    assert "tick what was not done" in p.words()
    lands(guarded, submit(guarded, p, "approve", **{"undone-0": "1"}), f"/incidents/{n}")
    until(lambda: guarded.incident(n)["steps"][-1]["state"] == "done" or
          [s for s in guarded.incident(n)["steps"] if s["name"] == "restore" and s["state"] == "done"])


def test_a_viewer_sees_who_may_and_can_nothing(guarded):
    n = fires(guarded, action="later")
    alices = get(guarded, f"/incidents/{n}")
    assert "alice (operator)" in alices.words() and "/login" in alices.links
    guarded.auth = VIC
    p = get(guarded, f"/incidents/{n}")
    assert not p.forms and "vic is viewer; an operator can acknowledge, cancel, rollback." in p.words()
    assert not get(guarded, f"/incidents/{n}/cancel").forms
    assert submit(guarded, alices, "acknowledge")[0] == 403 and guarded.incident(n)["acknowledged_by"] is None


@pytest.mark.parametrize("headers, typed", [({"Origin": "http://evil.example"}, {}), ({"Sec-Fetch-Site": "cross-site"}, {}),
                                            ({}, {"csrf": ""}), ({}, {"csrf": "0" * 64})])
def test_only_our_own_page_of_who_asks_can_act(failed, headers, typed):
    d, n = failed
    status, _, _ = submit(d, get(d, f"/incidents/{n}"), "acknowledge", headers, **typed)
    assert status == 403 and d.incident(n)["acknowledged_by"] is None


def test_forms_are_for_the_page_and_json_is_for_the_api(failed):
    d, n = failed
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert request(d.port, "POST", f"/api/v1/incidents/{n}/acknowledge", b"note=x", form)[0] == 415
    assert request(d.port, "POST", f"/incidents/{n}/acknowledge", {"note": "x"})[0] == 415
    assert request(d.port, "GET", f"/incidents/{n}/dance", headers=BROWSER)[0] == 404
    assert request(d.port, "GET", "/incidents/99/resolve", headers=BROWSER)[0] == 404
    assert d.incident(n)["acknowledged_by"] is None
