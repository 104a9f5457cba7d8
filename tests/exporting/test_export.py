"""Exports: what is in them, that they are read again without loss, that nothing is written over."""

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from app.cli import main
from app.cli.export_command import FORMATS as COMMAND_FORMATS
from core.errors import CommandRefusedError, DataError
from core.exporting import FORMATS, Kind, export_project, gather
from core.formats import sportcenter
from core.formats.anipose_points import read_points_csv
from core.formats.c3d import read_c3d
from core.formats.detections import read_detections
from core.formats.pose_arrays import read_hdf5, read_npz
from core.formats.trc import read_trc
from core.project import (
    COPIED,
    REPROJECTED,
    AcceptedPoint,
    AcceptPoints,
    JointKey,
    PointKey,
    Project,
    Provenance,
    SetJoints,
    SetPoints,
    SetReviews,
    SetVisibility,
)
from core.project.runs.config import TrainConfig
from core.project.runs.folder import RunFolder
from tests.app.views_world import make_project, make_world
from tests.curation.predicted_rounds import predict

ORIGIN = Provenance(
    source="run-7",
    round=2,
    weights_hash="ab12",
    wss_mm=4.5,
    worst_loo_px=3.25,
    scale_mm=12.0,
    weighting="consensus",
    rule="support",
    weights=(0.5, 0.25, 0.0, 0.0, 0.0, 0.0, 0.25, 0.0),
)
FRAMES = (2, 3, 7)
WRIST, ANKLE = 5, 11


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Persons 0 and 1 labelled by hand in three views at three frames; person 2's accepted."""
    path = tmp_path_factory.mktemp("export") / "court.trilabel"
    world = make_world(num_persons=4, num_frames=12)
    with make_project(path, world) as project:
        project.annotator = "ann"
        rig, persons = project.rig, project.persons
        keys, points = [], []
        for frame in FRAMES:
            for row in (0, 1):
                image = rig.project(world.truth_mm[frame, row])
                for camera in (0, 1, 6):
                    for joint in range(13):
                        keys.append(JointKey(frame, camera, persons[row], joint))
                        points.append(tuple(image[camera, joint].tolist()))
        project.apply(SetJoints(keys=tuple(keys), points_px=tuple(points)))
        first = keys[0]
        project.apply(SetVisibility(keys=(first,), visibility="occluded"))
        project.apply(SetVisibility(keys=(first._replace(camera=3),), visibility="outside"))
        project.apply(
            SetJoints(keys=(first._replace(camera=4),), points_px=((5.5, 6.5),), origin=REPROJECTED)
        )
        own = PointKey(2, persons[1], WRIST)
        project.apply(SetPoints(keys=(own,), points_mm=((1.0, 2.0, 3.5),)))
        project.annotator = "bob"
        accepted = tuple(
            AcceptedPoint(
                PointKey(frame, persons[2], joint),
                tuple(world.truth_mm[frame, 2, joint].tolist()),
                ORIGIN,
            )
            for frame in (4, 5)
            for joint in range(13)
        )
        # One that a label speaks of already: the label counts.
        twice = AcceptedPoint(PointKey(2, persons[0], WRIST), (9.0, 9.0, 9.0), ORIGIN)
        project.apply(AcceptPoints(points=(*accepted, twice)))
        locked = SetReviews(keys=(accepted[0].key,), state="locked")
        project.apply(locked)
    return path


@pytest.fixture
def project(made):
    with Project.open(made, read_only=True) as project:
        yield project


