"""New project: the same choices as `trilabel new`, in a dialog; files can be dropped on a field."""

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


class _PathField(QWidget):
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


class NewProjectDialog(QDialog):
    """Makes a project in the background and says what it found; `created` carries its path."""

    created = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("New project")
        self.resize(640, 480)
        self._job: Job | None = None
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self._calibration = _PathField(
            "the cameras: any supported format", folder=False, either=True
        )
        self._videos = _PathField("optional: a folder with a video per camera", folder=True)
        self._images = _PathField(
            "optional: a folder with a picture folder per camera", folder=True
        )
        self._format = QComboBox()
        self._format.addItems(_DETECTION_FORMATS)
        self._detections = _PathField("optional: 2D joints of a detector", folder=True, either=True)
        self._tracks = _PathField("optional: a SportCenter trajectories.json", folder=False)
        self._skeleton = QComboBox()
        self._skeleton.addItem("from the detections", None)
        for name in skeleton_names():
            self._skeleton.addItem(name, name)
        self._project = _PathField("where to make it: NAME.trilabel", folder=True)
        detections = QWidget()
        row = QHBoxLayout(detections)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._format)
        row.addWidget(self._detections, 1)
        for caption, widget in (
            ("Calibration", self._calibration),
            ("Videos", self._videos),
            ("Pictures", self._images),
            ("Detections", detections),
            ("Ground tracks", self._tracks),
            ("Skeleton", self._skeleton),
            ("Project", self._project),
        ):
            form.addRow(caption, widget)
        self._report = QPlainTextEdit()
        self._report.setReadOnly(True)
        self._report.setPlaceholderText("What was found is written here.")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setVisible(False)
        self._problem = QLabel()
        self._problem.setWordWrap(True)
        self._problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self._create = buttons.addButton("Create", QDialogButtonBox.ButtonRole.ActionRole)
        self._create.clicked.connect(self._on_create)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setSpacing(GRID_PX)
        column.addLayout(form)
        column.addWidget(self._report, 1)
        column.addWidget(self._problem)
        column.addWidget(self._bar)
        column.addWidget(buttons)
        self._calibration.changed.connect(self._suggest_project)

    def _suggest_project(self) -> None:
        path = self._calibration.path
        if path is not None and path.exists() and self._project.path is None:
            folder = path.parent if path.is_file() else path
            self._project.set_path(folder.parent / f"{folder.name}.trilabel")

    def _on_create(self) -> None:
        calibration, project = self._calibration.path, self._project.path
        if calibration is None or project is None:
            self._problem.setText("Choose a calibration and where to make the project.")
            return
        if project.suffix != ".trilabel":
            project = project.with_name(f"{project.name}.trilabel")
        job = Job("Importing", self._work(calibration, project), self)
        job.progressed.connect(self._on_progressed)
        job.finished.connect(self._on_finished)
        job.failed.connect(self._on_failed)
        self._job = job
        self._problem.clear()
        self._report.clear()
        self._bar.setRange(0, 0)
        self._bar.setVisible(True)
        self._create.setEnabled(False)
        job.start()

    def _work(
        self, calibration: Path, project: Path
    ) -> Callable[[Callable[[int, int], bool]], Any]:
        detections = self._detections.path
        videos, images = self._videos.path, self._images.path
        lines: list[str] = []
        arguments: dict[str, Any] = {
            "videos": [str(videos)] if videos else [],
            "images": [str(images)] if images else [],
            "skeleton": self._skeleton.currentData(),
            "detections": [f"{self._format.currentText()}:{detections}"] if detections else [],
            "tracks": self._tracks.path,
        }

        def work(progress: Callable[[int, int], bool]) -> tuple[Path, list[str]]:
            from core.project.importing import new_project

            new_project(project, calibration, report=lines.append, progress=progress, **arguments)
            return project, lines

        return work

    def _on_progressed(self, done: int, total: int, _seconds_left: float) -> None:
        self._bar.setRange(0, total)
        self._bar.setValue(done)

    def _on_finished(self, result: tuple[Path, list[str]]) -> None:
        path, lines = result
        self._report.setPlainText("\n".join(lines))
        self.created.emit(path)
        self.accept()

    def _on_failed(self, text: str) -> None:
        self._bar.setVisible(False)
        self._create.setEnabled(True)
        self._problem.setText(text)

    def reject(self) -> None:
        """Stop the work, then close."""
        if self._job is not None:
            self._job.cancel()
        super().reject()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Closing the dialog cancels as its button does."""
        self.reject()
        event.accept()
