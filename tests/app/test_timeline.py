"""The timeline, by real mouse events on a real project."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.timeline.bins import widened


def turn(track, place: QPoint, steps: int, *, sideways: bool = False) -> None:
    angle = QPoint(120 * steps, 0) if sideways else QPoint(0, 120 * steps)
    event = QWheelEvent(
        QPointF(place),
        QPointF(track.mapToGlobal(place)),
        QPoint(),
        angle,
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(track, event)


@pytest.fixture
def track(window):
    window.session.set_frame(0)
    track = window.timeline.track
    QTest.mouseDClick(track, Qt.MouseButton.LeftButton, pos=QPoint(200, 60))
    QTest.mouseRelease(track, Qt.MouseButton.LeftButton, pos=QPoint(200, 60))
    return track


def test_every_row_is_in_sight_or_can_be_scrolled_to(window, track):
    persons = window.session.project.persons
    height = track.height()
    track.resize(track.width(), 50)
    try:
        for person in (persons[-1], persons[0]):
            window.session.select(person=person)
            top = track.row_top(persons.index(person))
            assert top >= 25
            assert top + track.row_height() <= track.height() + 1
    finally:
        track.resize(track.width(), height)


def test_a_double_click_shows_everything_and_stays_at_the_frame(window, track):
    turn(track, QPoint(400, 60), 3)
    window.session.set_frame(4)
    person = window.session.cursor.person
    place = QPoint(round(track.x_of(7)), round(track.row_top(3) + 3))
    QTest.mousePress(track, Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseRelease(track, Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseDClick(track, Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseRelease(track, Qt.MouseButton.LeftButton, pos=place)
    assert window.session.cursor.frame == 4
    assert window.session.cursor.person == person
    assert (track.span.start, track.span.length) == (0, 12)


def test_scrubbing_follows_the_pointer(window, track):
    QTest.mousePress(track, Qt.MouseButton.LeftButton, pos=QPoint(round(track.x_of(2)), 60))
    assert window.session.cursor.frame == 2
    QTest.mouseMove(track, QPoint(round(track.x_of(9)), 60))
    assert window.session.cursor.frame == 9
    QTest.mouseRelease(track, Qt.MouseButton.LeftButton, pos=QPoint(round(track.x_of(9)), 60))
    QTest.mouseMove(track, QPoint(round(track.x_of(5)), 60))
    assert window.session.cursor.frame == 9


def test_a_press_on_a_name_selects_without_moving_in_time(window, track):
    window.session.set_frame(6)
    place = QPoint(20, round(track.row_top(4) + track.row_height() / 2))
    QTest.mousePress(track, Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseMove(track, QPoint(round(track.x_of(1)), place.y()))
    QTest.mouseRelease(track, Qt.MouseButton.LeftButton, pos=QPoint(500, place.y()))
    assert window.session.cursor.person == window.session.project.persons[4]
    assert window.session.cursor.frame == 6


def test_the_card_tells_residual_and_share(window, track):
    summary = window.session.summary
    person = summary.persons[0]
    tip = track.tip(person, 3)
    assert tip.startswith(f"#{person}, frame 4")
    assert "worst leave-one-out residual" in tip
    assert "% of the joints discarded" in tip


def test_both_modes_colour_the_rows(window, track):
    pictures = []
    for index in range(2):
        window.timeline.mode.setCurrentIndex(index)
        QApplication.processEvents()
        pictures.append(track.grab().toImage())
    window.timeline.mode.setCurrentIndex(0)
    assert pictures[0] != pictures[1]


def test_a_lone_frame_among_thousands_can_be_seen():
    columns = np.full((2, 9), np.nan, np.float32)
    columns[0, 4], columns[0, 5] = 0.2, 0.9
    shown = widened(columns)
    assert shown[0, 3:7].tolist() == pytest.approx([0.2, 0.2, 0.9, 0.9])
    assert np.isnan(shown[0, [0, 1, 2, 7, 8]]).all()
    assert np.isnan(shown[1]).all()
