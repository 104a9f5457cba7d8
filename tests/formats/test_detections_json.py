from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from core.errors import DataError
from core.formats.alphapose import write_alphapose
from core.formats.detections import DETECTION_FORMATS, CameraDetections, collect, read_detections
from core.formats.json_input import iterate_list
from core.skeleton import load_skeleton


def person(num_joints: int, offset: float = 0.0) -> list[float]:
    """Joint i at (10 i + offset, 5 i + 1) with confidence 0.5."""
    return [v for i in range(num_joints) for v in (10.0 * i + offset, 5.0 * i + 1, 0.5)]


def write_openpose(folder, frames: dict[str, list[list[float]]]):
    folder.mkdir(exist_ok=True)
    for name, people in frames.items():
        content = {"version": 1.3, "people": [{"pose_keypoints_2d": p} for p in people]}
        (folder / name).write_text(json.dumps(content))
    return folder


# --- OpenPose


def test_openpose_keeps_everyone_of_each_frame(tmp_path):
    absent = person(18)
    absent[3:6] = [0, 0, 0]
    folder = write_openpose(
        tmp_path / "a",
        {
            "v_000000000002_keypoints.json": [person(18), absent],
            "v_000000000000_keypoints.json": [],
        },
    )
    found = read_detections("openpose", folder, camera="left")
    assert found.camera == "left"
    assert found.frames.tolist() == [2, 2]
    assert np.isnan(found.points_px[1, 1]).all()
    assert np.isnan(found.confidence[1, 1])
    np.testing.assert_array_equal(found.points_px[0, 3], [30, 16])
    assert found.joints is not None
    assert found.joints[:3] == ("nose", "neck", "right_shoulder")
    assert found.bones
    assert (found.identity == -1).all()
    assert not found.is_hand


@pytest.mark.parametrize(("count", "name"), [(17, "coco17"), (26, "halpe26"), (14, "crowdpose14")])
def test_the_number_of_joints_tells_the_skeleton(tmp_path, count, name):
    folder = write_openpose(tmp_path / "a", {"0000.json": [person(count)]})
    skeleton = load_skeleton(name)
    found = read_detections("openpose", folder)
    assert (found.joints, found.bones) == (skeleton.joints, skeleton.bones)


@pytest.mark.parametrize("name", ["body25", "body25b"])
def test_the_two_orders_of_25_joints_are_told_apart(tmp_path, name):
    joints = load_skeleton(name).joints
    middle = {"neck": (0, 140), "mid_hip": (0, 90), "nose": (2, 165), "head_top": (0, 180)}
    height = {"shoulder": 140, "elbow": 115, "wrist": 90, "hip": 90, "knee": 50, "ankle": 10}
    height |= {"eye": 168, "ear": 165, "toe": 2, "heel": 3}
    width = {"shoulder": 20, "elbow": 28, "wrist": 30, "hip": 10, "eye": 3, "ear": 7}
    points = []
    for joint in joints:
        part = joint.rsplit("_", 1)[-1]
        side = 1 if joint.startswith("left") else -1
        place = middle.get(joint) or (side * width.get(part, 12), height[part])
        points += [300 + 2 * place[0], 400 - 2 * place[1], 0.9]
    folder = write_openpose(tmp_path / "a", {f"{i:04d}.json": [points] for i in range(3)})
    assert read_detections("openpose", folder).joints == joints


def test_openpose_files_counted_from_one_are_recognised(tmp_path):
    folder = write_openpose(tmp_path / "a", {f"{i:04d}.json": [person(17)] for i in (1, 2)})
    assert read_detections("openpose", folder).first_number == 1
    assert read_detections("openpose", folder).frames.tolist() == [0, 1]
    assert read_detections("openpose", folder, first_number=0).frames.tolist() == [1, 2]


def test_unknown_joint_counts_need_no_names_but_take_given_ones(tmp_path):
    folder = write_openpose(tmp_path / "a", {"0.json": [person(3)]})
    assert read_detections("openpose", folder).joints is None
    assert read_detections("openpose", folder, joints=("a", "b", "c")).joints == ("a", "b", "c")
    with pytest.raises(DataError, match="3 keypoints"):
        read_detections("openpose", folder, joints=("a", "b"))


def test_two_files_of_one_frame_are_refused(tmp_path):
    folder = write_openpose(tmp_path / "a", {"a_1.json": [], "b_01.json": []})
    with pytest.raises(DataError, match=r"frame number 1.*a_1\.json and b_01\.json"):
        read_detections("openpose", folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "people"),
        ('{"people": 3}', "people"),
        ('{"people": [3]}', "pose_keypoints_2d"),
        ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "2 numbers"),
        ('{"people": [{"pose_keypoints_2d": ["a", "b", "c"]}]}', "flat list"),
        ('{"people": [{"pose_keypoints_2d": [[1, 2, 3]]}]}', "flat list"),
        ('{"people": [', "JSON"),
        ("[" * 100_000, "levels"),
    ],
)
def test_a_wrong_openpose_file_is_named(tmp_path, content, message):
    (tmp_path / "f_0007.json").write_text(content)
    with pytest.raises(DataError, match=rf"f_0007\.json.*{message}"):
        read_detections("openpose", tmp_path)


