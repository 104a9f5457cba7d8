"""What a Retrain would use: the very numbers of the trainer, the same labels under one hash."""

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import CommandRefusedError, DataError
from core.labelling import copied_from_frame
from core.learning.data import open_data
from core.models import weights_files
from core.project import DeleteJoints, JointKey, PointKey, SetJoints, SetPoints, SetReviews
from core.project.runs.config import DataOptions, TrainConfig
from core.project.runs.config_io import with_settings
from core.project.runs.events import RunStarted
from core.project.schema import copy_database
from core.project.spec import Subject
from core.retraining import inputs as inputs_module
from core.retraining.inputs import retrain_inputs, weights_choices
from core.retraining.used import labels_of_run, used_labels
from tests.learning.test_data_decisions import accept, reject
from tests.learning.test_data_project import (
    POSES,
    add_labels,
    add_points,
    add_tracks,
    project,  # noqa: F401 - a fixture
    rig,  # noqa: F401 - a fixture
)
from tests.retraining.retraining_world import finish, make_run
from tests.trainer.conftest import SETTINGS
from trainer.process import execute

# The fixtures have the names of what they are.
# ruff: noqa: F811


def config(*settings_):
    return with_settings(TrainConfig(), ["data.held_out_percent=25", *settings_])


def used_in(project, labels_db=None, **options):
    options = DataOptions(**{"held_out_percent": 25, **options})
    with open_data(options, project_dir=project.path, labels_db=labels_db) as data:
        return used_labels(data)


def test_that_the_numbers_are_those_the_trainer_says_when_it_starts(project):
    add_tracks(project)
    for frame in (0, 2, 4, 9):
        add_labels(project, frame, 3, (0, 1, 2))
    accept(project, 6, 7)
    reject(project, 7, 7, (1,))
    run = make_run(project, "real", *SETTINGS, *ONE_STEP)
    told = retrain_inputs(project, run.config)
    assert execute(run.path).status == "done"
    (said,) = (event for event in run.events()[0] if isinstance(event, RunStarted))
    used = told.used
    assert (said.labelled, said.unlabelled, said.held_out) == (4, 11, 1)
    assert (used.labelled_groups, used.unlabelled_groups, used.held_out_groups) == (4, 11, 1)
    assert said.notes == told.notes


def test_that_labels_are_counted_by_what_they_are(project):
    add_tracks(project)
    add_labels(project, 1, 3, (0, 1, 2))
    add_labels(project, 2, 7, (2,), joints=(0, 1))
    add_points(project, 3, 3)
    accept(project, 4, 3, joints=range(5))
    accept(project, 5, 7, joints=(0, 1), state="locked")
    reject(project, 6, 3, (2, 5))
    add_labels(project, 8, 7, (0, 1))
    used = used_in(project)
    assert used.hand_joints == 3 * 13 + 2
    assert used.space_joints == 13
    assert (used.hand_frames, used.hand_persons) == (3, 2)
    assert (used.accepted_points, used.accepted_frames) == (7, 2)
    assert used.frames == (1, 2, 3, 4, 5)
    assert (used.held_out_groups, used.held_out_persons) == (1, (7,))
    assert used.rejected_joints == 2
    without = used_in(project, use_accepted=False)
    assert (without.accepted_points, without.hand_joints) == (0, used.hand_joints)
    assert without.content_hash != used.content_hash
    assert without.held_out_hash == used.held_out_hash


def test_that_a_joint_placed_by_hand_is_not_counted_as_accepted(project):
    add_tracks(project)
    accept(project, 4, 3, joints=(0, 1), offset_mm=100.0)
    add_labels(project, 4, 3, (2,), joints=(0,))
    used = used_in(project, held_out_percent=0)
    assert (used.hand_joints, used.accepted_points) == (1, 1)


def test_that_a_copy_nobody_has_looked_at_counts_for_nothing(project):
    add_tracks(project)
    add_labels(project, 1, 3, (0, 1))
    before = used_in(project, held_out_percent=0)
    seen = project.observations(4)
    pixels = project.rig.project(POSES[0, 4])
    other = dataclasses.replace(seen, persons=(3,), points_px=pixels[None])
    project.apply(copied_from_frame(seen, other, 3, cameras=(2,)))
    assert project.labels.count() > before.hand_joints
    assert used_in(project, held_out_percent=0) == before


