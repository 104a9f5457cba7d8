"""How soon a whole match opens: a project of synthetic rows, measured in a fresh process.

    python benchmarks/project.py [--frames 67000] [--cameras 8] [--people 12] [--views 8]
        [--keep DIR]

Prints the time and size of the import, then for a new process: imports, opening, the first frame,
random frames, peak memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.geometry import Camera, Rig
from core.people import GroundTracks, IdentifiedDetections
from core.project import BulkLabels, Project, ProjectSpec
from core.skeleton import load_skeleton

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 1000

_PROBE = """
import json, sys, time
def peak_mb():
    # Not getrusage's, which starts from the size of the parent process.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
def bytes_read():
    # What was asked of the system, from the disk or its cache.
    with open("/proc/self/io") as counts:
        return int(counts.readline().split()[1])
start = time.perf_counter()
from pathlib import Path
from core.project import Project
import numpy as np
imported, read, cpu = time.perf_counter(), bytes_read(), time.process_time()
project = Project.open(Path(sys.argv[1]))
opened = time.perf_counter()
first = project.observations(project.num_frames // 2)
seen, read_first = time.perf_counter(), bytes_read() - read
cpu = time.process_time() - cpu
read = bytes_read()
project.observations(project.num_frames // 3)
read_frame = bytes_read() - read
times = []
for frame in np.random.default_rng(1).integers(0, project.num_frames, 300).tolist():
    begin = time.perf_counter()
    project.observations(frame)
    times.append(time.perf_counter() - begin)
persons = project.persons
labelled = len(project.labelled_frames())
print(json.dumps({
    "import_s": imported - start, "open_s": opened - imported, "first_frame_s": seen - opened,
    "frame_p50_ms": 1e3 * float(np.median(times)),
    "frame_p95_ms": 1e3 * float(np.quantile(times, 0.95)),
    "peak_mb": peak_mb(),
    "open_cpu_s": cpu, "open_read_mb": read_first / 1e6, "frame_read_mb": read_frame / 1e6,
    "persons": len(persons), "labelled": labelled, "shape": list(first.points_px.shape),
}))
"""


def ring(num_cameras: int) -> Rig:
    """Cameras on a circle that look at the court's centre from 7 m up."""
    K = np.array([[1000.0, 0, 688], [0, 1000, 496], [0, 0, 1]])
    cameras: list[Camera] = []
    for c, angle in enumerate(2 * np.pi * np.arange(num_cameras) / num_cameras):
        center = np.array([18_000 * np.cos(angle), 18_000 * np.sin(angle), 7000.0])
        ahead = -center / np.linalg.norm(center)
        right = np.cross(ahead, [0.0, 0, 1])
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(ahead, right), ahead])
        cameras.append(Camera(f"ace_{c}", K, np.zeros(5), R, -R @ center, (1376, 992)))
    return Rig(tuple(cameras))


def rows(
    num_frames: int, num_cameras: int, num_people: int, num_joints: int, num_views: int
) -> Iterator[IdentifiedDetections]:
    """Everybody in some views of every frame, in blocks; coordinates to a quarter pixel."""
    rng = np.random.default_rng(3)
    pose = rng.uniform(0, 100, (num_joints, 2))
    for start in range(0, num_frames, _BLOCK):
        frames = np.arange(start, min(start + _BLOCK, num_frames), dtype=np.int32)
        frame, camera, person = (
            axis.ravel()
            for axis in np.meshgrid(
                frames, np.arange(num_cameras), np.arange(num_people), indexing="ij"
            )
        )
        seen = (frame + camera + person) % num_cameras < num_views
        frame, camera, person = frame[seen], camera[seen], person[seen]
        place = np.stack(
            [(7 * frame + 90 * person) % 1200, (3 * frame + 70 * camera) % 800], axis=1
        )
        points = place[:, None] + pose + rng.normal(0, 2, (len(frame), num_joints, 2))
        confidence = rng.integers(0, 100, (len(frame), num_joints)) / 100
        yield IdentifiedDetections(
            frame=frame.astype(np.int32),
            camera=camera.astype(np.int16),
            person=person.astype(np.int32),
            points_px=(np.round(points * 4) / 4).astype(np.float32),
            confidence=confidence.astype(np.float32),
            score=np.full(len(frame), 0.75, np.float32),
            is_hand=np.zeros(len(frame), bool),
        )


def build(path: Path, num_frames: int, num_cameras: int, num_people: int, num_views: int) -> None:
    """Make the project, tracks and 50,000 labels included."""
    skeleton = load_skeleton("sportcenter13")
    num_joints = skeleton.num_joints
    spec = ProjectSpec(
        name="match", rig=ring(num_cameras), skeleton=skeleton, num_frames=num_frames
    )
    with Project.create(path, spec) as project:
        frame, person = np.meshgrid(np.arange(num_frames), np.arange(num_people), indexing="ij")
        angle = 0.001 * frame + person
        ground = np.stack([8000 * np.cos(angle), 5000 * np.sin(angle)], axis=-1)
        project.write_tracks(
            GroundTracks.from_rows(person.ravel(), frame.ravel(), ground.reshape(-1, 2))
        )
        project.add_import(
            rows(num_frames, num_cameras, num_people, num_joints, num_views), "benchmark"
        )
        labelled = np.linspace(0, num_frames - 1, min(num_frames, 70)).astype(np.int64)
        keys = np.stack(
            np.meshgrid(
                labelled,
                np.arange(num_cameras),
                np.arange(min(7, num_people)),
                np.arange(num_joints),
                indexing="ij",
            ),
            axis=-1,
        ).reshape(-1, 4)
        project.import_labels(
            BulkLabels(
                keys=keys,
                points_px=np.random.default_rng(0).uniform(0, 900, (len(keys), 2)),
                occluded=np.zeros(len(keys), bool),
                point_keys=np.zeros((0, 3), np.int64),
                points_mm=np.zeros((0, 3)),
                origin="import:benchmark",
            ),
            "Import labels",
        )


def measure(path: Path) -> dict[str, float]:
    """Open the project in a process of its own (Linux: it reads /proc)."""
    found = subprocess.run(
        [sys.executable, "-c", _PROBE, str(path)], capture_output=True, text=True, check=True
    )
    return json.loads(found.stdout)


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, number in (("frames", 67_000), ("cameras", 8), ("people", 12), ("views", 8)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--keep", type=Path, help="build (or find) the project here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        path = arguments.keep or Path(temporary) / "match.trilabel"
        if not path.exists():
            start = time.perf_counter()
            build(path, arguments.frames, arguments.cameras, arguments.people, arguments.views)
            print(f"built in {time.perf_counter() - start:.1f} s")
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        print(f"size    {size / 1e6:8.0f} MB")
        for name, value in measure(path).items():
            print(f"{name:16} {value if isinstance(value, list) else round(value, 3)}")


if __name__ == "__main__":
    main()
