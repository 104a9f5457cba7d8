"""The paper's experiment of blocking either path of the gradient (its section 3.2.1).

Rows are trained with the whole gradient, without the path through the triangulation, without the
direct one, and against targets frozen before; beside them the cosines of the gradients themselves.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from core.project.runs.config_io import with_settings
from trainer.experiments.court import Court
from trainer.experiments.gradient_angles import gradient_angles, mean_angles
from trainer.experiments.plots import COLORS, new_figure, save_figure
from trainer.experiments.report import Report, write_report
from trainer.experiments.rows import ROWS, rows_of
from trainer.experiments.study import told_by
from trainer.experiments.table2 import introduction
from trainer.experiments.tables import add_tables, comparison, plot_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.project.runs.folder import RunFolder
    from trainer.experiments.request import Request
    from trainer.experiments.rows import Row
    from trainer.experiments.tables import Results

_OPTIONS = "supervised,ours,nondiff,detach-prediction,frozen"
_NAMES = {
    "full_and_detach_target": "cosine of the whole gradient and the direct path",
    "full_and_detach_prediction": "cosine of the whole gradient and the path through Π",
    "detach_target_and_detach_prediction": "cosine of the two paths",
    "detach_target_length": "length of the direct path over the whole",
    "detach_prediction_length": "length of the path through Π over the whole",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientsOptions:
    """The experiment's own options, ``--set gradients.NAME=VALUE``.

    Attributes:
        rows: keys of `trainer.experiments.rows.ROWS`.
        batches: of 8 unlabelled groups, for the cosines.
        looks: at the held-out groups while a row is fine-tuned, for the curves.
    """

    rows: str = _OPTIONS
    batches: int = 8
    looks: int = 5


def run(request: Request) -> None:
    """Train what is missing, measure, compare gradients, write the report.

    Raises:
        DataError: an option is wrong, or the truth is not there.
        CommandRefusedError: a training failed.
    """
    started = time.monotonic()
    options = request.own("gradients", GradientsOptions())
    rows = rows_of(options.rows)
    court = Court(request, ("gradients",), rows)
    every = max(1, court.study.base.finetune.steps // max(1, options.looks))
    starts, runs = court.train(rows, (f"run.evaluate_every={every}",))
    results: Results = {
        row.key: [court.measure(runs[seed, row.key], starts[seed]).report for seed in request.seeds]
        for row in rows
    }
    first = [court.measure(starts[seed], starts[seed]) for seed in request.seeds]
    angles = {
        "before": _angles(court, options, [starts[seed] for seed in request.seeds]),
        "after": _angles(court, options, [runs[s, "ours"] for s in request.seeds])
        if any(row.key == "ours" for row in rows)
        else [],
    }
    report = Report("Gradients: blocking either path of L_tri")
    report.text(*introduction(court, rows, starts[request.seeds[0]], first))
    _add_angles(report, angles)
    report.image(plot_rows(rows, results, request.out, "gradients"), "MPJPE by row")
    curve = save_figure(_plot_curves(rows, runs, request), request.out, "gradients_curves")
    report.image(curve, "While fine-tuning, first seed")
    report.section("What it says")
    report.bullets(statements(results, angles))
    add_tables(report, rows, results, reference="ours" if "ours" in results else "supervised")
    written: dict[str, Any] = {
        "rows": results,
        "angles": {name: mean_angles(one) for name, one in angles.items()},
    }
    configuration = {
        "gradients": asdict(options),
        "match": asdict(court.match.options),
        "training": asdict(court.study.base),
        "rows": {row.key: list(row.settings) for row in rows},
    }
    write_report(request, report, written, configuration, time.monotonic() - started)
    court.progress.finish(f"Wrote {request.out / 'report.md'}")


def _angles(
    court: Court, options: GradientsOptions, runs: Sequence[RunFolder]
) -> list[dict[str, list[float]]]:
    found: list[dict[str, list[float]]] = []
    loss = with_settings(court.study.base, ROWS["ours"].settings).loss
    for one in runs:
        made_from = {"batches": options.batches, "loss": asdict(loss)}

        def make(one: RunFolder = one) -> dict[str, list[float]]:
            court.progress.tell(f"gradients of {one.id}")
            with court.data(one) as data:
                return gradient_angles(
                    one, data, loss, num_batches=options.batches, cache_dir=court.cache_dir
                )

        found.append(court.parts.get(f"{one.id}-angles", made_from, make))
    return found


def _add_angles(report: Report, angles: dict[str, list[dict[str, list[float]]]]) -> None:
    report.section("The gradients themselves")
    report.text(
        "Of L_tri (the paper's weights) in all weights of the detector, on batches of unlabelled "
        "groups, before fine-tuning and after that of the paper's method; means over batches and "
        "seeds. Π is the triangulation; the whole gradient is the sum of the two paths."
    )
    means = {name: mean_angles(one) for name, one in angles.items() if one}
    header = ["", *means]
    lines = [
        [title, *(f"{one[name]:.3f}" if name in one else "–" for one in means.values())]
        for name, title in _NAMES.items()
    ]
    report.table(header, lines)


def statements(results: Results, angles: dict[str, list[dict[str, list[float]]]]) -> list[str]:
    """What the figures say of the paper's claim."""
    told: list[str] = []
    before = mean_angles(angles["before"])
    if before:
        told.append(
            "**The direct path is nearly the whole gradient**: cosine "
            f"{before['full_and_detach_target']:.2f} before fine-tuning; so blocking the path "
            "through the triangulation changes little by itself."
            if before["full_and_detach_target"] > 0.9
            else "**Both paths matter to the direction**: the cosine of the whole gradient and the "
            f"direct path is {before['full_and_detach_target']:.2f}."
        )
    for key in ("nondiff", "detach-prediction", "frozen"):
        if key in results and "ours" in results:
            told.append(
                f"**The whole gradient against {key}**: own triangulation "
                f"{comparison(results, 'ours', key, 'multi_view')}; common triangulation "
                f"{comparison(results, 'ours', key, 'common')}; single-view "
                f"{comparison(results, 'ours', key, 'single_view')}."
            )
    return told


def _plot_curves(
    rows: Sequence[Row], runs: dict[tuple[int, str], RunFolder], request: Request
) -> Any:  # noqa: ANN401 - matplotlib's Figure
    figure, axes = new_figure(1, 2, (10.0, 3.6))
    for color, row in zip(COLORS, rows, strict=False):
        told = told_by(runs[request.seeds[0], row.key])
        losses = [one for one in told["losses"] if one["stage"] == "finetune"]
        looks = [one for one in told["held_out"] if one["stage"] == "finetune"]
        with_loss = [one for one in losses if "unlabelled" in one]
        axes[0, 0].plot(
            [one["step"] for one in with_loss],
            [one["unlabelled"] for one in with_loss],
            color=color,
            label=row.label,
        )
        axes[0, 1].plot(
            [one["step"] for one in looks],
            [one["common_mpjpe"] for one in looks],
            "o-",
            color=color,
            label=row.label,
        )
    axes[0, 0].set_title("L_tri on the unlabelled groups")
    axes[0, 1].set_title("MPJPE of the held-out labels, common triangulation, mm")
    for ax in axes[0]:
        ax.set_xlabel("step")
    handles, labels = axes[0, 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
