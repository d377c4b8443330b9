"""The page of a rollout, and its plan moved from there without JavaScript."""
import re

import pytest
from harness import config, until
from html_page import get, lands, page_of, submit
from test_auth import ALICE, VIC, WEB

STAGES = """    stages:
      - {number: 1, name: Canary, percentage: 10, duration: 100ms, checklist: before, approvals: [engineering-lead]}
      - {number: 2, name: Half, percentage: 50}
    checklists:
      - {name: before, items: [{text: Runbook reviewed}]}
"""
USERS = """users:
  - {name: alice, roles: [operator, engineering-lead]}
  - {name: vic, roles: [viewer]}
  - {name: bob, roles: [engineering-lead]}
"""


@pytest.fixture
def planned(daemon_of, service, folder):
    """At stage 1 of two; alice is operator and approves, bob only approves, vic only looks."""
    web = folder / "web.yml"
    web.write_text(WEB)
    text = re.sub(r"    stages:\n(      - .*\n)+", STAGES, config(service)) + USERS
    return daemon_of(text, auth=ALICE, args=[f"--web.config.file={web}"])


def test_it_is_taken_through_a_stage_from_the_page(planned, service):
    d = planned
    until(lambda: d.get("/api/v1/rollouts/shop")["clock"]["left"] == 0)
    p = get(d, "/rollouts/shop")
    assert "Shop: stage 1 Canary, 10 %" in p.words() and "missing: engineering-lead (alice, bob may)" in p.words()
    assert "/rollouts/shop/advance" not in p.links and "1 Canary 10 % · here" in p.words() and "2 Half 50 % · to come" in p.words()
    p = lands(d, submit(d, p, "check"), "/rollouts/shop")
    assert "Runbook reviewed: done, alice" in p.words()
    p = lands(d, submit(d, get(d, "/rollouts/shop/approve"), "approve", note="looks good"), "/rollouts/shop")
    assert "engineering-lead: alice" in p.words()
    p = until(lambda: next((p for p in [get(d, "/rollouts/shop")] if "/rollouts/shop/advance" in p.links), None))
    p = get(d, "/rollouts/shop/advance")
    assert "Raise shop from 10 % to 50 %, stage 2 Half, now?" in p.words()
    lands(d, submit(d, p, "advance"), "/rollouts/shop")
    until(lambda: service.percentage() == 50 and "Shop: stage 2 Half, 50 %" in get(d, "/rollouts/shop").words())


def test_it_is_held_and_frozen_with_a_reason_and_goes_on(planned):
    d = planned
    p = page_of(submit(d, get(d, "/rollouts/shop/hold"), "hold"), 400)
    p = lands(d, submit(d, p, "hold", reason="customer demo"), "/rollouts/shop")
    assert "Held by alice" in p.words() and "customer demo" in p.words() and "/rollouts/shop/resume" in p.links
    assert "Held by" not in lands(d, submit(d, get(d, "/rollouts/shop/resume"), "resume"), "/rollouts/shop").words()
    p = page_of(submit(d, get(d, "/rollouts/shop/freeze"), "freeze", duration="soon", reason="release day"), 400)
    assert p.form("freeze")["fields"]["duration"] == "soon" and p.form("freeze")["fields"]["reason"] == "release day"
    assert "Frozen: " in lands(d, submit(d, p, "freeze", duration="4h"), "/rollouts/shop").words()
    p = page_of(submit(d, get(d, "/rollouts/shop/advance"), "advance"), 409)
    assert "missing: " in p.words()


def test_who_only_looks_has_no_button(planned):
    planned.auth = VIC
    p = get(planned, "/rollouts/shop")
    assert not p.forms and "vic is viewer; an operator can" in p.words() and "/rollouts/shop/rollback" not in p.links
