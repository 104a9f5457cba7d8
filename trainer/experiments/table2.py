"""Table 2 on the synthetic court: the paper's five rows, with the controls it lacks.

Beside them: supervised-only (the control of every comparison), consensus, mean teacher. Every row
also by one common triangulation; coverage beside every error.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from core.text import percent
from trainer.experiments.court import Court
from trainer.experiments.report import Report, write_report
from trainer.experiments.rows import TABLE2_ROWS, rows_of
from trainer.experiments.study import told_by
from trainer.experiments.tables import add_tables, comparison, mean_of, plot_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.project.runs.folder import RunFolder
    from trainer.experiments.bench import Bench, Measured
    from trainer.experiments.request import Request
    from trainer.experiments.rows import Row
    from trainer.experiments.tables import Results


@dataclass(frozen=True, slots=True, kw_only=True)
class Table2Options:
    """The experiment's own options, ``--set table2.NAME=VALUE``.

    Attributes:
        rows: keys of `trainer.experiments.rows.ROWS`, with commas between, in the table's order.
    """

    rows: str = TABLE2_ROWS


def run(request: Request) -> None:
    """Train what is missing, measure, write the report.

    Raises:
        DataError: an option is wrong, or the truth is not there when all rows are trained.
        CommandRefusedError: a training failed or was stopped.
    """
    started = time.monotonic()
    options = request.own("table2", Table2Options())
    rows = rows_of(options.rows)
    court = Court(request, ("table2",), rows)
    starts, runs = court.train(rows)
    measured = {
        row.key: [court.measure(runs[seed, row.key], starts[seed]) for seed in request.seeds]
        for row in rows
    }
    first = [court.measure(starts[seed], starts[seed]) for seed in request.seeds]
    results: Results = {key: [one.report for one in ones] for key, ones in measured.items()}
    report = Report("Table 2 on the synthetic court")
    report.text(*introduction(court, rows, starts[request.seeds[0]], first))
    report.text(
        "σ and λ of all rows are those from the noise scale. These figures are not comparable "
        "with the paper's, whose data are another, so none of its figures stand here."
    )
    report.image(plot_rows(rows, results, request.out, "table2"), "MPJPE by row, dots are seeds")
    report.section("What it says")
    report.bullets(statements(results))
    add_tables(report, rows, results)
    _add_scales(report, rows, measured)
    written: dict[str, Any] = {
        "rows": {row.key: {"label": row.label, "seeds": results[row.key]} for row in rows},
        "pretrained": [one.report for one in first],
    }
    configuration = {
        "table2": asdict(options),
        "match": asdict(court.match.options),
        "training": asdict(court.study.base),
        "rows": {row.key: list(row.settings) for row in rows},
    }
    write_report(request, report, written, configuration, time.monotonic() - started)
    court.progress.finish(f"Wrote {request.out / 'report.md'}")


def introduction(
    bench: Bench, rows: Sequence[Row], start: RunFolder, first: Sequence[Measured]
) -> list[str]:
    """What the data is, how the networks started, what σ and λ mean here."""
    base = bench.study.base
    notices = " ".join(told_by(start)["notices"])
    printed = sum(one.constants["printed"] for one in first) / len(first)
    automatic = sum(one.constants["automatic"] for one in first) / len(first)
    scale = sum(one.scale_mm for one in first) / len(first)
    pixels = sum(float(one.report["pixels"]["all"]["median_px"]) for one in first) / len(first)
    with bench.data(start) as data:
        counts = f"{len(data.labelled)} labelled and {len(data.unlabelled)} unlabelled groups"
        measured = len(bench.eval_groups(data))
        notes = " ".join(data.notes)
    picture = base.model.image_weights
    lifters = f"untrained but for their picture feature ({picture})" if picture else "untrained"
    own = ", ".join(row.label for row in rows if row.own_start)
    apart = f" {own}: pre-trains by itself as many steps, with its own network." if own else ""
    return [
        f"Data: {bench.told()}. {counts} (a group is one person at one frame in all views), "
        f"{measured} measured groups. {notes}",
        f"Start of every row of a seed: the same detector, pre-trained for {base.pretrain.steps} "
        f"steps of {base.pretrain.groups} groups on the labelled ones.{apart} Before that: "
        f"{notices} Fine-tuning: {base.finetune.steps} steps at "
        f"{base.finetune.learning_rate:g}, {base.finetune.labelled_groups} labelled and "
        f"{base.finetune.unlabelled_groups} unlabelled groups a step (supervised-only: the "
        f"labelled ones). Lifters start {lifters}, {base.lift.steps} steps; every row's, the "
        "control's too, learns from the labels and from the row's own triangulated poses.",
        f"The pre-trained detector errs by {pixels:.1f} px (median) on the measured groups; its "
        f"noise scale is {scale:.0f} mm. With σ = 10 mm and λ = 20 mm as printed, WSS would keep "
        f"{percent(printed)} of their joints, with σ and λ from the noise scale "
        f"{percent(automatic)}.",
        "Millimetres, mean ± standard deviation over the seeds. Errors count all joints that have "
        "a point, kept or not; the last columns tell the errors of kept joints alone and how many "
        "those are. The own triangulation of the supervised-only row is the paper's.",
    ]


def statements(results: Results) -> list[str]:
    """METHOD's claims, each against the figures."""
    told: list[str] = []
    pairs = (
        ("ours", "noweights", "**With weights against without** (both differentiable)"),
        ("nondiff", "nondiff-noweights", "**The same, non-differentiable**"),
        ("ours", "nondiff", "**Gradient through the triangulation against not**"),
        ("ours", "learned", "**Geometric against learned weights**"),
        ("consensus", "ours", "**Consensus against the paper's weights**"),
    )
    for mine, theirs, title in pairs:
        if mine in results and theirs in results:
            told.append(f"{title}: {_both(results, mine, theirs)}.")
    told += _worst(results) + _controls(results)
    return told


