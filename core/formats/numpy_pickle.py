"""A pickled value in an .npy file, unpickled without running anything but numpy's own builders.

``numpy.load(allow_pickle=True)`` does whatever the file says. Here a pickle may name the few
functions that arrays are rebuilt by, and nothing else; what it names beyond is refused, unrun.
"""

from __future__ import annotations

import importlib
import io
import pickle
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from core.errors import DataError
from core.formats.fields import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 4 << 30
_EXPECTED = "an .npy file with a table of numpy arrays"
_REMEDY = "Take the file as its makers publish it."
_BUILDERS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    *(
        (f"numpy.{core}.{module}", name)
        for core in ("core", "_core")
        for module, name in (
            ("multiarray", "_reconstruct"),
            ("multiarray", "scalar"),
            ("numeric", "_frombuffer"),
        )
    ),
}
_DAMAGE = (
    pickle.UnpicklingError, ValueError, EOFError, TypeError, AttributeError, KeyError, IndexError,
    ImportError, MemoryError, OverflowError, RecursionError,
)  # fmt: skip


class _Unpickler(pickle.Unpickler):
    """Knows arrays, numbers, text, lists and tables."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as the base class
        if (module, name) not in _BUILDERS:
            message = f"{module}.{name}, which is not data"
            raise pickle.UnpicklingError(message)
        # The module had another name before numpy 2; both must be readable.
        return getattr(importlib.import_module(module.replace("numpy.core.", "numpy._core.")), name)


def read_pickled_table(path: Path) -> dict[str, Any]:
    """The table that ``numpy.save(path, {...})`` stored.

    Raises:
        DataError: where the file is missing, damaged, holds something else, or asks for more.
    """
    stream = io.BytesIO(read_bytes(path, MAX_BYTES))
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None or not read_header(stream)[2].hasobject:
            _refuse(path, f"plain numbers, or version {version}")
        value = _Unpickler(stream).load()
    except DataError:
        raise
    except _DAMAGE as error:
        raise DataError(
            path, expected=_EXPECTED, found=str(error) or type(error).__name__, remedy=_REMEDY
        ) from error
    table = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    if not isinstance(table, dict) or not all(isinstance(key, str) for key in table):
        _refuse(path, type(table).__name__)
    return table


def _refuse(path: Path, found: str) -> NoReturn:
    raise DataError(path, expected=_EXPECTED, found=found, remedy=_REMEDY)
