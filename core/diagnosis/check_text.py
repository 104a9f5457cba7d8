"""The report of a check as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.diagnosis.check import CheckReport, GroupReport


def to_text(report: CheckReport) -> str:
    """Suspects first, then the figures they come from."""
    frames = "1 frame" if report.num_frames == 1 else f"{report.num_frames} frames"
    measured = not np.isnan(report.mean_px)
    if measured:
        lines = [
            f"{frames}, of which {report.num_sampled_frames} with observations were looked at.",
            f"Reprojection error {_px(report.mean_px)} px mean, {_px(report.median_px)} px median "
            "(plain DLT of all views).",
            "",
        ]
    else:
        lines = [
            f"{frames}. No joint is seen by two cameras, so that nothing can be said of how well "
            "the calibration fits: only pictures and calibration were looked at.",
            "",
        ]
    if report.suspects:
        lines += ["Suspects:", *(f"  ! {suspect.sentence}" for suspect in report.suspects)]
    else:
        lines.append("No suspects.")
    lines += ["", *_camera_lines(report)]
    if not measured:
        return "\n".join(lines)
    lines += ["", *_group_lines("joint", report.joints)]
    if report.persons:
        lines += ["", *_group_lines("person", report.persons)]
    lines += [
        "",
        "observed: joints seen; mean, median: distance from the plain DLT of all views;",
        "left out: median distance from the point that the other views make;",
        "strain: that, against what the other views' own noise allows (about 1 in a good rig,",
        "suspect over 6).",
    ]
    return "\n".join(lines)


def _px(value: float) -> str:
    if np.isnan(value):
        return "–"
    return "∞" if np.isinf(value) else f"{value:.1f}"


def _camera_lines(report: CheckReport) -> list[str]:
    rows: list[tuple[str, ...]] = [
        (
            "camera",
            "frames",
            "pictures",
            "observed",
            "mean px",
            "median px",
            "left out px",
            "strain",
        )
    ]
    for camera in report.cameras:
        size = camera.picture_px
        rows.append(
            (
                camera.name,
                "–" if camera.num_frames is None else str(camera.num_frames),
                "–" if size is None else f"{size[0]}x{size[1]}",
                str(camera.num_observations),
                *map(_px, (camera.mean_px, camera.median_px, camera.left_out_px, camera.strain)),
            )
        )
    return _table(rows)


def _group_lines(title: str, groups: Sequence[GroupReport]) -> list[str]:
    rows: list[tuple[str, ...]] = [(title, "observed", "mean px", "median px", "left out px")]
    for group in groups:
        figures = map(_px, (group.mean_px, group.median_px, group.left_out_px))
        rows.append((group.name, str(group.num_observations), *figures))
    return _table(rows)


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
