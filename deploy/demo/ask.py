#!/usr/bin/python3
"""Asks a URL and prints the answer, or what stands in it at a JSON pointer.

With --until it asks again, until the printed value matches the whole regular expression. Exit 0: asked, found and
matching; 1: not; the last value is printed either way.
"""
import argparse
import json
import re
import sys
import time
import urllib.parse
import urllib.request

PAUSE = 0.1  # seconds


def at_pointer(document, pointer):
    for word in pointer.split("/")[1:]:
        word = word.replace("~1", "/").replace("~0", "~")
        document = document[int(word)] if isinstance(document, list) else document[word]
    return document


def as_text(value):
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value)


def ask(url, method, data, pointer):
    request = urllib.request.Request(url, method=method, data=None if data is None else data.encode())
    if data is not None:
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=3) as answer:
        body = answer.read().decode()
    return body.rstrip("\n") if pointer is None else as_text(at_pointer(json.loads(body), pointer))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="GET")
    parser.add_argument("--data")
    parser.add_argument("--query", help="url is a Prometheus; print the first value of this query")
    parser.add_argument("--until", metavar="REGEX", default=".*")
    parser.add_argument("--timeout", type=float, default=0, help="seconds; without it, ask once")
    parser.add_argument("url")
    parser.add_argument("pointer", nargs="?")
    o = parser.parse_args()
    if o.query is not None:
        o.url += "/api/v1/query?" + urllib.parse.urlencode({"query": o.query})
        o.pointer = o.pointer or "/data/result/0/value/1"
    end = time.monotonic() + o.timeout
    while True:
        try:
            value = ask(o.url, o.method, o.data, o.pointer)
            found = re.fullmatch(o.until, value, re.DOTALL) is not None
        except (LookupError, TypeError):
            value, found = "nothing yet", False
        except (OSError, ValueError) as e:  # urllib's errors are OSErrors
            value, found = str(e), False
        if found or time.monotonic() >= end:
            break
        time.sleep(PAUSE)
    print(value)
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
