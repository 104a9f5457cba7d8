"""The variants of the stages, each as a short run."""

import threading
import time

import numpy as np
import pytest
import torch

from core.models.weights_files import load_detector
from core.project.runs import events as ev
from core.project.runs.samples import read_samples
from trainer.process import execute


def said(run, kind):
    return [event for event in run.events()[0] if isinstance(event, kind)]


def losses_of(run, stage):
    return [e.losses for e in said(run, ev.Progress) if e.stage == stage]


def state_of(run, name="detector.pt"):
    return torch.load(run.path / name, weights_only=True)["state"]


def done(run):
    finished = execute(run.path)
    assert finished.status == "done", finished.text
    return run


@pytest.fixture
def tune(make_run):
    """Runs fine-tuning from an untrained detector."""

    def tune(*settings, name="run"):
        return done(make_run("finetune.steps=2", *settings, stages=("finetune",), name=name))

    return tune


@pytest.mark.parametrize(
    ("settings", "losses"),
    [
        (("loss.weighting=none",), {"unlabelled", "supervised"}),
        (("loss.weighting=consensus", "loss.loss_views=all"), {"unlabelled", "supervised"}),
        (("loss.weighting=learned",), {"unlabelled", "supervised", "learned"}),
        (("loss.residual_weight=0.1",), {"unlabelled", "residual", "supervised"}),
        (("loss.heatmap_weight=0.5",), {"unlabelled", "pseudo_heatmap", "supervised"}),
        (
            ("loss.unlabelled_weight=0", "loss.heatmap_weight=1"),
            {"unlabelled", "pseudo_heatmap", "supervised"},
        ),
        (
            ("loss.evidence=heatmaps", "loss.gradient=detach_target", "loss.teacher=true"),
            {"unlabelled", "supervised"},
        ),
        (("loss.evidence=heatmaps", "loss.gradient=frozen"), {"unlabelled", "supervised"}),
        (("loss.unlabelled_weight=0",), {"supervised"}),
        (("finetune.labelled_groups=0",), {"unlabelled"}),
        (
            ("finetune.heatmap_weight=1", "loss.gate_views=2"),
            {"unlabelled", "supervised", "heatmap"},
        ),
    ],
)
def test_each_variant_has_the_losses_it_names(tune, settings, losses):
    run = tune(*settings)
    assert [set(found) for found in losses_of(run, "finetune")] == [losses] * 2


@pytest.mark.parametrize("more", [(), ("loss.heatmap_weight=0.5",)], ids=["plain", "heatmap"])
def test_micro_batches_change_no_loss_of_fine_tuning(tune, more):
    # At this rate a step that divided by a micro-batch's counts would change the next ones' losses.
    settings = ("finetune.steps=4", "finetune.learning_rate=1e-3", *more)
    whole = tune(*settings, name="whole")
    for size in (1, 2):
        micro = tune(*settings, f"run.micro_batch={size}", name=f"micro-{size}")
        for ours, theirs in zip(
            losses_of(micro, "finetune"), losses_of(whole, "finetune"), strict=True
        ):
            assert ours == pytest.approx(theirs, rel=1e-3)


def test_frozen_batch_norm_keeps_its_statistics_and_a_free_one_moves(tune):
    frozen, free = tune(name="frozen"), tune("finetune.freeze_batch_norm=false", name="free")
    statistics = [key for key in state_of(frozen) if key.endswith("running_mean")]
    assert statistics
    assert all(not state_of(frozen)[key].any() for key in statistics)
    assert any(state_of(free)[key].any() for key in statistics)


def test_the_teacher_is_the_outcome_and_lags_behind_its_student(tune):
    run = tune("loss.teacher=true", "loss.teacher_decay=0.5", "loss.gradient=detach_target")
    path = run.path / said(run, ev.CheckpointSaved)[-1].file
    state = torch.load(path, weights_only=True)["state"]
    student, teacher, outcome = state["detector"], state["teacher"], state_of(run)
    assert all(torch.equal(outcome[key], teacher[key]) for key in teacher)
    assert any(not torch.equal(student[key], teacher[key]) for key in teacher)


def test_the_noise_scale_is_measured_once_before_fine_tuning_and_kept(tune):
    run = tune()
    (measured,) = said(run, ev.ScaleMeasured)
    first_progress = said(run, ev.Progress)[0]
    assert measured.time < first_progress.time
    path = run.path / said(run, ev.CheckpointSaved)[-1].file
    assert torch.load(path, weights_only=True)["state"]["scale_mm"] == measured.scale_mm


