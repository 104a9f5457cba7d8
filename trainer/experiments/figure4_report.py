"""What Figure 4's curves say: a picture, tables, and plain words that follow from the figures."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.text import percent
from trainer.experiments.plots import COLORS, new_figure, save_figure
from trainer.experiments.report import Report, mean_and_spread, write_report

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.experiments.request import Request

_STARTED = time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A curve.

    Attributes:
        label: in legends and tables.
        arguments: of `robust_triangulate`; None = RANSAC.
        line: matplotlib's style.
        width: of the line; plain DLT's is broad and below the others, as many curves end on it.
    """

    label: str
    arguments: dict[str, Any] | None
    line: str = "-"
    width: float = 1.6


METHODS: dict[str, Method] = {
    "wss": Method(
        label="w/ weights w/ WSS (the paper)",
        arguments={"weighting": "pairwise", "discard": "wss"},
    ),
    "support": Method(
        label="w/ weights, discard by support",
        arguments={"weighting": "pairwise", "discard": "support"},
    ),
    "no_wss": Method(
        label="w/ weights w/o WSS",
        arguments={"weighting": "pairwise", "discard": "none"},
    ),
    "plain": Method(label="w/o weights (DLT)", arguments={"weighting": "none"}, width=5.0),
    "auto_support": Method(
        label="w/ weights, automatic σ, by support",
        arguments={"weighting": "pairwise", "discard": "support", "sigma_mm": "auto"},
        line="--",
    ),
    "auto_wss": Method(
        label="w/ weights w/ WSS, automatic σ and λ",
        arguments={"weighting": "pairwise", "sigma_mm": "auto", "wss_threshold_mm": "auto"},
        line="--",
    ),
    "consensus": Method(label="consensus", arguments={"weighting": "consensus"}),
    "ransac": Method(label="RANSAC over all pairs", arguments=None, line=":"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """All curves of all seeds.

    Attributes:
        radii_px: R radii.
        floors_px: noise on all views.
        by_seed: seed → floor → k → method → {"mean_mm", "median_mm", "kept"}: R numbers each.
    """

    radii_px: list[float]
    floors_px: list[float]
    by_seed: dict[int, Any]

    def get(self, floor: float, k: int, method: str, what: str = "mean_mm") -> NDArray[np.float64]:
        """(seeds, R)."""
        return np.array([one[f"{floor:g}"][str(k)][method][what] for one in self.by_seed.values()])

    def mean(self, floor: float, k: int, method: str, what: str = "mean_mm") -> NDArray[np.float64]:
        """(R,) over the seeds."""
        return self.get(floor, k, method, what).mean(axis=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a curve lies against plain DLT's, for one number of noisy views.

    Attributes:
        better: share of the radii above 0 at which it errs by less than 0.9 times as much.
        better_until_px: it is better from the first radius above 0 up to this one; 0 = nowhere.
        worst_ratio: the greatest of its errors over plain DLT's, radii above 0.
    """

    better: float
    better_until_px: float
    worst_ratio: float


def shape_against_plain(curves: Curves, floor: float, k: int, method: str) -> Shape:
    """How `method` compares with plain DLT where `k` views are noisy."""
    above = np.array(curves.radii_px) > 0
    radii = np.array(curves.radii_px)[above]
    ratio = (curves.mean(floor, k, method) / curves.mean(floor, k, "plain"))[above]
    better = ratio < 0.9
    run = len(better) if better.all() else int(better.argmin())
    return Shape(
        better=float(better.mean()),
        better_until_px=float(radii[run - 1]) if run else 0.0,
        worst_ratio=float(ratio.max()),
    )


def write_figure4(
    request: Request, curves: Curves, *, options: dict[str, Any], rig_name: str
) -> None:
    """Plot and report into the request's folder."""
    report = Report("Figure 4: triangulation with noise in some of the views")
    report.text(
        f"{options['points']} points a seed, seen by {rig_name}. In k of the six views, drawn anew "
        "for each point, the image point is moved onto the circle of radius r (undistorted "
        "pixels of the full-size picture); with a floor, normal noise of that standard deviation "
        "along each axis is added in all views. The error is the distance to the true point, "
        "without alignment, of all joints: where the rule discards a joint, its point is that of "
        "equal weights, as in the paper. σ = 10 mm and λ = 20 mm where not said to be automatic. "
        "The paper gives Figure 4 as a picture without figures, so none stand beside ours."
    )
    report.image(save_figure(_plot(curves), request.out, "figure4"), "Error against noise")
    report.image(
        save_figure(_plot_kept(curves), request.out, "figure4_kept"), "Share of joints kept"
    )
    report.section("What it says")
    report.bullets(statements(curves))
    for floor in curves.floors_px:
        _add_table(report, curves, floor)
    results = {
        "radii_px": curves.radii_px,
        "methods": {name: method.label for name, method in METHODS.items()},
        "by_floor": {f"{f:g}": _summary(curves, f) for f in curves.floors_px},
    }
    configuration = {"figure4": options, "rig": rig_name}
    write_report(request, report, results, configuration, time.monotonic() - _STARTED)


def _plot(curves: Curves) -> Any:  # noqa: ANN401 - matplotlib's Figure
    figure, axes = new_figure(
        len(curves.floors_px), 5, (15, 3.1 * len(curves.floors_px)), sharex=True, sharey=True
    )
    for row, floor in enumerate(curves.floors_px):
        for k in range(1, 6):
            ax = axes[row, k - 1]
            for color, (name, method) in zip(COLORS, METHODS.items(), strict=True):
                values = curves.get(floor, k, name)
                mean = values.mean(axis=0)
                below = method.width > 2
                ax.plot(
                    curves.radii_px,
                    mean,
                    method.line,
                    color=color,
                    label=method.label,
                    lw=method.width,
                    alpha=0.45 if below else 1.0,
                    zorder=1 if below else 2,
                )
                low, high = values.min(axis=0), values.max(axis=0)
                ax.fill_between(curves.radii_px, low, high, color=color, alpha=0.15, lw=0)
            ax.set_yscale("symlog", linthresh=10.0, linscale=0.6)
            ax.set_ylim(0, 3000)
            ax.set_title(f"{k} of 6 views noisy, {floor:g} px on all")
            if row == len(curves.floors_px) - 1:
                ax.set_xlabel("r, px")
            if k == 1:
                ax.set_ylabel("error, mm")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def _plot_kept(curves: Curves) -> Any:  # noqa: ANN401 - matplotlib's Figure
    shown = ("wss", "support", "auto_support", "auto_wss", "consensus", "ransac")
    figure, axes = new_figure(
        len(curves.floors_px), 5, (15, 2.2 * len(curves.floors_px)), sharex=True, sharey=True
    )
    colors = dict(zip(METHODS, COLORS, strict=True))
    for row, floor in enumerate(curves.floors_px):
        for k in range(1, 6):
            ax = axes[row, k - 1]
            for name in shown:
                kept = 100 * curves.mean(floor, k, name, "kept")
                style, label = METHODS[name].line, METHODS[name].label
                ax.plot(curves.radii_px, kept, style, color=colors[name], label=label, lw=1.6)
            ax.set_title(f"{k} of 6 views noisy, {floor:g} px on all")
            if row == len(curves.floors_px) - 1:
                ax.set_xlabel("r, px")
            if k == 1:
                ax.set_ylabel("kept, %")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6)
    return figure


def _add_table(report: Report, curves: Curves, floor: float) -> None:
    report.section(f"Error in mm, {floor:g} px of noise on all views")
    places = [
        int(np.argmin(np.abs(np.array(curves.radii_px) - share * curves.radii_px[-1])))
        for share in (0.2, 0.5, 1.0)
    ]
    header = ["curve", *(f"k={k} r={curves.radii_px[i]:g}" for k in range(1, 6) for i in places)]
    rows = [
        [method.label]
        + [
            mean_and_spread(curves.get(floor, k, name)[:, i].tolist(), 0)
            for k in range(1, 6)
            for i in places
        ]
        for name, method in METHODS.items()
    ]
    report.table(header, rows)


def _summary(curves: Curves, floor: float) -> dict[str, Any]:
    """K → method → mean and spread over seeds of the mean error, median error and share kept."""
    found: dict[str, Any] = {}
    for k in range(1, 6):
        of_k = found[str(k)] = {}
        for name in METHODS:
            errors = curves.get(floor, k, name)
            spread = errors.std(axis=0, ddof=1) if len(errors) > 1 else np.zeros(errors.shape[1])
            of_k[name] = {
                "mean_mm": errors.mean(axis=0).tolist(),
                "spread_mm": spread.tolist(),
                "median_mm": curves.mean(floor, k, name, "median_mm").tolist(),
                "kept": curves.mean(floor, k, name, "kept").tolist(),
            }
    return found


def statements(curves: Curves) -> list[str]:
    """What the curves say against the paper's description, each sentence made from the figures."""
    first = curves.floors_px[0]
    told = [_literal_wss(curves, first), _support(curves, first), _without_wss(curves, first)]
    told += [_with_floor(curves, floor) for floor in curves.floors_px if floor > 0]
    told.append(_consensus(curves))
    return told


def _literal_wss(curves: Curves, floor: float) -> str:
    parts: list[str] = []
    for k in (1, 2):
        kept = curves.mean(floor, k, "wss", "kept")
        gone = [r for r, share in zip(curves.radii_px, kept, strict=True) if share < 0.5]
        until = shape_against_plain(curves, floor, k, "wss").better_until_px
        lost = f"more than half of the joints from r = {gone[0]:g} px on" if gone else "no half"
        better = f"up to r = {until:g} px only" if until else "at none of the radii drawn"
        parts.append(
            f"with {k} noisy view{'s' * (k > 1)} it discards {lost}, and is better than plain "
            f"DLT {better}"
        )
    return (
        f"**Literal WSS** ({floor:g} px on all views). WSS is a mean over all pairs, so one bad "
        f"view is enough to exceed λ = 20 mm: {'; '.join(parts)}. Beyond that it *is* plain DLT: "
        "a discarded joint gets equal weights. The paper's sentence “more accurate when less than "
        "50 % of the views are affected” therefore does not follow from Eq. 6 with λ = 20 mm at "
        "larger r."
    )


def _support(curves: Curves, floor: float) -> str:
    few = [shape_against_plain(curves, floor, k, "support") for k in (1, 2)]
    many = max(shape_against_plain(curves, floor, k, "support").worst_ratio for k in (3, 4, 5))
    return (
        "**Discarding by support** (fewer than three views of weight above 0.05) has the shape "
        "that the paper describes: better than plain DLT at "
        f"{percent(few[0].better)} of the radii with one noisy view and at "
        f"{percent(few[1].better)} with two, and with three or more at most "
        f"{many:.2f} times plain DLT's error."
    )


def _without_wss(curves: Curves, floor: float) -> str:
    worst = max(shape_against_plain(curves, floor, k, "no_wss").worst_ratio for k in (4, 5))
    return (
        "**Weights without any discard** err, with four or five noisy views, up to "
        f"{worst:.2f} times as much as plain DLT: the paper's reason for WSS."
    )


def _with_floor(curves: Curves, floor: float) -> str:
    kept, auto = (float(curves.mean(floor, 1, m, "kept")[0]) for m in ("wss", "auto_wss"))
    at = len(curves.radii_px) // 2
    errors = {m: float(curves.mean(floor, 1, m)[at]) for m in ("plain", "support", "auto_support")}
    return (
        f"**{floor:g} px on all views**, none off: σ = 10 mm and λ = 20 mm keep {percent(kept)} of "
        f"the joints, automatic ones {percent(auto)}. With one view off by "
        f"{curves.radii_px[at]:g} px: plain DLT {errors['plain']:.0f} mm, support "
        f"{errors['support']:.0f}, support with automatic σ {errors['auto_support']:.0f}."
    )


def _consensus(curves: Curves) -> str:
    at = len(curves.radii_px) // 2
    cells: list[str] = []
    for floor in curves.floors_px:
        values = [
            f"{float(curves.mean(floor, k, m)[at]):.1f}"
            for k in (1, 2, 3)
            for m in ("consensus", "ransac")
        ]
        cells.append(
            f"{floor:g} px on all: {values[0]} against {values[1]} mm with one view off, "
            f"{values[2]} against {values[3]} with two, {values[4]} against {values[5]} with three"
        )
    return f"**Consensus against RANSAC** at r = {curves.radii_px[at]:g} px — {'; '.join(cells)}."
