"""The list of JSON cases in tests/data/json/cases.txt: (verdict, name, body)."""
import urllib.parse


def load(folder):
    for line in (folder / "cases.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            verdict, name, body = (line.split(" ", 2) + [""])[:3]
            assert verdict in ("accept", "refuse"), line
            yield verdict, name, urllib.parse.unquote_to_bytes(body)
