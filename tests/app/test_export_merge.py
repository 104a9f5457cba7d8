"""Export and merge in the window, by real mouse and key events."""

import shutil

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit

from app.export_dialog import ExportDialog
from app.merge_dialog import MergeDialog
from core.formats.c3d import read_c3d
from core.project import JointKey, PointKey, Project, SetJoints, SetReviews

KEY = JointKey(4, 0, 2, 5)


def place(key, x):
    return SetJoints(keys=(key,), points_px=((x, 50.0),))


@pytest.fixture
def copies(court_project, tmp_path):
    """Two copies with a conflict, something to take over, and something locked here."""
    mine, theirs = tmp_path / "court.trilabel", tmp_path / "court-ann.trilabel"
    locked = KEY._replace(joint=7)
    shutil.copytree(court_project, mine)
    with Project.open(mine) as project:
        for camera in (0, 1, 2):
            project.apply(place(KEY._replace(camera=camera), 100.0))
        project.apply(place(locked, 10.0))
        project.apply(SetReviews(keys=(PointKey(4, 2, 7),), state="locked"))
    shutil.copytree(mine, theirs)
    with Project.open(theirs) as other:
        other.annotator = "ann"
        other.apply(place(KEY, 101.0))
        other.apply(place(KEY._replace(camera=1), 102.0))
        other.apply(place(KEY._replace(joint=3), 103.0))
        other.apply(SetReviews(keys=(PointKey(4, 2, 7),), state="accepted"))
        other.apply(place(locked, 104.0))
    with Project.open(mine) as project:
        project.apply(place(KEY, 110.0))
        project.apply(place(KEY._replace(camera=1), 111.0))
    return mine, theirs


@pytest.fixture
def opened(make_window, copies, qtbot):
    """A window on the first of the two."""
    window = make_window()
    window.open_project(copies[0])
    qtbot.waitUntil(lambda: window.session.project.path == copies[0], timeout=20_000)
    qtbot.waitUntil(lambda: window.is_settled, timeout=60_000)
    return window


def dialog_of(window, kind, command):
    window.commands.actions[command].trigger()
    dialog = window.findChild(kind)
    QTest.qWaitForWindowExposed(dialog)
    return dialog


def line(widget):
    return widget.findChild(QLineEdit)


