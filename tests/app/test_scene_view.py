"""The 3D viewer by real pointer events and painted pixels."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDockWidget, QMainWindow, QToolTip

import app.scene.content
from app.scene import SceneView
from app.scene.viewpoint import OrbitView, PictureView
from app.theme import DARK, person_color
from core.diagnosis import explain_joint

ROOT = Path(__file__).resolve().parents[2]
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def view(qtbot, session):
    view = SceneView(session)
    view.resize(640, 420)
    view.show()
    qtbot.waitExposed(view)
    paint(view)
    yield view
    view.close()
    view.deleteLater()
    QApplication.processEvents()


def paint(view: SceneView) -> np.ndarray:
    """(h, w, 3) what is shown, painted now."""
    QApplication.processEvents()
    return pixels_of(view.render_image())


def pixels_of(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGBA8888)
    data = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1, 4)
    return data[:, : image.width(), :3].astype(int)


def place_of(view: SceneView, row: int, joint: int) -> QPoint:
    x, y = view.drawing.canvas_positions(view.content.figures.points[row, joint])
    return QPoint(round(x), round(y))


def lonely_joint(view: SceneView, row: int | None = None) -> tuple[int, int]:
    """Row and joint, of this row where one is given, drawn well away from all other joints."""
    drawn = view.drawing.canvas_positions(view.content.figures.points)
    flat = drawn.reshape(-1, 2)
    apart = np.linalg.norm(flat[:, None] - flat, axis=2)
    np.fill_diagonal(apart, np.inf)
    clear = np.nanmin(np.where(np.isfinite(apart), apart, np.inf), axis=1)
    inside = ((flat > 20) & (flat < np.array(view.drawing.size) - 20)).all(axis=1)
    names = np.array([item.box for item in view.drawing.placed_labels])
    for x0, y0, x1, y1 in names:
        inside &= ~((flat > (x0, y0)) & (flat < (x1, y1))).all(axis=1)
    clear[~inside] = -1
    rows = np.arange(len(flat)) // drawn.shape[1]
    if row is not None:
        clear[rows != row] = -1
    best = int(clear.argmax())
    return divmod(best, drawn.shape[1])


def drag(view: SceneView, start: tuple, by: tuple, button=LEFT, modifier=None) -> None:
    modifier = modifier or Qt.KeyboardModifier.NoModifier
    canvas = view.drawing.widget
    QTest.mousePress(canvas, button, modifier, QPoint(*start))
    for step in (0.25, 0.5, 0.75, 1.0):
        to = QPointF(start[0] + step * by[0], start[1] + step * by[1])
        send_move(canvas, to, button, modifier)
    QTest.mouseRelease(canvas, button, modifier, QPoint(start[0] + by[0], start[1] + by[1]))


def send_move(canvas, to: QPointF, button, modifier) -> None:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QMouseEvent

    event = QMouseEvent(
        QEvent.Type.MouseMove, to, canvas.mapToGlobal(to), Qt.MouseButton.NoButton, button, modifier
    )
    QApplication.sendEvent(canvas, event)


def wheel(view: SceneView, at: QPoint, notches: int) -> None:
    canvas = view.drawing.widget
    event = QWheelEvent(
        QPointF(at),
        QPointF(canvas.mapToGlobal(at)),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(canvas, event)


def test_a_person_is_painted_where_the_projection_says(view, session):
    view.toggle_follow()
    image = paint(view)
    row = session.person_row
    wanted = np.array(person_color(session.cursor.person).getRgb()[:3])
    near = 0
    for a, b in session.project.skeleton.bones:
        ends = view.content.figures.points[row, [a, b]]
        if not view.content.figures.kept[row, [a, b]].all():
            continue
        x, y = view.drawing.canvas_positions(ends.mean(axis=0))
        patch = image[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]
        near += int(np.abs(patch - wanted).sum(axis=2).min() < 60)
    assert near >= 8


def test_a_click_on_a_joint_selects_it(view, session):
    for person in (0, 2, 4):
        row, joint = lonely_joint(view, person)
        QTest.mouseClick(view.drawing.widget, LEFT, pos=place_of(view, row, joint))
        assert session.cursor.person == view.content.figures.persons[row]
        assert session.cursor.joint == joint
        paint(view)


def test_a_click_on_empty_floor_selects_nothing(view, session):
    before = session.cursor
    viewpoint = view.drawing.viewpoint
    QTest.mouseClick(view.drawing.widget, LEFT, pos=QPoint(5, 5))
    assert session.cursor == before
    assert view.drawing.viewpoint is viewpoint


def test_a_click_on_a_persons_number_selects_the_person(view, session):
    found = [p for p in view.drawing.placed_labels if p.label.target == ("person", 4)]
    assert found
    left, top, right, bottom = found[0].box
    place = QPoint(round((left + right) / 2), round((top + bottom) / 2))
    QTest.mouseClick(view.drawing.widget, LEFT, pos=place)
    assert session.cursor.person == 4


@pytest.mark.parametrize("what", ["centre", "name"])
def test_a_click_on_a_camera_looks_through_it(view, session, what):
    camera = 1
    x, y = view.drawing.canvas_positions(view.content.stage.cameras)[camera]
    if what == "name":
        names = [p for p in view.drawing.placed_labels if p.label.target == ("camera", camera)]
        x, y = names[0].box[0] + 4, names[0].box[1] + 4
    QTest.mouseClick(view.drawing.widget, LEFT, pos=QPoint(round(x), round(y)))
    assert session.cursor.camera == camera
    assert isinstance(view.drawing.viewpoint, PictureView)
    assert view.content.through == camera
    paint(view)
    texts = [p.label.text for p in view.drawing.placed_labels]
    assert "through ace_1, lens distortion undone" in texts
    assert "ace_1" not in texts


def test_looking_through_draws_joints_where_the_picture_has_them(view, session):
    rig = session.project.rig
    points = session.diagnosis.triangulation.points_mm.reshape(-1, 3)
    for index, camera in enumerate(rig):
        view.look_through(index)
        paint(view)
        scale, dx, dy = view.drawing.viewpoint.canvas_from_px(view.drawing.size)
        expected = scale * camera.undistort(camera.project(points)) + (dx, dy)
        drawn = view.drawing.canvas_positions(view.content.stage.place(points))
        known = np.isfinite(expected).all(axis=1)
        assert known.sum() > 20
        np.testing.assert_allclose(drawn[known], expected[known], atol=0.01)


def test_dragging_turns_and_is_no_click(view, session):
    before, cursor = view.drawing.viewpoint, session.cursor
    row, joint = lonely_joint(view)
    start = place_of(view, row, joint)
    drag(view, (start.x(), start.y()), (60, 30))
    after = view.drawing.viewpoint
    assert (before.azimuth - after.azimuth) % 360 == pytest.approx(24)
    assert after.elevation == pytest.approx(before.elevation + 12)
    np.testing.assert_array_equal(after.center, before.center)
    assert session.cursor == cursor


@pytest.mark.parametrize(
    ("button", "modifier"),
    [
        (LEFT, Qt.KeyboardModifier.ShiftModifier),
        (Qt.MouseButton.MiddleButton, Qt.KeyboardModifier.NoModifier),
    ],
    ids=["shift", "middle"],
)
def test_a_shifting_drag_moves_the_stage(view, button, modifier):
    before = view.drawing.viewpoint
    center = view.drawing.canvas_positions(before.center)
    drag(view, (300, 200), (40, -20), button, modifier)
    assert view.drawing.viewpoint.azimuth == before.azimuth
    drawn = view.drawing.canvas_positions(before.center)
    np.testing.assert_allclose(drawn - center, (40, -20), atol=0.5)


def test_the_wheel_comes_nearer_to_what_is_under_the_pointer(view):
    before = view.drawing.viewpoint.distance
    row, joint = lonely_joint(view)
    place = place_of(view, row, joint)
    wheel(view, place, 3)
    assert view.drawing.viewpoint.distance < 0.75 * before
    moved = place_of(view, row, joint) - place
    assert abs(moved.x()) + abs(moved.y()) < 60
    wheel(view, place, -300)
    assert view.drawing.viewpoint.distance < 500


def test_the_wheel_enlarges_the_picture_that_is_looked_through(view):
    view.look_through(2)
    paint(view)
    wheel(view, QPoint(300, 200), 4)
    assert isinstance(view.drawing.viewpoint, PictureView)
    assert view.drawing.viewpoint.zoom[0] > 1.5
    drag(view, (300, 200), (50, 0), Qt.MouseButton.MiddleButton)
    assert isinstance(view.drawing.viewpoint, PictureView)
    drag(view, (300, 200), (50, 0))
    assert isinstance(view.drawing.viewpoint, OrbitView)
    assert view.content.through is None


def test_a_double_click_turns_about_the_joint(view):
    row, joint = lonely_joint(view)
    QTest.mouseDClick(view.drawing.widget, LEFT, pos=place_of(view, row, joint))
    point = view.content.figures.points[row, joint]
    np.testing.assert_allclose(view.drawing.viewpoint.center, point, atol=1e-6)


def test_following_keeps_the_person_in_the_middle(view, session):
    view.toggle_follow()
    for frame in (3, 7):
        session.set_frame(frame)
        paint(view)
        points = view.content.selected_points()
        drawn = view.drawing.canvas_positions(np.median(points, axis=0))
        np.testing.assert_allclose(drawn, np.array(view.drawing.size) / 2, atol=1.0)
    texts = [p.label.text for p in view.drawing.placed_labels]
    assert any(text.startswith(f"following #{session.cursor.person}") for text in texts)
    view.toggle_follow()
    assert not view.is_following
    view.reset_view()
    paint(view)
    assert view.drawing.viewpoint.distance > 15


def test_hovering_tells_why_a_joint_is_kept_or_discarded(view, session):
    session.set_settings(weighting="pairwise", sigma_mm=1.0, wss_threshold_mm=0.01)
    paint(view)
    row, joint = lonely_joint(view)
    canvas = view.drawing.widget
    none = Qt.KeyboardModifier.NoModifier
    send_move(canvas, QPointF(place_of(view, row, joint)), Qt.MouseButton.NoButton, none)
    assert session.hover_target is not None
    assert session.hover_target.joint == joint
    assert session.hover_target.camera is None
    explained = explain_joint(session.diagnosis, session.project.rig, row, joint)
    assert not explained.kept
    name = session.project.skeleton.joints[joint].replace("_", " ")
    assert name in QToolTip.text()
    assert "Discarded: WSS" in QToolTip.text()
    send_move(canvas, QPointF(3, 3), Qt.MouseButton.NoButton, none)
    assert session.hover_target is None
    session.set_settings(weighting="consensus", sigma_mm="auto", wss_threshold_mm="auto")


def test_the_first_picture_is_fitted_to_every_size_until_it_is_touched(view):
    first = view.drawing.viewpoint
    view.resize(300, 700)
    paint(view)
    second = view.drawing.viewpoint
    assert second is not first
    drag(view, (100, 300), (30, 0))
    touched = view.drawing.viewpoint
    view.resize(640, 420)
    paint(view)
    assert view.drawing.viewpoint is touched
    view.reset_view()
    paint(view)
    assert view.drawing.viewpoint.azimuth == first.azimuth


def test_the_light_theme_is_light(view, session):
    dark = paint(view)
    session.set_display(theme="light")
    light = paint(view)
    session.set_display(theme="dark")
    assert dark[2, 2].sum() < 120
    assert light[2, 2].sum() > 560


def test_a_hidden_viewer_does_nothing(view, session, monkeypatch):
    calls = []
    original = view.content.refresh
    monkeypatch.setattr(view.content, "refresh", lambda: calls.append(1) or original())
    view.hide()
    for frame in (4, 5, 6):
        session.set_frame(frame)
        QApplication.processEvents()
    assert not calls
    view.show()
    paint(view)
    assert calls
    points = view.content.stage.place(session.diagnosis.triangulation.points_mm)
    there = np.isfinite(view.content.figures.points)
    np.testing.assert_allclose(view.content.figures.points[there], points[there])


def test_a_step_rebuilds_once(view, session, monkeypatch, qtbot):
    calls = []
    original = app.scene.content.place_figures
    counted = lambda *a: calls.append(1) or original(*a)  # noqa: E731 - shorter than a function
    monkeypatch.setattr("app.scene.content.place_figures", counted)
    session.set_frame(8)
    qtbot.waitUntil(lambda: bool(calls), timeout=5_000)
    qtbot.wait(50)
    assert len(calls) == 1


def test_closing_the_project_empties_the_canvas(view, session, court_project):
    session.close_project()
    image = paint(view)
    canvas = np.array([int(DARK.canvas[i : i + 2], 16) for i in (1, 3, 5)])
    assert np.abs(image - canvas).max() <= 2
    QTest.mouseClick(view.drawing.widget, LEFT, pos=QPoint(100, 100))
    wheel(view, QPoint(100, 100), 1)
    view.toggle_follow()
    view.look_through(0)
    session.open_project(court_project)
    assert np.abs(paint(view) - canvas).max() > 60


def test_undocking_does_not_blank_the_canvas(qtbot, session):
    window = QMainWindow()
    window.resize(900, 600)
    view = SceneView(session)
    dock = QDockWidget("3D")
    dock.setWidget(view)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    window.show()
    qtbot.waitExposed(window)
    docked = paint(view)
    for floating in (True, False, True):
        dock.setFloating(floating)
        qtbot.wait(100)
        session.set_frame(3 if floating else 0)
        shown = paint(view)
        assert np.ptp(shown.reshape(-1, 3), axis=0).min() > 100
    assert np.ptp(docked.reshape(-1, 3), axis=0).min() > 100
    view.close()
    window.close()
    window.deleteLater()


def test_memory_stays_over_many_steps(view, session):
    import psutil

    def walk(num_steps: int) -> float:
        for step in range(num_steps):
            session.set_frame(step % 12)
            session.select(joint=step % 13)
            view.render_image()
        gc.collect()
        return psutil.Process().memory_info().rss / 2**20

    before = walk(40)
    assert walk(120) - before < 8


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


START = """
import sys, warnings
from pathlib import Path
from app.main import make_application
from app.session import Session
from app.state import DisplaySettings
from app.shot import settle
application = make_application(DisplaySettings())
from app.scene import SceneView
session = Session()
view = SceneView(session)
view.resize(400, 300)
view.show()
session.warm_up()
settle(lambda: session.is_engine_ready)
session.open_project(Path(sys.argv[1]) if len(sys.argv) > 1 else Path({path!r}))
settle(lambda: session.diagnosis is not None)
"""


def test_without_opengl_a_text_stands_there_and_everything_goes_on(court_project):
    code = START.format(path=str(court_project)) + (
        "from PySide6.QtWidgets import QLabel\n"
        "print(view.findChild(QLabel).text(), view.render_image())\n"
        "session.set_frame(3); view.reset_view(); view.toggle_follow(); view.look_through(1)\n"
        "view.close(); session.close_project()\n"
    )
    done = run_python(code, QT_QPA_PLATFORM="offscreen")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "3D unavailable: this display has no OpenGL. None"


def test_it_leaves_without_a_word(court_project):
    code = START.format(path=str(court_project)) + (
        "session.set_frame(3); view.render_image()\nview.close(); session.close_project()\n"
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_a_dense_screen_gets_all_its_pixels(court_project, tmp_path):
    code = START.format(path=str(court_project)) + (
        "import numpy as np\n"
        "view.toggle_follow(); image = view.render_image(); image.save('{out}')\n"
        "row = session.person_row\n"
        "print(image.width(), image.height(), view.drawing.size, view.devicePixelRatioF())\n"
        "print(*view.drawing.canvas_positions(view.content.figures.points[row]).ravel())\n"
        "view.close(); session.close_project()\n"
    ).replace("{out}", str(tmp_path / "dense.png"))
    done = run_python(code, QT_SCALE_FACTOR="2")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.strip().splitlines()
    assert first == "800 600 (400.0, 300.0) 2.0"
    image = pixels_of(QImage(str(tmp_path / "dense.png")))
    wanted = np.array(person_color(0).getRgb()[:3])
    found = 0
    for x, y in np.array(second.split(), dtype=float).reshape(-1, 2):
        if not np.isfinite([x, y]).all():
            continue
        patch = image[round(2 * y) - 3 : round(2 * y) + 4, round(2 * x) - 3 : round(2 * x) + 4]
        found += int(patch.size > 0 and np.abs(patch - wanted).sum(axis=2).min() < 110)
    assert found >= 8
