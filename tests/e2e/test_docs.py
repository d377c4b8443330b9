"""README and the pages below deploy/docs stay true: each block of commands is run, or says why not; each config is checked; each link,
path, target and command is there.

Behind the three backquotes of a block stands what it is:
    sh                  commands, run as they stand (docs.py); "ends 1 4" says with what else than 0, "within 90s" that it may take
                        several goes, "world: …" what has to be there before, "not run: …" why not
    yaml                "rollout": keys of a rollout; "top": keys of rollbackd.yml; else the name of the file
    json, text          what programs say
"""
import json
import os
import re
import subprocess
import sys

import pytest
from harness import BUILD, MODE, ROOT, TOOLS, ctl
from test_newcomer import OF_ITS_OWN

PAGES = [ROOT / "README.md", *sorted((ROOT / "deploy/docs").glob("*.md"))]
TEXTS = {p: p.read_text() for p in PAGES}
BLOCK = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.M | re.S)
BLOCKS = [(p, mark, text) for p in PAGES for mark, text in BLOCK.findall(TEXTS[p])]
MARKS = re.compile(r"sh|sh (not run|ends|within|world): ?.*|sh (ends [\d ]+|within \d+s)(; .*)?|yaml \S+|json|text")
PROSE = {p: BLOCK.sub("", t) for p, t in TEXTS.items()}


def named(blocks):
    return [pytest.param(*b, id=f"{b[0].name}:{TEXTS[b[0]][:TEXTS[b[0]].index(b[2])].count(chr(10))}") for b in blocks]


def marks_of(mark):
    """{"world": …, "ends": …}"""
    parts = [mark[2:]] if "not run:" in mark else mark[2:].split(";")
    return dict(re.match(r"(not run|world|ends|within):? (.*)", m.strip()).groups() for m in parts if m.strip())


def test_every_block_says_what_it_is_and_no_command_hides_in_a_text():
    assert len(BLOCKS) > 40
    assert [(p.name, mark) for p, mark, _ in BLOCKS if not MARKS.fullmatch(mark)] == []
    for page, mark, text in BLOCKS:
        if mark in ("json", "text"):
            assert not re.search(r"^(rollback(d|ctl)|make|systemctl|curl|apt) ", text, re.M), (page.name, text)
        if mark == "json":
            json.loads(text)
    for page, text in PROSE.items():
        assert not re.search(r"^    \S", text.split("\n- ")[0], re.M), page        # a block without a mark


# --- commands ---

def test_every_command_runs_as_it_stands(folder):
    if os.geteuid() != 0 or subprocess.run([*OF_ITS_OWN, "true"], capture_output=True).returncode != 0:
        pytest.skip("needs root, and a kernel that gives a root of its own (unshare)")
    own = TEXTS[ROOT / "README.md"].index("## What it promises")         # what stands before is the newcomer's (test_newcomer.py)
    blocks = [{"page": p.name, "text": text, "marks": marks_of(mark)} for p, mark, text in BLOCKS
              if mark.startswith("sh") and (p.name != "README.md" or TEXTS[p].index(text) > own)]
    run = [b for b in blocks if "not run" not in b["marks"]]
    assert len(run) > 20
    r = subprocess.run([*OF_ITS_OWN, sys.executable, ROOT / "tests/e2e/docs.py", folder], input=json.dumps(run), capture_output=True,
                       text=True, timeout=600, cwd=ROOT, env={**os.environ, "MODE": MODE})
    assert r.returncode == 0, r.stdout[-3000:] + r.stderr[-6000:]
    told = json.loads(r.stdout.splitlines()[-1])
    assert len(told["ran"]) == len(run)
    wrong = [t for t in told["ran"] if t["code"] != 0]
    assert not wrong, json.dumps(wrong, indent=1) + told["log"]


def test_every_command_of_rollbackctl_is_told_and_none_that_is_not_there():
    known = set(re.findall(r"^  ([a-z][a-z-]*) ", ctl(None, "--help").stdout, re.M))
    actions = {"ack", "note", "eta", "approve", "cancel", "retry", "review", "resolve", "extend"}
    told = set()
    for text in TEXTS.values():
        told |= set(re.findall(r"rollbackctl (?:--?\w+ [^ -]\S* )*([a-z][a-z-]+)", text))
    assert len(known) > 15 and known - told == set()
    assert told - known - actions <= {"incident", "takes", "has"}, told - known - actions


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_flag_of_the_daemon_that_is_told_is_there(page):
    known = set(re.findall(r"(--[a-z.-]+)", subprocess.run([BUILD / "rollbackd", "--help"], capture_output=True, text=True).stdout))
    assert set(re.findall(r"--(?:web|storage|log|config)\.[a-z.-]*[a-z]", TEXTS[page])) <= known


