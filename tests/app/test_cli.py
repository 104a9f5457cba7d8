import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import COMMANDS, main
from app.cli.common import DETECTION_FORMATS
from core.formats import detections
from core.project.importing.sources import LABEL3D

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


@pytest.mark.parametrize(
    "arguments",
    [
        ["new", "x.trilabel", "--calibration", "c.toml", "--detections", "yolo:folder"],
        ["new", "x.trilabel", "--calibration", "c.toml", "--detections", "sleap"],
        ["import", "sportcenter", "d", "x.trilabel", "--detections", "sleap:"],
        ["shot", "x.trilabel", "--frame", "1", "--out", "picture.foo"],
    ],
)
def test_an_argument_that_no_data_could_mend_leaves_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "expected" in capsys.readouterr().err


def test_the_formats_of_the_command_line_are_those_that_are_read():
    assert (*detections.DETECTION_FORMATS, LABEL3D) == DETECTION_FORMATS


def test_what_the_system_refuses_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "file"
    file.write_text("in the way")
    assert main(["synth", str(file / "match"), "--frames", "1"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("trilabel: ")
    assert "Traceback" not in told
