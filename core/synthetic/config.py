"""What a synthetic match looks like: one frozen value, from which every byte follows.

Frame numbers here are those people see: 1-based, as ffmpeg and SportCenter count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

Pictures: TypeAlias = Literal["jpeg", "video", "none"]
Setting: TypeAlias = Literal["match", "practice"]
Progress: TypeAlias = "Callable[[int, int], bool]"

SUBJECTS = (0, 1, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)
"""SportCenter's subject ids, and a thirteenth for a second referee."""

LEAVING_ORDER = (14, 11, 13, 10, 9, 8, 6, 5, 3, 1, 0)
"""Who is left out first when there are fewer people; the test subjects 7 and 12 always play."""

FIRST_FRAME_NUMBER = 1
"""Frame 0 is frame_000001.jpg, as ffmpeg numbers."""

CAMERA_NAMES = tuple(f"ace_{i}" for i in range(8))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatedRange:
    """Frames annotated by hand: ``range(first, stop, step)`` in 1-based frame numbers."""

    first: int
    stop: int
    step: int = 1

    @property
    def name(self) -> str:
        """The folder's name, as SportCenter writes it."""
        return f"{self.first}_{self.stop}_{self.step}"

    @property
    def frame_numbers(self) -> range:
        """1-based frame numbers."""
        return range(self.first, self.stop, self.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthConfig:
    """A match to generate.

    Attributes:
        num_frames: length of the recording.
        fps: frames per second.
        seed: same seed and same config, same match and same bytes of every JPEG.
        cameras: names of the cameras wanted, among ``ace_0`` … ``ace_7``; None = all eight.
        num_people: tracked people, 2 to 13: two teams, referee, coach, second referee.
        num_bystanders: people beside the court whom no trajectory follows.
        pictures: JPEG folders, one mp4 a camera, or none at all.
        jpeg_quality: 1 to 100; 4:2:0 chroma, as cameras write.
        picture_scale: 1 = full size; the calibration is scaled with the pictures.
        annotated: frames annotated by hand; None = two ranges as in SportCenter, scaled to length.
        annotation_noise_px: standard deviation of the annotators' clicks.
        detections: also write a simulated detector's output.
        num_workers: rendering threads; None = one a core.
        setting: ``match`` is arranged like SportCenter. ``practice`` is another domain in the same
            hall: lower cameras, wherever the seed puts them, and everybody in
            clothes of their own; what a detector is pre-trained on before it sees a match.
    """

    num_frames: int = 1500
    fps: float = 25.0
    seed: int = 0
    cameras: tuple[str, ...] | None = None
    num_people: int = 12
    num_bystanders: int = 1
    pictures: Pictures = "jpeg"
    jpeg_quality: int = 90
    picture_scale: float = 1.0
    annotated: tuple[AnnotatedRange, ...] | None = None
    annotation_noise_px: float = 1.0
    detections: bool = True
    num_workers: int | None = None
    setting: Setting = "match"

    def __post_init__(self) -> None:
        """Refuse what cannot be generated, naming the field."""
        self._require("num_frames", self.num_frames >= 2, "at least 2")
        self._require("fps", 1 <= self.fps <= 500, "1 to 500")
        self._require("seed", self.seed >= 0, "0 or more")
        self._require("num_people", 2 <= self.num_people <= len(SUBJECTS), "2 to 13")
        self._require("num_bystanders", 0 <= self.num_bystanders <= 6, "0 to 6")
        self._require("pictures", self.pictures in {"jpeg", "video", "none"}, "jpeg, video or none")
        self._require("setting", self.setting in {"match", "practice"}, "match or practice")
        self._require("jpeg_quality", 1 <= self.jpeg_quality <= 100, "1 to 100")
        self._require("picture_scale", 0.1 <= self.picture_scale <= 2, "0.1 to 2")
        self._require("annotation_noise_px", 0 <= self.annotation_noise_px <= 50, "0 to 50")
        self._require("num_workers", self.num_workers is None or self.num_workers > 0, "1 or more")
        names = self.camera_names
        right = bool(names) and set(names) <= set(CAMERA_NAMES) and len(set(names)) == len(names)
        self._require("cameras", right, f"different names among {', '.join(CAMERA_NAMES)}")
        for part in self.annotated_ranges:
            inside = part.step > 0 and part.first >= 1 and part.stop <= self.num_frames + 1
            self._require("annotated", inside, f"ranges within 1 to {self.num_frames}")
        numbers = [number for part in self.annotated_ranges for number in part.frame_numbers]
        self._require("annotated", len(set(numbers)) == len(numbers), "no frame in two ranges")

    def _require(self, name: str, right: bool, expected: str) -> None:
        if not right:
            found = str(getattr(self, name))
            raise DataError(
                "synthetic match", name, expected=expected, found=found, remedy="Correct it."
            )

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras to generate, in the order they are written."""
        return CAMERA_NAMES if self.cameras is None else self.cameras

    @property
    def subjects(self) -> tuple[int, ...]:
        """Ids of the tracked people, ascending."""
        gone = LEAVING_ORDER[: len(SUBJECTS) - self.num_people]
        return tuple(subject for subject in SUBJECTS if subject not in gone)

    @property
    def annotated_ranges(self) -> tuple[AnnotatedRange, ...]:
        """Where the hand annotations are: sparse early on, dense later."""
        if self.annotated is not None:
            return self.annotated
        first = 1 + round(0.3 * self.num_frames)
        sparse_stop = min(first + 60, first + max(1, self.num_frames // 4))
        second = max(sparse_stop, 1 + round(0.65 * self.num_frames))
        dense_stop = min(second + 50, second + max(1, self.num_frames // 6), self.num_frames + 1)
        return (
            AnnotatedRange(first=first, stop=sparse_stop, step=3),
            AnnotatedRange(first=second, stop=dense_stop, step=1),
        )


DEMO_CONFIG = SynthConfig(num_frames=48, seed=14, jpeg_quality=85)
"""What ``trilabel demo`` generates on its first run."""
