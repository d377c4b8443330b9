"""Signing in by a form: sessions, their cookies and tokens, and what somebody else could make a browser do with them."""
import html
import re
import urllib.parse

import pytest
from harness import alert, basic, group, request, until
from test_auth import ALICE, ALICE_HASH, AM, BOB, BOB_HASH, VIC, VIC_HASH, guarded  # noqa: F401 (a fixture)
from test_openapi import described, filled, operations

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
FORM = "application/x-www-form-urlencoded"
NAME, LOGIN = "__Host-rollbackd", "__Host-rollbackd-login"      # external_url is https


class Browser:
    """Keeps cookies, sends forms with the hidden fields of the page that it saw."""

    def __init__(self, daemon, **headers):
        self.d, self.cookies, self.headers = daemon, {}, {"Accept": HTML, **headers}
        self.set = {}       # name: the last Set-Cookie

    def ask(self, method, path, fields=None, **headers):
        sent = {**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        body = None if fields is None else urllib.parse.urlencode(fields)
        if body is not None:
            sent = {"Content-Type": FORM, **sent}
        status, got, text = request(self.d.port, method, path, body, headers=sent)
        for line in got.get_all("Set-Cookie") or []:
            name, value = line.split(";")[0].split("=", 1)
            self.set[name] = line
            self.cookies[name] = value
            if "Max-Age=0;" in line:
                del self.cookies[name]
        return status, got, text.decode()

    def hidden(self, path="/login"):
        status, _, text = self.ask("GET", path)
        assert status in (200, 401), text
        return {n: html.unescape(v) for n, v in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', text)}

    def sign_in(self, who, path="/login", **fields):
        return self.ask("POST", "/login", {**self.hidden(path), "user": who[0], "password": who[1], **fields})

    def hold(self, **headers):
        """Something that only an operator may."""
        sent = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), **headers}
        return request(self.d.port, "POST", "/api/v1/rollouts/shop/hold", {"note": "x"}, headers=sent)[0]

    def may(self, path="/api/v1/rollouts"):
        return self.ask("GET", path, Accept="*/*")[0]


@pytest.fixture
def signed_in(guarded):     # noqa: F811
    def make(*people, **kw):
        d = guarded(**kw)
        browsers = [Browser(d) for _ in people]
        for b, who in zip(browsers, people):
            assert b.sign_in(who)[0] == 303
        return d, *browsers
    return make


def test_a_person_signs_in_where_the_link_led_and_out_again(guarded):      # noqa: F811
    d = guarded()
    b = Browser(d)
    status, headers, text = b.ask("GET", "/incidents/7?a=b%20c")
    assert status == 401 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert f"This is rollbackd on 127.0.0.1:{d.port}." in text and "Basic" not in headers["WWW-Authenticate"]
    status, headers, _ = b.sign_in(ALICE, path="/incidents/7?a=b%20c")
    assert status == 303 and headers["Location"] == "/incidents/7?a=b%20c"
    assert b.may() == 200 and b.may("/incidents/7") == 404
    assert b.hold() == 200
    assert [e["who"] for e in d.get("/api/v1/events") if e["what"] == "held"] == ["alice"]
    status, _, text = b.ask("GET", "/login")
    assert status == 200 and "alice" in text
    old = dict(b.cookies)
    status, _, text = b.ask("POST", "/logout", {"csrf": b.hidden()["csrf"]})
    assert status == 200 and "Signed out" in text and NAME not in b.cookies
    assert b.may() == 401
    b.cookies = old         # what the browser had is worth nothing any more
    assert b.may() == 401
    assert d.metric("rollbackd_auth_requests_total", result="session") >= 3


def test_what_asks_for_no_page_gets_no_form(guarded):      # noqa: F811
    d = guarded()
    for accept in "*/*", "application/json", "text/event-stream":
        status, headers, text = Browser(d).ask("GET", "/", Accept=accept)
        assert status == 401 and headers["WWW-Authenticate"].startswith("Basic") and text.startswith('{"status":"error"'), accept
    status, headers, _ = request(d.port, "POST", "/webhook", group(alert()), headers={"Accept": HTML})
    assert status == 401 and headers["WWW-Authenticate"].startswith("Basic")


