from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from core.errors import CommandRefusedError, DataError
from core.formats.calibration import read_rig
from core.formats.detections import CameraDetections, read_detections
from core.geometry import triangulate
from core.people import GroundTracks, IdentifiedDetections, assign_identities
from tests.people.crowd import Crowd, court_rig, make_crowd

if TYPE_CHECKING:
    from pathlib import Path

    from core.geometry import Rig


def truth_of(crowd: Crowd) -> np.ndarray:
    frames = np.concatenate([d.frames for d in crowd.detections])
    return np.concatenate(crowd.truth)[np.argsort(frames, kind="stable")]


def scores(crowd: Crowd, found: IdentifiedDetections) -> dict[str, float]:
    """Shares of detections, each found id standing for whom it shows most often."""
    truth = truth_of(crowd)
    who = {i: int(np.bincount(truth[found.person == i] + 1).argmax()) - 1 for i in found.persons}
    named = np.array([who.get(int(p), -1) for p in found.person])
    real = truth >= 0
    return {
        "right": float(np.mean(named[real] == truth[real])),
        "wrong": float(np.mean((named[real] != truth[real]) & (named[real] >= 0))),
        "bystanders": float(np.mean(found.person[~real] >= 0)),
        "people": len(set(who.values()) - {-1}),
        "ids": len(found.persons),
    }


def identified(crowd: Crowd, *, tracks: bool) -> IdentifiedDetections:
    return assign_identities(crowd.detections, crowd.rig, crowd.tracks if tracks else None, 13)


# The gates were chosen on crowds of seeds 0 and 1; the seed here is another. A dense dozen walk
# through each other: with tracks 80 mm off, up to a quarter of those nearer than 200 mm is wrong,
# and nobody beyond 600 mm.
CROWDS = {
    "eight players": {"num_people": 8},
    "twelve in seven views": {"num_people": 12, "num_cameras": 7},
    "a dense dozen": {"num_people": 12, "num_cameras": 7, "spread_mm": 2000},
    "noisy": {"num_people": 12, "num_cameras": 7, "noise_px": 8.0},
    "a third missing": {"num_people": 5, "num_cameras": 4, "missing": 0.33},
}


@pytest.mark.parametrize("kind", CROWDS)
@pytest.mark.parametrize("tracks", [True, False], ids=["tracks", "no tracks"])
def test_players_of_a_crowd_keep_their_identity(kind, tracks):
    crowd = make_crowd(num_frames=50, seed=11, **CROWDS[kind])
    found = scores(crowd, identified(crowd, tracks=tracks))
    people = CROWDS[kind]["num_people"]
    assert found["right"] > (0.94 if kind == "a dense dozen" else 0.96)
    assert found["wrong"] < (0.05 if kind == "a dense dozen" else 0.02)
    assert found["bystanders"] < 0.02
    assert found["people"] == people
    assert found["ids"] == people


def test_with_tracks_the_ids_are_those_of_the_tracks():
    crowd = make_crowd(num_people=6, num_frames=20)
    found = identified(crowd, tracks=True)
    truth = truth_of(crowd)
    assert np.mean(found.person == truth) > 0.98


def test_whoever_is_apart_is_never_mistaken():
    crowd = make_crowd(num_people=12, num_cameras=7, num_frames=50, spread_mm=2500)
    found = identified(crowd, tracks=True)
    truth = truth_of(crowd)
    apart = np.array(
        [_distance(crowd.tracks, f, p) for f, p in zip(found.frame, truth, strict=True)]
    )
    clear = (truth >= 0) & (apart > 700)
    assert clear.sum() > 1000
    assert np.mean(found.person[clear] == truth[clear]) > 0.998


def _distance(tracks: GroundTracks, frame: int, person: int) -> float:
    """To the nearest other person, mm."""
    ids, ground = tracks.at(int(frame))
    if person < 0:
        return 0.0
    away = np.linalg.norm(ground - ground[ids == person], axis=1)
    return float(away[ids != person].min())


@pytest.mark.parametrize("tracks", [True, False])
def test_no_view_has_the_same_person_twice(tracks):
    crowd = make_crowd(num_people=12, num_frames=20, spread_mm=1500, num_bystanders=3)
    found = identified(crowd, tracks=tracks)
    someone = found.person >= 0
    keys = np.stack([found.frame, found.camera, found.person], axis=1)[someone]
    assert len(np.unique(keys, axis=0)) == len(keys)


