"""L_tri (Eqs. 2-6): predictions against the reprojection of their own robust triangulation.

Raw pixels → undistorted → `robust_triangulate` → projected → distorted → both box-normalised. The
gradient reaches the predictions directly and through the triangulation, or by one of these paths
alone (`LossOptions.gradient`). Weights, centre and selection are constants of the step, given
weights included: those of the learned baseline are trained by `learned_weights_term` alone.

Traps: a prediction that is not finite is a view that did not observe; only L_sup and the trainer's
look at the gradients tell a diverged network. Learned weights sum to one over the views, so in the
loss they are multiplied by the number of cameras: an average view counts 1, as in all variants.

Shape suffixes: G groups, C cameras, J joints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import torch

from core.errors import DataError
from core.geometry import estimate_scale_mm, robust_triangulate, triangulate
from core.learning.losses import BoxFrame, Term, no_autocast, squared_distance
from core.learning.peaks import LEAST_AGREEMENT, LEAST_PEAK, triangulate_peaks
from core.learning.rig_tensors import GroupCameras, RigTensors, exact
from core.project.runs.config_io import refuse_loss_contradictions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from core.geometry import Rig
    from core.learning.batches import Batch
    from core.project.runs.config import LossOptions

# A view with less weight than this does not open METHOD's gate (section 4).
GATE_WEIGHT = 0.3
# ε of the learned baseline's 3D loss, (20 cm)²: beyond, the error counts by its 0.2nd power.
SOFT_SQUARE_M2 = 0.04
_SOFT_POWER = 0.1


class GroupGeometry(Protocol):
    """What the losses read of a batch; a batch of crops is one.

    Attributes:
        rigs: the distinct rigs.
        rig_index: (G,) whole numbers into `rigs`.
        boxes_px: (G, C, 4) raw x0 y0 x1 y1, NaN = the person is not in that view.
        in_view: (G, C) bool.
    """

    @property
    def rigs(self) -> tuple[Rig, ...]: ...  # noqa: D102 - told above
    @property
    def rig_index(self) -> Tensor: ...  # noqa: D102 - told above
    @property
    def boxes_px(self) -> Tensor: ...  # noqa: D102 - told above
    @property
    def in_view(self) -> Tensor: ...  # noqa: D102 - told above


@dataclass(frozen=True, slots=True)
class Views:
    """A `GroupGeometry` by itself: for groups joined from many batches, as `measure_scale_mm`'s."""

    rigs: tuple[Rig, ...]
    rig_index: Tensor
    boxes_px: Tensor
    in_view: Tensor

    @classmethod
    def joined(cls, batches: Sequence[GroupGeometry]) -> Views:
        """The groups of all batches, in order."""
        rigs: list[Rig] = []
        places: list[Tensor] = []
        for batch in batches:
            for rig in batch.rigs:
                if not any(rig is known for known in rigs):
                    rigs.append(rig)
            here = [next(i for i, known in enumerate(rigs) if known is r) for r in batch.rigs]
            index = torch.as_tensor(batch.rig_index, dtype=torch.long)
            places.append(torch.tensor(here, device=index.device)[index])
        return cls(
            tuple(rigs),
            torch.cat(places),
            torch.cat([batch.boxes_px for batch in batches]),
            torch.cat([batch.in_view for batch in batches]),
        )


