"""What people call a run and what they noted about it: about.toml, beside run.toml.

run.toml is its maker's and never changes; this is everybody else's, at any time, also while a
trainer works. A run keeps its id (the folder's name) for ever, since predictions, accepted points
and configurations refer to it.

Reading is total: whatever stands in the file, a run can be listed; `About.problem` says what is
wrong. Trap: name and note are in one file, so a change reads the other again under a lock, or two
who change one each would lose one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import tomli_w

from core.errors import CommandRefusedError, DataError
from core.files import write_text_atomically
from core.formats.fields import read_toml
from core.project.runs import liveness

if TYPE_CHECKING:
    from pathlib import Path

ABOUT_FILE = "about.toml"
MAX_NAME, MAX_NOTE = 80, 4000
_LOCK = "about.lock"
_LOCK_WAIT_S = 2.0
_MAX_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Name and note of a run.

    Attributes:
        name: empty where nobody renamed it.
        note: lines of text; may be empty.
        problem: why the file could not be read; empty where it could.
    """

    name: str = ""
    note: str = ""
    problem: str = ""


def read_about(folder: Path) -> About:
    """Name and note from a run's folder; never fails."""
    path = folder / ABOUT_FILE
    if not path.is_file():
        return About()
    try:
        table = read_toml(path, _MAX_BYTES)
        name, note = table.get("name"), table.get("note")
        return About(
            name="" if name is None or name.value == "" else _line(name.text())[:MAX_NAME],
            note="" if note is None or note.value == "" else _lines(note.text())[:MAX_NOTE],
        )
    except DataError as error:
        return About(problem=str(error))


def change_about(folder: Path, *, name: str | None = None, note: str | None = None) -> About:
    """Write another name or note; what is None stays. What was damaged is written anew.

    Raises:
        CommandRefusedError: the text is too long or the name is blank, the folder cannot be
            written to, or somebody else is writing.
    """
    checked = About(
        name="" if name is None else _checked_name(name),
        note="" if note is None else _checked_note(note),
    )
    try:
        lock = liveness.acquire(folder / _LOCK, wait_s=_LOCK_WAIT_S)
        if lock is None:
            raise CommandRefusedError(f"Somebody else is writing the note of {folder.name}.")
        with lock:
            about = replace(read_about(folder), problem="")
            about = about if name is None else replace(about, name=checked.name)
            about = about if note is None else replace(about, note=checked.note)
            entries = {key: text for key, text in asdict(about).items() if text}
            write_text_atomically(folder / ABOUT_FILE, tomli_w.dumps(entries))
    except OSError as error:
        why = error.strerror or str(error)
        raise CommandRefusedError(f"The note of {folder.name} cannot be written: {why}.") from error
    return about


def _checked_name(text: str) -> str:
    name = _line(text)
    if not name:
        raise CommandRefusedError("A run needs a name.")
    if len(name) > MAX_NAME:
        raise CommandRefusedError(f"A name has up to {MAX_NAME} characters; this has {len(name)}.")
    return name


def _checked_note(text: str) -> str:
    note = _lines(text)
    if len(note) > MAX_NOTE:
        raise CommandRefusedError(f"A note has up to {MAX_NOTE} characters; this has {len(note)}.")
    return note


def _line(text: str) -> str:
    """One line without what steers a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _lines(text: str) -> str:
    return "\n".join(map(_line, text.strip().splitlines())).strip()
