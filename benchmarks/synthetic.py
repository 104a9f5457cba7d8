"""How fast a synthetic match is made: view images a second on one core, and the demo as a whole.

    .venv/bin/python benchmarks/synthetic.py [--frames N] [--demo]

The first table is CPU time of one thread, compiled code already loaded; with ``--demo`` the demo's
data set is generated as on a user's first run, all cores, and measured on the wall clock.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import mean

from core.recording.cv import cv2
from core.synthetic import DEMO_CONFIG, SynthConfig, synthesise
from core.synthetic.figures import Cast, make_cast
from core.synthetic.hall import Hall, build_hall
from core.synthetic.rig import court_rig
from core.synthetic.sight import ViewTruth, watch
from core.synthetic.view import CameraRenderer

GOAL_PER_S = 15


def _thread_ms(start: float, num: int) -> float:
    return (time.thread_time() - start) * 1000 / num


def _measure_camera(cast: Cast, hall: Hall, index: int, num_frames: int) -> tuple[float, ...]:
    """Milliseconds: setting up, then per image: picture, JPEG, truth."""
    camera = court_rig()[index]
    start = time.thread_time()
    renderer = CameraRenderer(camera, cast, hall)
    setup = _thread_ms(start, 1)
    frames = range(0, cast.config.num_frames, max(1, cast.config.num_frames // num_frames))
    start = time.thread_time()
    pictures = [renderer.render(frame) for frame in frames]
    drawing = _thread_ms(start, len(frames))
    quality = [cv2.IMWRITE_JPEG_QUALITY, cast.config.jpeg_quality]
    start = time.thread_time()
    for picture in pictures:
        cv2.imencode(".jpg", picture, quality)
    encoding = _thread_ms(start, len(frames))
    truth = ViewTruth.empty(cast.config.num_frames, len(cast.looks))
    start = time.thread_time()
    watch(camera, cast, hall.frames, range(len(frames)), truth)
    return setup, drawing, encoding, _thread_ms(start, len(frames))


def _print_cameras(num_frames: int) -> None:
    config = SynthConfig(num_frames=40 * num_frames, seed=1)
    cast, hall = make_cast(config), build_hall(config.seed)
    _measure_camera(cast, hall, 0, 2)
    print(f"{'camera':8}{'set up':>10}{'picture':>10}{'JPEG':>8}{'truth':>8}{'images/s':>10}")
    rows = []
    for index, name in enumerate(court_rig().names):
        setup, *parts = _measure_camera(cast, hall, index, num_frames)
        rows.append(sum(parts))
        cells = f"{setup:7.0f} ms" + "".join(f"{part:6.1f}ms" for part in parts)
        print(f"{name:8}{cells}{1000 / rows[-1]:10.1f}")
    print(f"all cameras: {1000 / mean(rows):.1f} images/s on one core (goal {GOAL_PER_S})")


def _print_demo() -> None:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        synthesise(DEMO_CONFIG, Path(folder) / "demo")
        took = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    num_images = DEMO_CONFIG.num_frames * len(DEMO_CONFIG.camera_names)
    print(f"demo: {num_images} images in {took:.1f} s, {size / 1e6:.0f} MB")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=24, help="frames measured a camera")
    parser.add_argument("--demo", action="store_true", help="also generate the demo's data set")
    arguments = parser.parse_args()
    _print_cameras(arguments.frames)
    if arguments.demo:
        _print_demo()


if __name__ == "__main__":
    main()
