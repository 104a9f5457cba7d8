import os
import subprocess
import sys

import pytest

from core.files import sweep, temporary_beside, write_atomically, write_text_atomically


def test_a_written_file_replaces_the_old_one(tmp_path):
    target = tmp_path / "rig.toml"
    write_text_atomically(target, "old")
    write_text_atomically(target, "new")
    assert target.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["rig.toml"]


def test_a_failed_write_leaves_the_last_good_file_and_nothing_else(tmp_path):
    target = tmp_path / "tracks.h5"
    write_text_atomically(target, "good")

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(target, fail)
    assert target.read_text() == "good"
    assert [entry.name for entry in tmp_path.iterdir()] == ["tracks.h5"]


def test_the_temporary_name_keeps_the_suffix(tmp_path):
    seen = []

    def write(temporary):
        seen.append(temporary.suffix)
        temporary.write_bytes(b"x")

    write_atomically(tmp_path / "a.h5", write)
    assert seen == [".h5"]


KILLED = """
import os, signal, sys
from pathlib import Path
from core.files import temporary_beside, write_atomically

def half(temporary):
    temporary.write_text("half")
    temporary_beside(temporary.with_name("run")).mkdir()
    os.kill(os.getpid(), signal.SIGKILL)

write_atomically(Path(sys.argv[1]), half)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="asks processes whether they live")
def test_what_a_killed_process_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path):
    target = tmp_path / "detector.pt"
    with subprocess.Popen([sys.executable, "-c", KILLED, target]) as killed:
        # Swept although nobody has waited for the process yet, as when a window cancels its child.
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
        check_sweep(tmp_path, target)


def check_sweep(tmp_path, target):
    assert len(list(tmp_path.glob(".*.tmp*"))) == 2
    mine, theirs = temporary_beside(target), tmp_path / ".detector.00000000-1-00000000.tmp.pt"
    for path in (mine, theirs, target, tmp_path / ".hidden.tmp"):
        path.write_text("whole")
    assert sweep(tmp_path, tmp_path / "missing") == 2
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {mine.name, theirs.name, "detector.pt", ".hidden.tmp"}
    assert str(os.getpid()) in mine.name
