"""Queries over pseudo-labels: ``kept residual<8 person=5 joint=left_wrist frame=310..355``.

Terms are separated by spaces and all have to hold; several values of one term, with commas, are
alternatives. A query is parsed against a project, so that a joint, camera or person that it has
not got is told at once, with the nearest name.

    kept, discarded            the verdict
    residual<8                 worst leave-one-out residual, px; of the cameras named, if any
    wss<20                     WSS, mm
    weight<0.2                 smallest weight of an observation; of the cameras named, if any
    views>=4                   views that saw the joint
    person=5,7  joint=left_wrist,*_ankle  camera=ace_2  frame=310..355 (numbers as people see)
    state=unreviewed           or accepted, locked, rejected
    hand=yes                   a person said something of the joint in some view

A comparison with something that is not known (the residual of a joint seen by two views) is false.
"""

from __future__ import annotations

import difflib
import operator
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from core.errors import DataError
from core.project import ReviewState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from core.curation.pseudo import PseudoLabels
    from core.project import Project

    Bools = NDArray[np.bool_]

_TERM = re.compile(r"(?P<name>[a-z_]+)\s*(?P<op><=|>=|!=|=|<|>)\s*(?P<value>\S+)")
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NUMBERS = ("residual", "wss", "weight", "views")
NAMES = ("person", "joint", "camera", "frame", "state", "hand")
FLAGS = ("kept", "discarded")
STATES = tuple(state.name.lower() for state in ReviewState)
EXAMPLE = "kept residual<8 person=5 joint=left_wrist frame=310..355 state=unreviewed"