def rows_of(folder):
    with (folder / "datasheet.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_labels_in_two_views_make_points_where_they_truly_are(project):
    content = gather(project, "labels")
    world = make_world(num_persons=4, num_frames=12)
    poses = content.of_person(project.persons[0])
    assert poses.frames.tolist() == list(FRAMES)
    assert np.nanmax(np.abs(poses.points - world.truth_mm[list(FRAMES), 0])) < 1e-3
    kinds = {content.records[i].kind for i in content.space.record.tolist()}
    assert kinds == {Kind.TRIANGULATED, Kind.HAND}
    assert poses.num_views.max() == 4, "a reprojected label is counted, and makes no point"
    far = poses.residual_px[0, 0]
    assert far > 50, "the reprojected label lies elsewhere"


def test_a_label_in_space_counts_more_than_labels_in_views_and_both_more_than_accepted(project):
    content = gather(project, "both")
    person = project.persons
    assert content.of_person(person[1]).points[0, WRIST].tolist() == [1.0, 2.0, 3.5]
    assert abs(content.of_person(person[0]).points[0, WRIST] - 9).max() > 1
    assert len(content.of_person(person[2]).frames) == 2
    accepted = gather(project, "accepted")
    assert person[0] not in accepted.persons, "placed by hand in views: that comes first"
    assert set(accepted.frames.tolist()) == {4, 5}


def test_an_accepted_point_is_left_out_and_told_once_its_joint_is_placed_in_one_view(
    made, tmp_path
):
    shutil.copytree(made, tmp_path / "again.trilabel")
    with Project.open(tmp_path / "again.trilabel") as project:
        person = project.persons[2]
        project.apply(SetJoints(keys=(JointKey(5, 1, person, ANKLE),), points_px=((3.0, 4.0),)))
        content = gather(project, "both")
        found = {(k[0], k[1], k[2]) for k in content.space.keys.tolist()}
        assert (5, person, WRIST) in found
        assert (5, person, ANKLE) not in found, "as a training leaves it out"
        views = {(k[0], k[2], k[3]): k[1] for k in content.views.keys.tolist()}
        assert views[5, person, ANKLE] == 1, "the label alone, no projection of the accepted point"
        out = export_project(project, tmp_path / "out", format="npz", what="both")
        assert "2 accepted points are left out" in (tmp_path / "out/DATASHEET.md").read_text()
        assert out
        told = json.loads((tmp_path / "out/datasheet.json").read_text())
        assert told["accepted_points_outranked_by_labels"] == 2


def test_a_copy_that_nobody_confirmed_is_left_out_and_told_once_its_joint_is_rejected(
    made, tmp_path
):
    shutil.copytree(made, tmp_path / "again.trilabel")
    with Project.open(tmp_path / "again.trilabel") as project:
        person = project.persons[3]
        copies = tuple(JointKey(7, camera, person, ANKLE) for camera in (0, 1))
        kept = JointKey(7, 0, person, WRIST)
        points = ((3.0, 4.0),) * 3
        project.apply(SetJoints(keys=(*copies, kept), points_px=points, origin=COPIED))
        before = {tuple(key) for key in gather(project, "labels").views.keys.tolist()}
        assert {tuple(key) for key in (*copies, kept)} <= before
        project.apply(SetReviews(keys=(PointKey(7, person, ANKLE),), state="rejected"))
        export_project(project, tmp_path / "out", format="npz", what="labels")
        after = {tuple(key) for key in gather(project, "labels").views.keys.tolist()}
    assert before - after == {tuple(key) for key in copies}
    assert "2 copied labels are left out" in (tmp_path / "out/DATASHEET.md").read_text()
    told = json.loads((tmp_path / "out/datasheet.json").read_text())
    assert told["copied_labels_of_rejected_joints"] == 2


def test_accepted_points_stand_in_views_where_they_project_to_inside_the_picture(project):
    content = gather(project, "accepted")
    for camera, one in enumerate(project.rig):
        poses = content.in_view(camera)
        mine = poses.persons == project.persons[2]
        image = one.project(make_world(num_persons=4, num_frames=12).truth_mm[[4, 5], 2])
        width, height = one.size_px
        inside = ((image > -0.5) & (image < (width - 0.5, height - 0.5))).all(axis=-1)
        assert np.isfinite(poses.points[mine]).all(axis=-1).sum() == inside.sum()


def test_the_command_knows_every_format():
    assert list(COMMAND_FORMATS) == list(FORMATS)


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_is_written_and_has_a_datasheet_of_every_point(project, tmp_path, name):
    out = tmp_path / "out" / name
    done = export_project(project, out, format=name)
    files = [path for path in out.rglob("*") if path.is_file()]
    assert done.num_files == len(files) > 3
    told = json.loads((out / "datasheet.json").read_text())
    for file, facts in told["files"].items():
        assert hashlib.sha256((out / file).read_bytes()).hexdigest() == facts["sha256"]
    assert {path.relative_to(out).as_posix() for path in files} == {
        *told["files"],
        "datasheet.json",
        "DATASHEET.md",
    }
    assert told["annotators"] == ["ann", "bob"]
    assert told["sources"][0]["source"] == "run-7"
    rows = rows_of(out)
    content = gather(project, "both")
    assert len(rows) == len(content.views.keys) + len(content.space.keys)
    assert done.num_views == (len(content.views.keys) if FORMATS[name].has_views else 0)
    text = (out / "DATASHEET.md").read_text()
    assert "run-7" in text
    assert "12.0 mm" in text
    assert not list(tmp_path.glob("out/.*")), "nothing is left beside it"


def test_the_datasheet_tells_the_story_of_each_point(project, tmp_path):
    export_project(project, tmp_path / "out", format="npz")
    rows = rows_of(tmp_path / "out")
    space = [row for row in rows if row["x_mm"]]
    person = str(project.persons[2])
    (one,) = [
        r
        for r in space
        if (r["person"], r["frame"], r["joint"]) == (person, "4", project.skeleton.joints[WRIST])
    ]
    assert (one["kind"], one["run"], one["round"], one["annotator"]) == (
        "accepted",
        "run-7",
        "2",
        "bob",
    )
    assert (one["wss_mm"], one["worst_loo_px"], one["scale_mm"]) == ("4.5", "3.25", "12.0")
    assert one["weights"].startswith("ace_0=0.5 ace_1=0.25 ace_2=0.0")
    assert one["frame_number"] == str(4 + project.first_frame_number)
    kinds = {(row["kind"], row["visibility"]) for row in rows}
    assert {("hand", "occluded"), ("hand", "outside"), ("reprojected", "visible")} <= kinds
    outside = next(row for row in rows if row["visibility"] == "outside")
    assert outside["x_px"] == ""


def test_sportcenters_own_importer_reads_what_was_labelled(project, tmp_path):
    out = tmp_path / "out"
    export_project(project, out, format="sportcenter")
    dataset = sportcenter.read_dataset(out)
    assert dataset.rig.names == project.rig.names
    content = gather(project, "both")
    for person in content.persons:
        poses, wanted = dataset.poses[person], content.of_person(person)
        assert np.nanmax(np.abs(poses.points_mm - wanted.points)) < 1e-9
    again = tmp_path / "again.trilabel"
    assert main(["import", "sportcenter", str(out), str(again)]) == 0
    with Project.open(again) as imported:
        key = JointKey(2, 1, project.persons[0], WRIST)
        assert imported.label(key).x_px == project.label(key).x_px
        views = [content.in_view(camera) for camera in range(len(project.rig))]
        placed = sum(int(np.isfinite(view.points).all(-1).sum()) for view in views)
        assert imported.labels.count() == placed


@pytest.mark.parametrize("name", ["coco", "dlc", "slp"])
def test_importers_of_keypoints_read_every_joint_person_and_frame(project, tmp_path, name):
    out = tmp_path / "out"
    export_project(project, out, format=name)
    content = gather(project, "both")
    for camera, one in enumerate(project.rig):
        path = {
            "coco": out / f"{one.name}.json",
            "dlc": out / "labeled-data" / one.name / "CollectedData_trilabel.csv",
            "slp": out / f"{project.name}.slp",
        }[name]
        found = read_detections({"slp": "sleap"}.get(name, name), path, camera=one.name)
        poses = content.in_view(camera)
        assert found.joints == project.skeleton.joints
        assert found.is_hand
        persons = found.identity
        if name != "coco":
            persons = np.array([int(name) for name in found.identity_names])[found.identity]
        order = np.lexsort([persons, found.frames])
        assert found.frames[order].tolist() == poses.frames.tolist()
        assert persons[order].tolist() == poses.persons.tolist()
        np.testing.assert_array_equal(found.points_px[order], poses.points.astype(np.float32))
        if name == "coco":
            np.testing.assert_array_equal(found.confidence[order] == 0.5, poses.occluded)


@pytest.mark.parametrize("name", ["anipose", "trc", "c3d"])
def test_readers_of_markers_give_back_every_point_in_space(project, tmp_path, name):
    out = tmp_path / "out"
    export_project(project, out, format=name)
    content = gather(project, "both")
    for person in content.persons:
        stem = f"{project.name}_{person}"
        path, read, digits = {
            "anipose": (out / "pose-3d" / f"{stem}.csv", read_points_csv, np.float64),
            "trc": (out / f"{stem}.trc", read_trc, np.float64),
            "c3d": (out / f"{stem}.c3d", read_c3d, np.float32),
        }[name]
        found, wanted = read(path), content.of_person(person)
        assert found.markers == project.skeleton.joints
        assert found.frames.tolist() == wanted.frames.tolist()
        np.testing.assert_array_equal(found.points_mm, wanted.points.astype(digits))


def test_arrays_hold_everything_alike_in_npz_and_hdf5(project, tmp_path):
    export_project(project, tmp_path / "a", format="npz")
    export_project(project, tmp_path / "b", format="hdf5")
    one = read_npz(tmp_path / "a" / f"{project.name}.npz")
    other = read_hdf5(tmp_path / "b" / f"{project.name}.h5")
    assert one.keys() == other.keys()
    for name, values in one.items():
        assert values.tolist() == other[name].tolist() or np.array_equal(
            values, other[name], equal_nan=True
        )
    content = gather(project, "both")
    np.testing.assert_array_equal(one["space_points_mm"], content.space.points_mm)
    record = json.loads(one["records"][one["space_record"][-1]])
    assert record["provenance"]["source"] == "run-7"


def test_one_person_alone_keeps_its_number(project, tmp_path):
    person = project.persons[1]
    for name in ("dlc", "slp"):
        out = tmp_path / name
        export_project(project, out, format=name, query=f"person={person}")
        path = next(iter([*out.rglob("ace_0/CollectedData*.csv"), *out.glob("*.slp")]))
        found = read_detections({"slp": "sleap"}.get(name, name), path, camera="ace_0")
        assert found.identity_names == (str(person),)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("state=locked", 1),
        ("state=accepted,locked person=2", 26),
        ("frame=5..6 person=2", 26),
        ("joint=*_wrist frame<=3", 4),
        ("state=unreviewed joint=left_ankle", 6),
    ],
)
def test_a_query_picks_what_is_exported(project, tmp_path, query, count):
    assert project.persons == (0, 1, 2, 3), "the queries name them"
    first = project.first_frame_number
    assert first in (0, 1)
    if first == 0:
        query = query.replace("5..6", "4..5").replace("<=3", "<=2")
    done = export_project(project, tmp_path / "out", format="npz", query=query)
    assert done.num_space == count


