"""Files that are either wholly there or not there at all.

Whatever the tool writes outside SQLite goes to a temporary name in the same folder, is flushed to
the disk, and is renamed onto its final name only then: a crash leaves the last good file in place.
A process that is killed in between leaves its temporary file behind. The name tells whose it was,
so `sweep` can take those of the dead away and never one that is being written.

Traps: the temporary name must be in the same folder, since a rename across file systems is a copy;
Windows cannot be asked whether a process lives, so nothing is swept there.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import uuid
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


_TEMPORARY = re.compile(r"\..+\.([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.tmp(\..*)?")


def temporary_beside(path: Path) -> Path:
    """A new hidden name in the folder of ``path`` and with its suffix, for what is not whole."""
    mine = f"{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    return path.with_name(f".{path.stem}.{mine}.tmp{path.suffix}")


def sweep(*folders: Path) -> int:
    """Take away what processes of this machine that are dead left unfinished.

    Args:
        folders: to look in, not below; those that are missing, or not ours to write to, are left.

    Returns:
        how many files and folders went.
    """
    if sys.platform == "win32":
        return 0
    swept = 0
    for folder in folders:
        try:
            found = [*folder.glob(".*.tmp*")]
        except OSError:
            continue
        for path in found:
            whose = _TEMPORARY.fullmatch(path.name)
            if whose and whose[1] == _machine() and not _is_alive(int(whose[2])):
                swept += _removed(path)
    return swept


def write_atomically(path: Path, writer: Callable[[Path], None]) -> None:
    """Let ``writer`` fill a temporary file beside ``path``, then put it in the place of ``path``.

    The temporary file keeps the suffix of ``path``, as some writers choose their format by it.

    Args:
        path: the final name; its folder must exist. An old file is replaced.
        writer: is given the temporary path, and must have closed the file when it returns.

    Raises:
        whatever ``writer`` raises; the temporary file is gone then, and ``path`` as it was.
    """
    temporary = temporary_beside(path)
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


def _machine() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _is_alive(pid: int) -> bool:
    """Whether a process of this machine lives; one that may not be signalled does.

    One that has ended and that nobody has waited for yet lives no more.
    """
    try:
        os.kill(pid, 0)
        if sys.platform == "linux":
            told = Path(f"/proc/{pid}/stat").read_bytes()
            return told.rpartition(b")")[2].split()[0] not in b"ZX"
    except (ProcessLookupError, FileNotFoundError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _removed(path: Path) -> bool:
    """Whether a file, or a folder with all that is in it, could be taken away."""
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError:
        return False
    return True
