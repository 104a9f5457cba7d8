"""The options of a configuration as rows: for help, for dialogs, and to check any value.

A row knows how its value is written in TOML and how in ``--set section.key=text``; both ways end
in the same check, so that a file, a command line and a dialog refuse the same values in the same
words.
"""

from __future__ import annotations

import difflib
import inspect
import math
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NoReturn, cast, get_args, get_origin, get_type_hints

from core.errors import DataError
from core.project.runs.config import TrainConfig

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from core.project.runs.options import OptionInfo

OptionKind = Literal["bool", "int", "float", "text", "list"]
OptionValue = bool | int | float | str | tuple[str, ...]

_KINDS: dict[object, OptionKind] = {bool: "bool", int: "int", float: "float", str: "text"}
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRow:
    """One option.

    Attributes:
        section: such as ``loss``.
        name: such as ``sigma_mm``.
        kind: of its value, or of what its list holds.
        choices: what it may be (for a list: what may stand in it); empty = anything of its kind.
        default: of `TrainConfig`.
        info: help, limits, unit.
    """

    section: str
    name: str
    kind: OptionKind
    choices: tuple[str | int, ...]
    default: OptionValue
    info: OptionInfo

    @property
    def key(self) -> str:
        """What is written before the equals sign: ``loss.sigma_mm``."""
        return f"{self.section}.{self.name}"

    @property
    def expected(self) -> str:
        """What a right value looks like, in words."""
        if self.choices:
            names = ", ".join(map(str, self.choices))
            return f"some of {names}" if self.kind == "list" else f"one of {names}"
        words = {
            "bool": "true or false",
            "int": "a whole number",
            "float": "a number",
            "text": "text",
            "list": "a list of names",
        }[self.kind]
        low, high = self.info.low, self.info.high
        unit = f", in {self.info.unit}" if self.info.unit else ""
        if low is not None and high is not None:
            return f"{words} from {low:g} to {high:g}{unit}"
        if low is not None:
            return f"{words} of {low:g} or more{unit}"
        return words + (f" of up to {high:g}{unit}" if high is not None else unit)

    def from_toml(self, value: object, source: Path | str) -> OptionValue:
        """The checked value of what stands in a TOML file.

        Raises:
            DataError: it is of another kind, none of the choices, or out of the limits.
        """
        if self.kind == "list":
            if not isinstance(value, list | tuple):
                self._refuse(value, source)
            entries = cast("Sequence[object]", value)
            return tuple(str(self._entry(entry, source)) for entry in entries)
        if self.kind == "float" and isinstance(value, int) and not isinstance(value, bool):
            return self._within(float(value) if abs(value) < 1 << 63 else math.inf, source)
        if not self._is_of_kind(value):
            self._refuse(value, source)
        return self._within(cast("OptionValue", value), source)

    def from_text(self, text: str, source: Path | str) -> OptionValue:
        """The checked value of what was typed after the equals sign; lists are comma separated.

        Raises:
            DataError: as `from_toml`.
        """
        text = text.strip()
        if self.kind == "list":
            names = text.removeprefix("[").removesuffix("]").split(",")
            return self.from_toml([n for n in map(_unquoted, names) if n], source)
        if self.kind == "text":
            return self.from_toml(_unquoted(text), source)
        if self.kind == "bool" and text.lower() in _TRUE + _FALSE:
            return text.lower() in _TRUE
        try:
            number = int(text) if self.kind == "int" else float(text)
        except ValueError:
            self._refuse(text, source)
        return self._refuse(text, source) if self.kind == "bool" else self.from_toml(number, source)

    def _is_of_kind(self, value: object) -> bool:
        kinds = {"bool": bool, "int": int, "float": float, "text": str}
        is_bool = isinstance(value, bool)
        return isinstance(value, kinds[self.kind]) and is_bool == (self.kind == "bool")

    def _entry(self, value: object, source: Path | str) -> object:
        is_choice = not self.choices or value in self.choices
        if not isinstance(value, str) or not value.strip() or not is_choice:
            self._refuse(value, source)
        return value

    def _within(self, value: OptionValue, source: Path | str) -> OptionValue:
        if self.choices and value not in self.choices:
            self._refuse(value, source)
        if isinstance(value, int | float) and not isinstance(value, bool):
            low, high = self.info.low, self.info.high
            is_low = low is not None and value < low
            if not math.isfinite(value) or is_low or (high is not None and value > high):
                self._refuse(value, source)
        return value

    def _refuse(self, value: object, source: Path | str) -> NoReturn:
        found = repr(value)[:80]
        near = near_names(str(value), [str(choice) for choice in self.choices])
        remedy = f"Did you mean {near}?" if near else self.info.help
        raise DataError(source, self.key, expected=self.expected, found=found, remedy=remedy)


