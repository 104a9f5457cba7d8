"""What can be done to the selected runs: buttons, and the question before something is gone.

The buttons say why they can do nothing. What takes a while is given to `do`, which runs it on a
thread; nothing is read or written here on the window's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.format import byte_size, counted
from app.theme import GRID_PX
from core.curation.sources import RunSource
from core.project.runs import managing

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.runs.manager_table import Row
    from app.session import Session

    Do = Callable[[str, Callable[[Any], Any], Callable[[Any], None]], None]

# Title of each button, and what it does in a sentence.
_BUTTONS = {
    "start": ("Start from this…", "Retrain with this run's networks as the beginning"),
    "show": ("Show", "Follow it in the Runs panel; a double click does the same"),
    "weights": ("Export weights…", "Copy its networks, and where they come from, into a folder"),
    "board": ("TensorBoard…", "Write its curves as TensorBoard events"),
    "folder": ("Open folder", "Show its files"),
    "clean": ("Free space…", "Remove checkpoints but for the newest and the best"),
    "delete": ("Delete…", "Delete it for good"),
}


class RunActions(QWidget):
    """Buttons for the selected runs.

    ``start_asked(run_id)`` wants a training that begins with its weights, ``show_asked(run_id)``
    the run in the panel; ``done(text)`` tells what was done.
    """

    start_asked = Signal(str)
    show_asked = Signal(str)
    done = Signal(str)

    def __init__(self, session: Session, do: Do) -> None:
        super().__init__()
        self._session = session
        self._do = do
        self._rows: list[Row] = []
        self._confirmed: Callable[[], None] | None = None
        self.buttons = {name: QPushButton(title) for name, (title, _) in _BUTTONS.items()}
        actions = QHBoxLayout()
        actions.setSpacing(GRID_PX)
        for name, button in self.buttons.items():
            button.setAutoDefault(False)
            button.clicked.connect(getattr(self, f"_on_{name}"))
            if name == "clean":
                actions.addStretch(1)
            actions.addWidget(button)
        self._make_question()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX)
        column.addLayout(actions)
        column.addWidget(self.question)

    def _make_question(self) -> None:
        self.question = QFrame()
        self.question.setFrameShape(QFrame.Shape.StyledPanel)
        self.asked = wrapped(is_muted=False)
        self.yes, self.no = QPushButton(), QPushButton("Keep")
        row = QHBoxLayout(self.question)
        row.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        row.addWidget(self.asked, 1)
        for button in (self.yes, self.no):
            button.setAutoDefault(False)
            row.addWidget(button)
        self.yes.clicked.connect(self._on_yes)
        self.no.clicked.connect(self._withdraw)
        self.question.setVisible(False)

    def show_rows(self, rows: list[Row], *, is_same: bool = False) -> None:
        """Offer what can be done to these runs; what was asked about others is withdrawn."""
        self._rows = rows
        if not is_same:
            self._withdraw()
        for name, button in self.buttons.items():
            reason = self._reason_against(name)
            button.setEnabled(not reason)
            button.setToolTip(reason or _BUTTONS[name][1])

    def _reason_against(self, name: str) -> str:
        """Why a button can do nothing now; empty where it can."""
        rows = self._rows
        details = [row.details for row in rows]
        is_removing = name in ("delete", "clean")
        needs_weights = name in ("start", "weights")
        checks = (
            (not rows, "Select a run first."),
            (len(rows) > 1 and not is_removing and name != "board", "Select one run only."),
            (
                name not in ("folder", "show") and any(row.entry.run is None for row in rows),
                "It cannot be read; its folder can be deleted by hand.",
            ),
            (
                is_removing and any(row.is_living for row in rows),
                "It trains; stop or cancel it first.",
            ),
            (
                name == "clean" and not any(each and each.removable for each in details),
                "There is nothing to free: only the newest and the best checkpoints are left.",
            ),
            (
                needs_weights and not all(each and each.has_weights for each in details),
                "It has no weights yet: they come at the end of its first stage.",
            ),
        )
        return next((text for is_so, text in checks if is_so), "")

    def _on_show(self) -> None:
        row = self._rows[0]
        self.window().close()
        self.show_asked.emit(row.entry.id)

    def _on_start(self) -> None:
        row = self._rows[0]
        self.window().close()
        self.start_asked.emit(row.entry.id)

    def _on_folder(self) -> None:
        for row in self._rows[:1]:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(row.entry.path)))

    def _on_weights(self) -> None:
        row = self._rows[0]
        suggested = self._session.require_project().path / "exports" / f"weights-{row.entry.id}"
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Export weights: name a new folder", str(suggested)
        )
        run = row.entry.run
        if chosen and run is not None:
            self._do(
                "Exporting weights",
                lambda _: managing.export_weights(run, Path(chosen)),
                lambda files: self.done.emit(f"Wrote {counted(len(files), 'file')} into {chosen}"),
            )

    def _on_board(self) -> None:
        runs = [row.entry.run for row in self._rows if row.entry.run is not None]
        chosen = QFileDialog.getExistingDirectory(
            self,
            "TensorBoard: choose the log folder",
            str(self._session.require_project().path / "exports"),
        )
        if chosen:
            self._do(
                "Writing TensorBoard events",
                lambda _: [managing.to_tensorboard(run, Path(chosen)) for run in runs],
                lambda made: self.done.emit(
                    f"Wrote {counted(len(made), 'run')}; look with: tensorboard --logdir {chosen}"
                ),
            )

    # What is asked for twice.

    def _on_clean(self) -> None:
        rows = self._rows
        freed = sum(row.details.removable for row in rows if row.details)
        self._ask(
            f"Free {byte_size(freed)} of {_names(rows)}? All checkpoints go but for the newest and"
            " the best; weights and predictions stay, and it can still be resumed.",
            f"Free {byte_size(freed)}",
            lambda: self._remove(rows, managing.clean, "Freed {} of checkpoints"),
        )

    def _on_delete(self) -> None:
        rows = self._rows
        freed = sum(row.details.size.total for row in rows if row.details)
        text = (
            f"Delete {_names(rows)} for good? This frees {byte_size(freed)}. Points that were"
            " accepted from it stay, with where they came from."
        )
        if self._shown_of(rows):
            text += " It is shown now: the views go back to the detections."
        self._ask(text, "Delete", lambda: self._delete(rows))

    def _delete(self, rows: list[Row]) -> None:
        if self._shown_of(rows):
            self._session.set_source(None)
        compared = self._session.compared
        if compared is not None and compared.name in {row.entry.id for row in rows}:
            self._session.set_compared(None)
        self._remove(rows, managing.delete, "Deleted; {} freed")

    def _shown_of(self, rows: list[Row]) -> bool:
        """Whether one of them is shown, or answers what the shown one has not predicted."""
        ids = {row.entry.id for row in rows}
        source = self._session.source
        while source is not None and source.name not in ids:
            source = source.over if isinstance(source, RunSource) else None
        return source is not None

    def _remove(self, rows: list[Row], remove: Callable[[Any], int], told: str) -> None:
        runs = [row.entry.run for row in rows if row.entry.run is not None]

        def work(progress: Callable[[int, int], bool]) -> int:
            freed = 0
            for number, run in enumerate(runs):
                if not progress(number, len(runs)):
                    break
                freed += remove(run)
            return freed

        def done(freed: int) -> None:
            self.done.emit(told.format(byte_size(freed)))

        self._do("Removing", work, done)

    def _ask(self, text: str, yes: str, then: Callable[[], None]) -> None:
        self.asked.setText(text)
        self.yes.setText(yes)
        self._confirmed = then
        self.question.setVisible(True)
        self.no.setFocus()

    def _on_yes(self) -> None:
        then = self._confirmed
        self._withdraw()
        if then is not None:
            then()

    def _withdraw(self) -> None:
        self._confirmed = None
        self.question.setVisible(False)


def _names(rows: list[Row]) -> str:
    if len(rows) > 2:
        return counted(len(rows), "run")
    return " and ".join(f"“{row.entry.name}”" for row in rows)


def wrapped(text: str = "", *, is_muted: bool = True) -> QLabel:
    """Text that wraps and can be copied."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setProperty("muted", is_muted)
    return label
