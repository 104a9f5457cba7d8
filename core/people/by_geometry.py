"""Whose a detection is, where nothing but the views themselves can tell.

People are followed in space: each frame, every view's detections are matched to the people known
from the frames before, the people are intersected anew, and what is left over may be someone new:
detections of several views whose rays meet. Who is never seen in three views (two, where the rig
has no more) stays a bystander, since no joint of theirs could ever be kept, as does who was there
too briefly to be believed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.people.rays import RayBundles, intersect, misfits, pair_gaps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.geometry import Rig

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]

FOLLOW_GATE = 0.3  # sizes: how far from where a person is expected a detection may be
MEET_GATE = 0.16  # sizes: how far from each other the views of one person may be
HINT_BONUS = 0.05  # sizes: for the tool's own track that this person had before
MAX_GAP = 25  # frames that a person may be unseen by two views, and still be the same
MIN_HITS = 5  # frames in enough views before a person is believed
MIN_VIEWS = 3
_MAX_LEFT = 300  # detections of a frame without a person; what memory is bounded by
_MAX_HYPOTHESES = 1000


@dataclass(slots=True, eq=False)
class _Person:
    """Someone followed: joints (J, 3) mm as last seen, and what is known of the way."""

    number: int
    points_mm: Floats
    velocity_mm: Floats
    seen: int  # the last frame in two views or more
    hints: dict[tuple[int, int], int] = field(default_factory=dict)

    def expected(self, frame: int) -> Floats:
        """Where the joints should be now; the velocity is not trusted for long."""
        return self.points_mm + self.velocity_mm * min(frame - self.seen, 3)


class GeometryMatcher:
    """Follows people from frame to frame; feed it the frames in order."""

    def __init__(self, rig: Rig) -> None:
        self._centers = np.stack([camera.center_mm for camera in rig])
        self._people: list[_Person] = []
        self._min_views = min(MIN_VIEWS, len(rig))
        self._hits: list[int] = []  # by number: frames in enough views

    def match(self, frame: int, bundles: RayBundles, identity: NDArray[np.integer]) -> Ints:
        """Numbers of the people whom the frame's N detections show; -1 = nobody's.

        Numbers are given for good only by `believed`.

        Args:
            frame: 0-based, ascending from call to call.
            bundles: N detections, sorted by camera.
            identity: (N,) the tool's own tracks; -1 = unnamed.
        """
        self._people = [p for p in self._people if frame - p.seen <= MAX_GAP]
        owner = self._follow(frame, bundles, identity)
        if self._people:
            self._update(frame, bundles, owner)
        for rows, points in self._meet(bundles, np.flatnonzero(owner < 0)):
            owner[rows] = self._welcome(frame, points, len(rows))
        for person, row in [
            (p, r) for p in self._people for r in np.flatnonzero(owner == p.number)
        ]:
            if identity[row] >= 0:
                person.hints[int(bundles.camera[row]), int(identity[row])] = frame
        return owner

    def believed(self, num_frames: int) -> NDArray[np.int32]:
        """Person id by number (and by -1): from 0, the most present first; -1 = not believed."""
        enough = min(MIN_HITS, num_frames)
        longest = sorted(range(len(self._hits)), key=lambda number: -self._hits[number])
        kept = [number for number in longest if self._hits[number] >= enough]
        table = np.full(len(self._hits) + 1, -1, dtype=np.int32)  # the last entry is nobody's
        table[kept] = np.arange(len(kept))
        return table

    def _follow(self, frame: int, bundles: RayBundles, identity: NDArray[np.integer]) -> Ints:
        # Here: SciPy takes a quarter of a second to load, and the window seldom needs it.
        from scipy.optimize import linear_sum_assignment

        owner = np.full(len(bundles), -1, dtype=np.intp)
        if not self._people or not len(bundles):
            return owner
        points = np.stack([person.expected(frame) for person in self._people])
        people, rows = np.divmod(np.arange(len(points) * len(bundles)), len(bundles))
        cost = misfits(points, bundles, people, rows).reshape(len(points), len(bundles))
        for i, person in enumerate(self._people):
            cost[i] -= HINT_BONUS * _hinted(person, bundles, identity)
        for c in np.unique(bundles.camera):
            here = np.flatnonzero(bundles.camera == c)
            gain = np.minimum(cost[:, here] - FOLLOW_GATE, 0.0)
            i, j = linear_sum_assignment(gain)
            taken = gain[i, j] < 0
            owner[here[j[taken]]] = [self._people[k].number for k in i[taken]]
        return owner

    def _update(self, frame: int, bundles: RayBundles, owner: Ints) -> None:
        """Intersect everyone anew; detections that the other views contradict are let go."""
        place = {person.number: i for i, person in enumerate(self._people)}
        owned = np.flatnonzero(owner >= 0)
        people = np.array([place[int(n)] for n in owner[owned]], dtype=np.intp)
        points = self._intersected(bundles, owned, people)
        fit = misfits(points, bundles, people, owned)
        views = np.bincount(people, minlength=len(self._people))
        wrong = np.isfinite(fit) & (fit > MEET_GATE) & (views[people] > 2)
        if wrong.any():
            owner[owned[wrong]] = -1
            owned, people = owned[~wrong], people[~wrong]
            points = self._intersected(bundles, owned, people)
            views = np.bincount(people, minlength=len(self._people))
        for i, person in enumerate(self._people):
            if views[i] >= 2 and np.isfinite(points[i]).any():
                self._move(person, frame, points[i])
                self._hits[person.number] += int(views[i]) >= self._min_views

    def _intersected(self, bundles: RayBundles, rows: Ints, people: Ints) -> Floats:
        shape = (len(self._people), len(self._centers))
        num_joints = bundles.weights.shape[1]
        directions = np.zeros((*shape, num_joints, 3))
        weights = np.zeros((*shape, num_joints))
        directions[people, bundles.camera[rows]] = bundles.directions[rows]
        weights[people, bundles.camera[rows]] = bundles.weights[rows]
        origins = np.broadcast_to(self._centers, (*shape, 3))
        return intersect(origins, directions, weights)

    def _move(self, person: _Person, frame: int, points_mm: Floats) -> None:
        """Take the joints just seen; the others move along with them."""
        expected = person.expected(frame)
        shift = points_mm - person.points_mm
        known = np.isfinite(shift).all(axis=-1)
        if known.any():
            step = np.median(shift[known], axis=0) / max(frame - person.seen, 1)
            person.velocity_mm = 0.5 * person.velocity_mm + 0.5 * step
        person.points_mm = np.where(np.isfinite(points_mm), points_mm, expected)
        person.seen = frame

    def _welcome(self, frame: int, points_mm: Floats, num_views: int) -> int:
        """Someone seen now: who was lost nearby, or a new person."""
        lost = [p for p in self._people if p.seen < frame]
        distance = [_apart(p.expected(frame), points_mm) for p in lost]
        if lost and min(distance) < 0.5 + 0.1 * (frame - lost[int(np.argmin(distance))].seen):
            person = lost[int(np.argmin(distance))]
            person.velocity_mm = np.zeros(3)
            person.points_mm = np.where(np.isfinite(points_mm), points_mm, person.points_mm)
            person.seen = frame
        else:
            person = _Person(len(self._hits), points_mm, np.zeros(3), frame)
            self._hits.append(0)
            self._people.append(person)
        self._hits[person.number] += num_views >= self._min_views
        return person.number

    def _meet(self, bundles: RayBundles, left: Ints) -> list[tuple[Ints, Floats]]:
        """Groups of detections, one per view at most, whose rays meet, with their joints.

        Every pair of views that agrees is a hypothesis; the one that most views support is taken
        first, and its detections are out of the others' reach.
        """
        found: list[tuple[Ints, Floats]] = []
        present = [p.points_mm for p in self._people]
        for rows in _meetings(bundles, left):
            directions = np.zeros((1, len(self._centers), *bundles.directions.shape[1:]))
            weights = np.zeros(directions.shape[:-1])
            directions[0, bundles.camera[rows]] = bundles.directions[rows]
            weights[0, bundles.camera[rows]] = bundles.weights[rows]
            points = intersect(self._centers[None], directions, weights)[0]
            # Two detections of one body in each view would make a double of the person.
            if all(_apart(other, points) > 0.25 for other in present):
                found.append((rows, points))
                present.append(points)
        return found


def _hinted(
    person: _Person, bundles: RayBundles, identity: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """(N,) whether the tool gave the detection a track that this person had before."""
    keys = zip(bundles.camera.tolist(), identity.tolist(), strict=True)
    return np.array([name >= 0 and (camera, name) in person.hints for camera, name in keys])


def _apart(a_mm: Floats, b_mm: Floats) -> float:
    """Median distance of two people's joints (J, 3), in extents of the second."""
    distance = np.linalg.norm(a_mm - b_mm, axis=-1)
    known = np.isfinite(distance)
    body = b_mm[np.isfinite(b_mm).all(axis=-1)]
    extent = float(np.linalg.norm(np.ptp(body, axis=0))) if len(body) else 0.0
    if not known.any() or extent == 0:
        return np.inf
    return float(np.median(distance[known])) / extent


