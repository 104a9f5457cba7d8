"""How a run's folder gets its name, and how it names its project: what `RunFolder.create` needs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from core.errors import CommandRefusedError, DataError
from core.files import sync_folder

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

RUNS_FOLDER = "runs"
_MAX_SAME_SECOND = 1000
_STAMP = "%Y%m%d-%H%M%S"


def stamped(parent: Path, slug: str, now: datetime) -> str:
    """An id that sorts behind those made in the same second: its time is a later one's.

    Whoever takes the last of the sorted ids means the newest run, and gets it.
    """
    while any(parent.glob(f"{now:{_STAMP}}-*")):
        now += timedelta(seconds=1)
    return f"{now:{_STAMP}}-{slug}"


def named(scratch: Path, name: str, *, once: bool) -> Path:
    """Give a complete folder its name; another that was made in the same second keeps its own."""
    for count in range(1, _MAX_SAME_SECOND):
        path = scratch.with_name(name if count == 1 else f"{name}-{count}")
        if not path.exists():
            try:
                scratch.rename(path)
            except OSError:
                if not path.exists():
                    raise
            else:
                sync_folder(path.parent)
                return path
        if once:
            break
    raise CommandRefusedError(f"There is a run {name} already in {scratch.parent}.")


def told_from(parent: Path, project_dir: Path) -> str:
    """The project's place: relative for its own runs, so that it can be moved with them."""
    if parent == project_dir / RUNS_FOLDER:
        return ".."
    return str(project_dir)


def unwritable(folder: Path, error: OSError) -> DataError:
    """What is wrong with a folder that a run was to be made in."""
    return DataError(
        folder,
        expected="a folder that can be written to",
        found=error.strerror or str(error),
        remedy="Check permissions and free space, or choose another place.",
    )
