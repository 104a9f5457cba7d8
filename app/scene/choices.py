"""The button in the 3D viewer's corner: which views a drag in space moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QToolButton

from app.icons import icon
from app.theme import GRID_PX
from core.labelling import VIEW_CHOICES

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget

    from app.theme import Theme
    from core.labelling import ViewChoice

CHOICE_TITLES: dict[ViewChoice, str] = {
    "free": "Views without a hand label",
    "hand": "Views with a hand label",
    "camera": "The focused camera's view",
    "all": "All views",
}
# The viewer is small: as little of it as possible is covered.
_SHORT: dict[ViewChoice, str] = {
    "free": "moves other views",
    "hand": "moves hand views",
    "camera": "moves one view",
    "all": "moves all views",
}
_TIPS: dict[ViewChoice, str] = {
    "free": "Hand labels stay where they are.",
    "hand": "Only hand labels move.",
    "camera": "Only one view changes, by hand or not.",
    "all": "Hand labels move too, and stay hand labels.",
}
_ICON = "mdi6.cube-send"


class ViewChoiceButton(QToolButton):
    """Tells the choice, and offers the others in a menu.

    Args:
        parent: the viewer, in whose corner it stands.
        chosen: told what the user chose.
    """

    def __init__(self, parent: QWidget, chosen: Callable[[ViewChoice], None]) -> None:
        super().__init__(parent)
        self._viewer = parent
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setIconSize(QSize(2 * GRID_PX, 2 * GRID_PX))
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._actions: dict[ViewChoice, QAction] = {}
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        menu.addSection("A drag in 3D moves the labels of")
        group = QActionGroup(menu)
        for choice in VIEW_CHOICES:
            action = menu.addAction(CHOICE_TITLES[choice])
            action.setCheckable(True)
            action.setToolTip(_TIPS[choice])
            action.setData(choice)
            group.addAction(action)
            self._actions[choice] = action
        menu.triggered.connect(lambda action: chosen(action.data()))
        self.setMenu(menu)
        self.show_choice("free")

    def show_choice(self, choice: ViewChoice) -> None:
        """Say what is chosen."""
        self._actions[choice].setChecked(True)
        title = CHOICE_TITLES[choice]
        self.setText(_SHORT[choice])
        self.setToolTip(
            f"A drag of the selected joint in 3D moves: {title[0].lower()}{title[1:]}."
            f" {_TIPS[choice]}"
        )
        self.adjustSize()
        self.stand_in_corner()

    def stand_in_corner(self) -> None:
        """Upper right, over what is painted."""
        self.move(max(self._viewer.width() - self.width() - GRID_PX, 0), GRID_PX)
        self.raise_()

    def set_theme(self, theme: Theme) -> None:
        """Draw the icon in the theme's colours."""
        self.setIcon(icon(_ICON, theme))
        self.adjustSize()
        self.stand_in_corner()
