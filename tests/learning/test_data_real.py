"""A real recording's triangulated detections stand in for labels."""

import numpy as np
import pytest

from core.learning.data import open_data
from core.project import Project
from core.project.importing import new_project
from core.project.runs.config import DataOptions

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def walk(real_data, tmp_path_factory):
    folder = real_data / "pose2sim"
    path = tmp_path_factory.mktemp("walk") / "walk.trilabel"
    new_project(
        path,
        folder / "Calib.qca.txt",
        videos=[str(folder / "videos")],
        detections=[f"openpose:{folder / 'openpose'}"],
        report=lambda _: None,
    )
    return path


def test_a_walk_is_divided_into_few_labels_a_pool_and_a_contiguous_block(walk):
    options = DataOptions(protocol="project-detections", max_labelled=8, held_out_percent=20)
    with open_data(options, project_dir=walk) as data:
        assert len(data.labelled) <= 8
        held = {group.frame for group in data.held_out}
        assert held == set(range(min(held), max(held) + 1))
        assert 15 <= len(held) <= 20
        assert all(group.frame < min(held) for group in data.labelled)
        assert len(data.unlabelled) > 50
        assert {g.frame for g in data.unlabelled}.isdisjoint(g.frame for g in data.labelled)


def test_the_triangulated_detections_lie_on_the_detections(walk):
    options = DataOptions(protocol="project-detections", labelled_percent=100)
    with open_data(options, project_dir=walk) as data, Project.open(walk, read_only=True) as own:
        distances = []
        for group in data.held_out:
            seen = own.observations(group.frame)
            points_px = seen.points_px[seen.persons.index(group.person)]
            distances.append(np.linalg.norm(data.targets_px(group) - points_px, axis=-1))
        assert np.nanmedian(distances) < 12, "14 px with plain DLT on all joints"


def test_boxes_hold_the_person_and_pictures_can_be_read(walk):
    options = DataOptions(protocol="project-detections")
    with open_data(options, project_dir=walk) as data:
        group = data.held_out[0]
        targets, boxes = data.targets_px(group), data.boxes_px(group)
        inside = (targets >= boxes[:, None, :2]) & (targets <= boxes[:, None, 2:])
        known = np.isfinite(targets).all(-1) & np.isfinite(boxes[:, :1])
        assert inside.all(-1)[known].mean() > 0.95
        assert data.recording(group).read(2, group.frame).shape == (1920, 1088, 3)
