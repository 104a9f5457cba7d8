"""What is done to runs once they exist."""

import math
import os
import random
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import CommandRefusedError, DataError
from core.models.weights_files import load_detector, resolve_weights
from core.project import AcceptedPoint, AcceptPoints, PointKey, Provenance
from core.project.runs import events as ev
from core.project.runs import liveness
from core.project.runs.about import ABOUT_FILE, MAX_NAME, read_about
from core.project.runs.config import TrainConfig
from core.project.runs.config_io import with_settings
from core.project.runs.folder import LOCK_FILE, RunFolder, runs_of
from core.project.runs.launching import LAUNCH_LOCK_FILE
from core.project.runs.managing import (
    clean,
    compare,
    delete,
    export_weights,
    note_of,
    rename,
    set_note,
    size_of,
    sweep_trash,
    to_tensorboard,
)
from core.project.runs.managing.curves import curves_of
from core.project.runs.states import fold
from tests.project.made_runs import STEPS, make_run, runs_dir
from trainer.checkpoint import Checkpoints, Place

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "runs")


# Names and notes.


def test_a_run_is_renamed_also_while_a_trainer_works_and_keeps_its_id(run):
    before = (run.path / "run.toml").read_bytes()
    with run.lock():
        rename(run, "  fewer\tsteps ")
        set_note(run, "wrists first\nthen knees")
    again = RunFolder.open(run.path)
    assert (again.name, again.id, note_of(again)) == (
        "fewer steps",
        run.id,
        "wrists first\nthen knees",
    )
    assert run.name == "fewer steps"
    assert (run.path / "run.toml").read_bytes() == before


def test_an_empty_note_takes_the_note_away_and_leaves_the_name(run):
    rename(run, "mine")
    set_note(run, "something")
    set_note(run, "  ")
    assert (run.name, note_of(run)) == ("mine", "")


@pytest.mark.parametrize("name", ["", " \n\t ", "x" * (MAX_NAME + 1)])
def test_a_name_that_is_none_is_refused_and_the_last_one_stays(run, name):
    rename(run, "mine")
    with pytest.raises(CommandRefusedError):
        rename(run, name)
    assert run.name == "mine"


def test_a_damaged_note_hides_no_run_and_is_told(run):
    (run.path / ABOUT_FILE).write_bytes(b"\xff name = ")
    assert RunFolder.open(run.path).name == "quick"
    assert ABOUT_FILE in read_about(run.path).problem
    set_note(run, "new")
    assert read_about(run.path).problem == ""


def test_two_who_change_name_and_note_at_once_lose_neither(run):
    for turn in range(10):
        both = [
            threading.Thread(target=rename, args=(run, f"name {turn}")),
            threading.Thread(target=set_note, args=(run, f"note {turn}")),
        ]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        assert (run.name, note_of(run)) == (f"name {turn}", f"note {turn}")


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=100), junk=st.binary(max_size=60))
def test_whatever_is_written_is_read_as_it_was_answered(tmp_path_factory, text, junk):
    folder = tmp_path_factory.mktemp("about")
    run = RunFolder(folder)
    (folder / ABOUT_FILE).write_bytes(junk)
    read_about(folder)  # never fails
    note = set_note(run, text)
    assert note_of(run) == note
    assert all(c.isprintable() or c == "\n" for c in note)


# Space.


def test_the_parts_add_up_to_what_the_files_take(run):
    (run.path / "evaluations").mkdir()
    (run.path / "evaluations" / "a.json").write_bytes(b"e" * 77)
    size = size_of(run)
    on_disk = sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file())
    assert size.total == on_disk
    assert (size.weights, size.predictions) == (4000, 0)
    assert size.checkpoints == 6 * 1000
    assert size.others > 77


