"""The joints and bones behind a bare number of keypoints, as detectors write them."""

from __future__ import annotations

from typing import NamedTuple

from core.skeleton import load_skeleton


class KeypointSet(NamedTuple):
    """Joint names (None where unknown) and bones as pairs of their indices."""

    joints: tuple[str, ...] | None
    bones: tuple[tuple[int, int], ...]


def keypoint_set(name: str) -> KeypointSet:
    """The joints of one of the skeletons in resources/skeletons."""
    skeleton = load_skeleton(name)
    return KeypointSet(skeleton.joints, skeleton.bones)
