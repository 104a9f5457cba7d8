"""The datasheet of an export: what it is, for people, for programs, and point by point.

    DATASHEET.md      to read: what was exported, under which settings, what the format left out
    datasheet.json    the same for programs, with the size and SHA-256 of every file
    datasheet.csv     a row for every point in a view and in space, also those that the format has
                      no place for: where it comes from, its source, run and round, weights,
                      residuals, thresholds, who placed or accepted it and when

Frame numbers are those people see; ``frame`` counts from 0.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from core.errors import CommandRefusedError
from core.exporting.content import VISIBILITIES, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from core.exporting.content import Content, Record
    from core.exporting.formats import Format

    Progress = Callable[[int, int], bool]

MARKDOWN, JSON, CSV = "DATASHEET.md", "datasheet.json", "datasheet.csv"
_ROWS = 4096  # between two questions whether to go on
MADE_BY = "trilabel export"
_COLUMNS = (
    *("frame_number", "frame", "person", "joint", "camera"),
    *("x_px", "y_px", "visibility", "x_mm", "y_mm", "z_mm"),
    *("kind", "origin", "annotator", "time", "residual_px", "num_views", "weight", "weights"),
    *("run", "round", "weights_file", "wss_mm", "worst_loo_px", "scale_mm", "weighting", "rule"),
    "rests_on",
)
_KINDS = {
    Kind.HAND: "placed by hand",
    Kind.IMPORTED: "imported with the data",
    Kind.REPROJECTED: "put by a person where labels of other views, or a drag in 3D, have it",
    Kind.COPIED: "copied from a prediction or another frame; nobody has confirmed it",
    Kind.TRIANGULATED: "made of labels in two views or more (DLT)",
    Kind.ACCEPTED: "pseudo-labels that a person accepted; in the views where they project to",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for.

    Attributes:
        project: path of the project.
        format: of the export.
        query: as it was typed; empty = everything.
        run: whose triangulation the query asked; None = the detections'.
        time: when, ISO 8601.
        annotator: who exported.
        version: of trilabel.
    """

    project: str
    format: Format
    query: str
    run: str | None
    time: str
    annotator: str
    version: str


def write_points(path: Path, content: Content, progress: Progress | None = None) -> None:
    """Write the row of every point.

    Args:
        path: the file.
        content: what is exported.
        progress: told (rows done, rows in all); answers whether to go on.

    Raises:
        CommandRefusedError: `progress` asked to stop.
    """
    total = len(content.views.keys) + len(content.space.keys)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        rows = chain(_view_rows(content), _space_rows(content))
        for done in range(0, total, _ROWS):
            if progress is not None and not progress(done, total):
                raise CommandRefusedError("Stopped; nothing was exported.")
            writer.writerows(islice(rows, _ROWS))


