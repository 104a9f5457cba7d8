"""Whether a run's trainer lives, told by an OS lock, which dies with its process.

On POSIX systems the lock is `flock`: whoever only asks takes a *shared* lock for an instant, so
that two who ask never see each other, and a trainer that starts in that instant waits a little.
Elsewhere filelock is used, where asking takes the lock itself for that instant.

Traps: the file stays behind and says nothing; a forked child would keep the lock of its parent
alive, so children close it; and `fcntl.lockf` will not do, since closing any descriptor of the
file in the same process would give the lock away.
"""

from __future__ import annotations

import os
import sys
import time
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_PAUSE_S = 0.02

if sys.platform == "win32":
    from filelock import FileLock, Timeout

    class _Handle:
        def __init__(self, path: Path) -> None:
            self._lock = FileLock(path, timeout=0, is_singleton=False, thread_local=False)

        def try_exclusive(self) -> bool:
            try:
                self._lock.acquire()
            except Timeout:
                return False
            return True

        def try_shared(self) -> bool:
            return self.try_exclusive()

        def close(self) -> None:
            self._lock.release()

        @property
        def descriptor(self) -> int:
            """None that could be handed down."""
            return -1

else:
    import fcntl

    class _Handle:
        """An open lock file."""

        def __init__(self, path: Path, *, is_probe: bool = False) -> None:
            flags = os.O_RDONLY if is_probe else os.O_RDWR | os.O_CREAT
            self._descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)
            _OPEN.add(self)

        def try_exclusive(self) -> bool:
            return self._try(fcntl.LOCK_EX)

        def try_shared(self) -> bool:
            return self._try(fcntl.LOCK_SH)

        def _try(self, kind: int) -> bool:
            try:
                fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        def close(self) -> None:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

        @property
        def descriptor(self) -> int:
            return self._descriptor

    _OPEN: weakref.WeakSet[_Handle] = weakref.WeakSet()

    def _close_in_child() -> None:
        for handle in tuple(_OPEN):
            handle.close()

    os.register_at_fork(after_in_child=_close_in_child)


class AliveLock:
    """Held as long as a trainer works on a run; a context manager."""

    def __init__(self, handle: _Handle) -> None:
        self._handle = handle

    def release(self) -> None:
        """Give it back. Twice does nothing."""
        self._handle.close()

    @property
    def descriptor(self) -> int:
        """To be handed down to a process that then holds the lock, too; -1 on Windows."""
        return self._handle.descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def acquire(path: Path, *, wait_s: float) -> AliveLock | None:
    """Take the lock, or None where another process holds it for longer than `wait_s`.

    Raises:
        OSError: where the file cannot be made, or its file system cannot lock.
    """
    handle = _Handle(path)
    until = time.monotonic() + wait_s
    try:
        while not handle.try_exclusive():
            if time.monotonic() >= until:
                handle.close()
                return None
            time.sleep(_PAUSE_S)
    except BaseException:
        handle.close()
        raise
    return AliveLock(handle)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock.

    Raises:
        OSError: where the file cannot be read, or its file system cannot lock.
    """
    try:
        handle = _Handle(path) if sys.platform == "win32" else _Handle(path, is_probe=True)
    except FileNotFoundError:
        return False
    try:
        return not handle.try_shared()
    finally:
        handle.close()
