"""From what the detector saw to what is stored: 3D, weights, verdicts, how sure, aggregates.

The compiled triangulation on the processor, whatever the networks run on, with a noise scale that
was fixed before: so a joint's answer depends neither on its batch nor on the device.

Shape suffixes: G groups, C cameras, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core.diagnosis.engine import (
    imaged_left_out,
    robust,
    robust_leave_one_out,
    straightened,
)
from core.diagnosis.lengths import arguments
from core.geometry import estimate_scale_mm, point_covariance_mm2
from core.geometry.method import SCALE_UNKNOWN_MM, SUPPORT_WEIGHT
from core.settings import TriangulationSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from core.geometry import Rig
    from core.project.predictions.rows import Setting
    from core.project.runs.config import TrainConfig

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

LEAST_NOISE_PX = 1.0  # no detector finds a joint better than that, however well views agree


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionSettings:
    """How predictions are triangulated.

    Attributes:
        settings: lengths, rule and exponent; its weighting counts unless `learned`.
        learned: the weights are those of the view-confidence network.
    """

    settings: TriangulationSettings
    learned: bool = False

    @classmethod
    def of(cls, config: TrainConfig, scale_mm: float | None = None) -> PredictionSettings:
        """What a run's configuration asks for.

        The section [loss] gives σ, λ and the exponent; its discard rule counts where it is about
        the same weighting, since rules belong to weightings.
        """
        loss, weighting = config.loss, config.predict.weighting
        same = weighting == loss.weighting and loss.discard != "auto"
        return cls(
            settings=TriangulationSettings(
                weighting="none" if weighting == "learned" else weighting,
                discard=loss.discard if same and loss.discard != "auto" else None,
                sigma_mm=loss.sigma_mm or "auto",
                wss_threshold_mm=loss.wss_threshold_mm or "auto",
                scale_mm=scale_mm,
                min_views=loss.min_views,
                row_exponent=loss.row_exponent,
            ),
            learned=weighting == "learned",
        )

    @classmethod
    def own(cls, config: TrainConfig, scale_mm: float) -> PredictionSettings:
        """How the run triangulates in training, whatever it stores: by its section [loss] alone."""
        same = replace(config.predict, weighting=config.loss.weighting)
        return cls.of(replace(config, predict=same), scale_mm)

    def to_dict(self) -> Mapping[str, Setting]:
        """Plain values, as a round's header has them."""
        values = arguments(self.settings)
        return {**values, "weighting": "learned"} if self.learned else values


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sighting:
    """What the detector saw of G groups that share a rig.

    Attributes:
        rig: C cameras.
        points_px: (G, C, J, 2) raw pixels; NaN where not in view.
        in_view: (G, C).
        weights: (G, C, J) learned ones; None without them.
    """

    rig: Rig
    points_px: Floats
    in_view: Bools
    weights: Floats | None = None


def sighting_scale_mm(sightings: Sequence[Sighting]) -> float:
    """The noise scale of predictions, over all groups; see `estimate_scale_mm`."""
    points = [straightened(seen.rig, seen.points_px)[0] for seen in sightings]
    if not sum(map(len, points)):
        return SCALE_UNKNOWN_MM
    projections = [
        np.broadcast_to(seen.rig.projections, (len(some), *seen.rig.projections.shape))
        for seen, some in zip(sightings, points, strict=True)
    ]
    return estimate_scale_mm(np.concatenate(points), np.concatenate(projections))


def triangulated(seen: Sighting, how: PredictionSettings) -> dict[str, NDArray[Any]]:
    """The columns of `PredictionRows` that follow from 2D points, and its aggregates.

    Args:
        seen: G groups.
        how: its noise scale is set.
    """
    assert how.settings.scale_mm is not None, "the noise scale is fixed before predicting"
    rig, raw = seen.rig, seen.points_px
    points, observed = straightened(rig, raw)
    options = arguments(how.settings)
    if how.learned:
        assert seen.weights is not None, "learned weights without the network that makes them"
        options["weighting"] = np.where(observed, seen.weights, 0.0)
    found = robust(points, rig.projections, observed, options)
    factors = found.weights**how.settings.row_exponent
    others = robust_leave_one_out(points, rig.projections, observed, factors)
    left_out = imaged_left_out(rig, raw, others)[1]
    views = np.maximum(seen.in_view.sum(axis=1), 1)
    weights = np.where(observed, found.weights, 0.0)
    return {
        "points_mm": found.points_mm.astype(np.float32),
        "weights": weights.astype(np.float32),
        "wss_mm": found.wss_mm.astype(np.float32),
        "kept": found.kept,
        "deviation_mm": deviation_mm(rig, raw, observed, found).astype(np.float32),
        "worst_residual_px": _largest(left_out),
        "kept_share": found.kept.mean(axis=1, dtype=np.float32),
        "mean_weight": (weights.mean(axis=2).sum(axis=1) / views).astype(np.float32),
        "num_views": seen.in_view.sum(axis=1).astype(np.int16),
    }


def deviation_mm(rig: Rig, raw: Floats, observed: Bools, found: Any) -> Floats:  # noqa: ANN401
    """The standard deviation (G, J) of each point, the mean over the axes; NaN = not determined.

    As `core.diagnosis.joint_uncertainty`, for many joints at once: the noise is the root mean
    square of the residuals of the views that count, for the degrees of freedom that are left, at
    least 1 px; a discarded joint's views count alike.

    Args:
        rig: C cameras.
        raw: (G, C, J, 2) raw pixels.
        observed: (G, C, J).
        found: a `RobustTriangulation` of arrays.
    """
    strongest = np.maximum(found.weights.max(axis=1, keepdims=True), 1e-300)
    counts = np.where(found.kept[:, None], found.weights / strongest, 1.0)
    counts = np.where(observed, counts, 0.0)
    residuals = np.linalg.norm(rig.project(found.points_mm) - raw, axis=-1)
    used = (counts > SUPPORT_WEIGHT) & np.isfinite(residuals)
    freedom = 2 * used.sum(axis=1) - 3
    squares = np.where(used, counts * np.where(used, residuals, 0.0) ** 2, 0.0).sum(axis=1)
    variance = np.where(freedom > 0, squares / np.maximum(freedom, 1), 0.0)
    covariance = point_covariance_mm2(
        found.points_mm, rig.projections, weights=counts, noise_px=LEAST_NOISE_PX
    )
    trace = np.trace(covariance, axis1=-2, axis2=-1)
    return np.sqrt(np.maximum(variance, LEAST_NOISE_PX**2) * trace / 3)


def _largest(residuals_px: Floats) -> NDArray[np.float32]:
    """(G,) the largest of (G, C, J); NaN where all are NaN."""
    flat = residuals_px.reshape(len(residuals_px), -1)
    largest = np.fmax.reduce(flat, axis=1, initial=-1.0)
    return np.where(largest < 0, np.nan, largest).astype(np.float32)
