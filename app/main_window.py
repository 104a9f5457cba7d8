"""The window: panels in docks around the views, each of which knows only the session."""

from __future__ import annotations

import gc
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QInputDialog,
    QMainWindow,
    QMessageBox,
    QPushButton,
    QStackedWidget,
    QWidget,
)

from app.background import BackgroundWork
from app.bindings import bind_commands
from app.commands import Commands
from app.copy_commands import CopyCommands
from app.docks import Docks, Panels
from app.export_dialog import ExportDialog
from app.feedback import Feedback
from app.jobs import Job
from app.key_bindings import KeyBindings
from app.key_dialog import KeyDialog
from app.key_sheet import KeySheet
from app.label_commands import LabelCommands
from app.menus import make_menus
from app.merge_dialog import MergeDialog
from app.new_dialog import NewProjectDialog
from app.palette import Palette
from app.play import Player
from app.preferences import Preferences
from app.retrain import RetrainDialog, may_close
from app.runs import RunWatch
from app.runs.manager import RunManager
from app.session import Session
from app.start_page import StartPage
from app.status import StatusBar
from app.swap_dialog import SwapSidesDialog
from app.theme import Theme, apply_theme, theme_named
from app.tone_dialog import ToneDialog
from app.toolbar import ContextBar

if TYPE_CHECKING:
    from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent

    from app.state import DisplaySettings, OpenedProject

_MIN_SIZE = (1024, 640)
_FIRST_SIZE = (1600, 900)
# Between the first paintings of two panels.
_TURN_MS = 10


