"""The Changes panel in the window: compare, walk, judge, blink and roll back, by real events."""

import shutil
import threading
import time

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox, QPushButton

from app.main_window import MainWindow
from app.preferences import Preferences
from app.shot import settle
from core.curation.round_judging import changes_at
from core.project import PointKey, Project, SetReviews
from tests.app.views_world import make_project, make_world
from tests.rounds.changed_rounds import make_run, write_round

QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
_CTRL = Qt.KeyboardModifier.ControlModifier


def _noisy(px, frame, persons):
    px += np.random.default_rng(frame).normal(0, 5.0, px.shape)


@pytest.fixture(scope="module")
def rounds_project(tmp_path_factory):
    path = tmp_path_factory.mktemp("rounds") / "court.trilabel"
    world = make_world(num_persons=4, num_frames=6)
    make_project(path, world, without=tuple(f"ace_{i}" for i in range(8))).close()
    with Project.open(path) as project:
        run = make_run(project)
        write_round(project, run, 1, range(6), _noisy)
        write_round(project, run, 2, range(6))
    return path


@pytest.fixture(scope="module")
def main_window(qapp, tmp_path_factory):
    preferences = Preferences(tmp_path_factory.mktemp("window") / "preferences.ini")
    window = MainWindow(preferences=preferences)
    window.resize(1600, 900)
    window.show()
    window.activateWindow()
    settle(window.isActiveWindow)
    yield window
    window.close()
    window.deleteLater()
    QApplication.processEvents()


@pytest.fixture
def window(main_window, rounds_project, tmp_path):
    """The window on a copy of the project, the second round held against the first."""
    path = tmp_path / "court.trilabel"
    shutil.copytree(rounds_project, path)
    main_window.session.open_project(path)
    main_window.session.set_display(moved_mm=5.0)
    settle(lambda: main_window.is_settled)
    QTest.keyClick(
        main_window, Qt.Key.Key_C, _CTRL | Qt.KeyboardModifier.ShiftModifier
    )  # shows the newest run, and what was seen before it
    settle(lambda: main_window.session.compared is not None)
    comparing = main_window.panels.rounds.comparing
    comparing.compare(next(choice for choice in comparing.choices if choice.round == 1))
    listing = main_window.panels.rounds.listing
    _wait(main_window, lambda: listing.listed is not None and len(listing.listed.rows))
    yield main_window
    main_window.session.close_project()
    main_window.panels.rounds.bar.query.clear()
    main_window.panels.rounds.bar.scope.setCurrentIndex(0)


def _wait(window, is_done=lambda: True):
    settle(lambda: window.is_settled and window.panels.rounds.is_settled and is_done())


def _next(window):
    QTest.keyClick(window, Qt.Key.Key_BracketRight, _CTRL)


def _accepted(window):
    project = window.session.project
    return {tuple(key) for key in project.accepted_between(0, 6).keys.tolist()}


