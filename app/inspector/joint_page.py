"""The selected joint: its weight strip, its reasons, what it would be without each view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.format import joint_name, length
from app.inspector.weight_strip import WeightStrip
from app.theme import GRID_PX, THEMES, TITLE_PT, font, person_color
from core.diagnosis import explain_joint, joint_uncertainty

if TYPE_CHECKING:
    from app.session import Session


class JointPage(QScrollArea):
    """Follows the selection."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        page = QWidget()
        self.setWidget(page)
        column = QVBoxLayout(page)
        column.setContentsMargins(*[GRID_PX] * 4)
        column.setSpacing(GRID_PX)
        head = QHBoxLayout()
        column.addLayout(head)
        self.title = QLabel()
        self.title.setFont(font(TITLE_PT, bold=True))
        head.addWidget(self.title)
        head.addStretch()
        self.verdict = QLabel()
        self.verdict.setFont(font(bold=True))
        head.addWidget(self.verdict)
        self.reason = QLabel()
        self.reason.setWordWrap(True)
        self.reason.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addWidget(self.reason)
        self.strip = WeightStrip(session)
        column.addWidget(self.strip)
        self.place = QLabel()
        self.place.setWordWrap(True)
        self.place.setProperty("muted", True)
        column.addWidget(self.place)
        column.addStretch()
        session.diagnosis_changed.connect(self._show)
        session.cursor_changed.connect(self._show)
        session.display_changed.connect(self._show)
        self._show()

    def _show(self, *_what: object) -> None:
        session = self._session
        project, diagnosis, row = session.project, session.diagnosis, session.person_row
        joint = session.cursor.joint
        parts = (self.verdict, self.place)
        if project is None or diagnosis is None or row is None or joint is None:
            self.title.setText("")
            self.reason.setText(self._why_empty())
            for part in parts:
                part.clear()
            self.strip.setVisible(False)
            return
        self.strip.setVisible(True)
        explanation = explain_joint(diagnosis, project.rig, row, joint)
        theme = THEMES["light" if session.display.theme == "light" else "dark"]
        person = diagnosis.persons[row]
        color = person_color(person).name()
        name = joint_name(project.skeleton.joints[joint])
        self.title.setText(f'<span style="color:{color}">#{person}</span>&nbsp; {name}')
        verdict = "degenerate" if explanation.degenerate else "discarded"
        self.verdict.setText("kept" if explanation.kept else verdict)
        self.verdict.setStyleSheet("" if explanation.kept else f"color: {theme.problem};")
        self.reason.setText(explanation.sentence)
        self.strip.show_without(
            {case.camera: (case.value, case.would_be_kept) for case in explanation.what_if},
            explanation.unit,
        )
        self.place.setText(self._place_text(row, joint))

    def _why_empty(self) -> str:
        session = self._session
        if session.project is None:
            return "Open a project to see why a joint is where it is."
        if session.diagnosis is None:
            return "The triangulation is being prepared; this takes a moment on the first start."
        if session.cursor.person is None or session.person_row is None:
            return "Select a person: click a joint in any view, or press Tab."
        return "Select a joint: click it in any view, or press W and S."

    def _place_text(self, row: int, joint: int) -> str:
        session = self._session
        diagnosis, project = session.diagnosis, session.project
        assert diagnosis is not None
        assert project is not None
        point = diagnosis.triangulation.points_mm[row, joint]
        if not np.isfinite(point).all():
            return "No 3D point: fewer than two usable views."
        x, y, z = point / 1000
        text = f"x {x:.2f} m   y {y:.2f} m   z {z:.2f} m"
        uncertainty = joint_uncertainty(diagnosis, project.rig, row, joint)
        if uncertainty is not None:
            axes = " × ".join(length(float(axis)) for axis in uncertainty.semi_axes_mm)
            text += f"\nuncertain by {axes} (one standard deviation along its axes)"
        return text
