"""What the fault tests share: disks of their own in a private mount namespace, and a tracer that makes system calls fail."""
import errno
import os
import pathlib
import re
import subprocess

import pytest
from harness import until


def run(*argv, **kw):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=60, **kw)


class Disk:
    """A file system mounted where only programs that are started through wrap see it; others reach it below self.path."""

    def __init__(self, folder, *mount):
        self.point = pathlib.Path(folder)
        self.point.mkdir(parents=True, exist_ok=True)
        # cat ends when this process does: nothing stays mounted.
        self.holder = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", 'mount "$@" && echo mounted && exec cat', "sh", *map(str, mount), str(self.point)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.holder.stdout.readline() != b"mounted\n":
            why = self.holder.stderr.read().decode()
            self.close()
            pytest.skip(f"NOT TESTED HERE: a file system of its own needs root and a mount namespace: {why}")
        self.wrap = ["nsenter", "-t", str(self.holder.pid), "-m", "-r"]    # -r: stay in a chroot
        self.path = pathlib.Path(f"/proc/{self.holder.pid}/root{self.point}")
        self.fillers = []

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(20)
        self.holder.stdout.close()
        self.holder.stderr.close()

    def fill(self):
        """To the last block."""
        name = self.path / f"filler{len(self.fillers)}"
        self.fillers.append(name)
        with open(name, "wb") as f:
            for piece in (1 << 20, 1 << 16, 4096):
                try:
                    while True:
                        os.posix_fallocate(f.fileno(), os.fstat(f.fileno()).st_size, piece)
                except OSError as e:
                    assert e.errno == errno.ENOSPC

    def fill_names(self):
        """To the last inode."""
        try:
            while True:
                name = self.path / f"filler{len(self.fillers)}"
                open(name, "wb").close()
                self.fillers.append(name)
        except OSError:
            assert self.fillers

    def empty(self):
        for name in self.fillers:
            name.unlink()
        self.fillers = []

    def remount(self, option):
        r = run(*self.wrap, "mount", "-o", f"remount,{option}", self.point)
        assert r.returncode == 0, r.stderr


class Tracer:
    """strace on a running daemon, until stop(). inject: as strace's -e inject=."""

    def __init__(self, daemon, calls, inject=None, output=None):
        self.output = pathlib.Path(output or daemon.dir / "strace.out")
        pid = daemon.process.pid
        what = ["-e", f"trace={calls}"] + (["-e", f"inject={inject}"] if inject else [])
        self.process = subprocess.Popen(["strace", "-f", "-y", "-s", "16", "-o", str(self.output), *what, "-p", str(pid)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

        def attached():
            if self.process.poll() is not None:
                raise RuntimeError(f"strace must be able to trace: {self.process.stderr.read().decode()}")
            tasks = [t.joinpath("status").read_text() for t in pathlib.Path(f"/proc/{pid}/task").iterdir()]
            return all(re.search(r"^TracerPid:\s+[1-9]", t, re.M) for t in tasks)

        until(attached)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(20)
        self.process.stderr.close()
        return self.output.read_text(errors="replace")
