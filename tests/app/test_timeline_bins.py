import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.timeline.bins import Span, tick_step, worst_per_column


def test_a_column_shows_the_worst_of_its_frames():
    values = np.zeros((100, 2), np.float32)
    values[37, 1] = 5.0
    worst = worst_per_column(values, Span(0, 100), 10)
    assert worst.shape == (2, 10)
    assert worst[1].tolist() == [0, 0, 0, 5, 0, 0, 0, 0, 0, 0]
    assert not worst[0].any()


def test_a_frame_without_the_person_is_empty_and_hides_nothing():
    values = np.full((10, 1), np.nan, np.float32)
    values[3] = 2.0
    worst = worst_per_column(values, Span(0, 10), 5)
    assert np.isnan(worst[0, [0, 2, 3, 4]]).all()
    assert worst[0, 1] == 2.0


def test_few_frames_fill_many_columns():
    values = np.arange(4, dtype=np.float32)[:, None]
    worst = worst_per_column(values, Span(0, 4), 8)
    assert worst[0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


@settings(deadline=None, max_examples=60)
@given(
    num_frames=st.integers(1, 400),
    num_columns=st.integers(1, 90),
    share=st.floats(0, 1),
    part=st.floats(0.05, 1),
)
def test_no_value_in_sight_is_lost(num_frames: int, num_columns: int, share: float, part: float):
    values = np.random.default_rng(num_frames).random((num_frames, 1)).astype(np.float32)
    span = Span(share * num_frames, part * num_frames).clipped(num_frames)
    worst = worst_per_column(values, span, num_columns)
    low, high = int(np.ceil(span.start)), int(np.floor(span.start + span.length))
    if high > low:
        assert np.nanmax(worst) >= values[low:high].max()


def test_zooming_keeps_the_frame_under_the_pointer_in_place():
    span = Span(100, 1000).zoomed(0.5, 400, 5000)
    assert span.length == 500
    assert (400 - span.start) / span.length == pytest.approx(0.3)


def test_the_span_never_leaves_the_recording():
    assert Span(0, 100).moved(-50, 1000) == Span(0, 100)
    assert Span(900, 100).moved(50, 1000) == Span(900, 100)
    assert Span(0, 100).zoomed(100, 50, 1000) == Span(0, 1000)


def test_jumping_out_of_sight_brings_the_frame_back_into_it():
    assert Span(0, 100).showing(500, 1000).start == 450
    assert Span(0, 100).showing(50, 1000) == Span(0, 100)


@pytest.mark.parametrize(("length", "step"), [(10, 1), (1000, 100), (67_000, 5000)])
def test_ruler_ticks_stand_at_round_numbers(length: float, step: int):
    assert tick_step(Span(0, length), 1200) == step
