"""The window killed at random moments, while it edits and while a trainer that it started works.

The window is the real one, in a process of its own. It makes one edit after the other and says each
once it has been applied; what it said must be there afterwards, in the labels and in their journal.
The trainer must not notice.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.fault_cases import Case
from benchmarks.fault_world import half_files, left_over, new_run, unreadable, watched
from core.project import JointKey, Project
from core.project.runs.folder import RunFolder
from core.project.runs.following import report_of
from core.project.runs.launching import read_launch
from core.project.runs.states import LIVING

_ROOT = Path(__file__).resolve().parents[1]
_LONGEST_S = 1.5
_TOLD_WITHIN_S = 2.0
_LAST_WORD_S = 10.0

_PROGRAM = """
import sys
from pathlib import Path

from PySide6.QtCore import QTimer

from app.main import make_application
from app.main_window import MainWindow
from app.preferences import Preferences
from core.project import JointKey, SetJoints
from core.project.runs.folder import RunFolder
from core.project.runs.launching import start_trainer

project, step, run = Path(sys.argv[1]), int(sys.argv[2]), RunFolder.open(Path(sys.argv[3]))
preferences = Preferences(Path(sys.argv[4]))
application = make_application(preferences.display())
window = MainWindow(preferences=preferences)
window.show()
window.open_project(project)
if not run.events_end() and not run.is_alive():
    trainer = start_trainer(run)


def edit():
    global step
    session = window.session
    if session.project is None or session.observations is None:
        return
    frame, joint = step % session.project.num_frames, step // session.project.num_frames % 13
    session.set_frame(frame)
    keys = tuple(JointKey(frame, camera, session.project.persons[0], joint) for camera in range(3))
    session.apply(SetJoints(keys=keys, points_px=((float(step), 0.0),) * 3))
    print(step, flush=True)
    step += 1


timer = QTimer()
timer.timeout.connect(edit)
timer.start(5)
application.exec()
"""


def killed_window(project: Path, scratch: Path, times: int, seed: int) -> Case:
    """``kill -9`` of the window, so many times, then a look at labels, trainer and files.

    Args:
        project: to be changed.
        scratch: for preferences.
        times: how often.
        seed: of the moments.
    """
    case, rng = Case(fault="window killed -9"), random.Random(seed)
    run = new_run(project, "beside-the-window", ["run.stages=pretrain,predict"])
    step = 0
    while case.times < times:
        said = _killed_after(project, run.path, scratch, step, rng.uniform(0.0, _LONGEST_S))
        began = time.monotonic()
        report = report_of(run)
        seconds = time.monotonic() - began
        case.tell(f"the run is {report.status}", seconds)
        if report.status not in {*LIVING, "done"} or seconds > _TOLD_WITHIN_S:
            case.wrong.append(f"trainer {report.status} after {seconds:.1f} s: {report.text}")
        if not said:
            case.wrong.append("the window came to nothing")
        case.wrong += _lost(project, said)
        step = max([step, *said]) + 1
    return _trained(case, project, run.path)


def _killed_after(project: Path, run: Path, scratch: Path, first: int, seconds: float) -> list[int]:
    """The steps that a window said before it was killed, so long after the first."""
    words = [sys.executable, "-c", _PROGRAM, str(project), str(first), str(run)]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    with subprocess.Popen(
        [*words, str(scratch / "preferences.ini")],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as window:
        assert window.stdout is not None
        begun = window.stdout.readline()
        time.sleep(seconds)
        window.kill()
        lines = [begun, *window.stdout.read().split("\n")[:-1]]
    return [int(line) for line in lines if line.strip()]


def _lost(project: Path, said: list[int]) -> list[str]:
    """Edits that were said and are not there; the newest of each place counts."""
    with Project.open(project) as opened:
        wrong = [] if not opened.read_only else [f"read-only: {opened.read_only_reason}"]
        if opened.labels.replay() != opened.labels.state():
            wrong.append("labels are not what their journal says")
        frames, person = opened.num_frames, opened.persons[0]
        newest = {(step % frames, step // frames % 13): step for step in said}
        for (frame, joint), step in newest.items():
            for camera in range(3):
                label = opened.label(JointKey(frame, camera, person, joint))
                if label is None or label.x_px < step:
                    wrong.append(f"step {step} is gone")
        return wrong


def _trained(case: Case, project: Path, path: Path) -> Case:
    """The trainer's end, and what is left over once the project was opened again."""
    run = RunFolder.open(path)
    report = watched(run, lambda report: report.status not in LIVING)
    launch = read_launch(run)
    case.went_on = report.status == "done"
    if not case.went_on:
        case.wrong.append(f"the run is {report.status}: {report.text}")
    assert launch is not None
    # Its process ends after its last word.
    until = time.monotonic() + _LAST_WORD_S
    while left_over(launch.pid) and time.monotonic() < until:
        time.sleep(0.1)
    case.wrong += [*left_over(launch.pid), *unreadable(run)]
    case.wrong += [f"left over: {one}" for one in half_files(project)]
    return case
