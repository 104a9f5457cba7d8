"""Do the weights deserve their trust? Held against labels, per camera and joint, with a verdict.

The triangulation gives a view a weight without knowing the truth; on labelled frames it can be
checked. Where a view's detections lie far from the labels there are two very different reasons:
the camera has *drifted* (everything in its picture is off alike: calibrate it anew), or the joint
is *occluded* there, or mistaken for another (some of it is off in all directions: mute it, or label
it). `core.diagnosis.drift` tells the two apart.

Traps: a drifted camera spoils the labels' points too, so each camera is judged by the others, the
worst drifted one is put aside, and all are judged again. With labels in two views only, and no
detections, no camera has any witness: too few.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.diagnosis.drift import RAYLEIGH_MEDIAN, Drift, find_drift
from core.diagnosis.engine import (
    Bools,
    Floats,
    left_out,
    observed_in,
    robust,
    robust_leave_one_out,
    straightened,
)
from core.diagnosis.labelled import read_labelled
from core.diagnosis.lengths import arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from core.diagnosis.labelled import LabelledSample, LabelledSource
    from core.diagnosis.source import Progress
    from core.geometry import Rig
    from core.settings import TriangulationSettings

Verdict = Literal["fine", "drift", "occlusion", "too few"]
VERDICTS: tuple[Verdict, ...] = ("fine", "drift", "occlusion", "too few")

_LEAST_CELL = 5
_LEAST_HAND = 20
_FAR_NOISES = 5.0
_LEAST_FAR_PX = 5.0
_OCCLUDED_SHARE = 0.25
_TRUSTED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraAudit:
    """One camera on the labelled frames.

    Attributes:
        camera: index into the rig.
        verdict: on the camera as a whole.
        num: joints that were compared.
        mean_weight: of these; NaN where there are none.
        median_px: median distance, raw pixels, from where people say the joint is.
        share_far: of them, farther off than the audit's `far_px` once a drift is taken out.
        shift_px: (right, down) of the drift; zeros where there is none.
        drift_before_px, drift_after_px: median residual as it is, and without the shift.
        sentence: the verdict in plain words.
    """

    camera: int
    verdict: Verdict
    num: int
    mean_weight: float
    median_px: float
    share_far: float
    shift_px: tuple[float, float]
    drift_before_px: float
    drift_after_px: float
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightAudit:
    """Weights against actual residuals, C cameras x J joints.

    Attributes:
        settings: those the weights were computed with.
        num_frames: labelled frames that were looked at.
        noise_px: standard deviation per axis of an honest observation; NaN where nothing tells.
        far_px: what lies farther from the label counts as wrong; NaN likewise.
        cameras: a verdict a camera.
        num: (C, J) int64, joints that were compared.
        mean_weight: (C, J) of these; NaN = none.
        median_px: (C, J) median distance, raw pixels, from where people say the joint is.
        share_far: (C, J) share of them that is wrong once a drift is taken out.
        share_misled: (C, J) share that is wrong and has a weight over 0.5 all the same.
        verdict: (C, J) index into `VERDICTS`.
        is_hand: hand labels themselves were judged, as there are no detections beneath.
    """

    settings: TriangulationSettings
    num_frames: int
    noise_px: float
    far_px: float
    cameras: tuple[CameraAudit, ...]
    num: NDArray[np.int64]
    mean_weight: Floats
    median_px: Floats
    share_far: Floats
    share_misled: Floats
    verdict: NDArray[np.int64]
    is_hand: bool

    def sentence(self, camera: int, joint: int, camera_name: str, joint_name: str) -> str:
        """A cell in plain words."""
        num, verdict = int(self.num[camera, joint]), VERDICTS[self.verdict[camera, joint]]
        what = f"{joint_name} in {camera_name}"
        if verdict == "too few":
            return f"{what}: compared {num} times only, which is too few to judge by."
        weight, off = self.mean_weight[camera, joint], self.median_px[camera, joint]
        text = f"{what}: mean weight {weight:.2f}, {off:.0f} px off at the median of {num}."
        if verdict == "drift":
            return f"{text} The camera as a whole has drifted."
        if verdict == "occlusion":
            text += f" {self.share_far[camera, joint]:.0%} are wrong: hidden or mistaken there."
        if self.share_misled[camera, joint] >= _OCCLUDED_SHARE / 2:
            text += f" {self.share_misled[camera, joint]:.0%} are wrong and trusted all the same."
        return text


def audit_weights(
    source: LabelledSource, settings: TriangulationSettings, progress: Progress | None = None
) -> WeightAudit:
    """Hold the weights of the labelled frames against where people say the joints are.

    Args:
        source: the recording; at most 600 of its labelled frames are looked at.
        settings: how the weights are computed.
        progress: called after each frame with frames done and in all; answers whether to go on.
    """
    sample = read_labelled(source, progress)
    return _Audit(source.rig, sample, settings).result(len(np.unique(sample.frames)))


class _Audit:
    """The comparisons behind a `WeightAudit`; all arrays (N, C, J) or (N, C, J, 2), raw pixels."""

    def __init__(self, rig: Rig, sample: LabelledSample, settings: TriangulationSettings) -> None:
        self._rig, self._settings, self._frames = rig, settings, sample.frames
        self._sample = sample
        detected = observed_in(sample.detected_px)
        self._is_hand = not detected.any()
        # Judged is what a machine said; where it said nothing anywhere, the labels themselves.
        self._judged = sample.hand_px if self._is_hand else sample.detected_px
        straight, observed = straightened(rig, self._judged)
        found = robust(straight, rig.projections, observed, arguments(settings))
        self._weights = np.where(observed, found.weights, np.nan)
        placed = observed_in(sample.hand_px)
        seen = np.where(placed[..., None], sample.hand_px, sample.detected_px)
        self._hand, self._placed = straightened(rig, sample.hand_px)
        self._seen, self._any = straightened(rig, seen)
        self._seen_px = seen

    def result(self, num_frames: int) -> WeightAudit:
        """Drift first, then what is left to be explained."""
        drifts = self._drifts()
        aside = [c for c, drift in enumerate(drifts) if drift.is_drift]
        expected, labelled = self._expected(aside)
        off = self._off(expected, labelled)
        lengths = np.linalg.norm(off, axis=-1)
        noise = _noise_px(lengths, aside)
        far_px = max(_FAR_NOISES * noise, _LEAST_FAR_PX)
        unexplained = lengths.copy()
        for camera in aside:
            shift = drifts[camera].fitted_px(expected[:, camera])
            # Against a hand label in the view itself a drift does not show.
            shift[self._placed[:, camera] & (not self._is_hand)] = 0.0
            unexplained[:, camera] = np.linalg.norm(off[:, camera] - shift, axis=-1)
        tally = _Tally(lengths, unexplained, self._weights, far_px)
        verdict = np.where(tally.share_far >= _OCCLUDED_SHARE, 2, 0)
        verdict[aside] = np.where(verdict[aside] == 2, 2, 1)
        verdict[tally.num < _LEAST_CELL] = 3
        cameras = [
            self._camera(c, drifts[c], tally, bool((self._any[:, c]).any()))
            for c in range(len(self._rig))
        ]
        return WeightAudit(
            settings=self._settings,
            num_frames=num_frames,
            noise_px=noise,
            far_px=far_px,
            cameras=tuple(cameras),
            num=tally.num,
            mean_weight=tally.mean_weight,
            median_px=tally.median_px,
            share_far=tally.share_far,
            share_misled=tally.share_misled,
            verdict=verdict,
            is_hand=self._is_hand,
        )

    def _drifts(self) -> list[Drift]:
        """The cameras' drifts, the worst taken first and put aside as a witness."""
        found: dict[int, Drift] = {}
        while True:
            judged = self._judge(list(found))
            drifted = {c: d for c, d in judged.items() if d.is_drift and c not in found}
            if not drifted or len(self._rig) - len(found) < 3:
                return [found.get(c, judged[c]) for c in range(len(self._rig))]
            worst = max(drifted, key=lambda c: drifted[c].before_px - drifted[c].after_px)
            found[worst] = drifted[worst]

    def _judge(self, aside: Sequence[int]) -> dict[int, Drift]:
        expected, labelled = self._expected(aside)
        fallback = self._by_observations(aside)
        expected = np.where(labelled[..., None], expected, fallback)
        off = self._seen_px - expected
        noise = _noise_px(np.linalg.norm(off, axis=-1), aside)
        judged: dict[int, Drift] = {}
        for camera in range(len(self._rig)):
            usable = observed_in(off[:, camera])
            by_hand = usable & self._placed[:, camera]
            if by_hand.sum() >= _LEAST_HAND:
                usable = by_hand  # what people clicked has no detector's habits in it
            row, _ = np.nonzero(usable)
            judged[camera] = find_drift(
                expected[:, camera][usable], off[:, camera][usable], self._frames[row], noise
            )
        return judged

    def _expected(self, aside: Sequence[int]) -> tuple[Floats, Bools]:
        """Where the labels of the *other* views, or a 3D label, put each joint, and where known."""
        witnesses = self._placed.copy()
        witnesses[:, list(aside)] = False
        others = left_out(self._hand, self._rig.projections, witnesses).points_mm
        label = np.broadcast_to(self._sample.label_mm[:, None], others.shape)
        points_mm = np.where(observed_in(label)[..., None], label, others)
        image_px = self._rig.project_each(points_mm)
        return image_px, observed_in(image_px)

    def _by_observations(self, aside: Sequence[int]) -> Floats:
        """Where all observations of the other views put each joint; weighted, so that few err."""
        witnesses = self._any.copy()
        witnesses[:, list(aside)] = False
        options = arguments(self._settings)
        found = robust(self._seen, self._rig.projections, witnesses, options)
        factors = found.weights**self._settings.row_exponent
        others = robust_leave_one_out(self._seen, self._rig.projections, witnesses, factors)
        enough = (witnesses.sum(axis=1, keepdims=True) - witnesses) >= 2
        return np.where(enough[..., None], self._rig.project_each(others.points_mm), np.nan)

    def _off(self, expected: Floats, labelled: Bools) -> Floats:
        """From where people say the joint is to what is judged; NaN = not told."""
        if self._is_hand:
            return self._judged - expected
        said = np.where(self._placed[..., None], self._sample.hand_px, expected)
        told = self._placed | labelled
        return np.where(told[..., None], self._judged - said, np.nan)

    def _camera(self, camera: int, drift: Drift, tally: _Tally, is_seen: bool) -> CameraAudit:
        num = int(tally.num[camera].sum())
        share = tally.camera_share_far[camera]
        verdict: Verdict = "fine"
        if drift.is_drift:
            verdict = "drift"
        elif num < _LEAST_CELL:
            verdict = "too few"
        elif share >= _OCCLUDED_SHARE:
            verdict = "occlusion"
        figures = CameraAudit(
            camera=camera,
            verdict=verdict,
            num=num,
            mean_weight=float(tally.camera_weight[camera]),
            median_px=float(tally.camera_median_px[camera]),
            share_far=float(share),
            shift_px=drift.shift_px if drift.is_drift else (0.0, 0.0),
            drift_before_px=drift.before_px,
            drift_after_px=drift.after_px,
            sentence="",
        )
        words = _words(self._rig.names[camera], figures, tally.far_px, is_seen=is_seen)
        return replace(figures, sentence=words)


