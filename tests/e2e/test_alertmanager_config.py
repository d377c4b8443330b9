"""deploy/alertmanager: who gets each alert of deploy/prometheus, by amtool, and on a running Alertmanager."""
import json
import re
import subprocess
import time

import pytest
from harness import ROOT, TOOLS, Alertmanager, Program, Server, basic, free_port, request, until

SHIPPED = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
TRIGGER, HOLD, PAGE, CHAT = "rollbackd,pager,team-chat", "rollbackd,team-chat", "pager,team-chat", "team-chat"
ROUTES = {
    "CanaryErrorRateBurst": TRIGGER, "CanaryErrorRateHigh": TRIGGER, "CanaryLatencyP95High": TRIGGER, "CanaryCacheHitRateLow": TRIGGER,
    "CanaryP0Incident": TRIGGER, "CanaryMemoryGrowthFast": TRIGGER, "CanaryMemoryLeak": TRIGGER, "CanaryIndexCorruption": TRIGGER,
    "CanaryErrorRateElevated": HOLD, "CanaryLatencyP95Degraded": HOLD, "CanaryMemoryGrowthElevated": HOLD,
    "CanaryCacheHitRateBelowTarget": HOLD, "CanaryEmbeddingReuseLow": HOLD, "CanaryFallbackRateHigh": HOLD,
    "CanaryTrafficShareWrong": HOLD, "CanaryNoData": HOLD, "CanarySignalMissing": HOLD, "CSTErrorRateHigh": CHAT,
    "Watchdog": "rollbackd", "RollbackdDown": PAGE, "RollbackdHeartbeatMissing": PAGE, "RollbackdCanaryBlind": PAGE,
    "RollbackdIncidentFailed": PAGE, "RollbackdIncidentWaits": CHAT, "RollbackNotEffective": PAGE,
    "RollbackdNotificationsUndeliverable": CHAT, "RollbackdNotificationsStuck": CHAT, "RollbackdWebhookUnavailable": PAGE,
    "RollbackdWebhookFailing": PAGE, "RollbackdCannotRecord": PAGE, "RollbackdDiskNearlyFull": CHAT, "RollbackdSLABreached": CHAT,
    "RollbackdConfigReloadFailed": CHAT,
}


def shipped_alerts():
    """{alert name: its labels}, of every file of rules."""
    found = {}
    for path in sorted((ROOT / "deploy" / "prometheus").glob("*-alerts.yml")):
        for name, rule in re.findall(r"- alert: (\w+)\n(.*?)(?=\n\s*- alert: |\Z)", path.read_text(), re.S):
            labels = re.search(r"^    labels: \{(.*)\}$", rule, re.M)[1]
            found[name] = {"alertname": name, **dict(pair.split(": ") for pair in labels.split(", "))}
    return found


ALERTS = shipped_alerts()


def amtool(*args):
    return subprocess.run([str(TOOLS / "amtool"), *map(str, args)], capture_output=True, text=True, timeout=60)


def route(labels, file=SHIPPED, *flags):
    return amtool("config", "routes", "test", f"--config.file={file}", *flags, *(f"{k}={v}" for k, v in labels.items()))


def test_it_is_well_formed_and_a_broken_one_is_not(folder):
    r = amtool("check-config", SHIPPED)
    assert r.returncode == 0 and "SUCCESS" in r.stdout and "3 receivers" in r.stdout, r.stdout + r.stderr
    broken = folder / "alertmanager.yml"
    broken.write_text(SHIPPED.read_text().replace("receiver: pager", "receiver: pagr", 1))
    assert amtool("check-config", broken).returncode != 0


def test_every_alert_has_its_row_here():
    assert set(ROUTES) == set(ALERTS) and len(ALERTS) == 33


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_route(name):
    r = route(ALERTS[name], SHIPPED, f"--verify.receivers={ROUTES[name]}")
    assert r.returncode == 0 and r.stdout.strip() == ROUTES[name], r.stdout + r.stderr


@pytest.mark.parametrize("labels, receivers", [
    ({"alertname": "Mine", "action": "auto_rollback", "rollout": "search"}, TRIGGER),        # another rollout, no severity
    ({"alertname": "Mine", "action": "auto-rollback", "rollout": "search"}, CHAT),           # a typing mistake starts nothing
    ({"alertname": "Mine", "action": "auto_rollback_later"}, CHAT),
    ({"alertname": "Mine", "rollout": "search", "priority": "P0", "severity": "P0"}, PAGE),  # CanaryP0Incident rolls back for it
    ({"alertname": "WatchdogOfMine", "severity": "warning"}, CHAT),
    ({"alertname": "Mine"}, CHAT),
])
def test_route_of_what_others_send(labels, receivers):
    assert route(labels).stdout.strip() == receivers


def test_a_wrong_expectation_fails():
    assert route(ALERTS["CanaryErrorRateHigh"], SHIPPED, "--verify.receivers=team-chat").returncode != 0


# --- the shipped file, running; only addresses and paths are replaced ---

class Receiver(Server):
    """Keeps (alert name, status, its own arrival, user and password) of every alert that comes."""

    def __init__(self):
        self.got, self.bodies = [], []
        super().__init__()

    def handle(self, method, path, headers, body):
        body = json.loads(body)
        with self.lock:
            self.bodies.append(body)
            for a in body.get("alerts", []):
                self.got.append((a["labels"]["alertname"], a["status"], time.time(), headers.get("Authorization")))
        return 200, {}, "ok"

    def has(self, name, status="firing"):
        with self.lock:
            return [at for n, s, at, _ in self.got if (n, s) == (name, status)]

    def text(self):
        with self.lock:
            return json.dumps(self.bodies)


