"""What a newcomer does, in a root and a network of its own: README's files and commands, in their order and nothing else.

Started by test_newcomer.py below `unshare` (docs.py takes its parts), so that /etc, the ports and the users are the newcomer's: the root
is an overlay over the machine's, the network has nothing but lo. apt, dpkg, Prometheus and Alertmanager are the real ones. Two things
stand in: the service (the newcomer's own, which no README can bring) and systemctl, which does what the units say without a systemd.

    newcomer.py FOLDER     in such a root, which it makes below FOLDER
    newcomer.py booted     in a Debian that its own systemd has booted: nothing but the service stands in
    newcomer.py service    that service, for its unit
"""
import ctypes
import fcntl
import http.server
import json
import os
import pathlib
import pwd
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / "build/tools/usr/bin"
BROKEN = pathlib.Path("/run/canary-is-broken")
FLAGS = pathlib.Path("/etc/checkout/flags.env")
ASKS = "/run/systemctl"
SYSTEMCTL = f"""#!/usr/bin/python3 -I
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("{ASKS}")
s.sendall(repr(sys.argv[1:]).encode())
s.shutdown(socket.SHUT_WR)
sys.exit(int(s.makefile().read()))
"""


# --- the machine ---

def mount(source, target, kind, data=None):
    if ctypes.CDLL(None, use_errno=True).mount(source.encode(), str(target).encode(), kind.encode(), 0, data and data.encode()):
        raise OSError(ctypes.get_errno(), f"mount {target}")


def layer(lower, target, folder):
    """What is below target now is lower, with a layer over it that is gone afterwards."""
    for name in ("up", "work"):
        (folder / name).mkdir(parents=True)
    target.mkdir(parents=True, exist_ok=True)
    mount("overlay", target, "overlay", f"lowerdir={lower},upperdir={folder}/up,workdir={folder}/work")


def is_a_mount_of_its_own(path):
    points = [line.split()[4] for line in open("/proc/self/mountinfo")]
    return any(p != "/" and path.is_relative_to(p) for p in points)


def enter(folder):
    """The machine's root, and this tree, where an overlay of the root would not show it."""
    apart = is_a_mount_of_its_own(ROOT)
    mount("tmpfs", folder, "tmpfs")
    (folder / "root").mkdir()
    layer("/", folder / "root", folder / "of-root")
    if apart:
        layer(ROOT, folder / "root" / ROOT.relative_to("/"), folder / "of-tree")
    subprocess.run(["mount", "--rbind", "/dev", folder / "root/dev"], check=True)
    os.chroot(folder / "root")
    os.chdir(ROOT)
    mount("proc", "/proc", "proc")
    for path in ("/run", "/tmp"):
        mount("tmpfs", path, "tmpfs")
    os.chmod("/tmp", 0o1777)
    with socket.socket() as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x41))      # SIOCSIFFLAGS: up and running
    pathlib.Path("/etc/apt/apt.conf.d/zz-no-network").write_text('APT::Install-Recommends "0";\n')


# --- the service ---

class Checkout(http.server.BaseHTTPRequestHandler):
    percentage = 10
    requests = {"canary": 0.0, "stable": 0.0}
    errors = {"canary": 0.0, "stable": 0.0}

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):                               # a chat that takes everything
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(b"ok")

    def do_GET(self):
        if self.path == "/flags":
            return self.answer(json.dumps({"rollout_percentage": Checkout.percentage}).encode())
        lines = [f"checkout_rollout_percentage {Checkout.percentage}"]
        for name in ("requests", "errors"):
            lines += [f'checkout_{name}_total{{version="{v}"}} {n}' for v, n in getattr(Checkout, name).items()]
        self.answer("\n".join(lines + [""]).encode())

    def log_message(self, *_):
        pass

    @classmethod
    def traffic(cls):
        while True:
            for version, share in (("canary", cls.percentage / 100), ("stable", 1 - cls.percentage / 100)):
                cls.requests[version] += 5 * share
                cls.errors[version] += 5 * share * (version == "canary" and BROKEN.exists())
            time.sleep(0.1)

    @classmethod
    def reload(cls, *_):
        cls.percentage = float(re.search(r"^CHECKOUT_PERCENTAGE=(.*)$", FLAGS.read_text(), re.M)[1])


def set_flags():
    FLAGS.parent.mkdir()
    FLAGS.write_text("CHECKOUT_PERCENTAGE=10\n")


def start_service():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Checkout)
    for work in (server.serve_forever, Checkout.traffic):
        threading.Thread(target=work, daemon=True).start()


# --- systemctl ---

def port_answers(port, path):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2).status == 200
    except OSError:
        return False


