"""One dialog for all that is done to tracks over frames: who, where, and what is in the way.

Every choice makes the plan anew: what would change, what it runs into, and (through the session's
preview) where people would stand at this frame, in the top view and as boxes in all views. Nothing
is written before it is accepted, and accepted it is one step of the journal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.format import counted
from app.state import TrackPreview
from app.theme import GRID_PX, person_pixmap
from app.tracks.editing import conflicts_of, edit_of
from app.tracks.trails import hand_places
from core.errors import CommandRefusedError, DataError
from core.people.track_edits import (
    delete_track,
    frames_in_scope,
    gap_about,
    interpolate_track,
    merge_tracks,
    path_between,
    split_track,
    spot_of,
    swap_tracks,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.session import Session
    from core.people.track_conflicts import TrackConflict
    from core.people.track_edits import Preference, Scope, TrackPlan
    from core.project import Edit, Project

Operation = Literal["split", "merge", "swap", "interpolate", "delete"]
_WITH_OTHER = ("merge", "swap")
_IDENTITY = ("split", "merge", "swap")

_TITLES: dict[Operation, str] = {
    "split": "Split #{}: the rest becomes a new person",
    "merge": "Merge somebody into #{}",
    "swap": "Swap #{} with somebody",
    "interpolate": "Interpolate #{}",
    "delete": "Delete #{}'s track",
}
_SCOPES: tuple[tuple[Scope | Literal["range"], str], ...] = (
    ("frame", "This frame"),
    ("forward", "From this frame on"),
    ("backward", "Up to this frame"),
    ("all", "All frames"),
    ("range", "Frames…"),
)
_FIRST_SCOPE: dict[Operation, str] = {"merge": "all", "delete": "frame", "interpolate": "range"}
_PREFERENCES: tuple[tuple[Preference, str], ...] = (
    ("mine", "that of #{0}"),
    ("theirs", "that of #{1}"),
    ("mean", "the middle of both"),
)
_MAX_LISTED = 6


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a dialog begins with, where something else is known than the cursor."""

    other: int | None = None
    start: int | None = None
    stop: int | None = None


