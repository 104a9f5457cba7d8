"""Exports to formats of 3D joints and of everything, each written and read again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from core.exporting.comparing import compare, lost
from core.exporting.content import Kind
from core.formats import pose_arrays
from core.formats.anipose_points import read_points_csv, write_points_csv
from core.formats.c3d import read_c3d
from core.formats.c3d import write_c3d as write_c3d_file
from core.formats.markers import MarkerFrames
from core.formats.trc import read_trc
from core.formats.trc import write_trc as write_trc_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from core.exporting.content import Content, Poses


def _markers(content: Content, person: int) -> tuple[MarkerFrames, Poses]:
    poses = content.of_person(person)
    markers = MarkerFrames(
        markers=content.joints,
        frames=poses.frames,
        points_mm=poses.points,
        rate_hz=content.spec.fps,
    )
    return markers, poses


def write_anipose(content: Content, folder: Path) -> None:
    """A file for each person."""
    scores = _scores(content)
    for person in _persons_in_space(content):
        markers, poses = _markers(content, person)
        path = folder / "pose-3d" / f"{content.spec.name}_{person}.csv"
        path.parent.mkdir(exist_ok=True)
        write_points_csv(
            path,
            markers,
            error_px=poses.residual_px,
            num_views=poses.num_views,
            score=scores[person],
        )


def _scores(content: Content) -> dict[int, NDArray[np.float64]]:
    """1 where there is a point, by person: a label has no doubt of its own."""
    found: dict[int, NDArray[np.float64]] = {}
    for person in _persons_in_space(content):
        there = np.isfinite(content.of_person(person).points).all(axis=-1)
        found[person] = np.where(there, 1.0, np.nan)
    return found


def _persons_in_space(content: Content) -> list[int]:
    return np.unique(content.space.keys[:, 1]).tolist()


def _check_markers(
    folder: Path,
    content: Content,
    name: Callable[[int], str],
    read: Callable[[Path], MarkerFrames],
    *,
    is_single: bool = False,
) -> None:
    for person in _persons_in_space(content):
        markers, _ = _markers(content, person)
        path = folder / name(person)
        found = read(path)
        compare(path, "frames", (markers.frames, found.frames))
        wanted = markers.points_mm
        if is_single:
            wanted = wanted.astype(np.float32).astype(np.float64)
        compare(path, "points", (wanted, found.points_mm))
        if found.markers != markers.markers:
            lost(path, "joints")


def check_anipose(content: Content, folder: Path) -> None:
    """Read the files again, and compare."""

    def name(person: int) -> str:
        return f"pose-3d/{content.spec.name}_{person}.csv"

    _check_markers(folder, content, name, read_points_csv)


def write_trc(content: Content, folder: Path) -> None:
    """A file for each person."""
    for person in _persons_in_space(content):
        write_trc_file(folder / f"{content.spec.name}_{person}.trc", _markers(content, person)[0])


def check_trc(content: Content, folder: Path) -> None:
    """Read the files again, and compare."""
    _check_markers(folder, content, lambda p: f"{content.spec.name}_{p}.trc", read_trc)


def write_c3d(content: Content, folder: Path) -> None:
    """A file for each person."""
    for person in _persons_in_space(content):
        write_c3d_file(folder / f"{content.spec.name}_{person}.c3d", _markers(content, person)[0])


def check_c3d(content: Content, folder: Path) -> None:
    """Read the files again, and compare, in single precision."""
    _check_markers(
        folder, content, lambda p: f"{content.spec.name}_{p}.c3d", read_c3d, is_single=True
    )


def arrays_of(content: Content) -> dict[str, NDArray[Any]]:
    """The arrays of `core.formats.pose_arrays`."""
    names = {subject.person: subject.name for subject in content.spec.subjects}
    records = [
        json.dumps(
            {
                "kind": Kind(record.kind).name.lower(),
                "origin": record.origin,
                "annotator": record.annotator,
                "time": record.time,
                "provenance": None
                if record.provenance is None
                else json.loads(record.provenance.to_json()),
            }
        )
        for record in content.records
    ]
    about = {
        "made_by": "trilabel",
        "project": content.spec.name,
        "what": content.what,
        "skeleton": content.spec.skeleton.to_dict(),
        "fps": content.spec.fps,
    }
    persons = content.persons
    views, space = content.views, content.space
    return {
        "cameras": np.array(content.rig.names, dtype=object),
        "joints": np.array(content.joints, dtype=object),
        "persons": np.array(persons, dtype=np.int64),
        "person_names": np.array([names.get(p, str(p)) for p in persons], dtype=object),
        "view_keys": views.keys,
        "view_points_px": views.points_px,
        "view_visibility": views.visibility,
        "view_residual_px": views.residual_px,
        "view_record": views.record,
        "space_keys": space.keys,
        "space_points_mm": space.points_mm,
        "space_residual_px": space.residual_px,
        "space_num_views": space.num_views,
        "space_record": space.record,
        "records": np.array(records, dtype=object),
        "about": np.array(json.dumps(about), dtype=object),
    }


def _check_arrays(path: Path, content: Content, found: dict[str, NDArray[Any]]) -> None:
    for name, wanted in arrays_of(content).items():
        if wanted.dtype == object:
            if wanted.tolist() != found[name].tolist():
                lost(path, name)
        else:
            compare(path, name, (wanted, found[name]))


def write_npz(content: Content, folder: Path) -> None:
    """One file of everything."""
    pose_arrays.write_npz(folder / f"{content.spec.name}.npz", arrays_of(content))


def check_npz(content: Content, folder: Path) -> None:
    """Read the file again, and compare."""
    path = folder / f"{content.spec.name}.npz"
    _check_arrays(path, content, pose_arrays.read_npz(path))


def write_hdf5(content: Content, folder: Path) -> None:
    """One file of everything."""
    pose_arrays.write_hdf5(folder / f"{content.spec.name}.h5", arrays_of(content))


def check_hdf5(content: Content, folder: Path) -> None:
    """Read the file again, and compare."""
    path = folder / f"{content.spec.name}.h5"
    _check_arrays(path, content, pose_arrays.read_hdf5(path))
