"""Where a camera's pictures come from, as values that a project file can hold.

A spec says only what a person decided; what is really on the disk is found by `core.recording`'s
readers when the recording is opened. In memory the paths are absolute. `to_dict` writes them as
they are, and the project makes them relative to its approved roots, and back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSpec:
    """A folder of JPEG or PNG pictures, one per frame, numbered in their names.

    Attributes:
        directory: the folder.
        first_number: the number in the name of frame 0; ffmpeg's ``frame_%06d.jpg`` start at 1.
        pattern: the name with ``%d`` or ``%06d`` in the number's place; empty = found from the
            names (the digits that change from name to name).
    """

    directory: Path
    first_number: int = 0
    pattern: str = ""

    @property
    def path(self) -> Path:
        """What this source lies at: the folder."""
        return self.directory

    def to_dict(self) -> dict[str, str | int]:
        """As plain values for TOML; `spec_from_dict` reads them."""
        values: dict[str, str | int] = {
            "kind": "images",
            "path": str(self.directory),
            "first_number": self.first_number,
        }
        return {**values, "pattern": self.pattern} if self.pattern else values


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSpec:
    """A video file; frame 0 is the first presented one, frame n the n-th after it.

    Attributes:
        path: the file.
    """

    path: Path

    def to_dict(self) -> dict[str, str | int]:
        """As plain values for TOML; `spec_from_dict` reads them."""
        return {"kind": "video", "path": str(self.path)}


SourceSpec = FolderSpec | VideoSpec
_Value = TypeVar("_Value", int, str)


def spec_from_dict(values: Mapping[str, object], source: str, field: str) -> SourceSpec:
    """Read what `to_dict` wrote.

    Args:
        values: the table.
        source: the file that it stands in, for the message.
        field: the table's name, for the message.

    Raises:
        DataError: an unknown kind, or a value that is absent or of a wrong type.
    """
    kind = values.get("kind")
    path = Path(_typed(values, "path", str, source, field))
    if kind == "video":
        return VideoSpec(path=path)
    if kind == "images":
        return FolderSpec(
            directory=path,
            first_number=_typed({"first_number": 0, **values}, "first_number", int, source, field),
            pattern=_typed({"pattern": "", **values}, "pattern", str, source, field),
        )
    raise DataError(
        source,
        f"{field}.kind",
        expected="'video' or 'images'",
        found=repr(kind),
        remedy="Correct the source's kind.",
    )


def _typed(
    values: Mapping[str, object], key: str, kind: type[_Value], source: str, field: str
) -> _Value:
    value = values.get(key)
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    raise DataError(
        source,
        f"{field}.{key}",
        expected=f"a value of type {kind.__name__}",
        found=repr(value),
        remedy="Correct or remove this value.",
    )
