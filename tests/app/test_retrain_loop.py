"""The whole loop in one window, by real events: fix joints, retrain, watch, compare, accept."""

import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog

from app.main_window import MainWindow
from app.preferences import Preferences
from app.retrain import RetrainDialog
from benchmarks.fault_world import make_project, new_run
from core.observations import Source
from core.project import JointKey, Project
from core.project.runs.config_io import write_config
from core.project.runs.folder import runs_of
from core.project.runs.following import report_of
from tests.app.test_views_grid import lonely_joint

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
UNLABELLED_FRAME = 1

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="measured on POSIX systems")


def click(widget):
    QTest.mouseClick(widget, LEFT, pos=widget.rect().center())


@pytest.fixture
def window(qtbot, tmp_path):
    project = make_project(tmp_path)
    window = MainWindow(preferences=Preferences(tmp_path / "preferences.ini"))
    window.resize(1600, 900)
    window.show()
    qtbot.waitExposed(window)
    window.open_project(project)
    qtbot.waitUntil(lambda: window.session.project is not None, timeout=60_000)
    window.session.set_frame(UNLABELLED_FRAME)
    qtbot.waitUntil(lambda: window.is_settled, timeout=120_000)
    yield window
    for run in window.watch.living:
        window.watch.cancel(run).wait(30.0)
    window.session.close_project()
    window.close()
    window.deleteLater()
    QApplication.processEvents()


def dragged(window, camera):
    """Drag a joint that stands alone in a view; where it is now."""
    grid, session = window.views, window.session
    person, joint, place = lonely_joint(grid, camera)
    QTest.mouseMove(grid, place)
    QTest.mousePress(grid, LEFT, NONE, place)
    for step in (QPoint(5, 2), QPoint(12, 7)):
        QTest.mouseMove(grid, place + step)
        QApplication.processEvents()
    QTest.mouseRelease(grid, LEFT, NONE, place + QPoint(12, 7))
    return JointKey(session.cursor.frame, camera, person, joint)


def active(window, qtbot):
    """Shortcuts belong to the active window."""
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=10_000)


def is_at_rest(rounds):
    return rounds.is_settled and not rounds.comparing.is_comparing


def labels_of(project):
    return project.labels.state()["labels"]


def configured(window, tmp_path, monkeypatch, qtbot):
    """The dialog, opened by its key, with a configuration loaded that takes seconds."""
    small = new_run(window.session.project.path, "template")
    config = replace(small.config, run=replace(small.config.run, stages=("pretrain", "predict")))
    shutil.rmtree(small.path)
    file = tmp_path / "small.toml"
    write_config(file, config)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    active(window, qtbot)
    QTest.keyClick(window, Qt.Key.Key_R, CONTROL)
    dialog = window.findChild(RetrainDialog)
    dialog.overview.estimate.stop()
    dialog.tabs.setCurrentIndex(1)
    click(dialog.options.load_button)
    dialog.overview.estimate.stop()
    qtbot.waitUntil(lambda: dialog.inputs is not None, timeout=60_000)
    return dialog, config


@pytest.mark.slow
def test_joints_are_fixed_a_training_watched_its_changes_accepted_and_taken_back(
    window, tmp_path, monkeypatch, qtbot
):
    session, watch = window.session, window.watch
    fixed = [dragged(window, camera) for camera in range(4)]
    before = labels_of(session.project)
    assert {tuple(key) for key in fixed} <= {tuple(key) for key in before}
    dialog, config = configured(window, tmp_path, monkeypatch, qtbot)
    judged = set(session.project.split("test"))
    learned = [key for key in before if key[2] not in judged]
    assert dialog.inputs.used.hand_joints == len(learned)
    with qtbot.waitSignal(dialog.started, timeout=30_000):
        click(dialog.start_button)
    (run,) = runs_of(session.project)
    assert run.config == config
    # Watched, and shown as soon as there is something to show: the hand's joints stay on top.
    qtbot.waitUntil(lambda: session.source.name == run.id, timeout=120_000)
    key = fixed[-1]
    qtbot.waitUntil(lambda: session.observations is not None, timeout=10_000)
    row = session.observations.persons.index(key.person)
    assert session.observations.source[row, key.camera, key.joint] == Source.HAND
    qtbot.waitUntil(lambda: watch.living == () and run.id in watch.reports, timeout=180_000)
    assert report_of(run).status == "done"
    with Project.open(session.project.path, read_only=True, snapshot=run.labels_db) as snapshot:
        assert labels_of(snapshot) == before
    # What it changed, accepted in one edit, and taken back.
    told = []
    session.message_posted.connect(told.append)
    active(window, qtbot)
    QTest.keyClick(window, Qt.Key.Key_C, CONTROL | SHIFT)
    rounds = window.panels.rounds
    qtbot.waitUntil(rounds.isVisible, timeout=10_000)
    qtbot.waitUntil(lambda: session.compared is not None or bool(told), timeout=60_000)
    assert session.compared is not None, told
    qtbot.waitUntil(lambda: is_at_rest(rounds), timeout=120_000)
    bar = rounds.bar
    bar.scope.setCurrentIndex(bar.scope.findData("all"))
    qtbot.waitUntil(bar.accept.isEnabled, timeout=10_000)
    frames = session.project.num_frames
    click(bar.accept)
    qtbot.waitUntil(
        lambda: len(session.project.accepted_between(0, frames).keys) > 0, timeout=60_000
    )
    qtbot.waitUntil(lambda: is_at_rest(rounds), timeout=60_000)
    accepted = session.project.accepted_between(0, frames)
    assert labels_of(session.project) == before
    assert len(accepted.keys) > 0
    assert np.isfinite(accepted.points_mm).all()
    session.undo()
    assert len(session.project.accepted_between(0, frames).keys) == 0
    assert labels_of(session.project) == before
