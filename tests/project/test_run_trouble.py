import time
from typing import get_args

import pytest

from core.errors import DataError
from core.project.runs import events as ev
from core.project.runs import trouble as tr
from core.project.runs.config import TrainConfig
from core.project.runs.folder import RunFolder
from core.project.runs.following import RunFollower, RunReport, report_of
from core.project.runs.states import LIVING, RunState, RunStatus, fold
from core.project.runs.trouble import trouble_of, trouble_with_folder

PROGRESS = ev.Progress(
    stage="finetune", step=40, steps=150, seconds_left=60.0, losses={}, seconds_per_step=0.5
)
STARTED = ev.RunStarted(
    device="cpu",
    device_name="CPU",
    memory_bytes=8,
    num_processes=1,
    resumed=False,
    labelled=1,
    unlabelled=1,
    held_out=1,
)
TRAINING = (STARTED, ev.StageStarted(stage="finetune", steps=150, first_step=0), PROGRESS)


def report(status, *events, text="", silent_s=0.0):
    return RunReport(status=status, text=text, state=fold(events), events=events, silent_s=silent_s)


@pytest.mark.parametrize("status", sorted(LIVING | {"created", "done", "stopped", "cancelled"}))
def test_nothing_is_wrong_with_a_run_that_does_as_it_was_told(status):
    assert trouble_of(report(status, *TRAINING)) is None


@pytest.mark.parametrize("status", sorted(LIVING))
def test_a_living_run_without_a_heartbeat_hangs(status):
    assert trouble_of(report(status, *TRAINING, silent_s=tr.HUNG_S)) is None
    found = trouble_of(report(status, *TRAINING, silent_s=tr.HUNG_S + 0.1))
    assert found is not None
    assert found.code == "hung"
    assert "finetune after step 40 of 150" in found.what
    assert "cancel" in found.todo


@pytest.mark.parametrize(
    "reason",
    [tr.OUT_OF_MEMORY, tr.DISK_FULL, tr.BAD_FILE, tr.NOT_FINITE, tr.REFUSED, tr.UNEXPECTED],
)
def test_each_failure_has_words_and_a_way_out(reason):
    left = ev.RunFinished(status="failed", text="It says why.", reason=reason)
    found = trouble_of(report("failed", *TRAINING, left, text=left.text))
    assert found is not None
    assert (found.code, found.why) == (reason, "It says why.")
    assert found.title
    assert found.what.endswith(".")
    assert found.todo.endswith(".")
    assert found.can_resume == (reason != tr.NOT_FINITE)


def test_a_reason_of_a_newer_trilabel_is_a_failure_all_the_same():
    left = ev.RunFinished(status="failed", text="Too hot.", reason="overheated")
    found = trouble_of(report("failed", *TRAINING, left, text=left.text))
    assert found is not None
    assert (found.code, found.why) == (tr.UNEXPECTED, "Too hot.")


def test_a_full_disk_is_told_even_where_the_events_could_not_be():
    text = f"The trainer was killed. Its last line: trainer: {tr.NO_ROOM} (no space)."
    found = trouble_of(report("killed", *TRAINING, text=text))
    assert found is not None
    assert found.code == tr.DISK_FULL
    only_exit = trouble_of(report("failed", *TRAINING, text=f"{tr.NO_ROOM} (no space)."))
    assert only_exit is not None
    assert only_exit.code == tr.DISK_FULL


def test_a_killed_trainer_that_had_filled_the_memory_is_told_so():
    def used(memory_bytes):
        return ev.DeviceUsed(
            stage="finetune", step=40, busy=0.9, memory_bytes=memory_bytes, memory_total=100
        )

    full, roomy = (trouble_of(report("killed", *TRAINING, used(memory))) for memory in (95, 40))
    assert full is not None
    assert roomy is not None
    assert "memory was nearly full" in full.why
    assert "memory was nearly full" not in roomy.why
    assert full.can_resume


