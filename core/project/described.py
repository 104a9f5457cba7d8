"""What project.toml and rig.toml say of a project, read through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.geometry import Rig
    from core.geometry.volume import WorldBox
    from core.project.spec import ProjectSpec, Subject
    from core.settings import TriangulationSettings
    from core.skeleton import Skeleton


class Described:
    """The fields of a project's spec, by the names everybody uses."""

    _spec: ProjectSpec

    @property
    def spec(self) -> ProjectSpec:
        """Everything of project.toml and rig.toml."""
        return self._spec

    @property
    def name(self) -> str:
        """To show."""
        return self._spec.name

    @property
    def rig(self) -> Rig:
        """C cameras, sizes known where anything tells them."""
        return self._spec.rig

    @property
    def skeleton(self) -> Skeleton:
        """J joints."""
        return self._spec.skeleton

    @property
    def num_frames(self) -> int:
        """F, of the longest sequence."""
        return self._spec.num_frames

    @property
    def first_frame_number(self) -> int:
        """What people call frame 0."""
        return self._spec.first_frame_number

    @property
    def fps(self) -> float | None:
        """Frames a second; None where unknown."""
        return self._spec.fps

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Persons with a name or a split."""
        return self._spec.subjects

    @property
    def settings(self) -> TriangulationSettings:
        """How frames are triangulated."""
        return self._spec.settings

    @property
    def world_volume(self) -> WorldBox | None:
        """What the recording is about; None where unknown."""
        return self._spec.world_volume

    @property
    def is_court(self) -> bool:
        """Whether the world's origin is the centre of a basketball court, z up."""
        return self._spec.court == "basketball"

    @property
    def has_pictures(self) -> bool:
        """Whether any camera has pictures."""
        return bool(self._spec.sources)

    def person_name(self, person: int) -> str:
        """What to call a person: its name, or its id."""
        names = {subject.person: subject.name for subject in self._spec.subjects}
        return names.get(person, str(person))

    def split(self, name: str) -> tuple[int, ...]:
        """The persons of a split (``train`` or ``test``), ascending."""
        return tuple(sorted(s.person for s in self._spec.subjects if s.split == name))

    def _refuse_beyond(self, what: str, frames: NDArray[np.integer]) -> None:
        """Refuse frames that the recording has not."""
        if len(frames) and (frames.min() < 0 or frames.max() >= self.num_frames):
            first = self.first_frame_number
            raise DataError(
                what,
                "frame",
                expected=f"frames {first} to {first + self.num_frames - 1}",
                found=f"{frames.min() + first} to {frames.max() + first}",
                remedy="Check that they belong to this recording, and how its frames are counted.",
            )
