#!/usr/bin/python3
"""make bench: how fast rollbackd is, beside its peers and what the machine gives, as ratios taken in one run. Prints a table and
writes build/bench.json. --rows 1,3 measures only those; --smoke runs everything for a moment and says nothing of time. What could not be
measured (a peer that did not do its part, a time that is none) is said in the table, and the exit code is 1."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

import rows
from servers import ROOT, limits

FULL = {"rounds": 3, "seconds": 4, "long": 30, "triggers": 100, "alerts": 10000, "bodies": 4, "old": 20000, "incidents": 100000, "queries": 20,
        "webhooks": 1000000, "rest": 20, "rollouts": 200}
SMOKE = {"rounds": 1, "seconds": 0.3, "long": 1.2, "triggers": 3, "alerts": 1000, "bodies": 1, "old": 500, "incidents": 1200, "queries": 2,
         "webhooks": 500, "rest": 0.2, "rollouts": 5}


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    release = next(line.split("=")[1].strip('"') for line in pathlib.Path("/etc/os-release").read_text().splitlines()
                   if line.startswith("PRETTY_NAME="))
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(), "system": release, "commit": commit,
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), "load": os.getloadavg()}


def short(x):
    if x is None:
        return ""
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


def line(r):
    pair = f"{short(r.more.get('ours'))} : {short(r.more.get('peer'))}" if r.more.get("peer") else short(r.more.get("ours"))
    cpu = r.more.get("cpu_us")
    return (str(r.number), r.text, short(r.value) + r.unit, r.wanted, {True: "yes", False: "no", None: ""}[r.met], pair,
            f"{cpu[0]:.1f} : {cpu[1]:.1f}" if cpu else "")


def print_table(found):
    head = ("#", "figure", "is", "wanted", "met", "ours : beside", "µs CPU a request")
    lines = [head, *map(line, found)]
    widths = [max(len(x[i]) for x in lines) for i in range(len(head))]
    for i, cells in enumerate(lines):
        print("| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths)) + " |")
        if i == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|")


def options():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rows", default="", help="numbers of the table, with commas")
    p.add_argument("--smoke", action="store_true")
    p.add_argument("--json", default=str(ROOT / "build" / "bench.json"))
    for name, value in FULL.items():
        p.add_argument(f"--{name}", type=float if name in ("seconds", "long", "rest") else int)
    o = p.parse_args()
    for name, value in (SMOKE if o.smoke else FULL).items():
        if getattr(o, name) is None:
            setattr(o, name, value)
    return o


def measured(o, measure, failed):
    try:
        for r in measure(o):
            print(f"{r.number}: {r.text}: {short(r.value)}{r.unit}", file=sys.stderr, flush=True)
            yield r
    except (RuntimeError, ArithmeticError, OSError, subprocess.SubprocessError) as e:
        failed.append(f"not measured ({measure.__name__}): {e}")
        print(failed[-1], file=sys.stderr, flush=True)


def main():
    o = options()
    failed, result = [], {"machine": machine(), "limits": limits(o.seconds), "options": vars(o), "rows": []}
    found = [r for m in rows.named([n for n in o.rows.split(",") if n]) for r in measured(o, m, failed)]
    result["not_measured"] = failed
    result["rows"] = [{"row": r.number, "figure": r.text, "value": r.value, "unit": r.unit.strip(), "wanted": r.wanted, "met": r.met, **r.more}
                      for r in found]
    pathlib.Path(o.json).parent.mkdir(exist_ok=True)
    pathlib.Path(o.json).write_text(json.dumps(result, indent=1) + "\n")
    m, disk = result["machine"], result["limits"]
    print_table(found)
    print(f"\n{m['date']}, {m['commit']}, {m['cores']} × {m['cpu']}, {m['system']}, Linux {m['kernel']}; this disk: "
          f"{short(disk['commit']['rate'])} FULL commits a second, {short(disk['atomic_file']['rate'])} atomic files a second")
    if not o.rows and "PEER_AMX" not in os.environ:
        print("Not beside prometheus-am-executor: Debian has none; PEER_AMX=path names one.")
    print("".join(f"\n{f}" for f in failed))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
