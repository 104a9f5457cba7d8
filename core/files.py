"""Files that are either wholly there or not there at all.

Whatever the tool writes outside SQLite goes to a temporary name in the same folder, is flushed to
the disk, and is renamed onto its final name only then: a crash leaves the last good file in place.
Trap: the temporary name must be in the same folder, since a rename across file systems is a copy.
"""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write_atomically(path: Path, writer: Callable[[Path], None]) -> None:
    """Let ``writer`` fill a temporary file beside ``path``, then put it in the place of ``path``.

    The temporary file keeps the suffix of ``path``, as some writers choose their format by it.

    Args:
        path: the final name; its folder must exist. An old file is replaced.
        writer: is given the temporary path, and must have closed the file when it returns.

    Raises:
        whatever ``writer`` raises; the temporary file is gone then, and ``path`` as it was.
    """
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.tmp{path.suffix}")
    try:
        writer(temporary)
        sync_file(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Replace the file by these bytes, or leave it as it was."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(data)

    write_atomically(path, write)


def write_text_atomically(path: Path, text: str) -> None:
    """Replace the file by this text (UTF-8, line ends as given), or leave it as it was."""
    write_bytes_atomically(path, text.encode("utf-8"))


def sync_file(path: Path) -> None:
    """Have the file's contents on the disk, not only in the page cache."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Have the folder's entries on the disk; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
