"""Everything compiled that a frame needs, loaded before the first frame is shown.

Trap: the compiler makes a variant of the kernel for each type of argument, and read-only or absent
arrays are types of their own. What is warmed up here is therefore the very path that a window
takes, and not the functions of `core.geometry` one by one: a variant that was missed would be
compiled on the window's thread, for seconds, at the first frame.
"""

from __future__ import annotations

import math

import numpy as np

from core.diagnosis.explain import explain_joint
from core.diagnosis.frame import diagnose_frame
from core.diagnosis.uncertainty import joint_uncertainty
from core.geometry import Camera, Rig
from core.observations import FrameObservations, Source
from core.settings import TriangulationSettings

_NUM_CAMERAS = 4


def warm_up() -> None:
    """Diagnose, explain and measure a made-up frame (seconds on a machine's first start)."""
    rig = ring_of_four()
    points = rig.project(np.array([[[0.0, 0.0, 0.0], [100.0, 200.0, 300.0]]]))
    points += np.random.default_rng(0).normal(0, 1, points.shape)
    points[0, 0, 1] += 200.0  # off, and another not seen: the rare branches are compiled too
    points[0, 1, 1] = np.nan
    observations = FrameObservations(
        frame=0,
        persons=(0,),
        points_px=points,
        confidence=np.ones(points.shape[:-1], np.float32),
        source=np.full(points.shape[:-1], Source.NETWORK, np.uint8),
        boxes_px=np.full((1, _NUM_CAMERAS, 4), np.nan),
        ground_mm=np.full((1, 3), np.nan),
    )
    diagnosis = diagnose_frame(observations, rig, TriangulationSettings(scale_mm=None))
    for joint in range(2):
        explain_joint(diagnosis, rig, 0, joint)
        joint_uncertainty(diagnosis, rig, 0, joint)


def ring_of_four() -> Rig:
    """Cameras on a circle of 5 m that look at its middle."""
    K = np.array([[1000.0, 0, 500], [0, 1000, 400], [0, 0, 1]])
    cameras: list[Camera] = []
    for c in range(_NUM_CAMERAS):
        angle = 2 * math.pi * c / _NUM_CAMERAS
        center = 5000.0 * np.array([math.cos(angle), math.sin(angle), 0.0])
        ahead = -center / 5000.0
        right = np.array([-math.sin(angle), math.cos(angle), 0.0])
        R = np.stack([right, np.cross(ahead, right), ahead])
        distortion = np.array([-0.1, 0.01, 0.0, 0.0, 0.0])
        cameras.append(Camera(f"camera_{c}", K, distortion, R, -R @ center, (1000, 800)))
    return Rig(tuple(cameras))
