"""The image of `make image`: the layout's digests hold, and in its root, where there is nothing else, the programs live."""
import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tarfile

import pytest
from harness import MODE, ROOT, alert, free_port, group, request, until

pytestmark = [pytest.mark.skipif(MODE != "release", reason="the image is built from the release mode"), pytest.mark.xdist_group("image")]
NOBODY = 65534


def run(*argv, **kw):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=120, **kw)


@pytest.fixture(scope="module")
def image():
    """(the tarball, the layout)"""
    environment = {k: v for k, v in os.environ.items() if k not in ("MODE", "MAKEFLAGS", "MAKELEVEL")}
    r = run("make", "--no-print-directory", "image", cwd=ROOT, env=environment)
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-2000:]
    return [ROOT / line for line in r.stdout.strip().splitlines()[-2:]]


def blob(layout, descriptor):
    kind, digest = descriptor["digest"].split(":")
    data = (layout / "blobs" / kind / digest).read_bytes()
    assert hashlib.sha256(data).hexdigest() == digest and len(data) == descriptor["size"]
    return data


def test_every_digest_of_the_layout_holds_and_its_layer_is_the_tarball(image):
    tarball, layout = image
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    [described] = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = json.loads(blob(layout, described))
    settings = json.loads(blob(layout, manifest["config"]))
    [layer] = manifest["layers"]
    unpacked = gzip.decompress(blob(layout, layer))
    assert unpacked == tarball.read_bytes() and settings["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(unpacked).hexdigest()]
    assert settings["config"]["User"] == f"{NOBODY}:{NOBODY}" and settings["config"]["Entrypoint"] == ["/usr/bin/rollbackd"]
    mentioned = {d["digest"].split(":")[1] for d in (described, manifest["config"], layer)}
    assert {p.name for p in (layout / "blobs/sha256").iterdir()} == mentioned


def test_there_is_nothing_in_it_but_what_the_programs_need(image):
    with tarfile.open(image[0]) as t:
        members = t.getmembers()
    programs = {m.name for m in members if m.isfile() and m.mode & 0o111 and "/lib/" not in f"/{m.name}" and "/lib64/" not in f"/{m.name}"}
    assert programs == {"usr/bin/rollbackd", "usr/bin/rollbackctl", "usr/libexec/rollbackd/rollbackd-run"}
    assert not [m.name for m in members if m.mode & 0o6000 or (m.isfile() and m.uid)]
    [state] = [m for m in members if m.name == "var/lib/rollbackd"]
    assert (state.uid, state.mode) == (NOBODY, 0o700)
    assert {"etc/ssl/certs/ca-certificates.crt", "usr/share/zoneinfo/Europe/Berlin", "etc/passwd"} <= {m.name for m in members}


CONFIG = """global: {timezone: Europe/Berlin}
rollouts:
  - name: shop
    apply: [{http: {url: "http://127.0.0.1:%(sink)d/flags", body: '${percentage}'}, timeout: 1s}]
    verify: {checks: [{http: {url: "http://127.0.0.1:%(sink)d/flags", value: /percentage}, timeout: 1s}]}
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: chroot")
def test_in_its_root_and_nothing_else_it_answers_a_webhook(image, folder):
    root, port = folder / "root", free_port()
    with tarfile.open(image[0]) as t:
        t.extractall(root, numeric_owner=True)
    (root / "etc/rollbackd/rollbackd.yml").write_text(CONFIG % {"sink": free_port()})
    inside = ("chroot", f"--userspec={NOBODY}:{NOBODY}", root)
    for program in ("rollbackd", "rollbackctl"):
        r = run(*inside, f"/usr/bin/{program}", "--version")
        assert r.returncode == 0 and r.stdout.startswith(program), r
    r = run(*inside, "/usr/bin/rollbackctl", "check-config", "/etc/rollbackd/rollbackd.yml")
    assert r.returncode == 0, r
    [_, layout] = image
    [described] = json.loads((layout / "index.json").read_text())["manifests"]
    settings = json.loads(blob(layout, json.loads(blob(layout, described))["config"]))["config"]
    with open(folder / "log", "w") as log:
        p = subprocess.Popen([*map(str, inside), *settings["Entrypoint"], *settings["Cmd"], f"--web.listen-address=127.0.0.1:{port}"],
                             stdout=log, stderr=log)
    try:
        until(lambda: request(port, "GET", "/-/ready")[0] == 200)
        status, _, body = request(port, "POST", "/webhook", group(alert()))
        assert status == 200 and json.loads(body)["data"]["results"][0]["disposition"] == "rollback_started", body
        r = run(*inside, "/usr/bin/rollbackctl", "--url", f"http://127.0.0.1:{port}", "incidents", "--state", "open")
        assert r.returncode == 0 and "shop" in r.stdout, r
    finally:
        p.send_signal(signal.SIGTERM)
        assert p.wait(timeout=60) == 0, (folder / "log").read_text()[-3000:]
    shutil.rmtree(root)
