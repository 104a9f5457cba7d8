"""One file of the crop cache: a table of records and the crops they are about, written once.

Layout: 64 bytes of header, ``num_slots`` records of 32 bytes, then the slots from the next multiple
of 4096 on. Only the process that made a shard appends to it: the crop first, its record after, so
that one killed in between leaves a slot that nobody knows of. Records carry checksums of themselves
and of their crop. The file has its full size from the start, as a reservation (it is sparse).

Trap: a file is read with `pread`, not mapped: one cut short by somebody else would kill the process
that maps it, and here it is merely a crop to be made again. Reading from the page cache costs 2 µs.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIX = ".crops"
KEY_BYTES = 16
_HEADER = struct.Struct("<8sIIII")
_MAGIC = b"TLCROPS1"
_RECORD = struct.Struct("<16sIII4x")
_TABLE_START = 64
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Record:
    """Where a crop is: its key, its slot and the checksum of its bytes."""

    key: bytes
    slot: int
    checksum: int


class Shard:
    """An open shard; closed when nothing refers to it any more, so that no read loses its file."""

    def __init__(self, path: Path, descriptor: int, slot_bytes: int, num_slots: int) -> None:
        self.path = path
        self.slot_bytes = slot_bytes
        self.num_slots = num_slots
        self.verified = bytearray(num_slots)
        self.used = False
        self._descriptor = descriptor
        self._seeking = threading.Lock()

    def __del__(self) -> None:
        os.close(self._descriptor)

    @staticmethod
    def size_of(slot_bytes: int, num_slots: int) -> int:
        """Bytes of a whole shard."""
        return _data_start(num_slots) + slot_bytes * num_slots

    @classmethod
    def create(cls, path: Path, height: int, width: int, num_slots: int) -> Shard:
        """A new shard of crops (height, width, 3), of its full size."""
        descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
        shard = cls(path, descriptor, height * width * 3, num_slots)
        os.truncate(path, cls.size_of(shard.slot_bytes, num_slots))
        header = _HEADER.pack(_MAGIC, height, width, num_slots, 0)
        shard._write(header + struct.pack("<I", zlib.crc32(header)), 0)
        return shard

    @classmethod
    def open(cls, path: Path, height: int, width: int) -> Shard | None:
        """An existing shard; None where it is gone, or no sound shard of this size of crops."""
        try:
            descriptor = os.open(path, _FLAGS)
        except OSError:
            return None
        shard = cls(path, descriptor, height * width * 3, 0)
        head = shard._read(_HEADER.size + 4, 0)
        if len(head) < _HEADER.size + 4:
            return None
        magic, its_height, its_width, num_slots, _ = _HEADER.unpack_from(head)
        (checksum,) = struct.unpack_from("<I", head, _HEADER.size)
        sound = magic == _MAGIC and checksum == zlib.crc32(head[: _HEADER.size])
        if not sound or (its_height, its_width) != (height, width):
            return None
        shard.num_slots, shard.verified = num_slots, bytearray(num_slots)
        return shard

    def records(self) -> Iterator[Record]:
        """Those that are sound, by slot."""
        table = self._read(_RECORD_BYTES * self.num_slots, _TABLE_START)
        for start in range(0, len(table) - _RECORD_BYTES + 1, _RECORD_BYTES):
            key, slot, checksum, own = _RECORD.unpack_from(table, start)
            body = table[start : start + _BODY_BYTES]
            if own == zlib.crc32(body) and any(body) and slot * _RECORD_BYTES == start:
                yield Record(key, slot, checksum)

    def read(self, record: Record) -> bytes | None:
        """The crop's bytes; None where they are not what was written."""
        data = self._read(self.slot_bytes, self._place(record.slot))
        if len(data) != self.slot_bytes:
            return None
        if not self.verified[record.slot]:  # once a process: it costs more than the reading
            if zlib.crc32(data) != record.checksum:
                return None
            self.verified[record.slot] = 1
        return data

    def write(self, key: bytes, slot: int, data: bytes) -> Record:
        """Put a crop into a slot that is free.

        Raises:
            OSError: the disk is full, or has gone.
        """
        record = Record(key, slot, zlib.crc32(data))
        body = _RECORD.pack(key, slot, record.checksum, 0)[:_BODY_BYTES]
        self._write(data, self._place(slot))
        packed = _RECORD.pack(key, slot, record.checksum, zlib.crc32(body))
        self._write(packed, _TABLE_START + _RECORD_BYTES * slot)
        self.verified[slot] = 1
        return record

    def strike_out(self, slot: int) -> None:
        """Have this record forgotten by everybody: its crop is damaged."""
        self._write(bytes(_RECORD_BYTES), _TABLE_START + _RECORD_BYTES * slot)

    def shrink(self) -> None:
        """Give back what the last used slot leaves free."""
        last = max((record.slot for record in self.records()), default=-1)
        if self.path.stat().st_size > self._place(last + 1):
            os.truncate(self.path, self._place(last + 1))

    def _place(self, slot: int) -> int:
        return _data_start(self.num_slots) + slot * self.slot_bytes

    if sys.platform == "win32":

        def _read(self, num_bytes: int, place: int) -> bytes:
            with self._seeking:
                os.lseek(self._descriptor, place, os.SEEK_SET)
                return os.read(self._descriptor, num_bytes)

        def _write(self, data: bytes, place: int) -> None:
            with self._seeking:
                os.lseek(self._descriptor, place, os.SEEK_SET)
                _check_written(os.write(self._descriptor, data), data)

    else:

        def _read(self, num_bytes: int, place: int) -> bytes:
            return os.pread(self._descriptor, num_bytes, place)

        def _write(self, data: bytes, place: int) -> None:
            _check_written(os.pwrite(self._descriptor, data, place), data)


_RECORD_BYTES = _RECORD.size
_BODY_BYTES = KEY_BYTES + 8
_FLAGS = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def _data_start(num_slots: int) -> int:
    end = _TABLE_START + _RECORD_BYTES * num_slots
    return -(-end // _PAGE) * _PAGE


def _check_written(count: int, data: bytes) -> None:
    if count != len(data):
        raise OSError(f"{count} of {len(data)} bytes written")
