"""An export from beginning to end: gathered, written beside its place, read again, put in place.

Everything is written into a folder with a hidden name beside the one asked for, which gets its name
only when all is there and was found to hold what it should: killed at any moment, an export is
whole or not there. A folder with something in it is never written into; an earlier export can be
replaced, where that is asked for.
"""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from core.errors import CommandRefusedError, DataError
from core.exporting import datasheet
from core.exporting.choosing import chosen
from core.exporting.datasheet import Request
from core.exporting.formats import FORMATS
from core.exporting.gathering import gather
from core.files import sync_file, sync_folder, temporary_beside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.exporting.content import Content, What
    from core.project import Project

    Progress = Callable[[int, int], bool]

_TOTAL = 1000  # of the progress; the parts below are its shares
_CHOSEN, _GATHERED, _WRITTEN, _TOLD, _CHECKED = 300, 500, 700, 850, 980


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was exported.

    Attributes:
        path: the folder.
        num_files: with the datasheet's three.
        num_views, num_space: points in the views and in space that stand in the format's files.
        num_frames, num_persons: with a point.
        left_out: what there was and the format has no place for, as sentences.
    """

    path: Path
    num_files: int
    num_views: int
    num_space: int
    num_frames: int
    num_persons: int
    left_out: tuple[str, ...]

    @property
    def told(self) -> str:
        """Such as ``936 joints in space, of 12 persons in 6 frames: 15 files``."""
        parts = [
            f"{_counted(count, 'joint')} {where}"
            for count, where in ((self.num_views, "in views"), (self.num_space, "in space"))
            if count
        ]
        return (
            f"{' and '.join(parts)}, of {_counted(self.num_persons, 'person')} in"
            f" {_counted(self.num_frames, 'frame')}: {_counted(self.num_files, 'file')}"
        )


def export_project(
    project: Project,
    directory: Path,
    *,
    format: str,
    what: What = "both",
    query: str = "",
    run: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ExportReport:
    """Write labels and accepted pseudo-labels for another tool, with their datasheet.

    Args:
        project: whose; it is only read.
        directory: a folder that does not exist yet, or is empty.
        format: a key of `FORMATS`.
        what: labels, accepted pseudo-labels or both.
        query: which joints, see `core.curation.query`; empty = all.
        run: whose triangulation a query about residuals asks; None = the detections'.
        overwrite: replace an earlier export at `directory`; anything else there is still refused.
        progress: told (done, total); answers whether to go on.

    Raises:
        DataError: no such format, a wrong query, something at `directory` already, or a file that
            cannot be written or does not hold what it should.
        CommandRefusedError: there is nothing to export, or `progress` asked to stop.
    """
    if format not in FORMATS:
        raise DataError(
            "export",
            "format",
            expected=f"one of {', '.join(FORMATS)}",
            found=repr(format),
            remedy="'trilabel export --help' tells what each is.",
        )
    chosen_format = FORMATS[format]
    directory = directory.absolute()
    refuse_taken(directory, overwrite=overwrite)
    go_on = _Parts(progress)
    is_meant = chosen(project, query, run, go_on.part(0, _CHOSEN))
    content = gather(project, what, is_meant, go_on.part(_CHOSEN, _GATHERED))
    _refuse_without(content, chosen_format.has_views, chosen_format.has_space)
    request = Request(
        project=str(project.path),
        format=chosen_format,
        query=query.strip(),
        run=run,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        annotator=project.annotator,
        version=version("trilabel"),
    )
    scratch = temporary_beside(directory)
    try:
        scratch.mkdir(parents=True)
        writing = replace(content, go_on=lambda: go_on(_GATHERED))
        chosen_format.write(writing, scratch)
        sheet = scratch / datasheet.CSV
        datasheet.write_points(sheet, content, go_on.part(_WRITTEN, _TOLD))
        chosen_format.check(replace(content, go_on=lambda: go_on(_TOLD)), scratch)
        datasheet.write_summary(scratch, content, request)
        go_on(_CHECKED)
        num_files = _sync(scratch)
        _put(scratch, directory, overwrite=overwrite)
    except OSError as error:
        raise DataError(
            directory,
            expected="a folder that can be written",
            found=error.strerror or str(error),
            remedy="Choose another place.",
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    go_on(_TOTAL)
    return ExportReport(
        path=directory,
        num_files=num_files,
        num_views=len(content.views.keys) if chosen_format.has_views else 0,
        num_space=len(content.space.keys) if chosen_format.has_space else 0,
        num_frames=len(content.frames),
        num_persons=len(content.persons),
        left_out=_left_out(content, chosen_format.has_views, chosen_format.has_space),
    )


def refuse_taken(directory: Path, *, overwrite: bool = False) -> None:
    """Refuse a place where there is something, but for an earlier export that may be replaced.

    Raises:
        DataError: there is.
    """
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return
    if _is_export(directory):
        if overwrite:
            return
        found, remedy = "an earlier export", "Choose another folder, or say --overwrite."
    else:
        found = "a folder with files in it" if directory.is_dir() else "a file"
        remedy = "Choose another folder."
    raise DataError(directory, expected="a folder that is new or empty", found=found, remedy=remedy)


def _is_export(directory: Path) -> bool:
    sheet = directory / datasheet.JSON
    return sheet.is_file() and datasheet.MADE_BY.encode() in sheet.read_bytes()[:200]


def _put(scratch: Path, directory: Path, *, overwrite: bool) -> None:
    """Give the folder its name; what was there is away only when the new one is in its place."""
    refuse_taken(directory, overwrite=overwrite)  # somebody may have come first
    old: Path | None = None
    if directory.is_dir():
        if not any(directory.iterdir()):
            directory.rmdir()
        else:
            old = directory.with_name(f".{directory.name}.{uuid.uuid4().hex[:8]}.old")
            directory.rename(old)
    try:
        scratch.rename(directory)
    except OSError:
        if old is not None:
            old.rename(directory)
        raise
    sync_folder(directory.parent)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _sync(folder: Path) -> int:
    """Have everything on the disk; the number of files."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        sync_file(path)
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        sync_folder(path)
    return len(files)


def _refuse_without(content: Content, has_views: bool, has_space: bool) -> None:
    if not has_space and not len(content.views.keys):
        raise CommandRefusedError(
            "There is nothing to export: this format holds joints in views, and there are none."
        )
    if not has_views and not len(content.space.keys):
        raise CommandRefusedError(
            "There is nothing to export: this format holds joints in space, and there are none."
            " Label a joint in two views, or accept a pseudo-label."
        )


def _left_out(content: Content, has_views: bool, has_space: bool) -> tuple[str, ...]:
    told: list[str] = []
    if not has_views and len(content.views.keys):
        told.append(f"{len(content.views.keys):,} points in views are in datasheet.csv only.")
    if not has_space and len(content.space.keys):
        told.append(f"{len(content.space.keys):,} points in space are in datasheet.csv only.")
    return tuple(told)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class _Parts:
    """One progress of several parts."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def __call__(self, done: int) -> None:
        if self._progress is not None and not self._progress(done, _TOTAL):
            raise CommandRefusedError("Stopped; nothing was exported.")

    def part(self, start: int, stop: int) -> Progress | None:
        """A progress of its own, as the share from start to stop."""
        progress = self._progress
        if progress is None:
            return None

        def show(done: int, total: int) -> bool:
            return progress(start + (stop - start) * done // max(total, 1), _TOTAL)

        return show
