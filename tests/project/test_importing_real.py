"""Real recordings, imported as a user would, and read back."""

import numpy as np
import pytest

from core.formats.dannce import read_dannce_labels
from core.geometry import triangulate
from core.observations import Source
from core.project import Project
from core.project.importing import import_sportcenter, new_project

pytestmark = pytest.mark.data


def imported(path, calibration, **options):
    lines = []
    new_project(path, calibration, report=lines.append, **options)
    return Project.open(path), lines


def reprojection_px(project, frames, cameras):
    """Raw distances (N, C, J) between observations and the plain triangulation of these cameras."""
    points_px = np.concatenate([project.observations(frame).points_px for frame in frames])
    undistorted = project.rig.undistort(points_px)[:, cameras]
    points_mm = triangulate(undistorted, project.rig.projections[cameras])
    return np.linalg.norm(project.rig.project(points_mm) - points_px, axis=-1)[:, cameras]


def test_a_walk_with_bystanders_becomes_a_project(real_data, tmp_path):
    folder = real_data / "pose2sim"
    project, lines = imported(
        tmp_path / "walk",
        folder / "Calib.qca.txt",
        videos=[str(folder / "videos")],
        detections=[f"openpose:{folder / 'openpose'}"],
    )
    assert "  detections: cam01_json is camera cam_01" in lines
    with project, project.recording() as recording:
        assert (project.num_frames, project.fps, project.skeleton.name) == (100, 60.0, "body25b")
        assert recording.num_frames == 100
        assert recording.read("cam_03", 50).shape == (1920, 1088, 3)
        seen = project.observations(50)
        assert 0 in seen.persons
        walker = seen.points_px[seen.persons.index(0)]
        assert np.isfinite(walker).all(axis=-1).sum(axis=1).min() > 15
        total = sum(
            np.isfinite(project.observations(frame).points_px).all(axis=-1).any(axis=2).sum()
            + len(project.observations(frame).unmatched)
            for frame in range(100)
        )
        assert total == 601, "every detection is shown: as somebody's or as nobody's"


def test_a_mouse_becomes_a_project_with_the_known_errors(real_data, tmp_path):
    folder = real_data / "sleap_anipose"
    project, lines = imported(
        tmp_path / "mouse",
        folder / "calibration.toml",
        videos=[str(folder)],
        detections=[f"sleap:{folder}"],
    )
    with project:
        assert (project.num_frames, project.fps) == (120, 30.0)
        assert project.rig.names == ("back", "mid", "side", "top")
        assert project.skeleton.num_joints == 15
        assert len(project.skeleton.bones) > 5
        assert project.persons == (0,)
        every = reprojection_px(project, range(120), [0, 1, 2, 3])
        assert np.nanmean(every) == pytest.approx(7.3, abs=0.1)
        pair = reprojection_px(project, range(120), [1, 3])
        assert np.nanmean(pair) == pytest.approx(0.9, abs=0.05)
    assert any("does not state its unit" in line for line in lines)


def test_dannces_calibration_brings_its_labels(real_data, tmp_path):
    file = real_data / "dannce_demo" / "label3d_dannce.mat"
    project, lines = imported(tmp_path / "dannce", file)
    truth = read_dannce_labels(file)
    with project:
        assert project.skeleton.name == "mouse22"
        assert project.labelled_frames().tolist() == truth.frames.tolist()
        for row, frame in enumerate(truth.frames[:20].tolist()):
            seen = project.observations(frame)
            _, points_mm = project.points3d(frame)
            np.testing.assert_array_equal(seen.points_px[0], truth.points_px[row])
            np.testing.assert_array_equal(points_mm[0], truth.points_mm[row])
            placed = np.isfinite(truth.points_px[row]).all(axis=-1)
            assert (seen.source[0][placed] == Source.HAND).all()
            error = np.abs(project.rig.project(points_mm[0]) - seen.points_px[0])
            assert np.nanmax(error) < 5e-4
    assert sum("twice the principal point" in line for line in lines) == 6


def test_dannces_labels_may_be_named_beside_another_calibration(real_data, tmp_path):
    file = real_data / "dannce_demo" / "label3d_dannce.mat"
    first, _ = imported(tmp_path / "first", file)
    first.close()
    project, _ = imported(
        tmp_path / "second", tmp_path / "first" / "rig.toml", detections=[f"label3d:{file}"]
    )
    with project:
        assert project.labels.count() == 10_290
        assert project.labels.count("points3d") == 1_715


def test_the_real_sportcenter_calibration_becomes_a_project(real_data, tmp_path):
    lines = []
    import_sportcenter(real_data / "sportcenter", tmp_path / "p", report=lines.append)
    with Project.open(tmp_path / "p") as project:
        assert project.rig.names == tuple(f"ace_{c}" for c in range(8))
        assert project.rig[0].size_px == (1376, 992)
        assert project.first_frame_number == 1
    assumed = [line.split(":")[0].strip() for line in lines if "principal point" in line]
    assert assumed == ["ace_6", "ace_7"]
