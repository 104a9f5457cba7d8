"""Opening labels.db: for writing under the lock, for reading beside a writer, or from a copy.

SQLite cannot read a WAL database in a folder that it may not write to, and ``immutable=1`` ignores
the WAL: on a database left by a crash it showed none of 50 committed rows. A read-only folder is
therefore opened from a temporary copy of the database and its WAL.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import DataError
from core.files import sweep
from core.project.labels import LabelStore
from core.project.lock import WriterLock, acquire_writer_lock, is_writable

if TYPE_CHECKING:
    from collections.abc import Sequence

LABELS_FILE = "labels.db"
# Where files appear whole or not at all: what a killed process left of them is swept away.
_WRITTEN = ("cache", "exports", "imports", "runs")
_TRIES = 5
_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLabels:
    """Opened labels and what must be given back in the end.

    Attributes:
        store: the labels.
        lock: None where the project is open for reading only.
        reason: why it is open for reading only; empty where it is not.
        copy: the folder of the temporary copy, or None.
    """

    store: LabelStore
    lock: WriterLock | None
    reason: str
    copy: tempfile.TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Close the database, remove the copy, release the lock."""
        self.store.close()
        if self.copy is not None:
            self.copy.cleanup()
        if self.lock is not None:
            self.lock.release()


def open_labels(
    folder: Path,
    cameras: Sequence[str],
    joints: Sequence[str],
    *,
    read_only: bool,
    snapshot: Path | None = None,
) -> OpenLabels:
    """Open the labels of a project, for writing if that is wanted and possible.

    Args:
        folder: of the project.
        cameras: names, as in project.toml.
        joints: names, likewise.
        read_only: not for writing.
        snapshot: of its labels.db, such as a run's, to be read in its place.

    Raises:
        DataError: where labels.db is missing, damaged, or of another project.
    """
    if snapshot is not None:
        store = LabelStore(snapshot, cameras, joints, writable=False)
        return OpenLabels(store=store, lock=None, reason="a snapshot of its labels")
    path = folder / LABELS_FILE
    lock, reason = (None, "asked for") if read_only else acquire_writer_lock(folder)
    if lock is not None:
        sweep(folder, *(folder / name for name in _WRITTEN))
    if lock is None and not is_writable(folder):
        copy = _copy(path)
        try:
            store = LabelStore(Path(copy.name) / LABELS_FILE, cameras, joints, writable=False)
        except BaseException:
            copy.cleanup()
            raise
        return OpenLabels(store=store, lock=None, reason=reason, copy=copy)
    try:
        store = LabelStore(path, cameras, joints, writable=lock is not None)
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    return OpenLabels(store=store, lock=lock, reason=reason)


def _copy(path: Path) -> tempfile.TemporaryDirectory[str]:
    """A consistent copy of the database and its WAL; somebody may be writing to them elsewhere."""
    wal = path.with_name(path.name + "-wal")
    copy = tempfile.TemporaryDirectory(prefix="trilabel-")
    try:
        for _ in range(_TRIES):
            before = _stamps(path, wal)
            shutil.copyfile(path, Path(copy.name) / path.name)
            if wal.exists():
                shutil.copyfile(wal, Path(copy.name) / wal.name)
            if _stamps(path, wal) == before:
                return copy
            time.sleep(_PAUSE_S)
    except OSError as error:
        copy.cleanup()
        raise DataError(
            path,
            expected="labels that can be read",
            found=error.strerror or str(error),
            remedy="Ask for the right to read labels.db and labels.db-wal.",
        ) from error
    copy.cleanup()
    raise DataError(
        path,
        expected="labels that stay as they are while they are copied",
        found="somebody who writes to them",
        remedy="Try again in a moment.",
    )


def _stamps(*paths: Path) -> list[tuple[int, int] | None]:
    return [(p.stat().st_size, p.stat().st_mtime_ns) if p.exists() else None for p in paths]
