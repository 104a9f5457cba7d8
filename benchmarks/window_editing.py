"""Editing in a window, timed: drags, nudges, reviews, undo, panels of their own.

Labels are written for it and taken back, in the copy of a project that the benchmark opens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from window_timing import until  # beside this script

from core.errors import CommandRefusedError
from core.labelling import confirmed
from core.project import JointKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtCore import QPoint
    from PySide6.QtWidgets import QWidget
    from window_timing import Timing

    from app.session import Session


class EditingRows:
    """The rows of the table about editing."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._window = timing.window
        self._session: Session = timing.window.session

    def measure(self, num: int) -> None:
        """All of them, with the panel in front that is there when a window is opened."""
        self.drag(num)
        self.nudge(num // 4)
        self.review(num // 4)
        self.open_dialogs()
        self.drag_track(num // 2)
        self.behind_panels(num // 4)

    def drag(self, num: int) -> None:
        """A joint with two more hand labels: from a mouse move to its ghosts in all views."""
        views, session = self._window.views, self._session
        num_labels = label_twice(session)
        camera, person, joint = session.cursor.camera, session.cursor.person, session.cursor.joint
        views.frame_person()
        until(lambda: views.is_settled)
        place = views.panel_of(camera).place_of(person, joint)
        assert place is not None
        self._timing.row(
            "drag a joint: move → ghosts",
            self._dragged(views, place.toPoint(), num, views.editing.cancel),
            "p50 16",
        )
        for _ in range(num_labels):
            session.undo()
        views.reset_zoom()
        self._settle()

    def _dragged(
        self, widget: QWidget, start: QPoint, num: int, give_up: Callable[[], None]
    ) -> list[tuple[float, float]]:
        """Drag in circles about a place, and give it up."""
        from PySide6.QtCore import QPoint, Qt
        from PySide6.QtTest import QTest

        left, plain = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        QTest.mouseMove(widget, start)
        QTest.mousePress(widget, left, plain, start)
        self._timing.beat.restart()
        times: list[tuple[float, float]] = []
        for step in range(num):
            angle = 2 * np.pi * step / 60
            at = start + QPoint(round(24 * np.cos(angle)), round(24 * np.sin(angle)))
            times.append(self._timing.timed(lambda at=at: QTest.mouseMove(widget, at)))
        give_up()
        QTest.mouseRelease(widget, left, plain, start)
        return times

    def nudge(self, num: int) -> None:
        """A hand label by one pixel, by its key; and all of it taken back."""
        timing, session = self._timing, self._session
        num_labels = label_twice(session)
        self._settle()
        act = self._window.labels.nudge
        times = [
            timing.shown(lambda way=way: act(1.0 - 2.0 * (way % 2), 0.0)) for way in range(num)
        ]
        timing.row("nudge: durable, in the views", times, "p50 30")
        times = [
            timing.timed(lambda way=way: act(1.0 - 2.0 * (way % 2), 0.0)) for way in range(num)
        ]
        timing.row("nudge: in all panels", times, "")
        times = [timing.shown(session.undo) for _ in range(num)]
        timing.row("undo a nudge", times, "p50 30")
        times = [timing.shown(session.redo) for _ in range(num)]
        timing.row("redo a nudge", times, "p50 30")
        for _ in range(2 * num + num_labels):
            session.undo()
        self._settle()

    def review(self, num: int) -> None:
        """Joints accepted one by one, and everybody on a frame at once, going on to the next."""
        timing, session, trigger = self._timing, self._session, self._trigger
        joints = session.require_project().skeleton.num_joints
        times: list[tuple[float, float]] = []
        for step in range(min(num, joints)):
            session.select(joint=step)
            self._settle()
            times.append(timing.shown(lambda: trigger("accept_joint")))
        timing.row("accept a joint", times, "p50 30")
        frames = range(min(num, session.require_project().num_frames - 1))
        session.set_frame(0)
        self._settle()
        times = [timing.timed(lambda: trigger("accept_frame")) for _ in frames]
        timing.row("accept a frame, and go on", times, "p50 70")
        times = [timing.timed(session.undo) for _ in frames]
        timing.row("undo accepting a frame", times, "p50 70")
        while session.require_project().undo_description:
            try:
                session.undo()
            except CommandRefusedError:
                break  # what was imported
        self._settle()

    def open_dialogs(self) -> None:
        """The palette and the sheet of keys, as their keys do."""
        from PySide6.QtWidgets import QApplication, QDialog

        for title, name in (("open the palette", "palette"), ("open the key sheet", "keys")):
            times: list[tuple[float, float]] = []
            for _ in range(3):
                times.append(self._timing.timed(lambda name=name: self._trigger(name)))
                for widget in QApplication.topLevelWidgets():
                    if isinstance(widget, QDialog) and widget.isVisible():
                        widget.close()
                until(lambda: True)
            self._timing.row(title, times, "p50 50")

    def drag_track(self, num: int) -> None:
        """Somebody on the floor, with the boxes in all views following."""
        panels, person = self._window.panels, self._session.cursor.person
        floor = panels.tracks.view
        self._window.docks.show(panels.tracks)
        self._settle()
        place = None if person is None else floor.place_of(person)
        if place is not None:
            give_up = self._window.views.editing.cancel
            times = self._dragged(floor, place.toPoint(), num, give_up)
            self._timing.row("drag a track: move → boxes", times, "p50 16")
        self._window.docks.show(panels.scene)
        self._settle()

    def behind_panels(self, num: int) -> None:
        """A nudge with each of the other panels in front."""
        timing, panels = self._timing, self._window.panels
        num_labels = label_twice(self._session)
        act = self._window.labels.nudge
        shown = (("Curate", panels.curate), ("Queue", panels.queue), ("History", panels.history))
        for title, panel in shown:
            self._window.docks.show(panel)
            self._settle()
            timing.beat.restart()
            times = [
                timing.timed(lambda way=way: act(1 - 2.0 * (way % 2), 0)) for way in range(num)
            ]
            timing.row(f"nudge with {title} in front", times, "p50 30")
        for _ in range(num_labels + len(shown) * num):
            self._session.undo()
        self._window.docks.show(panels.inspector)
        self._settle()

    def _trigger(self, name: str) -> None:
        self._window.commands.actions[name].trigger()

    def _settle(self) -> None:
        until(lambda: self._window.is_settled)
        self._timing.beat.restart()


def label_twice(session: Session) -> int:
    """Label all joints of the person whom most views see in two views; how many edits it took.

    Select a joint of theirs in a third view.
    """
    seen, project = session.observations, session.require_project()
    assert seen is not None
    there = np.asarray(np.isfinite(seen.points_px).all(axis=-1))
    row = int(there.sum(axis=(1, 2)).argmax())
    first, second, third = np.argsort(-there[row].sum(axis=1))[:3].tolist()
    session.select(person=seen.persons[row], camera=third)
    edits = 0
    for camera in (first, second):
        joints = np.flatnonzero(there[row, camera])
        keys = [JointKey(seen.frame, camera, seen.persons[row], int(joint)) for joint in joints]
        session.apply(confirmed(seen, keys))
        edits += 1
    session.select(joint=int(np.flatnonzero(there[row].all(axis=0) | there[row, third])[0]))
    assert project.undo_description is not None
    return edits