class MainWindow(QMainWindow):
    """Views in the middle, 3D and inspector at the right, timeline below."""

    def __init__(self, *, preferences: Preferences | None = None, read_only: bool = False) -> None:
        super().__init__()
        self._preferences = preferences or Preferences()
        self.session = Session(self, read_only=read_only)
        self.session.set_display(**asdict(self._preferences.display()))
        self.setWindowTitle("trilabel")
        self.setMinimumSize(*_MIN_SIZE)
        self.resize(*_FIRST_SIZE)
        self.setAcceptDrops(True)
        self._tone: ToneDialog | None = None
        self._opening: Job | None = None
        # Whose views' layout is being remembered; None while another project comes in.
        self._views_of: Path | None = None
        self._applied_theme = self._theme()

        self.watch = RunWatch(self.session, self)
        self.panels = Panels(self.session, self.watch)
        self.views = self.panels.views
        self.scene = self.panels.scene
        self.inspector = self.panels.inspector
        self.timeline = self.panels.timeline
        self.player = Player(self.session, lambda: self.views.is_settled, self)
        self.start_page = StartPage()
        self.background = BackgroundWork(self.session, self)
        self.feedback = Feedback(self.session, self.watch, self.panels.queue.walk, self)
        self.keys = KeyBindings(self._preferences, self)
        self.commands = Commands(self, self.session, self.keys, self._theme())

        self.labels = LabelCommands(self.session, self.views, self)
        self.copying = CopyCommands(self.session, self.labels, self)

        self._pages = QStackedWidget()
        self._pages.addWidget(self.start_page)
        self._pages.addWidget(self.views)
        self.setCentralWidget(self._pages)
        self.context_bar = ContextBar(self.session, self.commands.actions, self.watch)
        self.addToolBar(self.context_bar)
        self.status = StatusBar(self.session)
        self.setStatusBar(self.status)
        self.docks = Docks(self, self.panels)
        if not self._preferences.restore_layout(self):
            self.docks.arrange()
            self.lay_out_docks()
        bind_commands(self)
        self.menus = make_menus(self)
        self._connect()
        self._on_project_changed()
        self.session.warm_up()

    def lay_out_docks(self) -> None:
        """Give the panels their first sizes, from the window's."""
        self.docks.lay_out()

    @property
    def is_settled(self) -> bool:
        """Whether everything asked for has been computed and shown."""
        return self._opening is None and self.background.is_idle and self.views.is_settled

    def _theme(self) -> Theme:
        return theme_named(self.session.display.theme)

    def _connect(self) -> None:
        session = self.session
        # Loaded code stays: without this a full garbage collection stops the window for 100 ms.
        session.engine_warmed.connect(gc.freeze)
        session.project_changed.connect(self._on_project_changed)
        self.views.layout_changed.connect(self._on_views_changed)
        self.player.playing_changed.connect(self._on_playing_changed)
        session.display_changed.connect(self._on_display_changed)
        self.start_page.open_requested.connect(self.choose_project)
        self.start_page.new_requested.connect(self.new_project)
        self.start_page.path_chosen.connect(self.open_project)
        self.background.job_started.connect(self.status.follow)
        self.panels.tracks.job_started.connect(self.status.follow)
        self.labels.stepping.started.connect(self.status.follow)

    # Commands.

    def open_project(self, path: Path) -> None:
        """Open a project in the background; on failure the current one stays and it is told why."""
        current = self.session.project
        if current is not None and current.path.resolve() == path.resolve():
            # A second time it would find itself in the way, and open read-only.
            self._preferences.add_recent(current.path)
            self.session.message_posted.emit(f"{current.name} is open already.")
            return
        job = Job(f"Opening {path.stem}", lambda _progress: self.session.load_project(path), self)
        job.finished.connect(self._on_loaded)
        job.failed.connect(self._on_not_loaded)
        self._opening = job
        self.session.message_posted.emit(f"Opening {path.stem}…")
        job.start()

    def _on_not_loaded(self, text: str) -> None:
        if self.sender() is self._opening:
            self._opening = None
            QMessageBox.warning(self, "Cannot open", text)

    def _on_loaded(self, opened: OpenedProject) -> None:
        if self.sender() is not self._opening:
            opened.project.close()  # something else was asked for since
            return
        self._opening = None
        self._views_of = None
        self._paint_one_by_one([self.views, self.scene, self.inspector, self.timeline])
        self.session.take(opened)
        self._go_to_latest_edit()
        self._preferences.add_recent(opened.project.path)

    def _go_to_latest_edit(self) -> None:
        """Go on where somebody labelled last, also if the program was killed there."""
        session = self.session
        step = next(iter(session.require_project().history(1)), None)
        place = None if step is None else step.place
        if place is None:
            return
        session.set_frame(place.frame)
        session.select(person=place.person, joint=place.joint, camera=place.camera)
        session.message_posted.emit(
            f"Opened {session.require_project().name} where it was edited last:"
            f" frame {session.frame_number}"
        )

    def _paint_one_by_one(self, panels: list[QWidget]) -> None:
        """Paint each in a turn of the event loop of its own: the first paintings are slow."""
        for panel in panels:
            panel.setUpdatesEnabled(False)

        def paint_next() -> None:
            if panels:
                panels.pop(0).setUpdatesEnabled(True)
                QTimer.singleShot(_TURN_MS, self, paint_next)

        QTimer.singleShot(_TURN_MS, self, paint_next)

    def choose_project(self) -> None:
        """Ask for a project's folder, and open it."""
        recent = self._preferences.recent()
        start = str(recent[0].parent) if recent else str(Path.home())
        chosen = QFileDialog.getExistingDirectory(
            self, "Open a project: choose a folder NAME.trilabel", start
        )
        if chosen:
            self.open_project(Path(chosen))

    def new_project(self) -> None:
        """Ask what a new project is made of, make it, and open it."""
        dialog = NewProjectDialog(self)
        dialog.created.connect(self.open_project)
        dialog.open()

    def export(self) -> None:
        """Ask for a format and a place, and write labels for another tool."""
        ExportDialog(self.session, self).open()

    def merge(self) -> None:
        """Ask for a second annotator's copy, and take its labels over."""
        MergeDialog(self.session, self).open()

    def retrain(self, weights: str | None = None) -> None:
        """Ask what a training shall use, and start it; from given weights where there are some."""
        if self.findChild(RetrainDialog) is None:
            dialog = RetrainDialog(
                self.session, self.watch, self._preferences, self, weights=weights
            )
            # In a turn of its own: making it takes one.
            QTimer.singleShot(0, dialog, dialog.open)

    def manage_runs(self) -> None:
        """Show all trainings of the project, to compare, name, export or delete."""
        manager = self.findChild(RunManager)
        if manager is None:
            manager = RunManager(self.session, self.watch, self)
            manager.tools.start_asked.connect(self.retrain)
            manager.tools.show_asked.connect(self._show_run)
        manager.show()
        manager.raise_()

    def _show_run(self, run_id: str) -> None:
        self.panels.runs.choose(run_id)
        self.docks.show(self.panels.runs)

    def load_truth(self) -> None:
        """Ask for the truth of a generated match."""
        self.session.require_project()
        chosen, _ = QFileDialog.getOpenFileName(
            self, "Load the truth of a generated match", "", "Truth (truth.h5)"
        )
        if chosen:
            self.session.load_truth(Path(chosen))

    def jump(self) -> None:
        """Ask for a frame number, and go there."""
        project = self.session.require_project()
        first = project.first_frame_number
        number, accepted = QInputDialog.getInt(
            self,
            "Go to frame",
            f"Frame number, {first} to {first + project.num_frames - 1}",
            self.session.frame_number,
            first,
            first + project.num_frames - 1,
        )
        if accepted:
            self.session.set_frame_number(number)

    def show_tone(self) -> None:
        """Brightness, contrast and gamma of the pictures."""
        if self._tone is None:
            self._tone = ToneDialog(self.session, self)
        self._tone.show()
        self._tone.raise_()

    def show_keys(self) -> None:
        """The `?` sheet."""
        change = QPushButton("Change keys…")
        sheet = KeySheet(self.keys, change, self)
        change.clicked.connect(sheet.close)
        change.clicked.connect(self.change_keys)
        sheet.open()

    def change_keys(self) -> None:
        """The dialog that rebinds keys."""
        KeyDialog(self.keys, self).open()

    def swap_sides_over_frames(self) -> None:
        """Ask from which frame to which left and right are swapped."""
        SwapSidesDialog(self.session, self).open()

    def show_palette(self) -> None:
        """Every command by a few letters."""
        Palette(self.commands, self.keys, self).show()

    # What happened.

    def _on_project_changed(self) -> None:
        project = self.session.project
        if project is None:
            self._views_of = None
            self.start_page.show_recent(self._preferences.recent())
            self._pages.setCurrentWidget(self.start_page)
            self.setWindowTitle("trilabel")
            return
        state = self._preferences.views(project.path)
        if state is not None:
            self.views.restore_layout_state(state)
        self._views_of = project.path
        self._pages.setCurrentWidget(self.views)
        self.views.setFocus()
        note = "  (read-only)" if project.read_only else ""
        self.setWindowTitle(f"{project.name}{note} – trilabel")

    def _on_views_changed(self) -> None:
        project = self.session.project
        if project is not None and project.path == self._views_of:
            self._preferences.set_views(project.path, self.views.layout_state())

    def _on_playing_changed(self, is_playing: bool) -> None:
        name = "mdi6.pause" if is_playing else "mdi6.play"
        self.commands.set_icon("play", name, self._theme())

    def _on_display_changed(self, display: DisplaySettings) -> None:
        self._preferences.set_display(display)
        theme = self._theme()
        if theme is self._applied_theme:
            return
        self._applied_theme = theme
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        apply_theme(application, theme)
        self.commands.set_theme(theme)

    # Qt's own.

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take a project folder."""
        urls = event.mimeData().urls()
        if urls and urls[0].isLocalFile() and Path(urls[0].toLocalFile()).is_dir():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the folder that was dropped."""
        self.open_project(Path(event.mimeData().urls()[0].toLocalFile()))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask what happens to trainings, remember the layout and let go of everything."""
        if not may_close(self.session, self.watch, self._preferences, self):
            event.ignore()
            return
        self.player.stop()
        self._preferences.save_layout(self)
        self.background.stop()
        self.watch.close()
        self._opening = None  # what is still being read is closed when it arrives
        self.session.close_project()
        self.views.close()
        self.scene.close()
        super().closeEvent(event)
