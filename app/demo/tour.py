"""What the window shows of a match, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from app.demo.hands import Hands

# A joint that so many views saw should have been kept: that it was not wants explaining.
_SEEN_WELL = 4


def tour(hands: Hands, project: Path) -> None:
    """Start page, match, person, joint, why discarded, focus, time, settings, light theme."""
    window = hands.window
    hands.shot("start")
    window.open_project(project)
    window.lay_out_docks()
    hands.shot("match")
    hands.key("]")
    hands.shot("annotated frame")
    place = window.views.position_of_selected_joint()
    if place is not None:
        hands.click(window.views, place)
    hands.shot("a joint selected by a click")
    hands.key("Z")
    hands.shot("the person in all cameras")
    _select_discarded(hands)
    hands.shot("why a joint was discarded")
    hands.key("E")
    hands.shot("leave-one-out residuals")
    hands.key("E")
    hands.key("3")
    hands.shot("one camera large")
    hands.key("0")
    hands.key("Shift+Z")
    for _ in range(6):
        hands.key("D")
    _click_timeline(hands)
    hands.shot("another frame, by the timeline")
    window.session.set_settings(weighting="pairwise", sigma_mm=10.0, wss_threshold_mm=20.0)
    hands.shot("the paper's weighting and thresholds")
    window.session.set_settings(weighting="consensus", sigma_mm="auto", wss_threshold_mm="auto")
    hands.key("Ctrl+Shift+L")
    hands.shot("light theme")
    hands.key("Ctrl+Shift+L")


def _select_discarded(hands: Hands) -> None:
    """Step to the next frame where a joint was seen well and discarded all the same."""
    session = hands.window.session
    for _ in range(session.require_project().num_frames):
        hands.key("D")
        diagnosis = session.diagnosis
        if diagnosis is None:
            continue
        lost = ~diagnosis.triangulation.kept & (diagnosis.observed.sum(axis=1) >= _SEEN_WELL)
        if lost.any():
            row, joint = divmod(int(lost.argmax()), lost.shape[1])
            session.select(person=diagnosis.persons[row], joint=joint)
            hands.key("Z")
            return


def _click_timeline(hands: Hands) -> None:
    from PySide6.QtCore import QPoint

    track = hands.window.timeline.track
    frame = hands.window.session.require_project().num_frames * 2 // 3
    hands.click(track, QPoint(round(track.x_of(frame)), track.height() // 2))
