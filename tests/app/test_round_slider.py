"""Going back through the rounds of a run, by mouse and keys."""

import shutil

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from app.background import BackgroundWork
from app.runs import RunWatch
from app.runs.round_slider import RoundSlider
from app.session import Session
from core.diagnosis import summarise
from core.project.runs.config import TrainConfig
from core.project.runs.events import Evaluated, StageStarted
from core.project.runs.folder import RunFolder
from tests.curation.predicted_rounds import predict


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
def run(own_session):
    project = own_session.project
    run = RunFolder.create(
        project.path / "runs", TrainConfig(), project_dir=project.path, name="try"
    )
    for number, frames in ((1, [0, 1, 3]), (2, [0, 1])):
        predict(project, run, number, frames, seed=number)
    with run.lock():
        run.append(StageStarted(stage="finetune", steps=100, first_step=0))
        run.append(Evaluated(stage="finetune", step=100, metrics={"mv_mpjpe": 43.2}))
    return run


@pytest.fixture
def slider(qtbot, own_session, run):
    watch = RunWatch(own_session)
    widget = RoundSlider(own_session, watch)
    qtbot.addWidget(widget)
    widget.resize(520, 40)
    widget.show()
    widget.choose(run.id)
    qtbot.waitUntil(lambda: watch.report(run.id) is not None, timeout=10_000)
    yield widget
    watch.close()


def test_that_a_button_shows_a_run_and_arrows_go_through_its_rounds(
    qtbot, own_session, slider, run
):
    session = own_session
    assert "not shown" in slider.label.toolTip()
    QTest.mouseClick(slider.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session.source.name == run.id, timeout=10_000)
    assert session.source.round is None
    assert not slider.button.isVisible()
    slider.slider.setFocus()
    rounds = []
    keys = (Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_End)
    for key in keys:
        QTest.keyClick(slider.slider, key)
        rounds.append(session.source.round)
    assert rounds == [2, 1, 1, 2, None]
    assert slider.label.toolTip().startswith("Newest")


def test_that_a_round_tells_its_step_and_its_held_out_error(qtbot, own_session, slider, run):
    QTest.mouseClick(slider.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: own_session.source.name == run.id, timeout=10_000)
    slider.slider.setFocus()
    QTest.keyClick(slider.slider, Qt.Key.Key_Home)
    assert own_session.source.round == 1
    told = slider.label.toolTip()
    assert told.startswith("Round 1 of 2 · fine-tuning 100")
    assert "43 mm" in told


def test_that_a_frame_that_a_round_lacks_shows_what_was_shown_before_the_run(
    qtbot, own_session, slider, run
):
    session = own_session
    QTest.mouseClick(slider.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session.source.name == run.id, timeout=10_000)
    slider.slider.setFocus()
    QTest.keyClick(slider.slider, Qt.Key.Key_Left)
    assert session.source.round == 2
    assert session.source.answering(1).round == 2
    assert session.source.answering(3).name == "detections"


def test_that_another_source_chosen_elsewhere_is_told(qtbot, own_session, slider, run):
    QTest.mouseClick(slider.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: own_session.source.name == run.id, timeout=10_000)
    own_session.set_source(None)
    assert "not shown" in slider.label.toolTip()
    assert slider.button.isVisible()


def test_that_what_goes_on_behind_waits_until_somebody_stays_with_a_round(
    qtbot, own_session, slider, run
):
    session = own_session
    session.set_settings(scale_mm=12.0)
    background = BackgroundWork(session, settle_ms=0)
    QTest.mouseClick(slider.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session.source.name == run.id, timeout=10_000)
    qtbot.waitUntil(lambda: session.summary is not None and background.is_idle, timeout=20_000)
    begun = []
    background.job_started.connect(lambda job: begun.append(job.title))
    slider.slider.setFocus()
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_Right):
        QTest.keyClick(slider.slider, key)
        qtbot.wait(150)
    assert session.source.round == 2
    assert not begun
    assert not background.is_idle, "it is about to begin"
    qtbot.waitUntil(lambda: session.summary is not None and background.is_idle, timeout=20_000)
    anew = summarise(session.source, session.settings)
    np.testing.assert_array_equal(session.summary.kept, anew.kept)
    np.testing.assert_array_equal(session.summary.wss_bin, anew.wss_bin)
    background.stop()
