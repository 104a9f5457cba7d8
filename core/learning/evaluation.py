"""A run's poses against truth: multi-view, under one common triangulation, and view by view.

Variants triangulate differently, and a variant may look better only because its own triangulation
is. So the 2D predictions are triangulated once more in one way for all (consensus, at one given
noise scale), and both results stand side by side. numpy alone; `core.learning.metrics` says what
the measures mean and what their shares are for.

Trap: compare rows only at the same `common_scale_mm`. Left out, it is estimated from these
predictions and told in the report, and then the common triangulation is common in name only.

Shape suffixes: S poses, C cameras, J joints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core.geometry import estimate_scale_mm, robust_triangulate
from core.learning.metrics import Measures, PoseErrors, known_points, root_joints

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from core.geometry import Rig
    from core.skeleton import Skeleton

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Bools = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationInput:
    """What was predicted for S poses.

    Attributes:
        points_mm: (S, J, 3) world, by the variant's own triangulation; NaN = degenerate.
        kept: (S, J) bool.
        points_px: (S, C, J, 2) raw pixels, NaN = absent; None leaves out the common triangulation
            and the errors in pixels.
        single_mm: (S, C, J, 3) world, lifted from each view alone; None = not lifted.
        in_view: (S, C) bool: where the person is seen; default everywhere. What is out of view
            neither counts nor is triangulated.
    """

    points_mm: NDArray[np.float64]
    kept: NDArray[np.bool_]
    points_px: NDArray[np.float64] | None = None
    single_mm: NDArray[np.float64] | None = None
    in_view: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class PixelErrors:
    """Errors of the 2D joints in raw pixels, against the projected truth.

    Attributes:
        mean_px: of the distances.
        median_px: of the distances.
        found: share of the joints in view that have a prediction.
        num_joints: joints in view with truth.
    """

    mean_px: float
    median_px: float
    found: float
    num_joints: int

    def to_dict(self) -> dict[str, float | int | None]:
        """Plain values for JSON; None where there is nothing to measure."""
        values = {name: getattr(self, name) for name in PixelErrors.__slots__}
        return {key: value if math.isfinite(value) else None for key, value in values.items()}


@dataclass(frozen=True, slots=True)
class Scores:
    """The measures of one way to 3D, and its tables; per_camera is empty in multi-view."""

    total: Measures
    per_joint: Mapping[str, Measures]
    per_subject: Mapping[str, Measures]
    per_camera: Mapping[str, Measures] = field(default_factory=dict[str, Measures])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        tables = {"per_joint": self.per_joint, "per_subject": self.per_subject}
        if self.per_camera:
            tables["per_camera"] = self.per_camera
        return {
            "total": self.total.to_dict(),
            **{
                name: {row: measures.to_dict() for row, measures in table.items()}
                for name, table in tables.items()
            },
        }


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """All that an evaluation says.

    Attributes:
        num_poses: poses with any truth.
        root: names of the joints whose mean the poses are centred on.
        multi_view: by the variant's own triangulation.
        common: by the common triangulation; None without 2D points and rigs.
        common_scale_mm: its noise scale; None where there is none.
        common_scale_estimated: that scale came of these predictions, not from outside.
        single_view: lifted, over all views in which the person is seen; None = not lifted.
        pixels: "all" and camera names to 2D errors; empty without 2D points and rigs.
    """

    num_poses: int
    root: tuple[str, ...]
    multi_view: Scores
    common: Scores | None = None
    common_scale_mm: float | None = None
    common_scale_estimated: bool = False
    single_view: Scores | None = None
    pixels: Mapping[str, PixelErrors] = field(default_factory=dict[str, PixelErrors])

    def headline(self) -> dict[str, float]:
        """The figures to follow in training, by flat names such as ``mv_mpjpe``; finite ones."""
        found: dict[str, float] = {}
        ways = {"mv": self.multi_view, "common": self.common, "sv": self.single_view}
        for short, scores in ways.items():
            if scores is not None:
                for name in ("mpjpe", "nmpjpe", "pmpjpe", "mpjpe_abs", "pck", "coverage", "found"):
                    found[f"{short}_{name}"] = getattr(scores.total, name)
        if "all" in self.pixels:
            found["error_px"] = self.pixels["all"].mean_px
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; None where there is nothing to measure."""
        return {
            "num_poses": self.num_poses,
            "root": list(self.root),
            "multi_view": self.multi_view.to_dict(),
            "common": None if self.common is None else self.common.to_dict(),
            "common_scale_mm": self.common_scale_mm,
            "common_scale_estimated": self.common_scale_estimated,
            "single_view": None if self.single_view is None else self.single_view.to_dict(),
            "pixels": {name: row.to_dict() for name, row in self.pixels.items()},
        }

    def to_text(self) -> str:
        """The tables in plain text."""
        root = " and ".join(self.root)
        lines = [
            f"{self.num_poses} poses; millimetres; poses centred on {root}.",
            "kept, found: shares of the joints with truth that were kept, that have a point.",
            "Errors are over all found joints, root-aligned but for MPJPE-abs; -kept: over kept.",
        ]
        lines += _text_of("Multi-view, own triangulation", self.multi_view)
        if self.common is not None:
            origin = "estimated here: not comparable" if self.common_scale_estimated else "given"
            scale = f"scale {self.common_scale_mm:.1f} mm, {origin}"
            lines += _text_of(f"Multi-view, common consensus triangulation ({scale})", self.common)
        if self.single_view is not None:
            lines += _text_of("Single-view, lifted", self.single_view)
        if self.pixels:
            lines += ["", "2D joints, raw pixels", _PIXEL_HEADER]
            lines += [_pixel_row(name, row) for name, row in self.pixels.items()]
        return "\n".join(lines) + "\n"


