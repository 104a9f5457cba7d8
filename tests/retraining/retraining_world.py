"""Complete runs of the yard, written by hand: what they learned from, said and predicted."""

import math
from dataclasses import replace

import numpy as np

from core.project.predictions import (
    PredictionBlock,
    PredictionRows,
    RoundHeader,
    block_name,
    finish_round,
    write_predictions,
)
from core.project.runs.config import TrainConfig
from core.project.runs.config_io import with_settings
from core.project.runs.events import (
    Evaluated,
    Predicted,
    PredictionRoundFinished,
    RunStarted,
)
from core.project.runs.folder import RUNS_FOLDER, RunFolder
from tests.learning.test_data_project import PERSONS, POSES


def make_run(project, name="quick", *settings):
    """A run that nobody trains yet, with a snapshot of the labels as they are."""
    return RunFolder.create(
        project.path / RUNS_FOLDER,
        with_settings(TrainConfig(), ["data.held_out_percent=25", *settings]),
        project_dir=project.path,
        labels_db=project.labels.path,
        name=name,
    )


def finish(run, errors=(), *, single_mm=math.nan, poses=4, minutes=2.0, status="done"):
    """Let the run say what its detector's errors were, and end."""
    begun = 1_700_000_000.0
    with run.lock():
        run.append(
            RunStarted(
                time=begun,
                device="cpu",
                device_name="a test",
                memory_bytes=1,
                num_processes=1,
                resumed=False,
                labelled=1,
                unlabelled=1,
                held_out=1,
            )
        )
        for step, error in enumerate(errors, 1):
            metrics = {"mv_mpjpe": error, "poses": float(poses)}
            run.append(Evaluated(stage="finetune", step=step, metrics=metrics))
        if math.isfinite(single_mm):
            metrics = {"mv_mpjpe": errors[-1], "sv_mpjpe": single_mm, "poses": float(poses)}
            run.append(Evaluated(stage="lift", step=1, metrics=metrics))
        run.finish(status)
    return run


def predict_poses(project, run, number=1, *, offsets_mm=None, frames=range(12), lost=()):
    """A finished round of what a perfect detector sees of both people, put elsewhere in places.

    Args:
        offsets_mm: (frame, person, joint) to millimetres along x.
        lost: (frame, person, joint) that each view sees somewhere else.
    """
    poses = POSES.copy()
    for (frame, person, joint), offset in (offsets_mm or {}).items():
        poses[PERSONS.index(person), frame, joint, 0] += offset
    keys = [(frame, person) for frame in frames for person in PERSONS]
    picked = [poses[PERSONS.index(person), frame] for frame, person in keys]
    points_px = np.stack([project.rig.project(pose) for pose in picked])
    for frame, person, joint in lost:
        spread = np.arange(4)[:, None] * np.array([70.0, -45.0]) + [30.0, 60.0]
        points_px[keys.index((frame, person)), :, joint] += spread
    about = RoundHeader(
        run=run.id,
        round=number,
        num_blocks=1,
        scope="all",
        stage="lift",
        step=1,
        key=f"weights-{run.id}-{number}",
        cameras=tuple(project.rig.names),
        joints=tuple(project.skeleton.joints),
        settings={"weighting": "consensus", "scale_mm": 14.0, "discard": None},
    )
    rows = _rows(np.array(keys), points_px, np.stack(picked))
    moments = np.array([(0, frame) for frame in frames])
    name = block_name(number, 0)
    count = write_predictions(
        run.predictions_dir / name, about, 0, PredictionBlock(moments=moments, rows=rows)
    )
    finish_round(run.predictions_dir, [name])
    with run.lock():
        run.append(
            Predicted(
                round=number,
                file=f"predictions/{name}",
                first_frame=min(frames),
                stop_frame=max(frames) + 1,
                rows=count,
            )
        )
        run.append(PredictionRoundFinished(round=number, stage="lift", step=1))


def _rows(keys, points_px, points_mm):
    num, cams, joints = points_px.shape[:3]

    def full(value, *axes):
        return np.full((num, *axes), value, dtype=np.float32)

    return PredictionRows(
        recordings=np.zeros(num, dtype=np.int64),
        frames=keys[:, 0].astype(np.int64),
        persons=keys[:, 1].astype(np.int64),
        points_px=points_px.astype(np.float32),
        confidence=full(0.9, cams, joints),
        points_mm=points_mm.astype(np.float32),
        weights=full(1.0, cams, joints),
        wss_mm=full(1.0, joints),
        kept=np.ones((num, joints), dtype=bool),
        deviation_mm=full(1.0, joints),
        single_mm=None,
        root_depth_mm=None,
        worst_residual_px=full(1.0),
        kept_share=full(1.0),
        mean_weight=full(1.0),
        num_views=np.full(num, cams, dtype=np.int16),
    )


def with_scale(project, scale_mm=20.0):
    """The yard triangulates with this noise scale, so that kept and discarded are plain."""
    project.set_settings(replace(project.settings, scale_mm=scale_mm))
