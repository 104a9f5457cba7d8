"""Ground tracks as people have corrected them: ``track_points`` laid over imports/tracks.h5.

A match has 0.8 million places, so the composed tracks are kept, and an edit puts its own frames
anew: where nobody comes or goes, the frames, persons and the index by person are shared with the
tracks before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core.people import GroundTracks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from core.project.labels import LabelStore

Key = tuple[int, int]  # frame, person


class TrackOverlay:
    """Imported tracks with the corrections of a project's store laid over them."""

    def __init__(self, store: LabelStore, base: GroundTracks | None) -> None:
        """Nothing is composed before somebody asks."""
        self._store = store
        self._base = base
        # Of which revision; one value, since other threads read while the window edits.
        self._composed: tuple[int, GroundTracks | None] = (-1, None)

    @property
    def base(self) -> GroundTracks | None:
        """The imported ones, as they are."""
        return self._base

    def rebase(self, base: GroundTracks) -> None:
        """Lay the corrections over other tracks."""
        self._base = base
        self._composed = (-1, None)

    def follow(self, changed: Iterable[Key], revision: int) -> None:
        """Take in the places that an edit has changed; `revision` is the store's before it.

        Trap: jobs write beside the window. Where another act came between, its places are not among
        `changed`, and the tracks are composed anew when they are asked for.
        """
        known, tracks = self._composed
        after = self._store.revision
        if known != revision or after != revision + 1:
            return
        keys = sorted(changed)
        if keys:
            rows = self._store.rows("track_points", keys)
            ground = _found(self._base, _array(keys))
            for place, key in enumerate(keys):
                if key in rows:
                    ground[place] = _place(rows[key])
            tracks = self._patched(tracks, _array(keys), ground)
        self._composed = (after, self._or_none(tracks))

    @property
    def tracks(self) -> GroundTracks | None:
        """Where people stand; None where nothing tells."""
        revision = self._store.revision
        known, tracks = self._composed
        if known != revision:  # the first time, or somebody else has written
            rows = self._store.all_rows("track_points")
            tracks = self._base
            if rows:
                ground = np.array([_place(row[2:]) for row in rows])
                tracks = self._patched(self._base, _array([row[:2] for row in rows]), ground)
            self._composed = (revision, self._or_none(tracks))
        return self._composed[1]

    def _or_none(self, tracks: GroundTracks | None) -> GroundTracks | None:
        """Without an import, nobody anywhere is as good as no tracks."""
        return tracks if self._base is not None or (tracks and len(tracks)) else None

    def _patched(
        self, old: GroundTracks | None, keys: NDArray[np.int64], ground: NDArray[np.float64]
    ) -> GroundTracks:
        """Tracks with other places (K, 2) for these sorted keys (K, 2); NaN = is not here."""
        old = GroundTracks.from_rows([], [], np.zeros((0, 2))) if old is None else old
        window, row = _rows(old, keys)
        known = row >= 0
        here = np.isfinite(ground).all(axis=1)
        if (known == here).all():
            return _moved(old, window.start + row[known], ground[known])
        left_rows = np.delete(np.arange(window.start, window.stop), row[known])
        frames = np.concatenate([old.row_frames[left_rows], keys[here, 0].astype(np.int32)])
        persons = np.concatenate([old.row_persons[left_rows], keys[here, 1].astype(np.int32)])
        places_mm = np.concatenate([old.row_ground_mm[left_rows], ground[here]])
        order = np.lexsort((persons, frames))
        all_persons = _spliced(old.row_persons, window, persons[order])
        own = () if self._base is None else self._base.persons
        away = {*keys[~here, 1].tolist()} - {*own}
        left = {person for person in away if not (all_persons == person).any()}
        return self._titled(
            _spliced(old.row_frames, window, frames[order]),
            all_persons,
            _spliced(old.row_ground_mm, window, places_mm[order]),
            {*old.persons, *keys[here, 1].tolist()} - left,
        )

    def _titled(
        self,
        frames: NDArray[np.int32],
        persons: NDArray[np.int32],
        ground_mm: NDArray[np.float64],
        ids: set[int],
    ) -> GroundTracks:
        base = self._base
        names = {} if base is None else dict(zip(base.persons, base.names, strict=True))
        listed = tuple(sorted(ids))
        return GroundTracks(
            listed, tuple(names.get(p, str(p)) for p in listed), frames, persons, ground_mm
        )


def _moved(
    old: GroundTracks, rows: NDArray[np.intp], ground_mm: NDArray[np.float64]
) -> GroundTracks:
    """The same people at the same frames, some elsewhere; the index by person stays."""
    ground = old.row_ground_mm.copy()
    ground[rows] = ground_mm
    ground.setflags(write=False)
    moved = GroundTracks(old.persons, old.names, old.row_frames, old.row_persons, ground)
    if "_by_person" in old.__dict__:
        moved.__dict__["_by_person"] = old.__dict__["_by_person"]
    return moved


def _spliced(array: NDArray[Any], window: slice, part: NDArray[Any]) -> NDArray[Any]:
    spliced = np.concatenate([array[: window.start], part, array[window.stop :]])
    spliced.setflags(write=False)
    return spliced


def _rows(tracks: GroundTracks, keys: NDArray[np.int64]) -> tuple[slice, NDArray[np.intp]]:
    """The rows of the frames that sorted keys are about, and (K,) each key's among them, or -1."""
    window = tracks.rows(int(keys[0, 0]), int(keys[-1, 0]) + 1)
    index = (tracks.row_frames[window].astype(np.int64) << 32) | tracks.row_persons[window]
    wanted = (keys[:, 0] << 32) | keys[:, 1]
    if not len(index):
        return window, np.full(len(keys), -1, dtype=np.intp)
    row = np.minimum(np.searchsorted(index, wanted), len(index) - 1)
    return window, np.where(index[row] == wanted, row, -1)


def _found(tracks: GroundTracks | None, keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """(K, 2) where tracks have people; NaN where they have not."""
    ground = np.full((len(keys), 2), np.nan)
    if tracks is not None:
        window, row = _rows(tracks, keys)
        ground[row >= 0] = tracks.row_ground_mm[window][row[row >= 0]]
    return ground


def _array(keys: Sequence[tuple[Any, ...]]) -> NDArray[np.int64]:
    return np.array(keys, dtype=np.int64).reshape(-1, 2)


def _place(values: tuple[Any, ...]) -> tuple[float, float]:
    x, y = values[:2]
    return (np.nan, np.nan) if x is None else (float(x), float(y))
