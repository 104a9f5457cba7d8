"""The run panel shows the run that is chosen, says what is wrong, and is cheap for long runs."""

import time

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.retrain import RetrainDialog
from app.runs import RunWatch
from app.runs.panel import RunPanel
from app.runs.plot import log_ticks
from app.runs.series import KEPT, RunSeries, at, smoothed, thinned
from core.project.runs import events as ev
from core.project.runs.axis import stage_offsets, steps_reached
from core.project.runs.config import TrainConfig
from core.project.runs.folder import RunFolder
from core.project.runs.managing.curves import curves_of
from core.project.runs.samples import Samples, write_samples
from core.project.runs.states import fold

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


def progress(stage, step, steps=100, loss=1.0):
    return ev.Progress(
        stage=stage,
        step=step,
        steps=steps,
        seconds_left=60.0,
        losses={"supervised": loss, "unlabelled": loss / 10},
        seconds_per_step=0.1,
    )


def evaluated(stage, step, error):
    metrics = {"mv_mpjpe": error, "sv_mpjpe": 2 * error, "mv_pck": 80.0}
    return ev.Evaluated(stage=stage, step=step, metrics=metrics)


def a_training():
    """Two stages, ten steps each said, with an evaluation at the end of each."""
    events = [STARTED]
    for stage, error in (("pretrain", 60.0), ("finetune", 46.0)):
        events.append(ev.StageStarted(stage=stage, steps=100, first_step=0))
        events += [progress(stage, step) for step in range(10, 101, 10)]
        events.append(evaluated(stage, 100, error))
        weights = {"ace_0": 0.9, "ace_1": 0.2}
        measured = ev.WeightsMeasured(stage=stage, step=100, kept_share=0.8, mean_weight=weights)
        events.append(measured)
        events.append(ev.StageFinished(stage=stage))
    return events


# Numbers.


def test_that_curves_share_one_axis_of_steps_through_the_stages():
    series = RunSeries()
    assert not series.take(fold(a_training()))
    steps = series.losses.positions(series.offsets)
    assert list(steps) == [10 * number for number in range(1, 21)]
    assert list(series.metrics.column("mv_mpjpe")) == [60.0, 46.0]
    assert list(series.triangulation.column(KEPT)) == [0.8, 0.8]
    assert series.cameras() == ("ace_0", "ace_1")


def test_that_the_panel_and_the_run_manager_put_a_step_at_the_same_place():
    # A stage that was cut short, and one that only measured weights so far.
    said = [progress("pretrain", step) for step in (10, 30)]
    said.append(ev.WeightsMeasured(stage="finetune", step=45, kept_share=0.5, mean_weight={}))
    said.append(progress("lift", 20))
    state = fold(said)
    series = RunSeries()
    series.take(state)
    assert series.offsets == stage_offsets(steps_reached(state))
    assert series.offsets == {"pretrain": 0, "finetune": 30, "lift": 75, "predict": 95}
    (loss,) = (curve for curve in curves_of(state) if curve.measure.key == "supervised")
    assert list(loss.steps) == list(series.losses.positions(series.offsets)) == [10, 30, 95]


def test_that_curves_follow_a_run_that_went_back_to_its_checkpoint():
    events = a_training()
    series = RunSeries()
    state = fold(events)
    series.take(state)
    again = [ev.StageStarted(stage="finetune", steps=100, first_step=50)]
    again.append(progress("finetune", 60, loss=5.0))
    state = fold(again, state)
    series.take(state)
    assert len(series.losses) == 16
    assert series.losses.column("supervised")[-1] == 5.0
    assert list(series.metrics.column("mv_mpjpe")) == [60.0]


def test_that_a_long_run_is_taken_over_in_parts_and_whole_in_the_end():
    state = fold([progress("pretrain", step, 1000) for step in range(1, 1001)])
    series = RunSeries()
    turns = 1
    while series.take(state, part=300):
        turns += 1
    assert turns == 4
    assert len(series.losses) == 1000


def test_that_thinning_keeps_every_peak_and_no_more_points_than_pixels():
    x = np.arange(100_000.0)
    y = np.sin(x / 500)
    y[54_321], y[70_000] = 9.0, -7.0
    y[1000:2000] = np.nan
    shown_x, shown_y = thinned(x, y, 0, 100_000, 200)
    assert len(shown_x) == len(shown_y) <= 402
    assert shown_y.max() == 9.0
    assert shown_y.min() == -7.0
    near_x, near_y = thinned(x, y, 54_300, 54_340, 200)
    assert len(near_x) < 60
    assert near_y.max() == 9.0


def test_that_a_value_is_read_where_it_was_newest_and_gaps_are_passed_over():
    x, y = np.array([10.0, 20.0, 30.0]), np.array([1.0, np.nan, 3.0])
    assert at(x, y, 25.0) == 1.0
    assert at(x, y, 30.0) == 3.0
    assert np.isnan(at(x, y, 5.0))
    assert list(smoothed(np.array([2.0, 4.0, 9.0]), 2)) == [2.0, 3.0, 6.5]


