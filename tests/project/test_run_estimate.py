import math
from dataclasses import replace

import pytest

from core.project.runs.config import TrainConfig
from core.project.runs.config_io import with_settings
from core.project.runs.estimate import (
    FEEDBACK_SHARE,
    Counts,
    WarmUp,
    estimate_from,
    read_warmup,
    warmup_path,
    write_warmup,
)

COUNTS = Counts(labelled=100, unlabelled=400, held_out=20, predicted=50, uncut=0.5)
WARMUP = WarmUp(
    device="cpu",
    device_name="CPU, 2 threads",
    memory_bytes=1 << 34,
    start_s=5.0,
    seconds_per_step={"pretrain": 0.5, "finetune": 1.0, "lift": 0.01},
    seconds_per_cut=0.04,
    seconds_per_look=0.1,
    seconds_per_prediction=0.2,
    input_hw=(128, 96),
    counts=COUNTS,
    took_s=20.0,
)
CONFIG = with_settings(
    TrainConfig(),
    [
        "pretrain.steps=250",
        "finetune.steps=150",
        "lift.steps=300",
        "run.evaluate_every=100",
        "run.feedback=false",
    ],
)


def test_an_estimate_adds_up_to_what_the_stages_do():
    found = estimate_from(WARMUP, CONFIG)
    # Steps; a look at the beginning, two in between and one at the end; crops of the labelled
    # and held-out groups.
    assert found.seconds_by_stage["pretrain"] == pytest.approx(
        250 * 0.5 + 4 * 20 * 0.1 + 120 * 0.5 * 0.04
    )
    # Its noise scale, and the crops that are new.
    assert found.seconds_by_stage["finetune"] == pytest.approx(
        150 * 1.0 + (2 * 20 + 200) * 0.1 + 400 * 0.5 * 0.04
    )
    assert found.seconds_by_stage["lift"] == pytest.approx(300 * 0.01 + (3 * 20 + 500) * 0.1)
    assert found.seconds_by_stage["predict"] == pytest.approx(50 * 0.2)
    assert found.total_s == pytest.approx(5.0 + sum(found.seconds_by_stage.values()))
    assert "20 s of warm-up on CPU, 2 threads" in found.basis


def test_other_steps_need_no_new_warm_up_but_other_networks_do(tmp_path):
    more = with_settings(CONFIG, ["pretrain.steps=2500", "run.seed=3", "run.report_every=1"])
    assert warmup_path(tmp_path, more) == warmup_path(tmp_path, CONFIG)
    longer = estimate_from(WARMUP, more).seconds_by_stage["pretrain"]
    assert longer > 9 * estimate_from(WARMUP, CONFIG).seconds_by_stage["pretrain"]
    for other in ("model.input_height=320", "pretrain.groups=4", "run.device=cuda"):
        assert warmup_path(tmp_path, with_settings(CONFIG, [other])) != warmup_path(
            tmp_path, CONFIG
        )


def test_feedback_takes_its_share_where_there_is_any():
    plain = estimate_from(WARMUP, CONFIG).seconds_by_stage
    shown = estimate_from(WARMUP, with_settings(CONFIG, ["run.feedback=true"])).seconds_by_stage
    cut = 120 * 0.5 * 0.04
    assert shown["pretrain"] - cut == pytest.approx(
        (plain["pretrain"] - cut) / (1 - FEEDBACK_SHARE)
    )
    assert shown["lift"] == plain["lift"]


def test_that_the_look_at_what_a_run_begins_with_counts():
    anew, known = (
        estimate_from(WARMUP, with_settings(CONFIG, [f"model.weights={weights}"])).seconds_by_stage
        for weights in ("none", "demo")
    )
    assert known["pretrain"] - anew["pretrain"] == pytest.approx(20 * 0.1)
    assert known["finetune"] == anew["finetune"], "only the first stage begins with it"


def test_stages_that_are_left_out_take_no_time():
    config = replace(CONFIG, run=replace(CONFIG.run, stages=("predict",)))
    found = estimate_from(WARMUP, config)
    assert found.seconds_by_stage == {"predict": pytest.approx(10.0)}


def test_what_was_not_measured_is_not_known():
    found = estimate_from(replace(WARMUP, seconds_per_step={"pretrain": 0.5}), CONFIG)
    assert math.isnan(found.total_s)
    assert math.isfinite(found.seconds_by_stage["pretrain"])


def test_a_warm_up_comes_back_as_it_was_kept(tmp_path):
    path = warmup_path(tmp_path, CONFIG)
    assert read_warmup(path) is None
    write_warmup(path, WARMUP)
    assert read_warmup(path) == WARMUP
    unknown = replace(
        WARMUP, seconds_per_prediction=math.nan, seconds_per_step={"pretrain": math.nan, "lift": 2}
    )
    write_warmup(path, unknown)
    found = read_warmup(path)
    assert found is not None
    assert math.isnan(found.seconds_per_prediction)
    assert math.isnan(found.seconds_per_step["pretrain"])
    assert found.seconds_per_step["lift"] == 2


@pytest.mark.parametrize("content", ["", "{", '{"schema": 1}', '{"schema": 2}', "[]"])
def test_a_warm_up_that_cannot_be_read_is_none(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content)
    assert read_warmup(path) is None
