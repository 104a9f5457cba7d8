import json
import math
import os
from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.project.runs import events as ev
from core.project.runs.event_file import append_line, open_for_appending, read_lines
from core.project.runs.states import RunState, fold

KINDS = [kind for kind in get_args(ev.Event) if kind is not ev.UnknownEvent]
numbers = st.floats(allow_infinity=False, allow_nan=False, width=32)
names = st.text(max_size=6)
stages = st.sampled_from(["pretrain", "finetune", "lift", "predict"])
# Every entry has one of a few types; hypothesis makes them from these.
TYPES = {
    "stage": stages,
    "level": st.sampled_from(["info", "warning", "error"]),
    "status": st.sampled_from(["done", "stopped", "failed", "cancelled"]),
    "notes": st.lists(names, max_size=2).map(tuple),
    "losses": st.dictionaries(names, numbers, max_size=2),
    "metrics": st.dictionaries(names, numbers, max_size=2),
    "mean_weight": st.dictionaries(names, numbers, max_size=2),
    "resumed": st.booleans(),
    **dict.fromkeys(["device", "device_name", "file", "code", "text", "reason", "run"], names),
    **dict.fromkeys(["time", "seconds_left", "seconds_per_step", "kept_share", "busy"], numbers),
    "scale_mm": numbers,
}
counts = st.integers(0, 1 << 40)
events = st.one_of(
    *(
        st.builds(kind, **{item.name: TYPES.get(item.name, counts) for item in fields(kind)})
        for kind in KINDS
    )
)


def progress(stage, step, **others):
    return ev.Progress(
        stage=stage,
        step=step,
        steps=100,
        seconds_left=1.0,
        losses={},
        seconds_per_step=0.1,
        **others,
    )


@settings(deadline=None, max_examples=100)
@given(event=events)
def test_any_event_comes_back_from_its_line(event):
    line = ev.encode_event(event)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert ev.decode_event(line) == event


def test_numbers_that_are_not_finite_come_back_as_nan():
    event = ev.Progress(
        stage="lift",
        step=1,
        steps=2,
        seconds_left=math.nan,
        losses={"bad": math.inf},
        seconds_per_step=0.1,
    )
    read = ev.decode_event(ev.encode_event(event))
    assert isinstance(read, ev.Progress)
    assert math.isnan(read.seconds_left)
    assert math.isnan(read.losses["bad"])


@settings(deadline=None, max_examples=200)
@given(line=st.one_of(st.binary(max_size=80), events.map(ev.encode_event)), data=st.data())
def test_any_bytes_are_an_event_of_some_kind(line, data):
    place = data.draw(st.integers(0, len(line)))
    for bytes_ in (line, line[:place], line[:place] + b"[" + line[place + 1 :]):
        assert isinstance(ev.decode_event(bytes_), ev.RunEvent)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"[" * 5000,
        b'{"v":1,"kind":[],"time":1}',
        b'{"v":1,"kind":"progress","time":1}',
        b'{"v":1,"kind":"notice","time":1,"level":"shout","code":"a","text":"b"}',
        b'{"v":1,"kind":"notice","time":true,"level":"info","code":"a","text":"b"}',
        b'{"v":1,"kind":"scale-measured","time":1,"scale_mm":"14"}',
        b'{"v":1,"kind":"scale-measured","time":1,"scale_mm":1' + b"0" * 400 + b"}",
        b'{"v":1,"kind":"stage-started","time":1,"stage":"lift","steps":1.5,"first_step":0}',
        b'{"v":1,"kind":"predictions-merged","time":1}',
    ],
)
def test_a_line_that_is_no_event_counts_as_damaged(line):
    event = ev.decode_event(line)
    assert isinstance(event, ev.UnknownEvent)
    assert event.reason == "damaged"


def test_a_kind_of_a_newer_trilabel_is_kept_and_said():
    event = ev.decode_event(b'{"v":3,"kind":"predictions-merged","time":3.5,"files":[1]}')
    assert isinstance(event, ev.UnknownEvent)
    assert (event.reason, event.time) == ("newer", 3.5)
    assert "predictions-merged" in event.line
    assert "newer trilabel" in fold([event]).warning


def test_a_known_kind_of_a_newer_trilabel_is_read_as_far_as_it_is_known():
    line = {**json.loads(ev.encode_event(ev.ScaleMeasured(scale_mm=14.0))), "v": 2, "per_joint": []}
    event = ev.decode_event(json.dumps(line).encode())
    assert isinstance(event, ev.ScaleMeasured)
    assert event.scale_mm == 14.0


