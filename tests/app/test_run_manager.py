"""The run manager, driven by keys and the mouse."""

import time
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit
from shiboken6 import isValid

from app.main_window import MainWindow
from app.preferences import Preferences
from app.retrain import RetrainDialog
from app.runs.manager import RunManager
from app.runs.manager_table import COLUMNS, NAME, NOTE
from app.runs.watch import RunWatch
from app.session import Session
from core.curation.sources import RunSource
from core.errors import CommandRefusedError
from core.project import Project, ProjectSpec
from core.project.runs.folder import runs_of
from core.project.runs.managing import note_of, size_of
from core.skeleton import Skeleton
from tests.app.views_world import make_rig
from tests.curation.predicted_rounds import predict
from tests.project.made_runs import make_run, runs_dir

_LEFT = Qt.MouseButton.LeftButton
_NONE = Qt.KeyboardModifier.NoModifier
_CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def runs_session(qapp, tmp_path):
    """A session on a project without pictures, which may be changed."""
    spec = ProjectSpec(
        name="court",
        rig=make_rig(),
        skeleton=Skeleton(name="arm", joints=("shoulder", "wrist"), bones=((0, 1),)),
        num_frames=6,
    )
    path = tmp_path / "court.trilabel"
    Project.create(path, spec).close()
    session = Session()
    session.open_project(path)
    yield session
    session.close_project()


@pytest.fixture
def watch(runs_session):
    watch = RunWatch(runs_session)
    yield watch
    watch.close()


@pytest.fixture
def manager(qtbot, runs_session, watch):
    """The manager of a project with three runs; the last one failed."""
    project = runs_session.require_project()
    made = [
        make_run(runs_dir(project), name, error_mm=error, settings=changed, end=end)
        for name, error, changed, end in (
            ("one", 50.0, (), "done"),
            ("two", 46.0, ("finetune.learning_rate=3e-5",), "done"),
            ("three", 70.0, (), "failed"),
        )
    ]
    watch.refresh()
    qtbot.waitUntil(lambda: len(watch.reports) == len(made), timeout=10_000)
    manager = RunManager(runs_session, watch)
    manager.show()
    qtbot.waitExposed(manager)
    manager.activateWindow()
    settle(qtbot, manager)
    yield manager
    if isValid(manager):
        manager.close()
    QApplication.processEvents()


def settle(qtbot, manager):
    QTest.qWait(20)
    qtbot.waitUntil(lambda: manager.is_settled, timeout=20_000)


def row_at(manager, name):
    """The row on the screen of the run of this name."""
    model = manager.table.model()
    names = [model.index(row, NAME).data() for row in range(model.rowCount())]
    return names.index(name)


def click(manager, name, column=2, modifier=_NONE, *, double=False):
    """Click a cell of the table."""
    index = manager.table.model().index(row_at(manager, name), column)
    place = manager.table.visualRect(index).center()
    QTest.mouseClick(manager.table.viewport(), _LEFT, modifier, place)
    if double:
        QTest.mouseDClick(manager.table.viewport(), _LEFT, modifier, place)


def press(manager, name):
    """Press a button."""
    button = manager.tools.buttons[name]
    assert button.isEnabled(), button.toolTip()
    QTest.mouseClick(button, _LEFT)


def type_in(manager, text):
    """Type into the cell that is being edited, and enter it."""
    editor = manager.table.findChild(QLineEdit)
    assert editor is not None
    editor.selectAll()
    QTest.keyClicks(editor, text)
    QTest.keyClick(editor, Qt.Key.Key_Return)


def cell(manager, name, column):
    return manager.table.model().index(row_at(manager, name), column).data()


def read_at(page, step):
    """What a page of curves says with the pointer at a step, and a pixel beside it."""
    plot, box = page.plot, page.plot.getViewBox()
    (_, (low, high)) = box.viewRange()
    spot = plot.mapFromScene(box.mapViewToScene(QPointF(step, (low + high) / 2)))
    for away in (1, 0):
        QTest.mouseMove(plot.viewport(), spot + QPoint(away, 0))
        QTest.qWait(20)  # pyqtgraph drops what comes too quickly
    return page.reading.text()


