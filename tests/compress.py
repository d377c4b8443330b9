#!/usr/bin/python3
"""Prints the shipped config, or shipped rules, in compressed time: python3 compress.py FILE [OLD=NEW ...]

Every duration of a key below is divided by that key's number, but never below the least; every window of a query becomes WINDOW; numbers of
samples are divided by SAMPLES. OLD=NEW replaces text afterwards: addresses and paths of the test. Nothing else changes, so
what is tested is what is shipped.
"""
import re
import sys

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
WINDOW = "10s"          # of range queries: five scrapes of 2 s
SAMPLES = 1000
LEAST = 0.05

#        key: divided by, at least (seconds)
KEYS = {"duration": (28800, 1), "in": (240000, 1), "certify": (240000, 1), "every": (60, 0.2), "valid": (60, 5), "after": (60, 5), "over": (28800, 2),
        "patience": (20, 1), "cooldown": (600, 1), "quiet": (600, 3), "delay": (10, 0.1), "evaluation_interval": (30, 0.5),
        "timeout": (1, 1), "for": (10, 0), "interval": (15, 1), "step": (360, 1)}


def seconds(text):
    parts = re.fullmatch(r"(?:\d+(?:ms|[smhdw]))+", text)
    return sum(int(n) * UNITS[u] for n, u in re.findall(r"(\d+)(ms|[smhdw])", text)) if parts else None


def duration(s):
    return f"{round(s * 1000)}ms" if s % 1 else f"{round(s)}s"


def divide(match):
    key, value = match["key"], seconds(match["value"])
    by, least = KEYS[key]
    return f"{match['head']}{duration(max(value / by, least))}" if value else match[0]


def compress(text):
    text = re.sub(r"(?P<head>\b(?P<key>" + "|".join(KEYS) + r"): )(?P<value>(?:\d+(?:ms|[smhdw]))+)\b", divide, text)
    text = re.sub(r"\[\d+[smhdw](:\w*)?\]", lambda m: f"[{WINDOW}:1s]" if m[1] else f"[{WINDOW}]", text)
    text = re.sub(r"(min_samples: )(\d+)", lambda m: m[1] + str(max(1, int(m[2]) // SAMPLES)), text)
    text = re.sub(r"\boffset \d+[smhd]\b", "offset " + WINDOW, text)
    text = re.sub(r"(timestamp_seconds\{[^}]*\}\) < )(\d+)", lambda m: m[1] + str(int(m[2]) // 60), text)
    # A freeze depends on the day of the test, and so does a drill: one that never comes.
    text = re.sub(r'drill: \{cron: "[^"]*"', 'drill: {cron: "0 0 29 2 *"', text)
    return re.sub(r'freeze: \[\{cron: "[^"]*"', 'freeze: [{cron: "0 0 29 2 *"', text)


if __name__ == "__main__":
    out = compress(open(sys.argv[1], encoding="utf-8").read())
    for pair in sys.argv[2:]:
        old, new = pair.split("=", 1)
        if old not in out:
            sys.exit(f"{old} is not in {sys.argv[1]}")
        out = out.replace(old, new)
    print(out, end="")