def write_summary(folder: Path, content: Content, request: Request) -> None:
    """Write the other two, once all other files are in the folder."""
    files = {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": _digest(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    told = _summary(content, request)
    text = json.dumps({**told, "files": files}, indent=1, allow_nan=False)
    (folder / JSON).write_text(text, encoding="utf-8")
    (folder / MARKDOWN).write_text(_markdown(content, request, told, list(files)), encoding="utf-8")


def _summary(content: Content, request: Request) -> dict[str, Any]:
    spec = content.spec
    kinds = Counter(content.records[i].kind for i in content.space.record.tolist())
    in_views = Counter(content.records[i].kind for i in content.views.record.tolist())
    pictures = {name: str(source.path) for name, source in spec.sources.items()}
    settings = {k: v for k, v in asdict(spec.settings).items() if v is not None}
    return {
        "made_by": MADE_BY,
        "version": request.version,
        "time": request.time,
        "exported_by": request.annotator,
        "project": {"name": spec.name, "path": request.project},
        "format": request.format.name,
        "left_out": list(request.format.left_out),
        "what": content.what,
        "query": request.query,
        "query_run": request.run,
        "cameras": {name: pictures.get(name) for name in content.rig.names},
        "offsets": dict(spec.offsets),
        "skeleton": spec.skeleton.to_dict(),
        "persons": {
            str(person): next((s.name for s in spec.subjects if s.person == person), str(person))
            for person in content.persons
        },
        "splits": {str(s.person): s.split for s in spec.subjects if s.person in content.persons},
        "fps": spec.fps,
        "num_frames": len(content.frames),
        "first_frame_number": spec.first_frame_number,
        "points_in_views": {kind.name.lower(): count for kind, count in sorted(in_views.items())},
        "points_in_space": {kind.name.lower(): count for kind, count in sorted(kinds.items())},
        "accepted_points_outranked_by_labels": content.num_outranked,
        "copied_labels_of_rejected_joints": content.num_refused,
        "annotators": sorted({record.annotator for record in content.records}),
        "sources": _sources(content),
        "settings_now": settings,
    }


def _sources(content: Content) -> list[dict[str, Any]]:
    """The runs and rounds of accepted points, and what they were triangulated under."""
    found: Counter[tuple[Any, ...]] = Counter()
    for number in content.space.record.tolist():
        of = content.records[number].provenance
        if of is not None:
            found[
                of.source,
                of.round,
                of.weights_hash,
                of.scale_mm,
                *(of.weighting, of.rule, of.rests_on),
            ] += 1
    names = ("source", "round", "weights_file", "scale_mm", "weighting", "rule", "rests_on")
    return [
        {**dict(zip(names, key, strict=True)), "points": count}
        for key, count in found.most_common()
    ]


def _markdown(content: Content, request: Request, told: dict[str, Any], files: list[str]) -> str:
    first = content.spec.first_frame_number
    frames = content.frames
    lines = [
        f"# {content.spec.name}: {request.format.title}",
        "",
        f"Made by {MADE_BY} {request.version} at {request.time[:16].replace('T', ' ')} UTC by"
        f" {request.annotator}, from {request.project}.",
        "",
        f"- What: {_what(content, request)}",
        f"- {len(frames):,} frames, numbers {frames[0] + first} to {frames[-1] + first};"
        f" persons {', '.join(map(str, content.persons))}",
        f"- Cameras: {', '.join(content.rig.names)}",
        f"- Joints ({content.spec.skeleton.name}): {', '.join(content.joints)}",
        f"- Annotators: {', '.join(told['annotators'])}",
        "",
        "| points | in views | in space |",
        "|---|---:|---:|",
    ]
    for kind, text in _KINDS.items():
        name = kind.name.lower()
        views, space = (told[f"points_in_{where}"].get(name, 0) for where in ("views", "space"))
        if views or space:
            lines.append(f"| {text} | {views:,} | {space:,} |")
    if content.num_outranked:
        are = "point is" if content.num_outranked == 1 else "points are"
        lines += [
            "",
            f"{content.num_outranked:,} accepted {are} left out: somebody placed the joint in a"
            " view or in space, and what is placed comes first.",
        ]
    if content.num_refused:
        are = "label is" if content.num_refused == 1 else "labels are"
        lines += [
            "",
            f"{content.num_refused:,} copied {are} left out: somebody rejected the joint.",
        ]
    lines += ["", "## Files", "", f"{request.format.files}.", ""]
    shown = [name for name in files if name != CSV]
    lines += [f"- `{name}`" for name in shown[:40]]
    if len(shown) > 40:
        lines.append(f"- … and {len(shown) - 40} more, see {JSON}")
    lines += [f"- `{CSV}`: every point with its story; `{JSON}`: this page for programs", ""]
    left_out = "; ".join(request.format.left_out) or "nothing"
    lines += [
        f"This format has no place for: {left_out}. All of it stands in `{CSV}`. Every file was"
        " read again after writing and compared with the project.",
        "",
        "Points in views are raw pixels with centres at integers; points in space are millimetres"
        " in the project's world frame, unless the format has another unit.",
    ]
    lines += _told_sources(told)
    return "\n".join(lines) + "\n"


def _what(content: Content, request: Request) -> str:
    what = {"both": "labels and accepted pseudo-labels", "accepted": "accepted pseudo-labels"}
    text = what.get(content.what, content.what)
    if not request.query:
        return text
    asked = f", asked of run {request.run}" if request.run else ""
    return f"{text} that fit `{request.query}`{asked}"


def _told_sources(told: dict[str, Any]) -> list[str]:
    if not told["sources"]:
        return []
    lines = [
        "",
        "## Where accepted points come from",
        "",
        "| source | round | weights file | noise scale | weighting | rule | rests on | points |",
        "|---|---:|---|---:|---|---|---|---:|",
    ]
    for row in told["sources"]:
        scale = "–" if row["scale_mm"] is None else f"{row['scale_mm']:.1f} mm"
        cells = (
            *(row["source"], "–" if row["round"] is None else row["round"]),
            *(row["weights_file"] or "–", scale, row["weighting"] or "–", row["rule"] or "–"),
            row["rests_on"] or "–",
            f"{row['points']:,}",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def _view_rows(content: Content) -> Iterator[dict[str, Any]]:
    rows, names = content.views, content.rig.names
    columns = (
        rows.keys.tolist(),
        rows.points_px.tolist(),
        rows.visibility.tolist(),
        rows.residual_px.tolist(),
        rows.record.tolist(),
    )
    for (frame, camera, person, joint), (x, y), seen, residual, number in zip(
        *columns, strict=True
    ):
        record = content.records[number]
        weights = () if record.provenance is None else record.provenance.weights
        yield {
            **_place(content, frame, person, joint),
            "camera": names[camera],
            "x_px": _shown(x),
            "y_px": _shown(y),
            "visibility": VISIBILITIES[seen],
            "residual_px": _shown(residual),
            "weight": _shown(weights[camera]) if weights else "",
            **_story(record),
        }


def _space_rows(content: Content) -> Iterator[dict[str, Any]]:
    rows = content.space
    columns = (
        rows.keys.tolist(),
        rows.points_mm.tolist(),
        rows.residual_px.tolist(),
        rows.num_views.tolist(),
        rows.record.tolist(),
    )
    for (frame, person, joint), (x, y, z), residual, views, number in zip(*columns, strict=True):
        record = content.records[number]
        weights = () if record.provenance is None else record.provenance.weights
        yield {
            **_place(content, frame, person, joint),
            "x_mm": repr(x),
            "y_mm": repr(y),
            "z_mm": repr(z),
            "residual_px": _shown(residual),
            "num_views": views,
            "weights": " ".join(
                f"{name}={_shown(weight)}"
                for name, weight in zip(content.rig.names, weights, strict=False)
            ),
            **_story(record),
        }


def _place(content: Content, frame: int, person: int, joint: int) -> dict[str, Any]:
    return {
        "frame_number": frame + content.spec.first_frame_number,
        "frame": frame,
        "person": person,
        "joint": content.joints[joint],
    }


def _story(record: Record) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": record.kind.name.lower(),
        "origin": record.origin,
        "annotator": record.annotator,
        "time": record.time,
    }
    of = record.provenance
    if of is None:
        return told
    return {
        **told,
        "run": of.source,
        "round": "" if of.round is None else of.round,
        "weights_file": of.weights_hash,
        "wss_mm": _shown(of.wss_mm),
        "worst_loo_px": _shown(of.worst_loo_px),
        "scale_mm": "" if of.scale_mm is None else _shown(of.scale_mm),
        "weighting": of.weighting,
        "rule": of.rule,
        "rests_on": of.rests_on,
    }


def _shown(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else ""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
