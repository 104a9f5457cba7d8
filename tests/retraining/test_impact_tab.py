"""The Impact tab of the run panel: worked out when somebody looks, beside the open project."""

import dataclasses

import pytest
from PySide6.QtCore import Qt

from app.runs import RunWatch
from app.runs.panel import RunPanel
from app.session import Session
from tests.learning.test_data_project import (
    add_labels,
    add_tracks,
    project,  # noqa: F401 - a fixture
    rig,  # noqa: F401 - a fixture
)
from tests.retraining.retraining_world import finish, make_run, predict_poses, with_scale

# The fixtures have the names of what they are.
# ruff: noqa: F811


@pytest.fixture
def trained(project):
    """The folder of a project with two complete trainings and a label in between."""
    with_scale(project)
    add_tracks(project)
    for frame in (0, 1, 2, 8):
        add_labels(project, frame, 3, (0, 1))
    for name, errors, offsets in (("a", (46.0,), {}), ("b", (43.0,), {(3, 3, 0): 50.0})):
        run = make_run(project, name)
        predict_poses(project, run, offsets_mm=offsets)
        finish(run, errors)
        add_labels(project, 4, 7, (0, 1), joints=(0,))
    project.close()
    return project.path


@pytest.fixture
def session(qtbot, trained):
    session = Session()
    with qtbot.waitSignal(session.diagnosis_changed, timeout=60_000):
        session.warm_up()
    session.open_project(trained)
    yield session
    session.close_project()


@pytest.fixture
def watch(session):
    watch = RunWatch(session)
    yield watch
    watch.close()


@pytest.fixture
def panel(qtbot, session, watch):
    """The run panel in the open, its newest run chosen."""
    panel = RunPanel(session, watch)
    qtbot.addWidget(panel)
    panel.resize(520, 640)
    panel.show()
    qtbot.waitUntil(lambda: watch.is_settled and bool(panel.run_id), timeout=10_000)
    return panel


def click(qtbot, panel, title):
    bar = panel.tabs.tabBar()
    index = next(row for row in range(bar.count()) if bar.tabText(row) == title)
    qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=bar.tabRect(index).center())


def test_that_a_click_on_the_tab_works_out_what_the_training_changed(qtbot, panel):
    tab = panel.impact
    qtbot.wait(300)
    assert tab.is_settled, "nobody has looked yet"
    click(qtbot, panel, "Impact")
    qtbot.waitUntil(lambda: "held-out" in tab.text.text(), timeout=30_000)
    assert tab.text.text() == (
        "2 labels (2 new) in 1 frame since the run before; 1 of 259 pseudo-labels (joints that no "
        "hand placed) in 12 frames moved more than 20 mm; held-out MPJPE multi-view 46 → 43 mm."
    )
    assert tab.plot.isVisible()
    assert "43 mm" in tab.table.text()


def test_that_the_comparison_follows_the_settings_of_the_window(qtbot, panel, session, monkeypatch):
    """Also those that could not be written down."""

    def refuse(_settings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(session.require_project(), "set_settings", refuse)
    tab = panel.impact
    click(qtbot, panel, "Impact")
    qtbot.waitUntil(lambda: "1 of 259" in tab.text.text(), timeout=30_000)
    session.set_settings(scale_mm=1e-6)
    qtbot.waitUntil(lambda: "1 of 259" not in tab.text.text(), timeout=2_000)
    qtbot.waitUntil(lambda: "held-out" in tab.text.text(), timeout=30_000)
    assert "pseudo-labels" in tab.text.text()
    assert "1 of 259" not in tab.text.text()


def test_that_the_first_training_is_said_to_be_the_first(qtbot, panel, watch):
    click(qtbot, panel, "Impact")
    panel.choose(watch.entries[0].id)
    qtbot.waitUntil(lambda: "first complete training" in panel.impact.text.text(), timeout=30_000)


def test_that_closing_the_project_while_it_is_worked_out_leaves_nothing_behind(
    qtbot, panel, session
):
    click(qtbot, panel, "Impact")
    qtbot.waitUntil(lambda: not panel.impact.is_settled, timeout=10_000)
    session.close_project()
    assert panel.impact.is_settled
    qtbot.wait(1_500)
    assert "not complete" in panel.impact.text.text()


def test_that_a_training_that_ends_is_told_in_the_status_bar(qtbot, panel, session, watch):
    told = []
    session.message_posted.connect(told.append)
    report = watch.report(panel.run_id)
    watch.finished.emit(panel.run_id, dataclasses.replace(report, status="failed"))
    assert panel.impact.is_settled
    watch.finished.emit(panel.run_id, report)
    qtbot.waitUntil(lambda: bool(told), timeout=30_000)
    assert told[-1].startswith("2 labels (2 new) in 1 frame since the run before")
