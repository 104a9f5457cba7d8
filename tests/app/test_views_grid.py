"""Tests of the grid with a real project, real pictures and real mouse events."""

import gc

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.session import Session
from app.state import HoverTarget
from app.theme import DARK
from app.views import ViewGrid
from app.views.chrome import title_info
from app.views.menu import make_menu
from app.views.panel import Marks
from core.errors import CommandRefusedError
from core.recording import FrameLoader
from tests.app.views_world import OUTLIER, SIZES, make_project, make_world

NO_PICTURES = 5  # this camera has none
GAP_CAMERA, GAP_FRAME = 1, 2  # this one's picture is missing


@pytest.fixture(scope="module")
def project_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("views") / "match.trilabel"
    make_project(path, make_world(num_persons=6, num_frames=4), without=("ace_5",)).close()
    return path


@pytest.fixture
def session(qtbot, project_path):
    session = Session()
    with qtbot.waitSignal(session.diagnosis_changed, timeout=60_000):
        session.warm_up()
    session.open_project(project_path)
    session.select(person=3, joint=0)
    yield session
    session.close_project()


@pytest.fixture
def grid(qtbot, session):
    grid = ViewGrid(session)
    qtbot.addWidget(grid)
    grid.resize(960, 600)
    grid.show()
    qtbot.waitExposed(grid)
    settle(qtbot, grid)
    return grid


def settle(qtbot, grid):
    qtbot.waitUntil(lambda: grid.is_settled, timeout=10_000)
    QApplication.processEvents()


def place_of(grid, camera, person, joint) -> QPoint:
    place = grid.panel_of(camera).place_of(person, joint)
    assert place is not None
    return place.toPoint()


def lonely_joint(grid, camera):
    """A person and joint of a view that no other joint is near to, and where it is drawn."""
    panel = grid.panel_of(camera)
    scene = panel.scene
    places = panel.transform.to_widget(scene.points_px)
    flat = places.reshape(-1, 2)
    away = np.linalg.norm(places[:, :, None] - flat, axis=-1)
    away[~np.isfinite(away)] = np.inf
    nearest = np.sort(away, axis=-1)[..., 1]
    nearest[~np.isfinite(places).all(axis=-1)] = -1
    row, joint = divmod(int(nearest.argmax()), nearest.shape[1])
    return scene.persons[row], joint, place_of(grid, camera, scene.persons[row], joint)


