"""Labelling by keys, in a whole window on a project of its own."""

import time

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QCursor, QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.commands import first_key
from app.history_panel import local_time
from app.main_window import MainWindow
from app.preferences import Preferences
from app.shot import settle
from app.stride import stride_after
from app.swap_dialog import SwapSidesDialog
from core.observations import Source
from core.project import JointKey
from tests.app.views_world import make_project, make_world

PERSON = 3


@pytest.fixture(scope="module")
def own_window(qapp, tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    make_project(folder / "own.trilabel", make_world(num_persons=6, num_frames=8)).close()
    window = MainWindow(preferences=Preferences(folder / "preferences.ini"))
    window.resize(1600, 900)
    window.show()
    window.activateWindow()
    settle(window.isActiveWindow)
    window.open_project(folder / "own.trilabel")
    settle(lambda: window.session.project is not None and window.is_settled)
    yield window
    window.close()
    window.deleteLater()
    QApplication.processEvents()


@pytest.fixture
def window(own_window):
    """The window at the first frame, with a joint that the network found in the first view."""
    session = own_window.session
    session.set_frame(0)
    own_window.views.focus_camera(None)
    # Away from the views: a key means the view under the pointer.
    QCursor.setPos(own_window.mapToGlobal(QPoint(2, own_window.height() - 2)))
    QTest.mouseMove(own_window.status, QPoint(2, 2))
    leave = QEvent(QEvent.Type.Leave)
    QApplication.sendEvent(own_window.views, leave)
    row = session.observations.persons.index(PERSON)
    joint = int(np.flatnonzero((session.observations.source[row, :2] == 1).all(axis=0))[0])
    session.select(person=PERSON, camera=0, joint=joint)
    own_window.activateWindow()
    settle(own_window.isActiveWindow)
    yield own_window
    while session.project.undo_description is not None:
        session.undo()


def press(window, keys):
    combination = first_key(keys)
    QTest.keyClick(window.views, combination.key(), combination.keyboardModifiers())
    QApplication.processEvents()


def here(window):
    cursor = window.session.cursor
    return JointKey(cursor.frame, cursor.camera, cursor.person, cursor.joint)


def point(window, key=None):
    key = key or here(window)
    observed = window.session.observations
    return observed.points_px[observed.persons.index(key.person), key.camera, key.joint].copy()


def source(window, key=None):
    key = key or here(window)
    observed = window.session.observations
    return observed.source[observed.persons.index(key.person), key.camera, key.joint]


@pytest.mark.parametrize(
    ("keys", "moved"),
    [
        ("Shift+Left", (-10, 0)),
        ("Shift+Down", (0, 10)),
        ("Ctrl+Right", (0.1, 0)),
        ("Ctrl+Up", (0, -0.1)),
    ],
)
def test_arrows_with_shift_or_ctrl_nudge_and_make_a_hand_label(window, keys, moved):
    before = point(window)
    press(window, keys)
    np.testing.assert_allclose(point(window) - before, moved, atol=1e-6)
    assert source(window) == Source.HAND


def test_arrows_alone_step_until_the_joint_was_edited_and_then_nudge(window):
    press(window, "Right")
    assert window.session.cursor.frame == 1
    press(window, "Left")
    assert window.session.cursor.frame == 0
    assert source(window) == Source.NETWORK
    press(window, "Shift+Right")
    before = point(window)
    press(window, "Right")
    press(window, "Up")
    assert window.session.cursor.frame == 0
    np.testing.assert_allclose(point(window) - before, (1, -1), atol=1e-6)


def test_arrows_step_again_once_the_frame_was_left(window):
    press(window, "Shift+Right")
    press(window, "D")
    press(window, "A")
    press(window, "Right")
    assert window.session.cursor.frame == 1


def test_a_key_means_the_view_under_the_pointer(window):
    box = window.views.panel_of(4).cell.picture
    for lift in (16, 8):
        at = QPoint(round(box.x + box.width / 2), round(box.y + box.height - lift))
        QTest.mouseMove(window.views, at)
        settle(lambda: window.is_settled)
    assert window.views.meant_camera == 4
    key = here(window)
    press(window, "X")
    label = window.session.project.label(key._replace(camera=4))
    assert label.visibility == "occluded"
    assert window.session.project.label(key) is None
    assert window.session.cursor.camera == 4


@pytest.mark.parametrize(("keys", "state"), [("X", "occluded"), ("O", "outside")])
def test_a_joint_is_marked_and_brought_back(window, keys, state):
    before = point(window)
    press(window, keys)
    assert window.session.project.label(here(window)).visibility == state
    press(window, "R")
    assert source(window) == Source.NETWORK
    np.testing.assert_array_equal(point(window), before)


def test_what_has_no_place_cannot_be_visible_and_it_is_said(window):
    press(window, "X")
    press(window, "V")
    assert "Place the joint first" in window.status.message
    assert window.session.project.label(here(window)).visibility == "occluded"


def test_delete_mutes_what_the_network_found_and_deletes_a_label(window):
    project, key = window.session.project, here(window)
    press(window, "Del")
    assert project.muted(0, [PERSON])[0, key.camera, key.joint]
    press(window, "R")
    assert not project.muted(0, [PERSON]).any()
    press(window, "Y")
    assert source(window) == Source.HAND
    press(window, "Del")
    assert source(window) == Source.NETWORK


def test_ghosts_are_accepted_for_a_joint_a_view_and_all(window):
    session, key = window.session, here(window)
    press(window, "T")
    assert "two views" in window.status.message
    press(window, "Y")
    session.select(camera=1)
    press(window, "Y")
    press(window, "T")
    row = session.observations.persons.index(PERSON)
    found = session.observations.source[row, :, key.joint]
    assert (found[:2] == Source.HAND).all()
    assert (found[2:] == Source.REPROJECTED).any()
    press(window, "Ctrl+Z")
    session.select(camera=int(np.flatnonzero(found == Source.REPROJECTED)[0]))
    press(window, "Shift+T")
    accepted = session.observations.source[row] == Source.REPROJECTED
    assert np.flatnonzero(accepted.any(axis=1)).tolist() == [session.cursor.camera]
    press(window, "Ctrl+T")
    assert (session.observations.source[row, :, key.joint] == found).all()


def test_sides_are_swapped_in_the_view_and_in_all(window):
    session = window.session
    mirror = list(session.project.skeleton.mirror)
    row = session.observations.persons.index(PERSON)
    before = session.observations.points_px[row].copy()
    press(window, "I")
    both = np.isfinite(before).all(axis=-1) & np.isfinite(before[:, mirror]).all(axis=-1)
    after = session.observations.points_px[row]
    np.testing.assert_allclose(after[0][both[0]], before[0, mirror][both[0]])
    np.testing.assert_array_equal(after[1:], before[1:])
    press(window, "Ctrl+Z")
    press(window, "Shift+I")
    after = session.observations.points_px[row]
    np.testing.assert_allclose(after[both], before[:, mirror][both])


def test_sides_are_swapped_over_frames_as_one_step(window, qtbot):
    window.commands.actions["swap_sides_frames"].trigger()
    dialog = window.findChildren(SwapSidesDialog)[-1]
    dialog.last.setValue(dialog.start.value() + 3)
    QTest.mouseClick(dialog.swap_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dialog.isVisible(), timeout=10_000)
    step = window.session.project.history(1)[0]
    assert "4 frames" in step.description
    assert window.session.project.labelled_frames().tolist() == [0, 1, 2, 3]


def test_the_pose_of_the_frame_before_is_copied_into_the_large_view_only(window):
    session = window.session
    session.set_frame(1)
    window.views.focus_camera(2)
    other = session.project.observations(0)
    press(window, "Ctrl+D")
    row = session.observations.persons.index(PERSON)
    copied = session.observations.source[row] == Source.REPROJECTED
    assert np.flatnonzero(copied.any(axis=1)).tolist() == [2]
    before = other.points_px[other.persons.index(PERSON)]
    np.testing.assert_allclose(session.observations.points_px[row][copied], before[copied])


def test_the_menu_of_copies_offers_frames_views_and_sources(window):
    session = window.session
    session.set_frame(1)
    menu = window.copying.make_menu()
    texts = [action.text() for action in menu.actions()]
    assert any(text.startswith("the frame before (1)") for text in texts)
    views = next(action for action in menu.actions() if "other views" in action.text())
    views.trigger()
    assert (session.observations.source == Source.REPROJECTED).any()
    session.undo()
    imported = next(action for action in menu.actions() if "imported" in action.text())
    imported.trigger()
    settle(lambda: session.project.undo_description is not None)
    assert "Detections" in session.project.undo_description


def test_somebody_new_is_there_with_the_first_joint(window):
    session = window.session
    press(window, "Ctrl+Shift+N")
    person = session.cursor.person
    assert person not in session.project.persons
    assert window.context_bar.person.currentText() == f"#{person}"
    press(window, "X")
    assert person in session.observations.persons
    press(window, "Ctrl+Z")
    assert person not in session.project.persons


def test_a_person_is_taken_out_of_the_frame_and_comes_back(window):
    project = window.session.project
    press(window, "Shift+Del")
    assert project.muted(0, [PERSON]).any()
    press(window, "Ctrl+Z")
    assert not project.muted(0, [PERSON]).any()


def test_the_edit_menu_names_what_would_be_undone_and_redone(window):
    undo, redo = (window.commands.actions[name] for name in ("undo", "redo"))
    press(window, "Shift+Right")
    assert undo.text().startswith("Undo: Place")
    press(window, "Ctrl+Z")
    assert undo.text() == "Undo"
    assert redo.text().startswith("Redo: Place")
    press(window, "Ctrl+Shift+Z")
    assert undo.text().startswith("Undo: Place")


def test_the_status_says_since_when_all_is_saved(window):
    press(window, "Shift+Right")
    time_saved = local_time(window.session.project.history(1)[0].time)
    assert f"Saved {time_saved}" in window.status.facts


def test_a_double_click_in_the_history_goes_to_the_place(window):
    session, panel = window.session, window.panels.history
    press(window, "Shift+Right")
    press(window, "X")
    press(window, "Ctrl+Z")
    place = session.cursor
    session.set_frame(5)
    session.select(person=1, camera=6)
    press(window, "Ctrl+H")
    assert panel.isVisible()
    settle(lambda: window.is_settled)
    assert [step.state for step in panel.model.steps[:2]] == ["undone", "done"]
    cell = panel.table.visualRect(panel.model.index(1, 1)).center()
    QTest.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    QTest.mouseDClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    assert session.cursor == place


def test_a_held_key_goes_faster_and_a_click_on_the_arrow_does_not(window):
    session = window.session

    def send(is_repeating):
        event = QKeyEvent(
            QEvent.Type.ShortcutOverride,
            Qt.Key.Key_D,
            Qt.KeyboardModifier.NoModifier,
            "d",
            is_repeating,
        )
        QApplication.sendEvent(window.views, event)

    send(is_repeating=False)
    assert window.commands.held_s == 0
    time.sleep(1.1)
    send(is_repeating=True)
    window.commands.actions["next_frame"].trigger()
    assert session.cursor.frame == 2
    QTest.keyRelease(window.views, Qt.Key.Key_D)
    window.commands.actions["next_frame"].trigger()
    assert session.cursor.frame == 3


def test_a_held_arrow_is_one_step_of_undo_and_a_tapped_one_is_not(window):
    session = window.session

    def nudge(*, is_repeating):
        key, keys = Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier
        event = QKeyEvent(QEvent.Type.ShortcutOverride, key, keys, "", is_repeating)
        QApplication.sendEvent(window.views, event)
        window.commands.actions["nudge_far_right"].trigger()

    def x_px():
        return session.observations.points_px[session.person_row, 0, session.cursor.joint, 0]

    start = x_px()
    for is_repeating in (False, True, True, True):
        nudge(is_repeating=is_repeating)
    nudge(is_repeating=False)
    assert x_px() == pytest.approx(start + 50)
    assert [step.num_edits for step in session.project.history()[:2]] == [1, 4]
    press(window, "Ctrl+Z")
    assert x_px() == pytest.approx(start + 40)
    press(window, "Ctrl+Z")
    assert x_px() == pytest.approx(start)
    press(window, "Ctrl+Shift+Z")
    assert x_px() == pytest.approx(start + 40)


def test_the_history_takes_back_what_followed_a_step_and_brings_it_back(window):
    session, panel = window.session, window.panels.history
    press(window, "Shift+Right")
    press(window, "X")
    press(window, "Shift+Down")
    press(window, "Ctrl+H")
    settle(lambda: window.is_settled)
    back = panel.make_menu(2).actions()[1]
    assert back.text() == "Undo back to here: 2 steps"
    back.trigger()
    settle(lambda: [s.state for s in panel.model.steps[:3]] == ["undone", "undone", "done"])
    panel.make_menu(0).actions()[1].trigger()
    settle(lambda: [s.state for s in panel.model.steps[:3]] == ["done"] * 3)
    assert not panel.make_menu(0).actions()[1].isEnabled()
    assert session.project.redo_description is None


def test_strides_grow_with_time():
    strides = [stride_after(seconds) for seconds in (0.0, 0.5, 1.5, 3.0, 6.0, 20.0)]
    assert strides == sorted(strides)
    assert strides[0] == strides[1] == 1
    assert strides[-1] > 10
