"""How soon the predictions of a whole match open, and what they take: measured in a fresh process.

    python benchmarks/predictions.py [--frames 67000] [--cameras 8] [--people 12] [--joints 13]
        [--block 100] [--no-single] [--unfinished] [--keep DIR]

Writes a round of made-up predictions as a training does, in blocks, and prints the time, disk space
and peak memory of that; then for a new process: opening, aggregates, the first frame, random
frames, bytes read, peak memory. The bound at work: no process holds more than one block.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from core.project.predictions import (
    PredictionBlock,
    PredictionRows,
    RoundHeader,
    block_name,
    finish_round,
    write_predictions,
)
from core.project.runs.events import Predicted, PredictionRoundFinished, decode_event, encode_event

_PROBE = """
import json, sys, time
def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
def bytes_read():
    with open("/proc/self/io") as counts:
        return int(counts.readline().split()[1])
from pathlib import Path
import numpy as np
from benchmarks.predictions import JournalRun
from core.project.predictions import RunPredictions
assert "torch" not in sys.modules
before, read, start = status("VmRSS"), bytes_read(), time.perf_counter()
found = RunPredictions(JournalRun(Path(sys.argv[1])))
rounds = found.rounds
opened = time.perf_counter()
aggregates = found.aggregates()
table = aggregates.grid("worst_residual_px", range(int(sys.argv[3])), int(sys.argv[2]))
tabled = time.perf_counter()
read_open = bytes_read() - read
frames = np.random.default_rng(1).integers(0, int(sys.argv[2]), 300).tolist()
first = found.at(frames[0])
seen = time.perf_counter()
times, read = [], bytes_read()
for frame in frames:
    begin = time.perf_counter()
    found.at(frame)
    times.append(time.perf_counter() - begin)
print(json.dumps({
    "open_s": opened - start, "aggregates_s": tabled - opened, "first_frame_s": seen - tabled,
    "frame_p50_ms": 1e3 * float(np.median(times)),
    "frame_p95_ms": 1e3 * float(np.quantile(times, 0.95)),
    "open_read_mb": read_open / 1e6, "frame_read_mb": (bytes_read() - read) / 300e6,
    "grown_mb": status("VmHWM") - before, "rows": len(aggregates), "table": list(table.shape),
    "people": len(first.rows),
}))
"""


class JournalRun:
    """A folder with ``events.jsonl`` and ``predictions/``: what a reader needs of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.predictions_dir = path / "predictions"

    def events(self, offset: int = 0) -> tuple[list[object], int]:
        """The events from a byte offset on."""
        content = (self.path / "events.jsonl").read_bytes()
        return [decode_event(line) for line in content[offset:].splitlines()], len(content)


def rows(about: RoundHeader, start: int, stop: int, num_people: int) -> PredictionBlock:
    """Everybody at some frames; noise in every bit, as a network's answers have."""
    frames = np.repeat(np.arange(start, stop), num_people)
    num, cams, joints = len(frames), len(about.cameras), len(about.joints)
    rng = np.random.default_rng(start)

    def values(*axes: int, center: float = 500.0, spread: float = 30.0) -> np.ndarray:
        noise = rng.standard_normal((num, *axes), dtype=np.float32)
        return (center + spread * noise).astype(np.float32)

    points_px = values(cams, joints, 2)
    points_px[rng.random((num, cams)) < 0.25] = np.nan
    content = PredictionRows(
        recordings=np.zeros(num, np.int64),
        frames=frames,
        persons=np.tile(np.arange(num_people), stop - start),
        points_px=points_px,
        confidence=rng.random((num, cams, joints), dtype=np.float32),
        points_mm=values(joints, 3, center=3000.0, spread=400.0),
        weights=rng.random((num, cams, joints), dtype=np.float32),
        wss_mm=values(joints, center=30.0, spread=5.0),
        kept=rng.random((num, joints)) < 0.9,
        deviation_mm=values(joints, center=20.0, spread=3.0),
        single_mm=values(cams, joints, 3, center=3000.0) if about.has_single else None,
        root_depth_mm=values(cams, center=9000.0) if about.has_single else None,
        worst_residual_px=values(center=8.0, spread=2.0),
        kept_share=rng.random(num, dtype=np.float32),
        mean_weight=rng.random(num, dtype=np.float32),
        num_views=np.full(num, cams, np.int16),
    )
    moments = np.stack([np.zeros(stop - start, np.int64), np.arange(start, stop)], axis=1)
    return PredictionBlock(moments=moments, rows=content)


def build(
    path: Path,
    *,
    num_frames: int,
    num_cameras: int,
    num_people: int,
    num_joints: int = 13,
    block: int = 100,
    single: bool = True,
    finish: bool = True,
) -> None:
    """Write a round as a training does."""
    folder = path / "predictions"
    folder.mkdir(parents=True)
    starts = range(0, num_frames, block)
    about = RoundHeader(
        run="benchmark",
        round=1,
        num_blocks=len(starts),
        scope="all",
        stage="predict",
        step=0,
        key="benchmark",
        cameras=tuple(f"ace_{c}" for c in range(num_cameras)),
        joints=tuple(f"joint_{j}" for j in range(num_joints)),
        has_single=single,
        settings={"weighting": "consensus", "scale_mm": 14.0},
    )
    with (path / "events.jsonl").open("wb") as journal:
        for number, start in enumerate(starts):
            stop = min(start + block, num_frames)
            name = block_name(1, number)
            content = rows(about, start, stop, num_people)
            count = write_predictions(folder / name, about, number, content)
            said = Predicted(round=1, file=name, first_frame=start, stop_frame=stop, rows=count)
            journal.write(encode_event(said))
        if finish:
            finish_round(folder, [block_name(1, number) for number in range(len(starts))])
            journal.write(encode_event(PredictionRoundFinished(round=1, stage="predict", step=0)))


def measure(path: Path, num_frames: int, num_people: int) -> dict[str, float]:
    """Open the predictions in a process of its own (Linux: it reads /proc)."""
    command = [sys.executable, "-c", _PROBE, str(path), str(num_frames), str(num_people)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(found.stdout)


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    numbers = (("frames", 67_000), ("cameras", 8), ("people", 12), ("joints", 13), ("block", 100))
    for name, number in numbers:
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--no-single", action="store_true", help="without single-view poses")
    parser.add_argument("--unfinished", action="store_true", help="as a round that is under way")
    parser.add_argument("--keep", type=Path, help="write (or find) the predictions here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        path = arguments.keep or Path(temporary) / "run"
        if not path.exists():
            start = time.perf_counter()
            build(
                path,
                num_frames=arguments.frames,
                num_cameras=arguments.cameras,
                num_people=arguments.people,
                num_joints=arguments.joints,
                block=arguments.block,
                single=not arguments.no_single,
                finish=not arguments.unfinished,
            )
            print(f"written in {time.perf_counter() - start:.1f} s")
            if sys.platform == "linux":
                status = Path("/proc/self/status").read_text("ascii").splitlines()
                print(next(line for line in status if line.startswith("VmHWM")))
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        print(f"size             {size / 1e6:8.0f} MB")
        for name, value in measure(path, arguments.frames, arguments.people).items():
            print(f"{name:16} {value if isinstance(value, list) else round(value, 3)}")


if __name__ == "__main__":
    main()