@pytest.mark.parametrize(("low", "high"), [(-2.1, 0.3), (-1.02, -0.98), (-8.0, 4.0)])
def test_that_ticks_of_powers_lie_in_the_range_and_leave_room(low, high):
    ticks = log_ticks(low, high, 5)
    assert len(ticks) <= 6
    assert all(low <= place <= high for place, _ in ticks)


# The panel.


@pytest.fixture
def make_run(editable_session):
    def make(name="run"):
        path = editable_session.project.path
        return RunFolder.create(path / "runs", TrainConfig(), project_dir=path, name=name)

    return make


@pytest.fixture
def show_panel(qtbot, editable_session):
    """Shows a panel on the runs there are, once all were read."""
    watches = []

    def show():
        watch = RunWatch(editable_session)
        watches.append(watch)
        panel = RunPanel(editable_session, watch)
        qtbot.addWidget(panel)
        panel.resize(540, 360)
        panel.show()
        qtbot.waitExposed(panel)
        qtbot.waitUntil(lambda: watch.is_settled, timeout=10_000)
        qtbot.wait(250)
        return panel, watch

    yield show
    for watch in watches:
        watch.close()


def write(run, events):
    with run.lock():
        for event in events:
            run.append(event)


def test_that_a_project_without_runs_is_told_what_training_would_do(show_panel):
    panel, _ = show_panel()
    assert panel.run_id == ""
    assert "Retrain" in panel.empty.text()
    assert panel.empty.isVisible()


def test_that_stages_values_and_facts_of_a_run_are_shown(qtbot, make_run, show_panel):
    run = make_run("mine")
    write(run, a_training())
    with run.lock():
        run.finish("done")
    panel, _ = show_panel()
    assert panel.run_id == run.id
    assert panel.head.chooser.currentText().startswith("mine")
    assert "Pre-training done" in panel.head.strip.accessibleName()
    qtbot.waitUntil(lambda: "multi 46" in panel.curves.errors.caption.text(), timeout=5_000)
    # The pointer reads the values of its place.
    box = panel.curves.errors.box
    left = box.mapViewToScene(box.viewRect().center()).x()
    surface = panel.curves.errors.surface
    QTest.mouseMove(surface.viewport(), QPoint(int(left), 20))
    qtbot.waitUntil(lambda: "multi 60" in panel.curves.errors.caption.text(), timeout=5_000)
    assert "step" in panel.curves.readout.text()
    panel.tabs.setCurrentWidget(panel.facts)
    assert "60 mm → 46 mm" in panel.facts.text.text()
    assert "36 poses" in panel.facts.text.text()


def test_that_plots_of_a_run_that_has_said_nothing_show_a_word_and_no_axes(
    qtbot, make_run, show_panel
):
    run = make_run("young")
    panel, watch = show_panel()
    plots = panel.curves.plots
    qtbot.waitUntil(lambda: all("nothing yet" in plot.caption.text() for plot in plots))
    axes = [plot.surface.getAxis(name) for plot in plots for name in ("left", "bottom")]
    assert not any(axis.style["showValues"] for axis in axes)
    write(run, a_training())
    watch.refresh()
    qtbot.waitUntil(lambda: "multi 46" in panel.curves.errors.caption.text(), timeout=10_000)
    assert all(axis.style["showValues"] for axis in axes)
    assert not any("nothing yet" in plot.caption.text() for plot in plots)


def test_that_a_failure_is_a_card_and_its_log_is_one_click_away(qtbot, make_run, show_panel):
    run = make_run()
    run.stderr_log.write_text("Traceback\nThe very last line\n", encoding="utf-8")
    write(run, a_training())
    with run.lock():
        run.finish("failed", "Something broke.")
    panel, _ = show_panel()
    assert panel.trouble.isVisible()
    assert "Something broke." in panel.trouble.text.text()
    assert panel.head.resume.isVisible()
    text = panel.trouble.text
    panel.resize(264, panel.minimumSizeHint().height())
    qtbot.waitUntil(lambda: text.height() >= text.heightForWidth(text.width()), timeout=5_000)
    QTest.mouseClick(panel.trouble.log, Qt.MouseButton.LeftButton)
    assert panel.tabs.currentWidget() is panel.log
    qtbot.waitUntil(lambda: "very last line" in panel.log.printed.toPlainText(), timeout=5_000)
    QTest.keyClicks(panel.log.filter, "held out 46")
    assert len(panel.log.model.lines) == 1
    panel.log.filter.clear()
    QTest.mouseClick(panel.log.copy, Qt.MouseButton.LeftButton)
    copied = QGuiApplication.clipboard().text()
    assert "Fine-tuning is done." in copied
    assert "The very last line" in copied


