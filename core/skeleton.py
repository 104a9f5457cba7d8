"""Joints, bones and the way from one skeleton to another, read from resources/skeletons/*.toml.

Any skeleton will do, a mouse's as well as a person's: names are free, and only the mapping between
skeletons reads meaning into them. It understands ``left_``/``right_`` prefixes and, since tools
disagree, also ``LShoulder``, ``Ear_L`` or ``right-hip``.

Trap: data sets give one name to different points. H36M's "foot" is an ankle, CrowdPose's "head" the
crown; the files in resources name each joint by what it is, not by what its data set calls it.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_JOINTS = 1000
MAX_FILE_BYTES = 1 << 20
# Names for the same point, each with the one used here.
_SAME_POINT = {
    "pelvis": "mid_hip",
    "hip_center": "mid_hip",
    "body_center": "mid_hip",
    "hips": "mid_hip",
    "thorax": "neck",
    "top_head": "head_top",
    "crown": "head_top",
}
# Points that lie half way between others.
_MIDDLE_OF = {
    "mid_hip": ("left_hip", "right_hip"),
    "neck": ("left_shoulder", "right_shoulder"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """An ordered set of named joints, checked when made.

    Attributes:
        name: such as ``sportcenter13``.
        joints: J unique joint names; those of resources in snake_case, ``left_``/``right_``
            prefixed.
        bones: pairs of joint indices.
        root: index of the joint that poses are centred on; None means mid-hip.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    root: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is no skeleton, naming the joint or bone."""
        if not 1 <= len(self.joints) <= MAX_JOINTS:
            _refuse(self.name, "joints", f"1 to {MAX_JOINTS} joints", str(len(self.joints)))
        seen: set[str] = set()
        for i, joint in enumerate(self.joints):
            if not joint.strip():
                _refuse(self.name, f"joints[{i}]", "a name", "a blank")
            if joint in seen:
                _refuse(self.name, f"joints[{i}]", "every joint once", f"{joint!r} again")
            seen.add(joint)
        for i, (a, b) in enumerate(self.bones):
            if not (0 <= a < len(self.joints) and 0 <= b < len(self.joints)) or a == b:
                last = len(self.joints) - 1
                expected = f"two different joints, numbered 0 to {last}"
                _refuse(self.name, f"bones[{i}]", expected, f"{a} and {b}")
        if self.root is not None and not 0 <= self.root < len(self.joints):
            _refuse(self.name, "root", f"0 to {len(self.joints) - 1}", str(self.root))

    @property
    def num_joints(self) -> int:
        """J."""
        return len(self.joints)

    @property
    def mirror(self) -> tuple[int, ...]:
        """For each joint the index of its other side; itself where it has none."""
        plain = [plain_name(joint) for joint in self.joints]
        index = {name: i for i, name in enumerate(plain)}
        return tuple(index.get(_other_side(name), i) for i, name in enumerate(plain))

    def to_dict(self) -> dict[str, Any]:
        """The skeleton in the words of its TOML files; `from_dict` takes it back."""
        content: dict[str, Any] = {
            "name": self.name,
            "joints": list(self.joints),
            "bones": [[self.joints[a], self.joints[b]] for a, b in self.bones],
        }
        if self.root is not None:
            content["root"] = self.joints[self.root]
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], source: Path | str = "skeleton") -> Skeleton:
        """A skeleton from a table with joints, and maybe name, bones and root.

        Bones and root name joints, or give their indices.

        Args:
            content: the table, as from a TOML file.
            source: named in errors.

        Raises:
            DataError: naming the entry that is wrong.
        """
        unknown = sorted(set(content) - {"name", "aliases", "joints", "bones", "root"})
        if unknown:
            _refuse(source, unknown[0], "name, aliases, joints, bones, root", "another entry")
        name = content.get("name", Path(source).stem)
        if not isinstance(name, str) or not name.strip():
            _refuse(source, "name", "some text", repr(name)[:40])
        joints = _list(source, "joints", content.get("joints"))
        for i, joint in enumerate(joints):
            if not isinstance(joint, str):
                _refuse(source, f"joints[{i}]", "a joint's name", repr(joint)[:40])
        index = {joint: i for i, joint in enumerate(joints)}
        bones: list[tuple[int, int]] = []
        for i, bone in enumerate(_list(source, "bones", content.get("bones", []))):
            ends = _list(source, f"bones[{i}]", bone)
            if len(ends) != 2:
                _refuse(source, f"bones[{i}]", "two joints", f"{len(ends)}")
            a, b = (_joint(source, f"bones[{i}]", end, index) for end in ends)
            bones.append((a, b))
        root = content.get("root")
        root = None if root is None else _joint(source, "root", root, index)
        try:
            return cls(name=name, joints=tuple(joints), bones=tuple(bones), root=root)
        except DataError as error:
            raise DataError(
                source,
                error.field,
                expected=error.expected,
                found=error.found,
                remedy=error.remedy,
            ) from error


def skeleton_names() -> tuple[str, ...]:
    """The names of the skeletons that come with trilabel, ascending."""
    return tuple(sorted(skeleton.name for skeleton, _ in _shipped()))


def load_skeleton(name: str | Path) -> Skeleton:
    """A skeleton by its name or alias (COCO-17, BODY_25, …), or from a TOML file.

    Case and punctuation of a name do not matter.

    Args:
        name: a name; or a path, which is what a `Path` or a text that ends in ``.toml`` is.

    Raises:
        DataError: where there is no such skeleton, or the file is none.
    """
    if isinstance(name, Path) or name.lower().endswith(".toml"):
        return _read_file(Path(name))
    wanted = _plain_alias(name)
    for skeleton, aliases in _shipped():
        if wanted in aliases:
            return skeleton
    raise DataError(
        "skeleton",
        expected=f"one of {', '.join(skeleton_names())}, or a .toml file",
        found=repr(name[:60]),
        remedy="Choose one of these, or write a file with joints and bones.",
    )


def joint_mapping(
    source: Skeleton | Sequence[str], target: Skeleton | Sequence[str]
) -> tuple[tuple[int, ...], ...]:
    """How to make the joints of one skeleton from those of another.

    Args:
        source: a skeleton or its joint names.
        target: a skeleton or its joint names.

    Returns:
        for each joint of the target the indices of the source joints whose mean it is: one for a
        counterpart, two for the middle of the hips or shoulders, none where there is no way.
    """
    names = source.joints if isinstance(source, Skeleton) else source
    wanted = target.joints if isinstance(target, Skeleton) else target
    exact = {name: i for i, name in reversed(list(enumerate(names)))}
    by_meaning = {_meaning(name): i for i, name in reversed(list(enumerate(names)))}

    def sources(name: str) -> tuple[int, ...]:
        if name in exact:
            return (exact[name],)
        meaning = _meaning(name)
        if meaning in by_meaning:
            return (by_meaning[meaning],)
        ends = _MIDDLE_OF.get(meaning, ())
        found = tuple(by_meaning[end] for end in ends if end in by_meaning)
        return found if len(found) == len(ends) else ()

    return tuple(sources(name) for name in wanted)


def plain_name(joint: str) -> str:
    """A joint's name in snake_case with its side in front: ``LShoulder`` → ``left_shoulder``."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", joint)
    words = [word for word in re.split(r"[\W_]+", spaced.lower()) if word]
    for place in (0, -1):
        side = {"l": "left", "left": "left", "r": "right", "right": "right"}.get(
            words[place] if len(words) > 1 else ""
        )
        if side is not None:
            words.pop(place)
            return "_".join([side, *words])
    return "_".join(words)


