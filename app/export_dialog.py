"""Export: the choices of `trilabel export` in a dialog, with progress and a way to stop it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from app.curation.panel import QueryField
from app.format import duration
from app.jobs import Job
from app.new_dialog import PathField
from app.theme import GRID_PX
from core.curation.query import EXAMPLE, parse_query
from core.curation.sources import DETECTIONS
from core.errors import DataError
from core.exporting import FORMATS, export_project, refuse_taken

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtGui import QCloseEvent

    from app.session import Session
    from core.exporting import ExportReport, What

_WHATS: dict[What, str] = {
    "both": "Labels and accepted pseudo-labels",
    "labels": "Labels",
    "accepted": "Accepted pseudo-labels",
}


class ExportDialog(QDialog):
    """Format, what, which joints, where; then progress, then what was written."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        """Begin with a place of its own in the project's ``exports``.

        Raises:
            CommandRefusedError: no project is open.
        """
        super().__init__(parent)
        self._session = session
        self._project = session.require_project()
        source = session.source
        self._run = None if source is None or source.name == DETECTIONS else source.name
        self._job: Job | None = None
        self._suggested: Path | None = None
        self.done_at: Path | None = None
        self.setWindowTitle(f"Export {self._project.name}")
        self.setMinimumSize(78 * GRID_PX, 56 * GRID_PX)
        self._make_fields()
        self.note = _wrapped(is_muted=True)
        self.problem = _wrapped()
        self.problem.setProperty("problem", True)
        self.problem.setVisible(False)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(GRID_PX)
        self._bar.setVisible(False)
        buttons = QDialogButtonBox()
        role = QDialogButtonBox.ButtonRole
        self.folder_button = buttons.addButton("Show the folder", role.ActionRole)
        self.folder_button.setVisible(False)
        self.folder_button.clicked.connect(self._show_folder)
        self.cancel_button = buttons.addButton("Cancel", role.RejectRole)
        self.export_button = buttons.addButton("Export", role.AcceptRole)
        self.export_button.setDefault(True)
        buttons.accepted.connect(self._export)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[2 * GRID_PX] * 4)
        column.setSpacing(GRID_PX)
        column.addLayout(self._form)
        column.addWidget(self.note)
        column.addWidget(self.problem)
        column.addStretch(1)
        column.addWidget(self._bar)
        column.addWidget(buttons)
        self.format.currentIndexChanged.connect(self._on_changed)
        self.what.currentIndexChanged.connect(self._on_changed)
        self.query.textChanged.connect(self._on_changed)
        self.place.changed.connect(self._on_changed)
        session.project_closing.connect(self.reject)
        self._on_changed()

    def _make_fields(self) -> None:
        self._form = QFormLayout()
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self.format, self.what = QComboBox(), QComboBox()
        for name, one in FORMATS.items():
            self.format.addItem(one.title, name)
        for name, title in _WHATS.items():
            self.what.addItem(title, name)
        self.query = QueryField()
        self.query.setPlaceholderText("all of them; or a query as in Curate")
        self.query.setToolTip(f"Such as: {EXAMPLE}")
        self.place = PathField("a new or empty folder", folder=True)
        for caption, widget in (
            ("Format", self.format),
            ("What", self.what),
            ("Which joints", self.query),
            ("Where", self.place),
        ):
            self._form.addRow(caption, widget)

    @property
    def chosen_format(self) -> str:
        """A key of `FORMATS`."""
        return str(self.format.currentData())

    def _on_changed(self) -> None:
        one = FORMATS[self.chosen_format]
        self._suggest_place()
        lines = [f"Writes {one.files}."]
        if one.left_out:
            lines.append(f"No place for {'; '.join(one.left_out)}: that stands in the datasheet.")
        lines.append(
            "The datasheet beside the files tells of every point its source, weights, residual,"
            " thresholds, annotator and time. Nothing is written over."
        )
        if self.query.text().strip():
            shown = self._run or "the detections"
            lines.append(f"Residuals, weights and verdicts in the query are those of {shown}.")
        self.note.setText("\n\n".join(lines))
        problem = self._problem()
        self._show_problem(problem)
        self.export_button.setEnabled(not problem)

    def _problem(self) -> str:
        """What stands in the way, for what can be told at once; else empty."""
        place = self.place.path
        try:
            parse_query(self.query.text(), self._project)
            if place is not None:
                refuse_taken(place.absolute())
        except DataError as error:
            return str(error).replace(", or say --overwrite", "")
        except OSError as error:
            return error.strerror or str(error)
        return "" if place is not None else "Choose a folder."

    def _suggest_place(self) -> None:
        if self.place.path not in (None, self._suggested):
            return
        folder = self._project.path / "exports"
        number, suggested = 1, folder / self.chosen_format
        while suggested.exists():
            number += 1
            suggested = folder / f"{self.chosen_format}-{number}"
        if suggested != self._suggested:
            self._suggested = suggested
            self.place.set_path(suggested)

    def _export(self) -> None:
        place = self.place.path
        if self.done_at is not None or place is None:
            self.accept()
            return
        project, name, query = self._project, self.chosen_format, self.query.text()
        what: What = self.what.currentData()
        run = self._run

        def work(progress: Callable[[int, int], bool]) -> ExportReport:
            return export_project(
                project, place, format=name, what=what, query=query, run=run, progress=progress
            )

        job = Job("Exporting", work, self)
        job.progressed.connect(self._on_progressed)
        job.finished.connect(self._on_finished)
        job.failed.connect(self._on_failed)
        self._job = job
        self._set_busy(is_busy=True)
        self._bar.setRange(0, 0)
        job.start()

    def _set_busy(self, *, is_busy: bool) -> None:
        self._bar.setVisible(is_busy)
        self.export_button.setEnabled(not is_busy)
        for widget in (self.format, self.what, self.query, self.place):
            widget.setEnabled(not is_busy)

    def _on_progressed(self, done: int, total: int, seconds_left: float) -> None:
        self._bar.setRange(0, total)
        self._bar.setValue(done)
        left = f"{duration(seconds_left)} left" if math.isfinite(seconds_left) else ""
        self.note.setText(f"Exporting. {left}")

    def _on_finished(self, report: ExportReport) -> None:
        self.done_at = report.path
        self._bar.setVisible(False)
        told = [
            f"Exported {report.told}, each read again and compared.",
            *report.left_out,
            str(report.path),
        ]
        self.note.setText("\n\n".join(told))
        self._session.message_posted.emit(f"Exported to {report.path}")
        self.folder_button.setVisible(True)
        self.cancel_button.setVisible(False)
        self.export_button.setText("Close")
        self.export_button.setEnabled(True)
        self.export_button.setFocus()

    def _on_failed(self, text: str) -> None:
        self._job = None
        self._set_busy(is_busy=False)
        self._on_changed()
        self._show_problem(text)

    def _show_problem(self, text: str) -> None:
        self.problem.setText(text)
        self.problem.setVisible(bool(text))

    def _show_folder(self) -> None:
        if self.done_at is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.done_at)))

    def reject(self) -> None:
        """Stop the work; what was half written goes away by itself."""
        if self._job is not None:
            self._job.cancel()
            self._job.wait()
        super().reject()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Closing the dialog cancels as its button does."""
        self.reject()
        event.accept()


def _wrapped(*, is_muted: bool = False) -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setProperty("muted", is_muted)
    return label
