"""Looks at people at frames: triangulates them, finds where joints may be, tells what clicks give.

The part of a queue that computes. It remembers what answers taught: how far the detector is to be
trusted by its confidence, learned from the first look, and where clicks contradicted it: a detector
that was wrong about a person's joint in a view is likely wrong there some frames before and after.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.curation.information import (
    Prospects,
    prospects_of,
    trust_by_confidence,
    trusted,
    visible_chance,
)
from core.curation.queue_rows import Rows, by_joint
from core.diagnosis.engine import imaged_left_out, robust, robust_leave_one_out, straightened
from core.diagnosis.hypotheses import evidence_of, find_hypotheses
from core.diagnosis.lengths import arguments
from core.geometry.method import SCALE_UNKNOWN_MM
from core.observations import Source
from core.project import ReviewState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from core.curation.sources import FrameSource
    from core.diagnosis.engine import Triangulation
    from core.project import Project
    from core.settings import TriangulationSettings

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

_LESSON_FRAMES, _LESSON_MEMORY = 4, 4.0
_WRONG_PX = 12.0
_RIGHT = {True: 0.95, False: 0.1}


class Onlooker:
    """Looks at people of one source, with one set of settings."""

    def __init__(
        self,
        project: Project,
        source: FrameSource,
        settings: TriangulationSettings,
        other: FrameSource | None,
    ) -> None:
        """Prepare to look.

        Args:
            project: whose reviews and muted observations count.
            source: of the observations.
            settings: with a noise scale.
            other: what the points are compared with.
        """
        self._project, self._source = project, source
        self._settings, self._other = settings, other
        self._trust: Floats | None = None
        # (person, joint) → where the detector was found right or wrong: (frame, camera).
        self._lessons: dict[tuple[int, int], dict[tuple[int, int], bool]] = {}

    def learn(self, rows: Rows, old: NDArray[np.int64], new: Rows) -> set[tuple[int, int]]:
        """Hold new clicks against what the network had said there; who is to be looked at again."""
        fresh = new.hand & ~rows.hand[old]
        taught: set[tuple[int, int]] = set()
        for row, camera in np.argwhere(fresh).tolist():
            frame, person, joint = new.keys[row].tolist()
            gap = float(
                np.linalg.norm(new.points_px[row, camera] - rows.points_px[old[row], camera])
            )
            if math.isfinite(gap):
                right = gap < _WRONG_PX
                self._lessons.setdefault((person, joint), {})[frame, camera] = right
                if not right:
                    near = range(frame - _LESSON_FRAMES, frame + _LESSON_FRAMES + 1)
                    taught |= {(at, person) for at in near}
        return taught

    def _taught(self, frame: int, person: int, inlier: Floats) -> None:
        """Let inlier probabilities (J, C) of a person follow answers that are near in time."""
        for joint in range(len(inlier)):
            for (at, camera), right in self._lessons.get((person, joint), {}).items():
                apart = abs(frame - at)
                if 0 < apart <= _LESSON_FRAMES:
                    pull = math.exp(-apart / _LESSON_MEMORY)
                    inlier[joint, camera] += pull * (_RIGHT[right] - inlier[joint, camera])

    def look(self, people: set[tuple[int, int]] | None, frames: Iterable[int] = ()) -> Rows:
        """The rows of some people, or of everybody in some frames, as they are now."""
        found = _gather(self._project, self._source, people, frames)
        num, num_cameras, num_joints = found.raw_px.shape[:3]
        if not num:
            return Rows.empty(num_cameras)
        rig = self._source.rig
        straight, observed = straightened(rig, found.raw_px)
        options = arguments(self._settings)
        solved = robust(straight, rig.projections, observed, options, found.answered & observed)
        factors = solved.weights**self._settings.row_exponent
        others = robust_leave_one_out(straight, rig.projections, observed, factors)
        loo = imaged_left_out(rig, found.raw_px, others)[1]
        prospects = self._prospects(found, straight, observed, solved)
        joints = np.broadcast_to(np.arange(num_joints), (num, num_joints))
        keys = np.concatenate(
            [np.repeat(found.people[:, None], num_joints, axis=1), joints[..., None]], axis=-1
        )
        return Rows(
            keys=keys.reshape(-1, 3),
            gain_mm=prospects.gain_mm,
            error_mm=prospects.error_mm,
            rival_mm=prospects.rival_mm,
            unknown=prospects.unknown,
            loo_px=by_joint(loo),
            kept=solved.kept.reshape(-1),
            hand=by_joint(found.answered),
            observed=by_joint(observed),
            points_px=by_joint(found.raw_px),
            points_mm=solved.points_mm.reshape(-1, 3),
            other_mm=self._apart(found.people, solved.points_mm).reshape(-1),
            closed=found.state.reshape(-1) != ReviewState.UNREVIEWED,
        )

    def _prospects(
        self, found: _People, straight: Floats, observed: Bools, solved: Triangulation
    ) -> Prospects:
        points, seen = by_joint(straight), by_joint(observed)
        confidence, answered = by_joint(found.confidence), by_joint(found.answered)
        shown = solved.points_mm.reshape(-1, 3)
        proposals = np.moveaxis(solved.candidates_mm, -2, -3).reshape(len(shown), -1, 3)
        proposals = np.concatenate([shown[:, None], proposals], axis=1)
        clicks = answered & seen
        P = self._source.rig.projections
        scale = self._settings.scale_mm or SCALE_UNKNOWN_MM
        if self._trust is None:
            plain = evidence_of(points, seen, clicks, shown, P, scale)
            share = find_hypotheses(plain, proposals).responsibility[:, 0]
            self._trust = trust_by_confidence(confidence, seen & ~clicks, share)
        inlier = trusted(self._trust, confidence)
        num_joints = found.raw_px.shape[2]
        for row, (frame, person) in enumerate(found.people.tolist()):
            self._taught(frame, person, inlier[row * num_joints : (row + 1) * num_joints])
        evidence = evidence_of(points, seen, clicks, shown, P, scale, inlier)
        places = find_hypotheses(evidence, proposals)
        about, share = _about(shown, seen, num_joints)
        visible = visible_chance(confidence, seen & ~clicks, self._pictured(about))
        # Where no view sees the joint, it most likely is where the person is seen best.
        nobody: Bools = np.asarray(~seen.any(axis=1))
        nowhere: Bools = np.asarray(nobody & np.isnan(about).any(axis=1))
        pictured = (visible > 0) | nowhere[:, None]
        likely = np.where(pictured, 0.3 + 0.4 * share, 0.0)
        visible = np.where(nobody[:, None], likely, visible)
        return prospects_of(evidence, places, shown, answered, visible)

    def _pictured(self, points_mm: Floats) -> Bools:
        """(N, C) whether a point is in a camera's picture, as far as its size is known."""
        images = self._source.rig.project(points_mm[None])[0]
        inside = np.isfinite(images).all(axis=-1)
        for row, camera in enumerate(self._source.rig):
            if camera.size_px is not None:
                inside[row] &= ((images[row] >= 0) & (images[row] < camera.size_px)).all(axis=-1)
        return inside.T

    def _apart(self, people: NDArray[np.int64], points_mm: Floats) -> Floats:
        """(M, J) distance from the other source's points; NaN = there is none."""
        apart = np.full(points_mm.shape[:2], np.nan)
        if self._other is None:
            return apart
        rig = self._source.rig
        for frame in np.unique(people[:, 0]).tolist():
            block = self._other.observations_block(frame, frame + 1)
            if not block.persons:
                continue
            straight, observed = straightened(rig, block.points_px[0])
            hand = (block.source[0] == Source.HAND) & observed
            found = robust(straight, rig.projections, observed, arguments(self._settings), hand)
            for row in np.flatnonzero(people[:, 0] == frame).tolist():
                person = int(people[row, 1])
                if person in block.persons:
                    there = found.points_mm[block.persons.index(person)]
                    apart[row] = np.linalg.norm(points_mm[row] - there, axis=-1)
        return apart


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _People:
    """M people at frames: (M, 2) frame and person, and what was seen of them, (M, C, J, …)."""

    people: NDArray[np.int64]
    raw_px: Floats
    confidence: Floats
    answered: Bools
    state: NDArray[np.uint8]


