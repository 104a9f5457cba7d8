"""Arrays that can be computed again, on disk: one HDF5 file, whole or not there.

Written under a temporary name, flushed and renamed, never in place. A file of another version, or a
damaged one, is refused: whoever asks deletes it and computes anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py

from core.errors import DataError
from core.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_PACKED_FROM = 1000  # values


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayCache:
    """Files of one kind.

    Attributes:
        what: they are, in words, such as ``a summary of a recording``.
        version: raised when their meaning changes.
        names: of the arrays.
    """

    what: str
    version: int
    names: Sequence[str]

    def save(
        self, path: Path, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> None:
        """Write a file, wholly or not at all.

        Args:
            path: its folder must exist.
            about: plain values beside the arrays; JSON must know them.
            arrays: by name.

        Raises:
            OSError: it cannot be written.
        """

        def fill(temporary: Path) -> None:
            with h5py.File(temporary, "w") as file:
                file.attrs["version"] = self.version
                file.attrs["about"] = json.dumps(about)
                for name in self.names:
                    values = arrays[name]
                    packing = {"compression": "lzf"} if values.size > _PACKED_FROM else {}
                    file.create_dataset(name, data=values, **packing)

        write_atomically(path, fill)

    def load(self, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """What `save` was given: the plain values, and the arrays.

        Raises:
            DataError: it is none of these files, of another version, or damaged.
        """
        try:
            with h5py.File(path, "r") as file:
                attributes: Any = file.attrs
                datasets: Any = file
                if int(attributes["version"]) != self.version:
                    raise self.damaged(path, f"version {attributes['version']}")
                about: dict[str, Any] = json.loads(str(attributes["about"]))
                return about, {name: datasets[name][()] for name in self.names}
        except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise self.damaged(path, str(error)) from error

    def damaged(self, path: Path, found: str) -> DataError:
        """What to raise where a file turns out to be none."""
        return DataError(
            path,
            expected=f"{self.what}, version {self.version}",
            found=found,
            remedy="Delete this file; it will be made again.",
        )
