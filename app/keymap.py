"""The table of commands and keys, read from resources/keymap.toml.

Menus, the toolbar, the palette and the `?` sheet are all made from this one table and from what
people rebound (`app.key_bindings`), so the sheet is always true.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, cast


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAction:
    """A line of the table: a command, or a row of like ones.

    Attributes:
        id: what handlers are bound to.
        title: as menus and the `?` sheet say it.
        group: its heading.
        keys: Qt key sequences; the first is shown in menus. None: only the palette and menus.
        icon: a name of the Material Design set, or empty.
        hold: it acts while the key is down.
        each_key: every key is a command of its own, ``id_1`` for the first.
        each_title: of one of those, with ``{}`` for its number.
        anywhere: it can be done without a project.
        row: what stands in the `?` sheet for all lines with the same text, in one row.
    """

    id: str
    title: str
    group: str
    keys: tuple[str, ...] = ()
    icon: str = ""
    hold: bool = False
    each_key: bool = False
    each_title: str = ""
    anywhere: bool = False
    row: str = ""

    @property
    def commands(self) -> tuple[Command, ...]:
        """The commands that it stands for."""
        if not self.each_key:
            return (Command(self.id, self.title, self.keys, self),)
        return tuple(
            Command(f"{self.id}_{n}", self.each_title.format(n), (key,), self)
            for n, key in enumerate(self.keys, start=1)
        )


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its id, what people call it, its keys as delivered, and its line in the table.

    Attributes:
        id: unique.
        title: as menus and the palette say it.
        keys: as delivered; see `app.key_bindings` for those in force.
        entry: its line.
    """

    id: str
    title: str
    keys: tuple[str, ...]
    entry: KeyAction


@cache
def load_keymap() -> tuple[KeyAction, ...]:
    """All lines, in the order of the `?` sheet; every key belongs to one command."""
    table = tomllib.loads((files("resources") / "keymap.toml").read_text(encoding="utf-8"))
    actions = tuple(
        KeyAction(keys=tuple(row.pop("keys", ())), **row)
        for row in cast("list[dict[str, Any]]", table["action"])
    )
    keys = [key for action in actions for key in action.keys]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    assert not twice, f"keymap.toml gives one key to two commands: {', '.join(twice)}"
    return actions


@cache
def load_commands() -> dict[str, Command]:
    """Every command by its id, in the order of the table."""
    return {command.id: command for entry in load_keymap() for command in entry.commands}
