"""A small real project for the tests of the views: 8 cameras about a court, people, pictures.

Everything is made with the tool's own parts (project, recording, detections), no stand-ins. The
pictures show the people where the truth says, so that screenshots can be judged by eye.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.geometry import Camera, Rig
from core.people import GroundTracks, IdentifiedDetections
from core.project import Project, ProjectSpec
from core.recording import FolderSpec
from core.recording.cv import cv2
from core.skeleton import load_skeleton

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# (width, height) of SportCenter's cameras; the last two look straight down.
SIZES = (
    (1376, 992),
    (1536, 896),
    (1536, 896),
    (1328, 1024),
    (1392, 928),
    (1360, 896),
    (1280, 960),
    (1440, 1080),
)
OUTLIER = (3, 2, 5)  # row of the person, camera and joint of one observation that is far off

# A standing person's 13 joints about the ground point, mm: right, ahead, up.
_POSE = np.array(
    [
        (0, 90, 1640),
        (-190, 0, 1430),
        (190, 0, 1430),
        (-300, 30, 1150),
        (300, 60, 1150),
        (-280, 200, 950),
        (280, 260, 1000),
        (-110, 0, 930),
        (110, 0, 930),
        (-130, 60, 500),
        (130, -40, 500),
        (-140, -60, 90),
        (140, 60, 90),
    ],
    dtype=np.float64,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """What is true: (F, P, J, 3) joints in mm, and what the detector said of it."""

    rig: Rig
    persons: tuple[int, ...]
    truth_mm: NDArray[np.float64]
    points_px: NDArray[np.float64]


def look_at(name: str, eye_m: tuple[float, float, float], size: tuple[int, int], focal: float):
    """A camera with a lens like SportCenter's that looks at the court's centre."""
    eye = np.array(eye_m) * 1000
    ahead = np.array([0.0, 0.0, 800.0]) - eye
    ahead /= np.linalg.norm(ahead)
    up = np.array([0.0, 1.0, 0.0]) if abs(ahead[2]) > 0.95 else np.array([0.0, 0.0, 1.0])
    right = np.cross(ahead, up)
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(ahead, right), ahead])
    K = np.array([[focal, 0, size[0] / 2 - 8], [0, focal, size[1] / 2 + 5], [0, 0, 1]])
    return Camera(name, K, np.array([-0.3, 0.09, 0.0, 0.0, -0.012]), R, -R @ eye, size)


def make_rig() -> Rig:
    cameras = [
        look_at(
            f"ace_{i}",
            (15 * np.cos(np.pi * (i + 0.5) / 3), 11 * np.sin(np.pi * (i + 0.5) / 3), 7.5),
            SIZES[i],
            880 + 30 * i,
        )
        for i in range(6)
    ]
    cameras.append(look_at("ace_6", (-3, 0.5, 9.0), SIZES[6], 700))
    cameras.append(look_at("ace_7", (3, -0.5, 9.0), SIZES[7], 700))
    return Rig(tuple(cameras))


def make_world(num_persons: int = 12, num_frames: int = 4, seed: int = 7) -> World:
    rng = np.random.default_rng(seed)
    rig = make_rig()
    ground = rng.uniform((-6, -4), (6, 4), (num_persons, 2)) * 1000
    angle = rng.uniform(0, 2 * np.pi, num_persons)
    speed = rng.normal(0, 60, (num_persons, 2))
    truth = np.empty((num_frames, num_persons, 13, 3))
    for frame in range(num_frames):
        for row in range(num_persons):
            c, s = np.cos(angle[row]), np.sin(angle[row])
            pose = _POSE + np.random.default_rng((seed, row)).normal(0, 40, _POSE.shape)
            turned = pose @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
            turned[:, :2] += ground[row] + frame * speed[row]
            truth[frame, row] = turned
    points = rig.project(truth)
    for camera, (width, height) in enumerate(SIZES):
        seen = points[:, :, camera]
        outside = (seen < 0) | (seen > (width, height))
        points[:, :, camera][outside.any(axis=-1)] = np.nan
    points += rng.normal(0, 1.2, points.shape)
    points[rng.random(points.shape[:-1]) < 0.06] = np.nan
    row, camera, joint = OUTLIER
    points[:, row, camera, joint] += (60.0, -35.0)
    return World(rig=rig, persons=tuple(range(num_persons)), truth_mm=truth, points_px=points)


def make_project(path: Path, world: World, *, without: tuple[str, ...] = ()) -> Project:
    """The world as a project; cameras in ``without`` have no pictures, frame 2 of ace_1 neither."""
    num_frames = len(world.truth_mm)
    sources = {}
    for index, camera in enumerate(world.rig):
        if camera.name in without:
            continue
        folder = path.parent / "pictures" / camera.name
        folder.mkdir(parents=True)
        for frame in range(num_frames):
            if (camera.name, frame) != ("ace_1", 2):
                (folder / f"{frame:06d}.jpg").write_bytes(picture_file(world, index, frame))
        sources[camera.name] = FolderSpec(directory=folder)
    project = Project.create(
        path,
        ProjectSpec(
            name="views",
            rig=world.rig,
            skeleton=load_skeleton("sportcenter13"),
            num_frames=num_frames,
            first_frame_number=1,
            sources=sources,
        ),
    )
    project.write_tracks(make_tracks(world))
    project.add_import(make_detections(world), "the test's world")
    return project


def make_tracks(world: World) -> GroundTracks:
    num_frames, num_persons = world.truth_mm.shape[:2]
    ground = world.truth_mm.mean(axis=2) * (1, 1, 0)
    return GroundTracks.from_rows(
        np.tile(world.persons, num_frames),
        np.repeat(np.arange(num_frames), num_persons),
        ground.reshape(-1, 3),
        source="test",
    )


def make_detections(world: World) -> IdentifiedDetections:
    points = world.points_px.transpose(0, 2, 1, 3, 4)  # F, C, P, J, 2
    num_frames, num_cameras, _, num_joints = points.shape[:4]
    frame, camera, person = np.meshgrid(
        np.arange(num_frames), np.arange(num_cameras), np.array(world.persons), indexing="ij"
    )
    rows = points.reshape(-1, num_joints, 2).astype(np.float32)
    confidence = np.where(np.isfinite(rows).all(axis=-1), 0.9, np.nan).astype(np.float32)
    count = len(rows)
    bystander = {
        "frame": np.zeros(1),
        "camera": np.zeros(1),
        "person": np.array([-1]),
    }
    shifted = rows[:1] + np.float32(120)
    order = np.argsort(np.r_[bystander["frame"], frame.ravel()], kind="stable")
    return IdentifiedDetections(
        frame=np.r_[bystander["frame"], frame.ravel()].astype(np.int32)[order],
        camera=np.r_[bystander["camera"], camera.ravel()].astype(np.int16)[order],
        person=np.r_[bystander["person"], person.ravel()].astype(np.int32)[order],
        points_px=np.concatenate([shifted, rows])[order],
        confidence=np.concatenate([confidence[:1], confidence])[order],
        score=np.full(count + 1, 0.8, dtype=np.float32),
        is_hand=np.zeros(count + 1, dtype=np.bool_),
    )


# Many tests make a project of their own of the same world, and drawing is nearly all it costs.
_drawn: dict[tuple[int, bytes, bytes], bytes] = {}


def picture_file(world: World, camera: int, frame: int) -> bytes:
    """The picture as a JPEG file, drawn once."""
    key = (camera, world.rig.projections[camera].tobytes(), world.truth_mm[frame].tobytes())
    if key not in _drawn:
        _, encoded = cv2.imencode(".jpg", draw_picture(world, camera, frame))
        _drawn[key] = encoded.tobytes()
    return _drawn[key]


def draw_picture(world: World, camera: int, frame: int) -> NDArray[np.uint8]:
    """A floor with a grid, and each person as a thick stick figure (BGR)."""
    width, height = SIZES[camera]
    shade = np.linspace(205, 165, height)[:, None, None] * (0.93, 0.98, 1.0)
    picture = np.ascontiguousarray(np.broadcast_to(shade, (height, width, 3))).astype(np.uint8)
    view = world.rig[camera]
    along = np.linspace(-8000, 8000, 65)
    for at in np.linspace(-8000, 8000, 17):
        for line in (
            np.stack([along, np.full(65, at), np.zeros(65)], axis=-1),
            np.stack([np.full(65, at), along, np.zeros(65)], axis=-1),
        ):
            ends = view.project(line[np.abs(line[:, 1]) <= 5000])
            ends = ends[np.isfinite(ends).all(axis=-1)]
            cv2.polylines(picture, [np.int32(ends.round())], False, (150, 130, 120), 1, cv2.LINE_AA)
    joints = view.project(world.truth_mm[frame])
    for row, person in enumerate(joints):
        color = (60, 60, 160) if row % 2 else (140, 90, 50)
        for a, b in load_skeleton("sportcenter13").bones:
            if np.isfinite(person[[a, b]]).all():
                ends = np.int32(person[[a, b]].round())
                cv2.line(picture, ends[0].tolist(), ends[1].tolist(), color, 9, cv2.LINE_AA)
    return picture
