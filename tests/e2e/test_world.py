"""The world decides: what the service really has, and since when that is known, not what was written or said before."""
import json
import re
import time
from urllib.parse import parse_qs, urlparse

import pytest
from harness import Server, alert, config, ctl, slack_channel, until


def command(service, name, script):
    path = service.dir / name
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return path


def by_command(service, **parts):
    """A service without a flags file: its reload sets what it is told, a command says where it is."""
    sets = command(service, "set.sh", f"echo $ROLLBACKD_PERCENTAGE >> {service.runs}\necho $ROLLBACKD_PERCENTAGE > {service.live}\n")
    asks = command(service, "get.sh", f"cat {service.live}\n")
    text = config(service, apply=f"      - {{command: [{sets}], timeout: 20s}}", checks=f"        - {{command: [{asks}]}}",
                  playbooks="playbooks:\n  - {name: auto-rollback, match: ['action=\"auto_rollback\"'], rollback: {to: 10}}\n", **parts)
    return re.sub(r"    flags:\n.*?    apply:", "    apply:", text, flags=re.S)


@pytest.mark.parametrize("at", [5, 10])
def test_a_target_above_what_is_there_is_never_applied(daemon_of, service, at):
    service.live.write_text(str(at))
    d = daemon_of(by_command(service))
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == at and service.reloads() == [] and i["already_there"]


def test_a_target_below_what_is_there_is_applied(daemon_of, service):
    service.live.write_text("50")
    d = daemon_of(by_command(service))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 10 and service.reloads() == ["10"]


def two_parts(service, other):
    """A second instance beside the service: what is applied sets both, and each is asked."""
    (service.dir / "other").write_text(other)
    text = by_command(service, timeout="2s")
    sets = service.dir / "set.sh"
    sets.write_text(sets.read_text() + f"echo $ROLLBACKD_PERCENTAGE > {service.dir}/other\n")
    asks = command(service, "get-other.sh", f"cat {service.dir}/other; [ ! -e {service.dir}/mute ]\n")
    return text.replace("get.sh]}", f"get.sh]}}\n        - {{command: [{asks}]}}")


def test_what_failed_is_not_tried_again_where_an_instance_has_less_by_now(daemon_of, service):
    service.live.write_text("50")
    text = two_parts(service, "50")
    sets, broken = service.dir / "set.sh", service.dir / "broken"
    sets.write_text(sets.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n[ ! -e {broken} ] || exit 1\n"))
    broken.touch()
    d = daemon_of(text)
    [r] = d.post(alert())

    def attempts():
        return sum(s["attempts"] for s in d.incident(r["incident"])["steps"] if s["kind"] == "command")

    until(lambda: attempts() >= 2)
    (service.dir / "other").write_text("5")             # a person helps where he can
    until(lambda: "1 of 2" in d.incident(r["incident"])["verification"]["acknowledged"]["note"])
    broken.unlink()
    d.wait_state(r["incident"], "failed")
    assert service.reloads() == [] and (service.dir / "other").read_text() == "5", "that would have raised it from 5% to 10%"


def test_an_instance_that_has_less_than_the_others_is_not_raised(daemon_of, service):
    service.live.write_text("50")
    d = daemon_of(two_parts(service, "5"))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert service.reloads() == ["5"]


def test_an_instance_that_does_not_say_where_it_is_is_not_raised(daemon_of, service):
    service.live.write_text("50")
    (service.dir / "mute").touch()
    d = daemon_of(two_parts(service, "5"))
    [r] = d.post(alert())
    until(lambda: service.reloads())
    assert set(service.reloads()) == {"0"}


def test_what_fails_is_not_repeated_above_what_is_there_now(daemon_of, service):
    service.live.write_text("50")
    d = daemon_of(by_command(service))
    sets, asks = service.dir / "set.sh", service.dir / "get.sh"
    good = sets.read_text()
    command(service, "set.sh", f"echo $ROLLBACKD_PERCENTAGE >> {service.runs}\nmv {service.dir}/get.sh {service.dir}/gone\nexit 1\n")
    [r] = d.post(alert())
    until(service.reloads)
    command(service, "set.sh", good)
    service.live.write_text("5")                    # by a person, while nobody can ask
    rounds = lambda: next(s["attempts"] for s in d.incident(r["incident"])["steps"] if s["kind"] == "verify")
    until(lambda: rounds() > 6)                     # a failed step is tried again after a quarter of a second, else
    (service.dir / "gone").rename(asks)
    d.wait_state(r["incident"], "rolled_back")
    assert service.reloads() == ["10"] and service.percentage() == 5


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_what_was_begun_before_a_restart_goes_on_only_if_it_is_still_above(daemon_of, service, end):
    service.live.write_text("50")
    slow = command(service, "slow.sh", f"touch {service.dir}/slow\nwhile [ ! -e {service.dir}/go ]; do sleep 0.1; done\n")
    d = daemon_of(by_command(service).replace("    apply:\n", f"    apply:\n      - {{command: [{slow}], timeout: 20s}}\n"))
    [r] = d.post(alert())
    until((service.dir / "slow").exists)
    getattr(d, end)()
    service.live.write_text("5")                    # by a person, meanwhile
    (service.dir / "go").touch()
    d.start()
    d.wait_state(r["incident"], "rolled_back")
    assert service.reloads() == [] and service.percentage() == 5


def test_nobody_can_tell_where_it_is(daemon_of, service, chat):
    service.live.write_text("busy")
    d = daemon_of(by_command(service, channels="channels:\n" + slack_channel(chat, events="page")))
    [r] = d.post(alert())
    until(lambda: service.reloads() == ["0"])       # 0 can raise nothing
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: any("cannot be told" in t for t in chat.texts()))


