"""What goes on behind an open project: one job at a time, stopped, replaced, never in the way."""

import threading
import time

import pytest

from app import background as background_module
from app.background import BackgroundWork
from app.jobs import Job, wait_for_jobs
from core.diagnosis import RecordingSummary, load_or_summarise, load_summary, summary_path
from core.project import JointKey, SetJoints

FAR_OFF_MS = 600_000


def test_a_job_tells_its_end_after_its_result(qtbot):
    said = []
    job = Job("count", lambda _progress: 7)
    job.finished.connect(said.append)
    job.ended.connect(lambda: said.append("ended"))
    with qtbot.waitSignal(job.ended, timeout=5_000):
        job.start()
    assert said == [7, "ended"]


def test_that_a_window_that_goes_lets_its_jobs_clean_up_but_not_for_ever(qtbot, tmp_path):
    is_over = threading.Event()

    def work(progress):
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        while progress(0, 1):
            time.sleep(0.005)
        time.sleep(0.3)
        scratch.rmdir()

    ending, endless = Job("end", work), Job("never end", lambda _progress: is_over.wait(20))
    ending.start()
    endless.start()
    qtbot.waitUntil((tmp_path / "scratch").exists)
    ending.cancel()
    began = time.monotonic()
    wait_for_jobs(2.0)
    assert not (tmp_path / "scratch").exists()
    assert 1.5 < time.monotonic() - began < 5.0
    is_over.set()
    wait_for_jobs(5.0)
    assert endless.wait(0)


def test_a_cancelled_job_ends_without_a_result(qtbot):
    said = []

    def work(progress):
        while progress(0, 10):
            time.sleep(0.005)
        return "too late"

    job = Job("wait", work)
    job.finished.connect(said.append)
    with qtbot.waitSignals([job.cancelled, job.ended], timeout=5_000):
        job.start()
        job.cancel()
    assert said == []


def test_changed_settings_replace_the_summary(session, qtbot):
    background = BackgroundWork(session)
    session.set_settings(min_views=4)
    qtbot.waitUntil(lambda: session.summary is not None and background.is_idle, timeout=30_000)
    first = session.summary
    for sigma in (20.0, 30.0, 40.0):  # as a slider that is being dragged
        session.set_settings(weighting="pairwise", sigma_mm=sigma)
    qtbot.waitUntil(lambda: background.is_idle, timeout=30_000)
    assert session.summary is not first
    assert session.summary.settings == session.settings
    session.set_settings(weighting="consensus", sigma_mm="auto", min_views=3)
    background.stop()


def test_settings_changed_in_the_middle_of_a_job_are_the_ones_that_count(session, qtbot):
    background = BackgroundWork(session, settle_ms=0)
    started = []
    background.job_started.connect(lambda job: started.append(job.title))
    session.set_settings(weighting="pairwise", sigma_mm=55.0)
    qtbot.waitUntil(lambda: bool(started), timeout=10_000)
    session.set_settings(sigma_mm=77.0)
    qtbot.waitUntil(lambda: background.is_idle and session.summary is not None, timeout=30_000)
    assert session.summary.settings.sigma_mm == 77.0
    session.set_settings(weighting="consensus", sigma_mm="auto", min_views=3)
    background.stop()


def test_stop_is_not_followed_by_the_same_work_again(session, qtbot):
    background = BackgroundWork(session)
    jobs = []

    def stop_first(job):
        jobs.append(job.title)
        job.cancel()

    background.job_started.connect(stop_first)
    session.set_settings(weighting="pairwise", sigma_mm=33.0)
    qtbot.waitUntil(lambda: bool(jobs), timeout=10_000)
    qtbot.waitUntil(lambda: background.is_idle, timeout=10_000)
    qtbot.wait(100)
    assert len(jobs) == 1
    session.set_settings(weighting="consensus", sigma_mm="auto", min_views=3)
    background.stop()


