"""The demo's match: generated and imported once, and kept in the user's cache."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

# Raise this when the generator or the project's layout changes, so that an old match is remade.
_DEMO_VERSION = 1


def demo_directory() -> Path:
    """Where the match is kept between runs."""
    from platformdirs import user_cache_path

    return user_cache_path("trilabel", appauthor=False) / f"demo-{_DEMO_VERSION}"


def prepare_demo(
    directory: Path | None,
    *,
    fresh: bool = False,
    report: Callable[[str], None],
    progress: Callable[[int, int], bool] | None = None,
) -> Path:
    """Generate and import the match where it is missing.

    Args:
        directory: where to keep it; None is the user's cache.
        fresh: make it anew.
        report: told what is being done.
        progress: called with (done, total) pictures.

    Returns:
        The project's folder.

    Raises:
        CommandRefusedError: ``progress`` asked to stop.
    """
    from core.project.importing import import_sportcenter
    from core.synthetic import DEMO_CONFIG, synthesise

    directory = directory or demo_directory()
    project = directory / "match.trilabel"
    if project.is_dir() and not fresh:
        return project
    report(f"Generating a basketball match in {directory}")
    directory.parent.mkdir(parents=True, exist_ok=True)
    # Made beside its place and moved there whole, so that a stopped run leaves no half a match.
    scratch = Path(tempfile.mkdtemp(prefix="demo-", dir=directory.parent))
    try:
        if not synthesise(DEMO_CONFIG, scratch / "match", progress=progress):
            raise CommandRefusedError("Generating the match was stopped.")
        import_sportcenter(
            scratch / "match",
            scratch / "match.trilabel",
            detections=[f"alphapose:{scratch / 'match' / 'alphapose'}"],
            report=report,
        )
        if directory.exists():
            shutil.rmtree(directory)
        scratch.rename(directory)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return project
