"""Tests of editing in the views with real mouse and key events, on a project that is written."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.inspector.empty import why_empty
from app.session import Session
from app.views import ViewGrid
from app.views.chrome import title_info
from app.views.epipolar import footprints, nearest_on
from app.views.handle import handle_place
from app.views.marking import Mark
from app.views.panel import Marks
from app.views.scene import Form, split_look
from core.errors import CommandRefusedError
from core.labelling import accepted_ghosts
from core.observations import Source
from core.project import (
    JointKey,
    PointKey,
    Project,
    ProjectSpec,
    SetJoints,
    SetOverrides,
    SetReviews,
    SetVisibility,
)
from core.skeleton import load_skeleton
from tests.app.test_views_grid import lonely_joint, settle
from tests.app.views_world import make_project, make_world

LEFT = Qt.MouseButton.LeftButton
RIGHT = Qt.MouseButton.RightButton
NONE = Qt.KeyboardModifier.NoModifier
PERSON, JOINT = 2, 5  # the world puts one far off: not this one


@pytest.fixture
def project_path(tmp_path):
    path = tmp_path / "own.trilabel"
    bare = tuple(f"ace_{camera}" for camera in range(8))  # no pictures: they are another room's
    make_project(path, make_world(num_persons=6, num_frames=2), without=bare).close()
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


def settle_and_paint(grid):
    for _ in range(3):
        QApplication.processEvents()


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


def test_that_a_project_with_nobody_tells_how_to_begin(qtbot, tmp_path):
    rig = make_world(num_persons=6, num_frames=1).rig
    skeleton = load_skeleton("sportcenter13")
    spec = ProjectSpec(name="bare", rig=rig, skeleton=skeleton, num_frames=1)
    Project.create(tmp_path / "bare.trilabel", spec).close()
    session = Session()
    with qtbot.waitSignal(session.diagnosis_changed, timeout=60_000):
        session.warm_up()
    session.open_project(tmp_path / "bare.trilabel")
    grid = ViewGrid(session)
    qtbot.addWidget(grid)
    with pytest.raises(CommandRefusedError, match="New person first"):
        grid.editing.toggle_placing()
    assert "New person" in why_empty(session)
    session.select(person=0, joint=0)
    assert "#0 is new: press N" in why_empty(session)
    grid.editing.toggle_placing()
    assert grid.editing.is_placing
    session.close_project()


def test_that_another_frame_ends_a_drag_without_an_edit(grid, session):
    _, _, place = lonely_joint(grid, 1)
    drag(grid, place, place + QPoint(8, 0), place + QPoint(20, 0), release=False)
    session.step(1)
    QTest.mouseRelease(grid, LEFT, NONE, place + QPoint(20, 0))
    assert session.project.undo_description is None
    assert session.preview is None


def test_that_the_ray_of_a_joint_runs_past_it_in_the_other_views(grid, session):
    a, b = seen_by(session)[:2]
    session.select(camera=a)
    (curve,) = grid.aids.curves_in(b)
    assert curve.camera == a
    point = session.observations.points_px[session.person_row, b, JOINT]
    _, away = nearest_on(curve.lines_px, point)
    assert away < 8  # noise of both detections
    assert grid.aids.curves_in(a) == ()
    session.set_display(epipolar=False)
    assert grid.aids.curves_in(b) == ()


def test_that_a_snapped_joint_goes_to_the_ray_of_a_hand_label(grid, session):
    a, b = seen_by(session)[:2]
    place_by_hand(session, (a,))
    session.set_display(snapping=True)
    session.select(camera=b)
    lines = next(curve.lines_px for curve in grid.aids.curves_in(b) if curve.camera == a)
    place = grid.panel_of(b).place_of(PERSON, JOINT).toPoint()
    drag(grid, place, place + QPoint(6, 6), place + QPoint(4, 3))
    label = label_of(session, b)
    assert nearest_on(lines, np.array([label.x_px, label.y_px]))[1] < 0.1


def test_that_alt_while_dragging_keeps_a_joint_off_the_ray(grid, session):
    a, b = seen_by(session)[:2]
    place_by_hand(session, (a,))
    session.set_display(snapping=True)
    session.select(camera=b)
    lines = next(curve.lines_px for curve in grid.aids.curves_in(b) if curve.camera == a)
    start = QPointF(grid.panel_of(b).place_of(PERSON, JOINT).toPoint())
    kinds = QEvent.Type
    for kind, shift, button, buttons in (
        (kinds.MouseButtonPress, (0, 0), LEFT, LEFT),
        (kinds.MouseMove, (6, 6), Qt.MouseButton.NoButton, LEFT),
        (kinds.MouseMove, (4, 3), Qt.MouseButton.NoButton, LEFT),
        (kinds.MouseButtonRelease, (4, 3), LEFT, Qt.MouseButton.NoButton),
    ):
        at = start + QPointF(*shift)
        modifiers = Qt.KeyboardModifier.AltModifier
        event = QMouseEvent(kind, at, grid.mapToGlobal(at), button, buttons, modifiers)
        QApplication.sendEvent(grid, event)
    label = label_of(session, b)
    assert nearest_on(lines, np.array([label.x_px, label.y_px]))[1] > 0.5


def test_that_the_handle_moves_all_of_a_person_in_one_step(grid, session):
    camera = seen_by(session)[0]
    grid.frame_person()
    settle_and_paint(grid)
    row = session.person_row
    before = session.observations.points_px[row].copy()
    panel = grid.panel_of(camera)
    handle = handle_place(panel, PERSON).toPoint()
    drag(grid, handle, handle + QPoint(6, -6), handle + QPoint(-16, -20))
    after = session.observations.points_px[row]
    seen = np.isfinite(before[camera]).all(axis=-1)
    delta = np.array([-16, -20]) / panel.transform.scale
    assert after[camera, seen] == pytest.approx(before[camera, seen] + delta, abs=1e-6)
    others = np.arange(len(before)) != camera
    assert np.array_equal(after[others], before[others], equal_nan=True)
    session.undo()
    assert session.project.undo_description is None


def test_that_a_right_click_in_place_asks_for_the_menu_of_the_joint(qtbot, grid, session):
    person, joint, place = lonely_joint(grid, 1)
    with qtbot.waitSignal(grid.joint_menu_requested) as asked:
        QTest.mouseClick(grid, RIGHT, NONE, place)
    target, _ = asked.args
    assert (target.camera, target.person, target.joint) == (1, person, joint)
    assert (session.cursor.person, session.cursor.joint) == (person, joint)


def test_that_forms_tell_occluded_locked_and_accepted(grid, session):
    a, b, c = seen_by(session)[:3]
    place_by_hand(session, (a, b))
    frame = session.cursor.frame
    session.apply(SetVisibility(keys=(JointKey(frame, a, PERSON, JOINT),), visibility="occluded"))
    session.apply(
        accepted_ghosts(
            session.ghosts, session.observations, session.project.rig, person=PERSON, cameras=[c]
        )
    )
    session.apply(SetReviews(keys=(PointKey(frame, PERSON, JOINT),), state="locked"))
    row = session.person_row
    looks = [split_look(int(grid.panel_of(camera).scene.look[row, JOINT])) for camera in (a, b, c)]
    assert [form for form, _, _ in looks] == [Form.HAND, Form.HAND, Form.ACCEPTED]
    assert all(Mark.LOCKED in marks for _, marks, _ in looks)
    assert [Mark.OCCLUDED in marks for _, marks, _ in looks] == [True, False, False]


def test_that_a_footprint_is_about_its_joint_and_longest_where_the_views_know_least(session):
    uncertain = np.diag([400.0, 25.0, 25.0])  # 20 mm along x, 5 mm across
    rig = session.project.rig
    point = session.diagnosis.triangulation.points_mm[session.person_row, JOINT]
    outlines = footprints(rig, point, uncertain)
    middles = rig.project(point[None, None])[0, :, 0]
    seen = np.isfinite(middles).all(axis=-1)
    assert outlines[seen].mean(axis=1) == pytest.approx(middles[seen], abs=0.05)
    tip = rig.project(np.add(point, (40.0, 0, 0))[None, None])[0, :, 0]  # two standard deviations
    for camera in np.flatnonzero(seen & np.isfinite(tip).all(axis=-1)):
        reach = np.linalg.norm(outlines[camera] - middles[camera], axis=-1).max()
        assert reach >= np.linalg.norm(tip[camera] - middles[camera]) - 0.3


def test_that_a_locked_joint_is_refused_when_the_drag_begins(grid, session):
    person, joint, start = lonely_joint(grid, 1)
    place_by_hand(session, [2], joint, person)
    session.apply(SetReviews(keys=(PointKey(0, person, joint),), state="locked"))
    said = []
    session.message_posted.connect(said.append)
    QTest.mousePress(grid, LEFT, NONE, start)
    QTest.mouseMove(grid, start + QPoint(12, 9))
    assert session.preview is None
    assert "locked" in said[-1]
    QTest.mouseRelease(grid, LEFT, NONE, start + QPoint(12, 9))
    assert len(said) == 1
    assert label_of(session, 1, joint, person) is None


def test_that_the_title_names_a_muted_view(grid, session):
    session.apply(SetOverrides(keys=(JointKey(0, 1, PERSON, JOINT),), muted=True))
    for camera, is_muted in ((1, True), (2, False)):
        panel = grid.panel_of(camera)
        marks = Marks(row=panel.scene.row_of(PERSON), joint=JOINT, is_residuals=False)
        info = title_info(panel, marks, is_current=False, is_known=True)
        assert info.is_muted == is_muted
