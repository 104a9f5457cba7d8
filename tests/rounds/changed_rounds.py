"""Two rounds of a run made from a project's own detections, so that what differs is known."""

from dataclasses import replace

import numpy as np

from core.project.predictions import (
    PredictionBlock,
    PredictionRows,
    block_name,
    finish_round,
    write_predictions,
)
from core.project.runs.config import TrainConfig
from core.project.runs.events import Predicted, PredictionRoundFinished
from core.project.runs.folder import RunFolder
from tests.project.prediction_samples import header


def write_round(project, run, number, frames, spoil=None, persons=None):
    """A round whose points are the detections; `spoil(points_px, frame, persons)` changes them."""
    about = replace(
        header(number, run=run.id, key=f"weights-{number}", single=False),
        cameras=tuple(project.rig.names),
        joints=tuple(project.skeleton.joints),
    )
    keys, points = [], []
    for frame in frames:
        block = project.observations_block(frame, frame + 1)
        px = block.points_px[0].copy()
        if spoil is not None:
            spoil(px, frame, block.persons)
        for row, person in enumerate(block.persons):
            if persons is None or person in persons:
                keys.append((frame, person))
                points.append(px[row])
    num, joints = len(keys), len(about.joints)
    points_px = np.array(points, dtype=np.float32)
    rows = PredictionRows(
        recordings=np.zeros(num, dtype=np.int64),
        frames=np.array([frame for frame, _ in keys], dtype=np.int64),
        persons=np.array([person for _, person in keys], dtype=np.int64),
        points_px=points_px,
        confidence=np.where(np.isfinite(points_px[..., 0]), 0.9, np.nan).astype(np.float32),
        points_mm=np.zeros((num, joints, 3), dtype=np.float32),
        weights=np.ones(points_px.shape[:-1], dtype=np.float32),
        wss_mm=np.zeros((num, joints), dtype=np.float32),
        kept=np.ones((num, joints), dtype=np.bool_),
        deviation_mm=np.zeros((num, joints), dtype=np.float32),
        single_mm=None,
        root_depth_mm=None,
        worst_residual_px=np.ones(num, dtype=np.float32),
        kept_share=np.ones(num, dtype=np.float32),
        mean_weight=np.ones(num, dtype=np.float32),
        num_views=np.isfinite(points_px[..., 0]).any(axis=2).sum(axis=1).astype(np.int16),
    )
    moments = np.array([(0, frame) for frame in frames], dtype=np.int64)
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
        run.append(PredictionRoundFinished(round=number, stage="finetune", step=100 * number))


def make_run(project, name="try"):
    """A run without anything in it."""
    return RunFolder.create(project.path / "runs", TrainConfig(), name=name)
