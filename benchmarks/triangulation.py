"""How fast triangulation is, in one table: ours, the naive SVD route, and what others install.

    python benchmarks/triangulation.py [--quick]

Joints on a synthetic court, 2 px of noise on every view, one thread. All methods of a size are run
in turn, again and again, and medians are compared, so that a busy machine slows all of them alike.
"naive" is `torch.linalg.svd` of every pair in float64, 50 Weiszfeld steps from the mean, and an
SVD of the weighted rows; "+ backward" of it unrolls all of that by autograd, "held" only the last
SVD. Routes that take too long on the whole are timed on fewer joints, and told so by a "~".
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import itertools
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before numpy and torch read them.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402

from core.geometry import robust_triangulate, triangulate, warm_up  # noqa: E402
from core.geometry.torch_triangulation import robust_eager  # noqa: E402
from core.geometry.triangulation import Options  # noqa: E402
from core.recording.cv import cv2  # noqa: E402
from tests.geometry.svd_reference import pairwise, weiszfeld  # noqa: E402
from tests.geometry.triangulation_cases import court_scene  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

SCALE_MM = 30.0
NAIVE = "naive: SVD per pair, float64"
NAIVE_BACKWARD = "naive + backward"
# One call of a slow route takes about this long at most; more joints are extrapolated.
LONGEST_CALL_S = 0.6


@dataclass
class Case:
    """One size: joints x views, and the same pixels as every library wants them."""

    points_px: NDArray[np.float64]
    projections: NDArray[np.float64]

    def first(self, num_joints: int) -> Case:
        """The same with fewer joints."""
        return Case(np.ascontiguousarray(self.points_px[:, :num_joints]), self.projections)


@dataclass
class Method:
    """A row of the table: `prepare` returns what is timed; `against` names its yardstick."""

    name: str
    prepare: Callable[[Case], Callable[[], object]]
    against: str = NAIVE
    most_pairs: int = 1 << 30


def _naive(case: Case, *, backward: bool = False, constants: bool = True) -> Callable[[], object]:
    points_px = torch.from_numpy(case.points_px).permute(1, 0, 2).contiguous()
    projections = torch.from_numpy(case.projections)

    def forward() -> object:
        with torch.no_grad():
            return pairwise(points_px, projections, median=weiszfeld)

    def both() -> None:
        leaf = points_px.clone().requires_grad_()
        answer = pairwise(leaf, projections, median=weiszfeld, constants=constants)
        answer.points_mm.sum().backward()

    return both if backward else forward


def _ours_numpy(weighting: Any, real: type, **options: Any) -> Callable[[Case], Any]:  # noqa: ANN401
    def prepare(case: Case) -> Callable[[], object]:
        points_px = case.points_px.astype(real)
        return lambda: robust_triangulate(
            points_px, case.projections, weighting=weighting, scale_mm=SCALE_MM, **options
        )

    return prepare


def _ours_plain(case: Case) -> Callable[[], object]:
    return lambda: triangulate(case.points_px, case.projections)


def _ours_torch(*, eager: bool, backward: bool) -> Callable[[Case], Any]:
    options = Options(
        weighting="pairwise",
        rule="wss",
        sigma_mm=10.0,
        wss_threshold_mm=20.0,
        scale_mm=SCALE_MM,
        min_views=3,
        row_exponent=1.0,
    )

    def prepare(case: Case) -> Callable[[], object]:
        leaf = torch.from_numpy(case.points_px).clone().requires_grad_(backward)
        projections = torch.from_numpy(case.projections)

        def run() -> object:
            if eager:
                answer = robust_eager(leaf, projections, None, None, options)
            else:
                answer = robust_triangulate(leaf, projections)
            if backward:
                leaf.grad = None
                answer.points_mm.sum().backward()
            return answer

        return run

    return prepare


def _median_numpy(candidates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weiszfeld over axis 0, as the naive route."""
    x = candidates.mean(0)
    for _ in range(50):
        w = 1.0 / np.sqrt(((candidates - x) ** 2).sum(-1, keepdims=True) + 1e-2)
        x = (candidates * w).sum(0) / w.sum(0)
    return x


