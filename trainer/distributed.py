"""Several processes that train one network: torch's own engine, and what a stage needs of it.

Started by ``torchrun``, each process finds its place in the environment; alone, `Ranks` does
nothing and costs nothing. Groups are shared out whole (a person's views stay on one rank), sums
are reduced, and only the first rank writes events, checkpoints and predictions.

Traps: every rank must call the same collective operations in the same order, so decisions (stop,
skip) are made on reduced values only. torch's SyncBatchNorm is for GPUs; the processor has its own
here, which gives what one process with the whole batch would.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

if TYPE_CHECKING:
    from collections.abc import Generator

T = TypeVar("T")
_PLACE = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_PATIENCE = timedelta(hours=2)  # the first rank may predict or measure while the others wait


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among those of the run.

    Attributes:
        rank: 0 writes what the run leaves behind.
        size: processes of the run.
        local_rank: this process among those of this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes events, checkpoints and predictions."""
        return self.rank == 0

    @property
    def mine(self) -> slice:
        """This rank's share of a list that all ranks have: every `size`-th item."""
        return slice(self.rank, None, self.size)

    def total(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all ranks; the tensor itself where there is one."""
        if self.size > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether a flag is raised on any rank."""
        if self.size == 1:
            return flag
        return bool(self.total(torch.tensor(float(flag), device=device)) > 0)

    def from_first(self, value: T) -> T:
        """What the first rank holds, on all of them."""
        if self.size == 1:
            return value
        box: list[Any] = [value]
        dist.broadcast_object_list(box)
        return box[0]

    def gathered(self, value: T) -> list[T]:
        """What every rank holds, in the order of ranks, on all of them."""
        if self.size == 1:
            return [value]
        box: list[Any] = [None] * self.size
        dist.all_gather_object(box, value)
        return box

    def wait(self) -> None:
        """Go on when all ranks are here."""
        if self.size > 1:
            dist.barrier()

    def wrapped(self, module: nn.Module, device: torch.device) -> nn.Module:
        """The module to call in training: with gradients meaned over ranks where there are several.

        Its batch statistics are those of the whole batch. All ranks start from the first's values.
        """
        if self.size == 1:
            return module
        module = with_shared_statistics(module, device)
        ids = [device] if device.type == "cuda" else None
        return DistributedDataParallel(
            module, device_ids=ids, broadcast_buffers=False, find_unused_parameters=True
        )


def unsynchronised(module: nn.Module) -> AbstractContextManager[None]:
    """Forward and backward passes in here leave the gradients on their rank."""
    if isinstance(module, DistributedDataParallel):
        return module.no_sync()
    return nullcontext()


@contextmanager
def joined(device_name: str) -> Generator[Ranks]:
    """The process's place among the run's, from torchrun's environment; alone without one.

    Args:
        device_name: the run's ``device``, for the choice between nccl and gloo.
    """
    if not all(name in os.environ for name in _PLACE) or int(os.environ["WORLD_SIZE"]) == 1:
        yield Ranks()
        return
    cuda = device_name != "cpu" and torch.cuda.is_available()
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if cuda:
        torch.cuda.set_device(local_rank % torch.cuda.device_count())
    dist.init_process_group("nccl" if cuda else "gloo", timeout=_PATIENCE)
    try:
        yield Ranks(
            rank=dist.get_rank(),
            size=dist.get_world_size(),
            local_rank=local_rank,
        )
    finally:
        dist.destroy_process_group()


def with_shared_statistics(module: nn.Module, device: torch.device) -> nn.Module:
    """The module with batch norms that see the batches of all ranks; names and values stay."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(module, name, _SharedBatchNorm.of(child))
        else:
            with_shared_statistics(child, device)
    return module


class _SumOverRanks(torch.autograd.Function):
    """The sum of a tensor over ranks; its gradient is summed likewise."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ANN401 - torch's signature
        values = values.clone()
        dist.all_reduce(values)
        return values

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Tensor:  # noqa: ANN401
        gradient: Tensor = grad_outputs[0].contiguous().clone()
        dist.all_reduce(gradient)
        return gradient


class _SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all ranks (Ioffe and Szegedy 2015, Algorithm 1)."""

    @classmethod
    def of(cls, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> _SharedBatchNorm:
        shared = cls(norm.num_features, norm.eps, norm.momentum, norm.affine)
        shared.load_state_dict(norm.state_dict())
        shared.train(norm.training)
        for mine, theirs in zip(shared.parameters(), norm.parameters(), strict=True):
            mine.requires_grad_(theirs.requires_grad)
        return shared

    def _check_input_dim(self, input: Tensor) -> None:
        assert input.ndim >= 2, input.shape

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        axes = [axis for axis in range(input.ndim) if axis != 1]
        shape = [1, -1] + [1] * (input.ndim - 2)
        here = torch.stack([input.sum(axes), (input * input).sum(axes)])
        number = input.new_full((1, here.shape[1]), input.numel() / input.shape[1])
        sums = _SumOverRanks.apply(torch.cat([here, number]))
        assert isinstance(sums, Tensor)
        count = sums[2].detach()
        mean = sums[0] / count
        variance = sums[1] / count - mean * mean
        self._remember(mean.detach(), variance.detach(), count)
        scale = (variance.clamp(min=0) + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        output = (input - mean.view(shape)) * scale.view(shape)
        return output + self.bias.view(shape) if self.affine else output

    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        if not self.track_running_stats:
            return
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = self.momentum if self.momentum is not None else 0.1
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * count / (count - 1).clamp(min=1), momentum)
