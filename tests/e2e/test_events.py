"""The audit trail, as a list and as a stream (text/event-stream): live, in order, nothing lost or doubled, and bounded."""
import http.client
import json
import random
import socket
import sqlite3
import threading
import time

import pytest
from harness import MODE, alert, basic, config, group, request, until
from test_auth import ALICE, AM, BOB, VIC, guarded, status   # noqa: F401 (guarded is a fixture)

STREAM = {"Accept": "text/event-stream"}
PATH = "/api/v1/events"
SLOW = 1 if MODE == "release" else 5


class Stream:
    """An EventSource: connects, and reads events as WHATWG HTML 9.2.6 says."""

    def __init__(self, d, last=None, path=PATH, headers=None, room=None):
        self.d, self.path, self.headers, self.room = d, path, headers or {}, room
        self.last, self.retry = last, None
        self.connect()

    def connect(self):
        d, path, headers, room, last = self.d, self.path, self.headers, self.room, self.last
        self.c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=30)
        if room:
            self.c.sock = socket.socket()
            self.c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            self.c.sock.settimeout(30)
            self.c.sock.connect(("127.0.0.1", d.port))
        self.c.request("GET", path, headers={**STREAM, **headers, **({} if last is None else {"Last-Event-ID": last})})
        self.r = self.c.getresponse()
        assert self.r.status == 200, (self.r.status, self.r.read())
        assert self.r.headers["Content-Type"] == "text/event-stream"
        self.rest = b""
        # Behind its first block, which has no data, a stream misses nothing.
        while (text := self.readline()) != b"\n":
            self.line(text)
        self.last = self.id
        assert self.retry == 3000 and self.last.isdigit()

    def readline(self):
        """Over chunks, because http.client takes a torn end for a good one. None: the last chunk came."""
        while b"\n" not in self.rest:
            head = self.r.fp.readline()
            size = int(head, 16) if head.endswith(b"\r\n") else -1
            chunk = self.r.fp.read(size + 2) if size >= 0 else b""
            if not chunk.endswith(b"\r\n"):
                raise ConnectionError("cut off")
            if size == 0:
                return None
            self.rest += chunk[:-2]
        text, _, self.rest = self.rest.partition(b"\n")
        return text + b"\n"

    def line(self, text):
        """What an EventSource does with it; the data of the line."""
        assert text.endswith(b"\n") and b"\r" not in text, text
        field, _, value = text[:-1].decode("utf-8").partition(":")
        value = value[1:] if value.startswith(" ") else value
        if field == "id":
            self.id = value
        elif field == "retry":
            self.retry = int(value)
        else:
            assert field in ("data", ""), text      # no "event": everything is a message
        return value if field == "data" else None

    def next(self):
        """The next event; None: the stream ended as it should. A comment is passed over."""
        data = []
        while True:
            text = self.readline()
            if text is None:
                assert not data, "cut off in the middle of an event"
                return None
            if text != b"\n":
                value = self.line(text)
                data += [] if value is None else [value]
            elif data:
                self.last = self.id
                event = json.loads("\n".join(data))
                assert str(event["id"]) == self.last
                return event

    def take(self, n):
        return [self.next() for _ in range(n)]

    def follow(self, n, pause):
        """n events, read slowly; cut off, it comes again as an EventSource does."""
        out = []
        while len(out) < n:
            try:
                out.append(self.next())
                time.sleep(pause)
            except ConnectionError:
                self.close()
                self.connect()
        return out

    def until(self, what):
        out = [self.next()]
        while out[-1]["what"] != what:
            out.append(self.next())
        return out

    def close(self):
        self.r.close()
        self.c.close()


def listed(d, after=0, **params):
    """The same from the list, oldest first."""
    out, cursor = [], ""
    while True:
        query = "&".join(f"{k}={v}" for k, v in params.items())
        code, page = d.call("GET", f"{PATH}?limit=500&{query}{cursor}")
        assert code == 200, page
        out += page["data"]
        if "next" not in page:
            return [e for e in reversed(out) if e["id"] > after]
        cursor = f"&cursor={page['next']}"


def note(d, incident, text):
    code, out = d.act(incident, "note", note=text)
    assert code == 200, out


def streams(d):
    return d.metric("rollbackd_http_streams")


def test_an_incident_is_told_while_it_happens_and_in_order(daemon, service):
    s, other = Stream(daemon), Stream(daemon, path=PATH + "?rollout=other")
    start = int(s.last)
    service.ignore_reload()             # nothing can be verified before the stream told of it
    [r] = daemon.post(alert())
    seen = s.until("verifying")
    assert [e["what"] for e in seen if e["incident"] == r["incident"]][0] == "opened"
    assert daemon.incident(r["incident"])["state"] == "verifying"
    service.follow_again()
    seen += s.until("rolled_back")
    ids = [e["id"] for e in seen]
    assert ids == sorted(set(ids)) and ids[0] > start
    assert seen == [e for e in listed(daemon, after=start) if e["id"] <= ids[-1]]
    assert {e["rollout"] for e in seen} == {"shop"}
    daemon.stop()
    assert other.next() is None         # the filter let nothing through