def test_a_given_noise_scale_is_not_measured(tune):
    assert not said(tune("loss.scale_mm=25"), ev.ScaleMeasured)


def test_supervised_only_looks_at_no_unlabelled_group(tune):
    run = tune("loss.unlabelled_weight=0")
    (weights,) = said(run, ev.WeightsMeasured)
    assert 0 <= weights.kept_share <= 1


@pytest.mark.parametrize(
    "settings",
    [("loss.gradient=frozen",), ("loss.teacher=true", "loss.gradient=detach_target")],
    ids=["frozen", "teacher"],
)
def test_what_a_variant_remembers_survives_a_stop(make_run, settings):
    settings = ("finetune.steps=12", "finetune.learning_rate=1e-3", *settings)
    whole = done(make_run(*settings, stages=("finetune",), name="whole"))
    broken = make_run(*settings, stages=("finetune",), name="broken")

    def ask():
        while not any(event.step >= 3 for event in said(broken, ev.Progress)):
            time.sleep(0.002)
        broken.request_stop()

    asker = threading.Thread(target=ask)
    asker.start()
    assert execute(broken.path).status == "stopped"
    asker.join()
    assert execute(broken.path, resume=True).status == "done"
    assert losses_of(broken, "finetune") == losses_of(whole, "finetune")
    ours, theirs = state_of(broken), state_of(whole)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_the_learning_rate_falls_along_half_a_cosine(make_run):
    run = done(make_run("pretrain.steps=4", "pretrain.decay=cosine", "pretrain.learning_rate=0.5"))
    path = run.path / said(run, ev.CheckpointSaved)[-1].file
    group = torch.load(path, weights_only=True)["state"]["optimizer"]["param_groups"][0]
    assert group["lr"] == pytest.approx(0.5 * (1 + 2**-0.5 * -1) / 2)


def test_a_run_begins_with_the_weights_of_another(make_run):
    source = done(make_run("pretrain.steps=2"))
    run = done(make_run(f"model.weights={source.id}", "pretrain.steps=0", name="next"))
    ours, theirs = state_of(run), state_of(source)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    _, report = load_detector(run.path / "detector.pt")
    assert report.provenance["stage"] == "pretrain"


def test_pretraining_lowers_its_losses(make_run):
    run = done(make_run("pretrain.steps=40", "pretrain.learning_rate=3e-3", "pretrain.groups=4"))
    heights = [losses["heatmap"] for losses in losses_of(run, "pretrain")]
    assert sum(heights[-5:]) < 0.9 * sum(heights[:5])


@pytest.mark.parametrize("branch", ["small", "none"])
def test_the_lifter_learns_from_what_the_fixed_detector_said_once(make_run, branch):
    def trained(rate):
        settings = (f"model.image_branch={branch}", "lift.steps=25", f"lift.learning_rate={rate}")
        return done(make_run(*settings, stages=("lift",), name=f"rate-{rate}"))

    run, control = trained("1e-3"), trained("0")
    ours, theirs = ([x["lift"] for x in losses_of(r, "lift")[-8:]] for r in (run, control))
    assert sum(ours) < 0.98 * sum(theirs)
    start = torch.load(run.checkpoints_dir / "start-000000.pt", weights_only=True)["state"]
    assert (run.checkpoints_dir / "lift-poses.pt").is_file()
    assert not (run.path / "detector.pt").exists()
    assert "detector" in start


def test_a_frozen_image_branch_stays_as_it_was(make_run):
    settings = ("model.freeze_image_branch=true", "lift.steps=2")
    runs = [done(make_run(*settings, stages=("lift",), name=n)) for n in ("one",)]
    state = state_of(runs[0], "lifter.pt")
    means = [key for key in state if key.startswith("image_branch") and "running_mean" in key]
    assert means
    assert all(not state[key].any() for key in means)


