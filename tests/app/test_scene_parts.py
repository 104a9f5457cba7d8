"""What is drawn, as arrays: people, evidence of a joint, cameras, labels; no window."""

from dataclasses import replace

import numpy as np
import pytest

from app.scene.evidence import joint_strokes
from app.scene.figures import (
    NOBODY,
    far_to_near,
    figure_strokes,
    person_colors,
    place_figures,
    shadow_faces,
    truth_strokes,
)
from app.scene.labels import Atlas, Label, LabelStyle, arrange, label_at
from app.scene.stage import make_stage
from app.scene.strokes import rgba
from app.scene.surroundings import (
    CameraMarks,
    camera_lines,
    ground_faces,
    ground_lines,
    place_frusta,
)
from app.scene.viewpoint import OrbitView
from app.theme import DARK, LIGHT
from core.diagnosis import diagnose_frame
from core.project import Project
from core.skeleton import load_skeleton
from tests.app.views_world import OUTLIER, make_world

SKELETON = load_skeleton("sportcenter13")
STYLE = LabelStyle(text="#ffffff", chip="#000000")


@pytest.fixture(scope="module")
def world():
    return make_world(num_persons=4, num_frames=1)


@pytest.fixture(scope="module")
def stage(world):
    return make_stage(world.rig, world.truth_mm, is_court=True)


@pytest.fixture(scope="module")
def diagnosis(world, court_project):
    with Project.open(court_project, read_only=True) as project:
        return diagnose_frame(project.observations(0), project.rig, project.settings)


def test_kept_joints_are_dots_and_discarded_ones_red_crosses(stage, diagnosis):
    kept = diagnosis.triangulation.kept.copy()
    kept[1, 3] = False
    altered = replace(diagnosis, triangulation=replace(diagnosis.triangulation, kept=kept))
    figures = place_figures(stage, altered)
    strokes = figure_strokes(stage, figures, SKELETON.bones, 1, DARK)
    red = np.isclose(strokes["a_color"], rgba(DARK.problem), atol=1e-6).all(axis=1)
    point = figures.points[1, 3]
    assert red.sum() == 2 * (~kept[1]).sum()
    assert np.isclose(strokes[red]["a_start"], point, atol=1e-5).all(axis=1).sum() == 2
    is_dot = (strokes["a_start"] == strokes["a_end"]).all(axis=1) & ~red
    is_dot &= strokes["a_offsets"].any(axis=1) == False  # noqa: E712 - elementwise
    assert is_dot.sum() == kept[np.isfinite(figures.points[..., 0])].sum()
    assert not np.isclose(strokes[is_dot]["a_start"], point, atol=1e-5).all(axis=1).any()


def test_bones_to_a_discarded_joint_are_hairlines(stage, diagnosis):
    before = figure_strokes(stage, place_figures(stage, diagnosis), SKELETON.bones, 0, DARK)
    kept = np.zeros_like(diagnosis.triangulation.kept)
    altered = replace(diagnosis, triangulation=replace(diagnosis.triangulation, kept=kept))
    after = figure_strokes(stage, place_figures(stage, altered), SKELETON.bones, 0, DARK)
    is_bone = (after["a_start"] != after["a_end"]).any(axis=1)
    assert is_bone.sum() > 20
    assert (after[is_bone]["a_radius"][:, 0] == 0).all()
    assert (after[is_bone]["a_radius"][:, 2] == 0.5).all()
    assert (before["a_radius"][:, 0] > 0).sum() > 20


def test_a_joint_that_fell_far_away_draws_no_bone(stage, diagnosis):
    points = diagnosis.triangulation.points_mm.copy()
    kept = diagnosis.triangulation.kept.copy()
    points[2, 5] += (9000, 0, 0)
    kept[2, 5] = False
    altered = replace(
        diagnosis, triangulation=replace(diagnosis.triangulation, kept=kept, points_mm=points)
    )
    figures = place_figures(stage, altered)
    strokes = figure_strokes(stage, figures, SKELETON.bones, 2, DARK)
    is_bone = (strokes["a_start"] != strokes["a_end"]).any(axis=1)
    lengths = np.linalg.norm(strokes["a_end"] - strokes["a_start"], axis=1)[is_bone]
    assert lengths.max() < 1.1


def test_the_selected_person_has_full_colour_and_the_others_are_dimmed():
    colors = person_colors((3, 4, 5), 1, DARK)
    alike = person_colors((3, 4, 5), None, DARK)
    np.testing.assert_array_equal(colors[1], alike[1])
    canvas = np.array(rgba(DARK.canvas))
    for row in (0, 2):
        assert np.abs(colors[row] - canvas).sum() < np.abs(alike[row] - canvas).sum()
    assert (colors[:, 3] == 1).all()


def test_nobody_is_drawn_where_nobody_is(stage):
    assert place_figures(stage, None) is NOBODY
    assert not len(figure_strokes(stage, NOBODY, SKELETON.bones, None, DARK))
    assert not len(shadow_faces(stage, NOBODY, DARK))
    assert not len(truth_strokes(stage, np.empty((0, 13, 3)), SKELETON.bones, DARK))


