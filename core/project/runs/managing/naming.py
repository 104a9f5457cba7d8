"""A run's name and note, as people give them; the id never changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.project.runs.about import change_about, read_about

if TYPE_CHECKING:
    from core.project.runs.folder import RunFolder


def rename(run: RunFolder, name: str) -> str:
    """Call a run something else, also while it trains; the name as it was written.

    Raises:
        CommandRefusedError: the name is blank or too long, or the folder cannot be written to.
    """
    return change_about(run.path, name=name).name


def set_note(run: RunFolder, text: str) -> str:
    """Note something about a run; empty takes the note away. The note as it was written.

    Raises:
        CommandRefusedError: the text is too long, or the folder cannot be written to.
    """
    return change_about(run.path, note=text).note


def note_of(run: RunFolder) -> str:
    """What was noted about a run; empty where nothing was, or where the file is damaged."""
    return read_about(run.path).note
