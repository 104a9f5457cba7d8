"""The panels of the window and where they stand: one line a panel.

Right of the views stand two groups of tabs, above what shows the scene (3D, and what else is drawn
on the court), below what tells about it and works on it (Inspector, History, …); the timeline lies
under everything. A group's tabs are its title: a title bar of its own would say the same again and
cost a row of text, and 1280x720 has none to spare. A tab can be dragged out; floating, the panel
has a title bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QDockWidget, QMainWindow, QTabBar, QTabWidget, QWidget

from app.curation import CuratePanel, QueuePanel
from app.history_panel import HistoryPanel
from app.inspector import Inspector
from app.rounds import RoundPanel
from app.runs.panel import RunPanel
from app.runs.round_slider import RoundSlider
from app.scene import SceneView
from app.timeline import Timeline
from app.tracks import TracksPanel
from app.views import ViewGrid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.runs import RunWatch
    from app.session import Session

Group = Literal["scene", "work", "time"]

_RIGHT, _BOTTOM = Qt.DockWidgetArea.RightDockWidgetArea, Qt.DockWidgetArea.BottomDockWidgetArea
# Shares of the window's width and height that the groups get first.
_RIGHT_WIDTH = 0.34
_SCENE_HEIGHT, _WORK_HEIGHT, _TIME_HEIGHT = 0.35, 0.43, 0.212


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel in a dock: its title (also of its tab), what is in it, and in which group."""

    title: str
    widget: QWidget
    group: Group


class Panels:
    """Every panel; each knows only the session, those about runs also who follows them."""

    def __init__(self, session: Session, watch: RunWatch) -> None:
        self.views = ViewGrid(session)
        self.scene = SceneView(session)
        self.tracks = TracksPanel(session)
        self.inspector = Inspector(session)
        self.timeline = Timeline(session)
        self.history = HistoryPanel(session)
        self.curate = CuratePanel(session)
        self.queue = QueuePanel(session)
        self.runs = RunPanel(session, watch)
        self.round_slider = RoundSlider(session, watch)
        self.runs.set_foot(self.round_slider)
        self.runs.chosen.connect(self.round_slider.choose)
        self.rounds = RoundPanel(session)

    def docked(self) -> tuple[Panel, ...]:
        """What stands around the views; in the order of the tabs, the first of a group in front."""
        return (
            Panel("3D", self.scene, "scene"),
            Panel("Tracks", self.tracks, "scene"),
            Panel("Inspector", self.inspector, "work"),
            Panel("Curate", self.curate, "work"),
            Panel("Queue", self.queue, "work"),
            Panel("Runs", self.runs, "work"),
            Panel("Changes", self.rounds, "work"),
            Panel("History", self.history, "work"),
            Panel("Timeline", self.timeline, "time"),
        )


