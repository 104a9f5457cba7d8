"""Rows of predictions against labels or truth, without any network (and without torch).

The one way by which everything is measured: `trilabel evaluate` with stored rounds, a training
with its held-out groups, and the experiments, both with rows that were never stored.

Groups are looked up by (recording, frame, person) in one round, never across rounds. A person whom
the round has no row for was in no picture: no joint found, which counts against coverage.

Single-view poses are stored with the root as deep as it was triangulated; METHOD measures them with
the root's true depth, so they are moved along their rays first (Eq. 7). That is exact, since depths
relative to the root do not change.

Shape suffixes: S poses, C cameras, J joints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.learning.evaluation import EvaluationInput, EvaluationReport, evaluate
from core.learning.metrics import root_joints, root_points
from core.skeleton import joint_mapping

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.geometry import Rig
    from core.learning.data import GroupList, PoseData
    from core.project.predictions import PredictionRows, RunPredictions
    from core.synthetic.truth import Truth

    Floats = NDArray[np.float64]


def moments_of(groups: GroupList) -> list[tuple[int, int]]:
    """The (recording, frame) of these groups, ascending, each once."""
    return sorted({(recording, frame) for recording, _, frame in groups.rows.tolist()})


def label_points_mm(data: PoseData, groups: GroupList) -> Floats:
    """(S, J, 3) the 3D labels of these groups; NaN = none."""
    return np.stack([data.points_mm(group) for group in groups])


def truth_points_mm(truth: Truth, source: str, data: PoseData, groups: GroupList) -> Floats:
    """(S, J, 3) the truth of these groups of a generated match; NaN where it says nothing.

    Raises:
        DataError: the truth is of other joints.
    """
    mapping = joint_mapping(truth.joints, data.skeleton)
    if any(len(sources) != 1 for sources in mapping):
        missing = [j for j, s in zip(data.skeleton.joints, mapping, strict=True) if len(s) != 1]
        raise DataError(
            source,
            "joints",
            expected=", ".join(data.skeleton.joints),
            found=f"no {', '.join(missing)}",
            remedy="Give the truth.h5 of the match that the project was imported from.",
        )
    joints = [sources[0] for sources in mapping]
    persons = {int(person): place for place, person in enumerate(truth.persons)}
    frames = {int(frame): place for place, frame in enumerate(truth.frames)}
    found = np.full((len(groups), len(joints), 3), np.nan)
    for row, group in enumerate(groups):
        if group.person in persons and group.frame in frames:
            found[row] = truth.points_mm[frames[group.frame], persons[group.person]][joints]
    return found


def evaluate_stored(
    predictions: RunPredictions,
    round_number: int,
    data: PoseData,
    groups: GroupList,
    truth_mm: Floats,
    *,
    common_scale_mm: float | None = None,
    min_views: int = 3,
) -> EvaluationReport:
    """Compare a round with truth.

    Args:
        predictions: of the run.
        round_number: the round; it covers the moments of all groups.
        data: whose rigs and skeleton the round was made with.
        groups: S.
        truth_mm: (S, J, 3) world; NaN = none.
        common_scale_mm: the noise scale of the common triangulation; None = estimated here.
        min_views: of the common triangulation.

    Raises:
        DataError: a file is damaged, or the round is of other cameras or joints.
    """
    rows = predictions.rows(moments_of(groups), round_number)
    header = next(r.header for r in predictions.rounds if r.header.round == round_number)
    _check(header.run, "cameras", header.cameras, data.recordings[0].rig.names)
    _check(header.run, "joints", header.joints, data.skeleton.joints)
    return evaluate_groups(
        aligned(rows, data, groups, truth_mm),
        data,
        groups,
        truth_mm,
        common_scale_mm=common_scale_mm,
        min_views=min_views,
    )


def evaluate_groups(
    given: EvaluationInput,
    data: PoseData,
    groups: GroupList,
    truth_mm: Floats,
    *,
    common_scale_mm: float | None = None,
    min_views: int = 3,
) -> EvaluationReport:
    """Compare what was predicted for groups, in their order, with truth; see `evaluate_stored`."""
    return evaluate(
        given,
        truth_mm,
        groups.rows[:, 1].tolist(),
        data.recordings[0].rig.names,
        data.skeleton,
        rigs=tuple(recording.rig for recording in data.recordings),
        rig_index=groups.rows[:, 0].astype(np.int64),
        common_scale_mm=common_scale_mm,
        min_views=min_views,
    )


def aligned(
    rows: PredictionRows | None, data: PoseData, groups: GroupList, truth_mm: Floats
) -> EvaluationInput:
    """The predictions in the order of the groups, single-view poses with the root's true depth.

    Args:
        rows: in any order; nothing is known of groups without a row.
        data: whose rigs and skeleton they were made with.
        groups: S.
        truth_mm: (S, J, 3) world, of which the root alone is used; NaN = none, and then there is
            no single-view pose either.
    """
    given = _input(rows, groups, data.num_cameras, data.skeleton.num_joints)
    if given.single_mm is not None:
        assert rows is not None
        depths = np.full((len(groups), data.num_cameras), np.nan)
        there, places = _places(rows, groups)
        assert rows.root_depth_mm is not None, "single-view poses without their root's depth"
        depths[there] = rows.root_depth_mm[places]
        root = root_points(truth_mm, root_joints(data.skeleton))
        for place, recording in enumerate(data.recordings):
            here = groups.rows[:, 0] == place
            given.single_mm[here] = rerooted_mm(
                given.single_mm[here],
                depths[here],
                _depths_mm(recording.rig, root[here]),
                recording.rig,
            )
    return given


def _check(run: str, field: str, found: tuple[str, ...], expected: tuple[str, ...]) -> None:
    if found != expected:
        raise DataError(
            f"predictions of {run}",
            field,
            expected=", ".join(expected),
            found=", ".join(found),
            remedy="Predict again with this run: trilabel predict PROJECT --run RUN.",
        )


def _places(rows: PredictionRows, groups: GroupList) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """(S,) which groups have a row, and the rows of those."""
    keys = zip(rows.recordings.tolist(), rows.persons.tolist(), rows.frames.tolist(), strict=True)
    place = {key: number for number, key in enumerate(keys)}
    found = np.array([place.get(tuple(key), -1) for key in groups.rows.tolist()], dtype=np.int64)
    return found >= 0, found[found >= 0]


def _input(
    rows: PredictionRows | None, groups: GroupList, num_cameras: int, num_joints: int
) -> EvaluationInput:
    """The predictions in the order of the groups; nothing for those without a row."""
    num = len(groups)
    points_mm = np.full((num, num_joints, 3), np.nan)
    points_px = np.full((num, num_cameras, num_joints, 2), np.nan)
    kept = np.zeros((num, num_joints), dtype=np.bool_)
    single: Floats | None = None
    if rows is not None:
        there, places = _places(rows, groups)
        points_mm[there] = rows.points_mm[places]
        points_px[there] = rows.points_px[places]
        kept[there] = rows.kept[places]
        if rows.single_mm is not None:
            single = np.full((num, num_cameras, num_joints, 3), np.nan)
            single[there] = rows.single_mm[places]
    return EvaluationInput(
        points_mm=points_mm,
        kept=kept,
        points_px=points_px,
        single_mm=single,
        in_view=np.asarray(np.isfinite(points_px).all(axis=-1).any(axis=-1)),
    )


def _depths_mm(rig: Rig, points_mm: Floats) -> Floats:
    """(S, C) depths of points (S, 3) in every camera; NaN behind it."""
    depths = np.stack([camera.depth_mm(points_mm) for camera in rig], axis=-1)
    return np.where(depths > 0, depths, np.nan)


def rerooted_mm(
    single_mm: Floats, root_depth_mm: Floats, wanted_depth_mm: Floats, rig: Rig
) -> Floats:
    """Lifted poses (S, C, J, 3) as they are with their roots at other depths (Eq. 7).

    Args:
        single_mm: world, each pose lifted from one view.
        root_depth_mm: (S, C) that they were made with.
        wanted_depth_mm: (S, C); NaN gives NaN.
        rig: C cameras.
    """
    moved = np.empty_like(single_mm)
    for c, camera in enumerate(rig):
        cam = camera.cam_from_world(single_mm[:, c])
        depth = cam[..., 2:]
        shift = (wanted_depth_mm[:, c] - root_depth_mm[:, c])[:, None, None]
        there = cam * ((depth + shift) / depth)
        moved[:, c] = (there - camera.t_mm) @ np.linalg.inv(camera.R).T
    return moved
