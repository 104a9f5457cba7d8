"""Devices by name, and torch's settings put back."""

import pytest
import torch

from core.errors import DataError
from core.project.runs.config import RunOptions
from trainer.device import chosen_device, is_out_of_memory, torch_settings


def test_the_processor_computes_in_float32_and_where_it_is():
    device = chosen_device(RunOptions(device="cpu"))
    assert device.device == device.geometry == torch.device("cpu")
    assert not device.amp
    assert device.memory_bytes > 1e8
    assert "thread" in device.name


@pytest.mark.parametrize("name", ["cuda:17", "gpu", "xpu"])
def test_a_device_that_is_not_here_is_refused_and_the_present_ones_are_named(name):
    with pytest.raises(DataError, match="Here is: cpu"):
        chosen_device(RunOptions(device=name))


def test_settings_of_torch_are_put_back_after_a_failure():
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    precision = torch.get_float32_matmul_precision()
    options = RunOptions(threads=threads + 1)

    def fail():
        assert torch.get_num_threads() == threads + 1
        torch.manual_seed(5)
        raise KeyError

    with pytest.raises(KeyError), torch_settings(options):
        fail()
    assert torch.get_num_threads() == threads
    assert torch.get_float32_matmul_precision() == precision
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"), True),
        (RuntimeError("shapes do not match"), False),
    ],
)
def test_a_lack_of_memory_is_told_from_other_faults(error, expected):
    assert is_out_of_memory(error) is expected


def test_a_real_lack_of_memory_on_the_processor_is_recognised():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)
