"""A discarded joint, judged by a person: taken all the same, or left for what it is.

Taken against the rule, a point keeps where it comes from like every accepted one, with ``rescued``
in the place of the rule and weight 0 for the views that it was taken without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.curation.accepting import RESCUED
from core.curation.grounds import grounded
from core.diagnosis import diagnose_frame
from core.errors import CommandRefusedError
from core.project import AcceptedPoint, AcceptPoints, PointKey, Provenance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.curation.sources import FrameSource
    from core.diagnosis import FrameDiagnosis
    from core.observations import FrameObservations


def rescued(
    source: FrameSource,
    observations: FrameObservations,
    diagnosis: FrameDiagnosis,
    person_row: int,
    joint: int,
    without: Sequence[int] = (),
) -> AcceptPoints:
    """Accept the point of a discarded joint as it is, or as it would be without some views.

    Args:
        source: of the observations.
        observations: of the frame.
        diagnosis: of these observations.
        person_row: index into `diagnosis.persons`.
        joint: index of the joint.
        without: indices of views that shall have no part in the point.

    Raises:
        CommandRefusedError: the joint is kept already, or there is no point to take.
    """
    name = source.skeleton.joints[joint]
    person = diagnosis.persons[person_row]
    if diagnosis.triangulation.kept[person_row, joint]:
        raise CommandRefusedError(f"{name} of #{person} is kept: there is nothing to rescue.")
    if without:
        muted = diagnosis.muted.copy()
        muted[person_row, list(without), joint] = True
        diagnosis = diagnose_frame(observations, source.rig, diagnosis.settings, muted)
    found = diagnosis.triangulation
    point = found.points_mm[person_row, joint]
    if not np.isfinite(point).all():
        raise CommandRefusedError(
            f"{name} of #{person} has no 3D point: place it by hand in two views."
        )
    residuals = diagnosis.loo_residual_px[person_row, :, joint]
    put = diagnosis.reprojected[person_row, :, joint] & diagnosis.observed[person_row, :, joint]
    residuals = residuals[diagnosis.observed[person_row, :, joint] & np.isfinite(residuals) & ~put]
    answering = source.answering(diagnosis.frame)
    round_number, weights_hash = answering.origin(diagnosis.frame)
    x, y, z = point.tolist()
    words = f" without {', '.join(source.rig.names[c] for c in without)}" if without else ""
    provenance = Provenance(
        source=answering.name,
        round=round_number,
        weights_hash=weights_hash,
        wss_mm=float(found.wss_mm[person_row, joint]),
        worst_loo_px=float(residuals.max()) if len(residuals) else float("nan"),
        scale_mm=diagnosis.settings.scale_mm,
        weighting=diagnosis.settings.weighting,
        rule=RESCUED,
        weights=tuple(found.weights[person_row, :, joint].round(4).tolist()),
    )
    provenance = grounded(provenance, put.tolist())
    key = PointKey(diagnosis.frame, person, joint)
    return AcceptPoints(
        points=(AcceptedPoint(key=key, point_mm=(x, y, z), provenance=provenance),),
        name=f"Rescue {name.replace('_', ' ')} of #{person}{words}",
    )