@dataclass(frozen=True, slots=True)
class PseudoTargets:
    """What the unlabelled groups are held against; all float64 or bool, NaN = absent.

    Attributes:
        points_mm: (G, J, 3) world, triangulated; the fallback where discarded.
        reprojection_raw: (G, C, J, 2) raw pixels of `points_mm`. It carries the gradient through
            the triangulation where that path is open.
        weights: (G, C, J) of the views, before any fallback, as the weighting gave them.
        kept: (G, J) bool.
        wss_mm: (G, J).
        counted: (G, C, J) bool: kept, observed and let through the gate: the terms of the loss.
        factors: (G, C, J) of the terms; 0 where not counted.
        boxes_px: (G, C, 4) raw.
    """

    points_mm: Tensor
    reprojection_raw: Tensor
    weights: Tensor
    kept: Tensor
    wss_mm: Tensor
    counted: Tensor
    factors: Tensor
    boxes_px: Tensor

    def _mapped(self, change: Any) -> PseudoTargets:  # noqa: ANN401 - a function of tensors
        return PseudoTargets(*(change(getattr(self, field.name)) for field in fields(self)))

    def detached(self) -> PseudoTargets:
        """Without any gradient: what frozen targets are stored as."""
        return self._mapped(lambda value: value.detach())

    def to(self, device: torch.device | str) -> PseudoTargets:
        """On another device."""
        return self._mapped(lambda value: value.to(device))

    def pick(self, index: Tensor | slice) -> PseudoTargets:
        """Those groups alone."""
        return self._mapped(lambda value: value[index])

    def without(self, rejected: Tensor) -> PseudoTargets:
        """With joints (G, J) that count for nothing: somebody said that they are wrong."""
        left = ~rejected.to(self.kept.device)
        return replace(
            self,
            kept=self.kept & left,
            counted=self.counted & left[:, None],
            factors=self.factors * left[:, None],
        )

    @classmethod
    def joined(cls, parts: Sequence[PseudoTargets]) -> PseudoTargets:
        """The groups of all parts, in order."""
        return cls(
            *(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls))
        )


class _Solved(NamedTuple):
    """Triangulated joints, as in `PseudoTargets`, and what their terms are weighted by."""

    points_mm: Tensor
    weights: Tensor
    strengths: Tensor
    kept: Tensor
    wss_mm: Tensor


