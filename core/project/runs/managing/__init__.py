"""What is done to runs once they exist; no torch, no window.

naming       a name and a note           sizes        what a run takes on the disk
removal      deleting, making room       weights      networks for others
comparing    several runs side by side   tensorboard  their curves for TensorBoard
"""

from core.project.runs.managing.comparing import Comparison, compare
from core.project.runs.managing.naming import note_of, rename, set_note
from core.project.runs.managing.removal import clean, delete, removable_checkpoints, sweep_trash
from core.project.runs.managing.sizes import RunSize, size_of
from core.project.runs.managing.tensorboard import to_tensorboard
from core.project.runs.managing.weights import export_weights

__all__ = [
    "Comparison",
    "RunSize",
    "clean",
    "compare",
    "delete",
    "export_weights",
    "note_of",
    "removable_checkpoints",
    "rename",
    "set_note",
    "size_of",
    "sweep_trash",
    "to_tensorboard",
]
