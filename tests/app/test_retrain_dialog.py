"""The Retrain dialog by real mouse and key events: what it says, refuses and starts."""

import math
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit

from app.preferences import Preferences
from app.retrain import RetrainDialog
from app.retrain.estimate_view import EstimateView
from app.retrain.estimating import known_estimate, measured_estimate
from app.retrain.starting import refusal
from app.shot import settle
from core.errors import CommandRefusedError
from core.project import JointKey, Project, SetJoints
from core.project.runs.config_io import preset, read_config
from core.project.runs.estimate import Counts, WarmUp, warmup_path, write_warmup
from core.project.runs.folder import runs_of
from core.project.runs.following import report_of
from core.project.runs.states import LIVING
from core.project.runs.turns import take_turn

COUNTS = Counts(labelled=12, unlabelled=36, held_out=4, predicted=72, uncut=1.0)
WARM_UP = WarmUp(
    device="cpu",
    device_name="A test's CPU",
    memory_bytes=8 << 30,
    start_s=5.0,
    seconds_per_step={"pretrain": 0.4, "finetune": 0.8, "lift": 0.05},
    seconds_per_cut=0.01,
    seconds_per_look=0.02,
    seconds_per_prediction=0.03,
    input_hw=(128, 96),
    counts=COUNTS,
    took_s=9.0,
)


def click(widget, at=None):
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=at or QPoint())


@pytest.fixture(scope="module")
def opened(shared_window, court_project, tmp_path_factory):
    """A window on a labelled project of its own, whose time was measured before."""
    window = shared_window
    path = tmp_path_factory.mktemp("own") / "own.trilabel"
    shutil.copytree(court_project, path)
    with Project.open(path) as project:
        keys = [JointKey(2, camera, 1, joint) for camera in range(8) for joint in range(4)]
        points = [(300.0 + 9 * key.joint, 200.0 + 5 * key.camera) for key in keys]
        project.apply(SetJoints(keys=tuple(keys), points_px=tuple(points)))
        cache = project.cache_path("warm-ups", "").parent
    for name in ("quick", "normal"):
        write_warmup(warmup_path(cache, preset(name)), WARM_UP)
    window.open_project(path)
    settle(lambda: window.session.project is not None and window.session.project.path == path)
    settle(lambda: window.is_settled and window.watch.is_settled)
    return window


