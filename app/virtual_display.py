"""A display where there is none: Xvfb for `trilabel shot` and for the demo's walk.

The offscreen platform of Qt has no OpenGL, so a picture with the 3D viewer in it needs a real X
server, which Xvfb is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from collections.abc import Generator


def has_display() -> bool:
    """Whether a window can be shown."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextmanager
def virtual_display(width: int = 1920, height: int = 1200) -> Generator[None]:
    """Run with a display of this size; a real one is used where there is one.

    Raises:
        CommandRefusedError: there is no display and no Xvfb.
    """
    if has_display():
        yield
        return
    program = shutil.which("Xvfb")
    if program is None:
        raise CommandRefusedError(
            "There is no display and no Xvfb. Install it: sudo apt-get install xvfb"
        )
    reader, writer = os.pipe()
    screen = f"{width}x{height}x24"
    with subprocess.Popen(
        [program, "-displayfd", str(writer), "-screen", "0", screen, "-nolisten", "tcp"],
        pass_fds=(writer,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        os.close(writer)
        with os.fdopen(reader) as announced:
            number = announced.readline().strip()
        if not number:
            raise CommandRefusedError("Xvfb did not start.")
        os.environ["DISPLAY"] = f":{number}"
        try:
            yield
        finally:
            # Qt aborts the process when its X server goes away first.
            application = QCoreApplication.instance()
            if application is not None:
                application.shutdown()
            del os.environ["DISPLAY"]
            server.terminate()
