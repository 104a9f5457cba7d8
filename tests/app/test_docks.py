"""The panels around the views: where they come back, and that no tab bar lies about."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QTabBar

from app.main_window import MainWindow
from app.preferences import Preferences

_GROUPS = [["3D", "Tracks"], ["Inspector", "Curate", "Queue", "Runs", "Changes", "History"]]


@pytest.fixture
def open_window(qtbot, tmp_path):
    """Opens windows that remember their layout in one file."""

    def make():
        window = MainWindow(preferences=Preferences(tmp_path / "preferences.ini"))
        qtbot.addWidget(window)
        window.resize(1600, 900)
        window.show()
        qtbot.waitExposed(window)
        return window

    return make


def tab_bars(window):
    bars = window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly)
    shown = [bar for bar in bars if bar.isVisible()]
    return sorted([bar.tabText(index) for index in range(bar.count())] for bar in shown)


def test_there_is_one_tab_bar_a_group_at_first_and_when_coming_back(qtbot, open_window):
    for _ in range(2):
        window = open_window()
        qtbot.waitUntil(lambda window=window: tab_bars(window) == _GROUPS, timeout=5_000)
        window.docks.show(window.panels.queue)
        window.close()
    window = open_window()
    qtbot.waitUntil(window.panels.queue.isVisible, timeout=5_000)


def test_a_layout_of_other_panels_is_not_restored(qtbot, open_window):
    old = open_window()
    for dock in old.docks.all:
        if dock.windowTitle() in {"Tracks", "Queue"}:
            dock.setObjectName("dock_of_another_time")
    old.docks.all[0].setFloating(True)
    old.close()
    window = open_window()
    qtbot.waitUntil(lambda: tab_bars(window) == _GROUPS, timeout=5_000)
    assert not window.docks.all[0].isFloating()


def test_a_panel_that_was_taken_out_and_put_back_has_its_tab(qtbot, open_window):
    window = open_window()
    curate = window.docks.all[3]
    curate.setFloating(True)
    alone = [_GROUPS[0], ["Inspector", "Queue", "Runs", "Changes", "History"]]
    qtbot.waitUntil(lambda: tab_bars(window) == alone, timeout=5_000)
    curate.setFloating(False)
    qtbot.waitUntil(lambda: tab_bars(window) == _GROUPS, timeout=5_000)
    curate.close()
    qtbot.waitUntil(lambda: tab_bars(window) == alone, timeout=5_000)
