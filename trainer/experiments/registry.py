"""Which experiments there are. A module is imported only when its experiment is run."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.experiments.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment: its module in this package has ``run(request)``."""

    module: str
    summary: str

    def run(self, request: Request) -> None:
        """Do it."""
        module = importlib.import_module(f"trainer.experiments.{self.module}")
        cast("Callable[[Request], None]", module.run)(request)


EXPERIMENTS: dict[str, Experiment] = {
    "figure4": Experiment(module="figure4", summary="triangulation with noise in some views"),
    "table2": Experiment(module="table2", summary="all variants on a synthetic court"),
    "figure2": Experiment(module="figure2", summary="errors against the share of labels"),
    "figure3": Experiment(module="figure3", summary="crowded people with and without weights"),
    "gradients": Experiment(module="gradients", summary="either path of the gradient blocked"),
    "h36m": Experiment(module="datasets", summary="Table 1, on Human3.6M"),
    "mpi-inf-3dhp": Experiment(module="datasets", summary="Table 3, on MPI-INF-3DHP"),
    "sportcenter": Experiment(module="datasets", summary="Table 2, on SportCenter"),
    "demo-weights": Experiment(module="demo_weights", summary="the detector that comes along"),
    "agreement": Experiment(module="agreement", summary="one's own recording, without truth"),
}
