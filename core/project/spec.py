"""What a project is about, as a value, and project.toml and rig.toml, which hold it.

Paths of pictures are written relative to the project, so that both may move together, and are
followed only into the approved roots that project.toml lists: a project file from elsewhere cannot
make the window read just any folder through ``..`` or a link. In memory all paths are absolute.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import tomli_w

from core.errors import DataError
from core.files import write_text_atomically
from core.formats.fields import read_toml
from core.formats.rig_toml import read_rig_toml, write_rig_toml
from core.geometry.volume import WorldBox
from core.recording.sources import spec_from_dict
from core.settings import DiscardRule, TriangulationSettings, Weighting
from core.skeleton import Skeleton

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from core.formats.fields import Node
    from core.geometry import Rig
    from core.recording.sources import SourceSpec

SCHEMA_VERSION = 1
PROJECT_FILE = "project.toml"
RIG_FILE = "rig.toml"
_MAX_COUNT = 1 << 31
_REMEDY = "Correct project.toml, or restore it from a backup."

Split = Literal["train", "test", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A person whom the recording knows by name.

    Attributes:
        person: id.
        name: to show.
        split: ``train`` or ``test``; empty where nobody has said.
    """

    person: int
    name: str
    split: Split = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionsEntry:
    """The import of 2D detections that is in force.

    Attributes:
        file: name in ``imports/``.
        provenance: in words, such as ``openpose from …/openpose``.
        time: when it was imported, ISO 8601.
    """

    file: str
    provenance: str
    time: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProjectSpec:
    """All that project.toml and rig.toml hold.

    Attributes:
        name: to show.
        rig: C cameras.
        skeleton: J joints.
        num_frames: F, of the longest sequence.
        first_frame_number: what people call frame 0.
        fps: frames a second; None where unknown.
        sources: pictures by camera name, absolute paths; a camera may have none.
        offsets: by camera name, the index in its own source of the picture of frame 0; 0 where
            not named.
        roots: folders that pictures may be read from, absolute.
        subjects: persons with a name or a split.
        settings: how frames are triangulated.
        world_volume: what the recording is about; None where unknown.
        court: ``basketball`` where the world's origin is the centre of such a court, z up; drawn
            as the ground.
        person_height_mm: of the cylinders about ground tracks.
        person_radius_mm: of the same.
        detections: the 2D detections in force; None where there are none.
    """

    name: str
    rig: Rig
    skeleton: Skeleton
    num_frames: int
    first_frame_number: int = 0
    fps: float | None = None
    sources: Mapping[str, SourceSpec] = field(default_factory=dict[str, "SourceSpec"])
    offsets: Mapping[str, int] = field(default_factory=dict[str, int])
    roots: tuple[Path, ...] = ()
    subjects: tuple[Subject, ...] = ()
    settings: TriangulationSettings = field(default_factory=TriangulationSettings)
    world_volume: WorldBox | None = None
    court: str | None = None
    person_height_mm: float = 1800.0
    person_radius_mm: float = 500.0
    detections: DetectionsEntry | None = None

    def __post_init__(self) -> None:
        """Refuse a recording without frames, and sources of cameras that are not there."""
        if not 1 <= self.num_frames < _MAX_COUNT:
            self._refuse("num_frames", f"1 to {_MAX_COUNT - 1}", str(self.num_frames))
        for name in self.sources:
            if name not in self.rig.names:
                self._refuse(f"sources.{name}", f"one of {', '.join(self.rig.names)}", name)

    def _refuse(self, name: str, expected: str, found: str) -> None:
        raise DataError(PROJECT_FILE, name, expected=expected, found=found, remedy=_REMEDY)


def write_spec(folder: Path, spec: ProjectSpec, *, rig: bool = True) -> None:
    """Write project.toml and, unless it is there already, rig.toml.

    Args:
        folder: the project.
        spec: what to write.
        rig: whether the rig is to be written, too.
    """
    if rig:
        write_rig_toml(folder / RIG_FILE, spec.rig)
    write_text_atomically(folder / PROJECT_FILE, tomli_w.dumps(_to_toml(folder.resolve(), spec)))


def read_spec(folder: Path) -> ProjectSpec:
    """Read project.toml and rig.toml.

    Raises:
        DataError: where one is missing or wrong, or made by a newer trilabel.
    """
    path = folder / PROJECT_FILE
    if not path.is_file():
        raise DataError(
            folder,
            expected="a project folder, with a project.toml",
            found="no project.toml"
            if folder.is_dir()
            else ("a file" if folder.exists() else "no such folder"),
            remedy="Choose a folder that trilabel has made, or make one with 'trilabel new'.",
        )
    root = read_toml(path)
    schema = root["schema"].integer(1, _MAX_COUNT)
    if schema > SCHEMA_VERSION:
        root["schema"].refuse(
            f"{SCHEMA_VERSION}", str(schema), "Open this project with a newer trilabel."
        )
    return _from_toml(folder.resolve(), root, read_rig_toml(folder / RIG_FILE))


