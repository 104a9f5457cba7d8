"""Tests that a scene says what each joint is in each view, and that the hit test means it."""

from dataclasses import replace

import numpy as np
import pytest

from app.views.card import joint_card
from app.views.hit_test import HIT_RADIUS, nearest_joint
from app.views.layout import Box
from app.views.marking import Mark
from app.views.overlay import problem_residual_px
from app.views.scene import Form, build_scenes, joint_look, split_look, weight_levels
from app.views.transform import ViewTransform, Zoom
from core.diagnosis import diagnose_frame
from core.observations import FrameObservations, Source, UnmatchedDetection
from core.settings import TriangulationSettings
from tests.app.views_world import OUTLIER, SIZES, make_world

CAMERA = 1
TRANSFORM = ViewTransform(Box(0, 0, 768, 448), SIZES[CAMERA], Zoom())


@pytest.fixture(scope="module")
def world():
    return make_world(num_persons=6, num_frames=1)


@pytest.fixture(scope="module")
def observations(world):
    points = world.points_px[0].copy()
    points[0, CAMERA, 3] = np.nan  # seen elsewhere: a reprojection is shown here
    source = np.where(np.isfinite(points).all(axis=-1), Source.NETWORK, Source.NONE)
    source[2, CAMERA, 4] = Source.HAND
    bystander = UnmatchedDetection(
        camera=CAMERA, points_px=points[1, CAMERA], confidence=np.ones(13, np.float32), score=0.5
    )
    return FrameObservations(
        frame=7,
        persons=(3, 5, 8, 9, 11, 12),
        points_px=points,
        confidence=np.where(source == Source.NONE, np.nan, 0.75).astype(np.float32),
        source=source.astype(np.uint8),
        boxes_px=np.full((6, 8, 4), np.nan),
        ground_mm=np.full((6, 3), np.nan),
        unmatched=(bystander,),
    )


@pytest.fixture(scope="module")
def diagnosis(world, observations):
    return diagnose_frame(observations, world.rig, TriangulationSettings())


@pytest.fixture(scope="module")
def scene(observations, diagnosis):
    return build_scenes(observations, diagnosis)[CAMERA]


def test_hand_network_and_reprojected_joints_are_told_apart(scene):
    assert scene.form[2, 4] == Form.HAND
    assert scene.form[1, 0] == Form.NETWORK
    assert scene.form[0, 3] == Form.REPROJECTED


def test_a_reprojected_joint_lies_where_the_truth_does(scene, world):
    truth = world.rig[CAMERA].project(world.truth_mm[0, 0, 3])
    assert np.hypot(*(scene.points_px[0, 3] - truth)) < 4


def test_a_reprojection_has_no_weight_and_an_observation_has(scene):
    assert np.isnan(scene.weight[0, 3])
    assert 0 <= scene.weight[2, 4] <= 1


def test_the_view_with_the_outlier_has_little_weight(observations, diagnosis):
    row, camera, joint = OUTLIER
    weights = [scene.weight[row, joint] for scene in build_scenes(observations, diagnosis)]
    assert weights[camera] < 0.2
    assert np.nanmedian(weights) > 0.5


def test_a_discarded_joint_is_crossed_in_every_view_and_reprojected_in_none(
    observations, diagnosis
):
    kept = diagnosis.triangulation.kept.copy()
    kept[0, 3] = False
    doubtful = replace(diagnosis, triangulation=replace(diagnosis.triangulation, kept=kept))
    scenes = build_scenes(observations, doubtful)
    assert all(scene.discarded[0, 3] for scene in scenes)
    assert scenes[CAMERA].form[0, 3] == Form.NONE


def test_without_a_diagnosis_only_observations_are_shown_at_full_weight(observations):
    scene = build_scenes(observations, None)[CAMERA]
    assert not (scene.form == Form.REPROJECTED).any()
    assert not scene.discarded.any()
    assert (scene.level == weight_levels(np.array(1.0))).all()


def test_bystanders_are_shown_in_their_own_view_only(observations, diagnosis):
    counts = [len(scene.bystanders_px) for scene in build_scenes(observations, diagnosis)]
    assert counts == [0, 1, 0, 0, 0, 0, 0, 0]


def test_the_looks_of_a_joint_are_all_different_and_come_apart_again():
    seen = set()
    for form in Form:
        for marks in Mark(0), Mark.DISCARDED, Mark.LOCKED | Mark.OCCLUDED:
            for level in range(6):
                look = int(
                    joint_look(
                        np.array(form, np.uint8),
                        np.array(marks, np.uint8),
                        np.array(level, np.int64),
                    )
                )
                assert split_look(look) == (form, marks, level)
                seen.add(look)
    assert len(seen) == len(Form) * 3 * 6


