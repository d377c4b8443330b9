"""The page: what a browser gets at the URLs that messages lead to, without JavaScript."""
import re

import pytest
from harness import alert, config, request, slack_channel, until
from html_page import BROWSER, get
from test_auth import WEB

@pytest.fixture
def failed(daemon_of, service, chat):
    service.ignore_reload()
    d = daemon_of(config(service, timeout="300ms", channels="channels:\n" + slack_channel(chat, events="all")))
    [r] = d.post(alert(pod="web-7"))
    return d, d.wait_state(r["incident"], "failed")


def test_an_incident_says_first_what_happened_and_whether_it_is_over(failed):
    d, i = failed
    p = get(d, f"/incidents/{i['id']}")
    words, main = p.words(), p.attributes("main")
    assert f"<title>FAILED shop · incident {i['id']}</title>" in p.source
    assert (main["data-page"], main["data-id"], main["data-rollout"], main["data-state"]) == ("incident", str(i["id"]), "shop", "failed")
    assert int(main["data-seq"]) >= max(e["id"] for e in d.get("/api/v1/events?limit=10") if e["what"] == "opened")
    assert p.parts()[:4] == ["verdict", "over", "waits", "acts"]
    assert re.search(r"NOT VERIFIED: .*Is it over\? No: .*What waits for a person .*Who has it nobody.*Why Error rate exceeded threshold", words), words
    assert f"rollbackctl incident retry {i['id']}" in words and "seen 10 %" in words and "wanted 0 %" in words
    assert "https://grafana.example.com/d/shop" in p.links and f"/api/v1/incidents/{i['id']}/report" in p.links


def test_who_does_not_ask_for_html_gets_text_as_before(failed):
    d, i = failed
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "text/plain"}, {"Accept": "text/html;q=0.5, text/plain"}):
        status, h, body = request(d.port, "GET", f"/incidents/{i['id']}", headers=headers)
        assert status == 200 and h["Content-Type"].startswith("text/plain") and b"<" not in body[:200], (headers, h)


def test_every_state_reads_well(daemon_of, service, chat):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat), playbooks="playbooks:\n"
                         "  - {name: hold, match: ['action=\"hold\"'], hold: true}\n"
                         "  - {name: later, match: ['action=\"later\"'], rollback: {to: 0, after: 1h}}\n"))
    [r] = d.post(alert("Odd", action="hold"))
    p = get(d, f"/incidents/{r['incident']}")
    assert "Held: nothing was rolled back" in p.words() and "A decision: roll back, or resolve" in p.words()
    assert d.act(r["incident"], "resolve")[0] == 200
    assert re.search(r"Resolved by local, \d\d:\d\d", get(d, f"/incidents/{r['incident']}").words())
    [r] = d.post(alert("Slow", action="later"))
    assert re.search(r"Rolls back to 0 % at \d\d:\d\d unless the alert ends", get(d, f"/incidents/{r['incident']}").words())
    assert d.act(r["incident"], "cancel")[0] == 200
    p = get(d, f"/incidents/{r['incident']}")
    assert "Called off by local" in p.words() and f"/incidents/{r['incident'] - 1}" in p.links
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    p = get(d, f"/incidents/{r['incident']}")
    assert "Rolled back: " in p.words() and "written yes" in p.words() and "set percentage done" in p.words()


NASTY = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "quote": "\" onmouseover=\"alert(1)",
    "ansi": "\x1b[31mred\x1b[0m",
    "bidi": "safe\u202etxt.exe\u200f",
    "long": "x" * 30000,
}


