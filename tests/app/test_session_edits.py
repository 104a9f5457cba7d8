"""Edits through the session: durable, told to everybody, taken back in their place."""

import numpy as np
import pytest

from app.session import Session
from app.state import EditPreview
from core.errors import CommandRefusedError
from core.observations import Source
from core.project import DeleteJoints, JointKey, SetJoints
from tests.app.views_world import make_project, make_world


@pytest.fixture
def editable(qtbot, tmp_path):
    """A session on a project of its own, which may be changed."""
    path = tmp_path / "own.trilabel"
    make_project(path, make_world(num_persons=6, num_frames=6)).close()
    session = Session()
    with qtbot.waitSignal(session.diagnosis_changed, timeout=60_000):
        session.warm_up()
    session.open_project(path)
    yield session
    session.close_project()


def _place(session, camera, joint=3, offset=(0.0, 0.0)):
    person = session.cursor.person
    x, y = session.observations.points_px[session.person_row, camera, joint] + offset
    key = JointKey(session.cursor.frame, camera, person, joint)
    return SetJoints(keys=(key,), points_px=((x, y),))


def test_that_an_edit_is_told_and_shown_and_taken_back_where_it_was_made(qtbot, editable):
    with qtbot.waitSignal(editable.edited) as told:
        editable.apply(_place(editable, camera=1, offset=(20.0, 0.0)))
    (change,) = told.args
    assert {key.camera for key in change.keys} == {1}
    assert editable.observations.source[editable.person_row, 1, 3] == Source.HAND
    editable.set_frame(4)
    editable.select(camera=5)
    editable.undo()
    assert (editable.cursor.frame, editable.cursor.camera) == (0, 0)
    assert editable.observations.source[editable.person_row, 1, 3] == Source.NETWORK
    editable.redo()
    assert editable.observations.source[editable.person_row, 1, 3] == Source.HAND


def test_that_a_refused_edit_changes_nothing(editable):
    before = editable.observations
    with pytest.raises(CommandRefusedError):
        editable.redo()
    assert editable.observations is before


def test_that_two_hand_views_give_ghosts_and_a_drag_moves_them(editable):
    row = editable.person_row
    editable.apply(_place(editable, camera=1))
    assert np.isnan(editable.ghosts.points_px[row, :, 3]).all()
    editable.apply(_place(editable, camera=4))
    resting = editable.ghosts.points_px[row, 6, 3].copy()
    truth = editable.diagnosis.reprojection_px[row, 6, 3]
    assert np.linalg.norm(resting - truth) < 15.0
    key = JointKey(0, 4, editable.cursor.person, 3)
    x, y = editable.observations.points_px[row, 4, 3]
    editable.set_preview(EditPreview(points_px={key: (x + 25.0, y)}))
    assert np.linalg.norm(editable.ghosts.points_px[row, 6, 3] - resting) > 5.0
    editable.set_preview(None)
    np.testing.assert_array_equal(editable.ghosts.points_px[row, 6, 3], resting)


def test_that_deleting_brings_the_detection_back(editable):
    edit = _place(editable, camera=2, offset=(9.0, 0.0))
    before = editable.observations.points_px[editable.person_row, 2, 3].copy()
    editable.apply(edit)
    editable.apply(DeleteJoints(keys=edit.keys))
    after = editable.observations.points_px[editable.person_row, 2, 3]
    np.testing.assert_array_equal(after, before)
