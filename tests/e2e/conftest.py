"""Fixtures: each test gets its own directory, and what it starts is stopped and looked at afterwards."""
import os

import pytest

import harness


def pytest_configure(config):
    config.addinivalue_line("markers", "xdist_group(name): side by side, these run one after the other in one process")
    config.addinivalue_line("markers", "alone: measures what a busy machine would spoil; runs after those that run side by side")
    config.addinivalue_line("markers", "long: takes more than a minute; run with LONG=1, as make check-long does")


def pytest_collection_modifyitems(items):
    if os.environ.get("LONG") != "1":
        skip = pytest.mark.skip(reason="long: LONG=1 runs it")
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def ports():
    yield
    harness.release_ports()


@pytest.fixture
def folder(request):
    return harness.fresh(request.path.stem, request.node.name)


@pytest.fixture
def service(folder):
    s = harness.Service(folder / "service")
    yield s
    s.close()


@pytest.fixture
def chat():
    c = harness.Slack()
    yield c
    c.close()


@pytest.fixture
def daemon_of(folder):
    """daemon_of(config text) starts one; at the end it must stop cleanly: exit code 0, also under the sanitizers."""
    started = []

    def make(text, name="rollbackd", start=True, **kw):
        d = harness.Daemon(folder / name, text, **kw)
        started.append(d)
        return d.start() if start else d

    yield make
    for d in started:
        code = d.stop()
        assert code == 0, f"rollbackd ended with {code}:\n{d.log()[-6000:]}"
        assert "runtime error" not in d.log() and "WARNING: ThreadSanitizer" not in d.log(), d.log()[-6000:]


@pytest.fixture
def daemon(daemon_of, service, chat):
    """The usual one: a rollout, a chat that hears everything."""
    channels = "channels:\n" + harness.slack_channel(chat, events="all")
    return daemon_of(harness.config(service, channels=channels))


@pytest.fixture
def programs():
    """programs(Prometheus(...)) starts it and stops it at the end."""
    started = []

    def run(p):
        started.append(p)
        return p.start()

    yield run
    for p in reversed(started):
        p.stop()
