"""`trilabel train --dry-run` and `trilabel runs --impact`, as somebody types them."""

import json

import pytest

from app.cli import main
from app.cli.inputs_text import frames_text
from core.project.runs.folder import runs_of
from tests.learning.test_data_decisions import accept, reject
from tests.learning.test_data_project import (
    add_labels,
    add_tracks,
    project,  # noqa: F401 - a fixture
    rig,  # noqa: F401 - a fixture
)
from tests.retraining.retraining_world import finish, make_run, predict_poses, with_scale

# The fixtures have the names of what they are.
# ruff: noqa: F811


@pytest.fixture
def labelled(project):
    with_scale(project)
    add_tracks(project)
    for frame in (0, 1, 2, 8):
        add_labels(project, frame, 3, (0, 1))
    accept(project, 6, 7, joints=(0, 1))
    reject(project, 7, 7, (1,))
    return project


def test_that_a_dry_run_tells_what_would_be_used_and_makes_nothing(labelled, capsys):
    assert main(["train", str(labelled.path), "--preset", "quick", "--dry-run"]) == 0
    text = capsys.readouterr().out
    for line in (
        "labels        78 joints in views, in 3 frames, of 1 person",
        "accepted      2 points in 1 frame",
        "frames        1–3, 7",
        "held out      1 group in 1 frame (the last labelled ones)",
        "; 1 rejected joint left out",
        "start from    Demo weights",
        "Note: Only 4 labelled frames are learned from",
    ):
        assert line in text
    assert runs_of(labelled) == ()


def test_that_a_dry_run_as_json_can_be_read_by_programs(labelled, capsys):
    assert main(["train", str(labelled.path), "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["used"]["hand_joints"] == 78
    assert told["used"]["frames"] == [0, 1, 2, 6]
    assert told["start"]["value"] == "demo"
    assert told["start"]["error_mm"] is None


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--json"], "--json goes with --dry-run"),
        (["--dry-run", "--resume", "last"], "leave out --dry-run"),
    ],
)
def test_that_a_dry_run_with_nothing_to_tell_is_refused(labelled, capsys, arguments, why):
    with pytest.raises(SystemExit) as left:
        main(["train", str(labelled.path), *arguments])
    assert left.value.code == 2
    assert why in capsys.readouterr().err


def test_that_the_impact_of_a_run_and_the_curve_are_printed(labelled, capsys):
    first = make_run(labelled, "first")
    predict_poses(labelled, first)
    finish(first, (60.0, 46.0))
    assert main(["runs", str(labelled.path), "--impact", "last"]) == 1
    assert "No complete training is older" in capsys.readouterr().err
    add_labels(labelled, 4, 7, (0, 1), joints=(0,))
    second = make_run(labelled, "second", "lift.steps=9")
    predict_poses(labelled, second, offsets_mm={(3, 3, 0): 50.0})
    finish(second, (45.0, 43.0))
    add_labels(labelled, 4, 7, (3,), joints=(0,))
    assert main(["runs", str(labelled.path), "--impact", second.id]) == 0
    text = capsys.readouterr().out
    assert "In the next round: 1 label (1 new)." in text
    assert f"From {first.id} to {second.id}:" in text
    assert "2 labels (2 new) in 1 frame since the run before; 1 of 259 pseudo-labels" in text
    assert "held-out MPJPE multi-view 46 → 43 mm." in text
    assert "lift.steps: " in text
    table = [line.split() for line in text.splitlines() if line.startswith((first.id, second.id))]
    assert [row[0] for row in table] == [first.id, second.id]
    assert "*" not in text, "both were measured on the same labels"


def test_that_the_curve_tells_which_runs_cannot_be_compared_and_where_nothing_is_gained(
    labelled, capsys
):
    finish(make_run(labelled, "a"), (30.0,))
    add_labels(labelled, 8, 7, (0, 1))
    for name, error in (("b", 43.0), ("c", 42.9), ("d", 43.1)):
        finish(make_run(labelled, name), (error,))
    assert main(["runs", str(labelled.path), "--impact", "last"]) == 0
    text = capsys.readouterr().out
    assert text.count(" *") == 1
    assert "* measured on other held-out labels than the newest" in text
    assert "The last 3 runs went from 43.0 to 43.1 mm" in text


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ((), "–"),
        ((0,), "1"),
        ((0, 1, 2, 5), "1–3, 6"),
        (tuple(range(0, 40, 2)), "1, 3, 5, 7, 9, 11, 13, 15 and 12 more"),
    ],
)
def test_that_frames_are_told_as_people_number_them(frames, text):
    assert frames_text(frames, 1) == text
