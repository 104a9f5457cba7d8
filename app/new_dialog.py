"""New project: the choices of `trilabel new` and `trilabel import sportcenter`, in a dialog.

Files can be dropped on a field. What was found and matched is written as it is found, and stays to
be read: the project opens when the person says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.jobs import Job
from app.theme import GRID_PX
from core.skeleton import skeleton_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent

_DETECTION_FORMATS = ("openpose", "alphapose", "coco", "sleap", "dlc", "label3d")


class PathField(QWidget):
    """A path that can be typed, chosen or dropped."""

    changed = Signal()

    def __init__(self, placeholder: str, *, folder: bool, either: bool = False) -> None:
        super().__init__()
        self._is_folder = folder
        self.setAcceptDrops(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._line = QLineEdit()
        self._line.setPlaceholderText(placeholder)
        self._line.setAcceptDrops(False)
        self._line.textChanged.connect(self.changed)
        row.addWidget(self._line)
        kinds = (True, False) if either else (folder,)
        for is_folder in kinds:
            button = QToolButton()
            button.setText("Folder…" if is_folder else "File…")
            button.clicked.connect(lambda _=False, is_folder=is_folder: self._choose(is_folder))
            row.addWidget(button)

    @property
    def path(self) -> Path | None:
        """What was entered, or None."""
        text = self._line.text().strip()
        return Path(text).expanduser() if text else None

    def set_path(self, path: Path) -> None:
        """Enter a path."""
        self._line.setText(str(path))

    def _choose(self, is_folder: bool) -> None:
        if is_folder:
            chosen = QFileDialog.getExistingDirectory(self, "Choose a folder")
        else:
            chosen, _ = QFileDialog.getOpenFileName(self, "Choose a file")
        if chosen:
            self._line.setText(chosen)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take one local file or folder."""
        if event.mimeData().hasUrls() and event.mimeData().urls()[0].isLocalFile():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Enter what was dropped."""
        self._line.setText(event.mimeData().urls()[0].toLocalFile())


_KINDS = (
    ("general", "Calibrated cameras, with videos and detections"),
    ("sportcenter", "SportCenter data set"),
)


class NewProjectDialog(QDialog):
    """Makes a project in the background and says what it found; `created` carries its path."""

    created = Signal(object)
    _told = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("New project")
        self.resize(680, 560)
        self._job: Job | None = None
        self.made: Path | None = None
        self._suggested: Path | None = None
        self._make_fields()
        self.report = QPlainTextEdit()
        self.report.setReadOnly(True)
        self.report.setTabChangesFocus(True)
        self.report.setPlaceholderText("What is found and matched is written here.")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(GRID_PX)
        self._bar.setVisible(False)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setProperty("problem", True)
        self.problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.problem.setVisible(False)
        buttons = QDialogButtonBox()
        self.create_button = buttons.addButton("Create", QDialogButtonBox.ButtonRole.AcceptRole)
        self.create_button.setDefault(True)
        self.cancel_button = buttons.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole)
        buttons.accepted.connect(self._on_accepted)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[2 * GRID_PX] * 4)
        column.setSpacing(GRID_PX)
        column.addLayout(self._form)
        column.addWidget(self.report, 1)
        column.addWidget(self.problem)
        column.addWidget(self._bar)
        column.addWidget(buttons)
        self._told.connect(self.report.appendPlainText)
        self.kind.currentIndexChanged.connect(self._on_kind_chosen)
        self.calibration.changed.connect(self._suggest_project)
        self.dataset.changed.connect(self._suggest_project)
        self._on_kind_chosen()

    def _make_fields(self) -> None:
        self._form = QFormLayout()
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self.kind = QComboBox()
        for name, caption in _KINDS:
            self.kind.addItem(caption, name)
        self.dataset = PathField("the folder with calibration.json", folder=True)
        self.calibration = PathField("the cameras: any supported format", folder=False, either=True)
        self._unit = QComboBox()
        self._unit.addItem("as the file says, or told from the distances", None)
        for unit in ("mm", "cm", "m"):
            self._unit.addItem(unit, unit)
        self._videos = PathField("optional: a folder with a video per camera", folder=True)
        self._images = PathField("optional: a folder with a picture folder per camera", folder=True)
        self._format = QComboBox()
        self._format.addItems(_DETECTION_FORMATS)
        self.detections = PathField("optional: 2D joints of a detector", folder=True, either=True)
        self._tracks = PathField("optional: a SportCenter trajectories.json", folder=False)
        self._skeleton = QComboBox()
        self._skeleton.addItem("the one of the detections", None)
        for name in skeleton_names():
            self._skeleton.addItem(name, name)
        self.project = PathField("where to make it: NAME.trilabel", folder=True)
        self._detections_row = QWidget()
        row = QHBoxLayout(self._detections_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._format)
        row.addWidget(self.detections, 1)
        for caption, widget in (
            ("Made of", self.kind),
            ("Data set", self.dataset),
            ("Calibration", self.calibration),
            ("Its unit", self._unit),
            ("Videos", self._videos),
            ("Pictures", self._images),
            ("Detections", self._detections_row),
            ("Ground tracks", self._tracks),
            ("Skeleton", self._skeleton),
            ("Project", self.project),
        ):
            self._form.addRow(caption, widget)

    @property
    def _is_sportcenter(self) -> bool:
        return self.kind.currentData() == "sportcenter"

    @property
    def _source(self) -> Path | None:
        return self.dataset.path if self._is_sportcenter else self.calibration.path

    def _on_kind_chosen(self) -> None:
        is_sportcenter = self._is_sportcenter
        self._form.setRowVisible(self.dataset, is_sportcenter)
        for widget in (
            *(self.calibration, self._unit, self._videos, self._images),
            *(self._tracks, self._skeleton),
        ):
            self._form.setRowVisible(widget, not is_sportcenter)
        self._suggest_project()

    def _suggest_project(self) -> None:
        path = self._source
        is_free = self.project.path in (None, self._suggested)
        if path is None or not path.exists() or not is_free:
            return
        folder = path.parent if path.is_file() else path
        suggested, number = folder.parent / f"{folder.name}.trilabel", 1
        while suggested.exists():
            number += 1
            suggested = folder.parent / f"{folder.name}-{number}.trilabel"
        self._suggested = suggested
        self.project.set_path(suggested)

    def _on_accepted(self) -> None:
        if self.made is not None:
            self.created.emit(self.made)
            self.accept()
            return
        source, project = self._source, self.project.path
        if source is None or project is None:
            what = "the data set" if self._is_sportcenter else "a calibration"
            self._show_problem(f"Choose {what}, and where to make the project.")
            return
        if project.suffix != ".trilabel":
            project = project.with_name(f"{project.name}.trilabel")
        job = Job("Importing", self._work(source, project), self)
        job.progressed.connect(self._on_progressed)
        job.finished.connect(self._on_finished)
        job.failed.connect(self._on_failed)
        self._job = job
        self._show_problem("")
        self.report.clear()
        self._bar.setRange(0, 0)
        self._bar.setVisible(True)
        self._set_busy(busy=True)
        job.start()

    def _work(self, source: Path, project: Path) -> Callable[[Callable[[int, int], bool]], Any]:
        detections = self.detections.path
        found = [f"{self._format.currentText()}:{detections}"] if detections else []
        report = self._told.emit
        if self._is_sportcenter:

            def bring_in(progress: Callable[[int, int], bool]) -> Path:
                from core.project.importing import import_sportcenter

                import_sportcenter(
                    source, project, detections=found, report=report, progress=progress
                )
                return project

            return bring_in
        videos, images = self._videos.path, self._images.path
        arguments: dict[str, Any] = {
            "videos": [str(videos)] if videos else [],
            "images": [str(images)] if images else [],
            "skeleton": self._skeleton.currentData(),
            "detections": found,
            "tracks": self._tracks.path,
            "unit": self._unit.currentData(),
        }

        def make(progress: Callable[[int, int], bool]) -> Path:
            from core.project.importing import new_project

            new_project(project, source, report=report, progress=progress, **arguments)
            return project

        return make

    def _set_busy(self, *, busy: bool) -> None:
        self.create_button.setEnabled(not busy)
        for row in range(self._form.rowCount()):
            item = self._form.itemAt(row, QFormLayout.ItemRole.FieldRole)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.setEnabled(not busy)

    def _show_problem(self, text: str) -> None:
        self.problem.setText(text)
        self.problem.setVisible(bool(text))

    def _on_progressed(self, done: int, total: int, _seconds_left: float) -> None:
        self._bar.setRange(0, total)
        self._bar.setValue(done)

    def _on_finished(self, path: Path) -> None:
        self.made = path
        self._bar.setVisible(False)
        self._told.emit(f"Made {path}")
        self.create_button.setText("Open project")
        self.create_button.setEnabled(True)
        self.create_button.setFocus()
        self.cancel_button.setText("Close")

    def _on_failed(self, text: str) -> None:
        self._bar.setVisible(False)
        self._set_busy(busy=False)
        self._show_problem(text)

    def reject(self) -> None:
        """Stop the work, then close."""
        if self._job is not None:
            self._job.cancel()
        super().reject()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Closing the dialog cancels as its button does."""
        self.reject()
        event.accept()
