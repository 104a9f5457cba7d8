"""A small match as a project, and one run of it that came to its end."""

import os

import pytest

from benchmarks.fault_world import make_project, new_run, to_the_end

# Trainers of these tests share the cores with the tests themselves.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def hurt_project(tmp_path_factory):
    """A project whose runs are hurt; the project itself never is."""
    return make_project(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="session")
def done_run(hurt_project):
    """A run with several rounds of predictions."""
    run = new_run(hurt_project, "done", ["run.stages=pretrain,predict"])
    assert to_the_end(run).status == "done"
    return run
