"""From plans to edits: what goes along with a track, what is in its way, where feet were clicked.

No widgets here. The plans themselves are made in `core.people`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.tracks.trails import hand_places
from core.errors import CommandRefusedError
from core.people.track_conflicts import find_conflicts
from core.people.track_edits import move_person, place_and_fill
from core.people.track_making import Meeting, feet_between, feet_on_floor
from core.project import SetTrackPoints, Several, SwapIdentities, SwapPersonLabels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.state import FeetMode
    from core.people.track_conflicts import TrackConflict
    from core.people.track_edits import Spot, TrackPlan
    from core.project import Edit, Project

# Frames between two clicks of feet that are filled in at most, as steps between clicks.
_FILLED_STEPS = 6


def edit_of(
    plan: TrackPlan, project: Project, *, with_detections: bool = False, with_labels: bool = False
) -> Edit:
    """The one undoable step that carries a plan out.

    Args:
        plan: what shall be.
        project: whose tracks they are.
        with_detections: what was detected there, in all views, changes hands like the places.
        with_labels: labels, accepted points and reviews there do, too.
    """
    edits: list[Edit] = [
        SetTrackPoints(points=tuple(part.spots_mm.items()), origin=part.origin, name=plan.name)
        for part in plan.parts
        if part.spots_mm
    ]
    for span in plan.exchanges:
        start, stop, person, other = span.start, span.stop, span.person, span.other
        if with_detections and project.detections is not None:
            edits += [
                SwapIdentities(camera=c, start=start, stop=stop, person=person, other=other)
                for c in range(len(project.rig))
            ]
        if with_labels:
            edits.append(SwapPersonLabels(start=start, stop=stop, person=person, other=other))
    if not edits:
        raise CommandRefusedError("Nothing would change.")
    return edits[0] if len(edits) == 1 else Several(edits=tuple(edits), name=plan.name)


def conflicts_of(plan: TrackPlan, project: Project) -> tuple[TrackConflict, ...]:
    """What a plan runs into in a project."""
    frames = plan.frames
    if not frames:
        return ()
    start, stop = frames[0], frames[-1] + 1
    persons = sorted({person for _, person in plan.spots_mm})
    store = project.labels
    labelled = {
        (key[0], key[2]) for key in store.keys_of_persons("labels", start, stop, persons)
    } | {(key[0], key[1]) for key in store.keys_of_persons("points3d", start, stop, persons)}
    reviews = store.rows("reviews", store.keys_of_persons("reviews", start, stop, persons))
    return find_conflicts(
        plan,
        project.tracks,
        fps=project.fps,
        by_hand=hand_places(project, start, stop, persons).keys(),
        labelled=labelled,
        locked={(key[0], key[1]) for key, row in reviews.items() if row[0] == "locked"},
    )


def feet_meeting(
    project: Project, clicks: Mapping[int, tuple[float, float]], floor_mm: float
) -> Meeting:
    """Where the feet are that were clicked, raw pixels by camera; a single click is on the floor.

    Raises:
        CommandRefusedError: the click is over the horizon, or the clicks do not meet.
    """
    if len(clicks) > 1:
        return feet_between([project.rig[c] for c in clicks], list(clicks.values()))
    ((camera, point),) = clicks.items()
    spot = feet_on_floor(project.rig[camera], point, floor_mm)
    if spot is None:
        raise CommandRefusedError("The floor is not there: click between the person's feet.")
    return Meeting(spot, floor_mm, 0.0)


def feet_plan(project: Project, mode: FeetMode, frame: int, spot: Spot) -> TrackPlan:
    """The plan of a click that says where the person stands."""
    if not mode.is_filling:
        return move_person(project.tracks, mode.person, frame, spot)
    reach = _FILLED_STEPS * max(mode.step, 1)
    hand = hand_places(project, max(frame - reach, 0), frame + reach + 1, [mode.person])
    anchors = {f: place for (f, _), place in hand.items() if f != frame}
    return place_and_fill(project.tracks, mode.person, frame, spot, anchors)
