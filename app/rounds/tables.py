"""The lists of the Changes panel: groups that narrow it, and the changes, furthest moved first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QKeyEvent, QPalette
from PySide6.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QTableView

from app.format import joint_name, length, pixels
from app.icons import icon
from app.theme import GRID_PX, SMALL_PT, font, person_pixmap, theme_named
from core.curation.round_diff import NO_CAMERA, Verdict
from core.curation.round_groups import VERDICT_WORDS
from core.project import ReviewState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QIcon, QResizeEvent

    from app.rounds.listing import Listed
    from core.curation.round_groups import ChangeGroup, GroupBy
    from core.project import Project

_Index = QModelIndex | QPersistentModelIndex
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_DECIDED = {
    ReviewState.ACCEPTED: "mdi6.check",
    ReviewState.LOCKED: "mdi6.lock-outline",
    ReviewState.REJECTED: "mdi6.close",
}
_OWN_KEYS = (
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_Space,
    Qt.Key.Key_Escape,
)


class ListTable(QTableView):
    """A list whose arrow keys, Space and Escape are its own once it was clicked.

    All other keys stay the window's. ``stepped(±1)`` asks for the next or previous that is left.
    """

    stepped = Signal(int)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._letters: tuple[int, ...] = ()
        self._dispensable: tuple[int, ...] = ()
        self.setAccessibleName(name)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setFrameShape(QTableView.Shape.NoFrame)
        self.setFont(font(SMALL_PT))
        self.setMinimumHeight(8 * GRID_PX)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(round(2.5 * GRID_PX))
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setFont(font(SMALL_PT))
        header.setMinimumSectionSize(2 * GRID_PX)

    def set_columns(self, letters: Sequence[int], dispensable: Sequence[int] = ()) -> None:
        """Give columns widths in letters; the first takes what is left.

        Where there is no room for all, the dispensable ones go, the first of them first.
        """
        self._letters, self._dispensable = tuple(letters), tuple(dispensable)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Columns come and go with the width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        header, letter = self.horizontalHeader(), self.fontMetrics().averageCharWidth()
        widths = [letters * letter + GRID_PX for letters in self._letters]
        hidden: set[int] = set()
        for column in self._dispensable:
            shown = sum(width for each, width in enumerate(widths) if each not in hidden)
            if shown > self.viewport().width():
                hidden.add(column)
        for column, width in enumerate(widths):
            self.setColumnHidden(column, column in hidden)
            mode = QHeaderView.ResizeMode
            header.setSectionResizeMode(column, mode.Stretch if column == 0 else mode.Fixed)
            header.resizeSection(column, width)

    def event(self, event: QEvent) -> bool:
        """Keep the list's own keys from the window's commands."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            plain = event.modifiers() & ~Qt.KeyboardModifier.ShiftModifier
            if event.key() in _OWN_KEYS and plain in (
                Qt.KeyboardModifier.NoModifier,
                Qt.KeyboardModifier.KeypadModifier,
            ):
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space: the next that is left; Escape: the keys are the window's again."""
        if event.key() == Qt.Key.Key_Space:
            is_back = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.stepped.emit(-1 if is_back else 1)
        elif event.key() == Qt.Key.Key_Escape:
            self.clearFocus()
        else:
            super().keyPressEvent(event)


