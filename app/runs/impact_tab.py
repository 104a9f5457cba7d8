"""The Impact tab: what changed from the training before, and errors run after run.

Both final rounds are triangulated anew for it, so it is worked out in the background: when somebody
looks, and after a training of a recording that is not too long, whose sentence then stands in the
status bar. What was found is kept until another project is opened.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from app.afterwards import Afterwards
from app.format import counted, duration, length, percent
from app.jobs import Job
from app.runs.plot import Curve, CurvePlot
from app.theme import GRID_PX, theme_named
from core.project import Project
from core.project.runs.folder import RUNS_FOLDER, RunFolder
from core.retraining.impact import correction_impact, own_gain, run_before
from core.retraining.learning_curve import learning_curve, plateau

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtGui import QShowEvent

    from app.runs.watch import RunEntry, RunWatch
    from app.session import Session
    from app.theme import Theme
    from core.project.runs.following import RunReport
    from core.retraining.impact import Impact
    from core.retraining.learning_curve import CurvePoint, LearningCurve
    from core.settings import TriangulationSettings

    Progress = Callable[[int, int], bool]

_SHORT_FRAMES = 5_000  # some twenty seconds in the background: told without being asked for
_SETTLE_MS = 500  # a slider of settings asks many times
_PLOT_PX = 128
_EMPTY = (
    "This run is not complete.\n\nOnce a training is done, it is set beside the one before it:"
    " which labels were fixed in between, how many pseudo-labels moved, and what became of the"
    " held-out errors. Below that stand the errors of all trainings, run after run."
)
_FIRST = "This is the first complete training of the project: there is none to set it beside yet."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What was worked out about a run under some settings; `impact` is None for the first one."""

    run_id: str
    settings: TriangulationSettings
    impact: Impact | None
    gain: str
    curve: LearningCurve


