from __future__ import annotations

import csv
import json
import pickle

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.formats.detections import CameraDetections, read_detections
from core.formats.plain_pickle import load_plain

NODES = ("Nose", "Ear_L", "Ear_R")


def value_or_refusal(format_name, path) -> CameraDetections | DataError:
    try:
        return read_detections(format_name, path)
    except DataError as error:
        return error


# --- SLEAP


def slp(path, *, instances, points=(), pred=(), videos=("a.mp4",), format_id=1.2, frames=None):
    """A .slp; instances are (frame row, type, track, from_predicted, first point)."""
    num = len(NODES)
    metadata = {
        "nodes": [{"name": "Ear_R"}, {"name": "Nose"}, {"name": "Ear_L"}],
        "skeletons": [
            {
                "nodes": [{"id": 1}, {"id": 2}, {"id": 0}],
                "links": [
                    {"source": 1, "target": 2, "type": {"py/reduce": [{}, {"py/tuple": [1]}]}},
                    {"source": 2, "target": 0, "type": {"py/reduce": [{}, {"py/tuple": [2]}]}},
                    {"source": 1, "target": 0, "type": {"py/id": 1}},
                ],
            }
        ],
    }
    frames = frames or [(0, i) for i in range(max((r[0] for r in instances), default=-1) + 1)]
    starts = [sum(r[0] < i for r in instances) for i in range(len(frames) + 1)]
    with h5py.File(path, "w") as file:
        group = file.create_group("metadata")
        group.attrs["format_id"] = format_id
        group.attrs["json"] = np.bytes_(json.dumps(metadata))
        file["frames"] = np.array(
            [(i, v, f, starts[i], starts[i + 1]) for i, (v, f) in enumerate(frames)],
            dtype=[
                *[("frame_id", "u8"), ("video", "u4"), ("frame_idx", "u8")],
                *[("instance_id_start", "u8"), ("instance_id_end", "u8")],
            ],
        )
        file["instances"] = np.array(
            [
                (i, kind, frame, 0, track, origin, 0.5, first, first + num)
                for i, (frame, kind, track, origin, first) in enumerate(instances)
            ],
            dtype=[
                *[("instance_id", "i8"), ("instance_type", "u1"), ("frame_id", "u8")],
                *[("skeleton", "u4"), ("track", "i4"), ("from_predicted", "i8"), ("score", "f4")],
                *[("point_id_start", "u8"), ("point_id_end", "u8")],
            ],
        )
        base = [("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")]
        file["points"] = np.array([(x, y, v, True) for x, y, v in points], dtype=base)
        file["pred_points"] = np.array(
            [(x, y, v, False, 0.75) for x, y, v in pred], dtype=[*base, ("score", "f8")]
        )
        texts = [json.dumps({"backend": {"filename": f"D:\\x\\{v}"}}) for v in videos]
        file.create_dataset("videos_json", data=np.array(texts, dtype="S"))
        file.create_dataset("tracks_json", data=np.array(['[0,"left"]', '[0,"right"]'], dtype="S"))
    return path


def three(x: float) -> list[tuple[float, float, bool]]:
    return [(x, 1.0, True), (x + 1, 2.0, True), (0.0, 0.0, False)]


def test_sleap_instances_come_with_skeleton_tracks_and_provenance(tmp_path):
    path = slp(
        tmp_path / "a.slp",
        instances=[(0, 1, 0, -1, 0), (0, 0, 1, -1, 0), (1, 1, -1, -1, 3)],
        points=three(100),
        pred=three(10) + three(20),
    )
    found = read_detections("sleap", path)
    assert found.joints == NODES
    assert found.bones == ((0, 1), (0, 2))  # the symmetry link is no bone
    assert found.frames.tolist() == [0, 0, 1]
    assert found.identity.tolist() == [0, 1, -1]
    assert found.identity_names == ("left", "right")
    assert found.hand.tolist() == [False, True, False]
    assert found.points_px[:, 0, 0].tolist() == [10, 100, 20]
    assert np.isnan(found.points_px[:, 2]).all()
    assert found.confidence[:, 0].tolist() == [0.75, 1.0, 0.75]
    assert found.score[[0, 2]].tolist() == [0.5, 0.5]
    assert np.isnan(found.score[1])


