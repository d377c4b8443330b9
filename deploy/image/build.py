#!/usr/bin/python3
"""An image without a daemon that builds it: build.py PROGRAMS-DIR OUT-DIR VERSION, called by `make image`.

Nothing but the programs, the libraries that ldd names, the certificates of the authorities, the time zones and three files of
/etc: no shell, no package manager. The same programs make the same bytes. Out come a tarball of the root (for chroot, nspawn,
docker import) and the directory oci/, an OCI image layout (for skopeo copy oci:…, podman load, a registry).
"""
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

NOBODY = 65534
PROGRAMS = {"rollbackd": "usr/bin", "rollbackctl": "usr/bin", "rollbackd-run": "usr/libexec/rollbackd"}
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
ZONES = pathlib.Path("/usr/share/zoneinfo")
TEXTS = {
    "etc/passwd": f"root:x:0:0:root:/:/nologin\nnobody:x:{NOBODY}:{NOBODY}:nobody:/:/nologin\n",
    "etc/group": f"root:x:0:\nnogroup:x:{NOBODY}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
DIRECTORIES = {"etc/rollbackd": (0o755, 0), "run/rollbackd": (0o755, NOBODY), "tmp": (0o1777, 0), "var/lib/rollbackd": (0o700, NOBODY),
               "proc": (0o555, 0), "sys": (0o555, 0), "dev": (0o755, 0)}
CONFIG = {
    "User": f"{NOBODY}:{NOBODY}", "WorkingDir": "/", "ExposedPorts": {"9595/tcp": {}}, "Volumes": {"/var/lib/rollbackd": {}},
    "Entrypoint": ["/usr/bin/rollbackd"], "Cmd": ["--config.file=/etc/rollbackd/rollbackd.yml", "--storage.path=/var/lib/rollbackd"],
    "StopSignal": "SIGTERM",
}


def libraries(program):
    """{where the loader looks: where it is here}"""
    said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
    if "not found" in said:
        sys.exit(f"{program} lacks a library:\n{said}")
    paths = re.findall(r"(?:=> )?(/\S+) \(0x", said)
    return {("" if p.startswith("/usr/") else "usr") + p: os.path.realpath(p) for p in paths}


class Root:
    """What goes into the root, by path; written in the order of the paths, all of one time."""

    def __init__(self):
        self.entries = {}

    def directory(self, path, mode=0o755, owner=0):
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, owner, owner
        self.entries[path] = (info, None)

    def parents(self, path):
        for p in reversed(list(pathlib.PurePosixPath(path).parents)[:-1]):
            if str(p) not in self.entries:
                self.directory(str(p))

    def file(self, path, data, mode=0o644):
        self.parents(path)
        info = tarfile.TarInfo(path)
        info.size, info.mode = len(data), mode
        self.entries[path] = (info, data)

    def link(self, path, to):
        info = tarfile.TarInfo(path)
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, to, 0o777
        self.entries[path] = (info, None)

    def tar(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as t:
            for _, (info, data) in sorted(self.entries.items()):
                t.addfile(info, io.BytesIO(data) if data is not None else None)
        return out.getvalue()


def add_programs(root, build):
    found = {}
    for name, folder in PROGRAMS.items():
        with tempfile.TemporaryDirectory() as scratch:
            stripped = pathlib.Path(shutil.copy(build / name, scratch))
            subprocess.run(["strip", "--remove-section=.comment", stripped], check=True)
            root.file(f"{folder}/{name}", stripped.read_bytes(), 0o755)
        found |= libraries(build / name)
    for path, here in found.items():
        root.file(path.lstrip("/"), pathlib.Path(here).read_bytes(), 0o755)
    for name in ("lib", "lib64"):
        if any(p.lstrip("/").startswith(f"usr/{name}/") for p in found):
            root.link(name, f"usr/{name}")


def make_root(build):
    root = Root()
    add_programs(root, build)
    for path, text in TEXTS.items():
        root.file(path, text.encode())
    root.file(AUTHORITIES[1:], pathlib.Path(AUTHORITIES).read_bytes())
    for zone in sorted(ZONES.rglob("*")):
        if zone.is_file() and zone.relative_to(ZONES).parts[0] not in ("posix", "right", "localtime"):
            root.file(str(zone)[1:], zone.read_bytes())
    for path, (mode, owner) in DIRECTORIES.items():
        root.parents(path)
        root.directory(path, mode, owner)
    return root.tar()


def write_layout(out, tar, version, architecture):
    """https://github.com/opencontainers/image-spec: each thing stands under the SHA-256 of its bytes."""
    blobs = out / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    layer = blob(gzip.compress(tar, 9, mtime=0), "layer.v1.tar+gzip")
    config = blob(json.dumps({
        "architecture": architecture, "os": "linux", "config": CONFIG,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest()]},
    }).encode(), "config.v1+json")
    manifest = blob(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
                                "layers": [layer]}).encode(), "manifest.v1+json")
    manifest["annotations"] = {"org.opencontainers.image.ref.name": version}
    (out / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (out / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def main():
    build, out, version = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    architecture = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    tar = make_root(build)
    file = out / f"rollbackd-{version}-{architecture}.tar"
    file.write_bytes(tar)
    write_layout(out / "oci", tar, version, architecture)
    print(file)
    print(out / "oci")


if __name__ == "__main__":
    main()
