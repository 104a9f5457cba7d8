import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import COMMANDS, main

_HEAVY = ("torch", "numba", "numpy", "PySide6", "cv2", "h5py", "vispy", "pyqtgraph", "scipy", "av")


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_is_a_manual(command: str | None, capsys: pytest.CaptureFixture[str]):
    arguments = ["--help"] if command is None else [command, "--help"]
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert "usage: trilabel" in text
    assert len(text.splitlines()) > 8


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command: str):
    script = (
        "import sys\nfrom app.cli import main\n"
        f"try:\n    main([{command!r}, '--help'])\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set({_HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["shot"], ["new", "x.trilabel"], ["synth", "x", "--frames", "0"]]
)
def test_wrong_usage_leaves_with_2(arguments: list[str]):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2


def test_a_problem_of_the_data_is_named_and_leaves_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["check", str(tmp_path / "absent.trilabel")]) == 1
    assert "absent.trilabel" in capsys.readouterr().err