def test_that_stop_asks_the_trainer_and_its_button_waits(qtbot, make_run, show_panel):
    run = make_run()
    with run.lock():
        for event in a_training()[:5]:
            run.append(event)
        panel, _ = show_panel()
        assert panel.head.stop.isVisible()
        assert not panel.head.resume.isVisible()
        QTest.mouseClick(panel.head.stop, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(run.stop_requested, timeout=5_000)
        qtbot.waitUntil(lambda: not panel.head.stop.isEnabled(), timeout=5_000)
        assert panel.head.line.text().startswith("Stopping")


def test_that_samples_are_read_in_the_background_and_a_click_goes_to_the_frame(
    qtbot, make_run, show_panel, editable_session
):
    project = editable_session.project
    run = make_run()
    crop = np.zeros((2, 32, 24, 3), np.uint8)
    points = np.full((2, 3, 2), 8.0, np.float32)
    samples = Samples(
        crops=crop,
        points_px=points,
        confidence=np.ones((2, 3), np.float32),
        target_px=points + 2,
        persons=np.array([project.persons[0], project.persons[1]]),
        frames=np.array([1, 4]),
        cameras=(project.rig.names[0], project.rig.names[2]),
    )
    events = a_training()
    for step in (50, 100):
        file = f"samples/finetune-{step:06d}.npz"
        write_samples(run.path / file, samples)
        events.append(ev.SamplesSaved(stage="finetune", step=step, file=file))
    write(run, events)
    panel, _ = show_panel()
    panel.tabs.setCurrentWidget(panel.samples)
    tab = panel.samples
    qtbot.waitUntil(lambda: len(tab.grid.cells()) == 2, timeout=5_000)
    assert tab.title.text() == "Fine-tuning, step 100"
    tab.slider.setFocus()
    QTest.keyClick(tab.slider, Qt.Key.Key_Left)
    assert tab.title.text() == "Fine-tuning, step 50"
    place = tab.grid.cells()[1].center().toPoint()
    QTest.mouseClick(tab.grid, Qt.MouseButton.LeftButton, pos=place)
    assert editable_session.cursor.frame == 4
    assert editable_session.cursor.person == project.persons[1]
    assert editable_session.cursor.camera == 2


def test_that_the_panel_goes_to_a_run_that_begins_after_the_shown_one_is_over(
    qtbot, make_run, show_panel
):
    old = make_run("old")
    write(old, a_training())
    with old.lock():
        old.finish("done")
    panel, watch = show_panel()
    assert panel.run_id == old.id
    new = make_run("young")
    with new.lock():
        new.append(STARTED)
        watch.add(new)
        qtbot.waitUntil(lambda: panel.run_id == new.id, timeout=5_000)
        panel.choose(old.id)
        new.append(progress("pretrain", 1))
        told = watch.reports[new.id]
        qtbot.waitUntil(lambda: watch.reports[new.id] is not told, timeout=5_000)
        assert panel.run_id == old.id  # somebody looks at it: the living one does not push in
        assert panel.head.chooser.count() == 2


def test_that_a_run_of_30000_events_never_stops_the_window_for_long(make_run, show_panel):
    run = make_run("long")
    line = ev.encode_event
    data = [line(STARTED), line(ev.StageStarted(stage="pretrain", steps=30_000, first_step=0))]
    data += [line(progress("pretrain", step, 30_000)) for step in range(1, 30_001)]
    (run.path / "events.jsonl").write_bytes(b"".join(data))
    panel, watch = show_panel()
    state = watch.reports[run.id].state
    assert len(state.progress) == 30_000
    while panel.curves.series.take(state):
        pass
    since = time.thread_time()
    panel.curves.draw()
    panel.curves.grab()
    assert time.thread_time() - since < 0.25  # measured: 0.02 on a quiet machine


def test_that_no_tab_takes_room_from_the_panels_beside_it(qtbot, make_run, show_panel):
    run = make_run()
    run.stderr_log.write_text("A warning\n" * 30, encoding="utf-8")
    write(run, a_training())
    panel, _ = show_panel()
    heights = []
    for tab in range(panel.tabs.count()):
        panel.tabs.setCurrentIndex(tab)
        qtbot.waitUntil(lambda: panel.log.is_settled and panel.samples.is_settled, timeout=5_000)
        qtbot.waitUntil(lambda tab=tab: tab != 2 or bool(panel.log.printed.toPlainText()))
        QApplication.processEvents()
        heights.append(panel.minimumSizeHint().height())
    # What a third of a window 720 pixels high leaves to it.
    assert max(heights) <= 290


def test_that_a_note_moves_nothing(qtbot, make_run, show_panel):
    run = make_run()
    with run.lock():
        for event in a_training():
            run.append(event)
        panel, watch = show_panel()
        qtbot.waitUntil(lambda: watch.living == (run.id,), timeout=10_000)
        qtbot.waitUntil(panel.head.note.isVisible, timeout=5_000)
        before = panel.tabs.geometry()
        panel.set_note("In the next round: 1 label (1 new).")
        QApplication.processEvents()
        assert panel.tabs.geometry() == before
        assert panel.head.note.text()


def test_that_an_empty_panel_offers_to_retrain(qtbot, window):
    panel = window.panels.runs
    window.docks.show(panel)
    qtbot.waitUntil(panel.retrain_button.isVisible, timeout=5_000)
    QTest.mouseClick(panel.retrain_button, Qt.MouseButton.LeftButton)
    dialog = window.findChild(RetrainDialog)
    assert dialog is not None
    qtbot.waitUntil(dialog.isVisible, timeout=10_000)
    dialog.reject()