class Docks(QObject):
    """The docks of a window."""

    def __init__(self, window: QMainWindow, panels: Panels) -> None:
        super().__init__(window)
        self._window = window
        self._groups: dict[Group, list[QDockWidget]] = {"scene": [], "work": [], "time": []}
        self._barless: set[QDockWidget] = set()
        window.setDockOptions(
            QMainWindow.DockOption.AnimatedDocks
            | QMainWindow.DockOption.AllowNestedDocks
            | QMainWindow.DockOption.AllowTabbedDocks
            | QMainWindow.DockOption.GroupedDragging
        )
        window.setTabPosition(_RIGHT, QTabWidget.TabPosition.North)
        window.setCorner(Qt.Corner.BottomRightCorner, _BOTTOM)
        self._by_widget = {panel.widget: self._add(panel) for panel in panels.docked()}
        # The timeline's bar is its title: height is what the rows of a dozen people need.
        self._by_widget[panels.timeline].setTitleBarWidget(panels.timeline.head)
        for group in self._groups.values():
            for dock in group:
                dock.topLevelChanged.connect(self._title_later)
                dock.dockLocationChanged.connect(self._title_later)
                dock.visibilityChanged.connect(self._title_later)
                dock.toggleViewAction().toggled.connect(self._title_later)
        self._title_later()

    @property
    def all(self) -> Sequence[QDockWidget]:
        """In the order of `Panels.docked`."""
        return tuple(self._by_widget.values())

    def show(self, widget: QWidget) -> None:
        """Bring a panel to the front, also one that was closed."""
        dock = self._by_widget[widget]
        dock.show()
        dock.raise_()

    def arrange(self) -> None:
        """Put the panels of each group behind one another, the first in front.

        Only where no layout is restored, which has tabs of its own.
        """
        for first, *others in self._groups.values():
            for before, dock in pairwise([first, *others]):
                self._window.tabifyDockWidget(before, dock)
            first.raise_()
        self._title_later()

    def lay_out(self) -> None:
        """Give every group its first size, from the window's."""
        window = self._window
        width, height = window.width(), window.height()
        scene, work, time = (self._groups[name] for name in ("scene", "work", "time"))
        right = [scene[0], work[0]]
        window.resizeDocks(right, [round(width * _RIGHT_WIDTH)] * 2, Qt.Orientation.Horizontal)
        shares = [round(height * _SCENE_HEIGHT), round(height * _WORK_HEIGHT)]
        window.resizeDocks(right, shares, Qt.Orientation.Vertical)
        window.resizeDocks(time, [round(height * _TIME_HEIGHT)], Qt.Orientation.Vertical)

    def _title_later(self, _what: object = None) -> None:
        # Qt is in the middle of moving the dock.
        QTimer.singleShot(0, self, self._title)

    def _sweep(self) -> None:
        """Hide the tab bars that Qt has left over the window: those that belong to no tabs.

        Trap: Qt makes one more whenever a third panel joins two, and whenever it restores a layout,
        and forgets the former, which stays where it was, over whatever is there now.
        """
        bars = self._window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly)
        tabbed = [dock for dock in self.all if self._tabbed_with(dock)]
        fronts = [dock for dock in tabbed if _is_in_front(dock)]
        behind = {other for front in fronts for other in self._tabbed_with(front)}
        if behind != set(tabbed):
            return  # not all is shown yet
        # By place and not by titles: Qt takes the tab of a panel that was closed away later.
        own = [min(bars, key=lambda bar, dock=dock: _away(bar, dock)) for dock in fronts]
        for bar in bars:
            bar.setVisible(bar in own)

    def _tabbed_with(self, dock: QDockWidget) -> list[QDockWidget]:
        """A panel and those behind or before it; empty where it stands alone."""
        if dock.isFloating() or not _is_open(dock):
            return []
        others = [other for other in self._window.tabifiedDockWidgets(dock) if _is_open(other)]
        return [dock, *others] if others else []

    def _title(self) -> None:
        """Give a title bar to what has no tab."""
        self._sweep()
        for dock in [*self._groups["scene"], *self._groups["work"]]:
            is_tab = bool(self._tabbed_with(dock))
            if is_tab != (dock in self._barless):
                self._barless ^= {dock}
                dock.setTitleBarWidget(QWidget() if is_tab else None)  # pyright: ignore[reportArgumentType] - None is Qt's own bar

    def _add(self, panel: Panel) -> QDockWidget:
        dock = QDockWidget(panel.title)
        dock.setObjectName(f"dock_{panel.title.lower()}")
        dock.setWidget(panel.widget)
        # Qt keeps what is behind another tab visible, far off the screen, where it would go on
        # counting and painting. Hidden, it keeps its room, or the whole group would shrink.
        policy = panel.widget.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        panel.widget.setSizePolicy(policy)
        dock.visibilityChanged.connect(panel.widget.setVisible)
        group = self._groups[panel.group]
        self._window.addDockWidget(_BOTTOM if panel.group == "time" else _RIGHT, dock)
        group.append(dock)
        return dock


def _is_in_front(dock: QDockWidget) -> bool:
    return dock.isVisible() and not dock.visibleRegion().isEmpty()


def _away(bar: QTabBar, dock: QDockWidget) -> int:
    """How far a tab bar lies from the upper edge of a panel."""
    foot, head = bar.geometry().bottomLeft(), dock.geometry().topLeft()
    return (foot - head).manhattanLength()


def _is_open(dock: QDockWidget) -> bool:
    # Also behind another tab, where it is not visible.
    return dock.toggleViewAction().isChecked()
