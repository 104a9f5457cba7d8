"""Writers killed at any moment: what they acknowledged is there, and nothing is half there."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from core.project import JointKey, Project, SetJoints

CAMERAS_PER_EDIT = 3
WRITER = """
import sys
from pathlib import Path
from core.project import (
    AcceptedPoint, AcceptPoints, JointKey, PointKey, Project, Provenance, SetJoints, SetTrackPoints,
    Several, SwapIdentities,
)

project = Project.open(Path(sys.argv[1]))
assert not project.read_only, project.read_only_reason
step = int(sys.argv[2])
print("ready", flush=True)
while True:
    frame, person = step % 100, step // 100
    keys = tuple(JointKey(frame, camera, person, 0) for camera in range(3))
    point = PointKey(frame, person, 0)
    accepted = AcceptedPoint(point, (float(step), 0.0, 0.0), Provenance(source="detections"))
    edits = (
        SetJoints(keys=keys, points_px=((float(step), 0.0),) * 3),
        AcceptPoints(points=(accepted,)),
        SetTrackPoints(points=(((frame, person), (float(step), 0.0)),)),
        SwapIdentities(camera=0, start=frame, stop=frame + 1, person=person, other=person + 1),
    )
    project.apply(Several(edits=edits, name=f"Step {step}"))
    print(step, flush=True)
    if step % 5 == 4:
        project.undo()
        print(-step, flush=True)
        project.redo()
        print(step, flush=True)
    step += 1
"""


def run_and_kill(path, first, seconds):
    """Start a writer, kill it, and give back the last step that it acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(first)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout.readline() == "ready\n"
        time.sleep(seconds)
        os.kill(writer.pid, signal.SIGKILL)
        lines = [line for line in writer.stdout.read().split("\n")[:-1] if line]
    return int(lines[-1]) if lines else None


def check(path, acknowledged):
    """Steps up to the last acknowledged one are there, the one in flight wholly or not at all."""
    with Project.open(path) as project:
        assert not project.read_only, "a dead writer's lock must not keep others out"
        state = project.labels.state()
        assert project.labels.replay() == state
        tracks = project.tracks
    steps = {}
    for key, row in state["labels"].items():
        steps.setdefault(int(row[0]), []).append(JointKey(*key).camera)
    assert all(sorted(cameras) == [0, 1, 2] for cameras in steps.values())
    assert {int(row[0]) for row in state["accepted"].values()} == set(steps)
    assert {int(row[0]) for row in state["track_points"].values()} == set(steps)
    assert len(state["swaps"]) == len(state["reviews"]) == len(steps)
    places = () if tracks is None else tracks.row_ground_mm[:, 0].astype(int).tolist()
    assert sorted(places) == sorted(steps)
    last = abs(acknowledged)
    in_doubt = {last} if acknowledged < 0 or last % 5 == 4 else set()
    assert set(range(last + 1)) - in_doubt <= set(steps) <= set(range(last + 2))
    return max(steps) + 1


def kill_often(path, num_kills):
    rng = random.Random(7)
    following = 0
    for _ in range(num_kills):
        last = run_and_kill(path, following, rng.uniform(0.0, 0.12))
        following = check(path, following - 1 if last is None else last)
    assert following > num_kills


def test_no_acknowledged_edit_is_lost_when_the_writer_is_killed(project):
    project.close()
    kill_often(project.path, 20)


@pytest.mark.slow
def test_no_acknowledged_edit_is_lost_in_two_hundred_kills(project):
    project.close()
    kill_often(project.path, 200)


def test_redo_goes_on_after_a_kill(project):
    project.close()
    last = abs(run_and_kill(project.path, 0, 0.1))
    with Project.open(project.path) as reopened:
        count = 0
        while reopened.undo_description:
            reopened.undo()
            count += 1
        assert reopened.labels.count() == 0
        for _ in range(count):
            reopened.redo()
        assert count in {last, last + 1, last + 2}
        assert reopened.labels.count() == count * CAMERAS_PER_EDIT


READER = """
import ctypes, os, sys
from pathlib import Path
from core.errors import CommandRefusedError
from core.project import Project
folder = Path(sys.argv[1])
if hasattr(os, "geteuid") and os.geteuid() == 0:
    # Root may write anywhere, until it gives up its capabilities (Linux, version 3 header).
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(header, none) == 0
with Project.open(folder) as project:
    print(project.read_only, "cannot be written" in project.read_only_reason)
    print(project.labels.count(), project.observations(0).points_px[0, 0, 0, 0])
    try:
        project.undo()
    except CommandRefusedError as error:
        print(error)
    print(project.cache_path("x").is_relative_to(folder))
"""


def test_a_read_only_folder_left_by_a_crash_shows_every_committed_row(tmp_path, project):
    project.apply(SetJoints(keys=(JointKey(0, 0, 0, 0),), points_px=((1.0, 2.0),)))
    # What a crash leaves: rows in the WAL that no one has folded into the database.
    folder = tmp_path / "read-only"
    shutil.copytree(project.path, folder, ignore=shutil.ignore_patterns("*-shm", ".writer*"))
    assert (folder / "labels.db-wal").stat().st_size > 0
    before = sorted(path.name for path in folder.iterdir())
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    found = subprocess.run(
        [sys.executable, "-c", READER, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
    )
    folder.chmod(0o755)
    assert found.stderr == ""
    state, labels, refusal, is_cached_inside = found.stdout.splitlines()
    assert state == "True True"
    assert labels == "1 1.0"
    assert "reading only" in refusal
    assert is_cached_inside == "False"
    assert sorted(path.name for path in folder.iterdir()) == before
