"""Reading and the command line: what people and scripts see."""
import json
import os
import re
import signal
import subprocess
import time

import pytest
from harness import BUILD, ROOT, alert, config, ctl, request, slack_channel, until


def test_lists_page_and_filter(daemon_of, service):
    d = daemon_of(config(service, limits="limits: {quiet: 0s}"))
    ids = []
    for n in range(3):
        a = alert(f"Alert{n}", starts=time.time() - 60, annotations={"summary": f"story {n}"})
        [r] = d.post(a)
        ids.append(r["incident"])
        d.wait_state(r["incident"], "rolled_back")
        d.post({**a, "status": "resolved"})
        d.wait_state(r["incident"], "resolved")
    status, first = d.call("GET", "/api/v1/incidents?limit=2")
    assert [i["id"] for i in first["data"]] == ids[:0:-1] and first["next"]
    status, second = d.call("GET", f"/api/v1/incidents?limit=2&cursor={first['next']}")
    assert [i["id"] for i in second["data"]] == ids[:1] and "next" not in second
    assert [i["id"] for i in d.incidents(q="story%201")] == [ids[1]]
    assert len(d.incidents(state="resolved")) == 3 and d.incidents(state="failed") == []
    assert d.incidents(rollout="nothing") == [] and len(d.incidents(since="1h")) == 3
    assert len(d.incidents(since="0001-01-01T00:00:00Z")) == len(d.incidents(since="100y")) == 3
    for old in ("1970-01-01T00:00:00Z", "1969-07-20T20:17:40Z", "100y"):
        assert d.incidents(until=old) == [], old
    for bad in ("limit=0", "limit=x", "limit=501", "state=odd", "kind=odd", "kind=advance", "live=maybe", "since=yesterday",
                "cursor=-1"):
        status, out = d.call("GET", "/api/v1/incidents?" + bad)
        assert status == 400 and out["errorType"] == "bad_data", bad
    assert d.call("GET", "/api/v1/incidents?live=maybe")[1]["error"] == 'live is "maybe"; it can be true, false'


def test_an_incident_has_every_promised_member(daemon):
    [r] = daemon.post(alert())
    daemon.wait_state(r["incident"], "rolled_back")
    i = daemon.incident(r["incident"])
    for key in ("id rollout playbook kind severity state summary stage percentage_before percentage_wanted percentage_seen "
                "opened_at rolled_back_at resolved_at acknowledged_by eta alerts steps timeline verification sla "
                "notifications snapshot").split():
        assert key in i, key
    assert set(i["verification"]) == {"written", "acknowledged", "effective", "cured"}
    assert set(i["alerts"][0]) >= {"fingerprint", "status", "starts_at", "labels", "annotations"}
    assert set(i["steps"][0]) >= {"name", "kind", "state", "attempts", "started_at", "ended_at", "output"}
    assert set(i["timeline"][0]) >= {"at", "who", "what", "note"}


def test_flags_are_typed_and_have_an_etag(daemon, service):
    status, headers, out = request(daemon.port, "GET", "/api/v1/rollouts/shop/flags")
    data = json.loads(out)["data"]
    assert data["percentage"] == 10 and data["flags"] == {"SHOP_PERCENTAGE": 10, "SHOP_ENABLED": True}
    tag = headers["ETag"]
    assert request(daemon.port, "GET", "/api/v1/rollouts/shop/flags", headers={"If-None-Match": tag})[0] == 304
    service.raise_to(25)
    status, headers, out = request(daemon.port, "GET", "/api/v1/rollouts/shop/flags", headers={"If-None-Match": tag})
    assert status == 200 and headers["ETag"] != tag and json.loads(out)["data"]["percentage"] == 25
    service.flags.write_text("SHOP_PERCENTAGE=101\nSHOP_ENABLED=true\n")
    status, out = daemon.call("GET", "/api/v1/rollouts/shop/flags")
    assert status == 503 and "101" in out["error"]


def test_health_and_unknown_things(daemon):
    assert daemon.call("GET", "/-/healthy")[0] == 200 and daemon.call("GET", "/-/ready")[0] == 200
    for path in ("/api/v1/incidents/999", "/api/v1/incidents/x", "/api/v1/rollouts/none", "/api/v1/rollouts/none/flags", "/x"):
        status, out = daemon.call("GET", path)
        assert status == 404 and out["status"] == "error", path
    status, out = daemon.call("POST", "/api/v1/rollouts/none/rollback", {})
    assert status == 404 and "none" in out["error"]


