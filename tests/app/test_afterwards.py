"""Panels beside the views follow in turns of their own."""

import time

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication, QWidget

from app.afterwards import Afterwards
from app.views.scene import build_scenes


def test_that_work_is_done_once_and_only_while_it_can_be_seen(qtbot):
    widget, done = QWidget(), []
    qtbot.addWidget(widget)
    later = Afterwards(widget, lambda: done.append(1))
    later.ask()
    qtbot.wait(20)
    assert not done
    widget.show()
    qtbot.waitExposed(widget)
    later.ask("what a signal brings")
    later.ask()
    assert not done
    qtbot.waitUntil(lambda: done == [1], timeout=5_000)
    qtbot.wait(20)
    assert done == [1]


def test_that_views_that_an_edit_leaves_alone_keep_what_was_drawn(session):
    scenes = build_scenes(session.observations, session.diagnosis)
    again = build_scenes(session.observations, session.diagnosis)
    assert all(one.is_drawn_as(other) for one, other in zip(scenes, again, strict=True))
    moved = again[2].points_px.copy()
    moved[0, 3] += 1.0
    again[2].points_px[:] = moved
    same = [one.is_drawn_as(other) for one, other in zip(scenes, again, strict=True)]
    assert [camera for camera, is_same in enumerate(same) if not is_same] == [2]
    assert not scenes[0].is_drawn_as(scenes[1])


class _Paints(QObject):
    """Counts the paintings of a widget."""

    def __init__(self, widget):
        super().__init__(widget)
        self.count = 0
        widget.installEventFilter(self)

    def eventFilter(self, _watched, event):
        self.count += event.type() == QEvent.Type.Paint
        return False


def test_that_the_3d_viewer_paints_at_most_thirty_times_a_second_for_others(window, qtbot):
    session, drawing = window.session, window.scene.drawing
    qtbot.wait(50)
    paints, started = _Paints(drawing.widget), time.monotonic()
    for step in range(60):
        session.select(joint=step % session.project.skeleton.num_joints)
        QApplication.processEvents()
    session.select(joint=2)
    qtbot.wait(60)
    most = (time.monotonic() - started) / 0.03 + 1
    assert 1 <= paints.count <= most
    drawn = drawing.grab()
    qtbot.wait(60)
    assert drawing.grab() == drawn
