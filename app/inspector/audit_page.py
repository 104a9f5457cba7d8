"""The audit: do the weights deserve their trust where people have labelled?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.format import counted
from app.inspector.audit_table import AuditTable
from app.inspector.work_bar import WorkBar
from app.theme import GRID_PX
from core.diagnosis import audit_weights

if TYPE_CHECKING:
    from app.session import Session
    from core.diagnosis import WeightAudit

_WHAT = (
    "Holds every view's weight against where people say the joints are, on the labelled frames, "
    "and tells a camera that has drifted from one in which people are hidden."
)
_NOTHING = (
    "No frame of this project is labelled. Label some joints by hand in three views or more: then "
    "the audit can say which cameras deserve their weight."
)
_NO_WITNESS = (
    "The labels cannot be compared with anything: each joint is labelled in two views at most, and "
    "nothing was detected. Label it in a third view, or import detections."
)


class AuditPage(QScrollArea):
    """A verdict a camera, then a table of joints and cameras."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.audit: WeightAudit | None = None
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        page = QWidget()
        self.setWidget(page)
        column = QVBoxLayout(page)
        column.setContentsMargins(*[GRID_PX] * 4)
        column.setSpacing(GRID_PX)
        self.words = QLabel(_WHAT)
        self.words.setWordWrap(True)
        self.words.setProperty("muted", True)
        column.addWidget(self.words)
        self.work = WorkBar(session, "Audit the labelled frames", Qt.FocusPolicy.NoFocus)
        column.addWidget(self.work)
        self.verdicts = QLabel()
        self.verdicts.setWordWrap(True)
        self.verdicts.setTextFormat(Qt.TextFormat.PlainText)
        self.verdicts.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.good = QLabel()
        self.good.setWordWrap(True)
        self.good.setProperty("muted", True)
        self.table = AuditTable(session)
        for widget in (self.verdicts, self.good, self.table):
            column.addWidget(widget)
        column.addStretch()
        self.work.button.clicked.connect(self.start)
        session.project_changed.connect(self._clear)
        session.edited.connect(self._on_stale)
        session.settings_changed.connect(self._on_stale)
        self._clear()

    def start(self) -> None:
        """Audit in the background."""
        project, settings = self._session.require_project(), self._session.settings
        self.work.run(
            "Auditing the weights",
            lambda progress: audit_weights(project, settings, progress),
            self._show,
        )

    def _clear(self) -> None:
        self.work.cancel()
        self.audit = None
        self.setEnabled(self._session.project is not None)
        self.words.setText(_WHAT)
        for widget in (self.verdicts, self.good, self.table):
            widget.setVisible(False)

    def _on_stale(self, _what: object) -> None:
        if self.audit is not None:
            self.work.button.setText("Audit again: labels or settings have changed")

    def _show(self, audit: WeightAudit) -> None:
        self.audit = audit
        self.work.button.setText("Audit again")
        has_any = bool(audit.num.any())
        for widget in (self.verdicts, self.good, self.table):
            widget.setVisible(has_any)
        if not has_any:
            self.words.setText(_NOTHING if not audit.num_frames else _NO_WITNESS)
            return
        judged = "The labels themselves were" if audit.is_hand else "Detections were"
        self.words.setText(
            f"{judged} compared with the labels of {counted(audit.num_frames, 'frame')}; more than "
            f"{audit.far_px:.0f} px off is wrong."
        )
        bad = [each for each in audit.cameras if each.verdict in ("drift", "occlusion")]
        rest = [each for each in audit.cameras if each not in bad]
        self.verdicts.setVisible(bool(bad))
        self.verdicts.setText("\n".join(f"⚠ {each.sentence}" for each in bad))
        self.good.setVisible(bool(rest))
        names = self._session.require_project().rig.names
        fine = [names[each.camera] for each in rest if each.verdict == "fine"]
        lines = [each.sentence for each in rest if each.verdict == "too few"]
        self.good.setText("\n".join([f"Fine: {', '.join(fine)}."] * bool(fine) + lines))
        self.table.show_audit(audit)
