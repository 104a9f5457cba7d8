import numpy as np
import pytest

from core.geometry import Camera, Rig
from core.people import GroundTracks, IdentifiedDetections
from core.project import Project, ProjectSpec, Subject
from core.skeleton import Skeleton

SKELETON = Skeleton(name="arm", joints=("shoulder", "elbow", "wrist"), bones=((0, 1), (1, 2)))


def looking_along_y(name, x_mm):
    """A camera 1 m up, 8 m before the origin, that looks along y."""
    R = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    K = np.array([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]])
    center = np.array([x_mm, -8000, 1000])
    return Camera(name, K, np.zeros(0), R, -R @ center, (1280, 720))


@pytest.fixture
def rig():
    return Rig(tuple(looking_along_y(f"cam_{c}", 1000.0 * c) for c in range(3)))


@pytest.fixture
def spec(rig):
    return ProjectSpec(
        name="arms",
        rig=rig,
        skeleton=SKELETON,
        num_frames=100,
        first_frame_number=1,
        fps=25.0,
        subjects=(Subject(person=4, name="four", split="test"), Subject(person=9, name="nine")),
    )


@pytest.fixture
def project(tmp_path, spec):
    with Project.create(tmp_path / "arms.trilabel", spec) as project:
        yield project


@pytest.fixture
def make_rows():
    """Detections from (frame, camera, person) rows; joint j of row r lies at (100 r + j, r)."""

    def make(rows, *, num_joints=3, score=None, is_hand=None):
        count = len(rows)
        keys = np.array(rows, dtype=np.int64).reshape(count, 3)
        points = np.zeros((count, num_joints, 2), dtype=np.float32)
        points[..., 0] = 100 * np.arange(count)[:, None] + np.arange(num_joints)
        points[..., 1] = np.arange(count)[:, None]
        return IdentifiedDetections(
            frame=keys[:, 0].astype(np.int32),
            camera=keys[:, 1].astype(np.int16),
            person=keys[:, 2].astype(np.int32),
            points_px=points,
            confidence=np.full((count, num_joints), 0.5, dtype=np.float32),
            score=np.asarray(np.full(count, np.nan) if score is None else score, np.float32),
            is_hand=np.zeros(count, bool) if is_hand is None else np.asarray(is_hand),
        )

    return make


@pytest.fixture
def tracks():
    """Persons 4 and 9 in the frames 10…19; person 4 stands at the origin, 9 moves along x."""
    frames = np.arange(10, 20)
    place = np.zeros((20, 2))
    place[10:, 0] = 100.0 * np.arange(10)
    return GroundTracks.from_rows(np.repeat([4, 9], 10), np.tile(frames, 2), place)