def test_a_commit_wakes_the_stream(daemon):
    """Not the beat (15 s), and no poll of seconds."""
    [r] = daemon.post(alert())
    daemon.wait_state(r["incident"], "rolled_back")
    s, took = Stream(daemon), []
    for i in range(20):
        started = time.monotonic()
        note(daemon, r["incident"], f"n{i}")
        assert s.next()["note"] == f"n{i}"
        took.append(time.monotonic() - started)
    s.close()
    assert sorted(took)[10] < 0.2 * SLOW, took


@pytest.mark.parametrize("end", ["sigterm", "kill"])
def test_last_event_id_goes_on_where_it_was_across_a_restart(daemon, end):
    [r] = daemon.post(alert())
    daemon.wait_state(r["incident"], "rolled_back")
    s = Stream(daemon, last="0")
    seen = s.until("rolled_back")
    if end == "kill":
        daemon.kill()
        with pytest.raises(ConnectionError):
            while True:
                seen.append(s.next())
    else:
        assert daemon.stop() == 0
        while (e := s.next()):
            seen.append(e)
    assert [e["id"] for e in seen] == sorted({e["id"] for e in seen})
    daemon.start()
    for i in range(100):
        note(daemon, r["incident"], f"nobody listens {i}")
    missed = listed(daemon, after=seen[-1]["id"])
    assert len(missed) >= 100
    again = Stream(daemon, last=s.last)
    assert again.take(len(missed)) == missed and seen + missed == listed(daemon)
    note(daemon, r["incident"], "and now live")
    assert again.next()["note"] == "and now live"
    again.close()


def test_who_was_cut_off_before_the_first_event_misses_nothing(daemon):
    [r] = daemon.post(alert())
    daemon.wait_state(r["incident"], "rolled_back")
    s = Stream(daemon)
    s.close()
    note(daemon, r["incident"], "meanwhile")
    again = Stream(daemon, last=s.last)
    assert again.next()["note"] == "meanwhile"
    again.close()


def test_a_client_that_comes_and_goes_under_load_sees_each_event_once(daemon):
    [r] = daemon.post(alert())
    daemon.wait_state(r["incident"], "rolled_back")

    def write():
        for i in range(150):
            note(daemon, r["incident"], f"n{i}")

    writers = [threading.Thread(target=write) for _ in range(4)]
    s, seen, dice = Stream(daemon), [], random.Random(1)
    start, visits = int(s.last), 0
    for w in writers:
        w.start()
    while len([e for e in seen if e["what"] == "note"]) < 600:
        seen.append(s.next())
        if dice.random() < 0.1:
            s.close()
            s, visits = Stream(daemon, last=s.last), visits + 1
    for w in writers:
        w.join()
    s.close()
    assert visits > 10
    assert seen == [e for e in listed(daemon, after=start) if e["id"] <= seen[-1]["id"]]


def backlog(d):
    """16 MB of events, more than the kernel keeps for a connection. The id before them, and how their notes begin."""
    d.stop()
    numbers = [f"{i:04d}" for i in range(4000)]
    with sqlite3.connect(d.state / "rollbackd.db") as record:
        start = record.execute("SELECT max(id) FROM event").fetchone()[0]
        record.executemany("INSERT INTO event (at, incident_id, rollout, who, what, note) VALUES (1, 0, 'shop', 'test', 'n', ?)",
                           [(n * 1000,) for n in numbers])
    record.close()
    d.start()
    return str(start), numbers


def memory(d):
    return d.metric("process_resident_memory_bytes")


def test_slow_readers_hold_up_nobody_and_nothing_grows(daemon):
    start, numbers = backlog(daemon)
    before, slow = memory(daemon), [Stream(daemon, last=start, room=4096) for _ in range(8)]
    quick = Stream(daemon, last=start)
    assert [e["note"][:4] for e in quick.take(4000)] == numbers
    started = time.monotonic()
    [r] = daemon.post(alert())
    assert quick.next()["what"] == "opened" and time.monotonic() - started < 3 * SLOW
    daemon.wait_state(r["incident"], "rolled_back")
    if MODE == "release":               # a sanitizer keeps what is freed
        assert memory(daemon) - before < 16e6
    assert [e["note"][:4] for e in slow[0].follow(200, 0.005)] == numbers[:200]
    for s in slow[1:3]:                 # cut off, or tired of it
        first = s.take(5)
        s.close()
        s.room = None
        s.connect()
        assert [e["note"][:4] for e in first + s.take(3995)] == numbers
    for s in [quick, *slow]:
        s.close()


