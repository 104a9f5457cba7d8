"""One writer to a project: an OS lock, which dies with its process and so never goes stale.

The lock file itself is empty; who holds it is told by a second file, which is only for the message
to the one who comes second. Trap: never judge by the lock file's existence, it stays behind.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import tempfile
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from core.errors import DataError
from core.files import write_text_atomically
from core.formats.fields import read_json

if TYPE_CHECKING:
    from pathlib import Path

_LOCK = ".writer.lock"
_HOLDER = ".writer.json"


class WriterLock:
    """The right to write to a project folder; `release` gives it back."""

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock

    def release(self) -> None:
        """Let the next one write."""
        self._lock.release()


def acquire_writer_lock(folder: Path) -> tuple[WriterLock | None, str]:
    """Try to become the one writer of a project.

    Returns:
        the lock and an empty text, or None and the reason in words.
    """
    lock = FileLock(folder / _LOCK, timeout=0, is_singleton=False, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        return None, f"another window is open on it ({_holder(folder)})"
    except NotImplementedError:
        return None, "its file system cannot lock files"
    except OSError as error:
        return None, f"its folder cannot be written to ({error.strerror or error})"
    try:
        me = {"host": socket.gethostname(), "user": annotator_name(), "pid": os.getpid()}
        write_text_atomically(folder / _HOLDER, json.dumps(me))
    except OSError as error:
        lock.release()
        return None, f"its folder cannot be written to ({error.strerror or error})"
    return WriterLock(lock), ""


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder; tried, since permissions do not tell all."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-"):
            return True
    except OSError:
        return False


def annotator_name() -> str:
    """The name of the person at this computer."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without an entry
        return "someone"


def _holder(folder: Path) -> str:
    try:
        holder = read_json(folder / _HOLDER, max_bytes=1 << 16)
        return f"{holder['user'].text()} on {holder['host'].text()}, process {holder['pid'].value}"
    except DataError:
        return "whose, is not known"
