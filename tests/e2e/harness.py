"""What the end-to-end tests share: the daemon, a service to roll back, strict fakes, and the real Prometheus and Alertmanager.

Nothing here sleeps for a result: until() polls a condition with a bound.
"""
import base64
import calendar
import hashlib
import hmac
import http.client
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODE = os.environ.get("MODE", "release")
BUILD = ROOT / "build" / MODE
TOOLS = ROOT / os.environ.get("TOOLS", "build/tools") / "usr" / "bin"
PATIENCE = float(os.environ.get("PATIENCE", "60"))


def until(what, timeout=PATIENCE, every=0.02):
    """Calls what() until it is true; returns its value. The last value and error are in the failure."""
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            last = what()
            if last:
                return last
        except (OSError, AssertionError, KeyError, IndexError, json.JSONDecodeError) as e:
            last = e
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {getattr(what, '__name__', what)}; last: {last!r}")
        time.sleep(every)


PORTS = range(10000, int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]))
claims = []


def free_port():
    """A port to listen on. Tests run side by side, and a listener may come and go: so it is none that the kernel gives to outgoing
    connections, and until release_ports() it belongs to the process that holds the abstract socket of its number."""
    while True:
        port = random.choice(PORTS)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0rollbackd-test-port-{port}")
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("", port))
            claims.append(claim)
            return port
        except OSError:
            claim.close()


def release_ports():
    while claims:
        claims.pop().close()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def basic(user, password):
    """The header of HTTP Basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def request(port, method, path, body=None, headers=None, timeout=30):
    """(status, headers, bytes); port may be the path of a unix socket."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout) if isinstance(port, int) \
        else UnixConnection(port, timeout)
    try:
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        try:
            c.request(method, path, body=body, headers={"Content-Type": "application/json", **(headers or {})})
        except BrokenPipeError:
            pass        # refused before its body was read: the answer is there already
        r = c.getresponse()
        return r.status, r.headers, r.read()
    finally:
        c.close()


def rfc3339(t):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + f".{int(t % 1 * 1e6):06d}Z"


def parse_time(text):
    m = re.fullmatch(r"(\d+-\d+-\d+T\d+:\d+:\d+)(\.\d+)?Z", text)
    return calendar.timegm(time.strptime(m[1], "%Y-%m-%dT%H:%M:%S")) + float(m[2] or 0)


def alert(name="CanaryErrorRateHigh", status="firing", starts=None, fingerprint=None, annotations=None, **labels):
    labels = {"alertname": name, "action": "auto_rollback", "rollout": "shop", "severity": "critical", **labels}
    labels = {k: v for k, v in labels.items() if v is not None}
    if fingerprint is None:
        fingerprint = hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()[:16]
    starts = time.time() - 30 if starts is None else starts
    return {
        "status": status, "labels": labels, "annotations": annotations or {"summary": "Error rate exceeded threshold"},
        "startsAt": starts if isinstance(starts, str) else rfc3339(starts),
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else rfc3339(time.time()),
        "generatorURL": "http://prometheus:9090/graph", "fingerprint": fingerprint,
    }


def group(*alerts, **fields):
    status = "firing" if any(a["status"] == "firing" for a in alerts) else "resolved"
    return {"version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": status, "receiver": "rollbackd",
            "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am:9093",
            "alerts": list(alerts), **fields}


