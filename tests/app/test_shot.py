"""`trilabel shot` in a process of its own, without a display: Xvfb is brought up by itself."""

import os
import subprocess
import sys

import pytest
from PySide6.QtGui import QImage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Xvfb is Linux's")


def shoot(court_project, *arguments):
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    script = "import sys; from app.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", script, "shot", str(court_project), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_a_figure_is_made_without_a_display(court_project, tmp_path):
    out = tmp_path / "deep" / "why.png"
    arguments = ["--frame", "3", "--person", "3", "--joint", "left_wrist", "--zoom"]
    done = shoot(court_project, *arguments, "--size", "1280x720", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    image = QImage(str(out))
    assert (image.width(), image.height()) == (1280, 720)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--frame", "99"], "frame: expected 1 to 12, found 99"),
        (["--frame", "3", "--person", "77"], "person: expected somebody seen at this frame"),
        (["--frame", "3", "--joint", "tail"], "joint: expected one of nose"),
        (["--frame", "3", "--focus", "ace_9"], "focus: expected one of ace_0"),
    ],
)
def test_what_is_not_there_is_named(court_project, tmp_path, arguments, named):
    done = shoot(court_project, *arguments, "--out", str(tmp_path / "x.png"))
    assert done.returncode == 1
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not (tmp_path / "x.png").exists()
