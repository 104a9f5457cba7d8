"""Stage 1: the detector on the labelled groups alone (L_sup, Eq. 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.stages.detector import LABELLED, DetectorLesson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.learning.batches import Batch, BatchRequest
    from core.project.runs.config import Stage
    from trainer.gradients import Phase


class Pretraining(DetectorLesson):
    """Labelled groups, their targets being the projections of the 3D labels."""

    stage: Stage = "pretrain"

    def requests(self, step: int) -> Sequence[BatchRequest]:
        """One batch of labelled groups."""
        groups = self.context.config.pretrain.groups
        return (self.request(self.context.data.labelled, groups, step, LABELLED),)

    def phases(self, step: int, batches: Sequence[Batch]) -> list[Phase[Batch]]:
        """All that is learned from labels."""
        return [self.labelled_phase(batches[0], self.context.config.pretrain.groups)]
