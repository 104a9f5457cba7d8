"""The one visual language: who is a colour, how much is viridis, red is a problem.

Every panel, the 3D viewer, the plots and `trilabel shot` take their colours and sizes from here
and from nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from PySide6.QtGui import QColor, QFont, QPainter, QPalette, QPixmap

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PySide6.QtWidgets import QApplication

ThemeName = Literal["dark", "light"]

GRID_PX = 8
SMALL_PT, BODY_PT, TITLE_PT = 8.5, 10.0, 12.0

# Twelve hues that stay apart under the common colour-vision deficiencies, at like lightness on both
# backgrounds; red is absent on purpose.
_PERSON_COLORS = (
    "#4c9be8",
    "#e8a33d",
    "#3fb68b",
    "#b98ae0",
    "#8fc93a",
    "#e07fb0",
    "#2fb5c7",
    "#c9a227",
    "#7d8ff0",
    "#d98a5b",
    "#5fbf5f",
    "#a6a6b8",
)

# Ten samples of viridis from little to much.
_VIRIDIS = (
    "#440154",
    "#482878",
    "#3e4989",
    "#31688e",
    "#26828e",
    "#1f9e89",
    "#35b779",
    "#6ece58",
    "#b5de2b",
    "#fde725",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """Colours of one appearance, as #rrggbb.

    Attributes:
        window: background of the window and docks.
        canvas: behind pictures and in the 3D viewer.
        panel: raised surfaces: cards, inputs, title strips.
        line: hairlines, grid, borders.
        text, muted: first and second level of text.
        accent: selection and focus; never a person's or a quantity's colour.
        problem: discarded, degenerate, failed.
    """

    name: ThemeName
    window: str
    canvas: str
    panel: str
    line: str
    text: str
    muted: str
    accent: str
    problem: str


DARK = Theme(
    name="dark",
    window="#1e1f22",
    canvas="#141517",
    panel="#2a2c30",
    line="#3b3e44",
    text="#e6e7e9",
    muted="#9a9ea6",
    accent="#f2f2f2",
    problem="#ff5c57",
)
LIGHT = Theme(
    name="light",
    window="#f4f5f6",
    canvas="#dfe1e4",
    panel="#ffffff",
    line="#c6c9ce",
    text="#1d1f23",
    muted="#5f646d",
    accent="#111216",
    problem="#d3302b",
)
THEMES: dict[ThemeName, Theme] = {"dark": DARK, "light": LIGHT}


def person_color(person: int) -> QColor:
    """The colour of a person, the same in every panel; it repeats after twelve ids."""
    return QColor(_PERSON_COLORS[person % len(_PERSON_COLORS)])


def person_pixmap(person: int, size: int = 10) -> QPixmap:
    """A dot of the person's colour, for lists."""
    pixmap = QPixmap(size, size)
    pixmap.fill(QColor(0, 0, 0, 0))
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QColor(0, 0, 0, 0))
    painter.setBrush(person_color(person))
    painter.drawEllipse(0, 0, size, size)
    painter.end()
    return pixmap


def quantity_color(value: float) -> QColor:
    """Viridis at ``value`` in [0, 1] (clipped; NaN gives the low end)."""
    clipped = min(max(value, 0.0), 1.0) if value == value else 0.0  # noqa: PLR0124 - NaN test
    position = clipped * (len(_VIRIDIS) - 1)
    low = min(int(position), len(_VIRIDIS) - 2)
    part = position - low
    first, second = QColor(_VIRIDIS[low]), QColor(_VIRIDIS[low + 1])
    mixed = [
        round(a + (b - a) * part)
        for a, b in zip(first.getRgb()[:3], second.getRgb()[:3], strict=True)  # pyright: ignore[reportIndexIssue, reportArgumentType]
    ]
    return QColor(*mixed)


def quantity_ink(value: float) -> QColor:
    """The text colour that reads best on `quantity_color` of the same value."""
    return QColor("#101114" if value > 0.55 else "#f4f5f6")


def theme_named(name: str) -> Theme:
    """The theme of a display setting."""
    return LIGHT if name == "light" else DARK


