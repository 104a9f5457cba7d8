"""The eight cameras of the synthetic hall: SportCenter's arrangement, with numbers of our own.

Six cameras look in from the sides, 7 to 8 m high, with the strong barrel distortion of their short
lenses and principal points far off the middle; two hang over the court and look straight down.
At a practice they stand round the court, lower, elsewhere with every seed.
World: millimetres, origin at the court's centre, x across (15 m), y along (28 m), z up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.geometry.camera import Camera, Rig
from core.synthetic.config import CAMERA_NAMES, SynthConfig

OVERHEAD = ("ace_6", "ace_7")


@dataclass(frozen=True, slots=True)
class _Mount:
    center_m: tuple[float, float, float]
    target_m: tuple[float, float, float]
    roll_deg: float
    focal_px: float
    principal: tuple[float, float]
    lens: tuple[float, float, float, float, float]
    size_px: tuple[int, int]


_MOUNTS = {
    "ace_0": _Mount(
        (0.5, 13.7, 7.4), (0.2, -1.2, 0.0), 1.5, 845, (0.49, 0.43),
        (-0.335, 0.118, -0.0012, 0.0006, -0.0130), (1376, 992),
    ),
    "ace_1": _Mount(
        (-7.5, 6.2, 7.6), (3.2, 1.4, 3.6), -2.5, 880, (0.49, 0.22),
        (-0.304, 0.096, 0.0011, 0.0008, -0.0128), (1536, 896),
    ),
    "ace_2": _Mount(
        (-7.4, -6.2, 7.3), (3.0, -1.1, 3.7), 2.0, 940, (0.51, 0.25),
        (-0.293, 0.090, -0.0007, -0.0010, -0.0122), (1536, 896),
    ),
    "ace_3": _Mount(
        (-0.2, -13.6, 7.8), (0.1, 1.0, 0.3), -1.0, 1010, (0.51, 0.40),
        (-0.345, 0.135, -0.0020, 0.0009, -0.0130), (1328, 1024),
    ),
    "ace_4": _Mount(
        (7.4, -6.3, 7.2), (-3.2, -1.0, 3.2), 3.0, 860, (0.51, 0.33),
        (-0.298, 0.093, -0.0010, 0.0009, -0.0127), (1392, 928),
    ),
    "ace_5": _Mount(
        (7.5, 6.1, 7.4), (-3.0, 1.2, 3.4), -3.5, 1060, (0.52, 0.28),
        (-0.305, 0.106, -0.0030, -0.0004, -0.0121), (1360, 896),
    ),
    "ace_6": _Mount(
        (1.4, 6.0, 7.5), (1.35, 6.05, 0.0), 181.0, 850, (0.47, 0.55),
        (-0.320, 0.122, -0.0004, -0.0008, -0.0215), (1312, 1024),
    ),
    "ace_7": _Mount(
        (-1.7, -6.4, 7.6), (-1.75, -6.3, 0.0), 179.0, 845, (0.53, 0.54),
        (-0.316, 0.117, 0.0008, 0.0007, -0.0205), (1344, 1008),
    ),
}  # fmt: skip


def _cam_from_world(mount: _Mount) -> np.ndarray:
    """(3, 3) rotation that looks at the target; y of the court is up where the view is vertical."""
    forward = np.subtract(mount.target_m, mount.center_m)
    forward /= np.linalg.norm(forward)
    up = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.95 else np.array([0.0, -1.0, 0.0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    level = np.stack([right, np.cross(forward, right), forward])
    angle = np.deg2rad(mount.roll_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]) @ level


def _practice_mount(number: int, seed: int) -> _Mount:
    """A tripod at the edge of the hall: an eighth of the way round a camera, 2 to 4.6 m."""
    rng = np.random.default_rng([seed, 7, number])
    angle = np.deg2rad(45.0 * number + rng.uniform(-18, 18))
    ring = np.array([np.cos(angle) * 8.2, np.sin(angle) * 14.5])
    target = rng.uniform(-1, 1, 2) * (3.0, 9.0)
    return _Mount(
        (float(ring[0]), float(ring[1]), float(rng.uniform(2.0, 4.6))),
        (float(target[0]), float(target[1]), float(rng.uniform(0.7, 1.2))),
        float(rng.uniform(-4, 4)),
        float(rng.uniform(720, 980)),
        (float(rng.uniform(0.47, 0.53)), float(rng.uniform(0.45, 0.55))),
        (-0.12, 0.03, 0.0005, -0.0004, -0.002),
        (1280, 960),
    )


def court_camera(name: str, scale: float = 1.0) -> Camera:
    """One camera of the match's hall, its picture scaled; `name` is one of `CAMERA_NAMES`."""
    return _camera(name, _MOUNTS[name], scale)


def _camera(name: str, mount: _Mount, scale: float) -> Camera:
    width, height = (2 * max(1, round(scale * size / 2)) for size in mount.size_px)
    cx, cy = (share * size for share, size in zip(mount.principal, (width, height), strict=True))
    focal = mount.focal_px * scale
    K = np.array([[focal, 0.0, cx], [0.0, focal * 1.011, cy], [0.0, 0.0, 1.0]])
    R = _cam_from_world(mount)
    t_mm = -R @ (1000.0 * np.asarray(mount.center_m))
    return Camera(name, K, np.array(mount.lens), R, t_mm, (width, height))


def court_rig(config: SynthConfig | None = None) -> Rig:
    """The cameras of a config, in its order; the match's eight at full size by default."""
    if config is None:
        return Rig(tuple(court_camera(name) for name in CAMERA_NAMES))
    mounts = _MOUNTS
    if config.setting == "practice":
        mounts = {n: _practice_mount(i, config.seed) for i, n in enumerate(CAMERA_NAMES)}
    return Rig(tuple(_camera(n, mounts[n], config.picture_scale) for n in config.camera_names))