ONE_STEP = ("run.stages=pretrain", "pretrain.steps=1", "data.max_unlabelled=11")
PIECES = [(1, 3, (0, 1)), (1, 7, (2, 3)), (2, 3, (1,)), (5, 7, (0, 1, 2))]


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations(PIECES), detour=st.booleans())
def test_that_the_same_labels_have_the_same_hash_in_whatever_order_they_came(
    project, tmp_path_factory, order, detour
):
    keys = [JointKey(*row[:4]) for row in project.labels.all_rows("labels")]
    project.apply(DeleteJoints(keys=tuple(keys)))
    for piece in order:
        add_labels(project, *piece)
    if detour:
        add_labels(project, 2, 7, (0,))
        keys = tuple(JointKey(2, 0, 7, joint) for joint in range(13))
        project.apply(DeleteJoints(keys=keys))
    snapshot = tmp_path_factory.mktemp("snapshot") / "labels.db"
    copy_database(project.labels.path, snapshot)
    found = used_in(project, held_out_percent=0), used_in(project, snapshot, held_out_percent=0)
    assert found[0] == found[1]
    HASHES.add(found[0].content_hash)
    assert len(HASHES) == 1


HASHES: set[str] = set()


def test_that_one_label_half_a_pixel_elsewhere_has_another_hash(project):
    add_labels(project, 1, 3, (0, 1))
    before = used_in(project, held_out_percent=0).content_hash
    point = project.rig.project(POSES[0, 1])[0, 5] + (0.5, 0.0)
    project.apply(SetJoints(keys=(JointKey(1, 0, 3, 5),), points_px=(tuple(point.tolist()),)))
    assert used_in(project, held_out_percent=0).content_hash != before
    project.undo()
    assert used_in(project, held_out_percent=0).content_hash == before


def test_that_labels_that_meet_far_beyond_the_yard_have_a_hash_like_any(project):
    add_tracks(project)
    far = tuple(PointKey(1, 3, joint) for joint in range(2))
    hashes = set()
    for reach in (1e17, 1e30, 3.0):
        project.apply(SetPoints(keys=far, points_mm=((reach, 0.0, 0.0), (0.0, -reach, 0.0))))
        hashes.add(used_in(project, held_out_percent=0).content_hash)
    assert len(hashes) == 2, "what is out of all bounds is all the same"


def test_that_it_is_said_what_is_wanting(project):
    add_tracks(project)
    nothing = retrain_inputs(project, config())
    assert [text.split(":")[0] for text in nothing.warnings] == [
        "Nothing is labelled that may be learned from",
        "No labels are kept for evaluation",
    ]
    add_labels(project, 1, 3, (0, 1))
    assert any(
        "Only 1 labelled frame is" in text for text in retrain_inputs(project, config()).warnings
    )
    accept(project, 6, 7)
    accept(project, 8, 7)
    both = retrain_inputs(project, config("data.held_out_percent=0"))
    assert (both.used.hand_frames, both.used.accepted_frames) == (1, 2)
    assert any("Only 3 labelled frames are" in text for text in both.warnings)
    for frame in range(2, 9):
        add_labels(project, frame, 3, (0, 1))
    assert retrain_inputs(project, config()).warnings == ()
    few = retrain_inputs(project, config("data.max_unlabelled=1", "data.max_labelled=3"))
    assert any("Only 3 labelled frames are" in text for text in few.warnings)


def test_that_a_run_of_exactly_these_labels_is_named_until_one_of_them_is_other(project):
    add_tracks(project)
    add_labels(project, 1, 3, (0, 1))
    run = finish(make_run(project))
    assert retrain_inputs(project, config()).same_labels_as == run.id
    assert any(run.id in text for text in retrain_inputs(project, config()).warnings)
    add_labels(project, 0, 3, (0,))
    assert retrain_inputs(project, config()).same_labels_as == ""
    project.undo()
    assert retrain_inputs(project, config()).same_labels_as == run.id
    assert retrain_inputs(project, config("data.max_unlabelled=3")).same_labels_as == ""


