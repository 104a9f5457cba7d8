"""The bar above the views: where the window is, and how frames are triangulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSignalBlocker, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSpinBox,
    QToolBar,
    QToolButton,
    QWidget,
)

from app.curation.source_chooser import SourceChooser
from app.format import counted, joint_name
from app.retrain import RetrainButton
from app.theme import GRID_PX, person_pixmap

if TYPE_CHECKING:
    from PySide6.QtGui import QAction, QResizeEvent

    from app.runs import RunWatch
    from app.session import Session
    from app.state import Cursor

_NAME_PX = 160
_ROOMY_PX = 1400

_WEIGHTINGS = {
    "consensus": "Consensus: all views vote for the hypothesis of each pair (the tool's default)",
    "pairwise": "Pairwise: the paper's weights, from each pair's distance to their median",
    "none": "None: plain triangulation, every view counts the same",
}


class NumberField(QSpinBox):
    """A number that gives the keys back to the window once it was entered.

    While it has the focus it takes letters, so that D would no longer be the next frame.
    """

    def event(self, event: QEvent) -> bool:
        """Keep Return, which is a command of the window elsewhere."""
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return enters, Escape takes back; both leave."""
        if event.key() == Qt.Key.Key_Escape:
            self.lineEdit().setText(self.textFromValue(self.value()))
            self.clearFocus()
            return
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.clearFocus()


def _toggle(action: QAction) -> QToolButton:
    """A button that stays down while a command is on."""
    action.setCheckable(True)
    button = QToolButton()
    button.setDefaultAction(action)
    button.setAutoRaise(True)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button


class ContextBar(QToolBar):
    """Project, frame, person, joint and weighting; each can be read and changed here."""

    def __init__(self, session: Session, actions: dict[str, QAction], watch: RunWatch) -> None:
        super().__init__("Context")
        self.setObjectName("context_bar")
        self.setMovable(False)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self._session = session
        self._captions: list[QLabel] = []
        self._project_name = QLabel()
        self._project_name.setMargin(GRID_PX // 2)
        self._project_actions = [
            actions[name]
            for name in (
                "previous_frame",
                "play",
                "next_frame",
                "grid",
                "frame_person",
                "reset_zoom",
            )
        ]
        self.addAction(actions["open"])
        self.addWidget(self._project_name)
        self.addSeparator()
        for name in ("previous_frame", "play", "next_frame"):
            self.addAction(actions[name])
        self.frame = self._make_frame_field()
        self._num_frames = QLabel()
        self.person = self._make_choice("Person (Tab)", 4)
        self.joint = self._make_choice("Joint (W, S)", 11)
        self.weighting = self._make_choice("How views are weighted", 8)
        for name, tip in _WEIGHTINGS.items():
            self.weighting.addItem(name, name)
            self.weighting.setItemData(self.weighting.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        # These say what they are without a caption, and 1280 pixels have no room for one.
        self._add("", self.frame, self._num_frames)
        self._add("", self.person, self.joint)
        self.source = SourceChooser(session)
        self._add("Shown", self.source, _toggle(actions["follow_training"]))
        self._add("Weighting", self.weighting)
        spring = QWidget()
        spring.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.addWidget(spring)
        self.retrain = RetrainButton(session, watch)
        self.addWidget(self.retrain)
        # What is set once a day stands in the menus alone.
        for name in ("grid", "frame_person", "reset_zoom", "keys"):
            self.addAction(actions[name])
        self.frame.valueChanged.connect(session.set_frame_number)
        self.person.activated.connect(self._on_person_chosen)
        self.joint.activated.connect(lambda row: session.select(joint=row))
        self.weighting.activated.connect(
            lambda row: session.set_settings(weighting=self.weighting.itemData(row))
        )
        session.project_changed.connect(self._on_project_changed)
        session.cursor_changed.connect(self._on_cursor_changed)
        session.edited.connect(lambda _change: self._show_persons())
        session.taken_up.connect(lambda _frames: self._show_persons())
        session.settings_changed.connect(self._show_settings)
        self._on_project_changed()

    def _make_frame_field(self) -> QSpinBox:
        field = NumberField()
        field.setButtonSymbols(NumberField.ButtonSymbols.NoButtons)
        field.setKeyboardTracking(False)
        field.setAlignment(Qt.AlignmentFlag.AlignRight)
        field.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        field.setAccessibleName("Frame number")
        return field

    def _make_choice(self, tip: str, num_characters: int) -> QComboBox:
        choice = QComboBox()
        choice.setToolTip(tip)
        choice.setAccessibleName(tip)
        choice.setMinimumContentsLength(num_characters)
        choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        choice.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return choice

    def _add(self, caption: str, *widgets: QWidget) -> None:
        group = QWidget()
        row = QHBoxLayout(group)
        row.setContentsMargins(GRID_PX, 0, 0, 0)
        row.setSpacing(GRID_PX // 2)
        if caption:
            label = QLabel(caption)
            label.setProperty("muted", True)
            row.addWidget(label)
            self._captions.append(label)
        for widget in widgets:
            row.addWidget(widget)
        self.addWidget(group)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Captions where there is room for them: the fields have tooltips."""
        for caption in self._captions:
            caption.setVisible(event.size().width() >= _ROOMY_PX)
        super().resizeEvent(event)

    def _on_project_changed(self) -> None:
        project = self._session.project
        is_open = project is not None
        for widget in (self.frame, self.person, self.joint, self.weighting):
            widget.setEnabled(is_open)
        for action in self._project_actions:
            action.setEnabled(is_open)
        name = project.name if project is not None else "No project"
        metrics = self._project_name.fontMetrics()
        self._project_name.setText(metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, _NAME_PX))
        self._project_name.setToolTip(str(project.path) if project is not None else "")
        with QSignalBlocker(self.joint), QSignalBlocker(self.frame):
            self.joint.clear()
            if project is not None:
                self.joint.addItems([joint_name(name) for name in project.skeleton.joints])
                first = project.first_frame_number
                last = first + project.num_frames - 1
                self.frame.setRange(first, last)
                # "of 119" would be one frame short where the first is 0.
                self._num_frames.setText(
                    f"of {last:,}" if first == 1 else f"of {first:,} … {last:,}"
                )
                self._num_frames.setToolTip(counted(project.num_frames, "frame"))
            else:
                self._num_frames.setText("")
        self._show_persons()

    def _on_cursor_changed(self, old: Cursor, new: Cursor) -> None:
        with QSignalBlocker(self.frame):
            self.frame.setValue(self._session.frame_number)
        if new.frame != old.frame or new == old or self.person.findData(new.person) < 0:
            self._show_persons()
        self.person.setCurrentIndex(self.person.findData(new.person))
        self.joint.setCurrentIndex(-1 if new.joint is None else new.joint)

    def _show_persons(self) -> None:
        observations = self._session.observations
        persons = observations.persons if observations is not None else ()
        selected = self._session.cursor.person
        if selected is not None and observations is not None and selected not in persons:
            persons = (*persons, selected)  # new, or not in this frame
        shown = tuple(self.person.itemData(row) for row in range(self.person.count()))
        if shown != persons:
            self.person.clear()
            for person in persons:
                self.person.addItem(person_pixmap(person), f"#{person}", person)
        self.person.setCurrentIndex(self.person.findData(selected))

    def _show_settings(self) -> None:
        self.weighting.setCurrentIndex(self.weighting.findData(self._session.settings.weighting))

    def _on_person_chosen(self, row: int) -> None:
        self._session.select(person=self.person.itemData(row))
