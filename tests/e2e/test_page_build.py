"""How the page's script and style come into the program, and out of it: make, npm, and GET /assets/…"""
import gzip
import os
import re
import shutil
import subprocess

import pytest
from harness import ROOT, config, request

OWN = ("Makefile", "server/web", "tests/deps.sh")          # what making the files of browsers needs of the tree


def href(page, kind):
    """Where a C file of embed.sh says that the script (js) or style stands."""
    found = re.findall(r'"(/assets/\w+-[0-9a-f]{16}\.' + kind + ')"', (ROOT / "build/page" / page).read_text())
    return found[0] if found else None


@pytest.fixture
def copy(folder):
    """copy(name): a tree to make in."""
    def make(name):
        tree = folder / name
        for part in OWN:
            (tree / part).parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (ROOT / part).is_dir() else shutil.copy2)(ROOT / part, tree / part)
        return tree
    return make


def make_in(tree, *args, path=None):
    environment = {k: v for k, v in os.environ.items() if k not in ("MODE", "MAKEFLAGS", "MAKELEVEL", "PAGE")}
    r = subprocess.run(["make", "--no-print-directory", *args], cwd=tree, capture_output=True, text=True, timeout=120,
                       env={**environment, "PATH": f"{path}:/usr/bin:/bin" if path else os.environ["PATH"]})
    assert r.returncode == 0, r.stdout + r.stderr
    return r.stdout


def no_node(folder):
    """A path on which npm and node leave a trace and fail."""
    path = folder / "path"
    path.mkdir()
    for name in "npm", "node", "npx":
        (path / name).write_text(f"#!/bin/sh\ntouch {folder}/called\nexit 1\n")
        (path / name).chmod(0o755)
    return path


def test_without_the_script_no_node_is_needed(folder, copy):
    tree, path = copy("tree"), no_node(folder)
    make_in(tree, "PAGE=no", "build/page/embedded.c", path=path)
    assert not (folder / "called").exists()
    text = (tree / "build/page/embedded.c").read_text()
    assert ".css" in text and ".js" not in text and "live" not in text
    assert "npm" not in make_in(tree, "-n", "PAGE=no", "deps-build", path=path)


def test_npm_runs_only_when_its_lockfile_changed(folder, copy):
    tree, path = copy("tree"), no_node(folder)
    shutil.copytree(ROOT / "build/page", tree / "build/page", symlinks=True, copy_function=os.link)
    assert "build.sh" not in make_in(tree, "-n", "build/page/yes.c", path=path), "what is up to date was made again"
    lock = tree / "server/web/page/package-lock.json"
    os.utime(lock)
    assert "build.sh npm" in make_in(tree, "-n", "build/page/yes.c", path=path)
    assert not (folder / "called").exists()


def test_the_same_sources_make_the_same_bytes(folder, copy):
    tree = copy("another place")
    (tree / "build/page").mkdir(parents=True)
    shutil.copytree(ROOT / "build/page/node_modules", tree / "build/page/node_modules", symlinks=True, copy_function=os.link)
    (tree / "build/page/src").symlink_to("../../server/web/page/src")
    (tree / "build/page/node_modules/.made").unlink()       # a link: the tree of the tests would take itself for old
    (tree / "build/page/node_modules/.made").touch()
    make_in(tree, "-j4", "build/page/embedded.c", "build/page/no.c")
    for name in "yes.c", "no.c":
        assert (tree / "build/page" / name).read_bytes() == (ROOT / "build/page" / name).read_bytes(), name


def test_the_lockfile_names_no_registry():
    text = (ROOT / "server/web/page/package-lock.json").read_text()
    assert '"resolved"' not in text and "registry" not in text
    assert text.count('"integrity"') >= 4


def test_a_browser_keeps_the_script_for_ever(daemon):
    for kind in "css", "js":
        path = href("yes.c", kind)
        status, headers, packed = request(daemon.port, "GET", path, headers={"Accept-Encoding": "gzip, br"})
        assert status == 200 and headers["Content-Encoding"] == "gzip" and headers["Vary"] == "Accept-Encoding", path
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert headers["Content-Type"].startswith("text/javascript" if kind == "js" else "text/css")
        status, headers, plain = request(daemon.port, "GET", path)
        assert status == 200 and headers["Content-Encoding"] is None and gzip.decompress(packed) == plain
        status, again, body = request(daemon.port, "GET", path, headers={"If-None-Match": headers["ETag"]})
        assert status == 304 and body == b"" and again["Cache-Control"] == headers["Cache-Control"]
        assert request(daemon.port, "HEAD", path)[0] == 200
        assert len(packed) < 60_000
    status, headers, _ = request(daemon.port, "GET", "/assets/page-0000000000000000.js")
    assert status == 404 and headers["Cache-Control"] == "no-store"


def test_the_program_without_the_script_has_the_style_alone(daemon_of, service):
    d = daemon_of(config(service), program="rollbackd-plain")
    assert request(d.port, "GET", href("no.c", "css"))[0] == 200
    assert request(d.port, "GET", href("yes.c", "js"))[0] == 404
