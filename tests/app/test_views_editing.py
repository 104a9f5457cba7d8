"""Tests of editing in the views with real mouse and key events, on a project that is written."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.session import Session
from app.views import ViewGrid
from app.views.scene import Form
from core.observations import Source
from core.project import JointKey, SetJoints
from tests.app.test_views_grid import lonely_joint, settle
from tests.app.views_world import make_project, make_world

LEFT = Qt.MouseButton.LeftButton
RIGHT = Qt.MouseButton.RightButton
NONE = Qt.KeyboardModifier.NoModifier
PERSON, JOINT = 3, 5


@pytest.fixture
def project_path(tmp_path):
    path = tmp_path / "own.trilabel"
    make_project(path, make_world(num_persons=6, num_frames=3)).close()
    return path


@pytest.fixture
def session(qtbot, project_path):
    session = Session()
    with qtbot.waitSignal(session.diagnosis_changed, timeout=60_000):
        session.warm_up()
    session.open_project(project_path)
    session.select(person=PERSON, joint=JOINT)
    yield session
    session.close_project()


@pytest.fixture
def grid(qtbot, session):
    grid = ViewGrid(session)
    qtbot.addWidget(grid)
    grid.resize(1200, 700)
    grid.show()
    qtbot.waitExposed(grid)
    settle(qtbot, grid)
    return grid


def place_by_hand(session, cameras, joint=JOINT, person=PERSON, offset=(0.0, 0.0)):
    row = session.observations.persons.index(person)
    for camera in cameras:
        x, y = session.observations.points_px[row, camera, joint] + offset
        key = JointKey(session.cursor.frame, camera, person, joint)
        session.apply(SetJoints(keys=(key,), points_px=((float(x), float(y)),)))


def seen_by(session, joint=JOINT, num=3):
    """Cameras that see a joint of the selected person well inside their picture."""
    points = session.observations.points_px[session.person_row, :, joint]
    cameras = [
        camera
        for camera, view in enumerate(session.project.rig)
        if np.isfinite(points[camera]).all()
        and (points[camera] > 100).all()
        and (points[camera] < np.array(view.size_px) - 100).all()
    ]
    assert len(cameras) >= num
    return cameras


def label_of(session, camera, joint=JOINT, person=PERSON):
    return session.project.label(JointKey(session.cursor.frame, camera, person, joint))


def drag(grid, start: QPoint, *stops: QPoint, release=True):
    QTest.mouseMove(grid, start)
    QTest.mousePress(grid, LEFT, NONE, start)
    for stop in stops:
        QTest.mouseMove(grid, stop)
        QApplication.processEvents()
    if release:
        QTest.mouseRelease(grid, LEFT, NONE, stops[-1])


def test_that_a_dragged_ring_becomes_one_hand_label_that_is_undone_at_once(grid, session):
    person, joint, place = lonely_joint(grid, 1)
    before = session.observations.points_px[session.observations.persons.index(person), 1, joint]
    start = before.copy()
    scale = grid.panel_of(1).transform.scale
    drag(grid, place, place + QPoint(6, 3), place + QPoint(18, 11))
    label = label_of(session, 1, joint, person)
    assert label.visibility == "visible"
    assert (label.x_px, label.y_px) == pytest.approx((start[0] + 18 / scale, start[1] + 11 / scale))
    assert (session.cursor.person, session.cursor.joint) == (person, joint)
    session.undo()
    assert label_of(session, 1, joint, person) is None
    assert session.project.undo_description is None


def test_that_a_click_on_a_joint_selects_and_writes_nothing(grid, session):
    person, joint, place = lonely_joint(grid, 1)
    drag(grid, place, place + QPoint(2, 1))
    assert (session.cursor.person, session.cursor.joint) == (person, joint)
    assert session.project.undo_description is None


def test_that_the_joint_follows_the_pointer_and_goes_back_when_the_drag_is_left(grid, session):
    person, joint, place = lonely_joint(grid, 1)
    drag(grid, place, place + QPoint(8, 0), place + QPoint(20, 0), release=False)
    panel = grid.panel_of(1)
    row = panel.scene.row_of(person)
    assert panel.scene.form[row, joint] == Form.HELD
    shown = panel.place_of(person, joint)
    assert shown.x() == pytest.approx(place.x() + 20, abs=1)
    grid.editing.cancel()
    assert session.preview is None
    assert panel.scene.form[row, joint] == Form.NETWORK
    QTest.mouseMove(grid, place + QPoint(30, 0))
    QTest.mouseRelease(grid, LEFT, NONE, place + QPoint(30, 0))
    assert session.project.undo_description is None


def test_that_ghosts_in_the_other_views_follow_a_drag(grid, session):
    a, b, c = seen_by(session)[:3]
    place_by_hand(session, (a, b))
    before = grid.aids.ghosts_in(c)
    assert before.joints.tolist() == [JOINT]
    place = grid.panel_of(a).place_of(PERSON, JOINT).toPoint()
    drag(grid, place, place + QPoint(8, 8), place + QPoint(25, 0), release=False)
    moving = grid.aids.ghosts_in(c)
    assert np.linalg.norm(moving.points_px - before.points_px) > 3
    QTest.mouseRelease(grid, LEFT, NONE, place + QPoint(25, 0))
    after = grid.aids.ghosts_in(c)
    assert after.points_px == pytest.approx(moving.points_px, abs=1e-6)


def test_that_a_dragged_ghost_becomes_a_hand_label_from_where_it_hung(grid, session):
    a, b, c = seen_by(session)[:3]
    place_by_hand(session, (a, b), offset=(40.0, 40.0))
    ghosts = grid.aids.ghosts_in(c)
    panel = grid.panel_of(c)
    place = QPoint(*np.rint(panel.transform.to_widget(ghosts.points_px[0])).astype(int).tolist())
    drag(grid, place, place + QPoint(0, 8), place + QPoint(0, 10))
    expected = ghosts.points_px[0] + (0, 10 / panel.transform.scale)
    label = label_of(session, c)
    assert (label.x_px, label.y_px) == pytest.approx(tuple(expected))


def test_that_a_view_placed_by_hand_gets_its_ghost_from_the_others_alone(grid, session):
    a, b, c = seen_by(session)[:3]
    place_by_hand(session, (a, b, c))
    honest = grid.aids.ghosts_in(c).points_px[0].copy()
    place_by_hand(session, (c,), offset=(30.0, 0.0))
    assert grid.aids.ghosts_in(c).points_px[0] == pytest.approx(honest, abs=1e-6)


def test_that_placing_sets_joint_after_joint_and_leaves_hand_labels_alone(grid, session):
    camera = seen_by(session)[0]
    place_by_hand(session, (camera,), joint=1)
    fixed = label_of(session, camera, 1)
    session.select(joint=0, camera=camera)
    grid.editing.toggle_placing()
    box = grid.panel_of(camera).cell.picture
    first = QPoint(int(box.x + 40), int(box.y + 50))
    QTest.mouseClick(grid, LEFT, NONE, first)
    assert session.cursor.joint == 2
    QTest.mouseClick(grid, LEFT, NONE, first + QPoint(30, 0))
    assert session.cursor.joint == 3
    row = session.person_row
    assert session.observations.source[row, camera, :3].tolist() == [Source.HAND] * 3
    assert label_of(session, camera, 1) == fixed
    grid.editing.cancel()
    assert not grid.editing.is_placing
    QTest.mouseClick(grid, LEFT, NONE, first + QPoint(60, 0))
    assert label_of(session, camera, 3) is None


def test_that_another_frame_ends_a_drag_without_an_edit(grid, session):
    _, _, place = lonely_joint(grid, 1)
    drag(grid, place, place + QPoint(8, 0), place + QPoint(20, 0), release=False)
    session.step(1)
    QTest.mouseRelease(grid, LEFT, NONE, place + QPoint(20, 0))
    assert session.project.undo_description is None
    assert session.preview is None