class TrackDialog(QDialog):
    """Plans one operation on the selected person's track."""

    def __init__(
        self,
        session: Session,
        operation: Operation,
        carry_out: Callable[[Edit, int], None],
        parent: QWidget,
        suggestion: Suggestion | None = None,
    ) -> None:
        """Open for the cursor's person and frame.

        Args:
            session: of the window.
            operation: what to plan.
            carry_out: is given the edit that was accepted, and of how many places it is.
            parent: the window.
            suggestion: what to begin with.

        Raises:
            CommandRefusedError: nobody is selected, or there is no other person to choose.
        """
        super().__init__(parent)
        project, cursor = session.require_project(), session.cursor
        if cursor.person is None:
            raise CommandRefusedError("Select a person first: click one, or press Tab.")
        self._session, self._project, self._carry_out = session, project, carry_out
        self._operation: Operation = operation
        self._person, self._frame = cursor.person, cursor.frame
        self._plan: TrackPlan | None = None
        self._suggestion = suggestion or Suggestion()
        self.setWindowTitle(_TITLES[operation].format(self._person))
        self._form = QFormLayout()
        self._make_other()
        self._make_scope()
        self._make_choices()
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.conflicts = QLabel()
        self.conflicts.setWordWrap(True)
        self.conflicts.setMinimumWidth(48 * GRID_PX)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setText(operation.capitalize())
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(GRID_PX)
        column.addLayout(self._form)
        column.addWidget(self.summary)
        column.addWidget(self.conflicts)
        column.addStretch()
        column.addWidget(self.buttons)
        self.finished.connect(lambda _result: session.set_track_preview(None))
        self._replan()

    @property
    def plan(self) -> TrackPlan | None:
        """What would be done now; None where it cannot be."""
        return self._plan

    # What there is to choose.

    def _make_other(self) -> None:
        self.other = QComboBox()
        if self._operation not in _WITH_OTHER:
            return
        for person, words in _others(self._project, self._person, self._frame):
            self.other.addItem(person_pixmap(person), words, person)
        if not self.other.count():
            raise CommandRefusedError("There is nobody else with a track.")
        place = self.other.findData(self._suggestion.other)
        self.other.setCurrentIndex(max(place, 0))
        self.other.currentIndexChanged.connect(self._replan)
        self._form.addRow("With" if self._operation == "swap" else "Whom", self.other)

    def _make_scope(self) -> None:
        first, last = self._first_range()
        self.scope = QComboBox()
        for name, words in _SCOPES:
            if not (self._operation == "interpolate" and name != "range"):
                self.scope.addItem(words, name)
        wanted = _FIRST_SCOPE.get(self._operation, "forward")
        wanted = "range" if self._suggestion.start is not None else wanted
        self.scope.setCurrentIndex(self.scope.findData(wanted))
        number = self._project.first_frame_number
        self.first, self.last = QSpinBox(), QSpinBox()
        for box, value in ((self.first, first), (self.last, last)):
            box.setRange(number, number + self._project.num_frames - 1)
            box.setValue(value + number)
            box.valueChanged.connect(self._replan)
        self.scope.currentIndexChanged.connect(self._replan)
        row = QHBoxLayout()
        row.addWidget(self.scope, 1)
        self._to = QLabel("to")
        for widget in (self.first, self._to, self.last):
            row.addWidget(widget)
        self._form.addRow("Where", row)

    def _make_choices(self) -> None:
        self.prefer = QComboBox()
        for name, words in _PREFERENCES:
            self.prefer.addItem(words.format(self._person, "the other"), name)
        self.prefer.currentIndexChanged.connect(self._replan)
        self.only_missing = QCheckBox("Only frames without a place")
        self.only_missing.toggled.connect(self._replan)
        self.with_detections = QCheckBox("What was detected there, in all views")
        self.with_detections.setChecked(self._project.detections is not None)
        self.with_labels = QCheckBox("Labels and reviews there")
        if self._operation == "merge":
            self._form.addRow("Where both are, keep", self.prefer)
        if self._operation == "interpolate":
            self._form.addRow("", self.only_missing)
        if self._operation in _IDENTITY:
            self._form.addRow("Goes along", self.with_detections)
            self._form.addRow("", self.with_labels)
            self.with_labels.toggled.connect(self._replan)
        if self._project.detections is None:
            self.with_detections.setEnabled(False)

    def _first_range(self) -> tuple[int, int]:
        suggested = self._suggestion
        if suggested.start is not None and suggested.stop is not None:
            return suggested.start, max(suggested.stop - 1, suggested.start)
        if self._operation == "interpolate":
            return _ends_about(self._project, self._person, self._frame)
        return self._frame, self._frame

    # What would be done.

    def _range(self) -> range:
        scope = self.scope.currentData()
        if scope != "range":
            return frames_in_scope(cast("Scope", scope), self._frame, self._project.num_frames)
        number = self._project.first_frame_number
        first, last = self.first.value() - number, self.last.value() - number
        return range(min(first, last), max(first, last) + 1)

    def _make_plan(self) -> TrackPlan:
        tracks, person, frames = self._project.tracks, self._person, self._range()
        other = int(self.other.currentData()) if self.other.count() else -1
        if self._operation == "split":
            return split_track(tracks, person, self._project.next_person(), frames)
        if self._operation == "swap":
            return swap_tracks(tracks, person, other, frames)
        if self._operation == "merge":
            prefer = cast("Preference", self.prefer.currentData())
            return merge_tracks(tracks, person, other, frames, prefer=prefer)
        if self._operation == "interpolate":
            only_missing = self.only_missing.isChecked()
            return interpolate_track(
                tracks, person, frames.start, frames.stop - 1, only_missing=only_missing
            )
        return delete_track(tracks, person, frames)

    def _replan(self) -> None:
        is_range = self.scope.currentData() == "range"
        for widget in (self.first, self._to, self.last):
            widget.setVisible(is_range)
        try:
            self._plan = self._make_plan()
        except CommandRefusedError as error:
            self._plan = None
            self._say(str(error), ())
        else:
            self._say(self._in_words(self._plan), conflicts_of(self._plan, self._project))
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(self._plan is not None)
        self._show_preview()

    def _in_words(self, plan: TrackPlan) -> str:
        places = counted(sum(spot is not None for spot in plan.spots_mm.values()), "place")
        frames = counted(len(plan.frames), "frame")
        if self._operation == "interpolate":
            return f"{plan.name}."
        if self._operation == "delete":
            return f"Takes {frames} of #{self._person} away."
        return f"{plan.name}: {places} in {frames}."

    def _say(self, summary: str, conflicts: tuple[TrackConflict, ...]) -> None:
        self.summary.setText(summary)
        # What is locked is in the way all the same: the labels that go along would change.
        goes_along = ("labelled",) if self.with_labels.isChecked() else ()
        lines = [
            f"{self._words(conflict)}: {self._listed(conflict.frames)}"
            for conflict in conflicts
            if conflict.kind not in goes_along
        ]
        self.conflicts.setProperty("problem", bool(lines))
        self.conflicts.style().polish(self.conflicts)
        nothing = "Nothing is in the way." if self._plan is not None else ""
        self.conflicts.setText("\n".join(lines) or nothing)
        self.adjustSize()

    def _words(self, conflict: TrackConflict) -> str:
        if conflict.kind == "locked" and self.with_labels.isChecked():
            return "Locked joints cannot go along; unlock them first"
        return conflict.text

    def _listed(self, frames: tuple[int, ...]) -> str:
        """Such as ``frames 21, 24, 32–39 and 4 more``; the numbers are those people see."""
        runs = np.split(np.array(frames), np.flatnonzero(np.diff(frames) > 1) + 1)
        number = self._project.first_frame_number
        shown = runs[:_MAX_LISTED]
        words = [
            f"{run[0] + number}" if len(run) == 1 else f"{run[0] + number}–{run[-1] + number}"
            for run in shown
        ]
        left = len(frames) - sum(map(len, shown))
        return (
            f"frame{'s'[: len(frames) != 1]} {', '.join(words)}{f' and {left} more' * bool(left)}"
        )

    def _show_preview(self) -> None:
        spots = {} if self._plan is None else self._plan.spots_mm
        here = {p: spot for (f, p), spot in spots.items() if f == self._frame and spot is not None}
        self._session.set_track_preview(TrackPreview(places_mm=here) if here else None)

    def accept(self) -> None:
        """Carry it out."""
        assert self._plan is not None
        try:
            edit = edit_of(
                self._plan,
                self._project,
                with_detections=self.with_detections.isChecked(),
                with_labels=self.with_labels.isChecked(),
            )
            self._carry_out(edit, len(self._plan.spots_mm))
        except (CommandRefusedError, DataError) as error:
            self.summary.setText(str(error))
            return
        super().accept()