def test_that_the_choices_of_weights_are_those_that_the_trainer_would_find(project, tmp_path):
    first = finish(make_run(project, "first"), (50.0, 44.0))
    bare = finish(make_run(project, "second"), (40.0,))
    for name in (weights_files.DETECTOR_FILE, inputs_module.DETECTOR_FILE):
        (first.path / name).write_bytes(b"weights")
    choices = {one.value: one for one in weights_choices(project, config())}
    assert set(choices) == {"demo", first.id, "none"}
    assert choices[first.id].error_mm == 44.0
    assert "44 mm" in choices[first.id].detail
    file = tmp_path / "mine.pth"
    for wanted, is_there in ((str(file), False), (bare.id, False), (str(file), True)):
        if is_there:
            file.write_bytes(b"weights")
        named = config(f"model.weights={wanted}")
        start = next(one for one in weights_choices(project, named) if one.value == wanted)
        assert start.exists == is_there
        if is_there:
            assert weights_files.resolve_weights(wanted, "small") == file
        else:
            with pytest.raises(DataError):
                weights_files.resolve_weights(wanted, "small", project.path / "runs")


def test_that_looking_can_be_broken_off_and_closes_what_it_opened(project):
    add_tracks(project)
    asked: list[int] = []

    def progress(done, total):
        asked.append(done)
        return done < 1

    with pytest.raises(CommandRefusedError):
        retrain_inputs(project, config(), progress)
    assert asked == [0, 1]


def test_that_what_a_run_learned_from_is_counted_once_and_again_where_that_was_lost(project):
    add_tracks(project)
    add_labels(project, 1, 3, (0, 1))
    run = finish(make_run(project))
    known = labels_of_run(project, run)
    add_labels(project, 2, 7, (0, 1))
    assert labels_of_run(project, run) == known
    kept = [path for path in (project.path / "cache").iterdir() if path.suffix == ".json"]
    assert len(kept) == 1
    for damage in (b"", b"[1, 2]", b'{"hand_joints": 1}', b"\xff\xfe"):
        kept[0].write_bytes(damage)
        assert labels_of_run(project, run) == known


def test_that_what_a_run_learned_from_is_counted_anew_where_the_project_is_divided_otherwise(
    project,
):
    """Else its errors are set beside those on other people, as if both were of the same labels."""
    add_tracks(project)
    for person in (3, 7):
        add_labels(project, 1, person, (0, 1))
    run = finish(make_run(project))
    before = labels_of_run(project, run)
    project.update(subjects=(Subject(person=7, name="#7", split="test"),))
    after = labels_of_run(project, run)
    assert after.held_out_persons == (7,)
    assert after.held_out_hash != before.held_out_hash
    project.update(subjects=(), name="another name")
    project.set_settings(dataclasses.replace(project.settings, scale_mm=9.0))
    assert labels_of_run(project, run) == before
    assert len(list((project.path / "cache").glob("*.json"))) == 2, "neither teaches anything"


def test_that_what_a_run_learned_from_is_counted_anew_where_the_rig_is_another(project):
    """Labels in space are hashed with the cameras that see them, and rows are of people in view."""
    add_tracks(project)
    add_labels(project, 1, 3, (0, 1))
    run = finish(make_run(project))
    labels_of_run(project, run)
    rig_file = project.path / "rig.toml"
    rig_file.write_bytes(rig_file.read_bytes() + b"\n# measured again\n")
    labels_of_run(project, run)
    assert len(list((project.path / "cache").glob("*.json"))) == 2


def test_that_notes_that_the_figures_tell_are_not_told_again(project):
    add_tracks(project)
    add_labels(project, 1, 3, (0, 1))
    block = retrain_inputs(project, config())
    assert "The labels of a project" in " ".join(block.notes)
    assert not any("The labels of a project" in note for note in block.further_notes)
    add_labels(project, 1, 7, (0, 1))
    project.update(subjects=(Subject(person=7, name="#7", split="test"),))
    found = retrain_inputs(project, config("data.test_people_unlabelled=true"))
    assert (found.test_people, found.used.held_out_persons) == ((7,), (7,))
    assert "Test people: 7." in found.notes
    assert "Test people: 7." not in found.further_notes
    assert [note for note in found.further_notes if "unlabelled pool" in note]
    assert set(found.further_notes) <= set(found.notes)


def test_that_rejected_and_accepted_joints_can_be_told_apart_in_one_group(project):
    add_tracks(project)
    accept(project, 4, 3, joints=(0,))
    project.apply(SetReviews(keys=(PointKey(4, 3, 1),), state="rejected"))
    used = used_in(project, held_out_percent=0)
    assert used.accepted_points == 1
    assert used.rejected_joints == 0, "the group is labelled: it is no pseudo-label"
