"""Joints dragged through space in the 3D viewer, by real pointer and key events."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolTip

from app.scene import SceneView
from app.scene.dragging import SpaceDrag
from app.scene.evidence import Ellipsoids, ellipse_strokes, joint_strokes, person_ellipsoids
from app.scene.forms import ghost_strokes, review_strokes
from app.scene.viewpoint import OrbitView
from app.session import Session
from app.theme import DARK
from core.diagnosis import joint_uncertainty
from core.errors import CommandRefusedError
from core.labelling import Ray
from core.observations import Source
from core.project import (
    AcceptedPoint,
    AcceptPoints,
    JointKey,
    PointKey,
    Provenance,
    SetJoints,
    SetOverrides,
    SetReviews,
)
from tests.app.test_scene_view import paint, send_move
from tests.app.views_world import make_project, make_world

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
CTRL = Qt.KeyboardModifier.ControlModifier
PERSON, JOINT, CAMERA = 2, 3, 1


@pytest.fixture
def session(qtbot, tmp_path):
    """A session on a project of its own, which may be changed."""
    path = tmp_path / "own.trilabel"
    world = make_world(num_persons=4, num_frames=2)
    make_project(path, world, without=world.rig.names).close()
    session = Session()
    with qtbot.waitSignal(session.diagnosis_changed, timeout=60_000):
        session.warm_up()
    session.open_project(path)
    session.select(person=PERSON, joint=JOINT, camera=CAMERA)
    yield session
    session.close_project()


@pytest.fixture
def view(qtbot, session):
    """Near the selected person, so that the selected joint is well apart from others."""
    view = SceneView(session)
    view.resize(640, 420)
    view.show()
    qtbot.waitExposed(view)
    paint(view)
    view.toggle_follow()
    paint(view)
    yield view
    view.close()
    view.deleteLater()
    QApplication.processEvents()


def handle(view):
    """Where the selected joint is drawn."""
    return view.drawing.canvas_positions(view.content.selected_joint_point())


def pull(view, by, modifier=NONE, *, steps=4):
    """Press on the selected joint and move, without letting go; the end on the canvas."""
    start = handle(view)
    canvas = view.drawing.widget
    QTest.mousePress(canvas, LEFT, modifier, QPoint(*np.round(start).astype(int).tolist()))
    for step in range(1, steps + 1):
        to = start + np.array(by) * step / steps
        send_move(canvas, QPointF(*to), LEFT, modifier)
    return start + by


def let_go(view, at, modifier=NONE):
    QTest.mouseRelease(
        view.drawing.widget, LEFT, modifier, QPoint(*np.round(at).astype(int).tolist())
    )


def drag(view, by, modifier=NONE):
    let_go(view, pull(view, by, modifier), modifier)


def point_mm(session):
    return session.diagnosis.triangulation.points_mm[session.person_row, JOINT].copy()


def label_by_hand(session, camera, by=(0.0, 0.0)):
    x, y = session.diagnosis.reprojection_px[session.person_row, camera, JOINT] + by
    key = JointKey(0, camera, PERSON, JOINT)
    session.apply(SetJoints(keys=(key,), points_px=((x, y),)))
    return key


def sources(session):
    return session.observations.source[session.person_row, :, JOINT]


def test_that_a_drag_of_the_selected_joint_is_one_edit_of_all_other_views(view, session):
    before = point_mm(session)
    stage, pinhole = view.content.stage, view.drawing.pinhole
    start = handle(view)
    drag(view, (40, -30))
    after = point_mm(session)
    moved = view.drawing.canvas_positions(stage.place(after))
    np.testing.assert_allclose(moved - start, (40, -30), atol=1.0)
    depths = pinhole.depth(stage.place(np.stack([before, after])))
    assert depths[1] == pytest.approx(depths[0], abs=1e-3)
    assert set(sources(session).tolist()) == {Source.REPROJECTED}
    assert "from 3D" in session.project.undo_description
    session.undo()
    np.testing.assert_allclose(point_mm(session), before)
    assert session.project.undo_description is None


def test_that_dragging_any_other_joint_turns_the_view_and_edits_nothing(view, session):
    row = session.person_row
    other = next(
        joint
        for joint in np.flatnonzero(view.content.figures.kept[row]).tolist()
        if np.linalg.norm(
            view.drawing.canvas_positions(view.content.figures.points[row, joint]) - handle(view)
        )
        > 40
    )
    start = view.drawing.canvas_positions(view.content.figures.points[row, other])
    azimuth = view.drawing.viewpoint.azimuth
    QTest.mousePress(view.drawing.widget, LEFT, NONE, QPoint(*start.astype(int).tolist()))
    end = np.add(start, (50, 0))
    send_move(view.drawing.widget, QPointF(*end), LEFT, NONE)
    let_go(view, end)
    assert view.drawing.viewpoint.azimuth != azimuth
    assert session.project.undo_description is None


def test_that_a_click_on_the_selected_joint_edits_nothing(view, session):
    viewpoint = view.drawing.viewpoint
    QTest.mouseClick(view.drawing.widget, LEFT, NONE, QPoint(*handle(view).astype(int).tolist()))
    assert session.project.undo_description is None
    assert session.preview is None
    assert view.drawing.viewpoint is viewpoint


def test_that_the_preview_follows_live_and_nothing_is_written_before_the_release(view, session):
    told = []
    session.preview_changed.connect(told.append)
    at = pull(view, (30, 20), steps=5)
    assert len(told) >= 4
    (key,) = told[-1].points_mm
    assert key == PointKey(0, PERSON, JOINT)
    assert told[-1].points_mm[key] != told[0].points_mm[key]
    shown = session.project.rig.project(np.array(told[-1].points_mm[key])[None])[:, 0]
    for joint, place in told[-1].points_px.items():
        np.testing.assert_allclose(place, shown[joint.camera])
    assert told[-1].reprojected == set(told[-1].points_px)
    assert session.project.undo_description is None
    let_go(view, at)
    assert session.preview is None
    assert session.project.undo_description is not None


def test_that_escape_ends_a_drag_without_an_edit(view, session):
    at = pull(view, (30, 20))
    assert session.preview is not None
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert session.preview is None
    viewpoint = view.drawing.viewpoint
    send_move(view.drawing.widget, QPointF(*(at + 20)), LEFT, NONE)
    let_go(view, at + 20)
    assert session.project.undo_description is None
    assert view.drawing.viewpoint is viewpoint


def test_that_a_level_drag_keeps_the_height(view, session):
    before = point_mm(session)
    drag(view, (40, -10), SHIFT)
    after = point_mm(session)
    assert after[2] == pytest.approx(before[2], abs=0.5)
    assert np.linalg.norm(after - before) > 50


def test_that_a_drag_along_the_ray_leaves_the_focused_view_as_it_is(view, session):
    key = label_by_hand(session, CAMERA, by=(3.0, -2.0))
    paint(view)
    before = session.observations.points_px[session.person_row, CAMERA, JOINT].copy()
    pull(view, (60, 10), CTRL)
    (moved,) = session.preview.points_mm.values()
    assert key not in session.preview.points_px
    np.testing.assert_allclose(
        session.project.rig[CAMERA].project(np.array(moved)), before, atol=0.05
    )
    QTest.keyClick(view, Qt.Key.Key_Escape)
    let_go(view, handle(view), CTRL)


def test_that_hand_labels_move_only_where_that_was_chosen(view, session):
    keys = [label_by_hand(session, camera) for camera in (0, 4)]
    before = [session.project.label(key) for key in keys]
    paint(view)
    drag(view, (30, 10))
    assert [session.project.label(key) for key in keys] == before
    session.undo()
    paint(view)
    view.choose_next_views()  # views with a hand label
    ghosts = session.ghosts.points_mm[session.person_row, JOINT].copy()
    at = pull(view, (30, 10))
    assert set(session.preview.points_px) == set(keys)
    assert np.linalg.norm(session.ghosts.points_mm[session.person_row, JOINT] - ghosts) > 20
    let_go(view, at)
    assert all(session.project.label(key) not in before for key in keys)
    assert sources(session)[[0, 4]].tolist() == [Source.HAND, Source.HAND]
    assert Source.REPROJECTED not in sources(session)


def test_that_the_menu_in_the_corner_chooses_one_view(view, session):
    (button,) = [child for child in view.children() if hasattr(child, "show_choice")]
    action = next(a for a in button.menu().actions() if a.text().startswith("The focused camera"))
    menu = button.menu()

    def click():
        QTest.mouseClick(menu, LEFT, NONE, menu.actionGeometry(action).center())

    QTimer.singleShot(100, click)
    QTest.mouseClick(button, LEFT)
    assert action.isChecked()
    drag(view, (25, 5))
    changed = np.flatnonzero(sources(session) == Source.REPROJECTED)
    assert changed.tolist() == [CAMERA]
    assert button.geometry().right() <= view.width()


def test_that_a_locked_joint_says_why_it_does_not_move(view, session):
    label_by_hand(session, 0)
    session.apply(SetReviews(keys=(PointKey(0, PERSON, JOINT),), state="locked"))
    steps = session.project.undo_description
    paint(view)
    told = []
    session.message_posted.connect(told.append)
    viewpoint = view.drawing.viewpoint
    drag(view, (30, 0))
    assert "is locked" in told[-1]
    assert session.project.undo_description == steps
    assert session.preview is None
    assert view.drawing.viewpoint is viewpoint


def test_that_another_frame_in_the_middle_of_a_drag_ends_it(view, session):
    at = pull(view, (30, 0))
    session.set_frame(1)
    assert session.preview is None
    let_go(view, at)
    assert session.project.undo_description is None


def test_that_undoing_in_the_middle_of_a_drag_keeps_the_session_in_step(view, session):
    drag(view, (20, 0))
    paint(view)
    at = pull(view, (30, 0))
    session.undo()
    let_go(view, at)
    with pytest.raises(CommandRefusedError):
        session.undo()
    assert session.preview is None


def test_that_hovering_the_selected_joint_tells_how_to_move_it(view, session):
    canvas = view.drawing.widget
    send_move(canvas, QPointF(*handle(view)), Qt.MouseButton.NoButton, NONE)
    assert canvas.cursor().shape() == Qt.CursorShape.SizeAllCursor
    assert session.project.rig.names[CAMERA] in QToolTip.text()
    send_move(canvas, QPointF(3, 3), Qt.MouseButton.NoButton, NONE)
    assert canvas.cursor().shape() == Qt.CursorShape.ArrowCursor


def test_that_a_read_only_project_refuses_and_offers_nothing(qtbot, session, tmp_path):
    other = Session(read_only=True)
    with qtbot.waitSignal(other.diagnosis_changed, timeout=60_000):
        other.warm_up()
    other.open_project(session.project.path)
    other.select(person=PERSON, joint=JOINT)
    view = SceneView(other)
    view.resize(640, 420)
    view.show()
    qtbot.waitExposed(view)
    view.toggle_follow()
    paint(view)
    told = []
    other.message_posted.connect(told.append)
    drag(view, (30, 0))
    assert told[-1].startswith("Nothing can be moved")
    (button,) = [child for child in view.children() if hasattr(child, "show_choice")]
    assert not button.isVisible()
    view.close()
    view.deleteLater()
    other.close_project()
    QApplication.processEvents()


def test_that_keys_choose_the_views_and_show_ellipsoids(window):
    told, session = [], window.session
    session.message_posted.connect(told.append)
    QTest.keyClick(window, Qt.Key.Key_U, SHIFT)
    assert told[-1] == "A drag in 3D moves: views with a hand label."
    before = session.display.ellipsoids
    QTest.keyClick(window, Qt.Key.Key_U)
    assert session.display.ellipsoids is not before
    session.set_display(ellipsoids=before)


def test_that_a_change_of_the_constraint_does_not_make_the_joint_jump():
    pinhole = OrbitView(np.zeros(3), 20.0).pinhole((640, 420))
    start = np.array([0.5, 0.2, 1.0])
    place = pinhole.project(start)
    grip = (float(place[0]) + 3, float(place[1]) - 2)
    ray = Ray(np.array([8.0, -4.0, 5.0]), start - (8.0, -4.0, 5.0))
    dragged = SpaceDrag(start, grip, ray, reach=40.0)
    assert dragged.move((grip[0] + 30, grip[1]), "picture", pinhole)
    for constraint in ("level", "picture", "ray"):
        before = dragged.point.copy()
        assert dragged.move((grip[0] + 30, grip[1]), constraint, pinhole)
        if constraint != "ray":
            np.testing.assert_allclose(dragged.point, before, atol=1e-9)
        else:
            off = np.cross(dragged.point - ray.origin, ray.direction)
            assert np.linalg.norm(off) < 1e-9


def test_that_beyond_the_horizon_a_level_drag_stays_where_it_was():
    pinhole = OrbitView(np.zeros(3), 20.0, elevation=10.0).pinhole((640, 420))
    start = np.array([0.0, 0.0, 1.0])
    x, y = pinhole.project(start)
    dragged = SpaceDrag(start, (x, y), Ray(start * 9, -start), reach=40.0)
    assert dragged.move((x, y - 1), "level", pinhole)
    kept = dragged.point
    assert not dragged.move((x, y - 300), "level", pinhole)
    assert dragged.point is kept


def test_that_the_forms_of_reviews_stand_where_the_joints_are(view, session):
    points = session.diagnosis.triangulation.points_mm[session.person_row]
    told = Provenance(source="detections")
    for joint, state in ((0, "accepted"), (1, "locked")):
        accepted = AcceptedPoint(PointKey(0, PERSON, joint), tuple(points[joint]), told)
        session.apply(AcceptPoints(points=(accepted,), state=state))
    session.apply(SetReviews(keys=(PointKey(0, PERSON, 2),), state="rejected"))
    paint(view)
    content = view.content
    strokes = review_strokes(content.figures, content.decisions, session.person_row, DARK)
    placed = content.stage.place(points)
    for joint, sides in ((0, 4), (1, 4), (2, 2), (4, 0)):
        here = np.linalg.norm(strokes["a_start"] - placed[joint], axis=1) < 1e-4
        assert here.sum() == sides
    diamond = np.linalg.norm(strokes["a_start"] - placed[0], axis=1) < 1e-4
    square = np.linalg.norm(strokes["a_start"] - placed[1], axis=1) < 1e-4
    assert (strokes["a_offsets"][diamond][:, :2] == 0).any(axis=1).all()
    assert (strokes["a_offsets"][square] != 0).all()


def test_that_a_muted_ray_is_dashed_and_still_there(view, session):
    def rays():
        content = view.content
        return joint_strokes(
            content.stage,
            session.project.rig,
            session.diagnosis,
            session.person_row,
            JOINT,
            DARK,
            muted=content.decisions.muted[session.person_row, :, JOINT],
        )

    before, image = len(rays()), paint(view)
    session.apply(SetOverrides(keys=(JointKey(0, CAMERA, PERSON, JOINT),), muted=True))
    after = paint(view)
    assert not session.diagnosis.observed[session.person_row, CAMERA, JOINT]
    assert len(rays()) > before + 10
    assert np.abs(after - image).max() > 40


def test_that_ghosts_of_hand_labels_stand_in_space_and_warn_of_parallel_rays(view, session):
    paint(view)
    content = view.content
    none = ghost_strokes(content.stage, content.figures, session.ghosts, 2, DARK)
    assert len(none) == 0
    label_by_hand(session, 0)
    label_by_hand(session, 3)
    paint(view)
    ghosts = session.ghosts
    strokes = ghost_strokes(content.stage, content.figures, ghosts, 2, DARK)
    ghost = content.stage.place(ghosts.points_mm[session.person_row, JOINT])
    np.testing.assert_allclose(strokes["a_start"][0], ghost, atol=1e-4)
    assert strokes["a_color"][0, 3] < 1
    narrow = replace(ghosts, angle_deg=np.full_like(ghosts.angle_deg, 2.0))
    warned = ghost_strokes(content.stage, content.figures, narrow, 2, DARK)
    assert len(warned) == len(strokes) + 1


def test_that_ellipsoids_of_the_person_come_and_go(view, session):
    session.set_display(ellipsoids=True)
    content = view.content
    row, rig = session.person_row, session.project.rig
    shown = person_ellipsoids(content.stage, rig, session.diagnosis, row).without(JOINT)
    own, kept = content.figures.points[row], np.flatnonzero(content.figures.kept[row])
    nearest = np.linalg.norm(shown.centers[:, None] - own, axis=2).argmin(axis=1)
    assert nearest.tolist() == [joint for joint in kept.tolist() if joint != JOINT]
    semi_mm = joint_uncertainty(session.diagnosis, rig, row, kept[0]).semi_axes_mm
    along = np.linalg.eigvalsh(shown.covariances[0])[::-1]
    np.testing.assert_allclose(np.sqrt(along) * content.stage.unit_mm, semi_mm, rtol=1e-6)
    view.wheeled(0.2, tuple(handle(view)))
    painted = paint(view)
    session.set_display(ellipsoids=False)
    assert np.abs(paint(view) - painted).max() > 40


def test_that_an_ellipsoid_is_outlined_as_it_is_seen():
    flat = Ellipsoids(np.array([[1.0, 2.0, 3.0]]), np.diag([0.04, 0.01, 0.25])[None], np.array([0]))
    for axes, (wide, high) in (
        (np.eye(3), (0.2, 0.1)),
        (np.eye(3)[[1, 2, 0]], (0.1, 0.5)),
    ):
        rim = ellipse_strokes(flat, axes, (1.0, 1.0, 1.0, 1.0))["a_start"] - flat.centers
        np.testing.assert_allclose(rim @ axes[2], 0, atol=1e-6)
        assert np.abs(rim @ axes[0]).max() == pytest.approx(2 * wide, rel=0.02)
        assert np.abs(rim @ axes[1]).max() == pytest.approx(2 * high, rel=0.02)