_COLUMNS = {
    "MPJPE": "mpjpe",
    "NMPJPE": "nmpjpe",
    "PMPJPE": "pmpjpe",
    "MPJPE-abs": "mpjpe_abs",
    "MPJPE-kept": "mpjpe_kept",
    "PCK%": "pck",
    "AUC%": "auc",
}
_HEADER = (
    f"  {'':<18}"
    + "".join(f"{name:>11}" for name in _COLUMNS)
    + f"{'kept%':>8}{'found%':>8}{'n':>8}"
)
_PIXEL_HEADER = f"  {'':<18}{'mean':>9}{'median':>9}{'found%':>8}{'n':>8}"


def _number(value: float, width: int, digits: int = 1) -> str:
    return f"{value:>{width}.{digits}f}" if math.isfinite(value) else f"{'-':>{width}}"


def _row(name: str, measures: Measures) -> str:
    errors = "".join(_number(getattr(measures, key), 11) for key in _COLUMNS.values())
    shares = _number(100 * measures.coverage, 8) + _number(100 * measures.found, 8)
    return f"  {name[:18]:<18}{errors}{shares}{measures.num_joints:>8}"


def _pixel_row(name: str, row: PixelErrors) -> str:
    errors = _number(row.mean_px, 9, 2) + _number(row.median_px, 9, 2)
    return f"  {name[:18]:<18}{errors}{_number(100 * row.found, 8)}{row.num_joints:>8}"


def _text_of(title: str, scores: Scores) -> list[str]:
    lines = ["", title, _HEADER, _row("all", scores.total)]
    tables = (("subject", scores.per_subject), ("camera", scores.per_camera))
    for kind, table in (*tables, ("joint", scores.per_joint)):
        if table:
            lines.append(f"  by {kind}")
            lines += [_row(name, measures) for name, measures in table.items()]
    return lines


def evaluate(
    predicted: EvaluationInput,
    truth_mm: NDArray[np.float64],
    persons: Sequence[object],
    cameras: Sequence[str],
    skeleton: Skeleton,
    *,
    rigs: Sequence[Rig] = (),
    rig_index: NDArray[np.int64] | None = None,
    common_scale_mm: float | None = None,
    min_views: int = 3,
) -> EvaluationReport:
    """Compare predictions with the truth, in every way there is data for.

    Args:
        predicted: S poses.
        truth_mm: (S, J, 3) world; NaN = none. Joints without truth are left out.
        persons: S names or numbers; rows of the tables by subject.
        cameras: C names.
        skeleton: names the J joints and the root.
        rigs: distinct rigs of C cameras; none leaves out the common triangulation.
        rig_index: (S,) into `rigs`; default the first.
        common_scale_mm: the noise scale of the common triangulation; None = estimated here.
        min_views: of the common triangulation.
    """
    truth = np.asarray(truth_mm, dtype=np.float64)
    _check(predicted, truth, persons, cameras, skeleton)
    root = root_joints(skeleton)
    names = np.array([str(person) for person in persons], dtype=np.str_)
    in_view = predicted.in_view
    if in_view is None:
        in_view = np.ones((len(truth), len(cameras)), dtype=np.bool_)
    own = PoseErrors.of(predicted.points_mm, truth, root, predicted.kept)
    report = EvaluationReport(
        num_poses=int(known_points(truth).any(axis=-1).sum()),
        root=tuple(skeleton.joints[joint] for joint in root),
        multi_view=_scores(own, names, skeleton),
    )
    if (single_mm := predicted.single_mm) is not None:
        single = _single_view(single_mm, truth, in_view, names, cameras, skeleton, root)
        report = replace(report, single_view=single)
    if predicted.points_px is None or not rigs or not len(truth):
        return report
    index = np.zeros(len(truth), dtype=np.int64) if rig_index is None else rig_index
    points_px = np.where(in_view[:, :, None, None], predicted.points_px, np.nan)
    points_mm, kept, scale_mm = common_triangulation(
        points_px, rigs, index, scale_mm=common_scale_mm, min_views=min_views
    )
    common = PoseErrors.of(points_mm, truth, root, kept)
    return replace(
        report,
        common=_scores(common, names, skeleton),
        common_scale_mm=scale_mm,
        common_scale_estimated=common_scale_mm is None,
        pixels=_pixels(points_px, truth, in_view, rigs, index, cameras),
    )


