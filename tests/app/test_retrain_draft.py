"""What a Retrain asks for, and what its button says: without a window."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.retrain.draft import Draft, first_draft, presets_in_order
from app.retrain.options_page import value_text
from app.retrain.starting import Place, slurm_command
from app.retrain.telling import face_of, next_round_note, share_done
from core.errors import DataError
from core.project import JointKey, PointKey
from core.project.runs import events as ev
from core.project.runs.config import STAGES, TrainConfig
from core.project.runs.config_io import preset, value_of, write_config
from core.project.runs.folder import RunFolder
from core.project.runs.following import RunReport
from core.project.runs.option_rows import option_table
from core.project.runs.states import RunState, fold
from core.retraining.fresh import Since

STARTED = ev.RunStarted(
    device="cpu",
    device_name="A test's CPU",
    memory_bytes=8 << 30,
    num_processes=1,
    resumed=False,
    labelled=12,
    unlabelled=36,
    held_out=4,
)


class Runs:
    """Reports by hand, in the order of their runs."""

    def __init__(self, **reports):
        self.reports = reports
        self.living = tuple(
            key for key, it in reports.items() if it.status in ("running", "waiting")
        )

    def title(self, run_id):
        return run_id.removeprefix("20261123-")


def report(status, *events):
    return RunReport(status=status, text="", state=fold(events), events=(), silent_s=0.0)


def progress(stage, step, steps=100, left=60.0):
    return ev.Progress(
        stage=stage, step=step, steps=steps, seconds_left=left, losses={}, seconds_per_step=0.1
    )


def stage(name, steps=100):
    return ev.StageStarted(stage=name, steps=steps, first_step=0)


def since(num_new=0, num_reviews=0):
    return Since(
        run="20261123-quick",
        added=num_new,
        changed=0,
        deleted=0,
        keys=frozenset(JointKey(frame, 0, 1, 2) for frame in range(num_new)),
        points=frozenset(),
        reviews=frozenset(PointKey(frame, 1, 2) for frame in range(num_reviews)),
        tracks=frozenset(),
        frames=frozenset(range(max(num_new, num_reviews))),
    )


def test_the_presets_begin_with_the_quickest_and_none_is_left_out():
    assert presets_in_order()[:2] == ("quick", "cpu")
    assert sorted(presets_in_order()) == ["cpu", "normal", "paper", "quick"]


def test_changes_stay_upon_another_preset_and_go_where_it_says_the_same():
    draft = first_draft().with_value("pretrain.steps", 1500).with_value("run.seed", 7)
    assert draft.changes == {"pretrain.steps": 1500, "run.seed": 7}
    on_cpu = draft.with_preset("cpu")
    assert preset("cpu").pretrain.steps == 1500
    assert on_cpu.changes == {"run.seed": 7}
    assert on_cpu.config.run.seed == 7
    assert replace(on_cpu.config, run=preset("cpu").run) == preset("cpu")


ROWS = [row for row in option_table() if row.kind in ("int", "bool") and not row.choices]


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_only_what_differs_from_the_base_counts_as_changed(data):
    draft = first_draft()
    for row in data.draw(st.lists(st.sampled_from(ROWS), max_size=6)):
        whole = st.integers(int(row.info.low or 0), 100)
        value = data.draw(st.booleans() if row.kind == "bool" else whole)
        draft = draft.with_value(row.key, value)
        assert value_of(draft.config, row) == value
    for row in ROWS:
        differs = value_of(draft.config, row) != value_of(draft.base, row)
        assert (row.key in draft.changes) == differs
        draft = draft.without(row.key)
    assert draft.config == draft.base
    assert not draft.changes


def test_what_is_shown_of_a_value_reads_back_as_that_value():
    for row in option_table():
        for config in (TrainConfig(), *(preset(name) for name in presets_in_order())):
            value = value_of(config, row)
            assert row.from_text(value_text(value), "a test") == value, row.key


def test_stages_keep_their_order_however_they_are_chosen():
    draft = first_draft()
    for name in STAGES:
        draft = draft.with_stage(name, is_on=False)
    assert "nothing to do" in draft.problem()
    for name in ("predict", "pretrain", "finetune"):
        draft = draft.with_stage(name, is_on=True)
    assert draft.stages == ("pretrain", "finetune", "predict")
    assert draft.problem() == ""


def test_a_file_that_was_saved_loads_as_the_same_configuration(tmp_path):
    draft = first_draft().with_value("finetune.steps", 33)
    write_config(tmp_path / "mine.toml", draft.config)
    loaded = first_draft().with_file(tmp_path / "mine.toml")
    assert (loaded.config, loaded.title, dict(loaded.changes)) == (draft.config, "mine", {})
    (tmp_path / "bad.toml").write_text("[pretrain]\nsteps = -1\n")
    with pytest.raises(DataError, match=r"pretrain\.steps"):
        draft.with_file(tmp_path / "bad.toml")


def test_weights_that_are_missing_and_options_that_contradict_are_said(tmp_path):
    missing = first_draft(str(tmp_path / "none.pth"))
    assert missing.weights == str(tmp_path / "none.pth")
    assert "none.pth" in missing.problem()
    both = first_draft().with_value("predict.weighting", "learned")
    assert "predict.weighting" in both.problem()


def test_a_slurm_job_is_asked_for_as_the_form_says(tmp_path):
    run = RunFolder.create(tmp_path, TrainConfig(), name="far")
    place = Place(kind="slurm", nodes=2, gpus=8, hours=1.5, partition="long")
    words = slurm_command(run, place)
    assert words[1:4] == ["-m", "trainer.slurm", str(run.path)]
    told = dict(zip(words[4::2], words[5::2], strict=True))
    assert told == {"--nodes": "2", "--gpus": "8", "--hours": "1.5", "--partition": "long"}
    assert "--partition" not in slurm_command(run, replace(place, partition=""))


def test_the_button_counts_what_is_new_since_the_last_run():
    project = object()
    assert face_of(None, Runs(), None).tip == "Open a project first."
    assert "nothing was trained" in face_of(project, Runs(), None).tip
    assert face_of(project, Runs(), since()).badge == ""
    face = face_of(project, Runs(), since(23))
    assert (face.text, face.badge, face.share) == ("Retrain", "23", None)
    assert "23 labels (23 new) in 23 frames since the run quick" in face.tip
    assert face_of(project, Runs(), since(0, 4)).badge == "4"
    assert face_of(project, Runs(), since(1200)).badge == "999+"


def test_the_button_tells_how_far_a_living_run_is_and_what_goes_into_the_next_round():
    events = (STARTED, stage("finetune"), progress("finetune", 50))
    runs = Runs(a=report("waiting", ev.Waiting(device="cpu", ahead=1, run="b")))
    assert face_of(object(), runs, None).text == "Waiting"
    runs = Runs(a=report("waiting"), b=report("running", *events))
    face = face_of(object(), runs, since(3))
    assert (face.text, face.badge) == ("Training", "17 %")
    assert face.share == pytest.approx(0.5 / 3)
    assert "b: fine-tune 50 of 100, 1 min 00 s left in this stage" in face.tip
    assert "1 other run waits" in face.tip
    assert next_round_note(since(3)) in face.tip
    assert "In the next round: 3 labels (3 new)" in face.tip
    assert next_round_note(since()) == ""


def test_a_time_left_that_is_not_known_is_not_said():
    events = (STARTED, stage("lift"), progress("lift", 1, left=math.nan))
    assert "left" not in face_of(object(), Runs(a=report("running", *events)), None).tip


@settings(deadline=None, max_examples=30)
@given(
    stages=st.lists(st.sampled_from(STAGES), min_size=1, unique=True),
    steps=st.lists(st.integers(1, 5), min_size=4, max_size=4),
)
def test_the_share_done_never_falls_while_a_run_goes_on(stages, steps):
    order = [name for name in STAGES if name in stages]
    if order[-1] != "predict":
        order.append("predict")  # what comes after the present stage is not known beforehand
    first = STAGES.index(order[0])
    state, shares = RunState(), []
    for name, num in zip(STAGES[first:], steps, strict=False):
        for event in (
            stage(name, num),
            *(progress(name, step, num) for step in range(1, num + 1)),
            ev.StageFinished(stage=name),
        ):
            state = fold([event], state)
            shares.append(
                share_done(
                    RunReport(status="running", text="", state=state, events=(), silent_s=0.0)
                )
            )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert shares[0] == 0.0


def test_a_draft_is_a_value_that_changing_does_not_touch():
    draft = first_draft()
    other = draft.with_value("run.seed", 5)
    assert isinstance(other, Draft)
    assert draft.config.run.seed == 0
