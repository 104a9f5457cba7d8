"""Lists, tuples and text out of a pickle, without unpickling: nothing in it can be run.

pandas pickles the header of a table into an attribute of its HDF5 file. The standard unpickler runs
what it is told to, and even one without classes can be made to allocate gigabytes; this one knows
the few opcodes of plain data and refuses the others.
"""

from __future__ import annotations

import pickletools
from typing import Any

MAX_BYTES = 16 << 20
_VALUES = {
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "STRING", "SHORT_BINSTRING", "BINSTRING"),
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


def load_plain(data: bytes) -> Any:  # noqa: ANN401 - whatever plain value was pickled
    """The pickled value, made of lists, tuples, text, numbers, booleans and None.

    Raises:
        ValueError: where it is no pickle, too long, or holds anything else.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data) >> 20} MB of header")
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                break
            machine.step(opcode.name, argument)
        (value,) = machine.stack
    except (IndexError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"a damaged pickle ({error})") from error
    return value


class _Machine:
    """The stack and memo of the pickle protocol."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:  # noqa: ANN401 - pickle's own
        """Do what one opcode says."""
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            self._pack(len(self.stack) - _TUPLES[name], tuple)
        elif name in ("EMPTY_LIST", "EMPTY_TUPLE", "MARK"):
            self.stack.append({"EMPTY_LIST": [], "EMPTY_TUPLE": ()}.get(name, _MARK))
        elif name in ("LIST", "TUPLE"):
            self._pack(self._pop_mark(), list if name == "LIST" else tuple)
        elif name == "APPEND":
            value = self.stack.pop()
            self.stack[-1].append(value)
        elif name == "APPENDS":
            mark = self._pop_mark()
            values = self.stack[mark:]
            del self.stack[mark:]
            self.stack[-1].extend(values)
        else:
            self._memo(name, argument)

    def _memo(self, name: str, argument: Any) -> None:  # noqa: ANN401 - pickle's own
        if name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"the pickle operation {name}, which is not plain data")

    def _pop_mark(self) -> int:
        """Where the topmost mark is; it is taken out."""
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                del self.stack[i]
                return i
        raise ValueError("a damaged pickle (no mark)")

    def _pack(self, start: int, kind: type[list[Any]] | type[tuple[Any, ...]]) -> None:
        if start < 0:
            raise ValueError("a damaged pickle (too few values)")
        values = self.stack[start:]
        self.stack[start:] = [kind(values)]
