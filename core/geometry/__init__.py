"""Cameras, projection and triangulation.

Lengths are millimetres in the world frame; image points are **undistorted** pixels of the full
image unless a name or docstring says raw. Pixel centres are integers (OpenCV's convention).
`robust_triangulate` runs on arrays (numpy, compiled) and on tensors (torch, differentiable);
neither numba nor torch is imported before it is called. `warm_up` loads the compiled kernels and
belongs on a background thread.
"""

from core.geometry.camera import Camera, Rig
from core.geometry.epipolar import epipolar_curve, epipolar_curves
from core.geometry.triangulation import (
    LeaveOneOut,
    RobustTriangulation,
    estimate_scale_mm,
    leave_one_out,
    point_covariance_mm2,
    robust_triangulate,
    triangulate,
    warm_up,
)
from core.geometry.volume import WorldBox

__all__ = [
    "Camera",
    "LeaveOneOut",
    "Rig",
    "RobustTriangulation",
    "WorldBox",
    "epipolar_curve",
    "epipolar_curves",
    "estimate_scale_mm",
    "leave_one_out",
    "point_covariance_mm2",
    "robust_triangulate",
    "triangulate",
    "warm_up",
]