def test_cleaning_keeps_what_a_run_goes_on_from_and_the_best(tmp_path):
    run = make_run(tmp_path / "runs", stages=(), end="stopped")
    kept = Checkpoints(run.checkpoints_dir)
    for stage, step, score in (
        ("start", 0, None),
        ("pretrain", 10, 3.0),
        ("pretrain", 20, 5.0),
        ("finetune", 10, 1.0),
        ("finetune", 20, 2.0),
        ("finetune", 30, 4.0),
        ("lift", 10, None),
        ("lift", 20, None),
    ):
        kept.save(Place.of(stage, step), {"step": step}, finished=False, score=score)
    (run.checkpoints_dir / "lift-poses.pt").write_bytes(b"another kind of file")
    detectors = ("start", "pretrain", "finetune")
    newest = kept.newest(print, stages=detectors), kept.newest(print)
    before = size_of(run).total
    freed = clean(run)
    assert size_of(run).total == before - freed
    assert (kept.newest(print, stages=detectors), kept.newest(print)) == newest
    names = {path.name for path in run.checkpoints_dir.glob("*.pt")}
    assert names == {
        "pretrain-000010.pt",  # the best of its stage
        "finetune-000010.pt",
        "finetune-000030.pt",
        "lift-000020.pt",
        "lift-poses.pt",
    }
    assert clean(run) == 0


def test_a_run_that_lives_is_neither_cleaned_nor_deleted(run):
    before = size_of(run)
    with run.lock():
        for command in (clean, delete):
            with pytest.raises(CommandRefusedError, match="works on the run"):
                command(run)
    # A process that was started, and has not come to lock the run itself.
    lock = liveness.acquire(run.path / LAUNCH_LOCK_FILE, wait_s=0.0)
    assert lock is not None
    with lock, pytest.raises(CommandRefusedError, match="works on the run"):
        delete(run)
    assert size_of(run).checkpoints == before.checkpoints
    assert (run.path / LOCK_FILE).is_file()


# Deleting.


def test_deleting_frees_what_was_said_and_leaves_nothing(project):
    first, second = (make_run(runs_dir(project), name) for name in ("one", "two"))
    size = size_of(first).total
    assert delete(first) == pytest.approx(size, abs=1)
    assert [run.id for run in runs_of(project)] == [second.id]
    assert [path.name for path in runs_dir(project).iterdir()] == [second.id]
    with pytest.raises(DataError):
        RunFolder.open(first.path)


@pytest.mark.parametrize("by_path", [False, True])
def test_weights_that_another_run_has_yet_to_load_are_not_deleted(project, by_path):
    first = make_run(runs_dir(project), "one")
    weights = str(first.path / "detector.pt") if by_path else first.id
    config = with_settings(TrainConfig(), [f"model.weights={weights}"])
    second = RunFolder.create(runs_dir(project), config, name="two")
    with pytest.raises(CommandRefusedError, match=second.id):
        delete(first)
    # Once it has a checkpoint of its own, it needs them no more.
    (second.checkpoints_dir / "start-000000.pt").write_bytes(b"s")
    assert delete(first) > 0


def test_accepted_points_outlive_the_run_they_came_from(project):
    run = make_run(runs_dir(project))
    key = PointKey(3, 4, 2)
    origin = Provenance(source=run.id, round=2, weights_hash="ab12", wss_mm=4.5, weights=(0.5,))
    point = AcceptedPoint(key, (1.0, 2.0, 3.0), origin)
    project.apply(AcceptPoints(points=(point,), state="accepted"))
    before = project.accepted_between(0, 10)
    delete(run)
    after = project.accepted_between(0, 10)
    assert after.points_mm.tolist() == before.points_mm.tolist() == [[1.0, 2.0, 3.0]]
    assert after.provenance == before.provenance
    assert Provenance.from_json(after.provenance[0]).source == run.id


