"""What rollbackctl writes on a real terminal (pty)."""
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

from harness import BUILD


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, columns, *words, env=None, rows=24):
        self.main, sub = pty.openpty()
        fcntl.ioctl(sub, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen([str(BUILD / "rollbackctl"), *map(str, words)], stdout=sub, stdin=subprocess.DEVNULL,
                                        env={"PATH": "/usr/bin:/bin", "TERM": "xterm", **(env or {})})
        os.close(sub)
        self.out = b""

    def read(self, timeout):
        """More of what it writes, if any comes in time. False: it has ended."""
        if not select.select([self.main], [], [], timeout)[0]:
            return True
        try:
            chunk = os.read(self.main, 65536)
        except OSError:         # nobody has it open any more
            return False
        self.out += chunk
        return bool(chunk)

    def until(self, what, timeout=30):
        """Until what(text so far) is true."""
        deadline = time.monotonic() + timeout
        while not what(self.out.decode("utf-8", "replace")):
            assert time.monotonic() < deadline and self.read(0.2), self.out

    def end(self, timeout=60):
        """(exit code, all of its text)."""
        deadline = time.monotonic() + timeout
        while self.read(0.2):
            assert time.monotonic() < deadline, self.out
        return self.process.wait(timeout=10), self.out.decode("utf-8", "replace").replace("\r\n", "\n")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.main)


def on_terminal(columns, *words, env=None):
    t = Terminal(columns, *words, env=env)
    try:
        return t.end()[1]
    finally:
        t.close()
