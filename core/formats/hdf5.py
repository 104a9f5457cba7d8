"""HDF5 read with distrust: every failure of the library becomes a `DataError`, sizes are bounded.

A few hundred bytes can declare a dataset of terabytes, so a dataset's size is looked at before it
is read. Damaged files make h5py raise almost anything from OSError to RuntimeError.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

MAX_BYTES = 4 << 30
# What h5py raises on damaged bytes, apart from DataError (a ValueError, let through).
_H5_ERRORS = (OSError, KeyError, TypeError, RuntimeError, ValueError, OverflowError, MemoryError)


@contextmanager
def open_h5(path: Path, expected: str, remedy: str) -> Generator[h5py.File, None, None]:
    """Open for reading; whatever h5py raises inside the block names the file.

    Args:
        path: the file.
        expected: what it should be, for the message.
        remedy: what to do where it is not.

    Raises:
        DataError: where the file is missing, no HDF5, or damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except DataError:
        raise
    except _H5_ERRORS as error:
        found = str(error) or type(error).__name__
        raise DataError(path, expected=expected, found=found, remedy=remedy) from error


def h5_array(group: h5py.Group, name: str, remedy: str, max_bytes: int = MAX_BYTES) -> NDArray[Any]:
    """The whole dataset `name` (strings as str objects).

    Raises:
        DataError: where it is missing, no dataset, or larger than `max_bytes`.
    """
    source, field = str(group.file.filename), f"{group.name}/{name}".replace("//", "/")
    dataset = group.get(name)
    if not isinstance(dataset, h5py.Dataset):
        found = ", ".join(list(group)[:12]) or "nothing"
        raise DataError(
            source, field, expected="a dataset of that name", found=found, remedy=remedy
        )
    if dataset.size is None or dataset.nbytes > max_bytes:
        size = "nothing" if dataset.size is None else f"{dataset.nbytes >> 20} MB"
        raise DataError(
            source, field, expected=f"up to {max_bytes >> 20} MB", found=size, remedy=remedy
        )
    if h5py.check_string_dtype(dataset.dtype) is not None:
        return np.asarray(dataset.asstr(errors="replace")[()], dtype=object)
    return np.asarray(dataset[()])
