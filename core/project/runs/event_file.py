"""events.jsonl as bytes: whole lines are added in one go, and only whole lines are read.

Half a line at the end is one that is being written, or that a kill cut short. Readers leave it
alone; the next writer cuts it off, so that its own first line does not grow onto it. That never
cuts what a reader has read, so offsets stay good.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 14
# Windows would write \r\n otherwise, and offsets would lie.
BINARY: int = getattr(os, "O_BINARY", 0)


def open_for_appending(path: Path) -> int:
    """A descriptor to append to; half a line at the end is cut off. One process at a time."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | BINARY, 0o666)
    try:
        end = end_of_last_line(path)
        if end < os.fstat(descriptor).st_size:
            os.ftruncate(descriptor, end)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def append_line(descriptor: int, line: bytes) -> None:
    """Write a line with its end; where the disk says no, what was written is taken back.

    Raises:
        OSError: the disk is full or gone.
    """
    before = os.fstat(descriptor).st_size
    rest = memoryview(line)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        os.ftruncate(descriptor, before)
        raise


def read_lines(path: Path, offset: int = 0) -> tuple[list[bytes], int]:
    """The whole lines from a byte offset on, without their ends, and the offset after them.

    Raises:
        DataError: the file cannot be read, or has become shorter than `offset`.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(min(offset, size))
            data = file.read()
    except FileNotFoundError:
        size, data = 0, b""
    except OSError as error:
        raise DataError(
            path,
            expected="a file that can be read",
            found=error.strerror or str(error),
            remedy="Check that you may read the run's folder.",
        ) from error
    if size < offset:
        raise DataError(
            path,
            expected=f"at least {offset:,} bytes",
            found=f"{size:,}",
            remedy="The file was replaced; open the run again.",
        )
    whole = data[: data.rfind(b"\n") + 1]
    return whole.split(b"\n")[:-1], offset + len(whole)


def end_of_last_line(path: Path) -> int:
    """The byte offset after the last line end; 0 where there is no line, or no file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            while size:
                start = max(0, size - _CHUNK)
                file.seek(start)
                place = file.read(size - start).rfind(b"\n")
                if place >= 0:
                    return start + place + 1
                size = start
    except FileNotFoundError:
        return 0
    return 0
