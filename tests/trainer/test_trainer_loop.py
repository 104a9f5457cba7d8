"""Steps that go wrong: out of memory, not finite; and how a stage is paced and left."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from core.learning.losses import Term
from core.project.runs import events as ev
from core.project.runs.config import RunOptions, TrainConfig
from core.project.runs.folder import RunFolder
from trainer.checkpoint import Checkpoints
from trainer.context import Context, LeftEarlyError, TrainingFailedError
from trainer.device import chosen_device
from trainer.distributed import Ranks
from trainer.gradients import Phase
from trainer.loop import MAX_BAD_STEPS, Pace, seeded, train


@dataclass
class Rows:
    """A batch of rows; each row is a group."""

    values: torch.Tensor

    @property
    def groups(self):
        return tuple(range(len(self.values)))

    def micro(self, size):
        return [Rows(part) for part in self.values.split(size)]


class Regression:
    """A lesson: eight rows a step, of noise that the step's number decides."""

    stage = "pretrain"

    def __init__(self, steps=6, most_rows=100, bad_steps=()):
        torch.manual_seed(0)
        norm = nn.BatchNorm1d(4)
        self.module = nn.Sequential(norm, nn.Linear(4, 1), nn.Dropout(0.2))
        self.optimizer = torch.optim.Adam(self.module.parameters(), 0.01)
        self.steps = steps
        self.most_rows = most_rows
        self.bad_steps = bad_steps
        self.done = []

    def learning_rate(self, step):
        return 0.01

    def requests(self, step):
        return (step,)

    def stream(self, requests):
        return (Rows(torch.full((8, 4), 0.1 * step)) for step in requests)

    def phases(self, step, batches):
        def terms(part):
            if len(part.values) > self.most_rows:
                torch.empty(1 << 55, dtype=torch.uint8)
            values = part.values * (math.nan if step in self.bad_steps else 1.0)
            found = self.module(values + torch.randn(4))
            return {"square": Term(found.square().sum().double(), torch.tensor(8.0).double())}

        return [Phase(batches[0], terms, {"square": 1.0}, 8)]

    def after_step(self, step):
        self.done.append(step)

    def evaluate(self, step):
        return None

    def state(self):
        return {"module": self.module.state_dict()}


@pytest.fixture
def context(tmp_path):
    config = TrainConfig(run=RunOptions(device="cpu", report_every=1, checkpoint_every=2))
    folder = RunFolder.create(tmp_path, config)
    events = []
    context = Context(
        folder=folder,
        config=config,
        data=None,
        device=chosen_device(config.run),
        ranks=Ranks(),
        checkpoints=Checkpoints(folder.checkpoints_dir),
        emit=events.append,
        asked_to_leave=lambda: None,
    )
    return context, events


def notices(events):
    return [event.code for event in events if isinstance(event, ev.Notice)]


def test_a_lack_of_memory_halves_the_micro_batch_and_the_step_is_done_again(context):
    context, events = context
    lesson = Regression(most_rows=3)
    train(lesson, context, 0)
    assert context.micro_batch == 2
    assert notices(events) == ["out-of-memory"] * 2
    assert lesson.done == list(range(6))


def test_batch_statistics_of_an_attempt_that_failed_are_put_back(context):
    lesson = Regression(steps=1, most_rows=3)
    train(lesson, context[0], 0)
    # Four parts of two rows, as if the step had begun with two at once.
    assert int(lesson.module[0].num_batches_tracked) == 4


def test_one_group_that_does_not_fit_ends_the_run_in_words(context):
    with pytest.raises(TrainingFailedError, match="Not even one group"):
        train(Regression(most_rows=0), context[0], 0)


def test_a_step_that_is_not_finite_is_skipped_said_and_leaves_no_trace(context):
    context, events = context
    lesson = Regression(bad_steps=(2,))
    train(lesson, context, 0)
    assert lesson.done == [0, 1, 3, 4, 5]
    assert notices(events) == ["not-finite"]
    assert all(torch.isfinite(value).all() for value in lesson.module.state_dict().values())
    assert int(lesson.module[0].num_batches_tracked) == 5
    (skipped,) = [e for e in events if isinstance(e, ev.Progress) and e.step == 3]
    assert skipped.losses == {}


def test_ten_bad_steps_in_a_row_end_the_run_and_name_the_last_good_checkpoint(context):
    context, events = context
    lesson = Regression(steps=40, bad_steps=(3, *range(5, 40)))
    with pytest.raises(TrainingFailedError, match=r"pretrain-000014\.pt") as raised:
        train(lesson, context, 0)
    assert "learning rate" in str(raised.value)
    assert notices(events) == ["not-finite"] * (1 + MAX_BAD_STEPS)
    place, _, state = context.checkpoints.newest(print)
    assert all(torch.isfinite(value).all() for value in state["module"].values())
    assert place.step <= 15


def test_a_long_gradient_is_cut_to_the_length_asked_for(context):
    context, _ = context
    limited = replace(context.config, run=replace(context.config.run, clip_gradient=1e-3))
    lesson = Regression(steps=1)
    train(lesson, replace(context, config=limited), 0)
    norm = torch.stack([p.grad.norm() for p in lesson.module.parameters()]).norm()
    assert float(norm) == pytest.approx(1e-3, rel=1e-4)


def test_a_stage_that_is_asked_to_stop_keeps_the_step_it_is_at(context):
    context, _ = context
    lesson = Regression(steps=100)
    stopping = replace(context, asked_to_leave=lambda: "stop" if len(lesson.done) == 5 else None)
    with pytest.raises(LeftEarlyError) as raised:
        train(lesson, stopping, 0)
    assert raised.value.status == "stopped"
    assert context.checkpoints.places()[-1].step == 5


def test_a_cancelled_stage_keeps_what_was_saved_before(context):
    context, _ = context
    lesson = Regression(steps=100)
    cancelled = replace(context, asked_to_leave=lambda: "cancel" if len(lesson.done) == 5 else None)
    with pytest.raises(LeftEarlyError):
        train(lesson, cancelled, 0)
    assert context.checkpoints.places()[-1].step == 4


def test_dropout_draws_follow_from_the_step_alone(context):
    context, _ = context
    whole, first, rest = (Regression() for _ in range(3))
    train(whole, context, 0)
    first.steps = 3
    train(first, context, 0)
    torch.manual_seed(99)
    rest.module.load_state_dict(first.module.state_dict())
    rest.optimizer.load_state_dict(first.optimizer.state_dict())
    train(rest, context, 3)
    for ours, theirs in zip(rest.module.parameters(), whole.module.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_time_left_is_not_known_before_the_first_step():
    pace = Pace(4, 10)
    assert math.isnan(pace.seconds_left)
    pace.step()
    assert pace.seconds_left >= 0


def test_seeds_differ_by_every_number_of_their_key():
    keys = [(0, 1, 2), (0, 2, 1), (1, 1, 2), (0, 1), (0, 1, 2, 0)]
    assert len({seeded(*key) for key in keys}) == len(keys)
