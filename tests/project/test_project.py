import dataclasses

import h5py
import numpy as np
import pytest
import tomli_w

from core.errors import CommandRefusedError, DataError
from core.formats.fields import read_toml
from core.geometry.volume import WorldBox
from core.observations import Source
from core.project import (
    BulkLabels,
    DeleteJoints,
    JointKey,
    Place,
    PointKey,
    Project,
    SetJoints,
    SetPoints,
    SetVisibility,
)
from core.recording.sources import FolderSpec, VideoSpec
from core.settings import TriangulationSettings


def test_a_reopened_project_is_the_one_that_was_made(tmp_path, spec):
    (tmp_path / "videos").mkdir()
    spec = dataclasses.replace(
        spec,
        sources={
            "cam_0": VideoSpec(path=tmp_path / "videos" / "a.mp4"),
            "cam_2": FolderSpec(directory=tmp_path / "jpg", first_number=1, pattern="f_%06d.jpg"),
        },
        offsets={"cam_0": 3},
        settings=TriangulationSettings(weighting="pairwise", sigma_mm=12.5, scale_mm=8.0),
        world_volume=WorldBox(np.zeros(3), np.array([1.0, 2, 3])),
    )
    Project.create(tmp_path / "p", spec).close()
    with Project.open(tmp_path / "p") as project:
        read = project.spec
    for name in ("name", "skeleton", "num_frames", "first_frame_number", "fps", "subjects"):
        assert getattr(read, name) == getattr(spec, name)
    assert read.sources == spec.sources
    assert read.offsets == {"cam_0": 3, "cam_2": 0}
    assert read.settings == spec.settings
    assert read.world_volume.high_mm.tolist() == [1, 2, 3]
    assert read.roots == (tmp_path / "videos", tmp_path)
    np.testing.assert_array_equal(read.rig.projections, spec.rig.projections)
    assert [camera.size_px for camera in read.rig] == [(1280, 720)] * 3


def test_paths_move_with_the_project(tmp_path, spec):
    before, after = tmp_path / "before", tmp_path / "after"
    (before / "videos").mkdir(parents=True)
    sources = {"cam_0": VideoSpec(path=before / "videos" / "a.mp4")}
    Project.create(before / "p", dataclasses.replace(spec, sources=sources)).close()
    assert read_toml(before / "p/project.toml").value["sources"]["cam_0"]["path"] == (
        "../videos/a.mp4"
    )
    before.rename(after)
    with Project.open(after / "p") as project:
        assert project.spec.sources["cam_0"].path == after / "videos" / "a.mp4"


@pytest.mark.parametrize("path", ["../../secret/a.mp4", "/etc/a.mp4", "link/a.mp4"])
def test_pictures_outside_the_approved_roots_are_refused(tmp_path, project, path):
    project.close()
    (tmp_path / "secret").mkdir()
    (project.path / "link").symlink_to(tmp_path / "secret")
    file = project.path / "project.toml"
    content = read_toml(file).value
    content["sources"] = {"cam_0": {"kind": "video", "path": path, "offset": 0}}
    file.write_text(tomli_w.dumps(content))
    with pytest.raises(DataError, match="approved roots"):
        Project.open(project.path)


def test_a_newer_project_is_refused_with_what_to_do(project):
    project.close()
    file = project.path / "project.toml"
    file.write_text(file.read_text().replace("schema = 1", "schema = 2"))
    with pytest.raises(DataError, match="newer trilabel"):
        Project.open(project.path)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("num_frames = 100", "num_frames = 0", "num_frames"),
        ('weighting = "consensus"', 'weighting = "best"', "settings.weighting"),
        ("schema = 1", "schema = ", "project.toml"),
        ('split = "test"', 'split = "both"', "split"),
    ],
)
def test_a_wrong_entry_of_project_toml_is_named(project, old, new, field):
    project.close()
    file = project.path / "project.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=field):
        Project.open(project.path)


