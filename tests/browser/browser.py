"""Debian's Chromium for the tests: playwright-core in a process of node (driver.mjs), whose objects are called from here by their own names.

    page.goto(url); page.locator("h1").textContent(); page.evaluate(fn("() => document.title"))
"""
import base64
import itertools
import json
import os
import pathlib
import subprocess
import threading

HERE = pathlib.Path(__file__).resolve().parent
MODULES = HERE.parents[1] / "build" / "browser"
CHROMIUM = "/usr/bin/chromium"
PATIENCE = 90           # of one call; Playwright's own are shorter
PHONE, DESK = {"width": 360, "height": 640}, {"width": 1440, "height": 900}


class Failed(AssertionError):
    """What Playwright says went wrong."""


class fn:
    """A function for the browser, as text."""

    def __init__(self, text):
        self.text = text


class Driver:
    def __init__(self):
        self.process = subprocess.Popen(["node", str(HERE / "driver.mjs")], cwd=MODULES, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env={**os.environ, "NODE_ENV": "test"})
        self.numbers = itertools.count(1)
        self.root = Remote(self, 0)

    def call(self, on, name, args):
        number = next(self.numbers)
        self.process.stdin.write(json.dumps({"id": number, "on": on, "call": name, "args": [self.plain(a) for a in args]}) + "\n")
        self.process.stdin.flush()
        watchdog = threading.Timer(PATIENCE, self.process.kill)
        watchdog.start()
        try:
            line = self.process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            raise Failed(f"{name}: the driver is gone, or did not answer within {PATIENCE} s")
        answer = json.loads(line)
        assert answer["id"] == number, answer
        if "error" in answer:
            raise Failed(f"{name}: {answer['error']}")
        return self.value(answer)

    def value(self, answer):
        if "base64" in answer:
            return base64.b64decode(answer["base64"])
        if "list" in answer:
            return [self.value(a) for a in answer["list"]]
        return Remote(self, answer["kept"]) if "kept" in answer else answer["value"]

    @staticmethod
    def plain(a):
        return {"$": a._number} if isinstance(a, Remote) else {"fn": a.text} if isinstance(a, fn) else a

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Remote:
    """An object of the driver: remote.name(args) calls it; remote["name"] reads what is no function."""

    def __init__(self, driver, number):
        self._driver, self._number = driver, number

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args: self._driver.call(self._number, name, args)

    def __getitem__(self, name):
        return self._driver.call(self._number, name, [])


def launch(driver):
    return driver.root["chromium"].launch({"executablePath": CHROMIUM, "args": ["--no-sandbox", "--disable-dev-shm-usage"], "timeout": 60000})


AXE = """async () => {
    const found = await axe.run(document, {resultTypes: ["violations"]});
    return found.violations.map(v => `${v.id}: ${v.help}: ${v.nodes.map(n => n.target.join(" ")).join(", ")}`);
}"""


def axe(page):
    """What axe finds wrong with it."""
    page.evaluate((MODULES / "node_modules/axe-core/axe.min.js").read_text())
    return page.evaluate(fn(AXE))
