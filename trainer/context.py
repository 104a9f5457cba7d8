"""What a stage works with: the run's folder, its data, the device, a way to say what happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from core.project.runs.events import CheckpointSaved, Notice
from core.project.runs.folder import RUNS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.learning.data import PoseData
    from core.project.runs.config import Stage, TrainConfig
    from core.project.runs.events import Event, NoticeLevel
    from core.project.runs.folder import RunFolder
    from trainer.checkpoint import Checkpoints
    from trainer.device import Device
    from trainer.distributed import Ranks


class LeftEarlyError(Exception):
    """Somebody asked the run to leave; all that is worth keeping has been written.

    Attributes:
        status: ``stopped`` by the STOP file, ``cancelled`` by a signal.
    """

    def __init__(self, status: Literal["stopped", "cancelled"], text: str) -> None:
        self.status: Literal["stopped", "cancelled"] = status
        super().__init__(text)


class TrainingFailedError(Exception):
    """The training itself cannot go on; its text says why and what to do.

    Attributes:
        reason: for programs, as `core.project.runs.trouble` names it.
    """

    def __init__(self, text: str, reason: str) -> None:
        self.reason = reason
        super().__init__(text)


@dataclass(slots=True, kw_only=True, eq=False)
class Context:
    """What a stage works with.

    Attributes:
        folder: the run's.
        config: what was asked for.
        data: groups and recordings.
        device: where networks run.
        ranks: this process among those of the run.
        checkpoints: of the run.
        emit: says an event; on the first rank only, others are silent.
        asked_to_leave: ``stop``, ``cancel`` or None, on this rank.
        micro_batch: groups at once; 0 = all. Halved where memory is short.
    """

    folder: RunFolder
    config: TrainConfig
    data: PoseData
    device: Device
    ranks: Ranks
    checkpoints: Checkpoints
    emit: Callable[[Event], None]
    asked_to_leave: Callable[[], Literal["stop", "cancel"] | None]
    micro_batch: int = 0

    @property
    def cache_dir(self) -> Path:
        """The crop cache, shared by the runs of a project or an experiment."""
        runs = self.folder.path.parent
        return (runs.parent if runs.name == RUNS_FOLDER else runs) / "cache" / "crops"

    def notice(self, level: NoticeLevel, code: str, text: str) -> None:
        """Say something that a person should know."""
        self.emit(Notice(level=level, code=code, text=text))

    def leave_if_asked(self, keep: Callable[[], None] | None = None) -> None:
        """Leave where any rank was asked to; every rank calls this at the same point.

        Args:
            keep: writes what is worth keeping; not called where the run is cancelled.

        Raises:
            LeftEarlyError: somebody asked.
        """
        asked = self.asked_to_leave()
        device = self.device.device
        if self.ranks.any(asked == "cancel", device):
            raise LeftEarlyError("cancelled", "Cancelled; what was saved before stays.")
        if self.ranks.any(asked == "stop", device):
            if keep is not None:
                keep()
            raise LeftEarlyError("stopped", "Stopped as asked; resume it to go on.")

    def leave_if_asked_here(self) -> None:
        """As `leave_if_asked`, where ranks do not keep step: a rank among others works on."""
        if self.ranks.size == 1:
            self.leave_if_asked()

    def save(
        self,
        stage: Stage,
        step: int,
        state: Callable[[], dict[str, Any]],
        *,
        finished: bool = False,
        score: float | None = None,
    ) -> None:
        """Write a checkpoint on the first rank, and announce it once it is on the disk."""
        from trainer.checkpoint import Place

        if self.ranks.is_first:
            path = self.checkpoints.save(
                Place.of(stage, step), state(), finished=finished, score=score
            )
            file = path.relative_to(self.folder.path).as_posix()
            self.emit(CheckpointSaved(stage=stage, step=step, file=file))
