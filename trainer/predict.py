"""``python -m trainer.predict RUN``: predict with the networks that a run left behind.

The run lives again while it predicts, with its lock, heartbeat and events, and STOP ends it; what
was announced stays, and the same command goes on. Under torchrun the processes share the frames.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from core.errors import CommandRefusedError, DataError

if TYPE_CHECKING:
    from core.models.weights_files import LoadReport
    from core.project.runs.config import Stage, TrainConfig
    from trainer.context import Context
    from trainer.networks import Networks

DETECTOR_FILE, LIFTER_FILE, CONFIDENCE_FILE = "detector.pt", "lifter.pt", "confidence.pt"


def left_networks(context: Context) -> tuple[Networks, Stage, int, str]:
    """The networks to predict with, the stage and step they are of, and where they come from.

    Those that the run has exported, or those of its newest checkpoint where it was left in the
    middle of a stage; of a run that trained nothing, those its ``model.weights`` names, with the
    lifter that lies beside them.

    Raises:
        DataError: there are none, or they cannot be read.
    """
    from core.models.weights_files import load_detector, make_detector
    from trainer.networks import Networks

    joints, folder = context.data.skeleton.joints, context.folder.path
    unfinished = _unfinished(context)
    if unfinished is not None:
        networks, stage, step = unfinished
        _add_lifter(context, networks, folder)
        text = f"Weights of this run after step {step:,} of {stage}, which is not done."
        context.notice("info", "weights", text)
        return networks, stage, step, text
    if (folder / DETECTOR_FILE).is_file():
        detector, report = load_detector(folder / DETECTOR_FILE, joints)
    else:
        model = context.config.model
        detector, report = make_detector(model, joints, "cpu", runs_dir=folder.parent)
    context.notice("info", "weights", report.text)
    if set(report.fresh) == set(joints):
        raise DataError(
            context.folder.path,
            "weights",
            expected="a detector that was trained",
            found=report.text,
            remedy="Train it first (trilabel train), or give weights: trilabel predict --weights.",
        )
    networks = Networks(context.device.placed(detector), scale_mm=context.folder.state().scale_mm)
    _add_companions(context, networks, Path(report.source).parent)
    stage, step = _place(report)
    return networks, stage, step, report.text


def _unfinished(context: Context) -> tuple[Networks, Stage, int] | None:
    """The networks of the newest checkpoint, of a run that was left in the middle of a stage."""
    from trainer.networks import restored_networks

    def said(text: str) -> None:
        context.notice("warning", "checkpoint", text)

    found = context.checkpoints.newest(said, stages=("pretrain", "finetune"))
    if found is None or found[1]:
        return None
    place, _, state = found
    networks = restored_networks(context, state, finished=True)
    return networks, cast("Stage", place.stage), place.step


def _add_companions(context: Context, networks: Networks, beside: Path) -> None:
    """The lifter and the view weights beside the detector's file, where there are any."""
    from core.models.weights_files import load_view_confidence

    if (beside / CONFIDENCE_FILE).is_file() and context.config.predict.weighting == "learned":
        confidence = load_view_confidence(beside / CONFIDENCE_FILE)
        networks.confidence = context.device.placed(confidence)
    _add_lifter(context, networks, beside)


def _add_lifter(context: Context, networks: Networks, beside: Path) -> None:
    from core.models.weights_files import load_lifter

    if not context.config.predict.single_view or not (beside / LIFTER_FILE).is_file():
        return
    lifter, report = load_lifter(beside / LIFTER_FILE)
    if lifter.spec.joints != context.data.skeleton.joints:
        text = f"{report.source} lifts other joints than the project's; no single-view poses."
        context.notice("warning", "lifter-joints", text)
        return
    networks.lifter = context.device.placed(lifter)


def _place(report: LoadReport) -> tuple[Stage, int]:
    """The stage and step that a file of weights was exported after; 0 of predict for others'."""
    stage, step = report.provenance.get("stage"), report.provenance.get("step")
    if stage in ("pretrain", "finetune", "lift") and isinstance(step, int):
        return cast("Stage", stage), step
    return "predict", 0


def predict_again(context: Context, *, held_out: bool = False) -> str:
    """Predict all that the section [predict] asks for, or the frames of the held-out groups.

    Returns:
        a sentence on what was done.

    Raises:
        LeftEarlyError: somebody asked to leave; the round goes on when it is asked for again.
        DataError: there are no networks, or nobody to predict.
    """
    from core.project.runs.events import StageFinished, StageStarted
    from trainer.predicting import predict
    from trainer.prediction_plan import every_moment, moments_of_groups

    networks, stage, step, provenance = left_networks(context)
    moments = None
    if held_out:
        moments = moments_of_groups(context.data.held_out)
    count = len(every_moment(context.data, context.config.predict) if moments is None else moments)
    if not count:
        raise DataError(
            context.data.name,
            "people",
            expected="somebody with a place or a label" if moments is None else "held-out groups",
            found="nobody",
            remedy="Import ground tracks or detections, or choose another protocol.",
        )
    context.emit(StageStarted(stage="predict", steps=count, first_step=0))
    outcome = predict(
        context,
        networks,
        stage=stage,
        step=step,
        moments=moments,
        say_progress=True,
        provenance=provenance,
    )
    if not outcome.finished:
        context.leave_if_asked()
    context.emit(StageFinished(stage="predict"))
    return f"Predicted {count:,} frames (round {outcome.round})."


def arguments_parser() -> argparse.ArgumentParser:
    """What the command understands."""
    parser = argparse.ArgumentParser(prog="python -m trainer.predict", description=__doc__)
    add = parser.add_argument
    add("run", type=Path, nargs="?", help="folder of the run whose networks predict")
    add("--project", type=Path, help="instead of a run: a project, in a new run of its own")
    add("--weights", help="with --project: demo, a file of weights or the id of a run")
    add("--held-out", action="store_true", help="only the frames kept for evaluation")
    add(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="SECTION.KEY=VALUE",
        help="change an option, such as predict.every=5; may be repeated",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Predict; the exit code is 0 where it is done or was stopped, 2 where it could not begin."""
    parser = arguments_parser()
    given = parser.parse_args(arguments)
    if (given.run is None) == (given.project is None):
        parser.error("give either RUN or --project")
    if given.project is not None and given.weights is None:
        parser.error("--project needs --weights")
    from trainer.process import execute

    def work(context: Context) -> str:
        return predict_again(context, held_out=given.held_out)

    try:
        folder, config = _what(given)
        finished = execute(folder, work=work, config=config, queue=True)
    except (DataError, CommandRefusedError) as error:
        sys.stderr.write(f"trainer.predict: {error}\n")
        return 2
    if finished.text:
        sys.stderr.write(f"trainer.predict: {finished.status}: {finished.text}\n")
    return 0 if finished.status in {"done", "stopped"} else 1


def _what(given: Any) -> tuple[Path, TrainConfig]:  # noqa: ANN401 - argparse's namespace
    """The run's folder, and its configuration with the settings of this command."""
    from core.project.predictions.starting import prediction_run
    from core.project.runs.config import TrainConfig
    from core.project.runs.config_io import with_settings
    from core.project.runs.folder import RunFolder

    if given.project is not None:
        config = with_settings(TrainConfig(), given.settings)
        run = prediction_run(given.project.absolute(), given.weights, config)
        return run.path, run.config
    run = RunFolder.open(given.run)
    return run.path, with_settings(run.config, given.settings)


if __name__ == "__main__":
    sys.exit(main())