@pytest.mark.parametrize("link", ["from_predicted", "track"])
def test_a_corrected_prediction_is_not_imported_twice(tmp_path, link):
    user = (0, 0, 1 if link == "track" else -1, 0 if link == "from_predicted" else -1, 0)
    path = slp(
        tmp_path / "a.slp",
        instances=[(0, 1, 1, -1, 0), user, (0, 1, 0, -1, 3)],
        points=three(100),
        pred=three(10) + three(20),
    )
    assert read_detections("sleap", path).points_px[:, 0, 0].tolist() == [100, 20]


def test_old_sleap_files_have_pixel_corners_as_origin(tmp_path):
    instances = [(0, 1, 0, -1, 0)]
    path = slp(tmp_path / "a.slp", instances=instances, pred=three(10), format_id=1.0)
    assert read_detections("sleap", path).points_px[0, 0].tolist() == [9.5, 0.5]


def test_a_camera_chooses_its_video_of_a_sleap_project(tmp_path):
    path = slp(
        tmp_path / "a.slp",
        instances=[(0, 1, 0, -1, 0), (1, 1, 0, -1, 3)],
        pred=three(10) + three(20),
        videos=("cam_a.mp4", "cam_b.mp4"),
        frames=[(0, 5), (1, 6)],
    )
    found = read_detections("sleap", path, camera="camB")
    assert found.frames.tolist() == [6]
    assert found.points_px[0, 0, 0] == 20
    with pytest.raises(DataError, match=r"cam_a\.mp4, cam_b\.mp4"):
        read_detections("sleap", path)


@pytest.mark.parametrize("reverse", [False, True])
def test_sleap_analysis_files_are_read_in_either_order_of_axes(tmp_path, reverse):
    tracks = np.arange(2 * 2 * 3 * 4, dtype=float).reshape(2, 2, 3, 4)
    tracks[1, :, :, 2] = np.nan  # the second animal is not there at frame 2
    scores = np.full((2, 3, 4), 0.5)
    path = tmp_path / "a.analysis.h5"
    with h5py.File(path, "w") as file:
        file["tracks"] = tracks.T if reverse else tracks
        file["point_scores"] = scores.T if reverse else scores
        file["node_names"] = np.array(NODES, dtype="S")
        file["track_names"] = np.array(["a", "b"], dtype="S")
        file["edge_inds"] = [[0, 1]]
    found = read_detections("sleap", path)
    assert found.frames.tolist() == [0, 0, 1, 1, 2, 3, 3]
    assert found.identity.tolist() == [0, 1, 0, 1, 0, 0, 1]
    assert (found.joints, found.bones, found.identity_names) == (NODES, ((0, 1),), ("a", "b"))
    np.testing.assert_array_equal(found.points_px[-1], tracks[1, :, :, 3].T)


@pytest.mark.data
@pytest.mark.parametrize("camera", ["back", "mid", "side", "top"])
def test_a_real_sleap_project_agrees_with_its_analysis_file(real_data, camera):
    folder = real_data / "sleap_anipose" / camera
    project = read_detections("sleap", folder / f"minimal_{camera}_proofread.slp")
    analysis = read_detections("sleap", folder / f"minimal_{camera}_proofread.analysis.h5")
    assert len(project) == 120
    for name in ("frames", "points_px", "confidence", "score", "identity"):
        np.testing.assert_array_equal(getattr(project, name), getattr(analysis, name))
    assert project.joints == analysis.joints
    assert project.bones == analysis.bones
    assert len(project.bones) == 14
    assert project.identity_names == analysis.identity_names == ("track_0",)


def test_instances_beyond_the_tables_are_refused(tmp_path):
    path = slp(tmp_path / "a.slp", instances=[(0, 1, 0, -1, 7)], pred=three(10))
    with pytest.raises(DataError, match="pred_points"):
        read_detections("sleap", path)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_sleap_project_is_a_value_or_a_clear_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("slp") / "a.slp"
    instances = [(0, 1, 0, -1, 0), (0, 0, 1, 0, 0), (1, 1, -1, -1, 3)]
    slp(path, instances=instances, points=three(100), pred=three(10) + three(20))
    with h5py.File(path, "r+") as file:
        name = data.draw(st.sampled_from(["frames", "instances", "points", "pred_points"]))
        table = file[name][()]
        field = data.draw(st.sampled_from(table.dtype.names))
        kind = table.dtype[field]
        values = st.booleans() if kind.kind == "b" else st.integers(0, 2 ** (8 * kind.itemsize - 1))
        if kind.kind == "u" and kind.itemsize == 1:
            values = st.integers(0, 255)
        if kind.kind == "i":
            values = st.integers(-3, 2 ** (8 * kind.itemsize - 1) - 1)
        if kind.kind == "f":
            values = st.floats(width=8 * kind.itemsize)
        table[field][data.draw(st.integers(0, len(table) - 1))] = data.draw(values)
        file[name][...] = table
    found = value_or_refusal("sleap", path)
    if isinstance(found, DataError):
        assert str(path) in str(found)
        return
    assert found.points_px.shape == (len(found), 3, 2)


