"""Joints, bones and the way from one skeleton to another, read from resources/skeletons/*.toml."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """An ordered set of named joints.

    Attributes:
        name: such as ``sportcenter13``.
        joints: J unique joint names in snake_case, ``left_``/``right_`` prefixed.
        bones: pairs of joint indices.
        root: index of the joint that poses are centred on; None means mid-hip.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    root: int | None = None

    @property
    def num_joints(self) -> int:
        """J."""
        return len(self.joints)

    @property
    def mirror(self) -> tuple[int, ...]:
        """For each joint the index of its other side; itself where it has none."""
        index = {name: i for i, name in enumerate(self.joints)}

        def other(name: str) -> str:
            if name.startswith("left_"):
                return "right_" + name[5:]
            return "left_" + name[6:] if name.startswith("right_") else name

        return tuple(index.get(other(name), i) for i, name in enumerate(self.joints))
