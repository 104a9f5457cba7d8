"""Figure 4: how triangulation bears noise in some of six views.

The paper's three curves, and beside them the discard rule that shows the figure's shape
(``support``), automatic σ and λ, consensus, and RANSAC; also with noise on all views, which every
real detector has. Errors are without alignment, and of all joints: a discarded joint counts with
its fallback point, as in the paper.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.geometry import estimate_scale_mm, robust_triangulate
from trainer.experiments.figure4_report import METHODS, Curves, write_figure4
from trainer.experiments.noisy_views import NUM_VIEWS, draw, six_views
from trainer.experiments.parts import Parts
from trainer.experiments.progress import Progress
from trainer.experiments.ransac import ransac_triangulate

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from core.geometry import Rig
    from trainer.experiments.noisy_views import NoisyViews
    from trainer.experiments.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure4Options:
    """The experiment's own options, ``--set figure4.NAME=VALUE``.

    Attributes:
        points: 3D points of each seed.
        max_radius_px: the largest noise.
        radius_step_px: between two radii.
        floors_px: standard deviations along each axis of the noise on all views.
        ransac_px: RANSAC's threshold.
    """

    points: int = 2000
    max_radius_px: float = 100.0
    radius_step_px: float = 5.0
    floors_px: tuple[float, ...] = (0.0, 1.0, 3.0)
    ransac_px: float = 10.0

    def radii_px(self) -> list[float]:
        """0 to the largest."""
        steps = round(self.max_radius_px / self.radius_step_px)
        return [self.radius_step_px * i for i in range(steps + 1)]


def run(request: Request) -> None:
    """Compute what is missing, then write the report.

    Raises:
        DataError: an option or the calibration is wrong.
    """
    request.refuse_training_settings("figure4")
    options = request.own("figure4", Figure4Options())
    calibration = _calibration(request.data)
    rig, rig_name = six_views(calibration)
    parts = Parts(request.out / "parts")
    made_from = {**asdict(options), "rig": np.round(rig.projections, 9).tolist()}
    progress = Progress(float(len(request.seeds)))
    curves: dict[int, Any] = {}
    for seed in request.seeds:
        key = f"figure4-seed{seed}"
        if parts.find(key, made_from) is not None:
            progress.skip(1.0)
        curves[seed] = parts.get(
            key, made_from, lambda seed=seed: simulate(rig, options, seed, progress)
        )
    write_figure4(
        request,
        Curves(radii_px=options.radii_px(), floors_px=list(options.floors_px), by_seed=curves),
        options=asdict(options),
        rig_name=rig_name,
    )
    progress.finish(f"Wrote {request.out / 'report.md'}")


def _calibration(data: Path | None) -> Path | None:
    if data is None:
        return None
    return data / "calibration.json" if data.is_dir() else data


def simulate(rig: Rig, options: Figure4Options, seed: int, progress: Progress) -> dict[str, Any]:
    """One seed: floor → k → method → {"mean_mm", "median_mm", "kept"}, a number for each radius."""
    views = draw(rig, options.points, seed)
    cells = [(floor, k) for floor in options.floors_px for k in range(1, NUM_VIEWS)]
    found: dict[str, Any] = {}
    for floor, k in cells:
        of_cell: dict[str, dict[str, list[float]]] = {
            name: {"mean_mm": [], "median_mm": [], "kept": []} for name in METHODS
        }
        for radius in options.radii_px():
            for name, (error, kept) in _measure(views, k, radius, floor, options).items():
                of_cell[name]["mean_mm"].append(float(np.nanmean(error)))
                of_cell[name]["median_mm"].append(float(np.nanmedian(error)))
                of_cell[name]["kept"].append(float(kept.mean()))
        found.setdefault(f"{floor:g}", {})[str(k)] = of_cell
        progress.tell(f"seed {seed}: {k} noisy views, {floor:g} px on all of them", 1 / len(cells))
    return found


def _measure(
    views: NoisyViews, num_noisy: int, radius_px: float, floor_px: float, options: Figure4Options
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """(J,) errors in mm and kept joints, by method.

    The noise scale is estimated on the condition's own points, as it is in use: nobody tells the
    method which views are noisy.
    """
    points_px = views.observe(num_noisy, radius_px, floor_px)
    P = views.projections
    scale_mm = estimate_scale_mm(points_px, P)
    found: dict[str, tuple[NDArray[np.float64], NDArray[np.bool_]]] = {}
    for name, method in METHODS.items():
        if method.arguments is None:
            points_mm, inliers = ransac_triangulate(points_px, P, options.ransac_px)
            kept = inliers.sum(axis=0) >= 3
        else:
            result = robust_triangulate(points_px, P, scale_mm=scale_mm, **method.arguments)
            points_mm, kept = result.points_mm, np.asarray(result.kept, dtype=np.bool_)
        found[name] = (np.linalg.norm(points_mm - views.truth_mm, axis=-1), kept)
    return found