def test_rows_are_sorted_and_complete():
    crowd = make_crowd(num_people=4, num_frames=15)
    found = identified(crowd, tracks=True)
    assert len(found) == sum(len(d) for d in crowd.detections)
    key = found.frame.astype(int) * 100 + found.camera
    assert (np.diff(key) >= 0).all()
    for c, detections in enumerate(crowd.detections):
        mine = found.camera == c
        np.testing.assert_array_equal(found.points_px[mine], detections.points_px)
        np.testing.assert_array_equal(found.confidence[mine], detections.confidence)
        np.testing.assert_array_equal(found.frame[mine], detections.frames)


def test_a_person_survives_a_short_gap():
    crowd = make_crowd(num_people=3, num_frames=60, num_bystanders=1, missing=0.0)
    kept = [_without(d, 25, 33) for d in crowd.detections]
    found = assign_identities(kept, crowd.rig, None, 13)
    truth = np.concatenate(
        [
            t[(d.frames < 25) | (d.frames >= 33)]
            for t, d in zip(crowd.truth, crowd.detections, strict=True)
        ]
    )
    frames = np.concatenate([d.frames for d in kept])
    truth = truth[np.argsort(frames, kind="stable")]
    for person in range(3):
        ids = found.person[truth == person]
        assert len(np.unique(ids[ids >= 0])) == 1


def _without(found: CameraDetections, first: int, stop: int) -> CameraDetections:
    rows = (found.frames < first) | (found.frames >= stop)
    return _rows(found, rows)


def _rows(found: CameraDetections, rows: np.ndarray, **changes) -> CameraDetections:
    names = ("frames", "points_px", "confidence", "score", "identity", "hand")
    values = {name: getattr(found, name)[rows] for name in names} | changes
    return CameraDetections(joints=found.joints, **values)


def test_a_frame_flooded_with_detections_is_bounded_and_answered():
    crowd = make_crowd(num_people=4, num_frames=2, num_bystanders=200)
    found = identified(crowd, tracks=False)
    assert len(found) == sum(len(d) for d in crowd.detections)


def test_people_in_one_view_only_stay_unmatched():
    crowd = make_crowd(num_people=3, num_frames=20, num_bystanders=4)
    found = identified(crowd, tracks=False)
    assert (found.person[truth_of(crowd) < 0] == -1).all()


def test_the_tools_own_tracks_help_where_space_does_not():
    # Two bodies nearly in one place: only the names that the tool gave tell who is who.
    crowd = make_crowd(num_people=2, num_frames=30, spread_mm=100, noise_px=6, missing=0, seed=3)
    named = [
        _rows(d, np.full(len(d), True), identity=t.astype(np.int32))
        for d, t in zip(crowd.detections, crowd.truth, strict=True)
    ]
    hinted = scores(crowd, assign_identities(named, crowd.rig, None, 13))
    plain = scores(crowd, identified(crowd, tracks=False))
    assert hinted["right"] >= plain["right"]
    assert hinted["right"] > 0.9


def test_one_instance_per_view_is_one_person_whatever_the_calibration():
    crowd = make_crowd(num_people=1, num_frames=10, num_bystanders=0)
    shuffled = [crowd.detections[i] for i in (3, 1, 0, 2, 5, 4)]  # cameras mixed up
    assert (assign_identities(shuffled, crowd.rig, None, 13).person == 0).all()
    tracks = GroundTracks.from_rows([7], [0], [[0, 0]])
    assert (assign_identities(shuffled, crowd.rig, tracks, 13).person == 7).all()


def test_cameras_without_detections_are_allowed():
    crowd = make_crowd(num_people=3, num_frames=10)
    some: list[CameraDetections | None] = [None, *crowd.detections[1:]]
    found = assign_identities(some, crowd.rig, crowd.tracks, 13)
    assert 0 not in found.camera
    empty = assign_identities([None] * 6, crowd.rig, None, 13)
    assert len(empty) == 0
    assert empty.points_px.shape == (0, 13, 2)


