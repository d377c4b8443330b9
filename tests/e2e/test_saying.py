"""What people read at three in the morning: is it over, why, what next; who lags; what a reason is for."""
import json
import re
import subprocess
import threading
import time
from urllib.parse import parse_qs, urlparse

import pytest
from harness import BUILD, Server, alert, config, ctl, slack_channel, until
from terminal import on_terminal


class Pods(Server):
    """A Prometheus that knows one metric of some pods."""

    def __init__(self):
        self.pods = {}
        self.away = False
        self.late = None                    # an event: an answer is made up, and given once it is set
        self.waiting = 0
        super().__init__()

    def handle(self, method, path, headers, body):
        query = parse_qs(urlparse(path).query).get("query", [""])[0]
        if self.away:
            return 503, {}, "away"
        now = time.time()
        result = [{"metric": {"__name__": "percentage", "job": "web", "pod": pod}, "value": [now, str(v)]}
                  for pod, v in self.pods.items()]
        if "timestamp(" in query:           # how old the samples are: scraped just now
            result = [{"metric": {}, "value": [now, str(now)]}]
        elif "percentage" not in query:
            result = []
        if self.late and "percentage" in query:
            self.waiting += 1
            self.late.wait(20)
        return 200, {}, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


@pytest.fixture
def pods():
    p = Pods()
    yield p
    p.close()


def told(chat, words):
    return until(lambda: next((t for t in chat.texts() if words in t), None))


def quick(text):
    return text.replace("global:\n", "global:\n  evaluation_interval: 100ms\n", 1)


def seen_by(prometheus, service, chat, events="all", **parts):
    return quick(config(service, channels="channels:\n" + slack_channel(chat, events=events), checks="        - {prometheus: percentage}",
                  prometheus=f"  prometheus: {{url: \"{prometheus.url}\", timeout: 1s}}", **parts))


def failed(daemon_of, service, chat, pods, timeout="400ms"):
    pods.pods = {f"web-{n}": 10 if n in (3, 7) else 0 for n in range(1, 9)}
    d = daemon_of(seen_by(pods, service, chat, timeout=timeout))
    [r] = d.post(alert())
    return d, d.wait_state(r["incident"], "failed")


HELD = """playbooks:
  - {name: hold, match: ['action="hold"'], hold: true}
"""
LAG = '6 of 8 at 0%; at 10%: pod="web-3", pod="web-7"'


def test_who_lags_is_named_everywhere(daemon_of, service, chat, pods):
    d, i = failed(daemon_of, service, chat, pods)
    assert i["over"] == {"answer": "no", "because": i["over"]["because"]} and LAG in i["over"]["because"]
    assert i["next"] == [f"rollbackctl incident retry {i['id']}"]
    assert LAG in told(chat, "CRITICAL: AUTO_ROLLBACK FAILED") and LAG in ctl(d, "status").stdout
    lines = ctl(d, "incident", i["id"]).stdout.splitlines()
    assert lines[0].startswith("Over: no, because ") and LAG in lines[0]
    assert lines[1] == lines[-1] == f"Next: rollbackctl incident retry {i['id']}" and lines[-2] == lines[0]
    assert LAG in ctl(d, "incidents").stdout and LAG.replace("%", "") in ctl(d, "incident", "report", i["id"]).stdout.replace("%", "")


def test_only_what_is_configured_is_shown(daemon_of, service, chat, pods):
    d, i = failed(daemon_of, service, chat, pods)
    shown = ctl(d, "incident", i["id"]).stdout
    assert "acknowledged" in shown and "effective" not in shown and "cured" not in shown and "Output of" not in shown
    assert "Output of set percentage" in ctl(d, "incident", i["id"], "-v").stdout
    assert ctl(d, "incident", "last").stdout.splitlines()[3] == shown.splitlines()[3]


