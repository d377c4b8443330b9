"""The shipped config, rules and the demo service in compressed time (tests/compress.py), on the real Prometheus and
Alertmanager: what test_walk and test_triggers stand on."""
import base64
import ctypes
import os
import re
import subprocess
import sys

from harness import BUILD, ROOT, Alertmanager, Hook, Prometheus, ctl, free_port, request, until

PEOPLE = {"alertmanager": "am-secret", "alice": "wonderland", "bob": "builder", "carol": "christmas", "ci": "robot"}
RATE = 20000            # requests a second: enough that 0.1 points mean something after ten seconds


def compressed(file, *replacements):
    r = subprocess.run([sys.executable, str(ROOT / "tests/compress.py"), str(file), *replacements], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return r.stdout


class DemoService:
    def __init__(self, folder, percentage):
        self.flags = folder / "flags.env"
        self.flags.write_text(f"CST_PIPELINE_ENABLED=true\nCST_ROLLOUT_PERCENTAGE={percentage}\nCST_INCREMENTAL_INDEXING=true\n"
                              "CST_TIERED_CACHE=true\nCST_EMBEDDING_REUSE=true\nCST_LEGACY_FALLBACK=true\n")
        self.port = free_port()
        self.log = open(folder / "service.log", "wb")
        self.process = subprocess.Popen([str(BUILD / "demo-service"), "--listen", f"127.0.0.1:{self.port}", "--flags", str(self.flags),
                                         "--rate", str(RATE)], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        until(lambda: request(self.port, "GET", "/flags")[0] == 200)

    def percentage(self):
        return float(re.search(rb"[\d.]+", request(self.port, "GET", "/flags")[2])[0])

    def fault(self, pipeline="cst", **faults):
        query = "&".join(f"{k}={v}" for k, v in faults.items())
        assert request(self.port, "POST", f"/fault?pipeline={pipeline}&{query}")[0] == 200

    def heal(self):
        assert request(self.port, "POST", "/fault/clear")[0] == 200

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()


def bcrypt(word):
    """Python 3.13 has no module for it any more."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.argtypes, crypt.restype = [ctypes.c_char_p, ctypes.c_char_p], ctypes.c_char_p
    return crypt(word.encode(), b"$2b$04$" + os.urandom(11).hex().encode()).decode()


def web_config():
    users = {name: bcrypt(word) for name, word in PEOPLE.items()}
    return "basic_auth_users:\n" + "".join(f"  {name}: {hashed}\n" for name, hashed in users.items())


class Plan:
    """All that the walk needs, running; people act under their names."""

    def __init__(self, folder, chat, programs, daemons, *replacements, percentage=0):
        self.service = DemoService(folder, percentage)
        self.pager = Hook("pager-secret")
        self.chat = chat
        port, prometheus_port = free_port(), free_port()
        for name, text in (("slack-url", f"{chat.url}/services/T/B/x"), ("management-url", f"{chat.url}/services/T/B/y"), ("on-call-secret", "pager-secret")):
            (folder / name).write_text(text + "\n")
        self.alertmanager = programs(Alertmanager(folder / "am", f"http://alertmanager:{PEOPLE['alertmanager']}@127.0.0.1:{port}/webhook"))
        text = compressed(ROOT / "deploy/rollbackd.yml", f"/etc/lapce-ai/flags.env={self.service.flags}",
                          f"[/usr/bin/systemctl, reload, lapce-ai-service.service]=[/usr/bin/python3, -c, \"import os; os.kill({self.service.process.pid}, 1)\"]",
                          "[/usr/bin/systemctl, try-restart, lapce-ai-service.service]=[/usr/bin/true]",
                          f"http://127.0.0.1:8080=http://127.0.0.1:{self.service.port}", f"http://127.0.0.1:9090=http://127.0.0.1:{prometheus_port}",
                          f"http://127.0.0.1:9093={self.alertmanager.url}", f"/etc/rollbackd/={folder}/",
                          f"https://oncall.example.com/hook={self.pager.url}/hook", *replacements)
        (folder / "web.yml").write_text(web_config())
        rules = [compressed(ROOT / f"deploy/prometheus/{name}.yml") for name in ("cst-recording", "cst-alerts", "rollbackd-alerts")]
        rules = rules[0] + "".join(r.split("groups:\n", 1)[1] for r in rules[1:])
        self.daemon = daemons(text)
        self.daemon.port = port
        self.daemon.spawn(args=[f"--web.config.file={folder}/web.yml"])
        self.daemon.wait_ready()
        prometheus = Prometheus(folder / "prometheus", [("lapce-ai-service", f"127.0.0.1:{self.service.port}"), ("rollbackd", f"127.0.0.1:{port}")],
                                rules, [self.alertmanager], port=prometheus_port)
        self.prometheus = programs(prometheus)

    def call(self, who, method, path, body=None):
        token = base64.b64encode(f"{who}:{PEOPLE[who]}".encode()).decode()
        return self.daemon.call(method, path, body, headers={"Authorization": f"Basic {token}"})

    def cli(self, *args):
        """What rollbackctl prints to alice."""
        word = self.daemon.dir / "alice-password"
        word.write_text(PEOPLE["alice"] + "\n")
        r = ctl(self.daemon, *args, env={"ROLLBACKD_USER": "alice", "ROLLBACKD_PASSWORD_FILE": str(word)})
        assert r.returncode in (0, 1), r.stderr
        return r.stdout

    def rollout(self):
        status, out = self.call("alice", "GET", "/api/v1/rollouts/cst-pipeline")
        assert status == 200, out
        return out["data"]

    def move(self, who, what, **body):
        return self.call(who, "POST", f"/api/v1/rollouts/cst-pipeline/{what}", body)

    def done(self, who, what, **body):
        status, out = self.move(who, what, **body)
        assert status == 200, (what, body, out)
        return out["data"]

    def missing(self):
        return sorted({m["what"] for m in self.rollout()["next"]["missing"]})

    def tick_all(self):
        for name, items in [(c["name"], c["items"]) for c in self.rollout()["checklists"] if c["of_stage"]]:
            for n, item in enumerate(items):
                if not item["verdict"]:
                    self.done("alice", "check", checklist=name, item=str(n + 1))

    def wait_missing(self, *what, timeout=90):
        def only():
            return self.missing() == sorted(what)
        only.__name__ = f"only {what} missing"
        try:
            until(only, timeout, every=0.25)
        except AssertionError as e:
            raise AssertionError(f"{e}; missing: {self.rollout()['next']['missing']}; {self.rollout()['clock']}; {self.rollout()['watch']}")

    def enter(self, stage, percentage, **words):
        self.done("alice", "advance", **words)
        until(lambda: self.rollout()["stage"] == stage and self.rollout()["clock"]["entered_at"], 30)
        assert self.service.percentage() == percentage

    def told(self, words, timeout=60):
        return until(lambda: [t for t in self.chat.texts() if words in t], timeout)[-1]

    def incidents(self):
        return self.call("alice", "GET", "/api/v1/incidents")[1]["data"]

    def incident(self, number):
        return self.call("alice", "GET", f"/api/v1/incidents/{number}")[1]["data"]

    def wait_incident(self, number, state, timeout=90):
        def there():
            i = self.incident(number)
            over = state == "rolled_back" and i["state"] == "resolved" and i["rolled_back_at"]    # its alerts resolved meanwhile
            return i if i["state"] == state or over else None
        there.__name__ = f"incident {number} {state}"
        return until(there, timeout, every=0.1)

    def close(self):
        self.service.stop()
        self.pager.close()
