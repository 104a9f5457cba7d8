"""What a run takes on the disk, part by part."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path

from core.project.runs.folder import RunFolder

_BY_FOLDER = {"checkpoints": "checkpoints", "predictions": "predictions", "samples": "samples"}
_BY_SUFFIX = {".pt": "weights", ".db": "labels"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSize:
    """Bytes, as the files count them.

    Attributes:
        checkpoints: to go on from; `removal.clean` frees most of them.
        weights: detector, lifter, learned view weights.
        predictions: all rounds.
        samples: crops for the run panel.
        labels: the snapshot.
        others: events, logs, evaluations, and whatever else lies there.
    """

    checkpoints: int = 0
    weights: int = 0
    predictions: int = 0
    samples: int = 0
    labels: int = 0
    others: int = 0

    @property
    def total(self) -> int:
        """Of all parts."""
        return sum(size for _, size in self.parts())

    def parts(self) -> tuple[tuple[str, int], ...]:
        """Names and bytes, the largest first."""
        found = [(part.name, int(getattr(self, part.name))) for part in fields(self)]
        return tuple(sorted(found, key=lambda part: -part[1]))


def size_of(run: RunFolder | Path) -> RunSize:
    """What a run takes, in bytes by part; links are not followed, what vanishes counts nothing."""
    folder = run.path if isinstance(run, RunFolder) else run
    sizes: dict[str, int] = {}
    for path, size in _files(folder):
        inside = path.relative_to(folder).parts
        part = _BY_FOLDER.get(inside[0]) if len(inside) > 1 else _BY_SUFFIX.get(path.suffix)
        sizes[part or "others"] = sizes.get(part or "others", 0) + size
    return RunSize(**sizes)


def _files(folder: Path) -> list[tuple[Path, int]]:
    found: list[tuple[Path, int]] = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            try:
                found.append((path, path.lstat().st_size))
            except FileNotFoundError:  # a trainer let go of it just now
                continue
    return found