def section(shown, title):
    """The lines of a part of an incident in full."""
    found = re.search(rf"^{title}(.*?)(?:\n\n|\Z)", shown, re.S | re.M)
    return found and found[0].strip().splitlines()


def test_what_is_as_it_should_be_takes_a_line(daemon_of, service, chat):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat), playbooks=HELD))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: [n["state"] for n in d.incident(1)["notifications"]] == ["sent", "sent"])
    shown, whole = ctl(d, "incident", "1").stdout, ctl(d, "incident", "1", "-v").stdout
    assert section(shown, "Messages") == ["Messages: 2 sent"] and len(section(whole, "Messages")) == 4
    assert len(section(whole, "Time against the SLA")) == 6 and re.fullmatch(r"Time against the SLA: [1-5] of [1-5] in time, total .*",
                                                                          section(shown, "Time against the SLA")[0])
    assert d.act(1, "resolve")[0] == 200
    [r] = d.post(alert("Odd", action="hold"))
    shown = ctl(d, "incident", r["incident"]).stdout
    assert f"Incident {r['incident']}: Held\n" in shown and "unknown" not in shown and section(shown, "Verification") is None


def test_ending_what_was_never_verified_needs_a_reason_and_is_nobodys_raise(daemon_of, service, chat, pods):
    d, i = failed(daemon_of, service, chat, pods)
    status, out = d.act(i["id"], "resolve")
    assert status == 400 and "needs a reason" in out["error"] and "last seen" not in out["error"] and "6 of 8" in out["error"]
    r = ctl(d, "incident", "resolve", i["id"])
    assert r.returncode == 2 and f'rollbackctl incident resolve {i["id"]} "why it is over"' in r.stderr
    r = ctl(d, "incident", "resolve", i["id"], "drained by hand")
    assert r.returncode == 0 and len(r.stdout.splitlines()) == 1 and "Over: no, because a person ended it" in r.stdout
    text = told(chat, "still at 10%, never verified at 0%")
    assert f"incident {i['id']} was ended by a person" in text
    assert "!! 10% SEEN, 0% WANTED" in ctl(d, "status", "shop").stdout
    assert not [t for t in chat.texts() if "raised outside" in t]


def test_what_was_set_back_by_somebody_else_is_still_called_that(daemon_of, service, chat):
    d = daemon_of(quick(config(service, channels="channels:\n" + slack_channel(chat, events="all"))))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert d.act(r["incident"], "resolve")[0] == 200
    service.live.write_text("10")
    told(chat, "raised outside rollbackd: 10% seen, 0% wanted")


def test_percentage_says_nothing_that_was_seen_before_the_rollback(daemon_of, service, chat, pods):
    pods.pods = {"web-1": 10}
    d = daemon_of(seen_by(pods, service, chat, timeout="30s"))
    until(lambda: ctl(d, "percentage", "shop", "--config", "/nowhere").returncode == 0)
    assert ctl(d, "percentage", "shop", "--config", "/nowhere").stdout == "10\n"
    pods.away = True
    [r] = d.post(alert())
    d.wait_state(r["incident"], "verifying")
    p = ctl(d, "percentage", "shop", "--config", "/nowhere")
    assert p.returncode == 4 and p.stdout == "" and "since it was last changed" in p.stderr
    pods.away, pods.pods = False, {"web-1": 0}
    d.wait_state(r["incident"], "rolled_back")
    assert ctl(d, "percentage", "shop", "--config", "/nowhere").stdout == "0\n"


FOLLOWED = """playbooks:
  - name: data
    match: ['action="auto_rollback"']
    rollback: {{to: 0}}
    then:
      - {{name: validate, command: [/bin/false]}}
      - {{name: restore, command: [/bin/true], needs: approval}}
"""