def test_residuals_are_judged_by_how_large_people_are_seen(scene):
    # A person of about 130 px here: some 10 px are too much. Beside a camera it would be 70 px.
    assert 5 < problem_residual_px(scene) < 20
    near = replace(scene, typical_height_px=900.0)
    assert problem_residual_px(near) == pytest.approx(72)
    assert problem_residual_px(replace(scene, typical_height_px=0.0)) == 5


def test_a_frame_without_anyone_has_empty_scenes(observations):
    nobody = replace(
        observations,
        persons=(),
        points_px=observations.points_px[:0],
        confidence=observations.confidence[:0],
        source=observations.source[:0],
        boxes_px=observations.boxes_px[:0],
        ground_mm=observations.ground_mm[:0],
    )
    scene = build_scenes(nobody, None)[CAMERA]
    assert scene.persons == ()
    assert nearest_joint(scene, TRANSFORM, 100, 100) is None


def test_a_click_on_a_joint_means_that_joint(scene):
    for row, joint in ((1, 0), (2, 4), (0, 3)):
        x, y = TRANSFORM.to_widget(scene.points_px[row, joint]).tolist()
        near = nearest_joint(scene, TRANSFORM, x, y, radius=0.01)
        assert near is not None
        assert (near.person, near.joint) == (scene.persons[row], joint)
        assert near.form == scene.form[row, joint]
        assert near.camera == CAMERA


def test_a_click_beside_a_joint_still_means_it_but_far_away_nothing(scene):
    lowest = np.nanargmax(scene.points_px[..., 1])
    row, joint = divmod(int(lowest), 13)
    x, y = TRANSFORM.to_widget(scene.points_px[row, joint]).tolist()
    near = nearest_joint(scene, TRANSFORM, x, y + HIT_RADIUS - 1)
    assert near is not None
    assert near.distance <= HIT_RADIUS
    assert nearest_joint(scene, TRANSFORM, x, y + HIT_RADIUS + 40) is None


def two_people(scene, gap_px: float, forms=(Form.NETWORK, Form.NETWORK)):
    points = np.full((2, 13, 2), np.nan)
    points[0, 5], points[1, 5] = (400, 300), (400 + gap_px, 300)
    form = np.zeros((2, 13), np.uint8)
    form[0, 5], form[1, 5] = forms
    return replace(scene, persons=(3, 5), points_px=points, form=form)


def test_the_selected_person_wins_over_another_who_is_nearer_by_a_hair(scene):
    pair = two_people(scene, gap_px=4)  # 2 widget pixels apart
    x, y = TRANSFORM.to_widget(pair.points_px[1, 5]).tolist()
    assert nearest_joint(pair, TRANSFORM, x, y).person == 5
    assert nearest_joint(pair, TRANSFORM, x, y, selected_person=3).person == 3
    assert nearest_joint(pair, TRANSFORM, x, y, selected_person=99).person == 5


def test_the_selected_person_does_not_win_from_afar(scene):
    pair = two_people(scene, gap_px=20)
    x, y = TRANSFORM.to_widget(pair.points_px[1, 5]).tolist()
    assert nearest_joint(pair, TRANSFORM, x, y, selected_person=3).person == 5


def test_an_observation_wins_over_a_reprojection_as_near(scene):
    pair = two_people(scene, gap_px=4, forms=(Form.NETWORK, Form.REPROJECTED))
    x, y = TRANSFORM.to_widget(pair.points_px[1, 5]).tolist()
    assert nearest_joint(pair, TRANSFORM, x, y).person == 3


def test_the_card_tells_pixel_confidence_weight_and_residuals(scene, observations, diagnosis):
    x, y = TRANSFORM.to_widget(scene.points_px[2, 4]).tolist()
    target = nearest_joint(scene, TRANSFORM, x, y, radius=0.01)
    card = joint_card(target, "right_elbow", observations, diagnosis)
    rows = dict(card.rows)
    assert card.title == "right elbow · #8"
    assert card.rows[0] == ("", "by hand")
    u, v = observations.points_px[2, CAMERA, 4]
    assert rows["pixel"] == f"{u:.1f}, {v:.1f}"
    assert rows["confidence"] == "0.75"
    assert rows["weight"] == f"{diagnosis.triangulation.weights[2, CAMERA, 4]:.2f}"
    assert rows["residual"] == f"{diagnosis.residual_px[2, CAMERA, 4]:.1f} px"
    assert rows["without this view"] == f"{diagnosis.loo_residual_px[2, CAMERA, 4]:.1f} px"
    assert card.rows[-1] == ("", "kept")


def test_the_card_of_a_reprojection_claims_neither_pixel_nor_residual(
    scene, observations, diagnosis
):
    x, y = TRANSFORM.to_widget(scene.points_px[0, 3]).tolist()
    target = nearest_joint(scene, TRANSFORM, x, y, radius=0.01)
    labels = [label for label, _ in joint_card(target, "x", observations, diagnosis).rows]
    assert not {"pixel", "confidence", "weight", "residual"} & set(labels)
