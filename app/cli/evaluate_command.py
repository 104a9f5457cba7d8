"""`trilabel evaluate`: a run's predictions against what was kept from its training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.common import Manual, report

if TYPE_CHECKING:
    import argparse

    import numpy as np
    from numpy.typing import NDArray

    from core.learning.data import PoseData
    from core.learning.evaluation import EvaluationReport
    from core.project.predictions import RoundState, RunPredictions
    from core.project.runs.folder import RunFolder

_DESCRIPTION = """\
Measure a run on its held-out groups: labels that nothing was learned from.

Errors are millimetres, multi-view by the stored triangulation and once more by one common
triangulation (consensus), so that runs can be compared; single-view poses with the root's
true depth; 2D errors in pixels; all by joint, camera and person, with the share of joints
kept beside every error.

The truth of a generated match is used only where --truth asks for it. Compare runs by the
same --common-scale.
"""

_EPILOG = """\
examples:
  trilabel evaluate match.trilabel --run last
  trilabel evaluate match.trilabel --run last --truth match/truth.h5 --json

exit codes: 0 done, 1 the data has a problem or nothing was predicted, 2 wrong usage
"""

MANUAL = Manual(
    name="evaluate",
    summary="measure a run on its held-out groups",
    description=_DESCRIPTION,
    epilog=_EPILOG,
)
_BESIDE = "beside the pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("project", type=Path, metavar="PROJECT", help="a folder NAME.trilabel")
    add(
        "--run",
        dest="run_id",
        metavar="RUN",
        default="last",
        help="its id, a part of it, or last (the default)",
    )
    add("--round", type=int, metavar="N", help="of predictions; default: the newest that fits")
    add(
        "--truth",
        nargs="?",
        const=_BESIDE,
        metavar="FILE",
        help="a generated match's truth.h5 in the place of labels; without FILE, the one that "
        "lies beside the pictures",
    )
    add(
        "--common-scale",
        type=float,
        metavar="MM",
        help="noise scale of the common triangulation; default: the project's own, else estimated",
    )
    add("--json", action="store_true", help="print everything as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the report."""
    from core.learning.data import open_data
    from core.project.predictions import RunPredictions
    from core.project.runs.folder import find_run
    from core.project.spec import read_spec

    spec = read_spec(arguments.project)
    folder = find_run(arguments.project, arguments.run_id)
    config = folder.config
    with (
        open_data(
            config.data,
            project_dir=folder.project_dir,
            labels_db=folder.labels_db,
            seed=config.run.seed,
        ) as data,
        RunPredictions(folder) as predictions,
    ):
        state = _round(arguments, folder, data, predictions)
        truth_mm, against = _truth(arguments, data)
        scale = arguments.common_scale or spec.settings.scale_mm
        found = _evaluated(predictions, state, data, truth_mm, scale)
        about = _about(folder, state, data, against)
    if arguments.json:
        report(json.dumps({**about, **found.to_dict()}, indent=2, allow_nan=False))
    else:
        report("\n".join([*_lines(about), "", found.to_text()]).rstrip())
    return 0


def _round(
    arguments: argparse.Namespace,
    folder: RunFolder,
    data: PoseData,
    predictions: RunPredictions,
) -> RoundState:
    """The round to measure.

    Raises:
        CommandRefusedError: nothing is held out, or no round has all of it.
        DataError: a file of predictions is damaged.
    """
    from core.errors import CommandRefusedError
    from core.learning.stored_evaluation import moments_of

    if not len(data.held_out):
        raise CommandRefusedError(
            f"Nothing is held out in the run {folder.id}: set data.held_out_percent, name test "
            "people, or choose another protocol."
        )
    for problem in predictions.problems:
        raise problem
    moments = moments_of(data.held_out)
    if arguments.round is None:
        state = predictions.newest_covering(moments)
    else:
        known = {tuple(row) for row in predictions.moments(arguments.round).tolist()}
        rounds = {one.header.round: one for one in predictions.rounds}
        state = rounds.get(arguments.round) if set(moments) <= known else None
    if state is None:
        which = "No round" if arguments.round is None else f"Round {arguments.round}"
        not_ = "has" if arguments.round is None else "does not have"
        raise CommandRefusedError(
            f"{which} of predictions of the run {folder.id} {not_} all {len(moments):,} held-out "
            f"frames. Predict them with: trilabel predict {arguments.project} --run {folder.id} "
            "--held-out"
        )
    return state


def _truth(arguments: argparse.Namespace, data: PoseData) -> tuple[NDArray[np.float64], str]:
    """What to compare with, and in words what that is."""
    from core.errors import CommandRefusedError
    from core.learning.stored_evaluation import label_points_mm, truth_points_mm
    from core.synthetic.truth import read_truth

    if arguments.truth is None:
        return label_points_mm(data, data.held_out), f"the labels of {data.name}"
    if len(data.recordings) > 1:
        raise CommandRefusedError("--truth is about one generated match, not several recordings.")
    path = Path(arguments.truth)
    if arguments.truth == _BESIDE:
        path = _truth_beside(arguments.project)
    truth = read_truth(path)
    return truth_points_mm(truth, str(path), data, data.held_out), f"the truth in {path}"


def _truth_beside(project: Path) -> Path:
    from core.errors import CommandRefusedError
    from core.project.spec import read_spec
    from core.synthetic.truth import TRUTH_NAME

    sources = read_spec(project).sources.values()
    folders = {parent for source in sources for parent in list(source.path.parents)[:3]}
    found = sorted(folder / TRUTH_NAME for folder in folders if (folder / TRUTH_NAME).is_file())
    if len(found) != 1:
        raise CommandRefusedError(
            f"{len(found) or 'No'} {TRUTH_NAME} beside the pictures of this project; name the "
            "file: --truth FILE."
        )
    return found[0]


def _evaluated(
    predictions: RunPredictions,
    state: RoundState,
    data: PoseData,
    truth_mm: NDArray[np.float64],
    scale_mm: float | None,
) -> EvaluationReport:
    from core.learning.stored_evaluation import evaluate_stored

    settings = state.header.settings
    min_views = settings.get("min_views")
    return evaluate_stored(
        predictions,
        state.header.round,
        data,
        data.held_out,
        truth_mm,
        common_scale_mm=scale_mm,
        min_views=min_views if isinstance(min_views, int) else 3,
    )


def _about(folder: RunFolder, state: RoundState, data: PoseData, against: str) -> dict[str, Any]:
    header = state.header
    return {
        "run": folder.id,
        "round": header.round,
        "stage": header.stage,
        "step": header.step,
        "weights": header.provenance,
        "triangulation": dict(header.settings),
        "data": data.name,
        "groups": len(data.held_out),
        "against": against,
        "notes": list(data.notes),
    }


def _lines(about: dict[str, Any]) -> list[str]:
    how = about["triangulation"]
    return [
        f"Run {about['run']}, round {about['round']}: networks after {about['stage']} step "
        f"{about['step']:,}; {how['weighting']} triangulation, noise scale "
        f"{how['scale_mm']:.1f} mm.",
        f"{about['groups']:,} held-out groups of {about['data']}, against {about['against']}.",
        *about["notes"],
    ]
