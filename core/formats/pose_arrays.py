"""trilabel's own exchange of poses as arrays, NPZ or HDF5: every point with where it comes from.

Both hold the same arrays under the same names. In HDF5 the texts are UTF-8; in NPZ they are
fixed-width unicode, so that ``numpy.load`` needs no pickle.

    cameras (C,), joints (J,)     names; indices below are into them
    persons (P,), person_names    ids, and what they are called
    view_keys (N, 4)              frame (from 0), camera, person id, joint
    view_points_px (N, 2)         raw pixels, NaN = no place
    view_visibility (N,)          0 visible, 1 occluded, 2 outside
    view_residual_px (N,)         to the point in space, NaN = none
    view_record (N,)              row of records
    space_keys (M, 3)             frame, person id, joint
    space_points_mm (M, 3)        world
    space_residual_px (M,), space_num_views (M,), space_record (M,)
    records (R,)                  JSON texts: kind, origin, annotator, time, provenance
    about ()                      JSON text: the datasheet's first part
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from core.errors import DataError
from core.files import write_atomically
from core.formats.hdf5 import h5_array, open_h5

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

_SIZES: dict[str, tuple[str, tuple[int, ...]]] = {
    "view_keys": ("iu", (4,)),
    "view_points_px": ("f", (2,)),
    "view_visibility": ("iu", ()),
    "view_residual_px": ("f", ()),
    "view_record": ("iu", ()),
    "space_keys": ("iu", (3,)),
    "space_points_mm": ("f", (3,)),
    "space_residual_px": ("f", ()),
    "space_num_views": ("iu", ()),
    "space_record": ("iu", ()),
    "persons": ("iu", ()),
}
_TEXTS = ("cameras", "joints", "person_names", "records", "about")
_REMEDY = "Export the poses again."


def write_npz(path: Path, arrays: Arrays) -> None:
    """Write the arrays, compressed; an existing file is replaced."""

    def write(temporary: Path) -> None:
        values = {n: np.asarray(v, dtype=np.str_) if n in _TEXTS else v for n, v in arrays.items()}
        with temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **values)

    write_atomically(path, write)


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays; texts as str objects.

    Raises:
        DataError: where one is missing or of another kind, or the file is no NPZ.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, MemoryError) as error:
        raise DataError(
            path, expected="an NPZ of poses", found=str(error), remedy=_REMEDY
        ) from error
    return _checked(path, found)


def write_hdf5(path: Path, arrays: Arrays) -> None:
    """Write the arrays, compressed; an existing file is replaced."""

    def write(temporary: Path) -> None:
        with h5py.File(temporary, "w") as file:
            for name, values in arrays.items():
                if name in _TEXTS:
                    texts = np.asarray(values, dtype=object)
                    file.create_dataset(name, data=texts, dtype=h5py.string_dtype())
                elif values.size:
                    file.create_dataset(name, data=values, compression="gzip", shuffle=True)
                else:
                    file.create_dataset(name, data=values)

    write_atomically(path, write)


def read_hdf5(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays; texts as str objects.

    Raises:
        DataError: where one is missing or of another kind, or the file is no HDF5.
    """
    with open_h5(path, "an HDF5 file of poses", _REMEDY) as file:
        found = {name: h5_array(file, name, _REMEDY) for name in (*_SIZES, *_TEXTS)}
    return _checked(path, found)


def _checked(path: Path, found: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    for name in (*_SIZES, *_TEXTS):
        if name not in found:
            _refuse(path, name, "an array of that name", ", ".join(list(found)[:8]))
    for name, (kinds, shape) in _SIZES.items():
        array = found[name]
        if array.dtype.kind not in kinds or array.ndim < 1 or array.shape[1:] != shape:
            _refuse(path, name, f"numbers of shape (N, {shape})", f"{array.dtype} {array.shape}")
    for name in _TEXTS:
        if found[name].dtype.kind not in "UO":
            _refuse(path, name, "texts", str(found[name].dtype))
        found[name] = found[name].astype(object)
    for rows in ("view", "space"):
        names = [name for name in _SIZES if name.startswith(f"{rows}_")]
        if len({len(found[name]) for name in names}) > 1:
            _refuse(path, f"{rows}_keys", f"as many rows as {names[1]}", "another number")
    return found


def _refuse(path: Path, field: str, expected: str, found: str) -> None:
    raise DataError(path, field, expected=expected, found=found, remedy=_REMEDY)
