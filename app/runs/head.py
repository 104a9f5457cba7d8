"""The head of the run panel: which run, what it is doing, and what can be done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.icons import icon
from app.runs.stage_strip import StageStrip
from app.runs.words import can_resume, device_line, entry_title, progress_line, share_done
from app.theme import GRID_PX, SMALL_PT, Theme, font, theme_named
from core.project.runs.config import STAGES
from core.project.runs.states import LIVING

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

    from app.runs.watch import RunWatch
    from app.session import Session
    from core.project.runs.config import Stage
    from core.project.runs.following import RunReport

_DOT_PX = 12
_ENDED_BADLY = ("failed", "killed")


class ElidedLabel(QLabel):
    """A line that gives way at its end; the whole of it is the tooltip."""

    def __init__(self) -> None:
        super().__init__()
        self._full = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def say(self, text: str) -> None:
        """Show a line."""
        if text != self._full:
            self._full = text
            self.setToolTip(text)
            self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """As much as there is room for."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        line = " ".join(self._full.split())
        self.setText(self.fontMetrics().elidedText(line, Qt.TextElideMode.ElideRight, self.width()))


class RunHead(QWidget):
    """Chooser and buttons, stages, progress and device."""

    chosen = Signal(str)

    def __init__(self, session: Session, watch: RunWatch) -> None:
        super().__init__()
        self._session = session
        self._watch = watch
        self._ids: tuple[str, ...] = ()
        self._titles: dict[str, tuple[str, str]] = {}
        self.chooser = QComboBox()
        self.chooser.setAccessibleName("Run")
        self.chooser.setToolTip("The trainings of this project, the newest first")
        self.chooser.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.chooser.setMinimumContentsLength(12)
        self.chooser.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.stop = _button("Stop", "Write a checkpoint after this step, and leave")
        self.cancel = _button("Cancel", "End it at once; what came after its checkpoint is lost")
        self.resume = _button("Resume", "Go on from the newest checkpoint")
        self.strip = StageStrip(session)
        self.line, self.device, self.note = ElidedLabel(), QLabel(), ElidedLabel()
        for label in (self.line, self.device, self.note):
            label.setFont(font(SMALL_PT))
        self.device.setProperty("muted", True)
        self.note.setProperty("muted", True)
        self.note.hide()
        self._lay_out()
        self.chooser.activated.connect(lambda row: self.chosen.emit(self._ids[row]))
        session.display_changed.connect(self._color)
        self._color()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(GRID_PX // 2)
        row.addWidget(self.chooser, 1)
        for button in (self.resume, self.stop, self.cancel):
            row.addWidget(button)
        last = QHBoxLayout()
        last.setSpacing(GRID_PX)
        last.addWidget(self.line, 1)
        last.addWidget(self.device)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID_PX, GRID_PX // 2, GRID_PX, GRID_PX // 2)
        column.setSpacing(GRID_PX // 2)
        column.addLayout(row)
        column.addWidget(self.strip)
        column.addLayout(last)
        column.addWidget(self.note)

    def set_note(self, text: str) -> None:
        """A line below everything, such as what is for the next round; empty takes it away."""
        self.note.say(text)

    def show_list(self, current: str) -> None:
        """The runs, newest first; only what is other than before is touched."""
        entries = tuple(reversed(self._watch.entries))
        ids = tuple(entry.id for entry in entries)
        titles = {
            entry.id: (
                entry_title(entry, self._watch.report(entry.id)),
                "broken" if entry.error else _status(self._watch.report(entry.id)),
            )
            for entry in entries
        }
        with QSignalBlocker(self.chooser):
            if ids != self._ids:
                self._ids, self._titles = ids, {}
                self.chooser.clear()
                self.chooser.addItems([titles[key][0] for key in ids])
                for row, entry in enumerate(entries):
                    tip = entry.error or f"Run {entry.id}"
                    self.chooser.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)
            for row, key in enumerate(ids):
                if self._titles.get(key) != titles[key]:
                    self._titles[key] = titles[key]
                    self.chooser.setItemText(row, titles[key][0])
                    self.chooser.setItemIcon(row, self._dot(titles[key][1]))
            self.chooser.setCurrentIndex(ids.index(current) if current in ids else -1)

    def show_report(self, run_id: str, report: RunReport | None) -> None:
        """Where a run is; None where nothing is known of it."""
        status = _status(report)
        is_living = status in LIVING
        self.stop.setVisible(is_living)
        self.stop.setEnabled(status != "stopping")
        self.cancel.setVisible(is_living)
        # Also while it is empty: nothing may move under the pointer when something is edited.
        self.note.setVisible(is_living)
        self.resume.setVisible(can_resume(report))
        self.resume.setText("Start" if status == "created" else "Resume")
        self.line.say("" if report is None else progress_line(report))
        self.device.setText(device_line(report) if report is not None and is_living else "")
        self.strip.setVisible(report is not None)
        if report is not None:
            stage = report.state.stage if status in (*LIVING, *_ENDED_BADLY, "stopped") else None
            present = None if stage is None else stage.stage
            done = report.state.stages_done
            share = share_done(report)
            self.strip.show_stages(self._stages(run_id), done, present, share)

    def _stages(self, run_id: str) -> tuple[Stage, ...]:
        entry = self._watch.entry(run_id)
        if entry is None or entry.run is None or entry.error:
            return STAGES
        asked = entry.run.config.run.stages  # read by the watch already
        return tuple(stage for stage in STAGES if stage in asked)

    def _color(self, _display: object = None) -> None:
        theme = theme_named(self._session.display.theme)
        for button, name in (
            (self.stop, "mdi6.stop"),
            (self.cancel, "mdi6.close-octagon-outline"),
            (self.resume, "mdi6.play"),
        ):
            button.setIcon(icon(name, theme))
        for row, key in enumerate(self._ids):
            self.chooser.setItemIcon(row, self._dot(self._titles[key][1]))

    def _dot(self, status: str) -> QIcon:
        return _dot(status, theme_named(self._session.display.theme), self.palette().link().color())


def _status(report: RunReport | None) -> str:
    return "" if report is None else report.status


def _button(text: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.hide()
    return button


def _dot(status: str, theme: Theme, living: QColor) -> QIcon:
    """Filled while it lives, a ring when it is over, red where something is wrong."""
    pixmap = QPixmap(_DOT_PX, _DOT_PX)
    pixmap.fill(QColor(0, 0, 0, 0))
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    is_bad = status in (*_ENDED_BADLY, "broken")
    color = QColor(theme.problem) if is_bad else living if status in LIVING else QColor(theme.muted)
    painter.setPen(color)
    if is_bad or status in LIVING or status == "done":
        painter.setBrush(color)
    painter.drawEllipse(2, 2, _DOT_PX - 5, _DOT_PX - 5)
    painter.end()
    return QIcon(pixmap)