@cache
def option_table(config_class: type[Any] = TrainConfig) -> tuple[OptionRow, ...]:
    """All options of a configuration, in its order."""
    rows: list[OptionRow] = []
    for section, section_class in sections(config_class).items():
        hints = get_type_hints(section_class)
        for item in fields(section_class):
            kind, choices = _kind_of(hints[item.name])
            rows.append(
                OptionRow(
                    section=section,
                    name=item.name,
                    kind=kind,
                    choices=choices,
                    default=cast("OptionValue", item.default),
                    info=item.metadata["option"],
                )
            )
    return tuple(rows)


@cache
def sections(config_class: type[Any] = TrainConfig) -> dict[str, type[Any]]:
    """The class of each section, by name, in order."""
    hints = get_type_hints(config_class)
    found = {item.name: hints[item.name] for item in fields(config_class)}
    assert all(is_dataclass(section) for section in found.values()), "a section is a dataclass"
    return found


def section_summary(section: str, config_class: type[Any] = TrainConfig) -> str:
    """The first sentence about a section."""
    return (inspect.getdoc(sections(config_class)[section]) or "").partition("\n")[0]


def find_option(key: str, source: Path | str, config_class: type[Any] = TrainConfig) -> OptionRow:
    """The row of ``section.name``.

    Raises:
        DataError: there is none; the remedy names the nearest.
    """
    rows = {row.key: row for row in option_table(config_class)}
    if key in rows:
        return rows[key]
    same_name = [row.key for row in rows.values() if row.name == key]
    near = (
        " or ".join(same_name)
        or near_names(key, list(rows), cutoff=0.85)
        or _near_by_name(key, rows)
        or near_names(key, list(rows))
    )
    raise DataError(
        source,
        key,
        expected="the name of an option",
        found="an unknown one" if "." in key else "one without its section, or unknown",
        remedy=f"Did you mean {near}?" if near else "'trilabel train --options' lists them all.",
    )


def near_names(name: str, known: Sequence[str], *, cutoff: float = 0.7) -> str:
    """Known names that look like this one, as ``a or b``; empty where none does."""
    return " or ".join(difflib.get_close_matches(name, known, n=2, cutoff=cutoff))


def _near_by_name(key: str, rows: dict[str, OptionRow]) -> str:
    """Options whose name alone is near: for keys with no section or a wrong one."""
    name = key.rpartition(".")[2]
    names = difflib.get_close_matches(name, {row.name for row in rows.values()}, n=1, cutoff=0.7)
    return " or ".join(row.key for row in rows.values() if row.name in names)


def _kind_of(hint: Any) -> tuple[OptionKind, tuple[str | int, ...]]:  # noqa: ANN401 - a type
    if get_origin(hint) is tuple:
        _, choices = _kind_of(get_args(hint)[0])
        return "list", choices
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        return _KINDS[type(choices[0])], choices
    return _KINDS[hint], ()


def _unquoted(text: str) -> str:
    text = text.strip()
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if is_quoted else text
