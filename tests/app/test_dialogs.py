"""Start page, dialogs and status bar, by real mouse and key events."""

import shutil
import threading

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton

from app.jobs import Job
from app.key_sheet import KeySheet
from app.new_dialog import NewProjectDialog
from app.shot import settle
from app.start_page import StartPage
from app.tone_dialog import ToneDialog
from core.project import Project


@pytest.fixture
def dialog(qtbot):
    dialog = NewProjectDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def button(dialog, text: str) -> QPushButton:
    return next(each for each in dialog.findChildren(QPushButton) if each.text() == text)


def press(dialog, text: str) -> None:
    QTest.mouseClick(button(dialog, text), Qt.MouseButton.LeftButton)


def test_a_new_project_needs_a_calibration_and_a_place(dialog):
    press(dialog, "Create")
    assert "Choose a calibration" in dialog.problem.text()
    assert dialog.problem.isVisible()


def test_what_cannot_be_read_is_said_and_can_be_corrected(dialog, qtbot, tmp_path):
    wrong = tmp_path / "notes.toml"
    wrong.write_text("this is no calibration")
    dialog.calibration.set_path(wrong)
    press(dialog, "Create")
    qtbot.waitUntil(lambda: "notes.toml" in dialog.problem.text(), timeout=10_000)
    assert button(dialog, "Create").isEnabled()
    assert dialog.calibration.isEnabled()


@pytest.mark.data
def test_what_was_found_stays_to_be_read_before_the_project_opens(
    dialog, qtbot, tmp_path, real_data
):
    made = []
    dialog.created.connect(made.append)
    dialog.calibration.set_path(real_data / "sleap_anipose" / "calibration.toml")
    dialog.project.set_path(tmp_path / "mouse")
    press(dialog, "Create")
    qtbot.waitUntil(lambda: dialog.made is not None, timeout=20_000)
    assert button(dialog, "Close").isEnabled()
    assert made == []
    assert dialog.isVisible()
    assert "cameras back, mid, side, top" in dialog.report.toPlainText()
    press(dialog, "Open project")
    assert made == [tmp_path / "mouse.trilabel"]
    assert (made[0] / "project.toml").is_file()


def test_a_place_is_proposed_that_is_free(dialog, tmp_path):
    folder = tmp_path / "court"
    folder.mkdir()
    (folder / "calibration.json").write_text("{}")
    (tmp_path / "court.trilabel").mkdir()
    dialog.kind.setCurrentIndex(1)
    assert not dialog.calibration.isVisible()
    dialog.dataset.set_path(folder)
    assert dialog.project.path == tmp_path / "court-2.trilabel"


def test_recent_projects_are_listed_once_and_cut_to_the_page(qtbot, tmp_path):
    page = StartPage()
    qtbot.addWidget(page)
    page.resize(500, 600)
    page.show()
    long = tmp_path / ("a" * 60) / ("b" * 60) / "R & D.trilabel"
    page.show_recent([long])
    page.show_recent([long, tmp_path / "second.trilabel"])
    names = [each for each in page.findChildren(QPushButton) if each.property("recent")]
    assert len(names) == 2
    assert names[0].width() <= page.width()
    assert names[0].text().startswith("R && D")
    assert names[0].toolTip() == str(long)
    with qtbot.waitSignal(page.path_chosen) as told:
        QTest.mouseClick(names[0], Qt.MouseButton.LeftButton)
    assert told.args == [long]


def test_the_key_sheet_fits_a_small_window(window):
    size = window.size()
    window.resize(1280, 720)
    window.commands.actions["keys"].trigger()
    sheet = window.findChild(KeySheet)
    assert sheet.isVisible()
    assert sheet.width() <= 1280
    assert sheet.height() <= 720
    sheet.close()
    window.resize(size)


def test_the_tone_dialog_changes_the_pictures_and_takes_it_back(window):
    window.commands.actions["picture_tone"].trigger()
    tone = window.findChild(ToneDialog)
    slider, label = tone.sliders["contrast"][:2]
    for _ in range(25):  # each click right of the handle is a page
        place = QPoint(slider.width() - 3, slider.height() // 2)
        QTest.mouseClick(slider, Qt.MouseButton.LeftButton, pos=place)
    assert window.session.display.contrast == 2.0
    assert label.text() == "× 2.00"
    tone.reset.click()
    assert window.session.display.contrast == 1.0
    assert not tone.reset.isEnabled()
    tone.close()


def test_a_long_message_is_cut_and_can_be_read_in_full(window):
    text = "the calibration of this camera could not be found " * 8
    window.session.message_posted.emit(text)
    QApplication.processEvents()
    assert window.status.message == text
    assert window.status.message_label.text().endswith("…")
    assert window.status.message_label.toolTip() == text


def test_a_job_can_be_stopped_in_the_status_bar(window):
    let_go = threading.Event()
    job = Job("Waiting", lambda _progress: let_go.wait(10), window)
    window.status.follow(job)
    job.start()
    assert window.status.stop_button.isVisible()
    QTest.mouseClick(window.status.stop_button, Qt.MouseButton.LeftButton)
    let_go.set()
    assert not window.status.stop_button.isVisible()
    assert "Waiting: stopped" in window.status.message
    assert job.wait()


def test_stopped_background_work_leaves_the_window_at_rest(window, qtbot):
    stopped = []

    def stop(job) -> None:
        stopped.append(job.title)
        job.cancel()

    window.background.job_started.connect(stop)
    try:
        window.session.set_settings(min_views=4)
        qtbot.waitUntil(lambda: bool(stopped), timeout=10_000)
        qtbot.waitUntil(lambda: window.background.is_idle, timeout=5_000)
    finally:
        window.background.job_started.disconnect(stop)


def test_commands_of_a_project_are_grey_without_one(window, court_project):
    play = window.commands.actions["play"]
    assert play.isEnabled()
    window.session.close_project()
    assert not play.isEnabled()
    window.session.open_project(court_project)
    assert play.isEnabled()
    settle(lambda: window.is_settled)


def test_opening_what_is_open_keeps_it_writable(window, court_project):
    project = window.session.project
    window.open_project(court_project)
    settle(lambda: window.is_settled)
    assert window.session.project is project
    assert not project.read_only
    assert "open already" in window.status.message


def test_closing_while_a_project_is_read_lets_go_of_it(make_window, court_project, tmp_path, qtbot):
    path = tmp_path / "copy.trilabel"
    shutil.copytree(court_project, path)
    window = make_window()
    window.open_project(path)
    assert not window.is_settled
    window.close()

    def is_free() -> bool:
        with Project.open(path) as project:
            return not project.read_only

    qtbot.waitUntil(is_free, timeout=10_000)
    assert window.session.project is None


def test_settings_that_cannot_be_saved_hold_for_the_window(window, monkeypatch):
    def fail(_settings) -> None:
        raise FileNotFoundError("the folder is gone")

    monkeypatch.setattr(window.session.project, "set_settings", fail)
    window.session.set_settings(min_views=4)
    assert window.session.diagnosis.settings.min_views == 4
    assert "the folder is gone" in window.status.message