class _Tally:
    """Shares and medians of the comparisons; NaN where there are none."""

    def __init__(
        self, lengths: Floats, unexplained: Floats, weights: Floats, far_px: float
    ) -> None:
        known = np.isfinite(lengths)
        far = known & (unexplained > far_px)
        misled = far & (weights > _TRUSTED)
        self.far_px = far_px
        self.num = known.sum(axis=0).astype(np.int64)
        self.mean_weight = _mean(np.where(known, weights, np.nan), 0)
        self.median_px = _median(lengths, 0)
        self.share_far = _share(far, known, 0)
        self.share_misled = _share(misled, known, 0)
        self.camera_weight = _mean(np.where(known, weights, np.nan), (0, 2))
        self.camera_median_px = _median(lengths, (0, 2))
        self.camera_share_far = _share(far, known, (0, 2))


def _words(name: str, camera: CameraAudit, far_px: float, *, is_seen: bool) -> str:
    if camera.verdict == "drift":
        right, down = camera.shift_px
        across = f"{abs(right):.0f} px to the {'right' if right > 0 else 'left'}"
        along = f"{abs(down):.0f} px {'down' if down > 0 else 'up'}"
        return (
            f"{name} has drifted: everything in its picture lies {across} and {along} of where the "
            f"other views put it; without that {camera.drift_before_px:.0f} px become "
            f"{camera.drift_after_px:.0f}. Calibrate it anew, or leave it out."
        )
    if camera.verdict == "too few":
        why = (
            "what is seen in it cannot be compared with any label"
            if is_seen
            else "nobody was seen in it on the labelled frames"
        )
        return f"{name}: {why}, so that nothing can be said."
    figures = f"{camera.median_px:.0f} px off at the median, mean weight {camera.mean_weight:.2f}"
    if camera.verdict == "occlusion":
        return (
            f"{name}: {camera.share_far:.0%} of its joints are wrong by more than {far_px:.0f} px, "
            f"in all directions ({figures}). The calibration holds; people are hidden in it, or "
            "taken for others."
        )
    return f"{name} is fine: {figures}."


def _noise_px(lengths: Floats, aside: Sequence[int]) -> float:
    """Standard deviation per axis: that of the middle camera, by each one's median."""
    trusted = [c for c in range(lengths.shape[1]) if c not in aside]
    medians = _median(lengths[:, trusted], (0, 2))
    known = medians[np.isfinite(medians)]
    return float(np.median(known)) / RAYLEIGH_MEDIAN if len(known) else float("nan")


def _median(values: Floats, axis: int | tuple[int, ...]) -> Floats:
    masked = np.ma.masked_invalid(values)
    return np.ma.filled(np.ma.median(masked, axis=axis), np.nan)


def _mean(values: Floats, axis: int | tuple[int, ...]) -> Floats:
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    return np.where(count > 0, np.nan_to_num(values).sum(axis=axis) / np.maximum(count, 1), np.nan)


def _share(part: Bools, whole: Bools, axis: int | tuple[int, ...]) -> Floats:
    count = whole.sum(axis=axis)
    return np.where(count > 0, part.sum(axis=axis) / np.maximum(count, 1), np.nan)