# --- DeepLabCut

SINGLE = [("net", b, c) for b in ("nose", "tail") for c in ("x", "y", "likelihood")]
MULTI = [
    ("net", a, b, c)
    for a in ("m1", "m2")
    for b in ("nose", "tail")
    for c in ("x", "y", "likelihood")
]
ROWS = {2: ("bodyparts", "coords"), 3: ("scorer", "bodyparts", "coords")}
ROWS[4] = ("scorer", "individuals", "bodyparts", "coords")


def dlc_csv(path, columns, index, values, *, num_index=1):
    names = ROWS[len(columns[0])]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        for level, name in enumerate(names):
            writer.writerow([name, *[""] * (num_index - 1), *[c[level] for c in columns]])
        for key, row in zip(index, values, strict=True):
            writer.writerow([*key, *["" if np.isnan(v) else v for v in row]])
    return path


def numbers(rows: int, columns: int) -> np.ndarray:
    return np.arange(rows * columns, dtype=float).reshape(rows, columns) + 1


@pytest.mark.parametrize("levels", [2, 3])
def test_a_dlc_csv_is_read_with_its_headers(tmp_path, levels):
    values = numbers(3, 6)
    values[1, :3] = np.nan
    columns = [c[-levels:] for c in SINGLE]
    path = dlc_csv(tmp_path / "a.csv", columns, [(0,), (1,), (2,)], values)
    found = read_detections("dlc", path)
    assert found.joints == ("nose", "tail")
    assert found.frames.tolist() == [0, 1, 2]
    assert found.points_px[0].tolist() == [[1, 2], [4, 5]]
    assert found.confidence[0].tolist() == [3, 6]
    assert np.isnan(found.points_px[1, 0]).all()
    assert found.identity.tolist() == [-1, -1, -1]
    assert not found.is_hand


def test_several_animals_of_a_dlc_csv_are_identities(tmp_path):
    values = numbers(2, 12)
    values[1, 6:] = np.nan
    found = read_detections("dlc", dlc_csv(tmp_path / "a.csv", MULTI, [(0,), (1,)], values))
    assert found.identity_names == ("m1", "m2")
    assert found.identity.tolist() == [0, 1, 0]
    assert found.points_px[1].tolist() == [[7, 8], [10, 11]]


def test_dlc_labels_are_placed_by_hand_and_counted_by_their_pictures(tmp_path):
    columns = [c for c in SINGLE if c[-1] != "likelihood"]
    index = [("labeled-data", "v2", f"img{n:03d}.png") for n in (7, 31)]
    path = dlc_csv(tmp_path / "a.csv", columns, index, numbers(2, 4), num_index=3)
    found = read_detections("dlc", path)
    assert found.frames.tolist() == [7, 31]
    assert found.is_hand
    assert np.isnan(found.confidence).all()
    assert found.points_px[1].tolist() == [[5, 6], [7, 8]]


def dlc_table(path, columns, values, protocol=0):
    """pandas' format="table", as to_hdf writes it."""
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"] = np.bytes_("frame_table")
        group.attrs["non_index_axes"] = np.bytes_(pickle.dumps([(1, columns)], protocol))
        rows = np.zeros(
            len(values), dtype=[("index", "i8"), ("values_block_0", "f8", (len(columns),))]
        )
        rows["index"], rows["values_block_0"] = np.arange(len(values)), values
        group["table"] = rows
        group["table"].attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(columns, protocol))
    return path