class _Table(QAbstractTableModel):
    """What both lists have in common."""

    columns: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self._joints: tuple[str, ...] = ()
        self._cameras: tuple[str, ...] = ()
        self._first_frame_number = 0

    def _take_names(self, project: Project) -> None:
        self._joints = tuple(joint_name(name) for name in project.skeleton.joints)
        self._cameras = tuple(project.rig.names)
        self._first_frame_number = project.first_frame_number

    def columnCount(self, parent: _Index | None = None) -> int:
        """As many as have a name."""
        return 0 if parent is not None and parent.isValid() else len(self.columns)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:  # noqa: ANN401 - Qt's
        """Names of the columns."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(section)
        return None

    def _alignment(self, column: int) -> Qt.AlignmentFlag:
        return _LEFT if column == 0 else _RIGHT

    def _camera(self, index: int) -> str:
        return "–" if index == NO_CAMERA else self._cameras[index]


class GroupTable(_Table):
    """Persons, joints or cameras; the first row is all of them."""

    columns = ("", "moved", "kept", "disc.", "median")
    _CAMERA_COLUMNS = ("", "num", "px", "weight")

    def __init__(self) -> None:
        super().__init__()
        self.by: GroupBy = "person"
        self.groups: tuple[ChangeGroup, ...] = ()

    def take(self, project: Project | None, listed: Listed | None, by: GroupBy) -> None:
        """Show the groups of a list."""
        self.beginResetModel()
        if project is not None:
            self._take_names(project)
        self.by = by
        self.columns = self._CAMERA_COLUMNS if by == "camera" else GroupTable.columns
        self.groups = () if listed is None else listed.groups
        self.endResetModel()

    def rowCount(self, parent: _Index | None = None) -> int:
        """All, then a row a group."""
        is_inside = parent is not None and parent.isValid()
        return 0 if is_inside or not self.groups else len(self.groups) + 1

    def key_at(self, row: int) -> int | None:
        """The group of a row; None = all."""
        return None if row <= 0 else self.groups[row - 1].key

    def row_of(self, key: int | None) -> int:
        """The row of a group."""
        keys = [group.key for group in self.groups]
        return keys.index(key) + 1 if key in keys else 0

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's
        """Numbers, the person's colour, and what they mean in words."""
        row, column = index.row(), index.column()
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(column)
        if row == 0:
            return self._all(column) if role == Qt.ItemDataRole.DisplayRole else None
        group = self.groups[row - 1]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(group, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(group)
        if role == Qt.ItemDataRole.DecorationRole and column == 0 and self.by == "person":
            return person_pixmap(group.key)
        return None

    def _all(self, column: int) -> str:
        tallies = [group.tally for group in self.groups]
        if self.by == "camera":
            return ("all", f"{sum(t.num_changed for t in tallies):,}", "", "")[column]
        return (
            "all",
            f"{sum(t.moved for t in tallies):,}",
            f"{sum(t.newly_kept for t in tallies):,}",
            f"{sum(t.newly_discarded for t in tallies):,}",
            "",
        )[column]

    def _name(self, group: ChangeGroup) -> str:
        if self.by == "person":
            return f"#{group.key}"
        return self._joints[group.key] if self.by == "joint" else self._camera(group.key)

    def _text(self, group: ChangeGroup, column: int) -> str:
        tally = group.tally
        if self.by == "camera":
            weights = "–"
            if math.isfinite(group.weight_after):
                weights = f"{group.weight_after - group.weight_before:+.2f}"
            return (self._name(group), f"{tally.num_changed:,}", pixels(group.mean_px), weights)[
                column
            ]
        return (
            self._name(group),
            f"{tally.moved:,}",
            f"{tally.newly_kept:,}",
            f"{tally.newly_discarded:,}",
            length(group.median_mm),
        )[column]

    def _tip(self, group: ChangeGroup) -> str:
        tally = group.tally
        text = (
            f"{tally.num_changed:,} of {tally.num_joints:,} joints changed; median move "
            f"{length(group.median_mm)}"
        )
        if self.by == "camera":
            if math.isfinite(group.weight_after):
                text += f"\nmean weight {group.weight_before:.2f} → {group.weight_after:.2f}"
                text += f"; its observations moved {pixels(group.mean_px)} on average"
            text += "\nJoints whose point moved furthest in this camera's picture"
        return text


class ChangeTable(_Table):
    """A row a change."""

    columns = ("joint", "who", "frame", "change", "most in")

    def __init__(self) -> None:
        super().__init__()
        self.listed: Listed | None = None
        self._icons: dict[ReviewState, QIcon] = {}
        self.set_theme("dark")

    def set_theme(self, name: str) -> None:
        """Draw the marks of what was decided in the theme's colours."""
        theme = theme_named(name)
        self._icons = {state: icon(mark, theme) for state, mark in _DECIDED.items()}

    def take(self, project: Project | None, listed: Listed | None) -> None:
        """Show the rows of a list."""
        self.beginResetModel()
        if project is not None:
            self._take_names(project)
        self.listed = listed
        self.endResetModel()

    def take_states(self, listed: Listed | None) -> None:
        """The same rows, judged otherwise."""
        self.listed = listed
        if self.rowCount():
            self.dataChanged.emit(
                self.index(0, 0), self.index(self.rowCount() - 1, len(self.columns) - 1)
            )

    def rowCount(self, parent: _Index | None = None) -> int:
        """As many as there are: rows are read as they come into sight."""
        is_inside = parent is not None and parent.isValid()
        return 0 if is_inside or self.listed is None else len(self.listed.rows)

    def key_at(self, row: int) -> tuple[int, int, int]:
        """Frame, person and joint."""
        assert self.listed is not None
        frame, person, joint = self.listed.rows.keys[row].tolist()
        return frame, person, joint

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's
        """Text; what was decided is drawn back."""
        listed, row, column = self.listed, index.row(), index.column()
        if listed is None or row >= len(listed.rows):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(listed, row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(listed, row)
        return self._look(listed, row, column, role)

    def _look(self, listed: Listed, row: int, column: int, role: int) -> object:
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(column)
        if role == Qt.ItemDataRole.DecorationRole and column == 1:
            return person_pixmap(self.key_at(row)[1])
        if role == Qt.ItemDataRole.DecorationRole and column == 0:
            return self._icons.get(ReviewState(int(listed.states[row])))
        if role == Qt.ItemDataRole.ForegroundRole and listed.states[row]:
            return QApplication.palette().color(QPalette.ColorRole.PlaceholderText)
        return None

    def _alignment(self, column: int) -> Qt.AlignmentFlag:
        return _RIGHT if column in (2, 3) else _LEFT

    def _text(self, listed: Listed, row: int, column: int) -> str:
        frame, person, joint = self.key_at(row)
        if column == 3:
            return self._change(listed, row)
        if column == 4:
            moved_px, camera = float(listed.rows.moved_px[row]), int(listed.rows.camera[row])
            return "–" if camera == NO_CAMERA else f"{self._camera(camera)} {pixels(moved_px)}"
        return (
            self._joints[joint],
            f"#{person}",
            f"{frame + self._first_frame_number:,}",
        )[column]

    def _change(self, listed: Listed, row: int) -> str:
        moved = length(float(listed.rows.moved_mm[row]))
        kind = Verdict(int(listed.rows.kind[row]))
        if kind == Verdict.MOVED:
            return moved
        word = "kept" if kind == Verdict.NEWLY_KEPT else "disc."
        return f"{word} {moved}"

    def _tip(self, listed: Listed, row: int) -> str:
        rows = listed.rows
        kind = VERDICT_WORDS[Verdict(int(rows.kind[row]))]
        text = f"{kind}; its point moved {length(float(rows.moved_mm[row]))}"
        camera = int(rows.camera[row])
        if camera != NO_CAMERA:
            moved = pixels(float(rows.moved_px[row]))
            text += f"\nin its picture most in {self._camera(camera)}: {moved}"
        weight_camera = int(rows.weight_camera[row])
        if weight_camera != NO_CAMERA:
            change = float(rows.weight_change[row])
            text += f"\nweight of {self._camera(weight_camera)} changed most: {change:+.2f}"
        state = ReviewState(int(listed.states[row]))
        return f"{text}\n{state.name.lower()}\nClick: go there, in the view where it moved most"
