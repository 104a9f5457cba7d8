"""Start of the window: what must happen before the first widget, in its order."""

from __future__ import annotations

import signal
import sys
import warnings
from typing import TYPE_CHECKING

import PySide6
from PySide6.QtCore import QCoreApplication, Qt, QTimer
from PySide6.QtWidgets import QApplication

from app.jobs import wait_for_jobs
from app.theme import apply_theme, theme_named
from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from app.state import DisplaySettings

# Each signal emit loses a reference there, and the process aborts after about 400.
_BROKEN_PYSIDE = "6.12.0"
_PATIENCE_S = 3.0  # with jobs that are coming to their end, once the window is gone


def refuse_broken_qt(version: str = PySide6.__version__, python: tuple[int, ...] = ()) -> None:
    """Say no to the one release that crashes.

    Raises:
        CommandRefusedError: PySide6 6.12.0 on Python before 3.12.
    """
    if version == _BROKEN_PYSIDE and (python or sys.version_info) < (3, 12):
        raise CommandRefusedError(
            f"PySide6 {_BROKEN_PYSIDE} crashes on Python before 3.12. "
            "Install another: pip install 'PySide6_Essentials==6.11.3'"
        )


def make_application(display: DisplaySettings) -> QApplication:
    """The QApplication, ready for a 3D viewer in a dock."""
    refuse_broken_qt()
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        apply_theme(existing, theme_named(display.theme))
        return existing
    # Without shared contexts the 3D viewer goes blank when its dock is undocked.
    QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    # vispy warns at every mouse event about a Qt call of its own.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"vispy\..*")
    application = QApplication(sys.argv[:1])
    application.setApplicationName("trilabel")
    application.setOrganizationName("trilabel")
    apply_theme(application, theme_named(display.theme))
    return application


def run_window(project: Path | None, *, frame_number: int | None = None) -> int:
    """Show the window until it is closed.

    Raises:
        DataError: the project cannot be opened.
    """
    from app.preferences import Preferences

    preferences = Preferences()
    application = make_application(preferences.display())
    from app.main_window import MainWindow

    window = MainWindow(preferences=preferences)
    if project is not None:
        window.session.open_project(project)
        if frame_number is not None:
            window.session.set_frame_number(frame_number)
    window.show()
    # Python sees Ctrl-C only when it runs; give it a moment now and then.
    signal.signal(signal.SIGINT, lambda *_: application.quit())
    heartbeat = QTimer()
    heartbeat.start(250)
    heartbeat.timeout.connect(lambda: None)
    code = application.exec()
    wait_for_jobs(_PATIENCE_S)
    return code
