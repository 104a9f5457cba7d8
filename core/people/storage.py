"""Ground tracks as an HDF5 file, written whole or not at all, and never changed in place.

In-place writing and SWMR were both seen to corrupt files under kill -9 (docs/DESIGN.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from core.errors import DataError
from core.files import write_atomically
from core.formats.hdf5 import h5_array, open_h5
from core.people.tracks import GroundTracks

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT = "trilabel.tracks.1"
_REMEDY = "Import the tracks again."
_DATASETS = ("person", "name", "row_person", "row_frame", "row_ground_mm")


def write_tracks(path: Path, tracks: GroundTracks) -> None:
    """Store ground tracks at `path`, whole or not at all."""

    def fill(temporary: Path) -> None:
        with h5py.File(temporary, "w") as file:
            file.attrs["format"] = _FORMAT
            file["person"] = np.asarray(tracks.persons, dtype=np.int32)
            file.create_dataset("name", data=list(tracks.names), dtype=h5py.string_dtype())
            file["row_frame"] = tracks.row_frames
            file["row_person"] = tracks.row_persons
            file["row_ground_mm"] = tracks.row_ground_mm

    write_atomically(path, fill)


def read_tracks(path: Path) -> GroundTracks:
    """The tracks that `write_tracks` stored.

    Raises:
        DataError: where the file is missing, damaged, or not a tracks file.
    """
    with open_h5(path, "a tracks file of trilabel", _REMEDY) as file:
        found = file.attrs.get("format")
        persons, titles, *rows = (h5_array(file, name, _REMEDY) for name in _DATASETS)
    if found != _FORMAT:
        raise DataError(path, "format", expected=_FORMAT, found=repr(found), remedy=_REMEDY)
    names = {int(p): str(n) for p, n in zip(persons.ravel(), titles.ravel(), strict=False)}
    return GroundTracks.from_rows(*rows, names=names, source=str(path))
