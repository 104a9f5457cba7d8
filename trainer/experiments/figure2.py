"""Figure 2: errors against the share of labels, ours and learned weights, and supervised-only.

On the synthetic court, or on the paper's Human3.6M with ``--set figure2.dataset=h36m --data DIR``.
The paper gives the figure as a picture without figures, so none stand beside ours.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from trainer.experiments.bench import HeldOutBench
from trainer.experiments.court import Court
from trainer.experiments.datasets import data_source
from trainer.experiments.plots import COLORS, new_figure, save_figure
from trainer.experiments.report import Report, mean_and_spread, write_report
from trainer.experiments.rows import rows_of
from trainer.experiments.tables import WAYS, values_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.experiments.bench import Bench
    from trainer.experiments.request import Request
    from trainer.experiments.rows import Row
    from trainer.experiments.tables import Results

_TITLES = {"multi_view": "multi-view, own", "common": "multi-view, common", "single_view": "single"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure2Options:
    """The experiment's own options, ``--set figure2.NAME=VALUE``.

    Attributes:
        percents: shares of the labelled groups, %.
        rows: keys of `trainer.experiments.rows.ROWS`.
        dataset: ``court`` or ``h36m``.
    """

    percents: tuple[float, ...] = (5.0, 20.0, 100.0)
    rows: str = "supervised,learned,ours"
    dataset: str = "court"


def run(request: Request) -> None:
    """Train what is missing, measure, write the report.

    Raises:
        DataError: an option is wrong, or data is missing.
        CommandRefusedError: a training failed.
    """
    started = time.monotonic()
    options = request.own("figure2", Figure2Options())
    rows = rows_of(options.rows)
    bench = _bench(request, options, rows)
    trained = {share: bench.train(rows, _settings(share)) for share in options.percents}
    results: dict[float, Results] = {
        share: {
            row.key: [
                bench.measure(runs[seed, row.key], starts[seed]).report for seed in request.seeds
            ]
            for row in rows
        }
        for share, (starts, runs) in trained.items()
    }
    report = Report("Figure 2: errors against the share of labels")
    report.text(
        f"Data: {bench.told()}. Each share of the labels has a pre-training of its own, from which "
        "all its rows start; the unlabelled groups are the same for all shares. Millimetres, mean "
        "± standard deviation over the seeds.",
        "The paper gives Figure 2 as a picture without figures, so none stand beside ours.",
    )
    image = save_figure(_plot(options, rows, results), request.out, "figure2")
    report.image(image, "Errors against the share of labels")
    for way, title in WAYS.items():
        report.section(title)
        header = ["labels", *(f"{row.label}: {m}" for row in rows for m in ("NMPJPE", "PMPJPE"))]
        report.table(header, [_line(rows, share, results[share], way) for share in results])
    written = {f"{share:g}": found for share, found in results.items()}
    configuration = {"figure2": asdict(options), "training": asdict(bench.study.base)}
    write_report(request, report, written, configuration, time.monotonic() - started)
    bench.progress.finish(f"Wrote {request.out / 'report.md'}")


def _settings(share: float) -> tuple[str, ...]:
    return (f"data.labelled_percent={share:g}", "data.max_labelled=0")


def _bench(request: Request, options: Figure2Options, rows: Sequence[Row]) -> Bench:
    """Where the rows are trained.

    Raises:
        DataError: there is no such data set, or it is not there.
    """
    if options.dataset == "court":
        return Court(request, ("figure2",), rows, variants=len(options.percents))
    if options.dataset != "h36m":
        raise DataError(
            "--set figure2.dataset",
            expected="court or h36m",
            found=repr(options.dataset),
            remedy="Choose one of them.",
        )
    bench = HeldOutBench(request, data_source(request, "h36m"), ("figure2",))
    bench.expect(rows, variants=len(options.percents))
    return bench


def _line(rows: Sequence[Row], share: float, results: Results, way: str) -> list[str]:
    cells = [
        mean_and_spread(values_of(results, row.key, way, measure))
        for row in rows
        for measure in ("nmpjpe", "pmpjpe")
    ]
    return [f"{share:g} %", *cells]


def _plot(options: Figure2Options, rows: Sequence[Row], results: dict[float, Results]) -> Any:  # noqa: ANN401 - matplotlib's Figure
    figure, axes = new_figure(2, len(WAYS), (4.2 * len(WAYS), 6.0), sharex=True)
    for line, measure in enumerate(("nmpjpe", "pmpjpe")):
        for column, way in enumerate(WAYS):
            ax = axes[line, column]
            for color, row in zip(COLORS, rows, strict=False):
                values = [values_of(results[s], row.key, way, measure) for s in options.percents]
                ax.errorbar(
                    options.percents,
                    [float(np.mean(one)) for one in values],
                    [float(np.std(one, ddof=1)) if len(one) > 1 else 0.0 for one in values],
                    fmt="o-",
                    color=color,
                    label=row.label,
                    capsize=3,
                )
            ax.set_xscale("log")
            ax.set_title(_TITLES[way])
            ax.set_ylabel(f"{measure.upper()}, mm" if column == 0 else "")
            if line == 1:
                ax.set_xlabel("labels, %")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(rows))
    return figure
