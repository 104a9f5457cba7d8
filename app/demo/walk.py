"""The walk: the window is driven as a person would, and a picture of every step is kept.

It works on a copy beside the demo's project, made anew each time: fixes, runs and accepted points
of a walk stay out of what the user does with the demo.
"""

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

_SIZE = (1600, 900)


def walk_demo(
    project: Path, shots: Path, *, report: Callable[[str], None], retrain: bool = True
) -> None:
    """Drive the window as a person would and save a picture of every step.

    Args:
        project: of `prepare_demo`.
        shots: folder of the pictures; older ones in it go.
        report: told what is done.
        retrain: whether to fix joints, retrain and accept, too: some minutes.

    Raises:
        CommandRefusedError: no display can be had, the window does not come to rest, or something
            broke in it.
    """
    from app.virtual_display import virtual_display

    shots.mkdir(parents=True, exist_ok=True)
    for old in shots.glob("*.png"):
        old.unlink()
    copy = project.with_name("walk.trilabel")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns("runs", "*.lock"))
    with virtual_display(), tempfile.TemporaryDirectory(prefix="trilabel-walk-") as scratch:
        from app.demo.hands import Hands
        from app.demo.loop import Loop
        from app.demo.tour import tour
        from app.main import make_application
        from app.main_window import MainWindow
        from app.preferences import Preferences
        from app.state import DisplaySettings

        make_application(DisplaySettings())
        preferences = Preferences(Path(scratch) / "preferences.ini")
        preferences.set_closing("stop")  # where the walk breaks off, nobody is there to be asked
        window = MainWindow(preferences=preferences)
        window.resize(*_SIZE)
        window.show()
        window.activateWindow()  # shortcuts belong to the active window
        hands = Hands(window, shots, report)
        try:
            with _told_at_the_end():
                tour(hands, copy)
                if retrain:
                    Loop(hands, project.parent / "match" / "truth.h5").run()
        finally:
            window.close()
        report(f"{hands.num_shots} pictures in {shots}")


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
