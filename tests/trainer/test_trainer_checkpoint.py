"""Checkpoints are whole or not there, and the right ones are kept."""

import errno
import os

import pytest
import torch

from core.errors import DataError
from trainer import checkpoint
from trainer.checkpoint import Checkpoints, Place, read_checkpoint


@pytest.fixture
def kept(tmp_path):
    return Checkpoints(tmp_path)


def save(kept, stage, step, **options):
    options = {"finished": False, **options}
    return kept.save(Place.of(stage, step), {"step": torch.tensor(step)}, **options)


def names(kept):
    return [place.file for place in kept.places()]


def test_places_are_in_the_order_of_the_run_not_of_names_or_times(kept):
    for stage, step in (("lift", 1), ("finetune", 20), ("finetune", 3), ("pretrain", 1000000)):
        save(kept, stage, step)
    assert [(place.stage, place.step) for place in kept.places()] == [
        ("pretrain", 1000000),
        ("finetune", 3),
        ("finetune", 20),
        ("lift", 1),
    ]


def test_the_last_two_the_best_and_the_last_of_former_stages_are_kept(kept):
    save(kept, "pretrain", 10, finished=True)
    for step, score in ((1, 90.0), (2, 70.0), (3, 80.0), (4, None), (5, 75.0)):
        save(kept, "finetune", step, score=score)
    wanted = ["pretrain-000010.pt", *(f"finetune-00000{step}.pt" for step in (2, 4, 5))]
    assert names(kept) == wanted
    assert kept.best("finetune") == (Place.of("finetune", 2), 70.0)
    assert kept.best("pretrain") is None


def test_a_damaged_file_is_passed_over_for_the_one_before_it_and_said(kept):
    save(kept, "pretrain", 1)
    path = save(kept, "pretrain", 2)
    path.write_bytes(path.read_bytes()[:300])
    said = []
    place, finished, state = kept.newest(said.append)
    assert (place, finished) == (Place.of("pretrain", 1), False)
    assert int(state["step"]) == 1
    assert "pretrain-000002.pt" in said[0]


def test_the_newest_of_some_stages_can_be_asked_for(kept):
    save(kept, "finetune", 4, finished=True)
    save(kept, "lift", 2)
    place, finished, _ = kept.newest(print, stages=("start", "pretrain", "finetune"))
    assert (place, finished) == (Place.of("finetune", 4), True)


def test_a_checkpoint_runs_no_code_when_it_is_read(tmp_path):
    path = tmp_path / "pretrain-000001.pt"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save({"schema": 1, "state": Trap()}, path)
    with pytest.raises(DataError):
        read_checkpoint(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.skipif(os.name == "nt", reason="limits of a process are POSIX")
def test_a_full_disk_leaves_the_older_checkpoints_as_they_were(kept):
    import resource
    import signal

    save(kept, "pretrain", 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        with pytest.raises(OSError, match="large") as raised:
            kept.save(Place.of("pretrain", 2), {"big": torch.zeros(100_000)}, finished=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert raised.value.errno == errno.EFBIG
    assert names(kept) == ["pretrain-000001.pt"]
    assert [path.name for path in kept.folder.iterdir()] == ["pretrain-000001.pt"]
    assert checkpoint.read_checkpoint(kept.folder / "pretrain-000001.pt")["step"] == 1
