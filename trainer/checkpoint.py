"""A run's checkpoints: tensors and plain values in files that are whole or not there.

``checkpoints/STAGE-STEP.pt``, named so that order never needs a modification time. Kept are the
last two of every stage and the best of each by the held-out groups, for whoever wants it (no stage
goes on from it); what a resumed run needs to go on exactly is in the newest. A module is restored
from the newest checkpoint that holds it: the detector's are those up to fine-tuning, the lifter's
those of lift.

Trap: a file that a broken disk damaged is passed over for the one before it, and said.
"""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from core.errors import DataError
from core.files import write_atomically, write_text_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.learning.data import GroupList

SCHEMA = 1
ORDER = ("start", "pretrain", "finetune", "lift", "predict")
_NAME = re.compile(r"(start|pretrain|finetune|lift|predict)-(\d{6,})\.pt")
_KEEP = 2
# What torch raises on a file that a disk has damaged.
_DAMAGED = (RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """How far a run has come: a stage and the steps done in it; the order is the run's own."""

    stage_number: int
    step: int

    @classmethod
    def of(cls, stage: str, step: int) -> Place:
        """The place by the stage's name."""
        return cls(ORDER.index(stage), step)

    @property
    def stage(self) -> str:
        """The stage's name; ``start`` is before the first."""
        return ORDER[self.stage_number]

    @property
    def file(self) -> str:
        """Name of the checkpoint of this place."""
        return f"{self.stage}-{self.step:06d}.pt"


class Checkpoints:
    """The checkpoints of a run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def places(self) -> list[Place]:
        """Where checkpoints were made, oldest first."""
        matches = (_NAME.fullmatch(path.name) for path in self.folder.glob("*.pt"))
        return sorted(Place.of(m[1], int(m[2])) for m in matches if m is not None)

    def save(
        self, place: Place, state: dict[str, Any], *, finished: bool, score: float | None = None
    ) -> Path:
        """Write a checkpoint, then let go of those that nobody needs any more.

        Args:
            place: the stage, and the steps done in it.
            state: tensors and plain values.
            finished: the stage is done; the checkpoint stays as long as the run.
            score: what the held-out groups say, smaller is better; None = not asked.

        Raises:
            OSError: the disk is full, say; older checkpoints are as they were.
        """
        path = self.folder / place.file
        content = {"schema": SCHEMA, "stage": place.stage, "step": place.step}
        content |= {"finished": finished, "state": state}
        write_tensors(path, content)
        if score is not None:
            self._compare(place, score)
        self._prune(place)
        return path

    def best(self, stage: str) -> tuple[Place, float] | None:
        """The place and score of a stage's best checkpoint."""
        try:
            entry = json.loads((self.folder / "best.json").read_text("utf-8")).get(stage)
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return None if entry is None else (Place.of(stage, entry["step"]), entry["score"])

    def newest(
        self, said: Callable[[str], None], *, stages: tuple[str, ...] = ORDER
    ) -> tuple[Place, bool, dict[str, Any]] | None:
        """The newest readable checkpoint of some stages.

        Args:
            said: is told about files that had to be passed over.
            stages: those to look at.

        Returns:
            its place, whether its stage was finished, and its state; None where there is none.
        """
        for place in reversed(self.places()):
            if place.stage not in stages:
                continue
            try:
                content = read_checkpoint(self.folder / place.file)
            except DataError as error:
                said(f"{error} The checkpoint before it is used.")
                continue
            return place, bool(content["finished"]), content["state"]
        return None

    def _compare(self, place: Place, score: float) -> None:
        best = {stage: self.best(stage) for stage in ORDER}
        now = best[place.stage]
        if now is not None and now[1] <= score:
            return
        best[place.stage] = place, score
        entries = {s: {"step": b[0].step, "score": b[1]} for s, b in best.items() if b is not None}
        write_text_atomically(self.folder / "best.json", json.dumps(entries, indent=1) + "\n")

    def _prune(self, newest: Place) -> None:
        best = self.best(newest.stage)
        mine = [p for p in self.places() if p.stage == newest.stage and p <= newest]
        for place in mine[:-_KEEP]:
            if best is None or place != best[0]:
                (self.folder / place.file).unlink(missing_ok=True)


def write_tensors(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values, whole or not at all.

    Raises:
        OSError: the disk is full or gone; an old file is as it was.
    """

    def write(temporary: Path) -> None:
        try:
            # Through a file of Python's: torch's own writer would hide why the disk said no.
            with temporary.open("wb") as file:
                torch.save(content, file)
        except RuntimeError as error:  # torch, closing its archive after the disk said no
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise

    write_atomically(path, write)


def store_for(path: Path, groups: GroupList, tensors: dict[str, Any]) -> None:
    """Write tensors with a row for each of these groups.

    Raises:
        OSError: the disk is full or gone; an old file is as it was.
    """
    rows = torch.from_numpy(groups.rows.copy())
    write_tensors(path, {"groups": rows, "tensors": tensors})


def stored_for(path: Path, groups: GroupList) -> dict[str, Any] | None:
    """What `store_for` wrote of these very groups; None where it is of others, or not there."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, *_DAMAGED):
        return None
    rows = torch.from_numpy(groups.rows.copy())
    if not isinstance(content, dict) or not torch.equal(content.get("groups", rows[:0]), rows):
        return None
    return content["tensors"]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's content: schema, stage, step, finished, state; on the processor.

    Raises:
        DataError: the file is damaged, or of a newer trilabel.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, *_DAMAGED) as error:
        raise DataError(
            path,
            expected="a checkpoint",
            found=f"a file that cannot be read ({str(error).splitlines()[0][:120]})",
            remedy="Delete it, or restore it from a copy.",
        ) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise DataError(
            path,
            expected=f"a checkpoint of schema {SCHEMA}",
            found="another kind of file",
            remedy="Use the trilabel that wrote it.",
        )
    return content
