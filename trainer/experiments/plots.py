"""Plots without a display: PNG for reading, SVG for print, the same bytes from the same figures.

Colours are those of Okabe and Ito, told apart also by people who see fewer colours. Only this
module imports matplotlib, and not before a plot is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C8C")
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "svg.hashsalt": "trilabel",
    "svg.fonttype": "none",
    "savefig.dpi": 110,
}


def new_figure(rows: int, columns: int, size: tuple[float, float], **axes: Any) -> tuple[Any, Any]:  # noqa: ANN401 - matplotlib's
    """A figure and its (rows, columns) array of axes; `axes` goes to ``Figure.subplots``."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        return figure, figure.subplots(rows, columns, squeeze=False, **axes)


def save_figure(figure: Any, out: Path, name: str) -> str:  # noqa: ANN401 - matplotlib's Figure
    """Write NAME.png and NAME.svg; returns the PNG's name."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
            write_atomically(
                out / f"{name}{suffix}",
                lambda path, metadata=metadata: figure.savefig(path, metadata=metadata),
            )
    return f"{name}.png"
