"""Pictures and sight: rays, silhouettes and visibility held against each other."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.synthetic import SynthConfig, raster
from core.synthetic.figures import SOLIDS_PER_PERSON, frame_solids, make_cast
from core.synthetic.hall import CENTER_CIRCLE_M, build_hall
from core.synthetic.rig import court_camera, court_rig
from core.synthetic.sight import Sight, see
from core.synthetic.solids import cones
from core.synthetic.view import CameraRenderer, ray_grid

CONFIG = SynthConfig(num_frames=20, seed=14, picture_scale=0.5)
FULL = SynthConfig(num_frames=20, seed=14)


@pytest.fixture(scope="module")
def cast():
    return make_cast(CONFIG)


@pytest.fixture(scope="module")
def hall():
    return build_hall(CONFIG.seed)


@pytest.fixture(scope="module")
def side_view(cast, hall):
    return CameraRenderer(court_camera("ace_4", 0.5), cast, hall)


def _distance(p, length, ra, rb):
    """Signed distance to a rounded cone along z, by sampling its spheres."""
    share = np.linspace(0, 1, 1001)
    centers = np.stack([0 * share, 0 * share, share * length], axis=-1)
    return (np.linalg.norm(p - centers, axis=-1) - (ra + share * (rb - ra))).min()


@given(
    seed=st.integers(0, 10**6),
    length=st.floats(0.05, 1.0),
    ra=st.floats(0.02, 0.3),
    change=st.floats(-0.8, 0.8),
)
@settings(deadline=None, max_examples=80)
def test_a_ray_meets_a_rounded_cone_on_its_surface(seed, length, ra, change):
    rb = max(0.01, ra + change * length)
    rng = np.random.default_rng(seed)
    origin = rng.normal(size=3)
    origin *= 4 / np.linalg.norm(origin)
    target = np.array([0, 0, rng.uniform(0, length)]) + rng.normal(0, 0.3, 3)
    ray = (target - origin) * rng.uniform(0.3, 3)
    t = raster.hit_cone(*ray, *origin, length, ra, rb)
    along = np.linspace(0, 3, 120)
    distances = [_distance(origin + s * ray, length, ra, rb) for s in along if s < min(t, 3)]
    assert min(distances) > -2e-3 if distances else True
    if np.isfinite(t):
        assert abs(_distance(origin + t * ray, length, ra, rb)) < 2e-3


def test_a_ray_meets_a_box_on_its_near_face():
    assert raster.hit_box(np.array([-4.0, 0.3, 0.2]), np.array([2.0, 0.0, 0.0])) == 1.5
    assert raster.hit_box(np.array([-4.0, 1.3, 0.2]), np.array([2.0, 0.0, 0.0])) == np.inf
    assert raster.hit_box(np.array([-4.0, 0.3, 0.2]), np.array([-2.0, 0.0, 0.0])) == np.inf


@pytest.mark.parametrize("name", ["ace_0", "ace_4", "ace_6"])
def test_rays_of_pixels_project_back_onto_them(name):
    camera = court_camera(name)
    rays = ray_grid(camera)
    rows, cols = np.mgrid[20 : camera.size_px[1] : 97, 20 : camera.size_px[0] : 97]
    x, y = rays[rows, cols, 0], rays[rows, cols, 1]
    points = np.stack([x, y, np.ones_like(x)], axis=-1) * 9000.0
    back = camera.project((points - camera.t_mm) @ camera.R)
    known = np.isfinite(back).all(axis=-1) & (np.hypot(x, y) < 0.9)
    assert known.mean() > 0.7
    error = np.linalg.norm(back - np.stack([cols, rows], axis=-1), axis=-1)
    assert error[known].max() < 0.02


def _silhouette(camera, center_m, radius_m):
    """(row, col) pixels that a ball covers, by `raster.draw`."""
    up = np.array([0.0, 0.0, 1e-3])
    ball = cones(
        (center_m - up)[None, None],
        (center_m + up)[None, None],
        np.full((1, 2), radius_m),
        np.array([[[1.0, 0.0, 0.0]]]),
        np.ones(1),
        np.zeros((1, 4), np.int64),
    )
    width, height = camera.size_px
    z, ids = raster.sample_buffers(height, width)
    linear, offset = ball.seen_from(camera)
    casting = raster.Casting(ray_grid(camera), linear, offset, ball.shape, z, ids)
    box = np.array([[0, 0, width - 1, height - 1]])
    raster.draw(casting, box, np.full((1, 1, 5), np.inf))
    return np.argwhere((ids >= 0).any(axis=0)), z


@pytest.mark.parametrize("name", ["ace_0", "ace_1", "ace_3", "ace_5", "ace_7"])
def test_a_small_ball_is_drawn_where_its_centre_projects(name):
    camera = court_camera(name)
    place = camera.center_mm / 1000 + camera.R[2] * 8 + 1.2 * camera.R[0] - 0.5 * camera.R[1]
    pixels, z = _silhouette(camera, place, 0.12)
    expected = camera.project(1000 * place)
    np.testing.assert_allclose(pixels.mean(axis=0)[::-1], expected, atol=0.3)
    depth = camera.depth_mm(1000 * place) / 1000
    assert depth - 0.13 < z[np.isfinite(z)].min() < depth - 0.10


def test_strokes_leave_nothing_of_anybody_out(cast):
    camera = court_camera("ace_0", 0.35)
    solids, _ = frame_solids(cast, 9 + 0.15 * raster.SAMPLE_TIMES)
    width, height = camera.size_px
    linear, offset = solids.seen_from(camera)
    boxes = np.tile([0, 0, width - 1, height - 1], (len(solids), 1))
    rays, found = ray_grid(camera), []
    for strokes in (solids.strokes_px(camera), np.full((4, len(solids), 5), np.inf)):
        z, ids = raster.sample_buffers(height, width)
        known = np.isfinite(solids.strokes_px(camera)).all(axis=(0, 2))
        part = boxes * known[:, None]
        raster.draw(raster.Casting(rays, linear, offset, solids.shape, z, ids), part, strokes)
        found.append(ids)
    assert (found[1] >= 0).sum() > 3000
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("name", ["ace_0", "ace_4", "ace_5"])
def test_the_centre_circle_is_painted_where_it_projects(name, cast, hall):
    camera = court_camera(name)
    picture = CameraRenderer(camera, cast, hall).background.astype(float).mean(axis=-1)
    angle = np.linspace(0, 2 * np.pi, 73)

    def along(radius):
        ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1) * radius * 1000
        px = np.round(camera.project(ring)).astype(int)
        width, height = camera.size_px
        inside = (px >= 2).all(axis=1) & (px[:, 0] < width - 2) & (px[:, 1] < height - 2)
        return picture[px[inside, 1], px[inside, 0]]

    assert np.median(along(CENTER_CIRCLE_M)) < 0.75 * np.median(along(CENTER_CIRCLE_M - 0.25))
    assert np.median(along(CENTER_CIRCLE_M)) < 0.75 * np.median(along(CENTER_CIRCLE_M + 0.25))


def test_people_change_the_picture_where_they_are(side_view, cast):
    camera = side_view.camera
    picture = side_view.render(5).astype(int)
    clean = side_view.background.astype(int)
    solids, bodies = frame_solids(cast, np.array([5.0]))
    sights = see(camera, bodies.joints_mm[0], solids, build_hall(CONFIG.seed).frames)
    seen = sights.sight == Sight.VISIBLE
    px = np.round(sights.points_px[seen]).astype(int)
    changed = np.abs(picture - clean).sum(axis=-1)
    assert np.median(changed[px[:, 1], px[:, 0]]) > 60
    assert np.median(changed) < 30


def test_a_frame_rendered_twice_is_the_same(side_view, cast, hall):
    first = side_view.render(3)
    side_view.render(4)
    np.testing.assert_array_equal(first, side_view.render(3))
    other = CameraRenderer(side_view.camera, cast, hall)
    np.testing.assert_array_equal(first, other.render(3))


@pytest.mark.parametrize("name", ["ace_0", "ace_2", "ace_7"])
def test_sight_agrees_with_the_depth_of_the_picture(name, cast, hall):
    camera = court_camera(name, 0.7)
    solids, bodies = frame_solids(cast, np.array([6.0]))
    joints = bodies.joints_mm[0]
    sights = see(camera, joints, solids, hall.frames)
    width, height = camera.size_px
    rays, limit = ray_grid(camera), np.array([width - 1, height - 1] * 2)
    nearest = []
    for part in (solids, hall.frames):
        z, ids = raster.sample_buffers(height, width)
        linear, offset = part.seen_from(camera)
        boxes = np.clip(np.nan_to_num(part.boxes_px(camera, 24)), 0, limit).astype(np.int64)
        casting = raster.Casting(rays, linear, offset, part.shape, z, ids)
        raster.draw(casting, boxes, np.full((1, len(part), 5), np.inf))
        nearest.append((z, ids))
    (z, ids), (static_z, _) = nearest
    depth = camera.depth_mm(joints) / 1000
    agreed = total = 0
    for person, joint in np.argwhere((sights.share == 1) | (sights.share == 0)):
        if sights.sight[person, joint] == Sight.OUTSIDE:
            continue
        col, row = np.round(sights.points_px[person, joint]).astype(int)
        if not (2 <= col < width - 2 and 2 <= row < height - 2):
            continue
        total += 1
        front = z[:, row, col].min()
        owner = ids[:, row, col][z[:, row, col].argmin()] // SOLIDS_PER_PERSON
        if static_z[:, row, col].min() < min(front, depth[person, joint] - 0.1):
            expected = Sight.FRAME
        elif owner == person and front > depth[person, joint] - 0.18:
            expected = Sight.VISIBLE
        else:
            expected = Sight.SELF if owner == person else Sight.PERSON
        found = Sight(int(sights.sight[person, joint]))
        agreed += found == expected or (found == Sight.SELF and expected == Sight.VISIBLE)
    assert total > 40
    assert agreed / total > 0.97


def test_faces_are_seen_from_the_front_only(cast, hall):
    front, behind = [], []
    for frame in range(0, 20, 4):
        solids, bodies = frame_solids(cast, np.array([float(frame)]))
        for name in ("ace_1", "ace_2", "ace_4", "ace_5"):
            camera = court_camera(name)
            sights = see(camera, bodies.joints_mm[0], solids, hall.frames)
            toward = camera.center_mm / 1000 - bodies.points_m[0, :, 4]
            toward /= np.linalg.norm(toward, axis=-1, keepdims=True)
            facing = (toward * bodies.head[0, :, 1]).sum(axis=-1)
            nose = sights.sight[:, 0]
            front += nose[(facing > 0.6) & (nose != Sight.OUTSIDE)].tolist()
            behind += nose[(facing < -0.7) & (nose != Sight.OUTSIDE)].tolist()
    assert len(front) > 20
    assert len(behind) > 20
    assert np.mean(np.array(front) == Sight.VISIBLE) > 0.7
    assert np.mean(np.array(behind) == Sight.VISIBLE) == 0


def test_basket_frames_hide_people_from_the_end_cameras():
    config = replace(FULL, num_frames=400, seed=2)
    cast, hall = make_cast(config), build_hall(2)
    camera, hidden, others = court_rig()[3], 0, 0
    for frame in range(0, 400, 8):
        solids, bodies = frame_solids(cast, np.array([float(frame)]))
        sight = see(camera, bodies.joints_mm[0], solids, hall.frames).sight
        hidden += int((sight == Sight.FRAME).sum())
        others += int((sight != Sight.OUTSIDE).sum())
    assert 0.01 < hidden / others < 0.3


def test_lines_bend_with_the_lens():
    camera = court_camera("ace_4")
    ends = np.array([[-7500.0, -9000, 0], [-7500, 0, 0], [-7500, 9000, 0]])
    a, middle, b = camera.project(ends)
    way = (b - a) / np.linalg.norm(b - a)
    off = (middle - a) - ((middle - a) @ way) * way
    assert np.linalg.norm(off) > 3
