"""What the list of track encounters finds, and that it follows edits."""

import numpy as np
import pytest

from core.errors import CommandRefusedError
from core.people import GroundTracks
from core.people.track_review import find_encounters, updated_encounters
from tests.people.crowd import court_rig

RIG = court_rig(6)
FRAMES = np.arange(200)


def _tracks(paths):
    rows = [(person, frame, spot) for person, path in paths.items() for frame, spot in path.items()]
    return GroundTracks.from_rows([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])


def _line(start, stop, frames=FRAMES):
    share = np.linspace(0, 1, len(frames))[:, None]
    path = np.array(start) + share * (np.array(stop) - np.array(start))
    return {int(f): tuple(p) for f, p in zip(frames, path.tolist(), strict=True)}


def _kinds(found):
    return [(e.kind, e.persons, e.frame) for e in found]


def test_two_who_cross_are_listed_once_where_they_are_nearest():
    tracks = _tracks({3: _line((-4000, 0), (4000, 0)), 5: _line((0, -4000), (0, 4000))})
    (met,) = [e for e in find_encounters(tracks, RIG, fps=25) if e.kind == "crossing"]
    assert met.persons == (3, 5)
    assert abs(met.frame - 99.5) <= 1
    assert met.start < met.frame < met.stop
    assert met.severity > 0.9


def test_jumps_and_gaps_are_listed():
    path = _line((-4000, 2000), (4000, 2000))
    jumped = {f: (x, y + 4000.0 * (f >= 120)) for f, (x, y) in path.items()}
    holed = {f: spot for f, spot in jumped.items() if not 50 <= f < 60}
    found = find_encounters(_tracks({1: holed}), RIG, fps=25)
    assert _kinds(found) == [("gap", (1,), 50), ("jump", (1,), 120)]


def test_somebody_behind_others_in_most_views_is_listed_as_hidden():
    ring = {
        p: _line((600 * np.cos(a), 600 * np.sin(a)), (600 * np.cos(a), 600 * np.sin(a)))
        for p, a in enumerate(np.arange(6) * np.pi / 3, start=1)
    }
    alone = find_encounters(_tracks({0: _line((0, 0), (0, 0))}), RIG, fps=25)
    assert alone == ()
    crowd = find_encounters(_tracks({0: _line((0, 0), (0, 0)), **ring}), RIG, fps=25)
    assert ("hidden", (0,)) in [(e.kind, e.persons) for e in crowd]


def test_an_updated_list_is_the_list_made_anew():
    rng = np.random.default_rng(4)
    paths = {p: _line(rng.uniform(-4000, 4000, 2), rng.uniform(-4000, 4000, 2)) for p in range(9)}
    before = find_encounters(_tracks(paths), RIG, fps=25)
    for frame in range(90, 104):
        x, y = paths[2][frame]
        paths[2][frame] = (x + 1500.0, y)
    del paths[4][60]
    after = _tracks(paths)
    expected = find_encounters(after, RIG, fps=25)
    assert expected != before
    assert updated_encounters(before, after, RIG, range(60, 104), fps=25) == expected


def test_looking_can_be_stopped():
    tracks = _tracks({3: _line((-4000, 0), (4000, 0))})
    with pytest.raises(CommandRefusedError):
        find_encounters(tracks, RIG, fps=25, progress=lambda _done, _total: False)
