"""What every test may use; nothing here opens a window."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real recordings; the test is skipped where it is missing."""
    folder = Path(os.environ.get("TRILABEL_TESTDATA", ROOT / ".." / "shared" / "data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (set TRILABEL_TESTDATA)")
    return folder
