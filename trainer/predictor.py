"""Groups in, predictions out: crops through the networks, then the geometry of what they saw.

The networks' half runs crop batch by crop batch on the device; the geometry of a whole block of
frames runs once, on the processor (`finished`), and may do so on another thread while the device
goes on. Nothing is varied, no batch statistics change, no gradient is kept.

Trap: memory is bounded by a block's 2D points and by the few frames of pictures that are loaded
ahead, so blocks of some hundred frames are right whatever the recording's length.

Shape suffixes: G groups, C cameras, J joints.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.errors import DataError
from core.learning.batches import BatchRequest, GroupLoader
from core.learning.lifting import (
    BodySize,
    LiftInputs,
    lift_inputs,
    lifted_points_mm,
    root_depth_by_size_mm,
    root_depths_mm,
)
from core.learning.metrics import root_joints
from core.learning.rig_tensors import RigTensors
from core.learning.unlabelled import Views
from core.project.predictions import PredictionRows
from core.project.predictions.rows import OPTIONAL, sorted_rows
from trainer.device import is_out_of_memory
from trainer.prediction_geometry import PredictionSettings, Sighting, triangulated
from trainer.prediction_plan import by_whole_frames
from trainer.seeing import DetectorPass, see

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from core.learning.batches import Batch
    from core.learning.data import Group, PoseData
    from trainer.device import Device
    from trainer.networks import Networks

_BODY_POSES = 500  # labelled poses that a body's size is measured on, at most


@dataclass(frozen=True, slots=True, eq=False)
class SeenPart:
    """What the networks said about some groups, on the processor.

    Attributes:
        groups: G.
        views: rigs, boxes, who is in view.
        points_px: (G, C, J, 2) raw pixels; NaN where not in view.
        confidence: (G, C, J); NaN where not in view.
        weights: (G, C, J) learned; None without them.
        inputs: of the lifter; None without one.
        depths_m: (G, C, J) of the lifter, relative to the root.
    """

    groups: tuple[Group, ...]
    views: Views
    points_px: NDArray[np.float64]
    confidence: NDArray[np.float32]
    weights: NDArray[np.float64] | None
    inputs: LiftInputs | None
    depths_m: Tensor | None


class Predictor:
    """The networks of a run, ready to predict the groups of a data set; close it when done.

    Args:
        networks: on the device; whether they train is put back by `close`.
        data: the groups' recordings.
        device: where the networks run.
        batch: crops that pass through the detector at once.
        learned: use the view-confidence network.
        single_view: use the lifter, where there is one.
        workers: threads that load; -1 = by the machine.
        loader: that makes un-varied batches for these networks; None makes one, without a cache.
        said: is told (code, text) of what a person should know.
    """

    def __init__(
        self,
        networks: Networks,
        data: PoseData,
        device: Device,
        *,
        batch: int = 64,
        learned: bool = False,
        single_view: bool = True,
        workers: int = -1,
        loader: GroupLoader | None = None,
        said: Callable[[str, str], None] = lambda _code, _text: None,
    ) -> None:
        self.data = data
        self._device = device
        self._said = said
        self._lifter = networks.lifter if single_view else None
        if learned and networks.confidence is None:
            raise DataError(
                "configuration",
                "predict.weighting",
                expected="none, pairwise or consensus: this run has no learned view weights",
                found="learned",
                remedy="Choose one of them, or train with loss.weighting=learned.",
            )
        self._pass = DetectorPass(networks.detector, networks.confidence if learned else None)
        self._rigs = RigTensors(device.geometry)
        self._root = root_joints(data.skeleton) if self._lifter is not None else ()
        self._body = self._body_size() if self._lifter is not None else None
        self._at_once = max(1, batch // data.num_cameras)
        lift_size = self._lifter.image_size if self._lifter is not None else 0
        self._own_loader = loader is None
        self._loader = loader or GroupLoader(
            data,
            input_hw=networks.detector.spec.input_hw,
            lift_size=lift_size or None,
            cache_dir=None,
            workers=workers,
        )
        modules = [self._pass] if self._lifter is None else [self._pass, self._lifter]
        self._training = [(m, m.training) for module in modules for m in module.modules()]
        for module in modules:
            module.eval()

    @property
    def has_single(self) -> bool:
        """Whether single-view poses are made."""
        return self._lifter is not None

    @property
    def loader(self) -> GroupLoader:
        """What makes the crops."""
        return self._loader

    def close(self) -> None:
        """End the loader's threads; put the networks back into the state they were in."""
        for module, training in self._training:
            module.training = training
        if self._own_loader:
            self._loader.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def requests(self, groups: Sequence[Group]) -> list[BatchRequest]:
        """What to load for these groups, sorted by frame, so that pictures are decoded once."""
        return [BatchRequest(groups=part) for part in by_whole_frames(groups, self._at_once)]

    def see(self, batch: Batch) -> list[SeenPart]:
        """Pass a loaded batch through the networks, in parts; smaller ones where memory is short.

        Raises:
            RuntimeError: not even one group fits into the memory.
        """
        found: list[SeenPart] = []
        left = batch.micro(self._at_once)[::-1]
        while left:
            part = left.pop()
            try:
                found.append(self._see(part))
            except RuntimeError as error:
                if not is_out_of_memory(error) or len(part) == 1:
                    raise
                self._halve(len(part))
                left += part.micro(self._at_once)[::-1]
        return found

    def _halve(self, num_groups: int) -> None:
        if self._device.device.type == "cuda":
            torch.cuda.empty_cache()
        self._at_once = max(1, num_groups // 2)
        text = f"Out of memory while predicting: {self._at_once} groups at once from now on."
        self._said("out-of-memory", text)

    @torch.inference_mode()
    def _see(self, batch: Batch) -> SeenPart:
        seen = see(self._pass, batch, self._device)
        inputs, depths_m = None, None
        if self._lifter is not None:
            inputs, depths_m = self._lifted(batch, seen.points_raw)
        in_view = batch.in_view.numpy()
        hidden = ~in_view[:, :, None]
        points_px = seen.points_raw.double().cpu().numpy()
        confidence = seen.confidence.float().cpu().numpy()
        return SeenPart(
            groups=batch.groups,
            views=Views(batch.rigs, batch.rig_index, batch.boxes_px, batch.in_view),
            points_px=np.where(hidden[..., None], np.nan, points_px),
            confidence=np.where(hidden, np.float32(np.nan), confidence),
            weights=None if seen.weights is None else seen.weights.double().cpu().numpy(),
            inputs=inputs,
            depths_m=depths_m,
        )

    def _lifted(self, batch: Batch, points_raw: Tensor) -> tuple[LiftInputs, Tensor]:
        """The lifter's inputs and depths, on the processor; depths are 0 where not in view."""
        assert self._lifter is not None
        place = batch.to(self._device.geometry)
        cameras = self._rigs.of_groups(batch.rigs, batch.rig_index)
        inputs = lift_inputs(points_raw, place, cameras)
        shown = batch.in_view.flatten().nonzero()[:, 0]
        images = None
        if batch.lift_images is not None and self._lifter.image_size:
            images = self._device.pictures(batch.lift_images.flatten(0, 1)[shown])
        poses = inputs.points_box.flatten(0, 1).to(self._device.device)
        with self._device.autocast():
            answered = self._lifter(poses[shown.to(poses.device)], images)
        depths = torch.zeros(inputs.seen.flatten(0, 1).shape, dtype=torch.float64)
        depths[shown] = answered.cpu().double()  # Apple's GPUs have no float64
        moved = LiftInputs(
            inputs.points_box.cpu(), inputs.points_undistorted.cpu(), inputs.seen.cpu()
        )
        return moved, depths.view(inputs.seen.shape)

    def finished(self, parts: Sequence[SeenPart], how: PredictionSettings) -> PredictionRows:
        """The rows of all groups in the parts, sorted; people in no picture have none.

        May be called from another thread than `see`.
        """
        cams, joints = self.data.num_cameras, self.data.skeleton.num_joints
        if not parts:
            return PredictionRows.empty(cams, joints, single=self.has_single)
        groups = [group for part in parts for group in part.groups]
        views = Views.joined([part.views for part in parts])
        in_view = views.in_view.numpy()
        points_px = np.concatenate([part.points_px for part in parts])
        weights = [part.weights for part in parts if part.weights is not None]
        columns = self._triangulated(views, points_px, weights, how)
        keys = np.array([(g.recording, g.frame, g.person) for g in groups], dtype=np.int64)
        rows = PredictionRows(
            recordings=keys[:, 0],
            frames=keys[:, 1],
            persons=keys[:, 2],
            points_px=points_px.astype(np.float32),
            confidence=np.concatenate([part.confidence for part in parts]),
            **self._single(parts, views, columns),
            **columns,
        )
        return sorted_rows(rows.select(in_view.any(axis=1)))

    def sightings(self, parts: Sequence[SeenPart]) -> list[Sighting]:
        """What was seen, by rig; for the noise scale."""
        return [
            Sighting(
                rig=rig,
                points_px=part.points_px[index == place],
                in_view=part.views.in_view.numpy()[index == place],
            )
            for part in parts
            for index in [part.views.rig_index.numpy()]
            for place, rig in enumerate(part.views.rigs)
        ]

    @staticmethod
    def _triangulated(
        views: Views,
        points_px: NDArray[np.float64],
        weights: list[NDArray[np.float64]],
        how: PredictionSettings,
    ) -> dict[str, NDArray[Any]]:
        index, in_view = views.rig_index.numpy(), views.in_view.numpy()
        learned = np.concatenate(weights) if weights else None
        columns: dict[str, NDArray[Any]] = {}
        for place, rig in enumerate(views.rigs):
            here = index == place
            seen = Sighting(
                rig=rig,
                points_px=points_px[here],
                in_view=in_view[here],
                weights=None if learned is None else learned[here],
            )
            for name, values in triangulated(seen, how).items():
                if name not in columns:
                    columns[name] = np.zeros((len(index), *values.shape[1:]), values.dtype)
                columns[name][here] = values
        return columns

    def _single(
        self, parts: Sequence[SeenPart], views: Views, columns: dict[str, NDArray[Any]]
    ) -> dict[str, Any]:
        """Poses (G, C, J, 3) by Eq. 7, and the depths of their roots (G, C).

        A root is as deep as it was triangulated; where it was not kept, as the body's size tells.
        """
        inputs = [part.inputs for part in parts if part.inputs is not None]
        depths = [part.depths_m for part in parts if part.depths_m is not None]
        if not inputs:
            return dict.fromkeys(OPTIONAL)
        joined = LiftInputs(
            *(
                torch.cat([getattr(one, name) for one in inputs])
                for name in ("points_box", "points_undistorted", "seen")
            )
        )
        depths_m = torch.cat(depths)
        cameras = RigTensors("cpu").of_groups(views.rigs, views.rig_index)
        points_mm = torch.from_numpy(columns["points_mm"]).double()
        kept = torch.from_numpy(columns["kept"])
        root = root_depths_mm(points_mm, self._root, cameras, kept)
        if self._body is not None:
            by_size = root_depth_by_size_mm(joined, depths_m, self._body, cameras)
            root = torch.where(root.isfinite(), root, by_size)
        points = lifted_points_mm(joined.points_undistorted, depths_m, root, cameras)
        return {
            "single_mm": points.numpy().astype(np.float32),
            "root_depth_mm": root.numpy().astype(np.float32),
        }

    def _body_size(self) -> BodySize | None:
        """From the labelled poses, else that of an average person."""
        groups = self.data.labelled
        chosen = np.unique(np.linspace(0, len(groups) - 1, min(len(groups), _BODY_POSES)))
        poses = [self.data.points_mm(groups[int(place)]) for place in chosen]
        if poses and np.isfinite(poses).all(axis=(-1, -2)).any():
            return BodySize.measured(np.stack(poses), self.data.skeleton)
        try:
            return BodySize.of_stature(self.data.skeleton)
        except DataError:
            text = "People seen by one camera get no 3D pose: no label tells how large they are."
            self._said("no-body-size", text)
            return None


def predict_groups(
    networks: Networks,
    data: PoseData,
    groups: Sequence[Group],
    device: Device,
    how: Callable[[Sequence[Sighting]], PredictionSettings],
    *,
    batch: int = 64,
    single_view: bool = True,
    loader: GroupLoader | None = None,
    look: Callable[[], None] = lambda: None,
    said: Callable[[str, str], None] = lambda _code, _text: None,
) -> PredictionRows:
    """Predict some groups in memory: what a training and the experiments are measured by.

    Args:
        networks: the detector; the lifter, where single-view poses are wanted; the view weights,
            where they are to be used.
        data: the groups' recordings.
        groups: any; their order does not matter.
        device: where networks run.
        how: how to triangulate what was seen; asked once, for a noise scale may follow from it.
        batch: crops at once.
        single_view: use the lifter, where there is one.
        loader: for these networks, maybe with a cache; None makes one without.
        look: called between batches; what it raises ends the work.
        said: is told (code, text) of what a person should know.

    Returns:
        sorted by (recording, frame, person).
    """
    ordered = sorted(groups, key=lambda g: (g.recording, g.frame, g.person))
    parts: list[SeenPart] = []
    with (
        Predictor(
            networks,
            data,
            device,
            batch=batch,
            learned=networks.confidence is not None,
            single_view=single_view,
            loader=loader,
            said=said,
        ) as predictor,
        closing(predictor.loader.stream(predictor.requests(ordered))) as stream,
    ):
        for loaded in stream:
            look()
            parts += predictor.see(loaded)
        return predictor.finished(parts, how(predictor.sightings(parts)))