def dlc_fixed(path, columns, values):
    """pandas' format="fixed"."""
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"] = np.bytes_("frame")
        group.attrs["nblocks"] = 1
        for axis in ("axis0", "block0_items"):
            for level in range(len(columns[0])):
                names = sorted({c[level] for c in columns})
                group[f"{axis}_level{level}"] = np.array(names, dtype="S")
                group[f"{axis}_label{level}"] = np.array([names.index(c[level]) for c in columns])
        group["axis1"] = np.arange(len(values))
        group["block0_values"] = values
    return path


@pytest.mark.parametrize("columns", [SINGLE, MULTI], ids=["single", "multi"])
def test_the_hdf5_files_of_dlc_agree_with_its_csv(tmp_path, columns):
    values = numbers(3, len(columns))
    index = [(i,) for i in range(3)]
    expected = read_detections("dlc", dlc_csv(tmp_path / "a.csv", columns, index, values))
    for write in (dlc_table, dlc_fixed):
        found = read_detections("dlc", write(tmp_path / f"{write.__name__}.h5", columns, values))
        assert found.joints == expected.joints
        assert found.identity_names == expected.identity_names
        for name in ("frames", "points_px", "confidence", "identity"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_a_header_that_would_run_code_is_refused(tmp_path):
    path = dlc_table(tmp_path / "a.h5", SINGLE, numbers(2, 6))
    with h5py.File(path, "r+") as file:
        evil = b"cposix\nsystem\n(Vtouch /tmp/trilabel-was-here\ntR."
        file["df_with_missing"].attrs["non_index_axes"] = np.bytes_(evil)
    with pytest.raises(DataError, match=r"GLOBAL.*CSV"):
        read_detections("dlc", path)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple),
    max_leaves=12,
)


@settings(deadline=None, max_examples=150)
@given(plain, st.integers(0, 5))
def test_plain_pickles_of_every_protocol_are_read(value, protocol):
    assert load_plain(pickle.dumps(value, protocol)) == value


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_damaged_pickle_is_a_value_error(data):
    raw = bytearray(pickle.dumps([("net", "nose", "x")] * 3, data.draw(st.integers(0, 5))))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        load_plain(bytes(raw))
    except ValueError:
        return


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "header"),
        ("1,2,3\n", "header"),
        ("bodyparts,a\ncoords,x\n0,1,2\n", "header"),
        ("bodyparts,a,a\ncoords,x,x\n0,1,2\n", "each coordinate once"),
        ("bodyparts,a\ncoords,z\n0,1\n", "coords"),
        ("bodyparts,a,a\ncoords,x,z\n0,1,2\n", "column 2"),
        ("bodyparts,a,a\ncoords,x,y\n0,1\n", "cells"),
        ("bodyparts,a,a\ncoords,x,y\n0,1,2\n1,1\n", "line 4"),
        ("bodyparts,a,a\ncoords,x,y\n0,1,nose\n", "line 3"),
        ("bodyparts,a,a\ncoords,x,y\nframe,1,2\n", "frame number"),
    ],
)
def test_a_wrong_dlc_csv_is_named(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"a\.csv.*{message}"):
        read_detections("dlc", path)


@settings(deadline=None, max_examples=150)
@given(
    st.binary(max_size=80)
    | st.lists(
        st.lists(st.sampled_from(["bodyparts", "coords", "scorer", "a", "x", "y", "1", ""])),
        max_size=6,
    ).map(lambda rows: "\n".join(",".join(row) for row in rows).encode())
)
@pytest.mark.parametrize("suffix", [".csv", ".h5", ".slp"])
def test_any_bytes_are_a_value_or_a_clear_error(tmp_path_factory, suffix, data):
    path = tmp_path_factory.mktemp("any") / f"a{suffix}"
    path.write_bytes(data)
    found = value_or_refusal("sleap" if suffix == ".slp" else "dlc", path)
    if isinstance(found, DataError):
        assert str(path) in str(found)
        assert found.remedy
        return
    assert found.points_px.shape == (len(found), found.num_joints, 2)


def test_a_dataset_that_claims_terabytes_is_not_read(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "tracks", shape=(1 << 20, 2, 3, 1 << 20), chunks=(1, 2, 3, 64), dtype="f8"
        )
        file["node_names"] = np.array(NODES, dtype="S")
    with pytest.raises(DataError, match="up to 4096 MB"):
        read_detections("sleap", path)
