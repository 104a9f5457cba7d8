"""The synthetic court of the experiments: a match with pictures, its project, and its truth.

Generated once into the experiment's folder (or ``--data``) and used by every row. Of the court's
experiments only `Match.truth_mm` opens truth.h5, and only when something is evaluated: without the
file everything still trains.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from core.files import write_text_atomically
from core.formats.sportcenter import TEST_SUBJECTS
from core.learning.data import GroupList
from core.project.importing import import_sportcenter
from core.synthetic import CAMERA_NAMES, AnnotatedRange, SynthConfig, synthesise
from core.synthetic.truth import TRUTH_NAME, read_truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.experiments.progress import Progress

_MADE_FROM = "made_from.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchOptions:
    """The match, ``--set match.NAME=VALUE``.

    Attributes:
        frames: length; at `fps`, so that poses differ from frame to frame.
        fps: frames a second.
        scale: of the pictures; 1 = SportCenter's size.
        people: 2 to 13; subjects 7 and 12 are the test people.
        cameras: side cameras in use, 3 to 6.
        annotate_every: each n-th frame is annotated by hand, with clicks that err by as much of
            the person as 1 px does in full-size pictures.
        seed: of the match, not of the training.
        evaluate_every: each n-th frame of the test people is evaluated.
    """

    frames: int = 360
    fps: float = 8.0
    scale: float = 0.5
    people: int = 12
    cameras: int = 6
    annotate_every: int = 15
    seed: int = 1
    evaluate_every: int = 3

    def synth(self) -> SynthConfig:
        """As the generator wants it.

        Raises:
            DataError: naming what cannot be generated.
        """
        annotated = AnnotatedRange(first=1, stop=self.frames + 1, step=self.annotate_every)
        return SynthConfig(
            num_frames=self.frames,
            fps=self.fps,
            seed=self.seed,
            cameras=CAMERA_NAMES[: self.cameras],
            num_people=self.people,
            picture_scale=self.scale,
            annotated=(annotated,),
            annotation_noise_px=self.scale,
        )

    def told(self) -> str:
        """A sentence for reports."""
        return (
            f"a synthetic match (seed {self.seed}) of {self.frames} frames at {self.fps:g} a "
            f"second, {self.people} people, {self.cameras} side cameras, pictures at "
            f"{self.scale:g} of SportCenter's size, one frame in {self.annotate_every} annotated; "
            f"measured on the test people {' and '.join(map(str, TEST_SUBJECTS))}, one frame in "
            f"{self.evaluate_every}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A generated match and its project.

    Attributes:
        options: what it was made from.
        folder: in SportCenter's format.
        project_dir: the project.
    """

    options: MatchOptions
    folder: Path
    project_dir: Path

    def eval_groups(self) -> GroupList:
        """The test people at every n-th frame; none of them is ever learned from."""
        frames = range(0, self.options.frames, self.options.evaluate_every)
        return GroupList([(0, person, frame) for frame in frames for person in TEST_SUBJECTS])

    def truth_mm(self, groups: GroupList) -> NDArray[np.float64]:
        """(S, J, 3) mm, world: the truth of these groups. For evaluation, and nothing else.

        Raises:
            DataError: truth.h5 is not there, or does not have these people.
        """
        path = self.folder / TRUTH_NAME
        if not path.is_file():
            raise DataError(
                path,
                expected="the match's truth, which only evaluation opens",
                found="no such file",
                remedy="All rows are trained; put the file back and repeat the command, "
                "which will evaluate only.",
            )
        truth = read_truth(path)
        rows = groups.rows
        person = np.searchsorted(truth.persons, rows[:, 1])
        return truth.points_mm[rows[:, 2], person]


def match_paths(folder: Path) -> tuple[Path, Path]:
    """Where an experiment's folder has the match, and its project."""
    return folder / "match", folder / "match.trilabel"


def make_match(folder: Path, options: MatchOptions, progress: Progress, cost: float) -> Match:
    """Generate the match and import it, where that was not done before.

    Args:
        folder: gets ``match/`` and ``match.trilabel/``.
        options: what to generate.
        progress: told how far it is.
        cost: of all of it.

    Raises:
        DataError: the folder holds another match.
    """
    match = Match(options=options, folder=folder / "match", project_dir=folder / "match.trilabel")
    made_from = {**asdict(options), "evaluate_every": 0}
    marker = folder / _MADE_FROM
    if marker.is_file():
        _check_same(marker, made_from)
        progress.skip(cost)
        return match
    folder.mkdir(parents=True, exist_ok=True)
    # Without the marker whatever is there was not finished.
    shutil.rmtree(match.folder, ignore_errors=True)
    shutil.rmtree(match.project_dir, ignore_errors=True)
    synthesise(options.synth(), match.folder, _rendering(progress, cost))
    import_sportcenter(
        match.folder,
        match.project_dir,
        detections=(f"alphapose:{match.folder / 'alphapose'}",),
        report=_silent,
    )
    write_text_atomically(marker, json.dumps(made_from))
    return match


def _silent(line: str) -> None:
    """What the importer says of a match that we made ourselves is no news."""
    del line


def _rendering(progress: Progress, cost: float) -> Callable[[int, int], bool]:
    told = 0

    def show(done: int, total: int) -> bool:
        nonlocal told
        progress.tell("rendering the match", cost * (done - told) / total)
        told = done
        return True

    return show


def _check_same(marker: Path, wanted: dict[str, Any]) -> None:
    found = json.loads(marker.read_text(encoding="utf-8"))
    different = sorted(key for key in wanted if found.get(key) != wanted[key])
    if different:
        key = different[0]
        raise DataError(
            marker,
            f"match.{key}",
            expected=str(wanted[key]),
            found=str(found.get(key)),
            remedy="Give another --out (or --data), or the options of the match that is there.",
        )