@pytest.mark.parametrize("body", ["[]", "{\"stage\": \"one\"}", "{\"to\": 101}", "{\"to\": 0.001}", "{\"strange\": 1}", "{", "{\"reason\": 7}"])
def test_a_bad_request_by_hand_gets_a_sentence_and_does_nothing(daemon, service, body):
    status, out = daemon.call("POST", "/api/v1/rollouts/shop/rollback", body.encode())
    assert status == 400 and len(out["error"]) > 10 and service.percentage() == 10


def test_a_key_that_nobody_reads_is_refused_everywhere(daemon):
    [r] = daemon.post(alert())
    daemon.wait_state(r["incident"], "rolled_back")
    for path in (f"/api/v1/incidents/{r['incident']}/resolve", f"/api/v1/incidents/{r['incident']}/acknowledge", "/api/v1/incidents",
                 "/api/v1/rollouts/shop/rollback", "/api/v1/rollouts/shop/hold", "/api/v1/rollouts/shop/advance"):
        status, out = daemon.call("POST", path, {"Note": "done"})
        assert status == 400 and re.match("unknown key Note(; there|: did you mean note. There) are ", out["error"]), path
    assert daemon.incident(r["incident"])["state"] == "rolled_back"
    status, out = daemon.call("POST", "/api/v1/rollouts/shop/set", {})
    assert status == 400 and "which stage" in out["error"]


def test_a_rollback_by_hand_must_name_the_stage(daemon, service):
    status, out = daemon.call("POST", "/api/v1/rollouts/shop/rollback", {"reason": "x"})
    assert status == 400 and "stage" in out["error"] and service.percentage() == 10


def test_reload_by_signal(daemon):
    daemon.config.write_text(daemon.config.read_text().replace("title: Shop", "title: Corner Shop"))
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: daemon.get("/api/v1/rollouts/shop")["title"] == "Corner Shop")


def test_rollbackctl_shows_what_happened(daemon, service):
    r = ctl(daemon, "status")
    assert r.returncode == 0 and "shop" in r.stdout and "10%" in r.stdout and "Canary" in r.stdout
    [result] = daemon.post(alert())
    daemon.wait_state(result["incident"], "rolled_back")
    r = ctl(daemon, "incidents", "--since", "24h")
    assert r.returncode == 0 and "rolled_back" in r.stdout and "Rolled back to 0%" in r.stdout
    r = ctl(daemon, "incident", result["incident"])
    assert r.returncode == 0 and "set percentage" in r.stdout and "Error rate exceeded threshold" in r.stdout
    r = ctl(daemon, "-o", "json", "incident", result["incident"])
    assert json.loads(r.stdout)["state"] == "rolled_back"
    for words in (["ack", "1"], ["note", "1", "looking"], ["eta", "1", "2 hours"], ["resolve", "1"]):
        r = ctl(daemon, "incident", *words)
        assert r.returncode == 0, (words, r.stderr)
    assert ctl(daemon, "incident", "resolve", "1").returncode == 1
    assert ctl(daemon, "incident", "77").returncode == 1
    assert ctl(None, "status").returncode == 3
    for words in ([], ["nonsense"], ["rollback"], ["incident"], ["--bad", "x"], ["status", "x"], ["incidents", "--odd", "1"]):
        assert ctl(daemon, *words).returncode == 2, words


def test_the_links_of_messages_lead_to_something_that_people_can_read(daemon_of, service, chat):
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat)))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    text = until(lambda: next((t for t in chat.texts() if "Rolled back to 0%" in t), None))
    link = re.search(r"- Details: https://[^/]+(/incidents/\d+)$", text, re.M).group(1)
    for path, words in ((link, "Error rate exceeded threshold"), ("/rollouts/shop", "Shop, daily"), ("/", "/rollouts/shop\n")):
        status, headers, body = request(d.port, "GET", path)
        assert status == 200 and headers["Content-Type"].startswith("text/plain"), (path, status, headers)
        assert words in body.decode(), (path, body)
    assert link in request(d.port, "GET", "/")[2].decode()
    assert request(d.port, "GET", "/incidents/77")[0] == 404 and request(d.port, "GET", "/rollouts/other")[0] == 404


