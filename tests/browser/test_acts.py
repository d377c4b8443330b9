"""Everything that can be done is done with JavaScript off as well: by forms, each confirmed on a page of its own."""
import pytest
import verdicts
from harness import alert, config, until

pytestmark = pytest.mark.xdist_group("browser")

#       verdict      act            fields                                  what the incident says then
ACTS = [("held",     "acknowledge", None,                                   lambda i: i["acknowledged_by"] == "local"),
        ("held",     "note",        {"note": "I look <b>at it</b>"},         lambda i: "I look <b>at it</b>" in [e["note"] for e in i["timeline"]]),
        ("held",     "eta",         {"eta": "2h"},                          lambda i: i["eta"]),
        ("waiting",  "extend",      {"duration": "30m", "note": "a test"},  lambda i: "extended" in [e["what"] for e in i["timeline"]]),
        ("waiting",  "cancel",      {"note": "known"},                      lambda i: i["state"] == "cancelled"),
        ("stubborn", "retry",       {},                                     lambda i: ("rolling_back", "local") in [(e["what"], e["who"]) for e in i["timeline"]]),
        ("lowered",  "resolve",     {"note": "the bad build is gone"},      lambda i: i["state"] == "resolved"),
        ("held",     "rollback",    {"reason": "better safe"},              lambda i: i["state"] in ("rolling_back", "verifying", "rolled_back"))]


def test_every_act_without_a_script(daemon_of, folder, service, page_of):
    world = [v for v in verdicts.ten() if v.name in {a[0] for a in ACTS}]
    d = daemon_of(config(service, rollouts="".join(v.block(folder) for v in world), playbooks=verdicts.PLAYBOOKS))
    for v in world:
        v.happen(d)
    number = {v.name: v.incident for v in world}
    page = page_of(d, f"/incidents/{number['held']}", viewport=verdicts.PHONE, javaScriptEnabled=False)
    for name, act, fields, done in ACTS:
        page.goto(f"/incidents/{number[name]}")
        if fields is None:
            page.locator(f"[data-act={act}] button").click()
        else:
            link = page.locator(f"#acts a[href$='/{act}']").first()
            if not link.isVisible():
                page.locator("#more summary").click()
            link.click()
            for field, text in fields.items():
                page.locator(f"main form [name={field}]").fill(text)
            page.locator(f"main form[data-act={act}] button").click()
        page.waitForURL(f"**/incidents/{number[name]}*")
        assert until(lambda: done(d.incident(number[name]))), (name, act)
    for v in world:
        v.end()


def test_a_note_is_sent_by_who_typed_it_while_the_page_is_live(daemon_of, service, page_of):
    d = daemon_of(config(service))
    [r] = d.post(alert())
    n = r["incident"]
    d.wait_state(n, "rolled_back")
    page = page_of(d, f"/incidents/{n}/note")
    page.locator("main form textarea").fill("half of")
    for i in range(3):
        assert d.act(n, "note", note=f"meanwhile {i}")[0] == 200
    assert page.locator("main form textarea").inputValue() == "half of"
    page.locator("main form textarea").fill("half of a thought")
    page.locator("main form button").click()
    page.locator("#timeline", {"hasText": "half of a thought"}).waitFor()
