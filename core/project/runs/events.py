"""What a trainer says while it works: a closed union of events, one line of JSON each.

A line is ``{"v": schema, "kind": …, "time": …, …}``. Reading is total: a line that cannot be read
becomes an `UnknownEvent`, which says whether a newer trilabel wrote it or whether it is damaged,
so that a window can show a run of any age. Kinds of a newer schema that are known here are read as
far as they are known; entries that are not known are left out.

Trap: JSON has no NaN. Numbers that are not finite (the loss of a bad step, a time that is not yet
known) are written as null and read as NaN.
"""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, dataclass, field, fields
from functools import cache, partial
from time import time as unix_time
from typing import TYPE_CHECKING, Any, Literal, cast, get_args, get_origin, get_type_hints

from core.project.runs.config import Stage  # noqa: TC001 - get_type_hints looks it up

if TYPE_CHECKING:
    from collections.abc import Callable

# 2: Waiting, SamplesSaved, DeviceUsed. Whoever knows 1 alone shows those as "newer".
EVENT_SCHEMA = 2

NoticeLevel = Literal["info", "warning", "error"]
FinalStatus = Literal["done", "stopped", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """What all events have.

    Attributes:
        time: when it was said, seconds since 1970 (UTC).
    """

    time: float = field(default_factory=unix_time)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(RunEvent):
    """A trainer has begun, or gone on with, the run.

    Attributes:
        device: as torch names it, such as ``cuda:0``.
        device_name: to show, such as ``NVIDIA H200``.
        memory_bytes: of the device.
        num_processes: that share the work.
        resumed: whether it goes on from a checkpoint.
        labelled: number of labelled groups.
        unlabelled: number of unlabelled groups.
        held_out: number of groups kept for evaluation.
        notes: what a reader of the results must know, such as a flag that lets test people in.
    """

    device: str
    device_name: str
    memory_bytes: int
    num_processes: int
    resumed: bool
    labelled: int
    unlabelled: int
    held_out: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(RunEvent):
    """A trainer stands in the line of a device; said anew when its place changes.

    Attributes:
        device: as torch names it.
        ahead: how many are before it, the one at work included.
        run: folder of the run at work.
    """

    device: str
    ahead: int
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted(RunEvent):
    """A stage has begun at step `first_step` of `steps`; not 0 where it goes on."""

    stage: Stage
    steps: int
    first_step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(RunEvent):
    """Where a stage is.

    Attributes:
        stage: which.
        step: steps done.
        steps: steps in all.
        seconds_left: until the end of the stage; NaN while it is not known.
        losses: by name, means since the last event; empty where all those steps were skipped.
        seconds_per_step: lately.
    """

    stage: Stage
    step: int
    steps: int
    seconds_left: float
    losses: dict[str, float]
    seconds_per_step: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsMeasured(RunEvent):
    """How the triangulation of the unlabelled groups went: share of joints kept, mean weights.

    Attributes:
        stage: of which.
        step: after how many steps.
        kept_share: 0…1, of the joints that could be triangulated.
        mean_weight: by camera name; NaN where the camera saw nobody.
    """

    stage: Stage
    step: int
    kept_share: float
    mean_weight: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated(RunEvent):
    """Metrics on the held-out groups after `step` steps of a stage, by name."""

    stage: Stage
    step: int
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesSaved(RunEvent):
    """Sample crops with what the networks see in them (`core.project.runs.samples`).

    `file` is relative to the run's folder, and complete on the disk.
    """

    stage: Stage
    step: int
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceUsed(RunEvent):
    """How busy the device was lately, and its memory.

    Attributes:
        stage: at work.
        step: of the stage.
        busy: 0…1, of the device; on a processor, of the cores' time. NaN where it is not known.
        memory_bytes: that the trainer holds.
        memory_total: of the device; of the machine on a processor; 0 where it is not known.
    """

    stage: Stage
    step: int
    busy: float
    memory_bytes: int
    memory_total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleMeasured(RunEvent):
    """The noise scale that thresholds are made from, in millimetres."""

    scale_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(RunEvent):
    """A checkpoint is complete on the disk; `file` is relative to the run's folder."""

    stage: Stage
    step: int
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted(RunEvent):
    """A file of predictions is complete on the disk.

    Attributes:
        round: that it belongs to.
        file: relative to the run's folder.
        first_frame: of the block.
        stop_frame: the frame after the block's last.
        rows: persons at frames in it.
    """

    round: int
    file: str
    first_frame: int
    stop_frame: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRoundFinished(RunEvent):
    """All frames were predicted with the networks as they were after `step` of `stage`."""

    round: int
    stage: Stage
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFinished(RunEvent):
    """A stage is done."""

    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(RunEvent):
    """Something that a person should know.

    Attributes:
        level: how bad it is.
        code: for programs, such as ``out-of-memory``; in words with hyphens.
        text: for people, one or two sentences.
    """

    level: NoticeLevel
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(RunEvent):
    """The trainer has left, and why.

    Attributes:
        status: how.
        text: one or two sentences; may be empty.
        reason: of a failure, for programs, such as ``out-of-memory``; empty where none is known.
    """

    status: FinalStatus
    text: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEvent(RunEvent):
    """A whole line that is none of the events known here; time is 0 where it tells none.

    Attributes:
        reason: ``newer`` where a newer trilabel wrote it, ``damaged`` otherwise.
        line: as it stands, shortened.
    """

    reason: Literal["newer", "damaged"]
    line: str


Event = (
    Waiting
    | RunStarted
    | StageStarted
    | Progress
    | WeightsMeasured
    | Evaluated
    | SamplesSaved
    | DeviceUsed
    | ScaleMeasured
    | CheckpointSaved
    | Predicted
    | PredictionRoundFinished
    | StageFinished
    | Notice
    | RunFinished
    | UnknownEvent
)

# What stands under "kind": never to be changed, or old runs could not be read.
_KINDS: dict[str, type[RunEvent]] = {
    "waiting": Waiting,
    "run-started": RunStarted,
    "stage-started": StageStarted,
    "progress": Progress,
    "weights-measured": WeightsMeasured,
    "evaluated": Evaluated,
    "samples-saved": SamplesSaved,
    "device-used": DeviceUsed,
    "scale-measured": ScaleMeasured,
    "checkpoint-saved": CheckpointSaved,
    "predicted": Predicted,
    "prediction-round-finished": PredictionRoundFinished,
    "stage-finished": StageFinished,
    "notice": Notice,
    "run-finished": RunFinished,
}
_KIND_OF = {kind: name for name, kind in _KINDS.items()}
_MAX_SHOWN = 500


class _BadValueError(Exception):
    """A value is not of its entry's type; never leaves this module."""


def encode_event(event: Event) -> bytes:
    """The event as one line, with its line end; ASCII only.

    An `UnknownEvent` cannot be written: it is what reading makes of a line.
    """
    assert not isinstance(event, UnknownEvent), "an UnknownEvent is never written"
    entries = {item.name: _plain(getattr(event, item.name)) for item in fields(event)}
    line = {"v": EVENT_SCHEMA, "kind": _KIND_OF[type(event)], **entries}
    return json.dumps(line, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def decode_event(line: bytes) -> Event:
    """The event of one line (with or without its end); never raises."""
    try:
        entries = json.loads(line)
    except (ValueError, RecursionError):
        return _unknown(line, {})
    if not isinstance(entries, dict):
        return _unknown(line, {})
    entries = cast("dict[str, Any]", entries)
    kind = entries.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        return _unknown(line, entries)
    try:
        return cast("Event", _KINDS[kind](**_values(kind, entries)))
    except _BadValueError:
        return _unknown(line, entries)


def _values(kind: str, entries: dict[str, Any]) -> dict[str, Any]:
    """The entries of a kind, each of its type; those with a default may be missing."""
    values: dict[str, Any] = {}
    for name, read, is_required in _entries_of(kind):
        if name in entries:
            values[name] = read(entries[name])
        elif is_required:
            raise _BadValueError
    return values


@cache
def _entries_of(kind: str) -> tuple[tuple[str, Callable[[Any], Any], bool], ...]:
    """Name, reader and whether it must be there, of each entry of a kind."""
    hints = get_type_hints(_KINDS[kind])
    return tuple(
        (
            item.name,
            _reader_of(hints[item.name]),
            item.name == "time" or (item.default is MISSING and item.default_factory is MISSING),
        )
        for item in fields(_KINDS[kind])
    )


def _unknown(line: bytes, entries: dict[str, Any]) -> UnknownEvent:
    version, time = entries.get("v"), entries.get("time")
    is_newer = isinstance(version, int) and version > EVENT_SCHEMA
    return UnknownEvent(
        time=time if isinstance(time, float) and math.isfinite(time) else 0.0,
        reason="newer" if is_newer else "damaged",
        line=line[:_MAX_SHOWN].decode("utf-8", "replace").rstrip("\n"),
    )


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return value


def _reader_of(hint: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - any type of any entry
    """What makes of a value one of its entry's type; a long run has 100,000 events to be read."""
    origin = get_origin(hint)
    if origin is Literal:
        return partial(_one_of, get_args(hint))
    if origin is tuple:
        return partial(_tuple_of, _reader_of(get_args(hint)[0]))
    if origin is dict:
        return partial(_dict_of, _reader_of(get_args(hint)[1]))
    if hint is float:
        return _number
    return _text if hint is str else partial(_of_type, hint)


def _one_of(choices: tuple[str, ...], value: Any) -> str:  # noqa: ANN401 - as `_reader_of`
    if value not in choices:
        raise _BadValueError
    return value


def _tuple_of(read: Callable[[Any], Any], value: object) -> tuple[Any, ...]:
    return tuple(read(entry) for entry in _of_type(list, value))


def _dict_of(read: Callable[[Any], Any], value: object) -> dict[str, Any]:
    return {_text(key): read(entry) for key, entry in _of_type(dict, value).items()}


def _number(value: object) -> float:
    if type(value) is float:
        return value
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _BadValueError
    try:
        return float(value)
    except OverflowError as error:
        raise _BadValueError from error


def _of_type(kind: type[Any], value: Any) -> Any:  # noqa: ANN401 - as `_reader_of`
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _BadValueError
    return value


def _text(value: object) -> str:
    """Text that can be printed: half surrogates, which JSON can spell, are replaced."""
    text = str(_of_type(str, value))
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