def test_what_a_run_begins_with_is_measured_and_shown_before_its_first_step(make_run):
    first = done(make_run("pretrain.steps=2", "run.evaluate_every=2", name="first"))
    assert [event.step for event in said(first, ev.Evaluated)] == [2], "it began knowing nothing"
    settings = ("run.feedback=true", "run.evaluate_every=2", "pretrain.steps=3")
    weights = f"model.weights={first.path / 'detector.pt'}"
    run = done(make_run(*settings, weights, "finetune.steps=1", stages=("pretrain", "finetune")))
    places = [(event.stage, event.step) for event in said(run, ev.Evaluated)]
    assert places == [("pretrain", 0), ("pretrain", 2), ("pretrain", 3), ("finetune", 1)]
    before, left = (
        found[-1].metrics for found in (said(run, ev.Evaluated)[:1], said(first, ev.Evaluated))
    )
    assert before["mv_mpjpe"] == pytest.approx(left["mv_mpjpe"], rel=1e-3)
    rounds = [(event.stage, event.step) for event in said(run, ev.PredictionRoundFinished)]
    assert rounds[0] == ("pretrain", 0), "the side before of whatever this run will change"


def test_evaluations_bring_predictions_of_some_frames_for_the_window(make_run):
    run = done(make_run("run.feedback=true", "run.evaluate_every=2", "pretrain.steps=5"))
    assert [event.step for event in said(run, ev.Evaluated)] == [2, 4, 5]
    rounds = said(run, ev.PredictionRoundFinished)
    # The first always comes; the second, of a training of moments, would cost too much of it.
    assert [(event.stage, event.step) for event in rounds][:1] == [("pretrain", 2)]
    samples = [read_samples(run.path / event.file) for event in said(run, ev.SamplesSaved)]
    assert len(samples) == 3
    first, last = samples[0], samples[-1]
    assert (first.frames == last.frames).all()
    assert (first.crops == last.crops).all()
    assert first.cameras == last.cameras
    assert np.isfinite(first.target_px).any()
    assert not np.allclose(first.points_px, last.points_px)
    best = (run.checkpoints_dir / "best.json").read_text()
    assert "pretrain" in best


# Inductor itself imports parts of torch that torch calls deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*")
@pytest.mark.slow
def test_a_compiled_detector_trains_and_is_exported_under_its_plain_names(make_run):
    plain = done(make_run("pretrain.steps=2", name="plain"))
    compiled = done(make_run("pretrain.steps=2", "run.compile=true", name="compiled"))
    for ours, theirs in zip(
        losses_of(compiled, "pretrain"), losses_of(plain, "pretrain"), strict=True
    ):
        assert ours == pytest.approx(theirs, rel=1e-2)
    assert state_of(compiled).keys() == state_of(plain).keys()


def test_without_labels_a_stage_that_needs_them_says_so(make_run):
    run = make_run("data.labelled_percent=0")
    finished = execute(run.path)
    assert finished.status == "failed"
    assert "labelled" in finished.text


def test_targets_frozen_for_fewer_steps_are_not_taken_for_those_of_other_groups(make_run):
    settings = ("loss.gradient=frozen", "finetune.steps=2", "finetune.unlabelled_groups=1")
    run = done(make_run(*settings, stages=("finetune",)))
    config = run.path / "config.toml"
    config.write_text(config.read_text().replace("steps = 2\n", "steps = 4\n"))
    assert execute(run.path, resume=True).status == "done"
    assert "frozen-targets" in [notice.code for notice in said(run, ev.Notice)]
    assert said(run, ev.Progress)[-1].step == 4


def test_the_view_weights_are_pretrained_whatever_the_discard_rule(make_run):
    run = done(make_run("loss.weighting=learned", "loss.discard=wss", "pretrain.steps=1"))
    assert "learned" in losses_of(run, "pretrain")[0]


def test_more_views_asked_for_than_there_are_cameras_is_said(make_run):
    run = done(make_run("loss.min_views=5", "pretrain.steps=0"))
    (notice,) = [n for n in said(run, ev.Notice) if n.code == "few-cameras"]
    assert "loss.min_views is 5, but there are 4 cameras" in notice.text


@pytest.mark.parametrize(
    ("stage", "settings", "words"),
    [
        ("lift", ("data.labelled_percent=0",), "labelled or unlabelled groups"),
        ("finetune", ("finetune.labelled_groups=0",), "finetune.labelled_groups is 0"),
    ],
)
def test_a_stage_with_nobody_to_learn_from_says_so(make_run, stage, settings, words):
    finished = execute(make_run("data.unlabelled_rate=1000", *settings, stages=(stage,)).path)
    assert finished.status == "failed"
    assert words in finished.text


def test_what_contradicts_itself_is_refused_before_anything_is_done(make_run):
    run = make_run("loss.teacher=true", "loss.gradient=frozen", stages=("pretrain", "finetune"))
    finished = execute(run.path)
    assert (finished.status, said(run, ev.StageStarted)) == ("failed", [])
    assert "loss.gradient" in finished.text
