"""Why a joint was kept or discarded, in numbers and in plain words.

Each view is muted in turn and the joint triangulated again, so that "without ace_5 it would be
kept" is a fact and not a guess. Which views *disagree* is asked of the consensus weighting,
whatever weighting is in force: the paper's weights all vanish together where the candidates
scatter, and then tell nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.diagnosis.anchoring import HANDS_TO_KEEP
from core.diagnosis.engine import observed_in, robust
from core.diagnosis.lengths import arguments, effective_lengths_mm
from core.geometry.method import SUPPORT_WEIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from core.diagnosis.engine import Triangulation
    from core.diagnosis.frame import FrameDiagnosis
    from core.geometry import Rig
    from core.settings import DiscardRule, TriangulationSettings

_PARALLEL_DEGREES = 0.2

Reason = Literal["kept", "wss", "support", "too_few_views", "degenerate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The joint without one view; for a view that is muted, the joint *with* it.

    Attributes:
        camera: index of the view.
        value: what the rule in force would have measured; NaN where the joint is degenerate then.
        would_be_kept: whether the joint would be kept.
        is_muted: the view is muted, and this is what it would be if it counted again.
    """

    camera: int
    value: float
    would_be_kept: bool
    is_muted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cure:
    """The joint without the fewest views that must be muted for it to be kept.

    Attributes:
        without: indices of these views.
        value: what the rule in force measures then.
        point_mm: (x, y, z) world, where the joint would be.
    """

    without: tuple[int, ...]
    value: float
    point_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class JointExplanation:
    """The verdict on a joint and what it hangs on.

    Attributes:
        rule: the discard rule in force.
        reason: what decided; ``kept`` where it was kept.
        value: WSS in mm (rule ``wss``), the number of views that agree (``support``) or that see
            the joint (``none``); NaN where it has none.
        threshold: what the value is held against: λ in mm, or the least number of views.
        unit: ``mm`` or ``views``.
        kept: the verdict.
        degenerate: there is no 3D point at all.
        disagreeing: indices of the observed views that the others contradict.
        what_if: one for each observed or muted view, in the order of cameras; empty for one view
            or none.
        muted: indices of the views that somebody muted here.
        cure: what would make a discarded joint kept; None where one or two views do not, or the
            joint is kept already.
        sentence: the verdict in plain words.
    """

    rule: DiscardRule
    reason: Reason
    value: float
    threshold: float
    unit: Literal["mm", "views"]
    kept: bool
    degenerate: bool
    disagreeing: tuple[int, ...]
    what_if: tuple[WhatIf, ...]
    muted: tuple[int, ...]
    cure: Cure | None
    sentence: str

    def format_value(self, value: float) -> str:
        """A value of the rule with its unit, rounded to what it means."""
        return _with_unit(value, self.unit)


def _with_unit(value: float, unit: str) -> str:
    if np.isnan(value):
        return "–"
    if unit == "views":
        return "1 view" if value == 1 else f"{value:.0f} views"
    if value >= 1000:
        return f"{value / 1000:.1f} m"
    return f"{value:.1f} mm" if value < 9.95 else f"{value:.0f} mm"


def explain_joint(
    diagnosis: FrameDiagnosis, rig: Rig, person_row: int, joint: int
) -> JointExplanation:
    """Explain one joint of a diagnosed frame.

    Args:
        diagnosis: of the frame.
        rig: the one it was diagnosed with.
        person_row: index into `diagnosis.persons`.
        joint: index of the joint.
    """
    case = _Case(diagnosis, rig, person_row, joint)
    what_if = case.what_if()
    disagreeing = case.disagreeing()
    reason = case.reason()
    cure = case.cure(reason, what_if, disagreeing)
    return JointExplanation(
        rule=case.settings.rule,
        reason=reason,
        value=case.value,
        threshold=case.threshold,
        unit=case.unit,
        kept=case.kept,
        degenerate=case.degenerate,
        disagreeing=disagreeing,
        what_if=what_if,
        muted=case.muted,
        cure=cure,
        sentence=case.sentence(reason, cure, disagreeing),
    )


