"""The Retrain button counts and fills, and closing the window asks about living trainings."""

import threading
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox

from app.main_window import MainWindow
from app.preferences import Preferences
from app.retrain import RetrainDialog, may_close
from app.runs import RunWatch
from app.session import Session
from app.shot import settle
from core.project import JointKey, SetJoints
from core.project.labels import LabelStore
from core.project.runs import events as ev
from core.project.runs.config import TrainConfig
from core.project.runs.folder import RunFolder
from tests.app.test_retrain_draft import STARTED, progress, stage
from tests.app.views_world import make_project, make_world


@pytest.fixture(scope="module")
def window(qapp, tmp_path_factory):
    """A window on a project of its own that may be changed; it asks at closing."""
    folder = tmp_path_factory.mktemp("button")
    path = folder / "own.trilabel"
    make_project(path, make_world(num_persons=6, num_frames=4)).close()
    window = MainWindow(preferences=Preferences(folder / "preferences.ini"))
    window.resize(1280, 720)
    window.show()
    window.open_project(path)
    settle(lambda: window.session.project is not None)
    settle(lambda: window.is_settled and window.watch.is_settled)
    yield window
    window.close()
    window.deleteLater()
    QApplication.processEvents()


@pytest.fixture
def button(window):
    return window.context_bar.retrain


def make_run(window, name="run", config=None, *, ends="done", checkpoint=False):
    """A run that has ended; `ends` None = nobody trains it yet."""
    project = window.session.project
    run = RunFolder.create(
        project.path / "runs",
        config or TrainConfig(),
        project_dir=project.path,
        labels_db=project.labels.path,
        name=name,
    )
    if ends is not None:
        with run.lock():
            run.append(STARTED)
            if checkpoint:
                file = "checkpoints/finetune-000050.pt"
                run.append(ev.CheckpointSaved(stage="finetune", step=50, file=file))
            run.finish(ends)
    window.watch.refresh()
    return run


def title(window, run):
    """What people call it."""
    return window.watch.title(run.id)


def label(window, joint):
    window.session.apply(SetJoints(keys=(JointKey(0, 0, 1, joint),), points_px=((50.0, 60.0),)))


@pytest.fixture
def living(window, qtbot):
    """A run at work, its lock held here."""
    run = make_run(window, "living", ends=None)
    with run.lock():
        for event in (STARTED, stage("finetune"), progress("finetune", 50)):
            run.append(event)
        window.watch.refresh()
        qtbot.waitUntil(lambda: run.id in window.watch.living, timeout=10_000)
        qtbot.waitUntil(lambda: window.context_bar.retrain.face.badge == "17 %", timeout=10_000)
        yield run
    if window.session.project is not None:
        window.watch.refresh()
        qtbot.waitUntil(lambda: not window.watch.living, timeout=10_000)


@pytest.fixture
def preferences(tmp_path):
    """Of a person who was never asked."""
    return Preferences(tmp_path / "preferences.ini")


def answer_with(text, *, keep=False, found=None):
    """Answer the question once it is there, by mouse; None = Escape."""

    def answer():
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(50, answer)
            return
        if found is not None:
            found.append((box.text(), box.informativeText()))
        if keep:
            check = box.checkBox()
            QTest.mouseClick(check, Qt.MouseButton.LeftButton, pos=check.rect().center())
            assert check.isChecked()
        if text is None:
            QTest.keyClick(box, Qt.Key.Key_Escape)
        else:
            pushed = next(one for one in box.buttons() if one.text() == text)
            QTest.mouseClick(pushed, Qt.MouseButton.LeftButton)

    QTimer.singleShot(50, answer)


def test_the_button_counts_labels_since_the_run_before_and_undone_ones_no_more(
    window, button, qtbot
):
    assert "nothing was trained" in button.toolTip()
    label(window, 0)
    run = make_run(window)
    qtbot.waitUntil(lambda: f"no new labels since the run {run.name} " in button.toolTip())
    assert button.face.badge == ""
    label(window, 1)
    label(window, 2)
    qtbot.waitUntil(lambda: button.face.badge == "2", timeout=5_000)
    assert "2 labels (2 new) in 1 frame" in button.toolTip()
    window.session.undo()
    qtbot.waitUntil(lambda: button.face.badge == "1", timeout=5_000)


def test_that_an_edit_of_many_labels_is_counted_beside_the_window(
    window, button, qtbot, monkeypatch
):
    run = make_run(window, "before many")
    qtbot.waitUntil(lambda: run.name in button.toolTip(), timeout=5_000)
    threads = []

    def changes_after(store, act, really=LabelStore.changes_after):
        threads.append(threading.current_thread())
        return really(store, act)

    monkeypatch.setattr(LabelStore, "changes_after", changes_after)
    monkeypatch.setattr("app.retrain.button._AT_ONCE", 5)
    for y in (71.0, 72.0):  # the second comes while the first is counted
        keys = tuple(JointKey(frame, 0, 2, joint) for frame in range(4) for joint in range(3))
        window.session.apply(SetJoints(keys=keys, points_px=((70.0, y),) * 12))
    qtbot.waitUntil(lambda: button.face.badge == "12", timeout=5_000)
    assert threading.main_thread() not in threads
    window.session.undo()
    window.session.undo()
    qtbot.waitUntil(lambda: button.face.badge == "", timeout=5_000)
    assert threading.main_thread() not in threads
    label(window, 9)
    qtbot.waitUntil(lambda: button.face.badge == "1", timeout=5_000)
    assert threads[-1] is threading.main_thread(), "a small edit needs no thread"