def test_a_query_about_the_triangulation_asks_the_detections(project, tmp_path):
    done = export_project(
        project, tmp_path / "out", format="npz", query="kept residual<30 views>=3", what="accepted"
    )
    assert 0 < done.num_space <= 27
    told = json.loads((tmp_path / "out" / "datasheet.json").read_text())
    assert told["query"] == "kept residual<30 views>=3"


def test_a_query_can_ask_a_runs_triangulation_instead(made, tmp_path):
    path = tmp_path / "copy.trilabel"
    shutil.copytree(made, path)
    with Project.open(path) as project:
        run = RunFolder.create(project.path / "runs", TrainConfig(), name="try")
        predict(project, run, 1, [4], persons=(2,))
        asked = {"format": "npz", "what": "accepted", "query": "views>=2 frame>=5 person=2"}
        export_project(project, tmp_path / "run", run=run.id, **asked)
        found = read_npz(tmp_path / "run" / f"{project.name}.npz")
        assert np.unique(found["space_keys"][:, 0]).tolist() == [4], "what the run has predicted"
        export_project(project, tmp_path / "detections", **asked)
        found = read_npz(tmp_path / "detections" / f"{project.name}.npz")
        assert np.unique(found["space_keys"][:, 0]).tolist() == [4, 5]
        with pytest.raises(DataError, match="none"):
            export_project(project, tmp_path / "no", run="nobody", **asked)


