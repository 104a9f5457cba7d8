"""A small court in memory whose people can be predicted: any number of frames, four cameras."""

from dataclasses import replace
from functools import cache

import numpy as np
import torch

from core.learning.data.dataset import StoredBoxes
from core.learning.data.groups import GroupList
from core.learning.data.posedata import PoseData
from core.learning.data.recordings import LabelTable, PoseRecording
from core.models import Detector, DetectorSpec, Lifter, LifterSpec
from core.project.runs.config import TrainConfig
from core.project.runs.config_io import with_settings
from core.project.runs.folder import RunFolder
from core.skeleton import Skeleton
from tests.geometry.camera_rigs import court_rig
from trainer.checkpoint import Checkpoints
from trainer.context import Context
from trainer.device import chosen_device
from trainer.distributed import Ranks
from trainer.networks import Networks

SKELETON = Skeleton(
    name="five",
    joints=("nose", "left_hip", "right_hip", "left_knee", "right_knee"),
    bones=((1, 3), (2, 4)),
)
NUM_CAMERAS = 4
# In all views; in one view alone; in none.
EVERYWHERE, ALONE, NOWHERE = (1, 2), 5, 9
_BODY = np.array([(0, 0, 1700.0), (-150, 0, 950), (150, 0, 950), (-150, 60, 500), (160, -40, 500)])
SETTINGS = (
    "run.device=cpu",
    "run.threads=1",
    "data.workers=0",
    "predict.block=4",
    "predict.batch=8",
)


def truth_mm(person: int, frame: int) -> np.ndarray:
    """(5, 3) where a person's joints are."""
    return _BODY + np.array([700.0 * person - 2000, 40.0 * frame - 400, 0.0])


@cache
def noise(camera: int, width: int = 1400, height: int = 900) -> np.ndarray:
    rng = np.random.default_rng(camera)
    small = rng.integers(0, 255, (height // 20, width // 20, 3), np.uint8)
    return np.repeat(np.repeat(small, 20, axis=0), 20, axis=1)


class Noise:
    """Pictures of grey noise, another in each view; people are where the boxes are."""

    def read(self, camera, frame, size_px=None):
        return noise(camera)

    def key(self, camera, frame):
        return f"{camera}/{frame}"

    def close(self):
        pass


def court_data(num_frames: int = 10, persons=(*EVERYWHERE, ALONE, NOWHERE)) -> PoseData:
    """Frames 0 and 1 are labelled, the last one held out."""
    rig = court_rig(NUM_CAMERAS)
    keys = np.array([(p, f) for f in range(num_frames) for p in sorted(persons)])
    points = np.stack([truth_mm(p, f) for p, f in keys])
    pixels = rig.project(points)
    boxes = np.concatenate([pixels.min(axis=2) - 15, pixels.max(axis=2) + 15], axis=-1)
    boxes[(keys[:, 0] == ALONE), 1:] = np.nan
    boxes[keys[:, 0] == NOWHERE] = np.nan
    recording = PoseRecording(
        name="court",
        rig=rig,
        skeleton=SKELETON,
        labels=LabelTable.from_rows(keys, points),
        places=StoredBoxes(keys, boxes),
        pictures=Noise(),
    )

    def groups(*frames):
        return GroupList([(0, p, f) for f in frames for p in EVERYWHERE])

    return PoseData(
        name="court",
        recordings=(recording,),
        skeleton=SKELETON,
        labelled=groups(0, 1),
        unlabelled=groups(*range(2, num_frames - 1)),
        held_out=groups(num_frames - 1),
    )


def networks(seed: int = 0, *, lifter: bool = True) -> Networks:
    torch.manual_seed(seed)
    spec = DetectorSpec(
        family="small",
        depth=1,
        width=8,
        joints=SKELETON.joints,
        input_hw=(32, 32),
        temperature=20.0,
    )
    lifting = Lifter(LifterSpec(joints=SKELETON.joints, hidden=16, image_branch="small"))
    return Networks(Detector(spec), lifter=lifting if lifter else None)


def run_folder(parent, *settings: str) -> RunFolder:
    config = with_settings(TrainConfig(), [*SETTINGS, *settings])
    return RunFolder.create(parent, config, name="predicting")


def context_of(folder: RunFolder, data: PoseData, *settings: str, ranks=None) -> Context:
    """A context as the trainer's process makes it; the lock is the test's to hold."""
    config = with_settings(folder.config, settings)
    ranks = ranks or Ranks()
    return Context(
        folder=folder,
        config=config,
        data=data,
        device=chosen_device(config.run),
        ranks=ranks,
        checkpoints=Checkpoints(folder.checkpoints_dir),
        emit=folder.append if ranks.is_first else lambda _event: None,
        asked_to_leave=lambda: None,
    )


def asked_after(context: Context, calls: int) -> Context:
    """The same context, in which somebody asks to leave after so many looks."""
    looks = iter(range(calls))
    return replace(
        context, asked_to_leave=lambda: None if next(looks, None) is not None else "stop"
    )
