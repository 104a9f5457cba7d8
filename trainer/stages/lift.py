"""Stage 3: the lifter on labelled and triangulated poses, the detector fixed.

The fixed detector looks at every group once, un-varied; what it says is kept in memory and on the
disk, so that a step is the lifter's alone. A group's target is its 3D label, or else the robustly
triangulated pose with its discarded joints masked (3D loss in square metres, Eq. 7).

Shape suffixes: G groups, C cameras, J joints, N = views that somebody is seen in.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from core.errors import DataError
from core.learning.batches import BatchRequest, sampled
from core.learning.lifting import LiftInputs, lift_inputs, lifting_term, root_depths_mm
from core.learning.metrics import root_joints
from core.learning.rig_tensors import RigTensors
from core.learning.unlabelled import TriangulationLoss
from trainer.checkpoint import store_for, stored_for
from trainer.gradients import Phase
from trainer.loop import seeded
from trainer.measuring import HeldOut, evenly, looked
from trainer.seeing import pseudo_targets
from trainer.stages.detector import adam, decayed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from core.geometry import Rig
    from core.learning.batches import GroupLoader
    from core.learning.data import Group, GroupList
    from core.learning.losses import Term
    from core.project.runs.config import Stage
    from trainer.context import Context
    from trainer.networks import Networks
    from trainer.seeing import Seen

_POSES = "lift-poses.pt"
_DRAWN = 4


@dataclass(frozen=True, slots=True)
class Poses:
    """What the lifter learns from, group by group; on one device.

    Attributes:
        points_box: (G, C, J, 2) float32, the lifter's input.
        points_undistorted: (G, C, J, 2) pixels; NaN where not seen.
        seen: (G, C, J) bool.
        target_mm: (G, J, 3) world.
        kept: (G, J) bool, which joints of the target count.
        recording: (G,) index of the recording.
    """

    points_box: Tensor
    points_undistorted: Tensor
    seen: Tensor
    target_mm: Tensor
    kept: Tensor
    recording: Tensor

    def pick(self, index: Tensor | slice) -> Poses:
        """Those groups alone."""
        return Poses(*(getattr(self, field.name)[index] for field in fields(self)))

    def to(self, device: torch.device | str) -> Poses:
        """On another device."""
        return Poses(*(getattr(self, field.name).to(device) for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Poses]) -> Poses:
        """The groups of all parts, in order."""
        return cls(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(cls)))


@dataclass(frozen=True, slots=True)
class LiftBatch:
    """Groups of a step, and their pictures (G, C, 3, s, s), None for a lifter without."""

    poses: Poses
    images: Tensor | None

    def micro(self, size: int) -> Sequence[LiftBatch]:
        """Parts of so many groups."""
        starts = range(0, len(self.poses.seen), size)
        cuts = [slice(start, start + size) for start in starts]
        return [
            LiftBatch(self.poses.pick(cut), None if self.images is None else self.images[cut])
            for cut in cuts
        ]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the loop needs of a batch, where no pictures are looked at."""

    groups: Sequence[Group]
    lift_images: None = None