def _click(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def _choose(combo, row):
    combo.setFocus()
    combo.showPopup()
    QTest.keyClick(combo.view(), Qt.Key.Key_Home)
    for _ in range(row):
        QTest.keyClick(combo.view(), Qt.Key.Key_Down)
    QTest.keyClick(combo.view(), Qt.Key.Key_Return)


def test_that_one_key_shows_the_newest_round_and_what_it_changed_the_worst_first(window):
    session, panel = window.session, window.panels.rounds
    assert panel.isVisible()
    assert (session.compared.round, session.source.round) == (1, None)
    rows = panel.listing.listed.rows
    assert len(rows) == panel.changes.rowCount() > 10
    _next(window)
    cursor = session.cursor
    assert (cursor.frame, cursor.person, cursor.joint) == tuple(rows.keys[0].tolist())
    assert cursor.camera == rows.camera[0]


def test_that_only_frames_that_are_taken_up_are_compared_again(window, qtbot, monkeypatch):
    """A run that predicts announces frames every second; comparing all would work beside it."""
    session = window.session
    before, whole = session.diff, []
    monkeypatch.setattr(
        "app.rounds.comparing.load_or_diff", lambda *arguments: whole.append(arguments)
    )
    source = session.source
    write_round(session.project, source.run, 3, range(2, 4), _noisy)
    with qtbot.waitSignal(session.diff_changed, timeout=20_000):
        session.take_up(source, source.look())
    assert not whole
    settle(lambda: window.panels.rounds.is_settled)
    after = session.diff
    np.testing.assert_array_equal(after.frames, before.frames)
    is_same = [
        np.array_equal(before.moved_mm[frame], after.moved_mm[frame], equal_nan=True)
        for frame in range(6)
    ]
    assert is_same == [True, True, False, False, True, True]


def test_that_a_click_on_a_change_goes_there_and_space_to_the_next(window):
    session, panel = window.session, window.panels.rounds
    row = panel.list.visualRect(panel.changes.index(2, 0)).center()
    QTest.mouseClick(panel.list.viewport(), Qt.MouseButton.LeftButton, pos=row)
    keys = panel.listing.listed.rows.keys.tolist()
    assert [session.cursor.frame, session.cursor.person, session.cursor.joint] == keys[2]
    QTest.keyClick(panel.list, Qt.Key.Key_Space)
    assert [session.cursor.frame, session.cursor.person, session.cursor.joint] == keys[3]


def test_that_accept_judges_the_joint_and_the_walk_passes_it_by(window):
    session, panel = window.session, window.panels.rounds
    _next(window)
    first = session.cursor
    _click(panel.bar.accept)
    assert _accepted(window) == {(first.frame, first.person, first.joint)}
    assert panel.listing.listed.states[0]
    QTest.keyClick(window, Qt.Key.Key_BracketRight, _CTRL)
    QTest.keyClick(window, Qt.Key.Key_BracketLeft, _CTRL)
    assert session.cursor != first
    session.undo()
    assert not panel.listing.listed.states[0]


def test_that_all_listed_is_accepted_as_a_query_narrows_it_in_one_step(window):
    panel = window.panels.rounds
    QTest.keyClicks(panel.bar.query, "person=1 frame=2..4")
    _wait(window)
    keys = panel.listing.listed.rows.keys
    assert set(keys[:, 1].tolist()) == {1}
    assert set(keys[:, 0].tolist()) <= {1, 2, 3}
    _choose(panel.bar.scope, 4)
    _click(panel.bar.accept)
    _wait(window, lambda: bool(_accepted(window)))
    assert _accepted(window) <= {tuple(key) for key in keys.tolist()}
    window.session.undo()
    assert not _accepted(window)


def test_that_choosing_frames_widens_no_panel(window):
    bar = window.panels.rounds.bar
    narrow = bar.minimumSizeHint().width()
    bar.scope.setCurrentIndex(bar.scope.findData("frames"))
    assert bar.first.isVisibleTo(bar)
    assert bar.minimumSizeHint().width() <= max(narrow, 422)  # what 1280 pixels leave to it


def test_that_a_stretch_of_frames_is_rejected_and_nothing_beside_it(window):
    panel, project = window.panels.rounds, window.session.project
    _choose(panel.bar.scope, 3)
    assert panel.bar.first.isVisible()
    panel.bar.first.setValue(2)
    panel.bar.last.setValue(4)
    _click(panel.bar.reject)
    _wait(window, lambda: len(project.reviews_between(0, 6).keys) > 0)
    assert set(project.reviews_between(0, 6).keys[:, 0].tolist()) <= {1, 2, 3}
    _wait(window, lambda: not panel.bar.reject.isEnabled())
    assert panel.bar.reject.text() == "Reject", "nothing of it is left to judge"


def test_that_a_group_narrows_the_list_and_the_kinds_do(window):
    panel = window.panels.rounds
    total = panel.changes.rowCount()
    place = panel.group_list.visualRect(panel.groups.index(1, 1)).center()
    QTest.mouseClick(panel.group_list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    _wait(window)
    group = panel.groups.groups[0]
    assert panel.changes.rowCount() == group.tally.num_changed < total
    for button in panel.filters.kinds.values():
        _click(button)
    _wait(window)
    assert panel.changes.rowCount() == 0
    for button in panel.filters.kinds.values():
        _click(button)
    panel.listing.set_group(None)
    _wait(window)
    assert panel.changes.rowCount() == total


def test_that_a_larger_limit_lists_less(window):
    panel = window.panels.rounds
    total = panel.changes.rowCount()
    panel.filters.limit.setFocus()
    panel.filters.limit.selectAll()
    QTest.keyClicks(panel.filters.limit, "40")
    QTest.keyClick(panel.filters.limit, Qt.Key.Key_Return)
    _wait(window)
    assert window.session.display.moved_mm == 40.0
    assert panel.changes.rowCount() < total


def test_that_views_and_space_show_the_side_before_while_b_is_held(window):
    session, views = window.session, window.views
    panel = views.visible_panels[0]
    after = panel.scene.points_px.copy()
    QTest.keyPress(views, Qt.Key.Key_B)
    assert session.is_blinking
    before = panel.scene.points_px
    np.testing.assert_array_equal(before[0, 0], session.before.points_px[0, panel.camera, 0])
    assert not np.array_equal(before, after, equal_nan=True)
    QTest.keyRelease(views, Qt.Key.Key_B)
    np.testing.assert_array_equal(panel.scene.points_px, after)


def test_that_the_side_before_is_drawn_over_the_views_only_while_something_is_compared(window):
    views, session = window.views, window.session
    session.select(person=1, joint=0)
    views.focus_camera(0)
    _wait(window)
    drawn = views.grab().toImage()
    _choose(window.panels.rounds.sides.before, 0)
    _wait(window, lambda: session.compared is None)
    assert session.diff is None
    assert views.grab().toImage() != drawn
    views.focus_camera(None)


def test_that_the_timeline_colours_what_changed_and_tells_it(window):
    session, track = window.session, window.timeline.track
    window.timeline.mode.setCurrentIndex(window.timeline.mode.findData("changed"))
    _wait(window, lambda: track.round.ticks is not None and session.summary is not None)
    share = track.round.share(session.summary)
    frame, person, _ = window.panels.rounds.listing.listed.rows.keys[0].tolist()
    assert share[frame, session.summary.persons.index(person)] > 0
    assert "joints changed since" in track.tip(person, frame)
    window.timeline.mode.setCurrentIndex(0)


def test_that_an_edit_by_hand_is_followed_without_a_new_comparison(window):
    session, panel = window.session, window.panels.rounds
    _next(window)
    diff = session.diff
    QTest.keyClick(window.views, Qt.Key.Key_Y)  # the joint is right where it is
    _wait(window, lambda: session.diff is not diff)
    assert panel.listing.listed is not None
    assert len(session.diff.frames) == len(diff.frames)


def test_that_rolling_back_takes_all_of_the_round_and_shows_the_one_before(window, monkeypatch):
    session, panel = window.session, window.panels.rounds
    _choose(panel.bar.scope, 4)
    _click(panel.bar.accept)
    _wait(window, lambda: bool(_accepted(window)))
    monkeypatch.setattr(
        QMessageBox, "question", lambda *_args: QMessageBox.StandardButton.Yes
    )  # a modal dialog would wait for somebody
    assert isinstance(panel.bar.back, QPushButton)
    _click(panel.bar.back)
    _wait(window, lambda: session.compared is None)
    assert not _accepted(window)
    assert session.source.round == 1
    session.undo()
    assert _accepted(window)


def test_that_another_source_is_shown_at_once_while_many_are_judged(window, monkeypatch):
    session, panel = window.session, window.panels.rounds
    begun, may_go_on = threading.Event(), threading.Event()

    def slowly(*given):
        begun.set()
        may_go_on.wait(20)
        return changes_at(*given)

    monkeypatch.setattr("app.rounds.judging.changes_at", slowly)
    panel.judging.judge("accept", panel.listing.listed.rows.keys, "")
    assert begun.wait(10)
    threading.Timer(2.0, may_go_on.set).start()
    began = time.monotonic()
    session.set_source(None)
    assert time.monotonic() - began < 1.0
    settle(lambda: not panel.judging.is_busy)
    assert _accepted(window), "what was asked for is done all the same"
    session.undo()
    assert not _accepted(window)


def test_that_what_is_decided_while_many_are_judged_stays_decided(window, monkeypatch):
    session, panel = window.session, window.panels.rounds
    keys = panel.listing.listed.rows.keys
    mine = PointKey(*keys[0].tolist())
    read, decided = threading.Event(), threading.Event()

    def and_wait(*given):
        found = changes_at(*given)
        read.set()
        decided.wait(20)
        return found

    monkeypatch.setattr("app.rounds.judging.changes_at", and_wait)
    panel.judging.judge("accept", keys, "")
    assert read.wait(20)
    session.apply(SetReviews(keys=(mine,), state="rejected"))
    decided.set()
    settle(lambda: not panel.judging.is_busy)
    assert _accepted(window), "all the others"
    assert tuple(mine) not in _accepted(window)
    assert session.project.review(mine).state == "rejected"


def test_that_a_window_that_is_left_with_b_held_shows_the_side_before_no_more(window):
    QTest.keyPress(window, Qt.Key.Key_B)
    assert window.session.is_blinking
    QApplication.sendEvent(window, QEvent(QEvent.Type.WindowDeactivate))  # another one hears it go
    assert not window.session.is_blinking
    QTest.keyRelease(window, Qt.Key.Key_B)
    assert not window.session.is_blinking
    QTest.keyPress(window, Qt.Key.Key_B)
    QTest.keyRelease(window, Qt.Key.Key_B, Qt.KeyboardModifier.ShiftModifier)
    assert not window.session.is_blinking
