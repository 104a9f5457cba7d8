"""Whether there is OpenGL to show the 3D viewer with; asked before vispy is imported."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext

_WITHOUT_OPENGL_WIDGETS = ("offscreen", "minimal", "vnc", "linuxfb")


def has_opengl() -> bool:
    """Whether this platform can show OpenGL in a widget.

    The offscreen platform finds OpenGL where an X server happens to run, and still cannot show it.
    """
    if QGuiApplication.platformName() in _WITHOUT_OPENGL_WIDGETS:
        return False
    surface = QOffscreenSurface()
    surface.create()
    context = QOpenGLContext()
    if not (context.create() and context.makeCurrent(surface)):
        return False
    context.doneCurrent()
    return True