def test_a_folder_that_is_no_project_is_told_so(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        Project.open(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"no project\.toml"):
        Project.open(tmp_path)


def test_a_project_is_never_made_over_another(project, spec):
    with pytest.raises(DataError, match="Choose another name"):
        Project.create(project.path, spec)


def test_settings_are_remembered(project):
    settings = TriangulationSettings(weighting="none", discard="wss", wss_threshold_mm=30.0)
    project.set_settings(settings)
    project.close()
    with Project.open(project.path) as reopened:
        assert reopened.settings == settings


def test_an_empty_frame_has_no_persons(project):
    seen = project.observations(0)
    assert seen.persons == ()
    assert seen.points_px.shape == (0, 3, 3, 2)
    assert seen.boxes_px.shape == (0, 3, 4)


def test_a_frame_holds_who_is_tracked_detected_or_labelled(project, tracks, make_rows):
    project.write_tracks(tracks)
    project.add_import(make_rows([(10, 0, 9), (10, 1, 2), (11, 0, 9)]), "test")
    project.apply(SetJoints(keys=(JointKey(10, 2, 7, 1),), points_px=((5, 6),)))
    seen = project.observations(10)
    assert seen.persons == (2, 4, 7, 9)
    assert project.persons == (2, 4, 7, 9)
    np.testing.assert_array_equal(seen.points_px[3, 0, :, 0], [0, 1, 2])
    np.testing.assert_array_equal(seen.points_px[0, 1, :, 0], [100, 101, 102])
    assert seen.points_px[2, 2, 1].tolist() == [5, 6]
    assert np.isfinite(seen.points_px).all(axis=-1).sum() == 7
    assert seen.source[3, 0].tolist() == [Source.NETWORK] * 3
    assert seen.source[2, 2].tolist() == [Source.NONE, Source.HAND, Source.NONE]
    assert seen.confidence[3, 0, 0] == 0.5
    assert seen.ground_mm[1].tolist() == [0, 0, 0]
    assert np.isnan(seen.ground_mm[[0, 2]]).all()
    assert np.isfinite(seen.boxes_px[[1, 3]]).all()
    assert np.isnan(seen.boxes_px[[0, 2]]).all()


def test_hand_labels_lie_over_detections_and_give_way_when_deleted(project, make_rows):
    project.add_import(make_rows([(0, 0, 1)]), "test")
    keys = tuple(JointKey(0, 0, 1, joint) for joint in (0, 1))
    project.apply(SetJoints(keys=keys[:1], points_px=((50, 60),)))
    project.apply(SetVisibility(keys=keys[1:], visibility="outside"))
    seen = project.observations(0)
    assert seen.points_px[0, 0, 0].tolist() == [50, 60]
    assert np.isnan(seen.points_px[0, 0, 1]).all()
    assert seen.source[0, 0].tolist() == [Source.HAND, Source.HAND, Source.NETWORK]
    project.apply(DeleteJoints(keys=keys))
    seen = project.observations(0)
    assert seen.source[0, 0].tolist() == [Source.NETWORK] * 3
    assert seen.points_px[0, 0, 0].tolist() == [0, 0]


def test_bystanders_and_second_detections_are_unmatched(project, make_rows):
    rows = make_rows([(0, 0, -1), (0, 0, 1), (0, 0, 1), (0, 1, 1)], score=[0.9, 0.2, 0.8, 0.5])
    project.add_import(rows, "test")
    seen = project.observations(0)
    assert seen.persons == (1,)
    assert seen.points_px[0, 0, 0].tolist() == [200, 2]
    assert [(one.camera, round(one.score, 1)) for one in seen.unmatched] == [(0, 0.9), (0, 0.2)]
    assert seen.unmatched[0].points_px[0].tolist() == [0, 0]


def test_a_block_says_the_same_as_its_frames(project, tracks, make_rows):
    project.write_tracks(tracks)
    rng = np.random.default_rng(5)
    rows = sorted(
        {(int(f), int(c), int(p)) for f, c, p in rng.integers((0, 0, -1), (90, 3, 5), (200, 3))}
    )
    project.add_import(make_rows(rows), "test")
    project.apply(SetJoints(keys=(JointKey(12, 2, 7, 1),), points_px=((5, 6),)))
    block = project.observations_block(5, 85)
    for frame in range(5, 85):
        seen = project.observations(frame)
        here = block.present[frame - 5]
        assert tuple(np.array(block.persons)[here].tolist()) == seen.persons
        np.testing.assert_array_equal(block.points_px[frame - 5][here], seen.points_px)
        np.testing.assert_array_equal(block.source[frame - 5][here], seen.source)
        assert np.isnan(block.points_px[frame - 5][~here]).all()


def test_a_second_import_takes_the_place_of_the_first(project, make_rows):
    project.add_import(make_rows([(0, 0, 1), (0, 0, 2)]), "first")
    key = project.data_key
    project.add_import(make_rows([(0, 0, 3)]), "second")
    assert project.observations(0).persons == (3,)
    assert project.data_key != key
    project.close()
    with Project.open(project.path) as reopened:
        assert reopened.observations(0).persons == (3,)
        assert reopened.spec.detections.provenance == "second"


def test_a_failed_import_leaves_the_last_one_in_force(project, make_rows):
    project.add_import(make_rows([(0, 0, 1)]), "first")
    with pytest.raises(DataError, match="frames 0 to 99"):
        project.add_import(make_rows([(100, 0, 2)]), "beyond the end")
    with pytest.raises(DataError, match="3 joints"):
        project.add_import(make_rows([(1, 0, 2)], num_joints=4), "of another skeleton")
    assert project.observations(0).persons == (1,)
    assert len(list((project.path / "imports").iterdir())) == 1


def test_labels_in_3d_are_read_by_frame(project):
    project.apply(
        SetPoints(
            keys=(PointKey(3, 9, 0), PointKey(3, 4, 2), PointKey(5, 4, 1)),
            points_mm=((1, 2, 3), (4, 5, 6), (7, 8, 9)),
        )
    )
    persons, points = project.points3d(3)
    assert persons == (4, 9)
    assert points[0, 2].tolist() == [4, 5, 6]
    assert points[1, 0].tolist() == [1, 2, 3]
    assert np.isfinite(points).all(axis=-1).sum() == 2
    assert project.labelled_frames().tolist() == [3, 5]
    assert project.points3d(0)[1].shape == (0, 3, 3)


def test_labels_beyond_the_recording_are_refused(project):
    bulk = BulkLabels(
        keys=np.array([[100, 0, 1, 0]]),
        points_px=np.zeros((1, 2)),
        occluded=np.zeros(1, bool),
        point_keys=np.zeros((0, 3), np.int64),
        points_mm=np.zeros((0, 3)),
        origin="import:test",
    )
    with pytest.raises(DataError, match="frames 1 to 100"):
        project.import_labels(bulk, "Import")


def test_undo_of_a_project_returns_the_place(project):
    edit = SetJoints(keys=(JointKey(10, 2, 7, 1),), points_px=((5, 6),))
    project.apply(edit, place=Place(10, 2, 7, 1))
    assert project.undo_description == "Place elbow of #7 in cam_2"
    assert project.undo().place == Place(10, 2, 7, 1)
    assert project.redo_description == "Place elbow of #7 in cam_2"
    assert project.redo().keys == {JointKey(10, 2, 7, 1)}
    assert project.label(JointKey(10, 2, 7, 1)).x_px == 5


def test_the_data_key_follows_labels_and_tracks(project, tracks):
    keys = {project.data_key}
    project.apply(SetJoints(keys=(JointKey(10, 2, 7, 1),), points_px=((5, 6),)))
    keys.add(project.data_key)
    project.write_tracks(tracks)
    keys.add(project.data_key)
    assert len(keys) == 3
    assert project.cache_path("a") != project.cache_path("b")
    assert project.cache_path("a").parent == project.path / "cache"


def test_names_and_splits_come_from_the_subjects(project):
    assert project.person_name(4) == "four"
    assert project.person_name(5) == "5"
    assert project.split("test") == (4,)
    assert project.split("train") == ()


def test_a_damaged_import_is_named(project, make_rows):
    project.add_import(make_rows([(0, 0, 1)]), "first")
    project.close()
    file = next((project.path / "imports").glob("detections-*.h5"))
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(DataError, match="Import the detections again"):
        Project.open(project.path)
    file.unlink()
    with pytest.raises(DataError, match="Import the detections again"):
        Project.open(project.path)


def test_changed_bytes_of_an_import_are_refused_not_read(project, make_rows):
    project.add_import(make_rows([(f, 0, 1) for f in range(50)]), "first")
    project.close()
    file = next((project.path / "imports").glob("detections-*.h5"))
    with h5py.File(file) as content:
        chunk = content["joints"].id.get_chunk_info(0)
    data = bytearray(file.read_bytes())
    middle = chunk.byte_offset + chunk.size // 2
    data[middle : middle + 4] = bytes(255 - byte for byte in data[middle : middle + 4])
    file.write_bytes(data)
    with Project.open(project.path) as again, pytest.raises(DataError, match="Import the det"):
        again.observations_block(0, 50)


def test_a_file_instead_of_a_project_is_called_a_file(tmp_path):
    (tmp_path / "rig.toml").write_text("")
    with pytest.raises(DataError, match="found a file"):
        Project.open(tmp_path / "rig.toml")


def test_a_second_window_reads_only_and_says_why(project):
    with Project.open(project.path) as second:
        assert second.read_only
        assert "another window" in second.read_only_reason
        assert "process" in second.read_only_reason
        project.apply(SetJoints(keys=(JointKey(10, 2, 7, 1),), points_px=((5, 6),)))
        assert second.label(JointKey(10, 2, 7, 1)).x_px == 5
        with pytest.raises(CommandRefusedError, match="reading only"):
            second.set_settings(TriangulationSettings())
        with pytest.raises(CommandRefusedError, match="reading only"):
            second.undo()
    project.close()
    with Project.open(project.path) as third:
        assert not third.read_only


def test_reading_only_can_be_asked_for(project):
    project.close()
    with (
        Project.open(project.path, read_only=True) as reader,
        Project.open(project.path) as writer,
    ):
        assert reader.read_only
        assert not writer.read_only
