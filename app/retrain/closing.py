"""What happens to living trainings when the window is closed: asked once, remembered if wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QCheckBox, QMessageBox

from app.format import counted
from app.retrain.telling import where_it_is
from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from app.preferences import Closing, Preferences
    from app.runs import RunWatch
    from app.session import Session

ANSWERS: dict[Closing, str] = {
    "ask": "Ask when a training runs",
    "leave": "Leave trainings running",
    "stop": "Stop trainings, with a checkpoint",
}


def may_close(session: Session, watch: RunWatch, preferences: Preferences, parent: QWidget) -> bool:
    """Whether the window may close now; trainings are asked to stop where that is wanted.

    A window that only looks at a project asks nothing: the trainings are somebody else's.
    """
    project = session.project
    living = watch.living
    if project is None or project.read_only or not living:
        return True
    answer = preferences.closing()
    if answer == "ask":
        chosen, is_kept = _ask(watch, living, parent)
        if chosen is None:
            return False
        answer = chosen
        if is_kept:
            preferences.set_closing(answer)
    if answer == "stop":
        for run_id in living:
            # Written here and not by a job, which the closing window would not wait for.
            try:
                watch.run(run_id).request_stop()
            except (CommandRefusedError, OSError) as error:
                session.message_posted.emit(f"{watch.title(run_id)} cannot be stopped: {error}")
    return True


def _ask(watch: RunWatch, living: tuple[str, ...], parent: QWidget) -> tuple[Closing | None, bool]:
    """What to do with them (None: do not close), and whether to do so from now on."""
    box = QMessageBox(parent)
    box.setObjectName("closing_question")
    box.setIcon(QMessageBox.Icon.Question)
    is_one = len(living) == 1
    them = "it" if is_one else "them"
    title = "A training runs" if is_one else f"{counted(len(living), 'training')} run"
    box.setWindowTitle(title)
    box.setText(f"{title}. Leave {them} running?")
    lines = [f"{watch.title(run_id)}: {where_it_is(watch.reports[run_id])}" for run_id in living]
    box.setInformativeText(
        "\n".join(lines) + "\n\nA training that is left running goes on without the window, and is"
        " there again when the project is opened. One that is stopped writes a checkpoint and can"
        " go on later."
    )
    leave = box.addButton(f"Leave {them} running", QMessageBox.ButtonRole.AcceptRole)
    stop = box.addButton(f"Stop {them}", QMessageBox.ButtonRole.DestructiveRole)
    stay = box.addButton("Do not close", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(leave)
    box.setEscapeButton(stay)
    keep = QCheckBox("Do not ask again (Retrain… › At closing)")
    box.setCheckBox(keep)
    box.exec()
    answers: dict[object, Closing] = {leave: "leave", stop: "stop"}
    chosen = answers.get(box.clickedButton())
    is_kept = keep.isChecked()
    box.deleteLater()
    return chosen, is_kept
