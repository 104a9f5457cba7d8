"""The Queue panel: what to look at next and why, by which ranking, and how far the session is.

Space goes on and Shift+Space back, wherever the focus is; the panel shows what `QueueWalk` tells.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.curation.queue_walk import QueueWalk
from app.format import counted, joint_name, length
from app.theme import GRID_PX, TITLE_PT, font
from core.curation.queue import Filters
from core.curation.ranking import RANKINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.commands import Commands
    from app.session import Session
    from core.curation.queue import QueueItem
    from core.curation.ranking import Ranking

_TITLES: dict[Ranking, tuple[str, str]] = {
    "uncertainty": (
        "Most to gain from a click",
        "How much a click in a view is expected to take off the error of the joint",
    ),
    "residual": ("Worst residual", "Views that are farthest from where the others put the joint"),
    "discarded": ("Discarded joints", "The least certain first, in the view that tells most"),
    "disagreement": (
        "Runs disagree",
        "Joints that another run, or the detections, put elsewhere; the farthest first",
    ),
    "diversity": ("Unlike what is labelled", "Poses that resemble no labelled pose first"),
}
_AROUND = 25


class QueuePanel(QScrollArea):
    """The item, the way on, what comes through, and what was done."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.walk = QueueWalk(session, self)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        content = QWidget()
        self.setWidget(content)
        column = QVBoxLayout(content)
        column.setContentsMargins(2 * GRID_PX, GRID_PX, 2 * GRID_PX, GRID_PX)
        column.setSpacing(GRID_PX)
        self.title = QLabel()
        self.title.setFont(font(TITLE_PT, bold=True))
        self.title.setWordWrap(True)
        column.addWidget(self.title)
        self.reason = QLabel()
        self.reason.setWordWrap(True)
        column.addWidget(self.reason)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(GRID_PX // 2)
        column.addWidget(self.bar)
        column.addLayout(self._make_buttons())
        self.progress = QLabel()
        self.progress.setWordWrap(True)
        self.progress.setProperty("muted", True)
        column.addWidget(self.progress)
        column.addLayout(self._make_form())
        column.addStretch(1)
        self.walk.changed.connect(self._show)
        session.project_changed.connect(self._fill_choices)
        session.engine_warmed.connect(self._show)
        session.cursor_changed.connect(self._on_cursor)
        self._fill_choices()

    def bind_commands(self, commands: Commands, frame_person: Callable[[], object]) -> None:
        """Bind Space and Shift+Space, and what the buttons share with them.

        Args:
            commands: of the window.
            frame_person: zooms all views to the selected person.
        """
        commands.bind("queue_next", self.walk.next)
        commands.bind("queue_back", self.walk.back)
        for button, name in ((self.next_button, "queue_next"), (self.back_button, "queue_back")):
            button.clicked.connect(commands.actions[name].trigger)
            button.setToolTip(commands.actions[name].toolTip())
        self.walk.arrived.connect(self._tell_why)
        self.walk.arrived.connect(lambda _item: self.zoom.isChecked() and frame_person())

    # Parts.

    def _make_buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(GRID_PX)
        self.back_button = QPushButton("Back")
        self.next_button = QPushButton("Next")
        self.forget_button = QPushButton("Show skipped again")
        self.forget_button.setToolTip("Items that were shown and not answered come again")
        self.forget_button.clicked.connect(self.walk.forget)
        for button in (self.back_button, self.next_button, self.forget_button):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            row.addWidget(button)
        row.addStretch(1)
        return row

    def _make_form(self) -> QGridLayout:
        form = QGridLayout()
        form.setHorizontalSpacing(2 * GRID_PX)
        form.setVerticalSpacing(GRID_PX // 2)
        form.setColumnStretch(1, 1)
        form.setColumnStretch(3, 1)
        self.ranking = _combo("Ranking")
        for name in RANKINGS:
            title, tip = _TITLES[name]
            self.ranking.addItem(title, name)
            self.ranking.setItemData(self.ranking.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.ranking.activated.connect(
            lambda _row: self.walk.set_ranking(self.ranking.currentData())
        )
        form.addWidget(_caption("First"), 0, 0)
        form.addWidget(self.ranking, 0, 1, 1, 3)
        self.camera, self.person = _combo("Camera"), _combo("Person")
        self.joint, self.span = _combo("Joint"), _combo("Frames")
        for index, (text, combo) in enumerate(
            (
                ("Camera", self.camera),
                ("Person", self.person),
                ("Joint", self.joint),
                ("Frames", self.span),
            )
        ):
            form.addWidget(_caption(text), 1 + index // 2, 2 * (index % 2))
            form.addWidget(combo, 1 + index // 2, 2 * (index % 2) + 1)
            combo.activated.connect(self._on_filtered)
        self.zoom = QCheckBox("Zoom to the person in all cameras")
        self.zoom.setChecked(True)
        self.zoom.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        form.addWidget(self.zoom, 3, 0, 1, 4)
        return form

    # What is shown.

    def _fill_choices(self) -> None:
        project = self._session.project
        self.setEnabled(project is not None)
        cameras = () if project is None else project.rig.names
        joints = () if project is None else project.skeleton.joints
        persons = () if project is None else project.persons
        _fill(self.camera, "any", enumerate(cameras))
        _fill(self.joint, "any", ((row, joint_name(name)) for row, name in enumerate(joints)))
        _fill(self.person, "any", ((person, f"#{person}") for person in persons))
        _fill(self.span, "all", ((0, "this one"), (_AROUND, f"{_AROUND} about this one")))
        self.walk.set_filters(Filters())

    def _on_filtered(self, _row: int = 0) -> None:
        around, frame = self.span.currentData(), self._session.cursor.frame
        frames = None if around is None else range(max(0, frame - around), frame + around + 1)
        self.walk.set_filters(
            Filters(
                cameras=_chosen(self.camera),
                persons=_chosen(self.person),
                joints=_chosen(self.joint),
                frames=frames,
            )
        )

    def _on_cursor(self, *_what: object) -> None:
        self.title.setProperty("muted", not self._is_there())
        self.title.style().polish(self.title)

    def _is_there(self) -> bool:
        item, cursor = self.walk.item, self._session.cursor
        return item is not None and (cursor.frame, cursor.person, cursor.joint, cursor.camera) == (
            item.frame,
            item.person,
            item.joint,
            item.camera,
        )

    def _show(self) -> None:
        walk, project = self.walk, self._session.project
        with QSignalBlocker(self.ranking):
            self.ranking.setCurrentIndex(RANKINGS.index(walk.ranking))
        item = walk.item
        if project is None:
            self.title.setText("No project is open")
            self.reason.setText("Open one: the queue then says where a click tells most.")
        elif item is not None:
            self.title.setText(self._title(item))
            self.reason.setText(item.reason)
        else:
            self.title.setText("Where does a click tell most?")
            self.reason.setText(
                "Press Space. The queue goes to the joint and view where your click is expected to "
                "take off most error, and says why. Place the joint, press Space again."
            )
        if walk.error:
            self.reason.setText(walk.error)
        self.bar.setVisible(walk.is_building)
        self.bar.setValue(round(1000 * walk.share))
        self.back_button.setEnabled(walk.num_shown > 1)
        self.forget_button.setEnabled(walk.num_shown > walk.num_answered)
        self.progress.setText(self._told())
        self._on_cursor()

    def _tell_why(self, item: QueueItem) -> None:
        """Say it also where another panel lies before this one."""
        self._session.message_posted.emit(f"{self._title(item)}: {item.reason}")

    def _title(self, item: QueueItem) -> str:
        project = self._session.require_project()
        number = item.frame + project.first_frame_number
        joint = joint_name(project.skeleton.joints[item.joint])
        return f"{joint} of #{item.person} in {project.rig.names[item.camera]}, frame {number}"

    def _told(self) -> str:
        walk, project = self.walk, self._session.project
        if project is None:
            return ""
        if walk.is_building:
            return "Going through the frames: the queue follows."
        shown = f"{counted(walk.num_shown, 'item')} shown, {walk.num_answered} answered."
        queue = walk.queue
        if queue is None:
            return shown if walk.num_shown else "Not built yet: Space builds it."
        frames = counted(len(queue.frames), "frame")
        if len(queue.frames) < project.num_frames:
            frames += f" of {project.num_frames}"
        text = f"{shown} {counted(queue.num_joints, 'joint')} in {frames} left to judge"
        error = queue.expected_error_mm
        if math.isfinite(error):
            text += f"; expected error {length(walk.first_error_mm)} → {length(error)} on average"
        return f"{text}."


def _combo(name: str) -> QComboBox:
    combo = QComboBox()
    combo.setAccessibleName(name)
    combo.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    return combo


def _caption(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("muted", True)
    return label


def _fill(combo: QComboBox, anything: str, choices: Iterable[tuple[int, str]]) -> None:
    with QSignalBlocker(combo):
        combo.clear()
        combo.addItem(anything, None)
        for value, text in choices:
            combo.addItem(text, value)


def _chosen(combo: QComboBox) -> frozenset[int]:
    value = combo.currentData()
    return frozenset() if value is None else frozenset({int(value)})
