"""Faults made for real, each with what was told, lost and left over; see `benchmarks.fault_world`.

Moments are drawn at random, from a seed: of a trainer's life by the events that it says, then by a
few hundredths of a second, so that starts, steps, checkpoints, evaluations and predictions are all
hit, on fast and on slow machines alike.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fault_world import (
    Patient,
    half_files,
    left_over,
    new_run,
    started,
    to_the_end,
    unreadable,
    watched,
)
from core.errors import DataError
from core.project.predictions import RunPredictions
from core.project.runs.events import EVENT_SCHEMA
from core.project.runs.folder import RUN_SCHEMA, RunFolder, runs_of
from core.project.runs.following import RunFollower, report_of
from core.project.runs.launching import cancel_trainer
from core.project.runs.states import LIVING
from core.project.runs.trouble import HUNG_S, trouble_of, trouble_with_folder

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from core.project.predictions import PredictionRows
    from core.project.runs.following import RunReport

_MOST_EVENTS = 24  # about a third of what a whole run says
_START_S = 4.0
_PAUSE_S = 0.08
_HALT_S = 3.0
_SKEW_S = 3600.0


@dataclass(slots=True, kw_only=True)
class Case:
    """What came of a fault, over all its times.

    Attributes:
        fault: its name.
        times: how often.
        told: titles of what was told, with how often.
        slowest_s: until it was told; NaN where nothing has to notice.
        went_on: the run came to its end afterwards, or the rest was there to be used.
        wrong: what must not be; empty where all is well.
    """

    fault: str
    times: int = 0
    told: dict[str, int] = field(default_factory=dict[str, int])
    slowest_s: float = float("nan")
    went_on: bool = False
    wrong: list[str] = field(default_factory=list[str])

    def tell(self, title: str, seconds: float | None = None) -> None:
        """Count what was told, and after how long."""
        self.times += 1
        self.told[title] = self.told.get(title, 0) + 1
        if seconds is not None:
            self.slowest_s = seconds if self.times == 1 else max(self.slowest_s, seconds)


def killed(project: Path, times: int, seed: int) -> Case:
    """``kill -9`` at random moments, then on from there, until it was done so often."""
    case, rng = Case(fault="trainer killed -9"), random.Random(seed)
    patient: Patient | None = None
    number = 0
    while case.times < times:
        if patient is None or report_of(patient.run).status == "done":
            patient = Patient(project, new_run(project, f"killed-{number}"))
            number += 1
        process = started(patient.run)
        _wait_somewhere(patient.run, process, rng)
        if process.poll() is not None:
            continue
        since = time.monotonic()
        process.kill()
        process.wait()
        wounds = patient.look(since, process.pid)
        case.tell(wounds.title or wounds.status, wounds.told_s)
        case.wrong += wounds.wrong
        if not wounds.can_resume and wounds.status != "done":
            case.wrong.append(f"no way on from {wounds.status}")
    assert patient is not None
    return _ended(case, patient)


def _wait_somewhere(run: RunFolder, process: subprocess.Popen[bytes], rng: random.Random) -> None:
    """Until so many events more, or, one time in five, some moment of the start."""
    if rng.random() < 0.2:
        time.sleep(rng.uniform(0.0, _START_S))
        return
    follower, heard = RunFollower(run), -len(run.events()[0])
    wanted = rng.randint(1, _MOST_EVENTS)
    while heard < wanted and process.poll() is None:
        heard += len(follower.poll().events)
        time.sleep(0.002)
    time.sleep(rng.uniform(0.0, _PAUSE_S))


def _ended(case: Case, patient: Patient) -> Case:
    """Let the run come to its end, and look what is left over."""
    report = to_the_end(patient.run)
    case.went_on = report.status == "done"
    if not case.went_on:
        case.wrong.append(f"{report.status}: {report.text}")
    # A trainer killed after its last word leaves half an exit.json: whoever lists runs sweeps.
    for run in runs_of(patient.project):
        run.sweep()
    case.wrong += [*patient.lost(), *(f"left over: {p}" for p in half_files(patient.project))]
    return case


def hung(project: Path, *, halt_s: float = _HALT_S) -> Case:
    """SIGSTOP: it lives and does nothing; then it goes on, is halted again, and is cancelled."""
    case = Case(fault="trainer halted (SIGSTOP)")
    patient = Patient(project, new_run(project, "hung", ["pretrain.steps=100000"]))
    process = started(patient.run)
    follower = RunFollower(patient.run)
    _follow(follower, lambda: follower.poll().state.progress != ())
    os.killpg(process.pid, signal.SIGSTOP)
    since = time.monotonic()
    report = _follow(follower, lambda: follower.poll().silent_s > halt_s)
    seconds = time.monotonic() - since - halt_s
    silent = follower.poll()
    trouble = trouble_of(replace(silent, silent_s=max(silent.silent_s, HUNG_S + 1)))
    case.tell(trouble.title if trouble else "", seconds)
    if not report or silent.status not in LIVING:
        case.wrong.append(f"halted, but {silent.status}")
    os.killpg(process.pid, signal.SIGCONT)
    if not _follow(follower, lambda: follower.poll().silent_s < 1.5):
        case.wrong.append("still silent after it went on")
    os.killpg(process.pid, signal.SIGSTOP)
    cancel_trainer(patient.run, grace_s=1.0)
    process.wait()
    case.wrong += [*left_over(process.pid), *patient.lost()]
    case.went_on = report_of(patient.run).status == "cancelled"
    return case


def _follow(follower: RunFollower, is_there: Callable[[], bool], within_s: float = 120.0) -> bool:
    """Whether something came true in time."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if is_there():
            return True
        time.sleep(0.02)
    return False


