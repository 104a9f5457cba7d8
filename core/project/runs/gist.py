"""What a long run is doing, without reading all it has said.

Nearly all that a long run says are points of its curves; 100,000 of them take a second of Python to
be read, and far more where a window works beside it. Whoever only asks where the run is gets all of
the rest, and the newest of those, in some milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.project.runs import event_file
from core.project.runs.folder import EVENTS, decoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.project.runs.events import Event
    from core.project.runs.folder import RunFolder

# Reading less of them takes no longer than reading some of them.
_LONG_BYTES = 1 << 20
_NEWEST = 256
# How lines begin that are points of curves, as `encode_event` writes them behind the schema; what
# is written otherwise is read.
_BEHIND_SCHEMA = len(b'{"v":2,')
_POINTS = tuple(
    b'"kind":"%s"' % kind
    for kind in (b"progress", b"weights-measured", b"evaluated", b"device-used")
)
_STARTED = b'"kind":"run-started"'


def gist_of(
    run: RunFolder, pause: Callable[[], None] | None = None
) -> tuple[tuple[Event, ...], int] | None:
    """The events that tell what a long run is doing, and the byte offset after its last line.

    Left out are points of its curves but for the newest, and but for those before a new start,
    which tell how long the trainer had worked. None where the run is short: `RunFolder.events` is
    as quick then.

    Args:
        run: to be asked.
        pause: as for `RunFolder.events`.

    Raises:
        DataError: the file cannot be read.
    """
    path = run.path / EVENTS
    if not path.is_file() or path.stat().st_size < _LONG_BYTES:
        return None
    lines, end = event_file.read_lines(path)
    first_newest = max(len(lines) - _NEWEST, 0)
    kept = [
        number
        for number, line in enumerate(lines)
        if number >= first_newest or not line.startswith(_POINTS, _BEHIND_SCHEMA)
    ]
    before = {number - 1 for number in kept if lines[number].startswith(_STARTED, _BEHIND_SCHEMA)}
    wanted = sorted((before | set(kept)) - {-1})
    return tuple(decoded([lines[number] for number in wanted], pause)), end
