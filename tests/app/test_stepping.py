"""Long steps are undone and redone in the background, short ones at once."""

import numpy as np
import pytest
from PySide6.QtTest import QTest

from app.stepping import Stepping
from core.errors import CommandRefusedError
from core.project import JointKey, SetJoints, SetTrackPoints


def long_edit(project):
    places = np.arange(project.num_frames * 400).reshape(-1, 400)
    points = tuple(
        ((frame, 100 + column), (float(place), 0.0))
        for frame, row in enumerate(places.tolist())
        for column, place in enumerate(row)
    )
    return SetTrackPoints(points=points, origin="hand", name="Many")


@pytest.fixture
def stepping(editable_session):
    return Stepping(editable_session, editable_session)


def test_that_a_short_step_is_undone_at_once(editable_session, stepping):
    session = editable_session
    key = JointKey(0, 1, session.observations.persons[0], 3)
    session.apply(SetJoints(keys=(key,), points_px=((5.0, 5.0),)))
    stepping.undo()
    assert stepping.is_settled
    assert session.project.undo_description is None
    assert session.project.redo_description is not None


def test_that_a_long_step_is_undone_and_redone_behind(editable_session, stepping, qtbot):
    session = editable_session
    session.apply(long_edit(session.project))
    session.set_frame(4)
    jobs, told = [], []
    stepping.started.connect(jobs.append)
    session.edited.connect(told.append)
    stepping.undo()
    assert [job.title for job in jobs] == ["Undoing"]
    with pytest.raises(CommandRefusedError, match="under way"):
        stepping.redo()
    qtbot.waitUntil(lambda: stepping.is_settled, timeout=20_000)
    assert session.cursor.frame == 0
    assert len(told[0].tracks) == 400 * session.project.num_frames
    assert session.project.undo_description is None
    stepping.redo()
    qtbot.waitUntil(lambda: stepping.is_settled, timeout=20_000)
    assert session.project.undo_description == "Many"
    assert session.project.labels.replay() == session.project.labels.state()


def test_that_closing_waits_for_a_long_step(editable_session, stepping):
    session = editable_session
    session.apply(long_edit(session.project))
    stepping.undo()
    path = session.project.path
    session.close_project()
    assert stepping.is_settled
    session.open_project(path)
    QTest.qWait(20)
    assert session.project.redo_description == "Many"


def test_that_nothing_to_undo_is_refused(editable_session, stepping):
    with pytest.raises(CommandRefusedError):
        stepping.undo()
