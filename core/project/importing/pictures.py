"""Pictures and sizes of the cameras of a new project, and the report of what was matched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import DataError
from core.formats.camera_names import match_cameras
from core.geometry import Rig
from core.recording import FolderSpec, Recording, VideoSpec, discover_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from core.recording import SourceSpec

Size = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pictures:
    """What was found of the pictures.

    Attributes:
        sources: by camera name.
        num_frames: of the longest camera; 0 without any.
        fps: frames a second; None where unknown.
        sizes_px: (width, height) by camera name, of those with pictures.
        first_number: what the pictures' names call frame 0; None without numbered pictures.
    """

    sources: dict[str, SourceSpec]
    num_frames: int
    fps: float | None
    sizes_px: dict[str, Size]
    first_number: int | None


def split_named(text: str, camera_names: Sequence[str]) -> tuple[str | None, Path]:
    """``CAM=PATH`` as camera and path; camera None where none of these names stands before a ``=``.

    Raises:
        DataError: where the path does not exist, or what stands before the ``=`` is no camera.
    """
    head, separator, tail = text.partition("=")
    if separator and head in camera_names:
        path, camera = Path(tail), head
    else:
        path, camera = Path(text), None
    if path.exists():
        return camera, path.resolve()
    if separator and camera is None:
        raise DataError(
            text,
            expected=f"CAM=PATH with one of the cameras {', '.join(camera_names)}",
            found=repr(head),
            remedy="Write the camera's name as in the calibration.",
        )
    raise DataError(
        path, expected="a file or folder", found="nothing there", remedy="Check the path."
    )


def find_pictures(
    rig: Rig, videos: Sequence[str], images: Sequence[str], report: Callable[[str], None]
) -> dict[str, SourceSpec]:
    """The pictures that a person named, by camera.

    Args:
        rig: whose cameras they are.
        videos: ``DIR`` or ``CAM=FILE``, each.
        images: ``DIR`` or ``CAM=DIR``, each.
        report: told of every match made by name.

    Raises:
        DataError: where nothing is found, a match is ambiguous, or a camera gets pictures twice.
    """
    found: dict[str, SourceSpec] = {}
    for text in videos:
        camera, path = split_named(text, rig.names)
        named = {camera: VideoSpec(path=path)} if camera else _videos_in(path, rig, report)
        _add(found, named)
    folders: dict[str, SourceSpec] = {}
    for text in images:
        camera, path = split_named(text, rig.names)
        named = {camera: _folder(path)} if camera else _folders_in(path, rig, report)
        _add(folders, named)
    _add(found, in_step(folders))
    return {name: found[name] for name in rig.names if name in found}


def _videos_in(path: Path, rig: Rig, report: Callable[[str], None]) -> dict[str, SourceSpec]:
    if path.is_file():
        choices: dict[str, SourceSpec] = {path.name: VideoSpec(path=path)}
    else:
        choices = {
            name: spec
            for name, spec in discover_sources(path).items()
            if isinstance(spec, VideoSpec)
        }
    if not choices:
        raise _nothing(path, "videos, or folders with a video each")
    return _matched(choices, rig, path, report)


def _folders_in(path: Path, rig: Rig, report: Callable[[str], None]) -> dict[str, SourceSpec]:
    choices: dict[str, SourceSpec] = {}
    for folder in [path, *sorted(p for p in path.iterdir() if p.is_dir())]:
        spec = discover_sources(folder).get(folder.name)
        if isinstance(spec, FolderSpec) and spec.directory == folder.resolve():
            choices[folder.name] = spec
    if not choices:
        raise _nothing(path, "folders of JPEG or PNG pictures")
    return _matched(choices, rig, path, report)


def _folder(path: Path) -> SourceSpec:
    spec = discover_sources(path).get(path.name)
    if not isinstance(spec, FolderSpec):
        raise _nothing(path, "JPEG or PNG pictures")
    return spec


def _matched(
    choices: Mapping[str, SourceSpec], rig: Rig, path: Path, report: Callable[[str], None]
) -> dict[str, SourceSpec]:
    matches = match_cameras(list(choices), rig.names, source=str(path))
    report_matches(matches, choices, "pictures", report)
    return {camera: choices[name] for camera, name in matches.items()}


def counted(number: int, noun: str) -> str:
    """``1 frame``, ``20 frames``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def blank_text(blank: Sequence[str], names: Sequence[str]) -> str:
    """Which cameras have no pictures."""
    return "no pictures" if len(blank) == len(names) else f"no pictures of {', '.join(blank)}"


def report_matches(
    matches: Mapping[str, str],
    names: Iterable[str],
    what: str,
    report: Callable[[str], None],
) -> None:
    """Say which file or folder was taken as which camera's, and which were left out."""
    for camera, name in matches.items():
        report(f"  {what}: {name} is camera {camera}")
    for name in names:
        if name not in matches.values():
            report(f"  {what}: {name} belongs to no camera, left out")


def in_step(sources: Mapping[str, SourceSpec]) -> dict[str, SourceSpec]:
    """Picture folders count from one common number, the smallest, so that views stay in step."""
    folders = [spec for spec in sources.values() if isinstance(spec, FolderSpec)]
    common = min((spec.first_number for spec in folders), default=0)
    return {
        name: replace(spec, first_number=common) if isinstance(spec, FolderSpec) else spec
        for name, spec in sources.items()
    }


def open_pictures(sources: Mapping[str, SourceSpec], rig: Rig) -> Pictures:
    """Open all pictures once, and learn what they tell.

    Raises:
        DataError: where a source cannot be opened.
    """
    with Recording({name: sources.get(name) for name in rig.names}) as recording:
        for problem in recording.problems.values():
            raise problem
        sizes = {name: recording.size_px(name) for name in sources}
        folders = [spec for spec in sources.values() if isinstance(spec, FolderSpec)]
        return Pictures(
            sources=dict(sources),
            num_frames=recording.num_frames,
            fps=recording.fps,
            sizes_px={name: size for name, size in sizes.items() if size is not None},
            first_number=folders[0].first_number if folders else None,
        )


def with_sizes(
    rig: Rig,
    pictures: Mapping[str, Size],
    published: Mapping[str, Size],
    report: Callable[[str], None],
) -> Rig:
    """The rig with an image size for each camera.

    It is the calibrated one, else that of the pictures, else the published one, else twice the
    principal point, which is told. Pictures of another size than the calibrated one are told, too.
    """
    cameras = list(rig)
    for c, camera in enumerate(cameras):
        found = pictures.get(camera.name)
        if camera.size_px is not None:
            if found is not None and found != camera.size_px:
                report(
                    f"  {camera.name}: pictures are {_text(found)}, calibrated for "
                    f"{_text(camera.size_px)}; run 'trilabel check'"
                )
            continue
        size = found or published.get(camera.name)
        if size is None:
            size = (max(1, round(2 * camera.K[0, 2])), max(1, round(2 * camera.K[1, 2])))
            report(
                f"  {camera.name}: image size unknown, {_text(size)} assumed "
                "(twice the principal point)"
            )
        cameras[c] = camera.with_size(*size)
    return Rig(tuple(cameras))


def _add(found: dict[str, SourceSpec], more: Mapping[str, SourceSpec]) -> None:
    for camera, spec in more.items():
        if camera in found:
            raise DataError(
                spec.path,
                camera,
                expected="one source of pictures",
                found=f"another one, {found[camera].path}",
                remedy=f"Leave one of them out, or say {camera}=PATH.",
            )
        found[camera] = spec


def _nothing(path: Path, expected: str) -> DataError:
    return DataError(path, expected=expected, found="none", remedy="Check the path.")


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
