"""Protocols: who is labelled, unlabelled and held out, as small TOML files rather than code.

``resources/protocols`` has those of the paper; any other file of the same form will do. Whatever a
protocol leaves out has the default of the class here; an unknown key is refused, and the refusal
names the nearest one.
"""

from __future__ import annotations

import difflib
from dataclasses import MISSING, dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from core.errors import DataError
from core.formats.fields import parse_toml, read_text

if TYPE_CHECKING:
    from core.formats.fields import Node

DataSetName = Literal["project", "sportcenter", "human36m", "mpi-inf-3dhp", "mpi-inf-3dhp-test"]
LabelKind = Literal["hand", "detections"]
_MAX = 1 << 31
_REMEDY = "Correct the protocol; docs of its keys: core/learning/data/protocols.py."


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRule:
    """Which labels may be learned from.

    Attributes:
        people: ids; empty = all but those held out.
        every: each n-th of a recording's labelled frames.
        percent: share of these groups, evenly spaced; multiplied by ``data.labelled_percent``.
        whole_frames: take the share in whole frames with all their people, as annotators work,
            rather than person by person.
    """

    people: tuple[int, ...] = ()
    every: int = 1
    percent: float = 100.0
    whole_frames: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlabelledRule:
    """Which groups are learned from without labels.

    Attributes:
        people: ids; empty = all but those held out.
        frames: ranges of frame numbers, both ends included, as people count them; empty = all.
        every: each n-th frame (of each range).
        min_views: cameras that must have the person in view.
        unused_labels: whether groups whose labels are not used may be unlabelled ones; else no
            frame with any label is.
        beside_labels: whether people without labels may be unlabelled ones at frames where others
            have some: for data where single people are fixed, not frames labelled as a whole.
    """

    people: tuple[int, ...] = ()
    frames: tuple[tuple[int, int], ...] = ()
    every: int = 1
    min_views: int = 2
    unused_labels: bool = True
    beside_labels: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutRule:
    """Which labels are kept for evaluation.

    Attributes:
        people: ids, the test people; empty = those that the data set itself calls so.
        last_frames: where there are no test people, keep the last ``data.held_out_percent`` of
            the labelled frames, as one block.
        every: each n-th of the held-out labelled frames is evaluated; none of them is learned from.
    """

    people: tuple[int, ...] = ()
    last_frames: bool = False
    every: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A protocol.

    Attributes:
        name: of the file, without its ending.
        title: a sentence for reports.
        dataset: what kind of data it is about.
        labels: ``hand``: what people labelled, here or in the data set. ``detections``: imported
            2D detections, triangulated, take the place of labels; what is learned and measured
            then is agreement with them.
        cameras: names of those in use; empty = all.
        leave_out: recordings that are not used, by name.
        labelled: see `LabelledRule`.
        unlabelled: see `UnlabelledRule`.
        held_out: see `HeldOutRule`.
    """

    name: str
    title: str
    dataset: DataSetName
    labels: LabelKind = "hand"
    cameras: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    labelled: LabelledRule = field(default_factory=LabelledRule)
    unlabelled: UnlabelledRule = field(default_factory=UnlabelledRule)
    held_out: HeldOutRule = field(default_factory=HeldOutRule)

    @property
    def people(self) -> tuple[int, ...] | None:
        """All ids that are named, ascending; None where the data set says who there is."""
        parts = (self.labelled.people, self.unlabelled.people, self.held_out.people)
        return tuple(sorted({*parts[0], *parts[1], *parts[2]})) if all(parts) else None


def protocol_names() -> tuple[str, ...]:
    """The names of the protocols that come with trilabel, ascending."""
    folder = resources.files("resources").joinpath("protocols")
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml")))


def read_protocol(name: str | Path) -> Protocol:
    """A protocol by its name, or from a TOML file.

    Args:
        name: a name of `protocol_names`; or a path: a `Path`, or a text that ends in ``.toml``.

    Raises:
        DataError: where there is none of that name, or an entry is wrong or not known.
    """
    if isinstance(name, Path) or name.endswith(".toml"):
        path = Path(name)
        return _protocol(path.stem, parse_toml(path, read_text(path)))
    if name not in protocol_names():
        near = difflib.get_close_matches(name, protocol_names(), 1)
        raise DataError(
            "data.protocol",
            expected=f"one of {', '.join(protocol_names())}, or a .toml file",
            found=repr(name[:60]),
            remedy=f"Did you mean {near[0]!r}?" if near else "Choose one of these.",
        )
    file = resources.files("resources").joinpath("protocols", f"{name}.toml")
    source = Path("resources/protocols") / f"{name}.toml"
    return _protocol(name, parse_toml(source, file.read_text(encoding="utf-8")))


def _protocol(name: str, root: Node) -> Protocol:
    _refuse_unknown(root, [f.name for f in fields(Protocol) if f.name != "name"])
    values: dict[str, Any] = {"name": name, "title": root["title"].text()}
    values["dataset"] = _choice(root["dataset"], get_args(DataSetName))
    if (labels := root.get("labels")) is not None:
        values["labels"] = _choice(labels, get_args(LabelKind))
    for key in ("cameras", "leave_out"):
        if (node := root.get(key)) is not None:
            values[key] = tuple(one.text() for one in node.elements())
    for key, rule in (
        ("labelled", LabelledRule), ("unlabelled", UnlabelledRule), ("held_out", HeldOutRule),
    ):  # fmt: skip
        if (node := root.get(key)) is not None:
            values[key] = _rule(node, rule)
    protocol = Protocol(**values)
    _refuse_overlap(root, protocol)
    return protocol


def _rule(node: Node, rule: type[Any]) -> Any:  # noqa: ANN401 - one of the three rules
    known = {f.name: f.default for f in fields(rule)}
    assert MISSING not in known.values()
    _refuse_unknown(node, list(known))
    readers = {
        "people": lambda one: tuple(e.integer(0, _MAX) for e in one.elements()),
        "frames": lambda one: tuple(_range(e) for e in one.elements()),
        "every": lambda one: one.integer(1, _MAX),
        "min_views": lambda one: one.integer(2, _MAX),
        "percent": _percent,
        "whole_frames": _switch,
        "unused_labels": _switch,
        "beside_labels": _switch,
        "last_frames": _switch,
    }
    return rule(**{key: readers[key](one) for key, one in node.items()})


def _range(node: Node) -> tuple[int, int]:
    first, last = (*(one.integer(0, _MAX) for one in node.elements()), -1, -1)[:2]
    if len(node.elements()) != 2 or last < first:
        node.refuse("the first and the last frame number", remedy=_REMEDY)
    return first, last


def _percent(node: Node) -> float:
    if not 0 <= node.number() <= 100:
        node.refuse("0 to 100", remedy=_REMEDY)
    return node.number()


def _switch(node: Node) -> bool:
    if not isinstance(node.value, bool):
        node.refuse("true or false", remedy=_REMEDY)
    return node.value


def _choice(node: Node, choices: tuple[str, ...]) -> Any:  # noqa: ANN401 - a Literal of these
    if node.text() not in choices:
        near = difflib.get_close_matches(node.text(), choices, 1)
        remedy = f"Did you mean {near[0]!r}?" if near else _REMEDY
        node.refuse(f"one of {', '.join(choices)}", remedy=remedy)
    return cast("Any", node.text())


def _refuse_unknown(node: Node, known: list[str]) -> None:
    for key in node.table():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            remedy = f"Did you mean {near[0]!r}?" if near else _REMEDY
            place = f"{node.field}.{key}" if node.field else key
            raise DataError(
                node.source,
                place,
                expected=f"one of the keys {', '.join(known)}",
                found=repr(key[:40]),
                remedy=remedy,
            )


def _refuse_overlap(root: Node, protocol: Protocol) -> None:
    tested = set(protocol.held_out.people)
    for key in ("labelled", "unlabelled"):
        both = tested.intersection(getattr(protocol, key).people)
        if both:
            root[key]["people"].refuse("nobody who is held out", str(min(both)), remedy=_REMEDY)
