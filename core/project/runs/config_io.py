"""config.toml, presets and ``--set``: where a `TrainConfig` comes from and goes to.

A file may leave options out; they stay as in the configuration that it is laid over (the defaults,
or a preset). Paths in a file are taken from the file's folder, those typed from the working folder;
in memory and in a run they are absolute, since the trainer runs elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import tomli_w

from core.errors import DataError
from core.files import write_text_atomically
from core.formats.fields import Node, parse_toml, read_toml
from core.project.runs.config import TrainConfig
from core.project.runs.option_rows import find_option, near_names, option_table, sections

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from core.project.runs.config import LossOptions
    from core.project.runs.option_rows import OptionRow, OptionValue

CONFIG_SCHEMA = 1
_MAX_BYTES = 1 << 20
_ABOUT = ("schema", "description")  # of the file, no options


def read_config(path: Path, base: TrainConfig | None = None) -> TrainConfig:
    """A configuration from a TOML file.

    Args:
        path: sections with options; what it leaves out stays as in `base`.
        base: None is the defaults.

    Raises:
        DataError: it cannot be read, a newer trilabel wrote it, or it holds an option that is
            unknown (the nearest is named) or wrong.
    """
    config = _laid_over(base or TrainConfig(), read_toml(path, _MAX_BYTES))
    return with_absolute_paths(config, path.absolute().parent)


def write_config(path: Path, config: TrainConfig) -> None:
    """Write all options; a file of that name is replaced."""
    write_text_atomically(path, config_text(config))


def config_text(config: TrainConfig) -> str:
    """config.toml: all options, in their order."""
    return tomli_w.dumps({"schema": CONFIG_SCHEMA, **asdict(config)})


def config_hash(config: TrainConfig) -> str:
    """12 hexadecimal digits that tell configurations apart; the same on every machine.

    Whether a run waits for its turn changes nothing of what comes out of it, and is left out.
    """
    told = asdict(config)
    del told["run"]["wait_turn"]
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def with_settings(
    config: TrainConfig, settings: Iterable[str], *, source: str = "--set"
) -> TrainConfig:
    """The configuration with options changed as ``section.key=value``; the last one counts.

    Raises:
        DataError: a setting has no equals sign, its key is unknown, or its value is wrong.
    """
    values: dict[str, OptionValue] = {}
    for setting in settings:
        key, separator, text = setting.partition("=")
        key = key.strip()
        if not separator:
            raise DataError(
                source,
                expected="section.key=value",
                found=repr(setting),
                remedy="Write for example loss.weighting=consensus.",
            )
        values[key] = find_option(key, source).from_text(text, source)
    return with_absolute_paths(with_values(config, values), Path.cwd())


def with_values(config: TrainConfig, values: Mapping[str, OptionValue]) -> TrainConfig:
    """The configuration with checked values, by ``section.key``."""
    changed: dict[str, dict[str, OptionValue]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        changed.setdefault(section, {})[name] = value
    new: dict[str, Any] = {
        section: replace(getattr(config, section), **options)
        for section, options in changed.items()
    }
    return replace(config, **new)


def value_of(config: TrainConfig, row: OptionRow) -> OptionValue:
    """What an option is set to."""
    return cast("OptionValue", getattr(getattr(config, row.section), row.name))


def changed_options(
    config: TrainConfig, base: TrainConfig | None = None
) -> tuple[tuple[OptionRow, OptionValue], ...]:
    """Options that differ from `base` (None: the defaults), and what they are set to."""
    base = base or TrainConfig()
    return tuple(
        (row, value_of(config, row))
        for row in option_table()
        if value_of(config, row) != value_of(base, row)
    )


def with_absolute_paths(config: TrainConfig, folder: Path) -> TrainConfig:
    """The configuration with relative paths taken from `folder`; names stay names."""
    values: dict[str, OptionValue] = {}
    for row in option_table():
        value = value_of(config, row)
        if isinstance(value, str) and _is_path(row, value, folder):
            values[row.key] = str((folder / Path(value).expanduser()).resolve())
    return with_values(config, values)


def refuse_missing_paths(config: TrainConfig) -> None:
    """Refuse files and folders that are not there, before a trainer is started for nothing.

    Raises:
        DataError: names the first that is missing.
    """
    for row in option_table():
        value = value_of(config, row)
        if isinstance(value, str) and row.info.path and Path(value).is_absolute():
            if Path(value).exists():
                continue
            raise DataError(
                row.key,
                expected="a file or folder that exists",
                found=value,
                remedy=row.info.help,
            )


def refuse_contradictions(config: TrainConfig) -> None:
    """Refuse options that cannot go together, before hours are spent on the way to them.

    Raises:
        DataError: names the first.
    """
    refuse_loss_contradictions(config.loss)
    fine, loss, model = config.finetune, config.loss, config.model
    if config.predict.weighting == "learned" != loss.weighting:
        raise DataError(
            "config",
            "predict.weighting",
            expected="none, pairwise or consensus, since loss.weighting is not learned",
            found="learned",
            remedy="Choose one of them, or set loss.weighting to learned, too.",
        )
    if model.image_weights and model.image_branch in ("small", "none"):
        raise DataError(
            "config",
            "model.image_weights",
            expected="nothing, or model.image_branch=resnet50, whose weights they are",
            found=f"a file, and model.image_branch={model.image_branch}",
            remedy="Leave one of them out.",
        )
    is_unlabelled = fine.unlabelled_groups and (
        loss.unlabelled_weight or loss.residual_weight or loss.heatmap_weight
    )
    if "finetune" in config.run.stages and not fine.labelled_groups and not is_unlabelled:
        raise DataError(
            "config",
            "finetune.labelled_groups",
            expected="1 or more, since no loss looks at unlabelled groups",
            found="0",
            remedy="Give it some, or leave finetune out of run.stages.",
        )


def refuse_loss_contradictions(loss: LossOptions) -> None:
    """The part of `refuse_contradictions` that is about the section [loss].

    Raises:
        DataError: targets of a teacher, or of heatmaps, that the gradient option has no use for.
    """
    if loss.evidence == "heatmaps" and (
        loss.gradient not in ("detach_target", "frozen") or loss.weighting == "learned"
    ):
        raise DataError(
            "config",
            "loss.evidence",
            expected="points, or heatmaps with loss.gradient=detach_target or frozen, and no "
            "learned weights",
            found=f"heatmaps, gradient={loss.gradient}, weighting={loss.weighting}",
            remedy="Set loss.gradient=detach_target, or leave heatmaps out.",
        )
    if loss.teacher and loss.gradient in ("detach_prediction", "frozen"):
        raise DataError(
            "config",
            "loss.gradient",
            expected="full or detach_target with loss.teacher, whose targets carry no gradient",
            found=loss.gradient,
            remedy="Choose one of them, or leave the teacher out.",
        )


@cache
@cache
def preset_names() -> tuple[str, ...]:
    """The presets that come with trilabel, by name."""
    folder = resources.files("resources").joinpath("presets")
    files = (Path(entry.name) for entry in folder.iterdir())
    return tuple(sorted(file.stem for file in files if file.suffix == ".toml"))


@cache
def preset(name: str) -> TrainConfig:
    """The configuration of a preset.

    Raises:
        DataError: there is none of that name.
    """
    return _laid_over(TrainConfig(), _preset_table(name))


@cache
def preset_description(name: str) -> str:
    """What a preset is for, in a sentence."""
    return _preset_table(name)["description"].text()


def _preset_table(name: str) -> Node:
    names = preset_names()
    if name not in names:
        near = near_names(name, names)
        raise DataError(
            "preset",
            expected=f"one of {', '.join(names)}",
            found=repr(name),
            remedy=f"Did you mean {near}?" if near else "Or give a file by --config.",
        )
    entry = resources.files("resources").joinpath("presets", f"{name}.toml")
    return parse_toml(Path(f"{name}.toml"), entry.read_text(encoding="utf-8"))


def _laid_over(config: TrainConfig, root: Node) -> TrainConfig:
    _check_schema(root)
    values: dict[str, OptionValue] = {}
    for section, table in root.items():
        if section in _ABOUT:
            continue
        if section not in sections():
            near = near_names(section, list(sections()))
            remedy = f"Did you mean {near}?" if near else "'trilabel train --options' lists all."
            table.refuse(f"one of the sections {', '.join(sections())}", "an unknown one", remedy)
        for name, node in table.items():
            row = find_option(f"{section}.{name}", root.source)
            values[row.key] = row.from_toml(node.value, root.source)
    return with_values(config, values)


def _check_schema(root: Node) -> None:
    schema = root.get("schema")
    if schema is not None and schema.integer(1, 1 << 31) > CONFIG_SCHEMA:
        remedy = "A newer trilabel wrote this; update to read it."
        schema.refuse(f"{CONFIG_SCHEMA} or older", remedy=remedy)


def _is_path(row: OptionRow, value: str, folder: Path) -> bool:
    if not row.info.path or not value.strip():
        return False
    if row.info.path == "path":
        return True
    looks_like_one = "/" in value or "\\" in value or bool(Path(value).suffix)
    return looks_like_one or value.startswith("~")
