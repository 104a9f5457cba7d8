"""`trilabel train`: start a training in the background and follow it on the terminal."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.common import Manual, num_processes, report

if TYPE_CHECKING:
    import argparse

    from core.project.runs.config import TrainConfig
    from core.project.runs.folder import RunFolder
    from core.project.runs.option_rows import OptionRow

_DESCRIPTION = """\
Train on a project: a few labelled frames, and many that nobody labelled.

Stages: the detector is pre-trained on the labels, then fine-tuned on all frames through
the triangulation; a lifter learns 3D poses from single views; then everybody is predicted
in every frame. Everything lies in a folder of its own, PROJECT/runs/ID.

The trainer is a process of its own and goes on when this terminal is closed. Ctrl-C stops
it after its next step, with a checkpoint; a second Ctrl-C cancels it at once. Killed or
stopped, it goes on with --resume.
"""

_EPILOG = """\
examples:
  trilabel train match.trilabel --preset quick
  trilabel train match.trilabel --set loss.weighting=consensus --set finetune.steps=2000
  trilabel train match.trilabel --config mine.toml --processes 4 --detach
  trilabel train match.trilabel --resume last
  trilabel train match.trilabel --dry-run   the labels and frames that it would use
  trilabel train --options loss           every option of a section, with its default

A configuration is laid together from the preset, then FILE, then each --set.
exit codes: 0 done or stopped, 1 failed or the data has a problem, 2 wrong usage
"""

MANUAL = Manual(
    name="train",
    summary="train detector and lifter on a project",
    description=_DESCRIPTION,
    epilog=_EPILOG,
)

_DEFAULT_PRESET = "normal"
_WIDTH = 96


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("project", type=Path, nargs="?", metavar="PROJECT", help="a folder NAME.trilabel")
    add("--preset", metavar="NAME", help=f"quick, normal, cpu or paper; default: {_DEFAULT_PRESET}")
    add("--config", type=Path, metavar="FILE", help="options in a TOML file, such as a run's")
    add(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="SECTION.KEY=VALUE",
        help="change one option; may be repeated",
    )
    add("--name", metavar="NAME", help="becomes part of the run's id; default: the preset's name")
    add("--resume", metavar="RUN", help="go on with a run: its id, a part of it, or last")
    add(
        "--processes",
        type=num_processes,
        default=1,
        metavar="N",
        help="processes that share the work, one for each GPU; default: 1",
    )
    add("--detach", action="store_true", help="start it and leave; see 'trilabel runs'")
    add("--dry-run", action="store_true", help="tell what it would use, make nothing, and leave")
    add("--json", action="store_true", help="with --dry-run: as JSON")
    add(
        "--options",
        nargs="?",
        const="",
        metavar="SECTION",
        help="list every option with its default, limits and meaning, and leave",
    )
    parser.set_defaults(refuse=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Make or find the run, start its trainer, follow it."""
    if arguments.options is not None:
        return _show_options(arguments)
    if arguments.project is None:
        arguments.refuse("the following arguments are required: PROJECT")
    if arguments.dry_run:
        return _tell_inputs(arguments)
    if arguments.json:
        arguments.refuse("--json goes with --dry-run")
    from app.cli.following import start_and_follow

    folder = _resumed(arguments) if arguments.resume else _made(arguments)
    return start_and_follow(
        folder,
        processes=arguments.processes,
        detach=arguments.detach,
        resume=bool(arguments.resume),
    )


def _show_options(arguments: argparse.Namespace) -> int:
    from core.project.runs.option_rows import sections

    if arguments.options not in ("", *sections()):
        known = ", ".join(sections())
        arguments.refuse(f"no section {arguments.options!r}; there are {known}")
    report(options_text(arguments.options))
    return 0


def options_text(section: str = "") -> str:
    """The options as a manual; of one section, or of all."""
    from core.project.runs.option_rows import option_table, section_summary, sections

    lines: list[str] = []
    for name in [section] if section else sections():
        lines += [f"[{name}]  {section_summary(name)}", ""]
        for row in option_table():
            if row.section == name:
                lines += _option_lines(row)
        lines.append("")
    if not section:
        lines += _preset_lines()
    return "\n".join(lines).rstrip()


def _option_lines(row: OptionRow) -> list[str]:
    default = ",".join(row.default) if isinstance(row.default, tuple) else str(row.default)
    default = default.lower() if row.kind == "bool" else default
    about = f"{row.info.help} ({row.expected}; default: {default or 'empty'})"
    wrapped = textwrap.wrap(about, _WIDTH, initial_indent="      ", subsequent_indent="      ")
    return [f"  {row.key}", *wrapped]


def _preset_lines() -> list[str]:
    from core.project.runs.config_io import preset_description, preset_names

    return ["presets:", *(f"  {name:<8} {preset_description(name)}" for name in preset_names())]


def _tell_inputs(arguments: argparse.Namespace) -> int:
    from app.cli.inputs_text import dry_run
    from core.project import Project

    if arguments.resume:
        arguments.refuse("a run that is resumed uses what it began with: leave out --dry-run")
    config = _checked_config(arguments)
    with Project.open(arguments.project, read_only=True) as project:
        report(dry_run(project, config, as_json=arguments.json))
    return 0


def _made(arguments: argparse.Namespace) -> RunFolder:
    from core.project import Project
    from core.project.runs.folder import RUNS_FOLDER, RunFolder

    config = _checked_config(arguments)
    with Project.open(arguments.project, read_only=True) as project:
        return RunFolder.create(
            project.path / RUNS_FOLDER,
            config,
            project_dir=project.path,
            labels_db=project.labels.path,
            name=_name(arguments),
        )


def _checked_config(arguments: argparse.Namespace) -> TrainConfig:
    from core.project.runs.config_io import refuse_contradictions, refuse_missing_paths

    config = _config(arguments)
    refuse_missing_paths(config)
    refuse_contradictions(config)
    return config


def _config(arguments: argparse.Namespace) -> TrainConfig:
    from core.project.runs.config_io import preset, read_config, with_settings

    config = preset(arguments.preset or _DEFAULT_PRESET)
    if arguments.config is not None:
        config = read_config(arguments.config, config)
    return with_settings(config, arguments.settings)


def _name(arguments: argparse.Namespace) -> str:
    if arguments.name:
        return arguments.name
    if arguments.config is not None and arguments.config.stem != "config":
        return arguments.config.stem
    return arguments.preset or _DEFAULT_PRESET


def _resumed(arguments: argparse.Namespace) -> RunFolder:
    from core.errors import CommandRefusedError
    from core.project.runs.folder import find_run

    if arguments.preset or arguments.config or arguments.settings or arguments.name:
        raise CommandRefusedError(
            "A run goes on with the configuration that it was begun with; leave out --preset, "
            "--config, --set and --name, or start a new run."
        )
    return find_run(arguments.project, arguments.resume)
