"""Figure 3: crowded people, multi-view and single-view, with weights and without.

Two rows are trained (one seed): ours and w/o weights. The groups shown are those of the test people
with the most other people in front of or behind them; each is drawn in the view where most of the
box is shared, the poses projected into it, and the truth thin beside them.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.learning.metrics import root_joints, root_points
from trainer.experiments.court import Court
from trainer.experiments.plots import COLORS, new_figure, save_figure
from trainer.experiments.report import Report, write_report
from trainer.experiments.rows import rows_of
from trainer.experiments.scoring import poses_of
from trainer.experiments.tables import WAYS, mean_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.learning.data import GroupList, PoseData
    from core.project.runs.folder import RunFolder
    from core.skeleton import Skeleton
    from trainer.experiments.request import Request
    from trainer.experiments.tables import Results

_ROWS = "ours,noweights"
_APART_FRAMES = 20
_SHOWN_MARGIN = 0.35
_LETTERS = "abcd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure3Options:
    """The experiment's own options, ``--set figure3.NAME=VALUE``.

    Attributes:
        groups: how many people at a frame are shown.
    """

    groups: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A group to show.

    Attributes:
        index: into the measured groups.
        view: camera.
        crowding: share of the box in that view that other people's boxes cover.
    """

    index: int
    view: int
    crowding: float


def run(request: Request) -> None:
    """Train the two rows of the first seed, choose the groups, draw them.

    Raises:
        DataError: an option is wrong, or the truth is not there.
        CommandRefusedError: a training failed.
    """
    started = time.monotonic()
    options = request.own("figure3", Figure3Options())
    rows = rows_of(_ROWS)
    court = Court(request, ("figure3",), rows)
    starts, runs = court.train(rows)
    seed = request.seeds[0]
    results: Results = {
        row.key: [court.measure(runs[s, row.key], starts[s]).report for s in request.seeds]
        for row in rows
    }
    drawn = {row.key: runs[seed, row.key] for row in rows}
    with court.data(starts[seed]) as data:
        groups = court.eval_groups(data)
        shown = most_crowded(data, groups, options.groups)
        figure, panels = _panels(court, data, drawn, groups, shown)
    report = Report("Figure 3: crowded people, with weights and without")
    report.text(
        f"Data: {court.told()}. The {len(shown)} most crowded groups of the test people, at least "
        f"{_APART_FRAMES} frames apart, in the view in which other people's boxes cover most of "
        f"theirs; seed {seed}. (a) ours, multi-view; (b) w/o weights, multi-view; (c) ours, "
        "single-view; (d) w/o weights, single-view. Thin white: the truth. The numbers are MPJPE "
        "in mm of the pose shown."
    )
    name = save_figure(figure, request.out, "figure3")
    report.image(name, "Multi-view and single-view poses with and without weights")
    report.section("All measured groups")
    report.table(
        ["row", "multi-view", "multi-view, common", "single-view"],
        [[row.label, *(f"{mean_of(results, row.key, way):.1f}" for way in WAYS)] for row in rows],
    )
    configuration = {
        "figure3": asdict(options),
        "match": asdict(court.match.options),
        "training": asdict(court.study.base),
    }
    write_report(
        request,
        report,
        {"panels": panels, "rows": results},
        configuration,
        time.monotonic() - started,
    )
    court.progress.finish(f"Wrote {request.out / 'report.md'}")


def most_crowded(data: PoseData, groups: GroupList, num: int) -> list[Shown]:
    """The groups whose boxes others cover most, in one view each; frames well apart."""
    recording = data.recordings[0]
    keys = recording.places.keys
    candidates: list[Shown] = []
    for index, group in enumerate(groups):
        others = keys[(keys[:, 1] == group.frame) & (keys[:, 0] != group.person)]
        mine = recording.boxes_px(group.person, group.frame)
        cover = covered(mine, recording.boxes_of(others))
        if np.isfinite(cover).any():
            view = int(np.nanargmax(cover))
            candidates.append(Shown(index=index, view=view, crowding=float(cover[view])))
    chosen: list[Shown] = []
    for one in sorted(candidates, key=lambda c: -c.crowding):
        frame = groups[one.index].frame
        if all(abs(frame - groups[other.index].frame) >= _APART_FRAMES for other in chosen):
            chosen.append(one)
        if len(chosen) == num:
            break
    return chosen


