"""The selected joint: its verdict, reasons and weight strip, and what each view changes.

The page is made once for a diagnosis and a selection, and only while it can be seen: what each
view's absence would change costs a triangulation a view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.afterwards import Afterwards
from app.format import joint_name, length
from app.inspector.empty import why_empty
from app.inspector.gauge import JointGauge, Standing
from app.inspector.left_out_list import LeftOutList, left_out_views
from app.inspector.verdict_card import VerdictCard
from app.inspector.weight_strip import WeightStrip
from app.theme import GRID_PX, TITLE_PT, font, person_color, theme_named
from core.diagnosis import effective_lengths_mm, explain_joint, joint_uncertainty
from core.geometry.method import SUPPORT_WEIGHT

if TYPE_CHECKING:
    from PySide6.QtGui import QShowEvent

    from app.session import Session
    from core.diagnosis import FrameDiagnosis, JointExplanation

_ENOUGH = 2  # views determine a point


class JointPage(QScrollArea):
    """Follows the selection."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._shown: tuple[object, ...] = ()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        page = QWidget()
        self.setWidget(page)
        column = QVBoxLayout(page)
        column.setContentsMargins(GRID_PX, GRID_PX // 2, GRID_PX, GRID_PX // 2)
        column.setSpacing(GRID_PX * 3 // 4)
        head = QHBoxLayout()
        column.addLayout(head)
        self.title = QLabel()
        self.title.setFont(font(TITLE_PT, bold=True))
        head.addWidget(self.title)
        head.addStretch()
        self.verdict = QLabel()
        self.verdict.setFont(font(bold=True))
        head.addWidget(self.verdict)
        self.card = VerdictCard(session)
        column.addWidget(self.card)
        self.gauge = JointGauge(session)
        column.addWidget(self.gauge)
        self.strip = WeightStrip(session)
        column.addWidget(self.strip)
        self.left_out = LeftOutList(session)
        column.addWidget(self.left_out)
        self.place = QLabel()
        self.place.setWordWrap(True)
        self.place.setProperty("muted", True)
        self.place.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addWidget(self.place)
        column.addStretch()
        self._later = Afterwards(self, self._show)
        session.project_changed.connect(self._on_project_changed)
        session.diagnosis_changed.connect(self._later.ask)
        session.cursor_changed.connect(self._later.ask)
        session.display_changed.connect(self._show)
        session.edited.connect(self._on_edited)

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while another page was in front."""
        super().showEvent(event)
        self._show()

    def _on_project_changed(self) -> None:
        """Explain after the views have painted: a project comes in with everything at once."""
        if self._session.project is None:
            self._show()
        else:
            self._later.ask()

    def _on_edited(self, _change: object) -> None:
        self._shown = ()  # a review is no part of the diagnosis
        self._later.ask()

    def _show(self, *_what: object) -> None:
        session = self._session
        project, diagnosis, row = session.project, session.diagnosis, session.person_row
        joint = session.cursor.joint
        shown = (project, diagnosis, session.cursor, session.display.theme)
        # By identity: a diagnosis holds arrays, which do not compare to a yes or no.
        is_same = len(self._shown) == len(shown) and all(
            one is other for one, other in zip(self._shown, shown, strict=True)
        )
        if is_same or not self.isVisible():
            return
        self._shown = shown
        has_joint = not (project is None or diagnosis is None or row is None or joint is None)
        for part in (self.title, self.verdict, self.gauge, self.strip, self.left_out, self.place):
            part.setVisible(has_joint)
        if project is None or diagnosis is None or row is None or joint is None:
            self.card.show_words(why_empty(session))
            return
        explanation = explain_joint(diagnosis, project.rig, row, joint)
        self._show_verdict(explanation, diagnosis.persons[row], project.skeleton.joints[joint])
        self.gauge.show_standing(_standing(explanation, diagnosis, row, joint))
        self.card.show_verdict(explanation, diagnosis, row, joint)
        self.strip.show_reasons(explanation)
        self.left_out.show_views(left_out_views(diagnosis, row, joint))
        place = self._place_text(row, joint)
        self.place.setText(place)
        self.place.setVisible(bool(place))

    def _show_verdict(self, explanation: JointExplanation, person: int, joint: str) -> None:
        theme = theme_named(self._session.display.theme)
        color = person_color(person).name()
        self.title.setText(
            f'<span style="color:{color}">#{person}</span>&nbsp; {joint_name(joint)}'
        )
        verdict = "degenerate" if explanation.degenerate else "discarded"
        self.verdict.setText("kept" if explanation.kept else verdict)
        self.verdict.setStyleSheet("" if explanation.kept else f"color: {theme.problem};")

    def _place_text(self, row: int, joint: int) -> str:
        session = self._session
        diagnosis, project = session.diagnosis, session.project
        assert diagnosis is not None
        assert project is not None
        point = diagnosis.triangulation.points_mm[row, joint]
        if not np.isfinite(point).all():
            return ""
        x, y, z = point / 1000
        text = f"x {x:.2f} m   y {y:.2f} m   z {z:.2f} m"
        uncertainty = joint_uncertainty(diagnosis, project.rig, row, joint)
        if uncertainty is not None:
            axes = " × ".join(length(float(axis)) for axis in uncertainty.semi_axes_mm)
            text += f"\nuncertain by {axes} (1 σ)"
        elif diagnosis.reprojected[row, :, joint].any():
            text += "\nhow uncertain it is, nobody knows: only reprojected views agree on it"
        return text


def _standing(
    explanation: JointExplanation, diagnosis: FrameDiagnosis, row: int, joint: int
) -> Standing:
    weights = diagnosis.triangulation.weights[row, :, joint]
    put = diagnosis.reprojected[row, :, joint]
    seen = diagnosis.observed[row, :, joint] & ~put
    agreeing = int((seen & (weights > SUPPORT_WEIGHT)).sum())
    return Standing(
        # Reprojected views scatter about what they were made from: that would tell nothing.
        wss_mm=float("nan")
        if explanation.degenerate or (put.any() and agreeing < _ENOUGH)
        else float(diagnosis.triangulation.wss_mm[row, joint]),
        threshold_mm=effective_lengths_mm(diagnosis.settings).wss_threshold_mm,
        num_agreeing=agreeing,
        num_seen=int(seen.sum()),
        num_needed=diagnosis.settings.min_views,
        rule=explanation.rule,
        kept=explanation.kept,
    )
