"""Signing in and out in a browser: the page says when it is nobody's any more, and what is not one's to do is not offered."""
import pytest
from browser import axe, fn
from harness import alert, basic, config, group, until

pytestmark = pytest.mark.xdist_group("browser")

# Published: the test vectors of crypt_blowfish (wrapper.c).
ALICE, VIC = ("alice", "U*U"), ("vic", "U*U*U")
HASHES = {"alice": "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
          "vic": "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"}
USERS = """
users:
  - {name: alice, roles: [operator, webhook, engineering-lead]}
  - {name: vic, roles: [viewer]}
"""


def web_config(*names):
    return "basic_auth_users:\n" + "".join(f"  {name}: {HASHES[name]}\n" for name in names)


@pytest.fixture
def guarded(daemon_of, service, folder):
    file = folder / "web.yml"
    file.write_text(web_config("alice", "vic"))
    d = daemon_of(config(service) + USERS, args=[f"--web.config.file={file}"], auth=ALICE)
    status, out = d.call("POST", "/webhook", group(alert()), headers={"Content-Type": "application/json", **basic(*ALICE)})
    assert status == 200, out
    n = out["data"]["results"][0]["incident"]
    d.wait_state(n, "rolled_back")
    return d, n, file


def sign_in(page, who):
    page.locator("#user").fill(who[0])
    page.locator("#password").fill(who[1])
    page.locator("main button").click()


def test_signed_in_by_the_form_one_acts_and_the_page_stays_live(guarded, page_of):
    d, n, _ = guarded
    page = page_of(d, f"/incidents/{n}")
    assert axe(page) == []
    sign_in(page, ALICE)
    page.waitForURL(f"**/incidents/{n}")
    assert "alice (operator)" in page.locator("#top").textContent()
    assert d.act(n, "note", note="from elsewhere")[0] == 200
    page.locator("#timeline", {"hasText": "from elsewhere"}).waitFor()
    page.locator("[data-act=acknowledge] button").click()
    page.locator("#acts", {"hasText": "Acknowledged by you"}).waitFor()
    assert d.incident(n)["acknowledged_by"] == "alice"


def test_a_viewer_is_offered_nothing_and_told_why(guarded, page_of):
    d, n, _ = guarded
    page = page_of(d, f"/incidents/{n}")
    sign_in(page, VIC)
    page.waitForURL(f"**/incidents/{n}")
    assert page.locator("main button").count() == 0 and "vic is viewer" in page.locator("#acts").textContent()


def test_who_is_taken_out_of_the_web_config_is_told_and_sees_nothing_new(guarded, page_of):
    d, n, file = guarded
    page = page_of(d, f"/incidents/{n}")
    sign_in(page, VIC)
    page.waitForURL(f"**/incidents/{n}")
    page.locator("#verdict").waitFor()
    file.write_text(web_config("alice"))
    assert d.call("POST", "/-/reload", headers=basic(*ALICE))[0] == 200
    assert d.act(n, "note", note="not for vic")[0] == 200
    page.locator("#banner", {"hasText": "no longer signed in"}).waitFor({"timeout": 10000})      # not when it asks next, after 15 s
    assert "not for vic" not in page.locator("main").textContent()
    assert page.evaluate(fn("() => document.documentElement.classList.contains('not-live')"))

PLAN = """    stages:
      - {number: 1, name: Canary, percentage: 10, duration: 100ms, approvals: [engineering-lead], checklist: before}
      - {number: 2, name: Half, percentage: 50}
    checklists:
      - {name: before, items: [{text: Runbook reviewed}]}
"""
#        act        fields                                    what the rollout says then
PLANNED = [("freeze",  {"duration": "4h", "reason": "a test"},   lambda r: r["freeze"]),
           ("freeze",  {"duration": "0s", "reason": "over"},     lambda r: not r["freeze"]),
           ("hold",    {"reason": "a demo"},                     lambda r: r["hold"]),
           ("resume",  {},                                       lambda r: not r["hold"])]


def test_every_move_of_the_plan_without_a_script(daemon_of, service, folder, page_of):
    file = folder / "web.yml"
    file.write_text(web_config("alice"))
    text = config(service, prometheus="  evaluation_interval: 100ms")
    a, b = text.index("    stages:"), text.index("- {number: 3")
    text = text[:a] + PLAN + text[text.index("\n", b) + 1:] + USERS
    d = daemon_of(text, args=[f"--web.config.file={file}"], auth=ALICE)
    page = page_of(d, "/rollouts/shop", javaScriptEnabled=False)
    sign_in(page, ALICE)
    page.waitForURL("**/rollouts/shop")
    def move(act, fields):
        page.goto(f"/rollouts/shop/{act}")
        for field, value in fields.items():
            page.locator(f"main form [name={field}]").fill(value)
        page.locator(f"main form[data-act={act}] button").first().click()

    for act, fields, done in PLANNED:
        move(act, fields)
        page.waitForURL("**/rollouts/shop*")
        assert until(lambda: done(d.get("/api/v1/rollouts/shop"))), act
    move("approve", {"role": "engineering-lead"})
    assert "not approved" in page.locator("main").textContent() and page.locator("[name=role]").inputValue() == "engineering-lead"
    page.goto("/rollouts/shop")
    page.locator("[data-act=check] button").click()
    page.waitForURL("**/rollouts/shop*")
    until(lambda: d.get("/api/v1/rollouts/shop")["checklists"][0]["items"][0]["person"] == "alice")

    def approved():
        move("approve", {"role": "engineering-lead"})
        return "/approve" not in page.url() or None
    until(approved)         # when the clean time is over
    assert "alice" in page.locator("#approvals").textContent()
    page.goto("/rollouts/shop/advance")
    page.locator("main form[data-act=advance] button").first().click()
    until(lambda: d.get("/api/v1/rollouts/shop")["stage"] == 2)
