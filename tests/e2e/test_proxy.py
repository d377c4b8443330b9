"""A proxy in front that knows who asks (single sign-on): believed from its own addresses alone."""
import re
import socket

import pytest
from harness import alert, basic, config, group, request, until
from test_auth import ALICE, USERS, WEB

HEADER = "X-Remote-User"


@pytest.fixture
def behind(daemon_of, service, folder):
    def make(source, web=True):
        file = folder / "web.yml"
        file.write_text(WEB)
        text = config(service) + USERS + f"proxy: {{header: {HEADER}, from: [{source}]}}\n"
        return daemon_of(text, auth=ALICE if web else None, args=[f"--web.config.file={file}"] if web else [])
    return make


def hold(d, **headers):
    return request(d.port, "POST", "/api/v1/rollouts/shop/hold", {"note": "x"}, headers=headers)


def test_whom_the_proxy_names_has_the_roles_of_the_config(behind):
    d = behind("127.0.0.1")
    assert request(d.port, "GET", "/api/v1/rollouts", headers={HEADER: "vic"})[0] == 200
    status, _, body = hold(d, **{HEADER: "vic"})
    assert status == 403 and b"vic may not do this: the role operator is missing" in body
    assert request(d.port, "GET", "/api/v1/rollouts", headers={HEADER: "somebody.new"})[0] == 403
    assert hold(d, **{HEADER: "alice"})[0] == 200
    assert [e["who"] for e in d.get("/api/v1/events") if e["what"] == "held"] == ["alice"]
    # The proxy knows: what the client sent beside it does not count, right or wrong.
    assert hold(d, **{HEADER: "vic"}, **basic(*ALICE))[0] == 403
    assert request(d.port, "GET", "/api/v1/rollouts", headers={HEADER: "vic", **basic("alice", "wrong")})[0] == 200
    # Who comes from there without it is known by his password, as Alertmanager is.
    assert hold(d, **basic(*ALICE))[0] == 409 and hold(d)[0] == 401         # it is held; nobody may ask
    assert d.metric("rollbackd_auth_requests_total", result="proxy") >= 4


@pytest.mark.parametrize("source", ["10.1.2.3", "127.0.0.2", "10.0.0.0/8, 'fd00::/8', '::1'"])
def test_from_elsewhere_the_header_is_worth_nothing(behind, source):
    d = behind(source)
    assert request(d.port, "GET", "/api/v1/rollouts", headers={HEADER: "alice"})[0] == 401
    assert hold(d, **{HEADER: "alice"}, **basic("vic", "U*U*U"))[0] == 403      # he is vic, whatever he says
    assert hold(d, **{HEADER: "vic"}, **basic(*ALICE))[0] == 200


@pytest.mark.parametrize("name", ["", "local", "a:b", "x" * 64, "caf\xe9"])
def test_what_is_no_name_is_nobody(behind, name):
    d = behind("127.0.0.0/8")
    status, _, body = request(d.port, "GET", "/api/v1/rollouts", headers={HEADER: name})
    assert status == 401 and HEADER.encode() in body


def test_a_header_that_the_client_added_to_the_proxys_is_refused(behind):
    d = behind("127.0.0.1")
    with socket.create_connection(("127.0.0.1", d.port), timeout=10) as s:
        s.sendall(f"GET /api/v1/rollouts HTTP/1.1\r\nHost: 127.0.0.1\r\n{HEADER}: alice\r\n{HEADER.lower()}: vic\r\nConnection: close\r\n\r\n".encode())
        assert s.recv(100).startswith(b"HTTP/1.1 401")


def test_without_a_web_config_file_everybody_must_be_known_too(behind):
    d = behind("127.0.0.1", web=False)
    status, headers, body = request(d.port, "GET", "/api/v1/rollouts")
    assert status == 401 and b"proxy.from" in body and "Basic" not in headers["WWW-Authenticate"]
    assert request(d.port, "POST", "/webhook", group(alert()))[0] == 401
    assert request(d.port, "POST", "/webhook", group(alert()), headers={HEADER: "alertmanager"})[0] == 200
    assert hold(d, **{HEADER: "vic"})[0] == 403
    # A form for who is known so carries a token of his own.
    token = re.search(r'name="csrf" value="(\w{64})"', request(d.port, "GET", "/incidents/1/note", headers={HEADER: "alice", "Accept": "text/html"})[2].decode())
    assert token
    form = {HEADER: "vic", "Content-Type": "application/x-www-form-urlencoded"}
    assert request(d.port, "POST", "/incidents/1/note", f"csrf={token[1]}&note=x", headers=form)[0] == 403
    form[HEADER] = "alice"
    assert request(d.port, "POST", "/incidents/1/note", f"csrf={token[1]}&note=x", headers=form)[0] == 303
    # A reload that takes the proxy away takes its word with it.
    d.config.write_text(re.sub("(?m)^proxy: .*\n", "", d.config.read_text()))
    assert request(d.port, "POST", "/-/reload", headers={HEADER: "alice"})[0] == 200
    until(lambda: request(d.port, "GET", "/api/v1/rollouts", headers={HEADER: "somebody"})[0] == 200)     # local again, with every role


@pytest.mark.parametrize("source,says", [("127.0.0", "is no address"), ("10.1.2.3/8", "is no address"), ("127.0.0.1/33", "is no address"), ("example.com", "is no address")])
def test_a_wrong_address_is_a_wrong_config(folder, service, source, says):
    import subprocess
    from harness import BUILD
    (folder / "c.yml").write_text(config(service) + f"proxy: {{header: {HEADER}, from: ['{source}']}}\n")
    r = subprocess.run([BUILD / "rollbackctl", "check-config", folder / "c.yml"], capture_output=True, text=True, timeout=20)
    assert r.returncode != 0 and says in r.stdout + r.stderr and "proxy.from" in r.stdout + r.stderr
