import errno
import os
import sqlite3
import threading
import tomllib
from dataclasses import replace

import pytest

from core.errors import CommandRefusedError, DataError
from core.project import JointKey, Project, SetJoints
from core.project.labels import LabelStore
from core.project.runs import events as ev
from core.project.runs.config import ModelOptions, TrainConfig
from core.project.runs.folder import RunFolder, find_run, runs_of
from core.project.runs.following import RunFollower, report_of

STARTED = ev.RunStarted(
    device="cpu",
    device_name="CPU",
    memory_bytes=1,
    num_processes=1,
    resumed=False,
    labelled=8,
    unlabelled=16,
    held_out=4,
)
NOTICE = ev.Notice(level="info", code="test", text="said")


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "runs", TrainConfig(), name="quick")


def test_a_run_needs_no_project_and_opens_as_it_was_made(run):
    opened = RunFolder.open(run.path)
    assert opened.config == TrainConfig()
    assert (opened.project_dir, opened.labels_db, opened.name) == (None, None, "quick")
    assert opened.checkpoints_dir.is_dir()
    assert opened.predictions_dir.is_dir()
    assert opened.created.startswith("20")


def test_ids_are_readable_unique_and_sort_by_time(tmp_path):
    names = ("zeta", "A b/ü:c", "quick", "A b/ü:c")
    runs = [RunFolder.create(tmp_path, TrainConfig(), name=name) for name in names]
    ids = [run.id for run in runs]
    assert [id_[15:] for id_ in ids] == ["-zeta", "-a-b-c", "-quick", "-a-b-c"]
    assert len(set(ids)) == 4
    assert sorted(ids) == ids
    assert all(id_[:8].isdigit() and id_[9:15].isdigit() for id_ in ids)


def test_a_run_without_a_stamp_has_exactly_its_name_and_is_made_once(tmp_path):
    assert RunFolder.create(tmp_path, TrainConfig(), name="seed-0", stamp=False).id == "seed-0"
    with pytest.raises(CommandRefusedError, match="seed-0"):
        RunFolder.create(tmp_path, TrainConfig(), name="seed-0", stamp=False)
    assert [path.name for path in tmp_path.iterdir()] == ["seed-0"]


def test_many_who_make_runs_at_once_get_one_each(tmp_path):
    made = []

    def make():
        made.append(RunFolder.create(tmp_path, TrainConfig()).id)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == sorted(path.name for path in tmp_path.iterdir())
    assert len(set(made)) == 8


