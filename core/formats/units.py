"""Lengths of other tools' files in millimetres.

Most formats say their unit. Anipose's TOML does not: it has that of the calibration board, usually
millimetres, and Pose2Sim writes the same keys in metres. Cameras stand between a hand's breadth
and a stadium apart, which tells the two apart but for rigs far smaller or larger than any known.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.geometry.camera import Rig

MM_PER_UNIT = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
# Cameras 40 units apart are 4 cm apart in mm and 40 m in m: the least plausible place to divide.
_METRES_BELOW = 40.0


def in_mm(rig: Rig, unit: str) -> Rig:
    """The rig whose translations are given in `unit`, in millimetres."""
    factor = MM_PER_UNIT[unit]
    return Rig(tuple(replace(camera, t_mm=camera.t_mm * factor) for camera in rig))


def guess_unit(rig: Rig) -> tuple[str, float]:
    """The plausible unit of a rig's translations: m or mm.

    Returns:
        the unit; and the largest distance between two cameras (of one camera to the origin where
        there is no other), in that unit, which is what it was told from.
    """
    centers = np.stack([camera.center_mm for camera in rig])
    spread = float(np.linalg.norm(centers[:, None] - centers[None], axis=-1).max())
    if spread == 0:
        spread = float(np.linalg.norm(centers[0]))
    return ("m" if 0 < spread < _METRES_BELOW else "mm"), spread
