"""The window as a whole, by real mouse and key events."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox

from app.commands import first_key
from app.demo.hands import Hands
from app.demo.tour import tour
from app.format import percent
from app.main import refuse_broken_qt
from app.shot import grab_window, settle
from core.errors import CommandRefusedError


def press(window, keys: str) -> None:
    combination = first_key(keys)
    QTest.keyClick(window.views, combination.key(), combination.keyboardModifiers())
    QApplication.processEvents()


def test_keys_step_through_time(window):
    for keys, frame in (("D", 1), ("D", 2), ("A", 1), ("Shift+D", 11), ("Home", 0), ("End", 11)):
        press(window, keys)
        assert window.session.cursor.frame == frame, keys


def test_keys_choose_person_joint_and_camera(window):
    session = window.session
    press(window, "S")
    assert session.cursor.joint == 1
    press(window, "W")
    assert session.cursor.joint == 0
    persons = session.observations.persons
    before = persons.index(session.cursor.person)
    press(window, "Tab")
    assert session.cursor.person == persons[(before + 1) % len(persons)]
    press(window, "3")
    assert window.views.focused_camera == 2
    press(window, "0")
    assert window.views.focused_camera is None


def test_held_keys_act_while_they_are_down(window, qtbot):
    QTest.keyPress(window.views, Qt.Key.Key_H)
    assert window.views.are_people_hidden
    QTest.keyRelease(window.views, Qt.Key.Key_H)
    assert not window.views.are_people_hidden


def test_the_frame_field_takes_frame_numbers(window):
    field = window.context_bar.frame
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "5")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert window.session.cursor.frame == 4


def test_the_toolbar_follows_the_selection(window):
    window.session.select(person=4, joint=6)
    bar = window.context_bar
    assert bar.person.currentText() == "#4"
    assert bar.joint.currentText() == "right wrist"


def test_a_click_in_the_timeline_goes_there_and_selects_the_row(window):
    track = window.timeline.track
    row_height = track.row_height()
    place = QPoint(round(track.x_of(8)), round(track.row_top(2) + row_height / 2))
    QTest.mouseClick(track, Qt.MouseButton.LeftButton, pos=place)
    assert window.session.cursor.frame == 8
    assert window.session.cursor.person == window.session.project.persons[2]


def test_playing_ends_at_the_last_frame(window, qtbot):
    press(window, "P")
    assert window.player.is_playing
    qtbot.waitUntil(lambda: not window.player.is_playing, timeout=10_000)
    assert window.session.cursor.frame == window.session.project.num_frames - 1


def test_the_joint_page_tells_which_view_is_wrong(window, qtbot):
    session = window.session
    # The test's world moves joint 5 of person 3 away in camera ace_2.
    session.select(person=3, joint=5)
    page = window.inspector.joint_page
    qtbot.waitUntil(lambda: "ace_2" in page.card.reason.text(), timeout=5_000)
    row = session.person_row
    assert session.diagnosis.triangulation.weights[row, 2, 5] < 0.05
    assert "uncertain by" in page.place.text()


def test_a_click_in_the_heat_map_selects_joint_and_camera(window):
    window.inspector.setCurrentWidget(window.inspector.heat_map)
    QApplication.processEvents()
    heat_map = window.inspector.heat_map
    cell = heat_map.cell(7, 4).center().toPoint()
    QTest.mouseClick(heat_map, Qt.MouseButton.LeftButton, pos=cell)
    assert (window.session.cursor.joint, window.session.cursor.camera) == (7, 4)


def test_hovering_the_weight_strip_names_the_view_everywhere(window):
    window.session.select(person=3, joint=5)
    strip = window.inspector.joint_page.strip
    QTest.mouseMove(strip, strip.cell(6).center().toPoint())
    QApplication.processEvents()
    assert window.session.hover_target.camera == 6


def test_a_slider_changes_the_thresholds_and_the_consequences(window, qtbot):
    session = window.session
    session.set_settings(weighting="pairwise", sigma_mm=10.0, wss_threshold_mm=500.0)
    qtbot.waitUntil(lambda: window.is_settled, timeout=30_000)
    kept = session.summary.kept_share
    page = window.inspector.threshold_page
    window.inspector.setCurrentWidget(page)
    QApplication.processEvents()
    slider = page.threshold.slider
    groove = QPoint(4, slider.height() // 2)
    for _ in range(20):  # each click left of the handle is a page
        QTest.mouseClick(slider, Qt.MouseButton.LeftButton, pos=groove)
    assert session.settings.wss_threshold_mm < 100
    qtbot.waitUntil(lambda: window.is_settled, timeout=30_000)
    assert session.summary.kept_share < kept
    assert percent(session.summary.kept_share, 1) in page.shares_text.text()


def test_a_slider_that_the_rule_ignores_is_grey(window):
    page = window.inspector.threshold_page
    window.session.set_settings(weighting="consensus", discard=None)
    assert not page.sigma.isEnabled()
    assert not page.threshold.isEnabled()


def test_the_theme_changes_every_panel(window):
    press(window, "Ctrl+Shift+L")
    assert window.session.display.theme == "light"
    background = window.grab().toImage().pixelColor(window.width() - 40, window.height() - 4)
    assert background.lightness() > 200
    press(window, "Ctrl+Shift+L")
    assert window.session.display.theme == "dark"


def test_the_key_sheet_shows_every_command_that_has_a_key(window, qtbot):
    from app.key_sheet import KeySheet
    from app.keymap import load_keymap

    window.commands.actions["keys"].trigger()
    sheet = window.findChild(KeySheet)
    texts = sheet.texts
    for action in load_keymap():
        title = (action.row or action.title).removeprefix(f"{action.group}: ")
        assert not action.keys or title[0].upper() + title[1:] in texts
    sheet.close()


def test_every_command_is_bound(window):
    unbound = [
        name
        for name, action in window.commands.actions.items()
        if not window.commands.is_held(name) and not action.receivers("2triggered(bool)")
    ]
    assert unbound == []


def test_a_project_that_cannot_be_opened_is_said_and_changes_nothing(
    window, qtbot, monkeypatch, tmp_path
):
    told = []
    monkeypatch.setattr(QMessageBox, "warning", lambda *arguments: told.append(arguments[2]))
    project = window.session.project
    window.open_project(tmp_path / "absent.trilabel")
    qtbot.waitUntil(lambda: bool(told), timeout=10_000)
    assert "absent.trilabel" in told[0]
    assert window.session.project is project


def test_closing_shows_how_to_go_on(window):
    press(window, "Ctrl+W")
    assert window.session.project is None
    assert window.start_page.isVisible()
    press(window, "D")  # nothing to step in: no error


def test_recent_projects_are_offered(window, court_project, qtbot):
    window.open_project(court_project)
    qtbot.waitUntil(lambda: window.is_settled, timeout=30_000)
    press(window, "Ctrl+W")
    from PySide6.QtWidgets import QPushButton

    names = [button.text() for button in window.start_page.findChildren(QPushButton)]
    assert any(name.startswith("court") for name in names)


def test_layout_and_theme_are_remembered(make_window, tmp_path):
    window = make_window()
    window.timeline.parentWidget().hide()
    window.session.set_display(theme="light")
    window.views.toggle_camera_visible(6)
    window.views.focus_camera(2)
    window.close()
    again = make_window()
    again.open_project(again.session.project.path)
    settle(lambda: again.is_settled)
    assert again.views.focused_camera == 2
    assert again.views.hidden_cameras == [6]
    assert not again.timeline.isVisible()
    assert again.session.display.theme == "light"
    again.session.set_display(theme="dark")


def test_a_window_can_be_closed_twice_and_shown_between(make_window, qtbot):
    window = make_window()
    for _ in range(2):
        assert window.close()
        QApplication.processEvents()
        assert not window.isVisible()
    window.show()
    window.repaint()
    qtbot.wait(50)
    assert window.session.project is None
    assert window.close()


def test_the_picture_of_the_window_has_views_and_3d_in_it(window):
    image = grab_window(window)
    assert (image.width(), image.height()) == (1600, 900)
    views = image.copy(window.views.geometry()).convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(views.constBits(), np.uint32)
    assert len(np.unique(pixels)) > 2000
    scene = window.scene.render_image()
    if scene is not None:
        drawn = np.frombuffer(scene.constBits(), np.uint32)
        assert len(np.unique(drawn)) > 20


def test_the_demo_s_tour_saves_a_picture_of_every_step(window, court_project, tmp_path):
    lines = []
    tour(Hands(window, tmp_path, lines.append), court_project)
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) == 11
    assert all(QImage(str(path)).width() == 1600 for path in pictures)


def test_the_broken_release_of_qt_is_refused_by_name():
    with pytest.raises(CommandRefusedError, match=r"6\.12\.0"):
        refuse_broken_qt("6.12.0", (3, 11))
    refuse_broken_qt("6.12.0", (3, 12))
    refuse_broken_qt("6.11.3", (3, 11))
