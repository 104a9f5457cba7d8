"""The lens model: there and back, where it folds over, and its gradient."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.geometry import Rig
from core.geometry.camera import Camera
from core.geometry.distortion import distort, fold_radius, newton_step
from core.geometry.torch_lens import TensorLenses
from tests.geometry.camera_rigs import LENSES, court_rig, look_at


def camera_with(coefficients) -> Camera:
    K = np.array([[800.0, 2.0, 640], [0, 810, 480], [0, 0, 1]])
    return Camera("a", K, np.array(coefficients), np.eye(3), np.zeros(3))


small = st.floats(-0.02, 0.02)
lenses = st.one_of(
    st.tuples(st.floats(-0.4, 0.3), st.floats(-0.1, 0.2), small, small),
    st.tuples(st.floats(-0.4, 0.3), st.floats(-0.1, 0.2), small, small, st.floats(-0.05, 0.05)),
    st.tuples(
        *[st.floats(-0.3, 0.5), st.floats(-0.1, 0.2), small, small, st.floats(-0.05, 0.05)],
        *[st.floats(0, 0.5), st.floats(0, 0.2), st.floats(0, 0.05)],
    ),
    st.tuples(
        *[st.floats(-0.4, 0.3), st.floats(-0.1, 0.2), small, small, st.floats(-0.05, 0.05)],
        *[st.floats(0, 0.5), st.floats(0, 0.2), st.floats(0, 0.05), small, small, small, small],
    ),
)


@given(lenses, st.integers(0, 2**31))
@settings(deadline=None, max_examples=150)
def test_undistortion_undoes_distortion_within_the_valid_field(coefficients, seed):
    camera = camera_with(coefficients)
    radius = min(camera.lens.model.limit, 3.0)
    rng = np.random.default_rng(seed)
    angles, radii = rng.uniform(0, 2 * np.pi, 200), 0.98 * radius * np.sqrt(rng.uniform(0, 1, 200))
    undistorted = np.stack(
        camera.lens.to_px(radii * np.cos(angles), radii * np.sin(angles)), axis=-1
    )
    raw = camera.distort(undistorted)
    assert np.isfinite(raw).all()
    back = camera.undistort(raw)
    assert np.isnan(back).mean() <= 0.02, "points within the field come back"
    again = np.isfinite(back).all(-1)
    np.testing.assert_allclose(back[again], undistorted[again], rtol=0, atol=1e-6)


@given(lenses, st.integers(0, 2**31))
@settings(deadline=None, max_examples=100)
def test_whatever_undistortion_answers_is_imaged_at_the_pixel_asked_for(coefficients, seed):
    camera = camera_with(coefficients)
    raw = np.random.default_rng(seed).uniform(-3000, 4000, (200, 2))
    undistorted = camera.undistort(raw)
    found = np.isfinite(undistorted).all(-1)
    np.testing.assert_allclose(camera.distort(undistorted)[found], raw[found], rtol=0, atol=1e-6)


@given(lenses)
@settings(deadline=None, max_examples=100)
def test_the_lens_is_one_to_one_within_the_fold_radius(coefficients):
    radius = min(fold_radius(coefficients), 5.0)
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)[:, None]
    radii = np.linspace(0, radius, 500)
    x, y = radii * np.cos(angles), radii * np.sin(angles)
    assert (newton_step(x, y, 0.0, 0.0, coefficients)[2] > 0).all()


def test_the_fold_radius_of_a_cubic_is_where_its_slope_is_zero():
    assert fold_radius([-1 / 3, 0, 0, 0]) == pytest.approx(1.0, rel=6e-3)
    assert fold_radius([-1 / 3, 0, 0, 0]) < 1.0
    assert fold_radius([0.1, 0.1, 0, 0]) == np.inf
    assert fold_radius([]) == np.inf


@pytest.mark.parametrize("lens", LENSES)
def test_a_newton_step_knows_the_jacobian(lens):
    coefficients = LENSES[lens]
    x, y = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.3, -0.4))
    xd, yd = distort(x, y, coefficients)
    rows = [torch.autograd.grad(v, (x, y), retain_graph=True, allow_unused=True) for v in (xd, yd)]
    J = np.array([[0.0 if g is None else g.item() for g in row] for row in rows])
    target = np.array([0.25, -0.5])
    step = np.linalg.solve(J, target - [xd.item(), yd.item()])
    new_x, new_y, determinant = newton_step(0.3, -0.4, *target, coefficients)
    np.testing.assert_allclose([new_x - 0.3, new_y + 0.4], step, atol=1e-12)
    assert determinant == pytest.approx(np.linalg.det(J))


def every_lens() -> Rig:
    return Rig(tuple(look_at(name, (0, -5e3, 2e3), distortion=k) for name, k in LENSES.items()))


def test_tensors_and_arrays_are_straightened_alike():
    rig = every_lens()
    raw = np.random.default_rng(0).uniform(-300, 1700, (2, len(rig), 40, 2))
    raw[0, 0, 0] = np.nan
    lenses_of_rig = TensorLenses.of(rig)
    undistorted = lenses_of_rig.undistort(torch.from_numpy(raw))
    np.testing.assert_allclose(undistorted.numpy(), rig.undistort(raw), atol=1e-9)
    again = lenses_of_rig.distort(undistorted).numpy()
    np.testing.assert_allclose(again, rig.distort(rig.undistort(raw)), atol=1e-9)
    single = lenses_of_rig.undistort(torch.from_numpy(raw).float())
    assert single.dtype == torch.float32
    good = np.isfinite(single.numpy()) & np.isfinite(undistorted.numpy())
    # A float32 pixel is known to 6e-5; a point near the fold radius stretches that.
    assert np.median(np.abs(single.numpy() - undistorted.numpy())[good]) < 1e-4


@pytest.mark.parametrize("direction", ["undistort", "distort"])
def test_gradients_through_the_lens_are_right(direction):
    rig = every_lens()
    points = np.random.default_rng(1).uniform([300, 100], [1100, 800], (len(rig), 3, 2))
    tensor = torch.from_numpy(points).requires_grad_()
    assert torch.autograd.gradcheck(getattr(TensorLenses.of(rig), direction), tensor, eps=1e-4)


@pytest.mark.parametrize("direction", ["undistort", "distort"])
@pytest.mark.parametrize("distorted", [True, False])
def test_an_absent_or_unbelievable_point_spoils_no_gradient(direction, distorted):
    rig = court_rig(2, (-0.3, 0.0) if distorted else ())
    points = torch.full((2, 3, 2), 500.0, dtype=torch.float64)
    points[0, 0] = torch.nan
    points[1, 2] = 1e5
    points.requires_grad_()
    answer = getattr(TensorLenses.of(rig), direction)(points)
    assert answer[0, 0].isnan().all()
    assert answer[1, 2].isnan().all() == distorted
    (gradient,) = torch.autograd.grad(answer.nansum(), points)
    assert gradient.isfinite().all()
    assert (gradient[0, 1:] != 0).any(-1).all()


def test_tensors_of_another_rig_are_refused():
    with pytest.raises(ValueError, match="points_px"):
        TensorLenses.of(court_rig(3)).undistort(torch.zeros(2, 5, 2))
