"""SLEAP: projects (.slp) and exported analysis files, both HDF5, read without SLEAP.

Traps of .slp: links and nodes refer to a list shared by all skeletons; jsonpickle writes an edge's
type in full once and refers to it by count afterwards; a predicted instance stays in the file after
a person corrected it; before format 1.1 coordinates are half a pixel off.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from core.formats.camera_names import match_cameras
from core.formats.detections import MAX_JOINTS, CameraDetections, collect
from core.formats.hdf5 import h5_array, open_h5
from core.formats.keypoint_sets import KeypointSet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import h5py
    from numpy.typing import NDArray

_REMEDY = "Save the project in SLEAP again, or export an analysis file."
_USER, _PREDICTED = 0, 1
_BODY_EDGE = 1
MAX_VALUES = 1 << 29


def read_sleap(
    path: Path,
    *,
    camera: str | None = None,
    first_number: int | None = None,
    joints: Sequence[str] | None = None,
) -> CameraDetections:
    """Read a .slp or an analysis file; tracks become identities.

    Of a .slp, user instances are marked as placed by hand, and a predicted instance is left out
    where a user instance of its frame came from it or has its track. Invisible points are absent.

    Raises:
        DataError: where the file is neither, or it has several videos and `camera` names none.
    """
    number = first_number or 0
    with open_h5(path, "a .slp or an analysis file of SLEAP", _REMEDY) as file:
        if "tracks" in file and "node_names" in file:
            return _read_analysis(path, file, camera, number, joints)
        if "instances" in file and "metadata" in file:
            return _Project(path, file).read(camera, number, joints)
        raise DataError(
            path,
            expected="a .slp (metadata, frames, instances) or an analysis file (tracks and "
            "node_names)",
            found="only " + ", ".join(list(file)[:8]) or "an empty file",
            remedy=_REMEDY,
        )


class _Project:
    """One open .slp."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path, self.file = path, file
        self.frames = self._table("frames", "video frame_idx instance_id_start instance_id_end")
        self.instances = self._table(
            "instances", "instance_type track score from_predicted point_id_start point_id_end"
        )
        metadata = file["metadata"]
        self.format_id = float(np.float64(metadata.attrs.get("format_id", 1.0)))
        self.metadata = self._json(metadata.attrs.get("json"), "metadata.json")

    def read(
        self, camera: str | None, first_number: int, joints: Sequence[str] | None
    ) -> CameraDetections:
        skeleton = _skeleton(self.path, self.metadata)
        names = skeleton.joints or ()
        video = self._video(camera)
        rows, numbers = self._instance_rows(video)
        instances = self.instances[rows]
        points, scores = self._points(instances, len(names))
        user = instances["instance_type"] == _USER
        return collect(
            self.path,
            numbers=numbers,
            points_px=points,
            confidence=scores,
            absent_at_zero=False,
            first_number=first_number,
            score=np.where(user, np.nan, instances["score"]),
            identity=instances["track"].astype(np.int64),
            hand=user,
            camera=camera,
            joints=joints if joints is not None else names,
            bones=skeleton.bones,
            identity_names=self._track_names(),
        )

    def _table(self, name: str, fields: str) -> NDArray[Any]:
        table = h5_array(self.file, name, _REMEDY)
        missing = [f for f in fields.split() if f not in (table.dtype.names or ())]
        if missing or table.ndim != 1:
            self._refuse(name, f"a table with {fields}", f"no {', '.join(missing)}")
        if any(table.dtype[field].kind not in "iufb" for field in fields.split()):
            self._refuse(name, "numbers", "text")
        return table

    def _refuse(self, field: str, expected: str, found: str) -> None:
        raise DataError(self.path, field, expected=expected, found=found, remedy=_REMEDY)

    def _json(self, text: object, field: str) -> Any:  # noqa: ANN401 - JSON is anything
        if isinstance(text, np.bytes_ | bytes | str):
            try:
                return json.loads(text)
            except (ValueError, RecursionError) as error:
                self._refuse(field, "JSON", str(error))
        return self._refuse(field, "JSON text", type(text).__name__)

    def _video(self, camera: str | None) -> int:
        """Which video is the camera's."""
        ids = np.unique(self.frames["video"])
        if len(ids) <= 1:
            return int(ids[0]) if len(ids) else 0
        texts = h5_array(self.file, "videos_json", _REMEDY).ravel().tolist()
        files: dict[str, int] = {}
        for i, text in enumerate(texts):
            content = self._json(text, f"videos_json[{i}]")
            backend = content.get("backend") if isinstance(content, dict) else None
            name = backend.get("filename") if isinstance(backend, dict) else None
            files[str(name).replace("\\", "/").rsplit("/", 1)[-1]] = i
        if camera is not None:
            return files[match_cameras(list(files), [camera], source=str(self.path))[camera]]
        raise DataError(
            self.path,
            "videos",
            expected="one video, or a camera's name to choose one",
            found=", ".join(files),
            remedy="Give CAM=PATH once for each camera.",
        )

    def _instance_rows(self, video: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of `instances` to take, and the frame number of each."""
        frames = self.frames[self.frames["video"] == video]
        start = frames["instance_id_start"].astype(np.int64)
        stop = frames["instance_id_end"].astype(np.int64)
        count = len(self.instances)
        if ((start < 0) | (stop < start) | (stop > count)).any() or (stop - start).sum() > count:
            self._refuse("frames", f"instances 0 to {count}, each in one frame", "others")
        lengths = stop - start
        owner = np.repeat(np.arange(len(frames)), lengths)
        rows = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        rows = rows + start[owner]
        taken = self._not_superseded(rows, owner)
        numbers = frames["frame_idx"].astype(np.int64)[owner]
        return rows[taken], numbers[taken]

    def _not_superseded(
        self, rows: NDArray[np.int64], owner: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        chosen = self.instances[rows]
        user = chosen["instance_type"] == _USER
        corrected = np.isin(rows, chosen["from_predicted"][user])
        track = chosen["track"].astype(np.int64)
        pair = owner * (int(track.max(initial=0)) + 2) + track
        same_track = (track >= 0) & np.isin(pair, pair[user & (track >= 0)])
        return user | ~(corrected | same_track)

    def _points(
        self, instances: NDArray[Any], num_joints: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(N, J, 2) points and (N, J) scores; NaN where invisible, a user's score is 1."""
        points = np.full((len(instances), num_joints, 2), np.nan)
        scores = np.ones((len(instances), num_joints))
        start = instances["point_id_start"].astype(np.int64)
        length = instances["point_id_end"].astype(np.int64) - start
        for kind, name in ((_USER, "points"), (_PREDICTED, "pred_points")):
            mine = instances["instance_type"] == kind
            if not mine.any():
                continue
            table = self._table(name, "x y visible" + (" score" if kind == _PREDICTED else ""))
            first = start[mine]
            wrong = (length[mine] != num_joints) | (first < 0) | (first + num_joints > len(table))
            if wrong.any():
                self._refuse(name, f"{num_joints} points per instance", "other numbers of points")
            rows = table[first[:, None] + np.arange(num_joints)]
            place = np.stack([rows["x"], rows["y"]], axis=-1).astype(np.float64)
            place[~rows["visible"].astype(bool)] = np.nan
            points[mine] = place - (0.5 if self.format_id < 1.1 else 0.0)
            if kind == _PREDICTED:
                scores[mine] = rows["score"]
        return points, scores

    def _track_names(self) -> tuple[str, ...]:
        if "tracks_json" not in self.file:
            return ()
        texts = h5_array(self.file, "tracks_json", _REMEDY).ravel().tolist()
        tracks = [self._json(text, "tracks_json") for text in texts]
        return tuple(str(t[1]) if isinstance(t, list) and len(t) == 2 else str(t) for t in tracks)


def _skeleton(path: Path, metadata: Any) -> KeypointSet:  # noqa: ANN401 - JSON is anything
    """Node names and body edges of the project's one skeleton."""
    try:
        skeletons = metadata["skeletons"]
        all_names = [str(node["name"]) for node in metadata["nodes"]]
        orders = [[int(node["id"]) for node in s["nodes"]] for s in skeletons]
        if len(orders) != 1 or not 0 < len(orders[0]) <= MAX_JOINTS:
            raise DataError(
                path,
                "metadata.skeletons",
                expected=f"one skeleton of up to {MAX_JOINTS} nodes",
                found=f"{len(orders)} skeletons",
                remedy="Save the instances of each skeleton as a project of their own.",
            )
        order = orders[0]
        names = tuple(all_names[i] for i in order)
        bones = _bones(skeletons[0].get("links", []), order)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise DataError(
            path,
            "metadata.skeletons",
            expected="SLEAP's nodes and links",
            found=f"{type(error).__name__}: {error}",
            remedy=_REMEDY,
        ) from error
    if len(set(names)) != len(names):
        raise DataError(
            path, "metadata.nodes", expected="every node once", found="twice", remedy=_REMEDY
        )
    return KeypointSet(names, bones)


def _bones(links: Any, order: list[int]) -> tuple[tuple[int, int], ...]:  # noqa: ANN401
    kinds: list[int] = []
    bones: list[tuple[int, tuple[int, int]]] = []
    for link in links:
        described = link["type"]
        if "py/reduce" in described:
            kinds.append(int(described["py/reduce"][1]["py/tuple"][0]))
            kind = kinds[-1]
        else:
            kind = kinds[int(described["py/id"]) - 1]
        if kind == _BODY_EDGE:
            ends = (order.index(int(link["source"])), order.index(int(link["target"])))
            bones.append((int(link.get("edge_insert_idx", len(bones))), ends))
    return tuple(ends for _, ends in sorted(bones))


def _read_analysis(
    path: Path,
    file: h5py.File,
    camera: str | None,
    first_number: int,
    joints: Sequence[str] | None,
) -> CameraDetections:
    """An analysis file; its arrays are dense, tracks x 2 x nodes x frames."""
    names = tuple(_text(n) for n in h5_array(file, "node_names", _REMEDY).ravel())
    tracks = h5_array(file, "tracks", _REMEDY, max_bytes=8 * MAX_VALUES)
    num_joints = len(names)
    if tracks.ndim == 4 and tracks.shape[1:3] != (2, num_joints):
        tracks = tracks.T  # written in row-major order: frames, nodes, 2, tracks
    if tracks.ndim != 4 or tracks.shape[1:3] != (2, num_joints) or tracks.dtype.kind != "f":
        raise DataError(
            path,
            "tracks",
            expected=f"numbers of shape (tracks, 2, {num_joints} nodes, frames)",
            found=f"{tracks.dtype}, shape {tracks.shape}",
            remedy=_REMEDY,
        )
    num_tracks, num_frames = tracks.shape[0], tracks.shape[3]
    points = tracks.transpose(3, 0, 2, 1).reshape(-1, num_joints, 2)
    confidence = _dense(file, "point_scores", (num_tracks, num_joints, num_frames))
    confidence[~(confidence > 0)] = np.nan  # 0 = placed by a person, who gives no score
    score = _dense(file, "instance_scores", (num_tracks, num_frames))
    return collect(
        path,
        numbers=np.repeat(np.arange(num_frames), num_tracks) + first_number,
        points_px=points,
        confidence=confidence.transpose(2, 0, 1).reshape(-1, num_joints),
        absent_at_zero=False,
        first_number=first_number,
        score=score.T.reshape(-1),
        identity=np.tile(np.arange(num_tracks), num_frames),
        camera=camera,
        joints=joints if joints is not None else names,
        bones=_edges(file, num_joints),
        identity_names=_names(file),
    )


def _dense(file: h5py.File, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A dense array in either order of axes; NaN where the file has none."""
    if name not in file:
        return np.full(shape, np.nan)
    values = h5_array(file, name, _REMEDY, max_bytes=8 * MAX_VALUES)
    values = values if values.shape == shape else values.T
    if values.shape != shape or values.dtype.kind != "f":
        raise DataError(
            str(file.filename),
            name,
            expected=f"numbers of shape {shape}",
            found=f"{values.dtype}, shape {values.T.shape}",
            remedy=_REMEDY,
        )
    return values.astype(np.float64)


def _edges(file: h5py.File, num_joints: int) -> tuple[tuple[int, int], ...]:
    if "edge_inds" not in file:
        return ()
    edges = h5_array(file, "edge_inds", _REMEDY)
    edges = edges if edges.ndim == 2 and edges.shape[1] == 2 else edges.T
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu":
        return ()
    inside = ((edges >= 0) & (edges < num_joints)).all(axis=1)
    return tuple((int(a), int(b)) for a, b in edges[inside])


def _names(file: h5py.File) -> tuple[str, ...]:
    if "track_names" not in file:
        return ()
    return tuple(_text(n) for n in h5_array(file, "track_names", _REMEDY).ravel())


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
