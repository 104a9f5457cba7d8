"""The Facts tab: what a run learned from, what was asked for, what came out; to be copied."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.cli.following import STAGE_TITLES
from app.format import counted, duration, length, percent
from app.theme import GRID_PX, theme_named
from core.project.runs.config_io import changed_options

if TYPE_CHECKING:
    from PySide6.QtGui import QShowEvent

    from app.runs.following_all import RunEntry
    from app.session import Session
    from core.project.runs.config import TrainConfig
    from core.project.runs.following import RunReport
    from core.project.runs.states import RunState

_FIGURES = (
    ("mv_mpjpe", "Multi-view MPJPE", length),
    ("sv_mpjpe", "Single-view MPJPE", length),
    ("mv_pmpjpe", "Multi-view, aligned", length),
    ("mv_pck", "Multi-view PCK, 150 mm", lambda value: percent(value / 100)),
    ("error_px", "2D error", lambda value: f"{value:.1f} px"),
)
Rows = list[tuple[str, str]]


class FactsTab(QScrollArea):
    """Sections of names and values."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._entry: RunEntry | None = None
        self._report: RunReport | None = None
        self._extra: dict[str, Rows] = {}
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        page = QWidget()
        self.setWidget(page)
        column = QVBoxLayout(page)
        column.setContentsMargins(*[GRID_PX] * 4)
        self.text = QLabel()
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setAlignment(Qt.AlignmentFlag.AlignTop)
        column.addWidget(self.text, 1)
        session.display_changed.connect(self._write)

    def show_run(self, entry: RunEntry | None, report: RunReport | None) -> None:
        """Show what is known of a run."""
        if entry is None or self._entry is None or entry.id != self._entry.id:
            self._extra = {}
        self._entry, self._report = entry, report
        self._write()

    def set_section(self, title: str, rows: Rows) -> None:
        """Add a section of what others found out about the run that is shown."""
        self._extra[title] = rows
        self._write()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while another tab was in front."""
        super().showEvent(event)
        self._write()

    def _write(self, _display: object = None) -> None:
        if not self.isVisible():
            return
        theme = theme_named(self._session.display.theme)
        sections = {} if self._entry is None else facts_of(self._entry, self._report)
        self.text.setText(_table({**self._extra, **sections}, theme.muted))


def facts_of(entry: RunEntry, report: RunReport | None) -> dict[str, Rows]:
    """Sections of names and values of a run."""
    state = None if report is None else report.state
    config = entry.run.config if entry.run is not None and not entry.error else None
    sections: dict[str, Rows] = {}
    if state is not None:
        sections["Held out, first → last"] = _figures(state)
        sections["Learned from"] = _inputs(state)
        sections["Notices"] = [(notice.level, notice.text) for notice in state.notices]
        if state.warning:
            sections["Notices"].append(("warning", state.warning))
    if config is not None:
        sections["Asked for, other than the defaults"] = _changes(config)
    sections["Run"] = _about(entry, report)
    return {title: rows for title, rows in sections.items() if rows}


def _figures(state: RunState) -> Rows:
    rows: Rows = []
    for name, title, text_of in _FIGURES:
        values = [one.metrics[name] for one in state.evaluations if name in one.metrics]
        values = [value for value in values if math.isfinite(value)]
        if values:
            first, last = text_of(values[0]), text_of(values[-1])
            rows.append((title, f"{first} → {last}" if len(values) > 1 else last))
    poses = [one.metrics["poses"] for one in state.evaluations if "poses" in one.metrics]
    if poses:
        rows.append(("Held-out poses", f"{poses[-1]:,.0f}"))
    return rows


def _inputs(state: RunState) -> Rows:
    started = state.started
    if started is None:
        return []
    rows = [
        ("Labelled", counted(started.labelled, "pose")),
        ("Unlabelled", counted(started.unlabelled, "pose")),
        ("Held out", counted(started.held_out, "pose")),
        *(("", note) for note in started.notes),
    ]
    if state.scale_mm is not None:
        rows.append(("Noise scale", length(state.scale_mm)))
    return rows


def _changes(config: TrainConfig) -> Rows:
    return [
        (row.key, ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value}")
        for row, value in changed_options(config)
    ]


def _about(entry: RunEntry, report: RunReport | None) -> Rows:
    rows = [("Id", entry.id)]
    if report is not None:
        state = report.state
        if state.started is not None:
            device = f"{state.started.device_name} ({state.started.device})"
            rows.append(("Device", device))
            if state.worked_s > 0:
                rows.append(("Took", duration(state.worked_s)))
        if state.rounds:
            last = state.rounds[-1]
            rows.append(
                (
                    "Rounds of predictions",
                    f"{len(state.rounds)}, the last after step {last.step:,} of"
                    f" {STAGE_TITLES[last.stage].lower()}",
                )
            )
        if state.checkpoint is not None:
            rows.append(("Checkpoint", state.checkpoint.file))
    rows.append(("Folder", str(entry.path)))
    return rows


def _table(sections: dict[str, Rows], muted: str) -> str:
    parts: list[str] = []
    for title, rows in sections.items():
        parts.append(f"<p style='margin: 8px 0 2px 0'><b>{html.escape(title)}</b></p><table>")
        parts += [
            f"<tr><td style='color:{muted}; padding-right: 12px'>{html.escape(name)}</td>"
            f"<td>{html.escape(value)}</td></tr>"
            for name, value in rows
        ]
        parts.append("</table>")
    return "".join(parts)
