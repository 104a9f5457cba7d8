"""Swap left and right over a range of frames: a network that confuses them does so for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.format import counted
from app.jobs import Job
from app.theme import GRID_PX
from core.errors import CommandRefusedError
from core.labelling import swapped_sides

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.session import Session
    from core.project import Edit


class SwapSidesDialog(QDialog):
    """From, to, and in which view; one undoable step."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        """Begin at the cursor's frame, in the cursor's view.

        Raises:
            CommandRefusedError: no project is open, or nobody is selected.
        """
        super().__init__(parent)
        self._session = session
        self._project, self._source = session.require_project(), session.source
        person = session.cursor.person
        if person is None:
            raise CommandRefusedError("Select a person first: click a joint, or press Tab.")
        self._person = person
        self._job: Job | None = None
        self.setWindowTitle(f"Swap left and right of #{person}")
        first = self._project.first_frame_number
        self.start, self.last = QSpinBox(), QSpinBox()
        for field in (self.start, self.last):
            field.setRange(first, first + self._project.num_frames - 1)
            field.setValue(session.frame_number)
            field.valueChanged.connect(self._on_changed)
        self.views = QComboBox()
        for camera, name in enumerate(self._project.rig.names):
            self.views.addItem(f"only in {name}", camera)
        self.views.addItem("in all views")
        self.views.setCurrentIndex(session.cursor.camera)
        self.note = QLabel()
        self.note.setProperty("muted", True)
        form = QFormLayout()
        form.addRow("From frame", self.start)
        form.addRow("to frame", self.last)
        form.addRow("Where", self.views)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.swap_button = QPushButton("Swap")
        buttons.addButton(self.swap_button, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self._swap)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[2 * GRID_PX] * 4)
        column.addLayout(form)
        column.addWidget(self.note)
        column.addWidget(buttons)
        self.setMinimumWidth(40 * GRID_PX)
        self._on_changed()

    def reject(self) -> None:
        """Stop what is being read, and close."""
        if self._job is not None:
            self._job.cancel()
        super().reject()

    def _on_changed(self) -> None:
        count = self.last.value() - self.start.value() + 1
        self.swap_button.setEnabled(count > 0)
        text = f"{counted(count, 'frame')}, one step to undo." if count > 0 else "To is before from"
        self.note.setText(text)

    def _swap(self) -> None:
        project, source = self._project, self._source
        assert source is not None
        first = project.first_frame_number
        frames = range(self.start.value() - first, self.last.value() - first + 1)
        camera = self.views.currentData()
        cameras = list(range(len(project.rig))) if camera is None else [int(camera)]

        def read(progress: Callable[[int, int], bool]) -> Edit | None:
            seen = []
            for number, frame in enumerate(frames):
                seen.append(source.observations(frame))
                if not progress(number + 1, len(frames)):
                    return None
            name = f"Swap left and right of #{self._person}, {counted(len(frames), 'frame')},"
            return swapped_sides(seen, project.skeleton, self._person, cameras=cameras, name=name)

        self.swap_button.setEnabled(False)
        job = Job("Reading the frames", read, self)
        job.progressed.connect(
            lambda done, total, _left: self.note.setText(f"Reading frame {done:,} of {total:,}")
        )
        job.finished.connect(self._on_read)
        job.failed.connect(self._on_refused)
        self._job = job
        job.start()

    def _on_read(self, edit: Edit) -> None:
        try:
            self._session.apply(edit)
        except CommandRefusedError as error:
            self._on_refused(str(error))
        else:
            self.accept()

    def _on_refused(self, text: str) -> None:
        self.note.setText(text)
        self.swap_button.setEnabled(True)
