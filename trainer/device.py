"""Where a run computes, and how torch is set up for it; every setting is put back afterwards.

`chosen_device` answers the run's ``device``, ``amp``, ``channels_last`` and ``compile`` with what
this machine can do. `torch_settings` holds what is global in torch (threads, precision, random
state), since `trainer.process.execute` also runs inside other programs.

Traps: Apple's GPU has no float64, so geometry stays on the processor there; two CPU runs agree bit
for bit only with the same number of threads; `torch.compile` is done in place, so that the names
in a state dict stay what they are.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import Tensor, nn

    from core.project.runs.config import RunOptions

    ModuleT = TypeVar("ModuleT", bound=nn.Module)

_SHORT_OF_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device and how networks run on it.

    Attributes:
        device: where networks and pictures are.
        geometry: where triangulation and losses are: the same, but the processor beside mps.
        name: for people, such as ``NVIDIA H200`` or ``CPU, 2 threads``.
        memory_bytes: of the device; of the machine on the processor; 0 = not known.
        amp: networks run in bfloat16.
        channels_last: pictures and weights lie channels last.
        compile: networks are compiled before their first step.
    """

    device: torch.device
    geometry: torch.device
    name: str
    memory_bytes: int
    amp: bool
    channels_last: bool
    compile: bool

    def autocast(self) -> torch.autocast:
        """Networks are called inside of this; losses and geometry are not."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp)

    def placed(self, module: ModuleT) -> ModuleT:
        """The module on this device, in the layout that its convolutions like best."""
        if self.channels_last:
            module = module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - left out of torch's annotations
        return module.to(self.device)

    def pictures(self, images: Tensor) -> Tensor:
        """Pictures (N, 3, h, w) on this device, in the layout of its networks."""
        images = images.to(self.device, non_blocking=True)
        return (
            images.contiguous(memory_format=torch.channels_last) if self.channels_last else images
        )

    def compiled(self, module: ModuleT) -> ModuleT:
        """The same module, compiled at its first call where that was asked for."""
        if self.compile:
            module.compile()
        return module


def chosen_device(options: RunOptions, local_rank: int = 0) -> Device:
    """The device that a run's options name, or the fastest there is.

    Args:
        options: the run's section of the configuration.
        local_rank: which of several processes on this machine this is; each takes a GPU of its own.

    Raises:
        DataError: there is no such device here.
    """
    device = _named(options.device, local_rank)
    cuda = device.type == "cuda"
    return Device(
        device=device,
        geometry=torch.device("cpu") if device.type == "mps" else device,
        name=_device_name(device),
        memory_bytes=_memory_bytes(device),
        amp=options.amp and cuda,
        channels_last=options.channels_last and device.type != "mps",
        compile=options.compile,
    )


def _named(name: str, local_rank: int) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", local_rank % torch.cuda.device_count())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or not _exists(device):
        raise DataError(
            "configuration",
            "run.device",
            expected="auto, cpu, or a device of this machine",
            found=repr(name),
            remedy=f"Here is: {', '.join(_here())}.",
        )
    if name == "cuda":
        return torch.device("cuda", local_rank % torch.cuda.device_count())
    return device


def _index(device: torch.device) -> int:
    return int(device.index or 0)


def _exists(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and _index(device) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    return device.type == "cpu"


def _here() -> list[str]:
    found = ["cpu"]
    if torch.backends.mps.is_available():
        found.append("mps")
    if torch.cuda.is_available():
        found += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    return found


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'' if threads == 1 else 's'}"


def _memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 0


@contextmanager
def torch_settings(options: RunOptions) -> Generator[None]:
    """Threads, precision and random state of a run; put back at its end.

    Where the run asks for no number of threads, that of the environment (OMP_NUM_THREADS, the
    cores that this process may use) stays.
    """
    threads = torch.get_num_threads()
    matmul = torch.get_float32_matmul_precision()
    # Its own device alone: asking others would make them set memory aside for this process.
    cuda = options.device != "cpu" and torch.cuda.is_available()
    devices = [torch.cuda.current_device()] if cuda else []
    with torch.random.fork_rng(devices=devices):
        try:
            torch.set_num_threads(options.threads or threads)
            torch.set_float32_matmul_precision("high")
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_float32_matmul_precision(matmul)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a step failed for want of memory: torch's own error, or the processor's words."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return any(words in text for words in _SHORT_OF_MEMORY)
