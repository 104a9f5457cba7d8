"""Hand labels count for more than network observations."""

import numpy as np
import pytest

from core.diagnosis import diagnose_frame, explain_joint
from core.diagnosis.warm import ring_of_four
from core.geometry import Camera, Rig
from core.observations import FrameObservations, Source
from core.settings import TriangulationSettings

_SETTINGS = TriangulationSettings(scale_mm=10.0)
_TRUE = np.array([[100.0, 200.0, 300.0]])
_OTHER = np.array([[600.0, -100.0, 250.0]])


@pytest.fixture(scope="module")
def rig():
    """Eight cameras: the ring of four, and the same from higher up."""
    low = ring_of_four().cameras
    high = []
    for camera in low:
        center = camera.center_mm * 1.2 + (0.0, 0.0, 1500.0)
        high.append(
            Camera(
                f"{camera.name}_high",
                camera.K,
                camera.distortion,
                camera.R,
                -camera.R @ center,
                camera.size_px,
            )
        )
    return Rig((*low, *high))


def observed(rig, points_px, hand):
    source = np.where(np.isfinite(points_px).all(axis=-1), Source.NETWORK, Source.NONE)
    source[0, list(hand), 0] = Source.HAND
    return FrameObservations(
        frame=0,
        persons=(7,),
        points_px=points_px,
        confidence=np.ones(points_px.shape[:-1], np.float32),
        source=source.astype(np.uint8),
        boxes_px=np.full((1, len(rig), 4), np.nan),
        ground_mm=np.full((1, 3), np.nan),
    )


def distance(rig, points_px, hand, settings=_SETTINGS):
    found = diagnose_frame(observed(rig, points_px, hand), rig, settings)
    return float(np.linalg.norm(found.triangulation.points_mm[0, 0] - _TRUE[0])), found


def views(rig, wrong):
    """(1, 8, 1, 2): the true joint, and somebody else's in the views that are wrong."""
    points = rig.project(_TRUE[None])
    points[:, wrong] = rig.project(_OTHER[None])[:, wrong]
    return points + np.random.default_rng(2).normal(0, 0.5, points.shape)


def test_that_two_clicks_outvote_six_networks_that_agree_on_somebody_else(rig):
    points = views(rig, [1, 2, 4, 5, 6, 7])
    assert distance(rig, points, ())[0] > 400.0
    gap, found = distance(rig, points, (0, 3))
    assert gap < 15.0
    assert found.triangulation.kept[0, 0]
    weights = found.triangulation.weights[0, :, 0]
    assert weights[[0, 3]].min() > 0.9
    assert weights[[1, 2, 4, 5, 6, 7]].max() < 0.05


def test_that_agreeing_networks_still_make_the_point_better(rig):
    points = views(rig, [])
    points[0, [0, 2], 0] += [(1.5, -1.0), (-1.0, 1.5)]
    alone = np.where(np.isin(np.arange(8), [0, 2])[None, :, None, None], points, np.nan)
    assert distance(rig, points, (0, 2))[0] < distance(rig, alone, (0, 2))[0]


def test_that_a_slip_of_the_hand_is_told_by_all_others(rig):
    points = views(rig, [])
    points[0, 2, 0] += (60.0, 0.0)
    gap, found = distance(rig, points, (2,))
    assert gap < 15.0
    assert found.triangulation.weights[0, 2, 0] < 0.05


def test_that_two_clicks_alone_are_kept(rig):
    points = np.full((1, 8, 1, 2), np.nan)
    points[:, [0, 1]] = views(rig, [])[:, [0, 1]]
    assert not distance(rig, points, ())[1].triangulation.kept[0, 0]
    assert distance(rig, points, (0, 1))[1].triangulation.kept[0, 0]


@pytest.mark.parametrize("weighting", ["pairwise", "none"])
def test_that_the_papers_weightings_stay_what_they_are(rig, weighting):
    points = views(rig, [1, 3])
    settings = TriangulationSettings(weighting=weighting, scale_mm=10.0)
    with_hand = distance(rig, points, (0, 2), settings)[1].triangulation
    without = distance(rig, points, (), settings)[1].triangulation
    np.testing.assert_array_equal(with_hand.points_mm, without.points_mm)


@pytest.mark.parametrize("weighting", ["consensus", "pairwise", "none"])
def test_a_joint_placed_by_hand_is_explained_under_every_weighting(rig, weighting):
    settings = TriangulationSettings(scale_mm=10.0, weighting=weighting)
    _, found = distance(rig, views(rig, [2]), (0, 1), settings)
    assert explain_joint(found, rig, 0, 0).disagreeing == (2,)
