"""The two gradients of L_tri side by side: through the prediction, and through the triangulation.

The whole gradient is their sum. X̂ nearly minimises the same objective that L_tri measures, so the
path through the triangulation is expected to be short (METHOD, section 1).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from core.learning.batches import GroupLoader
from core.learning.unlabelled import TriangulationLoss
from trainer.device import chosen_device, torch_settings
from trainer.experiments.scoring import left_networks, noise_scale_mm
from trainer.measuring import evenly
from trainer.seeing import DetectorPass, see

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from core.learning.batches import Batch
    from core.learning.data import PoseData
    from core.models import Detector
    from core.project.runs.config import LossOptions
    from core.project.runs.folder import RunFolder
    from trainer.device import Device

_OpenPath = Literal["full", "detach_target", "detach_prediction"]
_PATHS: tuple[_OpenPath, ...] = ("full", "detach_target", "detach_prediction")
_GROUPS = 8


def gradient_angles(
    run: RunFolder, data: PoseData, options: LossOptions, *, num_batches: int, cache_dir: Path
) -> dict[str, list[float]]:
    """Cosines between the gradients of a detector's weights, and their lengths, batch by batch.

    Args:
        run: whose detector.
        data: whose unlabelled groups.
        options: of L_tri; its ``gradient`` is varied here.
        num_batches: of 8 groups, evenly spaced.
        cache_dir: of crops.

    Returns:
        ``full_and_detach_target``, ``full_and_detach_prediction``,
        ``detach_target_and_detach_prediction``: cosines; ``detach_target_length``,
        ``detach_prediction_length``: over that of the whole gradient. Batches of which nothing was
        kept are left out.
    """
    found: dict[str, list[float]] = {}
    groups = evenly(data.unlabelled, num_batches * _GROUPS)
    with torch_settings(run.config.run):
        device = chosen_device(run.config.run)
        networks = left_networks(run, device)
        hw = networks.detector.spec.input_hw
        with GroupLoader(data, input_hw=hw, cache_dir=cache_dir) as loader:
            batches = [
                loader.batch(groups[first : first + _GROUPS])
                for first in range(0, len(groups), _GROUPS)
            ]
        scale_mm = noise_scale_mm(networks, device, batches)
        for batch in batches:
            gradients: dict[str, Tensor] = {
                path: _gradient(
                    networks.detector, device, batch, replace(options, gradient=path), scale_mm
                )
                for path in _PATHS
            }
            if gradients["full"].norm() > 0:
                for name, value in _compared(gradients).items():
                    found.setdefault(name, []).append(value)
    return found


def _gradient(
    detector: Detector, device: Device, batch: Batch, options: LossOptions, scale_mm: float
) -> Tensor:
    """Of L_tri in all weights of the detector, one long vector, float64."""
    module = DetectorPass(detector).eval()  # fixed batch statistics, as in fine-tuning
    module.zero_grad(set_to_none=True)
    seen = see(module, batch, device)
    loss = TriangulationLoss(options, scale_mm=scale_mm, device=device.geometry)
    term = loss.term(seen.points_raw, loss.targets(seen.points_raw, None, seen.batch))
    (term.total / term.count.clamp_min(1)).backward()
    parts = [p.grad.flatten().double() for p in module.parameters() if p.grad is not None]
    return torch.cat(parts)


def _compared(gradients: dict[str, Tensor]) -> dict[str, float]:
    full = gradients["full"].norm()
    pairs = (
        ("full", "detach_target"),
        ("full", "detach_prediction"),
        ("detach_target", "detach_prediction"),
    )
    cosines = {
        f"{a}_and_{b}": float(torch.cosine_similarity(gradients[a], gradients[b], dim=0))
        for a, b in pairs
    }
    lengths = {f"{a}_length": float(gradients[a].norm() / full) for a in _PATHS[1:]}
    return {**cosines, **lengths}


def mean_angles(angles: list[dict[str, list[float]]]) -> dict[str, float]:
    """The means over batches, then over seeds."""
    names = angles[0].keys() if angles else ()
    return {name: float(np.mean([np.mean(one[name]) for one in angles])) for name in names}