def refuse_existing(path: Path) -> None:
    """Refuse to make a project where there is something already."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise DataError(
            path,
            expected="no file or folder of that name",
            found="one that is there already",
            remedy="Choose another name, or remove the old one.",
        )


def _to_toml(folder: Path, spec: ProjectSpec) -> dict[str, Any]:
    optional = {
        "fps": spec.fps,
        "court": spec.court,
        "world_volume": None if spec.world_volume is None else _volume_to_toml(spec.world_volume),
        "detections": None if spec.detections is None else asdict(spec.detections),
    }
    return {
        "schema": SCHEMA_VERSION,
        "name": spec.name,
        "num_frames": spec.num_frames,
        "first_frame_number": spec.first_frame_number,
        "roots": [_relative(folder, root) for root in spec.roots],
        **{key: value for key, value in optional.items() if value is not None},
        "person": {"height_mm": spec.person_height_mm, "radius_mm": spec.person_radius_mm},
        "settings": {k: v for k, v in asdict(spec.settings).items() if v is not None},
        "skeleton": spec.skeleton.to_dict(),
        "sources": {
            name: {
                **source.to_dict(),
                "path": _relative(folder, source.path),
                "offset": spec.offsets.get(name, 0),
            }
            for name, source in spec.sources.items()
        },
        "subjects": [asdict(subject) for subject in spec.subjects],
    }


def _from_toml(folder: Path, root: Node, rig: Rig) -> ProjectSpec:
    roots = tuple(_absolute(folder, node.text()) for node in root["roots"].elements())
    approved = (folder, *roots)
    fps, volume, detections = root.get("fps"), root.get("world_volume"), root.get("detections")
    court = root.get("court")
    return ProjectSpec(
        name=root["name"].text(),
        rig=rig,
        skeleton=Skeleton.from_dict(root["skeleton"].table(), f"{root.source}: skeleton"),
        num_frames=root["num_frames"].integer(1, _MAX_COUNT - 1),
        first_frame_number=root["first_frame_number"].integer(-_MAX_COUNT, _MAX_COUNT),
        fps=None if fps is None else fps.number(),
        sources={name: _source(folder, approved, node) for name, node in root["sources"].items()},
        offsets={
            name: node["offset"].integer(-_MAX_COUNT, _MAX_COUNT)
            for name, node in root["sources"].items()
        },
        roots=roots,
        subjects=tuple(_subject(node) for node in root["subjects"].elements()),
        settings=_settings(root["settings"]),
        world_volume=None if volume is None else _volume(volume),
        court=None if court is None else _one_of(court, ("basketball",)),
        person_height_mm=root["person"]["height_mm"].number(),
        person_radius_mm=root["person"]["radius_mm"].number(),
        detections=None if detections is None else _detections(detections),
    )


def with_roots(spec: ProjectSpec, extra: Iterable[Path] = ()) -> ProjectSpec:
    """The same project with the folders of its sources (and others) approved, links followed."""
    sources = {name: _resolved(source) for name, source in spec.sources.items()}
    folders = [source.path.parent for source in sources.values()]
    roots = dict.fromkeys([*spec.roots, *folders, *(path.resolve() for path in extra)])
    return replace(spec, sources=sources, roots=tuple(roots))


def _resolved(source: SourceSpec) -> SourceSpec:
    values = {**source.to_dict(), "path": str(source.path.resolve())}
    return spec_from_dict(values, str(source.path), "source")


def _relative(folder: Path, path: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return path.as_posix()


def _absolute(folder: Path, text: str) -> Path:
    return (folder / text).resolve()


def _source(folder: Path, approved: Sequence[Path], node: Node) -> SourceSpec:
    path = _absolute(folder, node["path"].text())
    if not any(path.is_relative_to(root) for root in approved):
        node["path"].refuse(
            f"a path inside the approved roots: {', '.join(map(str, approved))}",
            str(path),
            "If you trust this project, add the folder to 'roots' in project.toml.",
        )
    return spec_from_dict({**node.table(), "path": str(path)}, str(node.source), node.field)


def _subject(node: Node) -> Subject:
    split = node["split"].value
    if split not in get_args(Split):
        node["split"].refuse("'train', 'test' or ''")
    return Subject(
        person=node["person"].integer(0, _MAX_COUNT - 1),
        name=node["name"].text(),
        split=cast("Split", split),
    )


def _settings(node: Node) -> TriangulationSettings:
    default = TriangulationSettings()
    values: dict[str, Any] = {}
    for name, entry in node.items():
        if name == "weighting":
            values[name] = _one_of(entry, get_args(Weighting))
        elif name == "discard":
            values[name] = _one_of(entry, get_args(DiscardRule))
        elif name == "min_views":
            values[name] = entry.integer(2, _MAX_COUNT)
        elif name in {"sigma_mm", "wss_threshold_mm"} and entry.value == "auto":
            values[name] = "auto"
        elif hasattr(default, name):
            values[name] = entry.number()
        else:
            entry.refuse("a setting of this version", name, "Remove it.")
    return replace(default, **values)


def _one_of(node: Node, choices: tuple[str, ...]) -> str:
    if node.value not in choices:
        node.refuse(f"one of {', '.join(choices)}")
    return cast("str", node.value)


def _volume(node: Node) -> WorldBox:
    return WorldBox(node["low_mm"].array(3), node["high_mm"].array(3))


def _volume_to_toml(volume: WorldBox) -> dict[str, Any]:
    return {"low_mm": volume.low_mm.tolist(), "high_mm": volume.high_mm.tolist()}


def _detections(node: Node) -> DetectionsEntry:
    file = node["file"].text()
    if Path(file).name != file:
        node["file"].refuse("the name of a file in imports/", file)
    return DetectionsEntry(
        file=file, provenance=str(node["provenance"].value), time=node["time"].text()
    )
