"""Is this recording what its calibration says? The figures, and suspects in plain words.

Behind `trilabel check`. A suspect is a statement that can be acted on: a camera that the others
contradict, two cameras with one calibration, pictures of another size, sequences of unequal
length. How a camera is told from its noise stands in `core.diagnosis.strain`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from core.diagnosis.check_text import to_text
from core.diagnosis.engine import left_out, plain, straightened
from core.diagnosis.source import RecordingSource, sample_observations
from core.diagnosis.strain import strain_of
from core.diagnosis.suspects import (
    Suspect,
    calibration_suspects,
    picture_suspects,
    recording_suspects,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from core.diagnosis.source import Progress
    from core.geometry import Rig
    from core.recording import Recording

    Floats = NDArray[np.float64]

_SAMPLED_FRAMES = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraReport:
    """One camera's figures; NaN or None where there is nothing to tell by.

    Attributes:
        name: of the camera.
        num_frames: length of its pictures, or None without pictures.
        picture_px: (width, height) of its pictures, or None.
        calibrated_px: (width, height) that the calibration states, or None.
        num_observations: observed joints in the sample.
        mean_px: mean distance, raw pixels, between observations and the plain DLT of all views.
        median_px: its median.
        left_out_px: median distance, undistorted pixels, from the point of the other views.
        strain: `core.diagnosis.strain`; about 1 in a good rig.
    """

    name: str
    num_frames: int | None
    picture_px: tuple[int, int] | None
    calibrated_px: tuple[int, int] | None
    num_observations: int
    mean_px: float
    median_px: float
    left_out_px: float
    strain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReport:
    """The observations of one joint, or of one person, in all cameras; fields as above."""

    name: str
    num_observations: int
    mean_px: float
    median_px: float
    left_out_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What `trilabel check` found.

    Attributes:
        num_frames: of the recording.
        num_sampled_frames: that the figures are from.
        mean_px: mean reprojection error of all observations, raw pixels, plain DLT of all views.
        median_px: its median.
        cameras, joints, persons: figures of each.
        suspects: what is wrong; empty where nothing is.
    """

    num_frames: int
    num_sampled_frames: int
    mean_px: float
    median_px: float
    cameras: tuple[CameraReport, ...]
    joints: tuple[GroupReport, ...]
    persons: tuple[GroupReport, ...]
    suspects: tuple[Suspect, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; None for what is not finite."""
        return _plain(asdict(self))

    def to_text(self) -> str:
        """A report for a terminal."""
        return to_text(self)


def _plain(value: Any) -> Any:  # noqa: ANN401 - a JSON value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


class CheckableProject(RecordingSource, Protocol):
    """A project: observations and pictures."""

    @property
    def first_frame_number(self) -> int:
        """What people call frame 0."""
        ...

    def recording(self) -> Recording:
        """Its pictures, opened."""
        ...


def check_project(project: CheckableProject, progress: Progress | None = None) -> CheckReport:
    """Check a project's recording and calibration against each other."""
    frame_counts: dict[str, int] = {}
    picture_sizes: dict[str, tuple[int, int]] = {}
    missing: dict[str, list[int]] = {}
    with project.recording() as recording:
        for name in project.rig.names:
            if recording.reader(name) is None:
                continue
            frame_counts[name] = recording.num_frames_of(name)
            size = recording.size_px(name)
            if size is not None:
                picture_sizes[name] = size
            missing[name] = [
                frame + project.first_frame_number
                for frame in range(frame_counts[name])
                if recording.state(name, frame) == "missing"
            ]
        problems = {name: str(error) for name, error in recording.problems.items()}
    report = check_recording(
        project, frame_counts=frame_counts, picture_sizes=picture_sizes, progress=progress
    )
    return replace(report, suspects=(*picture_suspects(problems, missing), *report.suspects))


def check_recording(
    source: RecordingSource,
    *,
    frame_counts: Mapping[str, int] | None = None,
    picture_sizes: Mapping[str, tuple[int, int]] | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Check observations, frame counts and picture sizes against a calibration.

    Args:
        source: the observations; at most 600 of its frames are looked at.
        frame_counts: length of each camera's pictures; those without pictures are left out.
        picture_sizes: (width, height) of each camera's pictures.
        progress: called after each piece with pieces done and in all; False ends the sampling.
    """
    rig, counts, sizes = source.rig, frame_counts or {}, picture_sizes or {}
    sample = sample_observations(source, _SAMPLED_FRAMES, progress)
    undistorted, observed = straightened(rig, sample.points_px)
    errors = _Errors.of(rig, sample.points_px, undistorted, observed)
    strains = [
        strain_of(c, undistorted, rig.projections, [o for o in range(len(rig)) if o != c])
        for c in range(len(rig))
    ]
    suspects = [
        *recording_suspects(rig, counts, sizes),
        *calibration_suspects(rig, undistorted),
    ]
    cameras = tuple(
        CameraReport(
            name=camera.name,
            num_frames=counts.get(camera.name),
            picture_px=sizes.get(camera.name),
            calibrated_px=camera.size_px,
            strain=strains[c].strain,
            **errors.figures((slice(None), c)),
        )
        for c, camera in enumerate(rig)
    )
    return CheckReport(
        num_frames=source.num_frames,
        num_sampled_frames=len(np.unique(sample.frames)),
        mean_px=_mean(errors.residual_px),
        median_px=_median(errors.residual_px),
        cameras=cameras,
        joints=tuple(
            GroupReport(name=name, **errors.figures((slice(None), slice(None), j)))
            for j, name in enumerate(source.skeleton.joints)
        ),
        persons=tuple(
            GroupReport(name=f"#{person}", **errors.figures(sample.persons == person))
            for person in np.unique(sample.persons).tolist()
        ),
        suspects=tuple(suspects),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Errors:
    """(N, C, J) each; NaN where there is none."""

    observed: NDArray[np.bool_]
    residual_px: Floats
    left_out_px: Floats

    @classmethod
    def of(
        cls, rig: Rig, points_px: Floats, undistorted: Floats, observed: NDArray[np.bool_]
    ) -> _Errors:
        points_mm = plain(undistorted, rig.projections, observed)
        residual = np.linalg.norm(rig.project(points_mm) - points_px, axis=-1)
        others = left_out(undistorted, rig.projections, observed)
        return cls(observed, residual, others.residuals_px)

    def figures(self, where: Any) -> dict[str, Any]:  # noqa: ANN401 - an index
        return {
            "num_observations": int(self.observed[where].sum()),
            "mean_px": _mean(self.residual_px[where]),
            "median_px": _median(self.residual_px[where]),
            "left_out_px": _median(self.left_out_px[where]),
        }


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")
