import json
import subprocess
import sys

import numpy as np
import pytest

from core.geometry import robust_triangulate
from core.learning.evaluation import EvaluationInput, common_triangulation, evaluate
from core.skeleton import load_skeleton
from tests.geometry.camera_rigs import court_rig

SKELETON = load_skeleton("sportcenter13")
RIG = court_rig(6)
PERSONS = (7, 7, 12, 12, 12)
NUM_POSES, NUM_JOINTS = len(PERSONS), SKELETON.num_joints


def truth_of_people(seed=0):
    rng = np.random.default_rng(seed)
    ground = rng.uniform([-5000, -3000, 0], [5000, 3000, 0], (NUM_POSES, 1, 3))
    return ground + rng.uniform([-400, -400, 100], [400, 400, 1800], (NUM_POSES, NUM_JOINTS, 3))


TRUTH = truth_of_people()


def predicted(**kinds):
    points = kinds.pop("points_mm", TRUTH)
    kept = kinds.pop("kept", np.ones(points.shape[:2], dtype=bool))
    return EvaluationInput(points_mm=points, kept=kept, **kinds)


def report_of(prediction, truth=TRUTH, **kinds):
    return evaluate(prediction, truth, PERSONS, RIG.names, SKELETON, **kinds)


def lifted(error_mm=0.0):
    return np.repeat(TRUTH[:, None], 6, axis=1) + error_mm


def test_evaluating_needs_no_torch():
    code = "import sys, core.learning.evaluation; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_truth_itself_has_no_error_in_any_way():
    report = report_of(
        predicted(points_px=RIG.project(TRUTH), single_mm=lifted()), rigs=[RIG], common_scale_mm=10
    )
    for scores in (report.multi_view, report.common, report.single_view):
        assert scores.total.mpjpe_abs < 1e-4
        assert scores.total.pmpjpe < 1e-4
        assert (scores.total.coverage, scores.total.pck) == (1, 100)
    assert report.pixels["all"].mean_px < 1e-9
    assert report.num_poses == NUM_POSES
    assert report.root == ("left_hip", "right_hip")


def test_tables_name_the_joint_the_camera_and_the_subject_that_are_wrong():
    points, single = TRUTH.copy(), lifted()
    wrist = SKELETON.joints.index("left_wrist")
    points[2:, wrist] += (0, 0, 90)
    single[:, 4, wrist] += (0, 0, 120)
    report = report_of(predicted(points_mm=points, single_mm=single))
    assert report.multi_view.per_joint["left_wrist"].mpjpe == pytest.approx(54)
    assert report.multi_view.per_joint["right_wrist"].mpjpe == 0
    assert report.multi_view.per_subject["12"].mpjpe == pytest.approx(90 / 13)
    assert report.multi_view.per_subject["7"].mpjpe == 0
    assert report.multi_view.per_camera == {}
    cameras = {name: row.mpjpe for name, row in report.single_view.per_camera.items()}
    assert cameras == pytest.approx(dict.fromkeys(RIG.names, 0) | {"cam_4": 120 / 13})
    assert report.single_view.per_joint["left_wrist"].mpjpe == pytest.approx(20)
    assert report.single_view.per_subject["7"].num_poses == 2 * 6
    assert list(report.multi_view.per_subject) == ["7", "12"]


def test_the_common_triangulation_does_not_see_the_variants_own():
    pixels = RIG.project(TRUTH) + np.random.default_rng(1).normal(0, 2, (5, 6, 13, 2))
    wrong = predicted(points_mm=TRUTH + 500.0, points_px=pixels)
    right = predicted(points_px=pixels)
    first, second = (report_of(p, rigs=[RIG], common_scale_mm=15.0) for p in (wrong, right))
    assert first.common == second.common
    assert first.multi_view.total.mpjpe_abs > 500
    expected = robust_triangulate(
        RIG.undistort(pixels), RIG.projections, weighting="consensus", scale_mm=15.0
    )
    errors = np.linalg.norm(expected.points_mm - TRUTH, axis=-1)
    assert first.common.total.mpjpe_abs == pytest.approx(errors.mean())
    assert first.common.total.coverage == expected.kept.mean()


def test_a_scale_that_was_estimated_here_is_said_to_be():
    pixels = RIG.project(TRUTH) + np.random.default_rng(1).normal(0, 2, (5, 6, 13, 2))
    given = report_of(predicted(points_px=pixels), rigs=[RIG], common_scale_mm=15.0)
    estimated = report_of(predicted(points_px=pixels), rigs=[RIG])
    assert (given.common_scale_mm, given.common_scale_estimated) == (15.0, False)
    assert estimated.common_scale_estimated
    assert 3 < estimated.common_scale_mm < 60
    assert "not comparable" in estimated.to_text()
    assert "not comparable" not in given.to_text()


def test_each_pose_is_triangulated_in_its_own_rig():
    other = court_rig(6, (0.1, 0.0))
    index = np.array([0, 1, 0, 1, 1])
    pixels = np.where((index == 0)[:, None, None, None], RIG.project(TRUTH), other.project(TRUTH))
    points, kept, _ = common_triangulation(pixels, [RIG, other], index, scale_mm=5.0)
    assert np.allclose(points, TRUTH, atol=1e-4)
    assert kept.all()
    report = report_of(
        predicted(points_px=pixels), rigs=[RIG, other], rig_index=index, common_scale_mm=5.0
    )
    assert report.pixels["all"].mean_px < 1e-9