def test_lowered_by_somebody_after_a_rollback_to_more(daemon_of, service):
    service.live.write_text("50")
    d = daemon_of(by_command(service))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    d.act(r["incident"], "resolve", note="done")
    service.live.write_text("2")
    [r] = d.post(alert(pod="another"))
    d.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 2 and service.reloads() == ["10"]


@pytest.mark.parametrize("how", ["an older alert", "a younger alert", "by hand"])
def test_whatever_meets_a_live_incident_looks_at_the_service(daemon_of, service, how):
    d = daemon_of(config(service))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    reloads = len(service.reloads())
    service.live.write_text("10")                   # by itself: the file still says 0
    if how == "by hand":
        assert ctl(d, "rollback", "shop", "--stage", "1", "--reason", "it is back", "--wait").returncode == 0
    else:
        d.post(alert(pod="another", starts=time.time() + (-600 if how == "an older alert" else 0)))
    until(lambda: service.percentage() == 0 and len(service.reloads()) > reloads)
    assert d.wait_state(r["incident"], "rolled_back")["percentage_seen"] == 0


def test_meeting_a_live_incident_that_holds_tells_nobody_again(daemon_of, service, chat):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="all")))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    until(lambda: any("Rolled back to 0%" in t for t in chat.texts()))
    told = len([t for t in chat.texts() if "Rolled back to 0%" in t])
    since = d.incident(r["incident"])["rolled_back_at"]
    d.post(alert(pod="another"))
    until(lambda: any(e["what"] == "asked again" for e in d.incident(r["incident"])["timeline"]))
    i = d.wait_state(r["incident"], "rolled_back")
    assert i["rolled_back_at"] == since and len(service.reloads()) == 1
    assert len([t for t in chat.texts() if "Rolled back to 0%" in t]) == told


def test_no_is_the_answer_of_wait_when_the_reload_has_no_effect(daemon_of, service):
    d = daemon_of(config(service, timeout="1s"))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    service.live.write_text("10")
    service.ignore_reload()
    p = ctl(d, "rollback", "shop", "--stage", "1", "--reason", "it is back", "--wait")
    assert p.returncode == 1 and service.percentage() == 10, p.stdout + p.stderr


def test_a_trigger_acts_by_the_config_in_force(daemon_of, service, folder):
    d = daemon_of(config(service))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    moved = type(service)(folder / "moved")
    d.config.write_text(config(moved))
    assert d.call("POST", "/-/reload")[0] == 200
    d.post(alert(pod="another"))
    until(lambda: moved.percentage() == 0 and moved.file_percentage() == "0")
    d.wait_state(r["incident"], "rolled_back")
    moved.close()


SOON = "playbooks:\n  - {name: soon, match: ['action=\"soon\"'], rollback: {to: 0, after: 4s}}\n"


