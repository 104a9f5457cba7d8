"""What a long run is doing is told before all that it said is read, and told the same."""

from dataclasses import replace

import pytest

from app.runs.following_all import RunsFollower
from core.project.runs import events as ev
from core.project.runs.config import TrainConfig
from core.project.runs.folder import RUNS_FOLDER, RunFolder
from core.project.runs.following import RunFollower
from core.project.runs.gist import gist_of
from core.project.runs.states import fold

STEPS = 6_000
_CURVES = ("progress", "weights", "evaluations", "device_use")


def started(time, *, resumed):
    return ev.RunStarted(
        time=time,
        device="cpu",
        device_name="A test's CPU",
        memory_bytes=8 << 30,
        num_processes=1,
        resumed=resumed,
        labelled=12,
        unlabelled=36,
        held_out=4,
    )


def said(stage, step, time):
    """What a trainer says of a step: mostly points of curves."""
    losses = {"supervised": 1.0 / step}
    yield ev.Progress(
        time=time,
        stage=stage,
        step=step,
        steps=STEPS,
        seconds_left=60.0,
        losses=losses,
        seconds_per_step=0.1,
    )
    if step % 100 == 0:
        weights = {"left": 0.5, "right": 0.9}
        yield ev.WeightsMeasured(
            time=time, stage=stage, step=step, kept_share=0.8, mean_weight=weights
        )
        yield ev.Evaluated(time=time, stage=stage, step=step, metrics={"mv_mpjpe": 50.0})
        yield ev.Notice(time=time, level="info", code="told", text=f"Step {step}.")


def training():
    """Two stages; the second went on from step 1,000 after an hour's pause."""
    yield started(1000.0, resumed=False)
    time = 1000.0
    for stage, first, last in (("pretrain", 1, STEPS), ("finetune", 1, 2_000)):
        yield ev.StageStarted(time=time, stage=stage, steps=STEPS, first_step=0)
        for step in range(first, last + 1):
            time += 0.1
            yield from said(stage, step, time)
        yield ev.StageFinished(time=time, stage=stage)
    time += 3600.0
    yield started(time, resumed=True)
    yield ev.StageStarted(time=time, stage="finetune", steps=STEPS, first_step=1_000)
    for step in range(1_001, 2_500):
        time += 0.1
        yield from said("finetune", step, time)


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    run = RunFolder.create(
        tmp_path_factory.mktemp("made") / RUNS_FOLDER, TrainConfig(), name="long"
    )
    with (run.path / "events.jsonl").open("wb") as file:
        file.writelines(map(ev.encode_event, training()))
    return run


def test_that_the_gist_of_a_long_run_is_its_state_but_for_curves(long_run):
    found = gist_of(long_run)
    assert found is not None
    events, end = found
    whole, gist = long_run.state(), fold(events)
    assert len(events) < len(long_run.events()[0]) / 10
    assert end == long_run.events_end()
    assert gist.latest == whole.latest
    assert gist.worked_s == whole.worked_s
    assert gist.progress == whole.progress[-len(gist.progress) :]
    same = {name: getattr(whole, name) for name in _CURVES}
    assert replace(gist, **same) == whole


def test_that_a_short_run_has_no_gist_and_a_damaged_line_is_told(tmp_path, long_run):
    short = RunFolder.create(tmp_path, TrainConfig(), name="short")
    assert gist_of(short) is None
    with short.lock():
        short.append(started(1000.0, resumed=False))
    assert gist_of(short) is None
    lines = (long_run.path / "events.jsonl").read_bytes().split(b"\n")
    lines[1_000:1_000] = [b"no event", b'{"v":9,"kind":"to come"}']
    (short.path / "events.jsonl").write_bytes(b"\n".join(lines))
    found = gist_of(short)
    assert found is not None
    assert [event.reason for event in fold(found[0]).unknown] == ["damaged", "newer"]


def test_that_a_glance_says_what_polling_says_and_takes_nothing_from_it(long_run):
    follower = RunFollower(long_run)
    glance, report = follower.glance(), follower.poll()
    assert glance is not None
    assert (glance.status, glance.text) == (report.status, report.text)
    assert (glance.is_whole, report.is_whole) == (False, True)
    assert not glance.events
    assert report.state == long_run.state()
    assert follower.poll().events == ()


def test_that_every_long_run_of_a_project_is_told_in_short_before_one_is_read_whole(
    tmp_path, long_run
):
    for name in ("one", "two"):
        run = RunFolder.create(tmp_path / RUNS_FOLDER, TrainConfig(), name=name)
        (run.path / "events.jsonl").write_bytes((long_run.path / "events.jsonl").read_bytes())
    runs = RunsFollower(tmp_path)
    runs.list_anew()
    told = [(entry.name, report.is_whole) for entry, report, _ in runs.poll() if report is not None]
    assert told == [("two", False), ("one", False), ("two", True), ("one", True)]
    assert list(runs.poll()) == []