def pixels(widget) -> np.ndarray:
    image = widget.grab().toImage().convertToFormat(widget.grab().toImage().Format.Format_RGB32)
    data = np.frombuffer(image.constBits(), np.uint8)
    return data.reshape(image.height(), image.bytesPerLine() // 4, 4)[:, : image.width(), :3].copy()


def view_pixels(grid, camera) -> np.ndarray:
    box = grid.panel_of(camera).cell.picture
    x, y = int(box.x), int(box.y)
    return pixels(grid)[y + 2 : y + int(box.height) - 2, x + 2 : x + int(box.width) - 2]


def turn_wheel(grid, at: QPoint, notches: int):
    event = QWheelEvent(
        QPointF(at),
        QPointF(grid.mapToGlobal(at)),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(grid, event)


def drag(grid, button, start: QPoint, end: QPoint):
    QTest.mousePress(grid, button, pos=start)
    middle = (start + end) / 2
    for at in (middle, end):
        QTest.mouseMove(grid, at)
        QApplication.processEvents()
    QTest.mouseRelease(grid, button, pos=end)


def test_every_camera_shows_its_picture_or_says_why_not(grid):
    states = [grid.panel_of(camera).picture.state for camera in range(8)]
    assert states == ["ok"] * NO_PICTURES + ["no_pictures"] + ["ok"] * 2
    assert grid.panel_of(NO_PICTURES).note == "no pictures"
    assert grid.panel_of(NO_PICTURES).size_px == SIZES[NO_PICTURES]


def test_the_picture_lies_where_the_people_are_drawn(grid):
    # The floor is light and people are drawn dark: under a joint the bare picture is dark.
    grid.set_overlays_hidden(True)
    for camera in (0, 2, 4):
        panel = grid.panel_of(camera)
        hips = panel.transform.to_widget(panel.scene.points_px[:, 7])
        shown = pixels(grid)
        inside = [p for p in hips if np.isfinite(p).all() and panel.cell.picture.contains(*p)]
        darkest = [
            shown[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].sum(axis=-1).min()
            for x, y in inside
        ]
        assert len(inside) >= 4
        assert np.median(darkest) < 420


def test_a_click_on_a_joint_selects_person_joint_and_camera(grid, session):
    for camera in (2, 4):
        person, joint, place = lonely_joint(grid, camera)
        QTest.mouseClick(grid, Qt.MouseButton.LeftButton, pos=place)
        cursor = session.cursor
        assert (cursor.camera, cursor.person, cursor.joint) == (camera, person, joint)


def test_a_selection_is_repainted_in_every_view(grid, session):
    before = [view_pixels(grid, camera) for camera in range(8)]
    session.select(person=1, joint=4)
    for camera in range(8):
        if grid.panel_of(camera).place_of(1, 4) is not None:
            assert (view_pixels(grid, camera) != before[camera]).any()


def test_a_click_on_the_floor_selects_the_camera_and_keeps_the_joint(grid, session):
    before = session.cursor
    box = grid.panel_of(3).cell.picture
    QTest.mouseClick(grid, Qt.MouseButton.LeftButton, pos=QPoint(int(box.x) + 4, int(box.y) + 4))
    assert session.cursor.camera == 3
    assert (session.cursor.person, session.cursor.joint) == (before.person, before.joint)


def test_hovering_a_joint_tells_the_session_and_leaving_takes_it_back(grid, session, qtbot):
    person, joint, place = lonely_joint(grid, 2)
    bare = pixels(grid)
    QTest.mouseMove(grid, place)
    qtbot.waitUntil(lambda: session.hover_target is not None)
    assert session.hover_target == HoverTarget(person=person, joint=joint, camera=2)
    assert (pixels(grid) != bare).sum() > 10_000  # the card
    box = grid.panel_of(2).cell.picture
    QTest.mouseMove(grid, QPoint(int(box.x) + 3, int(box.y) + 3))
    qtbot.waitUntil(lambda: session.hover_target is None)
    assert (pixels(grid) == bare).all()


def test_a_joint_hovered_in_another_panel_is_ringed_in_the_views(grid, session):
    before = view_pixels(grid, 0)
    session.hover(HoverTarget(person=2, joint=8))
    assert (view_pixels(grid, 0) != before).any()


def test_the_wheel_zooms_one_camera_about_the_pointer(grid):
    panel = grid.panel_of(4)
    at = QPoint(int(panel.cell.picture.x) + 70, int(panel.cell.picture.y) + 50)
    before = panel.transform.to_picture(at.x(), at.y())
    turn_wheel(grid, at, 5)
    assert panel.zoom.factor == pytest.approx(1.2**5)
    assert panel.transform.to_picture(at.x(), at.y()) == pytest.approx(before)
    assert grid.panel_of(3).zoom.is_whole


def test_a_zoomed_view_gets_a_larger_picture(grid, qtbot):
    panel = grid.panel_of(4)
    small = panel.picture.image.width()
    turn_wheel(grid, QPoint(int(panel.cell.picture.x) + 70, int(panel.cell.picture.y) + 50), 12)
    qtbot.waitUntil(lambda: panel.picture.image.width() == SIZES[4][0], timeout=5_000)
    assert small < SIZES[4][0] / 2


@pytest.mark.parametrize("button", [Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton])
def test_a_drag_moves_the_picture_with_the_hand(grid, button):
    panel = grid.panel_of(4)
    x, y = int(panel.cell.picture.x) + 70, int(panel.cell.picture.y) + 60
    turn_wheel(grid, QPoint(x, y), 8)
    held = panel.transform.to_picture(x, y)
    drag(grid, button, QPoint(x, y), QPoint(x + 20, y + 10))
    assert panel.transform.to_picture(x + 20, y + 10) == pytest.approx(held, abs=0.5)


def test_the_zoom_sticks_over_frames_and_focus(grid, session, qtbot):
    grid.set_zoom(4, grid.panel_of(4).transform.zoomed(3, 700, 300))
    zoom = grid.panel_of(4).zoom
    session.step(1)
    settle(qtbot, grid)
    grid.focus_camera(4)
    grid.focus_camera(None)
    assert grid.panel_of(4).zoom == zoom


def test_framing_zooms_every_view_that_sees_the_person(grid, session):
    session.select(person=2)
    grid.frame_person()
    for camera in range(8):
        panel = grid.panel_of(camera)
        box = panel.scene.boxes_px[panel.scene.row_of(2)]
        if np.isfinite(box).all():
            (x0, y0), (x1, y1) = panel.transform.to_widget(box.reshape(2, 2))
            picture = panel.cell.picture
            assert picture.contains((x0 + x1) / 2, (y0 + y1) / 2)
            assert max((x1 - x0) / picture.width, (y1 - y0) / picture.height) > 0.5
    grid.reset_zoom()
    assert all(grid.panel_of(camera).zoom.is_whole for camera in range(8))


def test_a_double_click_focuses_a_view_and_another_leaves(grid):
    title = grid.panel_of(6).cell.title
    QTest.mouseDClick(
        grid, Qt.MouseButton.LeftButton, pos=QPoint(int(title.x) + 40, int(title.y) + 60)
    )
    assert grid.focused_camera == 6
    widths = [grid.panel_of(camera).cell.picture.width for camera in range(8)]
    assert widths[6] == max(widths)
    picture = grid.panel_of(6).cell.picture
    middle = QPoint(int(picture.x + 30), int(picture.y + 30))
    QTest.mouseDClick(grid, Qt.MouseButton.LeftButton, pos=middle)
    assert grid.focused_camera is None


def test_the_focus_key_takes_the_view_under_the_pointer(grid, qtbot):
    title = grid.panel_of(7).cell.title
    QTest.mouseMove(grid, QPoint(int(title.x) + 30, int(title.y) + 8))
    QApplication.processEvents()
    grid.toggle_focus_under_pointer()
    assert grid.focused_camera == 7


def test_dragging_a_title_moves_the_view_there(grid):
    first, third = grid.panel_of(0).cell.title, grid.panel_of(2).cell.title
    drag(
        grid,
        Qt.MouseButton.LeftButton,
        QPoint(int(first.x) + 30, int(first.y) + 8),
        QPoint(int(third.x) + 30, int(third.y) + 8),
    )
    assert grid.visible_cameras == [1, 2, 0, 3, 4, 5, 6, 7]


def test_a_hidden_view_leaves_room_and_the_menu_brings_it_back(grid):
    grid.toggle_camera_visible(6)
    assert grid.visible_cameras == [0, 1, 2, 3, 4, 5, 7]
    menu = make_menu(grid, 0)
    show = next(action for action in menu.actions() if action.text() == "Show ace_6")
    show.trigger()
    assert grid.hidden_cameras == []
    menu.deleteLater()


def test_the_layout_is_remembered(grid, session, qtbot):
    grid.move_camera(7, 0)
    grid.toggle_camera_visible(2)
    grid.focus_camera(4)
    other = ViewGrid(session)
    qtbot.addWidget(other)
    other.restore_layout_state(grid.layout_state())
    assert other.visible_cameras == grid.visible_cameras
    assert other.focused_camera == 4


def test_holding_the_hide_key_shows_the_bare_pictures(grid):
    covered = view_pixels(grid, NO_PICTURES)
    grid.set_overlays_hidden(True)
    bare = view_pixels(grid, NO_PICTURES)
    # Without a picture nothing but the note is left on the blank.
    assert (np.ptp(bare[: len(bare) // 2], axis=(0, 1)) == 0).all()
    grid.set_overlays_hidden(False)
    assert (view_pixels(grid, NO_PICTURES) == covered).all()


def test_the_loupe_shows_the_full_picture_about_the_pointer(grid, qtbot):
    panel = grid.panel_of(2)
    box = panel.cell.picture
    place = QPoint(int(box.x) + 110, int(box.y) + 30)  # the empty floor: no card is shown there
    QTest.mouseMove(grid, place)
    QApplication.processEvents()
    before = pixels(grid)
    grid.set_loupe(True)
    qtbot.waitUntil(lambda: panel.picture.image.width() == SIZES[2][0], timeout=5_000)
    changed = (pixels(grid) != before).any(axis=-1)
    far = changed.copy()
    far[max(place.y() - 92, 0) : place.y() + 92, max(place.x() - 92, 0) : place.x() + 92] = False
    assert changed.sum() > 10_000
    assert far.sum() < 0.2 * changed.sum()  # only the view's own picture became sharper
    grid.set_loupe(False)
    assert not grid.is_loupe_shown


def test_residuals_boxes_and_theme_change_what_is_painted(grid, session, qtbot):
    grid.frame_person()
    settle(qtbot, grid)
    shown = pixels(grid)
    for change in ({"residuals": True}, {"boxes": True}, {"theme": "light"}):
        session.set_display(**change)
        now = pixels(grid)
        assert (now != shown).any()
        shown = now


def test_brightness_reaches_the_pictures(grid, session, qtbot):
    grid.set_overlays_hidden(True)
    dark = view_pixels(grid, 0).mean()
    session.set_display(brightness=0.2)
    qtbot.waitUntil(lambda: view_pixels(grid, 0).mean() > dark + 30, timeout=5_000)


def test_a_missing_frame_is_said_and_never_shown_as_another(grid, session, qtbot):
    session.set_frame(GAP_FRAME)
    settle(qtbot, grid)
    panel = grid.panel_of(GAP_CAMERA)
    assert panel.note == "frame missing"
    assert panel.picture.image is None
    assert grid.panel_of(0).picture.frame == GAP_FRAME


def test_picture_and_people_are_always_of_the_same_frame(grid, session, qtbot):
    grid.frame_person()  # larger pictures, which are not at hand at once
    seen = []

    def look():
        seen.extend(
            (panel.picture.frame, panel.scene.frame, panel.note)
            for panel in grid.visible_panels
            if panel.picture.state == "ok"
        )

    for frame in (1, 3, 0, 3):
        session.set_frame(frame)
        look()
        grid.repaint()
        look()
        settle(qtbot, grid)
        look()
    assert {scene for _, scene, _ in seen} == {0, 1, 3}
    assert all(picture == scene or note == "loading" for picture, scene, note in seen)


def test_a_picture_that_does_not_come_in_time_is_marked(grid, session, qtbot, monkeypatch):
    with qtbot.waitSignal(grid.frame_shown):
        session.set_frame(3)
    monkeypatch.setattr(FrameLoader, "cached", lambda _self, _request: None)
    monkeypatch.setattr(FrameLoader, "request", lambda _self, _requests, _ready: 0)  # it hangs
    panel = grid.panel_of(0)
    sharp = view_pixels(grid, 0)
    session.set_frame(0)
    assert (view_pixels(grid, 0) == sharp).all()  # the last frame, people and all
    assert panel.note == ""
    assert not grid.is_settled
    qtbot.waitUntil(lambda: panel.note == "loading", timeout=1_000)
    assert panel.scene.frame == 0
    assert view_pixels(grid, 0).mean() < 0.6 * sharp.mean()  # dimmed


def test_titles_tell_the_weight_of_the_selected_joint(grid, session):
    row, camera, joint = OUTLIER
    panel = grid.panel_of(camera)
    info = title_info(panel, Marks(row=row, joint=joint), is_current=False, is_known=True)
    assert info.weight == pytest.approx(session.diagnosis.triangulation.weights[row, camera, joint])
    assert info.weight < 0.3
    assert title_info(panel, Marks(), is_current=False, is_known=True).weight is None


def test_the_selected_joint_can_be_found_and_clicked(grid, session):
    place = grid.position_of_selected_joint()
    assert place is not None
    QTest.mouseClick(grid, Qt.MouseButton.LeftButton, pos=place)
    assert session.cursor.person is not None


def test_framing_nobody_is_refused_with_advice(qtbot):
    grid = ViewGrid(Session())
    qtbot.addWidget(grid)
    with pytest.raises(CommandRefusedError, match="Select a person"):
        grid.frame_person()


def test_an_empty_grid_says_what_to_do_next(qtbot):
    grid = ViewGrid(Session())
    qtbot.addWidget(grid)
    grid.resize(600, 400)
    shown = pixels(grid)
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 8  # words
    assert grid.is_settled
    assert grid.position_of_selected_joint() is None


def test_closing_the_project_under_the_pointer_empties_the_grid(grid, session, qtbot):
    _, _, place = lonely_joint(grid, 2)
    QTest.mouseMove(grid, place)
    qtbot.waitUntil(lambda: session.hover_target is not None)
    session.close_project()
    grid.repaint()
    assert grid.visible_cameras == []
    QTest.mouseMove(grid, place + QPoint(2, 2))
    QApplication.processEvents()
    assert session.hover_target is None


def test_a_grid_may_go_away_while_pictures_are_decoded(session, qtbot):
    for _ in range(3):
        grid = ViewGrid(session)
        grid.resize(1600, 1000)
        grid.show()
        session.step(1)
        grid.deleteLater()
        del grid
        gc.collect()
        qtbot.wait(30)
    assert session.project is not None


def test_pictures_are_sharp_on_a_screen_of_high_density(session, qtbot, monkeypatch):
    grid = ViewGrid(session)
    qtbot.addWidget(grid)
    monkeypatch.setattr(grid, "devicePixelRatioF", lambda: 2.0)
    grid.resize(700, 450)
    grid.show()
    settle(qtbot, grid)
    panel = grid.panel_of(0)
    grid.repaint()
    assert panel.picture.image.width() >= 1.5 * panel.cell.picture.width
    layer = panel.picture_layer(2.0, DARK)
    assert layer.width() == round(2 * panel.cell.picture.width)
