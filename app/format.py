"""Numbers as people read them: units always, digits only as many as they mean."""

from __future__ import annotations

import math

from core.text import duration, percent

__all__ = [
    "byte_size",
    "counted",
    "duration",
    "joint_name",
    "length",
    "measured",
    "number",
    "percent",
    "pixels",
]


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


def byte_size(num_bytes: int) -> str:
    """``640 kB``, ``1.2 GB``: as disks are sold, by thousands."""
    if num_bytes < 1000:
        return f"{num_bytes} B"
    value, unit = num_bytes / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if value >= 999.5:
            value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:,.0f} {unit}"


def measured(value: float, unit: str) -> str:
    """A figure of a run in its unit; a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.1f}"
    return f"{text} {unit}".rstrip()


def counted(number_of: int, noun: str) -> str:
    """``1 frame``, ``1,024 frames``."""
    return f"{number_of:,} {noun}" if number_of == 1 else f"{number_of:,} {noun}s"


def joint_name(name: str) -> str:
    """A joint's name for the eye."""
    return name.replace("_", " ")
