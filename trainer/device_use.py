"""How busy a run's device is, said every few seconds beside its progress.

Traps: a GPU's utilisation needs NVIDIA's library (package nvidia-ml-py), which is used where it is
there and never asked for, and which refuses where it pleases (parts of a GPU, containers): a figure
for the eye must end no training. The processor's is this process's own share, so a machine that
others keep busy shows as a low one.
"""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from core.project.runs.events import DeviceUsed, Progress
from core.project.runs.launching import num_cores

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.project.runs.events import Event
    from trainer.device import Device

EVERY_S = 5.0


class DeviceMeter:
    """Measures a device between one question and the next."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._is_cuda = device.device.type == "cuda"
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def busy(self) -> float:
        """0…1 since the last question (of a GPU: lately); NaN where it is not known."""
        wall, cpu = time.monotonic(), time.process_time()
        passed, worked = wall - self._wall, cpu - self._cpu
        self._wall, self._cpu = wall, cpu
        if self._is_cuda:
            return _gpu_busy(self._device.device)
        if self._device.device.type != "cpu" or passed <= 0:
            return math.nan
        return min(1.0, worked / passed / num_cores())

    def memory_bytes(self) -> int:
        """What the trainer holds of the device's memory."""
        if self._is_cuda:
            return int(torch.cuda.memory_reserved(self._device.device))
        return resident_bytes()


class TellingDeviceUse:
    """An `emit` that adds a `DeviceUsed` after a `Progress`, every few seconds."""

    def __init__(self, emit: Callable[[Event], None], device: Device) -> None:
        self._emit = emit
        self._device = device
        self._meter = DeviceMeter(device)
        self._said_at = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Say the event, and how busy the device was where it is time for that."""
        self._emit(event)
        if not isinstance(event, Progress) or time.monotonic() - self._said_at < EVERY_S:
            return
        self._said_at = time.monotonic()
        self._emit(
            DeviceUsed(
                stage=event.stage,
                step=event.step,
                busy=self._meter.busy(),
                memory_bytes=self._meter.memory_bytes(),
                memory_total=self._device.memory_bytes,
            )
        )


def resident_bytes() -> int:
    """Memory of this process that is in RAM; 0 where the system does not tell."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _gpu_busy(device: torch.device) -> float:
    try:
        return torch.cuda.utilization(device) / 100
    except Exception:  # noqa: BLE001 - the library may be missing, and has errors of its own
        return math.nan
