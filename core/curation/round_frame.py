"""What differs between two sources at one frame, as `core.curation.round_diff` has it of many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.diagnosis import FrameDiagnosis


def changed_joints(
    before: FrameDiagnosis, after: FrameDiagnosis, min_mm: float
) -> NDArray[np.bool_]:
    """(P, J) of the persons before: moved further than a limit, or kept on one side only.

    Args:
        before: the former side.
        after: the latter, of the same frame and with the same settings.
        min_mm: see `core.curation.round_diff.ChangeFilter`.
    """
    is_changed = np.zeros(before.triangulation.kept.shape, dtype=np.bool_)
    for row, person in enumerate(before.persons):
        kept = before.triangulation.kept[row] & before.observed[row].any(axis=0)
        if person not in after.persons:
            is_changed[row] = kept
            continue
        other = after.persons.index(person)
        kept_after = after.triangulation.kept[other] & after.observed[other].any(axis=0)
        apart = after.triangulation.points_mm[other] - before.triangulation.points_mm[row]
        with np.errstate(invalid="ignore"):
            has_moved = np.linalg.norm(apart, axis=-1) > min_mm
        is_changed[row] = (kept != kept_after) | (kept & kept_after & has_moved)
    return is_changed
