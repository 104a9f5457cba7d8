"""Stepping through frames by a key that is held: the longer, the faster.

The keyboard repeats at its own pace; what grows is the number of frames of each step. A step is
left out while the pictures of the last one are still being decoded, or a slow machine would run on
long after the key was let go.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.commands import Commands
    from app.session import Session

# From so many seconds on, so many frames a step.
_STRIDES = ((0.0, 1), (1.0, 2), (2.5, 5), (5.0, 10), (9.0, 25))
_PATIENCE_S = 0.1


def stride_after(held_s: float) -> int:
    """Frames a step, of a key held for so long."""
    return max(frames for since, frames in _STRIDES if held_s >= since)


class Stride:
    """Steps a session's frame.

    Args:
        session: whose frame it is.
        commands: tell for how long the key has been held.
        is_ready: whether the frame that was set last is on the screen.
    """

    def __init__(self, session: Session, commands: Commands, is_ready: Callable[[], bool]) -> None:
        self._session = session
        self._commands = commands
        self._is_ready = is_ready
        self._stepped_at = 0.0

    def step(self, direction: int) -> None:
        """Go forward (+1) or back (-1)."""
        now, held_s = time.monotonic(), self._commands.held_s
        if held_s and now - self._stepped_at < _PATIENCE_S and not self._is_ready():
            return
        self._stepped_at = now
        self._session.step(direction * stride_after(held_s))
