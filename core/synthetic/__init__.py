"""A synthetic SportCenter: a basketball match made up from a seed, with pictures and truth.

`synthesise` writes it in SportCenter's own format. Importing this package loads neither numba nor
OpenCV; the first call does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.synthetic.config import (
    CAMERA_NAMES,
    DEMO_CONFIG,
    AnnotatedRange,
    Progress,
    SynthConfig,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CAMERA_NAMES",
    "DEMO_CONFIG",
    "AnnotatedRange",
    "Progress",
    "SynthConfig",
    "synthesise",
]


def synthesise(config: SynthConfig, directory: Path, progress: Progress | None = None) -> bool:
    """Generate a match and write it as a SportCenter folder; see `core.synthetic.dataset`.

    Args:
        config: what to generate.
        directory: the folder to make; it must be missing or empty.
        progress: called with view images done and in all; False stops.

    Returns:
        whether it was finished; stopped, nothing is left behind.

    Raises:
        CommandRefusedError: where `directory` holds something.
    """
    from core.synthetic.dataset import synthesise as generate

    return generate(config, directory, progress)
