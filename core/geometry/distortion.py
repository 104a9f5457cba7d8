"""OpenCV's lens model, written once for numpy arrays and torch tensors alike.

Coefficients are (k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4) or a prefix of 0, 4, 5, 8 or 12.
Points are normalised camera coordinates x/z, y/z. Only arithmetic and methods that both kinds
have are used, so the same lines run on either, and are differentiable under torch. A coefficient
may itself be an array: one value per camera, so that a whole rig is bent in one call.

Trap: most lens polynomials *fold over* somewhere: beyond that radius they map far points back
into the image, several real points to one pixel. Nothing outside it may be believed; see
`fold_radius`. It often lies inside the corner of the image (SportCenter's ace_1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NUM_COEFFICIENTS = (0, 4, 5, 8, 12)

_NEWTON_STEPS = 8  # enough, from the table, up to the margin of every lens tried
_CONVERGED = 1e-8  # of a last step; Newton squares it, so the point itself is exact
_MARGIN = 0.995  # of the fold radius: beyond, Newton's steps are too wild to be sure of
_ROOM = 1.004  # for Newton on its way to points near the margin; still short of the fold
_START = 0.97
_FAR_RADIUS = 50.0  # 88.9 degrees off the axis: no lens of this model sees further
_NUM_CELLS = 128

Numbers: TypeAlias = Any
"""An array or a tensor, or a plain float where it is broadcast: whatever has arithmetic."""


def distort(x: Numbers, y: Numbers, coefficients: Sequence[Numbers]) -> tuple[Numbers, Numbers]:
    """Bend normalised points as the lens does (any shape, arrays or tensors; no guard)."""
    if not len(coefficients):
        return x, y
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = _padded(coefficients)
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    if _present(k4, k5, k6):
        radial = radial / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    radial = radial + 2 * (p2 * x + p1 * y)
    xd = x * radial + p2 * r2
    yd = y * radial + p1 * r2
    if _present(s1, s2, s3, s4):
        xd = xd + r2 * (s1 + s2 * r2)
        yd = yd + r2 * (s3 + s4 * r2)
    return xd, yd


def _padded(coefficients: Sequence[Numbers]) -> list[Numbers]:
    return [*coefficients, *[0.0] * 12][:12]


def _present(*coefficients: Numbers) -> bool:
    return not all(isinstance(c, float) and c == 0.0 for c in coefficients)


def newton_step(
    x: Numbers, y: Numbers, xd: Numbers, yd: Numbers, coefficients: Sequence[Numbers]
) -> tuple[Numbers, Numbers, Numbers]:
    """One Newton step of ``distort(x, y) = (xd, yd)``: the better x and y, and the determinant.

    At a solution held constant, the step's derivative by (xd, yd) is the inverse of the lens's
    Jacobian, which is the derivative of undistortion: `core.geometry.torch_lens` uses it so. The
    determinant, of the Jacobian at (x, y), is positive wherever the lens has not folded over.
    """
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = _padded(coefficients)
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    slope = k1 + r2 * (2 * k2 + r2 * (3 * k3))  # d radial / d r2
    if _present(k4, k5, k6):
        below = 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
        radial = radial / below
        slope = (slope - radial * (k4 + r2 * (2 * k5 + r2 * (3 * k6)))) / below
    p2x, p1y = 2 * p2 * x, 2 * p1 * y
    radial = radial + (p2x + p1y)
    miss_x = x * radial + p2 * r2 - xd
    miss_y = y * radial + p1 * r2 - yd
    slope_x = 2 * (x * slope + p2)  # half of d(radial)/dx and of d(r2 p2)/dx share this term
    slope_y = 2 * (y * slope + p1)
    j_xx = radial + x * slope_x + p2x
    j_yy = radial + y * slope_y + p1y
    j_xy = x * slope_y + 2 * p2 * y
    j_yx = y * slope_x + 2 * p1 * x
    if _present(s1, s2, s3, s4):
        miss_x = miss_x + r2 * (s1 + s2 * r2)
        miss_y = miss_y + r2 * (s3 + s4 * r2)
        bend_x, bend_y = 2 * (s1 + 2 * s2 * r2), 2 * (s3 + 2 * s4 * r2)
        j_xx, j_xy = j_xx + bend_x * x, j_xy + bend_x * y
        j_yx, j_yy = j_yx + bend_y * x, j_yy + bend_y * y
    determinant = j_xx * j_yy - j_xy * j_yx
    new_x = x - (j_yy * miss_x - j_xy * miss_y) / determinant
    new_y = y - (j_xx * miss_y - j_yx * miss_x) / determinant
    return new_x, new_y, determinant


def fold_radius(coefficients: Sequence[float]) -> float:
    """The largest radius up to which the lens is one to one; infinity where it never folds.

    Within the disc of this radius (normalised, x² + y² ≤ radius²) the Jacobian's determinant is
    positive in every direction, and so is the radial factor: found by sampling 16 directions out
    to 89 degrees off the axis, then more finely. Half a hundredth is taken off.
    """
    if not any(coefficients):
        return np.inf
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)[:, None]

    def upright(radii: NDArray[np.float64]) -> NDArray[np.bool_]:
        x, y = radii * np.cos(angles), radii * np.sin(angles)
        with np.errstate(all="ignore"):
            determinant = newton_step(x, y, 0.0, 0.0, coefficients)[2]
            xd, yd = distort(x, y, coefficients)
            return ((determinant > 0) & (x * xd + y * yd > 0)).all(axis=0)

    radii = np.sinh(np.linspace(0.0, np.arcsinh(_FAR_RADIUS), 600))[1:]
    folded = ~upright(radii)
    if not folded.any():
        return np.inf
    first = int(np.argmax(folded))
    low, high = (radii[first - 1] if first else 0.0), radii[first]
    for _ in range(3):
        steps = np.linspace(low, high, 64)
        last = int(np.argmin(np.append(upright(steps[1:]), False)))
        low, high = steps[last], steps[min(last + 1, 63)]
    return _MARGIN * float(low)


def start_table(coefficients: Sequence[float], limit: float) -> NDArray[np.float64]:
    """(128,) undistorted over distorted radius, by cells of u = rd / (1 + rd): where Newton starts.

    Started at the distorted point itself, Newton wanders off where the lens curve turns from
    concave to convex before it folds (SportCenter's ace_3). The lower edge of a cell puts the
    start on the side from which Newton comes near without overshooting, for a barrel lens as for
    a pincushion.
    """
    k1, k2, _, _, k3, k4, k5, k6 = _padded(coefficients)[:8]
    radii = np.sinh(np.linspace(0.0, np.arcsinh(min(limit, _FAR_RADIUS)), 2048))
    r2 = radii * radii
    with np.errstate(all="ignore"):
        bent = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        bent = radii * bent / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    bent = np.maximum.accumulate(np.nan_to_num(bent, posinf=1e300))
    u = np.maximum(np.arange(_NUM_CELLS), 1e-3) / _NUM_CELLS  # a cell's lower edge: see below
    distorted = u / (1 - u)
    return np.interp(distorted, bent, radii) / distorted


@dataclass(frozen=True, slots=True, eq=False)
class LensModel:
    """The bending of one lens (plain floats), or of many at once (arrays that broadcast).

    Attributes:
        coefficients: none, or 12 floats or arrays; a coefficient that is 0 everywhere is 0.0.
        limit: the fold radius, float or array.
        table: `start_table` of every lens, one after the other, flat.
        first_cell: where each lens's part of the table begins, int or array.
    """

    coefficients: tuple[Numbers, ...]
    limit: Numbers
    table: Numbers
    first_cell: Numbers

    def within(self, x: Numbers, y: Numbers) -> Numbers:
        """Whether undistorted normalised points lie within the fold radius; False for NaN."""
        return x * x + y * y <= self.limit * self.limit

    def undistort(self, xd: Numbers, yd: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Straighten distorted normalised points: x, y and whether the round trip succeeded.

        Where it did not, because no point within the fold radius is imaged there, x and y mean
        nothing. Newton from a table of the radial part.
        """
        if not len(self.coefficients):
            return xd, yd, xd == xd  # noqa: PLR0124  (False for NaN, in arrays and tensors)
        radius = (xd * xd + yd * yd) ** 0.5
        cell = _whole(radius / (1 + radius) * _NUM_CELLS) + self.first_cell
        # The cap keeps the start away from the fold, where a step may be of any length.
        ratio = self.table[cell]
        ratio = ratio * (_START * self.limit / (radius * ratio + 1e-300)).clip(max=1.0)
        x, y, moved = xd * ratio, yd * ratio, xd
        limit2 = (_ROOM * self.limit) ** 2
        for _ in range(_NEWTON_STEPS):
            new_x, new_y, _determinant = newton_step(x, y, xd, yd, self.coefficients)
            shrink = (limit2 / (new_x * new_x + new_y * new_y + 1e-300)).clip(max=1.0) ** 0.5
            new_x, new_y = new_x * shrink, new_y * shrink
            moved = abs(new_x - x) + abs(new_y - y)
            x, y = new_x, new_y
            if _at_hand(moved) and not (moved > _CONVERGED).any():
                break
        return x, y, (moved <= _CONVERGED) & self.within(x, y)


def _is_array(values: Numbers) -> bool:
    return isinstance(values, np.ndarray | np.generic)


def _at_hand(values: Numbers) -> bool:
    """Whether a look at the values costs nothing; on a GPU it would wait for them."""
    return _is_array(values) or values.device.type == "cpu"


def _whole(values: Numbers) -> Numbers:
    """Cell numbers of 0 ≤ values, NaN going to the first cell."""
    if _is_array(values):
        return np.fmin(np.nan_to_num(values), _NUM_CELLS - 1).astype(np.intp)
    return values.nan_to_num(0.0).clip(max=_NUM_CELLS - 1).long()
