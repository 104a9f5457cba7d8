"""Round diffs on disk: a cache, named by what they were computed from, and made anew at will."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from core.cached_arrays import ArrayCache
from core.curation.pseudo import resolved_settings
from core.curation.round_diff import RoundDiff, diff_points
from core.errors import DataError
from core.settings import TriangulationSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.curation.sources import FrameSource
    from core.project import Project

    Progress = Callable[[int, int], bool]

_PLAIN = ("settings", "persons", "num_only_before", "num_only_after")
_CACHE = ArrayCache(
    what="a comparison of two rounds",
    version=2,
    names=tuple(each.name for each in fields(RoundDiff) if each.name not in _PLAIN),
)
_KEPT_FROM_S = 2.0
"""What took less is made anew as quickly as it is read, and a living run makes many of them."""


def load_or_diff(
    project: Project,
    before: FrameSource,
    after: FrameSource,
    settings: TriangulationSettings,
    progress: Progress | None = None,
) -> RoundDiff | None:
    """What `diff_points` says: from its cache, or made, and kept there where that took long.

    A cache file that cannot be read is made anew, as one that is missing is.
    """
    settings = resolved_settings(after, settings)
    path = _cache_path(before, after, settings)
    if path.is_file():
        try:
            return load_diff(path)
        except DataError:
            path.unlink()
    began = time.monotonic()
    diff = diff_points(project, before, after, settings, progress)
    if diff is not None and time.monotonic() - began > _KEPT_FROM_S:
        save_diff(diff, path)
    return diff


def _cache_path(before: FrameSource, after: FrameSource, settings: TriangulationSettings) -> Path:
    keys = ["round diff", _CACHE.version, before.data_key, after.data_key, asdict(settings)]
    return after.cache_path(json.dumps(keys, sort_keys=True))


def save_diff(diff: RoundDiff, path: Path) -> None:
    """Write a diff, wholly or not at all.

    Raises:
        OSError: it cannot be written.
    """
    about = {name: getattr(diff, name) for name in _PLAIN if name != "settings"}
    about["settings"] = asdict(diff.settings)
    _CACHE.save(path, about, {name: getattr(diff, name) for name in _CACHE.names})


def load_diff(path: Path) -> RoundDiff:
    """Read a diff.

    Raises:
        DataError: it is none, of another version, or damaged.
    """
    about, arrays = _CACHE.load(path)
    try:
        settings = TriangulationSettings(**about.pop("settings"))
        persons = tuple(about.pop("persons"))
        return RoundDiff(settings=settings, persons=persons, **about, **arrays)
    except (KeyError, TypeError) as error:
        raise _CACHE.damaged(path, str(error)) from error
