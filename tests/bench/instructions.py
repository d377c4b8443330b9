#!/usr/bin/python3
"""How many instructions a webhook costs rollbackd from its arrival to its 200, counted by callgrind, which no load of the machine changes.
One connection, so each has a commit of its own. Compared with the budgets in instructions.txt: who costs more than a tenth more has made
it slower; who costs more than a tenth less writes the new number there. --write writes what is counted. Half of the instructions are
SQLite's, libmicrohttpd's and libc's: the budgets hold with those of Debian 12, and elsewhere the count is only told."""

import pathlib
import re
import subprocess
import sys

from servers import Rollbackd

APART = 0.10
BUDGETS_OF = "bookworm"
BUDGETS = pathlib.Path(__file__).with_name("instructions.txt")
HEAD = "# Instructions of a webhook, from its arrival to its 200 (tests/bench/instructions.py): make check compares within a tenth.\n"
KINDS = {  # what load sends, and how many alerts each time
    "distinct": (("-n", 200), 200),                      # one alert that nobody has seen before
    "copy": (("-n", 200, "-k", 1, "-i", 1), 200),        # the same again
    "of_a_hundred": (("-n", 20, "-a", 100), 2000),       # each of a hundred new ones in one webhook
}


class Counted:
    def __init__(self, d):
        self.d, self.out, self.dumps = d, d.dir / "callgrind", 0

    def wrap(self):
        return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.out}", "--quiet"]

    def since_last(self):
        """Of the whole process since it was asked last."""
        self.dumps += 1
        subprocess.run(["callgrind_control", "--dump", str(self.d.process.pid)], check=True, capture_output=True)
        text = pathlib.Path(f"{self.out}.{self.dumps}").read_text()
        return int(re.search(r"^(?:totals|summary): (\d+)", text, re.M)[1])


def count():
    d = Rollbackd("instructions")
    c, found = Counted(d), {}
    with_valgrind = d.start(c.wrap())
    try:
        for kind, (options, n) in KINDS.items():
            d.load(*options)  # what is done once: pages of the database, room in buffers
            c.since_last()
            d.load(*options)
            found[kind] = c.since_last() // n
    finally:
        with_valgrind.stop()
    return found


def main():
    found = count()
    if "--write" in sys.argv:
        BUDGETS.write_text(HEAD + "".join(f"{kind} {n}\n" for kind, n in found.items()))
    budgets = dict(line.split() for line in BUDGETS.read_text().splitlines() if not line.startswith("#"))
    bad = found.keys() != budgets.keys()
    for kind, n in found.items():
        far = n / int(budgets.get(kind, 0) or 1) - 1
        bad |= abs(far) > APART
        print(f"{kind}: {n:,} instructions, {far:+.1%} of {int(budgets.get(kind, 0)):,}"
              + (": over its budget" if far > APART else ": better than its budget: --write" if far < -APART else ""))
    if f"VERSION_CODENAME={BUDGETS_OF}\n" not in pathlib.Path("/etc/os-release").read_text():
        print(f"not compared: the budgets hold with the libraries of {BUDGETS_OF}")
        return False
    return bad


if __name__ == "__main__":
    sys.exit(main())
