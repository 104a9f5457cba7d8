"""How many clicks a labelled set costs: the queue against frame order, random order, every view.

    python benchmarks/annotation.py [--seeds 3] [--frames 4] [--click 1.0 0.5] [--views 3]

For every seed a match is made up, and its simulated detections are imported as a recording's are:
noisy, partly of hidden joints, partly of somebody else. The labelled set is every joint of the
tracked people at a few frames that at least ``--views`` cameras really see. A simulated annotator
(`core.synthetic.annotator`) answers for one joint in one view at a time; each answer is an edit of
the project and counts as one click, "outside" too. The error is that of the point the window shows.

    queue     the next best click, by expected reduction of the error; it never sees the truth
    frame     frame by frame, person by person, joint by joint, view by view
    random    the same clicks in random order
    all views every joint in every view that pictures it, with nothing taken from detections: it
              is done when it is done; ``floor`` is the error that it ends with

``-`` means that an order never got there: what clicks of that precision cannot give.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.curation.queue import build_queue
from core.curation.sources import DetectionSource
from core.diagnosis import diagnose_frame, estimate_recording_scale_mm, warm_up
from core.project import JointKey, PointKey, Project, SetReviews
from core.project.importing import import_sportcenter
from core.settings import TriangulationSettings
from core.synthetic import SynthConfig, synthesise
from core.synthetic.annotator import Annotator, Habits
from core.synthetic.sight import Sight
from core.synthetic.truth import TRUTH_NAME, Truth, read_truth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.project import Change

TARGETS_MM = (20.0, 10.0)
_NUM_FRAMES = 48
_STEP = 3  # as SportCenter's sparse annotations


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A match, and what is to be labelled of it."""

    folder: Path
    truth: Truth
    wanted: NDArray[np.bool_]
    """(F, P, J) of the truth."""
    frames: tuple[int, ...]
    seed: int

    def open(self, name: str) -> Project:
        """The project as imported, in a folder of its own."""
        target = self.folder / f"{name}.trilabel"
        import_sportcenter(
            self.folder / "match",
            target,
            detections=[f"alphapose:{self.folder / 'match' / 'alphapose'}"],
            report=lambda _text: None,
        )
        return Project.open(target)

    def keys(self) -> list[JointKey]:
        """Every joint of the set in every view that pictures it, in frame order."""
        pictured = self.wanted[:, :, None] & (self.truth.sight != int(Sight.OUTSIDE))
        places = np.argwhere(pictured.swapaxes(2, 3)).tolist()
        persons = self.truth.persons.tolist()
        return [JointKey(f, c, persons[p], j) for f, p, j, c in places]


class Errors:
    """The errors of the set, followed click by click."""

    def __init__(self, case: Case, project: Project, settings: TriangulationSettings) -> None:
        self._case, self._project, self._settings = case, project, settings
        self._errors = np.full(case.wanted.shape, np.nan)
        for frame in case.frames:
            for person in case.truth.persons.tolist():
                self.follow(frame, person)

    def follow(self, frame: int, person: int) -> None:
        """Take in what was edited of a person in a frame."""
        truth = self._case.truth
        seen = self._project.observations(frame)
        if person not in seen.persons:
            return
        at = seen.persons.index(person)
        names = ("points_px", "confidence", "source", "boxes_px", "ground_mm")
        alone = {name: getattr(seen, name)[at : at + 1] for name in names}
        found = diagnose_frame(
            replace(seen, persons=(person,), **alone), self._project.rig, self._settings
        )
        row = truth.persons.tolist().index(person)
        gap = np.linalg.norm(
            found.triangulation.points_mm[0] - truth.points_mm[frame, row], axis=-1
        )
        self._errors[frame, row] = gap

    @property
    def mean_mm(self) -> float:
        """Over the set; infinite while a joint has no point."""
        errors = self._errors[self._case.wanted]
        return float(errors.mean()) if np.isfinite(errors).all() else np.inf