class Units:
    """What runs, and how each unit is started."""
    running = {}

    @classmethod
    def rollbackd(cls):
        unit = next(p for p in map(pathlib.Path, ("/lib/systemd/system/rollbackd.service", "/usr/lib/systemd/system/rollbackd.service")) if p.exists())
        text = unit.read_text()
        args = re.search(r'^Environment="ARGS=(.*)"$', text, re.M)[1].split()
        user = pwd.getpwnam("rollbackd")
        for path in ("/var/lib/rollbackd", "/run/rollbackd"):
            os.makedirs(path, exist_ok=True)
            os.chown(path, user.pw_uid, user.pw_gid)
            os.chmod(path, 0o700 if "lib" in path else 0o755)
        argv = [a for a in shlex.split(re.search(r"^ExecStart=(.*)$", text, re.M)[1]) if a != "$ARGS"]
        return ["setpriv", "--reuid=rollbackd", "--regid=rollbackd", "--init-groups", *argv, *args], 9595

    @classmethod
    def prometheus(cls):
        return [str(TOOLS / "prometheus"), "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/tmp/tsdb",
                "--web.listen-address=127.0.0.1:9090"], 9090

    @classmethod
    def alertmanager(cls):
        return [str(TOOLS / "prometheus-alertmanager"), "--config.file=/etc/prometheus/alertmanager.yml", "--storage.path=/tmp/alertmanager",
                "--web.listen-address=127.0.0.1:9093", "--cluster.listen-address="], 9093

    @classmethod
    def start(cls, name):
        argv, port = getattr(cls, name.removeprefix("prometheus-"))()
        log = open(f"/tmp/{name}.log", "ab")
        cls.running[name] = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        end = time.monotonic() + 60
        while not port_answers(port, "/-/ready"):
            if cls.running[name].poll() is not None or time.monotonic() > end:
                return 1
            time.sleep(0.1)
        return 0

    @classmethod
    def do(cls, words):
        if words[0] not in ("start", "restart", "reload"):      # daemon-reload; preset, by the package
            return 0
        verb, name = words[0], words[-1].removesuffix(".service")
        if (verb, name) == ("reload", "checkout"):
            return Checkout.reload() or 0
        if verb == "restart" and name in cls.running:
            ended = cls.running.pop(name)
            ended.terminate()
            ended.wait(60)
        if name in cls.running:
            return cls.running[name].send_signal(signal.SIGHUP) or 0
        return cls.start(name)

    @classmethod
    def serve(cls):
        s = socket.socket(socket.AF_UNIX)
        s.bind(ASKS)
        os.chmod(ASKS, 0o666)
        s.listen()
        while True:
            c, _ = s.accept()
            with c:
                words = eval(c.makefile().read())
                try:
                    code = cls.do(words)
                    with open("/tmp/systemctl.log", "a") as log:
                        print(words, code, file=log)
                except (OSError, AttributeError, KeyError, StopIteration) as e:
                    print(f"systemctl {words}: {e!r}", file=sys.stderr)
                    code = 1
                c.sendall(str(code).encode())


def stand_in_for_systemctl():
    os.remove("/usr/bin/systemctl")
    pathlib.Path("/usr/bin/systemctl").write_text(SYSTEMCTL)
    os.chmod("/usr/bin/systemctl", 0o755)
    threading.Thread(target=Units.serve, daemon=True).start()


# --- the newcomer ---

def steps(readme):
    """(language and marks, text) of the section's blocks, in order."""
    section = re.search(r"^## Your service.*?\n(.*?)^## ", readme, re.M | re.S)[1]
    return re.findall(r"^```(.*?)\n(.*?)^```$", section, re.M | re.S)


def run(text, within=0, may_end=(0,)):
    end = time.monotonic() + within
    while True:
        r = subprocess.run(["bash", "-ec", text], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        if r.returncode in may_end or time.monotonic() > end:
            return {"ran": text, "code": 0 if r.returncode in may_end else r.returncode, "out": r.stdout[-6000:], "err": r.stderr[-3000:]}
        time.sleep(1)


def asked(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def state_of_the_last():
    return asked("http://127.0.0.1:9595/api/v1/incidents?limit=1")["data"][0]["state"]


def percentage():
    return asked("http://127.0.0.1:8080/flags")["rollout_percentage"]


def break_the_canary():
    """And wait until it is over."""
    BROKEN.touch()
    end = time.monotonic() + 150
    while (percentage() or state_of_the_last() != "rolled_back") and time.monotonic() < end:
        time.sleep(0.2)
    return {"ran": "the canary broke", "code": 1 if percentage() else 0, "out": state_of_the_last(), "err": ""}


def walk():
    """What became of each block; ends with the first that failed."""
    told, blocks = [], steps((ROOT / "README.md").read_text())
    last = max(n for n, (mark, _) in enumerate(blocks) if mark.startswith("sh"))
    for n, (mark, text) in enumerate(blocks):
        language, *rest = mark.split()
        if language == "text":                       # what the command before it says
            told[-1]["shown"] = text
            continue
        if language == "yaml":
            pathlib.Path(rest[0]).parent.mkdir(parents=True, exist_ok=True)
            pathlib.Path(rest[0]).write_text(text)
            continue
        if n == last:                                # "what happened": so something has to
            told.append(break_the_canary())
        told.append(run(text, int(rest[1].rstrip("s")) if rest[:1] == ["within"] else 0))
        if told[-1]["code"]:
            break
    return told


UNIT = f"""[Service]
ExecStart=/usr/bin/python3 {pathlib.Path(__file__).resolve()} service
ExecReload=/bin/kill -HUP $MAINPID
"""


def main():
    if sys.argv[1] == "service":
        signal.signal(signal.SIGHUP, Checkout.reload)
        start_service()
        while True:
            signal.pause()
    if sys.argv[1] == "booted":
        set_flags()
        pathlib.Path("/etc/systemd/system/checkout.service").write_text(UNIT)
        subprocess.run(["systemctl", "start", "checkout"], check=True)
    else:
        enter(pathlib.Path(sys.argv[1]))
        set_flags()
        start_service()
        stand_in_for_systemctl()
        os.environ["PATH"] += f":/usr/sbin:/sbin:{TOOLS}"
    told = walk()
    logs = {p.name: p.read_text(errors="replace")[-4000:] for p in pathlib.Path("/tmp").glob("*.log")}
    print(json.dumps({"steps": told, "flags": FLAGS.read_text(), "logs": logs}))
    sys.stdout.flush()
    os._exit(0)                                      # the namespace ends what still runs


if __name__ == "__main__":
    main()
