"""Sample crops with what the detector sees in them, kept after each evaluation.

The same few people, frames and cameras all through a run, so that progress is seen: held-out ones,
since nothing is learned from them; unlabelled ones where nobody is held out. The lifter's stage
keeps none: the detector does not change there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.project.runs.events import SamplesSaved
from core.project.runs.samples import SAMPLES_FOLDER, Samples, write_samples
from trainer.measuring import evenly, resting
from trainer.seeing import DetectorPass, see

if TYPE_CHECKING:
    from core.learning.batches import GroupLoader
    from core.learning.data import GroupList
    from core.project.runs.config import Stage
    from trainer.context import Context
    from trainer.networks import Networks

NUM_SAMPLES = 8


class SampleCrops:
    """The samples of a run.

    Args:
        context: of the run.
        loader: of crops for its detector.
    """

    def __init__(self, context: Context, loader: GroupLoader) -> None:
        self._context = context
        self._loader = loader

    def save(self, stage: Stage, step: int, networks: Networks) -> None:
        """Keep what these networks see now, and say it; on the first rank alone.

        Raises:
            OSError: the disk is full or gone.
        """
        context = self._context
        groups = self._groups()
        if not context.ranks.is_first or not len(groups):
            return
        path = context.folder.path / SAMPLES_FOLDER / f"{stage}-{step:06d}.npz"
        write_samples(path, self._seen(networks, groups))
        file = path.relative_to(context.folder.path).as_posix()
        context.emit(SamplesSaved(stage=stage, step=step, file=file))

    def _groups(self) -> GroupList:
        data = self._context.data
        return evenly(data.held_out or data.unlabelled, NUM_SAMPLES)

    def _seen(self, networks: Networks, groups: GroupList) -> Samples:
        """One view of each group, another camera from one to the next."""
        inside = DetectorPass(networks.detector, networks.confidence)
        batch = self._loader.batch(list(groups))
        with resting(inside):
            seen = see(inside, batch, self._context.device)
        points = seen.batch.crop_points(seen.points_raw).float().cpu().numpy()
        targets = batch.crop_points(batch.targets_px).float().numpy()
        in_view = batch.in_view.numpy()
        rows = np.flatnonzero(in_view.any(axis=1))
        views = np.array([_view(in_view[row], place) for place, row in enumerate(rows)], np.int64)
        names = self._context.data.recordings[0].rig.names
        return Samples(
            crops=batch.images.permute(0, 1, 3, 4, 2).numpy()[rows, views],
            points_px=points[rows, views],
            confidence=seen.confidence.float().cpu().numpy()[rows, views],
            target_px=targets[rows, views],
            persons=np.array([groups[int(row)].person for row in rows], np.int64),
            frames=np.array([groups[int(row)].frame for row in rows], np.int64),
            cameras=tuple(names[view] for view in views.tolist()),
        )


def _view(in_view: np.ndarray, place: int) -> int:
    """A camera that sees the person: the first, the second, … for one sample after the other."""
    seen = np.flatnonzero(in_view)
    return int(seen[place % len(seen)])