def _others(project: Project, person: int, frame: int) -> list[tuple[int, str]]:
    """Everybody else with a track, the nearest at this frame first, and how far that is."""
    tracks = project.tracks
    if tracks is None:
        return []
    here = spot_of(tracks, person, frame)
    found: list[tuple[float, int, str]] = []
    for other in tracks.persons:
        if other == person:
            continue
        spot = spot_of(tracks, other, frame)
        words, distance = f"#{project.person_name(other)}", np.inf
        if here is not None and spot is not None:
            distance = float(np.hypot(here[0] - spot[0], here[1] - spot[1]))
            words += f"   {distance / 1000:.1f} m away"
        elif spot is None:
            words += "   not in this frame"
        found.append((distance, other, words))
    return [(other, words) for _, other, words in sorted(found)]


def _ends_about(project: Project, person: int, frame: int) -> tuple[int, int]:
    """The frames to interpolate between: a gap's ends, else the nearest places set by hand."""
    gap = gap_about(project.tracks, person, frame)
    if gap is not None:
        return gap
    hand = sorted(f for f, _ in hand_places(project, 0, project.num_frames, [person]))
    before = [f for f in hand if f < frame]
    after = [f for f in hand if f > frame]
    frames, _ = path_between(project.tracks, person, 0, project.num_frames)
    if not len(frames):
        return frame, frame
    first = before[-1] if before else max(frame - 10, int(frames[0]))
    last = after[0] if after else min(frame + 10, int(frames[-1]))
    return first, last