def test_a_killed_run_tells_whether_it_begins_anew():
    anew = trouble_of(report("killed", *TRAINING))
    saved = ev.CheckpointSaved(stage="finetune", step=40, file="checkpoints/a.pt")
    goes_on = trouble_of(report("killed", *TRAINING, saved))
    assert anew is not None
    assert goes_on is not None
    assert "begins anew" in anew.todo
    assert "newest checkpoint" in goes_on.todo


def test_a_trainer_that_never_began_is_told_with_its_last_words():
    text = "The trainer did not start. Its last line: ImportError: no torch"
    found = trouble_of(report("failed", text=text))
    assert found is not None
    assert (found.code, found.why) == ("not-started", "ImportError: no torch")


@pytest.mark.parametrize("reason", ["newer", "damaged"])
def test_lines_that_cannot_be_read_are_told_where_nothing_is_worse(reason):
    unknown = ev.UnknownEvent(time=0.0, reason=reason, line="?")
    for status in ("running", "done"):
        found = trouble_of(report(status, *TRAINING, unknown))
        assert found is not None
        assert found.code == f"{reason}-events"
    killed = trouble_of(report("killed", *TRAINING, unknown))
    assert killed is not None
    assert killed.code == "killed"


def test_every_status_is_judged():
    for status in get_args(RunStatus):
        found = trouble_of(report(status, *TRAINING))
        assert (found is None) == (status not in ("failed", "killed"))


def test_a_folder_of_a_newer_trilabel_or_a_damaged_one_is_told(tmp_path):
    run = RunFolder.create(tmp_path / "runs", TrainConfig())
    about = run.path / "run.toml"
    about.write_text(about.read_text().replace("schema = 1", "schema = 7"))
    with pytest.raises(DataError) as newer:
        RunFolder.open(run.path)
    assert trouble_with_folder(newer.value).code == "newer-run"
    about.write_text("schema = ")
    with pytest.raises(DataError) as damaged:
        RunFolder.open(run.path)
    found = trouble_with_folder(damaged.value)
    assert found.code == "damaged-run"
    assert "run.toml" in found.what


@pytest.mark.parametrize("skew_s", [-3600.0, 3600.0, 1e12])
def test_a_wrong_clock_does_not_touch_status_order_or_time_left(tmp_path, skew_s):
    run = RunFolder.create(tmp_path / "runs", TrainConfig())
    with run.lock():
        run.beat()
        follower = RunFollower(run)
        run.append(STARTED)
        run.append(TRAINING[1])
        skewed = ev.Progress(
            time=time.time() + skew_s,
            stage="finetune",
            step=1,
            steps=9,
            seconds_left=4.0,
            losses={},
            seconds_per_step=0.5,
        )
        run.append(skewed)
        first = follower.poll()
        assert (first.status, trouble_of(first)) == ("running", None)
        assert first.state.latest == skewed
        assert 0 <= first.quiet_s < 60
        run.append(PROGRESS)
        later = follower.poll()
        assert later.state.last_time == PROGRESS.time
        assert later.state.latest == PROGRESS


def test_a_run_waits_until_it_is_started_and_is_killed_where_it_dies_waiting(tmp_path):
    run = RunFolder.create(tmp_path / "runs", TrainConfig())
    waiting = ev.Waiting(device="cuda:0", ahead=2, run="/somewhere/else")
    with run.lock():
        run.beat()
        run.append(waiting)
        found = report_of(run)
        assert (found.status, found.state.waiting) == ("waiting", waiting)
        run.request_stop()
        assert report_of(run).status == "stopping"
        run.withdraw_stop()
    assert report_of(run).status == "killed"
    with run.lock():
        run.append(waiting)
        run.append(STARTED)
        assert report_of(run).status == "running"
        assert report_of(run).state.waiting is None
        run.finish("stopped")
        run.append(waiting)
        assert report_of(run).status == "waiting"


def test_an_empty_state_has_nothing_new():
    assert (RunState().waiting, RunState().samples, RunState().device_use) == (None, (), ())
