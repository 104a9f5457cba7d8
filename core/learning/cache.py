"""Crops kept on disk between steps, runs and processes: a folder of a few large files.

Each process appends to shards of its own (`core.learning.shards`) and reads everybody's, so that
nothing is ever written in place and one killed at any moment harms nobody. The bound holds for the
folder: a new shard is made only where there is room, after those were deleted that no living
process has used. Where all of them are in use nothing more is kept: of a set too large for the
cache a part stays, which serves better than turning it over from end to end.

Which processes live is told by OS locks, which die with them; the lock files' existence says
nothing. A wrong guess costs crops to be made again, never wrong pixels.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock, Timeout

from core.errors import DataError
from core.learning.shards import SUFFIX, Record, Shard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_SHARD_BYTES = 64 << 20
_MOST_SHARDS = 64  # files open at once stay few
_FEWEST_SHARDS = 8  # a small cache is still let go of piece by piece
_LOOK_AGAIN_S = 5.0
_ASK_AGAIN_S = 30.0
_LOCK_WAIT_S = 20.0
_SESSION = ".session-"


class CropCache:
    """The crops (height, width, 3) of one size in a folder that other sizes may share.

    Args:
        directory: made where missing.
        height: of the crops.
        width: of the crops.
        limit_bytes: bound of all crop files in the folder together.

    Attributes:
        problem: why nothing more is written, as a sentence; empty while all is well. A cache that
            is merely full has no problem.

    Raises:
        DataError: the folder cannot be made or written to.
    """

    def __init__(self, directory: Path, height: int, width: int, limit_bytes: int) -> None:
        self.directory = directory
        self.shape = (height, width, 3)
        self.limit_bytes = limit_bytes
        self.problem = ""
        self._num_slots = self._slots_of_a_shard()
        self._entries: dict[bytes, tuple[Shard, Record]] = {}
        self._shards: dict[str, Shard] = {}
        self._current: Shard | None = None
        self._next_slot = 0
        self._made = 0
        self._full_until = 0.0
        self._looked_at = -_LOOK_AGAIN_S
        self._changing = threading.Lock()
        self._session_name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._session = _lock_of(directory / f"{_SESSION}{self._session_name}")
            self._session.acquire(timeout=_LOCK_WAIT_S)
        except (OSError, Timeout, NotImplementedError) as error:
            raise DataError(
                directory,
                "crop cache",
                expected="a folder that can be written to, on a file system with locks",
                found=str(error),
                remedy="Choose another folder, or set data.cache_gb=0.",
            ) from error
        self._look()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: bytes) -> bool:
        if key not in self._entries:
            self._look_sometimes()
        return key in self._entries

    @property
    def full(self) -> bool:
        """Whether crops are turned away now."""
        return bool(self.problem) or time.monotonic() < self._full_until

    def get(self, key: bytes) -> NDArray[np.uint8] | None:
        """The crop (height, width, 3), read-only; None where there is none, or a damaged one."""
        entry = self._entries.get(key)
        if entry is None:
            self._look_sometimes()
            entry = self._entries.get(key)
            if entry is None:
                return None
        shard, record = entry
        data = shard.read(record)
        if data is None:
            self._forget(shard, record)
            return None
        if not shard.used:
            _mark_used(shard)
        return np.frombuffer(data, np.uint8).reshape(self.shape)

    def put(self, key: bytes, crop: NDArray[np.uint8]) -> bool:
        """Keep a crop.

        Returns:
            whether it is kept: False where the cache is full, or cannot be written to.
        """
        assert crop.shape == self.shape
        if key in self._entries:
            return True
        try:
            with self._changing:
                place = self._free_slot()
            if place is None:
                return False
            shard, slot = place
            record = shard.write(key, slot, crop.tobytes())
        except (OSError, Timeout) as error:
            self.problem = f"The crop cache {self.directory} takes no more: {error}."
            return False
        self._entries[key] = (shard, record)
        return True

    def close(self) -> None:
        """Give back reserved space, and the claim on shards in use."""
        with self._changing:
            self._give_back_current()
            self._entries.clear()
            self._shards.clear()
            self.problem = f"The crop cache {self.directory} is closed."
        if self._session.is_locked:
            self._session.release()
            with contextlib.suppress(OSError):  # the folder may be gone; others clear it away, too
                (self.directory / f"{_SESSION}{self._session_name}").unlink()

    def _slots_of_a_shard(self) -> int:
        slot_bytes = int(np.prod(self.shape))
        wanted = max(_SHARD_BYTES, self.limit_bytes // _MOST_SHARDS)
        wanted = min(wanted, self.limit_bytes // _FEWEST_SHARDS)
        return max(1, (wanted - 8192) // (slot_bytes + 32))

    def _free_slot(self) -> tuple[Shard, int] | None:
        """A slot of this process's own; under the lock."""
        if self.full:
            return None
        if self._current is None or self._next_slot == self._current.num_slots:
            self._give_back_current()
            self._current, self._next_slot = self._new_shard(), 0
            if self._current is None:
                self._full_until = time.monotonic() + _ASK_AGAIN_S
                return None
        self._next_slot += 1
        return self._current, self._next_slot - 1

    def _give_back_current(self) -> None:
        shard, self._current = self._current, None
        if shard is not None and self._next_slot < shard.num_slots:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # deleted meanwhile
                shard.shrink()

    def _new_shard(self) -> Shard | None:
        size = Shard.size_of(int(np.prod(self.shape)), self._num_slots)
        with _lock_of(self.directory / ".lock").acquire(timeout=_LOCK_WAIT_S):
            if not self._make_room(size):
                return None
            height, width, _ = self.shape
            name = f"{height}x{width}-{self._session_name}-{self._made:05d}{SUFFIX}"
            shard = Shard.create(self.directory / name, height, width, self._num_slots)
        self._made += 1
        self._shards[name] = shard
        _mark_used(shard)
        return shard

    def _make_room(self, size: int) -> bool:
        """Delete what no living process has used, oldest first, until a shard fits in."""
        living = set(self._living_sessions())
        oldest_start = min(int(name.split("-")[0]) for name in living)
        sizes: dict[Path, int] = {}
        spare: list[tuple[int, Path]] = []
        for path in self.directory.glob(f"*{SUFFIX}"):
            status = path.stat()
            sizes[path] = status.st_size
            if _session_of(path) not in living:
                sizes[path] = _without_reservation(path, status)
                if status.st_mtime_ns < oldest_start:
                    spare.append((status.st_mtime_ns, path))
        room = self.limit_bytes - sum(sizes.values())
        for _, path in sorted(spare):
            if room >= size:
                break
            try:
                path.unlink()
            except PermissionError:  # Windows: somebody has it open
                continue
            room += sizes[path]
        return room >= size

    def _living_sessions(self) -> Iterator[str]:
        """Names of those whose process lives; the files of the others are cleared away."""
        yield self._session_name
        for path in self.directory.glob(f"{_SESSION}*"):
            name = path.name.removeprefix(_SESSION)
            if name == self._session_name:
                continue
            lock = _lock_of(path)
            try:
                lock.acquire(timeout=0)
            except (Timeout, OSError):
                yield name
                continue
            lock.release()
            path.unlink(missing_ok=True)

    def _look_sometimes(self) -> None:
        if time.monotonic() - self._looked_at > _LOOK_AGAIN_S:
            self._look()

    def _look(self) -> None:
        """Learn what other processes have added or deleted."""
        with self._changing:
            self._looked_at = time.monotonic()
            height, width, _ = self.shape
            found = {path.name: path for path in self.directory.glob(f"{height}x{width}-*{SUFFIX}")}
            for name in set(self._shards) - set(found):
                gone = self._shards.pop(name)
                self._entries = {k: e for k, e in self._entries.items() if e[0] is not gone}
            for name, path in found.items():
                if _session_of(path) == self._session_name:
                    continue
                shard = self._shards.get(name) or Shard.open(path, height, width)
                if shard is not None:
                    self._shards[name] = shard
                    for record in shard.records():
                        self._entries.setdefault(record.key, (shard, record))

    def _forget(self, shard: Shard, record: Record) -> None:
        with self._changing:
            entry = self._entries.get(record.key)
            if entry is not None and entry[0] is shard:
                del self._entries[record.key]
        shard.strike_out(record.slot)


def _lock_of(path: Path) -> FileLock:
    return FileLock(path, timeout=0, is_singleton=False, thread_local=False)


def _session_of(path: Path) -> str:
    """``128x96-00000000001700000000-abcdef01-00000.crops`` was made by ``…-abcdef01``."""
    return "-".join(path.name.split("-")[1:3])


def _without_reservation(path: Path, status: os.stat_result) -> int:
    """The size of a shard whose maker is gone, after giving back what it can no longer fill."""
    height, width = path.name.split("-")[0].split("x")
    shard = Shard.open(path, int(height), int(width))
    if shard is not None:
        shard.shrink()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return path.stat().st_size


def _mark_used(shard: Shard) -> None:
    """Say on the file that it is used; explicitly, since a file system's own clock lags."""
    shard.used = True
    now = time.time_ns()
    try:
        os.utime(shard.path, ns=(now, now))
    except FileNotFoundError:  # another process has just deleted it; what is open stays readable
        return
