"""Why a training failed, in words for its owner and as a code for programs.

Trap: a full disk shows in many ways (an errno, SQLite's and HDF5's words, torch's own writer), and
often only as the cause of another error, so the whole chain of causes is looked through.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from core.errors import CommandRefusedError, DataError
from core.project.runs.trouble import (
    BAD_FILE,
    DISK_FULL,
    NO_ROOM,
    OUT_OF_MEMORY,
    REFUSED,
    UNEXPECTED,
)
from trainer.context import TrainingFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_WORDS = (
    "no space left",
    "disk is full",
    "disk quota exceeded",
    "file too large",
    f"errno = {errno.ENOSPC}",
    f"errno = {errno.EFBIG}",
    "pytorchstreamwriter failed writing",
)


def failure(error: Exception) -> tuple[str, str]:
    """One or two sentences on why it failed, and the reason as `core.project.runs.trouble` has it.

    Args:
        error: that ended the training.
    """
    if any(_is_full(cause) for cause in _causes(error)):
        return f"{NO_ROOM} ({error}). Make some, then resume the run.", DISK_FULL
    if isinstance(error, TrainingFailedError):
        return str(error), error.reason
    if isinstance(error, DataError):
        return str(error), BAD_FILE
    if isinstance(error, CommandRefusedError):
        return str(error), REFUSED
    if _is_short_of_memory(error):
        text = f"Out of memory ({str(error)[:200]}). Use smaller batches, crops or networks."
        return text, OUT_OF_MEMORY
    return f"{type(error).__name__}: {error}. The traceback is in stderr.log.", UNEXPECTED


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it."""
    now: BaseException | None = error
    while now is not None:
        yield now
        now = now.__cause__ or now.__context__


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    text = str(error).lower()
    return any(words in text for words in _FULL_WORDS)


def _is_short_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    from trainer.device import is_out_of_memory

    return is_out_of_memory(error)
