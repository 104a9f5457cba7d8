"""A run's networks, given away as a folder: the files, and where they come from.

``detector.pt`` (and ``lifter.pt``, ``confidence.pt`` where the run has them) keep their names, so
that the folder can be named where weights are asked for: ``--weights FOLDER``, ``model.weights``.
``provenance.toml`` tells run, labels, figures and check sums; ``config.toml`` how it was trained.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import uuid
from typing import TYPE_CHECKING, Any

import tomli_w

from core.errors import CommandRefusedError, DataError
from core.files import sync_file, sync_folder
from core.project.runs.config_io import config_hash, write_config
from core.project.runs.following import report_of
from core.project.runs.managing.comparing import newest_metrics
from core.project.runs.managing.naming import note_of

if TYPE_CHECKING:
    from pathlib import Path

    from core.project.runs.folder import RunFolder

WEIGHTS_FILES = ("detector.pt", "lifter.pt", "confidence.pt")
_CHUNK = 1 << 20


def has_weights(run: RunFolder) -> bool:
    """Whether there is anything to export."""
    return (run.path / WEIGHTS_FILES[0]).is_file()


def export_weights(run: RunFolder, path: Path) -> tuple[Path, ...]:
    """Copy a run's networks into a new folder, which appears whole or not at all.

    Args:
        run: whose.
        path: a folder that does not exist, or is empty.

    Returns:
        the files.

    Raises:
        CommandRefusedError: the run has exported no weights yet.
        DataError: the place is taken, or cannot be written to.
    """
    if not has_weights(run):
        raise CommandRefusedError(
            f"The run {run.id} has no weights yet: they come at the end of its first stage."
        )
    path = path.absolute()
    refuse_taken(path)
    scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        scratch.mkdir(parents=True)
        sums: dict[str, str] = {}
        for name in WEIGHTS_FILES:
            if (run.path / name).is_file():
                sums[name] = _copy(run.path / name, scratch / name)
        write_config(scratch / "config.toml", run.config)
        about = scratch / "provenance.toml"
        about.write_text(tomli_w.dumps(_provenance(run, sums)), encoding="utf-8")
        sync_file(about)
        if path.exists():
            path.rmdir()
        scratch.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise DataError(
            path,
            expected="a folder that can be written to",
            found=error.strerror or str(error),
            remedy="Check permissions and free space, or choose another place.",
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return tuple(sorted(path.iterdir()))


def refuse_taken(path: Path) -> None:
    """Refuse a place where something lies already.

    Raises:
        DataError: it is a file, or a folder that is not empty.
    """
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise DataError(
            path,
            expected="a new or empty folder",
            found="a file" if path.is_file() else "a folder that is not empty",
            remedy="Choose another place.",
        )


def _copy(source: Path, target: Path) -> str:
    """Copy a file to the disk; its SHA-256."""
    digest = hashlib.sha256()
    with source.open("rb") as reading, target.open("wb") as writing:
        while chunk := reading.read(_CHUNK):
            digest.update(chunk)
            writing.write(chunk)
    sync_file(target)
    return digest.hexdigest()


def _provenance(run: RunFolder, sums: dict[str, str]) -> dict[str, Any]:
    report = report_of(run)
    started, project = report.state.started, run.project_dir
    told: dict[str, Any] = {
        "run": run.id,
        "name": run.name,
        "note": note_of(run),
        "created": run.created,
        "status": report.status,
        "config_hash": config_hash(run.config),
        "project": project.name if project else "",
        "sha256": sums,
    }
    if started is not None:
        told["trained_on"] = {
            "device": started.device_name,
            "labelled": started.labelled,
            "unlabelled": started.unlabelled,
            "held_out": started.held_out,
            "notes": list(started.notes),
        }
    metrics = newest_metrics(report.state)
    told["held_out"] = {key: value for key, value in metrics.items() if math.isfinite(value)}
    return told
