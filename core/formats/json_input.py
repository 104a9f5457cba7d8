"""JSON read with distrust, and lists of detections read piece by piece.

A match of AlphaPose detections is close to a gigabyte in one list; held as Python objects it is ten
times that, so `iterate_list` decodes one element at a time.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

from core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 2 << 30
MAX_ELEMENT = 1 << 24
_CHUNK = 1 << 18
_BLANK = " \t\n\r"
_REMEDY = "Export the file again."


def read_json(path: Path, *, max_bytes: int = MAX_BYTES) -> Any:  # noqa: ANN401 - JSON is anything
    """The file's one value.

    Raises:
        DataError: where the file is missing, too large, or no JSON.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise _refusal(path, f"up to {max_bytes >> 20} MB of JSON", f"{size >> 20} MB")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise _refusal(path, "a readable file", error.strerror or str(error)) from error
    except RecursionError as error:
        raise _refusal(path, "JSON of a few levels", "thousands of levels") from error
    except DataError:
        raise
    except ValueError as error:
        raise _refusal(path, "JSON", str(error)) from error


def iterate_list(path: Path) -> Iterator[Any]:
    """The elements of the list that the file holds, one at a time.

    Raises:
        DataError: where the file is missing, no JSON list, or an element is larger than 16 MB.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from _Elements(path, file)
    except OSError as error:
        raise _refusal(path, "a readable file", error.strerror or str(error)) from error
    except RecursionError as error:
        raise _refusal(path, "JSON of a few levels", "thousands of levels") from error
    except UnicodeDecodeError as error:
        raise _refusal(path, "JSON in UTF-8", str(error)) from error


class _Elements:
    def __init__(self, path: Path, file: IO[str]) -> None:
        self._path, self._file = path, file
        self._text, self._at = "", 0
        self._decoder = json.JSONDecoder()

    def __iter__(self) -> Iterator[Any]:
        if self._next_sign() != "[":
            raise _refusal(self._path, "a JSON list of detections", self._shown())
        self._at += 1
        if self._next_sign() == "]":
            return
        while True:
            yield self._element()
            sign = self._next_sign()
            self._at += 1
            if sign == "]":
                return
            if sign != ",":
                raise _refusal(self._path, "a comma or ] after an element", repr(sign))

    def _grow(self, size: int) -> bool:
        """Read on; whether there was anything."""
        more = self._file.read(size)
        self._text, self._at = self._text[self._at :] + more, 0
        return bool(more)

    def _next_sign(self) -> str:
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANK:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._grow(_CHUNK):
                return ""

    def _element(self) -> Any:  # noqa: ANN401 - JSON is anything
        self._next_sign()
        size = _CHUNK
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except ValueError as error:
                # Cut off at the chunk's end, or wrong: only more text can tell. Doubling keeps
                # the work linear.
                if len(self._text) - self._at > MAX_ELEMENT or not self._grow(size):
                    raise _refusal(self._path, "a JSON value", str(error)) from error
                size *= 2
                continue
            length, cut = end - self._at, end == len(self._text)
            if cut and self._grow(size):
                continue  # a number may go on in the next chunk
            self._at += length  # from where it stands now: growing moves the text
            return value

    def _shown(self) -> str:
        return repr(self._text[self._at : self._at + 20]) if self._text else "an empty file"


def _refusal(path: Path, expected: str, found: str) -> DataError:
    return DataError(path, expected=expected, found=found, remedy=_REMEDY)
