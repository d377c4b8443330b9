"""deploy/grafana: every query of every dashboard returns data on the real Prometheus, after two minutes of the demo service's
traffic and one rollback; and the lines that are drawn are the bounds of the rules and criteria."""
import json
import math
import re
import subprocess
import sys
import time
from urllib.parse import urlencode

import pytest
from harness import BUILD, ROOT, Alertmanager, Hook, Prometheus, free_port, request, until

GRAFANA = ROOT / "deploy" / "grafana"
RULES = ROOT / "deploy" / "prometheus"
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))}
PLAN = (ROOT / "deploy" / "rollbackd.yml").read_text()
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

# What Grafana puts in: a scrape interval of 1 s, the last three minutes, the shipped rollout.
VARIABLES = {"$__rate_interval": "15s", "$__interval": "15s", "$__range": "3m", "$rollout": "cst-pipeline"}


def panels(board):
    return [p for p in board["panels"] if p["type"] != "row"]


def queries():
    """(dashboard, title of the panel or annotation, PromQL as Prometheus gets it)"""
    found = []
    for name, board in DASHBOARDS.items():
        found += [(name, p["title"], t["expr"]) for p in panels(board) for t in p["targets"]]
        found += [(name, "annotation " + a["name"], a["expr"]) for a in board["annotations"]["list"]]
    return [(name, title, substituted(text)) for name, title, text in found]


def substituted(text):
    for variable, value in VARIABLES.items():
        text = text.replace(variable, value)
    assert "$" not in text, f"a variable that this test does not know: {text}"
    return text


# --- the files ---

@pytest.mark.parametrize("name", DASHBOARDS)
def test_each_dashboard_is_whole(name):
    board = DASHBOARDS[name]
    assert board["uid"] == name and board["schemaVersion"] == 37 and "id" not in board and board["title"] and board["description"]
    ids = [p["id"] for p in board["panels"]]
    assert len(ids) == len(set(ids)) and len(panels(board)) >= 10
    for p in board["panels"]:
        at = p["gridPos"]
        assert at["w"] > 0 and at["h"] > 0 and at["x"] + at["w"] <= 24, p["title"]
    for p in panels(board):
        refs = [t["refId"] for t in p["targets"]]
        assert refs and len(refs) == len(set(refs)) and all(t["expr"].strip() and t["legendFormat"] for t in p["targets"]), p["title"]
        assert p["title"] and re.search(r"[a-z].*\.$", p["description"]) and p["fieldConfig"]["defaults"]["unit"], p["title"]
        assert p["datasource"] == SOURCE, p["title"]
    assert {a["name"] for a in board["annotations"]["list"]} >= {"Incidents", "Stage changes"}
    assert all(a["enable"] and a["datasource"] == SOURCE for a in board["annotations"]["list"])


def test_no_two_panels_overlap():
    for board in DASHBOARDS.values():
        taken = {}
        for p in board["panels"]:
            g = p["gridPos"]
            for cell in ((x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])):
                assert cell not in taken, (board["uid"], p["title"], taken[cell])
                taken[cell] = p["title"]


def test_titles_and_uids_are_unique():
    titles = [b["title"] for b in DASHBOARDS.values()]
    assert len(set(titles)) == len(titles) == 3
    for board in DASHBOARDS.values():
        names = [p["title"] for p in board["panels"]]
        assert len(names) == len(set(names)), board["uid"]


def test_the_links_in_messages_lead_to_a_dashboard():
    assert set(re.findall(r"dashboard_url: https://grafana\.example\.com/d/([\w-]+)", PLAN)) == {"cst-rollout"} <= set(DASHBOARDS)


