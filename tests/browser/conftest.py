"""The page in Debian's Chromium, on the real daemon: the end-to-end harness and its fixtures, and a browser."""
import importlib.util
import pathlib
import sys

import pytest

E2E = pathlib.Path(__file__).resolve().parents[1] / "e2e"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(E2E))


def fixtures_of_e2e():
    """Its conftest.py, under a name of its own: this one is called so as well."""
    spec = importlib.util.spec_from_file_location("e2e_fixtures", E2E / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["e2e_fixtures"] = module
    spec.loader.exec_module(module)


fixtures_of_e2e()
from e2e_fixtures import chat, daemon, daemon_of, folder, ports, programs, pytest_collection_modifyitems, pytest_configure, service  # noqa: E402,F401

import browser  # noqa: E402

# What a page must never have: an error of a script, or something that the policy refused.
WATCH = """
window.faults = [];
addEventListener("error", e => faults.push("error: " + e.message));
addEventListener("unhandledrejection", e => faults.push("rejection: " + e.reason));
addEventListener("securitypolicyviolation", e => faults.push("refused: " + e.violatedDirective + " " + e.blockedURI));
window.born = Math.random();        // another one after a reload
"""


@pytest.fixture(scope="session")
def chromium():
    d = browser.Driver()
    c = browser.launch(d)
    yield c
    c.close()
    d.close()


@pytest.fixture
def page_of(chromium):
    """page_of(daemon, "/incidents/1", colorScheme="dark") opens it; at the end no page may have had a fault."""
    opened = []

    def make(d, path, viewport=browser.DESK, clock=False, prepare=None, **options):
        context = chromium.newContext({"viewport": viewport, "baseURL": f"http://127.0.0.1:{d.port}", **options})
        context.addInitScript({"content": WATCH})
        context.setDefaultTimeout(30000)
        page = context.newPage()
        if clock:
            page["clock"].install()
        if prepare:
            prepare(page)
        opened.append((context, page, options.get("javaScriptEnabled", True)))
        page.goto(path)
        return page

    yield make
    for context, page, script in opened:
        faults = page.evaluate(browser.fn("() => window.faults")) if script else []
        context.close()
        assert faults == [], faults