def _meetings(bundles: RayBundles, left: Ints) -> list[Ints]:
    """Rows of each group of two views or more that meets, the best supported first."""
    left = left[:_MAX_LEFT]
    first, second = (left[i] for i in np.triu_indices(len(left), 1))
    other = bundles.camera[first] != bundles.camera[second]
    first, second = first[other], second[other]
    if not len(first):
        return []
    gap, points = pair_gaps(bundles, first, second)
    good = np.flatnonzero(gap < MEET_GATE)
    good = good[np.argsort(gap[good], kind="stable")[:_MAX_HYPOTHESES]]
    first, second, points = first[good], second[good], points[good]
    if not len(first):
        return []
    hypotheses, rows = np.divmod(np.arange(len(first) * len(left)), len(left))
    support = 1 - misfits(points, bundles, hypotheses, left[rows]) / MEET_GATE
    support = np.maximum(support, 0).reshape(len(first), len(left))
    free = np.ones(len(left), dtype=bool)
    place = np.full(len(bundles), -1)
    place[left] = np.arange(len(left))
    cameras = bundles.camera[left]
    meetings: list[Ints] = []
    while True:
        by_view = np.stack(
            [np.where(free & (cameras == c), support, 0).max(axis=1) for c in np.unique(cameras)],
            axis=1,
        )
        open_ = free[place[first]] & free[place[second]]
        score = np.where(open_, (by_view + 0.5 * (by_view > 0)).sum(axis=1), 0)
        best = int(np.argmax(score))
        if score[best] == 0:
            return meetings
        members = {int(place[first[best]]), int(place[second[best]])}
        for c in set(cameras.tolist()) - {cameras[m] for m in members}:
            here = np.flatnonzero(free & (cameras == c))
            if len(here) and support[best, here].max() > 0:
                members.add(int(here[np.argmax(support[best, here])]))
        rows_of_best = np.array(sorted(members), dtype=np.intp)
        free[rows_of_best] = False
        meetings.append(left[rows_of_best])
