"""What an experiment is asked to do, and the options that are its own.

``--set`` takes both kinds: ``figure4.points=200`` is an option of the experiment itself (a frozen
dataclass here), anything else is one of the training's (`core.project.runs`).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Preset = Literal["cpu", "gpu"]
PRESETS: tuple[Preset, ...] = ("cpu", "gpu")
OptionsT = TypeVar("OptionsT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call of an experiment.

    Attributes:
        name: the experiment.
        out: its folder.
        seeds: each gives a repetition; at least one.
        preset: ``cpu`` = small networks and few steps, ``gpu`` = the paper's network and batch.
        settings: ``section.key=value``, the experiment's own and the training's.
        data: a data set's folder, where the experiment needs one; None = not given.
        project: a trilabel project, for the experiments on one's own recording.
    """

    name: str
    out: Path
    seeds: tuple[int, ...]
    preset: Preset = "cpu"
    settings: tuple[str, ...] = ()
    data: Path | None = None
    project: Path | None = None

    def command(self) -> str:
        """The command line that asks for this."""
        words = ["trilabel", "experiment", self.name]
        if self.project is not None:
            words.append(_quoted(str(self.project)))
        words += ["--out", _quoted(str(self.out)), "--seeds", ",".join(map(str, self.seeds))]
        words += ["--preset", self.preset]
        if self.data is not None:
            words += ["--data", _quoted(str(self.data))]
        for setting in self.settings:
            words += ["--set", _quoted(setting)]
        return " ".join(words)

    def own(self, section: str, defaults: OptionsT) -> OptionsT:
        """`defaults`, a frozen dataclass, changed by the settings of this section.

        Raises:
            DataError: a key is unknown, or a value is none.
        """
        for setting in self.settings:
            key, _, text = setting.partition("=")
            head, _, name = key.strip().partition(".")
            if head == section:
                defaults = _with(defaults, section, name, text.strip())
        return defaults

    def training_settings(self, *own_sections: str) -> tuple[str, ...]:
        """The settings that are not of these sections."""
        return tuple(s for s in self.settings if s.partition(".")[0].strip() not in own_sections)

    def refuse_training_settings(self, *own_sections: str) -> None:
        """Say that this experiment trains nothing, where a setting is about training.

        Raises:
            DataError: naming the setting.
        """
        for setting in self.training_settings(*own_sections):
            raise DataError(
                f"--set {setting}",
                expected=f"an option of {' or '.join(f'{one}.*' for one in own_sections)}",
                found="an option of a training",
                remedy=f"Leave it out: {self.name} trains nothing.",
            )


def _quoted(text: str) -> str:
    return f"'{text}'" if any(c in text for c in " $'\"*?&;()<>|") else text


def _with(options: OptionsT, section: str, name: str, text: str) -> OptionsT:
    names = [one.name for one in fields(cast("Any", options))]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
        raise DataError(
            f"--set {section}.{name}",
            expected=f"one of {', '.join(f'{section}.{one}' for one in names)}",
            found="no such option",
            remedy=f"Did you mean {section}.{near[0]}?",
        )
    value = _parsed(f"--set {section}.{name}", text, getattr(options, name))
    return cast("OptionsT", replace(cast("Any", options), **{name: value}))


def _parsed(source: str, text: str, default: object) -> object:
    """`text` as the type that the default has: int, float, str, bool, or a tuple of floats."""
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(default, int):
            return int(text)
        if isinstance(default, float):
            return float(text)
        if isinstance(default, tuple):
            return tuple(float(part) for part in text.strip("[]").split(",") if part.strip())
    except (ValueError, KeyError):
        kind = "numbers with commas" if isinstance(default, tuple) else type(default).__name__
        raise DataError(
            source, expected=kind, found=repr(text), remedy="Give a value of that kind."
        ) from None
    return text


def seeds_of(text: str) -> tuple[int, ...]:
    """``0,1,2`` as (0, 1, 2).

    Raises:
        ValueError: it is no list of different whole numbers from 0.
    """
    parts: Sequence[str] = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise ValueError(f"expected whole numbers with commas such as 0,1,2, found {text!r}")
    seeds = tuple(int(part) for part in parts)
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"expected every seed once, found {text!r}")
    return seeds
