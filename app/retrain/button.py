"""The Retrain button of the context bar: what has gathered since the last run, or how far one is.

At rest it counts what people did since the newest run that learned took its snapshot, and opens the
dialog.
While a run lives it is a ring that fills, and opens the run panel; labels edited meanwhile are told
as what goes into the next round. Trap: reading a run's snapshot takes longer than a turn of the
window may, so it is a job; what comes after is counted from the journal, a little at each edit, and
in a job again where an edit is of many rows.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QIcon, QPainter, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy

from app.afterwards import Afterwards
from app.icons import icon
from app.jobs import Job
from app.retrain.telling import ButtonFace, face_of, has_learned, next_round_note
from app.theme import GRID_PX, SMALL_PT, font, theme_named
from core.errors import DataError
from core.retraining.fresh import FreshLabels

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QPaintEvent

    from app.runs import RunWatch
    from app.session import Session
    from core.project import Change, Project
    from core.project.runs.folder import RunFolder
    from core.retraining.fresh import Since

_FILL, _HOVER = "#3a6ea5", "#447db9"
_ICON_PX = 16
_HEIGHT_PX = 26
_COUNT_WAIT_MS = 150
_AT_ONCE = 500
"""Rows of an edit that are counted on the window's thread: 8 ms."""
_ICON = "mdi6.school-outline"
_MODES = {True: QIcon.Mode.Normal, False: QIcon.Mode.Disabled}


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """What a job found: the labels since the snapshot of this run."""

    run_id: str
    fresh: FreshLabels