def make_case(folder: Path, seed: int, num_frames: int, num_views: int) -> Case:
    """Make a match up and choose the set."""
    config = SynthConfig(num_frames=_NUM_FRAMES, seed=seed, pictures="none", annotated=())
    synthesise(config, folder / "match")
    truth = read_truth(folder / "match" / TRUTH_NAME)
    frames = tuple(range(_NUM_FRAMES // 3, _NUM_FRAMES // 3 + _STEP * num_frames, _STEP))
    wanted = np.zeros(truth.points_mm.shape[:3], dtype=np.bool_)
    chosen = list(frames)
    wanted[chosen] = truth.visible[chosen].sum(axis=2) >= num_views
    return Case(folder, truth, wanted, frames, seed)


class Listed:
    """Asks for keys as they are listed."""

    def __init__(self, keys: list[JointKey]) -> None:
        self._keys = iter(keys)

    def ask(self) -> JointKey | None:
        """The next key."""
        return next(self._keys, None)

    def hear(self, change: Change) -> None:
        """Learn nothing."""


class Queued:
    """Asks for what the queue says; joints that are not to be labelled are rejected before."""

    def __init__(self, case: Case, project: Project, settings: TriangulationSettings) -> None:
        persons = case.truth.persons.tolist()
        others = [
            PointKey(frame, persons[row], joint)
            for frame in case.frames
            for row, joint in np.argwhere(~case.wanted[frame]).tolist()
        ]
        project.apply(SetReviews(keys=tuple(others), state="rejected"))
        source = DetectionSource(project)
        queue = build_queue(project, source, settings, frames=case.frames)
        assert queue is not None
        self._queue = queue
        self.longest_s = 0.0

    def ask(self) -> JointKey | None:
        """The next best click."""
        start = time.perf_counter()
        item = self._queue.next()
        self.longest_s = max(self.longest_s, time.perf_counter() - start)
        return None if item is None else item.key

    def hear(self, change: Change) -> None:
        """Look again at what was edited."""
        self._queue.refresh(change)


@dataclass(slots=True, eq=False)
class Course:
    """How the error went: clicks at which each target was met, and what was left at the end."""

    start_mm: float
    reached: dict[float, int]
    clicks: int = 0
    end_mm: float = float("nan")

    def add(self, clicks: int, mean_mm: float) -> None:
        """One more click."""
        self.clicks, self.end_mm = clicks, mean_mm
        for target in TARGETS_MM:
            if mean_mm < target:
                self.reached.setdefault(target, clicks)


def label(
    case: Case, order: str, habits: Habits, settings: TriangulationSettings, *, is_whole: bool
) -> Course:
    """Label in an order until every target is met (`is_whole`: to the end)."""
    with case.open(f"{order}_{habits.noise_px:g}") as project:
        keys = case.keys()
        if order == "random":
            rows = np.random.default_rng(case.seed).permutation(len(keys)).tolist()
            keys = [keys[row] for row in rows]
        asker = Queued(case, project, settings) if order == "queue" else Listed(keys)
        annotator = Annotator(case.truth, habits, seed=case.seed)
        errors = Errors(case, project, settings)
        course = Course(errors.mean_mm, {})
        while is_whole or len(course.reached) < len(TARGETS_MM):
            key = asker.ask()
            if key is None or annotator.num_answers > len(keys):
                break
            change = project.apply(annotator.answer(key))
            asker.hear(change)
            errors.follow(key.frame, key.person)
            course.add(annotator.num_answers, errors.mean_mm)
        return course


def _cell(course: Course, target: float) -> str:
    return str(course.reached[target]) if target in course.reached else "-"


def report(noise_px: float, seed: int, case: Case, courses: dict[str, Course]) -> None:
    """One row of the table, and the shares of the targets."""
    whole = len(case.keys())
    queue, frame = courses["queue"], courses["frame"]
    cells = [f"{noise_px:5.1f} {seed:4d} {int(case.wanted.sum()):6d} {queue.start_mm:7.1f}"]
    for target in TARGETS_MM:
        cells += [f"{_cell(courses[order], target):>7}" for order in ("queue", "frame", "random")]
        if target in queue.reached:
            share = queue.reached[target] / whole
            part = queue.reached[target] / frame.reached.get(target, whole)
            cells.append(f"{share:6.2f} {part:6.2f}")
        else:
            cells.append(f"{'-':>6} {'-':>6}")
    cells.append(f"{whole:9d} {frame.end_mm:6.1f}")
    sys.stdout.write(" |".join(cells) + "\n")
    sys.stdout.flush()


_HEAD = (
    "                         |  to 20 mm              | queue /       |  to 10 mm              "
    "| queue /       | all views\n"
    "click seed joints  start |  queue |  frame | random |   all  frame |  queue |  frame | random "
    "|   all  frame |   clicks  floor\n"
)


def main() -> None:
    """Label, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=3, help="labelled frames a match")
    parser.add_argument("--views", type=int, default=3, help="that see a joint of the set, or more")
    parser.add_argument("--click", type=float, nargs="+", default=[1.0, 0.5], metavar="PX")
    arguments = parser.parse_args()
    warm_up()
    sys.stdout.write(_HEAD)
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as temporary:
            case = make_case(Path(temporary), seed, arguments.frames, arguments.views)
            with case.open("scale") as project:
                settings = TriangulationSettings(scale_mm=estimate_recording_scale_mm(project))
            for noise_px in arguments.click:
                habits = Habits(noise_px=noise_px)
                courses = {
                    order: label(case, order, habits, settings, is_whole=order == "frame")
                    for order in ("queue", "frame", "random")
                }
                report(noise_px, seed, case, courses)


if __name__ == "__main__":
    main()
