import pytest

from core.files import write_atomically, write_text_atomically


def test_a_written_file_replaces_the_old_one(tmp_path):
    target = tmp_path / "rig.toml"
    write_text_atomically(target, "old")
    write_text_atomically(target, "new")
    assert target.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["rig.toml"]


def test_a_failed_write_leaves_the_last_good_file_and_nothing_else(tmp_path):
    target = tmp_path / "tracks.h5"
    write_text_atomically(target, "good")

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(target, fail)
    assert target.read_text() == "good"
    assert [entry.name for entry in tmp_path.iterdir()] == ["tracks.h5"]


def test_the_temporary_name_keeps_the_suffix(tmp_path):
    seen = []

    def write(temporary):
        seen.append(temporary.suffix)
        temporary.write_bytes(b"x")

    write_atomically(tmp_path / "a.h5", write)
    assert seen == [".h5"]
