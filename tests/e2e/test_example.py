"""deploy/rollbackd.yml, which operators start from: its queries are asked of the real Prometheus' own evaluator."""
import re
import subprocess

from harness import ROOT, TOOLS, ctl

EXAMPLE = (ROOT / "deploy" / "rollbackd.yml").read_text()
SNAPSHOT = EXAMPLE[EXAMPLE.index("    snapshot:"):EXAMPLE.index("    # The plan.")]
BUSY = {"cst_requests_total": "0+600x30", "cst_cache_hits_total": "0+540x30", "cst_cache_misses_total": "0+60x30",
        'cst_latency_bucket{le="0.1"}': "0+300x30", 'cst_latency_bucket{le="0.5"}': "0+600x30",
        'cst_latency_bucket{le="+Inf"}': "0+600x30", "cst_memory_rss_bytes": "1000+50x30", "cst_rollout_percentage": "10x30",
        'up{job="lapce-ai-service"}': "1x30", "legacy_requests_total": "0+5400x30", "legacy_errors_total": "0+54x30",
        'legacy_latency_bucket{le="0.1"}': "0+5400x30", 'legacy_latency_bucket{le="+Inf"}': "0+5400x30"}
STOPPED = {name: "7x30" for name in BUSY if "total" in name or "bucket" in name}


def queries():
    found = re.findall(r"name: (\w+)(?:,|\n) *unit: [\w ]+(?:,|\n) *query: (?:'([^'\n]+)'|([^'{}\n]+))", SNAPSHOT)
    return {name: quoted or plain for name, quoted, plain in found}


def evaluate(folder, series, wanted):
    """wanted: query to the samples' values after 20 minutes."""
    lines = ["rule_files: []", "evaluation_interval: 1m", "tests:", "- interval: 1m", "  input_series:"]
    for instance in ("a", "b"):
        for name, values in series.items():
            labels = name.replace("{", f'{{instance="{instance}",') if "{" in name else f'{name}{{instance="{instance}"}}'
            lines += [f"  - {{series: '{labels}', values: '{values}'}}"]
    lines += ["  promql_expr_test:"]
    for query, samples in wanted.items():
        lines += [f"  - expr: '{query}'", "    eval_time: 20m", "    exp_samples: [%s]" % ", ".join(
            f"{{labels: '{{}}', value: {v}}}" for v in samples)]
    file = folder / "test.yml"
    file.write_text("\n".join(lines) + "\n")
    r = subprocess.run([str(TOOLS / "promtool"), "test", "rules", str(file)], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stdout + r.stderr


def test_every_query_of_the_snapshot_is_found_here():
    assert len(queries()) == SNAPSHOT.count("query:") == 10


def test_the_queries_say_what_their_names_promise(folder):
    q = queries()
    evaluate(folder, BUSY, {
        q["error_ratio_cst"]: [0],                  # an error counter that was never counted up is no missing one
        q["error_ratio_legacy"]: [0.01],
        f"round({q['latency_p95_cst']}, 0.01)": [0.46],         # 90 % of the way from 0.1 to 0.5
        f"round({q['latency_p95_legacy']}, 0.001)": [0.095],
        q["cache_hit_ratio_cst"]: [0.9],
        q["memory_cst"]: [2000],
        q["memory_growth_cst"]: [50],
        q["requests_cst"]: [20],                    # 600 a minute, two instances
        q["requests_legacy"]: [180],
        q["percentage"]: [10],
        re.search(r"instances: '([^']+)'", EXAMPLE)[1]: [2],
    })


def test_without_traffic_a_ratio_has_no_sample_instead_of_a_wrong_one(folder):
    q = queries()
    ratios = ("error_ratio_cst", "error_ratio_legacy", "latency_p95_cst", "latency_p95_legacy", "cache_hit_ratio_cst")
    evaluate(folder, STOPPED, {q[name]: [] for name in ratios})
    evaluate(folder, {"up": "1x30"}, {query: [] for query in q.values()})


def test_the_example_holds_the_whole_plan(folder):
    for flag in ("CST_PIPELINE_ENABLED", "CST_ROLLOUT_PERCENTAGE", "CST_INCREMENTAL_INDEXING", "CST_TIERED_CACHE",
                 "CST_EMBEDDING_REUSE", "CST_LEGACY_FALLBACK"):
        assert len(re.findall(rf"(?:percentage: {flag}|name: {flag}, type:)", EXAMPLE)) == 1, flag
    stages = re.findall(r"- number: (\d)\n +name: [\w -]+\n +percentage: (\d+)\n(?: +environment: (\w+) .*\n)?(?: +duration: (\w+)\n)?"
                        r"(?: +approvals: \[(.*)\]\n)?", EXAMPLE)
    assert stages == [("0", "100", "staging", "7d", "go-no-go"), ("1", "10", "", "48h", "engineering-lead"),
                      ("2", "25", "", "72h", "engineering-lead, product-owner"), ("3", "50", "", "7d", "engineering-director"),
                      ("4", "100", "", "", "")]
    lists = {name: items.count("{text: ") for name, items in re.findall(r"      - name: ([\w-]+)\n        items:\n((?:          - .*\n)+)", EXAMPLE)}
    assert lists["pre-rollout"] == 11 and lists["canary"] == 6 and len(lists) == 5        # Go/No-Go is an approval
    (folder / "other.yml").write_text(EXAMPLE.replace("to: previous_stage", "to: last_stage"))
    r = ctl(None, "check-config", folder / "other.yml")
    line = 1 + EXAMPLE[:EXAMPLE.index("to: previous_stage")].count("\n")
    assert r.returncode == 1 and f"other.yml:{line}: playbooks[2].rollback.to: " in r.stderr


def test_what_is_commented_out_is_right_as_well(folder):
    text = re.sub(r"^( +)# (- \{)", r"\1\2", EXAMPLE, flags=re.M)
    assert text.count("\n        - {command: [/usr/share/rollbackd/scripts/get_cst_percentage]}") == 1 and "${percentage}" in text
    (folder / "all.yml").write_text(text)
    r = ctl(None, "check-config", folder / "all.yml")
    assert r.returncode == 0, r.stderr
