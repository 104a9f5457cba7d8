"""The tables of trained rows: three ways of measuring, each with its coverage, over the seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from core.text import percent
from trainer.experiments.plots import COLORS, new_figure, save_figure
from trainer.experiments.report import mean_and_spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from trainer.experiments.published import Triple
    from trainer.experiments.report import Report
    from trainer.experiments.rows import Row

# A row's results: one report of `core.learning.evaluation` (``to_dict``) for each seed.
Results = dict[str, list[dict[str, Any]]]

WAYS = {
    "multi_view": "Multi-view, own triangulation",
    "common": "Multi-view, one common triangulation (consensus) for all rows",
    "single_view": "Single-view (lifted, the root's depth given)",
}
_MEASURES = ("mpjpe", "nmpjpe", "pmpjpe")
_CONTROL = "supervised"


def values_of(results: Results, row: str, way: str, measure: str) -> list[float]:
    """One number a seed; NaN where it was not measured."""
    found: list[float] = []
    for report in results[row]:
        scores = report.get(way)
        value = None if scores is None else scores["total"][measure]
        found.append(math.nan if value is None else float(value))
    return found


def mean_of(results: Results, row: str, way: str, measure: str = "mpjpe") -> float:
    """Over the seeds; NaN where nothing was measured."""
    known = [v for v in values_of(results, row, way, measure) if math.isfinite(v)]
    return sum(known) / len(known) if known else math.nan


def add_tables(
    report: Report,
    rows: Sequence[Row],
    results: Results,
    *,
    published: Mapping[str, Mapping[str, Triple]] | None = None,
    reference: str = _CONTROL,
) -> None:
    """A table for each way; `published` (way → row → the paper's) only where the data is its own.

    Args:
        report: gets them.
        rows: in order.
        results: of them.
        published: the paper's figures, MPJPE, NMPJPE, PMPJPE in mm.
        reference: the row that differences are told from, seed by seed.
    """
    for way, title in WAYS.items():
        if all(math.isnan(mean_of(results, row.key, way)) for row in rows):
            continue
        paper = (published or {}).get(way, {})
        report.section(title)
        difference = f"MPJPE − {reference}"
        header = ["row", "MPJPE", "NMPJPE", "PMPJPE", "MPJPE of kept", "kept", difference]
        if paper:
            header.append("the paper's")
        lines: list[list[str]] = []
        for row in rows:
            line = [row.label]
            line += [mean_and_spread(values_of(results, row.key, way, m)) for m in _MEASURES]
            line.append(mean_and_spread(values_of(results, row.key, way, "mpjpe_kept")))
            line.append(percent(mean_of(results, row.key, way, "coverage")))
            line.append(_difference(results, row.key, reference, way))
            if paper:
                line.append(" / ".join(map(str, paper[row.key])) if row.key in paper else "–")
            lines.append(line)
        report.table(header, lines)


def _difference(results: Results, row: str, reference: str, way: str) -> str:
    if row == reference or reference not in results:
        return "–"
    theirs = values_of(results, reference, way, "mpjpe")
    return mean_and_spread(
        [a - b for a, b in zip(values_of(results, row, way, "mpjpe"), theirs, strict=True)]
    )


def plot_rows(rows: Sequence[Row], results: Results, out: Path, name: str) -> str:
    """Bars of MPJPE in the three ways, with a dot for each seed; the PNG's name."""
    ways = [w for w in WAYS if any(math.isfinite(mean_of(results, r.key, w)) for r in rows)]
    titles = {"multi_view": "multi-view, own", "common": "multi-view, common"}
    figure, axes = new_figure(1, len(ways), (4.6 * len(ways), 0.42 * len(rows) + 1.2), sharey=True)
    for ax, way in zip(axes[0], ways, strict=True):
        for place, row in enumerate(rows):
            values = values_of(results, row.key, way, "mpjpe")
            color = COLORS[7] if row.key == _CONTROL else COLORS[0 if row.paper else 2]
            ax.barh(place, mean_of(results, row.key, way), color=color, height=0.7)
            ax.plot(values, [place] * len(values), "o", color="black", ms=3)
        ax.set_yticks(range(len(rows)), [row.label for row in rows])
        ax.set_xlabel("MPJPE, mm")
        ax.set_title(titles.get(way, "single-view"))
        ax.grid(visible=False, axis="y")
    axes[0, 0].invert_yaxis()
    return save_figure(figure, out, name)


def comparison(results: Results, row: str, reference: str, way: str) -> str:
    """``121.4 against 140.2 mm, better in 3 of 3 seeds``."""
    mine, theirs = (values_of(results, one, way, "mpjpe") for one in (row, reference))
    better = sum(a < b for a, b in zip(mine, theirs, strict=True))
    return (
        f"{mean_of(results, row, way):.1f} against {mean_of(results, reference, way):.1f} mm, "
        f"better in {better} of {len(mine)} seeds"
    )
