"""The crash tests share the end-to-end harness; their daemons are killed, so each test stops and examines its own."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import harness  # noqa: E402  (the path comes first)


@pytest.fixture(autouse=True)
def ports():
    yield
    harness.release_ports()


@pytest.fixture
def folder(request):
    return harness.fresh(request.path.stem, request.node.name)
