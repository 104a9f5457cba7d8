"""The inspector's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QTabWidget

from app.inspector.audit_page import AuditPage
from app.inspector.heat_map import HeatMap
from app.inspector.identity_page import IdentityPage
from app.inspector.joint_page import JointPage
from app.inspector.threshold_page import ThresholdPage

if TYPE_CHECKING:
    from app.session import Session


class Inspector(QTabWidget):
    """The joint, the person's weights, the recording's thresholds, audit and identities."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.setDocumentMode(True)
        # The arrows are frames and joints, wherever was clicked last.
        self.tabBar().setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.joint_page = JointPage(session)
        self.heat_map = HeatMap(session)
        self.threshold_page = ThresholdPage(session)
        self.addTab(self.joint_page, "Joint")
        self.addTab(self.heat_map, "Weights")
        self.addTab(self.threshold_page, "Thresholds")
        self.audit_page = AuditPage(session)
        self.addTab(self.audit_page, "Audit")
        self.identity_page = IdentityPage(session)
        self.addTab(self.identity_page, "Identities")
        self.joint_page.card.swap_requested.connect(self.identity_page.open_dialog)