def test_check_config_says_that_a_recorded_series_is_seen_late(folder):
    text = (ROOT / "deploy" / "rollbackd.yml").read_text()
    recorded = folder / "recorded.yml"
    recorded.write_text(text.replace("prometheus: cst_rollout_percentage", "prometheus: 'job:cst_rollout_percentage:max'"))
    assert recorded.read_text() != text
    r, plain = ctl(None, "check-config", recorded), ctl(None, "check-config", ROOT / "deploy" / "rollbackd.yml")
    assert r.returncode == 0 and "note: cst-pipeline: its check asks for job:cst_rollout_percentage:max" in r.stderr and "60 s" in r.stderr
    assert plain.returncode == 0 and "which a rule records" not in plain.stderr


def test_check_config_names_every_fault_at_once(folder):
    bad = folder / "bad.yml"
    bad.write_text("rollouts:\n  - name: shop\n    flags: {file: relative.env}\n    verfy: {}\nplaybooks:\n  - {match: ['x=']}\nsla: {total: soon}\n")
    r = ctl(None, "check-config", bad)
    assert r.returncode == 1
    for line, word in ((3, "relative.env"), (4, "verfy"), (7, "soon")):
        assert any(f"bad.yml:{line}:" in text and word in text for text in r.stderr.splitlines()), (line, word, r.stderr)


def test_check_alert_explains_offline(service, folder):
    (folder / "rollbackd.yml").write_text(config(service))
    from harness import group
    body = folder / "body.json"
    body.write_text(json.dumps(group(alert(), alert(action=None), alert(rollout="other"), alert(status="resolved"))))
    r = ctl(None, "check-alert", "--config.file", folder / "rollbackd.yml", body)
    assert r.returncode == 0, r.stderr
    assert "roll back to 0%" in r.stdout and "no playbook matches" in r.stdout
    assert "would only record it, and page: nothing is rolled back\n  because playbook" in r.stdout and "would only record it\n" in r.stdout
    assert "no rollout claims it" in r.stdout and "record that it resolved" in r.stdout
    body.write_text("[]")
    assert ctl(None, "check-alert", "--config.file", folder / "rollbackd.yml", body).returncode == 1


def run(*args):
    return subprocess.run([str(BUILD / "rollbackd"), *map(str, args)], capture_output=True, text=True, timeout=60)


def test_exit_codes_of_the_daemon(daemon, service, folder):
    good = folder / "good.yml"
    good.write_text(config(service))
    assert run("--help").returncode == 0 and run("--version").returncode == 0
    assert run("--odd").returncode == 2 and run("--config.file", folder / "none.yml").returncode == 2
    r = run("--config.file", good, "--web.listen-address", "0.0.0.0:0")
    assert r.returncode == 2 and "0.0.0.0" in r.stderr
    r = run("--config.file", good, "--storage.path", daemon.state, "--web.listen-address", "127.0.0.1:0")
    assert r.returncode == 3, "one daemon per state directory"
    r = run("--config.file", good, "--storage.path", folder / "other", "--web.listen-address", f"127.0.0.1:{daemon.port}")
    assert r.returncode == 1, "the port is taken"
    assert "rollouts" in run("--help-config").stdout


def test_the_shipped_config_is_right():
    r = ctl(None, "check-config", ROOT / "deploy" / "rollbackd.yml")
    assert r.returncode == 0, r.stderr


def test_a_unix_socket_serves_too(daemon_of, service, folder):
    import socket
    d = daemon_of(config(service), start=False)
    path = os.path.relpath(d.dir / "sock", d.dir)
    d.spawn(args=[f"--web.listen-address=unix:{d.dir}/sock"])
    d.wait_ready()
    r = subprocess.run([str(BUILD / "rollbackctl"), "--url", f"unix:{path}", "status"], capture_output=True, text=True, cwd=d.dir)
    assert r.returncode == 0 and "shop" in r.stdout, r.stderr
    with socket.socket(socket.AF_UNIX) as s:
        os.chdir(d.dir)
        s.connect("sock")


def test_sigterm_under_load_loses_nothing(daemon, service):
    [r] = daemon.post(alert())
    assert daemon.stop() == 0
    daemon.start()
    assert daemon.post(alert("Later"))[0]["disposition"] == "attached"
    daemon.wait_state(r["incident"], "rolled_back")