def test_a_run_whose_labels_cannot_be_read_leaves_nothing_behind(tmp_path):
    (tmp_path / "labels.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(DataError, match=r"labels\.db"):
        RunFolder.create(tmp_path / "runs", TrainConfig(), labels_db=tmp_path / "labels.db")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_run_that_cannot_be_made_says_where(tmp_path):
    (tmp_path / "runs").write_text("a file in the way")
    with pytest.raises(DataError, match="runs"):
        RunFolder.create(tmp_path / "runs", TrainConfig())


def test_weights_typed_as_a_relative_path_are_kept_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = replace(TrainConfig(), model=ModelOptions(weights="nets/fast.pth"))
    run = RunFolder.create(tmp_path / "runs", config)
    assert run.config.model.weights == str(tmp_path / "nets" / "fast.pth")


def test_the_snapshot_holds_every_commit_and_stays_as_it_was(project):
    def put(frame):
        project.apply(SetJoints(keys=(JointKey(frame, 0, 4, 0),), points_px=((1.0, 2.0),)))

    put(0)
    put(1)
    run = RunFolder.create(
        project.path / "runs",
        TrainConfig(),
        project_dir=project.path,
        labels_db=project.labels.path,
    )
    put(2)
    assert run.labels_db is not None
    assert not run.labels_db.with_name("labels.db-wal").exists()
    store = LabelStore(run.labels_db, project.rig.names, project.skeleton.joints, writable=False)
    assert store.frames().tolist() == [0, 1]
    store.close()
    assert project.labels.frames().tolist() == [0, 1, 2]


def test_the_snapshot_can_be_read_where_nothing_can_be_written(project, tmp_path):
    run = RunFolder.create(project.path / "runs", TrainConfig(), labels_db=project.labels.path)
    assert run.labels_db is not None
    uri = f"{run.labels_db.as_uri()}?mode=ro&immutable=1"
    with sqlite3.connect(uri, uri=True) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_project_that_is_moved_takes_its_runs_along(project, tmp_path):
    project.close()
    made = RunFolder.create(project.path / "runs", TrainConfig(), project_dir=project.path)
    assert made.project_dir == project.path
    moved = project.path.rename(tmp_path / "moved.trilabel")
    assert RunFolder.open(moved / "runs" / made.id).project_dir == moved


def test_a_run_elsewhere_remembers_its_project(project, tmp_path):
    run = RunFolder.create(tmp_path / "study", TrainConfig(), project_dir=project.path)
    assert RunFolder.open(run.path).project_dir == project.path


def test_a_newer_run_and_no_run_are_refused_in_words(run, tmp_path):
    with pytest.raises(DataError, match=r"no run\.toml"):
        RunFolder.open(tmp_path)
    about = run.path / "run.toml"
    about.write_text(about.read_text().replace("schema = 1", "schema = 2"))
    with pytest.raises(DataError, match="newer trilabel"):
        RunFolder.open(run.path)


def test_runs_of_a_project_are_found_by_any_unique_part(project):
    folder = project.path / "runs"
    first = RunFolder.create(folder, TrainConfig(), name="one")
    second = RunFolder.create(folder, TrainConfig(), name="two")
    (folder / "notes").mkdir()
    (folder / ".new-123").mkdir()
    assert [run.id for run in runs_of(project)] == sorted([first.id, second.id])
    assert find_run(project.path, first.id).id == first.id
    assert find_run(project, "one").id == first.id
    assert find_run(project, "last").id == runs_of(project)[-1].id
    with pytest.raises(DataError, match="fits several"):
        find_run(project, first.id[:8])
    with pytest.raises(DataError, match=first.id):
        find_run(project, "three")


def test_a_project_without_runs_says_so(project):
    assert runs_of(project) == ()
    with pytest.raises(DataError, match="none yet"):
        find_run(project, "last")


def test_one_writes_and_a_second_is_told_who(run):
    with run.lock():
        other = RunFolder.open(run.path)
        assert other.is_alive()
        with pytest.raises(CommandRefusedError, match=f"process {os.getpid()}"):
            other.lock()
    assert not run.is_alive()
    with RunFolder.open(run.path).lock():
        assert run.is_alive()


def test_asking_often_never_keeps_a_trainer_out(run):
    """Who asks must not look alive to others, nor make the one who wants to write give up."""
    seen, over = [], threading.Event()
    with run.lock():
        pass  # the file must be there to be asked

    def ask():
        while not over.is_set():
            seen.append(run.is_alive())

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        while len(seen) < 300:
            pass
        alone = list(seen)
        for _ in range(20):
            run.lock().release()
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not any(alone)


def test_events_are_read_by_offset_and_half_a_line_never(run):
    with run.lock():
        run.append(STARTED)
        first, offset = run.events()
        run.append(NOTICE)
        with (run.path / "events.jsonl").open("ab") as file:
            file.write(ev.encode_event(NOTICE)[:20])
        second, end = run.events(offset)
        assert run.events(end) == ((), end)
        assert run.events_end() == end
    assert (first, second) == ((STARTED,), (NOTICE,))


def test_the_next_writer_cuts_half_a_line_off(run):
    with run.lock():
        run.append(STARTED)
    _, offset = run.events()
    with (run.path / "events.jsonl").open("ab") as file:
        file.write(b'{"v":1,"kind":"noti')
    with run.lock():
        run.append(NOTICE)
    assert run.events(offset)[0] == (NOTICE,)
    assert run.state().unknown == ()


def test_an_event_that_the_disk_refuses_leaves_whole_lines(run, monkeypatch):
    real_write = os.write

    def write_a_part(descriptor, data):
        if len(data) <= 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(descriptor, bytes(data[:-10]))

    with run.lock():
        run.append(STARTED)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", write_a_part)
            with pytest.raises(OSError, match="No space"):
                run.append(NOTICE)
        run.append(NOTICE)
    assert run.events()[0] == (STARTED, NOTICE)


def test_a_file_that_was_replaced_by_a_shorter_one_is_said(run):
    with run.lock():
        run.append(STARTED)
    _, offset = run.events()
    (run.path / "events.jsonl").write_bytes(b"")
    with pytest.raises(DataError, match="replaced"):
        run.events(offset)


def test_threads_may_write_at_once(run):
    def say():
        for _ in range(50):
            run.append(NOTICE)
            run.beat()

    with run.lock():
        threads = [threading.Thread(target=say) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert run.events()[0] == (NOTICE,) * 200
    assert run.heartbeat() == 200


def test_the_heart_goes_on_counting_after_a_restart(run):
    assert run.heartbeat() is None
    for _ in range(2):
        with run.lock():
            run.beat()
            run.beat()
    assert run.heartbeat() == 4


def test_the_status_follows_a_life(run):
    follower = RunFollower(run)
    seen = [follower.poll().status]
    with run.lock():
        run.append(STARTED)
        seen.append(follower.poll().status)
        run.request_stop()
        assert run.stop_requested()
        seen.append(follower.poll().status)
        run.finish("stopped", "Asked to.")
        seen.append(follower.poll().status)
    assert not run.stop_requested(), "the request is consumed"
    report = follower.poll()
    assert (report.status, report.text) == ("stopped", "Asked to.")
    left = run.exit_record()
    assert left is not None
    assert (left.status, left.code) == ("stopped", 0)
    with run.lock():
        run.append(STARTED)
        assert run.exit_record() is None
        seen.append(follower.poll().status)
    seen.append(follower.poll().status)
    assert seen == ["created", "running", "stopping", "stopped", "running", "killed"]


def test_an_end_that_the_events_could_not_tell_is_told_by_exit_json(run, monkeypatch):
    def full(_descriptor, _data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with run.lock():
        run.append(STARTED)
        with monkeypatch.context() as patch:
            patch.setattr("core.project.runs.event_file.os.write", full)
            with pytest.raises(OSError, match="No space"):
                run.finish("failed", "The disk is full.")
    assert report_of(run).status == "failed"
    assert report_of(run).text == "The disk is full."


def test_a_killed_trainers_last_line_is_shown(run):
    with run.lock():
        run.append(STARTED)
    run.stderr_log.write_text("Traceback\nMemoryError: too much\n")
    assert report_of(run).text.endswith("Its last line: MemoryError: too much")


def test_silence_is_counted_from_the_last_beat_seen(run):
    follower = RunFollower(run)
    with run.lock():
        run.append(STARTED)
        run.beat()
        assert follower.poll().silent_s < 0.05
        threading.Event().wait(0.1)
        assert follower.poll().silent_s >= 0.1
        run.beat()
        assert follower.poll().silent_s < 0.05
    assert follower.poll().silent_s == 0


def test_the_end_of_a_long_log_is_enough(run):
    run.stderr_log.write_text("\n".join(f"line {i}" for i in range(100_000)))
    assert run.stderr_tail(2) == "line 99998\nline 99999"


def test_reading_a_project_that_another_window_holds_is_enough_for_a_run(project):
    with Project.open(project.path, read_only=True) as other:
        run = RunFolder.create(other.path / "runs", TrainConfig(), labels_db=other.labels.path)
    with (run.path / "run.toml").open("rb") as file:
        assert tomllib.load(file)["schema"] == 1
