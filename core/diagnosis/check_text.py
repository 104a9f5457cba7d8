"""The report of a check as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.diagnosis.check import CheckReport, GroupReport


def to_text(report: CheckReport) -> str:
    """Suspects first, then the figures they come from."""
    lines = [
        f"{report.num_frames} frames, of which {report.num_sampled_frames} with observations "
        "were looked at.",
        f"Reprojection error {_px(report.mean_px)} px mean, {_px(report.median_px)} px median "
        "(plain DLT of all views).",
        "",
    ]
    if report.suspects:
        lines += ["Suspects:", *(f"  ! {suspect.sentence}" for suspect in report.suspects)]
    else:
        lines.append("No suspects.")
    lines += ["", *_camera_lines(report)]
    lines += ["", *_group_lines("joint", report.joints)]
    if report.persons:
        lines += ["", *_group_lines("person", report.persons)]
    lines += [
        "",
        "mean, median: px from the plain DLT of all views; left out: median px from the point of",
        "the other views; strain: how far beyond their uncertainty that is (1 = as it should be).",
    ]
    return "\n".join(lines)


def _px(value: float) -> str:
    if np.isnan(value):
        return "–"
    return "∞" if np.isinf(value) else f"{value:.1f}"


def _camera_lines(report: CheckReport) -> list[str]:
    rows: list[tuple[str, ...]] = [
        ("camera", "frames", "pictures", "observed", "mean", "median", "left out", "strain")
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
    rows: list[tuple[str, ...]] = [(title, "observed", "mean", "median", "left out")]
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
