"""State dicts read from files that somebody else made, and put into a module strictly.

Files are opened with ``weights_only=True``: tensors and plain values, never code. What does not fit
is said by name, the first few of each kind. Only BatchNorm's ``num_batches_tracked`` may be
missing, as torch itself did not write it before 0.4.1.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

NAMES_SHOWN = 4
_COUNTER = "num_batches_tracked"
_REMEDY = "Give an AlphaPose .pth, or weights that trilabel exported."


def read_plain_file(path: Path) -> dict[str, object]:
    """The dictionary in a file of torch.save, on the CPU.

    Raises:
        DataError: where there is no such file, or it holds anything but tensors and plain values.
    """
    if not path.is_file():
        raise DataError(path, expected="a file of weights", found="no such file", remedy=_REMEDY)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
    ) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise DataError(
            path, expected="tensors saved by torch.save", found=reason, remedy=_REMEDY
        ) from error
    if not isinstance(content, Mapping):
        found = type(content).__name__
        raise DataError(path, expected="a dictionary of tensors", found=found, remedy=_REMEDY)
    return {str(key): value for key, value in cast("Mapping[object, object]", content).items()}


def tensors_of(content: Mapping[str, object], source: Path | str) -> dict[str, Tensor]:
    """The tensors of a state dict, unwrapped: ``state_dict`` entry and ``module.`` prefixes.

    Raises:
        DataError: where an entry is no tensor.
    """
    for wrapper in ("state_dict", "model"):
        inner = content.get(wrapper)
        if isinstance(inner, Mapping):
            content = cast("Mapping[str, object]", inner)
    tensors: dict[str, Tensor] = {}
    for key, value in content.items():
        if not isinstance(value, Tensor):
            found = type(value).__name__
            raise DataError(source, str(key), expected="a tensor", found=found, remedy=_REMEDY)
        tensors[str(key).removeprefix("module.")] = value
    return tensors


def load_strictly(module: nn.Module, tensors: Mapping[str, Tensor], source: Path | str) -> None:
    """Put a state dict into a module; every key there, none beyond, every shape right.

    Raises:
        DataError: naming keys that are missing, unknown or of another shape; the module is as it
            was then.
    """
    wanted = module.state_dict()
    missing = [key for key in wanted if key not in tensors and not key.endswith(_COUNTER)]
    unknown = [key for key in tensors if key not in wanted]
    misshapen = [
        f"{key} {_shape(tensors[key])} instead of {_shape(wanted[key])}"
        for key in wanted
        if key in tensors and tensors[key].shape != wanted[key].shape
    ]
    faults = [
        f"{len(names)} {what}: {_few(names)}"
        for what, names in (
            ("missing", missing),
            ("unknown", unknown),
            ("of another shape", misshapen),
        )
        if names
    ]
    if faults:
        expected = f"the {len(wanted)} tensors of {type(module).__name__}"
        raise DataError(source, expected=expected, found="; ".join(faults), remedy=_REMEDY)
    counters = {key: torch.zeros_like(wanted[key]) for key in wanted if key not in tensors}
    module.load_state_dict({**tensors, **counters}, strict=True)


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _few(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
