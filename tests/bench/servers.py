"""What is measured, and what beside it: each is a process that listens on a port of its own."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODE = os.environ.get("MODE", "release")
BUILD = ROOT / "build" / MODE
BENCH = BUILD / "tests" / "bench"
TOOLS = ROOT / "build" / "tools" / "usr" / "bin"
PEERS = ROOT / "build" / "tools-bench" / "usr" / "bin"
RUN = ROOT / "build" / "bench"  # on the disk that is measured, and emptied before each run
TICK = os.sysconf("SC_CLK_TCK")
PATIENCE_S = 600
PLAYBOOKS = """playbooks:
  - {name: later, match: ['action="later"'], rollback: {to: 0, after: 300d}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fresh(name):
    path = RUN / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def wait_until(true, what, process, patience_s=PATIENCE_S, every_s=0.002):
    end = time.monotonic() + patience_s
    while not true():
        if process.poll() is not None:
            raise RuntimeError(f"{what}: it ended with {process.returncode}")
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {patience_s} s")
        time.sleep(every_s)


class Server:
    name = "?"
    path = "/"
    options = ()  # of load

    def __init__(self, folder=None):
        self.dir = fresh(folder or self.name)
        self.port = free_port()
        self.process = None

    def argv(self):
        raise NotImplementedError

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    ready = listens

    def start(self, wrap=()):
        log = open(self.dir / "log", "ab")
        self.process = subprocess.Popen([*wrap, *map(str, self.argv())], stdin=subprocess.PIPE, stdout=log, stderr=log,
                                        cwd=self.dir)
        log.close()
        wait_until(self.ready, f"{self.name} does not answer (see {self.dir}/log)", self.process)
        return self

    def stop(self):
        if self.process:
            self.process.stdin.close()
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
            self.process = None

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def cpu_s(self):
        """Of all its threads, precisely, without its children."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        return sum(int((t / "schedstat").read_text().split()[0]) for t in tasks.iterdir()) / 1e9

    def memory(self, what="VmRSS"):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(what + ":"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"no {what}")

    def load(self, *options, path=None, alert=True):
        """Runs the load generator against it; adds how much of a processor each request cost the server."""
        argv = [BENCH / "load", "-p", self.port, *(self.options if alert else ()), *options,
                *([path] if isinstance(path, str) else path or [self.path])]
        before = self.cpu_s()
        done = subprocess.run(list(map(str, argv)), capture_output=True, text=True)
        if not done.stdout:
            raise RuntimeError(f"{self.name}: {done.stderr}")
        r = json.loads(done.stdout)
        if r["failed"]:
            raise RuntimeError(f"{self.name}: {r['failed']} of {r['requests']} failed: {r['fault']}")
        r["cpu_us"] = (self.cpu_s() - before) * 1e6 / max(r["requests"], 1)
        return r


class Rollbackd(Server):
    name = "rollbackd"
    path = "/webhook"

    def __init__(self, folder=None, rollouts=1, retention="400d"):
        super().__init__(folder)
        self.files = self.dir / "files"
        self.files.mkdir()
        self.state = self.dir / "state"
        self.rollouts = rollouts
        self.reset()
        (self.dir / "rollbackd.yml").write_text(f"global: {{retention: {retention}}}\nrollouts:\n" + "".join(self.rollout(i) for i in range(rollouts)) + PLAYBOOKS)

    def reset(self):
        """Every rollout is at 10 % and its command has not run."""
        for i in range(self.rollouts):
            (self.files / f"r{i:03}.env").write_text("# flags\nENABLED=true\nPERCENTAGE=10\n")
            (self.files / f"r{i:03}.done").unlink(missing_ok=True)

    def rollout(self, i):
        at = f"{self.files}/r{i:03}"
        return f"""  - name: r{i:03}
    flags: {{file: {at}.env, percentage: PERCENTAGE}}
    apply: [{{command: [/usr/bin/touch, {at}.done], timeout: 10s}}]
    verify: {{delay: 1s, every: 1s, passes: 2, timeout: 1m, checks: [{{command: [/bin/sed, -n, s/PERCENTAGE=//p, {at}.env]}}]}}
    stages: [{{number: 1, name: Canary, percentage: 10}}]
"""

    def argv(self):
        return [BUILD / "rollbackd", f"--config.file={self.dir}/rollbackd.yml", f"--storage.path={self.state}",
                f"--web.listen-address=127.0.0.1:{self.port}"]

    def get(self, path, method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def ready(self):
        try:
            return bool(self.get("/-/ready"))
        except OSError:
            return False


class Webhook(Server):
    """adnanh's webhook: a rule that does not match the load, and one that runs a script which does what a rollback does."""
    name = "webhook"
    path = "/hooks/quiet"

    def __init__(self, folder=None, files=None):
        super().__init__(folder)
        script = self.dir / "roll-back.sh"
        script.write_text(f"#!/bin/sh\ncd {files} && sed -i 's/^PERCENTAGE=.*/PERCENTAGE=0/' \"$1.env\" && exec touch \"$1.done\"\n")
        script.chmod(0o755)
        label = {"source": "payload", "name": "alerts.0.labels.action"}
        rule = {"match": {"type": "value", "value": "auto_rollback", "parameter": label}}
        rollout = {"source": "payload", "name": "alerts.0.labels.rollout"}
        (self.dir / "hooks.json").write_text(json.dumps([
            {"id": "quiet", "execute-command": "/bin/true", "trigger-rule": rule},
            {"id": "acts", "execute-command": str(script), "trigger-rule": rule, "pass-arguments-to-command": [rollout]}]))

    def argv(self):
        return [PEERS / "webhook", "-hooks", self.dir / "hooks.json", "-ip", "127.0.0.1", "-port", self.port]


class Alertmanager(Server):
    """As an ingest: it keeps alerts in memory."""
    name = "alertmanager"
    path = "/api/v2/alerts"
    options = ("-A",)

    def argv(self):
        (self.dir / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
        return [TOOLS / "prometheus-alertmanager", f"--config.file={self.dir}/alertmanager.yml", f"--storage.path={self.dir}/data",
                f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="]


class AmExecutor(Server):
    """prometheus-am-executor, where PEER_AMX names its program: Debian has none. Its rule does not match either."""
    name = "prometheus-am-executor"

    def argv(self):
        (self.dir / "executor.yml").write_text(
            f"listen_address: \"127.0.0.1:{self.port}\"\n"
            "commands: [{cmd: /bin/true, match_labels: {action: auto_rollback}}]\n")
        return [os.environ["PEER_AMX"], "-f", self.dir / "executor.yml"]


class Bare(Server):
    name = "libmicrohttpd"

    def argv(self):
        return [BENCH / "bare", self.port]


def limits(seconds):
    folder = fresh("limits")
    return json.loads(subprocess.run([str(BENCH / "limits"), str(folder), str(seconds)], check=True, capture_output=True,
                                     text=True).stdout)


def arrival(server, files, n, first=0, together=False, path=None):
    argv = [BENCH / "arrival", "-p", server.port, "-d", files, "-n", n, "-f", first, *(["-t"] if together else []),
            path or server.path]
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{server.name}: {done.stderr}")
    return json.loads(done.stdout)
