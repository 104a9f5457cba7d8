"""A small crowd on a court with known truth: people who walk, cross and stand close, as seen by
cameras around them, with noise, missing detections and bystanders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.formats.detections import CameraDetections, collect
from core.geometry import Camera, Rig
from core.people import GroundTracks
from core.skeleton import load_skeleton

JOINTS = load_skeleton("sportcenter13").joints
# x to the left, z up, mm: a standing body
BODY = np.array(
    [
        *[(0, 100, 1620), (180, 0, 1440), (-180, 0, 1440), (250, 50, 1150), (-250, 50, 1150)],
        *[(230, 200, 930), (-230, 200, 930), (100, 0, 930), (-100, 0, 930)],
        *[(110, 60, 500), (-110, 60, 500), (110, 0, 90), (-110, 0, 90)],
    ],
    dtype=np.float64,
)


def look_at(name: str, eye, target, focal=900.0, size=(1376, 928), k1=-0.15) -> Camera:
    eye, target = np.asarray(eye, float), np.asarray(target, float)
    ahead = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(ahead, (0, 0, 1) if abs(ahead[2]) < 0.99 else (0, 1, 0))
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(ahead, right), ahead])
    K = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]])
    return Camera(name, K, np.array([k1, 0.02, 0, 0, 0]), R, -R @ eye, size)


def court_rig(num_cameras: int = 6) -> Rig:
    """Cameras 7.5 m high around a court, as in SportCenter; a seventh looks straight down."""
    angles = 2 * np.pi * (np.arange(min(num_cameras, 6)) + 0.3) / min(num_cameras, 6)
    cameras = [
        look_at(f"ace_{i}", (15000 * np.cos(a), 10000 * np.sin(a), 7500), (0, 0, 800))
        for i, a in enumerate(angles)
    ]
    if num_cameras > 6:
        cameras.append(look_at("ace_6", (100, 0, 7500), (0, 0, 0), focal=600.0))
    return Rig(tuple(cameras))


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """detections: one per camera; truth: (N,) per camera, person of each row, -1 = bystander."""

    rig: Rig
    detections: list[CameraDetections]
    truth: list[np.ndarray]
    tracks: GroundTracks


def make_crowd(
    *,
    num_people: int = 8,
    num_frames: int = 60,
    num_cameras: int = 6,
    noise_px: float = 3.0,
    missing: float = 0.15,
    num_bystanders: int = 1,
    spread_mm: float = 3500.0,
    fps: float = 25.0,
    track_noise_mm: float = 80.0,
    seed: int = 0,
) -> Crowd:
    rng = np.random.default_rng(seed)
    rig = court_rig(num_cameras)
    ground = _walks(rng, num_people, num_frames, spread_mm, fps)
    bodies = _bodies(rng, ground, fps)  # (F, P, J, 3)
    px = rig.project(bodies)  # (F, P, C, J, 2)
    detections, truth = [], []
    for c, camera in enumerate(rig):
        rows = []
        for f in range(num_frames):
            for p in range(num_people):
                seen = px[f, p, c] + rng.normal(0, noise_px, (13, 2))
                inside = ((seen > 0) & (seen < camera.size_px)).all(axis=-1)
                if rng.random() < missing or inside.sum() < 6:
                    continue
                seen[~inside | (rng.random(13) < 0.1)] = np.nan
                rows.append((f, p, seen, 0.3 + 0.6 * rng.random(13)))
            # Each view has bystanders of its own: no place in space explains them.
            for b in range(num_bystanders):
                place = np.array([150.0 + 90 * c + 300 * b, 120.0 + 30 * c])
                shape = BODY[:, [0, 2]] * (0.06, -0.06) + place
                rows.append((f, -1, shape + rng.normal(0, 2, (13, 2)), np.full(13, 0.8)))
        rng.shuffle(rows)
        found = collect(
            Path("crowd"),
            numbers=[r[0] for r in rows],
            points_px=np.array([r[2] for r in rows]),
            confidence=np.array([r[3] for r in rows]),
            first_number=0,
            joints=JOINTS,
        )
        order = np.argsort([r[0] for r in rows], kind="stable")
        detections.append(found)
        truth.append(np.array([r[1] for r in rows])[order])
    frames, people = np.divmod(np.arange(num_frames * num_people), num_people)
    places = ground[frames, people] + rng.normal(0, track_noise_mm, (len(frames), 2))
    tracks = GroundTracks.from_rows(people, frames, places)
    return Crowd(rig=rig, detections=detections, truth=truth, tracks=tracks)


def _walks(rng, num_people, num_frames, spread_mm, fps) -> np.ndarray:
    """(F, P, 2) smooth paths at up to a few metres a second that cross each other."""
    time = np.arange(num_frames)[:, None] / fps
    path = np.zeros((num_frames, num_people, 2))
    for axis in range(2):
        for _ in range(3):
            rate, phase = rng.uniform(0.3, 1.2, num_people), rng.uniform(0, 6.3, num_people)
            size = spread_mm * rng.uniform(0.3, 0.7, num_people)
            path[..., axis] += size * np.sin(rate * time + phase)
    return path


def _bodies(rng, ground, fps) -> np.ndarray:
    """(F, P, J, 3) bodies that turn and swing their limbs."""
    num_frames, num_people = ground.shape[:2]
    time = np.arange(num_frames)[:, None] / fps
    turn = rng.uniform(0, 6.3, num_people) + rng.uniform(-1, 1, num_people) * time
    swing = np.sin(7 * time + rng.uniform(0, 6.3, num_people))[..., None]
    body = np.broadcast_to(BODY, (num_frames, num_people, 13, 3)).copy()
    sides = np.array([0, 0, 0, 1, -1, 2, -2, 0, 0, -1, 1, -2, 2])
    body[..., 1] += 150 * swing * sides
    body *= rng.uniform(0.95, 1.1, (num_people, 1, 1))
    cos, sin = np.cos(turn)[..., None], np.sin(turn)[..., None]
    x, y = body[..., 0], body[..., 1]
    body[..., 0], body[..., 1] = cos * x - sin * y, sin * x + cos * y
    body[..., :2] += ground[:, :, None]
    return body