def test_what_comes_from_outside_is_inert(daemon, service):
    [r] = daemon.post(alert(annotations={"summary": NASTY["script"], "runbook_url": "javascript:alert(1)", **NASTY}, **NASTY))
    i = daemon.wait_state(r["incident"], "rolled_back")
    assert daemon.act(i["id"], "note", note="</li><b>" + NASTY["quote"])[0] == 200
    p = get(daemon, f"/incidents/{i['id']}")
    ours = [a for t, a in p.tags if t == "script" and a.get("type") == "module" and a["src"].startswith("/assets/page-")]
    assert len(ours) <= 1 and not [t for t, a in p.tags if t in ("script", "img", "b") and a.get("class") != "name" and a not in ours], p.tags
    assert "<script>alert(1)</script>" in p.words() and "javascript:" not in " ".join(p.links)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]", p.source)
    assert "␛[31mred" in p.words() and "⟨U+202E⟩" in p.words() and "… 30000 bytes" in p.words() and len(p.source) < 100_000


def test_a_page_can_be_asked_for_and_changes_nothing(failed):
    d, i = failed
    before = d.get("/api/v1/events?limit=1")[0]["id"]
    for _ in range(3):
        get(d, f"/incidents/{i['id']}")
    after = d.get("/api/v1/events?limit=50")
    assert {e["who"] for e in after if e["id"] > before} <= {"rollbackd"}


def test_home_says_in_a_sentence_whether_somebody_is_needed(daemon, service):
    p = get(daemon, "/")
    assert "All is well" in p.words() and "Shop · stage 1 Canary" in p.words() and p.attributes("main")["data-page"] == "home"
    assert "No incident. Rehearse: rollbackctl drill shop" in p.words()
    service.ignore_reload()
    [r] = daemon.post(alert())
    until(lambda: "1 needs you now" in get(daemon, "/").words())
    p = get(daemon, "/")
    assert f"/incidents/{r['incident']}" in p.links and "/rollouts/shop" in p.links and "nobody has it" in p.words()
    status, h, body = request(daemon.port, "GET", "/")
    assert status == 200 and h["Content-Type"].startswith("text/plain") and b"/rollouts/shop" in body


def test_the_list_is_filtered_and_goes_on(daemon_of, service):
    d = daemon_of(config(service, playbooks="playbooks:\n  - {name: hold, match: ['action=\"hold\"'], hold: true}\n"))
    for n in range(3):
        [r] = d.post(alert(f"Odd{n}", action="hold"))
        assert d.act(r["incident"], "resolve" if n else "cancel")[0] == 200
    p = get(d, "/incidents?limit=2&state=&kind=&rollout=&q=")
    assert [x for x in p.links if re.fullmatch(r"/incidents/\d+", x)] == ["/incidents/3", "/incidents/2"]
    [older] = [x for x in p.links if "cursor=" in x]
    assert [x for x in get(d, older).links if re.fullmatch(r"/incidents/\d+", x)] == ["/incidents/1"]
    p = get(d, "/incidents?state=cancelled")
    assert [x for x in p.links if re.fullmatch(r"/incidents/\d+", x)] == ["/incidents/1"]
    assert "Called off" in p.words() and p.form("filter")["fields"]["q"] == ""
    assert "None. Rehearse" in get(d, "/incidents?state=failed").words()
    assert "it can be" in get(d, "/incidents?state=odd", 400).words()


def test_what_is_not_there_leads_to_the_newest(failed):
    d, i = failed
    p = get(d, "/incidents/4711", 404)
    assert "there is no incident 4711" in p.words() and f"/incidents/{i['id']}" in p.links
    assert "/" in get(d, "/nothing", 404).links and "there is no rollout" in get(d, "/rollouts/none/rollback", 404).words()
    for path, headers in (("/api/v1/nothing", BROWSER), ("/nothing", {})):
        status, h, _ = request(d.port, "GET", path, headers=headers)
        assert status == 404 and h["Content-Type"] == "application/json"


def test_who_is_not_known_is_told_where_he_is(daemon_of, service, folder):
    web = folder / "web.yml"
    web.write_text(WEB)
    d = daemon_of(config(service), args=[f"--web.config.file={web}"])
    p = get(d, "/incidents/1", 401)
    assert f"This is rollbackd on 127.0.0.1:{d.port}." in p.words() and "operator" not in p.words()
