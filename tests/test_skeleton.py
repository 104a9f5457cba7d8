"""Skeletons and the mappings between them."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.formats.fields import read_toml
from core.skeleton import Skeleton, joint_mapping, load_skeleton, plain_name, skeleton_names

SIZES = {
    "body25": 25,
    "body25b": 25,
    "coco17": 17,
    "crowdpose14": 14,
    "h36m17": 17,
    "halpe26": 26,
    "mouse22": 22,
    "mpi_inf_3dhp17": 17,
    "mpi_inf_3dhp28": 28,
    "panoptic19": 19,
    "shelf14": 14,
    "sportcenter13": 13,
}


def test_the_skeletons_that_come_along_have_the_joints_their_names_say():
    assert {name: load_skeleton(name).num_joints for name in skeleton_names()} == SIZES


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("COCO-17", "coco17"),
        ("CrowdPose-14", "crowdpose14"),
        ("BODY_25", "body25"),
        ("H36M-17", "h36m17"),
        ("MPI-INF-3DHP", "mpi_inf_3dhp28"),
        ("SportCenter-13", "sportcenter13"),
        ("Halpe-26", "halpe26"),
        ("Panoptic-19", "panoptic19"),
    ],
)
def test_a_skeleton_is_found_by_the_name_people_write(alias: str, name: str):
    assert load_skeleton(alias).name == name


def test_no_two_skeletons_share_an_alias():
    folder = Path(__file__).parent.parent / "resources" / "skeletons"
    found = [name for path in folder.glob("*.toml") for name in names_of(read_toml(path).table())]
    assert len(found) == len(set(found))


def names_of(content):
    plain = {
        name.lower().replace("-", "").replace("_", "").replace(".", "")
        for name in content["aliases"]
    }
    return plain | {content["name"].replace("_", "")}


@pytest.mark.parametrize("name", SIZES)
def test_every_side_has_its_other_side_and_every_joint_a_bone(name: str):
    skeleton = load_skeleton(name)
    mirror = skeleton.mirror
    assert [mirror[i] for i in mirror] == list(range(skeleton.num_joints))
    for i, joint in enumerate(skeleton.joints):
        assert (mirror[i] != i) == joint.startswith(("left_", "right_"))
    assert {end for bone in skeleton.bones for end in bone} == set(range(skeleton.num_joints))


@pytest.mark.parametrize("name", SIZES)
def test_a_skeleton_survives_being_a_table(name: str):
    skeleton = load_skeleton(name)
    assert Skeleton.from_dict(skeleton.to_dict()) == skeleton


@pytest.mark.parametrize("name", SIZES)
def test_a_skeleton_maps_onto_itself_joint_by_joint(name: str):
    skeleton = load_skeleton(name)
    assert joint_mapping(skeleton, skeleton) == tuple((i,) for i in range(skeleton.num_joints))


def named_mapping(source: str, target: str) -> dict[str, tuple[str, ...]]:
    a, b = load_skeleton(source), load_skeleton(target)
    rows = joint_mapping(a, b)
    return {
        joint: tuple(a.joints[i] for i in row) for joint, row in zip(b.joints, rows, strict=True)
    }


def test_missing_middles_are_made_from_both_sides():
    mapping = named_mapping("coco17", "body25")
    assert mapping["mid_hip"] == ("left_hip", "right_hip")
    assert mapping["neck"] == ("left_shoulder", "right_shoulder")
    assert mapping["right_ear"] == ("right_ear",)
    assert mapping["left_heel"] == ()


def test_the_same_point_is_found_under_another_name():
    mapping = named_mapping("body25", "h36m17")
    assert mapping["pelvis"] == ("mid_hip",)
    assert mapping["head_top"] == ()
    assert named_mapping("crowdpose14", "h36m17")["head_top"] == ("head_top",)


def test_sportcenter_is_made_wholly_from_coco_and_body25():
    for source in ("coco17", "body25", "halpe26", "panoptic19"):
        mapping = named_mapping(source, "sportcenter13")
        assert all(mapping[joint] == (joint,) for joint in mapping)


def test_the_seventeen_joints_of_3dhp_are_the_published_selection():
    selection = joint_mapping(load_skeleton("mpi_inf_3dhp28"), load_skeleton("mpi_inf_3dhp17"))
    assert [row[0] for row in selection] == [
        4,
        23,
        24,
        25,
        18,
        19,
        20,
        3,
        5,
        6,
        7,
        9,
        10,
        11,
        14,
        15,
        16,
    ]


def test_half_a_middle_is_none():
    assert joint_mapping(["left_hip"], ["mid_hip"]) == ((),)


@pytest.mark.parametrize(
    ("joint", "plain"),
    [
        ("LShoulder", "left_shoulder"),
        ("left-Big toe", "left_big_toe"),
        ("R_Eye", "right_eye"),
        ("Ear_L", "left_ear"),
        ("ForepawR", "right_forepaw"),
        ("nose", "nose"),
        ("L", "l"),
        ("TailBase", "tail_base"),
        ("lower_back", "lower_back"),
    ],
)
def test_a_joint_name_is_read_as_a_side_and_a_point(joint: str, plain: str):
    assert plain_name(joint) == plain


def test_an_animal_needs_no_sides(tmp_path: Path):
    path = tmp_path / "mouse.toml"
    path.write_text(
        'joints = ["Nose", "TTI", "Ear_L", "Ear_R"]\nbones = [[0, 1], ["Nose", "Ear_L"]]\n'
    )
    skeleton = load_skeleton(path)
    assert skeleton.name == "mouse"
    assert skeleton.bones == ((0, 1), (0, 2))
    assert skeleton.mirror == (0, 1, 3, 2)
    assert load_skeleton(str(path)) == skeleton


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ('joints = ["a", "a"]', "joints[1]"),
        ('joints = ["a", " "]', "joints[1]"),
        ("joints = [1]", "joints[0]"),
        ("joints = []", "joints"),
        ("bones = []", "joints"),
        ('joints = ["a", "b"]\nbones = [[0, 2]]', "bones[0]"),
        ('joints = ["a", "b"]\nbones = [[0, 1], ["a", "c"]]', "bones[1]"),
        ('joints = ["a", "b"]\nbones = [[0, 0]]', "bones[0]"),
        ('joints = ["a", "b"]\nbones = [[0, 1, 1]]', "bones[0]"),
        ('joints = ["a", "b"]\nbones = [[-1, 1]]', "bones[0]"),
        ('joints = ["a", "b"]\nroot = "c"', "root"),
        ('joints = ["a", "b"]\nname = 3', "name"),
        ('joints = ["a", "b"]\nbone = []', "bone"),
        ("joints = [", "TOML"),
    ],
)
def test_a_broken_skeleton_is_named(tmp_path: Path, content: str, field: str):
    path = tmp_path / "s.toml"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        load_skeleton(path)
    assert caught.value.source == str(path)
    assert field in str(caught.value)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(DataError, match=r"coco17.*body26"):
        load_skeleton("body26")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"none\.toml"):
        load_skeleton(tmp_path / "none.toml")


TABLES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(deadline=None, max_examples=150)
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("name", "joints", "bones", "root"), TABLES))
)
def test_any_table_is_a_skeleton_or_a_data_error(content):
    try:
        skeleton = Skeleton.from_dict(content)
    except DataError:
        return
    assert Skeleton.from_dict(skeleton.to_dict()).bones == skeleton.bones