def _about(shown_mm: Floats, seen: Bools, num_joints: int) -> tuple[Floats, Floats]:
    """Where a joint is, or else the middle of its person; and how much of the person a view sees.

    Args:
        shown_mm: (N, 3) the points in force, N = people x `num_joints`; NaN = none.
        seen: (N, C).
        num_joints: J.

    Returns:
        (N, 3) mm, NaN where the person has no point at all, and (N, C) shares in [0, 1].
    """
    points = shown_mm.reshape(-1, num_joints, 3)
    known = np.isfinite(points).all(axis=-1, keepdims=True)
    count = known.sum(axis=1, keepdims=True)
    total = np.where(known, points, 0.0).sum(axis=1, keepdims=True)
    middle = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    share = seen.reshape(len(points), num_joints, -1).mean(axis=1)
    about = np.where(known, points, middle).reshape(-1, 3)
    return about, np.repeat(share, num_joints, axis=0)


def _gather(
    project: Project,
    source: FrameSource,
    people: set[tuple[int, int]] | None,
    frames: Iterable[int],
) -> _People:
    shape = (len(source.rig), source.skeleton.num_joints)
    wanted = sorted({frame for frame, _ in people}) if people is not None else sorted(frames)
    keys = [np.zeros((0, 2), np.int64)]
    raw, confidence = [np.zeros((0, *shape, 2))], [np.zeros((0, *shape))]
    answered = [np.zeros((0, *shape), np.bool_)]
    state = [np.zeros((0, shape[1]), np.uint8)]
    for frame in wanted:
        block = source.observations_block(frame, frame + 1)
        known = np.isfinite(block.points_px[0]).any(axis=(1, 2, 3))
        known |= (block.source[0] == Source.HAND).any(axis=(1, 2))
        rows = [
            row
            for row, person in enumerate(block.persons)
            if known[row] and (people is None or (frame, person) in people)
        ]
        ids = tuple(block.persons[row] for row in rows)
        muted = project.muted_between(frame, frame + 1, ids)[0]
        keys.append(np.array([(frame, person) for person in ids], np.int64).reshape(-1, 2))
        # What was reprojected adds nothing to the views that it was made from.
        silent = muted | (block.source[0, rows] == Source.REPROJECTED)
        raw.append(np.where(silent[..., None], np.nan, block.points_px[0, rows]))
        confidence.append(block.confidence[0, rows].astype(np.float64))
        answered.append(block.source[0, rows] == Source.HAND)
        state.append(project.reviews(frame).of(ids).reshape(-1, shape[1]))
    return _People(
        people=np.concatenate(keys),
        raw_px=np.concatenate(raw),
        confidence=np.concatenate(confidence),
        answered=np.concatenate(answered),
        state=np.concatenate(state),
    )