def test_a_step_that_failed_or_waits_stands_in_every_headline(daemon_of, service, chat):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat), playbooks=FOLLOWED.format()))
    [r] = d.post(alert())
    words = "Rolled back to 0%; validate FAILED, restore waits for you"
    until(lambda: d.incident(r["incident"])["action"] == words)
    i = d.incident(r["incident"])
    assert i["over"] == {"answer": "no", "because": "after the rollback validate FAILED"}
    assert i["next"] == [f"rollbackctl incident approve {i['id']}"]
    assert words in ctl(d, "status").stdout and words in ctl(d, "incidents").stdout
    assert d.act(i["id"], "acknowledge")[0] == 200
    assert f"- Action: {words}" in told(chat, ", acknowledged by ").splitlines()


def test_the_journal_has_a_line_for_each_state_and_step(daemon_of, service, chat, pods):
    d, i = failed(daemon_of, service, chat, pods)
    lines = [line for line in d.log().splitlines() if f" incident={i['id']} " in line]
    states = [line for line in lines if " state=" in line]
    assert [line.split(" state=")[1].split()[0] for line in states] == ["rolling_back", "verifying", "failed"]
    assert all("level=info" in line for line in states[:-1]) and "level=error" in states[-1]
    assert [line for line in lines if " step=" in line and "level=info" in line and "step done" in line]
    assert [line for line in lines if "level=debug" in line and "a round of verification" in line and "6 of 8 at 0%" in line]


WATCHED = "    watch: {patience: 100ms, data: [{name: percentages, query: percentage}]}\n"


def test_blind_does_not_contradict_a_rollback_that_runs(daemon_of, service, chat, pods):
    pods.pods = {"web-1": 10}
    text = seen_by(pods, service, chat, timeout="60s").replace("    stages:\n", WATCHED + "    stages:\n")
    d = daemon_of(text)
    until(lambda: d.get("/api/v1/rollouts/shop")["watch"]["percentage"] != "unknown")
    pods.away = True
    [r] = d.post(alert())
    page = told(chat, "BLIND")
    assert "A rollback is running" in page and "nothing would roll it back" not in page
    pods.away, pods.pods = False, {"web-1": 0}
    d.wait_state(r["incident"], "rolled_back")


def test_slips_of_the_pen_are_one_line(daemon_of, service):
    d = daemon_of(config(service))
    for words, near in ((["statsu"], "status"), (["incidents", "--stat", "failed"], "--state"), (["incident", "resovle", "1"], "resolve"),
                        (["--ulr", "x", "status"], "--url")):
        r = ctl(d, *words)
        assert r.returncode == 2 and len(r.stderr.splitlines()) == 1 and f"did you mean {near}?" in r.stderr, r.stderr
    assert ctl(d, "incident", "resolve").returncode == 2
    assert ctl(d, "incident", "open", "shop", "--severity", "P9", "--summary", "x").returncode == 2
    r = ctl(None, "status")
    assert r.returncode == 3 and "--or-offline" in r.stderr


def test_lists_by_states_and_what_is_open(daemon_of, service):
    d = daemon_of(config(service))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert ctl(d, "incident", "resolve", r["incident"]).returncode == 0
    [r] = d.post(alert("Another"))
    d.wait_state(r["incident"], "rolled_back")

    def ids(state):
        return [i["id"] for i in json.loads(ctl(d, "-o", "json", "incidents", "--state", state).stdout)]

    assert ids("open") == [2] and ids("resolved") == [1] and ids("rolled_back,resolved") == [2, 1]
    assert ctl(d, "incidents", "--state", "nonsense").returncode == 2


def test_what_answers_but_is_not_understood_is_not_out_of_reach(daemon_of, service, chat, pods):
    pods.pods = {"web-1": 10}
    d = daemon_of(seen_by(pods, service, chat))
    r = ctl(d, "doctor", "--config", d.config)
    assert r.returncode == 4 and "what it answered is not understood" in r.stdout, r
    pods.away = True
    r = ctl(d, "doctor", "--config", d.config)
    assert r.returncode == 3, r


