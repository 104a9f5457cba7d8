"""What a discard rule is worth where people labelled: precision and recall of "kept = correct".

The detections of the labelled frames are triangulated without any label and held against where
people say the joints are. *Correct* is a joint that lies within a tolerance of that. A threshold
keeps some joints; precision is the share of the kept that is correct, recall the share of the
correct that is kept. Points and weights do not depend on the threshold, so that moving it, or the
tolerance, costs nothing: `threshold_samples` once, `ThresholdSamples.curve` at every move.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.diagnosis.engine import Bools, Floats, robust, straightened
from core.diagnosis.labelled import read_labelled
from core.diagnosis.lengths import arguments, effective_lengths_mm
from core.geometry.method import SUPPORT_WEIGHT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.diagnosis.labelled import LabelledSource
    from core.diagnosis.source import Progress
    from core.settings import TriangulationSettings

CORRECT_MM = 50.0
"""Within this a joint counts as correct unless somebody says otherwise."""
_LEAST_MM, _MOST_MM, _STEPS = 1.0, 1000.0, 121


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ThresholdCurve:
    """Precision and recall over the threshold of a rule; NaN where nothing is kept, or correct.

    Attributes:
        rule: ``wss`` (λ in millimetres) or ``support`` (least number of views that agree).
        thresholds: (T,) ascending.
        precision, recall, kept: (T,) shares; kept is that of all joints.
    """

    rule: Literal["wss", "support"]
    thresholds: Floats
    precision: Floats
    recall: Floats
    kept: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdScore:
    """One threshold: precision and recall as of `ThresholdCurve`, and the numbers behind them."""

    precision: float
    recall: float
    num_joints: int
    num_kept: int
    num_correct: int
    num_both: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ThresholdSamples:
    """N joints of labelled frames with a point from their detections, and a place by people.

    Attributes:
        settings: how they were triangulated; the rule's thresholds play no part.
        error_mm: (N,) distance of the point from where people say it is.
        wss_mm: (N,) root of the weighted scatter.
        num_agreeing: (N,) views with a weight over 0.05.
        num_seen: (N,) views with a detection.
        frames, persons, joints: (N,) where each comes from.
    """

    settings: TriangulationSettings
    error_mm: Floats
    wss_mm: Floats
    num_agreeing: NDArray[np.int64]
    num_seen: NDArray[np.int64]
    frames: NDArray[np.int64]
    persons: NDArray[np.int64]
    joints: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.error_mm)

    def fit(self, settings: TriangulationSettings) -> bool:
        """Whether these are the joints of such settings: all but the rule's thresholds agree."""
        return _unruled(settings) == _unruled(self.settings)

    def score(
        self, settings: TriangulationSettings, tolerance_mm: float = CORRECT_MM
    ) -> ThresholdScore:
        """The rule and thresholds of these settings; they must `fit`."""
        kept = self._kept(settings, effective_lengths_mm(settings).wss_threshold_mm)
        correct = self.error_mm <= tolerance_mm
        both = int((kept & correct).sum())
        num_kept, num_correct = int(kept.sum()), int(correct.sum())
        return ThresholdScore(
            precision=both / num_kept if num_kept else float("nan"),
            recall=both / num_correct if num_correct else float("nan"),
            num_joints=len(self),
            num_kept=num_kept,
            num_correct=num_correct,
            num_both=both,
        )

    def curve(
        self, settings: TriangulationSettings, tolerance_mm: float = CORRECT_MM
    ) -> ThresholdCurve:
        """Precision and recall over λ, or where support decides, over the least views."""
        correct = self.error_mm <= tolerance_mm
        if settings.rule == "support":
            most = int(max(self.num_agreeing.max(initial=2), settings.min_views))
            thresholds = np.arange(2, most + 1, dtype=np.float64)
            kept = [
                self._kept(replace(settings, min_views=int(least)), 0.0) for least in thresholds
            ]
        else:
            thresholds = np.geomspace(_LEAST_MM, _MOST_MM, _STEPS)
            scatter = replace(settings, discard="wss")
            kept = [self._kept(scatter, float(most_mm)) for most_mm in thresholds]
        counts = np.array([(k.sum(), (k & correct).sum()) for k in kept], dtype=np.float64)
        num_kept, both = counts.T
        return ThresholdCurve(
            rule="support" if settings.rule == "support" else "wss",
            thresholds=thresholds,
            precision=_share(both, num_kept),
            recall=_share(both, np.full_like(both, correct.sum())),
            kept=_share(num_kept, np.full_like(both, len(self))),
        )

    def _kept(self, settings: TriangulationSettings, wss_threshold_mm: float) -> Bools:
        enough = self.num_seen >= settings.min_views
        if settings.rule == "wss":
            return enough & (self.wss_mm <= wss_threshold_mm)
        if settings.rule == "support":
            return self.num_agreeing >= settings.min_views
        return enough


def threshold_samples(
    source: LabelledSource, settings: TriangulationSettings, progress: Progress | None = None
) -> ThresholdSamples:
    """Triangulate the detections of the labelled frames and hold them against the labels.

    Args:
        source: the recording; at most 600 of its labelled frames are looked at.
        settings: how to triangulate.
        progress: called after each frame with frames done and in all; answers whether to go on.
    """
    sample = read_labelled(source, progress)
    rig = source.rig
    straight, observed = straightened(rig, sample.detected_px)
    options = arguments(_unruled(settings))
    found = robust(straight, rig.projections, observed, options)
    error = np.linalg.norm(found.points_mm - sample.truth_mm(rig), axis=-1)
    row, joint = np.nonzero(np.isfinite(error))
    agreeing = (observed & (found.weights > SUPPORT_WEIGHT)).sum(axis=1)
    return ThresholdSamples(
        settings=settings,
        error_mm=error[row, joint],
        wss_mm=found.wss_mm[row, joint],
        num_agreeing=agreeing[row, joint],
        num_seen=observed.sum(axis=1)[row, joint],
        frames=sample.frames[row],
        persons=sample.persons[row],
        joints=joint,
    )


def threshold_curve(
    source: LabelledSource,
    settings: TriangulationSettings,
    tolerance_mm: float = CORRECT_MM,
    progress: Progress | None = None,
) -> ThresholdCurve:
    """Precision and recall of "kept = correct" over the threshold of the rule in force."""
    return threshold_samples(source, settings, progress).curve(settings, tolerance_mm)


def _unruled(settings: TriangulationSettings) -> TriangulationSettings:
    """The same points and weights, and nothing discarded for its scatter or support."""
    return replace(settings, discard="none", wss_threshold_mm="auto", min_views=2)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