def _both(results: Results, mine: str, theirs: str) -> str:
    own = comparison(results, mine, theirs, "multi_view")
    common = comparison(results, mine, theirs, "common")
    single = comparison(results, mine, theirs, "single_view")
    return f"own triangulation {own}; common triangulation {common}; single-view {single}"


def _worst(results: Results) -> list[str]:
    paper = ("nondiff-noweights", "nondiff", "noweights", "learned", "ours")
    there = [key for key in paper if key in results]
    if len(there) < len(paper):
        return []
    worst = {
        way: max(there, key=lambda key: mean_of(results, key, way))
        for way in ("multi_view", "single_view")
    }
    return [
        f"**Worst of the paper's rows**: {worst['multi_view']} in multi-view, "
        f"{worst['single_view']} in single-view (in the paper: nondiff-noweights in both)."
    ]


def _controls(results: Results) -> list[str]:
    """Whether anything beats supervised-only where both are triangulated alike."""
    if "supervised" not in results:
        return []
    others = [key for key in results if key != "supervised"]
    told: list[str] = []
    for way, title in (
        ("common", "under the common triangulation"),
        ("single_view", "single-view"),
    ):
        control = mean_of(results, "supervised", way)
        better = [key for key in others if mean_of(results, key, way) < control]
        names = ", ".join(
            f"{key} ({comparison(results, key, 'supervised', way)})" for key in better
        )
        told.append(f"**Better than supervised-only {title}**: {names or 'none'}.")
    return told


def _add_scales(report: Report, rows: Sequence[Row], measured: dict[str, list[Measured]]) -> None:
    report.section("Noise scale of each row's own triangulation, mm, by seed")
    report.table(
        ["row", "noise scale"],
        [
            [row.label, ", ".join(f"{one.scale_mm:.0f}" for one in measured[row.key])]
            for row in rows
        ],
    )