def test_runs_stand_in_the_table_the_newest_first(manager):
    shown = [
        manager.table.model().index(row, NAME).data()
        for row in range(manager.table.model().rowCount())
    ]
    assert shown == ["three", "two", "one"]
    assert cell(manager, "two", COLUMNS.index("Multi-view")) == "46 mm"
    assert cell(manager, "two", COLUMNS.index("Single-view")) == "–"
    assert cell(manager, "two", COLUMNS.index("Labelled")) == "120"
    assert cell(manager, "three", COLUMNS.index("Status")) == "failed"
    assert cell(manager, "one", COLUMNS.index("Size")).endswith("kB")


def test_a_click_on_a_heading_sorts_by_the_numbers(manager):
    header = manager.table.horizontalHeader()
    place = header.sectionViewportPosition(COLUMNS.index("Multi-view")) + 8
    QTest.mouseClick(header.viewport(), _LEFT, _NONE, QPoint(place, header.height() // 2))
    model = manager.table.model()
    errors = [model.index(row, COLUMNS.index("Multi-view")).data() for row in range(3)]
    assert errors in (["46 mm", "50 mm", "70 mm"], ["70 mm", "50 mm", "46 mm"])


def test_f2_renames_and_a_double_click_notes(qtbot, manager, runs_session):
    click(manager, "one", NAME)
    QTest.keyClick(manager.table, Qt.Key.Key_F2)
    type_in(manager, "fewer steps")
    model = manager.table.model()
    qtbot.waitUntil(
        lambda: "fewer steps" in [model.index(row, NAME).data() for row in range(3)],
        timeout=10_000,
    )
    run = runs_of(runs_session.require_project())[0]
    assert run.name == "fewer steps"
    settle(qtbot, manager)
    click(manager, "two", NOTE, double=True)
    type_in(manager, "wrists first")
    qtbot.waitUntil(lambda: cell(manager, "two", NOTE) == "wrists first", timeout=10_000)
    noted = {run.name: note_of(run) for run in runs_of(run.path.parents[1])}
    assert noted == {"fewer steps": "", "two": "wrists first", "three": ""}


def test_a_name_that_is_refused_is_told_and_not_shown(qtbot, manager):
    click(manager, "one", NAME)
    QTest.keyClick(manager.table, Qt.Key.Key_F2)
    type_in(manager, "x" * 100)
    qtbot.waitUntil(lambda: "80 characters" in manager.problem.text(), timeout=10_000)
    settle(qtbot, manager)
    assert cell(manager, "one", NAME) == "one"


def test_two_runs_lie_over_one_another_and_tell_how_they_differ(qtbot, manager):
    click(manager, "one")
    click(manager, "two", modifier=_CTRL)
    settle(qtbot, manager)
    view = manager.compare
    assert view.isVisible()
    assert view.curves.measure.currentText() == "MPJPE multi-view, mm"
    assert "one 50 mm" in view.curves.reading.text()
    assert "two 46 mm" in view.curves.reading.text()
    qtbot.waitUntil(lambda: "at step" in read_at(view.curves, 20.0), timeout=5_000)
    bar = view.tabBar()
    QTest.mouseClick(bar, _LEFT, _NONE, bar.tabRect(1).center())
    cells = [
        [view.figures.item(row, column).text() for column in range(3)]
        for row in range(view.figures.rowCount())
    ]
    assert ["MPJPE multi-view", "50 mm", "46 mm"] in cells
    best = cells.index(["MPJPE multi-view", "50 mm", "46 mm"])
    assert [view.figures.item(best, column).font().bold() for column in (1, 2)] == [False, True]
    QTest.mouseClick(bar, _LEFT, _NONE, bar.tabRect(2).center())
    table = view.options.table
    assert [table.item(row, 0).text() for row in range(table.rowCount())] == [
        "finetune.learning_rate"
    ]
    QTest.mouseClick(view.options.shared, _LEFT, _NONE, QPoint(8, 8))
    assert table.rowCount() > 3


def test_deleting_asks_first_and_says_what_it_frees(qtbot, manager, runs_session):
    project = runs_session.require_project()
    said = []
    runs_session.message_posted.connect(said.append)
    click(manager, "two")
    press(manager, "delete")
    assert manager.tools.question.isVisible()
    assert "“two” for good" in manager.tools.asked.text()
    QTest.mouseClick(manager.tools.no, _LEFT)
    assert not manager.tools.question.isVisible()
    assert len(runs_of(project)) == 3
    press(manager, "delete")
    QTest.mouseClick(manager.tools.yes, _LEFT)
    qtbot.waitUntil(lambda: manager.table.model().rowCount() == 2, timeout=10_000)
    assert {run.name for run in runs_of(project)} == {"one", "three"}
    assert any("freed" in text for text in said)


def test_a_question_is_about_the_runs_that_were_selected_when_it_was_asked(
    qtbot, manager, runs_session
):
    click(manager, "two")
    press(manager, "delete")
    click(manager, "one")
    settle(qtbot, manager)
    assert not manager.tools.question.isVisible()
    assert len(runs_of(runs_session.require_project())) == 3


def test_the_run_that_is_shown_leaves_the_views_before_it_goes(qtbot, manager, runs_session):
    session = runs_session
    project = session.require_project()
    run = next(run for run in runs_of(project) if run.name == "two")
    predict(project, run, 1, range(project.num_frames))
    session.set_source(RunSource(project, run))
    click(manager, "two")
    press(manager, "delete")
    assert "go back to the detections" in manager.tools.asked.text()
    QTest.mouseClick(manager.tools.yes, _LEFT)
    qtbot.waitUntil(lambda: manager.table.model().rowCount() == 2, timeout=10_000)
    assert session.source.name == "detections"
    assert session.observations is not None


def test_that_a_run_that_another_shown_one_lies_over_leaves_the_views_before_it_goes(
    qtbot, manager, runs_session
):
    session = runs_session
    project = session.require_project()
    below, above = (next(r for r in runs_of(project) if r.name == name) for name in ("one", "two"))
    predict(project, below, 1, range(project.num_frames))
    predict(project, above, 1, range(2))
    session.set_source(RunSource(project, above, over=RunSource(project, below)))
    click(manager, "one")
    press(manager, "delete")
    assert "go back to the detections" in manager.tools.asked.text()
    QTest.mouseClick(manager.tools.yes, _LEFT)
    qtbot.waitUntil(lambda: manager.table.model().rowCount() == 2, timeout=10_000)
    assert session.source.name == "detections"


def test_a_run_that_lives_cannot_be_deleted_and_the_button_says_why(
    qtbot, manager, runs_session, watch
):
    project = runs_session.require_project()
    run = make_run(runs_dir(project), "four", end=None)
    with run.lock():
        watch.refresh()
        qtbot.waitUntil(lambda: manager.table.model().rowCount() == 4, timeout=10_000)
        qtbot.waitUntil(lambda: "running" in cell(manager, "four", 2), timeout=10_000)
        settle(qtbot, manager)
        click(manager, "four")
        for name in ("delete", "clean"):
            assert not manager.tools.buttons[name].isEnabled()
            assert "stop or cancel" in manager.tools.buttons[name].toolTip()


def test_space_is_freed_after_it_was_asked_for(qtbot, manager, runs_session):
    run = runs_of(runs_session.require_project())[0]
    before = size_of(run)
    click(manager, "one")
    press(manager, "clean")
    assert "still be resumed" in manager.tools.asked.text()
    QTest.mouseClick(manager.tools.yes, _LEFT)
    qtbot.waitUntil(lambda: size_of(run).checkpoints < before.checkpoints, timeout=10_000)
    qtbot.waitUntil(lambda: not manager.tools.buttons["clean"].isEnabled(), timeout=10_000)
    assert size_of(run).weights == before.weights


def test_weights_are_exported_where_the_file_dialog_says(qtbot, manager, tmp_path, monkeypatch):
    # The system's own dialog is no part of this window.
    place = tmp_path / "weights"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(place), ""))
    click(manager, "two")
    press(manager, "weights")
    qtbot.waitUntil((place / "provenance.toml").is_file, timeout=10_000)
    settle(qtbot, manager)
    press(manager, "weights")  # a second time it is taken
    qtbot.waitUntil(lambda: "not empty" in manager.problem.text(), timeout=10_000)


