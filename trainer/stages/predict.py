"""Stage 4: everybody in every frame, by the networks as they are (`trainer.predicting`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.models.weights_files import load_lifter, resolve_weights
from core.project.runs.config import STAGES, Stage
from trainer.predicting import predict

if TYPE_CHECKING:
    from trainer.context import Context
    from trainer.networks import Networks


def predict_all(context: Context, networks: Networks) -> None:
    """Predict the recording; where somebody asks to leave, the next time goes on from there.

    Raises:
        LeftEarlyError: somebody asked to leave.
    """
    done: list[Stage] = [stage for stage in STAGES[:-1] if stage in context.config.run.stages]
    last: Stage = done[-1] if done else "predict"
    step = 0 if last == "predict" else getattr(context.config, last).steps
    if last == "predict" and networks.lifter is None:
        _take_lifter_along(context, networks)
    predict(context, networks, stage=last, step=step, say_progress=True)
    context.leave_if_asked()


def _take_lifter_along(context: Context, networks: Networks) -> None:
    """A run that only predicts uses the lifter that was trained with its detector."""
    weights = resolve_weights(
        context.config.model.weights, networks.detector.spec.family, context.folder.path.parent
    )
    path = None if weights is None else weights.with_name("lifter.pt")
    if path is not None and path.is_file():
        lifter, report = load_lifter(path)
        if lifter.spec.joints == networks.detector.spec.joints:
            networks.lifter = context.device.placed(lifter)
            context.notice("info", "weights", report.text)
