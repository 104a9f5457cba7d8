"""Which file or folder is which camera's, by name: ``cam01_json`` ↔ ``cam_01``.

Rules are tried from the strict to the lenient; within one rule a name must have one answer, or the
whole is refused: a view under the wrong camera is the costliest mistake an import can make.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Words = tuple[str, ...]
_EXTENSION = re.compile(
    r"(?<=.)\.(mp4|m4v|avi|mov|mkv|webm|json|csv|h5|hdf5|slp|toml|txt|jpe?g|png)$"
)


def match_cameras(
    names: Sequence[str], camera_names: Sequence[str], *, source: str = "cameras"
) -> dict[str, str]:
    """Find each camera's file or folder by its name.

    Letter case, separators, leading zeros, extensions and whatever all names share at their
    beginning or end do not count. Names that belong to no camera are left out of the answer, and so
    are cameras without one; that at least one is found is sure.

    Args:
        names: of the files or folders (paths: the last part counts).
        camera_names: of the rig.
        source: named in errors.

    Returns:
        name (as given) by camera name, in the order of the cameras.

    Raises:
        DataError: where nothing fits, or something fits in more than one way.
    """
    left = {name: _words(_last(name)) for name in dict.fromkeys(names)}
    right = {name: _words(name) for name in dict.fromkeys(camera_names)}
    answer: dict[str, str] = {}
    _take_exact(left, right, answer)
    for rule in (_is_same, _is_same_but_zeros):
        _apply(rule, left, right, answer, source)
    _apply_stripped(left, right, answer, source)
    _apply_contained(left, right, answer, source)
    if not answer and camera_names:
        raise DataError(
            source,
            expected=f"names like those of the cameras ({_listed(camera_names)})",
            found=_listed(names) or "no names",
            remedy="Say which is which: CAM=PATH once for each camera.",
        )
    return {camera: answer[camera] for camera in dict.fromkeys(camera_names) if camera in answer}


def _last(name: str) -> str:
    return name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def _words(name: str) -> Words:
    """Runs of letters and of digits, in lower case."""
    return tuple(re.findall(r"\d+|[^\W\d_]+", _EXTENSION.sub("", name.casefold())))


def _plain(words: Words) -> Words:
    return tuple((word.lstrip("0") or "0") if word.isdigit() else word for word in words)


def _is_same(a: Words, b: Words) -> bool:
    return bool(a) and "".join(a) == "".join(b)


def _is_same_but_zeros(a: Words, b: Words) -> bool:
    return bool(a) and "".join(_plain(a)) == "".join(_plain(b))


def _take_exact(left: dict[str, Words], right: dict[str, Words], answer: dict[str, str]) -> None:
    """What bears a camera's very name is that camera's, whatever else resembles it."""
    for camera in list(right):
        exact = [name for name in left if camera in (_last(name), PurePath(_last(name)).stem)]
        if len(exact) == 1:
            answer[camera] = exact[0]
            del left[exact[0]], right[camera]


def _apply(
    rule: Callable[[Words, Words], bool],
    left: dict[str, Words],
    right: dict[str, Words],
    answer: dict[str, str],
    source: str,
) -> None:
    """Take the pairs that a rule finds out of `left` and `right`, into `answer`."""
    found = {c: [n for n, a in left.items() if rule(a, b)] for c, b in right.items()}
    claims = {n: [c for c, names in found.items() if n in names] for n in left}
    for camera, names in found.items():
        if len(names) > 1:
            raise _ambiguous(source, camera, names)
    for name, cameras in claims.items():
        if len(cameras) > 1:
            raise _ambiguous(source, name, cameras)
    for camera, names in found.items():
        if names:
            answer[camera] = names[0]
            del left[names[0]], right[camera]


def _apply_stripped(
    left: dict[str, Words], right: dict[str, Words], answer: dict[str, str], source: str
) -> None:
    """Compare what is left without the words that all names, or all cameras, begin or end with."""
    short_left, short_right = _stripped(left), _stripped(right)
    trial: dict[str, str] = {}
    _apply(_is_same_but_zeros, short_left, short_right, trial, source)
    _refuse_half(trial, {c: _stripped(right)[c] for c in trial}, short_left, short_right, source)
    _move(trial, left, right, answer)


def _stripped(names: dict[str, Words]) -> dict[str, Words]:
    words = {name: _plain(value) for name, value in names.items()}
    while len(words) > 1 and all(len(w) > 1 for w in words.values()):
        if len({w[0] for w in words.values()}) == 1:
            words = {n: w[1:] for n, w in words.items()}
        elif len({w[-1] for w in words.values()}) == 1:
            words = {n: w[:-1] for n, w in words.items()}
        else:
            break
    return words


def _apply_contained(
    left: dict[str, Words], right: dict[str, Words], answer: dict[str, str], source: str
) -> None:
    """Find the camera whose whole name stands within a name; the longest one counts."""
    plain = {camera: _plain(words) for camera, words in right.items()}
    longest: dict[str, int] = {}
    for name, words in left.items():
        fitting = [len(c) for c in plain.values() if _is_within(c, _plain(words))]
        longest[name] = max(fitting, default=0)
    lengths = {id(words): longest[name] for name, words in left.items()}

    def fits(a: Words, b: Words) -> bool:
        return len(b) == lengths[id(a)] and _is_within(_plain(b), _plain(a))

    trial: dict[str, str] = {}
    rest_left, rest_right = dict(left), dict(right)
    _apply(fits, rest_left, rest_right, trial, source)
    _refuse_half(trial, {c: plain[c] for c in trial}, rest_left, rest_right, source)
    _move(trial, left, right, answer)


def _refuse_half(
    trial: dict[str, str],
    shared: dict[str, Words],
    rest_left: dict[str, Words],
    rest_right: dict[str, Words],
    source: str,
) -> None:
    """Numbers alone say who is who only together: cam0, cam1 are not the cameras 1, 2."""
    bare = [camera for camera, words in shared.items() if all(word.isdigit() for word in words)]
    numbered = [name for name, words in rest_left.items() if any(w.isdigit() for w in words)]
    if bare and numbered and rest_right:
        raise _ambiguous(source, ", ".join(bare), [trial[c] for c in bare] + numbered)


def _move(
    trial: dict[str, str], left: dict[str, Words], right: dict[str, Words], answer: dict[str, str]
) -> None:
    answer |= trial
    for camera, name in trial.items():
        del left[name], right[camera]


def _is_within(part: Words, whole: Words) -> bool:
    count = len(part)
    return bool(part) and any(whole[i : i + count] == part for i in range(len(whole) - count + 1))


def _ambiguous(source: str, name: str, candidates: Sequence[str]) -> DataError:
    return DataError(
        source,
        name,
        expected="one match by name",
        found=f"several: {_listed(candidates)}",
        remedy="Say which is which: CAM=PATH once for each camera.",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
