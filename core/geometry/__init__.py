"""Cameras, projection and triangulation.

Lengths are millimetres in the world frame; image points are **undistorted** pixels of the full
image unless a name or docstring says raw. Pixel centres are integers (OpenCV's convention).
`robust_triangulate` runs on arrays (numpy, compiled) and on tensors (torch, differentiable);
torch is imported only by those who pass tensors.
"""

from core.geometry.camera import Camera, Rig
from core.geometry.epipolar import epipolar_curve
from core.geometry.volume import WorldBox

__all__ = ["Camera", "Rig", "WorldBox", "epipolar_curve"]
