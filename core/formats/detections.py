"""2D keypoints of one camera as other tools store them: the common value, and who reads what.

Every reader ends in `collect`, so that all of them agree on what absence is (NaN), on the order of
rows (by frame) and on what is refused. Traps: a file's *frame number* is not a frame (the first
number says which one is frame 0), and a keypoint at (0, 0) with confidence 0 is no keypoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAX_FRAME = 2**31 - 1
MAX_JOINTS = 1024

DETECTION_FORMATS: dict[str, str] = {
    "openpose": "OpenPose: a folder of one JSON file per frame, any number of people",
    "alphapose": "AlphaPose: one JSON list of all detections (image_id, keypoints, score, idx)",
    "coco": "COCO keypoints: one JSON file of images, annotations and categories",
    "sleap": "SLEAP: a project (.slp) or an exported analysis file (.analysis.h5)",
    "dlc": "DeepLabCut and Lightning Pose: a CSV file, or the HDF5 file beside it",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraDetections:
    """N detections of one camera, sorted by frame; several to a frame where there are people.

    Attributes:
        camera: the camera's name, or None where the file does not say.
        joints: J joint names, or None where the file has none and J tells nothing.
        bones: pairs of joint indices; empty where the file has none.
        frames: (N,) int64, 0-based, ascending.
        points_px: (N, J, 2) float32, raw pixels; NaN = absent.
        confidence: (N, J) float32, as the tool gave it; NaN = absent, or the file has none.
        score: (N,) float32, of the whole detection; NaN = none.
        identity: (N,) int32, the tool's own tracks; -1 = unnamed.
        identity_names: names of the identities, by number; empty where they have none.
        hand: (N,) bool, placed or proofread by a person.
        first_number: which of the file's frame numbers is frame 0.
    """

    camera: str | None = None
    joints: tuple[str, ...] | None
    bones: tuple[tuple[int, int], ...] = ()
    frames: NDArray[np.int64]
    points_px: NDArray[np.float32]
    confidence: NDArray[np.float32]
    score: NDArray[np.float32]
    identity: NDArray[np.int32]
    identity_names: tuple[str, ...] = ()
    hand: NDArray[np.bool_]
    first_number: int = 0

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def num_joints(self) -> int:
        """J."""
        return self.points_px.shape[1]

    @property
    def num_frames(self) -> int:
        """One more than the last frame with a detection; 0 without any."""
        return int(self.frames[-1]) + 1 if len(self.frames) else 0

    @property
    def is_hand(self) -> bool:
        """Whether every detection was placed by a person."""
        return bool(len(self.hand)) and bool(self.hand.all())


class _Reader(Protocol):
    def __call__(
        self,
        path: Path,
        *,
        camera: str | None,
        first_number: int | None,
        joints: Sequence[str] | None,
    ) -> CameraDetections: ...


def read_detections(
    format: str,
    path: Path,
    *,
    camera: str | None = None,
    first_number: int | None = None,
    joints: Sequence[str] | None = None,
) -> CameraDetections:
    """Read the 2D keypoints of one camera.

    Args:
        format: a key of `DETECTION_FORMATS`.
        path: a file, or for OpenPose a folder.
        camera: its name; picks the camera where a file holds several.
        first_number: the frame number that is frame 0; None = inferred, as the format has it.
        joints: joint names in the file's order, where the file has none.

    Raises:
        DataError: naming the file, the field, what was expected and found, and the remedy.
    """
    return _reader(format)(path, camera=camera, first_number=first_number, joints=joints)


def _reader(name: str) -> _Reader:
    # Imported when asked for: a format's libraries stay out of the others' way.
    if name == "openpose":
        from core.formats.openpose import read_openpose as reader
    elif name == "alphapose":
        from core.formats.alphapose import read_alphapose as reader
    elif name == "coco":
        from core.formats.coco import read_coco as reader
    elif name == "sleap":
        from core.formats.sleap import read_sleap as reader
    elif name == "dlc":
        from core.formats.deeplabcut import read_deeplabcut as reader
    else:
        raise DataError(
            "detections",
            "format",
            expected=" or ".join(DETECTION_FORMATS),
            found=repr(name),
            remedy="Write FORMAT:PATH or FORMAT:CAM=PATH.",
        )
    return reader


def collect(
    source: Path,
    *,
    numbers: Sequence[int] | NDArray[np.int64],
    points_px: NDArray[np.floating[Any]],
    confidence: NDArray[np.floating[Any]] | None,
    first_number: int,
    absent_at_zero: bool = True,
    score: NDArray[np.floating[Any]] | None = None,
    identity: NDArray[np.integer[Any]] | None = None,
    hand: NDArray[np.bool_] | bool = False,
    camera: str | None = None,
    joints: Sequence[str] | None = None,
    bones: Sequence[tuple[int, int]] = (),
    identity_names: Sequence[str] = (),
) -> CameraDetections:
    """Put a reader's rows, in any order, into the common value; rows without a joint are left out.

    Args:
        source: named in errors.
        numbers: (N,) frame numbers as the file counts them.
        points_px: (N, J, 2); not finite = absent.
        confidence: (N, J); None where the format has none.
        first_number: the number of frame 0.
        absent_at_zero: whether a joint without a confidence above 0 is absent.
        score: (N,) or None.
        identity: (N,) or None.
        hand: (N,), or one for all.
        camera: its name.
        joints: J names; must be as many as the file's keypoints.
        bones: pairs of joint indices.
        identity_names: names of the identities.

    Raises:
        DataError: where a frame number is before frame 0 or beyond `MAX_FRAME`, or the names do not
            fit the number of joints.
    """
    num_joints = points_px.shape[1]
    names = None if joints is None else tuple(joints)
    if names is not None and len(names) != num_joints:
        raise DataError(
            source,
            "joints",
            expected=f"{len(names)} joints ({', '.join(names[:4])}, …)",
            found=f"{num_joints} keypoints",
            remedy="Name a skeleton with as many joints as the file has keypoints.",
        )
    points, shares, absent = _joints(points_px, confidence, absent_at_zero)
    frames = _frames(source, numbers, first_number)
    count = len(frames)
    someone = np.flatnonzero(np.any(~absent, axis=1))
    order = someone[np.argsort(frames[someone], kind="stable")]
    scores = np.full(count, np.nan) if score is None else score
    tracks = np.full(count, -1) if identity is None else identity
    return CameraDetections(
        camera=camera,
        joints=names,
        bones=tuple((int(a), int(b)) for a, b in bones),
        frames=frames[order],
        points_px=points[order],
        confidence=shares[order],
        score=_finite_float32(scores)[order],
        identity=np.asarray(tracks, dtype=np.int32)[order],
        identity_names=tuple(identity_names),
        hand=np.broadcast_to(np.asarray(hand, dtype=np.bool_), (count,))[order],
        first_number=first_number,
    )


def _joints(
    points_px: NDArray[np.floating[Any]],
    confidence: NDArray[np.floating[Any]] | None,
    absent_at_zero: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Points (N, J, 2) and confidence (N, J) with NaN where absent, and (N, J) where that is."""
    with np.errstate(over="ignore", invalid="ignore"):
        points = np.array(points_px, dtype=np.float32)
        given = np.nan if confidence is None else confidence
        shares = np.array(np.broadcast_to(given, points.shape[:2]), dtype=np.float32)
    absent = np.any(~np.isfinite(points), axis=-1)
    if confidence is not None and absent_at_zero:
        absent |= ~(shares > 0)
    points[absent] = np.nan
    shares[absent] = np.nan
    return points, shares, absent


