"""The formats of an export: how each is written, and read again to see that nothing was lost.

What a format has no place for stands in `Format.left_out`, and in the datasheet, which has every
point whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.exporting import space_formats, views_formats

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.exporting.content import Content

    Write = Callable[[Content, Path], None]

_OCCLUSION = "which joints are occluded"
_NO_PLACE = "joints that are occluded or outside without a place"
_SPACE = "points in space"
_VIEWS = "points in the views"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format that is exported.

    Attributes:
        name: for ``--format``.
        title: to show.
        files: what is written, in words.
        left_out: what it has no place for; all of it stands in the datasheet.
        has_views, has_space: what of an export it holds.
        write: fills a folder.
        check: reads the folder again; raises DataError where a point differs.
    """

    name: str
    title: str
    files: str
    left_out: tuple[str, ...]
    has_views: bool
    has_space: bool
    write: Write
    check: Write


_ALL = (
    Format(
        name="sportcenter",
        title="SportCenter's human_poses",
        files="human_poses/FIRST_LAST/pose_subjectID.json (3D in metres, 2D), calibration.json",
        left_out=(_OCCLUSION, _NO_PLACE, "joints that SportCenter has not got"),
        has_views=True,
        has_space=True,
        write=views_formats.write_sportcenter,
        check=views_formats.check_sportcenter,
    ),
    Format(
        name="coco",
        title="COCO keypoints",
        files="CAMERA.json for each camera; pictures named as ffmpeg extracts them",
        left_out=(_SPACE, _NO_PLACE),
        has_views=True,
        has_space=False,
        write=views_formats.write_coco,
        check=views_formats.check_coco,
    ),
    Format(
        name="dlc",
        title="DeepLabCut CSV",
        files="labeled-data/CAMERA/CollectedData_trilabel.csv for each camera",
        left_out=(_SPACE, _OCCLUSION, _NO_PLACE),
        has_views=True,
        has_space=False,
        write=views_formats.write_deeplabcut,
        check=views_formats.check_deeplabcut,
    ),
    Format(
        name="slp",
        title="SLEAP project",
        files="PROJECT.slp with a video for each camera and a track for each person",
        left_out=(_SPACE, _OCCLUSION, _NO_PLACE),
        has_views=True,
        has_space=False,
        write=views_formats.write_sleap,
        check=views_formats.check_sleap,
    ),
    Format(
        name="anipose",
        title="Anipose 3D CSV",
        files="pose-3d/PROJECT_PERSON.csv for each person, millimetres",
        left_out=(_VIEWS,),
        has_views=False,
        has_space=True,
        write=space_formats.write_anipose,
        check=space_formats.check_anipose,
    ),
    Format(
        name="trc",
        title="TRC markers",
        files="PROJECT_PERSON.trc for each person, millimetres, axes as in the project",
        left_out=(_VIEWS,),
        has_views=False,
        has_space=True,
        write=space_formats.write_trc,
        check=space_formats.check_trc,
    ),
    Format(
        name="c3d",
        title="C3D markers",
        files="PROJECT_PERSON.c3d for each person, millimetres, single precision",
        left_out=(_VIEWS, "digits below a thousandth of a millimetre"),
        has_views=False,
        has_space=True,
        write=space_formats.write_c3d,
        check=space_formats.check_c3d,
    ),
    Format(
        name="npz",
        title="NumPy arrays (NPZ)",
        files="PROJECT.npz: everything, with where each point comes from",
        left_out=(),
        has_views=True,
        has_space=True,
        write=space_formats.write_npz,
        check=space_formats.check_npz,
    ),
    Format(
        name="hdf5",
        title="HDF5",
        files="PROJECT.h5: everything, with where each point comes from",
        left_out=(),
        has_views=True,
        has_space=True,
        write=space_formats.write_hdf5,
        check=space_formats.check_hdf5,
    ),
)
FORMATS: dict[str, Format] = {one.name: one for one in _ALL}