def test_at_most_32_streams_and_webhooks_do_not_notice(daemon, service):
    them = [Stream(daemon) for _ in range(32)]
    assert streams(daemon) == 32
    code, headers, body = request(daemon.port, "GET", PATH, headers=STREAM)
    assert code == 503 and headers["Retry-After"] == "5"
    assert "as many streams are open" in json.loads(body)["error"]
    [r] = daemon.post(alert())
    daemon.wait_state(r["incident"], "rolled_back")
    assert service.percentage() == 0
    for s in them:
        assert s.until("rolled_back")[0]["what"] == "opened"
    assert daemon.get(PATH)             # the list is no stream
    them.pop().close()
    until(lambda: streams(daemon) == 31)        # noticed at once, not at the next beat
    them.append(Stream(daemon))
    for s in them:
        s.close()
    until(lambda: streams(daemon) == 0)


def test_sigterm_ends_streams_at_once(daemon):
    start, _ = backlog(daemon)
    stuck = [Stream(daemon, last=start, room=4096) for _ in range(3)]
    them = [Stream(daemon) for _ in range(10)]
    started = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - started < 2 * SLOW
    for s in them:
        assert s.next() is None
        s.close()
    for s in stuck:
        s.close()


def test_a_reload_ends_streams_and_the_roles_of_now_count(guarded):    # noqa: F811
    d = guarded()
    assert status(d, None, path=PATH)[0] == 401
    for who, code in ((None, 401), (AM, 403), (BOB, 403), (("alice", "wrong"), 401)):
        got, _, body = request(d.port, "GET", PATH, headers={**STREAM, **(basic(*who) if who else {})})
        assert got == code and json.loads(body)["status"] == "error", who
    assert streams(d) == 0
    s, other = Stream(d, headers=basic(*VIC)), Stream(d, headers=basic(*ALICE))
    d.config.write_text(d.config.read_text().replace("vic, roles: [viewer]", "vic, roles: [webhook]"))
    assert d.call("POST", "/-/reload")[0] == 200
    assert s.next() is None and other.next() is None
    code, _, body = request(d.port, "GET", PATH, headers={**STREAM, **basic(*VIC)})
    assert code == 403 and b"vic may not do this: the role viewer is missing" in body
    again = Stream(d, last=other.last, headers=basic(*ALICE))
    code, _, body = status(d, AM, "POST", "/webhook", group(alert()))
    incident = json.loads(body)["data"]["results"][0]["incident"]
    assert "opened" in [e["what"] for e in again.until("rolled_back")]
    # a reload that changes nothing because it failed ends nothing
    d.config.write_text("rollouts: []\n")
    assert d.call("POST", "/-/reload")[0] == 400
    note(d, incident, "still here")
    assert again.until("note")[-1]["note"] == "still here"
    again.close()


def test_only_who_names_it_gets_a_stream(daemon):
    for accept in (None, "*/*", "application/json", "text/html, */*;q=0.8", "text/*", "text/event-stream;q=0.5, application/json"):
        code, headers, body = request(daemon.port, "GET", PATH, headers={"Accept": accept} if accept else {})
        assert code == 200 and headers["Content-Type"] == "application/json", accept
        assert json.loads(body)["data"] == list(reversed(listed(daemon)))
    code, headers, body = request(daemon.port, "HEAD", PATH, headers=STREAM)
    assert code == 200 and headers["Content-Type"] == "application/json" and body == b"" and streams(daemon) == 0
    code, headers, _ = request(daemon.port, "POST", PATH, {}, headers=STREAM)
    assert code == 405 and headers["Allow"] == "GET, HEAD"
    for accept in ("text/event-stream", "text/event-stream, */*"):
        Stream(daemon, headers={"Accept": accept}).close()
    for bad in ({"Last-Event-ID": "x"}, {"Last-Event-ID": "-1"}):
        code, _, body = request(daemon.port, "GET", PATH, headers={**STREAM, **bad})
        assert code == 400 and b"Last-Event-ID must be" in body
    code, _, body = request(daemon.port, "GET", PATH + "?limit=5", headers=STREAM)
    assert code == 400 and b"no limit" in body
    ahead = Stream(daemon, last="999999")       # of another record
    [r] = daemon.post(alert())
    assert ahead.next()["what"] == "opened"
    ahead.close()
    daemon.wait_state(r["incident"], "rolled_back")


def test_the_list_pages_and_filters(daemon_of, service):
    d = daemon_of(config(service))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    everything = listed(d)
    ids = [e["id"] for e in everything]
    assert ids == sorted(set(ids)) and len(ids) > 4
    assert listed(d, rollout="shop") == everything and listed(d, rollout="other") == []
    code, page = d.call("GET", PATH + "?limit=2")
    assert [e["id"] for e in page["data"]] == ids[:-3:-1] and page["next"] == str(ids[-2])
