"""The steps of the journal, as history, undo and redo see them.

A step is an edit, or several: each edit of a key that is held is on the disk by itself, but goes on
with the one before, and all of them are listed, taken back and brought back as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from core.errors import CommandRefusedError
from core.project.journal import ZLIB, decode_place, goes_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.project.edits import Place

    Query = Callable[..., list[Any]]
    Found = tuple[int, str, str | None, bytes]

Direction = Literal["undo", "redo"]
_NEWEST = (1 << 63) - 1  # no id is larger
_PACKING = 12  # how far journals were seen to be compressed
_FEW = 8
_PAGE = 100  # edits that are read at a time


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the journal, for a history panel.

    Attributes:
        id: of its first edit.
        time: of its last edit.
        annotator: who made it.
        description: what was done.
        place: where the cursor stood; None where it is about no single place.
        state: in force, undone, or undone for good because other edits followed.
        num_edits: how many edits it is made of.
    """

    id: int
    time: str
    annotator: str
    description: str
    place: Place | None
    state: Literal["done", "undone", "dropped"]
    num_edits: int = 1


class Steps:
    """The steps of a store, read through its connection."""

    def __init__(self, query: Query) -> None:
        """Read through ``query(sql, *parameters)``, which gives all rows."""
        self._query = query

    def history(self, limit: int) -> list[Step]:
        """The latest, newest first; each is whole, however many edits it is made of."""
        steps: list[Step] = []
        num_edits, latest, below, page = 1, "", _NEWEST, limit + _FEW
        while len(steps) < limit:
            rows = self._query(
                "SELECT id, time, annotator, description, place, state FROM steps"
                " WHERE id < ? ORDER BY id DESC LIMIT ?",
                *(below, page),
            )
            page *= 2  # a key that was held long is one step of many edits
            if not rows:
                break
            below = rows[-1][0]
            for number, time, annotator, description, place, state in rows:
                latest = latest or time
                if goes_on(place):
                    num_edits += 1
                    continue
                where = decode_place(place)
                steps.append(Step(number, latest, annotator, description, where, state, num_edits))
                num_edits, latest = 1, ""
        return steps[:limit]

    def direction_to(self, step: int) -> Direction:
        """Whether the store comes to the state after a step by undo or by redo.

        Raises:
            CommandRefusedError: it does not, because the step was dropped.
        """
        states = self._query("SELECT state FROM steps WHERE id = ?", step)
        if not states or states[0][0] == "dropped":
            raise CommandRefusedError("This step was undone for good: other edits followed.")
        return "undo" if states[0][0] == "done" else "redo"

    def name(self, direction: Direction) -> str | None:
        """The description of what is undone or redone first; its rows are not read."""
        state, order = ("done", "DESC") if direction == "undo" else ("undone", "ASC")
        rows = self._query(
            f"SELECT description, packed FROM steps WHERE state = ? ORDER BY id {order} LIMIT 1",
            state,
        )
        return None if not rows or rows[0][1] else str(rows[0][0])

    def size(self, direction: Direction) -> int:
        """About how many bytes one undo or redo goes through; 0 = there is none."""
        state, order = ("done", "DESC") if direction == "undo" else ("undone", "ASC")
        total, after, is_first = 0, _NEWEST if direction == "undo" else -1, True
        beyond = "<" if direction == "undo" else ">"
        while True:
            rows = self._query(
                "SELECT id, place, length(changes) * CASE hex(substr(changes, 1, 1)) WHEN"
                f" '{ZLIB.hex().upper()}' THEN {_PACKING} ELSE 1 END, packed FROM steps"
                f" WHERE state = ? AND id {beyond} ? ORDER BY id {order} LIMIT {_PAGE}",
                *(state, after),
            )
            for number, place, size, packed in rows:
                if packed or (direction == "redo" and not is_first and not goes_on(place)):
                    return total
                total, after, is_first = total + size, number, False
                if direction == "undo" and not goes_on(place):
                    return total
            if not rows:
                return total

    def next(self, direction: Direction) -> Found | None:
        """The edit that is undone or redone first: id, description, place, rows."""
        state, order = ("done", "DESC") if direction == "undo" else ("undone", "ASC")
        rows = self._query(
            "SELECT id, description, place, changes, packed FROM steps"
            f" WHERE state = ? ORDER BY id {order} LIMIT 1",
            state,
        )
        if not rows or rows[0][4]:
            return None
        return rows[0][:4]

    def following(self, direction: Direction, to: int | None) -> Iterator[Found]:
        """The edits to undo or redo, in order; each must have been done before the next is asked.

        Args:
            direction: which.
            to: the step that is the last in force then; None = one step.

        Raises:
            CommandRefusedError: an import would have to be taken back.
        """
        last = None if to is None else self._last_of(to)
        is_first = True
        while (found := self.next(direction)) is not None:
            step, _, place, _ = found
            if direction == "undo" and last is not None and step <= last:
                return
            is_beyond = not is_first and not goes_on(place) and (last is None or step > last)
            if direction == "redo" and is_beyond:
                return
            is_first = False
            yield found
            if direction == "undo" and last is None and not goes_on(place):
                return
        if direction == "undo" and last is not None:
            raise CommandRefusedError("An import lies between, and imports are not taken back.")

    def can_go_on(self) -> bool:
        """Whether the latest edit is in force, and no import: another can go on with it."""
        rows = self._query("SELECT state, packed FROM steps ORDER BY id DESC LIMIT 1")
        return bool(rows) and tuple(rows[0]) == ("done", 0)

    def _last_of(self, step: int) -> int:
        """The last edit of a step."""
        for number, place in self._query(
            "SELECT id, place FROM steps WHERE id > ? ORDER BY id", step
        ):
            if not goes_on(place):
                break
            step = number
        return step
