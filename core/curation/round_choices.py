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
    """The side before of what is shown: what people saw before that training, or that round.

    A run as a whole is held against the run before it, else against the detections, which both
    know about all frames; its own first round only where there is neither, since that is of a few
    frames. One of its rounds is held against its first.

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
    has_first = bool(earlier) and (round_number is not None or len(earlier) > 1)
    first = _choice(choices, run, min(earlier)) if has_first else None
    if first is not None and round_number is not None:
        return first
    runs = list(dict.fromkeys(choice.run for choice in choices))
    older = runs[runs.index(run) + 1 :] if run in runs else []
    for choice in choices:
        if older and choice.run == older[0]:
            return choice
    detections = _choice(choices, None, None)
    return first if detections is None or (detections.is_empty and first) else detections


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
