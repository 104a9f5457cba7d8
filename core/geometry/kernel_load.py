"""From pixels and projections to lanes: the gauge, and the blocks of joints.

The gauge is METHOD's, the same for every path and reference, for the homogeneous answer depends
on it wherever views disagree.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from numba import njit

from core.geometry.kernel_lanes import FAST, LANES

if TYPE_CHECKING:
    import numpy as np

# Image points are thousands of pixels inside the kernel.
IMAGE_SCALE = 1e-3


@njit(**FAST)
def gauge(
    projections: np.ndarray, cameras: np.ndarray, centers: np.ndarray, inverse_focal: np.ndarray
) -> None:
    """World in metres around the mean camera centre, |P3| = 1, depth positive ahead.

    Args:
        projections: (G, C, 3, 4) px_from_world, millimetres.
        cameras: (G, C, 12) out.
        centers: (G, 3) out, the mean camera centre in millimetres.
        inverse_focal: (G, C) out: metres at the joint are rows times this.
    """
    for g in range(projections.shape[0]):
        num_views = projections.shape[1]
        for axis in range(3):
            centers[g, axis] = 0.0
        for c in range(num_views):
            P = projections[g, c]
            a = (
                P[1, 1] * P[2, 2] - P[1, 2] * P[2, 1],
                P[0, 2] * P[2, 1] - P[0, 1] * P[2, 2],
                P[0, 1] * P[1, 2] - P[0, 2] * P[1, 1],
            )
            b = (
                P[1, 2] * P[2, 0] - P[1, 0] * P[2, 2],
                P[0, 0] * P[2, 2] - P[0, 2] * P[2, 0],
                P[0, 2] * P[1, 0] - P[0, 0] * P[1, 2],
            )
            d = (
                P[1, 0] * P[2, 1] - P[1, 1] * P[2, 0],
                P[0, 1] * P[2, 0] - P[0, 0] * P[2, 1],
                P[0, 0] * P[1, 1] - P[0, 1] * P[1, 0],
            )
            det = P[0, 0] * a[0] + P[0, 1] * b[0] + P[0, 2] * d[0]
            share = -1.0 / (det * num_views)
            for i in range(3):
                centers[g, 0] += share * a[i] * P[i, 3]
                centers[g, 1] += share * b[i] * P[i, 3]
                centers[g, 2] += share * d[i] * P[i, 3]
            norm = math.sqrt(P[2, 0] ** 2 + P[2, 1] ** 2 + P[2, 2] ** 2)
            # |det M| is the product of the two focal lengths once |P3| = 1.
            inverse_focal[g, c] = math.sqrt(norm**3 / abs(det)) / IMAGE_SCALE
            for i in range(3):
                scale = math.copysign(1.0 / norm, det) * (IMAGE_SCALE if i < 2 else 1.0)
                for j in range(4):
                    cameras[g, c, 4 * i + j] = P[i, j] * scale
        for c in range(num_views):
            for i in range(3):
                shift = cameras[g, c, 4 * i + 3]
                for j in range(3):
                    shift += cameras[g, c, 4 * i + j] * centers[g, j]
                # in metres; the scale of the row is chosen so that |P3| = 1 again
                cameras[g, c, 4 * i + 3] = shift * 1e-3


@njit(nogil=True, error_model="numpy")
def load_pixels(
    points_px: np.ndarray,
    observed: np.ndarray,
    first: int,
    num: int,
    pixels: np.ndarray,
) -> None:
    """Image points and whether they are there, in lanes; lanes past the end repeat the last.

    Compiled with NaN logic in full force: this is where NaN means "not observed".
    """
    num_views, num_joints = points_px.shape[1], points_px.shape[2]
    b, j = first // num_joints, first % num_joints
    for k in range(LANES):
        for c in range(num_views):
            u, v = points_px[b, c, j, 0], points_px[b, c, j, 1]
            # A difference of 0 tells a finite number from infinity and NaN without a call.
            seen = observed[b, c, j] and u - u == 0.0 and v - v == 0.0
            lane = pixels[c * 3 * LANES : (c + 1) * 3 * LANES]
            lane[k] = IMAGE_SCALE * u if seen else 0.0
            lane[LANES + k] = IMAGE_SCALE * v if seen else 0.0
            lane[2 * LANES + k] = 1.0 if seen else 0.0
        if k < num - 1:
            j += 1
            if j == num_joints:
                b, j = b + 1, 0


@njit(**FAST)
def load_cameras(
    cameras: np.ndarray,
    inverse_focal: np.ndarray,
    first: int,
    num: int,
    num_joints: int,
    lanes: np.ndarray,
    lane_focal: np.ndarray,
) -> None:
    """Gauge matrices and focal lengths in lanes, slot c * 12 + i of camera c."""
    many = cameras.shape[0] > 1
    for c in range(cameras.shape[1]):
        for k in range(LANES):
            g = (first + min(k, num - 1)) // num_joints if many else 0
            lane_focal[c * LANES + k] = inverse_focal[g, c]
            for i in range(12):
                lanes[(c * 12 + i) * LANES + k] = cameras[g, c, i]
