"""A generated match of eight small frames as a project, made once, and runs about it."""

from dataclasses import replace

import pytest
import torch

from core.project.importing import import_sportcenter
from core.project.runs.config import TrainConfig
from core.project.runs.config_io import with_settings
from core.project.runs.folder import RunFolder
from core.synthetic.config import AnnotatedRange, SynthConfig
from core.synthetic.dataset import synthesise

# Two groups a step, in four views of 64 x 64 pixels: a step takes some hundredths of a second.
SETTINGS = (
    "run.threads=1",
    "run.device=cpu",
    "run.report_every=1",
    "run.evaluate_every=0",
    "run.checkpoint_every=2",
    "run.feedback=false",
    "data.workers=0",
    "data.cache_gb=0.01",
    "model.detector=small",
    "model.weights=none",
    "model.image_branch=small",
    "model.input_height=64",
    "model.input_width=64",
    "pretrain.steps=4",
    "pretrain.groups=3",
    "pretrain.heatmap_weight=1",
    "finetune.steps=3",
    "finetune.labelled_groups=2",
    "finetune.unlabelled_groups=3",
    "lift.steps=3",
    "lift.groups=4",
    "lift.hidden=32",
    "predict.single_view=false",
    "predict.every=4",
)


@pytest.fixture(scope="session")
def match(tmp_path_factory):
    """A project of 8 frames with 4 cameras; every other frame is annotated."""
    folder = tmp_path_factory.mktemp("match")
    config = SynthConfig(
        num_frames=8,
        seed=3,
        cameras=("ace_0", "ace_1", "ace_2", "ace_3"),
        num_bystanders=0,
        picture_scale=0.15,
        annotated=(AnnotatedRange(first=1, stop=9, step=2),),
        detections=False,
        num_workers=1,
    )
    assert synthesise(config, folder / "match")
    project = folder / "match.trilabel"
    import_sportcenter(folder / "match", project, report=lambda _line: None)
    return project


@pytest.fixture
def make_run(match, tmp_path):
    """Makes runs about the match; the crop cache is shared by those of a test."""

    def make(*settings, stages=("pretrain",), name="run"):
        config = with_settings(TrainConfig(), [*SETTINGS, *settings])
        config = replace(config, run=replace(config.run, stages=stages))
        return RunFolder.create(
            tmp_path / "runs", config, project_dir=match, labels_db=match / "labels.db", name=name
        )

    return make


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