class Lifting:
    """A stage that trains the lifter; see `trainer.loop.Lesson`."""

    stage: Stage = "lift"

    def __init__(
        self, context: Context, networks: Networks, loader: GroupLoader, bank: Bank
    ) -> None:
        assert networks.lifter is not None
        self.context = context
        self.networks = networks
        self.lifter = networks.lifter
        self.loader = loader
        self.bank = bank
        self.options = context.config.lift
        self.steps = self.options.steps
        self.root = root_joints(context.data.skeleton)
        self.rigs = tuple(recording.rig for recording in context.data.recordings)
        self.tensors = RigTensors(context.device.geometry, self.rigs)
        self._set_training()
        context.device.compiled(self.lifter)
        self.module = context.ranks.wrapped(self.lifter, context.device.device)
        self.optimizer = adam(self.lifter, self.options.learning_rate)
        self.held_out = HeldOut(context, loader)

    def _set_training(self) -> None:
        self.lifter.train()
        branch = self.lifter.image_branch
        if branch is not None and self.context.config.model.freeze_image_branch:
            branch.eval()
            branch.requires_grad_(requires_grad=False)

    def learning_rate(self, step: int) -> float:
        """Of this step."""
        return decayed(self.options.learning_rate, self.options.decay, step, self.steps)

    def requests(self, step: int) -> Sequence[BatchRequest]:
        """One batch of this rank's groups, labelled and triangulated ones as they come."""
        seed = seeded(self.context.config.run.seed, _DRAWN)
        indices = sampled(len(self.bank.groups), self.options.groups, step, seed)
        mine = indices[self.context.ranks.mine]
        return (BatchRequest(groups=self.bank.groups.take(mine if len(mine) else indices[:1])),)

    def stream(self, requests: Iterator[BatchRequest]) -> Generator[Any]:
        """Pictures loaded ahead; without an image branch, the groups' names alone."""
        if self.lifter.image_size:
            return self.loader.stream(requests)
        return (Loaded(tuple(request.groups)) for request in requests)

    def phases(self, step: int, batches: Sequence[Any]) -> list[Phase[LiftBatch]]:
        """The 3D loss."""
        (batch,) = batches
        poses = self.bank.of(batch.groups)
        counted = self.context.ranks.rank < self.options.groups
        groups = LiftBatch(poses, batch.lift_images)
        return [Phase(groups, self._terms, {"lift": 1.0}, self.options.groups, counted)]

    def _terms(self, part: LiftBatch) -> dict[str, Term]:
        device, poses = self.context.device, part.poses
        chosen = poses.seen.any(-1).flatten().nonzero()[:, 0]
        points = poses.points_box.flatten(0, 1)[chosen].to(device.device)
        images = None
        if part.images is not None:
            flat = part.images.flatten(0, 1)
            images = device.pictures(flat[chosen.to(flat.device)])
        with device.autocast():
            depths = self.module(points, images)
        depths = depths.to(device.geometry)
        shape = poses.seen.shape
        depths = depths.new_zeros((shape[0] * shape[1], shape[2])).index_copy(0, chosen, depths)
        cameras = self.tensors.of_groups(self.rigs, poses.recording)
        inputs = LiftInputs(poses.points_box, poses.points_undistorted, poses.seen)
        term = lifting_term(
            depths.view(shape), inputs, poses.target_mm, self.root, cameras, poses.kept
        )
        return {"lift": term}

    def after_step(self, step: int) -> None:
        """Nothing follows a step."""

    def evaluate(self, step: int) -> float | None:
        """Single-view error on the held-out groups."""
        final = step == self.steps
        return self.held_out.measure(self.stage, step, self.networks, final=final)

    def state(self) -> dict[str, Any]:
        """Lifter and optimiser."""
        return {
            "lifter_spec": asdict(self.lifter.spec),
            "lifter": self.lifter.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "micro_batch": self.context.micro_batch,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the optimiser of a checkpoint; the lifter has been."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.context.micro_batch = state["micro_batch"]


class Bank:
    """All groups that the lifter learns from, with what the detector said."""

    def __init__(self, groups: GroupList, poses: Poses) -> None:
        self.groups = groups
        self.poses = poses
        self._rows = {group: row for row, group in enumerate(groups)}

    def of(self, groups: Sequence[Group]) -> Poses:
        """Of some groups."""
        rows = torch.tensor([self._rows[group] for group in groups])
        return self.poses.pick(rows.to(self.poses.seen.device))


def candidates(context: Context) -> GroupList:
    """Labelled groups, then (some of) the unlabelled ones."""
    data = context.data
    return data.labelled + evenly(data.unlabelled, context.config.lift.max_unlabelled)


def need_poses(context: Context) -> None:
    """Refuse to learn lifting where nobody is to be learned from.

    Raises:
        DataError: there is neither a labelled nor an unlabelled group.
    """
    if not len(candidates(context)):
        raise DataError(
            context.data.name,
            "poses to lift",
            expected="labelled or unlabelled groups",
            found="none",
            remedy="Label some frames, import tracks or detections, or leave lift out of "
            "run.stages.",
        )


def filled_bank(context: Context, networks: Networks, loader: GroupLoader, *, fresh: bool) -> Bank:
    """Have the fixed detector look at all groups, or take up what it said before the run was left.

    Args:
        context: of the run.
        networks: the detector's; the lifter has no part in it.
        loader: of un-varied crops.
        fresh: whether to look anew, whatever is on the disk.

    Raises:
        DataError: there is no pose to learn from.
        LeftEarlyError: somebody asked to leave.
    """
    path = context.checkpoints.folder / _POSES
    groups = candidates(context)
    kept = None if fresh else stored_for(path, groups)
    if kept is None:
        poses = _seen_by_detector(context, networks, loader, groups)
        if context.ranks.is_first:
            store_for(path, groups, {f.name: getattr(poses, f.name) for f in fields(poses)})
        context.ranks.wait()
        kept = stored_for(path, groups)
        assert kept is not None
    poses = Poses(**kept)
    usable = _usable(context, poses)
    if not bool(usable.any()):
        raise DataError(
            context.data.name,
            "poses to lift",
            expected="3D labels, or triangulated joints that are kept",
            found=f"none in {len(groups)} groups",
            remedy="Label some frames, train the detector longer, or loosen the [loss] options.",
        )
    index = usable.nonzero()[:, 0]
    return Bank(groups.take(index.numpy()), poses.pick(index).to(context.device.geometry))


def _seen_by_detector(
    context: Context, networks: Networks, loader: GroupLoader, groups: GroupList
) -> Poses:
    loss = TriangulationLoss(
        context.config.loss, scale_mm=networks.scale_mm, device=context.device.device
    )
    mine = groups[context.ranks.mine]
    parts = context.ranks.gathered(
        _joined(_poses(context, loss, s) for s in looked(context, networks, loader, mine))
    )
    there = Poses.joined([part for part in parts if part is not None])
    number = len(groups)
    order = torch.cat([torch.arange(rank, number, len(parts)) for rank in range(len(parts))])
    return there.pick(torch.argsort(order))


def _joined(parts: Iterable[Poses]) -> Poses | None:
    found = list(parts)
    return Poses.joined(found) if found else None


@torch.no_grad()
def _poses(context: Context, loss: TriangulationLoss, sight: Seen) -> Poses:
    """A batch's inputs and targets: the label where there is one, else the triangulated pose."""
    batch = sight.batch
    targets = pseudo_targets(loss, sight)
    labelled = batch.points_mm.isfinite().all(-1)
    whole = labelled.any(-1, keepdim=True)
    inputs = lift_inputs(sight.points_raw, batch, loss.cameras(batch))
    recording = torch.tensor([group.recording for group in batch.groups])
    poses = Poses(
        inputs.points_box,
        inputs.points_undistorted,
        inputs.seen,
        torch.where(whole[..., None], batch.points_mm, targets.points_mm),
        torch.where(whole, labelled, targets.kept),
        recording,
    )
    return poses.to("cpu")


def _usable(context: Context, poses: Poses) -> Tensor:
    """(G,) bool: the root and another joint count, and somebody is seen."""
    rigs: tuple[Rig, ...] = tuple(recording.rig for recording in context.data.recordings)
    cameras = RigTensors("cpu", rigs).of_groups(rigs, poses.recording)
    root = root_joints(context.data.skeleton)
    depth = root_depths_mm(poses.target_mm, root, cameras, poses.kept)
    views = depth.isfinite()[..., None] & poses.seen & poses.kept[:, None]
    return views.flatten(1).any(-1)
