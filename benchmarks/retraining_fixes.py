"""The joints that a simulated annotator fixes before a retraining, and which of them are measured.

The annotator goes where the queue sends it, skips what looks right and fixes what is wrong: a joint
that the window shows `WRONG_MM` or more from its truth, of a person and in a frame that nothing is
evaluated on or labelled in. Each joint is clicked in the views that see it.

Trap: a label takes its whole frame out of the unlabelled pool (METHOD, section 4), so fixes in five
frames cost the training those frames' other people. *Shuffled* fixes do that, too, with the same
clicks on joints of other names: what differs between the two is what the clicks say.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.curation.queue import Filters, build_queue
from core.curation.sources import DetectionSource
from core.diagnosis import diagnose_frame
from core.labelling.placing import MoveJoints
from core.project import JointKey, Project
from core.synthetic.annotator import Annotator
from core.synthetic.sight import Sight

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from core.synthetic.truth import Truth

WRONG_MM = 60.0
_MOST_VIEWS = 4
_NEAR_FRAMES = 3


class Place(NamedTuple):
    """A joint of a person at a frame."""

    frame: int
    person: int
    joint: int


@dataclass(frozen=True, slots=True)
class Fix:
    """A wrong joint, and the clicks that put it right.

    Attributes:
        place: the joint.
        was_mm: how far the window showed it from its truth; infinite where it showed none.
        clicks: camera and raw pixels, of two views or more.
    """

    place: Place
    was_mm: float
    clicks: tuple[tuple[int, float, float], ...]

    def edit(self, joint: int | None = None) -> MoveJoints:
        """What the annotator does in the project; `joint` for clicks given to another one."""
        frame, person, own = self.place
        named = own if joint is None else joint
        return MoveJoints(
            keys=tuple(JointKey(frame, camera, person, named) for camera, _, _ in self.clicks),
            points_px=tuple((x, y) for _, x, y in self.clicks),
        )


def fixes_of(
    project_dir: Path, truth: Truth, *, seed: int, first: int, count: int
) -> tuple[Fix, ...]:
    """Wrong joints in the order of the queue, `first` and the next, and the clicks on them.

    The project is read only; the queue decides from what is shown, the annotator from the truth.

    Args:
        project_dir: as imported.
        truth: of its match.
        seed: of the clicks.
        first: of the wrong joints, from 0.
        count: how many.
    """
    with Project.open(project_dir, read_only=True) as project:
        found = islice(_wrong_joints(project, truth), first, first + count)
        annotator = Annotator(truth, seed=seed)
        fixes = tuple(_fixed(place, was_mm, truth, annotator) for place, was_mm in found)
    assert len(fixes) == count, f"only {len(fixes)} of {count} joints are shown wrong"
    return fixes


def apply_fixes(project_dir: Path, fixes: Sequence[Fix], *, shuffled_by: int | None = None) -> None:
    """Make the edits; with a seed to shuffle by, each fix's clicks go to another joint."""
    with Project.open(project_dir) as project:
        num_joints = project.skeleton.num_joints
        rng = np.random.default_rng(shuffled_by)
        for fix in fixes:
            steps = int(rng.integers(1, num_joints))
            other = (fix.place.joint + steps) % num_joints
            project.apply(fix.edit(None if shuffled_by is None else other))


def nearby(fixes: Sequence[Fix], num_frames: int) -> tuple[Place, ...]:
    """The same joints of the same people in the frames around, where they were not fixed."""
    fixed = {fix.place for fix in fixes}
    around = {
        place._replace(frame=place.frame + step)
        for place in fixed
        for step in range(-_NEAR_FRAMES, _NEAR_FRAMES + 1)
    }
    return tuple(sorted(p for p in around - fixed if 0 <= p.frame < num_frames))


def beside(fixes: Sequence[Fix], persons: Sequence[int], num_joints: int) -> tuple[Place, ...]:
    """All other joints of these people in the frames in which something was fixed."""
    fixed = {fix.place for fix in fixes}
    every = {
        Place(frame, person, joint)
        for frame in {place.frame for place in fixed}
        for person in persons
        for joint in range(num_joints)
    }
    return tuple(sorted(every - fixed))


def _wrong_joints(project: Project, truth: Truth) -> Iterator[tuple[Place, float]]:
    """Joints that the queue asks for and that are shown wrong, with their errors, each once."""
    labelled = set(project.labelled_frames().tolist())
    frames = [frame for frame in range(project.num_frames) if frame not in labelled]
    queue = build_queue(project, DetectionSource(project), project.settings, frames=frames)
    assert queue is not None
    seen: set[Place] = set()
    filters = Filters(persons=frozenset(project.persons) - frozenset(project.split("test")))
    while (item := queue.next(filters)) is not None:
        place = Place(item.frame, item.person, item.joint)
        if place in seen or len(_views(truth, place)) < 2:
            continue
        seen.add(place)
        error = shown_error_mm(project, truth, place)
        if not error < WRONG_MM:
            yield place, error


def shown_error_mm(project: Project, truth: Truth, place: Place) -> float:
    """How far from its truth the window shows a joint; infinite where it shows no point."""
    seen = project.observations(place.frame)
    found = diagnose_frame(seen, project.rig, project.settings).triangulation.points_mm
    shown = found[seen.persons.index(place.person), place.joint]
    gap = np.linalg.norm(shown - true_point_mm(truth, place))
    return float(gap) if np.isfinite(gap) else np.inf


def true_point_mm(truth: Truth, place: Place) -> NDArray[np.float64]:
    """(3,) world."""
    return truth.points_mm[place.frame, _row(truth, place.person), place.joint]


def _row(truth: Truth, person: int) -> int:
    return truth.persons.tolist().index(person)


def _views(truth: Truth, place: Place) -> list[int]:
    """Cameras that see the joint, up to `_MOST_VIEWS`; of fewer than two, those that picture it."""
    sight = truth.sight[place.frame, _row(truth, place.person), :, place.joint]
    seen = np.flatnonzero(sight == int(Sight.VISIBLE))
    if len(seen) < 2:
        seen = np.flatnonzero(sight != int(Sight.OUTSIDE))
    return seen[:_MOST_VIEWS].tolist()


def _fixed(place: Place, was_mm: float, truth: Truth, annotator: Annotator) -> Fix:
    clicks: list[tuple[int, float, float]] = []
    for camera in _views(truth, place):
        answer = annotator.answer(JointKey(place.frame, camera, place.person, place.joint))
        assert isinstance(answer, MoveJoints), "these views picture the joint"
        ((x, y),) = answer.points_px
        clicks.append((camera, x, y))
    return Fix(place, was_mm, tuple(clicks))


def as_json(fixes: Sequence[Fix]) -> list[dict[str, object]]:
    """Plain values, to tell a cell by and to keep beside its figures."""
    return [
        {"place": [*fix.place], "was_mm": round(fix.was_mm, 1), "clicks": [*map(list, fix.clicks)]}
        for fix in fixes
    ]
