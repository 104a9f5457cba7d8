"""Edits of a held key are one step; the history can be gone back to at any step."""

import pytest

from core.errors import CommandRefusedError
from core.project import JointKey, Place, Project, SetJoints

KEY = JointKey(2, 1, 9, 2)
PLACE = Place(2, 1, 9, 2)


def put(project, x, *, is_going_on=False, name=""):
    edit = SetJoints(keys=(KEY,), points_px=((float(x), 5.0),), name=name)
    return project.apply(edit, place=PLACE, is_going_on=is_going_on)


def x_of(project):
    label = project.labels.label(KEY)
    return None if label is None else label.x_px


@pytest.fixture
def held(project):
    """Placed at 1; a key held from 2 to 5."""
    put(project, 1, name="Place")
    for x in range(2, 6):
        put(project, x, is_going_on=x > 2, name="Nudge")
    return project


def test_undo_and_redo_take_the_edits_of_a_held_key_as_one(held):
    assert held.undo().place == PLACE
    assert x_of(held) == 1
    assert held.redo().description == "Redo: Nudge"
    assert x_of(held) == 5
    assert held.undo_description == "Nudge"


def test_the_history_lists_a_held_key_once_with_its_edits(held):
    assert [(step.description, step.num_edits) for step in held.history()] == [
        ("Nudge", 4),
        ("Place", 1),
    ]


def test_every_edit_of_a_held_key_is_in_the_journal_and_outlives_the_program(held):
    assert [act for *_, act, _ in held.labels.acts()] == ["do"] * 5
    assert held.labels.replay() == held.labels.state()
    path = held.path
    held.close()
    with Project.open(path) as again:
        assert x_of(again) == 5
        again.undo()
        assert x_of(again) == 1
        assert again.labels.replay() == again.labels.state()


def test_an_edit_does_not_go_on_with_one_that_was_undone(held):
    held.undo()
    put(held, 9, is_going_on=True)
    held.undo()
    assert x_of(held) == 1


def test_the_history_is_gone_back_to_a_step_and_forward_again(held):
    put(held, 20, name="Far")
    far, nudge, place = held.history()
    change = held.go_to_step(place.id)
    assert x_of(held) == 1
    assert change.description == "Undo: 2 steps"
    assert KEY in change.keys
    assert [step.state for step in held.history()] == ["undone", "undone", "done"]
    held.go_to_step(nudge.id)
    assert x_of(held) == 5
    held.go_to_step(far.id)
    assert x_of(held) == 20
    assert held.labels.replay() == held.labels.state()


def test_a_step_undone_for_good_and_the_latest_one_are_refused(held):
    nudge, place = held.history()
    with pytest.raises(CommandRefusedError, match="nothing to undo"):
        held.go_to_step(nudge.id)
    held.go_to_step(place.id)
    put(held, 30)
    with pytest.raises(CommandRefusedError, match="for good"):
        held.go_to_step(nudge.id)
    assert x_of(held) == 30


def test_the_latest_steps_are_whole_however_many_edits_they_are_made_of(held):
    (latest,) = held.history(1)
    assert (latest.description, latest.num_edits) == ("Nudge", 4)
    for x in range(10, 300):
        put(held, x, is_going_on=True)
    assert [(s.description, s.num_edits) for s in held.history(1)] == [("Nudge", 294)]
    assert [s.description for s in held.history(2)] == ["Nudge", "Place"]


def test_the_size_of_a_step_counts_all_edits_of_a_held_key(held):
    labels = held.labels
    nudges = labels.step_size("undo")
    assert labels.step_size("redo") == 0
    held.undo()
    assert labels.step_size("redo") == nudges
    place = labels.step_size("undo")
    assert nudges > 3 * place > 0
    held.undo()
    assert labels.step_size("undo") == 0
    assert labels.step_size("redo") == place
