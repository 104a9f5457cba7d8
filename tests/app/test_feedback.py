"""What a training predicts, in a window that is being worked in."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from app.background import BackgroundWork
from app.curation.queue_walk import QueueWalk
from app.feedback import Feedback
from app.runs import RunWatch
from app.session import Session
from app.state import EditPreview
from core.curation.sources import RunSource
from core.diagnosis import summarise
from core.project import JointKey, SetJoints
from core.project.predictions import block_name, write_predictions
from core.project.runs.config import TrainConfig
from core.project.runs.events import Predicted, PredictionRoundFinished, RunStarted
from core.project.runs.folder import RunFolder
from tests.project.prediction_samples import block, header


class _Trainer:
    """A run that lives in this process and predicts what it is told to."""

    def __init__(self, project) -> None:
        self.project = project
        self.run = RunFolder.create(
            project.path / "runs", TrainConfig(), project_dir=project.path, name="try"
        )
        self._lock = self.run.lock()
        self.run.append(
            RunStarted(
                device="cpu",
                device_name="processor",
                memory_bytes=0,
                num_processes=1,
                resumed=False,
                labelled=1,
                unlabelled=1,
                held_out=1,
            )
        )
        self._blocks = {}

    def predict(self, number, frames, seed=0, persons=None):
        """Predict one more block of a round."""
        about = replace(
            header(number, run=self.run.id, key=f"weights-{number}"),
            cameras=tuple(self.project.rig.names),
            joints=tuple(self.project.skeleton.joints),
        )
        count = self._blocks[number] = self._blocks.get(number, -1) + 1
        content = block(frames, persons or self.project.persons, about=about, seed=seed)
        name = block_name(number, count)
        rows = write_predictions(self.run.predictions_dir / name, about, count, content)
        self.run.append(
            Predicted(
                round=number,
                file=f"predictions/{name}",
                first_frame=min(frames),
                stop_frame=max(frames) + 1,
                rows=rows,
            )
        )
        return content.rows

    def end_round(self, number):
        self.run.append(PredictionRoundFinished(round=number, stage="finetune", step=10 * number))

    def leave(self):
        self._lock.release()


class _World:
    def __init__(self, session) -> None:
        self.session = session
        self.watch = RunWatch(session)
        self.queue = QueueWalk(session)
        self.feedback = Feedback(session, self.watch, self.queue)
        self.background = BackgroundWork(session, settle_ms=10)
        self.trainer = _Trainer(session.project)

    def points_of(self, person, camera=0):
        row = self.session.observations.persons.index(person)
        return self.session.observations.points_px[row, camera]


@pytest.fixture
def own_session(qtbot, court_project, tmp_path):
    """A session on a copy of the court project."""
    path = shutil.copytree(court_project, tmp_path / "own.trilabel")
    session = Session()
    with qtbot.waitSignal(session.diagnosis_changed, timeout=60_000):
        session.warm_up()
    session.open_project(path)
    yield session
    session.close_project()


@pytest.fixture
def world(qtbot, own_session):
    world = _World(own_session)
    world.watch.refresh()
    qtbot.waitUntil(lambda: world.trainer.run.id in world.watch.living)
    yield world
    world.background.stop()
    world.watch.close()
    world.trainer.leave()


def _shown(rows, person):
    return rows.points_px[rows.persons.tolist().index(person)].astype(np.float64)[0]


def _follow(qtbot, world, frames=(0, 1)):
    rows = world.trainer.predict(1, list(frames))
    world.watch.refresh()
    world.feedback.set_following(True)
    qtbot.waitUntil(lambda: world.session.source.name == world.trainer.run.id, timeout=10_000)
    qtbot.waitUntil(lambda: world.feedback.is_settled, timeout=10_000)
    return rows


def test_that_a_training_is_shown_with_its_first_frame_and_the_rest_stays_as_it_was(qtbot, world):
    session = world.session
    person = session.cursor.person
    session.set_frame(3)
    before = session.observations
    world.feedback.set_following(True)
    assert session.source.name == "detections"
    rows = world.trainer.predict(1, [0])
    world.watch.refresh()
    qtbot.waitUntil(lambda: session.source.name == world.trainer.run.id, timeout=10_000)
    np.testing.assert_array_equal(session.observations.points_px, before.points_px)
    assert session.source.answering(3).name == "detections"
    assert session.source.answering(0).name == world.trainer.run.id
    session.set_frame(0)
    np.testing.assert_array_equal(world.points_of(person), _shown(rows, person))


def test_that_news_are_shown_without_touching_what_is_selected_and_told_with_their_frames(
    qtbot, world
):
    session = world.session
    _follow(qtbot, world)
    session.select(joint=7, camera=3)
    cursor = session.cursor
    moved = []
    session.cursor_changed.connect(lambda *_: moved.append(1))
    with qtbot.waitSignal(session.taken_up, timeout=10_000) as told:
        rows = world.trainer.predict(2, [0, 4], seed=5)
        world.watch.refresh()
    assert told.args == [frozenset({0, 4})]
    assert session.cursor == cursor
    assert not moved
    np.testing.assert_array_equal(world.points_of(cursor.person), _shown(rows, cursor.person))
    assert session.diagnosis.frame == 0


def test_that_frames_that_are_not_shown_leave_the_shown_one_alone(qtbot, world):
    session = world.session
    _follow(qtbot, world)
    observations, diagnosis = session.observations, session.diagnosis
    with qtbot.waitSignal(session.taken_up, timeout=10_000):
        world.trainer.predict(2, [4], seed=5)
        world.watch.refresh()
    assert session.observations is observations
    assert session.diagnosis is diagnosis


def test_that_news_wait_until_what_is_dragged_is_dropped(qtbot, world):
    session = world.session
    _follow(qtbot, world)
    person = session.cursor.person
    key = JointKey(0, 0, person, 3)
    session.set_preview(EditPreview(points_px={key: (50.0, 60.0)}))
    held = session.observations
    rows = world.trainer.predict(2, [0], seed=5)
    world.watch.refresh()
    qtbot.waitUntil(lambda: world.watch.report(world.trainer.run.id).state.predicted[-1].round == 2)
    qtbot.waitUntil(lambda: world.feedback.is_settled, timeout=10_000)
    qtbot.wait(50)
    assert session.observations is held
    assert session.preview is not None
    session.apply(SetJoints(keys=(key,), points_px=((50.0, 60.0),)))  # that is the drop
    expected = _shown(rows, person)
    expected[3] = 50.0, 60.0
    qtbot.waitUntil(lambda: np.array_equal(world.points_of(person), expected), timeout=5_000)


def test_that_a_training_is_not_shown_under_what_is_dragged(qtbot, world):
    session = world.session
    world.feedback.set_following(True)
    key = JointKey(0, 0, session.cursor.person, 3)
    session.set_preview(EditPreview(points_px={key: (50.0, 60.0)}))
    world.trainer.predict(1, [0])
    world.watch.refresh()
    qtbot.waitUntil(lambda: bool(world.watch.report(world.trainer.run.id).state.predicted))
    qtbot.wait(300)
    assert session.source.name == "detections"
    assert session.preview is not None
    session.set_preview(None)
    qtbot.waitUntil(lambda: session.source.name == world.trainer.run.id, timeout=10_000)


def test_that_the_summary_follows_news_without_beginning_anew(qtbot, world):
    session = world.session
    _follow(qtbot, world)
    qtbot.waitUntil(lambda: session.summary is not None, timeout=20_000)
    lost = []
    session.summary_changed.connect(lambda summary: lost.append(summary is None))
    with qtbot.waitSignal(session.summary_changed, timeout=10_000):
        world.trainer.predict(2, [1, 2], seed=5)
        world.watch.refresh()
    qtbot.waitUntil(lambda: world.background.is_idle, timeout=10_000)
    assert not any(lost)
    anew = summarise(session.source, session.summary.settings)
    np.testing.assert_array_equal(session.summary.wss_bin, anew.wss_bin)
    np.testing.assert_array_equal(session.summary.joint_counts, anew.joint_counts)


def test_that_the_trainer_learns_which_frames_are_looked_at_and_annotated(qtbot, world):
    session = world.session
    person = session.cursor.person
    session.set_frame(5)
    session.apply(SetJoints(keys=(JointKey(5, 0, person, 3),), points_px=((50.0, 60.0),)))
    session.set_frame(1)
    qtbot.waitUntil(lambda: world.trainer.run.wanted_frames()[:1] == (1,), timeout=5_000)
    wanted = world.trainer.run.wanted_frames()
    assert set(wanted[:5]) == {1, 0, 2, 3, 4}
    assert 5 in wanted
    world.queue.build()
    qtbot.waitUntil(lambda: world.queue.queue is not None, timeout=20_000)
    qtbot.waitUntil(lambda: world.feedback.is_settled, timeout=5_000)
    ahead = world.queue.queue.upcoming_frames(24)
    assert set(ahead) <= set(world.trainer.run.wanted_frames())


def test_that_somebody_who_chooses_another_source_is_left_there(qtbot, world):
    session = world.session
    _follow(qtbot, world)
    session.set_source(None)
    assert not world.feedback.is_following
    world.trainer.predict(2, [0, 1], seed=5)
    world.watch.refresh()
    qtbot.waitUntil(lambda: world.watch.report(world.trainer.run.id).state.predicted[-1].round == 2)
    qtbot.waitUntil(lambda: world.feedback.is_settled, timeout=5_000)
    assert session.source.name == "detections"


def test_that_a_run_started_from_this_window_is_followed(qtbot, world):
    assert not world.feedback.is_following
    world.watch.add(world.trainer.run)
    world.trainer.predict(1, [0])
    world.watch.refresh()
    qtbot.waitUntil(lambda: world.session.source.name == world.trainer.run.id, timeout=10_000)
    assert world.feedback.is_following


def test_that_a_run_that_has_ended_is_not_followed_when_its_project_is_opened_again(qtbot, world):
    session, path = world.session, world.session.project.path
    world.watch.add(world.trainer.run)
    world.trainer.predict(1, [0])
    world.watch.refresh()
    qtbot.waitUntil(lambda: world.session.source.name == world.trainer.run.id, timeout=10_000)
    world.trainer.run.finish("done")
    world.trainer.leave()
    session.open_project(path)
    qtbot.waitUntil(lambda: world.watch.report(world.trainer.run.id) is not None, timeout=10_000)
    qtbot.waitUntil(lambda: world.watch.is_settled and world.feedback.is_settled, timeout=10_000)
    assert world.watch.report(world.trainer.run.id).status == "done"
    assert not world.feedback.is_following
    assert session.source.name == "detections"


def test_that_looking_back_at_a_round_is_not_disturbed_by_news(qtbot, world):
    session = world.session
    _follow(qtbot, world)
    world.trainer.end_round(1)
    session.set_source(RunSource(session.project, world.trainer.run, 1))
    assert world.feedback.is_following
    observations = session.observations
    world.trainer.predict(2, [0], seed=5)
    world.watch.refresh()
    qtbot.waitUntil(lambda: world.watch.report(world.trainer.run.id).state.predicted[-1].round == 2)
    qtbot.waitUntil(lambda: world.feedback.is_settled, timeout=5_000)
    assert session.observations is observations


def test_that_the_side_before_stands_beside_and_never_under_an_edit(qtbot, world):
    session = world.session
    _follow(qtbot, world)
    world.trainer.end_round(1)
    before = world.trainer.predict(2, [0, 1], seed=5)
    world.trainer.end_round(2)
    session.set_compared(RunSource(session.project, world.trainer.run, 2))
    person = session.cursor.person
    row = session.before.persons.index(person)
    np.testing.assert_array_equal(session.before.points_px[row, 0], _shown(before, person))
    assert session.before_diagnosis.frame == session.diagnosis.frame
    assert not np.array_equal(session.before.points_px, session.observations.points_px)
    own = session.observations
    session.set_blinking(True)
    assert session.is_blinking
    assert session.observations is own
    session.set_frame(1)
    assert session.before.frame == session.before_diagnosis.frame == 1
    key = JointKey(1, 0, person, 3)
    session.apply(SetJoints(keys=(key,), points_px=((50.0, 60.0),)))
    np.testing.assert_array_equal(session.before.points_px[row, 0, 3], (50.0, 60.0))
    session.set_compared(None)
    assert session.before is session.before_diagnosis is None
    assert not session.is_blinking


def test_that_the_follow_button_tells_what_holds(qtbot, window):
    action = window.commands.actions["follow_training"]
    QTest.keyClick(
        window.views,
        Qt.Key.Key_F,
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
    )
    assert window.feedback.is_following
    assert action.isChecked()
    (button,) = [
        widget
        for widget in action.associatedObjects()
        if widget.isWidgetType() and widget is not window and widget.isVisible()
    ]
    QTest.mouseClick(button, Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    assert not window.feedback.is_following
    assert not action.isChecked()