@cache
def quantity_table() -> NDArray[np.uint32]:
    """(256,) viridis as 0xffRRGGBB, for images of many values."""
    return np.array([quantity_color(i / 255).rgba() for i in range(256)], dtype=np.uint32)


def font(points: float = BODY_PT, *, bold: bool = False) -> QFont:
    """The interface's font at a step of the type scale."""
    result = QFont()
    result.setPointSizeF(points)
    result.setBold(bold)
    return result


def apply_theme(application: QApplication, theme: Theme) -> None:
    """Give the whole application this appearance."""
    if not application.styleSheet():
        # The first time only: each goes through all widgets of an open window again.
        application.setStyle("Fusion")
        application.setFont(font())
    palette = QPalette()
    role = QPalette.ColorRole
    for key, color in (
        (role.Window, theme.window),
        (role.Base, theme.panel),
        (role.AlternateBase, theme.window),
        (role.Button, theme.panel),
        (role.ToolTipBase, theme.panel),
        (role.WindowText, theme.text),
        (role.Text, theme.text),
        (role.ButtonText, theme.text),
        (role.ToolTipText, theme.text),
        (role.PlaceholderText, theme.muted),
        (role.BrightText, theme.problem),
        (role.Highlight, "#3a6ea5"),
        (role.HighlightedText, "#ffffff"),
        (role.Link, "#4c9be8"),
        (role.Light, theme.line),
        (role.Midlight, theme.line),
        (role.Mid, theme.line),
        (role.Dark, theme.canvas),
        (role.Shadow, theme.canvas),
    ):
        palette.setColor(key, QColor(color))
    for key in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, key, QColor(theme.muted))
    application.setPalette(palette)
    application.setStyleSheet(_style_sheet(theme))


def _style_sheet(theme: Theme) -> str:
    return f"""
    QLabel[muted="true"] {{ color: {theme.muted}; }}
    QMainWindow::separator {{ background: {theme.line}; width: 1px; height: 1px; }}
    QDockWidget {{ titlebar-close-icon: none; color: {theme.muted}; }}
    QDockWidget::title {{ background: {theme.window}; padding: 4px 8px; }}
    QToolBar {{ background: {theme.window}; border: 0; spacing: 4px; padding: 4px 8px; }}
    QStatusBar {{ background: {theme.window}; color: {theme.muted}; }}
    QStatusBar::item {{ border: 0; }}
    QToolTip {{ background: {theme.panel}; color: {theme.text}; border: 1px solid {theme.line}; }}
    QMenu {{ background: {theme.panel}; border: 1px solid {theme.line}; padding: 4px 0; }}
    QMenu::item {{ padding: 4px 24px 4px 32px; }}
    QMenu::icon {{ left: 8px; }}
    QMenu::item:selected {{ background: #3a6ea5; color: white; }}
    QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
    QTabWidget::pane {{ border: 0; border-top: 1px solid {theme.line}; }}
    QTabBar {{ qproperty-drawBase: 0; }}
    QLabel[problem="true"] {{ color: {theme.problem}; }}
    QPushButton[choice="true"] {{
        padding: 4px 16px; border: 1px solid {theme.line}; border-radius: 3px;
        background: {theme.panel};
    }}
    QPushButton[choice="true"]:hover, QPushButton[choice="true"]:focus {{ border-color: #4c9be8; }}
    QPushButton[choice="true"]:checked {{
        background: #3a6ea5; color: white; border-color: #3a6ea5;
    }}
    QPushButton[recent="true"] {{
        text-align: left; padding: 4px 8px; border: 1px solid {theme.line}; border-radius: 3px;
        background: {theme.panel};
    }}
    QPushButton[recent="true"]:hover, QPushButton[recent="true"]:focus {{
        border-color: #4c9be8;
    }}
    QTabBar::tab {{ background: {theme.window}; color: {theme.muted}; padding: 4px 12px; }}
    QTabBar::tab:selected {{ color: {theme.text}; border-bottom: 2px solid #4c9be8; }}
    QTabBar::tab:hover {{ color: {theme.text}; }}
    """
