"""Where rows are trained and measured: a data set, its runs, and what is known of it.

A `Bench` opens the data, knows which groups are evaluated and their truth, and keeps every measure
as a finished part. `trainer.experiments.court` is the one on a generated match, `HeldOutBench` the
one on data whose held-out groups have labels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.geometry import estimate_scale_mm
from core.learning.data import open_data
from trainer.experiments.parts import Parts
from trainer.experiments.progress import Progress
from trainer.experiments.scoring import kept_by_printed_constants, poses_of, score
from trainer.experiments.study import Study
from trainer.measuring import evenly

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from core.learning.data import GroupList, PoseData
    from core.project.runs.folder import RunFolder
    from trainer.experiments.request import Request
    from trainer.experiments.rows import Row
    from trainer.experiments.study import Source

# A measure costs about as much as this many groups of crops in training.
MEASURE_COST = 400.0
_MOST_GROUPS = 2000
# Runs of an experiment train and lift; what is predicted of all frames is another command's.
RUN_SETTINGS = (
    "run.feedback=false",
    "run.evaluate_every=0",
    "run.checkpoint_every=500",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A row of one seed, measured.

    Attributes:
        report: of `core.learning.evaluation`.
        scale_mm: the noise scale of the row's own triangulation.
        constants: see `kept_by_printed_constants`.
    """

    report: dict[str, Any]
    scale_mm: float
    constants: dict[str, float]


class Bench(ABC):
    """The runs and measures of an experiment.

    Args:
        request: what was asked for.
        source: what is learned from.
        own_sections: sections of ``--set`` that are no options of the training.
    """

    def __init__(self, request: Request, source: Source, own_sections: Sequence[str]) -> None:
        self.request = request
        self.parts = Parts(request.out / "parts")
        self.progress = Progress(1.0)
        self.study = Study(request, source, own_sections, self.progress)

    @abstractmethod
    def told(self) -> str:
        """What the data is, as a phrase for reports."""

    @abstractmethod
    def eval_groups(self, data: PoseData) -> GroupList:
        """The groups that are measured; nothing is learned from them."""

    @abstractmethod
    def truth_mm(self, data: PoseData, groups: GroupList) -> NDArray[np.float64]:
        """(S, J, 3) mm, world.

        Raises:
            DataError: it is not there.
        """

    @property
    def cache_dir(self) -> Path:
        """Where all runs of the experiment keep their crops."""
        return self.request.out / "cache" / "crops"

    def expect(self, rows: Sequence[Row], more: float = 0.0, variants: int = 1) -> None:
        """Tell the progress how much there is to do, `variants` times all rows."""
        of_seed = self.study.cost(rows) + (len(rows) + 1) * MEASURE_COST
        self.progress.expect(more + len(self.request.seeds) * variants * of_seed)

    def data(self, run: RunFolder) -> PoseData:
        """What the run learned from; to be closed."""
        return open_data(
            run.config.data,
            project_dir=run.project_dir,
            labels_db=run.labels_db,
            seed=run.config.run.seed,
        )

    def train(
        self, rows: Sequence[Row], settings: Sequence[str] = ()
    ) -> tuple[dict[int, RunFolder], dict[tuple[int, str], RunFolder]]:
        """All rows of all seeds, each from the detector that its seed pre-trained.

        Raises:
            CommandRefusedError: a training failed.
        """
        starts: dict[int, RunFolder] = {}
        runs: dict[tuple[int, str], RunFolder] = {}
        for seed in self.request.seeds:
            starts[seed] = self.study.pretrained(seed, settings)
            for row in rows:
                runs[seed, row.key] = self.study.row(seed, row, starts[seed], settings)
        return starts, runs

    def measure(self, run: RunFolder, start: RunFolder) -> Measured:
        """A finished run against the truth; done once.

        Args:
            run: of the row.
            start: the pre-trained run of its seed, whose noise scale is the common one.

        Raises:
            DataError: the truth is not there.
        """
        common = self._common_scale_mm(start)

        def make() -> dict[str, Any]:
            with self.data(run) as data:
                groups = self.eval_groups(data)
                truth_mm = self.truth_mm(data, groups)
                poses = poses_of(run, data, groups, truth_mm, self.cache_dir)
                report = score(poses, data, groups, truth_mm, common).to_dict()
                constants = kept_by_printed_constants(poses, data, groups)
            return {"report": report, "scale_mm": poses.scale_mm, "constants": constants}

        found = self._once(run.id, {"common_mm": round(common, 6)}, make, f"measuring {run.id}")
        return Measured(**found)

    def _once(self, key: str, made_from: dict[str, Any], make: Any, label: str) -> Any:  # noqa: ANN401 - any JSON value
        made_from = {**made_from, "bench": self.told()}
        if self.parts.find(key, made_from) is not None:
            self.progress.skip(MEASURE_COST)
            return self.parts.get(key, made_from, make)
        self.progress.tell(label)
        found = self.parts.get(key, made_from, make)
        self.progress.tell(label, MEASURE_COST)
        return found

    def _common_scale_mm(self, start: RunFolder) -> float:
        """The noise scale of the pre-trained detector on the evaluated groups; without truth."""

        def make() -> float:
            with self.data(start) as data:
                groups = self.eval_groups(data)
                unknown = np.full((len(groups), data.skeleton.num_joints, 3), np.nan)
                poses = poses_of(start, data, groups, unknown, self.cache_dir)
                rigs = [recording.rig for recording in data.recordings]
                index = groups.rows[:, 0]
                points = np.full(poses.points_px.shape, np.nan)
                for place, rig in enumerate(rigs):
                    points[index == place] = rig.undistort(poses.points_px[index == place])
                projections = np.stack([rig.projections for rig in rigs])[index]
                return estimate_scale_mm(points, projections)

        made_from = {"bench": self.told()}
        return float(self.parts.get(f"{start.id}-scale", made_from, make))


class HeldOutBench(Bench):
    """Data whose held-out groups have labels: they are the truth."""

    def __init__(self, request: Request, source: Source, own_sections: Sequence[str]) -> None:
        super().__init__(request, source, own_sections)
        # Missing data is told before anything is trained.
        with open_data(
            self.study.base.data, project_dir=source.project_dir, labels_db=source.labels_db
        ) as data:
            self._told = data.name

    def told(self) -> str:
        """What the data is."""
        return self._told

    def eval_groups(self, data: PoseData) -> GroupList:
        """The held-out groups; at most 2000, evenly spaced."""
        return evenly(data.held_out, _MOST_GROUPS)

    def truth_mm(self, data: PoseData, groups: GroupList) -> NDArray[np.float64]:
        """Their labels."""
        return np.stack([data.points_mm(group) for group in groups])
