"""`PoseData`: what a training learns from and is measured by, made by `open_data`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    from core.learning.data.groups import Group, GroupList
    from core.learning.data.recordings import PoseRecording
    from core.skeleton import Skeleton


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PoseData:
    """A data set as a protocol divides it; a context manager.

    Attributes:
        name: of the protocol and the data, to show.
        recordings: their rigs may differ, the number of cameras C does not.
        skeleton: J joints, of all recordings.
        labelled: groups whose labels may be learned from.
        unlabelled: groups whose labels, if there are any, are not known here; none of them is
            labelled or held out.
        held_out: labelled groups that nothing is learned from.
        notes: what every report must say about how these were chosen.
    """

    name: str
    recordings: tuple[PoseRecording, ...]
    skeleton: Skeleton
    labelled: GroupList
    unlabelled: GroupList
    held_out: GroupList
    notes: tuple[str, ...] = ()

    def recording(self, group: Group) -> PoseRecording:
        """The recording that a group is of."""
        return self.recordings[group.recording]

    @property
    def num_cameras(self) -> int:
        """C."""
        return len(self.recordings[0].rig)

    def boxes_px(self, group: Group) -> NDArray[np.float64]:
        """(C, 4) x0 y0 x1 y1, raw pixels; NaN where the person is not in view."""
        return self.recording(group).boxes_px(group.person, group.frame)

    def points_mm(self, group: Group) -> NDArray[np.float64]:
        """(J, 3) the 3D label, world; NaN = none, as for all groups but labelled and held-out."""
        return self.recording(group).points_mm(group.person, group.frame)

    def rejected_joints(self, groups: Sequence[Group]) -> NDArray[np.bool_]:
        """(G, J) the joints that somebody rejected: they never serve as pseudo-labels."""
        rows = [self.recording(one).rejected_joints(one.person, one.frame) for one in groups]
        return np.array(rows, dtype=np.bool_).reshape(len(groups), self.skeleton.num_joints)

    def targets_px(self, group: Group) -> NDArray[np.float64]:
        """(C, J, 2) raw pixels: where the 3D label is in each view, else the label of the view.

        The projection comes first, so that joints that are hidden in a view are targets, too
        (METHOD, section 4). NaN where there is neither.
        """
        recording = self.recording(group)
        projected = recording.rig.project(recording.points_mm(group.person, group.frame))
        seen = recording.label_px(group.person, group.frame)
        return np.where(np.isnan(projected), seen, projected)

    def close(self) -> None:
        """Close all files; closing twice does nothing."""
        for recording in self.recordings:
            recording.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