def test_detections_of_another_skeleton_are_refused():
    crowd = make_crowd(num_people=2, num_frames=3)
    with pytest.raises(DataError, match=r"ace_0.*17 joints.*13"):
        assign_identities(crowd.detections, crowd.rig, None, 17)


@pytest.mark.parametrize("tracks", [True, False])
def test_progress_is_told_and_can_stop(tracks):
    crowd = make_crowd(num_people=8, num_frames=60)
    told: list[tuple[int, int]] = []

    def keep(done: int, total: int) -> bool:
        told.append((done, total))
        return True

    arguments = (crowd.detections, crowd.rig, crowd.tracks if tracks else None, 13)
    assign_identities(*arguments, progress=keep)
    assert told[-1] == (60, 60)
    assert told == sorted(told)
    with pytest.raises(CommandRefusedError, match="nothing was imported"):
        assign_identities(*arguments, progress=lambda done, _total: done < 30)


def test_joints_without_names_are_matched_by_their_box():
    crowd = make_crowd(num_people=8, num_frames=20)
    bare = [
        CameraDetections(
            joints=None,
            frames=d.frames,
            points_px=d.points_px,
            confidence=d.confidence,
            score=d.score,
            identity=d.identity,
            hand=d.hand,
        )
        for d in crowd.detections
    ]
    found = assign_identities(bare, crowd.rig, crowd.tracks, 13)
    assert np.mean(found.person == truth_of(crowd)) > 0.97


def test_two_cameras_are_enough():
    crowd = make_crowd(num_people=3, num_cameras=2, num_frames=40)
    assert scores(crowd, identified(crowd, tracks=False))["right"] > 0.95


def test_a_camera_alone_gives_nobody_an_identity_without_tracks():
    crowd = make_crowd(num_people=3, num_frames=5)
    found = assign_identities(
        crowd.detections[:1], type(crowd.rig)(crowd.rig.cameras[:1]), None, 13
    )
    assert (found.person == -1).all()
    assert len(court_rig(1)) == 1


# --- real recordings


def _pose2sim(real_data: Path) -> tuple[Rig, IdentifiedDetections]:
    rig = read_rig(real_data / "pose2sim" / "Calib.qca.txt")
    folders = [real_data / "pose2sim" / "openpose" / f"cam0{c}_json" for c in range(1, 5)]
    detections = [read_detections("openpose", folder) for folder in folders]
    return rig, assign_identities(detections, rig, None, 25)


def _dense(found: IdentifiedDetections, num_frames: int, num_cameras: int) -> np.ndarray:
    """(F, C, J, 2) raw pixels of person 0."""
    points = np.full((num_frames, num_cameras, found.num_joints, 2), np.nan)
    mine = found.person == 0
    points[found.frame[mine], found.camera[mine]] = found.points_px[mine]
    return points


@pytest.mark.data
def test_pose2sim_has_one_person_in_all_views_of_all_frames(real_data):
    rig, found = _pose2sim(real_data)
    assert found.persons == (0,)
    assert (found.person == 0).sum() == 400
    assert np.bincount(found.camera[found.person == -1], minlength=4).tolist() == [101, 100, 0, 0]
    raw = _dense(found, 100, 4)
    points = triangulate(rig.undistort(raw), rig.projections)
    error = np.linalg.norm(rig.project(points) - raw, axis=-1)
    # 16.2 px over all joints, 13.8 at the median, 12.9 over the confident ones
    assert 12 < np.nanmean(error) < 18
    assert 12 < np.nanmedian(error) < 15
    # Nobody was swapped with: the error of each frame is that of the others.
    by_frame = np.nanmean(error, axis=(1, 2))
    assert by_frame.max() < 2 * np.median(by_frame)


@pytest.mark.data
@pytest.mark.parametrize("calibration", ["calibration.toml", "calibration.broken-side.toml"])
def test_the_mouse_is_one_person_even_where_a_camera_is_broken(real_data, calibration):
    folder = real_data / "sleap_anipose"
    rig = read_rig(folder / calibration)
    files = [folder / name / f"minimal_{name}_proofread.slp" for name in rig.names]
    found = assign_identities([read_detections("sleap", file) for file in files], rig, None, 15)
    assert len(found) == 480
    assert (found.person == 0).all()