def test_a_run_that_only_predicted_took_no_labels_in(window, button, qtbot):
    run = make_run(window, "trained")
    qtbot.waitUntil(lambda: run.name in button.toolTip(), timeout=5_000)
    label(window, 3)
    qtbot.waitUntil(lambda: button.face.badge == "1", timeout=5_000)
    config = TrainConfig()
    config = replace(config, run=replace(config.run, stages=("predict",)))
    other = make_run(window, "predict", config)
    qtbot.waitUntil(lambda: window.watch.entry(other.id) is not None, timeout=5_000)
    qtbot.wait(300)
    assert button.face.badge == "1"
    assert run.name in button.toolTip()


def test_that_a_run_that_learned_nothing_hides_no_labels(window, button, qtbot):
    """New is what no run has learned from: one that failed took the labels with it."""
    run = make_run(window, "learned")
    qtbot.waitUntil(lambda: f"no new labels since the run {run.name}" in button.toolTip())
    label(window, 5)
    qtbot.waitUntil(lambda: button.face.badge == "1", timeout=5_000)
    endings = {"failed": True, "cancelled": True, "stopped": False}
    for ends, checkpoint in endings.items():
        other = make_run(window, ends, ends=ends, checkpoint=checkpoint)
        qtbot.waitUntil(lambda run_id=other.id: window.watch.report(run_id) is not None)
        qtbot.wait(200)
        assert (ends, button.face.badge) == (ends, "1")
        assert run.name in button.toolTip()
    stopped = make_run(window, "can go on", ends="stopped", checkpoint=True)
    qtbot.waitUntil(lambda: f"since the run {stopped.name}" in button.toolTip(), timeout=5_000)
    assert button.face.badge == ""


def test_that_labels_come_back_to_the_badge_when_their_run_fails(window, button, qtbot):
    learned = make_run(window, "before it")
    qtbot.waitUntil(lambda: learned.name in button.toolTip(), timeout=5_000)
    label(window, 6)
    qtbot.waitUntil(lambda: button.face.badge == "1", timeout=5_000)
    run = make_run(window, "will fail", ends=None)
    with run.lock():
        run.append(STARTED)
        window.watch.refresh()
        qtbot.waitUntil(lambda: run.id in window.watch.living, timeout=10_000)
        label(window, 7)
        qtbot.waitUntil(lambda: "In the next round: 1 label" in button.toolTip(), timeout=5_000)
        run.finish("failed")
    window.watch.refresh()
    qtbot.waitUntil(lambda: button.face.badge == "2", timeout=10_000)
    assert learned.name in button.toolTip()


def test_at_rest_a_click_opens_the_dialog_and_while_a_run_lives_the_run_panel(
    window, button, qtbot, request
):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    dialog = window.findChild(RetrainDialog)
    assert dialog is not None
    dialog.reject()
    request.getfixturevalue("living")
    assert (button.face.text, button.face.share) == ("Training", pytest.approx(0.5 / 3))
    assert not window.panels.runs.isVisible()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(window.panels.runs.isVisible, timeout=5_000)


def test_labels_edited_while_a_run_lives_are_told_as_the_next_rounds(window, button, living, qtbot):
    notes = []
    button.note_changed.connect(notes.append)
    label(window, 4)
    qtbot.waitUntil(lambda: "In the next round: 1 label (1 new)" in button.toolTip())
    assert notes[-1].startswith("In the next round: 1 label")
    living.append(ev.RunFinished(status="done", text=""))
    qtbot.waitUntil(lambda: button.face.text == "Retrain", timeout=10_000)
    assert notes[-1] == ""
    assert button.face.badge == "1"


def test_without_trainings_nothing_is_asked(window, preferences):
    assert may_close(window.session, window.watch, preferences, window)


def test_closing_asks_once_and_may_be_called_off(window, living):
    found = []
    answer_with(None, found=found)
    assert not window.close()
    assert window.session.project is not None
    assert found[0][0] == "A training runs. Leave it running?"
    assert f"{window.watch.title(living.id)}: fine-tune 50 of 100" in found[0][1]
    answer_with("Do not close")
    assert not window.close()
    assert not living.stop_requested()


def test_stopping_at_closing_asks_the_trainer_for_a_checkpoint(window, living, preferences):
    answer_with("Stop it")
    assert may_close(window.session, window.watch, preferences, window)
    assert living.stop_requested()
    assert preferences.closing() == "ask"


def test_an_answer_is_remembered_where_that_is_wanted(window, living, preferences):
    answer_with("Stop it", keep=True)
    assert may_close(window.session, window.watch, preferences, window)
    assert preferences.closing() == "stop"
    living.withdraw_stop()
    assert may_close(window.session, window.watch, preferences, window)  # nobody would answer now
    assert living.stop_requested()


def test_a_trainer_of_a_project_that_is_only_looked_at_is_left_alone(
    window, living, preferences, qtbot
):
    session = Session(read_only=True)
    session.open_project(window.session.project.path)
    watch = RunWatch(session)
    try:
        qtbot.waitUntil(lambda: living.id in watch.living, timeout=20_000)
        preferences.set_closing("stop")
        assert may_close(session, watch, preferences, window)
        assert not living.stop_requested()
    finally:
        watch.close()
        session.close_project()


def test_a_training_that_is_left_running_goes_on_without_the_window(window, living):
    answer_with("Leave it running")
    assert window.close()
    assert window.session.project is None
    assert living.is_alive()
    assert not living.stop_requested()
