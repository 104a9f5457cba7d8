"""What is known of the frame under the cursor: observations, reviews, ghosts and the diagnosis.

The session owns the one of the window and tells when it is another; everything here takes a few
milliseconds, on the window's thread. Before the compiled triangulation is in, there are neither
ghosts nor a diagnosis.
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


class ShownFrame:
    """One frame of a source, and what follows from it.

    Attributes:
        source: of the observations; None without a project.
        observations: everything seen.
        reviews: (P, J) uint8, values of `core.project.ReviewState`, of the observed persons.
        ghosts: where hand labels, and what is being dragged, put joints in the other views.
        diagnosis: the triangulation and its reasons.
        is_engine_ready: whether the compiled triangulation is in.
    """

    def __init__(self) -> None:
        self._project: Project | None = None
        self.source: FrameSource | None = None
        self.observations: FrameObservations | None = None
        self.reviews: NDArray[np.uint8] | None = None
        self.ghosts: Ghosts | None = None
        self.diagnosis: FrameDiagnosis | None = None
        self.is_engine_ready = False

    def adopt(self, project: Project | None) -> None:
        """Be of another project, as its detections show it, or of none."""
        self._project = project
        self.show(None if project is None else DetectionSource(project))
        self.observations = self.reviews = self.ghosts = self.diagnosis = None

    def show(self, source: FrameSource | None) -> None:
        """Take observations from a source from now on; the former one is closed."""
        former, self.source = self.source, source
        if former is not None:
            former.close()

    def read(self, frame: int, settings: TriangulationSettings) -> None:
        """Read a frame anew; nothing is being dragged in it."""
        assert self._project is not None
        assert self.source is not None
        self.observations = self.source.observations(frame)
        self.reviews = self._project.reviews(frame).of(self.observations.persons)
        self.find_ghosts(None)
        self.diagnose(settings)

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
        muted = project.muted(seen.frame, seen.persons)
        self.diagnosis = diagnose_frame(seen, project.rig, settings, muted)