def test_provisioning_names_what_is_installed():
    """make install puts deploy/grafana below share/rollbackd: the provider's path must be that of the dashboards."""
    provider = (GRAFANA / "provisioning" / "dashboards" / "rollbackd.yml").read_text()
    path = re.search(r"options: \{path: /usr/share/rollbackd/(\S+)\}", provider)[1]
    assert (ROOT / "deploy" / path).samefile(GRAFANA / "dashboards")
    source = (GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text()
    assert all(text.startswith("#") and "\napiVersion: 1\n" in text for text in (provider, source))
    for board in DASHBOARDS.values():
        variable = [v for v in board["templating"]["list"] if v["name"] == "datasource"]
        assert variable and variable[0]["query"] == re.search(r"\n  type: (\w+)\n", source)[1]


def test_every_recorded_series_of_a_query_is_recorded():
    recorded = set(re.findall(r"record: '?([\w:]+)", (RULES / "cst-recording.yml").read_text()))
    for name, title, text in queries():
        assert set(re.findall(r"\b(?:cst|legacy|baseline):[\w:]+", text)) <= recorded, (name, title)


# --- what is drawn ---

def expression(alert):
    for path in RULES.glob("*-alerts.yml"):
        m = re.search(rf"- alert: {alert}\n\s+expr: (.*?)\n    (?:for|labels):", path.read_text(), re.S)
        if m:
            return m[1]
    raise KeyError(alert)


def bound_of_alert(alert):
    """The first number that its expression compares with."""
    return float(re.search(r"[<>] ([\d.e]+)\b", expression(alert))[1])


def bound_of_criterion(name):
    """Of the plan's stages, which must agree about it."""
    items = re.split(r"\n\s+- ", PLAN[PLAN.index("\n    stages:"):PLAN.index("\n    checklists:")])
    found = {m[1] for i in items if re.search(rf"\bname: {name}(?:,|\n)", i) and (m := re.search(r"\b(?:max|min): ([\d.e-]+)", i))}
    assert len(found) == 1, (name, found)
    return float(found.pop())


def budget(phase):
    n, unit = re.search(rf"^  {phase}: (\d+)([ms])\b", PLAN[PLAN.index("\nsla:"):], re.M).groups()
    return float(n) * {"m": 60, "s": 1}[unit]


def alerts(*names):
    return [bound_of_alert(n) for n in names]


#   dashboard, panel: the bounds from left to right, read from where they are in force
DRAWN = {
    ("cst-rollout", "Error rate above legacy"): alerts("CanaryErrorRateElevated", "CanaryErrorRateHigh"),
    ("cst-rollout", "Error rate above legacy, last minute"): alerts("CanaryErrorRateBurst"),
    ("cst-rollout", "Error rate"): alerts("CSTErrorRateHigh"),
    ("cst-rollout", "Latency of CST: p50, p95, p99"): [bound_of_criterion("p95 latency")],
    ("cst-rollout", "Cache hit rate"): alerts("CanaryCacheHitRateLow", "CanaryCacheHitRateBelowTarget"),
    ("cst-rollout", "Memory of each instance"): [bound_of_criterion("memory")],
    ("cst-rollout", "Memory growth per minute, worst instance"): alerts("CanaryMemoryGrowthElevated", "CanaryMemoryGrowthFast"),
    ("cst-rollout", "Embeddings reused"): alerts("CanaryEmbeddingReuseLow"),
    ("cst-rollout", "Requests that fell back to legacy"): alerts("CanaryFallbackRateHigh"),
    ("cst-rollout", "Change detection per 1,000 nodes"): [bound_of_criterion("change detection")],
    ("cst-compare", "Error rate: difference"): alerts("CanaryErrorRateElevated", "CanaryErrorRateHigh"),
    ("cst-compare", "Latency p95: difference"): [bound_of_criterion("p95 latency delta")],
    ("cst-compare", "Cache hit rate: CST"): alerts("CanaryCacheHitRateLow", "CanaryCacheHitRateBelowTarget"),
    ("cst-compare", "Error rate of CST, by language"): [bound_of_criterion("error rate of the worst language")],
}


def steps(thresholds):
    assert thresholds["mode"] == "absolute" and thresholds["steps"][0]["value"] is None
    return [s["value"] for s in thresholds["steps"][1:]]


def drawn():
    return {(name, p["title"]): p for name, board in DASHBOARDS.items() for p in panels(board)
            if p["fieldConfig"]["defaults"].get("custom", {}).get("thresholdsStyle")}


def panel(name, title):
    return next(p for p in panels(DASHBOARDS[name]) if p["title"] == title)


def test_every_line_that_is_drawn_is_known_here():
    assert set(drawn()) == set(DRAWN)


@pytest.mark.parametrize("where", DRAWN, ids=" / ".join)
def test_lines_are_the_bounds_in_force(where):
    p = drawn()[where]
    assert steps(p["fieldConfig"]["defaults"]["thresholds"]) == DRAWN[where]
    for name in re.findall(r"\b(?:Canary|CST)[A-Z]\w+", p["description"]):
        expression(name)


def test_bounds_that_follow_the_baseline():
    lines = {t["legendFormat"]: t["expr"] for t in panel("cst-rollout", "Latency p95 against its bounds")["targets"]}
    assert f"cst:latency_p95:rate5m > {lines['rolls back']})" in expression("CanaryLatencyP95High")
    degraded = expression("CanaryLatencyP95Degraded")
    absolute = re.search(r"latency_p95_low:rate5m - baseline:latency_p95 > ([\d.]+)", degraded)[1]
    relative = re.search(r"latency_p95_low:rate5m > ([\d.]+) \* baseline:latency_p95", degraded)[1]
    assert lines["holds"] == f"baseline:latency_p95 + {absolute} < {relative} * baseline:latency_p95 or {relative} * baseline:latency_p95"


def test_the_share_that_is_allowed():
    tolerance = bound_of_alert("CanaryTrafficShareWrong")
    lines = {t["legendFormat"]: t["expr"] for t in panel("cst-rollout", "Share of the traffic on CST")["targets"]}
    assert lines["most allowed"].endswith(f"/ 100 + {tolerance:g}") and f"/ 100 - {tolerance:g}, 0)" in lines["least allowed"]


def test_budgets_and_heartbeat():
    overrides = panel("cst-rollout", "How long rollbacks took, by phase (p95)")["fieldConfig"]["overrides"]
    assert {o["matcher"]["options"]: steps(o["properties"][0]["value"]) for o in overrides} == {
        phase: [budget(phase)] for phase in ("detection", "decision", "execution", "verification", "total")}
    for name in ("cst-rollout", "rollbackd"):
        assert steps(panel(name, "Heartbeat age")["fieldConfig"]["defaults"]["thresholds"]) == alerts("RollbackdHeartbeatMissing")


def test_stages_are_named_as_in_the_plan():
    names = panel("cst-rollout", "Stage")["fieldConfig"]["defaults"]["mappings"][0]["options"]
    plan = re.findall(r"- number: (\d)\n\s+name: (.+)\n", PLAN)
    assert len(plan) == 5 and {k: v["text"] for k, v in names.items() if k != "-1"} == {n: f"{n} {name}" for n, name in plan}


# --- the queries, on the real Prometheus ---

PATIENCE = 150          # seconds for every query to return data: two minutes of traffic, and some for a busy machine

# What the demo service is made of (deploy/demo/traffic.c), and how far chance may take it away.
EXPECTED = {
    ("cst-compare", "Compute time for 1,000 requests", "CST"): (12, 1), ("cst-compare", "Compute time for 1,000 requests", "legacy"): (20, 1),
    ("cst-compare", "Paid calls for 1,000 requests", "CST"): (300, 30), ("cst-compare", "Paid calls for 1,000 requests", "legacy"): (800, 30),
    ("cst-compare", "CST costs more (+) or less (-) than legacy", "compute time"): (-0.4, 0.1),
    ("cst-compare", "CST costs more (+) or less (-) than legacy", "paid calls"): (-0.625, 0.1),
    ("cst-compare", "Cache hit rate: legacy", "legacy"): (0.85, 0.03), ("cst-rollout", "Cache hit rate", "CST"): (0.90, 0.03),
    ("cst-rollout", "Embeddings reused", "reused"): (0.92, 0.03),
    ("cst-rollout", "Change detection per 1,000 nodes", "per 1,000 nodes"): (0.0004, 0.00001),
    ("cst-rollout", "Percentage: wanted, seen", "seen"): (25, 0), ("rollbackd", "Is it up?", "{{instance}}"): (1, 0),
}


class Demo:
    """The demo service, rollbackd with the shipped config, Prometheus with the shipped rules, Alertmanager."""

    def __init__(self, folder, chat, programs, daemon_of):
        self.service_port, port, prometheus_port = free_port(), free_port(), free_port()
        self.hook = Hook("pager-secret")
        flags = folder / "flags.env"
        flags.write_text("CST_PIPELINE_ENABLED=true\nCST_ROLLOUT_PERCENTAGE=10\nCST_INCREMENTAL_INDEXING=true\n"
                         "CST_TIERED_CACHE=true\nCST_EMBEDDING_REUSE=true\nCST_LEGACY_FALLBACK=true\n")
        self.log = open(folder / "service.log", "wb")
        self.service = subprocess.Popen([str(BUILD / "demo-service"), "--listen", f"127.0.0.1:{self.service_port}", "--flags", str(flags),
                                         "--flags-url", f"http://127.0.0.1:{port}/api/v1/rollouts/cst-pipeline/flags", "--rate", "2000"],
                                        stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        until(lambda: request(self.service_port, "GET", "/flags")[0] == 200)
        for name, text in (("slack-url", f"{chat.url}/services/T/B/x"), ("management-url", f"{chat.url}/services/T/B/y"), ("on-call-secret", "pager-secret")):
            (folder / name).write_text(text + "\n")
        self.alertmanager = programs(Alertmanager(folder / "am", f"http://127.0.0.1:{port}/webhook"))
        text = PLAN
        for old, new in (("/etc/lapce-ai/flags.env", str(flags)), ("http://127.0.0.1:8080", f"http://127.0.0.1:{self.service_port}"),
                         ("[/usr/bin/systemctl, reload, lapce-ai-service.service]",
                          f"[{sys.executable}, -c, 'import os; os.kill({self.service.pid}, 1)']"),
                         ("http://127.0.0.1:9090", f"http://127.0.0.1:{prometheus_port}"), ("http://127.0.0.1:9093", self.alertmanager.url),
                         ("/etc/rollbackd/", f"{folder}/"), ("https://oncall.example.com", self.hook.url),
                         ("sum(rate(cst_requests_total[1m]))', max: 0.01", "sum(rate(cst_requests_total[5s]))', max: 0.01"),
                         ("cooldown: 10m", "cooldown: 1s")):
            assert old in text, old
            text = text.replace(old, new)
        self.daemon = daemon_of(text, start=False)
        self.daemon.port = port
        self.daemon.start()
        rules = [(RULES / f"{name}.yml").read_text() for name in ("cst-recording", "cst-alerts", "rollbackd-alerts")]
        jobs = [("lapce-ai-service", f"127.0.0.1:{self.service_port}"), ("rollbackd", f"127.0.0.1:{port}"),
                ("alertmanager", f"127.0.0.1:{self.alertmanager.port}")]
        self.prometheus = programs(Prometheus(folder / "prometheus", jobs, rules[0] + "".join(r.split("groups:\n", 1)[1] for r in rules[1:]),
                                              [self.alertmanager], port=prometheus_port))

    def percentage(self):
        return json.loads(request(self.service_port, "GET", "/flags")[2])["rollout_percentage"]

    def move(self, what, **body):
        status, out = self.daemon.call("POST", f"/api/v1/rollouts/cst-pipeline/{what}", body)
        assert status == 200, (what, out)

    def roll_back_and_return(self):
        """One real rollback, so that phases, steps and annotations have something to show; then a stage further."""
        until(lambda: self.prometheus.query("rollbackd_rollback_phase_seconds_count"), 60)
        if self.daemon.get("/api/v1/rollouts/cst-pipeline")["stage"] is None:
            self.move("set", stage=1)
        self.alertmanager.fire("CanaryErrorRateBurst", rollout="cst-pipeline", ends=5)
        incident = until(lambda: self.daemon.incidents(rollout="cst-pipeline"), 60)[0]["id"]
        self.daemon.wait_state(incident, "rolled_back", timeout=120)
        assert self.percentage() == 0
        until(lambda: all(a["status"] == "resolved" for a in self.daemon.incident(incident)["alerts"]), 60)
        assert self.daemon.act(incident, "resolve", note="a test")[0] == 200
        for percentage in (10, 25):         # stage 1 once more, then 2
            body = {"force": True, "reason": "a test"}
            until(lambda: self.daemon.call("POST", "/api/v1/rollouts/cst-pipeline/advance", body)[0] == 200, 60, 0.5)
            until(lambda p=percentage: self.percentage() == p, 60)

    def series(self, query, start):
        """Every series of the query from start to now, as Grafana asks: [(time, value)] without what is no number."""
        args = urlencode({"query": query, "start": start, "end": time.time(), "step": 5})
        status, _, out = request(self.prometheus.port, "GET", "/api/v1/query_range?" + args)
        assert status == 200, (query, out)
        found = [[(t, float(v)) for t, v in s["values"] if math.isfinite(float(v))] for s in json.loads(out)["data"]["result"]]
        return [s for s in found if s]

    def returns_data(self, title, query, start):
        """An event counts whenever it was; a panel must have data now."""
        recent = start if title.startswith("annotation ") else time.time() - 15
        return any(s[-1][0] >= recent for s in self.series(query, start))

    def close(self):
        self.service.terminate()
        self.service.wait(10)
        self.log.close()
        self.hook.close()


@pytest.fixture
def demo(folder, chat, programs, daemon_of):
    d = Demo(folder, chat, programs, daemon_of)
    yield d
    d.close()


def test_every_query_returns_data(demo):
    start = time.time()
    assert len(queries()) > 80
    demo.roll_back_and_return()
    empty = queries()
    deadline = time.monotonic() + PATIENCE
    while empty and time.monotonic() < deadline:
        empty = [q for q in empty if not demo.returns_data(q[1], q[2], start)]
        time.sleep(2)
    assert not empty, "no data from:\n" + "\n".join(" / ".join(q) for q in empty)
    for (name, title, legend), (value, tolerance) in EXPECTED.items():
        query = substituted(next(t["expr"] for t in panel(name, title)["targets"] if t["legendFormat"] == legend))

        def near():
            return [abs(s[-1][1] - value) <= tolerance + 1e-9 for s in demo.series(query, time.time() - 15)] == [True]
        near.__name__ = f"{title}: {legend} near {value}"
        until(near, 60, every=1)
    for title in ("Requests on CST, by language", "Error rate above legacy, by language"):
        assert len(demo.series(substituted(panel("cst-compare", title)["targets"][0]["expr"]), start)) == 4
    for nothing in ("no_such_metric", "vector(0) / 0", "cst_rollout_percentage > 100"):
        assert not demo.returns_data("panel", nothing, start)