class Shipped(Alertmanager):
    def __init__(self, folder, rollbackd_url, pager, chat):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        for name, text in (("rollbackd", "am-secret"), ("pager", "pager-secret"), ("slack-url", f"{chat.url}/services/T/B/x")):
            (folder / name).write_text(text + "\n")
        text = SHIPPED.read_text()
        for old, new in (("http://127.0.0.1:9595", rollbackd_url), ("https://oncall.example.com", pager.url), ("/etc/alertmanager/", f"{folder}/")):
            assert old in text
            text = text.replace(old, new)
        (folder / "alertmanager.yml").write_text(text)
        Program.__init__(self, folder, "alertmanager", [
            str(TOOLS / "prometheus-alertmanager"), f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am",
            f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn", "--cluster.listen-address="], "/-/ready")

    def shipped(self, name, ends=None):
        """Fires (or, with ends, resolves) an alert with the labels of its rule; an empty label is none."""
        labels = {"action": "", "rollout": "", **ALERTS[name]}
        del labels["alertname"]
        self.fire(name, ends=ends, annotations={"summary": f"s of {name}", "description": "d", "do": f"do for {name}"}, **labels)

    def muted(self, name):
        alerts = json.loads(request(self.port, "GET", "/api/v2/alerts")[2])
        status = [a["status"] for a in alerts if a["labels"]["alertname"] == name]
        return bool(status and status[0]["inhibitedBy"])


@pytest.fixture
def receivers():
    r = {name: Receiver() for name in ("rollbackd", "pager", "chat")}
    yield r
    for receiver in r.values():
        receiver.close()


def test_triggers_go_out_at_once_and_people_hear_too(folder, programs, receivers):
    rollbackd, pager, chat = receivers.values()
    am = programs(Shipped(folder, rollbackd.url, pager, chat))
    start = time.time()
    am.shipped("CanaryErrorRateBurst")
    am.shipped("CanaryErrorRateElevated")
    am.shipped("Watchdog")
    am.shipped("CSTErrorRateHigh")
    for name in ("CanaryErrorRateBurst", "CanaryErrorRateElevated", "Watchdog"):
        assert until(lambda n=name: rollbackd.has(n))[0] - start < 3
    assert until(lambda: am.muted("CSTErrorRateHigh")) and not am.muted("CanaryErrorRateElevated")
    am.shipped("CanaryMemoryLeak")          # a second trigger does not wait for the first one's group
    at = time.time()
    assert until(lambda: rollbackd.has("CanaryMemoryLeak"))[0] - at < 3
    assert until(lambda: pager.has("CanaryErrorRateBurst"), 30)[0] - start < 20
    am.shipped("CanaryErrorRateElevated", ends=-1)          # although a trigger fires: rollbackd must hear it
    until(lambda: rollbackd.has("CanaryErrorRateElevated", "resolved"), 45)
    until(lambda: "do for CanaryErrorRateBurst" in chat.text(), 60)
    assert not pager.has("Watchdog") and not pager.has("CanaryErrorRateElevated") and not rollbackd.has("CSTErrorRateHigh")
    assert "CSTErrorRateHigh" not in chat.text() and "Watchdog" not in chat.text()
    assert {who for *_, who in rollbackd.got} == {basic("alertmanager", "am-secret")["Authorization"]}
    assert {who for *_, who in pager.got} == {basic("alertmanager", "pager-secret")["Authorization"]}


def test_without_rollbackd_the_pager_still_rings(folder, programs, receivers):
    _, pager, chat = receivers.values()
    am = programs(Shipped(folder, f"http://127.0.0.1:{free_port()}", pager, chat))        # nobody listens there
    for name in ("RollbackdDown", "RollbackdWebhookFailing", "CanaryErrorRateBurst", "RollbackNotEffective"):
        am.shipped(name)
    for name in ("RollbackdDown", "CanaryErrorRateBurst", "RollbackNotEffective"):
        until(lambda n=name: pager.has(n), 30)
    assert am.muted("RollbackdWebhookFailing") and not pager.has("RollbackdWebhookFailing")
    assert not am.muted("CanaryErrorRateBurst")


def test_a_drill_makes_no_trigger_wait_and_mutes_nothing(folder, programs, receivers):
    rollbackd, pager, chat = receivers.values()
    am = programs(Shipped(folder, rollbackd.url, pager, chat))
    labels = {**ALERTS["CanaryErrorRateBurst"], "name": "CanaryErrorRateBurst", "drill": "0123456789abcdef"}
    del labels["alertname"]
    am.fire(**labels)
    until(lambda: rollbackd.has("CanaryErrorRateBurst"))
    am.shipped("CSTErrorRateHigh")
    am.shipped("CanaryErrorRateBurst")      # the one that the drill rehearses
    at = time.time()
    assert until(lambda: rollbackd.has("CanaryErrorRateBurst")[1:])[0] - at < 3
    assert until(lambda: am.muted("CSTErrorRateHigh")), "by the real one"
    am.shipped("CanaryErrorRateBurst", ends=-1)
    until(lambda: not am.muted("CSTErrorRateHigh"))
