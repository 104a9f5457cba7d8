"""`trilabel runs`: what is done to runs that exist."""

import json

import pytest

from app.cli import main
from app.format import byte_size
from core.project import Project, ProjectSpec
from core.project.runs.folder import runs_of
from core.skeleton import Skeleton
from tests.app.views_world import make_rig
from tests.project.made_runs import make_run


@pytest.fixture
def project(tmp_path):
    """A project with two finished runs."""
    spec = ProjectSpec(
        name="court",
        rig=make_rig(),
        skeleton=Skeleton(name="arm", joints=("shoulder", "wrist"), bones=((0, 1),)),
        num_frames=10,
    )
    path = tmp_path / "court.trilabel"
    Project.create(path, spec).close()
    for name, error in (("one", 50.0), ("two", 46.0)):
        make_run(path / "runs", name, error_mm=error, project_dir=path)
    return path


def said(capsys, project, *arguments, code=0):
    """What a command prints."""
    assert main(["runs", str(project), *arguments]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def test_a_name_and_a_note_are_listed_behind_the_id(project, capsys):
    said(capsys, project, "--rename", "one", "fewer steps")
    said(capsys, project, "--note", "one", "wrists first")
    listed = said(capsys, project)
    assert "-one (fewer steps)" in listed
    assert "-two (" not in listed
    assert "wrists first" in listed
    rows = json.loads(said(capsys, project, "--json"))
    assert [(row["name"], row["note"]) for row in rows] == [
        ("fewer steps", "wrists first"),
        ("two", ""),
    ]
    assert "no note" in said(capsys, project, "--note", "one", "")


def test_runs_are_compared_as_text_and_as_json(project, capsys):
    text = said(capsys, project, "--compare", "one", "two")
    line = next(line for line in text.splitlines() if line.startswith("MPJPE multi-view"))
    assert line.split()[2:] == ["50", "mm", "46", "mm", "*"]
    assert "configurations are the same" in text
    told = json.loads(said(capsys, project, "--compare", "two", "one", "--json"))
    assert told["figures"]["mv_mpjpe"] == [46.0, 50.0]
    assert [run["name"] for run in told["runs"]] == ["two", "one"]
    assert "different runs" in said(capsys, project, "--compare", "one", "one", code=1)


def test_a_run_alone_tells_what_it_changed_from_the_defaults(project, capsys):
    text = said(capsys, project, "--compare", "one")
    assert "where it is not the default" in text
    assert "run.evaluate_every" in text


def test_sizes_say_what_can_be_freed_and_freeing_frees_it(project, capsys):
    first = runs_of(project)[0]
    entry = json.loads(said(capsys, project, "--size", "--json"))[0]
    assert entry["removable"] > 0
    assert byte_size(entry["total"]) in said(capsys, project, "--size")
    assert byte_size(entry["removable"]) in said(capsys, project, "--clean", "one")
    after = json.loads(said(capsys, project, "--size", "--json"))[0]
    assert (after["removable"], after["id"]) == (0, first.id)
    # The locks that kept trainers away while it was cleaned are empty files.
    assert after["total"] == entry["total"] - entry["removable"]


def test_deleting_says_what_it_freed_and_a_living_run_stays(project, capsys):
    with runs_of(project)[1].lock():
        assert "stop or cancel" in said(capsys, project, "--delete", "two", code=1)
    assert "freed" in said(capsys, project, "--delete", "one")
    assert [run.id[-3:] for run in runs_of(project)] == ["two"]
    assert "fits none" in said(capsys, project, "--delete", "one", code=1)


def test_weights_and_curves_are_exported_where_asked(project, capsys, tmp_path):
    text = said(capsys, project, "--export-weights", "two", str(tmp_path / "good"))
    assert "detector.pt" in text
    assert (tmp_path / "good" / "provenance.toml").is_file()
    assert "not empty" in said(
        capsys, project, "--export-weights", "two", str(tmp_path / "good"), code=1
    )
    pytest.importorskip("tensorboardX", reason="the extra 'tensorboard' is not installed")
    text = said(capsys, project, "--tensorboard", "last", str(tmp_path / "tb"))
    assert f"tensorboard --logdir {tmp_path / 'tb'}" in text


def test_only_one_thing_is_done_at_a_time(project, capsys):
    with pytest.raises(SystemExit) as left:
        main(["runs", str(project), "--size", "--delete", "one"])
    assert left.value.code == 2
    assert len(runs_of(project)) == 2


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (640_000, "640 kB"),
        (999_600, "1.0 MB"),
        (9_960_000, "10 MB"),
        (1_234_000_000, "1.2 GB"),
        (52_000_000_000_000, "52 TB"),
    ],
)
def test_sizes_are_told_in_two_digits_or_three(num_bytes, text):
    assert byte_size(num_bytes) == text
