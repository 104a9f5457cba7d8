"""`Project`: the one face of a project folder, without any window.

It owns what lasts. Reading a frame costs a few milliseconds and may be done on the window's thread;
reads from background threads are allowed. There is one writer: a project that another window holds,
or that lies in a folder without write permission, opens for reading only and says why.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs

from core.errors import CommandRefusedError, DataError
from core.observations import FrameObservations
from core.people import IdentifiedDetections, cylinder_boxes, read_tracks, write_tracks
from core.project.described import Described
from core.project.detections import (
    DetectionsFile,
    DetectionsHeader,
    check_detections,
    write_detections,
)
from core.project.labels import LabelStore
from core.project.lock import annotator_name
from core.project.observing import ObservationsBlock, assemble_block, unmatched_detections
from core.project.opening import LABELS_FILE, OpenLabels, open_labels
from core.project.reviewing import (
    accepted_at,
    accepted_between,
    muted_between,
    review_of,
    reviews_at,
    reviews_between,
)
from core.project.spec import (
    RIG_FILE,
    DetectionsEntry,
    ProjectSpec,
    read_spec,
    refuse_existing,
    with_roots,
    write_spec,
)
from core.project.swapping import read_swaps, with_swaps
from core.project.track_overlay import TrackOverlay

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    from core.people import GroundTracks
    from core.project.edits import Change, Edit, JointKey, Place, PointKey
    from core.project.journal import BulkLabels
    from core.project.label_rows import Label
    from core.project.reviewing import AcceptedRows, FrameReviews, Review, ReviewRows
    from core.project.steps import Step
    from core.project.swapping import Swap
    from core.recording import Recording
    from core.settings import TriangulationSettings

_FOLDERS = ("imports", "runs", "exports", "cache")
_TRACKS_FILE = "tracks.h5"
_NOBODY = np.zeros(0, dtype=np.int32)


class Project(Described):
    """An open project; a context manager. Make one with `open` or `create`."""

    def __init__(self, path: Path, spec: ProjectSpec, labels: OpenLabels) -> None:
        """Adopt what `open` has opened."""
        self.path = path
        self._spec = spec
        self._opened = labels
        self._labels = labels.store
        self._detections: DetectionsFile | None = None
        self._swaps: tuple[int, tuple[Swap, ...]] | None = None
        self.annotator = annotator_name()

    @classmethod
    def create(cls, path: Path, spec: ProjectSpec) -> Self:
        """Make a project folder and open it.

        Args:
            path: a folder that does not exist yet, or is empty.
            spec: what the project is about; the folders of its pictures become approved roots.

        Raises:
            DataError: where there is something at `path` already.
        """
        path = path.absolute()
        refuse_existing(path)
        try:
            for name in _FOLDERS:
                (path / name).mkdir(parents=True, exist_ok=True)
            write_spec(path, with_roots(spec))
            LabelStore.create(path / LABELS_FILE, spec.rig.names, spec.skeleton.joints)
        except OSError as error:
            raise DataError(
                path,
                expected="a folder that can be made",
                found=error.strerror or str(error),
                remedy="Choose another place.",
            ) from error
        return cls.open(path)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False, snapshot: Path | None = None) -> Self:
        """Open a project, for writing unless that is not wanted or not possible.

        Args:
            path: of its folder.
            read_only: not for writing.
            snapshot: an earlier state of labels.db to read in its place, with all that is in it.

        Raises:
            DataError: where the folder is no project, or a file of it is damaged or of a newer
                version; the message says which.
        """
        path = path.absolute()
        spec = read_spec(path)
        names = (spec.rig.names, spec.skeleton.joints)
        labels = open_labels(path, *names, read_only=read_only, snapshot=snapshot)
        project = cls(path, spec, labels)
        try:
            project._open_detections()
        except BaseException:
            project.close()
            raise
        return project

    def close(self) -> None:
        """Close all files and let the next one write. Closing twice does nothing."""
        if self._detections is not None:
            self._detections.close()
            self._detections = None
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def read_only(self) -> bool:
        """Whether edits are refused."""
        return self._opened.lock is None

    @property
    def read_only_reason(self) -> str:
        """Why edits are refused, as half a sentence; empty where they are not."""
        return self._opened.reason

    @property
    def persons(self) -> tuple[int, ...]:
        """All person ids that have a track, a detection, a label or a name, ascending."""
        composed = self.tracks
        tracks = () if composed is None else composed.persons
        detected = () if self._detections is None else self._detections.persons
        named = (subject.person for subject in self._spec.subjects)
        return tuple(sorted({*tracks, *detected, *named, *self._labels.persons().tolist()}))

    def recording(self) -> Recording:
        """The pictures of all cameras, opened; close it when done.

        A camera whose source is gone has none, and stands in the recording's `problems`.
        """
        from core.recording import Recording

        videos = self._cache_dir / "videos"
        videos.mkdir(parents=True, exist_ok=True)
        return Recording(
            {name: self._spec.sources.get(name) for name in self.rig.names},
            offsets=self._spec.offsets,
            cache_directory=videos,
            proxies=self.proxies_dir,
        )

    @property
    def proxies_dir(self) -> Path:
        """Where small copies of the pictures are kept."""
        return self._cache_dir / "proxies"

    @cached_property
    def _overlay(self) -> TrackOverlay:
        path = self.path / "imports" / _TRACKS_FILE
        return TrackOverlay(self._labels, read_tracks(path) if path.is_file() else None)

    @property
    def tracks(self) -> GroundTracks | None:
        """Where people stand, corrections laid over the import; None where nothing tells."""
        return self._overlay.tracks

    @property
    def detections(self) -> DetectionsFile | None:
        """The imported 2D detections in force, as imported; None where there are none.

        Whoever asks whose they are reads `identified`.
        """
        return self._detections

    def identified(self, start: int, stop: int) -> Iterator[IdentifiedDetections]:
        """Detections of the frames start…stop-1, swaps laid over them, in pieces of few frames."""
        swaps = self.swaps() if self._detections is not None else ()
        for rows in () if self._detections is None else self._detections.blocks(start, stop):
            yield with_swaps(rows, swaps)

    def observations(self, frame: int) -> FrameObservations:
        """Everything seen at one frame: hand labels over imported detections, boxes, bystanders."""
        found = next(self.identified(frame, frame + 1), None)
        tracks = self.tracks
        block = self._assemble(frame, frame + 1, [] if found is None else [found], tracks)
        ground = np.full((len(block.persons), 3), np.nan)
        if tracks is not None:
            persons, places = tracks.at(frame)
            ground[np.searchsorted(block.persons, persons)] = places
        return FrameObservations(
            frame=frame,
            persons=block.persons,
            points_px=block.points_px[0],
            confidence=block.confidence[0],
            source=block.source[0],
            boxes_px=self.boxes_px(ground),
            ground_mm=ground,
            unmatched=() if found is None else unmatched_detections(found),
        )

    def boxes_px(self, ground_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Boxes (P, C, 4) of people who stand at (P, 3); see `core.people.cylinder_boxes`."""
        spec = self._spec
        return cylinder_boxes(ground_mm, spec.rig, spec.person_height_mm, spec.person_radius_mm)

    def observations_block(self, start: int, stop: int) -> ObservationsBlock:
        """Observations of the frames start…stop-1 as arrays, for summaries and exports.

        Takes 16 bytes a joint and view: ask for a few hundred frames at a time.
        """
        stop = min(stop, self.num_frames)
        assert 0 <= start < stop, f"frames {start} to {stop} of {self.num_frames}"
        return self._assemble(start, stop, [*self.identified(start, stop)], self.tracks)

    def _assemble(
        self,
        start: int,
        stop: int,
        found: list[IdentifiedDetections],
        tracks: GroundTracks | None,
    ) -> ObservationsBlock:
        tracked = (_NOBODY, _NOBODY)
        if tracks is not None:
            rows = tracks.rows(start, stop)
            tracked = (tracks.row_frames[rows], tracks.row_persons[rows])
        return assemble_block(
            start,
            stop,
            (len(self.rig), self.skeleton.num_joints),
            detections=found,
            labels=self._labels.labels_between(start, stop),
            tracked=tracked,
        )

    def observed_frames(self) -> NDArray[np.int64]:
        """Frames with a detection or a 2D label, ascending."""
        labelled = self._labels.frames()
        if self._detections is None:
            return labelled
        return np.union1d(labelled, np.flatnonzero(self._detections.num_rows_by_frame()))

    def labelled_frames(self) -> NDArray[np.int64]:
        """Frames with a 2D or 3D label, ascending."""
        return np.union1d(self._labels.frames(), self._labels.frames("points3d"))

    def points3d(self, frame: int) -> tuple[tuple[int, ...], NDArray[np.float64]]:
        """The 3D labels of a frame: P persons, ascending, and (P, J, 3) mm; NaN = none."""
        keys, points_mm = self._labels.points_between(frame, frame + 1)
        persons, row = np.unique(keys[:, 1], return_inverse=True)
        found = np.full((len(persons), self.skeleton.num_joints, 3), np.nan)
        found[row, keys[:, 2]] = points_mm
        return tuple(persons.tolist()), found

    def reviews(self, frame: int) -> FrameReviews:
        """What people decided about the joints of a frame."""
        return reviews_at(self._labels, frame)

    def reviews_between(self, start: int, stop: int) -> ReviewRows:
        """What people decided about the joints of the frames start…stop-1."""
        return reviews_between(self._labels, start, stop)

    def review(self, key: PointKey) -> Review | None:
        """Who decided what about a joint, and when; None = nobody has."""
        return review_of(self._labels, key)

    def accepted(self, frame: int) -> tuple[tuple[int, ...], NDArray[np.float64]]:
        """The accepted points of a frame: P persons, ascending, and (P, J, 3) mm; NaN = none."""
        return accepted_at(self._labels, frame)

    def accepted_between(self, start: int, stop: int) -> AcceptedRows:
        """The accepted points of the frames start…stop-1, with their provenance."""
        return accepted_between(self._labels, start, stop)

    def muted(self, frame: int, persons: Sequence[int]) -> NDArray[np.bool_]:
        """(P, C, J) whether somebody took an observation of these persons out."""
        return muted_between(self._labels, frame, frame + 1, persons)[0]

    def muted_between(self, start: int, stop: int, persons: Sequence[int]) -> NDArray[np.bool_]:
        """(F, P, C, J) the same, for the frames start…stop-1."""
        return muted_between(self._labels, start, stop, persons)

    def swaps(self) -> tuple[Swap, ...]:
        """The swapped identities, in the order in which they are laid over each other."""
        revision = self._labels.data_revision
        if self._swaps is None or self._swaps[0] != revision:
            self._swaps = (revision, read_swaps(self._labels))
        return self._swaps[1]

    def next_person(self) -> int:
        """An id that nobody has."""
        return max((*self.persons, self._labels.largest_person()), default=-1) + 1

    def label(self, key: JointKey) -> Label | None:
        """The 2D label of a joint in a view."""
        return self._labels.label(key)

    @property
    def labels(self) -> LabelStore:
        """The labels' store, for what reads many of them; edits go through `apply`."""
        return self._labels

    def apply(self, edit: Edit, *, place: Place | None = None, is_going_on: bool = False) -> Change:
        """Carry out an edit; it is durable when this returns. Refused where it cannot be made.

        Args:
            edit: what shall be.
            place: where the cursor stands; undo returns there.
            is_going_on: it goes on with the edit before: undo takes both back as one.
        """
        before = self._labels.revision
        who = self.annotator
        change = self._labels.apply(edit, place=place, annotator=who, is_going_on=is_going_on)
        return self._followed(change, before)

    def undo(self) -> Change:
        """Take the latest edit back; refused where there is none."""
        before = self._labels.revision
        return self._followed(self._labels.undo(self.annotator), before)

    def redo(self) -> Change:
        """Bring the latest undone edit back; refused where there is none."""
        before = self._labels.revision
        return self._followed(self._labels.redo(self.annotator), before)

    def go_to_step(self, step: int) -> Change:
        """Take back all steps after one of the history, or bring back all up to it; or refuse."""
        before = self._labels.revision
        return self._followed(self._labels.go_to(step, self.annotator), before)

    def _followed(self, change: Change, before: int) -> Change:
        if change:  # else nothing was written, and who wrote meanwhile follows by themselves
            self._overlay.follow(change.tracks, before)
        return change

    @property
    def undo_description(self) -> str | None:
        """Name of the edit that `undo` takes back; None where there is none."""
        return self._labels.undo_description

    @property
    def redo_description(self) -> str | None:
        """Name of the edit that `redo` brings back; None where there is none."""
        return self._labels.redo_description

    def history(self, limit: int = 100) -> list[Step]:
        """The latest steps of the journal, newest first."""
        return self._labels.history(limit)

    def set_settings(self, settings: TriangulationSettings) -> None:
        """Remember how frames are triangulated."""
        self.update(settings=settings)

    def import_labels(self, bulk: BulkLabels, description: str) -> int:
        """Put the labels of another tool in one step; labels that are there already stay."""
        self._refuse_beyond("labels", bulk.keys[:, 0])
        self._refuse_beyond("3D labels", bulk.point_keys[:, 0])
        return self._labels.import_labels(bulk, description=description, annotator=self.annotator)

    def add_import(
        self, detections: IdentifiedDetections | Iterable[IdentifiedDetections], provenance: str
    ) -> int:
        """Store 2D detections, which take the place of those in force; the old file stays.

        Args:
            detections: all of them, or blocks in ascending frames (for bounded memory).
            provenance: where they come from, in words.

        Returns:
            the number of rows.

        Raises:
            DataError: where they do not fit the project.
        """
        self._refuse_read_only()
        header = DetectionsHeader(
            num_frames=self.num_frames,
            cameras=self.rig.names,
            joints=self.skeleton.joints,
            provenance=provenance,
        )
        blocks = [detections] if isinstance(detections, IdentifiedDetections) else detections
        file = f"detections-{uuid.uuid4().hex[:8]}.h5"
        count = write_detections(self.path / "imports" / file, header, blocks)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.update(detections=DetectionsEntry(file=file, provenance=provenance, time=now))
        self._open_detections()
        return count

    def write_tracks(self, tracks: GroundTracks) -> None:
        """Store the ground tracks in the place of the old ones."""
        self._refuse_read_only()
        self._refuse_beyond("tracks", tracks.row_frames)
        write_tracks(self.path / "imports" / _TRACKS_FILE, tracks)
        self._overlay.rebase(tracks)
        self.__dict__.pop("tracks_key", None)

    @property
    def data_key(self) -> str:
        """16 hex digits that change whenever observations or cameras do; reviews change neither."""
        digest = hashlib.blake2b(digest_size=8)
        digest.update((self.path / RIG_FILE).read_bytes())
        entry = self._spec.detections
        digest.update(repr((self._labels.data_revision, entry and entry.file)).encode())
        digest.update(self.tracks_key)
        return digest.hexdigest()

    @cached_property
    def tracks_key(self) -> bytes:
        """Changes whenever imported tracks do; empty = there are none."""
        base = self._overlay.base  # corrections are in the store's revision
        if base is None:
            return b""
        digest = hashlib.blake2b(digest_size=8)
        for rows in (base.row_frames, base.row_persons, base.row_ground_mm):
            digest.update(np.ascontiguousarray(rows).data)
        return digest.digest()

    def cache_path(self, key: str, suffix: str = ".h5") -> Path:
        """A file for what can be computed again, named by what it was computed from.

        Its folder exists; the file may not. Write it with `core.files.write_atomically`.
        """
        name = hashlib.blake2b(key.encode(), digest_size=12).hexdigest()
        self._cache_dir.mkdir(parents=True, exist_ok=True)
        return self._cache_dir / f"{name}{suffix}"

    @cached_property
    def _cache_dir(self) -> Path:
        """In the project; for one that nothing can be written to, in the user's own cache."""
        if self._opened.copy is None:
            return self.path / "cache"
        place = hashlib.blake2b(str(self.path).encode(), digest_size=8).hexdigest()
        return Path(platformdirs.user_cache_dir("trilabel", appauthor=False)) / place

    def _open_detections(self) -> None:
        entry = self._spec.detections
        opened = None
        if entry is not None:
            opened = DetectionsFile(self.path / "imports" / entry.file)
            check_detections(opened.path, opened.header, self.rig.names, self.skeleton.joints)
        if self._detections is not None:
            self._detections.close()
        self._detections = opened

    def update(self, **changes: Any) -> None:  # noqa: ANN401 - the fields of ProjectSpec
        """Change fields of the spec, all but the rig, and write project.toml."""
        self._refuse_read_only()
        assert "rig" not in changes
        spec = replace(self._spec, **changes)
        write_spec(self.path, spec, rig=False)
        self._spec = spec

    def _refuse_read_only(self) -> None:
        if self.read_only:
            raise CommandRefusedError(
                f"This project is open for reading only: {self.read_only_reason}."
            )