def test_a_project_can_be_closed_while_it_is_gone_through(session, qtbot, court_project):
    background = BackgroundWork(session, settle_ms=0)
    started = []
    background.job_started.connect(started.append)
    session.set_settings(weighting="pairwise", sigma_mm=44.0)
    qtbot.waitUntil(lambda: bool(started), timeout=10_000)
    session.close_project()
    assert background.is_idle
    assert started[0].wait(0)
    session.open_project(court_project)
    assert not session.project.read_only
    session.set_settings(weighting="consensus", sigma_mm="auto", min_views=3)
    background.stop()


def test_a_job_whose_work_breaks_ends_all_the_same_and_says_so(qtbot, monkeypatch):
    told, said = [], []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_type))
    job = Job("break", lambda _progress: {}["no such key"])
    job.failed.connect(said.append)
    with qtbot.waitSignal(job.ended, timeout=5_000):
        job.start()
    assert job.wait()
    assert told == [KeyError], "the traceback is not swallowed"
    assert "KeyError" in said[0]


def test_what_a_cancelled_job_answers_all_the_same_is_handed_to_who_closes_it(qtbot):
    let_go = threading.Event()

    def work(_progress):
        let_go.wait(10)
        return "an open file"

    job = Job("open", work)
    finished = []
    job.finished.connect(finished.append)
    job.start()
    job.cancel()
    with qtbot.waitSignal(job.dropped, timeout=5_000) as told:
        let_go.set()
    assert told.args == ["an open file"]
    assert not finished


@pytest.fixture
def followed(editable_session):
    """A session with a summary, and what follows its edits; nothing else happens behind it."""
    session = editable_session
    session.set_summary(load_or_summarise(session.source, session.settings))
    background = BackgroundWork(session, settle_ms=FAR_OFF_MS)
    yield session, background
    background.stop()


def label(session, frame):
    """Put a joint by hand, and where a summary of that state is kept."""
    person = session.project.persons[0]
    key = JointKey(frame, 0, person, 0)
    session.apply(SetJoints(keys=(key,), points_px=((100.0, 100.0),)))
    return summary_path(session.source, session.settings)


class Gate:
    """Holds the threads that call a function until it is opened."""

    def __init__(self, function):
        self._function = function
        self._is_open = threading.Event()
        self.reached = threading.Event()

    def __get__(self, owner, _kind):
        return lambda *arguments: self(owner, *arguments)

    def __call__(self, *arguments):
        self.reached.set()
        assert self._is_open.wait(10)
        return self._function(*arguments)

    def open(self):
        self._is_open.set()


def test_what_is_edited_while_a_summary_is_written_does_not_make_it_its_own(
    followed, monkeypatch, qtbot
):
    session, background = followed
    summary = session.summary
    gate = Gate(background_module.save_summary)
    monkeypatch.setattr(background_module, "save_summary", gate)
    first = label(session, 1)
    qtbot.waitUntil(lambda: session.summary is not summary, timeout=10_000)
    session.set_source(None)  # what followed the edit is written while the next source is shown
    assert gate.reached.wait(10)
    second = label(session, 2)
    gate.open()
    background.stop()
    assert load_summary(first).annotated.any(axis=1).tolist() == [i == 1 for i in range(6)]
    assert not second.exists()


def test_a_summary_that_met_an_edit_half_way_is_kept_for_neither_state(
    followed, monkeypatch, qtbot
):
    session, background = followed
    summary = session.summary
    gate = Gate(RecordingSummary.with_frames)
    monkeypatch.setattr(RecordingSummary, "with_frames", gate)
    first = label(session, 1)
    qtbot.waitUntil(gate.reached.is_set, timeout=10_000)
    second = label(session, 2)
    gate.open()
    qtbot.waitUntil(lambda: session.summary is not summary, timeout=10_000)
    qtbot.waitUntil(lambda: bool(session.summary.annotated[2].any()), timeout=10_000)
    background.stop()
    assert not first.exists()
    assert load_summary(second).annotated.any(axis=1).tolist() == [i in (1, 2) for i in range(6)]
