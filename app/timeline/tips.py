"""What a cell of the timeline says when the pointer is over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.format import percent, pixels
from core.diagnosis.summary import NOT_SEEN

if TYPE_CHECKING:
    from app.session import Session
    from app.timeline.round_ticks import Ticks
    from app.timeline.triage import Judged
    from core.diagnosis import RecordingSummary


def told_cell(
    session: Session, judged: Judged | None, ticks: Ticks | None, person: int, frame: int
) -> str:
    """A person at a frame, in words, a line each."""
    project, summary = session.require_project(), session.summary
    text = f"#{person}, frame {frame + project.first_frame_number:,}"
    if summary is None or person not in summary.persons or frame >= summary.num_frames:
        return text
    column = summary.persons.index(person)
    residual = float(summary.worst_residual_px[frame, column])
    share = float(summary.share_discarded[frame, column])
    changed = _told_changed(session, ticks, person, frame)
    if not np.isfinite(share):
        return f"{text}\nnot seen{changed}"
    if np.isfinite(residual):
        text += f"\nworst leave-one-out residual {pixels(residual)}"
    text += f"\n{percent(share)} of the joints discarded"
    if summary.annotated[frame, column]:
        text += "\nannotated by hand"
    return text + _told_judged(summary, judged, frame, column, has_diff=bool(changed)) + changed


def _told_changed(session: Session, ticks: Ticks | None, person: int, frame: int) -> str:
    found = None if ticks is None else ticks.at(frame, person)
    if found is None or session.compared is None:
        return ""
    return f"\n{found[0]} of {found[1]} joints changed since {session.compared.title}"


def _told_judged(
    summary: RecordingSummary, judged: Judged | None, frame: int, column: int, *, has_diff: bool
) -> str:
    if judged is None or judged.persons != summary.persons:
        return ""
    number = int(judged.num_judged[frame, column])
    rejected = int(judged.num_rejected[frame, column])
    seen = int((summary.wss_bin[frame, column] != NOT_SEEN).sum())
    text = f"\n{number} of {seen} joints judged" if number else "\nnothing judged yet"
    if rejected:
        text += f", {rejected} rejected"
    if judged.is_changed[frame, column] and not has_diff:
        text += "\nchanged in the newest round"
    return text
