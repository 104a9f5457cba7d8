"""What every test of geometry shares."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Two OpenMP threads on a busy machine turn milliseconds into half seconds."""
    torch.set_num_threads(1)