class RetrainButton(QAbstractButton):
    """`dialog_requested` or `panel_requested` when pressed.

    ``note_changed(text)`` tells what goes into the next round, while a run lives.
    """

    dialog_requested = Signal()
    panel_requested = Signal()
    note_changed = Signal(str)

    def __init__(self, session: Session, watch: RunWatch) -> None:
        super().__init__()
        self._session = session
        self._watch = watch
        self._fresh: _Opened | None = None
        self._opening: Job | None = None
        self._is_behind = False
        self._since: Since | None = None
        self._newest = ""
        self._note = ""
        self.face = ButtonFace()
        self.setObjectName("retrain_button")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self._count = Afterwards(self, self._count_now, _COUNT_WAIT_MS)
        self.clicked.connect(self._on_clicked)
        session.project_changed.connect(self._on_project_changed)
        session.project_closing.connect(self._forget)
        session.edited.connect(self._on_edited)
        session.display_changed.connect(self._on_display_changed)
        watch.listed.connect(self._on_listed)
        watch.reported.connect(self._on_reported)
        watch.finished.connect(self._on_reported)
        self._on_project_changed()

    @property
    def since(self) -> Since | None:
        """What people did since the newest run that learned began; None = none is (yet) known."""
        return self._since

    def sizeHint(self) -> QSize:
        """The same whatever it says, so that nothing beside it moves."""
        metrics = self.fontMetrics()
        text = max(metrics.horizontalAdvance(text) for text in ("Retrain", "Waiting", "Training"))
        pill = QFontMetrics(font(SMALL_PT)).horizontalAdvance("999+") + GRID_PX
        return QSize(_ICON_PX + text + pill + 5 * GRID_PX // 2, _HEIGHT_PX)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The word on the one blue surface of the bar, with a count or a ring."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme = theme_named(self._session.display.theme)
        is_on = self.isEnabled()
        fill = QColor(_HOVER if self.underMouse() else _FILL) if is_on else QColor(theme.panel)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        ink = QColor("#ffffff" if is_on else theme.muted)
        middle = self.height() / 2
        corner = QRectF(GRID_PX, middle - _ICON_PX / 2, _ICON_PX, _ICON_PX)
        if self.face.share is None:
            # The icon of a light text: the surface is dark in both themes.
            self._draw_icon(painter, corner, is_on=is_on)
        else:
            _draw_ring(painter, corner, ink, self.face.share)
        painter.setPen(ink)
        left = corner.right() + GRID_PX * 0.75
        room = QRectF(left, 0, self.width() - left - GRID_PX, self.height())
        side = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(room, side | Qt.AlignmentFlag.AlignLeft, self.face.text)
        if self.face.badge:
            self._draw_badge(painter, room, ink)
        painter.end()

    def _draw_icon(self, painter: QPainter, place: QRectF, *, is_on: bool) -> None:
        theme = theme_named("dark" if is_on else self._session.display.theme)
        icon(_ICON, theme).paint(painter, place.toRect(), mode=_MODES[is_on])

    def _draw_badge(self, painter: QPainter, room: QRectF, ink: QColor) -> None:
        painter.setFont(font(SMALL_PT))
        width = painter.fontMetrics().horizontalAdvance(self.face.badge) + GRID_PX
        pill = QRectF(room.right() - width + GRID_PX / 2, self.height() / 2 - 8, width, 16)
        if self.face.share is None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(255, 255, 255, 50))
            painter.drawRoundedRect(pill, 8, 8)
        painter.setPen(ink)
        painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, self.face.badge)

    # What it knows.

    def _on_project_changed(self) -> None:
        self.setEnabled(self._session.project is not None)
        self._on_listed()

    def _forget(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            self._opening.wait()
        self._opening = self._fresh = self._since = None
        self._is_behind = False
        self._newest = ""
        self._show()

    def _on_listed(self, _entries: object = None) -> None:
        self._follow_newest()
        self._show()

    def _follow_newest(self) -> None:
        """Another run may be the newest that learned, whose snapshot is what counts now."""
        runs = self._learned()
        newest = "" if not runs else runs[-1].id
        if runs is not None and newest != self._newest:
            self._newest = newest
            self._open(runs)

    def _learned(self) -> tuple[RunFolder, ...] | None:
        """The runs that learned from labels, oldest first; None while the newest are not read.

        One that only predicts took no labels in.
        """
        found: list[RunFolder] = []
        for entry in reversed(self._watch.entries):
            if entry.run is None or entry.error:
                continue  # the run manager tells what is wrong with it
            report = self._watch.report(entry.id)
            if report is None and not found:
                return None
            if report and has_learned(report) and entry.run.config.run.stages != ("predict",):
                found.append(entry.run)
        return tuple(reversed(found))

    def _open(self, runs: tuple[RunFolder, ...]) -> None:
        project = self._session.project
        if self._opening is not None:
            self._opening.cancel()
        self._opening = self._fresh = self._since = None
        if project is not None and runs:
            self._count_aside(project, lambda: _opened(project, runs))

    def _on_edited(self, change: Change) -> None:
        rows = (change.keys, change.points, change.reviews, change.tracks)
        self._is_behind |= sum(map(len, rows)) > _AT_ONCE
        if self._is_behind:
            self._catch_up()
        else:
            self._count.ask()

    def _catch_up(self) -> None:
        """Count what came since beside the window; what was counted before is told until then."""
        project, known = self._session.project, self._fresh
        if project is not None and known is not None:
            self._is_behind, self._fresh = False, None  # it is used on one thread at a time
            self._count_aside(project, lambda: _counted(known))

    def _count_aside(self, project: Project, work: Callable[[], _Opened | None]) -> None:
        job = Job("Counting new labels", lambda _progress: work())
        self._opening = job
        job.finished.connect(lambda found: self._on_opened(job, project, found))
        job.ended.connect(lambda: self._on_open_ended(job))
        job.start()

    def _on_opened(self, job: Job, project: Project, found: _Opened | None) -> None:
        if job is not self._opening or project is not self._session.project or found is None:
            return
        self._fresh = found
        if self._is_behind:
            self._catch_up()
        else:
            self._count_now()

    def _on_open_ended(self, job: Job) -> None:
        if self._opening is job:
            self._opening = None

    def _on_display_changed(self, _display: object) -> None:
        self.update()

    def _on_reported(self, _run_id: str, _report: object) -> None:
        self._follow_newest()
        self._show()

    def _count_now(self) -> None:
        if self._fresh is not None:
            self._since = self._fresh.fresh.since()
        self._show()

    def _show(self) -> None:
        face = face_of(self._session.project, self._watch, self._since)
        if face != self.face:
            self.face = face
            self.setToolTip(face.tip)
            self.setAccessibleName(face.text)
            self.update()
        note = next_round_note(self._since) if self._watch.living else ""
        if note != self._note:
            self._note = note
            self.note_changed.emit(note)

    def _on_clicked(self) -> None:
        if self._watch.living:
            self.panel_requested.emit()
        else:
            self.dialog_requested.emit()


def _opened(project: Project, runs: tuple[RunFolder, ...]) -> _Opened | None:
    """Of the newest run whose snapshot can be read."""
    for run in reversed(runs):
        with suppress(DataError):  # the run manager tells what is wrong with it
            if run.labels_db is not None:
                fresh = FreshLabels(project, run)
                fresh.since()
                return _Opened(run.id, fresh)
    return None


def _counted(found: _Opened) -> _Opened:
    found.fresh.since()
    return found


def _draw_ring(painter: QPainter, place: QRectF, ink: QColor, share: float) -> None:
    ring = place.adjusted(1.5, 1.5, -1.5, -1.5)
    rest = QColor(ink)
    rest.setAlphaF(0.3)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for color, part in ((rest, 1.0), (ink, share)):
        painter.setPen(QPen(color, 2.5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        painter.drawArc(ring, 90 * 16, -round(part * 360 * 16))
