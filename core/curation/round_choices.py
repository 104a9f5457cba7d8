"""What to hold a shown round against, unless somebody says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.curation.choices import SourceChoice
    from core.curation.sources import FrameSource


def identity(source: FrameSource) -> tuple[str | None, int | None]:
    """Run and round of a source, as a `SourceChoice` has them."""
    return (None, None) if source.name == "detections" else (source.name, source.round)


def default_before(
    choices: Sequence[SourceChoice], run: str | None, round_number: int | None
) -> SourceChoice | None:
    """The side before of what is shown: its run's first round, the run before, or detections.

    Args:
        choices: of `source_choices`: detections, then runs, the newest first, and their rounds,
            the newest first.
        run: that is shown; None = the detections.
        round_number: that is shown; None = the newest.

    Returns:
        None where detections are shown, and where nothing else is there.
    """
    if run is None:
        return None
    numbers = [choice.round for choice in choices if choice.run == run]
    earlier = [n for n in numbers if n is not None and (round_number is None or n < round_number)]
    # With one round in all, the newest is that round.
    if earlier and (round_number is not None or len(earlier) > 1):
        return _choice(choices, run, min(earlier))
    runs = list(dict.fromkeys(choice.run for choice in choices))
    older = runs[runs.index(run) + 1 :] if run in runs else []
    for choice in choices:
        if older and choice.run == older[0]:
            return choice
    return _choice(choices, None, None)


def newest_run(choices: Sequence[SourceChoice]) -> SourceChoice | None:
    """The newest answers of the newest run that has any; None where no run has."""
    return next((choice for choice in choices if choice.run is not None), None)


def _choice(
    choices: Sequence[SourceChoice], run: str | None, round_number: int | None
) -> SourceChoice | None:
    for choice in choices:
        if (choice.run, choice.round) == (run, round_number):
            return choice
    return None
