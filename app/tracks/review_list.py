"""The list of stretches where tracks want a look, and the way through it.

Found in the background; after an edit only the surroundings of the changed frames are gone through
again, so the list is never of yesterday's tracks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractListModel, QModelIndex, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.icons import icon
from app.jobs import Job
from app.theme import SMALL_PT, font, person_color, theme_named
from core.errors import CommandRefusedError
from core.people.track_review import find_encounters, updated_encounters

if TYPE_CHECKING:
    from PySide6.QtCore import QPersistentModelIndex

    from app.jobs import Progress
    from app.session import Session
    from core.people.track_review import Encounter
    from core.project import Change, Project

    Index = QModelIndex | QPersistentModelIndex

KINDS: dict[str, tuple[str, str]] = {
    "crossing": ("mdi6.swap-horizontal", "Cross"),
    "hidden": ("mdi6.eye-off-outline", "Hidden"),
    "jump": ("mdi6.lightning-bolt-outline", "Jump"),
    "gap": ("mdi6.dots-horizontal", "Gap"),
}
WHY = {
    "crossing": "{} apart: they may have left under each other's number",
    "hidden": "{}: hidden behind others in the rest",
    "jump": "Further in one frame than people run: a swap, or a wrong place",
    "gap": "No place, and so no boxes, for {}",
}
_ROW_PX = 22
# Edits come in bursts; the list follows when there is a pause.
_PAUSE_MS = 300


class Review(QAbstractListModel):
    """Encounters of the open project, by time.

    Signals: ``found(bool)`` when the list is another; whether it is complete.
    """

    found = Signal(bool)
    searching = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._all: tuple[Encounter, ...] = ()
        self._shown: tuple[Encounter, ...] = ()
        self._kinds = frozenset(KINDS)
        self._job: Job | None = None
        self._known = False
        self._changed: range | None = None
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._search)
        session.project_closing.connect(self.stop)
        session.project_changed.connect(self._on_project_changed)
        session.edited.connect(self._on_edited)

    @property
    def shown(self) -> tuple[Encounter, ...]:
        """Those of the kinds chosen."""
        return self._shown

    @property
    def is_searching(self) -> bool:
        """Whether the list is still being made."""
        return self._job is not None or self._pause.isActive()

    def set_kinds(self, kinds: frozenset[str]) -> None:
        """Show only these."""
        self._kinds = kinds
        self._show()

    def row_at(self, frame: int) -> int | None:
        """The worst of those that are at a frame; None where there is none."""
        here = [i for i, e in enumerate(self._shown) if e.start <= frame < e.stop]
        return max(here, key=lambda i: self._shown[i].severity) if here else None

    def next_row(self, frame: int, current: int | None, direction: int) -> int:
        """The row after (+1) or before (-1) the current one, or the frame.

        Raises:
            CommandRefusedError: there is none.
        """
        if current is not None:
            row = current + direction
            if 0 <= row < len(self._shown):
                return row
        elif direction > 0:
            later = [i for i, e in enumerate(self._shown) if e.frame >= frame]
            if later:
                return later[0]
        else:
            earlier = [i for i, e in enumerate(self._shown) if e.frame <= frame]
            if earlier:
                return earlier[-1]
        where = "after" if direction > 0 else "before"
        raise CommandRefusedError(f"Nothing to look at {where} this: no crossing, gap or jump.")

    # Qt's questions.

    def rowCount(self, parent: Index | None = None) -> int:
        """How many are shown."""
        return 0 if parent is not None and parent.isValid() else len(self._shown)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """The row's words; the encounter itself as user data."""
        if not index.isValid() or index.row() >= len(self._shown):
            return None
        item = self._shown[index.row()]
        if role == Qt.ItemDataRole.UserRole:
            return item
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            who = " and ".join(f"#{person}" for person in item.persons)
            return f"Frame {self._number(item.frame)}: {KINDS[item.kind][1].lower()} {who}"
        if role == Qt.ItemDataRole.ToolTipRole:
            span = f"frames {self._number(item.start)} to {self._number(item.stop - 1)}"
            return f"{WHY[item.kind].format(item.text)}\n{span}"
        return None

    def _number(self, frame: int) -> int:
        return frame + self._session.require_project().first_frame_number

    # Finding them.

    def stop(self) -> None:
        """Cease to look; nobody waits, since the search reads nothing but what it has."""
        self._pause.stop()
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _on_project_changed(self) -> None:
        self.stop()
        self._all, self._known, self._changed = (), False, None
        self._show()
        if self._session.project is not None:
            self._pause.start()

    def _on_edited(self, change: Change) -> None:
        if not change.tracks:
            return
        frames = sorted(frame for frame, _ in change.tracks)
        before = self._changed
        low = frames[0] if before is None else min(frames[0], before.start)
        high = frames[-1] + 1 if before is None else max(frames[-1] + 1, before.stop)
        self._changed = range(low, high)
        self._pause.start()

    def _search(self) -> None:
        project = self._session.project
        if project is None:
            return
        if self._job is not None:  # of tracks that are no more
            self._job.cancel()
        changed = self._changed if self._known else None
        known, tracks = self._all, project.tracks
        if tracks is None or not len(tracks):
            self._job = None
            self._on_found(())
            return
        size = (project.spec.person_height_mm, project.spec.person_radius_mm)

        def work(progress: Progress) -> tuple[Encounter, ...]:
            if changed is not None:
                return updated_encounters(
                    known, tracks, project.rig, changed, fps=project.fps, size_mm=size
                )
            return find_encounters(
                tracks, project.rig, fps=project.fps, size_mm=size, progress=progress
            )

        job = self._job = Job("Looking for crossings", work)
        job.finished.connect(lambda found: self._on_job_done(job, project, found))
        job.failed.connect(self._session.message_posted)
        if changed is None:
            self.searching.emit(job)
        job.start()

    def _on_job_done(self, job: Job, project: Project, found: tuple[Encounter, ...]) -> None:
        if job is self._job and project is self._session.project:
            self._job = None
            self._on_found(found)

    def _on_found(self, found: tuple[Encounter, ...]) -> None:
        self._all, self._known, self._changed = found, True, None
        self._show()

    def _show(self) -> None:
        self.beginResetModel()
        self._shown = tuple(item for item in self._all if item.kind in self._kinds)
        self.endResetModel()
        self.found.emit(self._known)


