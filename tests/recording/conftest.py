"""No test of this room leaves a worker thread behind."""

import threading

import pytest


@pytest.fixture(autouse=True)
def _no_leaked_threads():
    before = set(threading.enumerate())
    yield
    leaked = [t.name for t in set(threading.enumerate()) - before if t.name.startswith("trilabel")]
    assert leaked == []