class _Case:
    """One joint, its verdict, and the triangulations that would have been."""

    def __init__(self, diagnosis: FrameDiagnosis, rig: Rig, row: int, joint: int) -> None:
        self.settings: TriangulationSettings = diagnosis.settings
        self.rig = rig
        self.points_px = diagnosis.undistorted_px[row, :, joint]
        self.raw_px = diagnosis.points_px[row, :, joint]
        self.seen = diagnosis.observed[row, :, joint]
        self.hand = diagnosis.hand[row, :, joint]
        self.reprojected = self.seen & diagnosis.reprojected[row, :, joint]
        self.views = tuple(int(c) for c in np.flatnonzero(self.seen))
        self.muted = tuple(int(c) for c in np.flatnonzero(diagnosis.muted[row, :, joint]))
        self.kept = bool(diagnosis.triangulation.kept[row, joint])
        self.degenerate = not np.isfinite(diagnosis.triangulation.points_mm[row, joint]).all()
        self.unit: Literal["mm", "views"] = "mm" if self.settings.rule == "wss" else "views"
        self.threshold = float(self.settings.min_views)
        if self.unit == "mm":
            self.threshold = effective_lengths_mm(self.settings).wss_threshold_mm
        self.value = self._value(
            float(diagnosis.triangulation.wss_mm[row, joint]),
            diagnosis.triangulation.weights[row, :, joint],
            self.seen,
            self.degenerate,
        )
        weights = diagnosis.triangulation.weights[row, :, joint]
        self.agreeing = tuple(
            int(c) for c in np.flatnonzero(self.seen & (weights > SUPPORT_WEIGHT))
        )
        self._consensus: NDArray[np.float64] | None = None
        if self.settings.weighting == "consensus":
            self._consensus = weights

    def _value(
        self, wss_mm: float, weights: NDArray[np.float64], seen: NDArray[np.bool_], lost: bool
    ) -> float:
        if self.settings.rule == "wss":
            return np.nan if lost else wss_mm
        if self.settings.rule == "support":
            return float((seen & (weights > SUPPORT_WEIGHT)).sum())
        return float(seen.sum())

    def _triangulate(
        self, seen: NDArray[np.bool_], settings: TriangulationSettings
    ) -> Triangulation:
        """The joint with the views of each row of (V, C) only."""
        points = np.broadcast_to(self.points_px[:, None], (len(seen), len(self.rig), 1, 2))
        hand = np.asarray((seen & self.hand)[:, :, None])
        points, options = np.ascontiguousarray(points), arguments(settings)
        return robust(points, self.rig.projections, seen[:, :, None], options, hand)

    def _with(self, seen: NDArray[np.bool_]) -> list[tuple[float, bool, Cure | None]]:
        """Value, verdict and answer with the views of each row of (V, C) only."""
        if not len(seen):
            return []
        found = self._triangulate(seen, self.settings)
        lost = ~observed_in(found.points_mm[:, 0])
        cases: list[tuple[float, bool, Cure | None]] = []
        for row, views in enumerate(seen):
            wss, weights = float(found.wss_mm[row, 0]), found.weights[row, :, 0]
            value = self._value(wss, weights, views, bool(lost[row]))
            x, y, z = found.points_mm[row, 0].tolist()
            without = tuple(int(c) for c in np.flatnonzero(self.seen & ~views))
            cure = Cure(without=without, value=value, point_mm=(x, y, z))
            cases.append((value, bool(found.kept[row, 0]), None if lost[row] else cure))
        return cases

    def _without(self, muted: Sequence[Sequence[int]]) -> list[tuple[float, bool, Cure | None]]:
        """Value, verdict and answer without each of these sets of views."""
        seen = np.repeat(self.seen[None], len(muted), axis=0)
        for row, cameras in enumerate(muted):
            seen[row, list(cameras)] = False
        return self._with(seen)

    def what_if(self) -> tuple[WhatIf, ...]:
        """Each observed view muted in turn, each muted one counted again."""
        views = sorted({*self.views, *self.muted})
        if len(views) < 2:
            return ()
        seen = np.repeat(self.seen[None], len(views), axis=0)
        for row, camera in enumerate(views):
            seen[row, camera] = camera in self.muted
        return tuple(
            WhatIf(camera=camera, value=value, would_be_kept=kept, is_muted=camera in self.muted)
            for camera, (value, kept, _) in zip(views, self._with(seen), strict=True)
        )

    def disagreeing(self) -> tuple[int, ...]:
        """The observed views without weight at the point that at least three others agree on."""
        if len(self.views) < 4:
            return ()
        if self._consensus is None:
            scale = effective_lengths_mm(self.settings).scale_mm
            settings = replace(self.settings, weighting="consensus", discard=None, scale_mm=scale)
            self._consensus = self._triangulate(self.seen[None], settings).weights[0, :, 0]
        agreeing = self.seen & ~self.reprojected & (self._consensus > SUPPORT_WEIGHT)
        if agreeing.sum() < 3:
            return ()
        return tuple(int(c) for c in np.flatnonzero(self.seen & ~agreeing))

    def reason(self) -> Reason:
        """What decided."""
        if self.kept:
            return "kept"
        if self.degenerate:
            return "degenerate"
        if len(self.views) < self.settings.min_views:
            return "too_few_views"
        return "wss" if self.settings.rule == "wss" else "support"

    def sentence(self, reason: Reason, cure: Cure | None, disagreeing: tuple[int, ...]) -> str:
        """The verdict in plain words."""
        verdict = self._unmuted_sentence(reason, cure, disagreeing)
        num = int(self.reprojected.sum())
        if num:
            verb = "was" if num == 1 else "were"
            verdict = f"{verdict} {num} of them {verb} reprojected, which proves nothing."
        if not self.muted:
            return verdict
        verb = "is" if len(self.muted) == 1 else "are"
        return f"{verdict} {self._names(self.muted)} {verb} muted."

    def _unmuted_sentence(
        self, reason: Reason, cure: Cure | None, disagreeing: tuple[int, ...]
    ) -> str:
        if reason == "degenerate":
            return f"No 3D point: {self._why_degenerate()}"
        if reason == "too_few_views":
            return (
                f"Discarded: only {self._names(self.views)} see it, and "
                f"{self.settings.min_views} views are needed."
            )
        parts = [f"{self._verdict()}."]
        contradicted = ""
        if disagreeing:
            verb = "disagrees" if len(disagreeing) == 1 else "disagree"
            contradicted = f"{self._names(disagreeing)} {verb} with the others"
        advice = "" if reason == "kept" else self._advice(cure)
        if contradicted and advice:
            parts.append(f"{contradicted}; {advice}.")
        elif contradicted or advice:
            text = contradicted or advice
            parts.append(f"{text[0].upper()}{text[1:]}." if advice else f"{text}.")
        return " ".join(parts)

    def _verdict(self) -> str:
        value, threshold = _with_unit(self.value, self.unit), _with_unit(self.threshold, self.unit)
        clicks = np.asarray(self.seen & self.hand)
        if self.kept and clicks.sum() >= HANDS_TO_KEEP and self.settings.rule != "none":
            return f"Kept: placed by hand in {self._names(tuple(np.flatnonzero(clicks).tolist()))}"
        if self.settings.rule == "wss":
            verdict, side = ("Kept", "within") if self.kept else ("Discarded", "over")
            return f"{verdict}: WSS {value} is {side} the threshold {threshold}"
        if self.settings.rule == "none":
            return (
                f"{'Kept' if self.kept else 'Discarded'}: {value} see it, and no rule judges them"
            )
        needed = f"{self.settings.min_views} are needed"
        if self.kept:
            return f"Kept: {self.value:.0f} of {len(self.views)} views agree, {needed}"
        if not self.agreeing:
            return f"Discarded: none of {len(self.views)} views agree with one another, {needed}"
        verb = "agrees" if len(self.agreeing) == 1 else "agree"
        who = self._names(self.agreeing)
        return f"Discarded: of {len(self.views)} views only {who} {verb}, {needed}"

    def cure(
        self, reason: Reason, what_if: tuple[WhatIf, ...], disagreeing: tuple[int, ...]
    ) -> Cure | None:
        """The least set of views without which the joint would be kept."""
        if reason not in ("wss", "support"):
            return None
        rescued = [case for case in what_if if case.would_be_kept and not case.is_muted]
        if rescued:
            best = min(rescued, key=lambda case: case.value if self.unit == "mm" else -case.value)
            return self._without([(best.camera,)])[0][2]
        spare = len(self.views) - self.settings.min_views
        sets: list[tuple[int, ...]] = list(combinations(self.views, 2)) if spare >= 2 else []
        if len(disagreeing) > 2 and spare >= len(disagreeing):
            sets.append(disagreeing)
        return next((cure for _, kept, cure in self._without(sets) if kept), None)

    def _advice(self, cure: Cure | None) -> str:
        if cure is not None:
            text = _with_unit(cure.value, self.unit)
            return f"without {self._names(cure.without)} it would be {text} and kept"
        if self.settings.rule == "wss" and len(self.views) > self.settings.min_views:
            return "no one or two of its views are to blame"
        return ""

    def _names(self, cameras: Sequence[int]) -> str:
        names = [self.rig.names[camera] for camera in cameras]
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

    def _why_degenerate(self) -> str:
        beyond = np.isfinite(self.raw_px).all(axis=-1) & ~self.seen
        beyond[list(self.muted)] = False
        if len(self.views) < 2:
            who = f"only {self._names(self.views)} sees it" if self.views else "no view sees it"
            lens = ""
            if beyond.any():
                names = self._names([int(c) for c in np.flatnonzero(beyond)])
                lens = f" ({names}: outside what the lens can image)"
            return f"{who}{lens}, and two views are the least."
        rays = np.stack([self.rig[c].rays(self.raw_px[c])[1] for c in self.views])
        widest = np.degrees(np.arccos(np.clip((rays @ rays.T).min(), -1.0, 1.0)))
        if widest < _PARALLEL_DEGREES:
            return f"the rays of {self._names(self.views)} are all but parallel ({widest:.2f}°)."
        return (
            f"the rays of {self._names(self.views)} meet behind a camera or not at all; at least "
            "one of them is of something else."
        )