def _frames(
    source: Path, numbers: Sequence[int] | NDArray[np.int64], first_number: int
) -> NDArray[np.int64]:
    """0-based frames; numbers must have been checked to fit 64 bits by `frame_number`."""
    frames = np.asarray(numbers, dtype=np.int64) - first_number
    if len(frames) and (frames.min() < 0 or frames.max() > MAX_FRAME):
        wrong = int(frames.min() if frames.min() < 0 else frames.max()) + first_number
        raise DataError(
            source,
            "frame number",
            expected=f"numbers from {first_number} to {MAX_FRAME}",
            found=str(wrong),
            remedy="Give the number of the first frame, or correct the file's numbering.",
        )
    return frames


def _finite_float32(values: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        array = np.array(values, dtype=np.float32)
    array[~np.isfinite(array)] = np.nan
    return array


def split_triplets(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N, 3J) x, y, c, x, y, c, … as points (N, J, 2) and confidence (N, J)."""
    triplets = values.reshape(len(values), values.shape[1] // 3, 3)
    return triplets[..., :2], triplets[..., 2]


class KeypointTable:
    """Rows of 3J numbers from lists that a file may have filled with anything."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.num_joints: int | None = None
        self._rows: list[NDArray[np.float64]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, values: object, field: str) -> None:
        """Take the flat list ``[x, y, c] x J`` of one detection.

        Raises:
            DataError: where it is no such list, or J differs from that of the rows before.
        """
        row = _flat_numbers(values)
        if row is None or len(row) % 3 or not 0 < len(row) <= 3 * MAX_JOINTS:
            found = type(values).__name__ if row is None else f"{len(row)} numbers"
            raise DataError(
                self.source,
                field,
                expected=f"a flat list of x, y, confidence for up to {MAX_JOINTS} joints",
                found=found,
                remedy="Export the keypoints again.",
            )
        if self.num_joints is None:
            self.num_joints = len(row) // 3
        if len(row) != 3 * self.num_joints:
            raise DataError(
                self.source,
                field,
                expected=f"{self.num_joints} joints, as in the detections before",
                found=f"{len(row) // 3} joints",
                remedy="Import the detections of each skeleton by themselves.",
            )
        self._rows.append(row)

    def triplets(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Points (N, J, 2) and confidence (N, J)."""
        if not self._rows:
            return np.zeros((0, 0, 2)), np.zeros((0, 0))
        return split_triplets(np.stack(self._rows))


def _flat_numbers(values: object) -> NDArray[np.float64] | None:
    if not isinstance(values, list):
        return None
    try:
        row = np.asarray(values)
        if row.dtype.kind not in "fiub":  # None for an absent number is common; text is not
            row = np.asarray([np.nan if v is None else v for v in values])
    except (ValueError, TypeError, OverflowError):
        return None
    if row.ndim != 1 or row.dtype.kind not in "fiub":
        return None
    return row.astype(np.float64)
