"""Summaries on disk: a cache, named by what they were computed from, and made anew at will."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

from core.cached_arrays import ArrayCache
from core.diagnosis.summary import RecordingSummary, SummarySource, summarise
from core.errors import DataError
from core.settings import TriangulationSettings

if TYPE_CHECKING:
    from pathlib import Path

    from core.diagnosis.source import Progress

_CACHE = ArrayCache(
    what="a summary of a recording",
    version=6,
    names=(
        "worst_residual_px",
        "share_discarded",
        "annotated",
        "wss_bin",
        "kept",
        "frame_cameras",
        "wss_counts",
        "joint_counts",
        "camera_sums",
    ),
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
        ["summary", _CACHE.version, project.data_key, project.num_frames, asdict(settings)],
        sort_keys=True,
    )
    return project.cache_path(key)


def save_summary(summary: RecordingSummary, path: Path) -> None:
    """Write a summary, wholly or not at all."""
    about = {"settings": asdict(summary.settings), "persons": summary.persons}
    _CACHE.save(path, about, {name: getattr(summary, name) for name in _CACHE.names})


def load_summary(path: Path) -> RecordingSummary:
    """Read a summary.

    Raises:
        DataError: it is none, of another version, or damaged.
    """
    about, arrays = _CACHE.load(path)
    try:
        settings = TriangulationSettings(**about["settings"])
        return RecordingSummary(settings=settings, persons=tuple(about["persons"]), **arrays)
    except (KeyError, TypeError) as error:
        raise _CACHE.damaged(path, str(error)) from error