def test_a_view_out_of_sight_neither_counts_nor_is_triangulated():
    pixels, in_view = RIG.project(TRUTH), np.ones((NUM_POSES, 6), dtype=bool)
    pixels[0, :2] += 500.0
    in_view[0, :2] = False
    single = lifted()
    single[0, :2] += np.linspace(0, 900, 13)[:, None]
    report = report_of(
        predicted(points_px=pixels, single_mm=single, in_view=in_view),
        rigs=[RIG],
        common_scale_mm=10.0,
    )
    assert report.common.total.mpjpe_abs < 1e-4
    assert report.single_view.total.mpjpe == 0
    assert report.single_view.total.num_poses == NUM_POSES * 6 - 2
    assert report.pixels["cam_0"].num_joints == (NUM_POSES - 1) * 13
    assert report.pixels["all"].mean_px < 1e-9


def test_discarded_and_missing_joints_show_in_the_shares_beside_the_errors():
    points, kept = TRUTH.copy(), np.ones((NUM_POSES, NUM_JOINTS), dtype=bool)
    points[0, 0] = np.nan
    kept[1, :3] = False
    total = report_of(predicted(points_mm=points, kept=kept)).multi_view.total
    assert total.found == 64 / 65
    assert total.coverage == 61 / 65


def test_missing_predictions_lower_the_share_found_in_pixels():
    pixels = RIG.project(TRUTH)
    pixels[:, 3, :4] = np.nan
    report = report_of(predicted(points_px=pixels), rigs=[RIG], common_scale_mm=10.0)
    assert report.pixels["cam_3"].found == pytest.approx(9 / 13)
    assert report.pixels["cam_2"].found == 1


def test_pixel_errors_are_distances_to_the_projected_truth():
    pixels = RIG.project(TRUTH)
    pixels[:, 1] += (3.0, 4.0)
    report = report_of(predicted(points_px=pixels), rigs=[RIG], common_scale_mm=10.0)
    assert report.pixels["cam_1"].mean_px == pytest.approx(5)
    assert report.pixels["cam_1"].median_px == pytest.approx(5)
    assert report.pixels["all"].mean_px == pytest.approx(5 / 6)


def test_a_report_is_plain_json_and_names_every_table():
    report = report_of(
        predicted(points_px=RIG.project(TRUTH), single_mm=lifted(3.0)),
        rigs=[RIG],
        common_scale_mm=10.0,
    )
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert set(plain["single_view"]) == {"total", "per_joint", "per_subject", "per_camera"}
    assert set(plain["multi_view"]["per_joint"]) == set(SKELETON.joints)
    assert plain["single_view"]["per_camera"]["cam_2"]["mpjpe_abs"] == pytest.approx(27**0.5)
    assert plain["common"]["total"]["coverage"] == 1
    assert plain["pixels"]["cam_0"]["num_joints"] == 65


def test_a_text_says_the_errors_with_their_shares_under_their_names():
    points, kept = TRUTH.copy(), np.ones((NUM_POSES, NUM_JOINTS), dtype=bool)
    kept[0] = False
    points[:, SKELETON.joints.index("left_ankle")] += (0, 0, 26)
    text = report_of(predicted(points_mm=points, kept=kept, single_mm=lifted())).to_text()
    header = next(line for line in text.splitlines() if "MPJPE" in line and "PCK" in line)
    row = next(line for line in text.splitlines() if line.split()[:1] == ["all"])
    values = dict(zip(header.split(), row.split()[1:], strict=True))
    assert (values["MPJPE"], values["kept%"], values["found%"]) == ("2.0", "80.0", "100.0")
    assert values["n"] == "65"
    assert {len(line) for line in text.splitlines() if line.startswith("  ") and "." in line} == {
        len(row)
    }
    assert "left_hip and right_hip" in text
    assert "by camera" in text
    assert "cam_5" in text


def test_the_headline_has_finite_figures_of_all_ways():
    full = report_of(
        predicted(points_px=RIG.project(TRUTH), single_mm=lifted()), rigs=[RIG], common_scale_mm=9
    ).headline()
    assert {"mv_mpjpe", "common_pmpjpe", "sv_nmpjpe", "mv_coverage", "error_px"} <= set(full)
    empty = report_of(predicted(), truth=np.full_like(TRUTH, np.nan)).headline()
    assert empty == {}


def test_no_poses_make_an_empty_report():
    nothing = EvaluationInput(
        points_mm=np.zeros((0, 13, 3)),
        kept=np.zeros((0, 13), dtype=bool),
        points_px=np.zeros((0, 6, 13, 2)),
        single_mm=np.zeros((0, 6, 13, 3)),
    )
    report = evaluate(nothing, np.zeros((0, 13, 3)), (), RIG.names, SKELETON, rigs=[RIG])
    assert report.num_poses == 0
    assert report.common is None
    assert report.multi_view.per_subject == {}
    assert " - " in report.to_text()
    json.dumps(report.to_dict(), allow_nan=False)


@pytest.mark.parametrize("name", ["points_mm", "kept", "points_px", "single_mm", "in_view"])
def test_arrays_of_another_size_are_refused_by_name(name):
    sizes = {
        "points_mm": np.zeros((4, 13, 3)),
        "kept": np.zeros((5, 12), dtype=bool),
        "points_px": np.zeros((5, 5, 13, 2)),
        "single_mm": np.zeros((5, 6, 13, 2)),
        "in_view": np.zeros((5, 5), dtype=bool),
    }
    with pytest.raises(ValueError, match=name):
        report_of(predicted(**{"kept": np.ones((5, 13), dtype=bool), name: sizes[name]}))
