"""Left and right change places: what a network takes for a left wrist is the right one.

Labels change places as they are, with state and origin. What only a network said becomes a hand
label on the other side, since a person has said so; a side that nobody saw is then marked occluded
without a place, or the network's wrong point would show again. What was muted has been taken away:
it is given to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import CommandRefusedError
from core.project.edits import HAND, JointKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from core.observations import FrameObservations
    from core.project.edits import Edit, Key, LabelReader, Row, Writes
    from core.skeleton import Skeleton


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapJoints:
    """Let the joints of pairs change places, labels and detections alike.

    Attributes:
        pairs: of keys in one view each.
        detected_px: raw pixels of the joints among them that are no labels.
        name: of the step, without the views.
    """

    pairs: tuple[tuple[JointKey, JointKey], ...]
    detected_px: Mapping[JointKey, tuple[float, float]]
    name: str

    def describe(self, reader: LabelReader) -> str:
        """The given name, with the view where it is one."""
        cameras = {a.camera for a, _ in self.pairs}
        where = f"{len(cameras)} views"
        if len(cameras) == 1:
            where = reader.camera_names[next(iter(cameras))]
        return f"{self.name} in {where}"

    def writes(self, reader: LabelReader) -> Writes:
        """Each side gets what the other had."""
        keys = [key for pair in self.pairs for key in pair]
        labels, muted = reader.rows("labels", keys), reader.rows("overrides", keys)
        detected = {key: at for key, at in self.detected_px.items() if key not in muted}
        rows: dict[Key, Row | None] = {}
        for a, b in self.pairs:
            rows[a], rows[b] = _given(a, b, labels, detected), _given(b, a, labels, detected)
        placed = [key for key, row in rows.items() if row is not None]
        return {"labels": rows, "overrides": dict.fromkeys(placed)}


def _given(
    to: JointKey,
    source: JointKey,
    labels: Mapping[Key, Row],
    detected_px: Mapping[JointKey, tuple[float, float]],
) -> Row | None:
    if source in labels:
        return tuple(labels[source][:4])
    if source in detected_px:
        x, y = detected_px[source]
        return (x, y, "visible", HAND)
    # Nothing to give: only a detection of the other side has to be held down.
    return (None, None, "occluded", HAND) if to in detected_px else None


def swapped_sides(
    frames: Iterable[FrameObservations],
    skeleton: Skeleton,
    person: int,
    *,
    cameras: Sequence[int],
    name: str = "",
) -> Edit:
    """Swap left and right of a person in some views of one frame or more.

    Args:
        frames: observations of the frames.
        skeleton: tells which joints mirror each other.
        person: id.
        cameras: indices into the rig.
        name: of the step.

    Raises:
        CommandRefusedError: nothing of the person's sides is there.
    """
    sides = [(left, right) for left, right in enumerate(skeleton.mirror) if left < right]
    pairs: list[tuple[JointKey, JointKey]] = []
    detected: dict[JointKey, tuple[float, float]] = {}
    for seen in frames:
        if person not in seen.persons:
            continue
        row = seen.persons.index(person)
        for camera in cameras:
            for a, b in sides:
                if not seen.source[row, camera, [a, b]].any():
                    continue
                pair = [JointKey(seen.frame, camera, person, joint) for joint in (a, b)]
                pairs.append((pair[0], pair[1]))
                for key in pair:
                    x, y = seen.points_px[row, camera, key.joint]
                    if np.isfinite(x) and np.isfinite(y):
                        detected[key] = (float(x), float(y))
    if not pairs:
        raise CommandRefusedError(f"No left or right joint of #{person} is there to swap.")
    return SwapJoints(
        pairs=tuple(pairs),
        detected_px=detected,
        name=name or f"Swap left and right of #{person}",
    )