def test_what_people_guess_is_understood(daemon_of, service):
    d = daemon_of(config(service))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert ctl(d, "ack", r["incident"]).stdout.startswith(f"incident {r['incident']}: acknowledged")
    assert ctl(d, "resolve", r["incident"]).stdout.startswith(f"incident {r['incident']}: resolved. Over: yes")
    for until_, found in (("1h", 0), ("2100-01-01T00:00:00Z", 1)):
        r = ctl(d, "-o", "json", "incidents", "--until", until_)
        assert r.returncode == 0 and len(json.loads(r.stdout)) == found, (until_, r)
    for name in ("--config", "--config.file"):
        assert ctl(None, "check-alert", name, d.config, "/nowhere").returncode == 2
        r = ctl(None, "doctor", name, "/nowhere.yml")
        assert r.returncode == 2 and "/nowhere.yml: it cannot be read" in r.stderr and "unknown option" not in r.stderr


def test_a_report_that_joins_an_open_incident_says_so(daemon_of, service):
    d = daemon_of(config(service))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    p = ctl(d, "incident", "open", "shop", "--severity", "P2", "--summary", "search is slow")
    assert p.returncode == 0 and p.stdout.splitlines()[0] == "joined incident 1, which was open already", p
    assert d.act(1, "resolve")[0] == 200
    p = ctl(d, "incident", "open", "shop", "--severity", "P2", "--summary", "search is slow")
    assert "joined" not in p.stdout and "Incident 2: Reported Incident" in p.stdout, p


def test_watch_goes_on_until_it_is_decided(daemon_of, service, chat, pods):
    pods.pods = {"web-1": 10}
    d = daemon_of(seen_by(pods, service, chat, timeout="60s"))
    [r] = d.post(alert())
    p = subprocess.Popen([str(BUILD / "rollbackctl"), "--url", f"http://127.0.0.1:{d.port}", "incident", str(r["incident"]), "--watch"],
                         stdout=subprocess.PIPE, text=True)
    assert "opened" in p.stdout.readline() and p.poll() is None
    pods.pods = {"web-1": 0}
    assert "rolled_back" in p.communicate(timeout=30)[0] and p.returncode == 0


def test_nobody_reads_microseconds_or_braces(daemon_of, service):
    d = daemon_of(config(service))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    shown, report = ctl(d, "incident", r["incident"]).stdout, ctl(d, "incident", "report", r["incident"]).stdout
    assert "alertname=" in shown and '{"' not in shown and '{"' not in report.replace("\\", "")
    for text in (shown, report):
        assert re.search(r"\d\d:\d\d:\d\d(Z| UTC)", text) and not re.search(r"\d\d:\d\d:\d\d\.\d+Z", text), text


def test_json_is_json_everywhere(daemon_of, service, folder):
    d = daemon_of(config(service))
    [r] = d.post(alert())
    for begins, words in (("[REPORT] Shop, weekly", ["report", "--weekly"]), ("# Incident 1: ", ["incident", "report", r["incident"]])):
        out = ctl(d, "-o", "json", *words)
        assert out.returncode == 0 and json.loads(out.stdout)["text"].startswith(begins) and ctl(d, *words).stdout.startswith(begins)
    bad = folder / "bad.yml"
    bad.write_text("rollouts: [{name: shop, verfy: {}}]\n")
    r = ctl(None, "-o", "json", "check-config", d.config, bad)
    good, wrong = json.loads(r.stdout)
    assert r.returncode == 1 and good == {"file": str(d.config), "right": True, "faults": [], "notes": []}
    assert wrong["file"] == str(bad) and wrong["right"] is False and any("verfy" in f for f in wrong["faults"])


def test_check_config_takes_many_files_and_its_input(daemon_of, service, folder):
    text = config(service)
    (folder / "a.yml").write_text(text)
    (folder / "b.yml").write_text("rollouts: [")
    r = ctl(None, "check-config", folder / "a.yml", folder / "b.yml")
    assert r.returncode == 1 and "a.yml is right" in r.stdout and "b.yml:2: this is not YAML" in r.stderr
    r = subprocess.run([str(BUILD / "rollbackctl"), "check-config", "-"], input=text, capture_output=True, text=True)
    assert r.returncode == 0 and "is right" in r.stdout


