"""Finished parts of an experiment, kept in its folder so that a stopped one goes on.

A part is known by its key and by everything that it was made from; another configuration makes
another part, so old figures never stand beside new ones.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from core.files import write_text_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def fingerprint(made_from: object) -> str:
    """Ten hexadecimal digits of a JSON value."""
    text = json.dumps(made_from, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


class Parts:
    """The folder of finished parts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def find(self, key: str, made_from: object) -> Any | None:  # noqa: ANN401 - any JSON value
        """The part's value; None where it was not finished. A damaged file counts as unfinished."""
        path = self._path(key, made_from)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content.get("value") if isinstance(content, dict) else None

    def get(self, key: str, made_from: object, make: Callable[[], Any]) -> Any:  # noqa: ANN401
        """The part's value, made and written where it was not finished before."""
        value = self.find(key, made_from)
        if value is None:
            value = make()
            content = {"key": key, "made_from": made_from, "value": value}
            text = json.dumps(content, indent=1, default=str)
            write_text_atomically(self._path(key, made_from), text)
            value = json.loads(text)["value"]
        return value

    def _path(self, key: str, made_from: object) -> Path:
        return self._folder / f"{key}-{fingerprint(made_from)}.json"
