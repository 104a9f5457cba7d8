"""SLEAP projects written through sleap-io, the format's own library; `core.formats.sleap` reads.

sleap-io is an extra (``pip install trilabel[slp]``): it brings forty packages along for one format.
A joint that is occluded stands in the file as a visible one, since a point that SLEAP calls
invisible has no place for most readers; the datasheet beside it tells which ones are.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from core.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SleapView:
    """The labels of one camera.

    Attributes:
        video: path of its video or of its folder of pictures, as SLEAP is to look for it.
        frames: (N,) int64, 0-based, ascending.
        persons: (N,) int64 ids, which become the names of the tracks.
        points_px: (N, J, 2) raw pixels; NaN = not labelled.
    """

    video: str
    frames: NDArray[np.int64]
    persons: NDArray[np.int64]
    points_px: NDArray[np.float64]


def write_sleap(
    path: Path,
    views: Sequence[SleapView],
    *,
    skeleton: str,
    joints: Sequence[str],
    bones: Sequence[tuple[int, int]],
) -> None:
    """Write user instances of all cameras as one .slp, a video for each; an old file is replaced.

    Args:
        path: ends in ``.slp``.
        views: one for each camera.
        skeleton: its name.
        joints: J names.
        bones: pairs of joint indices.

    Raises:
        DataError: where sleap-io is not installed.
    """
    try:
        sio: Any = importlib.import_module("sleap_io")  # its names are loaded lazily, untyped
    except ImportError as error:
        raise DataError(
            path.name,
            expected="the package sleap-io, which writes SLEAP's files",
            found="none",
            remedy="Install it with: pip install 'trilabel[slp]'.",
        ) from error
    form = sio.Skeleton(
        nodes=list(joints), edges=[(joints[a], joints[b]) for a, b in bones], name=skeleton
    )
    people = np.unique(np.concatenate([view.persons for view in views])).tolist()
    tracks = {person: sio.Track(name=str(person)) for person in people}
    videos: list[Any] = []
    frames: list[Any] = []
    for view in views:
        videos.append(sio.Video(filename=view.video, open_backend=False))
        moments, starts = np.unique(view.frames, return_index=True)
        stops = [*starts[1:].tolist(), len(view.frames)][: len(moments)]  # none of an empty view
        for frame, start, stop in zip(moments.tolist(), starts.tolist(), stops, strict=True):
            instances = [
                sio.Instance.from_numpy(
                    view.points_px[row], skeleton=form, track=tracks[int(view.persons[row])]
                )
                for row in range(start, stop)
            ]
            frames.append(sio.LabeledFrame(video=videos[-1], frame_idx=frame, instances=instances))
    labels = sio.Labels(
        labeled_frames=frames, videos=videos, skeletons=[form], tracks=list(tracks.values())
    )
    write_atomically(path, lambda temporary: labels.save(str(temporary), embed=False))
