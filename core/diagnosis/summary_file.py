"""Summaries on disk: a cache, named by what they were computed from, and made anew at will.

Written under a temporary name, flushed and renamed, never in place: a file that is there is whole.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

import h5py
import numpy as np

from core.diagnosis.summary import RecordingSummary, SummarySource, summarise
from core.errors import DataError
from core.files import write_atomically
from core.settings import TriangulationSettings

if TYPE_CHECKING:
    from pathlib import Path

    from core.diagnosis.source import Progress

_VERSION = 5
_ARRAYS = (
    "worst_residual_px",
    "share_discarded",
    "annotated",
    "wss_bin",
    "kept",
    "frame_cameras",
    "wss_counts",
    "joint_counts",
    "camera_sums",
)


class CachingSource(SummarySource, Protocol):
    """A project: observations, a key that changes with them, and a place for caches."""

    @property
    def data_key(self) -> str:
        """Changes whenever observations or cameras do."""
        ...

    def cache_path(self, key: str, suffix: str = ".h5") -> Path:
        """A file for what can be computed again; its folder exists, the file may not."""
        ...


def load_or_summarise(
    project: CachingSource, settings: TriangulationSettings, progress: Progress | None = None
) -> RecordingSummary | None:
    """The summary of a recording under these settings: from its cache, or made and kept there.

    A cache file that cannot be read is made anew, as one that is missing is.

    Returns:
        None where `progress` said to stop.

    Raises:
        OSError: the cache cannot be written.
    """
    path = summary_path(project, settings)
    if path.is_file():
        try:
            return load_summary(path)
        except DataError:
            path.unlink()
    summary = summarise(project, settings, progress)
    if summary is not None:
        save_summary(summary, path)
    return summary


def summary_path(project: CachingSource, settings: TriangulationSettings) -> Path:
    """Where a summary of the observations as they are now belongs.

    Trap: it is another one as soon as anything is edited. Ask where the summary is made, not where
    it is written: else what was edited in between would later be read without that edit.

    Raises:
        OSError: there cannot be a cache.
    """
    key = json.dumps(
        ["summary", _VERSION, project.data_key, project.num_frames, asdict(settings)],
        sort_keys=True,
    )
    return project.cache_path(key)


def save_summary(summary: RecordingSummary, path: Path) -> None:
    """Write a summary, wholly or not at all."""

    def fill(temporary: Path) -> None:
        with h5py.File(temporary, "w") as file:
            file.attrs["version"] = _VERSION
            file.attrs["settings"] = json.dumps(asdict(summary.settings))
            file.attrs["persons"] = np.array(summary.persons, dtype=np.int64)
            for name in _ARRAYS:
                values = getattr(summary, name)
                packing = {"compression": "lzf"} if values.size > 1000 else {}
                file.create_dataset(name, data=values, **packing)

    write_atomically(path, fill)


def load_summary(path: Path) -> RecordingSummary:
    """Read a summary.

    Raises:
        DataError: it is none, of another version, or damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            attributes: Any = file.attrs
            datasets: Any = file
            if int(attributes["version"]) != _VERSION:
                raise _damaged(path, f"version {attributes['version']}")
            settings: dict[str, Any] = json.loads(str(attributes["settings"]))
            values: dict[str, Any] = {name: datasets[name][()] for name in _ARRAYS}
            persons = tuple(int(person) for person in attributes["persons"])
            return RecordingSummary(
                settings=TriangulationSettings(**settings), persons=persons, **values
            )
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, found: str) -> DataError:
    return DataError(
        path,
        expected=f"a summary of a recording, version {_VERSION}",
        found=found,
        remedy="Delete this file; it will be made again.",
    )