def test_one_alone_tells_its_parts_and_why_it_failed(qtbot, manager):
    click(manager, "three")
    settle(qtbot, manager)
    assert "It ended so." in manager.told.text()
    assert "checkpoints" in manager.told.text()
    assert manager.compare.isVisible()


def test_a_project_without_runs_is_told_how_to_get_some(qtbot, runs_session, watch):
    session = runs_session
    qtbot.waitUntil(lambda: watch.is_settled, timeout=10_000)
    manager = RunManager(session, watch)
    manager.show()
    settle(qtbot, manager)
    assert manager.upper.currentIndex() == 1
    assert not any(button.isEnabled() for button in manager.tools.buttons.values())
    session.close_project()  # closes the manager, too
    qtbot.waitUntil(lambda: not isValid(manager), timeout=5_000)
    with pytest.raises(CommandRefusedError):
        RunManager(session, watch)


@pytest.fixture
def window(qtbot, runs_session, tmp_path):
    """A window on a project with one run that has weights."""
    path = runs_session.require_project().path
    make_run(path / "runs", "one", project_dir=path)
    runs_session.close_project()
    window = MainWindow(preferences=Preferences(tmp_path / "preferences.ini"))
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=5_000)
    window.session.open_project(path)
    qtbot.waitUntil(lambda: len(window.watch.reports) == 1, timeout=10_000)
    yield window
    window.close()
    window.deleteLater()
    QApplication.processEvents()