def test_nothing_is_ever_written_over_but_an_earlier_export_that_may_be(project, tmp_path):
    out = tmp_path / "out"
    export_project(project, out, format="npz")
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    with pytest.raises(DataError, match=r"an earlier export.*--overwrite"):
        export_project(project, out, format="coco")
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    export_project(project, out, format="coco", overwrite=True)
    assert not (out / f"{project.name}.npz").exists()
    assert (out / "ace_0.json").is_file()
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("all of it")
    with pytest.raises(DataError, match="a folder with files in it"):
        export_project(project, other, format="npz", overwrite=True)
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]


def test_an_export_that_is_stopped_leaves_nothing_behind(project, tmp_path):
    for limit in (0, 300, 500, 700, 850, 980):

        def go_on(done, _total, limit=limit):
            return done < limit

        with pytest.raises(CommandRefusedError, match="Stopped"):
            export_project(project, tmp_path / "out", format="npz", progress=go_on)
        assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_hold_what_it_should_is_never_put_in_place(
    project, tmp_path, monkeypatch
):
    from dataclasses import replace

    broken = replace(
        FORMATS["npz"], write=lambda content, folder: _cut(FORMATS["npz"], content, folder)
    )
    monkeypatch.setitem(FORMATS, "broken", broken)
    with pytest.raises(DataError):
        export_project(project, tmp_path / "out", format="broken")
    assert list(tmp_path.iterdir()) == []