def test_near_strokes_are_painted_after_far_ones(stage, diagnosis):
    figures = place_figures(stage, diagnosis)
    strokes = figure_strokes(stage, figures, SKELETON.bones, None, DARK)
    pinhole = OrbitView(np.zeros(3), 20.0).pinhole((400, 300))
    order = far_to_near(stage.body, strokes, pinhole)
    depth = pinhole.depth((strokes["a_start"] + strokes["a_end"]) / 2)[order]
    assert sorted(order) == list(range(len(strokes)))
    assert (np.diff(depth) < 0.3 * stage.body).all()
    assert depth[0] > depth[-1]


def test_rays_go_through_the_observed_pixels_and_fade_with_weight(stage, world, diagnosis, rig):
    row, camera, joint = OUTLIER
    strokes = joint_strokes(stage, rig, diagnosis, row, joint, DARK)
    point = stage.place(diagnosis.triangulation.points_mm[row, joint])
    starts = {tuple(np.round(c, 3)) for c in stage.cameras.astype(np.float32).tolist()}
    is_ray = np.array([tuple(np.round(s, 3)) in starts for s in strokes["a_start"].tolist()])
    seen = np.flatnonzero(diagnosis.observed[row, :, joint])
    assert is_ray.sum() == len(seen)
    misses = []
    for ray in strokes[is_ray]:
        start, end = ray["a_start"].astype(float), ray["a_end"].astype(float)
        along = (end - start) / np.linalg.norm(end - start)
        misses.append(np.linalg.norm(np.cross(point - start, along)))
    worst = int(seen[int(np.argmax(misses))])
    assert worst == camera
    weights = diagnosis.triangulation.weights[row, seen, joint]
    widths = strokes[is_ray]["a_radius"][:, 1]
    assert (np.argsort(weights, kind="stable") == np.argsort(widths, kind="stable")).all()


def test_the_ray_of_the_camera_that_is_looked_through_is_left_out(stage, rig, diagnosis):
    row, camera, joint = OUTLIER
    number = len(joint_strokes(stage, rig, diagnosis, row, joint, DARK))
    fewer = len(joint_strokes(stage, rig, diagnosis, row, joint, DARK, through=camera))
    assert number - fewer == 2  # the ray, and the hairline to it


def test_a_joint_without_any_view_is_drawn_as_nothing(stage, rig, diagnosis, court_project):
    observed = diagnosis.observed.copy()
    observed[0, :, 0] = False
    result = diagnosis.triangulation
    lost = {
        name: getattr(result, name).copy() for name in ("points_mm", "centers_mm", "candidates_mm")
    }
    lost["points_mm"][0, 0] = lost["centers_mm"][0, 0] = np.nan
    lost["candidates_mm"][0, :, 0] = np.nan
    altered = replace(diagnosis, observed=observed, triangulation=replace(result, **lost))
    assert not len(joint_strokes(stage, rig, altered, 0, 0, DARK))


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_the_focused_camera_stands_out(stage, world, theme):
    marks = CameraMarks(focused=2)
    strokes = camera_lines(place_frusta(stage, world.rig), theme, marks)
    accent = np.isclose(strokes["a_color"], rgba(theme.accent), atol=1e-6).all(axis=1)
    center = stage.cameras[2]
    assert accent.sum() * len(world.rig) == len(strokes)
    assert np.isclose(strokes[accent]["a_start"], center, atol=1e-4).all(axis=1).sum() == 4
    assert len(ground_lines(stage, theme)) > 100
    assert len(ground_faces(stage, theme)) % 3 == 0


def test_labels_never_overlap_and_the_important_one_wins(qapp):
    atlas = Atlas()
    rng = np.random.default_rng(0)
    labels = [Label(f"person {i}", STYLE, np.zeros(3), float(i)) for i in range(60)]
    places = rng.uniform((0, 0), (400, 120), (60, 2))
    places[7] = np.nan
    placed = arrange(labels, places, atlas, (400, 200), Label("note", STYLE, np.zeros(3), 0.0))
    boxes = np.array([item.box for item in placed])
    for i, (left, top, right, bottom) in enumerate(boxes):
        others = np.delete(boxes, i, axis=0)
        apart = (others[:, 0] >= right) | (others[:, 2] <= left)
        apart |= (others[:, 1] >= bottom) | (others[:, 3] <= top)
        assert apart.all()
    names = [item.label.text for item in placed]
    assert names[:2] == ["note", "person 0"]
    assert "person 7" not in names
    assert 10 < len(names) < 60
    left, top, right, bottom = placed[1].box
    assert label_at(placed, (left + right) / 2, (top + bottom) / 2) is placed[1].label
    assert label_at(placed, -50, -50) is None


def test_the_atlas_keeps_all_labels_of_a_picture_when_it_is_full(qapp):
    atlas = Atlas()
    for batch in range(12):
        labels = [Label(f"{batch}:{i} a name", STYLE, np.zeros(3), 0.0) for i in range(60)]
        cells = atlas.cells(labels)
        assert len(set(cells)) == 60
        pixels = atlas.pixels()
        for x, y, width, height in cells:
            assert pixels[y : y + height, x : x + width, 3].max() > 100
        assert not atlas.is_changed


def test_labels_are_sharper_on_a_denser_screen(qapp):
    atlas = Atlas()
    _, _, width, height = atlas.cell("ace_0", STYLE)
    atlas.set_ratio(2.0)
    _, _, wide, high = atlas.cell("ace_0", STYLE)
    assert (wide, high) == (2 * width, 2 * height)


@pytest.fixture(scope="module")
def rig(court_project):
    with Project.open(court_project, read_only=True) as project:
        return project.rig