@pytest.mark.parametrize("how", ["tried again by a person", "due"])
def test_what_begins_after_a_reload_acts_by_the_config_in_force(daemon_of, service, folder, how):
    d = daemon_of(config(service, timeout="500ms", playbooks=SOON))
    if how == "due":
        [r] = d.post(alert(action="soon"))
    else:
        service.ignore_reload()
        [r] = d.post(alert())
        d.wait_state(r["incident"], "failed")
    moved = type(service)(folder / "moved")
    d.config.write_text(config(moved))              # without the playbook, too
    assert d.call("POST", "/-/reload")[0] == 200
    if how != "due":
        assert d.act(r["incident"], "retry", note="mended")[0] == 200
    until(lambda: moved.percentage() == 0 and moved.file_percentage() == "0")
    d.wait_state(r["incident"], "rolled_back")
    moved.close()


class Scraper(Server):
    """A Prometheus that scraped `gauge` at a moment; how it answers may be changed."""

    def __init__(self, service):
        self.service, self.scraped, self.value, self.spoil = service, 0, 0, lambda answer: answer
        super().__init__()

    def scrape(self):
        self.scraped, self.value = time.time(), self.service.percentage()

    def handle(self, method, path, headers, body):
        query = parse_qs(urlparse(path).query).get("query", [""])[0]
        value = self.scraped if query == "min(timestamp(gauge))" else self.value
        result = [{"metric": {}, "value": [time.time(), str(value)]}] if "gauge" in query and self.scraped else []
        return self.spoil((200, {}, {"status": "success", "data": {"resultType": "vector", "result": result}}))

    def answer(self, status, headers, data):
        return status, headers, json.dumps(data)


@pytest.fixture
def scraper(service):
    s = Scraper(service)
    handle = s.handle
    s.handle = lambda *a: s.answer(*handle(*a))
    yield s
    s.close()


def scraped(service, scraper, **parts):
    return config(service, prometheus=f"  prometheus: {{url: \"{scraper.url}\", timeout: 1s}}\n  evaluation_interval: 1h",
                  checks="        - {prometheus: gauge}", **parts)


def test_a_sample_from_before_the_rollback_is_no_evidence(daemon_of, service, scraper):
    service.raise_to(0)
    scraper.scrape()                                # saw 0
    service.raise_to(10)
    service.ignore_reload()
    d = daemon_of(scraped(service, scraper, timeout="1s"))
    [r] = d.post(alert())
    i = d.wait_state(r["incident"], "failed")
    assert "older" in i["verification"]["acknowledged"]["note"] and service.percentage() == 10
    service.follow_again()
    scraper.scrape()
    d.wait_state(r["incident"], "rolled_back")


@pytest.mark.parametrize("spoil", [
    lambda a: (500, {}, a[2]),
    lambda a: (302, {"Location": "/elsewhere"}, a[2]),
    lambda a: (200, {}, {**a[2], "warnings": ["some store is down"]}),
], ids=["500", "a redirect", "a warning"])
def test_an_answer_that_its_giver_does_not_stand_behind_is_unknown(daemon_of, service, scraper, spoil):
    d = daemon_of(scraped(service, scraper, timeout="1s"))
    scraper.spoil = spoil
    [r] = d.post(alert())
    until(lambda: service.percentage() == 0)
    scraper.scrape()
    i = d.wait_state(r["incident"], "failed")
    assert i["verification"]["acknowledged"]["state"] == "unknown"
    scraper.spoil = lambda a: a
    scraper.scrape()
    d.wait_state(r["incident"], "rolled_back")


@pytest.mark.parametrize("kill", [False, True], ids=["", "and rollbackd is killed meanwhile"])
def test_what_gave_way_never_has_the_last_word(daemon_of, service, kill):
    slow = command(service, "slow.sh", f"echo begin $ROLLBACKD_PERCENTAGE >> {service.runs}\n"
                   f"[ $ROLLBACKD_PERCENTAGE = 25 ] && sleep 4\necho $ROLLBACKD_PERCENTAGE > {service.live}\n"
                   f"echo end $ROLLBACKD_PERCENTAGE >> {service.runs}\n")
    d = daemon_of(config(service, apply=f"      - {{command: [{slow}], timeout: 20s}}"))
    assert d.call("POST", "/api/v1/rollouts/shop/advance", {"force": True, "reason": "a test"})[0] == 200
    until(lambda: "begin 25" in service.runs.read_text())
    [r] = d.post(alert())
    if kill:
        d.kill()
        d.start()
    d.wait_state(r["incident"], "rolled_back", timeout=40)
    assert service.percentage() == 0 and "end 25" not in service.runs.read_text()
    assert [s["state"] for s in d.incident(r["incident"] - 1)["steps"] if s["kind"] == "command"] == ["skipped"]


