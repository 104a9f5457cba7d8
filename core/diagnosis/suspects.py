"""From figures to accusations: each names a camera, what is wrong with it, and why so.

A false accusation costs a user a day of looking for nothing, so every rule is either a fact (two
equal calibrations, unequal lengths) or has a wide margin (`core.diagnosis.strain`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.diagnosis.strain import Strain, agreement_of, find_strained
from core.diagnosis.swaps import exchanged, find_swap, is_disagreement, rig_noise_px

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from core.geometry import Camera, Rig

_SAME_DEGREES = 0.01
_SAME_SHARE = 1e-4  # of the rig's extent: no two housings fit into one another
_CLEARLY = 2.0
_NEAREST_RIG_MM, _FARTHEST_RIG_MM = 10.0, 1e6

Kind = Literal[
    "contradicted",
    "swapped",
    "disagreement",
    "same_calibration",
    "frame_count",
    "no_pictures",
    "missing_pictures",
    "picture_size",
    "principal_point",
    "units",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """One thing that is wrong.

    Attributes:
        camera: the camera's name; empty where it is the rig as a whole.
        kind: what sort of thing.
        other: the camera it is compared with; empty for none.
        sentence: what, why it is thought so, and what to look at.
    """

    camera: str
    kind: Kind
    other: str = ""
    sentence: str


def picture_suspects(
    problems: Mapping[str, str], missing: Mapping[str, Sequence[int]]
) -> list[Suspect]:
    """Pictures that are gone.

    Args:
        problems: why a camera's pictures cannot be opened, by its name.
        missing: frame numbers without a picture amid the others, by the camera's name.
    """
    found = [
        Suspect(camera=name, kind="no_pictures", sentence=f"{name} has lost its pictures: {why}")
        for name, why in problems.items()
    ]
    for name, numbers in missing.items():
        if numbers:
            listed = ", ".join(map(str, numbers[:5])) + (" …" if len(numbers) > 5 else "")
            sentence = (
                f"{name} lacks {len(numbers)} picture{'s' * (len(numbers) > 1)} in between: "
                f"frame {listed}. Views without a picture are blank; nothing is shifted."
            )
            found.append(Suspect(camera=name, kind="missing_pictures", sentence=sentence))
    return found


def recording_suspects(
    rig: Rig, frame_counts: Mapping[str, int], picture_sizes: Mapping[str, tuple[int, int]]
) -> list[Suspect]:
    """Lengths that differ, and pictures that the calibration is not of."""
    found: list[Suspect] = []
    if frame_counts:
        usual = Counter(frame_counts.values()).most_common(1)[0][0]
        for name, count in frame_counts.items():
            if count != usual:
                sentence = (
                    f"{name} has {count} frames, the others {usual}: it may be cut, or start at "
                    "another time."
                )
                found.append(Suspect(camera=name, kind="frame_count", sentence=sentence))
    for camera in rig:
        size = picture_sizes.get(camera.name)
        if size is not None and camera.size_px is not None and tuple(size) != camera.size_px:
            found.append(_wrong_size(camera.name, size, camera.size_px))
    return found


def _wrong_size(name: str, size: tuple[int, int], calibrated: tuple[int, int]) -> Suspect:
    ratio = size[0] / calibrated[0]
    cut = (calibrated[0] - size[0], calibrated[1] - size[1])
    # One side is off by a rounding at most where pictures were scaled.
    if (
        abs(size[1] - ratio * calibrated[1]) <= 1
        or abs(size[0] - calibrated[0] * (size[1] / calibrated[1])) <= 1
    ):
        remedy = f"they were scaled by {ratio:.3g}, and the calibration was not."
    elif min(cut) >= 0 and max(cut) <= 16:
        remedy = (
            f"{' and '.join(f'{n} px of {side}' for n, side in _sides(cut))} are missing, as when "
            "an encoder cuts a picture to a round size. If they were cut at the left or the top, "
            "the principal point is off by as much."
        )
    elif size == calibrated[::-1]:
        remedy = "they are turned by 90°, or width and height of the calibration are swapped."
    else:
        remedy = "they were cropped, or the calibration is another camera's."
    sentence = (
        f"{name}'s pictures are {size[0]} x {size[1]}, its calibration is for "
        f"{calibrated[0]} x {calibrated[1]}: {remedy}"
    )
    return Suspect(camera=name, kind="picture_size", sentence=sentence)


def _sides(cut: tuple[int, int]) -> list[tuple[int, str]]:
    return [(n, side) for n, side in zip(cut, ("width", "height"), strict=True) if n]


def calibration_suspects(rig: Rig, points_px: NDArray[np.float64]) -> list[Suspect]:
    """What is wrong with the calibration, by itself and against observations.

    Args:
        rig: the calibration.
        points_px: (N, C, J, 2) undistorted pixels; NaN = none.
    """
    found = [suspect for camera in rig for suspect in _wrong_principal_point(camera)]
    found += _wrong_units(rig)
    copies: dict[int, int] = {}
    for a, b in combinations(range(len(rig)), 2):
        if _same_pose(rig, a, b):
            wrong, right = _who_is_wrong(rig, points_px, a, b)
            copies[wrong] = right
    for wrong, right in copies.items():
        found.append(_copied(rig, points_px, wrong, right))
    strained = find_strained(points_px, rig.projections, exclude=tuple(copies))
    swap = None if copies else find_swap(rig, points_px, strained)
    if swap is not None:
        found.append(_swapped(rig, points_px, *swap))
        strained = find_strained(exchanged(rig, points_px, *swap), rig.projections)
    found += [_contradicted(rig.names[c], strain) for c, strain in strained.items()]
    if not found:
        found += _disagreement(rig, points_px)
    return found


def _swapped(rig: Rig, points_px: NDArray[np.float64], a: int, b: int) -> Suspect:
    name, other = rig.names[a], rig.names[b]
    before = rig_noise_px(rig, points_px)
    after = rig_noise_px(rig, exchanged(rig, points_px, a, b))
    told = f"agree to {before:.0f} px" if np.isfinite(before) else "contradict one another"
    sentence = (
        f"{name} and {other} are swapped: as they are the cameras {told}, with the observations "
        f"of the two exchanged to {after:.1f} px. Give each camera its own detections and "
        "pictures (CAM=PATH), or exchange the two in the calibration."
    )
    return Suspect(camera=name, kind="swapped", other=other, sentence=sentence)


def _disagreement(rig: Rig, points_px: NDArray[np.float64]) -> list[Suspect]:
    noise_px = rig_noise_px(rig, points_px)
    if not is_disagreement(rig, noise_px):
        return []
    told = f"to {noise_px:.0f} px only" if np.isfinite(noise_px) else "on hardly any point"
    sentence = (
        f"The cameras agree {told}, and no one or two of them explain it. Check that each camera "
        "has its own detections, that all start at the same moment, and that the calibration is "
        "this recording's."
    )
    return [Suspect(camera="", kind="disagreement", sentence=sentence)]


def _contradicted(name: str, strain: Strain) -> Suspect:
    if np.isfinite(strain.strain):
        fact = (
            f"its observations lie {strain.residual_px:.0f} px (median) from where the other "
            f"cameras put them, {strain.strain:.0f} times as far as their agreement to "
            f"{strain.noise_px:.1f} px allows"
        )
    else:
        fact = (
            "the other cameras, which agree with one another to "
            f"{strain.noise_px:.1f} px, put most of what it sees behind it"
        )
    sentence = (
        f"{name} is contradicted by the other cameras: {fact}. Its calibration is wrong (another "
        "camera's, a transposed rotation, the principal point's sign), or its pictures are not "
        "of the same moment."
    )
    return Suspect(camera=name, kind="contradicted", sentence=sentence)


def _same_pose(rig: Rig, a: int, b: int) -> bool:
    """Whether two cameras stand in one place and look one way, which only copies do."""
    cosine = (np.trace(rig[a].R @ rig[b].R.T) - 1) / 2
    degrees = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    centers = np.stack([camera.center_mm for camera in rig])
    extent = float(np.linalg.norm(np.ptp(centers, axis=0)))
    apart = float(np.linalg.norm(centers[a] - centers[b]))
    return bool(degrees < _SAME_DEGREES and apart <= _SAME_SHARE * max(extent, 1.0))


def _who_is_wrong(rig: Rig, points_px: NDArray[np.float64], a: int, b: int) -> tuple[int, int]:
    """Of two cameras with one pose the one that agrees less with the rest, then the other."""
    rest = [c for c in range(len(rig)) if c not in (a, b)]
    with_a, with_b = (agreement_of([*rest, c], points_px, rig.projections) for c in (a, b))
    return (b, a) if with_b.noise_px > with_a.noise_px else (a, b)


def _copied(rig: Rig, points_px: NDArray[np.float64], wrong: int, right: int) -> Suspect:
    name, original = rig.names[wrong], rig.names[right]
    rest = [c for c in range(len(rig)) if c not in (wrong, right)]
    with_wrong, with_right = (
        agreement_of([*rest, c], points_px, rig.projections).noise_px for c in (wrong, right)
    )
    if with_wrong > _CLEARLY * max(with_right, 1.0):
        verdict = (
            f"With {original} the other cameras agree to {with_right:.1f} px, with {name} to "
            f"{with_wrong:.1f} px, so {name} is the copy. Calibrate {name} again."
        )
    else:
        verdict = (
            f"The observations do not tell which of {name} and {original} is wrong. Calibrate "
            "both again."
        )
    sentence = (
        f"{name}'s calibration equals {original}'s, and two cameras cannot be in one place. "
        f"{verdict}"
    )
    return Suspect(camera=name, kind="same_calibration", other=original, sentence=sentence)


def _wrong_principal_point(camera: Camera) -> list[Suspect]:
    cx, cy = float(camera.K[0, 2]), float(camera.K[1, 2])
    width, height = camera.size_px or (np.inf, np.inf)
    if 0 <= cx < width and 0 <= cy < height:
        return []
    sentence = (
        f"{camera.name}'s principal point ({cx:.0f}, {cy:.0f}) lies outside its picture: check "
        "its sign, and whether K was transposed."
    )
    return [Suspect(camera=camera.name, kind="principal_point", sentence=sentence)]


def _wrong_units(rig: Rig) -> list[Suspect]:
    if len(rig) < 2:
        return []
    centers = np.stack([camera.center_mm for camera in rig])
    extent = float(np.linalg.norm(np.ptp(centers, axis=0)))
    if extent == 0 or _NEAREST_RIG_MM <= extent <= _FARTHEST_RIG_MM:
        return []
    sentence = (
        f"The cameras stand within {extent:.3g} mm of one another: the calibration's lengths are "
        "hardly in the unit that they were read in."
    )
    return [Suspect(camera="", kind="units", sentence=sentence)]
