"""One option of a configuration: a dataclass field that carries its own help, limits and choices.

The command line's manual, the training dialog and the checks on a configuration file are all made
from these, so that no option can be without its explanation and none is checked twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

PathRule = Literal["", "path", "name or path"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionInfo:
    """What is told about an option, beside its type and default.

    Attributes:
        help: one or two sentences for a person who must decide.
        low: smallest allowed number; None = no limit.
        high: largest allowed number; None = no limit.
        unit: such as ``mm``; empty where the number has none.
        path: ``path`` where the value is a file or folder, ``name or path`` where it may be a name
            instead; such values are kept absolute.
    """

    help: str
    low: float | None = None
    high: float | None = None
    unit: str = ""
    path: PathRule = ""


def option(
    default: Any,  # noqa: ANN401 - the field's own type says what it is
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    unit: str = "",
    path: PathRule = "",
) -> Any:  # noqa: ANN401 - as `dataclasses.field`
    """A dataclass field with a default and an `OptionInfo` in its metadata under ``option``."""
    info = OptionInfo(help=help, low=low, high=high, unit=unit, path=path)
    return field(default=default, metadata={"option": info})
