"""Messages: what is decided is delivered, in order, or is visible as undeliverable."""
import datetime
import time

import pytest

from harness import Hook, Slack, alert, config, slack_channel, until

OPENED = ["[INCIDENT] Shop Auto-Rollback", "- Trigger: Error rate exceeded threshold", "- Stage: 1 (10% traffic)"]


def test_the_text_of_an_incident(daemon, chat):
    [r] = daemon.post(alert())
    daemon.wait_state(r["incident"], "rolled_back")
    until(lambda: len(chat.texts()) >= 2)
    first, last = chat.texts()[0].splitlines(), chat.texts()[1].splitlines()
    assert first[:3] == OPENED and last[:3] == OPENED
    assert "- Action: Rolling back to 0%" in first and "- Action: Rolled back to 0%" in last
    assert "- Status: Investigating" in last and "- ETA: not set" in last
    assert any(f"https://rollback.example.com/incidents/{r['incident']}" in line for line in last)


def test_a_dead_chat_holds_neither_the_rollback_nor_another_channel(daemon_of, service, chat):
    dead = Slack()
    dead.hold.set()
    channels = "channels:\n" + slack_channel(dead, "dead", "all") + "\n" + slack_channel(chat, "alive", "all")
    d = daemon_of(config(service, channels=channels))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: any("Rolled back" in t for t in chat.texts()))
    dead.hold.clear()
    until(lambda: any("Rolled back" in t for t in dead.texts()), 60)
    dead.close()


def test_every_message_arrives_once_chat_is_back_also_across_a_kill(daemon_of, service, chat):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="incident")))
    chat.faults = [(503, {}, "service_unavailable")] * 3
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: chat.requests >= 2)
    d.kill()
    d.start()
    until(lambda: any("Rolled back" in t for t in chat.texts()), 60)
    texts = chat.texts()
    rolling = [n for n, t in enumerate(texts) if "Rolling back to" in t]
    done = [n for n, t in enumerate(texts) if "Rolled back to" in t]
    assert rolling and done and max(rolling) < min(done), "order is kept per incident and channel"


def test_retry_after_is_obeyed(daemon_of, service, chat):
    chat.faults = [(429, {"Retry-After": "2"}, "rate_limited")]
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="incident")))
    began = time.time()
    d.post(alert())
    until(lambda: chat.texts())
    assert chat.messages[0]["at"] - began >= 1.9


def test_a_permanent_error_is_visible_and_the_other_channel_still_hears(daemon_of, service, chat):
    gone = Slack()
    gone.faults = [(404, {}, "no_service")] * 100
    channels = "channels:\n" + slack_channel(gone, "gone", "incident") + "\n" + slack_channel(chat, "alive", "incident")
    d = daemon_of(config(service, channels=channels))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: len(chat.texts()) >= 2)

    def all_given_up():
        n = [x for x in d.incident(r["incident"])["notifications"] if x["channel"] == "gone"]
        return n and all(x["state"] == "undeliverable" and "no_service" in x["error"] for x in n)
    until(all_given_up)
    assert d.metric("rollbackd_notifications_undeliverable", channel="gone") >= 1
    assert gone.requests <= 2, "a permanent error is not retried"
    gone.close()


def test_the_generic_webhook_is_signed(daemon_of, service):
    hook = Hook("top secret")
    secret = service.dir / "secret"
    secret.write_text("top secret\n")
    secret.chmod(0o600)
    channels = f"channels:\n  - {{name: audit, webhook: {{url: \"{hook.url}/hook\", secret_file: {secret}}}, events: [all]}}"
    d = daemon_of(config(service, channels=channels))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: [b for b in hook.bodies if b.get("what") == "rolled_back"])
    assert hook.forged == 0 and len(set(hook.keys)) == len(hook.keys)
    assert hook.bodies[0]["incident"]["id"] == r["incident"]
    hook.close()


def test_a_channel_may_bring_its_own_program(daemon_of, service):
    hook = Hook("s")
    program = "{say: (.incident.rollout + \" is \" + .incident.state)}"
    channels = (f"channels:\n  - {{name: own, webhook: {{url: \"{hook.url}/\", secret: s}}, events: [incident], "
                f"program: '{program}'}}")
    d = daemon_of(config(service, channels=channels))
    d.post(alert())
    until(lambda: {"say": "shop is rolled_back"} in hook.bodies)
    hook.close()


