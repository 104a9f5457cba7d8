"""How far an experiment is, with the time left: a line on a terminal, a line now and then else.

Work is counted in costs (any unit; the parts' own estimates), since a row that trains takes a
thousand times as long as one that is evaluated. What an earlier call finished takes no time, so it
is taken out of the total before the time left is told.
"""

from __future__ import annotations

import sys
import time
from typing import TextIO

from core.text import duration

_QUIET_SECONDS = 20.0


class Progress:
    """Progress over parts that cost differently much."""

    def __init__(self, total: float, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._total, self._done, self._skipped = max(total, 1e-9), 0.0, 0.0
        self._started = time.monotonic()
        self._last = -_QUIET_SECONDS
        self._width = 0

    def expect(self, total: float) -> None:
        """Set how much there is in all, where that was not known before."""
        self._total = total

    def skip(self, cost: float) -> None:
        """Count a part as finished by an earlier call."""
        self._skipped += cost

    def tell(self, label: str, cost: float = 0.0, within: float = 0.0) -> None:
        """Finish work of this cost, then say what goes on.

        Args:
            label: what is being done now.
            cost: of what was finished since the last call.
            within: of what is under way, done but not to be counted yet.
        """
        self._done += cost
        now = time.monotonic()
        terminal = self._stream.isatty()
        if now - self._last < (0.2 if terminal else _QUIET_SECONDS):
            return
        self._last = now
        line = self._line(label, self._done + within, now - self._started)
        if terminal:
            self._stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def finish(self, text: str) -> None:
        """End the line with a text."""
        if self._stream.isatty():
            self._stream.write("\r" + " " * self._width + "\r")
        self._stream.write(f"{text} ({duration(time.monotonic() - self._started)})\n")
        self._stream.flush()

    def _line(self, label: str, done: float, elapsed: float) -> str:
        share = min(1.0, (self._skipped + done) / self._total)
        left = self._total - self._skipped - done
        wait = f", about {duration(elapsed * left / done)} left" if done > 0 and left > 0 else ""
        return f"{share:4.0%}  {label}{wait}"
