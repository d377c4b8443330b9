#!/usr/bin/python3
"""How many instructions a webhook costs rollbackd from its arrival to its 200, counted by callgrind: what 2n of them take, less what n
take. One connection, so each has a commit of its own, and the count is nearly the same at every run. Compared with the budgets in
instructions.txt: who costs more than a tenth more has made it slower; who costs more than a tenth less writes the new number there."""

import pathlib
import re
import sys

from servers import Rollbackd

N = 400
APART = 0.10
BUDGETS = pathlib.Path(__file__).with_name("instructions.txt")
KINDS = {
    "distinct": (),                                        # one alert that nobody has seen before
    "copy": ("-k", 1),                                     # the same one again
    "hundred": ("-a", 100),                                # a hundred of them, for each
}


def counted(kind, n):
    d = Rollbackd("instructions")
    out = d.dir / "callgrind"
    d.start(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}.%p", "--quiet"])
    pid = d.process.pid
    d.load("-n", n, *KINDS[kind])
    d.stop()
    return int(re.search(r"^(?:totals|summary): (\d+)", pathlib.Path(f"{out}.{pid}").read_text(), re.M)[1])


def cost(kind):
    n = N // 100 if kind == "hundred" else N
    return (counted(kind, 2 * n) - counted(kind, n)) / n / (100 if kind == "hundred" else 1)


def budgets():
    lines = (x.split("#")[0].split() for x in BUDGETS.read_text().splitlines())
    return {x[0]: int(x[1]) for x in lines if x}


def main():
    bad = False
    for kind, budget in budgets().items():
        is_ = cost(kind)
        far = is_ / budget - 1
        bad |= abs(far) > APART
        print(f"{kind}: {is_:,.0f} instructions, {far:+.1%} of the {budget:,} in {BUDGETS.name}"
              + (": over budget" if far > APART else f": better than its budget: write {is_:.0f} there" if far < -APART else ""))
    return bad


if __name__ == "__main__":
    sys.exit(main())