def test_a_program_that_fails_is_named_at_load_and_replaced_by_plain_text_at_night(daemon_of, service):
    hook = Hook("s")
    bad = f"channels:\n  - {{name: own, webhook: {{url: \"{hook.url}/\", secret: s}}, events: [incident], program: 'nonsense('}}"
    d = daemon_of(config(service, channels=bad), start=False)
    d.spawn()
    assert d.died() == 2 and "own" in d.log()
    turns = ("if .incident.id == 1 and .what != \"opened\" and (.incident.rollout == \"shop\") "
             "then (def f: f; f) else {ok: true} end")
    good = f"channels:\n  - {{name: own, webhook: {{url: \"{hook.url}/\", secret: s}}, events: [incident], program: '{turns}'}}"
    d = daemon_of(config(service, channels=good), name="second")
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "rolled_back")
    assert i["state"] == "rolled_back"
    until(lambda: any("Rolled back" in b.get("text", "") for b in hook.bodies), 60)
    hook.close()


def at_line(text):
    [line] = [x for x in text.splitlines() if x.startswith("- At: ")]
    return line


def test_every_message_says_when_it_was_decided_in_the_zone_of_the_config(daemon_of, service, chat):
    text = config(service, channels="channels:\n" + slack_channel(chat, events="all"))
    d = daemon_of(text.replace("global:\n", "global:\n  timezone: Asia/Kathmandu\n", 1))  # +05:45 all year, without a name
    began = time.time()
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    d.post(alert("Nobody", rollout="unknown"))  # what is about no incident has its time as well
    until(lambda: len(chat.texts()) >= 3)
    for text in chat.texts():
        at = datetime.datetime.strptime(at_line(text), "- At: %Y-%m-%d %H:%M:%S +0545")
        utc = (at - datetime.timedelta(hours=5, minutes=45)).replace(tzinfo=datetime.timezone.utc)
        assert began - 1 <= utc.timestamp() <= time.time() + 1


def test_a_reload_brings_another_zone(daemon_of, service, chat):
    """Messages, schedules and freezes go by the config in force, as everything else."""
    text = config(service, channels="channels:\n" + slack_channel(chat, events="all"))
    d = daemon_of(text)
    d.post(alert("Nobody", rollout="unknown"))
    assert at_line(until(chat.texts)[0]).endswith(" UTC")
    d.config.write_text(text.replace("global:\n", "global:\n  timezone: Asia/Kathmandu\n", 1))
    assert d.call("POST", "/-/reload")[0] == 200
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    told = until(lambda: [t for t in chat.texts() if "Auto-Rollback" in t])
    assert all(at_line(t).endswith(" +0545") for t in told)


@pytest.mark.parametrize("words", ['{"success":true}', "", "<html>Thank you</html>"])
def test_a_chat_that_says_yes_in_other_words_gets_each_message_once_and_the_next(daemon_of, service, chat, words):
    chat.faults = [(200, {}, words)] * 100
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="incident")))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: [n["state"] for n in d.incident(r["incident"])["notifications"]] == ["sent", "sent"])
    assert chat.requests == 2


@pytest.mark.parametrize("words,state", [("channel_not_found", "undeliverable"), ('{"ok":false,"error":"internal"}', "queued")])
def test_a_200_whose_body_says_no_is_no_delivery(daemon_of, service, chat, words, state):
    chat.faults = [(200, {}, words)] * 100
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="incident")))
    [r] = d.post(alert())

    def told():
        n = d.incident(r["incident"])["notifications"]
        return n and n[0]["state"] == state and "HTTP 200" in (n[0]["error"] or "")
    until(told)


class Picky(Slack):
    """Takes what it likes: a text with one of the words is answered with 500, for ever."""

    def __init__(self, *words):
        self.words = words
        super().__init__()

    def handle(self, method, path, headers, body):
        if any(w.encode() in body for w in self.words):
            with self.lock:
                self.requests += 1
            return 500, {}, "too odd for me"
        return super().handle(method, path, headers, body)


def test_a_message_that_is_never_taken_holds_up_no_page(daemon_of, service):
    pager, everything = Picky("Rolling back to"), Picky("Rolling back to")
    channels = "channels:\n" + slack_channel(pager, "pager", "page") + "\n" + slack_channel(everything, "chat", "all")
    d = daemon_of(config(service, channels=channels, checks="        - {command: [/bin/echo, 10]}", timeout="1s"))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "failed")
    for chat in (pager, everything):
        until(lambda: any("AUTO_ROLLBACK FAILED" in t for t in chat.texts()), 5)
        assert not any("Rolling back to" in t for t in chat.texts())
        chat.close()


def test_what_comes_late_says_so_and_what_is_true_since(daemon_of, service):
    chat = Picky("Rolling back to")
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="all")))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: any("Rolled back to" in t for t in chat.texts()))
    chat.words = ()
    until(lambda: any("Rolling back to" in t for t in chat.texts()), 30)
    [late] = [t for t in chat.texts() if "Rolling back to" in t]
    lines = late.splitlines()
    assert lines[0] == "[INCIDENT] Shop Auto-Rollback" and lines[1].startswith("- Late: of ") and lines[1].endswith("; since then rolled back")
    chat.close()
