"""A project of a calibration and whatever else there is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.formats import sportcenter
from core.formats.calibration import read_calibration
from core.geometry import Rig
from core.people import GroundTracks
from core.project.importing.building import Contents, build_project, labels_from_arrays
from core.project.importing.pictures import (
    blank_text,
    counted,
    find_pictures,
    open_pictures,
    split_named,
    with_sizes,
)
from core.project.importing.sources import (
    LABEL3D,
    find_detections,
    in_every_camera,
    numbered_skeleton,
    read_all,
    skeleton_of,
    split_format,
)
from core.project.spec import ProjectSpec, refuse_existing
from core.skeleton import load_skeleton, skeleton_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from core.formats.calibration import Calibration
    from core.formats.dannce import DannceLabels
    from core.formats.detections import CameraDetections
    from core.project.importing.building import Progress, Report
    from core.project.importing.pictures import Pictures
    from core.project.journal import BulkLabels
    from core.skeleton import Skeleton

DEFAULT_SKELETON = "coco17"
MOUSE = "mouse22"
ANIMAL = 1  # the person id of Label3D's one animal


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Observed:
    """2D joints of other tools.

    Attributes:
        detections: of any cameras, in their own skeletons.
        labels: of Label3D, or None.
        skeleton: the project's.
    """

    detections: list[CameraDetections]
    labels: DannceLabels | None
    skeleton: Skeleton


def new_project(
    path: Path,
    calibration: Path,
    *,
    videos: Sequence[str] = (),
    images: Sequence[str] = (),
    skeleton: str | None = None,
    detections: Sequence[str] = (),
    tracks: Path | None = None,
    cameras: Sequence[str] = (),
    unit: str | None = None,
    subject: str | None = None,
    report: Report,
    progress: Progress | None = None,
) -> None:
    """Make a project.

    Args:
        path: the folder to make.
        calibration: of any of `core.formats.calibration.CALIBRATION_FORMATS`.
        videos: ``DIR`` or ``CAM=FILE``, each.
        images: ``DIR`` or ``CAM=DIR``, each.
        skeleton: a name or a TOML file; None = the one that the detections carry.
        detections: ``FORMAT:[CAM=]PATH``, each.
        tracks: a SportCenter trajectories.json.
        cameras: names of those to take, in this order; none = all of the calibration.
        unit: of the calibration's lengths, where the file does not say.
        subject: of a calibration that holds several, as Human3.6M's does.
        report: told, line by line, what was found and decided.
        progress: told (done, total); returns whether to go on.

    Raises:
        DataError: naming the file and the place; no project is left then.
        CommandRefusedError: where `progress` asked to stop.
    """
    refuse_existing(path.absolute())
    read = read_calibration(calibration, unit=unit, subject=subject)
    if cameras:
        read = replace(read, rig=_picked(read.rig, cameras, calibration))
    _report_calibration(read, report)
    sources = find_pictures(read.rig, videos, images, report)
    pictures = open_pictures(sources, read.rig)
    published = sportcenter.PUBLISHED_SIZES_PX if read.format == "sportcenter" else {}
    rig = with_sizes(read.rig, pictures.sizes_px, published, report)
    observed = _read_observed(read, calibration, rig, pictures, detections, skeleton, report)
    first_number = _first_number(pictures, observed)
    ground = None if tracks is None else _tracks(tracks, first_number)
    spec = ProjectSpec(
        name=path.stem,
        rig=rig,
        skeleton=observed.skeleton,
        num_frames=_num_frames(pictures, observed, ground, report),
        first_frame_number=first_number,
        fps=pictures.fps,
        sources=pictures.sources,
    )
    contents = Contents(
        tracks=ground,
        detections=in_every_camera(observed.detections, rig.names, spec.skeleton, report),
        labels=_labels(observed.labels, rig),
        provenance=tuple(detections),
    )
    build_project(path, spec, contents, report=report, progress=progress)
    blank = [name for name in rig.names if name not in pictures.sources]
    report(
        f"{counted(spec.num_frames, 'frame')}, {counted(len(rig), 'camera')}"
        + (f" ({blank_text(blank, rig.names)})" if blank else "")
        + f", skeleton {spec.skeleton.name} ({spec.skeleton.num_joints} joints); "
        f"frame numbers start at {first_number}"
    )


def _report_calibration(read: Calibration, report: Report) -> None:
    report(f"Calibration: {read.format}, {read.unit}; cameras {', '.join(read.rig.names)}")
    for note in read.notes:
        report(f"  {note}")


def _read_observed(
    read: Calibration,
    calibration: Path,
    rig: Rig,
    pictures: Pictures,
    texts: Sequence[str],
    skeleton: str | None,
    report: Report,
) -> _Observed:
    """All 2D joints, and the skeleton: the one asked for, else the one that they carry."""
    wanted = None if skeleton is None else load_skeleton(skeleton)
    label3d = [rest for name, rest in map(split_format, texts) if name == LABEL3D]
    others = [text for text in texts if split_format(text)[0] != LABEL3D]
    paths = [one for text in others for one in find_detections(text, rig.names, report)]
    found = read_all(
        paths,
        first_number=pictures.first_number,
        joints=None if wanted is None else wanted.joints,
        report=report,
    )
    labels = _read_label3d(read, calibration, rig, label3d)
    chosen = wanted or skeleton_of(found)
    if chosen is None and labels is not None:
        num_joints = labels.points_px.shape[2]
        mouse = load_skeleton(MOUSE)
        chosen = mouse if num_joints == mouse.num_joints else numbered_skeleton(num_joints)
        report(f"  Label3D names no joints; {chosen.name} is taken (choose with --skeleton)")
    if chosen is None:
        chosen = load_skeleton(DEFAULT_SKELETON)
        report(f"  no detections, no skeleton: {chosen.name} is taken (choose with --skeleton)")
    return _Observed(detections=found, labels=_fitting(labels, chosen), skeleton=chosen)


def _read_label3d(
    read: Calibration, calibration: Path, rig: Rig, named: Sequence[str]
) -> DannceLabels | None:
    """The labels of the file named; else of the calibration, where that is a Label3D file."""
    from core.formats.dannce import read_dannce_labels
    from core.formats.matlab import read_mat

    if len(named) > 1:
        raise DataError(
            "detections", expected="one label3d file", found=str(len(named)), remedy="Leave one."
        )
    if named:
        return read_dannce_labels(split_named(named[0], rig.names)[1])
    if read.format == "dannce" and "labelData" in read_mat(calibration, ("labelData",)).table():
        return read_dannce_labels(calibration)
    return None


def _fitting(labels: DannceLabels | None, skeleton: Skeleton) -> DannceLabels | None:
    if labels is not None and labels.points_px.shape[2] != skeleton.num_joints:
        raise DataError(
            "label3d",
            "joints",
            expected=f"{skeleton.num_joints} joints of {skeleton.name}",
            found=str(labels.points_px.shape[2]),
            remedy=f"Choose a skeleton with as many joints (of {', '.join(skeleton_names())}).",
        )
    return labels


def _labels(labels: DannceLabels | None, rig: Rig) -> tuple[tuple[str, BulkLabels], ...]:
    if labels is None:
        return ()
    for name in labels.camera_names:
        if name not in rig.names:
            raise DataError(
                "label3d",
                "camnames",
                expected=f"the cameras {', '.join(rig.names)}",
                found=name,
                remedy="Give the calibration that these labels were made with.",
            )
    bulk = labels_from_arrays(
        labels.points_px,
        labels.points_mm,
        frames=labels.frames,
        person=ANIMAL,
        cameras=[rig.names.index(name) for name in labels.camera_names],
        origin="import:label3d",
    )
    return (("Import Label3D's labels", bulk),)


def _first_number(pictures: Pictures, observed: _Observed) -> int:
    """What people call frame 0: as the pictures say, else as the detections do."""
    if pictures.first_number is not None:
        return pictures.first_number
    return max((one.first_number for one in observed.detections if len(one)), default=0)


def _tracks(path: Path, first_number: int) -> GroundTracks:
    """Tracks number their frames from 1; pictures that start later say where frame 0 is."""
    found = sportcenter.read_trajectories(path)
    shift = max(0, first_number - sportcenter.FIRST_FRAME_NUMBER)
    later = found.frame >= shift
    return GroundTracks.from_rows(
        found.person[later], found.frame[later] - shift, found.head_mm[later], source=str(path)
    )


def _num_frames(
    pictures: Pictures,
    observed: _Observed,
    tracks: GroundTracks | None,
    report: Report,
) -> int:
    labels = observed.labels
    counts = [
        pictures.num_frames,
        *(one.num_frames for one in observed.detections),
        0 if tracks is None else tracks.num_frames,
        0 if labels is None else int(np.max(labels.frames, initial=-1)) + 1,
    ]
    if max(counts) < 1:
        report("  no pictures, detections, labels or tracks: one empty frame")
    if 0 < pictures.num_frames < max(counts):
        report(f"  pictures end at frame {pictures.num_frames} of {max(counts)}")
    return max(1, *counts)


def _picked(rig: Rig, names: Sequence[str], calibration: Path) -> Rig:
    for name in names:
        if name not in rig.names:
            raise DataError(
                calibration,
                "cameras",
                expected=f"some of {', '.join(rig.names)}",
                found=name,
                remedy="Name cameras of this calibration.",
            )
    return Rig(tuple(rig[rig.index(name)] for name in names))
