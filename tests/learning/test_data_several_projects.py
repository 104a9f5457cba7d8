"""Several projects in one folder are one data set."""

import pytest

from core.errors import DataError
from core.learning.data import open_data
from core.project.importing import import_sportcenter
from core.project.runs.config import DataOptions
from core.synthetic import AnnotatedRange, SynthConfig, synthesise


def make_project(folder, name, cameras, seed):
    config = SynthConfig(
        num_frames=4,
        num_people=4,
        seed=seed,
        cameras=cameras,
        pictures="none",
        detections=False,
        setting="practice",
        annotated=(AnnotatedRange(first=1, stop=4),),
    )
    synthesise(config, folder / name)
    import_sportcenter(folder / name, folder / f"{name}.trilabel", report=lambda _: None)


def open_folder(folder):
    options = DataOptions(source=str(folder), held_out_percent=0.0)
    return open_data(options, project_dir=None, labels_db=None, seed=0)


def test_every_project_of_a_folder_becomes_a_recording_with_its_own_rig(tmp_path):
    make_project(tmp_path, "a", ("ace_0", "ace_1"), seed=1)
    make_project(tmp_path, "b", ("ace_0", "ace_1"), seed=2)
    with open_data(DataOptions(source=str(tmp_path / "a.trilabel"))) as alone:
        per_project = len(alone.labelled) + len(alone.held_out)
    with open_folder(tmp_path) as data:
        assert [recording.name for recording in data.recordings] == ["a", "b"]
        assert {group.recording for group in data.labelled} == {0, 1}
        assert len(data.labelled) + len(data.held_out) == 2 * per_project
        first, second = (recording.rig for recording in data.recordings)
        assert abs(first.projections - second.projections).max() > 1


def test_projects_with_other_numbers_of_cameras_are_refused(tmp_path):
    make_project(tmp_path, "a", ("ace_0", "ace_1"), seed=1)
    make_project(tmp_path, "b", ("ace_0", "ace_1", "ace_2"), seed=2)
    with pytest.raises(DataError, match=r"b\.trilabel: cameras: expected 2, as in a, found 3"):
        open_folder(tmp_path)