def common_triangulation(
    points_px: NDArray[np.float64],
    rigs: Sequence[Rig],
    rig_index: NDArray[np.int64],
    *,
    scale_mm: float | None = None,
    min_views: int = 3,
) -> tuple[Floats, Bools, float]:
    """Raw pixels (S, C, J, 2) by consensus: points (S, J, 3) mm, kept (S, J), and the scale used.

    Args:
        points_px: raw pixels; NaN = absent.
        rigs: distinct rigs of C cameras.
        rig_index: (S,) into `rigs`.
        scale_mm: the noise scale; None = estimated from these points.
        min_views: fewer supporting views never count as kept.
    """
    straight = np.full(points_px.shape, np.nan)
    for place, rig in enumerate(rigs):
        here = rig_index == place
        straight[here] = rig.undistort(points_px[here])
    projections = np.stack([rig.projections for rig in rigs])[rig_index]
    if scale_mm is None:
        scale_mm = estimate_scale_mm(straight, projections)
    found = robust_triangulate(
        straight, projections, weighting="consensus", scale_mm=scale_mm, min_views=min_views
    )
    return found.points_mm, found.kept, scale_mm


def _check(
    predicted: EvaluationInput,
    truth: Floats,
    persons: Sequence[object],
    cameras: Sequence[str],
    skeleton: Skeleton,
) -> None:
    S, C, J = len(truth), len(cameras), skeleton.num_joints
    expected = {
        "truth_mm": (truth, (S, J, 3)),
        "points_mm": (predicted.points_mm, (S, J, 3)),
        "kept": (predicted.kept, (S, J)),
        "points_px": (predicted.points_px, (S, C, J, 2)),
        "single_mm": (predicted.single_mm, (S, C, J, 3)),
        "in_view": (predicted.in_view, (S, C)),
        "persons": (np.empty(len(persons)), (S,)),
    }
    for name, (value, shape) in expected.items():
        if value is not None and value.shape != shape:
            raise ValueError(f"{name}: expected {shape}, got {value.shape}")


def _scores(
    errors: PoseErrors,
    names: NDArray[np.str_],
    skeleton: Skeleton,
    cameras: Sequence[str] = (),
) -> Scores:
    """Tables of poses; with cameras, poses are ordered (S, C) and `names` is repeated so."""
    views = np.arange(len(names)) % max(1, len(cameras))
    return Scores(
        total=errors.measures(),
        per_joint={joint: errors.measures(joint=j) for j, joint in enumerate(skeleton.joints)},
        per_subject={
            str(name): errors.measures(poses=names == name)
            for name in sorted(set(names.tolist()), key=_numbers_first)
        },
        per_camera={name: errors.measures(poses=views == c) for c, name in enumerate(cameras)},
    )


def _numbers_first(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (1 << 60, name)


def _single_view(
    single_mm: NDArray[np.float64],
    truth: Floats,
    in_view: NDArray[np.bool_],
    names: NDArray[np.str_],
    cameras: Sequence[str],
    skeleton: Skeleton,
    root: tuple[int, ...],
) -> Scores:
    """Every view of every person a pose of its own; those out of view have no truth to meet."""
    num_views = len(cameras)
    repeated = np.where(in_view[:, :, None, None], truth[:, None], np.nan)
    shape = (-1, *truth.shape[1:])
    errors = PoseErrors.of(
        np.asarray(single_mm, dtype=np.float64).reshape(shape), repeated.reshape(shape), root
    )
    return _scores(errors, np.repeat(names, num_views), skeleton, cameras)


def _pixels(
    points_px: Floats,
    truth: Floats,
    in_view: NDArray[np.bool_],
    rigs: Sequence[Rig],
    rig_index: NDArray[np.int64],
    cameras: Sequence[str],
) -> dict[str, PixelErrors]:
    wanted = np.full(points_px.shape, np.nan)
    for place, rig in enumerate(rigs):
        here = rig_index == place
        wanted[here] = rig.project(truth[here])
    known = known_points(wanted) & in_view[:, :, None]
    distances = np.linalg.norm(points_px - wanted, axis=-1)
    rows = {"all": _pixel_errors(distances, known)}
    for c, name in enumerate(cameras):
        rows[name] = _pixel_errors(distances[:, c], known[:, c])
    return rows


def _pixel_errors(distances: Floats, known: Bools) -> PixelErrors:
    values = distances[known]
    found = values[np.isfinite(values)]
    return PixelErrors(
        mean_px=float(found.mean()) if found.size else math.nan,
        median_px=float(np.median(found)) if found.size else math.nan,
        found=found.size / values.size if values.size else math.nan,
        num_joints=int(values.size),
    )
