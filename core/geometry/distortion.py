"""OpenCV's lens model, written once for numpy arrays and torch tensors alike.

Coefficients are (k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4) or a prefix of 0, 4, 5, 8 or 12.
Points are normalised camera coordinates x/z, y/z. Only arithmetic is used, so the same lines are
differentiable under torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

NUM_COEFFICIENTS = (0, 4, 5, 8, 12)


def distort(x: Any, y: Any, coefficients: Sequence[float]) -> tuple[Any, Any]:  # noqa: ANN401
    """Bend normalised points as the lens does (any shape, arrays or tensors)."""
    if not len(coefficients):
        return x, y
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = [*coefficients, *[0.0] * 12][:12]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    if k4 or k5 or k6:
        radial = radial / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + r2 * (s1 + s2 * r2)
    yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + r2 * (s3 + s4 * r2)
    return xd, yd
