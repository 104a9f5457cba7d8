"""The runs of a project are followed on a thread of their own, and told as signals."""

import json
import os
import subprocess
import sys
import time

import pytest

from app.runs import RunWatch
from core.project.runs import events as ev
from core.project.runs.config import TrainConfig
from core.project.runs.folder import RunFolder

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


def make_run(session, name="run") -> RunFolder:
    project = session.project
    return RunFolder.create(
        project.path / "runs", TrainConfig(), project_dir=project.path, name=name
    )


def progress(step: int, loss: float = 1.0) -> ev.Progress:
    return ev.Progress(
        stage="finetune",
        step=step,
        steps=1000,
        seconds_left=60.0,
        losses={"l_sup": loss},
        seconds_per_step=0.1,
    )


@pytest.fixture
def watch(qtbot, editable_session):
    """A watch at rest."""
    watch = RunWatch(editable_session)
    qtbot.waitUntil(lambda: watch.is_settled, timeout=5_000)
    yield watch
    watch.close()


def test_that_a_run_is_listed_and_reported_within_two_seconds_of_being_added(
    qtbot, editable_session, watch
):
    run = make_run(editable_session)
    with run.lock():
        run.append(STARTED)
        since = time.monotonic()
        with qtbot.waitSignals([watch.listed, watch.reported], timeout=5_000):
            watch.add(run)
        assert time.monotonic() - since < 2.0
        assert [entry.id for entry in watch.entries] == [run.id]
        assert watch.living == (run.id,)
        assert watch.started_here == {run.id}


def test_that_new_events_come_as_they_are_written_and_nothing_comes_where_nothing_is_new(
    qtbot, editable_session, watch
):
    run = make_run(editable_session)
    reports = []
    watch.reported.connect(lambda _id, report: reports.append(report))
    with run.lock():
        run.append(STARTED)
        watch.add(run)
        qtbot.waitUntil(lambda: len(reports) == 1, timeout=5_000)
        run.append(progress(1))
        qtbot.waitUntil(lambda: len(reports) == 2, timeout=5_000)
        assert [event.step for event in reports[1].events] == [1]
        qtbot.wait(1_200)
        assert len(reports) == 2
        run.append(progress(2))
        qtbot.waitUntil(lambda: len(reports) == 3, timeout=5_000)
    assert [event.step for event in watch.reports[run.id].state.progress] == [1, 2]


def test_that_the_end_of_a_run_is_told_once_and_not_for_runs_that_had_ended_before(
    qtbot, editable_session
):
    old, new = make_run(editable_session, "old"), make_run(editable_session, "new")
    with old.lock():
        old.append(STARTED)
        old.finish("done", "All is well.")
    ended = []
    with new.lock():
        new.append(STARTED)
        watch = RunWatch(editable_session)
        watch.finished.connect(lambda run_id, report: ended.append((run_id, report.status)))
        qtbot.waitUntil(lambda: watch.is_settled, timeout=5_000)
        assert watch.living == (new.id,)
        new.finish("stopped", "As asked.")
    qtbot.waitUntil(lambda: bool(ended), timeout=5_000)
    watch.refresh()
    qtbot.wait(300)
    assert ended == [(new.id, "stopped")]
    assert watch.living == ()
    watch.close()


def test_that_a_run_whose_trainer_dies_is_told_as_killed_within_two_seconds(
    qtbot, editable_session, watch
):
    run = make_run(editable_session)
    code = (
        "import sys, time; from pathlib import Path;"
        "from core.project.runs.folder import RunFolder;"
        "from core.project.runs import events as ev;"
        "run = RunFolder(Path(sys.argv[1])); lock = run.lock();"
        "run.append(ev.RunStarted(device='cpu', device_name='CPU', memory_bytes=1,"
        " num_processes=1, resumed=False, labelled=1, unlabelled=1, held_out=1));"
        "time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(run.path)])
    watch.add(run, process)
    qtbot.waitUntil(
        lambda: run.id in watch.reports and watch.reports[run.id].state.started is not None,
        timeout=20_000,
    )
    with qtbot.waitSignal(watch.finished, timeout=5_000) as ended:
        since = time.monotonic()
        process.kill()
    assert time.monotonic() - since < 2.0
    assert ended.args[1].status == "killed"
    # Nobody but the watch has waited for it: it is no zombie.
    qtbot.waitUntil(lambda: not _is_a_process(process.pid), timeout=5_000)


def _is_a_process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_that_a_broken_run_folder_is_an_entry_with_its_error_and_the_others_go_on(
    qtbot, editable_session
):
    good, newer, bad = (make_run(editable_session, name) for name in ("good", "newer", "bad"))
    with good.lock():
        good.append(STARTED)
        good.finish("done")
    (newer.path / "run.toml").write_text('schema = 99\nname = "newer"\n', encoding="utf-8")
    with bad.lock():
        bad.append(STARTED)
    (bad.path / "exit.json").write_text("{", encoding="utf-8")
    lost = editable_session.project.path / "runs" / "20200101-000000-lost"
    lost.mkdir()
    (lost / "events.jsonl").write_bytes(b"")
    watch = RunWatch(editable_session)
    qtbot.waitUntil(lambda: watch.is_settled, timeout=5_000)
    errors = {entry.id: entry.error for entry in watch.entries}
    assert errors[good.id] == ""
    assert "newer trilabel" in errors[newer.id]
    assert "exit.json" in errors[bad.id]
    assert "run.toml" in errors[lost.name]
    assert watch.reports[good.id].status == "done"
    # Once it is whole again, it is followed as any other.
    record = {"status": "failed", "text": "No.", "code": 1, "time": 1.0}
    (bad.path / "exit.json").write_text(json.dumps(record), encoding="utf-8")
    watch.refresh()
    qtbot.waitUntil(lambda: watch.report(bad.id) is not None, timeout=5_000)
    assert watch.entry(bad.id).error == ""
    assert watch.reports[bad.id].status == "failed"
    watch.close()


def test_that_closing_the_project_forgets_its_runs(qtbot, editable_session, watch):
    run = make_run(editable_session)
    watch.add(run)
    qtbot.waitUntil(lambda: bool(watch.entries), timeout=5_000)
    with qtbot.waitSignal(watch.listed, timeout=5_000) as told:
        editable_session.close_project()
    assert told.args == [()]
    assert watch.entries == ()
    assert watch.reports == {}


def test_that_a_deleted_run_goes_from_the_list(qtbot, editable_session, watch):
    run = make_run(editable_session)
    watch.add(run)
    qtbot.waitUntil(lambda: run.id in watch.reports, timeout=5_000)
    run.path.rename(run.path.with_name(".trash"))
    with qtbot.waitSignal(watch.listed, timeout=5_000):
        watch.refresh()
    assert watch.entries == ()
    assert run.id not in watch.reports


def test_that_stopping_asks_the_trainer_and_the_status_says_so(qtbot, editable_session, watch):
    run = make_run(editable_session)
    with run.lock():
        run.append(STARTED)
        watch.add(run)
        qtbot.waitUntil(lambda: watch.living == (run.id,), timeout=5_000)
        watch.stop(run.id)
        qtbot.waitUntil(lambda: watch.reports[run.id].status == "stopping", timeout=5_000)
        assert run.stop_requested()


def test_that_starting_a_run_that_lives_is_refused_in_words(qtbot, editable_session, watch):
    run = make_run(editable_session)
    with run.lock():
        run.append(STARTED)
        with qtbot.waitSignal(watch.refused, timeout=5_000) as told:
            watch.start(run)
    assert told.args[0] == run.id
    assert "already" in told.args[1]
