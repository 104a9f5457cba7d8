"""What clicks of feet do: for whom, in how many views, and how far they go on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QWidget,
)

from app.state import FeetMode
from app.theme import GRID_PX, person_pixmap

if TYPE_CHECKING:
    from app.session import Session
    from app.state import Cursor

_MAX_STEP = 500


class FeetBar(QWidget):
    """Begins, changes and ends the session's feet mode."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._chosen = FeetMode(person=0)
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID_PX, 0, GRID_PX, GRID_PX // 2)
        row.setSpacing(GRID_PX // 2)
        self.dot, self.who = QLabel(), QLabel()
        self.new = QPushButton("New")
        self.new.setToolTip("Place somebody who has no number yet")
        self.views = QComboBox()
        self.views.addItem("1 view", 1)
        self.views.addItem("2 views", 2)
        self.views.setToolTip(
            "1 view: the click is on the floor\n"
            "2 views: click the same feet twice, for feet in the air or a floor that is not level"
        )
        self.step = QSpinBox()
        self.step.setRange(0, _MAX_STEP)
        self.step.setPrefix("+")
        self.step.setToolTip("Frames to go on after each place")
        self.floor = QSpinBox()
        self.floor.setRange(-1000, 3000)
        self.floor.setSingleStep(5)
        self.floor.setPrefix("z ")
        self.floor.setSuffix(" cm")
        self.floor.setToolTip(
            "Level of the floor that clicks in one view are on; clicks in two views tell it"
        )
        self.fill = QCheckBox("Fill")
        self.fill.setToolTip("Fill the frames between this place and the one before")
        self.done = QPushButton("Done")
        self.done.setToolTip("Clicks select joints again  (Esc)")
        for widget in (self.new, self.views, self.fill, self.done):
            widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.step.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.floor.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        for button in (self.new, self.done):  # a push button claims 80 pixels otherwise
            button.setMaximumWidth(button.fontMetrics().horizontalAdvance(button.text()) + 20)
        chosen = (self.views, self.floor, self.step, self.fill)
        for widget in (self.dot, self.who, self.new, *chosen):
            row.addWidget(widget)
        row.addStretch()
        row.addWidget(self.done)
        self.new.clicked.connect(lambda: self.start(is_new=True))
        self.done.clicked.connect(lambda: session.set_feet_mode(None))
        self.views.activated.connect(self._change)
        self.step.valueChanged.connect(self._change)
        self.floor.valueChanged.connect(self._change)
        self.fill.toggled.connect(self._change)
        session.feet_mode_changed.connect(self._on_mode_changed)
        session.cursor_changed.connect(self._on_cursor_changed)
        self._on_mode_changed(None)

    def start(self, *, is_new: bool = False) -> None:
        """Let clicks place the selected person, or a new one.

        Raises:
            CommandRefusedError: no project is open.
        """
        project, person = self._session.require_project(), self._session.cursor.person
        if person is None or is_new:
            person = project.next_person()
        self._session.set_feet_mode(replace(self._chosen, person=person))
        self._session.select(person=person)

    def _change(self) -> None:
        mode = self._session.feet_mode
        if mode is not None:
            self._session.set_feet_mode(
                replace(
                    mode,
                    num_views=int(self.views.currentData()),
                    step=self.step.value(),
                    is_filling=self.fill.isChecked(),
                    floor_mm=10.0 * self.floor.value(),
                )
            )

    def _on_mode_changed(self, mode: FeetMode | None) -> None:
        self.setVisible(mode is not None)
        if mode is not None:
            self._chosen = mode
        chosen = self._chosen
        for widget in (self.views, self.floor, self.step, self.fill):
            widget.blockSignals(True)
        self.dot.setPixmap(person_pixmap(chosen.person))
        self.who.setText(f"#{chosen.person}")
        self.views.setCurrentIndex(self.views.findData(chosen.num_views))
        self.step.setValue(chosen.step)
        self.fill.setChecked(chosen.is_filling)
        self.floor.setValue(round(chosen.floor_mm / 10))
        for widget in (self.views, self.floor, self.step, self.fill):
            widget.blockSignals(False)

    def _on_cursor_changed(self, _old: Cursor, new: Cursor) -> None:
        mode = self._session.feet_mode
        if mode is not None and new.person is not None and new.person != mode.person:
            self._session.set_feet_mode(replace(mode, person=new.person))