def click(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def click_cell(table, row, column):
    place = table.visualRect(table.model().index(row, column)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_an_export_is_chosen_written_and_told(opened, qtbot):
    dialog = dialog_of(opened, ExportDialog, "export")
    names = [dialog.format.itemText(i) for i in range(dialog.format.count())]
    dialog.format.setFocus()
    while dialog.format.currentText() != "C3D markers":
        QTest.keyClick(dialog.format, Qt.Key.Key_Down)
        assert dialog.format.currentText() in names
    assert "single precision" in dialog.note.text()
    assert dialog.place.path == opened.session.project.path / "exports" / "c3d"
    click(dialog.export_button)
    qtbot.waitUntil(lambda: dialog.done_at is not None, timeout=20_000)
    assert "1 joint in space" in dialog.note.text()
    assert "read again" in dialog.note.text()
    found = read_c3d(next(dialog.done_at.glob("*_2.c3d")))
    assert found.frames.tolist() == [4]
    assert dialog.export_button.text() == "Close"
    click(dialog.export_button)
    assert not dialog.isVisible()


def test_a_wrong_query_and_a_taken_place_are_told_before_anything_is_written(opened, tmp_path):
    dialog = dialog_of(opened, ExportDialog, "export")
    dialog.query.setFocus()
    QTest.keyClicks(dialog.query, "joint=left_wrsit")
    assert "Did you mean joint=left_wrist" in dialog.problem.text()
    assert not dialog.export_button.isEnabled()
    dialog.query.clear()
    assert dialog.export_button.isEnabled()
    field = line(dialog.place)
    field.selectAll()
    QTest.keyClicks(field, str(opened.session.project.path))
    assert "a folder with files in it" in dialog.problem.text()
    assert not dialog.export_button.isEnabled()
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_an_export_of_nothing_says_so_and_can_be_corrected(opened, qtbot):
    dialog = dialog_of(opened, ExportDialog, "export")
    QTest.keyClicks(dialog.query, "frame=1")
    click(dialog.export_button)
    qtbot.waitUntil(lambda: "nothing to export" in dialog.problem.text(), timeout=20_000)
    dialog.query.clear()
    assert dialog.export_button.isEnabled()
    click(dialog.export_button)
    qtbot.waitUntil(lambda: dialog.done_at is not None, timeout=20_000)


def test_conflicts_are_listed_with_both_sides_and_a_click_takes_one(opened, copies, qtbot):
    dialog = dialog_of(opened, MergeDialog, "merge")
    assert not dialog.merge_button.isEnabled()
    assert "Choose the folder of a copy" in dialog.told.text()
    QTest.keyClicks(line(dialog.copy), str(copies[1]))
    qtbot.waitUntil(lambda: dialog.model.plan is not None, timeout=20_000)
    assert "Taken over from ann: 1 label" in dialog.told.text()
    conflicts = dialog.model.conflicts
    rows = {(c.joint, c.camera): row for row, c in enumerate(conflicts)}
    first, second = rows[5, 0], rows[5, 1]
    text = [str(dialog.model.index(first, column).data()) for column in (4, 5)]
    assert text[0].startswith("✓ 110.0, 50.0 visible")
    assert text[1].startswith("101.0, 50.0 visible, by ann")
    click_cell(dialog.table, first, 5)
    assert dialog.model.theirs == {first}
    click_cell(dialog.table, second, 0)
    QTest.keyClick(dialog.table, Qt.Key.Key_T)
    assert dialog.model.theirs == {first, second}
    QTest.keyClick(dialog.table, Qt.Key.Key_M)
    assert dialog.model.theirs == {first}
    click(dialog.all_theirs)
    locked = {row for row, c in enumerate(conflicts) if c.is_locked}
    assert len(locked) == 2
    assert dialog.model.theirs == {first, second}, "what is locked stays mine"
    click_cell(dialog.table, second, 4)
    click(dialog.merge_button)
    qtbot.waitUntil(lambda: not dialog.isVisible(), timeout=20_000)
    project, session = opened.session.project, opened.session
    assert project.label(KEY).x_px == 101
    assert project.label(KEY._replace(camera=1)).x_px == 111
    assert project.label(KEY._replace(joint=3)).annotator == "ann"
    assert project.label(KEY._replace(joint=7)).x_px == 10
    assert "in one step" in opened.status.message
    assert project.history(1)[0].description == "Merge the labels of ann (court-ann.trilabel)"
    session.undo()
    assert project.label(KEY).x_px == 110
    assert project.label(KEY._replace(joint=3)) is None


def test_a_double_click_on_a_conflict_shows_its_place(opened, copies, qtbot):
    dialog = dialog_of(opened, MergeDialog, "merge")
    QTest.keyClicks(line(dialog.copy), str(copies[1]))
    qtbot.waitUntil(lambda: dialog.model.plan is not None, timeout=20_000)
    row = next(r for r, c in enumerate(dialog.model.conflicts) if (c.joint, c.camera) == (5, 1))
    place = dialog.table.visualRect(dialog.model.index(row, 0)).center()
    for event in (QTest.mouseClick, QTest.mouseDClick):
        event(dialog.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    cursor = opened.session.cursor
    assert (cursor.frame, cursor.camera, cursor.person, cursor.joint) == (4, 1, 2, 5)
    click_cell(dialog.table, row, 5)
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    QApplication.processEvents()
    assert opened.session.project.label(KEY).x_px == 110, "nothing was merged"


def test_what_is_no_copy_is_told(opened, tmp_path, qtbot):
    dialog = dialog_of(opened, MergeDialog, "merge")
    QTest.keyClicks(line(dialog.copy), str(opened.session.project.path))
    qtbot.waitUntil(lambda: "the project itself" in dialog.problem.text(), timeout=20_000)
    assert not dialog.merge_button.isEnabled()
    line(dialog.copy).selectAll()
    QTest.keyClicks(line(dialog.copy), str(tmp_path))
    assert "No project lies there" in dialog.told.text()
