"""The demo service: who takes which way, what it exports, how it misbehaves when told to, and how it polls its flags."""
import json
import re
import signal
import subprocess
import time

import pytest
from harness import BUILD, Server, alert, config, free_port, request, until
from test_sampling_doc import murmur3_32


class Demo:
    def __init__(self, folder, *args, rate=2000, port=None):
        self.port = port or free_port()
        self.log_file = folder / "demo.log"
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen([str(BUILD / "demo-service"), "--listen", f"127.0.0.1:{self.port}", "--rate", str(rate), *map(str, args)],
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until(lambda: request(self.port, "GET", "/flags")[0] == 200)

    def get(self, path):
        status, _, out = request(self.port, "GET", path)
        assert status == 200, out
        return json.loads(out)

    def percentage(self):
        return self.get("/flags")["rollout_percentage"]

    def fault(self, query):
        status, _, out = request(self.port, "POST", f"/fault{query}")
        assert status == 200, out

    def metrics(self):
        """{name: {labels: value}}"""
        found = {}
        for line in request(self.port, "GET", "/metrics")[2].decode().splitlines():
            m = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if m:
                found.setdefault(m[1], {})[m[2] or ""] = float(m[3])
        return found

    def total(self, name):
        return sum(self.metrics()[name].values())

    def generation(self):
        return self.metrics().get("cst_flags_generation", {}).get("")

    def log(self):
        return self.log_file.read_text()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(20)
        assert code == 0, f"{code}: {self.log()[-4000:]}"


@pytest.fixture
def demo_of(folder):
    started = []

    def make(*args, **kw):
        started.append(Demo(folder, *args, **kw))
        return started[-1]

    yield make
    for s in started:
        s.stop()


@pytest.fixture
def flags(folder):
    file = folder / "flags.env"
    file.write_text("CST_ROLLOUT_PERCENTAGE=25\n")
    return file


def test_a_key_stays_on_its_side(demo_of, flags):
    s = demo_of("--flags", flags)
    keys = [f"user-{n}" for n in range(50)]
    buckets = {k: murmur3_32(f"cst-pipeline:{k}".encode()) * 10000 >> 32 for k in keys}
    for pct in (25, 0, 0.07, 50, 100, 10):
        assert request(s.port, "PUT", "/flags", {"rollout_percentage": pct})[0] == 200
        assert {k: s.get(f"/decide?key={k}") for k in keys} == \
            {k: {"pipeline": "cst" if b < round(pct * 100) else "legacy", "bucket": b} for k, b in buckets.items()}


def test_the_share_of_its_requests_is_the_percentage(demo_of, flags):
    s = demo_of("--flags", flags, rate=20000)

    def both():
        m = s.metrics()
        return sum(m["cst_requests_total"].values()), sum(m["legacy_requests_total"].values())

    # At start, before the file was read, all went to legacy: counted from a first look.
    cst0, legacy0 = both()
    until(lambda: sum(both()) - cst0 - legacy0 > 20000)
    cst, legacy = both()
    share = (cst - cst0) / (cst + legacy - cst0 - legacy0)
    # 10,000 keys, 20,000 requests: a standard deviation of 0.43 points by the keys and 0.31 by the requests; five of them.
    assert abs(share - 0.25) < 0.027
    by_language = s.metrics()["legacy_requests_total"]
    order = [by_language[f'language="{name}"'] for name in ("rust", "python", "typescript", "go")]
    assert order == sorted(order, reverse=True) and len(by_language) == 4


SERIES = ("cst_requests_total cst_errors_total cst_latency_bucket cst_latency_sum cst_latency_count legacy_requests_total legacy_errors_total "
          "legacy_latency_bucket cst_cache_hits_total cst_cache_misses_total legacy_cache_hits_total cst_memory_rss_bytes legacy_memory_rss_bytes "
          "cst_rollout_percentage cst_embeddings_reused_total cst_embeddings_computed_total cst_index_validation_failures_total cst_p0_incidents_total "
          "cst_change_detection_seconds_sum cst_change_detection_seconds_count cst_change_detection_nodes_total cst_fallbacks_total "
          "cst_cpu_seconds_total legacy_cpu_seconds_total cst_api_calls_total legacy_api_calls_total").split()


def test_every_promised_series_is_there(demo_of, flags):
    m = demo_of("--flags", flags).metrics()
    assert [name for name in SERIES if name not in m] == []
    for name in ("cst_requests_total", "cst_errors_total", "legacy_requests_total"):
        assert set(m[name]) == {f'language="{x}"' for x in ("rust", "python", "typescript", "go")}
    assert "cst_flags_generation" not in m      # of a file nobody counts them


# fault, counter that moves, of which other, the share it must pass (healthy: 0.05 %, 10 %, 8 %)
SHARES = [("errors=0.5", "cst_errors_total", "cst_requests_total", 0.3),
          ("cache_misses=0.8", "cst_cache_misses_total", "cst_requests_total", 0.6),
          ("reuse_loss=0.8", "cst_embeddings_computed_total", "cst_requests_total", 0.6),
          ("slow_ms=2000", "cst_latency_sum", "cst_latency_count", 1.5)]


@pytest.mark.parametrize("fault, part, whole, least", SHARES, ids=[row[0].split("=")[0] for row in SHARES])
def test_a_fault_shows_in_its_own_share_and_heals(demo_of, flags, fault, part, whole, least):
    s = demo_of("--flags", flags)

    def share():
        """Over the next 500 requests."""
        a = s.metrics()
        until(lambda: s.total(whole) > sum(a[whole].values()) + 500)
        b = s.metrics()
        return (sum(b[part].values()) - sum(a[part].values())) / (sum(b[whole].values()) - sum(a[whole].values()))

    assert share() < least / 2
    s.fault(f"?pipeline=cst&{fault}")
    assert share() > least
    s.fault("/clear")
    assert share() < least / 2


@pytest.mark.parametrize("fault, series", [("leak_mb_per_min=6000", "cst_memory_rss_bytes"), ("p0_per_min=600", "cst_p0_incidents_total"),
                                           ("index_failures_per_min=600", "cst_index_validation_failures_total")])
def test_what_comes_by_the_minute_ends_with_the_traffic(demo_of, flags, fault, series):
    s = demo_of("--flags", flags)
    before = s.total(series)
    s.fault(f"?pipeline=cst&{fault}")
    until(lambda: s.total(series) > before)
    request(s.port, "PUT", "/flags", {"rollout_percentage": 0})
    after = s.total(series)
    served = s.total("legacy_requests_total")
    until(lambda: s.total("legacy_requests_total") > served + 1000)     # half a second: 50 MB, or 5 of a counter
    assert s.total(series) == after


# --- polling ---

class Rollbackd(Server):
    """Answers GET …/flags as rollbackd does, or as told."""

    def __init__(self):
        self.wanted = (10, 3)
        self.fault = None               # an answer, or "silence"
        self.asked = []                 # If-None-Match of each request
        super().__init__(0)

    def handle(self, method, path, headers, body):
        with self.lock:
            self.asked.append(headers.get("If-None-Match"))
            fault, (pct, generation) = self.fault, self.wanted
        if fault == "silence":
            time.sleep(5)               # longer than the service waits
            return 200, {}, ""
        if fault:
            return fault
        tag = f'"{pct}-{generation}"'
        if headers.get("If-None-Match") == tag:
            return 304, {"ETag": tag}, ""
        return 200, {"ETag": tag, "Content-Type": "application/json"}, json.dumps({"status": "success", "data": {"percentage": pct, "generation": generation}})


@pytest.fixture
def source():
    r = Rollbackd()
    yield r
    r.close()


def test_polled_flags_are_taken_with_their_generation_and_asked_for_with_their_tag(demo_of, source):
    s = demo_of("--flags-url", f"{source.url}/api/v1/rollouts/cst-pipeline/flags")
    until(lambda: s.percentage() == 10 and s.generation() == 3)
    until(lambda: source.asked[-1] == '"10-3"')
    source.wanted = (33.33, 4)
    until(lambda: s.percentage() == 33.33 and s.generation() == 4)
    request(s.port, "PUT", "/flags", {"rollout_percentage": 50})        # behind rollbackd's back: no generation, and asked anew
    until(lambda: s.percentage() == 33.33 and s.generation() == 4)
    assert source.asked.count(None) == 2 and source.asked.index(None) == 0


FAULTS = [(500, {}, "no"), (404, {}, "{}"), (304, {}, ""), (200, {}, ""), (200, {}, "[1]"), (200, {}, '{"data": {"percentage": 200, "generation": 4}}'),
          (200, {}, '{"data": {"percentage": -1, "generation": 4}}'), (200, {}, '{"data": {"percentage": "0", "generation": 4}}'),
          (200, {}, '{"data": {"percentage": 0}}'), (200, {}, '{"data": {"percentage": null, "generation": 4}}'),
          (200, {}, '{"data": {"percentage": NaN, "generation": 4}}'), (200, {}, '{"data": {"percentage": 0.001, "generation": 4}}'),
          (200, {}, '{"data": {"percentage": 0, "generation": 4}, "x": "' + "x" * 70000 + '"}'), (302, {"Location": "/"}, ""), "silence"]


@pytest.mark.parametrize("fault", FAULTS, ids=range(len(FAULTS)))
def test_an_answer_that_cannot_be_used_changes_nothing(demo_of, source, fault):
    s = demo_of("--flags-url", source.url)
    until(lambda: s.generation() == 3)
    if fault == (304, {}, ""):          # not asked for: the tag is forgotten first
        source.fault = fault
        request(s.port, "PUT", "/flags", {"rollout_percentage": 10})
        until(lambda: source.asked[-1] is None and source.asked.count(None) > 1)
    else:
        source.fault = fault
    until(lambda: "cannot poll the flags" in s.log())
    assert s.percentage() == 10
    source.fault, source.wanted = None, (0, 4)
    until(lambda: s.percentage() == 0 and s.generation() == 4)
    assert s.log().count("cannot poll the flags") == 1 and "polling the flags works again" in s.log()


def test_hangup_reads_the_file_too_and_polls_at_once(demo_of, source, flags):
    """A rollback without the daemon writes the file and reloads the service: that must do."""
    s = demo_of("--flags", flags, "--flags-url", source.url)
    until(lambda: s.percentage() == 10 and s.generation() == 3)
    source.fault = (503, {}, "")
    flags.write_text("CST_ROLLOUT_PERCENTAGE=0\n")
    s.process.send_signal(signal.SIGHUP)
    until(lambda: s.percentage() == 0)
    assert s.generation() is None       # nobody knows of which it is
    source.wanted, source.fault = (0, 4), None
    until(lambda: s.generation() == 4)


def test_a_service_that_ignores_what_it_is_told_does_not_poll(demo_of, source):
    s = demo_of("--flags-url", source.url)
    until(lambda: s.generation() == 3)
    s.fault("?ignore_reload=1")
    asked = len(source.asked) + 1       # one may be on its way
    source.wanted = (0, 4)
    s.process.send_signal(signal.SIGHUP)
    until(lambda: "ignored, as ordered" in s.log())
    served = s.total("legacy_requests_total")
    until(lambda: s.total("legacy_requests_total") > served + 4000)     # two seconds, two turns
    assert len(source.asked) <= asked and s.percentage() == 10
    s.fault("/clear")
    until(lambda: s.percentage() == 0 and s.generation() == 4)


def test_it_stops_while_nobody_answers(demo_of, source):
    source.fault = "silence"
    s = demo_of("--flags-url", source.url)
    until(lambda: source.asked)
    since = time.monotonic()
    s.stop()
    assert time.monotonic() - since < 4


def test_it_follows_a_rollback_by_polling_alone(demo_of, daemon_of, service):
    """The real rollbackd: no reload command; the service acknowledges the generation that rollbackd counts."""
    port = free_port()
    checks = f"        - {{http: {{url: \"http://127.0.0.1:{port}/flags\", value: /rollout_percentage}}}}"
    d = daemon_of(config(service, apply="      - {command: [/bin/true], timeout: 5s}", checks=checks))
    s = demo_of("--flags-url", f"http://127.0.0.1:{d.port}/api/v1/rollouts/shop/flags", port=port)

    def flags():
        return d.get("/api/v1/rollouts/shop/flags")

    until(lambda: s.percentage() == 10 and s.generation() == flags()["generation"])
    before = s.generation()
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    assert s.percentage() == 0
    until(lambda: s.generation() == flags()["generation"] == d.metric("rollbackd_flags_generation", rollout="shop"))
    assert s.generation() > before


def test_wrong_arguments_are_refused():
    for args in ([], ["--flags"], ["--flags-url"], ["--flags", "x", "--rate", "y"], ["--flags", "x", "more"]):
        p = subprocess.run([str(BUILD / "demo-service"), *args], capture_output=True, text=True, timeout=20)
        assert p.returncode == 2 and "--flags-url" in p.stderr
