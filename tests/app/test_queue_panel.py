"""The Queue panel: Space goes on, Shift+Space back, edits are followed, and it says why."""

import pytest
from PySide6.QtCore import Qt

from app.curation.queue_walk import QueueWalk
from app.session import Session
from app.shot import settle
from core.errors import CommandRefusedError
from core.labelling import place_joint
from tests.app.views_world import OUTLIER, make_project, make_world


@pytest.fixture
def panel(window):
    window.docks.show(window.panels.queue)
    settle(lambda: window.is_settled)
    return window.panels.queue


@pytest.fixture
def walk(qtbot, tmp_path):
    """A walk over a project of its own, which may be changed."""
    path = tmp_path / "own.trilabel"
    make_project(path, make_world(num_persons=4, num_frames=4)).close()
    session = Session()
    with qtbot.waitSignal(session.diagnosis_changed, timeout=60_000):
        session.warm_up()
    session.open_project(path)
    session.set_settings(scale_mm=20.0)
    yield QueueWalk(session, session)
    session.close_project()


def step(qtbot, walk):
    with qtbot.waitSignal(walk.arrived, timeout=20_000) as told:
        walk.next()
    return told.args[0]


def test_that_space_goes_to_the_next_item_and_shift_space_back(qtbot, window, panel):
    with qtbot.waitSignal(panel.walk.arrived, timeout=20_000):
        qtbot.keyClick(window, Qt.Key.Key_Space)
    first, cursor = panel.walk.item, window.session.cursor
    assert (cursor.frame, cursor.person, cursor.joint, cursor.camera) == (
        first.frame,
        first.person,
        first.joint,
        first.camera,
    )
    assert window.session.require_project().rig.names[first.camera] in panel.title.text()
    assert panel.reason.text() == first.reason
    qtbot.keyClick(window, Qt.Key.Key_Space)
    assert panel.walk.item != first
    qtbot.keyClick(window, Qt.Key.Key_Space, Qt.KeyboardModifier.ShiftModifier)
    assert panel.walk.item == first
    assert "2 items shown" in panel.progress.text()


def test_that_the_worst_residual_is_the_observation_that_is_far_off(qtbot, window, panel):
    panel.ranking.setCurrentIndex(panel.ranking.findData("residual"))
    panel.ranking.activated.emit(panel.ranking.currentIndex())
    with qtbot.waitSignal(panel.walk.arrived, timeout=20_000):
        qtbot.mouseClick(panel.next_button, Qt.MouseButton.LeftButton)
    row, camera, joint = OUTLIER
    item = panel.walk.item
    assert (item.person, item.camera, item.joint) == (row, camera, joint)
    assert "px from where the other views" in panel.reason.text()


def test_that_filters_hold(qtbot, window, panel):
    panel.camera.setCurrentIndex(panel.camera.findData(5))
    panel.camera.activated.emit(panel.camera.currentIndex())
    with qtbot.waitSignal(panel.walk.arrived, timeout=20_000):
        qtbot.keyClick(window, Qt.Key.Key_Space)
    assert panel.walk.item.camera == 5
    panel.camera.setCurrentIndex(0)
    panel.camera.activated.emit(0)


def test_that_an_answer_counts_and_is_not_asked_for_again(qtbot, walk):
    session = walk.parent()
    item = step(qtbot, walk)
    project = session.require_project()
    at = project.observations(item.frame)
    row = at.persons.index(item.person)
    point = session.diagnosis.reprojection_px[row, item.camera, item.joint]
    session.apply(place_joint(item.key, point))
    assert walk.num_answered == 1
    later = [step(qtbot, walk) for _ in range(5)]
    assert item.key not in {other.key for other in later}


def test_that_changed_settings_make_the_queue_anew(qtbot, walk):
    first = step(qtbot, walk)
    old = walk.queue
    walk.parent().set_settings(scale_mm=25.0)
    assert walk.queue is None
    second = step(qtbot, walk)
    assert walk.queue is not old
    assert second.key != first.key


def test_that_a_comparison_with_nothing_says_so(qtbot, walk):
    walk.set_ranking("disagreement")
    with qtbot.waitSignal(walk.parent().message_posted, timeout=20_000) as told:
        walk.next()
    assert "Nothing to disagree with" in told.args[0]
    assert walk.error


def test_that_there_is_nothing_before_the_first_item(qtbot, walk):
    with pytest.raises(CommandRefusedError):
        walk.back()
    step(qtbot, walk)
    with pytest.raises(CommandRefusedError):
        walk.back()