def covered(mine: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """(C,) summed share of boxes (C, 4) that others (K, C, 4) cover; NaN where mine is none."""
    low = np.fmax(others[..., :2], mine[None, :, :2])
    high = np.fmin(others[..., 2:], mine[None, :, 2:])
    shared = np.where(np.isnan(others[..., 0]), 0.0, np.clip(high - low, 0, None).prod(axis=-1))
    return shared.sum(axis=0) / (mine[:, 2:] - mine[:, :2]).prod(axis=-1)


def _panels(
    court: Court,
    data: PoseData,
    runs: dict[str, RunFolder],
    groups: GroupList,
    shown: list[Shown],
) -> tuple[Any, list[dict[str, Any]]]:
    """The figure, and what its panels show."""
    chosen = groups.take([one.index for one in shown])
    truth_mm = court.truth_mm(data, chosen)
    poses = {
        key: poses_of(run, data, chosen, truth_mm, court.cache_dir) for key, run in runs.items()
    }
    figure, axes = new_figure(len(shown), 4, (9.6, 3.2 * len(shown)))
    recording, told = data.recordings[0], list[dict[str, Any]]()
    for line, one in enumerate(shown):
        group = chosen[line]
        picture = recording.read(one.view, group.frame)
        box = recording.boxes_px(group.person, group.frame)[one.view]
        errors: dict[str, float] = {}
        columns = [(key, single) for single in (False, True) for key in runs]
        for column, (key, single) in enumerate(columns):
            own = poses[key]
            lifted = own.single_mm
            points_mm = (
                lifted[line, one.view] if single and lifted is not None else own.points_mm[line]
            )
            ax = axes[line, column]
            _draw(ax, picture, box)
            camera = recording.rig[one.view]
            _skeleton(ax, camera.project(truth_mm[line]), data.skeleton, "white", 0.8)
            color = COLORS[0 if key == "ours" else 1]
            _skeleton(ax, camera.project(points_mm), data.skeleton, color, 2.2)
            error = _error_mm(points_mm, truth_mm[line], data.skeleton)
            way = "single-view" if single else "multi-view"
            errors[f"{key}, {way}"] = error
            letter = f"({_LETTERS[column]}) " if line == 0 else ""
            ax.set_title(f"{letter}{'ours' if key == 'ours' else 'w/o w'}, {way}: {error:.0f}")
        told.append(
            {
                "person": group.person,
                "frame": group.frame,
                "camera": recording.rig.names[one.view],
                "crowding": one.crowding,
                "mpjpe_mm": errors,
            }
        )
    return figure, told


def _draw(ax: Any, picture: NDArray[np.uint8], box: NDArray[np.float64]) -> None:  # noqa: ANN401 - matplotlib's Axes
    size = (box[2:] - box[:2]).max() * (0.5 + _SHOWN_MARGIN)
    center = (box[2:] + box[:2]) / 2
    ax.imshow(picture)
    ax.set_xlim(center[0] - size, center[0] + size)
    ax.set_ylim(center[1] + size, center[1] - size)
    ax.set_axis_off()


def _skeleton(
    ax: Any,  # noqa: ANN401 - matplotlib's Axes
    points_px: NDArray[np.float64],
    skeleton: Skeleton,
    color: str,
    width: float,
) -> None:
    for a, b in skeleton.bones:
        ax.plot(points_px[[a, b], 0], points_px[[a, b], 1], color=color, lw=width)


def _error_mm(
    points_mm: NDArray[np.float64], truth_mm: NDArray[np.float64], skeleton: Skeleton
) -> float:
    """MPJPE of one pose."""
    root = root_joints(skeleton)
    difference = (points_mm - root_points(points_mm, root)) - (
        truth_mm - root_points(truth_mm, root)
    )
    return float(np.nanmean(np.linalg.norm(difference, axis=-1)))
