"""Protocols are small files, and mistakes in them are named."""

import pytest

from core.errors import DataError
from core.learning.data import protocol_names, read_protocol


def write(folder, text):
    path = folder / "mine.toml"
    path.write_text('title = "Mine."\ndataset = "project"\n' + text)
    return path


@pytest.mark.parametrize("name", protocol_names())
def test_every_protocol_that_comes_with_trilabel_can_be_read(name):
    assert read_protocol(name).name == name


def test_the_papers_protocols_say_what_the_paper_says():
    s1, tenth, football = (read_protocol(n) for n in ("h36m-s1", "h36m-10pct", "3dhp-s1"))
    assert s1.labelled.people == (1,)
    assert tenth.labelled.people == (1, 5, 6, 7, 8)
    assert (s1.labelled.percent, tenth.labelled.percent) == (100, 10)
    assert s1.held_out.people == tenth.held_out.people == (9, 11)
    assert s1.unlabelled.every == tenth.unlabelled.every == football.unlabelled.every == 5
    assert football.cameras == ("0", "2", "4", "7", "8")
    assert football.labelled.people == (1,)
    court = read_protocol("sportcenter")
    assert court.held_out.people == (7, 12)
    assert court.cameras == tuple(f"ace_{i}" for i in range(6))


def test_a_file_of_ones_own_is_a_protocol(tmp_path):
    protocol = read_protocol(str(write(tmp_path, "[unlabelled]\nframes = [[3, 9]]\nevery = 2\n")))
    assert protocol.name == "mine"
    assert protocol.unlabelled.frames == ((3, 9),)
    assert protocol.people is None


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("lables = 'hand'", "lables", "'labels'"),
        ("[unlabelled]\nevry = 2", "unlabelled.evry", "'every'"),
        ("labels = 'detection'", "labels", "'detections'"),
        ("[held_out]\nlast_frames = 1", "held_out.last_frames", ""),
        ("[labelled]\npercent = 101", "labelled.percent", ""),
        ("[labelled]\nevery = 0", "labelled.every", ""),
        ("[unlabelled]\nframes = [[9, 3]]", "unlabelled.frames", ""),
        ("[labelled]\npeople = [7]\n[held_out]\npeople = [7]", "labelled.people", ""),
        ("cameras = 3", "cameras", ""),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_nearest_right_name(
    tmp_path, text, place, remedy
):
    with pytest.raises(DataError) as caught:
        read_protocol(write(tmp_path, text))
    assert caught.value.field.startswith(place)
    assert remedy in caught.value.remedy


def test_a_protocol_that_is_not_there_is_refused_with_the_nearest_name():
    with pytest.raises(DataError, match="Did you mean 'sportcenter'"):
        read_protocol("sportcentre")
