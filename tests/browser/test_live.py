"""The page stays live: what happens appears in it without a reload, and nothing moves under a finger or in a form in use."""
import re
import signal

import pytest

from browser import fn
from harness import Alertmanager, alert, config, slack_channel, until

pytestmark = pytest.mark.xdist_group("browser")

BORN = fn("() => window.born")


def heading(page):
    return page.locator("h1").textContent().strip()


def open_incident(d, **labels):
    [r] = d.post(alert(**labels))
    return r["incident"]


def test_what_happens_appears_without_a_reload(daemon_of, service, page_of):
    service.ignore_reload()
    d = daemon_of(config(service, timeout="300s"))
    n = open_incident(d)
    d.wait_state(n, "verifying")
    page = page_of(d, f"/incidents/{n}")
    born = page.evaluate(BORN)
    assert "Checking" in heading(page)
    service.follow_again()
    d.wait_state(n, "rolled_back")
    page.locator("h1", {"hasText": "Rolled back"}).waitFor()
    assert page.title().startswith("ROLLED BACK shop") and page.evaluate(BORN) == born


def test_seconds_are_counted_between_two_answers(daemon, page_of):
    page = page_of(daemon, f"/incidents/{open_incident(daemon)}")
    ago = page.locator("#why time [data-ago]").first()
    seconds = lambda: int(re.fullmatch(r"(\d+) s ago", ago.textContent())[1])
    asked = fn("() => performance.getEntriesByType('resource').filter(r => r.name === location.href).length")
    daemon.wait_state(1, "rolled_back")
    page.locator("h1", {"hasText": "Rolled back"}).waitFor()
    was, answers = seconds(), page.evaluate(asked)
    until(lambda: seconds() >= was + 3)
    assert page.evaluate(asked) <= answers + 1


def is_grey(page):
    return page.evaluate(fn("() => getComputedStyle(document.querySelector('main')).filter")) == "grayscale(1)"


@pytest.mark.parametrize("by_the_clock", [False, pytest.param(True, marks=pytest.mark.long)])
def test_cut_off_it_says_so_greys_and_catches_up(daemon_of, service, page_of, by_the_clock):
    service.ignore_reload()
    d = daemon_of(config(service, timeout="300s"))
    n = open_incident(d)
    d.wait_state(n, "verifying")
    page = page_of(d, f"/incidents/{n}", clock=not by_the_clock)
    until(lambda: d.metric("rollbackd_http_streams") == 1)
    d.process.send_signal(signal.SIGSTOP)
    banner = page.locator("#banner")
    try:
        assert not banner.isVisible() and not is_grey(page)
        if not by_the_clock:
            page["clock"].fastForward(18000)
            assert not banner.isVisible() and not is_grey(page)
            page["clock"].fastForward(3000)
        banner.waitFor({"state": "visible", "timeout": 40000})
        assert re.search(r"Not live since \d\d:\d\d:\d\d UTC\. What stands below may be old", banner.textContent()) and is_grey(page)
        assert "rollbackctl rollback shop --stage 1 --or-offline" in banner.textContent()
    finally:
        d.process.send_signal(signal.SIGCONT)
    service.follow_again()
    d.wait_state(n, "rolled_back")
    page.locator("h1", {"hasText": "Rolled back"}).waitFor()
    banner.waitFor({"state": "hidden"})
    assert not is_grey(page)


def test_an_alert_appears_in_the_open_page_and_a_click_is_told_in_chat(daemon_of, service, chat, programs, folder, page_of):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="all")))
    am = programs(Alertmanager(folder / "am", f"http://127.0.0.1:{d.port}/webhook"))
    page = page_of(d, "/")
    born = page.evaluate(BORN)
    am.fire(instance="web-1")
    row = page.locator("main a[href='/incidents/1']").first()
    row.waitFor()
    assert page.evaluate(BORN) == born
    n = d.incidents()[0]["id"]
    d.wait_state(n, "rolled_back")
    page.locator("main", {"hasText": "Rolled back"}).waitFor()
    row.click()
    page.waitForURL(f"**/incidents/{n}")
    born = page.evaluate(BORN)
    am.fire(instance="web-2")
    page.locator("#alerts", {"hasText": "web-2"}).waitFor()
    assert page.evaluate(BORN) == born
    page.locator("[data-act=acknowledge] button").click()
    page.locator("#acts", {"hasText": "Acknowledged by you"}).waitFor()
    assert d.incident(n)["acknowledged_by"] == "local"
    until(lambda: [t for t in chat.texts() if "cknowledged by local" in t])


def test_after_a_restart_it_goes_on_where_it_was(daemon_of, service, page_of):
    service.ignore_reload()
    d = daemon_of(config(service, timeout="300s"))
    n = open_incident(d)
    d.wait_state(n, "verifying")
    page = page_of(d, f"/incidents/{n}")
    d.kill()
    service.follow_again()
    d.start()
    d.wait_state(n, "rolled_back")
    page.locator("h1", {"hasText": "Rolled back"}).waitFor()