def test_the_cookie_is_for_this_host_and_nobody_else(guarded, service):    # noqa: F811
    d = guarded()
    b = Browser(d)
    b.sign_in(ALICE)
    for name in NAME, LOGIN:
        parts = {p.strip().split("=")[0]: p.strip() for p in b.set[name].split(";")[1:]}
        assert set(parts) == {"Path", "Max-Age", "HttpOnly", "SameSite", "Secure"}, b.set
        assert parts["Path"] == "Path=/" and parts["SameSite"] == "SameSite=Strict"
    assert re.fullmatch(r"[0-9a-f]{64}", b.cookies[NAME]) and parts["Max-Age"] != "Max-Age=0"
    # Over plain HTTP a browser would drop it, and he could never sign in.
    d.config.write_text(d.config.read_text().replace("https://rollback.example.com", "http://rollback.example.com"))
    assert d.call("POST", "/-/reload")[0] == 200
    plain = Browser(d)
    plain.sign_in(ALICE)
    assert "Secure" not in plain.set["rollbackd"] and "HttpOnly; SameSite=Strict" in plain.set["rollbackd"]
    assert plain.may() == 200
    # A proxy with TLS in front: the browser says so itself.
    plain.sign_in(ALICE, **{})
    proxied = Browser(d, Host="rollback.example.com")
    fields = {**proxied.hidden(), "user": ALICE[0], "password": ALICE[1]}
    status, headers, _ = proxied.ask("POST", "/login", fields, Origin="https://rollback.example.com")
    assert status == 303 and "Secure" in proxied.set[NAME]


def test_a_planted_cookie_becomes_no_session(signed_in):
    d, own = signed_in(ALICE)
    planted = "ab" * 32
    b = Browser(d)
    b.cookies = {NAME: planted, "rollbackd": planted}
    assert b.may() == 401
    assert b.sign_in(ALICE)[0] == 303 and b.cookies[NAME] not in (planted, own.cookies[NAME])
    b.cookies = {NAME: planted}
    assert b.may() == 401
    # What is for HTTPS is not taken under the name that others can plant, nor the other way round.
    for cookies in {"rollbackd": own.cookies[NAME]}, {NAME: own.cookies[NAME] + "0"}, {NAME: own.cookies[NAME].upper()}:
        b.cookies = cookies
        assert b.may() == 401, cookies
    assert request(d.port, "GET", "/api/v1/rollouts", headers={"Cookie": f"{NAME}={own.cookies[NAME]}; {NAME}={planted}"})[0] == 401
    assert own.may() == 200


def test_signing_in_again_ends_what_the_browser_had(signed_in):
    d, b = signed_in(ALICE)
    old = b.cookies.pop(NAME)
    fields = b.hidden()     # of a page that was opened before
    b.cookies[NAME] = old
    assert b.ask("POST", "/login", {**fields, "user": VIC[0], "password": VIC[1]})[0] == 303 and b.cookies[NAME] != old
    assert b.may() == 200 and b.hold() == 403     # vic is no operator
    b.cookies = {NAME: old}
    assert b.may() == 401


def test_sessions_of_a_person_are_bounded_and_the_newest_wins(guarded):    # noqa: F811
    d = guarded()
    browsers = [Browser(d) for _ in range(17)]
    vic = Browser(d)
    assert vic.sign_in(VIC)[0] == 303
    for b in browsers:
        assert b.sign_in(ALICE)[0] == 303
    assert [b.may() for b in browsers] == [401] + [200] * 16 and vic.may() == 200
    assert "a session was ended for a new one" in d.log()


def test_a_reload_ends_sessions_of_whom_it_changes(signed_in):
    d, alice, vic, bob = signed_in(ALICE, VIC, BOB)

    def reload():
        assert request(d.port, "POST", "/-/reload", headers=basic(*ALICE))[0] == 200
    reload()
    assert [b.may() for b in (alice, vic, bob)] == [200, 200, 403]
    d.config.write_text(d.config.read_text().replace("roles: [viewer]}", "roles: [viewer, operator]}", 1))
    reload()
    assert [b.may() for b in (alice, vic, bob)] == [200, 401, 403]
    # A role that only approves counts as well.
    d.config.write_text(d.config.read_text().replace("name: bob, roles: [engineering-lead]", "name: bob, roles: [engineering-lead, product-owner]"))
    reload()
    assert [b.may() for b in (alice, bob)] == [200, 401]
    assert vic.sign_in(VIC)[0] == bob.sign_in(BOB)[0] == 303
    d.web.write_text(d.web.read_text().replace(f"  vic: {VIC_HASH}\n", "").replace(BOB_HASH, ALICE_HASH))
    reload()
    assert [b.may() for b in (alice, vic, bob)] == [200, 401, 401]
    assert bob.sign_in(BOB)[0] == 401 and bob.sign_in(("bob", ALICE[1]))[0] == 303