# --- configs ---

ROLLOUT = {"apply": "apply: [{command: [/usr/bin/true]}]\n", "verify": "verify: {checks: [{command: [/usr/bin/echo, '0']}]}\n"}
TOP = {
    "global": "global: {prometheus: {url: 'http://127.0.0.1:9090'}, alertmanager: {url: 'http://127.0.0.1:9093'}}\n",
    "users": "users: [{name: alice, roles: [operator, engineering-lead]}]\n",
    "rollouts": "rollouts:\n  - name: checkout\n    apply: [{command: [/usr/bin/true]}]\n    verify: {checks: [{command: [/usr/bin/echo, '0']}]}\n",
}


def completed(text, rest):
    return text + "".join(more for key, more in rest.items() if not re.search(rf"^{key}:", text, re.M))


def config_of(mark, text):
    if mark == "rollout":
        body = completed(text, ROLLOUT).replace("\n", "\n    ").rstrip(" ")
        text = f"rollouts:\n  - name: checkout\n    {body}"
    return completed(text, TOP)


@pytest.mark.parametrize("page, mark, text", named([b for b in BLOCKS if b[1].startswith("yaml")]))
def test_every_config_is_right(folder, page, mark, text):
    mark = mark.split()[1]
    file = folder / "file.yml"
    for name in set(re.findall(r"_file: (/etc/rollbackd/[\w-]+)", text)):
        (folder / os.path.basename(name)).write_text("http://127.0.0.1:9/\n")
    text = text.replace("/etc/rollbackd/", f"{folder}/")
    ours = mark in ("rollout", "top") or mark.endswith("/rollbackd.yml")
    (folder / "checkout.yml").write_text("groups: []\n")
    file.write_text(config_of(mark, text) if ours else text.replace("/etc/prometheus/", f"{folder}/"))
    argv = {"web.yml": ["rollbackctl", "check-web-config"], "alertmanager.yml": ["amtool", "check-config"],
            "checkout.yml": ["promtool", "check", "rules"], "prometheus.yml": ["promtool", "check", "config"]}
    argv = ["rollbackctl", "check-config"] if ours else argv[os.path.basename(mark)]
    argv[0] = str((BUILD if argv[0] == "rollbackctl" else TOOLS) / argv[0])
    r = subprocess.run([*argv, file], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stdout + r.stderr + file.read_text()


def test_the_way_to_a_web_config_needs_no_hand(folder):
    [commands] = [text for _, _, text in BLOCKS if "htpasswd" in text]
    hashed = "$2y$10$" + "a" * 53
    (folder / "htpasswd").write_text(f"#!/bin/sh\necho 'alice:{hashed}'; echo\n")
    (folder / "htpasswd").chmod(0o755)
    r = subprocess.run(["sh", "-ec", commands], cwd=folder, env={"PATH": f"{folder}:/usr/bin:/bin"}, capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    r = ctl(None, "check-web-config", folder / "web.yml")
    assert r.returncode == 0 and "1 user\n" in r.stdout, (r, (folder / "web.yml").read_text())


# --- links, paths, targets ---

def anchors(text):
    """As GitHub makes them of the headings."""
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)]*)\)", PROSE[page]):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.is_file(), target
        assert not anchor or anchor in anchors(file.read_text()), target


def test_readme_leads_to_every_page_and_ends_with_the_licence():
    readme = TEXTS[ROOT / "README.md"]
    assert set(re.findall(r"\]\(deploy/docs/([\w-]+\.md)", readme)) == {p.name for p in PAGES[1:]}
    assert "LICENSE" in readme.splitlines()[-1] and not (ROOT / "LICENSE").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_target_and_file_that_is_named_is_there(page):
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", TEXTS[page], re.M)):
        pattern = re.sub(r"-[a-z0-9]+$", "-%", target)      # a target for each suite
        assert re.search(rf"^({target}|{pattern}):", makefile, re.M), target
    for path in set(re.findall(r"`((?:deploy|server|db|tests|handlers|alertmanager)/[\w/.-]*)`", TEXTS[page])):
        assert (ROOT / path).exists(), path
    for path in set(re.findall(r"`/usr/share/(?:doc/)?rollbackd/([\w/.-]+)`", TEXTS[page])):
        name = os.path.basename(path.rstrip("/"))
        assert name == "examples" or list((ROOT / "deploy").rglob(name)), path