class ReviewRow(QStyledItemDelegate):
    """One line: kind, frame, whose, why."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        """A line of small text."""
        return QSize(120, _ROW_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint the line; the selected one is lit."""
        item: Encounter | None = index.data(Qt.ItemDataRole.UserRole)
        if item is None:
            return
        theme = theme_named(self._session.display.theme)
        box: QRect = option.rect  # pyright: ignore[reportAttributeAccessIssue] - Qt's stub lacks it
        state: QStyle.StateFlag = option.state  # pyright: ignore[reportAttributeAccessIssue]
        painter.save()
        if state & QStyle.StateFlag.State_Selected:
            painter.fillRect(box, QColor(theme.line))
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(box, QColor(theme.panel))
        middle = Qt.AlignmentFlag.AlignVCenter
        icon(KINDS[item.kind][0], theme).paint(
            painter, QRect(box.left() + 4, box.top(), 14, _ROW_PX)
        )
        painter.setFont(font(SMALL_PT))
        painter.setPen(QColor(theme.text))
        number = item.frame + self._session.require_project().first_frame_number
        digits = f"{number:,}"
        left = box.left() + 24
        width = max(painter.fontMetrics().horizontalAdvance(digits), 30)
        painter.drawText(QRect(left, box.top(), width, _ROW_PX), middle, digits)
        left += width + 8
        painter.setFont(font(SMALL_PT, bold=True))
        for person in item.persons:
            words = str(person)
            wide = max(painter.fontMetrics().horizontalAdvance(words) + 8, 18)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(person_color(person))
            painter.drawRoundedRect(QRect(left, box.top() + 4, wide, _ROW_PX - 8), 7, 7)
            painter.setPen(QColor("#101114"))
            chip = QRect(left, box.top(), wide, _ROW_PX)
            painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, words)
            left += wide + 4
        painter.setFont(font(SMALL_PT))
        painter.setPen(QColor(theme.problem if item.kind == "jump" else theme.muted))
        rest = QRect(left + 4, box.top(), box.right() - left - 8, _ROW_PX)
        words = painter.fontMetrics().elidedText(
            item.text, Qt.TextElideMode.ElideRight, rest.width()
        )
        painter.drawText(rest, middle, words)
        painter.restore()


class ReviewList(QListView):
    """The encounters; a click goes there."""

    chosen = Signal(int)

    def __init__(self, session: Session, review: Review) -> None:
        super().__init__()
        self.setModel(review)
        self.setItemDelegate(ReviewRow(session))
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(120)
        self.setAccessibleName("Where tracks want a look")
        self.clicked.connect(lambda index: self.chosen.emit(index.row()))