@dataclass(frozen=True, slots=True)
class NumberTerm:
    """A comparison, such as ``residual<8``."""

    name: str
    op: str
    value: float

    def holds(self, values: NDArray[np.generic]) -> Bools:
        """Where it holds; NaN never does."""
        with np.errstate(invalid="ignore"):
            return np.asarray(_COMPARE[self.op](values, self.value), dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A parsed query; all fields have to hold, None = any.

    Attributes:
        text: as it was typed.
        kept: True = kept only, False = discarded only.
        hand: True = with a hand label, False = without.
        frames: 0-based ranges.
        persons: ids.
        joints: indices into the skeleton.
        cameras: indices into the rig: the joint was seen in one of them, and residual and weight
            are of them.
        states: values of `ReviewState`.
        numbers: comparisons.
    """

    text: str = ""
    kept: bool | None = None
    hand: bool | None = None
    frames: tuple[range, ...] | None = None
    persons: tuple[int, ...] | None = None
    joints: tuple[int, ...] | None = None
    cameras: tuple[int, ...] | None = None
    states: tuple[int, ...] | None = None
    numbers: tuple[NumberTerm, ...] = field(default=())

    def span(self, num_frames: int) -> range:
        """The shortest range of frames outside which nothing is found."""
        if self.frames is None:
            return range(num_frames)
        start = min(part.start for part in self.frames)
        return range(max(start, 0), min(max(part.stop for part in self.frames), num_frames))

    def matches(self, labels: PseudoLabels) -> Bools:
        """(F, P, J) the joints of a block that are meant; only such that some view saw."""
        views: Sequence[int] | slice = slice(None) if self.cameras is None else self.cameras
        observed = labels.observed[:, :, views]
        found = observed.any(axis=2) & labels.seen
        found &= self._frames_in(labels)[:, None, None]
        if self.persons is not None:
            found &= np.isin(labels.persons, self.persons)[None, :, None]
        if self.joints is not None:
            found &= np.isin(np.arange(found.shape[2]), self.joints)
        if self.states is not None:
            found &= np.isin(labels.state, self.states)
        if self.kept is not None:
            found &= labels.kept == self.kept
        if self.hand is not None:
            found &= labels.has_hand == self.hand
        for term in self.numbers:
            found &= term.holds(_quantity(term.name, labels, views))
        return found

    def _frames_in(self, labels: PseudoLabels) -> Bools:
        frames = np.arange(labels.start, labels.stop)
        if self.frames is None:
            return np.ones(len(frames), dtype=np.bool_)
        inside = np.zeros(len(frames), dtype=np.bool_)
        for part in self.frames:
            inside |= (frames >= part.start) & (frames < part.stop)
        return inside


def _quantity(name: str, labels: PseudoLabels, views: Sequence[int] | slice) -> NDArray[np.generic]:
    """(F, P, J) what a comparison is about, of some views."""
    if name == "wss":
        return labels.wss_mm
    observed = labels.observed[:, :, views]
    if name == "views":
        return observed.sum(axis=2)
    if name == "weight":
        weights = np.where(observed, labels.weights[:, :, views], np.inf)
        return weights.min(axis=2, initial=np.inf)
    largest = np.fmax.reduce(labels.loo_residual_px[:, :, views], axis=2, initial=-1.0)
    return np.where(largest < 0, np.nan, largest)


def parse_query(text: str, project: Project) -> Query:
    """A query as a person typed it; empty finds everything that was seen.

    Raises:
        DataError: a term is none, or names what the project has not got; with the nearest name.
    """
    return _Parser(project).parse(text)


class _Parser:
    """Terms into fields, each looked up in the project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._fields: dict[str, object] = {}
        self._numbers: list[NumberTerm] = []

    def parse(self, text: str) -> Query:
        for term in re.sub(r"\s*(<=|>=|!=|=|<|>|,|\.\.)\s*", r"\1", text.strip()).split():
            self._take(term)
        return Query(text=text.strip(), numbers=tuple(self._numbers), **self._fields)  # pyright: ignore[reportArgumentType] - each field was made by its own method

    def _take(self, term: str) -> None:
        if term in FLAGS:
            self._set(term, "kept", term == "kept")
            return
        match = _TERM.fullmatch(term)
        if match is None or match["name"] not in (*NUMBERS, *NAMES):
            self._refuse_term(term, match["name"] if match else term)
        name, op, value = match["name"], match["op"], match["value"]
        if name in NUMBERS:
            if op not in _COMPARE:
                _refuse(name, "<, <=, > or >=", op, f"Such as {name}<8.")
            self._numbers.append(NumberTerm(name, op, _number(name, value)))
        elif name == "frame":
            self._set(term, "frames", self._frames(op, value))
        else:
            if op not in ("=", "!="):
                _refuse(name, "= or !=", op, f"Such as: {EXAMPLE}.")
            self._set_names(term, name, op == "!=", [part for part in value.split(",") if part])

    def _set_names(self, term: str, name: str, is_negated: bool, values: list[str]) -> None:
        if not values:
            _refuse(name, "a value", "nothing", f"Such as: {EXAMPLE}.")
        if name == "hand":
            known = {"yes": True, "no": False}
            meant = {known[which] != is_negated for which in _chosen(name, values, list(known))}
            self._set(term, "hand", meant.pop() if len(meant) == 1 else None)
            return
        if name == "person":
            everything = list(self._project.persons)
            found = self._persons(values, everything)
        else:
            names = {
                "joint": self._project.skeleton.joints,
                "camera": self._project.rig.names,
                "state": STATES,
            }[name]
            everything = list(range(len(names)))
            found = [list(names).index(each) for each in _chosen(name, values, list(names))]
        if is_negated:
            found = [each for each in everything if each not in found]
        self._set(term, f"{name}s", tuple(sorted(set(found))))

    def _persons(self, values: list[str], known: list[int]) -> list[int]:
        found: list[int] = []
        for value in values:
            low, dots, high = value.removeprefix("#").partition("..")
            first = _whole("person", low)
            wanted = range(first, (_whole("person", high) if dots else first) + 1)
            fitting = [person for person in known if person in wanted]
            if not fitting:
                near = min(known, key=lambda person: abs(person - first), default=None)
                hint = "This project has nobody." if near is None else f"The nearest is #{near}."
                _refuse("person", "somebody of this project", value, hint)
            found += fitting
        return found

    def _frames(self, op: str, value: str) -> tuple[range, ...]:
        first = self._project.first_frame_number
        stop = self._project.num_frames
        if op in _COMPARE:
            at = _whole("frame", value) - first
            return (
                {
                    "<": range(at),
                    "<=": range(at + 1),
                    ">": range(at + 1, stop),
                    ">=": range(at, stop),
                }[op],
            )
        if op == "!=":
            _refuse("frame", "=, <, <=, > or >=", op, "Such as frame=310..355.")
        parts: list[range] = []
        for part in value.split(","):
            low, dots, high = part.partition("..")
            start = _whole("frame", low) - first if low or not dots else 0
            end = start if not dots else (_whole("frame", high) - first if high else stop - 1)
            if end < start or start >= stop or end < 0:
                _refuse(
                    "frame",
                    f"frames {first} to {first + stop - 1}, the smaller first",
                    part,
                    "Such as frame=310..355.",
                )
            parts.append(range(max(start, 0), end + 1))
        return tuple(parts)

    def _set(self, term: str, name: str, value: object) -> None:
        if name in self._fields:
            _refuse(
                term,
                "each kind of term once",
                "a second one",
                "Give several values with commas, such as person=5,7.",
            )
        self._fields[name] = value

    def _refuse_term(self, term: str, name: str) -> NoReturn:
        known = [*FLAGS, *NUMBERS, *NAMES]
        near = difflib.get_close_matches(name, known, 1)
        joint = difflib.get_close_matches(name, self._project.skeleton.joints, 1, cutoff=0.8)
        if joint:
            hint = f"Did you mean joint={joint[0]}?"
        elif near:
            usage = near[0] if near[0] in FLAGS else f"{near[0]}{_usage(near[0])}"
            hint = f"Did you mean {usage}?"
        else:
            hint = f"Such as: {EXAMPLE}."
        _refuse("", f"one of {', '.join(known)}", repr(term), hint)


def _usage(name: str) -> str:
    return {"residual": "<8", "wss": "<20", "weight": "<0.2", "views": ">=4", "hand": "=no"}.get(
        name, "=…"
    )


def _chosen(name: str, values: Sequence[str], known: Sequence[str]) -> list[str]:
    found: list[str] = []
    for value in values:
        fitting = [each for each in known if fnmatchcase(each, value)]
        if not fitting:
            near = difflib.get_close_matches(value, known, 1, cutoff=0.4)
            hint = f"Did you mean {name}={near[0]}?" if near else "Choose one of these."
            _refuse(name, f"one of {', '.join(known)}", repr(value), hint)
        found += fitting
    return found


def _number(name: str, value: str) -> float:
    try:
        number = float(value.removesuffix("px").removesuffix("mm"))
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        _refuse(name, "a number", repr(value), f"Such as {name}{_usage(name)}.")
    return number


def _whole(name: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,9}", value):
        _refuse(name, "a whole number", repr(value), f"Such as {name}=5 or {name}=5..9.")
    return int(value)


def _refuse(field_name: str, expected: str, found: str, remedy: str) -> NoReturn:
    raise DataError("query", field_name, expected=expected, found=found, remedy=remedy)