class Server:
    """An HTTP server in a thread; subclasses answer in handle(method, path, headers, body) -> (status, headers, body)."""

    def __init__(self, port=0):
        outer = self
        self.hold = threading.Event()       # set: every request is held unanswered
        self.lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                if len(body) < length:      # the sender died in the middle of it
                    self.close_connection = True
                    return
                while outer.hold.is_set() and not outer.closed:
                    time.sleep(0.02)
                if outer.closed:
                    self.close_connection = True
                    return
                status, headers, out = outer.handle(self.command, self.path, self.headers, body)
                out = out.encode() if isinstance(out, str) else out
                try:
                    self.send_response(status)
                    for k, v in headers.items():
                        self.send_header(k, v)
                    self.send_header("Content-Length", str(len(out)))
                    self.end_headers()
                    self.wfile.write(out)
                except OSError:
                    pass

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_):
                pass

        class Threading(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        self.closed = False
        self.server = Threading(("127.0.0.1", port), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.closed = True
        self.server.shutdown()
        self.server.server_close()


class Slack(Server):
    """Slack's incoming webhook, as strict as its documentation: JSON, a text, limits, and exactly "ok"."""

    def __init__(self, port=0):
        self.messages = []
        self.faults = []                    # answers to give first: (status, headers, body)
        self.requests = 0
        super().__init__(port)

    def handle(self, method, path, headers, body):
        with self.lock:
            self.requests += 1
            if self.faults:
                return self.faults.pop(0)
            why = self.refuse(method, headers, body)
            if why:
                self.messages.append({"REFUSED": why, "body": body.decode("utf-8", "replace")})
                return 400, {}, why
            self.messages.append({**json.loads(body), "at": time.time()})
            return 200, {"Content-Type": "text/plain"}, "ok"

    @staticmethod
    def refuse(method, headers, body):
        if method != "POST" or not headers.get("Content-Type", "").startswith("application/json"):
            return "invalid_payload"
        try:
            m = json.loads(body.decode("utf-8"))
        except ValueError:
            return "invalid_payload"
        if not isinstance(m, dict) or not isinstance(m.get("text"), str) or not m["text"].strip():
            return "no_text"
        blocks = m.get("blocks", [])
        if len(m["text"]) > 40000 or len(blocks) > 50:
            return "msg_too_long"
        for b in blocks:
            if b.get("type") not in ("section", "header", "context", "divider", "actions"):
                return "invalid_blocks"
            if b.get("type") == "section" and not 0 < len(b.get("text", {}).get("text", "")) <= 3000:
                return "invalid_blocks"
        return None

    def texts(self):
        with self.lock:
            assert not [m for m in self.messages if "REFUSED" in m], self.messages
            return [m["text"] for m in self.messages]


class Hook(Server):
    """A generic webhook receiver that believes only what is signed."""

    def __init__(self, secret, port=0):
        self.secret = secret
        self.bodies = []
        self.keys = []
        self.forged = 0
        super().__init__(port)

    def handle(self, method, path, headers, body):
        stamp, signature = headers.get("X-Rollbackd-Timestamp", ""), headers.get("X-Rollbackd-Signature", "")
        want = hmac.new(self.secret.encode(), f"{stamp}:".encode() + body, hashlib.sha256).hexdigest()
        with self.lock:
            if not hmac.compare_digest(want, signature) or abs(time.time() - int(stamp or 0)) > 300:
                self.forged += 1
                return 401, {}, "signature does not fit"
            self.bodies.append(json.loads(body))
            self.keys.append(headers.get("Idempotency-Key"))
            return 200, {}, ""


class Service:
    """A service to roll back: follows its flags file when its reload command runs, and says its percentage over HTTP."""

    def __init__(self, folder, percentage=10):
        self.dir = pathlib.Path(folder)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.flags = self.dir / "flags.env"
        self.live = self.dir / "live"
        self.runs = self.dir / "runs.log"
        self.broken = self.dir / "broken"
        self.flags.write_text(f"# flags of the shop\nSHOP_ENABLED=true\nSHOP_PERCENTAGE={percentage}\nOTHER='keep me'\n")
        self.live.write_text(str(percentage))
        self.runs.write_text("")
        self.reload = self.dir / "reload.sh"
        self.reload.write_text(
            "#!/bin/sh\n"
            f'echo "$ROLLBACKD_INCIDENT_ID $ROLLBACKD_STEP $ROLLBACKD_ATTEMPT" >> {self.runs}\n'
            f"[ -e {self.broken} ] || sed -n 's/^SHOP_PERCENTAGE=//p' {self.flags} > {self.live}.$$\n"
            f"[ -e {self.broken} ] || mv {self.live}.$$ {self.live}\n")
        self.reload.chmod(0o755)
        outer = self

        class Answer(Server):
            def handle(self, method, path, headers, body):
                return 200, {"Content-Type": "application/json"}, json.dumps({"rollout_percentage": outer.percentage()})

        self.web = Answer()

    def percentage(self):
        text = until(lambda: self.live.read_text().strip())      # a script may be writing it
        return float(text) if "." in text else int(text)

    def file_percentage(self):
        return re.search(r"^SHOP_PERCENTAGE=(.*)$", self.flags.read_text(), re.M)[1]

    def reloads(self):
        return self.runs.read_text().splitlines()

    def ignore_reload(self):
        self.broken.touch()

    def follow_again(self):
        self.broken.unlink()
        subprocess.run([self.reload], check=True, env={"PATH": "/usr/bin:/bin"})

    def raise_to(self, percentage):
        """What a person's script would do: write the file and reload."""
        text = re.sub(r"^SHOP_PERCENTAGE=.*$", f"SHOP_PERCENTAGE={percentage}", self.flags.read_text(), flags=re.M)
        self.flags.write_text(text)
        self.live.write_text(str(percentage))

    def close(self):
        self.web.close()


CONFIG = """
global:
  external_url: https://rollback.example.com
{prometheus}
{heartbeat}
rollouts:
  - name: shop
    title: Shop
    dashboard_url: https://grafana.example.com/d/shop
    flags:
      file: {service.flags}
      percentage: SHOP_PERCENTAGE
      values: [{{name: SHOP_ENABLED, type: bool}}]
    apply:
{apply}
    verify:
      delay: {delay}
      every: {every}
      passes: {passes}
      timeout: {timeout}
      checks:
{checks}
{snapshot}
    stages:
      - {{number: 1, name: Canary, percentage: 10, duration: 48h}}
      - {{number: 2, name: Expanded, percentage: 25, duration: 72h}}
      - {{number: 3, name: Majority, percentage: 50}}
{rollouts}
{playbooks}
{limits}
{channels}
"""


def config(service, **parts):
    values = {
        "prometheus": "", "heartbeat": "", "snapshot": "", "rollouts": "", "playbooks": "", "limits": "", "channels": "",
        "apply": f"      - {{command: [{service.reload}], timeout: 20s}}",
        "checks": f"        - {{http: {{url: \"{service.web.url}/flags\", value: /rollout_percentage}}}}",
        "delay": "50ms", "every": "50ms", "passes": 2, "timeout": "10s", **parts,
    }
    return CONFIG.format(service=service, **values)


def slack_channel(chat, name="rollouts", events="incident"):
    return f"  - {{name: {name}, slack: {{url: \"{chat.url}/services/T/B/x\"}}, events: [{events}]}}"


class Daemon:
    def __init__(self, folder, text, env=None, wrap=None, args=(), auth=None, program="rollbackd"):
        self.program = program
        self.args = list(args)
        self.auth = auth                    # (user, password) of every call that does not bring its own headers
        self.dir = pathlib.Path(folder)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.config = self.dir / "rollbackd.yml"
        self.config.write_text(text)
        self.state = self.dir / "state"
        self.port = free_port()
        self.env = env or {}
        self.wrap = wrap or []
        self.process = None
        self.log_file = self.dir / "rollbackd.log"

    def spawn(self, env=None, args=()):
        options = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99", "UBSAN_OPTIONS": "print_stacktrace=1",
                   "TSAN_OPTIONS": "exitcode=98"}
        log = open(self.log_file, "ab")
        self.process = subprocess.Popen(
            [*self.wrap, str(BUILD / self.program), f"--config.file={self.config}", f"--storage.path={self.state}",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=debug", *self.args, *args],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir,
            env={"PATH": "/usr/bin:/bin", **options, **self.env, **(env or {})})
        log.close()
        return self

    def start(self, env=None):
        self.spawn(env)
        self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"rollbackd ended with {self.process.returncode}:\n{self.log()[-4000:]}")
            return self.call("GET", "/-/ready")[0] == 200
        until(ready, 3 * PATIENCE)           # a start may have a large record of an older release to convert

    def stop(self):
        """SIGTERM; returns the exit code, which must be 0 (sanitizers included)."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.process = None
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def died(self, timeout=PATIENCE):
        code = self.process.wait(timeout=timeout)
        self.process = None
        return code

    def restart(self, env=None):
        if self.process is not None:
            assert self.stop() == 0, self.log()[-4000:]
        return self.start(env)

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def call(self, method, path, body=None, **kw):
        if self.auth and "headers" not in kw:
            kw["headers"] = basic(*self.auth)
        status, _, out = request(self.port, method, path, body, **kw)
        try:
            return status, json.loads(out)
        except ValueError:
            return status, out.decode("utf-8", "replace")

    def get(self, path):
        status, out = self.call("GET", path)
        assert status == 200, (status, out)
        return out["data"]

    def post(self, *alerts, **fields):
        """Posts a webhook; returns its results."""
        status, out = self.call("POST", "/webhook", group(*alerts, **fields))
        assert status == 200, (status, out)
        return out["data"]["results"]

    def act(self, incident, what, **body):
        return self.call("POST", f"/api/v1/incidents/{incident}/{what}", body)

    def incident(self, number):
        return self.get(f"/api/v1/incidents/{number}")

    def incidents(self, **params):
        query = "&".join(f"{k}={v}" for k, v in params.items())
        return self.get(f"/api/v1/incidents?limit=500&{query}")

    def wait_state(self, number, *states, timeout=PATIENCE):
        def there():
            i = self.incident(number)
            return i if i["state"] in states else None
        there.__name__ = f"incident {number} in {states}"
        return until(there, timeout)

    def metric(self, name, **labels):
        _, text = self.call("GET", "/metrics")
        for line in text.splitlines():
            m = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if m and m[1] == name and all(f'{k}="{v}"' in (m[2] or "") for k, v in labels.items()):
                return float(m[3])
        return None


def ctl(daemon, *args, env=None):
    url = f"http://127.0.0.1:{daemon.port}" if daemon else "http://127.0.0.1:1"
    return subprocess.run([str(BUILD / "rollbackctl"), "--url", url, *map(str, args)], capture_output=True, text=True,
                          timeout=300, env={"PATH": "/usr/bin:/bin", **(env or {})})


class Program:
    """A real Prometheus or Alertmanager, in its own directory, on loopback."""

    def __init__(self, folder, name, argv, ready):
        self.dir = pathlib.Path(folder)
        self.log = open(self.dir / f"{name}.log", "ab")
        self.argv, self.ready_path = argv, ready
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=self.dir)
        until(lambda: request(self.port, "GET", self.ready_path)[0] == 200, 60)
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


class Prometheus(Program):
    def __init__(self, folder, scrapes, rules, alertmanagers=(), every="1s", port=None):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        jobs = "".join(f"  - {{job_name: {job}, static_configs: [{{targets: ['{target}']}}]}}\n" for job, target in scrapes)
        targets = ", ".join(f"'127.0.0.1:{a.port}'" for a in alertmanagers)
        (folder / "prometheus.yml").write_text(
            f"global: {{scrape_interval: {every}, evaluation_interval: {every}, scrape_timeout: {every}}}\n"
            f"rule_files: [rules.yml]\n"
            f"alerting: {{alertmanagers: [{{static_configs: [{{targets: [{targets}]}}]}}]}}\n"
            f"scrape_configs:\n{jobs or '  []'}\n")
        (folder / "rules.yml").write_text(rules)
        super().__init__(folder, "prometheus", [
            str(TOOLS / "prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn",
            "--rules.alert.resend-delay=1s"], "/-/ready")      # the first sending may come before it knows its Alertmanagers

    def query(self, text):
        from urllib.parse import quote
        _, _, out = request(self.port, "GET", "/api/v1/query?query=" + quote(text))
        return json.loads(out)["data"]["result"]


class Alertmanager(Program):
    def __init__(self, folder, hook_url, peer=None, max_alerts=0, intervals="group_wait: 0s, group_interval: 1s, repeat_interval: 3s",
                 group_by="alertname", auth=None):
        http_config = f", http_config: {{basic_auth: {{username: '{auth[0]}', password: '{auth[1]}'}}}}" if auth else ""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.cluster = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "alertmanager.yml").write_text(
            f"route: {{receiver: rollbackd, group_by: [{group_by}], {intervals}}}\n"
            f"receivers: [{{name: rollbackd, webhook_configs: [{{url: '{hook_url}', send_resolved: true, max_alerts: {max_alerts}{http_config}}}]}}]\n")
        cluster = [f"--cluster.listen-address=127.0.0.1:{self.cluster}", "--cluster.settle-timeout=1s",
                   f"--cluster.peer=127.0.0.1:{peer.cluster}"] if peer else \
                  [f"--cluster.listen-address=127.0.0.1:{self.cluster}", "--cluster.settle-timeout=1s"]
        super().__init__(folder, "alertmanager", [
            str(TOOLS / "prometheus-alertmanager"), f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am",
            f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn", *cluster], "/-/ready")

    def fire(self, name="CanaryErrorRateHigh", ends=None, annotations=None, **labels):
        """Posts an alert as Prometheus does; ends: seconds from now (negative: resolved)."""
        labels = {"alertname": name, "action": "auto_rollback", "rollout": "shop", "severity": "critical", **labels}
        a = {"labels": labels, "annotations": annotations or {"summary": "Error rate exceeded threshold"},
             "generatorURL": "http://prometheus:9090/graph"}
        if ends is not None:
            a["endsAt"] = rfc3339(time.time() + ends)
        status, _, out = request(self.port, "POST", "/api/v2/alerts", [a])
        assert status == 200, out


def as_name(text):
    """No two texts share one: `[:0]` and `[[::]:0]` run side by side."""
    plain = re.sub(r"\W+", "_", text)[:91]
    return plain if plain == text else f"{plain}_{zlib.crc32(text.encode()):08x}"


def fresh(*names):
    """A directory of its own below build/: commands may not stand below a world-writable one."""
    folder = (ROOT / "build" / "e2e" / MODE).joinpath(*map(as_name, names))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
