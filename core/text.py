"""Times and shares as people read them, in the window, on the terminal and in reports."""

from __future__ import annotations

import math


def duration(seconds: float) -> str:
    """A time left, in the two largest units that say something."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, whole = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {whole:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def percent(share: float, digits: int = 0) -> str:
    """A share from 0 to 1; a dash where there is none. Never 100 where something is missing."""
    if not math.isfinite(share):
        return "–"
    unit = 10.0 ** (digits + 2)
    rounded = round(share * unit)
    if share < 1:
        rounded = min(rounded, round(unit) - 1)
    return f"{rounded * 100 / unit:.{digits}f} %"
