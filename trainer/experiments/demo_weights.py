"""The small detector that comes with trilabel: trained on practices, measured on the demo match.

A practice is another domain than the match: lower cameras, other clothes, fewer people. What it
gives is useful on the match and leaves to fine-tuning what fine-tuning is for. Its file is
OUT/runs/…/detector.pt; the one in resources/weights was made by this, with seed 1.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.formats.sportcenter import TEST_SUBJECTS
from core.learning.data import GroupList, open_data
from core.project.importing import import_sportcenter
from core.project.opening import LABELS_FILE
from core.project.runs.config import DataOptions
from core.synthetic import DEMO_CONFIG, AnnotatedRange, SynthConfig, synthesise
from core.synthetic.truth import TRUTH_NAME, read_truth
from core.text import percent
from trainer.experiments.bench import MEASURE_COST, RUN_SETTINGS, HeldOutBench
from trainer.experiments.report import Report, write_report
from trainer.experiments.scoring import poses_of, score
from trainer.experiments.study import Source
from trainer.experiments.tables import mean_of

if TYPE_CHECKING:
    from pathlib import Path

    from core.project.runs.folder import RunFolder
    from trainer.experiments.request import Request

_SETTINGS = (
    "data.protocol=project",
    "model.detector=small",
    "model.weights=none",
    "run.micro_batch=0",
    "pretrain.learning_rate=2e-3",
    "pretrain.decay=cosine",
    "pretrain.groups=10",
    "pretrain.heatmap_weight=1",
    "augment.rotation=20",
    "augment.color=0.3",
    *RUN_SETTINGS,
    "run.checkpoint_every=500",
)
_STEPS = {"cpu": 9000, "gpu": 20000}
_PRACTICE_SCALE = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class PracticeOptions:
    """The source domain, ``--set practice.NAME=VALUE``.

    Attributes:
        practices: how many; each has cameras and clothes of its own.
        frames: of each, at 4 a second, all of them labelled without error.
        people: on the floor; 7 and 12 are held out.
        seed: of the first practice.
    """

    practices: int = 40
    frames: int = 60
    people: int = 5
    seed: int = 1000

    def synth(self, number: int) -> SynthConfig:
        """The practice of this number."""
        return SynthConfig(
            num_frames=self.frames,
            fps=4.0,
            seed=self.seed + number,
            num_people=self.people,
            num_bystanders=0,
            picture_scale=_PRACTICE_SCALE,
            annotated=(AnnotatedRange(first=1, stop=self.frames + 1),),
            annotation_noise_px=0.0,
            detections=False,
            num_workers=1,
            setting="practice",
        )


def run(request: Request) -> None:
    """Generate, train, measure, write the report.

    Raises:
        DataError: an option is wrong.
        CommandRefusedError: the training failed or was stopped.
    """
    started = time.monotonic()
    options = request.own("practice", PracticeOptions())
    folder = (request.data or request.out) / "practice"
    first = make_practices(folder, options)
    source = Source(
        project_dir=first,
        labels_db=first / LABELS_FILE,
        settings=(
            *_SETTINGS,
            f"data.source={folder}",
            f"pretrain.steps={_STEPS[request.preset]}",
        ),
    )
    bench = HeldOutBench(request, source, ("practice",))
    bench.expect((), 2 * MEASURE_COST)
    demo = make_demo(request.data or request.out)
    report = Report("The demo's weights")
    results: dict[str, Any] = {}
    for seed in request.seeds:
        start = bench.study.pretrained(seed)
        own = bench.measure(start, start).report
        there = _on_the_demo(start, demo, bench.cache_dir)
        results[str(seed)] = {"practice": own, "demo": there}
        report.section(f"Seed {seed}: {start.id}")
        report.table(
            ["measured on", "MPJPE, mm", "PMPJPE, mm", "kept", "2D error, px (median)"],
            [
                [title, *_figures(one)]
                for title, one in (
                    ("held-out people of the practices", own),
                    ("test people of the demo match, never seen", there),
                )
            ],
        )
    report.text(
        f"{options.practices} practices of {options.frames} frames and {options.people} people "
        f"in eight views; {bench.study.base.pretrain.steps} steps of "
        f"{bench.study.base.pretrain.groups} groups from untrained weights. Triangulation: "
        "consensus. The match was seen by nobody before."
    )
    configuration = {"practice": asdict(options), "training": asdict(bench.study.base)}
    write_report(request, report, results, configuration, time.monotonic() - started)
    bench.progress.finish(f"Wrote {request.out / 'report.md'}")


def make_practices(folder: Path, options: PracticeOptions) -> Path:
    """Generate and import the practices that are not there yet; the first one's project."""
    folder.mkdir(parents=True, exist_ok=True)
    projects = [folder / f"practice-{n:03d}.trilabel" for n in range(options.practices)]

    def make(number: int) -> None:
        if not projects[number].is_dir():
            _make_project(options.synth(number), projects[number])

    with ThreadPoolExecutor() as pool:
        list(pool.map(make, range(options.practices)))
    return projects[0].absolute()


def make_demo(folder: Path) -> Path:
    """The match of ``trilabel demo`` as a project; made where it is not there yet."""
    project = folder / "demo.trilabel"
    if not project.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _make_project(DEMO_CONFIG, project)
    return project


def _make_project(config: SynthConfig, project: Path) -> None:
    match = _match_of(project)
    if not match.is_dir():
        synthesise(config, match)
    import_sportcenter(match, project, report=_silent)


def _match_of(project: Path) -> Path:
    return project.with_suffix(".match")


def _silent(line: str) -> None:
    """What the importer says of recordings that we made ourselves is no news."""
    del line


def _on_the_demo(start: RunFolder, project: Path, cache_dir: Path) -> dict[str, Any]:
    truth = read_truth(_match_of(project) / TRUTH_NAME)
    frames = range(DEMO_CONFIG.num_frames)
    groups = GroupList([(0, person, frame) for frame in frames for person in TEST_SUBJECTS])
    columns = np.searchsorted(truth.persons, groups.rows[:, 1])
    truth_mm = truth.points_mm[groups.rows[:, 2], columns]
    with open_data(DataOptions(source=str(project))) as data:
        poses = poses_of(start, data, groups, truth_mm, cache_dir)
        return score(poses, data, groups, truth_mm, poses.scale_mm).to_dict()


def _figures(report: dict[str, Any]) -> list[str]:
    one = {"it": [report]}
    return [
        *(f"{mean_of(one, 'it', 'common', name):.1f}" for name in ("mpjpe", "pmpjpe")),
        percent(mean_of(one, "it", "common", "coverage")),
        f"{float(report['pixels']['all']['median_px']):.1f}",
    ]