def opened(window):
    """The managers of a window after Ctrl+Shift+R."""
    QTest.keyClick(window, Qt.Key.Key_R, _CTRL | Qt.KeyboardModifier.ShiftModifier)
    return window.findChildren(RunManager)


def test_the_key_opens_one_manager_whose_buttons_lead_to_the_panel_and_on(qtbot, window):
    (manager,) = opened(window)
    assert opened(window) == [manager]
    settle(qtbot, manager)
    press(manager, "show")
    assert window.panels.runs.run_id == runs_of(window.session.require_project())[0].id
    qtbot.waitUntil(window.panels.runs.isVisible, timeout=5_000)
    qtbot.waitUntil(lambda: not isValid(manager), timeout=5_000)
    (manager,) = opened(window)
    settle(qtbot, manager)
    press(manager, "start")
    (dialog,) = window.findChildren(RetrainDialog)
    assert dialog.draft.weights == window.panels.runs.run_id
    dialog.reject()


def test_closing_at_once_leaves_what_is_being_deleted_to_end(qtbot, manager, runs_session):
    click(manager, "two")
    press(manager, "delete")
    QTest.mouseClick(manager.tools.yes, _LEFT)
    QTest.keyClick(manager, Qt.Key.Key_Escape)
    project = runs_session.require_project()
    qtbot.waitUntil(lambda: len(runs_of(project)) == 2, timeout=10_000)
    qtbot.waitUntil(lambda: not isValid(manager), timeout=5_000)


def test_two_hundred_runs_hold_nobody_up(qtbot, runs_session, watch):
    project = runs_session.require_project()
    template = make_run(runs_dir(project), "one")
    text = {name: (template.path / name).read_bytes() for name in ("run.toml", "config.toml")}
    for number in range(200):
        folder = Path(runs_dir(project) / f"20200101-000000-{number:04d}")
        folder.mkdir()
        for name, content in text.items():
            (folder / name).write_bytes(content)
    watch.refresh()
    qtbot.waitUntil(lambda: len(watch.reports) == 201, timeout=60_000)
    began = time.perf_counter()
    manager = RunManager(runs_session, watch)
    assert time.perf_counter() - began < 0.5
    settle(qtbot, manager)
    assert manager.table.model().rowCount() == 201
    manager.close()