def full_disk(project: Path, limit_bytes: int, *, seed: int) -> Case:
    """No file may grow beyond a limit from a random moment on, then it may again."""
    case, rng = Case(fault=f"no file beyond {limit_bytes // 1000} kB"), random.Random(seed)
    patient = Patient(project, new_run(project, f"full-{limit_bytes}"))
    process = started(patient.run)
    report = watched(patient.run, lambda report: report.state.checkpoint is not None)
    time.sleep(rng.uniform(0.0, 1.0))
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))
    process.wait(timeout=600)
    wounds = patient.look(time.monotonic(), process.pid)
    case.tell(wounds.title or wounds.status, wounds.told_s)
    case.wrong += wounds.wrong
    if not wounds.can_resume:
        case.wrong.append(f"no way on from {report.status}")
    return _ended(case, patient)


def full_file_system(project: Path, mounted: Path) -> Case:
    """The run is on a small file system that somebody fills; then there is room again.

    Args:
        project: on another one.
        mounted: an empty file system of a few hundred megabytes.
    """
    case = Case(fault="file system full (tmpfs)")
    patient = Patient(project, new_run(project, "tiny", runs=mounted / "runs"))
    process = started(patient.run)
    watched(patient.run, lambda report: report.state.checkpoint is not None, process=process)
    filler = mounted / "filler"
    with filler.open("wb", buffering=0) as file:
        while process.poll() is None:
            try:
                file.write(bytes(1 << 12))
            except OSError:
                time.sleep(_PAUSE_S)
    process.wait(timeout=600)
    wounds = patient.look(time.monotonic(), process.pid)
    case.tell(wounds.title or wounds.status, wounds.told_s)
    case.wrong += wounds.wrong
    filler.unlink()
    return _ended(case, patient)


def damaged_predictions(done: RunFolder, times: int, seed: int) -> Case:
    """Bytes of a prediction file overwritten, or its end cut off: the other frames stay readable.

    Args:
        done: a finished run; copies of it are made beside it, and go again.
        times: how many files.
        seed: of what is damaged.
    """
    case, rng = Case(fault="damaged prediction file"), random.Random(seed)
    with RunPredictions(done) as predictions:
        sound = {tuple(key): predictions.rows([key]) for key in predictions.moments().tolist()}
    for number in range(times):
        copy = done.path.with_name(f"damaged-{number}")
        shutil.copytree(done.path, copy)
        files = sorted((copy / "predictions").glob("*.h5"))
        _damage(rng.choice(files), rng)
        began = time.monotonic()
        wrong, problems = _read_all(RunFolder.open(copy), sound)
        seconds = time.monotonic() - began
        case.tell("the file, named" if problems else "every frame as it was", seconds)
        case.wrong += wrong
        shutil.rmtree(copy)
    case.went_on = not case.wrong
    return case


