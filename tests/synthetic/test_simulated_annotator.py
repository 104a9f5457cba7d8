"""The simulated annotator: how it clicks, and that it does so whoever asks when."""

import numpy as np
import pytest

from core.project import JointKey, SetVisibility
from core.synthetic.annotator import Annotator, Habits
from core.synthetic.sight import Sight
from core.synthetic.truth import Truth

_SHAPE = (40, 2, 4, 13)


@pytest.fixture
def truth():
    """Two people whose joints camera 0 sees, and each other camera less and less of."""
    rng = np.random.default_rng(0)
    sight = np.zeros(_SHAPE, np.uint8)
    for camera, value in enumerate((Sight.VISIBLE, Sight.SELF, Sight.PERSON, Sight.OUTSIDE)):
        sight[:, :, camera] = value
    return Truth(
        persons=np.array([3, 7]),
        cameras=("a", "b", "c", "d"),
        joints=tuple(f"joint_{j}" for j in range(13)),
        frames=np.arange(_SHAPE[0]),
        points_mm=rng.normal(0, 1000, (_SHAPE[0], 2, 13, 3)),
        points_px=rng.uniform(0, 900, (*_SHAPE, 2)).astype(np.float32),
        visible=sight == Sight.VISIBLE,
        sight=sight,
    )


def gaps(truth, camera, habits):
    annotator = Annotator(truth, habits, seed=1)
    found = []
    for frame in range(_SHAPE[0]):
        for joint in range(13):
            edit = annotator.answer(JointKey(frame, camera, 7, joint))
            found.append(np.array(edit.points_px[0]) - truth.points_px[frame, 1, camera, joint])
    return np.array(found)


def test_that_hidden_joints_are_guessed_worse(truth):
    habits = Habits(noise_px=1.5, slip_chance=0.0)
    spreads = [gaps(truth, camera, habits).std() for camera in range(3)]
    np.testing.assert_allclose(spreads, [1.5, 3.0, 6.0], rtol=0.1)


def test_that_a_click_slips_now_and_then(truth):
    far = np.linalg.norm(gaps(truth, 0, Habits(slip_chance=0.1, slip_px=40.0)), axis=1) > 10.0
    assert 0.05 < far.mean() < 0.15


def test_that_a_joint_outside_the_picture_is_said_to_be_so(truth):
    edit = Annotator(truth).answer(JointKey(5, 3, 3, 0))
    assert edit == SetVisibility(keys=(JointKey(5, 3, 3, 0),), visibility="outside")


def test_that_an_answer_depends_on_its_place_and_not_on_what_was_asked_before(truth):
    key = JointKey(11, 0, 7, 4)
    busy = Annotator(truth, seed=5)
    for joint in range(4):
        busy.answer(key._replace(joint=joint))
    assert busy.answer(key) == Annotator(truth, seed=5).answer(key)
    assert busy.answer(key) != Annotator(truth, seed=6).answer(key)
    assert busy.num_answers == 6
