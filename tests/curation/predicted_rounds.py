"""Rounds of made-up predictions in a real run of a real project."""

from dataclasses import replace

from core.project.predictions import block_name, finish_round, write_predictions
from core.project.runs.events import Predicted, PredictionRoundFinished
from tests.project.prediction_samples import block, header


def predict(project, run, number, frames, persons=(1, 2), seed=0):
    """A finished round of made-up points."""
    about = replace(
        header(number, run=run.id, key=f"weights-{number}"),
        cameras=tuple(project.rig.names),
        joints=tuple(project.skeleton.joints),
    )
    content = block(frames, persons, about=about, seed=seed)
    name = block_name(number, 0)
    rows = write_predictions(run.predictions_dir / name, about, 0, content)
    finish_round(run.predictions_dir, [name])
    with run.lock():
        run.append(
            Predicted(
                round=number,
                file=f"predictions/{name}",
                first_frame=min(frames),
                stop_frame=max(frames) + 1,
                rows=rows,
            )
        )
        run.append(PredictionRoundFinished(round=number, stage="finetune", step=100))
    return content
