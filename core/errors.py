"""The two ways in which trilabel says no to a person.

A file or value that is wrong raises `DataError`, which always names where, what was expected, what
was found and what to do about it. A command that cannot be carried out now raises
`CommandRefusedError`; the window shows it in the status bar. A programmer's mistake is an
`assert`, never one of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class DataError(ValueError):
    """A file's or a value's fault, told so that its owner can mend it.

    Attributes:
        source: the file, or the object's name where there is no file.
        field: the place inside the source, such as ``ace_3.K``; empty for the whole.
        expected: what a right value looks like.
        found: what stands there.
        remedy: what to do, as a sentence.
    """

    def __init__(
        self, source: Path | str, field: str = "", *, expected: str, found: str, remedy: str
    ) -> None:
        self.source = str(source)
        self.field = field
        self.expected = expected
        self.found = found
        self.remedy = remedy
        place = f"{self.source}: {field}" if field else self.source
        super().__init__(f"{place}: expected {expected}, found {found}. {remedy}")


class CommandRefusedError(Exception):
    """A command that cannot be carried out now; its text is one sentence for the status bar."""
