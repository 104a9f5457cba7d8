"""What is compared, from which distance on a joint has moved, and which kinds are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QToolButton,
    QWidget,
)

from app.curation.source_chooser import SourceChooser
from app.theme import GRID_PX
from core.curation.round_choices import identity
from core.curation.round_diff import CHANGES, Tally, Verdict
from core.curation.round_groups import GROUPINGS, VERDICT_WORDS

if TYPE_CHECKING:
    from app.rounds.comparing import Comparing
    from app.session import Session

_NOTHING = "nothing"


class BeforeChooser(QComboBox):
    """The side before: nothing, the detections, or a run's round."""

    def __init__(self, session: Session, comparing: Comparing) -> None:
        super().__init__()
        self._session = session
        self._comparing = comparing
        self.setAccessibleName("Before")
        self.setToolTip("The side before: what is shown is compared with it")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMinimumContentsLength(12)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.activated.connect(self._on_chosen)
        comparing.changed.connect(self._fill)
        session.compared_changed.connect(self._fill)
        self._fill()

    def showPopup(self) -> None:
        """Show the list, and look for what is new."""
        self._comparing.list_choices()
        super().showPopup()

    def _fill(self, _what: object = None) -> None:
        choices, compared = self._comparing.choices, self._session.compared
        titles = [_NOTHING, *(choice.title for choice in choices)]
        with QSignalBlocker(self):
            if titles != [self.itemText(row) for row in range(self.count())]:
                self.clear()
                self.addItem(_NOTHING)
                for row, choice in enumerate(choices, start=1):
                    self.addItem(choice.title)
                    self.setItemData(row, choice.detail, Qt.ItemDataRole.ToolTipRole)
                view = self.view()
                view.setMinimumWidth(view.sizeHintForColumn(0) + 4 * GRID_PX)
            current = 0
            for row, choice in enumerate(choices, start=1):
                if compared is not None and (choice.run, choice.round) == identity(compared):
                    current = row
            self.setCurrentIndex(current)

    def _on_chosen(self, row: int) -> None:
        self._comparing.compare(None if row == 0 else self._comparing.choices[row - 1])


class SidesBar(QWidget):
    """Before, an arrow, after."""

    def __init__(self, session: Session, comparing: Comparing) -> None:
        super().__init__()
        self.before = BeforeChooser(session, comparing)
        self.after = SourceChooser(session)
        self.after.setAccessibleName("After")
        self.after.setToolTip("The side after: what the window shows")
        self.after.setMinimumContentsLength(12)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        row.addWidget(self.before, 1)
        row.addWidget(QLabel("→"))
        row.addWidget(self.after, 1)


class FilterBar(QWidget):
    """From how far on a joint has moved, the kinds that are listed with their numbers, and by what.

    Signals: ``kinds_changed(kinds)``; ``by_changed(by)``. The distance is a display setting.
    """

    kinds_changed = Signal(object)
    by_changed = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.limit = QDoubleSpinBox()
        self.limit.setRange(0.0, 5000.0)
        self.limit.setDecimals(0)
        self.limit.setSingleStep(5.0)
        self.limit.setPrefix("> ")
        self.limit.setSuffix(" mm")
        self.limit.setKeyboardTracking(False)
        self.limit.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.limit.setAccessibleName("Moved further than")
        self.limit.setToolTip(
            "A joint that is kept on both sides has moved where it did so further than this"
        )
        self.kinds: dict[Verdict, QToolButton] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX // 2)
        for kind in CHANGES:
            button = self.kinds[kind] = QToolButton()
            button.setCheckable(True)
            button.setChecked(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setText(VERDICT_WORDS[kind].removeprefix("newly "))
            button.toggled.connect(self._on_toggled)
            row.addWidget(button)
            if kind == Verdict.MOVED:
                row.addWidget(self.limit)
        row.addStretch(1)
        self.by = QComboBox()
        self.by.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.by.setAccessibleName("Summed up by")
        for name in GROUPINGS:
            self.by.addItem(f"by {name}", name)
        self.by.activated.connect(lambda _row: self.by_changed.emit(self.by.currentData()))
        row.addWidget(self.by)
        self.limit.valueChanged.connect(lambda value: session.set_display(moved_mm=value))
        session.display_changed.connect(self._show_limit)
        self._show_limit()
        self.show_tally(None)

    def show_tally(self, tally: Tally | None) -> None:
        """Say how many there are of each kind, where somebody asks for it."""
        for kind, button in self.kinds.items():
            number = "" if tally is None else f"\n{_number(tally, kind):,} joints"
            button.setToolTip(_TIPS[kind] + number)

    def _show_limit(self, _display: object = None) -> None:
        with QSignalBlocker(self.limit):
            self.limit.setValue(self._session.display.moved_mm)

    def _on_toggled(self, _is_on: bool) -> None:
        chosen = tuple(kind for kind, button in self.kinds.items() if button.isChecked())
        self.kinds_changed.emit(chosen)


def _number(tally: Tally, kind: Verdict) -> int:
    return {
        Verdict.MOVED: tally.moved,
        Verdict.NEWLY_KEPT: tally.newly_kept,
        Verdict.NEWLY_DISCARDED: tally.newly_discarded,
    }[kind]


_TIPS = {
    Verdict.MOVED: "Kept before and after, and moved further than the distance beside",
    Verdict.NEWLY_KEPT: "Newly kept: discarded before, or not seen",
    Verdict.NEWLY_DISCARDED: "Newly discarded, or not seen any more: kept before",
}