def test_a_kill_in_the_middle_of_deleting_leaves_no_half_run(project):
    run = make_run(runs_dir(project))
    code = (
        "import os, shutil, sys\n"
        "from pathlib import Path\n"
        "from core.project.runs.folder import RunFolder\n"
        "from core.project.runs.managing import delete\n"
        "shutil.rmtree = lambda *a, **k: (next(Path(a[0]).rglob('*.pt')).unlink(), os._exit(9))\n"
        "delete(RunFolder.open(Path(sys.argv[1])))\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, run.path], cwd=ROOT, check=False)
    assert killed.returncode == 9
    assert runs_of(project) == ()
    assert len(list(runs_dir(project).iterdir())) == 1
    assert sweep_trash(project.path) == 1
    assert list(runs_dir(project).iterdir()) == []
    assert sweep_trash(project.path) == 0


@pytest.mark.skipif(os.name == "nt", reason="folders have no such permissions there")
@pytest.mark.skipif(os.name != "nt" and os.geteuid() == 0, reason="root may write anywhere")
def test_a_run_in_a_folder_that_cannot_be_written_to_stays(project):
    run = make_run(runs_dir(project))
    runs_dir(project).chmod(0o555)
    try:
        with pytest.raises(CommandRefusedError, match="cannot be deleted"):
            delete(run)
    finally:
        runs_dir(project).chmod(0o755)
    assert len(runs_of(project)) == 1


# Weights.


def test_exported_weights_are_found_by_their_folder_and_tell_where_they_come_from(run, tmp_path):
    weights = ROOT / "resources" / "weights" / "demo-small.pt"
    (run.path / "detector.pt").write_bytes(weights.read_bytes())
    set_note(run, "the good one")
    files = export_weights(run, tmp_path / "out" / "good")
    assert {file.name for file in files} == {"config.toml", "detector.pt", "provenance.toml"}
    found = resolve_weights(str(tmp_path / "out" / "good"), "small")
    detector, _ = load_detector(found)
    assert detector.spec == load_detector(weights)[0].spec
    told = tomllib.loads((tmp_path / "out" / "good" / "provenance.toml").read_text("utf-8"))
    assert (told["run"], told["note"], told["status"]) == (run.id, "the good one", "done")
    assert told["held_out"]["mv_mpjpe"] == 50.0
    assert len(told["sha256"]["detector.pt"]) == 64
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good"]


def test_weights_are_not_written_over_anything(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        export_weights(run, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_run_without_weights_says_when_they_come(tmp_path):
    run = make_run(tmp_path / "runs", weights=False)
    with pytest.raises(CommandRefusedError, match="end of its first stage"):
        export_weights(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# Side by side.


def test_runs_side_by_side_tell_what_differs_and_which_is_best(tmp_path):
    first = make_run(tmp_path / "runs", "one", error_mm=50.0)
    second = make_run(
        tmp_path / "runs", "two", error_mm=46.0, settings=("finetune.learning_rate=3e-5",)
    )
    found = compare([first, second])
    assert [run.name for run in found.runs] == ["one", "two"]
    differing = {o.row.key: o.values for o in found.options if not o.is_same}
    assert set(differing) == {"finetune.learning_rate"}
    assert differing["finetune.learning_rate"][1] == 3e-5
    assert all(o.values[0] != o.row.default for o in found.options if o.is_same)
    figures = {figure.measure.key: figure for figure in found.figures}
    assert figures["mv_mpjpe"].values == (50.0, 46.0)
    assert figures["mv_mpjpe"].best == (1,)
    assert figures["mv_pck"].best == ()  # the same
    assert figures["labelled"].values == (120.0, 120.0)
    assert figures["steps"].values == (60.0, 60.0)
    assert "sv_mpjpe" not in figures
    assert found.notes == ()


def test_errors_on_other_poses_are_said_to_be_so(tmp_path):
    first = make_run(tmp_path / "runs", "one")
    second = make_run(tmp_path / "runs", "two", held_out=30)
    assert any("24 and 30" in note for note in compare([first, second]).notes)
    third = make_run(tmp_path / "runs", "three")
    assert compare([first, third], held_out=("ab", "ab")).notes == ()
    assert any("not of the same" in n for n in compare([first, third], held_out=("ab", "cd")).notes)


def test_a_run_that_nobody_trained_can_stand_beside_others(tmp_path):
    first = make_run(tmp_path / "runs", "one")
    second = RunFolder.create(tmp_path / "runs", TrainConfig(), name="two")
    found = compare([first, second])
    figures = {figure.measure.key: figure for figure in found.figures}
    assert math.isnan(figures["mv_mpjpe"].values[1])
    assert figures["mv_mpjpe"].best == ()
    assert any("two has not been trained" in note for note in found.notes)
    with pytest.raises(CommandRefusedError):
        compare([first, first])


def test_one_axis_goes_through_all_stages(run):
    curves = {curve.measure.key: curve for curve in curves_of(run.state())}
    errors = curves["mv_mpjpe"]
    offsets = {"pretrain": 0, "finetune": 20, "lift": 50}
    wanted = [offsets[s] + step for s, n in STEPS.items() for step in range(10, n + 1, 10)]
    assert errors.steps.tolist() == wanted
    assert curves["kept_share"].values.tolist() == [75.0] * len(wanted)
    assert (errors.group, curves["supervised"].group) == ("held-out", "loss")
    assert len(curves["supervised"].steps) == sum(STEPS.values()) // 5


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1 << 30), num=st.integers(0, 60))
def test_curves_never_run_backwards_whatever_is_said(seed, num):
    rng = random.Random(seed)
    said = []
    for _ in range(num):
        stage, step = rng.choice(list(STEPS)), rng.randrange(100)
        said.append(
            rng.choice(
                [
                    ev.StageStarted(stage=stage, steps=100, first_step=step),
                    ev.Evaluated(stage=stage, step=step, metrics={"mv_mpjpe": rng.random()}),
                    ev.Progress(
                        stage=stage,
                        step=step,
                        steps=100,
                        seconds_left=math.nan,
                        losses={"a": rng.random()},
                        seconds_per_step=math.nan,
                    ),
                ]
            )
        )
    for curve in curves_of(fold(said)):
        assert (curve.steps[1:] >= curve.steps[:-1]).all()
        assert len(curve.steps) == len(curve.values) == len(curve.times)


# TensorBoard.


def scalars(folder):
    """(tag, step, value) of all scalars of a folder of TensorBoard events."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in folder.iterdir():
        data = path.read_bytes()
        at = 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 8], "little")
            event = Event.FromString(data[at + 12 : at + 12 + length])
            at += 16 + length
            found += [
                (value.tag, event.step, value.simple_value, event.wall_time)
                for value in event.summary.value
                if value.WhichOneof("value") == "simple_value"
            ]
    return found


def test_tensorboard_reads_the_curves_of_a_run_once(run, tmp_path):
    pytest.importorskip("tensorboardX", reason="the extra 'tensorboard' is not installed")
    for _ in range(2):  # a second time replaces the first
        assert to_tensorboard(run, tmp_path / "tb") == tmp_path / "tb" / run.id
    assert [path.name for path in (tmp_path / "tb").iterdir()] == [run.id]
    found = scalars(tmp_path / "tb" / run.id)
    errors = [row for row in found if row[0] == "held-out/mv_mpjpe"]
    curve = next(c for c in curves_of(run.state()) if c.measure.key == "mv_mpjpe")
    assert [row[1] for row in errors] == curve.steps.tolist()
    assert [row[2] for row in errors] == pytest.approx(curve.values.tolist())
    assert [row[3] for row in errors] == pytest.approx(curve.times.tolist())
    assert {row[0].split("/")[0] for row in found} == {"held-out", "triangulation", "loss"}


def test_tensorboard_replaces_nothing_that_is_not_its_own(run, tmp_path):
    pytest.importorskip("tensorboardX", reason="the extra 'tensorboard' is not installed")
    (tmp_path / "tb" / run.id).mkdir(parents=True)
    (tmp_path / "tb" / run.id / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="something else"):
        to_tensorboard(run, tmp_path / "tb")
    assert (tmp_path / "tb" / run.id / "thesis.txt").read_text() == "mine"


def test_a_run_that_said_nothing_has_no_curves_to_write(tmp_path):
    pytest.importorskip("tensorboardX", reason="the extra 'tensorboard' is not installed")
    run = RunFolder.create(tmp_path / "runs", TrainConfig(), name="new")
    with pytest.raises(CommandRefusedError, match="no curves"):
        to_tensorboard(run, tmp_path / "tb")
    assert not (tmp_path / "tb").exists()