def _meaning(joint: str) -> str:
    name = plain_name(joint)
    return _SAME_POINT.get(name, name)


def _other_side(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name[5:]
    return "left_" + name[6:] if name.startswith("right_") else name


def _plain_alias(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


@cache
def _shipped() -> tuple[tuple[Skeleton, frozenset[str]], ...]:
    found: list[tuple[Skeleton, frozenset[str]]] = []
    for entry in resources.files("resources").joinpath("skeletons").iterdir():
        if entry.name.endswith(".toml"):
            content = tomllib.loads(entry.read_text(encoding="utf-8"))
            skeleton = Skeleton.from_dict(content, entry.name)
            names = [skeleton.name, *content["aliases"]]
            found.append((skeleton, frozenset(_plain_alias(name) for name in names)))
    return tuple(found)


def _read_file(path: Path) -> Skeleton:
    remedy = "Give a TOML file with joints and bones, such as those of resources/skeletons."
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            found = f"{size >> 10} kB"
            raise DataError(path, expected="up to 1 MB", found=found, remedy=remedy)
        content = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except DataError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(path, expected="TOML", found=str(error), remedy=remedy) from error
    return Skeleton.from_dict(content, path)


def _list(source: Path | str, field: str, value: object) -> list[Any]:
    if not isinstance(value, list | tuple):
        _refuse(source, field, "a list", repr(value)[:40])
    return list(cast("Sequence[Any]", value))


def _joint(source: Path | str, field: str, value: object, index: Mapping[str, int]) -> int:
    if isinstance(value, str) and value in index:
        return index[value]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < len(index):
        _refuse(source, field, "a joint's name, or its index from 0", repr(value)[:40])
    return value


def _refuse(source: Path | str, field: str, expected: str, found: str) -> NoReturn:
    remedy = "Correct the skeleton."
    raise DataError(source, field, expected=expected, found=found, remedy=remedy)
