"""A real project for tests of the window, and a QApplication as the program makes it."""

from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QApplication

from app.main_window import MainWindow
from app.preferences import Preferences
from app.session import Session
from app.shot import settle
from tests.app.views_world import make_project, make_world

# As app.main does before the first QApplication: without it the 3D dock goes blank when undocked.
QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)


@pytest.fixture(scope="session")
def court_project(tmp_path_factory) -> Path:
    """Six people on a court for twelve frames, eight cameras, one observation far off."""
    path = tmp_path_factory.mktemp("court") / "court.trilabel"
    make_project(path, make_world(num_persons=6, num_frames=12)).close()
    return path


@pytest.fixture
def session(qtbot, court_project):
    """A session with the court project open and the triangulation loaded."""
    session = Session()
    with qtbot.waitSignal(session.diagnosis_changed, timeout=60_000):
        session.warm_up()
    session.open_project(court_project)
    yield session
    session.close_project()


@pytest.fixture
def editable_session(qtbot, tmp_path):
    """A session on a project of its own, which may be changed."""
    path = tmp_path / "own.trilabel"
    make_project(path, make_world(num_persons=6, num_frames=6)).close()
    session = Session()
    with qtbot.waitSignal(session.diagnosis_changed, timeout=60_000):
        session.warm_up()
    session.open_project(path)
    yield session
    session.close_project()


@pytest.fixture
def make_window(qtbot, court_project, tmp_path):
    """Makes windows on the court project, at rest."""
    windows = []

    def make() -> MainWindow:
        preferences = Preferences(tmp_path / "preferences.ini")
        preferences.set_closing("leave")  # a question at the end of a test is answered by nobody
        window = MainWindow(preferences=preferences)
        windows.append(window)
        window.resize(1600, 900)
        window.show()
        qtbot.waitExposed(window)
        window.activateWindow()  # shortcuts belong to the active window
        qtbot.waitUntil(window.isActiveWindow, timeout=5_000)
        window.open_project(court_project)
        qtbot.waitUntil(lambda: window.session.project is not None, timeout=20_000)
        qtbot.waitUntil(lambda: window.is_settled, timeout=60_000)
        return window

    yield make
    for window in windows:
        window.close()
        window.deleteLater()
    QApplication.processEvents()


@pytest.fixture(scope="module")
def shared_window(qapp, court_project, tmp_path_factory):
    """One window for the tests of a module: making one costs seconds."""
    folder = tmp_path_factory.mktemp("window")
    preferences = Preferences(folder / "preferences.ini")
    preferences.set_closing("leave")
    window = MainWindow(preferences=preferences)
    window.resize(1600, 900)
    window.show()
    window.activateWindow()
    settle(window.isActiveWindow)
    yield window
    window.close()
    window.deleteLater()
    QApplication.processEvents()


@pytest.fixture
def window(shared_window, court_project):
    """The shared window as after opening: first frame, first person, first joint, the grid."""
    window = shared_window
    session = window.session
    if session.project is None:
        session.open_project(court_project)
    session.set_frame(0)
    session.select(person=session.project.persons[0], joint=0, camera=0)
    session.set_settings(
        weighting="consensus", discard=None, sigma_mm="auto", wss_threshold_mm="auto", min_views=3
    )
    window.views.focus_camera(None)
    window.views.reset_zoom()
    window.inspector.setCurrentIndex(0)
    settle(lambda: window.is_settled)
    return window
