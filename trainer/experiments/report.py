"""A report: Markdown for people, JSON for programs, and the exact configuration beside them.

Figures of results.json follow from seeds and configuration alone; when, where and how long stands
under ``environment``, which is not to be compared.
"""

from __future__ import annotations

import json
import math
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from core.files import write_text_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.experiments.request import Request


class Report:
    """Sections in the order in which they were added."""

    def __init__(self, title: str) -> None:
        self._blocks: list[str] = [f"# {title}"]

    def section(self, title: str) -> None:
        """Start a section."""
        self._blocks.append(f"## {title}")

    def text(self, *paragraphs: str) -> None:
        """Add paragraphs."""
        self._blocks.extend(paragraphs)

    def bullets(self, items: Sequence[str]) -> None:
        """Add a list."""
        self._blocks.append("\n".join(f"- {item}" for item in items))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table; all columns but the first are aligned to the right."""
        line = ["---", *["---:"] * (len(header) - 1)]
        lines = [header, line, *rows]
        self._blocks.append("\n".join(f"| {' | '.join(cells)} |" for cells in lines))

    def image(self, name: str, caption: str) -> None:
        """Add a plot by its PNG's name; the SVG is linked."""
        svg = name.removesuffix(".png") + ".svg"
        self._blocks.append(f"![{caption}]({name})\n\n{caption} ([SVG]({svg}))")

    def to_markdown(self) -> str:
        """The whole report."""
        return "\n\n".join(self._blocks) + "\n"


def mean_and_spread(values: Sequence[float], digits: int = 1) -> str:
    """``66.9 ± 1.2``: mean and standard deviation over seeds; ``–`` where nothing is known."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return "–"
    mean = sum(known) / len(known)
    if len(known) < 2:
        return f"{mean:.{digits}f}"
    spread = math.sqrt(sum((value - mean) ** 2 for value in known) / (len(known) - 1))
    return f"{mean:.{digits}f} ± {spread:.{digits}f}"


def rounded(value: Any, digits: int = 5) -> Any:  # noqa: ANN401 - any JSON value
    """The same JSON value with numbers of so many significant digits; NaN becomes None."""
    if isinstance(value, dict):
        return {key: rounded(one, digits) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one, digits) for one in value]
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value


def environment(seconds: float) -> dict[str, Any]:
    """Where it was run: versions, machine, how long."""
    packages: dict[str, str] = {}
    for name in ("trilabel", "numpy", "numba", "torch", "matplotlib"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "unknown"
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "packages": packages,
        "seconds": round(seconds, 1),
    }


def write_report(
    request: Request,
    report: Report,
    results: dict[str, Any],
    configuration: dict[str, Any],
    seconds: float,
) -> None:
    """Write report.md, results.json and configuration.json into the experiment's folder."""
    out, where = request.out, environment(seconds)
    packages = ", ".join(f"{name} {number}" for name, number in where["packages"].items())
    report.section("How it was made")
    report.text(
        f"```\n{request.command()}\n```",
        f"Seeds {', '.join(map(str, request.seeds))}; {seconds / 60:.1f} minutes in the last call; "
        f"Python {where['python']} on {where['system']} {where['machine']}; {packages}. "
        "Everything that was set stands in configuration.json, every figure in results.json.",
    )
    told = {"experiment": request.name, "command": request.command(), "seeds": list(request.seeds)}
    write_text_atomically(out / "report.md", report.to_markdown())
    write_text_atomically(
        out / "results.json",
        json.dumps({**told, "results": rounded(results), "environment": where}, allow_nan=False)
        + "\n",
    )
    write_text_atomically(
        out / "configuration.json",
        json.dumps({**told, "preset": request.preset, **configuration}, indent=1, default=str)
        + "\n",
    )
