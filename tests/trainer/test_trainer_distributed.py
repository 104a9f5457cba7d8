"""Two processes of torchrun do what one does: losses, weights, scale, predictions."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from core.project.predictions import RunPredictions
from core.project.runs import events as ev
from trainer.process import execute


def torchrun(run, *, processes):
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *(f"--nproc-per-node={processes}", "-m", "trainer", str(run.path)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]


def said(run, kind):
    return [event for event in run.events()[0] if isinstance(event, kind)]


def weights_of(run, name):
    return torch.load(run.path / name, weights_only=True)["state"]


def compare(alone, shared, *, name):
    for one, two in zip(said(alone, ev.Progress), said(shared, ev.Progress), strict=False):
        assert (one.stage, one.step) == (two.stage, two.step)
        assert two.losses == pytest.approx(one.losses, rel=1e-4)
    ours, theirs = weights_of(shared, name), weights_of(alone, name)
    for key, value in theirs.items():
        torch.testing.assert_close(ours[key], value, rtol=1e-2, atol=3e-4)


def test_two_processes_train_as_one_does(make_run):
    # Three labelled and three unlabelled groups a step: shares of two and one, micro-batches of
    # one, the noise scale from the first rank, the frames to predict shared out.
    settings = ("run.micro_batch=1", "pretrain.freeze_batch_norm=true", "predict.every=2")
    stages = ("pretrain", "finetune", "predict")
    alone, shared = (make_run(*settings, stages=stages, name=n) for n in ("alone", "shared"))
    assert execute(alone.path).status == "done"
    torchrun(shared, processes=2)
    (started,) = said(shared, ev.RunStarted)
    assert started.num_processes == 2
    compare(alone, shared, name="detector.pt")
    (one,), (two,) = said(alone, ev.ScaleMeasured), said(shared, ev.ScaleMeasured)
    assert two.scale_mm == pytest.approx(one.scale_mm, rel=1e-2)
    assert said(shared, ev.RunFinished)[-1].status == "done"
    compare_predictions(alone, shared)


def compare_predictions(alone, shared):
    with RunPredictions(alone) as one, RunPredictions(shared) as two:
        first, second = one.aggregates(), two.aggregates()
    assert len(first.frames) > 0
    for name in ("frames", "persons", "num_views"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_allclose(first.mean_weight, second.mean_weight, atol=0.02)


@pytest.mark.slow
def test_batch_statistics_that_train_are_those_of_the_whole_batch(make_run):
    settings = ("pretrain.groups=4", "pretrain.steps=3", "pretrain.heatmap_weight=1")
    alone, shared = (make_run(*settings, name=n) for n in ("alone", "shared"))
    assert execute(alone.path).status == "done"
    torchrun(shared, processes=2)
    compare(alone, shared, name="detector.pt")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "stages", "name"),
    [
        (
            ("loss.weighting=learned", "predict.weighting=learned", "run.feedback=true"),
            ("pretrain", "finetune", "predict"),
            "detector.pt",
        ),
        (("loss.teacher=true", "loss.weighting=consensus"), ("finetune",), "detector.pt"),
        (
            ("loss.gradient=frozen", "loss.residual_weight=0.1", "loss.heatmap_weight=0.5"),
            ("finetune",),
            "detector.pt",
        ),
        (
            ("loss.evidence=heatmaps", "loss.gradient=detach_target", "loss.heatmap_weight=1"),
            ("finetune",),
            "detector.pt",
        ),
        (("lift.dropout=0", "lift.groups=3"), ("lift",), "lifter.pt"),
    ],
    ids=["learned", "teacher", "frozen", "heatmaps", "lift"],
)
def test_two_processes_do_every_variant_as_one_does(make_run, settings, stages, name):
    settings = ("pretrain.freeze_batch_norm=true", "run.evaluate_every=2", *settings)
    alone, shared = (make_run(*settings, stages=stages, name=n) for n in ("alone", "shared"))
    assert execute(alone.path).status == "done"
    torchrun(shared, processes=2)
    compare(alone, shared, name=name)
    for one, two in zip(said(alone, ev.Evaluated), said(shared, ev.Evaluated), strict=True):
        assert two.metrics == pytest.approx(one.metrics, rel=2e-2)