def _cut(format_, content, folder: Path) -> None:
    from dataclasses import replace

    space = replace(content.space, points_mm=content.space.points_mm + 0.001)
    format_.write(replace(content, space=space), folder)


def test_nothing_to_export_is_told(project, tmp_path):
    with pytest.raises(CommandRefusedError, match="no such labels"):
        export_project(project, tmp_path / "out", format="npz", query="frame=11..12")
    with pytest.raises(DataError, match="ace_0, ace_1"):
        export_project(project, tmp_path / "out", format="npz", query="camera=acee_9")
    assert list(tmp_path.iterdir()) == []


def test_the_command_exports_and_says_what(made, tmp_path, capsys):
    out = tmp_path / "c3d"
    command = ["export", str(made), "--format", "c3d", "--out", str(out)]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "3 persons" in told
    assert "points in views are in datasheet.csv only" in told
    assert main(command) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--what", "accepted", "--query", "frame>3"]) == 0


def test_videos_of_other_names_still_lead_each_camera_to_its_labels(made, tmp_path):
    path = tmp_path / "renamed.trilabel"
    shutil.copytree(made, path)
    with Project.open(path) as project:
        one = project.spec.sources["ace_0"]
        # As if two cameras' pictures lay in folders of one name.
        from dataclasses import replace

        spec = project.spec
        sources = {**spec.sources, "ace_1": replace(spec.sources["ace_1"], directory=one.path)}
        project._spec = replace(spec, sources=sources)  # noqa: SLF001
        export_project(project, tmp_path / "out", format="slp")
        found = read_detections("sleap", tmp_path / "out" / f"{project.name}.slp", camera="ace_1")
        assert len(found) == len(gather(project, "both").in_view(1).frames)
