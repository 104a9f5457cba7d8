"""Finding the cameras in a directory that a person points at."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from core.errors import DataError
from core.recording.folder import is_image_name, list_images, number_names
from core.recording.sources import FolderSpec, SourceSpec, VideoSpec

if TYPE_CHECKING:
    from pathlib import Path

VIDEO_SUFFIXES = frozenset(
    f".{kind}"
    for kind in (
        *("mp4", "m4v", "mov", "avi", "mkv", "webm", "mpg", "mpeg"),
        *("ts", "mts", "m2ts", "wmv", "asf", "flv", "ogv", "mxf"),
    )
)


def is_video_name(name: str) -> bool:
    """Whether a file of this name is a video; hidden files are not."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in VIDEO_SUFFIXES and not name.startswith(".")


def discover_sources(directory: Path) -> dict[str, SourceSpec]:
    """The cameras in a directory: its videos, its folders of pictures, or folders with a video.

    A camera is named by its video's stem or its folder. Where both are there (SportCenter's
    ``ace_0.mp4`` and the pictures extracted from it in ``ace_0/``), the video is taken, since it
    is whole. A directory that itself holds pictures is one camera.

    Folders of pictures share one `first_number`, the smallest that any of them has, so that they
    stay in step; a project should number its frames from it, and people see the files' numbers.

    Args:
        directory: to look into, two levels deep.

    Returns:
        Camera name to source, in natural order (cam2 before cam10); empty where nothing is found.

    Raises:
        DataError: not a directory; a folder with several videos; two videos of one name; pictures
            whose numbers cannot be told.
    """
    directory = directory.resolve()
    entries = _entries(directory)
    found: dict[str, SourceSpec] = {}
    for path in entries:
        if is_video_name(path.name) and path.is_file():
            if path.stem in found:
                raise _ambiguous(directory, path.stem, [found[path.stem].path, path])
            found[path.stem] = VideoSpec(path=path)
    for path in entries:
        if path.name not in found and path.is_dir() and not path.name.startswith("."):
            spec = _of_folder(path)
            if spec is not None:
                found[path.name] = spec
    if not found and any(is_image_name(path.name) for path in entries):
        found[directory.name] = FolderSpec(directory=directory)
    return dict(sorted(_in_step(found).items(), key=lambda item: _natural(item[0])))


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError as error:
        raise DataError(
            directory,
            expected="a directory with videos or folders of pictures",
            found=error.strerror or str(error),
            remedy="Name the directory that holds the cameras.",
        ) from error


def _of_folder(folder: Path) -> SourceSpec | None:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    videos = [folder / name for name in sorted(names) if is_video_name(name)]
    if len(videos) > 1:
        raise _ambiguous(folder, folder.name, videos)
    if videos:
        return VideoSpec(path=videos[0])
    return FolderSpec(directory=folder) if any(map(is_image_name, names)) else None


def _ambiguous(source: Path, name: str, paths: list[Path]) -> DataError:
    return DataError(
        source,
        f"camera {name}",
        expected="one video",
        found=", ".join(path.name for path in paths[:4]),
        remedy=f"Name the file: {name}=FILE.",
    )


def _in_step(found: dict[str, SourceSpec]) -> dict[str, SourceSpec]:
    """Give the folders their common first number."""
    firsts = {
        name: min(_numbers(spec), default=0)
        for name, spec in found.items()
        if isinstance(spec, FolderSpec)
    }
    common = min(firsts.values(), default=0)
    return {
        name: replace(spec, first_number=common) if isinstance(spec, FolderSpec) else spec
        for name, spec in found.items()
    }


def _numbers(spec: FolderSpec) -> dict[int, str]:
    return number_names(list_images(spec.directory), spec.pattern, str(spec.directory))


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    parts = re.split(r"(\d+)", name)
    return tuple((int(part), "") if part.isdecimal() else (0, part.lower()) for part in parts)