@pytest.fixture
def open_dialog(opened, qtbot):
    """Opens the dialog by Ctrl+R; it is closed at the end."""
    dialogs = []

    def make():
        opened.activateWindow()
        qtbot.waitUntil(opened.isActiveWindow, timeout=5_000)
        QTest.keyClick(opened, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
        dialog = opened.findChild(RetrainDialog)
        dialogs.append(dialog)
        qtbot.waitUntil(dialog.isVisible, timeout=5_000)
        assert QTest.qWaitForWindowExposed(dialog)
        return dialog

    yield make
    for dialog in dialogs:
        with suppress(RuntimeError):  # it has closed itself, and is gone
            dialog.reject()
    QApplication.processEvents()
    qtbot.waitUntil(lambda: opened.findChild(RetrainDialog) is None, timeout=5_000)


@pytest.fixture
def dialog(open_dialog, qtbot):
    """At rest."""
    dialog = open_dialog()
    qtbot.waitUntil(lambda: dialog.is_settled, timeout=20_000)
    return dialog


def set_option(dialog, key, text):
    """Type a value as a person does: find the option, click its value, type, Return."""
    page = dialog.options
    dialog.tabs.setCurrentIndex(1)
    QTest.qWait(10)
    page.search.setFocus()
    page.search.clear()
    QTest.keyClicks(page.search, key.replace(".", " ").replace("_", " "))
    item = page.item(key)
    assert not item.isHidden()
    page.tree.scrollToItem(item)
    middle = page.tree.visualItemRect(item).center().y()
    click(page.tree.viewport(), QPoint(page.tree.columnViewportPosition(1) + 10, middle))
    editor = QApplication.focusWidget()
    assert isinstance(editor, QLineEdit)
    editor.selectAll()
    QTest.keyClicks(editor, text)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    QTest.qWait(10)
    return item


def test_it_says_what_would_be_used_and_how_long_it_takes(dialog):
    used = dialog.inputs.used
    assert (used.hand_joints, used.hand_frames, used.hand_persons) == (32, 1, 1)
    assert dialog.card.value("labels") == "32 joints in views; 1 person, 1 frame"
    assert dialog.card.value("content") == used.content_hash
    assert dialog.card.value("unlabelled").startswith(f"{used.unlabelled_groups:,} poses")
    assert any("Only 1 labelled frame" in text for text in dialog.card.warnings.texts)
    view = dialog.overview.estimate
    assert view.title.text().startswith("About ")
    assert "\nOn A test's CPU, 8 GB. From " in view.detail.text()
    counts = f"{used.labelled_groups} labelled and {used.unlabelled_groups:,} unlabelled poses"
    assert counts in view.detail.text(), "as they are now, not as when it was measured"
    assert "group" not in view.detail.text() + dialog.card.notes.text()
    assert "The labels of a project" not in dialog.card.notes.text()
    assert list(view.estimate.seconds_by_stage) == ["pretrain", "finetune", "lift", "predict"]
    assert dialog.start_button.isEnabled()
    assert dialog.problem.text() == ""


def test_that_a_time_that_is_measured_need_not_be_waited_for(opened, qtbot):
    view = EstimateView(opened.session)
    qtbot.addWidget(view)
    view.ask(preset("paper"))
    try:
        assert view.title.text() == "Measuring the time…"
        assert "Start need not wait for it." in view.detail.text()
    finally:
        view.stop()


def test_another_preset_and_fewer_stages_take_another_time(dialog, qtbot):
    before = dialog.overview.estimate.estimate.total_s
    click(dialog.overview.presets["normal"], dialog.overview.presets["normal"].rect().center())
    qtbot.waitUntil(lambda: dialog.is_settled, timeout=20_000)
    assert dialog.overview.presets["normal"].isChecked()
    assert not dialog.overview.presets["quick"].isChecked()
    assert dialog.overview.estimate.estimate.total_s > 5 * before
    box = dialog.overview.stages["finetune"]
    click(box, QPoint(8, box.height() // 2))
    qtbot.waitUntil(lambda: dialog.is_settled, timeout=20_000)
    assert dialog.draft.stages == ("pretrain", "lift", "predict")
    assert "finetune" not in dialog.overview.estimate.estimate.seconds_by_stage


def test_a_wrong_value_is_refused_in_its_line_until_it_is_right_or_reset(dialog):
    item = set_option(dialog, "pretrain.steps", "many")
    expected = "pretrain.steps: expected a whole number of 0 or more, found 'many'."
    assert (item.text(1), item.text(3), dialog.problem.text()) == ("many", expected, expected)
    assert not dialog.start_button.isEnabled()
    assert dialog.draft.config.pretrain.steps == 250
    click(dialog.options.reset_button, dialog.options.reset_button.rect().center())
    assert (item.text(1), dialog.problem.text()) == ("250", "")
    assert dialog.start_button.isEnabled()
    set_option(dialog, "pretrain.steps", "77")
    assert dialog.draft.config.pretrain.steps == 77
    assert dialog.tabs.tabText(1) == "Advanced (1 changed)"
    assert item.text(0).endswith("•")


def test_options_are_found_by_what_they_do_and_shown_when_changed(dialog):
    dialog.tabs.setCurrentIndex(1)
    page = dialog.options
    QTest.keyClicks(page.search, "mirrored")
    shown = [key for key in page.keys if not page.item(key).isHidden()]
    assert shown == ["augment.flip"]
    set_option(dialog, "run.seed", "3")
    page.search.clear()
    click(page.only_changed, page.only_changed.rect().center())
    assert [key for key in page.keys if not page.item(key).isHidden()] == ["run.seed"]


def test_a_configuration_is_saved_and_loaded(dialog, tmp_path, monkeypatch, qtbot):
    set_option(dialog, "run.seed", "3")
    file = tmp_path / "mine.toml"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(file), ""))
    click(dialog.options.save_button, dialog.options.save_button.rect().center())
    assert read_config(file) == dialog.draft.config
    other = read_config(file)
    file.write_text(file.read_text().replace("seed = 3", "seed = 9"))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    click(dialog.options.load_button, dialog.options.load_button.rect().center())
    assert dialog.draft.config == replace(other, run=replace(other.run, seed=9))
    file.write_text("[run]\nseed = 'x'\n")
    click(dialog.options.load_button, dialog.options.load_button.rect().center())
    assert "run.seed" in dialog.problem.text()
    assert dialog.draft.config.run.seed == 9


def test_start_makes_a_run_with_the_labels_as_they_are_and_follows_its_trainer(
    dialog, opened, qtbot
):
    project = opened.session.project
    for key, text in {"pretrain.steps": "5", "finetune.steps": "5", "lift.steps": "2"}.items():
        set_option(dialog, key, text)
    dialog.tabs.setCurrentIndex(0)
    dialog.overview.name.setFocus()
    QTest.keyClicks(dialog.overview.name, "Five fixes")
    config = dialog.draft.config
    with qtbot.waitSignal(dialog.started, timeout=10_000):
        click(dialog.start_button, dialog.start_button.rect().center())
    run = runs_of(project)[-1]
    try:
        assert (run.name, run.config) == ("Five fixes", config)
        assert opened.watch.started_here == {run.id}
        qtbot.waitUntil(lambda: opened.watch.living == (run.id,), timeout=5_000)
        with Project.open(project.path, read_only=True, snapshot=run.labels_db) as snapshot:
            assert len(snapshot.labelled_frames()) == 1
        qtbot.waitUntil(lambda: opened.context_bar.retrain.face.share is not None, timeout=5_000)
    finally:
        opened.watch.cancel(run.id).wait(30.0)
    assert report_of(run).status not in LIVING


def test_the_line_of_the_device_is_told(open_dialog, qtbot, tmp_path):
    turn = take_turn("cpu", tmp_path / "20261123-other")
    try:
        dialog = open_dialog()
        note = dialog.overview.where.note
        qtbot.waitUntil(lambda: "starts after 20261123-other" in note.text(), timeout=10_000)
        dialog.overview.where.kind.setCurrentIndex(2)
        qtbot.waitUntil(lambda: "cluster" in note.text(), timeout=10_000)
    finally:
        turn.give_back()


def test_nothing_is_started_without_labels(make_window, qtbot):
    window = make_window()
    window.retrain()
    dialog = window.findChild(RetrainDialog)
    dialog.overview.estimate.stop()
    qtbot.waitUntil(lambda: dialog.inputs is not None, timeout=20_000)
    assert dialog.problem.text().startswith("No labels may be learned from. Place joints")
    assert not dialog.start_button.isEnabled()
    box = dialog.overview.stages["pretrain"]
    click(box, QPoint(8, box.height() // 2))
    assert dialog.problem.text() == ""
    dialog.overview.estimate.stop()
    dialog.reject()


def test_weights_to_start_from_are_taken_over_and_missing_ones_are_refused(opened, qtbot):
    opened.retrain(weights="20260101-gone")
    dialog = opened.findChild(RetrainDialog)
    dialog.overview.estimate.stop()
    qtbot.waitUntil(lambda: dialog.inputs is not None, timeout=20_000)
    assert dialog.draft.weights == "20260101-gone"
    assert "no weights to start from" in dialog.problem.text()
    assert not dialog.start_button.isEnabled()
    dialog.reject()
    qtbot.waitUntil(lambda: opened.findChild(RetrainDialog) is None, timeout=5_000)


def test_a_project_that_is_read_only_is_refused_with_the_way_out(opened, qtbot):
    path = opened.session.project.path
    with Project.open(path) as second:
        assert second.read_only  # as a second window has it
        text = refusal(second)
    assert "another window is open on it" in text
    assert "make a copy" in text


def test_a_run_that_cannot_be_made_is_told_and_can_be_tried_again(dialog, opened, qtbot):
    runs = opened.session.project.path / "runs"
    away = runs.with_name("away")
    runs.mkdir(exist_ok=True)
    runs.rename(away)
    runs.touch()  # root may write into any folder, but into no file
    try:
        click(dialog.start_button, dialog.start_button.rect().center())
        qtbot.waitUntil(lambda: "can be written to" in dialog.problem.text(), timeout=10_000)
    finally:
        runs.unlink()
        away.rename(runs)
    assert dialog.start_button.isEnabled()


def test_that_closing_waits_for_no_labels_that_are_being_counted(
    opened, qtbot, monkeypatch, tmp_path
):
    begun, is_over = threading.Event(), threading.Event()

    def slowly(*_):
        begun.set()
        is_over.wait(20)
        raise CommandRefusedError("Nobody waits for this.")

    monkeypatch.setattr("app.retrain.dialog.retrain_inputs", slowly)
    dialog = RetrainDialog(opened.session, opened.watch, Preferences(tmp_path / "preferences.ini"))
    qtbot.waitUntil(begun.is_set, timeout=5_000)
    began = time.monotonic()
    dialog.reject()
    assert time.monotonic() - began < 1.0
    is_over.set()


def test_that_a_warm_up_without_a_stage_that_is_wanted_is_none(opened):
    project, config = opened.session.project, preset("cpu")
    only = replace(config, run=replace(config.run, stages=("finetune",)))
    assert "lift" in config.run.stages
    path = warmup_path(project.cache_path("warm-ups", "").parent, config)
    unknown = replace(WARM_UP, seconds_per_step={"finetune": 1.0})
    write_warmup(path, replace(unknown, seconds_per_prediction=math.nan))
    assert known_estimate(project, config) is None
    assert known_estimate(project, only) is not None
    path.unlink()


def test_measuring_ends_when_nobody_waits_for_it(opened):
    asked = []

    def progress(done, total):
        asked.append(done)
        return len(asked) < 3

    with pytest.raises(CommandRefusedError, match="stopped"):
        measured_estimate(opened.session.project, preset("cpu"), progress)
    assert len(asked) == 3
