"""A run's curves as TensorBoard events, for whoever keeps the books of many projects there.

Written by tensorboardX, an extra, which is imported when somebody asks for it. The folder of a run
inside the one named is replaced as a whole, so that exporting twice never doubles a curve.
"""

from __future__ import annotations

import importlib.util
import math
import shutil
import uuid
from typing import TYPE_CHECKING, Any

from core.errors import CommandRefusedError, DataError
from core.project.runs.config_io import config_text
from core.project.runs.following import report_of
from core.project.runs.managing.curves import curves_of
from core.project.runs.managing.naming import note_of

if TYPE_CHECKING:
    from pathlib import Path

    from core.project.runs.folder import RunFolder
    from core.project.runs.states import RunState

_EVENT_FILES = "events.out.tfevents"


def is_available() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("tensorboardX") is not None


def to_tensorboard(run: RunFolder, folder: Path) -> Path:
    """Write the curves of a run so far into ``folder/RUN``.

    Scalars are tagged ``held-out/…``, ``triangulation/…`` and ``loss/…``, over steps through all
    stages, with the times at which they were said; configuration and notes are texts.

    Returns:
        the run's folder inside.

    Raises:
        CommandRefusedError: the extra is not installed, or the run has said nothing yet.
        DataError: a folder of that name holds something else, or cannot be written to.
    """
    if not is_available():
        raise CommandRefusedError(
            "TensorBoard files need an extra; install it: pip install 'trilabel[tensorboard]'"
        )
    state = report_of(run).state
    if not state.progress and not state.evaluations:
        raise CommandRefusedError(f"The run {run.id} has no curves yet.")
    target = folder.absolute() / run.id
    _refuse_foreign(target)
    scratch = target.with_name(f".{run.id}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        scratch.mkdir(parents=True)
        _write(run, state, scratch)
        if target.exists():
            shutil.rmtree(target)
        scratch.rename(target)
    except OSError as error:
        raise DataError(
            target,
            expected="a folder that can be written to",
            found=error.strerror or str(error),
            remedy="Check permissions and free space, or choose another place.",
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _write(run: RunFolder, state: RunState, folder: Path) -> None:
    from tensorboardX import SummaryWriter

    writer: Any = SummaryWriter(str(folder))
    try:
        writer.add_text("config", _fenced(config_text(run.config)), 0)
        if note := note_of(run):
            writer.add_text("note", note, 0)
        for notice in state.notices:
            writer.add_text(f"notices/{notice.code}", notice.text, 0, walltime=notice.time)
        for curve in curves_of(state):
            tag = f"{curve.group}/{curve.measure.key}"
            rows = zip(
                curve.values.tolist(), curve.steps.tolist(), curve.times.tolist(), strict=True
            )
            for value, step, time in rows:
                if math.isfinite(value):
                    writer.add_scalar(tag, value, step, walltime=time)
    finally:
        writer.close()


def _refuse_foreign(target: Path) -> None:
    """Replace nothing that this has not written."""
    if not target.exists():
        return
    if target.is_dir() and all(entry.name.startswith(_EVENT_FILES) for entry in target.iterdir()):
        return
    raise DataError(
        target,
        expected="a new folder, or one of TensorBoard's events",
        found="something else",
        remedy="Choose another place.",
    )


def _fenced(text: str) -> str:
    return f"```toml\n{text}\n```"
