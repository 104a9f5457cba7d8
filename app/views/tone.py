"""Brightness, contrast and gamma as one lookup table, applied once a picture and not per paint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.state import DisplaySettings


@dataclass(frozen=True, slots=True)
class Tone:
    """A tone curve: gamma first, then contrast about mid-grey, then brightness.

    Attributes:
        brightness: added, -1 to 1.
        contrast: factor about mid-grey.
        gamma: exponent; below 1 lifts the shadows.
    """

    brightness: float = 0.0
    contrast: float = 1.0
    gamma: float = 1.0

    @classmethod
    def of(cls, display: DisplaySettings) -> Tone:
        """The tone that these settings ask for."""
        return cls(display.brightness, display.contrast, display.gamma)

    @property
    def is_neutral(self) -> bool:
        """Whether pictures stay as they are."""
        return self == Tone()

    def table(self) -> NDArray[np.uint8]:
        """(256,) the new value of each old one."""
        value = (np.arange(256) / 255.0) ** self.gamma
        value = (value - 0.5) * self.contrast + 0.5 + self.brightness
        return np.rint(np.clip(value, 0.0, 1.0) * 255).astype(np.uint8)


def apply_tone(pixels: NDArray[np.uint8], tone: Tone) -> NDArray[np.uint8]:
    """The picture through the curve; the very same array where the tone is neutral.

    Args:
        pixels: (h, w, 4) BGRA; the fourth value is not looked at by whoever paints it.
        tone: the curve.
    """
    if tone.is_neutral:
        return pixels
    from core.recording.cv import cv2

    return np.asarray(cv2.LUT(pixels, tone.table()), dtype=np.uint8)
