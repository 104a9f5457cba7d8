"""What a training would use, said before it is started: counted by the job of `retrain_inputs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFormLayout, QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.format import counted
from app.icons import icon
from app.theme import GRID_PX, font, theme_named

if TYPE_CHECKING:
    from app.session import Session
    from core.retraining.inputs import RetrainInputs
    from core.retraining.used import UsedLabels

_ICON = 16
_MAX_PEOPLE = 8
_EMPTY = "–"
_CAPTIONS = {
    "labels": "Labels by hand",
    "accepted": "Accepted points",
    "unlabelled": "Unlabelled",
    "held_out": "Kept for evaluation",
    "rejected": "Rejected, left out",
    "start": "Starts from",
    "content": "Fingerprint",
}


class InputsCard(QWidget):
    """Figures, notes and warnings; all of it can be selected and copied."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._values = {name: _value() for name in _CAPTIONS}
        title = QLabel("What it will use")
        title.setFont(font(bold=True))
        self._state = QLabel()
        self._state.setProperty("muted", True)
        head = QHBoxLayout()
        head.addWidget(title)
        head.addStretch()
        head.addWidget(self._state)
        form = QFormLayout()
        form.setHorizontalSpacing(2 * GRID_PX)
        form.setVerticalSpacing(GRID_PX)
        for name, caption in _CAPTIONS.items():
            label = QLabel(caption)
            label.setProperty("muted", True)
            form.addRow(label, self._values[name])
        self.warnings = _Notes(session)
        self.notes = _value()
        self.notes.setProperty("muted", True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX)
        column.addLayout(head)
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        column.addWidget(line)
        column.addLayout(form)
        column.addWidget(self.warnings)
        column.addWidget(self.notes)
        column.addStretch(1)

    def value(self, name: str) -> str:
        """What is said under one of the captions."""
        return self._values[name].text()

    def wait(self) -> None:
        """It is being counted; what was said before stays until then."""
        self._state.setText("counting…")

    def show_inputs(self, inputs: RetrainInputs) -> None:
        """Say what was found."""
        self._state.setText("")
        used = inputs.used
        for name, text in _texts(inputs, used).items():
            self._values[name].setText(text)
        self._values["content"].setToolTip(
            "A hash of exactly the labels learned from: the same labels, the same hash."
        )
        everybody = ", ".join(f"#{one}" for one in inputs.test_people)
        self._values["held_out"].setToolTip(f"Test people: {everybody}" if everybody else "")
        self._values["start"].setToolTip(inputs.start.detail)
        self.warnings.say(inputs.warnings)
        self.notes.setText("\n".join(inputs.further_notes))

    def show_problem(self, text: str) -> None:
        """It cannot be told; why is said below, beside Start."""
        self._state.setText("")
        for value in self._values.values():
            value.setText(_EMPTY)
        self.warnings.say(())
        self.notes.setText(text)


class _Notes(QWidget):
    """Lines with a sign before them."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.texts: tuple[str, ...] = ()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(GRID_PX // 2)

    def say(self, texts: tuple[str, ...]) -> None:
        """Show these, or none."""
        self.texts = texts
        while (item := self._column.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        theme = theme_named(self._session.display.theme)
        sign = icon("mdi6.alert-outline", theme).pixmap(QSize(_ICON, _ICON))
        for text in texts:
            line = QWidget()
            row = QHBoxLayout(line)
            row.setContentsMargins(0, 0, 0, 0)
            picture = QLabel()
            picture.setPixmap(sign)
            row.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
            label = _value()
            label.setText(text)
            row.addWidget(label, 1)
            self._column.addWidget(line)
        self.setVisible(bool(texts))


def _texts(inputs: RetrainInputs, used: UsedLabels) -> dict[str, str]:
    return {
        "labels": _hand(used),
        "accepted": (
            f"{counted(used.accepted_points, 'point')} in {counted(used.accepted_frames, 'frame')}"
            if used.accepted_points
            else "none"
        ),
        "unlabelled": (
            f"{used.unlabelled_groups:,} poses in {counted(used.unlabelled_frames, 'frame')}"
            if used.unlabelled_groups
            else "none"
        ),
        "held_out": _held_out(inputs, used),
        "rejected": counted(used.rejected_joints, "joint") if used.rejected_joints else "none",
        "start": inputs.start.detail if inputs.start.exists else f"{inputs.start.title}: missing",
        "content": used.content_hash or "no labels",
    }


def _hand(used: UsedLabels) -> str:
    parts: list[str] = []
    if used.hand_joints:
        parts.append(f"{counted(used.hand_joints, 'joint')} in views")
    if used.space_joints:
        parts.append(f"{counted(used.space_joints, 'joint')} in space")
    if not parts:
        return "none"
    people = "1 person" if used.hand_persons == 1 else f"{used.hand_persons} people"
    return f"{', '.join(parts)}; {people}, {counted(used.hand_frames, 'frame')}"


def _held_out(inputs: RetrainInputs, used: UsedLabels) -> str:
    if not used.held_out_groups:
        return "none"
    people = inputs.test_people
    named = ", ".join(f"#{one}" for one in people[:_MAX_PEOPLE])
    more = " …" if len(people) > _MAX_PEOPLE else ""
    who = f"; test people {named}{more}" if people else ""
    return f"{used.held_out_groups:,} poses in {counted(used.held_out_frames, 'frame')}{who}"


def _value() -> QLabel:
    label = QLabel(_EMPTY)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
