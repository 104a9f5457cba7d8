"""`Draft`: what the Retrain dialog is about to ask for; without Qt.

A draft is a base (a preset, or a file that was loaded) and what was changed on top of it. Changes
survive another choice of the base, and are dropped where they say what the base says anyway, so
that "changed" in the dialog is never said of what is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from core.errors import DataError
from core.project.runs.config import STAGES, TrainConfig
from core.project.runs.config_io import (
    preset,
    preset_description,
    preset_names,
    read_config,
    refuse_contradictions,
    refuse_missing_paths,
    value_of,
    with_values,
)
from core.project.runs.option_rows import OptionValue, find_option

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from core.project.runs.config import Stage

DEFAULT_PRESET = "quick"
# From the fastest to the slowest; presets that are added later follow.
_ORDER = ("quick", "cpu", "normal", "paper")


def presets_in_order() -> tuple[str, ...]:
    """The presets, the quickest first."""
    names = preset_names()
    known = [name for name in _ORDER if name in names]
    return (*known, *(name for name in names if name not in known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A configuration in the making.

    Attributes:
        title: the preset, or the name of the file that was loaded.
        description: of the base, in a sentence.
        base: what is not changed stays as here.
        changes: by ``section.name``; each differs from the base.
    """

    title: str
    description: str
    base: TrainConfig
    changes: Mapping[str, OptionValue] = field(default_factory=dict)

    @property
    def config(self) -> TrainConfig:
        """What would be asked for."""
        return with_values(self.base, self.changes)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages to do, in their order."""
        return self.config.run.stages

    @property
    def weights(self) -> str:
        """What the detector starts from, as ``model.weights``."""
        return self.config.model.weights

    def with_preset(self, name: str) -> Draft:
        """The same changes upon another preset."""
        return self._upon(name, preset_description(name), preset(name))

    def with_file(self, path: Path) -> Draft:
        """A file's options in the place of everything.

        Raises:
            DataError: the file cannot be read, or an option in it is wrong.
        """
        return Draft(title=path.stem, description=f"From {path}.", base=read_config(path))

    def with_value(self, key: str, value: OptionValue) -> Draft:
        """One option changed; to what the base says: not changed."""
        row = find_option(key, "the dialog")
        others = {name: old for name, old in self.changes.items() if name != key}
        if value != value_of(self.base, row):
            others[key] = value
        return replace(self, changes=others)

    def without(self, key: str) -> Draft:
        """One option as the base has it."""
        return self.with_value(key, value_of(self.base, find_option(key, "the dialog")))

    def with_stage(self, stage: Stage, *, is_on: bool) -> Draft:
        """A stage done, or left out; the order is always the same."""
        chosen = {*self.stages, stage} if is_on else {*self.stages} - {stage}
        return self.with_value("run.stages", tuple(one for one in STAGES if one in chosen))

    def problem(self) -> str:
        """Why this configuration cannot be trained, with what to do; empty where it can."""
        config = self.config
        if not config.run.stages:
            return "Choose a stage: with none there is nothing to do."
        try:
            refuse_missing_paths(config)
            refuse_contradictions(config)
        except DataError as error:
            return str(error)
        return ""

    def _upon(self, title: str, description: str, base: TrainConfig) -> Draft:
        draft = Draft(title=title, description=description, base=base)
        for key, value in self.changes.items():
            draft = draft.with_value(key, value)
        return draft


def first_draft(weights: str | None = None) -> Draft:
    """The default preset; starting from given weights where there are some."""
    name = DEFAULT_PRESET
    draft = Draft(title=name, description=preset_description(name), base=preset(name))
    return draft if weights is None else draft.with_value("model.weights", weights)
