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


@pytest.fixture(scope="session", autouse=True)
def _own_lines_of_devices(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Trainers that tests start wait for one another, not for those of whoever works here."""
    os.environ["TRILABEL_STATE"] = str(tmp_path_factory.mktemp("state"))
