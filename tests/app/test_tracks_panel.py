"""Ground tracks in the window: people dragged, feet clicked, dialogs, the list; real events."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.main_window import MainWindow
from app.preferences import Preferences
from app.shot import settle
from app.tracks.dialog import TrackDialog
from core.people.track_edits import path_between, spot_of
from core.project import JointKey, PointKey, Project, SetJoints, SetReviews, SetTrackPoints
from tests.app.views_world import make_project, make_world

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(scope="module")
def tracks_window(qapp, tmp_path_factory):
    """A window on a project of its own that may be changed; every test takes its edits back."""
    folder = tmp_path_factory.mktemp("tracks")
    world = make_world(num_persons=6, num_frames=12)
    make_project(folder / "own.trilabel", world).close()
    window = MainWindow(preferences=Preferences(folder / "preferences.ini"))
    window.resize(1600, 900)
    window.show()
    window.activateWindow()
    settle(window.isActiveWindow)
    window.open_project(folder / "own.trilabel")
    settle(lambda: window.session.project is not None)
    window.docks.show(window.panels.tracks)
    settle(lambda: _rests(window))
    yield window
    window.close()
    window.deleteLater()
    QApplication.processEvents()


@pytest.fixture
def tracks(tracks_window):
    """The window at its first frame, without edits."""
    window = tracks_window
    session = window.session
    yield window
    session.set_feet_mode(None)
    while session.require_project().undo_description is not None:
        session.undo()
    session.set_frame(0)
    session.select(person=0, camera=0)
    settle(lambda: _rests(window))


def _rests(window):
    return window.is_settled and not window.panels.tracks.review.is_searching


def _drag(window, person, step, *, modifier=Qt.KeyboardModifier.NoModifier, release=True):
    view = window.panels.tracks.view
    start = view.place_of(person).toPoint()
    QTest.mousePress(view, LEFT, modifier, start)
    for share in (0.3, 0.7, 1.0):
        QTest.mouseMove(view, start + QPoint(round(step.x() * share), round(step.y() * share)))
    if release:
        QTest.mouseRelease(view, LEFT, modifier, start + step)


def _spot(window, person, frame=None):
    session = window.session
    frame = session.cursor.frame if frame is None else frame
    return np.array(spot_of(session.require_project().tracks, person, frame))


def test_that_a_person_dragged_on_the_floor_is_put_there_and_taken_back(tracks):
    session, view = tracks.session, tracks.panels.tracks.view
    before = _spot(tracks, 3)
    _drag(tracks, 3, QPoint(40, 12))
    scale = view.transform.scale
    moved = np.linalg.norm(_spot(tracks, 3) - before)
    assert moved == pytest.approx(np.hypot(40, 12) / scale, rel=0.05)
    assert session.cursor.person == 3
    assert session.track_preview is None
    np.testing.assert_allclose(session.observations.ground_mm[3, :2], _spot(tracks, 3))
    assert session.require_project().undo_description == "Move #3 on the ground"
    session.undo()
    np.testing.assert_array_equal(_spot(tracks, 3), before)


def test_that_boxes_follow_the_drag_in_all_views_before_anything_is_written(tracks):
    session, grid = tracks.session, tracks.views
    settle(lambda: _rests(tracks))
    still = grid.grab().toImage()
    boxes = session.observations.boxes_px.copy()
    _drag(tracks, 2, QPoint(-30, 10), release=False)
    assert set(session.track_preview.places_mm) == {2}
    moving = grid.grab().toImage()
    changed = [_differs(still, moving, grid.panel_of(c).cell.picture) for c in range(8)]
    assert sum(changed) >= 6  # the two that look straight down may not see the place
    np.testing.assert_array_equal(session.observations.boxes_px, boxes)
    assert session.require_project().undo_description is None
    QTest.keyClick(tracks.views, Qt.Key.Key_Escape)
    assert session.track_preview is None
    QTest.mouseRelease(tracks.panels.tracks.view, LEFT, pos=QPoint(5, 5))
    assert session.require_project().undo_description is None


def test_that_a_shifted_drag_takes_the_frames_around_along(tracks):
    tracks.session.set_frame(6)
    before = _spot(tracks, 1, 5), _spot(tracks, 1, 6)
    _drag(tracks, 1, QPoint(30, 0), modifier=Qt.KeyboardModifier.ShiftModifier)
    near = np.linalg.norm(_spot(tracks, 1, 5) - before[0])
    here = np.linalg.norm(_spot(tracks, 1, 6) - before[1])
    assert 0.5 * here < near < here


def _wheel(widget, at, notches):
    there = QPointF(at), QPointF(widget.mapToGlobal(at))
    event = QWheelEvent(
        *there,
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


def test_that_dragging_along_a_way_scrubs(tracks):
    view, session = tracks.panels.tracks.view, tracks.session
    ways = {p: path_between(session.require_project().tracks, p, 0, 12)[1] for p in range(6)}
    person = max(ways, key=lambda p: np.linalg.norm(ways[p][-1] - ways[p][0]))
    session.select(person=person)
    _wheel(view, view.place_of(person).toPoint(), 10)
    ends = view.transform.to_widget(ways[person])
    at = [QPoint(*np.round(p).astype(int).tolist()) for p in ends]
    last = max(i for i, place in enumerate(at) if view.rect().contains(place))
    assert np.linalg.norm(ends[last] - ends[0]) > 40  # beyond the dot of the person itself
    QTest.mousePress(view, LEFT, pos=at[last])
    assert session.cursor.frame == last
    QTest.mouseMove(view, at[last // 2 + 1])
    QTest.mouseMove(view, at[last // 2])
    assert session.cursor.frame == last // 2
    QTest.mouseRelease(view, LEFT, pos=at[last // 2])
    assert session.require_project().undo_description is None
    QTest.mouseDClick(view, LEFT, pos=QPoint(4, 4))
    assert view.transform.scale < 0.05


def _click_feet(window, camera, spot, height=0.0):
    panel = window.views.panel_of(camera)
    pixel = window.session.require_project().rig[camera].project(np.array([*spot, height]))
    at = QPointF(*panel.transform.to_widget(pixel).tolist()).toPoint()
    QTest.mouseMove(window.views, at + QPoint(3, 3))
    QTest.mouseMove(window.views, at)
    settle(lambda: _rests(window))
    preview = window.session.track_preview
    QTest.mouseClick(window.views, LEFT, pos=at)
    settle(lambda: _rests(window))
    return preview


def test_that_clicked_feet_make_a_track_with_the_frames_between_filled(tracks):
    session, bar = tracks.session, tracks.panels.tracks.feet_bar
    tracks.commands.actions["tracks_feet"].trigger()
    QTest.mouseClick(bar.new, LEFT)
    person = session.cursor.person
    assert person == 6
    bar.step.setValue(5)
    for camera, spot in ((0, (0.0, 0.0)), (3, (500.0, 250.0)), (4, (1000.0, 500.0))):
        preview = _click_feet(tracks, camera, spot)
        assert preview.places_mm[person] == pytest.approx(spot, abs=100.0)
    frames, places = path_between(session.require_project().tracks, person, 0, 12)
    assert frames.tolist() == list(range(11))
    truth = np.stack([np.arange(11) * 100.0, np.arange(11) * 50.0], axis=-1)
    assert np.linalg.norm(places - truth, axis=-1).max() < 100.0
    QTest.keyClick(tracks.views, Qt.Key.Key_Escape)
    assert session.feet_mode is None
    assert not bar.isVisible()


def test_that_clicks_in_two_views_tell_the_level_of_the_floor(tracks):
    session, bar = tracks.session, tracks.panels.tracks.feet_bar
    session.select(person=5)
    tracks.commands.actions["tracks_feet"].trigger()
    bar.views.setCurrentIndex(1)
    bar.views.activated.emit(1)
    before = _spot(tracks, 5)
    _click_feet(tracks, 0, (800.0, -400.0), 300.0)
    np.testing.assert_array_equal(_spot(tracks, 5), before)  # one click says nothing yet
    _click_feet(tracks, 4, (800.0, -400.0), 300.0)
    assert _spot(tracks, 5, 0) == pytest.approx((800.0, -400.0), abs=100.0)
    assert session.feet_mode.floor_mm == pytest.approx(300.0, abs=100.0)
    assert bar.floor.value() == round(session.feet_mode.floor_mm / 10)


def _dialog(window):
    return next(d for d in window.findChildren(TrackDialog) if d.isVisible())


def test_that_swapping_shows_what_is_in_the_way_and_is_one_step(tracks):
    session = tracks.session
    project = session.require_project()
    key = JointKey(8, 0, 1, 3)
    session.apply(SetJoints(keys=(key,), points_px=((300.0, 300.0),)))
    session.set_frame(4)
    session.select(person=1)
    seen = project.observations(6).points_px
    places = _spot(tracks, 1, 6), _spot(tracks, 2, 6)
    tracks.commands.actions["tracks_swap"].trigger()
    dialog = _dialog(tracks)
    dialog.other.setCurrentIndex(dialog.other.findData(2))
    assert "frame 9" in dialog.conflicts.text()  # as people count
    assert set(session.track_preview.places_mm) == {1, 2}
    dialog.with_labels.setChecked(True)
    assert "Hand labels" not in dialog.conflicts.text()
    QTest.keyClick(dialog, Qt.Key.Key_Return)
    np.testing.assert_array_equal(_spot(tracks, 1, 6), places[1])
    np.testing.assert_array_equal(_spot(tracks, 2, 6), places[0])
    np.testing.assert_array_equal(_spot(tracks, 1, 3), project.tracks.at(3)[1][1, :2])
    np.testing.assert_array_equal(project.observations(6).points_px[[2, 1]], seen[[1, 2]])
    assert project.label(JointKey(8, 0, 2, 3)) is not None
    session.undo()
    np.testing.assert_array_equal(_spot(tracks, 1, 6), places[0])
    np.testing.assert_array_equal(project.observations(6).points_px, seen)


def test_that_a_lock_is_told_where_labels_shall_go_along(tracks):
    session = tracks.session
    session.apply(SetJoints(keys=(JointKey(8, 0, 1, 3),), points_px=((300.0, 300.0),)))
    session.apply(SetReviews(keys=(PointKey(8, 1, 3),), state="locked"))
    session.set_frame(4)
    session.select(person=1)
    tracks.commands.actions["tracks_swap"].trigger()
    dialog = _dialog(tracks)
    dialog.other.setCurrentIndex(dialog.other.findData(2))
    dialog.with_labels.setChecked(True)
    assert "unlock them first: frame 9" in dialog.conflicts.text()
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    session.undo()
    session.undo()


def test_that_a_dialog_left_changes_nothing(tracks):
    tracks.session.select(person=1)
    tracks.commands.actions["tracks_split"].trigger()
    dialog = _dialog(tracks)
    assert dialog.plan is not None
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert tracks.session.require_project().undo_description is None
    assert tracks.session.track_preview is None


def test_that_delete_and_interpolate_make_and_fill_a_gap(tracks):
    session = tracks.session
    session.set_frame(5)
    session.select(person=0)
    tracks.commands.actions["tracks_delete"].trigger()
    QTest.keyClick(_dialog(tracks), Qt.Key.Key_Return)
    project = session.require_project()
    assert 5 not in project.tracks.frames_of(0)
    settle(lambda: _rests(tracks))
    assert ("gap", (0,), 5) in [
        (e.kind, e.persons, e.frame) for e in tracks.panels.tracks.review.shown
    ]
    tracks.commands.actions["tracks_interpolate"].trigger()
    QTest.keyClick(_dialog(tracks), Qt.Key.Key_Return)
    middle = (_spot(tracks, 0, 4) + _spot(tracks, 0, 6)) / 2
    np.testing.assert_allclose(_spot(tracks, 0, 5), middle, atol=1.0)


def test_that_the_list_leads_to_its_frames_and_follows_edits(tracks):
    session, panel = tracks.session, tracks.panels.tracks
    near = _spot(tracks, 1, 7)
    session.set_frame(7)
    panel.place(2, (float(near[0]) + 300.0, float(near[1])))
    session.set_frame(0)
    settle(lambda: _rests(tracks))
    rows = [i for i, e in enumerate(panel.review.shown) if e.persons == (1, 2) and e.frame == 7]
    assert len(rows) == 1
    for _ in range(rows[0] + 1):
        QTest.keyClick(tracks.views, Qt.Key.Key_Period)
    assert session.cursor.frame == 7
    assert session.cursor.person in (1, 2)
    assert panel.count.text().startswith(f"{rows[0] + 1} of")
    place = panel.list.visualRect(panel.review.index(rows[0], 0)).center()
    session.set_frame(2)
    QTest.mouseClick(panel.list.viewport(), LEFT, pos=place)
    assert session.cursor.frame == 7


def test_that_the_menu_places_a_new_person(tracks):
    session, panel = tracks.session, tracks.panels.tracks
    menu = panel.make_menu(None, (100.0, 200.0))
    action = next(a for a in menu.actions() if a.text() == "New person #6 here")
    action.trigger()
    assert _spot(tracks, 6) == pytest.approx((100.0, 200.0))
    assert session.cursor.person == 6
    menu.deleteLater()


def test_that_extending_goes_on_to_the_cursor(tracks):
    session, panel = tracks.session, tracks.panels.tracks
    panel.place(9, (0.0, 0.0))
    session.set_frame(3)
    tracks.commands.actions["tracks_extend"].trigger()
    assert list(session.require_project().tracks.frames_of(9)) == [0, 1, 2, 3]


def test_that_many_places_are_written_in_the_background(qtbot, tracks):
    session, panel = tracks.session, tracks.panels.tracks
    spots = {(f, p): (10.0 * f, 20.0 * p) for f in range(12) for p in range(20, 120)}
    edit = SetTrackPoints(points=tuple(spots.items()), origin="triangulated", name="Many")
    with qtbot.waitSignal(session.edited) as told:
        panel.writer.carry_out(edit, len(spots))
        assert 110 not in session.observations.persons  # the window goes on meanwhile
    assert len(told.args[0].tracks) == 1200
    assert _spot(tracks, 110, 7) == pytest.approx((70.0, 2200.0))
    assert 110 in session.observations.persons


def test_that_a_recording_without_tracks_gets_them_from_its_detections(qtbot, tmp_path):
    path = tmp_path / "bare.trilabel"
    make_project(path, make_world(num_persons=4, num_frames=6)).close()
    (path / "imports" / "tracks.h5").unlink()
    with Project.open(path, read_only=True) as project:
        assert np.isnan(project.observations(2).boxes_px).all()
    window = MainWindow(preferences=Preferences(tmp_path / "preferences.ini"))
    window.resize(1280, 720)
    window.show()
    window.open_project(path)
    settle(lambda: window.session.project is not None)
    window.docks.show(window.panels.tracks)
    settle(lambda: _rests(window))
    window.commands.actions["tracks_from_detections"].trigger()
    project = window.session.require_project()
    qtbot.waitUntil(lambda: project.tracks is not None, timeout=20_000)
    assert project.tracks.persons == (0, 1, 2, 3)
    assert np.isfinite(project.observations(2).boxes_px).all(axis=-1).sum() >= 15
    window.close()
    window.deleteLater()
    QApplication.processEvents()


def _differs(first, second, box):
    """Whether two pictures of the grid differ anywhere within a box."""
    part = box.x, box.y, box.width, box.height
    x, y, width, height = (round(value) for value in part)
    return first.copy(x, y, width, height) != second.copy(x, y, width, height)
