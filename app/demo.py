"""The demo: a generated match, made once, and a walk through it with real mouse and key events."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from app.main_window import MainWindow

# Raise this when the generator or the project's layout changes, so that an old match is remade.
_DEMO_VERSION = 1
_WALK_SIZE = (1600, 900)
# A joint that so many views saw should have been kept: that it was not wants explaining.
_SEEN_WELL = 4


def demo_directory() -> Path:
    """Where the match is kept between runs."""
    from platformdirs import user_cache_path

    return user_cache_path("trilabel", appauthor=False) / f"demo-{_DEMO_VERSION}"


def prepare_demo(
    directory: Path | None,
    *,
    fresh: bool = False,
    report: Callable[[str], None],
    progress: Callable[[int, int], bool] | None = None,
) -> Path:
    """Generate and import the match where it is missing.

    Args:
        directory: where to keep it; None is the user's cache.
        fresh: make it anew.
        report: told what is being done.
        progress: called with (done, total) pictures.

    Returns:
        The project's folder.

    Raises:
        CommandRefusedError: ``progress`` asked to stop.
    """
    from core.project.importing import import_sportcenter
    from core.synthetic import DEMO_CONFIG, synthesise

    directory = directory or demo_directory()
    project = directory / "match.trilabel"
    if project.is_dir() and not fresh:
        return project
    report(f"Generating a basketball match in {directory}")
    directory.parent.mkdir(parents=True, exist_ok=True)
    # Made beside its place and moved there whole, so that a stopped run leaves no half a match.
    scratch = Path(tempfile.mkdtemp(prefix="demo-", dir=directory.parent))
    try:
        if not synthesise(DEMO_CONFIG, scratch / "match", progress=progress):
            raise CommandRefusedError("Generating the match was stopped.")
        import_sportcenter(
            scratch / "match",
            scratch / "match.trilabel",
            detections=[f"alphapose:{scratch / 'match' / 'alphapose'}"],
            report=report,
        )
        if directory.exists():
            shutil.rmtree(directory)
        scratch.rename(directory)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return project


def walk_demo(project: Path, shots: Path, *, report: Callable[[str], None]) -> None:
    """Drive the window as a person would and save a picture of every step.

    Raises:
        CommandRefusedError: no display can be had, or the window does not come to rest.
    """
    from app.virtual_display import virtual_display

    shots.mkdir(parents=True, exist_ok=True)
    for old in shots.glob("*.png"):
        old.unlink()
    with virtual_display():
        from app.main import make_application
        from app.main_window import MainWindow
        from app.preferences import Preferences
        from app.state import DisplaySettings

        make_application(DisplaySettings())
        scratch = Path(tempfile.mkdtemp(prefix="trilabel-walk-"))
        window = MainWindow(preferences=Preferences(scratch / "preferences.ini"))
        window.resize(*_WALK_SIZE)
        window.show()
        window.activateWindow()  # shortcuts belong to the active window
        try:
            with _told_at_the_end():
                _Walk(window, shots, report).run(project)
        finally:
            window.close()
            shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _told_at_the_end() -> Generator[None, None, None]:
    """Qt prints what breaks in a handler and goes on; a walk over it is no success.

    Raises:
        CommandRefusedError: something broke.
    """
    broken: list[BaseException] = []
    previous = sys.excepthook

    def remember(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        broken.append(error)
        previous(kind, error, trace)

    sys.excepthook = remember
    try:
        yield
    finally:
        sys.excepthook = previous
    if broken:
        raise CommandRefusedError(f"The window broke on the way: {broken[0]!r}.")


class _Walk:
    """The steps, each with its picture."""

    def __init__(self, window: MainWindow, shots: Path, report: Callable[[str], None]) -> None:
        self._window = window
        self._shots = shots
        self._report = report
        self._count = 0

    def run(self, project: Path) -> None:
        """Start page, match, person, joint, why discarded, focus, time, settings, light theme."""
        window = self._window
        self._shot("start")
        window.open_project(project)
        window.lay_out_docks()
        self._shot("match")
        self._key("]")
        self._shot("annotated frame")
        self._click_joint()
        self._shot("a joint selected by a click")
        self._key("Z")
        self._shot("the person in all cameras")
        self._select_discarded()
        self._shot("why a joint was discarded")
        self._key("E")
        self._shot("leave-one-out residuals")
        self._key("E")
        self._key("3")
        self._shot("one camera large")
        self._key("0")
        self._key("Shift+Z")
        for _ in range(6):
            self._key("D")
        self._click_timeline()
        self._shot("another frame, by the timeline")
        window.session.set_settings(weighting="pairwise", sigma_mm=10.0, wss_threshold_mm=20.0)
        self._shot("the paper's weighting and thresholds")
        window.session.set_settings(weighting="consensus", sigma_mm="auto", wss_threshold_mm="auto")
        self._key("Ctrl+Shift+L")
        self._shot("light theme")
        self._key("Ctrl+Shift+L")
        self._report(f"{self._count} pictures in {self._shots}")

    def _key(self, keys: str) -> None:
        from PySide6.QtTest import QTest

        from app.commands import first_key

        combination = first_key(keys)
        QTest.keyClick(self._window.views, combination.key(), combination.keyboardModifiers())

    def _click_joint(self) -> None:
        """Click a joint of the selected person in the first view where it can be seen."""
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        views = self._window.views
        place = views.position_of_selected_joint()
        if place is not None:
            QTest.mouseClick(views, Qt.MouseButton.LeftButton, pos=place)

    def _select_discarded(self) -> None:
        """Step to the next frame where a joint was seen well and discarded all the same."""
        session = self._window.session
        for _ in range(session.require_project().num_frames):
            self._key("D")
            diagnosis = session.diagnosis
            if diagnosis is None:
                continue
            lost = ~diagnosis.triangulation.kept & (diagnosis.observed.sum(axis=1) >= _SEEN_WELL)
            if lost.any():
                row, joint = divmod(int(lost.argmax()), lost.shape[1])
                session.select(person=diagnosis.persons[row], joint=joint)
                self._key("Z")
                return

    def _click_timeline(self) -> None:
        from PySide6.QtCore import QPoint, Qt
        from PySide6.QtTest import QTest

        track = self._window.timeline.track
        frame = self._window.session.require_project().num_frames * 2 // 3
        place = QPoint(round(track.x_of(frame)), track.height() // 2)
        QTest.mouseClick(track, Qt.MouseButton.LeftButton, pos=place)

    def _shot(self, title: str) -> None:
        from app.shot import grab_window, settle

        settle(lambda: self._window.is_settled)
        self._count += 1
        name = (
            f"{self._count:02d}-{title.replace(' ', '-').replace(',', '').replace(chr(39), '')}.png"
        )
        grab_window(self._window).save(str(self._shots / name))
        self._report(f"  {name}")
