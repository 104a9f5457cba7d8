"""Why the inspector has nothing to show, and what would fill it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.session import Session


def why_empty(session: Session) -> str:
    """What is missing for a joint to be explained, and the next step; never empty."""
    if session.project is None:
        return "Open a project to see why a joint is where it is."
    if session.diagnosis is None:
        return "The triangulation is being prepared; this takes a moment on the first start."
    if session.observations is None or not session.observations.persons:
        return _why_nobody(session)
    if session.cursor.person is None:
        return "Select a person: click a joint in any view, or press Tab."
    if session.person_row is None:
        return (
            f"#{session.cursor.person} is not in this frame: see the row in the timeline, "
            "or press Tab for somebody who is."
        )
    return "Select a joint: click it in any view, or press W and S."


def _why_nobody(session: Session) -> str:
    project = session.require_project()
    if not project.persons and session.cursor.person is not None:
        return f"#{session.cursor.person} is new: press N, and each click places a joint."
    if not project.persons:
        return (
            "Nobody is in this project yet. To place joints by hand: New person in the Edit menu, "
            "then N.\nTo begin with detections:\n"
            "trilabel new NAME --calibration FILE --detections FORMAT:PATH"
        )
    if len(project.labelled_frames()):
        return "Nobody was seen in this frame. [ and ] go to the nearest annotated frames."
    return "Nobody was seen in this frame. The rows of the timeline show who is seen when."
