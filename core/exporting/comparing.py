"""Whether what was written is what was meant: the comparison of every export with its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def compare(
    place: Path,
    what: object,
    arrays: tuple[NDArray[Any], NDArray[Any]],
    *,
    within: float = 0.0,
) -> None:
    """Refuse a file that does not hold what it should.

    Args:
        place: the file, named in the error.
        what: was compared.
        arrays: wanted and found; NaN equals NaN.
        within: how far numbers may be apart, where the format has another unit; 0 = not at all.

    Raises:
        DataError: they differ.
    """
    wanted, found = arrays
    with_nan = wanted.dtype.kind == "f"
    tolerance = {"rtol": 1e-12 if within else 0.0, "atol": within}
    if wanted.shape != found.shape or not np.allclose(
        wanted, found, equal_nan=with_nan, **tolerance
    ):
        lost(place, str(what))


def lost(place: Path, what: str) -> NoReturn:
    """Refuse a file that does not hold what it should.

    Raises:
        DataError: always.
    """
    raise DataError(
        place.name,
        what,
        expected="what was written, read again",
        found="something else",
        remedy="Nothing was exported. Please report this, with the project if you can.",
    )
