"""The door: by which name, from which page, with which type and parameters somebody may ask."""
import subprocess

import pytest
from harness import BUILD, alert, config, group, request, slack_channel, until


def test_a_foreign_name_reads_nothing_and_changes_nothing(daemon, service):
    evil = {"Host": f"evil.example:{daemon.port}"}
    for path in "/api/v1/rollouts", "/api/v1/incidents", "/api/v1/events", "/nothing":
        status, _, body = request(daemon.port, "GET", path, headers=evil)
        assert status == 421 and b"--web.allowed-host=evil.example" in body, body
    advance = {"force": True, "reason": "by a page"}
    for path, body in ("/webhook", group(alert())), ("/api/v1/rollouts/shop/advance", advance), ("/-/reload", None):
        assert request(daemon.port, "POST", path, body, headers=evil)[0] == 421
    assert daemon.incidents() == [] and service.file_percentage() == "10"
    for path in "/metrics", "/-/healthy", "/-/ready":       # probes and scrapes come by whatever name leads here
        assert request(daemon.port, "GET", path, headers=evil)[0] == 200


def test_a_page_of_another_site_changes_nothing(daemon, service):
    own = f"http://127.0.0.1:{daemon.port}"
    for origin in "http://evil.example", "null", own.replace("http:", "https:") + "0", f"http://localhost:{daemon.port}":
        for path, body in ("/webhook", group(alert())), ("/api/v1/rollouts/shop/advance", {"force": True, "reason": "x"}):
            assert request(daemon.port, "POST", path, body, headers={"Origin": origin})[0] == 403, origin
    assert daemon.incidents() == [] and service.file_percentage() == "10"
    assert request(daemon.port, "POST", "/-/reload", headers={"Origin": own})[0] == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_body_that_is_no_json_by_its_type_is_415_with_the_cure(daemon, kind):
    status, _, body = request(daemon.port, "POST", "/webhook", group(alert()), headers={"Content-Type": kind})
    assert status == 415 and b"Content-Type: application/json" in body and kind.split(";")[0].encode() in body
    assert daemon.incidents() == []


def cannot_be_heard(daemon, how):
    path, headers = {"name": ("/webhook", {"Host": "rb.internal:9595"}), "parameter": ("/webhook?token=x", {}),
                     "type": ("/webhook", {"Content-Type": "text/plain"})}[how]
    return request(daemon.port, "POST", path, group(alert()), headers=headers)[0]


@pytest.mark.parametrize("how, says", [("name", "rb.internal"), ("parameter", "takes no parameters"), ("type", "text/plain")])
def test_a_webhook_that_is_refused_at_the_door_pages(daemon_of, service, chat, how, says):
    """Its sender drops it: nobody would hear that no trigger comes any more."""
    d = daemon_of(config(service, channels="channels:\n" + slack_channel(chat, events="page")))
    assert {cannot_be_heard(d, how) for _ in range(3)} <= {400, 415, 421}
    [text] = until(chat.texts)
    assert "A webhook was refused" in text and says in text
    assert d.log().count("a webhook was refused") == 1      # and not a line for each


def test_no_page_of_another_site_and_no_stranger_wakes_anybody(daemon_of, service, chat, folder):
    channels = "channels:\n" + slack_channel(chat, events="page")
    d = daemon_of(config(service, channels=channels))
    for more in {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "same-origin"}:
        assert request(d.port, "POST", "/webhook", group(alert()), headers={"Host": "evil.example", **more})[0] == 421
    d.post(alert("Nobody", rollout="nobody"))               # what is told afterwards comes alone
    [text] = until(chat.texts)
    assert "no rollout claims" in text


def test_names_come_from_the_flag_and_from_the_config(daemon_of, service, folder):
    text = config(service)
    d = daemon_of(text, args=["--web.allowed-host=rb.internal", "--web.allowed-host", "10.1.2.3"])

    def status(host):
        return request(d.port, "GET", "/api/v1/rollouts", headers={"Host": host})[0]
    for host in "rb.internal", f"RB.internal.:{d.port}", "10.1.2.3", "localhost", f"127.0.0.1:{d.port}":
        assert status(host) == 200, host
    assert status("rollback.example") == 421
    assert status("rollback.example.com") == 200            # of the config
    d.config.write_text(text.replace("https://rollback.example.com", "https://rollback.example/x"))
    assert d.call("POST", "/-/reload")[0] == 200
    assert status("rollback.example") == 200 and status("rollback.example.com") == 421
    assert request(d.port, "POST", "/-/reload", headers={"Origin": "https://rollback.example"})[0] == 200
    assert request(d.port, "POST", "/-/reload", headers={"Origin": "http://rollback.example"})[0] == 403


@pytest.mark.parametrize("host", ["http://rb", "rb:80", "rb/", "*", "", "a b"])
def test_what_is_no_host_is_a_wrong_flag(folder, host):
    r = subprocess.run([BUILD / "rollbackd", f"--web.allowed-host={host}"], capture_output=True, text=True, cwd=folder, timeout=20)
    assert r.returncode == 2 and "--web.allowed-host" in r.stderr


def test_a_parameter_that_no_route_knows_is_400(daemon):
    known = {"/api/v1/incidents": "rollout=shop&state=failed&kind=auto&since=2026-01-01T00:00:00Z&limit=1&q=x&",
             "/api/v1/rollouts": "", "/api/v1/rollouts/shop": "", "/api/v1/rollouts/shop/flags": "", "/api/v1/events": "limit=1",
             "/api/v1/rollouts/shop/report": "kind=final", "/metrics": "", "/-/healthy": "", "/-/ready": ""}
    for path, query in known.items():
        assert daemon.call("GET", f"{path}?{query}")[0] in (200, 404), path
        status, _, body = request(daemon.port, "GET", f"{path}?{query}&stat=failed")
        assert status == 400 and (b"no parameter stat" in body or b"takes no parameters" in body), body
    assert request(daemon.port, "POST", "/webhook?token=x", group(alert()))[0] == 400
    assert request(daemon.port, "GET", "/api/v1/incidents?limit=1&limit=2")[0] == 400
    assert daemon.incidents() == []