def test_half_a_surrogate_does_not_spoil_printing():
    event = ev.decode_event(
        b'{"v":1,"kind":"notice","time":1,"level":"info","code":"a","text":"\\ud800"}'
    )
    assert isinstance(event, ev.Notice)
    event.text.encode("utf-8")


@settings(deadline=None, max_examples=60)
@given(written=st.lists(events, max_size=6), data=st.data())
def test_a_file_cut_anywhere_reads_as_its_whole_lines_and_goes_on(written, data, tmp_path_factory):
    lines = [ev.encode_event(event) for event in written]
    whole = b"".join(lines)
    cut = data.draw(st.integers(0, len(whole)))
    path = tmp_path_factory.mktemp("run") / "events.jsonl"
    path.write_bytes(whole[:cut])
    before, offset = read_lines(path)
    num_whole = whole[:cut].count(b"\n")
    assert [ev.decode_event(line) for line in before] == written[:num_whole]
    descriptor = open_for_appending(path)
    append_line(descriptor, lines[-1] if lines else b"{}\n")
    os.close(descriptor)
    after, end = read_lines(path, offset)
    assert [line + b"\n" for line in after] == [lines[-1] if lines else b"{}\n"]
    assert end == path.stat().st_size


@settings(deadline=None, max_examples=60)
@given(written=st.lists(events, max_size=12), data=st.data())
def test_folding_in_any_portions_gives_the_same_state(written, data):
    cut = data.draw(st.integers(0, len(written)))
    assert fold(written[cut:], fold(written[:cut])) == fold(written)


def test_a_stage_that_goes_on_forgets_the_steps_that_it_does_again():
    state = fold(
        [
            ev.StageStarted(stage="pretrain", steps=100, first_step=0),
            progress("pretrain", 100),
            ev.StageFinished(stage="pretrain"),
            ev.StageStarted(stage="finetune", steps=100, first_step=0),
            progress("finetune", 10),
            ev.CheckpointSaved(stage="finetune", step=10, file="checkpoints/10.pt"),
            progress("finetune", 20),
            ev.Evaluated(stage="finetune", step=20, metrics={"mpjpe": 3.0}),
            ev.StageStarted(stage="finetune", steps=100, first_step=10),
        ]
    )
    assert [(p.stage, p.step) for p in state.progress] == [("pretrain", 100), ("finetune", 10)]
    assert state.evaluations == ()
    assert state.stages_done == ("pretrain",)
    assert state.latest is not None
    assert state.latest.step == 10


def test_what_was_measured_before_the_first_step_stays_unless_the_stage_begins_anew():
    at_start = ev.Evaluated(stage="pretrain", step=0, metrics={"mv_mpjpe": 9.0})
    said = [ev.StageStarted(stage="pretrain", steps=9, first_step=0), at_start]
    going_on = ev.StageStarted(stage="pretrain", steps=9, first_step=4)
    assert fold([*said, progress("pretrain", 4), going_on]).evaluations == (at_start,)
    assert fold([*said, said[0], at_start]).evaluations == (at_start,)


def test_the_latest_progress_is_of_the_present_stage_only():
    begun = [
        ev.StageStarted(stage="pretrain", steps=100, first_step=0),
        progress("pretrain", 100),
        ev.StageStarted(stage="lift", steps=100, first_step=0),
    ]
    assert fold(begun).latest is None
    assert RunState().latest is None


def started(time, **more):
    told = {
        "device": "cpu",
        "device_name": "CPU",
        "memory_bytes": 1,
        "num_processes": 1,
        "resumed": True,
        "labelled": 1,
        "unlabelled": 2,
        "held_out": 3,
    }
    return ev.RunStarted(time=time, **told, **more)


def test_that_neither_pauses_nor_waiting_count_as_work():
    def waiting(time):
        return ev.Waiting(time=time, device="cpu", ahead=1, run="other")

    first = [waiting(50.0), started(100.0), ev.RunFinished(time=160.0, status="stopped")]
    in_line = [*first, waiting(1000.0), waiting(1500.0)]
    going_on = [*in_line, started(2000.0), ev.RunFinished(time=2030.0, status="done")]
    left_early = [*in_line, ev.RunFinished(time=1600.0, status="cancelled")]
    for events, worked_s in ((first, 60), (in_line, 60), (going_on, 90), (left_early, 60)):
        assert fold(events).worked_s == worked_s
        for cut in range(len(events)):
            assert fold(events[cut:], fold(events[:cut])).worked_s == worked_s


def test_a_new_start_takes_back_the_end_of_the_last_one():
    stopped = ev.RunFinished(status="stopped")
    assert fold([stopped]).finished == stopped
    assert fold([stopped, started(1.0)]).finished is None