def test_people_with_different_numbers_of_joints_are_refused(tmp_path):
    folder = write_openpose(tmp_path / "a", {"0.json": [person(17)], "1.json": [person(18)]})
    with pytest.raises(DataError, match=r"1\.json.*17 joints.*18 joints"):
        read_detections("openpose", folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        read_detections("openpose", tmp_path / "nowhere")


@pytest.mark.data
def test_pose2sim_detections_are_complete(real_data):
    folder = real_data / "pose2sim" / "openpose"
    counts = []
    for c in range(1, 5):
        found = read_detections("openpose", folder / f"cam0{c}_json")
        assert found.joints == load_skeleton("body25b").joints
        assert found.num_frames == 100
        assert found.first_number == 0
        counts.append(len(found))
    assert counts == [201, 200, 100, 100]


# --- AlphaPose


@settings(deadline=None, max_examples=40)
@given(
    npst.arrays(np.float32, (6, 17, 2), elements=st.floats(-50, 2000, width=32) | st.just(np.nan)),
    st.lists(st.integers(0, 30), min_size=6, max_size=6),
    st.integers(0, 1),
)
def test_written_alphapose_detections_are_read_back(tmp_path_factory, points, frames, first):
    path = tmp_path_factory.mktemp("a") / "alphapose.json"
    written = collect(
        path,
        numbers=np.array(frames) + first,
        points_px=points,
        confidence=np.full((6, 17), 0.25),
        first_number=first,
        score=np.arange(6) / 4,
        identity=np.arange(6) - 1,
        joints=load_skeleton("coco17").joints,
    )
    write_alphapose(path, written)
    again = read_detections("alphapose", path, first_number=first)
    np.testing.assert_array_equal(again.frames, written.frames)
    if not len(written):
        return  # an empty list does not say how many joints there are
    assert again.joints == written.joints
    np.testing.assert_allclose(again.points_px, written.points_px, atol=6e-4)
    np.testing.assert_array_equal(again.confidence, written.confidence)
    np.testing.assert_array_equal(again.score, written.score)
    np.testing.assert_array_equal(again.identity, written.identity)


def alphapose(tmp_path, items: object):
    path = tmp_path / "alphapose-results.json"
    path.write_text(json.dumps(items))
    return path


def test_alphapose_numbers_come_from_the_picture_names(tmp_path):
    items = [
        {"image_id": f"frame_{n:06d}.jpg", "keypoints": person(13), "score": 2.5, "idx": [4]}
        for n in (21381, 21380)
    ]
    found = read_detections("alphapose", alphapose(tmp_path, items))
    assert found.first_number == 1
    assert found.frames.tolist() == [21379, 21380]
    assert found.identity.tolist() == [4, 4]
    assert found.score.tolist() == [2.5, 2.5]
    assert found.joints == load_skeleton("sportcenter13").joints


def test_alphapose_frames_of_a_video_count_from_zero(tmp_path):
    items = [{"image_id": f"{n}.jpg", "keypoints": person(17)} for n in (3, 10)]
    found = read_detections("alphapose", alphapose(tmp_path, items))
    assert found.frames.tolist() == [3, 10]
    assert np.isnan(found.score).all()


def test_an_empty_alphapose_list_is_no_error(tmp_path):
    found = read_detections("alphapose", alphapose(tmp_path, []))
    assert len(found) == 0
    assert found.num_frames == 0
    assert found.joints is None


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({"a": 1}, "JSON list"),
        ([3], r"\[0\].*image_id and keypoints"),
        ([{"keypoints": [1, 2, 3]}], r"\[0\].*image_id"),
        ([{"image_id": "no number", "keypoints": [1, 2, 3]}], "frame number"),
        ([{"image_id": "0" * 30, "keypoints": [1, 2, 3]}], "frame number"),
        ([{"image_id": "9" * 15, "keypoints": [1, 2, 3]}], "frame number"),
        (
            [{"image_id": "1", "keypoints": [1, 2, 3]}, {"image_id": "2", "keypoints": [1]}],
            r"\[1\]",
        ),
        ([{"image_id": "1", "keypoints": [1, 2, 10**400]}], "flat list"),
        ([{"image_id": "1", "keypoints": [0.0] * 9000}], "9000 numbers"),
    ],
)
def test_a_wrong_alphapose_file_is_named(tmp_path, items, message):
    with pytest.raises(DataError, match=message):
        read_detections("alphapose", alphapose(tmp_path, items))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=6,
    ),
    st.sampled_from([None, 1]),
)
def test_a_list_read_piece_by_piece_is_the_list(tmp_path_factory, items, indent):
    path = tmp_path_factory.mktemp("j") / "a.json"
    path.write_text(json.dumps(items, indent=indent), encoding="utf-8")
    assert list(iterate_list(path)) == items