def test_a_restart_ends_all(signed_in):
    d, b = signed_in(ALICE)
    token = b.hidden()["csrf"]
    d.restart()
    assert b.may() == 401 and b.ask("POST", "/logout", {"csrf": token})[0] == 401
    assert b.sign_in(ALICE)[0] == 303 and b.may() == 200


def test_guessing_is_braked_as_with_basic_auth_and_nobody_who_is_known_with_it(signed_in):
    d, known = signed_in(ALICE)
    before = d.metric("rollbackd_auth_requests_total", result="wrong")
    b = Browser(d)
    fields = b.hidden()
    seen = []
    for n in range(60):
        status, headers, text = b.ask("POST", "/login", {**fields, "user": "alice", "password": f"no-{n}-no", "next": "/incidents/1"})
        seen.append(status)
        assert status in (401, 503)
        assert 'value="alice"' in text and 'value="/incidents/1"' in text and f"no-{n}-no" not in text
        assert ("the user name or the password is wrong" if status == 401 else "too many wrong passwords came from there") in text
        assert status == 401 or int(headers["Retry-After"]) > 0
    assert seen[:8] == [401] * 8 and 503 in seen
    # The same account is kept of both ways in.
    assert request(d.port, "GET", "/api/v1/rollouts", headers=basic("alice", "another"))[0] == 503
    assert d.metric("rollbackd_auth_requests_total", result="wrong") - before == seen.count(401)
    assert known.may() == 200 and request(d.port, "GET", "/api/v1/rollouts", headers=basic(*ALICE))[0] == 200
    # He who knows his password comes in all the same, at the second try at the latest.
    assert 303 in [Browser(d).sign_in(VIC)[0] for _ in range(2)]
    assert "-no" not in d.log()


@pytest.mark.parametrize("user,password", [("", ""), ("alice", ""), ("", "U*U"), ("a" * 64, "x"), ("alice", "x" * 512), ("nobody", "U*U"), ("alice\n", "U*U")])
def test_what_is_no_name_or_password_is_401(guarded, user, password):      # noqa: F811
    status, headers, text = Browser(guarded()).sign_in((user, password))
    assert status == 401 and "Set-Cookie" in headers and "rollbackd=" not in headers["Set-Cookie"] and "<form" in text


