"""What there is to read of a window's document, and the signals that tell when it is another.

`app.session.Session` is the document itself: everything here is changed there, and only there.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.shown import ShownFrame
from app.state import Cursor, DisplaySettings
from core.errors import CommandRefusedError
from core.settings import TriangulationSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.state import EditPreview, FeetMode, HoverTarget, TrackPreview
    from core.curation.round_diff import RoundDiff
    from core.curation.sources import FrameSource
    from core.diagnosis import FrameDiagnosis, RecordingSummary
    from core.labelling import Ghosts
    from core.observations import FrameObservations
    from core.project import Project
    from core.recording import Recording
    from core.synthetic.truth import Truth

# Whoever goes through rounds step by step has not taken another step for so long: there they stay.
_REST_MS = 1_500


class Document(QObject):
    """Project, cursor, settings and what follows from them, as the views read it.

    Signals carry what happened, never what to do: ``cursor_changed(old, new)`` after the
    observations and the diagnosis of a new frame are in place, ``diagnosis_changed`` whenever the
    diagnosis is another (new frame, new settings, an edit, another source), ``source_changed``
    when observations come from somewhere else. ``taken_up(frames)`` comes where the source shown
    says something new of some frames (a set), ``compared_changed(source)`` where another source, or
    None, stands beside it, and ``blink_changed(is_on)`` where that one is to be shown instead.
    """

    project_closing = Signal()
    project_changed = Signal()
    cursor_changed = Signal(object, object)
    edited = Signal(object)
    preview_changed = Signal(object)
    track_preview_changed = Signal(object)
    feet_mode_changed = Signal(object)
    diagnosis_changed = Signal(object)
    settings_changed = Signal(object)
    display_changed = Signal(object)
    hover_changed = Signal(object)
    summary_changed = Signal(object)
    source_closing = Signal()
    source_changed = Signal(object)
    taken_up = Signal(object)
    compared_changed = Signal(object)
    blink_changed = Signal(bool)
    diff_changed = Signal(object)
    truth_changed = Signal()
    message_posted = Signal(str)
    engine_warmed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project: Project | None = None
        self._recording: Recording | None = None
        self._cursor = Cursor()
        self._settings = TriangulationSettings()
        self._display = DisplaySettings()
        self._shown = ShownFrame()
        self._preview: EditPreview | None = None
        self._track_preview: TrackPreview | None = None
        self._feet_mode: FeetMode | None = None
        self._is_blinking = False
        self._diff: RoundDiff | None = None
        self._hover: HoverTarget | None = None
        self._summary: RecordingSummary | None = None
        self._truth: Truth | None = None
        self._stepped_s = -math.inf

    @property
    def project(self) -> Project | None:
        """The open project, or None."""
        return self._project

    @property
    def recording(self) -> Recording | None:
        """The pictures of the open project; the views close it."""
        return self._recording

    @property
    def cursor(self) -> Cursor:
        """Where the window is."""
        return self._cursor

    @property
    def settings(self) -> TriangulationSettings:
        """How frames are triangulated."""
        return self._settings

    @property
    def display(self) -> DisplaySettings:
        """How things are shown."""
        return self._display

    @property
    def observations(self) -> FrameObservations | None:
        """What was seen at the cursor's frame."""
        return self._shown.observations

    @property
    def source(self) -> FrameSource | None:
        """Where the shown observations come from; None while no project is open."""
        return self._shown.source

    @property
    def compared(self) -> FrameSource | None:
        """What stands beside the source, as the side before; None while nothing is compared."""
        return self._shown.before.source

    @property
    def before(self) -> FrameObservations | None:
        """What the compared source says of the cursor's frame, labels on top; None without one."""
        return self._shown.before.observations

    @property
    def before_diagnosis(self) -> FrameDiagnosis | None:
        """The triangulation of `before` with the same settings; None while there is none."""
        return self._shown.before.diagnosis

    @property
    def is_blinking(self) -> bool:
        """Whether `before` is to be shown in place of the observations, as long as a key is held.

        Observations and diagnosis stay those of the source: what is edited is never the side
        before.
        """
        return self._is_blinking

    @property
    def diff(self) -> RoundDiff | None:
        """What the source shown changed against `compared`; None until it has been computed."""
        return self._diff

    @property
    def reviews(self) -> NDArray[np.uint8] | None:
        """(P, J) values of `core.project.ReviewState`, of the observed persons in their order."""
        return self._shown.reviews

    @property
    def diagnosis(self) -> FrameDiagnosis | None:
        """The triangulation of the cursor's frame and its reasons; None while there is none."""
        return self._shown.diagnosis

    @property
    def ghosts(self) -> Ghosts | None:
        """Where hand labels, and what is being dragged, put joints in the other views."""
        return self._shown.ghosts

    @property
    def preview(self) -> EditPreview | None:
        """What is being dragged; None while nothing is."""
        return self._preview

    @property
    def track_preview(self) -> TrackPreview | None:
        """Who is being moved over the ground; None while nobody is."""
        return self._track_preview

    @property
    def is_dragging(self) -> bool:
        """Whether something is in the hand: what lies under it must stay as it is until then."""
        return self._preview is not None or self._track_preview is not None

    @property
    def feet_mode(self) -> FeetMode | None:
        """What clicks in the views place people by; None while they select joints."""
        return self._feet_mode

    @property
    def summary(self) -> RecordingSummary | None:
        """The whole recording under these settings; None until it has been computed."""
        return self._summary

    @property
    def truth(self) -> Truth | None:
        """The truth of a generated match, where somebody loaded it on purpose."""
        return self._truth

    @property
    def truth_points_mm(self) -> NDArray[np.float64]:
        """(P, J, 3) the true poses of this frame, world; empty where no truth is loaded."""
        truth = self._truth
        if truth is None:
            return np.empty((0, 1, 3))
        return truth.points_mm[truth.frames == self._cursor.frame].reshape(-1, len(truth.joints), 3)

    @property
    def hover_target(self) -> HoverTarget | None:
        """The joint under the pointer."""
        return self._hover

    @property
    def person_row(self) -> int | None:
        """The row of the selected person in this frame's arrays; None where it is absent."""
        seen = self.observations
        if seen is None or self._cursor.person not in seen.persons:
            return None
        return seen.persons.index(self._cursor.person)

    @property
    def is_engine_ready(self) -> bool:
        """Whether the compiled triangulation is in."""
        return self._shown.is_engine_ready

    @property
    def frame_number(self) -> int:
        """The cursor's frame as people count it (SportCenter's first frame is 1)."""
        first = self._project.first_frame_number if self._project is not None else 0
        return self._cursor.frame + first

    def rest_ms(self, usual_ms: int) -> int:
        """How long what goes on behind the views waits before it begins.

        Longer while somebody goes through rounds: what was begun for one that is left within a
        second only takes the window's time.
        """
        left_ms = _REST_MS - 1000 * (time.monotonic() - self._stepped_s)
        return max(usual_ms, math.ceil(max(left_ms, 0.0)))

    def require_project(self) -> Project:
        """The open project.

        Raises:
            CommandRefusedError: none is open.
        """
        if self._project is None:
            raise CommandRefusedError("Open a project first.")
        return self._project