def test_elements_across_pieces_are_read_whole(tmp_path):
    items = ["x" * 300_000, 12345678, list(range(60_000)), {"a": "y" * 700_000}, -1.5e-3]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(items))
    assert list(iterate_list(path)) == items


# --- COCO


def coco(tmp_path, *, folders=("",), score=None, names=("nose", "tail")) -> object:
    images = [
        {"id": 10 * c + f, "file_name": f"{folder}frame_{f + 1:04d}.png"}
        for c, folder in enumerate(folders)
        for f in range(3)
    ]
    annotations = [
        {
            "id": i,
            "image_id": image["id"],
            "category_id": 1,
            "keypoints": [float(image["id"]), 2, 2, 3, 4, 1],
            **({} if score is None else {"score": score}),
        }
        for i, image in enumerate(images[1:])
    ]
    category = {"id": 1, "keypoints": list(names), "skeleton": [[1, 2]]}
    path = tmp_path / "coco.json"
    content = {"images": images, "annotations": annotations, "categories": [category]}
    path.write_text(json.dumps(content))
    return path


def test_coco_carries_its_skeleton_and_visibility(tmp_path):
    found = read_detections("coco", coco(tmp_path))
    assert found.joints == ("nose", "tail")
    assert found.bones == ((0, 1),)
    # The first picture has no annotation, and still is the first frame.
    assert (found.first_number, found.frames.tolist()) == (1, [1, 2])
    assert found.confidence[0].tolist() == [1.0, 0.5]
    assert found.is_hand


def test_coco_with_scores_is_not_placed_by_hand(tmp_path):
    found = read_detections("coco", coco(tmp_path, score=0.75))
    assert not found.hand.any()
    assert found.score.tolist() == [0.75, 0.75]


def test_a_camera_chooses_its_folder_of_a_coco_file(tmp_path):
    path = coco(tmp_path, folders=("S1/cam_0/img/", "S1/cam_1/img/"))
    found = read_detections("coco", path, camera="Cam1")
    assert found.frames.tolist() == [0, 1, 2]
    assert found.points_px[:, 0, 0].tolist() == [10, 11, 12]
    with pytest.raises(DataError, match="CAM=PATH"):
        read_detections("coco", path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 3}, "images"),
        ({"images": [{"id": 1}]}, r"images\[0\].*file_name"),
        ({"annotations": {}}, "annotations"),
        ({"annotations": [{"image_id": 1, "keypoints": [1, 2, 2]}]}, "1 keypoints"),
        ({"categories": [{"id": 1, "keypoints": "nose"}]}, r"categories\[0\]\.keypoints"),
        ({"categories": [{"keypoints": ["a"]}, {"keypoints": ["b"]}]}, "one skeleton"),
    ],
)
def test_a_wrong_coco_file_is_named(tmp_path, change, message):
    path = coco(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=message):
        read_detections("coco", path)


# --- any bytes


def value_or_refusal(format_name, path) -> CameraDetections | DataError:
    try:
        return read_detections(format_name, path)
    except DataError as error:
        return error


JSON_KEYS = (
    *("people", "pose_keypoints_2d", "person_id", "image_id", "keypoints", "idx", "score"),
    *("images", "annotations", "categories", "id", "file_name", "skeleton", "category_id"),
)
keypoint_like = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(JSON_KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=100) | keypoint_like.map(lambda v: json.dumps(v).encode()))
@pytest.mark.parametrize("format_name", ["openpose", "alphapose", "coco"])
def test_any_json_is_a_value_or_a_clear_error(tmp_path_factory, format_name, data):
    folder = tmp_path_factory.mktemp("any")
    path = folder / "frame_0001.json"
    path.write_bytes(data)
    found = value_or_refusal(format_name, folder if format_name == "openpose" else path)
    if isinstance(found, DataError):
        assert str(folder) in str(found)
        assert found.expected
        assert found.remedy
        return
    assert found.points_px.shape == (len(found), found.num_joints, 2)
    assert (
        np.isnan(found.points_px).all(axis=-1) | np.isfinite(found.points_px).all(axis=-1)
    ).all()


def test_an_unknown_format_lists_the_known_ones(tmp_path):
    with pytest.raises(DataError, match=" or ".join(DETECTION_FORMATS)):
        read_detections("vicon", tmp_path)


def test_a_json_list_is_told_from_coco(tmp_path):
    path = tmp_path / "list.json"
    path.write_text("[]")
    with pytest.raises(DataError, match="found a JSON list"):
        read_detections("coco", path)
    path.write_text('{"annotations": []}')
    with pytest.raises(DataError, match=r"images: expected a list of objects, found none"):
        read_detections("coco", path)
