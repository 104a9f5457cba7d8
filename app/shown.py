"""What is known of the frame under the cursor: observations, reviews, ghosts and the diagnosis.

The session owns the one of the window and tells when it is another; everything here takes a few
milliseconds, on the window's thread. Before the compiled triangulation is in, there are neither
ghosts nor a diagnosis.

Beside it, where two sources are compared, the same frame as the other one has it. That side is read
when somebody asks for it, and then once a frame: whoever compares nothing pays nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.curation.sources import DetectionSource
from core.diagnosis import diagnose_frame
from core.labelling import hand_ghosts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.state import EditPreview
    from core.curation.sources import FrameSource
    from core.diagnosis import FrameDiagnosis
    from core.labelling import Ghosts
    from core.observations import FrameObservations
    from core.project import Project
    from core.settings import TriangulationSettings


class BeforeFrame:
    """The frame as the compared source has it; read and triangulated when it is first asked for.

    Attributes:
        source: the one that is compared with; None while nothing is.
    """

    def __init__(self) -> None:
        self.source: FrameSource | None = None
        self._project: Project | None = None
        self._frame = 0
        self._settings: TriangulationSettings | None = None
        self._observations: FrameObservations | None = None
        self._diagnosis: FrameDiagnosis | None = None

    def compare(self, project: Project | None, source: FrameSource | None) -> None:
        """Stand for another source from now on; the former one is not closed here."""
        self._project, self.source = project, source
        self._observations = self._diagnosis = None

    def go_to(self, frame: int, settings: TriangulationSettings | None) -> None:
        """Be of a frame, anew; without settings there is no diagnosis."""
        self._frame, self._settings = frame, settings
        self._observations = self._diagnosis = None

    @property
    def observations(self) -> FrameObservations | None:
        """Everything that the source says of the frame, labels on top."""
        if self._observations is None and self.source is not None:
            self._observations = self.source.observations(self._frame)
        return self._observations

    @property
    def diagnosis(self) -> FrameDiagnosis | None:
        """The triangulation of the observations, without what somebody muted."""
        seen = self.observations
        if self._diagnosis is None and self._project and self._settings and seen is not None:
            muted = self._project.muted(seen.frame, seen.persons)
            self._diagnosis = diagnose_frame(seen, self._project.rig, self._settings, muted)
        return self._diagnosis


class ShownFrame:
    """One frame of a source, and what follows from it.

    Attributes:
        source: of the observations; None without a project.
        observations: everything seen.
        reviews: (P, J) uint8, values of `core.project.ReviewState`, of the observed persons.
        ghosts: where hand labels, and what is being dragged, put joints in the other views.
        diagnosis: the triangulation and its reasons.
        is_engine_ready: whether the compiled triangulation is in.
        before: the same frame as another source has it, where two are compared.
    """

    def __init__(self) -> None:
        self._project: Project | None = None
        self.source: FrameSource | None = None
        self.observations: FrameObservations | None = None
        self.reviews: NDArray[np.uint8] | None = None
        self.ghosts: Ghosts | None = None
        self.diagnosis: FrameDiagnosis | None = None
        self.is_engine_ready = False
        self.before = BeforeFrame()

    def adopt(self, project: Project | None) -> None:
        """Be of another project, as its detections show it, or of none."""
        self._project = project
        self.compare(None)
        self.show(None if project is None else DetectionSource(project))
        self.observations = self.reviews = self.ghosts = self.diagnosis = None

    def show(self, source: FrameSource | None) -> None:
        """Take observations from a source from now on; the former one is closed."""
        former, self.source = self.source, source
        self._close(former)

    def compare(self, source: FrameSource | None) -> None:
        """Let another source stand beside the one shown; the former such one is closed."""
        former = self.before.source
        self.before.compare(self._project, source)
        self._close(former)

    def _close(self, former: FrameSource | None) -> None:
        if former is not None and former not in (self.source, self.before.source):
            former.close()

    def read(self, frame: int, settings: TriangulationSettings) -> None:
        """Read a frame anew; nothing is being dragged in it."""
        assert self._project is not None
        assert self.source is not None
        self.observations = self.source.observations(frame)
        self.before.go_to(frame, None)
        self.read_reviews()
        self.diagnose(settings)

    def read_reviews(self) -> None:
        """Read anew what people decided; observations and diagnosis stay, a drag does not."""
        assert self._project is not None
        assert self.observations is not None
        frame, persons = self.observations.frame, self.observations.persons
        self.reviews = self._project.reviews(frame).of(persons)
        self.find_ghosts(None)

    def find_ghosts(self, preview: EditPreview | None) -> None:
        """Follow what is being dragged."""
        if self._project is None or self.observations is None or not self.is_engine_ready:
            self.ghosts = None
            return
        moved = None if preview is None else preview.by_hand_px
        self.ghosts = hand_ghosts(self.observations, self._project.rig, moved)

    def diagnose(self, settings: TriangulationSettings) -> None:
        """Triangulate, without what somebody muted."""
        project, seen = self._project, self.observations
        if project is None or seen is None or not self.is_engine_ready:
            self.diagnosis = None
            return
        self.before.go_to(seen.frame, settings)
        muted = project.muted(seen.frame, seen.persons)
        self.diagnosis = diagnose_frame(seen, project.rig, settings, muted)