@pytest.mark.parametrize("where", ["//evil.example", "https://evil.example/", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)", "evil", ""])
def test_a_sign_in_leads_to_this_host_only(guarded, where):        # noqa: F811
    b = Browser(guarded())
    status, headers, _ = b.sign_in(ALICE, next=where)
    assert (status, headers["Location"]) == (303, "/")
    status, _, text = Browser(b.d).ask("GET", "/login?next=" + urllib.parse.quote(where, safe=""))
    assert status == 400 or 'name="next" value="/"' in text


def test_a_form_without_the_token_of_its_session_is_403(signed_in, service):
    d, alice, other, vic = signed_in(ALICE, ALICE, VIC)
    token = alice.hidden()["csrf"]
    forms = [(m, p) for m, p, op in operations(described(d.port, headers=basic(*VIC)))
             if FORM in op.get("requestBody", {}).get("content", {})]
    assert {("POST", "/login"), ("POST", "/logout")} <= set(forms)
    wrong = [None, "", "x", token[:-1], token + "0", token.upper(), other.hidden()["csrf"], vic.hidden()["csrf"], Browser(d).hidden()["csrf"]]
    for method, path in forms:
        for t in wrong:
            fields = {"user": "alice", "password": "U*U"} | ({} if t is None else {"csrf": t})
            status, _, text = alice.ask(method, filled(path), fields)
            assert status == 403 and "load the page again" in text, (path, t)
    # Nor with a token that is right, for another site's page, or by another name.
    for status, headers in [(403, {"Origin": "http://evil.example"}), (403, {"Origin": "null"}), (403, {"Sec-Fetch-Site": "cross-site"}),
                            (403, {"Sec-Fetch-Site": "same-site"}), (421, {"Host": "evil.example"}), (421, {"Host": f"evil.example:{d.port}", "Origin": f"http://evil.example:{d.port}"})]:
        for method, path in forms:
            assert alice.ask(method, filled(path), {"csrf": token}, **headers)[0] == status, (path, headers)
    for kind in "application/json", "text/plain", "multipart/form-data; boundary=x":
        assert alice.ask("POST", "/logout", {"csrf": token}, Content_Type=kind)[0] == 415
    assert alice.may() == 200
    assert alice.ask("POST", "/logout", {"csrf": token}, Origin=f"http://127.0.0.1:{d.port}")[0] == 200


def test_a_stranger_cannot_make_somebody_sign_in_as_him(guarded):      # noqa: F811
    d = guarded()
    evil, victim = Browser(d), Browser(d)
    fields = {**evil.hidden(), "user": VIC[0], "password": VIC[1]}
    for cookies in {}, victim.cookies:
        victim.cookies = dict(cookies)
        assert victim.ask("POST", "/login", fields)[0] == 403
        victim.hidden()
    assert victim.may() == 401 and evil.ask("POST", "/login", fields)[0] == 303


def test_a_session_is_not_wanted_where_nobody_signs_in(daemon):
    b = Browser(daemon)
    status, _, text = b.ask("GET", "/login")
    assert status == 404 and "without a web config" in text
    assert b.may() == 200


def test_a_password_that_is_sent_with_it_changes_nothing(signed_in):
    """A browser that has kept a password sends it beside the cookie: the session says who he is; without one the password does."""
    d, b = signed_in(ALICE)
    assert b.hold(**basic(*VIC)) == 200
    assert b.ask("GET", "/api/v1/rollouts", **basic("alice", "wrong"))[0] == 200
    token = b.hidden()["csrf"]
    kept = Browser(d, **basic(*ALICE))
    status, _, text = kept.ask("POST", "/logout", {"csrf": token})
    assert status == 403            # the token is the session's, and he comes with a password
    assert b.ask("POST", "/logout", {"csrf": token})[0] == 200


def test_who_comes_by_a_link_of_another_site_is_made_to_come_again(signed_in):
    """SameSite=Strict holds the cookie back then: the page asks for itself once more, from here."""
    d, b = signed_in(ALICE)
    stranger = Browser(d)
    _, _, text = stranger.ask("GET", "/incidents/1", Sec_Fetch_Site="cross-site")
    assert '<meta http-equiv="refresh" content="0">' in text
    for site in "same-origin", "none":
        assert "http-equiv" not in stranger.ask("GET", "/incidents/1", Sec_Fetch_Site=site)[2]
    assert "http-equiv" not in stranger.ask("POST", "/login", {**stranger.hidden(), "user": "x", "password": "y"})[2]


def test_pages_are_framed_nowhere_and_kept_nowhere(signed_in):
    d, b = signed_in(ALICE)
    for browser, path, status in [(Browser(d), "/login", 200), (Browser(d), "/", 401), (b, "/login", 200)]:
        got, headers, _ = browser.ask("GET", path)
        assert got == status
        policy = dict(p.strip().partition(" ")[::2] for p in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["form-action"] == policy["script-src"] == policy["connect-src"] == "'self'"
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Frame-Options"] == "DENY" and headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin" and headers["Cache-Control"] == "no-store"
        assert {"Cookie", "Authorization"} <= {v.strip() for v in headers["Vary"].split(",")}
    status, headers, _ = b.ask("GET", "/api/v1/rollouts/shop/flags")
    assert headers["Cache-Control"] == "private, no-cache" and "Cookie" in headers["Vary"]


def test_a_stream_ends_with_its_session(signed_in):
    import http.client
    d, b = signed_in(ALICE)
    c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=20)
    c.request("GET", "/api/v1/events", headers={"Accept": "text/event-stream", "Cookie": f"{NAME}={b.cookies[NAME]}"})
    r = c.getresponse()
    assert r.status == 200 and r.readline()
    assert b.ask("POST", "/logout", {"csrf": b.hidden()["csrf"]})[0] == 200
    while r.readline():         # to its end, within the timeout
        pass
    c.close()
    until(lambda: d.metric("rollbackd_http_streams") == 0)
