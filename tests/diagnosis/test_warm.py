"""That warming up leaves nothing to be compiled on the window's thread."""

import subprocess
import sys

_PROBE = """
from dataclasses import replace
from core.diagnosis import diagnose_frame, explain_joint, joint_uncertainty, warm_up
warm_up()
from core.geometry import kernel
from core.settings import TriangulationSettings
from tests.diagnosis.test_warm import random_frame
entries = [each for each in vars(kernel).values() if hasattr(each, "signatures")]
before = [len(each.signatures) for each in entries]
observations, rig = random_frame()
for changes in ({}, {"scale_mm": 10.0}, {"weighting": "pairwise"}, {"weighting": "none"}):
    settings = replace(TriangulationSettings(), **changes)
    diagnosis = diagnose_frame(observations, rig, settings)
    for row in range(3):
        explain_joint(diagnosis, rig, row, 1)
        joint_uncertainty(diagnosis, rig, row, 1)
assert sum(before) >= 3, before
# A function that only others call has no variants of its own before they are called.
print([len(each.signatures) for each in entries] == before)
"""


def random_frame():
    """Three people whom four cameras see in part, one of whom nobody sees."""
    import numpy as np

    from core.diagnosis.warm import ring_of_four
    from core.observations import FrameObservations, Source

    rig = ring_of_four()
    rng = np.random.default_rng(5)
    points = rig.project(rng.normal(0, 500, (3, 6, 3))) + rng.normal(0, 5, (3, 4, 6, 2))
    points[rng.uniform(size=points.shape[:-1]) < 0.3] = np.nan
    points[2] = np.nan
    observations = FrameObservations(
        frame=0,
        persons=(1, 2, 3),
        points_px=points,
        confidence=np.ones(points.shape[:-1], np.float32),
        source=np.full(points.shape[:-1], Source.NETWORK, np.uint8),
        boxes_px=np.full((3, 4, 4), np.nan),
        ground_mm=np.full((3, 3), np.nan),
    )
    return observations, rig


def test_a_warm_engine_compiles_nothing_for_a_frame():
    found = subprocess.run(
        [sys.executable, "-c", _PROBE], capture_output=True, text=True, check=False
    )
    assert found.stdout.strip() == "True", found.stderr
