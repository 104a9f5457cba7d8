"""Who is who: swaps that the residuals ask for, looked for in the background; swaps that were made.

A list of places to look at, not a list of truths: each is opened with its span and conflicts first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.format import counted
from app.inspector.identity_dialog import IdentityDialog
from app.inspector.work_bar import WorkBar
from app.theme import GRID_PX
from core.diagnosis import SwapSuggestion, scan_identities
from core.errors import CommandRefusedError
from core.project import RemoveSwap, Swap

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.commands import Commands
    from app.session import Session
    from core.project import Change

_WHAT = (
    "Finds people whose detections changed places in one camera: their residuals vanish once they "
    "change back."
)


class IdentityPage(QWidget):
    """What was found above, what was made below."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._suggestions: list[SwapSuggestion] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(*[GRID_PX] * 4)
        column.setSpacing(GRID_PX)
        self.words = QLabel(_WHAT)
        self.words.setWordWrap(True)
        self.words.setProperty("muted", True)
        self.work = WorkBar(session, "Look through the recording", Qt.FocusPolicy.NoFocus)
        self.found = self._make_list("A double click goes there; Swap… shows span and conflicts")
        self.swap = QPushButton("Swap…")
        self.made_words = QLabel("Swaps made")
        self.made = self._make_list("A double click goes there")
        self.remove = QPushButton("Take back")
        column.addWidget(self.words)
        column.addLayout(_row(self.work, self.swap))
        column.addWidget(self.found, 3)
        column.addLayout(_row(self.made_words, self.remove))
        column.addWidget(self.made, 2)
        column.addStretch()
        self._connect()
        self._on_project_changed()

    def _make_list(self, tip: str) -> QListWidget:
        view = QListWidget()
        view.setToolTip(tip)
        view.setWordWrap(True)
        view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setMinimumHeight(36)
        return view

    def _connect(self) -> None:
        for button in (self.swap, self.remove):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.work.button.clicked.connect(self.scan)
        self.found.itemDoubleClicked.connect(lambda item: self._go_to(_of(item)))
        self.made.itemDoubleClicked.connect(lambda item: self._go_to(_of(item)))
        self.found.itemSelectionChanged.connect(self._show_buttons)
        self.made.itemSelectionChanged.connect(self._show_buttons)
        self.swap.clicked.connect(self._open_chosen)
        self.remove.clicked.connect(self._remove_chosen)
        self._session.project_changed.connect(self._on_project_changed)
        self._session.edited.connect(self._on_edited)

    def bind_commands(self, commands: Commands) -> None:
        """Bind the commands about identities."""
        commands.bind("swap_identity", self.open_dialog)
        commands.bind("find_swaps", self.scan)

    def open_dialog(self, suggestion: SwapSuggestion | None = None) -> None:
        """Show the dialog for a suggestion, or for the selected person.

        Raises:
            CommandRefusedError: no project is open, it is read-only, or nobody is selected.
        """
        dialog = IdentityDialog(self._session, suggestion, self.window())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def scan(self) -> None:
        """Look through the whole recording in the background.

        Raises:
            CommandRefusedError: no project is open.
        """
        project, settings = self._session.require_project(), self._session.settings
        self.words.setText(_WHAT)
        self.work.run(
            "Looking for swapped people",
            lambda progress: scan_identities(project, settings, 0, project.num_frames, progress),
            self._on_scanned,
        )

    def _on_scanned(self, found: tuple[SwapSuggestion, ...]) -> None:
        self._suggestions = list(found)
        self.work.button.setText("Look again")
        frames = counted(self._session.require_project().num_frames, "frame")
        self.words.setText(
            f"{counted(len(found), 'swap')} would make residuals vanish, in {frames}."
            if found
            else f"Nobody seems to have changed places with anybody in {frames}."
        )
        self._fill()

    def _on_project_changed(self) -> None:
        self.work.cancel()
        self._suggestions = []
        self.words.setText(_WHAT)
        self.work.button.setText("Look through the recording")
        self.setEnabled(self._session.project is not None)
        self._fill()

    def _on_edited(self, change: Change) -> None:
        if not change.spans:
            return
        # What a swap has just mended, or changed, is told no more.
        self._suggestions = [
            each
            for each in self._suggestions
            if not any(span.start < each.stop and each.start < span.stop for span in change.spans)
        ]
        self._fill()

    def _fill(self) -> None:
        project = self._session.project
        self.found.clear()
        self.made.clear()
        swaps = () if project is None else project.swaps()
        if project is not None:
            names, first = project.rig.names, project.first_frame_number
            for each in self._suggestions:
                _add(self.found, each.sentence(names, first), each)
            for swap in swaps:
                last = swap.stop - 1 + first
                text = (
                    f"#{swap.person} and #{swap.other} in {names[swap.camera]}, "
                    f"{swap.start + first} to {last}, by {swap.annotator}"
                )
                _add(self.made, text, swap)
        self.found.setVisible(bool(self._suggestions))
        self.swap.setVisible(bool(self._suggestions))
        for widget in (self.made_words, self.made, self.remove):
            widget.setVisible(bool(swaps))
        self._show_buttons()

    def _show_buttons(self) -> None:
        self.swap.setEnabled(bool(self.found.selectedItems()))
        self.remove.setEnabled(bool(self.made.selectedItems()))

    def _go_to(self, place: SwapSuggestion | Swap) -> None:
        self._session.set_frame(place.start)
        self._session.select(person=place.person, camera=place.camera)

    def _open_chosen(self) -> None:
        suggestion = _of(self.found.selectedItems()[0])
        self._go_to(suggestion)
        assert isinstance(suggestion, SwapSuggestion)
        self._try(lambda: self.open_dialog(suggestion))

    def _remove_chosen(self) -> None:
        swap = _of(self.made.selectedItems()[0])
        assert isinstance(swap, Swap)
        self._try(lambda: self._session.apply(RemoveSwap(number=swap.number)))

    def _try(self, deed: Callable[[], object]) -> None:
        try:
            deed()
        except CommandRefusedError as error:
            self._session.message_posted.emit(str(error))


def _row(left: QWidget, right: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.addWidget(left)
    row.addStretch()
    row.addWidget(right)
    return row


def _add(view: QListWidget, text: str, value: SwapSuggestion | Swap) -> None:
    item = QListWidgetItem(text)
    item.setData(Qt.ItemDataRole.UserRole, value)
    view.addItem(item)


def _of(item: QListWidgetItem) -> SwapSuggestion | Swap:
    return item.data(Qt.ItemDataRole.UserRole)
