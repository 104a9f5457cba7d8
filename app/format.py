"""Numbers as people read them: units always, digits only as many as they mean."""

from __future__ import annotations

import math

from core.text import duration, percent

__all__ = ["counted", "duration", "joint_name", "length", "number", "percent", "pixels"]


def length(value_mm: float) -> str:
    """Millimetres, centimetres or metres; a dash where there is none."""
    if not math.isfinite(value_mm):
        return "–"
    if abs(value_mm) >= 10_000:
        return f"{value_mm / 1000:.1f} m"
    return f"{value_mm:.0f} mm" if abs(value_mm) >= 10 else f"{value_mm:.1f} mm"


def number(value: float) -> str:
    """A length whose unit stands beside it; a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.1f}"


def pixels(value_px: float) -> str:
    """A distance in the image; a dash where there is none."""
    if not math.isfinite(value_px):
        return "–"
    return f"{value_px:.0f} px" if abs(value_px) >= 10 else f"{value_px:.1f} px"


def counted(number_of: int, noun: str) -> str:
    """``1 frame``, ``1,024 frames``."""
    return f"{number_of:,} {noun}" if number_of == 1 else f"{number_of:,} {noun}s"


def joint_name(name: str) -> str:
    """A joint's name for the eye."""
    return name.replace("_", " ")