def _damage(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    if rng.random() < 0.3:
        del content[rng.randrange(len(content)) :]
    else:
        for _ in range(rng.randint(1, 40)):
            content[rng.randrange(len(content))] = rng.randrange(256)
    path.write_bytes(content)


def _read_all(
    run: RunFolder, sound: Mapping[tuple[int, int], PredictionRows | None]
) -> tuple[list[str], set[str]]:
    """What is told otherwise than it was although nothing is said; and the problems that are."""
    refused, other, missing = set[str](), list[str](), 0
    last = max(event.round for event in run.state().predicted)
    with RunPredictions(run) as predictions:
        for (recording, frame), was in sound.items():
            try:
                rows = predictions.rows([(recording, frame)])
            except DataError as error:
                refused.add(str(error))
                continue
            newest = predictions.at(frame, recording=recording)
            if newest is None:
                missing += 1
            elif newest.header.round == last and not _are_same(rows, was):
                other.append(f"frame {frame} is another")
        refused |= {str(problem) for problem in predictions.problems}
    if missing and not refused:
        other.append(f"{missing} frames gone without a word")
    return other, refused


def _are_same(rows: PredictionRows | None, was: PredictionRows | None) -> bool:
    if rows is None or was is None:
        return rows is was
    return np.array_equal(rows.points_px, was.points_px, equal_nan=True) and np.array_equal(
        rows.points_mm, was.points_mm, equal_nan=True
    )


def newer(done: RunFolder) -> Case:
    """A run of a newer trilabel: its folder, its configuration, or some of its events."""
    case = Case(fault="run of a newer version")
    for part in ("folder", "config", "events"):
        copy = done.path.with_name(f"newer-{part}")
        shutil.copytree(done.path, copy)
        began = time.monotonic()
        title = _told_of_newer(copy, part)
        case.tell(title, time.monotonic() - began)
        if "newer" not in title:
            case.wrong.append(f"newer {part}: told as {title!r}")
        shutil.rmtree(copy)
    case.went_on = not case.wrong
    return case


def _told_of_newer(copy: Path, part: str) -> str:
    if part == "events":
        with (copy / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(f'{{"v":{EVENT_SCHEMA + 1},"kind":"dreamt","time":1.0,"of":"sheep"}}\n')
        trouble = trouble_of(report_of(RunFolder.open(copy)))
        return trouble.title if trouble else ""
    path, schema = (
        (copy / "run.toml", RUN_SCHEMA) if part == "folder" else (copy / "config.toml", 1)
    )
    path.write_text(path.read_text().replace(f"schema = {schema}", "schema = 99", 1))
    try:
        _ = RunFolder.open(copy).config
    except DataError as error:
        return trouble_with_folder(error).title
    return ""


def skewed(done: RunFolder, *, resumed: bool = True) -> Case:
    """Events an hour ahead and an hour behind, of a finished run and of one cut short."""
    case, sound = Case(fault="clock an hour off"), report_of(done)
    for skew_s in (_SKEW_S, -_SKEW_S):
        for cut in (False, True):
            copy = done.path.with_name(f"skewed-{skew_s:g}-{cut}")
            shutil.copytree(done.path, copy)
            _skew(copy, skew_s, cut=cut)
            began = time.monotonic()
            report = report_of(RunFolder.open(copy))
            case.tell(report.status, time.monotonic() - began)
            if report.status != ("killed" if cut else "done"):
                case.wrong.append(f"{skew_s:+g} s: {report.status}")
            if not cut and _curve(report) != _curve(sound):
                case.wrong.append("other figures")
            if cut and resumed and to_the_end(RunFolder.open(copy)).status != "done":
                case.wrong.append(f"{skew_s:+g} s: does not go on")
            case.wrong += unreadable(RunFolder.open(copy))
            shutil.rmtree(copy)
    case.went_on = not case.wrong
    return case


def _curve(report: RunReport) -> list[tuple[str, int, dict[str, float]]]:
    return [(one.stage, one.step, one.metrics) for one in report.state.evaluations]


def _skew(copy: Path, skew_s: float, *, cut: bool) -> None:
    """Let every file of a run tell another time; cut: as if it had been killed before its end."""
    lines = (copy / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in (lines[:-1] if cut else lines)]
    for event in events:
        event["time"] += skew_s
    (copy / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    if cut:
        (copy / "exit.json").unlink()
    launch = json.loads((copy / "launch.json").read_text())
    launch["time"] += skew_s
    (copy / "launch.json").write_text(json.dumps(launch))
    hour = time.time() + skew_s
    for path in copy.rglob("*"):
        os.utime(path, (hour, hour))
