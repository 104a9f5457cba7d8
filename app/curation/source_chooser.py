"""The chooser of what is shown: the imported detections, or a run's predictions.

What there is to choose is read in the background, when a project opens and whenever the list is
about to be shown: a training may have predicted since. Opening a source is a job too, and the
window shows the former one until it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QComboBox

from app.jobs import Job
from core.curation.choices import SourceChoice, open_source, source_choices

if TYPE_CHECKING:
    from app.session import Session
    from core.curation.sources import FrameSource
    from core.project import Project

_DETECTIONS = SourceChoice(run=None, round=None, title="Detections", detail="")


class SourceChooser(QComboBox):
    """Detections, runs and their rounds."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._choices: tuple[SourceChoice, ...] = ()
        self._listing: Job | None = None
        self._opening: Job | None = None
        self._told = ""
        self.setToolTip("What is shown and triangulated: imported detections, or a run's points")
        self.setAccessibleName("Shown")
        self.setMinimumContentsLength(15)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.activated.connect(self._on_chosen)
        session.project_changed.connect(self._on_project_changed)
        session.project_closing.connect(self._stop)
        session.source_changed.connect(self._show_current)
        session.diagnosis_changed.connect(self._tell_problem)
        self._on_project_changed()

    @property
    def is_settled(self) -> bool:
        """Whether nothing is being listed or opened."""
        return self._listing is None and self._opening is None

    def showPopup(self) -> None:
        """Show the list, and look for what is new."""
        self._list()
        super().showPopup()

    def _on_project_changed(self) -> None:
        is_open = self._session.project is not None
        self.setEnabled(is_open)
        self._take((_DETECTIONS,) if is_open else ())
        if is_open:
            self._list()

    def _stop(self) -> None:
        """The project is about to be closed; both jobs read files of runs alone, none of its."""
        for job in (self._listing, self._opening):
            if job is not None:
                job.cancel()
        self._listing = self._opening = None

    def _list(self) -> None:
        project = self._session.project
        if project is None or self._listing is not None:
            return
        job = Job("Looking for predictions", lambda _progress: source_choices(project))
        self._listing = job
        job.finished.connect(self._take)
        job.ended.connect(lambda: self._on_listed(job))
        job.start()

    def _on_listed(self, job: Job) -> None:
        if self._listing is job:
            self._listing = None

    def _take(self, choices: tuple[SourceChoice, ...]) -> None:
        if choices == self._choices and self.count():
            return
        self._choices = choices
        with QSignalBlocker(self):
            self.clear()
            for row, choice in enumerate(choices):
                self.addItem(choice.title)
                self.setItemData(row, choice.detail, Qt.ItemDataRole.ToolTipRole)
        view = self.view()
        view.setMinimumWidth(view.sizeHintForColumn(0) + 32)
        self._find_current()

    def _show_current(self, _source: object = None) -> None:
        """Show what is shown; where it is not in the list, look what else is new."""
        if not self._find_current():
            self._list()

    def _find_current(self) -> bool:
        """Make what is shown the current line, if need be one of its own; whether it was there."""
        source = self._session.source
        if source is None:
            self.setCurrentIndex(-1)
            return True
        shown = _identity(source)
        rows = [(choice.run, choice.round) for choice in self._choices]
        is_there = shown in rows
        if not is_there:
            # A run that began since the list was made, or its round.
            self._add(SourceChoice(run=shown[0], round=shown[1], title=source.title, detail=""))
            rows.append(shown)
        self.setCurrentIndex(rows.index(shown))
        return is_there

    def _add(self, choice: SourceChoice) -> None:
        self._choices = (*self._choices, choice)
        with QSignalBlocker(self):
            self.addItem(choice.title)

    def _tell_problem(self, _diagnosis: object) -> None:
        """Say it once where a file of predictions turns out to be damaged."""
        source = self._session.source
        problem = "" if source is None else source.problem
        if problem and problem != self._told:
            self._session.message_posted.emit(problem)
        self._told = problem

    def _on_chosen(self, row: int) -> None:
        project, choice = self._session.require_project(), self._choices[row]
        if self._opening is not None:
            self._opening.cancel()
        job = Job(f"Opening {choice.title}", lambda _progress: open_source(project, choice))
        self._opening = job
        job.finished.connect(lambda source: self._on_opened(job, project, source))
        job.dropped.connect(_close)
        job.failed.connect(self._session.message_posted)
        job.failed.connect(self._show_current)
        job.ended.connect(lambda: self._on_open_ended(job))
        job.start()

    def _on_opened(self, job: Job, project: Project, source: FrameSource) -> None:
        if job is not self._opening or project is not self._session.project:
            source.close()
            return
        self._session.set_source(source)
        self._session.message_posted.emit(f"Shown: {source.title}.")

    def _on_open_ended(self, job: Job) -> None:
        if self._opening is job:
            self._opening = None


def _close(source: FrameSource) -> None:
    source.close()


def _identity(source: FrameSource) -> tuple[str | None, int | None]:
    return (None, None) if source.name == "detections" else (source.name, source.round)
