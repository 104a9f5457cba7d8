"""A tiny recording made in memory: people of coloured dots before a ramp that tells its place."""

import threading
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from core.geometry import Rig
from core.learning.data.groups import Group, GroupList
from core.learning.data.posedata import PoseData
from core.recording.cv import cv2
from core.recording.errors import MissingFrameError, UnreadableImageError
from core.skeleton import Skeleton
from tests.geometry.camera_rigs import look_at

SIZE = (640, 480)
SKELETON = Skeleton(
    name="three",
    joints=("head", "left_hand", "right_hand"),
    bones=((0, 1), (0, 2)),
)
COLORS = np.array([(250, 40, 40), (40, 250, 40), (40, 40, 250)], np.uint8)
_OFFSETS_MM = np.array([(0.0, 0.0, 700.0), (-250.0, 100.0, 0.0), (300.0, -50.0, -200.0)])


def small_rig(turn: float = 0.0) -> Rig:
    """Three cameras of 640 x 480 around the origin; the second has a lens."""
    cameras = []
    for index, distortion in enumerate(((), (-0.2, 0.05, 0.001, -0.002), ())):
        angle = turn + 2.1 * index
        center = (6000 * np.cos(angle), 6000 * np.sin(angle), 2000.0 + 300 * index)
        camera = look_at(
            f"cam_{index}", center, focal_px=600.0, distortion=distortion, size_px=None
        )
        K = np.array([[600.0, 0, 319.5], [0, 600.0, 239.5], [0, 0, 1]])
        cameras.append(type(camera)(camera.name, K, camera.distortion, camera.R, camera.t_mm, SIZE))
    return Rig(tuple(cameras))


def ramp(width: int = SIZE[0], height: int = SIZE[1]) -> np.ndarray:
    """Red grows with x, green with y, from 0 to 255 over the picture; blue is 128."""
    picture = np.full((height, width, 3), 128, np.uint8)
    picture[..., 0] = np.round(np.linspace(0, 255, width))
    picture[..., 1] = np.round(np.linspace(0, 255, height))[:, None]
    return picture


@dataclass
class DotRecording:
    """People standing near the origin, drawn as a dot for each joint; made when read."""

    name: str = "dots"
    rig: Rig = field(default_factory=small_rig)
    skeleton: Skeleton = SKELETON
    missing: frozenset = frozenset()
    damaged: frozenset = frozenset()
    faulty: bool = False
    stored: tuple = SIZE
    reads: Counter = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def points_mm(self, person: int, frame: int) -> np.ndarray:
        place = np.array([400.0 * person - 600.0, 150.0 * frame - 300.0, 1000.0])
        return place + _OFFSETS_MM

    def label_px(self, person: int, frame: int) -> np.ndarray:
        return np.full((len(self.rig), 3, 2), np.nan)

    def rejected_joints(self, person: int, frame: int) -> np.ndarray:
        return np.array([person == 1 and frame == 2, False, False])

    def boxes_px(self, person: int, frame: int) -> np.ndarray:
        points = self.rig.project(self.points_mm(person, frame))
        boxes = np.concatenate([points.min(axis=1) - 12, points.max(axis=1) + 12], axis=-1)
        if person == 2:
            boxes[1] = np.nan  # nobody sees them there
        return boxes

    def picture_key(self, camera: int, frame: int) -> str:
        return f"{self.name}/{self.rig.names[camera]}/{frame}"

    def read(self, camera: int, frame: int, size_px: tuple | None = None) -> np.ndarray:
        with self.lock:
            self.reads[camera, frame] += 1
        place = f"{self.name}: {self.rig.names[camera]}, frame {frame}"
        told = {"expected": "a picture", "found": "none", "remedy": "Copy it."}
        if (camera, frame) in self.missing:
            raise MissingFrameError(place, **told)
        if (camera, frame) in self.damaged:
            raise UnreadableImageError(place, **told)
        if self.faulty:
            raise OSError("the disk is gone")
        picture = ramp()
        for person in range(3):
            points = self.rig[camera].project(self.points_mm(person, frame))
            for (x, y), color in zip(np.round(points).astype(int), COLORS, strict=True):
                picture[max(0, y - 5) : y + 6, max(0, x - 5) : x + 6] = color
        if self.stored != SIZE:
            return cv2.resize(picture, self.stored, interpolation=cv2.INTER_AREA)
        return picture


def data_of(*recordings: DotRecording) -> PoseData:
    """Five frames of three people in each recording: two labelled, two unlabelled, one held out."""

    def groups(*frames: int) -> GroupList:
        return GroupList.of(
            Group(recording, person, frame)
            for recording in range(len(recordings))
            for frame in frames
            for person in range(3)
        )

    return PoseData(
        name="dots",
        recordings=recordings,
        skeleton=SKELETON,
        labelled=groups(0, 1),
        unlabelled=groups(2, 3),
        held_out=groups(4),
    )