def _opencv(case: Case) -> Callable[[], object]:
    cv2.setNumThreads(1)
    pixels = [np.ascontiguousarray(view.T) for view in case.points_px]
    pairs = list(itertools.combinations(range(len(pixels)), 2))

    def run() -> object:
        found: list[NDArray[np.float64]] = []
        for a, b in pairs:
            P = case.projections
            h = cv2.triangulatePoints(P[a], P[b], pixels[a], pixels[b])
            found.append((h[:3] / h[3]).T)
        return _median_numpy(np.stack(found))

    return run


def _kornia(case: Case) -> Callable[[], object]:
    epipolar: Any = importlib.import_module("kornia.geometry.epipolar")
    points_px, P = torch.from_numpy(case.points_px), torch.from_numpy(case.projections)
    pairs = torch.tensor(list(itertools.combinations(range(len(P)), 2)))
    first, second = pairs[:, 0], pairs[:, 1]

    def run() -> object:
        found = epipolar.triangulate_points(
            P[first], P[second], points_px[first], points_px[second]
        )
        return weiszfeld(found.transpose(0, 1) * 1e-3)

    return run


def _camera_parts(P: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """K and [R | t] of the court's cameras, whose K is known but for its scale."""
    K: NDArray[np.float64] = np.array([[900.0, 0.0, 960.0], [0.0, 900.0, 540.0], [0.0, 0.0, 1.0]])
    return K, np.linalg.solve(K, P).astype(np.float64)


def _pycolmap(case: Case) -> Callable[[], object]:
    pycolmap: Any = importlib.import_module("pycolmap")

    parts = [_camera_parts(P) for P in case.projections]
    poses = [pose for _, pose in parts]
    inverse = np.linalg.inv(parts[0][0])
    pixels = np.concatenate([case.points_px, np.ones((*case.points_px.shape[:2], 1))], axis=-1)
    rays = np.ascontiguousarray((pixels @ inverse.T).transpose(1, 0, 2))
    if "cam_rays" in (pycolmap.triangulate_multi_view_point.__doc__ or ""):
        rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    else:
        rays = np.ascontiguousarray(rays[..., :2])
    return lambda: [pycolmap.triangulate_multi_view_point(poses, r) for r in rays]


def _aniposelib(case: Case) -> Callable[[], object]:
    anipose: Any = importlib.import_module("aniposelib.cameras")
    cameras: list[Any] = []
    for c, P in enumerate(case.projections):
        K, pose = _camera_parts(P)
        cameras.append(
            anipose.Camera(
                matrix=K,
                dist=np.zeros(5),
                size=(1920, 1080),
                rvec=Rotation.from_matrix(pose[:, :3]).as_rotvec(),
                tvec=pose[:, 3],
                name=str(c),
            )
        )
    group = anipose.CameraGroup(cameras)
    return lambda: group.triangulate(case.points_px, undistort=False)


METHODS = (
    Method(NAIVE, _naive),
    Method(NAIVE_BACKWARD, lambda c: _naive(c, backward=True, constants=False), NAIVE_BACKWARD),
    Method("naive, held + backward", lambda c: _naive(c, backward=True), NAIVE_BACKWARD),
    Method("ours, numpy", _ours_numpy("pairwise", np.float64)),
    Method("ours, numpy, float32 in", _ours_numpy("pairwise", np.float32)),
    Method("ours, numpy, auto σ and λ", _ours_numpy("pairwise", np.float64, sigma_mm="auto",
                                                     wss_threshold_mm="auto")),
    Method("ours, numpy, consensus", _ours_numpy("consensus", np.float64)),
    Method("ours, numpy, plain DLT", _ours_plain),
    Method("ours, torch on the CPU", _ours_torch(eager=False, backward=False)),
    Method("  + backward", _ours_torch(eager=False, backward=True), NAIVE_BACKWARD),
    Method("ours, torch operations alone", _ours_torch(eager=True, backward=False)),
    Method("  alone + backward", _ours_torch(eager=True, backward=True), NAIVE_BACKWARD),
    Method("OpenCV pairs + median", _opencv),
    Method("kornia pairs + median", _kornia),
    Method("pycolmap plain multi-view DLT", _pycolmap),
    Method("aniposelib plain DLT", _aniposelib),
)  # fmt: skip


@dataclass
class Result:
    """One cell: seconds a joint (median), whether extrapolated, and peak memory above the start."""

    seconds: float
    extrapolated: bool
    peak_mb: float | None


def _peak_mb(run: Callable[[], object]) -> float | None:
    """Memory that one call needs above what is held before it (Linux; None elsewhere)."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not status.exists():
        return None

    def read(field: str) -> float:
        line = next(x for x in status.read_text().splitlines() if x.startswith(field))
        return float(line.split()[1]) / 1024

    try:
        reset.write_text("5")
    except OSError:
        return None
    # What earlier calls freed but the allocator kept would hide what this one needs.
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)(0)
        reset.write_text("5")
    before = read("VmRSS")
    run()
    return max(0.0, read("VmHWM") - before)


def _time(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _fit(method: Method, case: Case) -> tuple[Callable[[], object], int] | None:
    """What to time and on how many joints, so that a call stays short; None if not installed."""
    total = case.points_px.shape[1]
    try:
        probe = method.prepare(case.first(min(17, total)))
        probe()
    except ImportError:
        return None
    each = _time(probe) / min(17, total)
    num_joints = min(total, max(17, int(LONGEST_CALL_S / each)))
    return method.prepare(case.first(num_joints)), num_joints


def measure(case: Case, rounds: int) -> dict[str, Result]:
    """Every installed method on one case, interleaved."""
    fitted = {m.name: f for m in METHODS if (f := _fit(m, case)) is not None}
    peaks = {name: _peak_mb(run) for name, (run, _) in fitted.items()}
    times: dict[str, list[float]] = {name: [] for name in fitted}
    for _ in range(rounds):
        for name, (run, num_joints) in fitted.items():
            once = _time(run)
            repeats = max(1, min(50, int(0.01 / max(once, 1e-6))))
            spent = [once] + [_time(run) for _ in range(repeats - 1)]
            times[name].append(statistics.median(spent) / num_joints)
    total = case.points_px.shape[1]
    return {
        name: Result(statistics.median(times[name]), num_joints < total, peaks[name])
        for name, (_, num_joints) in fitted.items()
    }


def _rows(case: Case, results: dict[str, Result]) -> Iterator[str]:
    num_views, num_joints = case.points_px.shape[:2]
    yield f"\n{num_joints} joints, {num_views} views"
    yield f"  {'':32}{'joints/s':>12}{'ms/call':>11}{'ratio':>9}{'peak MB':>9}"
    for method in METHODS:
        result = results.get(method.name)
        if result is None:
            yield f"  {method.name:32}{'not installed':>12}"
            continue
        ratio = results[method.against].seconds / result.seconds
        mark = "~" if result.extrapolated else ""
        peak = "-" if result.peak_mb is None or result.extrapolated else f"{result.peak_mb:.0f}"
        yield (
            f"  {method.name:32}{mark + format(1 / result.seconds, ',.0f'):>12}"
            f"{1e3 * result.seconds * num_joints:>11.3f}{ratio:>9.1f}{peak:>9}"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="8 views only, fewer rounds")
    parser.add_argument("--rounds", type=int, help="rounds per size (default 7, quick 3)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    warm_up()
    print(f"kernels loaded or compiled in {time.perf_counter() - start:.1f} s")
    print("ratio: against the naive route; rows with backward against the naive one with backward")
    rounds = arguments.rounds or (3 if arguments.quick else 7)
    sizes = [(17, 8), (204, 8), (20_400, 8)]
    if not arguments.quick:
        sizes += [(204, 4), (204, 16), (204, 32), (204, 64)]
    for num_joints, num_views in sizes:
        scene = court_scene(num_joints, num_cameras=num_views, noise_px=2.0)
        case = Case(scene.points_px, scene.projections)
        print("\n".join(_rows(case, measure(case, rounds))), flush=True)


if __name__ == "__main__":
    main()