class ImpactTab(QScrollArea):
    """A sentence, a plot of errors over trainings, and a table of them."""

    def __init__(self, session: Session, watch: RunWatch) -> None:
        super().__init__()
        self._session = session
        self._run: RunFolder | None = None
        self._found: dict[str, _Found] = {}
        self._failed: dict[str, str] = {}
        self._job: Job | None = None
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.text = QLabel(_EMPTY)
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.plot = CurvePlot(
            "Held-out MPJPE",
            "Errors of the trainings that were measured on the same held-out labels, oldest first.",
            length,
            has_dots=True,
        )
        self.plot.setFixedHeight(_PLOT_PX)
        self.table = QLabel()
        self.table.setTextFormat(Qt.TextFormat.RichText)
        self.table.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(*[GRID_PX] * 4)
        column.setSpacing(GRID_PX)
        for widget in (self.text, self.plot, self.table):
            column.addWidget(widget)
        column.addStretch(1)
        self.setWidget(page)
        self.plot.hovered.connect(self.plot.point_at)
        self.plot.left.connect(lambda: self.plot.point_at(None))
        session.display_changed.connect(self._write)
        session.project_changed.connect(self._forget)
        self._later = Afterwards(self, self._look, _SETTLE_MS)
        session.settings_changed.connect(self._on_settings_changed)
        watch.finished.connect(self._on_finished)
        self._write()

    @property
    def is_settled(self) -> bool:
        """Whether nothing is being worked out."""
        return self._job is None

    def show_run(self, entry: RunEntry | None, report: RunReport | None) -> None:
        """Show what a run brought; worked out when somebody looks."""
        is_done = entry is not None and report is not None and report.status == "done"
        run = entry.run if entry is not None and is_done else None
        if (run and run.id) != (self._run and self._run.id):
            self._run = run
            self._write()
        self._look()

    def showEvent(self, event: QShowEvent) -> None:
        """Work out what nobody has asked for yet."""
        super().showEvent(event)
        self._write()
        self._look()

    def _look(self) -> None:
        run = self._run
        if run is not None and self.isVisible() and run.id not in {*self._found, *self._failed}:
            self._work_out(run, is_told=False)

    def _on_finished(self, run_id: str, report: RunReport) -> None:
        project = self._session.project
        if project is None or report.status != "done" or project.num_frames > _SHORT_FRAMES:
            return
        self._work_out(RunFolder(project.path / RUNS_FOLDER / run_id), is_told=True)

    def _work_out(self, run: RunFolder, *, is_told: bool) -> None:
        project = self._session.project
        if project is None or self._job is not None:
            return
        folder, settings = project.path, self._session.settings
        job = self._job = Job(
            "Comparing trainings", lambda progress: _worked_out(folder, run, settings, progress)
        )
        job.progressed.connect(self._on_progress)
        job.finished.connect(lambda found: self._keep(job, found, is_told=is_told))
        job.failed.connect(lambda error: self._on_failed(job, run.id, error))
        job.ended.connect(lambda: self._on_ended(job))
        job.start()
        self._write()

    def _keep(self, job: Job, found: _Found, *, is_told: bool) -> None:
        if job is not self._job:
            return  # of a project that was closed, or settings that were changed, since
        # A newer run changes the curve of all.
        self._found = {found.run_id: found}
        if is_told and found.impact is not None:
            self._session.message_posted.emit(found.impact.sentence)
        self._write()

    def _on_failed(self, job: Job, run_id: str, error: str) -> None:
        if job is self._job:
            self._failed = {run_id: error}  # not asked for again and again

    def _on_progress(self, done: int, total: int, left_s: float) -> None:
        if self._run is not None and self._run.id not in self._found and total:
            left = f", {duration(left_s)} left" if math.isfinite(left_s) else ""
            self.text.setText(f"Comparing with the training before … {percent(done / total)}{left}")

    def _on_ended(self, job: Job) -> None:
        if job is self._job:
            self._job = None
            self._write()
            self._look()

    def _on_settings_changed(self, settings: TriangulationSettings) -> None:
        """What was worked out under others is worked out anew where somebody looks."""
        if self._found and all(one.settings == settings for one in self._found.values()):
            return
        self._drop()
        self._write()
        self._later.ask()

    def _forget(self) -> None:
        self._drop()
        self._run = None
        self._write()

    def _drop(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self._found, self._failed = {}, {}

    def _write(self, _display: object = None) -> None:
        found = None if self._run is None else self._found.get(self._run.id)
        self.text.setToolTip("")
        self.plot.setVisible(found is not None and len(found.curve.comparable) > 1)
        self.table.setVisible(found is not None and bool(found.curve.points))
        if self._run is None:
            self.text.setText(_EMPTY)
        elif found is None and self._run.id in self._failed:
            self.text.setText(self._failed[self._run.id])
        elif found is None:
            self.text.setText("Comparing with the training before …")
        else:
            theme = theme_named(self._session.display.theme)
            self.text.setText(_told(found))
            options = () if found.impact is None else found.impact.other_options
            self.text.setToolTip("\n".join(options))
            self.table.setText(_table(found.curve, found.run_id, theme))
            self._draw(found.curve.comparable, theme)

    def _draw(self, points: tuple[CurvePoint, ...], theme: Theme) -> None:
        places = np.arange(1, len(points) + 1, dtype=np.float64)
        curves = [
            Curve(name=name, x=places, y=np.array([getattr(one.figures, key) for one in points]))
            for name, key in (("multi-view", "mv_mpjpe"), ("single-view", "sv_mpjpe"))
        ]
        palette = self.palette()
        second = (palette.highlight() if theme.name == "light" else palette.link()).color()
        self.plot.set_theme(theme, second)
        ticks = [(float(place), f"{int(place)}") for place in places]
        self.plot.surface.getAxis("bottom").setTicks([ticks])
        self.plot.box.setXRange(0.5, len(points) + 0.5, padding=0)
        self.plot.show_curves(curves, 0.5, len(points) + 0.5)


def _worked_out(
    folder: Path, run: RunFolder, settings: TriangulationSettings, progress: Progress
) -> _Found:
    """By a project of its own, so that the window may close the open one at any time."""
    with Project.open(folder, read_only=True) as project:
        before = run_before(project, run)
        impact = None
        if before is not None:
            impact = correction_impact(project, before, run, settings=settings, progress=progress)
        return _Found(
            run_id=run.id,
            settings=settings,
            impact=impact,
            gain=own_gain(run.state()),
            curve=learning_curve(project),
        )


def _told(found: _Found) -> str:
    """The sentence, a plateau where there is one, and what could not be read."""
    impact, notice = found.impact, plateau(found.curve)
    parts = [_FIRST if impact is None else impact.changes]
    if impact is not None and impact.other_options:
        parts[0] += f" {counted(len(impact.other_options), 'option')} set otherwise, too (hover)."
    parts += [text for text in (found.gain, notice) if text]
    return "\n\n".join([*parts, *found.curve.problems])


def _table(curve: LearningCurve, shown: str, theme: Theme) -> str:
    """All complete trainings, numbered as in the plot; the shown one is bold."""
    number = {point.run: row for row, point in enumerate(curve.comparable, 1)}
    head = ("", "Training", "Ended", "Labels", "Accepted", "Multi-view", "Single-view")
    rows = [
        (
            str(number.get(point.run, "–")),
            point.name,
            f"{datetime.fromtimestamp(point.figures.time, UTC).astimezone():%d %b, %H:%M}",
            f"{point.hand_joints:,}",
            f"{point.accepted_points:,}",
            length(point.figures.mv_mpjpe),
            length(point.figures.sv_mpjpe),
        )
        for point in curve.points
    ]
    cells = [_row(head, f"color:{theme.muted}")]
    for point, row in zip(curve.points, rows, strict=True):
        cells.append(_row(row, "font-weight:bold" if point.run == shown else ""))
    note = ""
    if len(number) < len(rows):
        note = "– : measured on other held-out labels than the newest, or not at all."
    return f"<table>{''.join(cells)}</table><p style='color:{theme.muted}'>{note}</p>"


def _row(cells: tuple[str, ...], style: str) -> str:
    padded = "".join(
        f"<td style='padding-right: 12px; {style}'>{html.escape(cell)}</td>" for cell in cells
    )
    return f"<tr>{padded}</tr>"