def test_a_table_is_no_wider_than_the_terminal_and_trouble_is_red(daemon_of, service, chat, pods):
    d, i = failed(daemon_of, service, chat, pods)
    url = f"http://127.0.0.1:{d.port}"
    assert LAG in ctl(d, "incidents").stdout and "\x1b" not in ctl(d, "status").stdout       # what goes into a pipe is whole
    lines = on_terminal(80, "--url", url, "--color=never", "incidents").splitlines()
    assert len(lines) == 3 and all(len(line) <= 80 for line in lines[1:]) and "\N{HORIZONTAL ELLIPSIS}" in lines[2]
    assert "\x1b[31mOver: no, because " in on_terminal(80, "--url", url, "incident", i["id"])
    assert "\x1b[31m  !! 10% SEEN, 0% WANTED\x1b[0m" in on_terminal(80, "--url", url, "status")


def test_the_rollout_in_trouble_stands_first(daemon_of, service):
    calm = "  - name: {}\n    apply: [{{command: [/bin/true]}}]\n    verify: {{checks: [{{command: [/bin/echo, \"0\"]}}]}}\n"
    d = daemon_of(config(service).replace("rollouts:\n", "rollouts:\n" + calm.format("aa") + calm.format("bb"), 1))
    first = lambda: [line.split()[0] for line in ctl(d, "status").stdout.splitlines() if line[:1].islower()]
    assert first() == ["aa", "bb", "shop"]
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert first() == ["shop", "aa", "bb"]


def test_status_says_how_rollbackd_itself_is(daemon_of, service, chat):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat)))
    chat.faults = [(500, {}, "no")] * 100
    d.post(alert())
    until(lambda: "wait to be sent" in ctl(d, "status").stdout)
    d.config.write_text("rollouts: [")
    assert d.call("POST", "/-/reload")[0] == 400
    assert "THE LAST RELOAD WAS REFUSED" in ctl(d, "status").stdout
    chat.faults = []


def test_what_was_asked_before_the_rollback_is_no_answer_of_now(daemon_of, service, chat, pods):
    pods.pods = {"web-1": 10}
    d = daemon_of(seen_by(pods, service, chat, timeout="30s").replace("timeout: 1s}", "timeout: 20s}"))
    until(lambda: ctl(d, "percentage", "shop", "--config", "/nowhere").returncode == 0)
    pods.late = late = threading.Event()
    until(lambda: pods.waiting)             # the plan's look at the world is under way
    pods.away, pods.late = True, None
    [r] = d.post(alert())
    d.wait_state(r["incident"], "verifying")
    before = d.get("/api/v1/rollouts/shop")["evaluated_at"]
    late.set()
    until(lambda: d.get("/api/v1/rollouts/shop")["evaluated_at"] != before)
    assert d.get("/api/v1/rollouts/shop")["seen_since_change"] is False
    assert ctl(d, "percentage", "shop", "--config", "/nowhere").returncode == 4


@pytest.mark.parametrize("status, body", [(200, "{}"), (200, '{"ok": true}'), (302, '{"status": "success", "data": {"id": 1}}')])
def test_a_yes_of_somebody_else_is_no_yes(status, body):
    class Other(Server):
        def handle(self, method, path, headers, text):
            return status, {"Content-Type": "application/json"}, body

    other = Other()
    for words in (("rollback", "shop", "--stage", "1"), ("rollback", "shop", "--stage", "1", "--wait"), ("status",), ("incident", "ack", "1")):
        said = ctl(other, *words)
        assert said.returncode == 3 and "not rollbackd's" in said.stderr, (words, said)
    other.close()