class Slow(Server):
    """A service behind HTTP that takes its time to carry out a PUT, whether the sender listens or not."""

    def __init__(self, service):
        self.service, self.got, self.done = service, [], []
        super().__init__()

    def handle(self, method, path, headers, body):
        percentage = json.loads(body)["p"]
        self.got.append(percentage)
        time.sleep(3 if percentage == 25 else 0)
        self.service.live.write_text(str(percentage))
        self.done.append(percentage)
        return 200, {}, "{}"


@pytest.mark.parametrize("kill", [False, True], ids=["", "and rollbackd is killed meanwhile"])
def test_a_request_that_gave_way_never_has_the_last_word(daemon_of, service, kill):
    web = Slow(service)
    apply = f"      - {{http: {{method: PUT, url: \"{web.url}/\", body: '{{\"p\": ${{percentage}}}}'}}, timeout: 6s}}"
    d = daemon_of(config(service, apply=apply))
    assert d.call("POST", "/api/v1/rollouts/shop/advance", {"force": True, "reason": "a test"})[0] == 200
    until(lambda: web.got)
    [r] = d.post(alert())
    if kill:
        d.kill()
        d.start()
    d.wait_state(r["incident"], "rolled_back", timeout=40)
    assert web.done.count(25) == web.got.count(25) and service.percentage() == 0
    web.close()


def test_nothing_is_dropped_from_what_stands_in_the_way_of_raising(daemon_of, service):
    items = "".join(f"{{text: item {n}}}, " for n in range(120))
    text = config(service, playbooks="playbooks:\n  - {name: reviewed, match: ['action=\"auto_rollback\"'], rollback: {to: 0}, "
                  "review: required}\n").replace("percentage: 10, duration: 48h", "percentage: 10, duration: 48h, checklist: big")
    text = text.replace("    stages:\n", f"    checklists: [{{name: big, items: [{items}]}}]\n    stages:\n")
    d = daemon_of(text)
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    d.act(r["incident"], "resolve", note="done")
    service.raise_to(10)                            # by hand: now `advance` leaves the stage
    until(lambda: d.get("/api/v1/rollouts/shop")["percentage_wanted"] == 10)
    status, answer = d.call("POST", "/api/v1/rollouts/shop/advance", {"force": True, "reason": "a test"})[:2]
    assert status == 409 and "review" in json.dumps(answer) and service.file_percentage() == "10"


def test_many_rollouts_are_all_asked(daemon_of, folder):
    """More check commands than a daemon may have children: each rollout is asked in every pass, not the first ones only."""
    n, rollouts = 230, ""
    for i in range(n):
        file = folder / f"many-{i}.env"
        file.write_text("PERCENTAGE=10\n")
        rollouts += (f"  - name: many-{i}\n    flags: {{file: {file}, percentage: PERCENTAGE}}\n    apply: [{{command: [/bin/true]}}]\n"
                     f"    verify: {{checks: [{{command: [/bin/sed, -n, s/PERCENTAGE=//p, {file}]}}]}}\n"
                     "    stages: [{number: 1, name: Canary, percentage: 10}]\n")
    d = daemon_of(f"global: {{evaluation_interval: 5s}}\nrollouts:\n{rollouts}")
    until(lambda: all(r["percentage_seen"] == 10 for r in d.get("/api/v1/rollouts")), timeout=60)


def test_a_file_that_holds_less_than_the_service_has_stops_nobody(daemon_of, service):
    """By hand nothing is raised; but what was seen above is lowered, to what the file holds."""
    service.raise_to(5)
    d = daemon_of(config(service, prometheus="  evaluation_interval: 100ms").replace("percentage: 10, dur", "percentage: 5, dur"))
    service.live.write_text("50")
    until(lambda: d.get("/api/v1/rollouts/shop")["percentage_seen"] == 50)
    assert d.call("POST", "/api/v1/rollouts/shop/rollback", {"stage": 1, "to": 60})[0] == 409
    status, answer = d.call("POST", "/api/v1/rollouts/shop/rollback", {"stage": 1, "to": 10})[:2]
    assert status in (200, 202), answer
    i = d.wait_state(answer["data"]["id"], "rolled_back")
    assert service.percentage() == 5 and i["percentage_wanted"] == 5