class TriangulationLoss:
    """L_tri with all its variants, for groups of any rigs."""

    def __init__(
        self,
        options: LossOptions,
        rigs: Sequence[Rig] = (),
        scale_mm: float | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """Make the loss ready.

        Args:
            options: of the run.
            rigs: those that will come; others are added when they do.
            scale_mm: the noise scale, measured by `measure_scale_mm`; `options.scale_mm` goes
                before it.
            device: where the predictions are.

        Raises:
            DataError: where the options contradict each other, or need a scale there is not.
        """
        refuse_loss_contradictions(options)
        self.options = options
        self.scale_mm = options.scale_mm or scale_mm
        if self.scale_mm is None and needs_scale(options):
            raise DataError(
                "loss",
                "scale_mm",
                expected="the noise scale in millimetres, which these options need",
                found="none",
                remedy="Measure it with measure_scale_mm, or set loss.scale_mm.",
            )
        self.rigs = RigTensors(device, rigs)

    def cameras(self, batch: GroupGeometry) -> GroupCameras:
        """The cameras of a batch's groups."""
        return self.rigs.of_groups(batch.rigs, batch.rig_index)

    def targets(
        self,
        points_raw: Tensor,
        observed: Tensor | None,
        batch: GroupGeometry,
        weights: Tensor | None = None,
    ) -> PseudoTargets:
        """Triangulate predictions and project the points again.

        Args:
            points_raw: (G, C, J, 2) predicted raw pixels; NaN = absent.
            observed: (G, C, J) or (G, C, 1) bool: which predictions may be used at all; default
                all. Views out of sight and points that no ray is imaged at never are.
            batch: the groups' rigs and boxes.
            weights: (G, C, J), of the learned baseline; required by it and by it alone.

        Raises:
            DataError: weights where the options ask for none, or none where they ask for them.
        """
        if (weights is not None) != (self.options.weighting == "learned"):
            raise DataError(
                "loss",
                "weights",
                expected="weights where loss.weighting is learned, and there alone",
                found=f"{'no ' if weights is None else ''}weights, and {self.options.weighting}",
                remedy="Give the weights of ViewConfidence, or change loss.weighting.",
            )
        if self.options.gradient in ("detach_target", "frozen"):
            points_raw = points_raw.detach()
        with no_autocast(points_raw):
            return self._targets(points_raw, observed, batch, weights)

    def _targets(
        self,
        points_raw: Tensor,
        observed: Tensor | None,
        batch: GroupGeometry,
        weights: Tensor | None,
    ) -> PseudoTargets:
        cameras = self.cameras(batch)
        points, seen = undistorted_points(points_raw, observed, batch, cameras)
        options = self.options
        weighting = options.weighting
        if weighting == "learned":
            assert weights is not None
            given = torch.where(seen, exact(weights.detach()), 0.0)
            found = self._triangulate(points, cameras, seen, given)
            strengths = given * cameras.num_cameras
        else:
            found = self._triangulate(points, cameras, seen, weighting)
            strengths = found.weights
        solved = _Solved(found.points_mm, found.weights, strengths, found.kept, found.wss_mm)
        return self._counted(solved, seen, cameras, batch)

    def peak_targets(self, heatmaps: Tensor, batch: Batch) -> PseudoTargets:
        """Targets from whole heatmaps (`core.learning.peaks`), constants of the step.

        A view's weight is its heatmap where it would see the point; `wss_mm` is the spread of the
        candidates that were averaged. Kept are points that the views agree on as far as on their
        own peaks, at least `min_views` of them.

        Args:
            heatmaps: (G, C, J, h, w) of the crops, left and right put right.
            batch: the crops.
        """
        cameras = self.cameras(batch)
        in_view = torch.as_tensor(batch.in_view, device=heatmaps.device)[..., None]
        seen = in_view.expand(heatmaps.shape[:3]).to(cameras.projections.device)
        with no_autocast(heatmaps):
            found = triangulate_peaks(heatmaps, seen, batch, cameras)
        strong = (found.strengths > LEAST_PEAK) & seen
        kept = (found.agreement >= LEAST_AGREEMENT) & (strong.sum(1) >= self.options.min_views)
        weights = torch.where(seen, found.strengths, 0.0)
        solved = _Solved(found.points_mm, weights, weights, kept, found.spread_mm)
        return self._counted(solved, seen, cameras, batch)

    def _counted(
        self, solved: _Solved, seen: Tensor, cameras: GroupCameras, batch: GroupGeometry
    ) -> PseudoTargets:
        """Project the points, and say which terms count and how much."""
        options, strengths = self.options, solved.strengths
        reprojection = cameras.lenses.distort(cameras.project(solved.points_mm))
        counted = solved.kept[:, None] & seen & reprojection.detach().isfinite().all(-1)
        if options.gate_views:
            strong = (strengths > GATE_WEIGHT) & seen
            counted = counted & (strong.sum(1, keepdim=True) >= options.gate_views)
        factors = strengths if options.loss_views == "weighted" else torch.ones_like(strengths)
        return PseudoTargets(
            points_mm=solved.points_mm,
            reprojection_raw=reprojection,
            weights=solved.weights,
            kept=solved.kept,
            wss_mm=solved.wss_mm,
            counted=counted,
            factors=torch.where(counted, factors, 0.0),
            boxes_px=exact(batch.boxes_px),
        )

    def _triangulate(
        self,
        points_px: Tensor,
        cameras: GroupCameras,
        seen: Tensor,
        weighting: Literal["none", "pairwise", "consensus"] | Tensor,
    ) -> Any:  # noqa: ANN401 - a RobustTriangulation of tensors
        options = self.options
        return robust_triangulate(
            points_px,
            cameras.projections,
            observed=seen,
            weighting=weighting,
            discard=None if options.discard == "auto" else options.discard,
            sigma_mm=options.sigma_mm or "auto",
            wss_threshold_mm=options.wss_threshold_mm or "auto",
            # Without a need of it any number will do; it saves the estimate on this batch.
            scale_mm=self.scale_mm or 10.0,
            min_views=options.min_views,
            row_exponent=options.row_exponent,
        )

    def term(self, points_raw: Tensor, targets: PseudoTargets) -> Term:
        """Σ w ‖x̂ − x̄‖² in the box-normalised frame (Eq. 3), and the number of its terms.

        Args:
            points_raw: (G, C, J, 2) predicted raw pixels: those of the targets, a student's beside
                its teacher's targets, or today's beside frozen ones.
            targets: of the same groups.

        Returns:
            Sum over kept joints and their observed views; never divided by the weights.
        """
        with no_autocast(points_raw):
            points, reprojection = exact(points_raw), targets.reprojection_raw
            if self.options.gradient == "detach_prediction":
                points = points.detach()
            if self.options.gradient in ("detach_target", "frozen"):
                reprojection = reprojection.detach()
            counted = targets.counted & points.detach().isfinite().all(-1)
            frame = BoxFrame.of(targets.boxes_px)
            squared = squared_distance(points, reprojection, frame, counted)
            return Term((targets.factors * squared).sum(), counted.sum().double())

    def residual_term(
        self, points_raw: Tensor, targets: PseudoTargets, batch: GroupGeometry
    ) -> Term:
        """The triangulation residual of every counted joint, as a share of the person's box.

        The smallest singular value σ of the weighted DLT matrix (rows of view c times its constant
        weight, METHOD's gauge), which is about the root of the summed squared reprojection errors
        in pixels; divided by the mean half side of the boxes of its views. The gradient is that of
        σ, exactly: at the smallest singular vector, only the matrix moves.

        Args:
            points_raw: (G, C, J, 2) predicted raw pixels.
            targets: of the same groups, for their weights and selection.
            batch: the groups' rigs and boxes.
        """
        with no_autocast(points_raw):
            cameras = self.cameras(batch)
            points, seen = undistorted_points(points_raw, targets.counted, batch, cameras)
            weights = torch.where(seen, targets.weights.detach(), 0.0)
            rows = weights**self.options.row_exponent
            sigma_px, solved = smallest_singular_px(points, cameras, seen, rows)
            half = BoxFrame.of(targets.boxes_px).half_px.mean(-1)
            views = seen.sum(1)
            size_px = (half * seen).sum(1) / views.clamp_min(1)
            solved = solved & (views >= 2)
            residual = torch.where(solved, sigma_px / torch.where(solved, size_px, 1.0), 0.0)
            return Term(residual.sum(), solved.sum().double())

    def learned_weights_term(
        self, points_raw: Tensor, weights: Tensor, truth_mm: Tensor, batch: GroupGeometry
    ) -> Term:
        """The 3D loss by which the learned baseline's weights are trained, on labelled groups.

        Squared 3D error in square metres, softened beyond (20 cm)² as its authors do. The gradient
        reaches weights and points; detach the points to train the weights alone.

        Args:
            points_raw: (G, C, J, 2) predicted raw pixels.
            weights: (G, C, J) of `ViewConfidence`.
            truth_mm: (G, J, 3) labels, world; NaN = none.
            batch: the groups' rigs and boxes.
        """
        with no_autocast(points_raw):
            cameras = self.cameras(batch)
            points, seen = undistorted_points(points_raw, None, batch, cameras)
            given = torch.where(seen, exact(weights), 0.0)
            points_mm = triangulate(points, cameras.projections, observed=seen, weights=given)
            truth = exact(truth_mm.detach())
            known = (points_mm.detach().isfinite() & truth.isfinite()).all(-1)
            error_m = torch.where(known[..., None], points_mm - truth, 0.0) * 1e-3
            square = error_m.square().sum(-1)
            large = square > SOFT_SQUARE_M2
            soft = torch.where(large, square, 1.0) ** _SOFT_POWER
            softened = soft * SOFT_SQUARE_M2 ** (1 - _SOFT_POWER)
            return Term(torch.where(large, softened, square).sum(), known.sum().double())


def needs_scale(options: LossOptions) -> bool:
    """Whether these options cannot do without a noise scale."""
    if options.evidence == "heatmaps":
        return False
    wss = options.discard == "wss" or (
        options.discard == "auto" and options.weighting == "pairwise"
    )
    return (
        options.weighting == "consensus"
        or (options.weighting == "pairwise" and not options.sigma_mm)
        or (wss and not options.wss_threshold_mm)
    )


def undistorted_points(
    points_raw: Tensor, observed: Tensor | None, batch: GroupGeometry, cameras: GroupCameras
) -> tuple[Tensor, Tensor]:
    """Undistorted pixels (G, C, J, 2) float64, NaN where not seen, and seen (G, C, J) bool."""
    points = exact(points_raw)
    frame = BoxFrame.of(batch.boxes_px)
    in_view = torch.as_tensor(batch.in_view, device=points.device)[..., None]
    seen = points.detach().isfinite().all(-1) & frame.known.to(points.device) & in_view
    if observed is not None:
        seen = seen & observed.to(points.device)
    straight = cameras.lenses.undistort(torch.where(seen[..., None], points, math.nan))
    return straight, seen & straight.detach().isfinite().all(-1)


def measure_scale_mm(points_raw: Tensor, observed: Tensor | None, batch: GroupGeometry) -> float:
    """The noise scale of predictions, in millimetres: `estimate_scale_mm` of raw pixels.

    Args:
        points_raw: (G, C, J, 2) raw pixels of many groups; NaN = absent.
        observed: (G, C, J) bool; default all.
        batch: their rigs and boxes; `Views.joined` makes one of many.
    """
    with torch.no_grad(), no_autocast(points_raw):
        cameras = RigTensors(points_raw.device).of_groups(batch.rigs, batch.rig_index)
        points, seen = undistorted_points(points_raw, observed, batch, cameras)
        return estimate_scale_mm(points, cameras.projections, seen)


def smallest_singular_px(
    points_px: Tensor, cameras: GroupCameras, seen: Tensor, factors: Tensor
) -> tuple[Tensor, Tensor]:
    """The smallest singular value of the DLT matrix of each joint, (G, J), and where there is one.

    Rows u·P3 − P1 and v·P3 − P2 of view c times `factors`, in METHOD's gauge: metres about the
    mean camera centre, |P3| = 1. The value is differentiable in the pixels, 0 where there is none.

    Args:
        points_px: (G, C, J, 2) undistorted, NaN where not seen.
        cameras: of the groups.
        seen: (G, C, J) bool.
        factors: (G, C, J) row factors, constants.
    """
    projections = cameras.projections
    with torch.no_grad():
        pixels = torch.where(seen[..., None], points_px.detach(), math.nan)
        X_mm = triangulate(pixels, projections, observed=seen, weights=factors)
        known = X_mm.isfinite().all(-1)
        X_mm = torch.where(known[..., None], X_mm, 0.0)
        M, p = projections[..., :3], projections[..., 3]
        center_mm = -torch.linalg.solve(M, p).mean(-2)
        size = (((X_mm - center_mm[..., None, :]) * 1e-3).square().sum(-1) + 1.0).sqrt()
        q = X_mm[:, None] @ M.mT + p[..., None, :]
        depth_m = q[..., 2] / torch.linalg.vector_norm(M[..., 2, :], dim=-1)[..., None] * 1e-3
        ahead = q[..., 2:] > 0
        used = seen & known[:, None] & ahead[..., 0]
        image = torch.where(ahead, q[..., :2] / torch.where(ahead, q[..., 2:], 1.0), 0.0)
        scale = torch.where(used, factors * depth_m, 0.0)[..., None]
    rows = torch.where(used[..., None], points_px - image, 0.0) * scale
    square = rows.square().sum((1, 3))
    # The root's slope at 0 is infinite; there the smallest value of σ is reached: gradient 0.
    positive = square > 0
    sigma = torch.where(positive, torch.where(positive, square, 1.0).sqrt(), 0.0)
    return sigma / size, known
