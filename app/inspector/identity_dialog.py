"""Let two people change places in one camera: who, where, how far, and what is in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from app.format import counted
from app.inspector.work_bar import WorkBar
from app.theme import GRID_PX, person_pixmap
from core.curation.identities import swap_conflicts
from core.diagnosis import diagnose_identity
from core.errors import CommandRefusedError
from core.project import SwapIdentities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.session import Session
    from core.curation.identities import SwapConflict
    from core.diagnosis import SwapSuggestion

_WIDTH_PX = 460
_MOST_LISTED = 4
_WORDS = {
    "labels": "{joints} of #{person} labelled by hand in this view",
    "locked": "{joints} of #{person} locked",
    "accepted": "{joints} of #{person} accepted",
}


class IdentityDialog(QDialog):
    """Scope: this frame, forward, backward, or the span that the residuals ask for."""

    def __init__(
        self,
        session: Session,
        suggestion: SwapSuggestion | None = None,
        parent: QWidget | None = None,
    ) -> None:
        """Begin with a suggestion, or with the selected person in the selected camera.

        Raises:
            CommandRefusedError: no project is open, it is read-only, or nobody is selected.
        """
        super().__init__(parent)
        self._session = session
        self._project = session.require_project()
        if self._project.read_only:
            raise CommandRefusedError(f"Read-only: {self._project.read_only_reason}.")
        self._suggestion = suggestion
        self.setWindowTitle("Swap two people in one camera")
        self.setMinimumWidth(_WIDTH_PX)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[2 * GRID_PX] * 4)
        column.setSpacing(GRID_PX)
        self.found = QLabel()
        self.found.setWordWrap(True)
        column.addWidget(self.found)
        column.addLayout(self._make_form())
        column.addLayout(self._make_scopes())
        self.move_labels = QCheckBox("Labels and mutes in this view change places too")
        self.preview = QLabel()
        self.preview.setWordWrap(True)
        self.preview.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.preview.setMinimumHeight(6 * 16)
        self.work = WorkBar(session, "Find the span", Qt.FocusPolicy.TabFocus)
        for widget in (self.move_labels, self.preview, self.work):
            column.addWidget(widget)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.swap = QPushButton("Swap")
        self.swap.setDefault(True)
        self.buttons.addButton(self.swap, QDialogButtonBox.ButtonRole.AcceptRole)
        column.addWidget(self.buttons)
        self.work.button.setAutoDefault(False)
        self._connect()
        self._begin()
        self.swap.setFocus()

    def _make_form(self) -> QGridLayout:
        form = QGridLayout()
        form.setHorizontalSpacing(2 * GRID_PX)
        self.camera, self.person, self.other = QComboBox(), QComboBox(), QComboBox()
        for name in self._project.rig.names:
            self.camera.addItem(name)
        for box in (self.person, self.other):
            for person in self._project.persons:
                box.addItem(person_pixmap(person), f"#{person}", person)
        rows = (("In", self.camera), ("Person", self.person), ("with", self.other))
        for row, (caption, widget) in enumerate(rows):
            form.addWidget(QLabel(caption), row, 0)
            form.addWidget(widget, row, 1)
        form.setColumnStretch(1, 1)
        return form

    def _make_scopes(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(GRID_PX // 2)
        self.scopes = QButtonGroup(self)
        self.span, self.this = QRadioButton(), QRadioButton()
        self.forward, self.backward = QRadioButton(), QRadioButton()
        for button in (self.span, self.this, self.forward, self.backward):
            self.scopes.addButton(button)
            column.addWidget(button)
        number, first = self._session.frame_number, self._project.first_frame_number
        last = first + self._project.num_frames - 1
        self.this.setText(f"This frame only ({number})")
        self.forward.setText(f"From here forward ({number} to {last})")
        self.backward.setText(f"From here backward ({first} to {number})")
        return column

    def _connect(self) -> None:
        for box in (self.camera, self.person, self.other):
            box.activated.connect(self._on_chosen)
        self.scopes.buttonClicked.connect(self._show_preview)
        self.move_labels.toggled.connect(self._show_preview)
        self.work.button.clicked.connect(self._look)
        self.swap.clicked.connect(self._do)
        self.buttons.rejected.connect(self.reject)
        self.finished.connect(self.work.cancel)

    def _begin(self) -> None:
        cursor, suggestion = self._session.cursor, self._suggestion
        if suggestion is not None:
            self._take(suggestion)
            if suggestion.stop - suggestion.start == 1:
                self._look()  # of one frame only so far
            return
        if cursor.person is None:
            raise CommandRefusedError("Select a person first: click a joint, or press Tab.")
        self._choose(cursor.camera, cursor.person, None)
        self.this.setChecked(True)
        self._show_preview()
        self._look()

    def _choose(self, camera: int, person: int, other: int | None) -> None:
        self.camera.setCurrentIndex(camera)
        self.person.setCurrentIndex(self.person.findData(person))
        if other is None:
            others = [each for each in self._here() if each != person]
            other = others[0] if others else person
        self.other.setCurrentIndex(self.other.findData(other))

    def _here(self) -> Sequence[int]:
        seen = self._session.observations
        return self._project.persons if seen is None else seen.persons

    def _take(self, suggestion: SwapSuggestion) -> None:
        self._suggestion = suggestion
        self._choose(suggestion.camera, suggestion.person, suggestion.other)
        self.span.setChecked(True)
        self._show_preview()

    def _look(self) -> None:
        """Find the span in the background; for whoever is chosen as the first of the two."""
        project, settings = self._project, self._session.settings
        frame, person = self._session.cursor.frame, int(self.person.currentData())
        self.found.setText("Looking whether the residuals of the other views ask for a swap…")
        self.work.run(
            "Looking for the swapped span",
            lambda _progress: diagnose_identity(project, settings, frame, person),
            self._on_found,
        )

    def _on_found(self, suggestion: SwapSuggestion | None) -> None:
        if suggestion is not None:
            self._take(suggestion)
            return
        self._suggestion = None
        if self.span.isChecked():
            self.this.setChecked(True)
        self._show_preview()

    def _on_chosen(self) -> None:
        self._suggestion = None
        if self.span.isChecked():
            self.this.setChecked(True)
        self._show_preview()

    @property
    def edit(self) -> SwapIdentities | None:
        """What is chosen; None where it is nobody with himself."""
        person, other = int(self.person.currentData()), int(self.other.currentData())
        if person == other:
            return None
        start, stop = self._span()
        return SwapIdentities(
            camera=self.camera.currentIndex(),
            start=start,
            stop=stop,
            person=person,
            other=other,
            move_labels=self.move_labels.isChecked(),
        )

    def _span(self) -> tuple[int, int]:
        frame, suggestion = self._session.cursor.frame, self._suggestion
        if self.span.isChecked() and suggestion is not None:
            return suggestion.start, suggestion.stop
        if self.forward.isChecked():
            return frame, self._project.num_frames
        if self.backward.isChecked():
            return 0, frame + 1
        return frame, frame + 1

    def _show_preview(self) -> None:
        suggestion, first = self._suggestion, self._project.first_frame_number
        self.span.setVisible(suggestion is not None)
        if suggestion is None:
            person = int(self.person.currentData())
            self.found.setText(
                f"The residuals ask for no swap of #{person} at this frame; it can be made all "
                "the same."
            )
        else:
            self.found.setText(suggestion.sentence(self._project.rig.names, first))
            start, last = suggestion.start + first, suggestion.stop - 1 + first
            self.span.setText(f"The span found ({start} to {last})")
        edit = self.edit
        self.swap.setEnabled(edit is not None)
        if edit is None:
            self.preview.setText("Choose two people.")
            return
        found = swap_conflicts(
            self._project, edit.camera, edit.start, edit.stop, (edit.person, edit.other)
        )
        self.move_labels.setVisible(any(each.kind == "labels" for each in found))
        frames = counted(edit.stop - edit.start, "frame")
        self.preview.setText(f"{frames} change. {self._told(found)}")

    def _told(self, found: Sequence[SwapConflict]) -> str:
        if not found:
            return "Nothing that people decided is in the way."
        first = self._project.first_frame_number
        lines = [
            f"· frame {each.frame + first}: "
            + _WORDS[each.kind].format(joints=counted(each.num_joints, "joint"), person=each.person)
            for each in found[:_MOST_LISTED]
        ]
        if len(found) > _MOST_LISTED:
            lines.append(f"· and {len(found) - _MOST_LISTED:,} more")
        stay = "Labels move along; what" if self.move_labels.isChecked() else "What"
        head = f"{stay} was reviewed stays as it is, and should be looked at again:"
        if not any(each.kind != "labels" for each in found):
            head = (
                "The labels move along:"
                if self.move_labels.isChecked()
                else "Labels stay under their names, over the swapped detections:"
            )
        return "\n".join([head, *lines])

    def _do(self) -> None:
        edit = self.edit
        assert edit is not None
        try:
            self._session.apply(edit)
        except CommandRefusedError as error:
            self.preview.setText(str(error))
            return
        self.accept()
