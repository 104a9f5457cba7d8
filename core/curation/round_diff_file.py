"""Round diffs on disk: a cache, named by what they were computed from, and made anew at will."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from core.curation.pseudo import resolved_settings
from core.curation.round_diff import RoundDiff, diff_points
from core.errors import DataError
from core.files import write_atomically
from core.settings import TriangulationSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.curation.sources import FrameSource
    from core.project import Project

    Progress = Callable[[int, int], bool]

_VERSION = 1
_PLAIN = ("settings", "persons", "num_only_before", "num_only_after")
_ARRAYS = tuple(each.name for each in fields(RoundDiff) if each.name not in _PLAIN)
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
    keys = ["round diff", _VERSION, before.data_key, after.data_key, asdict(settings)]
    return after.cache_path(json.dumps(keys, sort_keys=True))


def save_diff(diff: RoundDiff, path: Path) -> None:
    """Write a diff, wholly or not at all.

    Raises:
        OSError: it cannot be written.
    """

    def fill(temporary: Path) -> None:
        with h5py.File(temporary, "w") as file:
            file.attrs["version"] = _VERSION
            file.attrs["settings"] = json.dumps(asdict(diff.settings))
            file.attrs["persons"] = np.array(diff.persons, dtype=np.int64)
            file.attrs["only"] = np.array([diff.num_only_before, diff.num_only_after])
            for name in _ARRAYS:
                values = getattr(diff, name)
                packing = {"compression": "lzf"} if values.size > 1000 else {}
                file.create_dataset(name, data=values, **packing)

    write_atomically(path, fill)


def load_diff(path: Path) -> RoundDiff:
    """Read a diff.

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
            only = [int(number) for number in attributes["only"]]
            arrays: dict[str, Any] = {name: datasets[name][()] for name in _ARRAYS}
            return RoundDiff(
                settings=TriangulationSettings(**settings),
                persons=tuple(int(person) for person in attributes["persons"]),
                num_only_before=only[0],
                num_only_after=only[1],
                **arrays,
            )
    except (OSError, KeyError, TypeError, IndexError, json.JSONDecodeError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, found: str) -> DataError:
    return DataError(
        path,
        expected=f"a comparison of two rounds, version {_VERSION}",
        found=found,
        remedy="Delete this file; it will be made again.",
    )
