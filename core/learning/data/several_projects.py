"""A folder of trilabel projects as one data set: a recording each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import DataError
from core.learning.data.dataset import DataSet
from core.learning.data.trilabel_project import open_project

if TYPE_CHECKING:
    from pathlib import Path

    from core.learning.data.protocols import Protocol


def projects_in(folder: Path) -> list[Path]:
    """The projects that lie in a folder, by name; none where it is a project itself."""
    if (folder / "project.toml").exists():
        return []
    return sorted(path.parent for path in folder.glob("*/project.toml"))


def open_projects(
    folders: list[Path],
    protocol: Protocol,
    cameras: tuple[str, ...],
    *,
    use_accepted: bool = False,
) -> DataSet:
    """Read several projects, each with its own labels and rig.

    Args:
        folders: at least one.
        protocol: says what their labels are.
        cameras: names of those in use, in every project; empty = all.
        use_accepted: whether accepted pseudo-labels may be learned from.

    Raises:
        DataError: where one cannot be read, or they differ in skeleton or number of cameras.
    """
    parts: list[DataSet] = []
    try:
        for folder in folders:
            parts.append(open_project(folder, protocol, cameras, None, use_accepted=use_accepted))
            _require_like(folder, parts[-1], parts[0])
    except BaseException:
        for part in parts:
            for recording in part.recordings:
                recording.close()
        raise
    return DataSet(
        name=folders[0].parent.name,
        recordings=tuple(recording for part in parts for recording in part.recordings),
        skeleton=parts[0].skeleton,
        test_people=frozenset[int]().union(*(part.test_people for part in parts)),
        notes=tuple(note for part in parts for note in part.notes),
    )


def _require_like(folder: Path, part: DataSet, first: DataSet) -> None:
    """One network and one batch for all of them: same joints, same number of cameras."""
    facts = {
        "skeleton": (" ".join(first.skeleton.joints), " ".join(part.skeleton.joints)),
        "cameras": (str(len(first.recordings[0].rig)), str(len(part.recordings[0].rig))),
    }
    for name, (expected, found) in facts.items():
        if expected != found:
            raise DataError(
                folder,
                name,
                expected=f"{expected}, as in {first.name}",
                found=found,
                remedy="Put projects of one kind into a folder, or choose common cameras.",
            )
