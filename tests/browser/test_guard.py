"""What an update may not do: move or change what somebody is about to press, or touch a form in use. The pages are the daemon's own, with
more in them: a part that grows with every answer, above the buttons."""
import itertools

import pytest
from browser import DESK, fn
from harness import alert, config, until

pytestmark = pytest.mark.xdist_group("browser")

GROWING = """async route => {
    const count = globalThis.counts ??= {};
    const answers = count[%s] = (count[%s] ?? 0) + 1;       // to this page
    const answer = await route.fetch();
    const lines = "<p>a line that was not there before</p>".repeat(%s);
    const body = (await answer.text())
        .replace('<section id="acts"', `<section id="grows"><h2>Growing</h2>${lines}</section><section id="acts"`)
        .replace("<button>Acknowledge<", `<button value="${answers}">%s<`);
    await route.fulfill({response: answer, body});
}"""


@pytest.fixture
def incident(daemon_of, service):
    service.ignore_reload()
    d = daemon_of(config(service, timeout="300s"))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "verifying")
    return d, r["incident"]


numbers = itertools.count()


def opened(page_of, incident, lines="answers", button="Acknowledge", viewport=DESK, **options):
    d, n = incident
    number = next(numbers)
    return page_of(d, f"/incidents/{n}", prepare=lambda p: p.route(f"**/incidents/{n}", fn(GROWING % (number, number, lines, button))), viewport=viewport, **options)


def note(d, n, text):
    assert d.act(n, "note", note=text)[0] == 200


def place(page):
    return page.evaluate(fn("() => document.querySelector('#acts button').getBoundingClientRect().top"))


def test_a_button_stays_under_the_finger_and_news_wait_to_be_tapped(incident, page_of):
    d, n = incident
    page = opened(page_of, incident)
    at = place(page)
    note(d, n, "first of the new")
    news = page.locator("#news button")
    news.waitFor()
    assert "new event" in news.textContent()
    page.locator("#timeline", {"hasText": "first of the new"}).waitFor()     # below the button: it may come at once
    assert place(page) == at and page.locator("#grows p").count() == 1
    news.click()
    page.locator("#news").waitFor({"state": "hidden"})
    assert page.locator("#grows p").count() > 1 and place(page) > at


def test_a_button_does_not_become_another_one(incident, page_of):
    d, n = incident
    page = opened(page_of, incident, lines="1", button="${answers > 1 ? 'Roll back now' : 'Call off'}")
    sent = fn("() => document.querySelector('#acts button').value")
    assert page.locator("#acts button").textContent() == "Call off"
    was = page.evaluate(sent)
    note(d, n, "something else")
    page.locator("#news button").waitFor()
    assert page.locator("#acts button").textContent() == "Call off" and page.evaluate(sent) == was
    page.locator("#news button").click()
    assert page.locator("#acts button").textContent() == "Roll back now" and page.evaluate(sent) != was


def test_the_verdict_is_told_in_the_news_when_it_cannot_be_shown(incident, service, page_of):
    d, n = incident
    page = opened(page_of, incident, lines="answers")
    page.evaluate(fn("() => document.querySelector('#verdict').id = 'elsewhere'"))      # it cannot be put in alone
    service.follow_again()
    d.wait_state(n, "rolled_back")
    page.locator("#news", {"hasText": "Rolled back"}).waitFor()
    assert "Checking" in page.locator("h1").textContent() and page.title().startswith("ROLLED BACK")


def test_buttons_out_of_sight_hold_nothing_up(incident, page_of):
    d, n = incident
    page = opened(page_of, incident, viewport={"width": 1440, "height": 200})
    assert place(page) > 200
    note(d, n, "nobody can press now")
    page.locator("#timeline", {"hasText": "nobody can press now"}).waitFor()
    until(lambda: page.locator("#grows p").count() > 1)
    assert page.locator("#news").isHidden()


BELOW = """async route => {
    const answer = await route.fetch();
    const form = '<section id="own"><form><label for="n">Note</label> <textarea id="n"></textarea></form></section>';
    await route.fulfill({response: answer, body: (await answer.text()).replace('<section id="alerts"', form + '<section id="alerts"')});
}"""


def test_a_note_being_typed_survives_twenty_updates(incident, page_of):
    d, n = incident
    page = page_of(d, f"/incidents/{n}", prepare=lambda p: p.route(f"**/incidents/{n}", fn(BELOW)))
    field = page.locator("#n")
    field.click()
    page["keyboard"].type("half a thou")
    page.evaluate(fn("() => document.activeElement.setSelectionRange(4, 4)"))
    at = field.boundingBox()
    for i in range(20):
        note(d, n, f"update {i + 1}.")
        page.locator("#news", {"hasText": f"{i + 1} new event"}).waitFor()      # the timeline would push the field away
    page["keyboard"].type(" of")
    assert field.inputValue() == "half of a thou" and field.boundingBox() == at
    page.locator("#news button").click()
    page.locator("#timeline", {"hasText": "update 20."}).waitFor()
    assert field.inputValue() == "half of a thou"


def test_a_field_that_nobody_uses_follows_the_timeline(incident, page_of):
    d, n = incident
    page = page_of(d, f"/incidents/{n}")
    note(d, n, "seen at once")
    page.locator("#timeline", {"hasText": "seen at once"}).waitFor()
    assert page.locator("#news").isHidden()
