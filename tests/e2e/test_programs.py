"""The shipped jq programs on hostile texts: what they yield is taken by the chat, pings nobody and keeps what was said."""
import json
import re

import pytest
from harness import ROOT, Hook, Slack, alert, config, until
from test_shipped import run_program, shipped_program

PINGS = re.compile(r"<[!@#]|@[\w.-]")
NASTY = {
    "broadcasts": "<!channel> <!here> <!everyone|x> <!subteam^S1>",
    "names": "@everyone @here @channel @all @Channel @alice a@b.example",
    "ids": "<@U1> <@U123ABC|bob> <#C1|general>",
    "links": "<https://bad.example|click here> [x](https://bad.example) ![i](https://bad.example/i.png)",
    "markup": "*b* _i_ ~s~ `c` ```block``` > quote",
    "entities": "&amp; &lt;!channel&gt; &#60;!here&#62;",
    "quotes": "\" \\ ' ${HOME} $(id) \\(1+1) \\u003c!channel\\u003e",
    "long": "x" * 10000,
    "ampersands": "&" * 10000,
    "ats": "@" * 10000,
    "angles": "<>" * 5000,
    "astral": "\U0001f389" * 10000,
    "letters": "été 日本 \u200d\u0301 עברית",
    "blank": "  \n\n",
    "empty": "",
    "lines": "- a\n" * 2000,
}


def slack(text):
    return run_program(shipped_program("CHANNEL_SLACK"), text)


@pytest.mark.parametrize("name", NASTY)
def test_slack_takes_every_text_and_nobody_is_pinged(name):
    body = slack(NASTY[name])
    assert Slack.refuse("POST", {"Content-Type": "application/json"}, json.dumps(body).encode()) is None
    section, context = body["blocks"]
    assert section["type"] == "section" and section["text"]["type"] == "plain_text"
    assert not PINGS.search(body["text"]) and not PINGS.search(section["text"]["text"].replace("<", ""))
    assert "<" not in body["text"] and ">" not in body["text"]
    assert context["elements"][0]["text"] == "<https://r/incidents/1|Details> #1.1", "the link is ours alone"
    assert body["text"].endswith("#1.1"), "a copy can be recognised by its number"


SHORT = [name for name in NASTY if 0 < len(NASTY[name].strip()) < 1000]


@pytest.mark.parametrize("name", SHORT)
def test_what_slack_shows_is_what_was_said(name):
    body = slack(NASTY[name])
    shown = body["text"].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").replace("@\u200b", "@")
    assert shown == NASTY[name] + "\n#1.1"
    assert body["blocks"][0]["text"]["text"].replace("@\u200b", "@") == NASTY[name]


def test_a_text_that_is_too_long_for_slack_says_that_it_was_cut():
    body = slack(NASTY["long"])
    assert body["blocks"][0]["text"]["text"].endswith("x…") and body["text"].endswith("x…\n#1.1")
    assert slack("x" * 2900)["blocks"][0]["text"]["text"] == "x" * 2900


@pytest.mark.parametrize("name", NASTY)
def test_the_generic_webhook_gets_the_text_as_it_is(name):
    body = run_program(shipped_program("CHANNEL_WEBHOOK"), NASTY[name])
    assert body == {"id": "1.1", "at": "2026-11-28T00:00:00Z", "late": None, "number": 1, "event": "incident", "what": "rolled_back", "title": "t", "text": NASTY[name],
                    "link": "https://r/incidents/1", "incident": {"id": 1}}


def test_a_program_gets_what_the_readme_says(daemon_of, service):
    told = set(re.search(r"jq program over `\{([\w, ]+)\}`", (ROOT / "deploy/docs/messages.md").read_text())[1].split(", "))
    assert told == set(run_program(shipped_program("CHANNEL_WEBHOOK"), "x"))
    hook = Hook("s")
    channels = (f"channels:\n  - {{name: own, webhook: {{url: \"{hook.url}/\", secret: s}}, events: [incident], "
                "program: '{keys: keys}'}")
    daemon_of(config(service, channels=channels)).post(alert())
    until(lambda: hook.bodies)
    assert set(hook.bodies[0]["keys"]) == told
    hook.close()


def test_a_body_that_is_too_large_is_not_sent_with_a_hole_in_it(daemon_of, service):
    hook = Hook("s")
    channels = (f"channels:\n  - {{name: own, webhook: {{url: \"{hook.url}/\", secret: s}}, events: [incident], "
                "program: '{text: (if .incident.rollout == \"sample\" then \"\" else \"x\" * 300000 end)}'}")
    daemon = daemon_of(config(service, channels=channels))
    daemon.post(alert())
    until(lambda: hook.bodies)
    assert "Auto-Rollback" in hook.bodies[0]["text"]
    assert "yielded too much" in daemon.log()
    hook.close()
