"""The table of commands and keys, read from resources/keymap.toml.

Menus, the toolbar and the `?` sheet are all made from this one table, so the sheet is always true.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, cast


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAction:
    """One command of the window.

    Attributes:
        id: what handlers are bound to.
        title: as menus and the `?` sheet say it.
        group: its heading.
        keys: Qt key sequences; the first is shown in menus.
        icon: a name of the Material Design set, or empty.
        hold: it acts while the key is down.
        each_key: every key is a command of its own, ``id_1`` for the first.
    """

    id: str
    title: str
    group: str
    keys: tuple[str, ...]
    icon: str = ""
    hold: bool = False
    each_key: bool = False

    @property
    def commands(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The commands that it stands for, with their keys."""
        if self.each_key:
            return tuple((f"{self.id}_{n}", (key,)) for n, key in enumerate(self.keys, start=1))
        return ((self.id, self.keys),)


@cache
def load_keymap() -> tuple[KeyAction, ...]:
    """All commands, in the order of the `?` sheet; every key belongs to one of them."""
    table = tomllib.loads((files("resources") / "keymap.toml").read_text(encoding="utf-8"))
    actions = tuple(
        KeyAction(keys=tuple(row.pop("keys")), **row)
        for row in cast("list[dict[str, Any]]", table["action"])
    )
    keys = [key for action in actions for key in action.keys]
    assert len(keys) == len(set(keys)), "keymap.toml gives one key to two commands"
    return actions
