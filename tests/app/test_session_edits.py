"""Edits through the session: durable, told to everybody, taken back in their place."""

import numpy as np
import pytest

from app.state import EditPreview
from core.errors import CommandRefusedError
from core.observations import Source
from core.project import DeleteJoints, JointKey, SetJoints


def _place(session, camera, joint=3, offset=(0.0, 0.0)):
    person = session.cursor.person
    x, y = session.observations.points_px[session.person_row, camera, joint] + offset
    key = JointKey(session.cursor.frame, camera, person, joint)
    return SetJoints(keys=(key,), points_px=((x, y),))


def test_that_an_edit_is_told_and_shown_and_taken_back_where_it_was_made(qtbot, editable_session):
    with qtbot.waitSignal(editable_session.edited) as told:
        editable_session.apply(_place(editable_session, camera=1, offset=(20.0, 0.0)))
    (change,) = told.args
    assert {key.camera for key in change.keys} == {1}
    assert editable_session.observations.source[editable_session.person_row, 1, 3] == Source.HAND
    editable_session.set_frame(4)
    editable_session.select(camera=5)
    editable_session.undo()
    assert (editable_session.cursor.frame, editable_session.cursor.camera) == (0, 0)
    assert editable_session.observations.source[editable_session.person_row, 1, 3] == Source.NETWORK
    editable_session.redo()
    assert editable_session.observations.source[editable_session.person_row, 1, 3] == Source.HAND


def test_that_a_refused_edit_changes_nothing(editable_session):
    before = editable_session.observations
    with pytest.raises(CommandRefusedError):
        editable_session.redo()
    assert editable_session.observations is before


def test_that_two_hand_views_give_ghosts_and_a_drag_moves_them(editable_session):
    row = editable_session.person_row
    editable_session.apply(_place(editable_session, camera=1))
    assert np.isnan(editable_session.ghosts.points_px[row, :, 3]).all()
    editable_session.apply(_place(editable_session, camera=4))
    resting = editable_session.ghosts.points_px[row, 6, 3].copy()
    truth = editable_session.diagnosis.reprojection_px[row, 6, 3]
    assert np.linalg.norm(resting - truth) < 15.0
    key = JointKey(0, 4, editable_session.cursor.person, 3)
    x, y = editable_session.observations.points_px[row, 4, 3]
    editable_session.set_preview(EditPreview(points_px={key: (x + 25.0, y)}))
    assert np.linalg.norm(editable_session.ghosts.points_px[row, 6, 3] - resting) > 5.0
    editable_session.set_preview(None)
    np.testing.assert_array_equal(editable_session.ghosts.points_px[row, 6, 3], resting)


def test_that_deleting_brings_the_detection_back(editable_session):
    edit = _place(editable_session, camera=2, offset=(9.0, 0.0))
    before = editable_session.observations.points_px[editable_session.person_row, 2, 3].copy()
    editable_session.apply(edit)
    editable_session.apply(DeleteJoints(keys=edit.keys))
    after = editable_session.observations.points_px[editable_session.person_row, 2, 3]
    np.testing.assert_array_equal(after, before)
