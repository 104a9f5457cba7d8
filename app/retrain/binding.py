"""The key table's Retrain, and what the button of the context bar asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.commands import Commands
    from app.retrain.button import RetrainButton


def bind_retrain(
    commands: Commands,
    button: RetrainButton,
    open_dialog: Callable[[], None],
    set_note: Callable[[str], None],
) -> None:
    """Bind the command, and let the button ask for it.

    Args:
        commands: of the window.
        button: at rest it opens the dialog, while a run lives the run panel.
        open_dialog: asks what a training shall use.
        set_note: told what was edited since the living run took its labels; empty = nothing.
    """
    commands.bind("retrain", open_dialog)
    button.dialog_requested.connect(commands.actions["retrain"].trigger)
    button.panel_requested.connect(commands.actions["run_panel"].trigger)
    button.note_changed.connect(set_note)
