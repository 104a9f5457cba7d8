"""One's own recording without truth: a few frames labelled by triangulating its detections.

The rest is unlabelled, a contiguous block at the end is held out. What is measured is agreement
with the triangulated detections, no accuracy: where these err, agreeing with them is no merit.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from core.errors import DataError
from core.project.opening import LABELS_FILE
from trainer.experiments.bench import RUN_SETTINGS, HeldOutBench
from trainer.experiments.report import Report, write_report
from trainer.experiments.rows import rows_of
from trainer.experiments.study import Source
from trainer.experiments.table2 import introduction
from trainer.experiments.tables import add_tables, comparison, plot_rows

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.experiments.request import Request
    from trainer.experiments.rows import Row
    from trainer.experiments.tables import Results

_OF_PRESET = {
    "cpu": (
        "data.max_labelled=12",
        "pretrain.steps=600",
        "pretrain.learning_rate=5e-4",
        "pretrain.decay=cosine",
        "pretrain.heatmap_weight=1",
        "finetune.steps=250",
        "finetune.learning_rate=1e-4",
        "lift.steps=300",
        "lift.learning_rate=5e-4",
        "lift.decay=cosine",
        "lift.hidden=512",
    ),
    "gpu": ("data.max_labelled=12",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementOptions:
    """The experiment's own options, ``--set agreement.NAME=VALUE``.

    Attributes:
        rows: keys of `trainer.experiments.rows.ROWS`.
    """

    rows: str = "supervised,ours,consensus,teacher"


def run(request: Request) -> None:
    """Train what is missing, measure, write the report.

    Raises:
        DataError: no project was given, or it has no detections.
        CommandRefusedError: a training failed.
    """
    started = time.monotonic()
    options = request.own("agreement", AgreementOptions())
    rows = rows_of(options.rows)
    project_dir = _project_dir(request)
    bench = HeldOutBench(request, _source(request, project_dir), ("agreement",))
    bench.expect(rows)
    starts, runs = bench.train(rows)
    results: Results = {
        row.key: [bench.measure(runs[seed, row.key], starts[seed]).report for seed in request.seeds]
        for row in rows
    }
    first = [bench.measure(starts[seed], starts[seed]) for seed in request.seeds]
    report = Report(f"Agreement with triangulated detections: {project_dir.stem}")
    report.text(
        "**This is agreement, not accuracy.** There is no truth of this recording. Labels and the "
        "held-out poses both are its imported detections, robustly triangulated; an error of "
        "theirs counts as right here.",
        *introduction(bench, rows, starts[request.seeds[0]], first),
    )
    image = plot_rows(rows, results, request.out, "agreement")
    report.image(image, "Distance to the triangulated detections, by row")
    if "supervised" in results:
        report.section("What it says")
        report.bullets([_against_control(row, results) for row in rows if row.key != "supervised"])
    add_tables(report, rows, results)
    configuration = {
        "agreement": asdict(options),
        "training": asdict(bench.study.base),
        "rows": {row.key: list(row.settings) for row in rows},
    }
    write_report(request, report, dict(results), configuration, time.monotonic() - started)
    bench.progress.finish(f"Wrote {request.out / 'report.md'}")


def _project_dir(request: Request) -> Path:
    """The project's folder.

    Raises:
        DataError: none was given.
    """
    if request.project is None:
        raise DataError(
            "trilabel experiment agreement",
            "PROJECT",
            expected="a project whose detections were imported",
            found="none",
            remedy="Write its folder behind the name: trilabel experiment agreement "
            "NAME.trilabel --out DIR.",
        )
    return request.project.absolute()


def _source(request: Request, project_dir: Path) -> Source:
    return Source(
        project_dir=project_dir,
        labels_db=project_dir / LABELS_FILE,
        settings=(
            "data.protocol=project-detections",
            "loss.sigma_mm=0",
            "loss.wss_threshold_mm=0",
            *RUN_SETTINGS,
            *_OF_PRESET[request.preset],
        ),
    )


def _against_control(row: Row, results: Results) -> str:
    own, common, single = (
        comparison(results, row.key, "supervised", way)
        for way in ("multi_view", "common", "single_view")
    )
    return (
        f"**{row.label} against supervised-only**: own triangulation {own}; common triangulation "
        f"{common}; single-view {single}."
    )
