"""A small world, and its files in the formats of the data sets."""

import json

import cv2
import h5py
import numpy as np
import scipy.io

from core.formats.sportcenter import (
    HumanPoses,
    Trajectories,
    write_calibration,
    write_human_poses,
    write_trajectories,
)
from core.geometry import Camera, Rig

SIZE = (320, 240)
STANDING = np.array(
    [
        (0, 150, 1650),
        *((s * 180, 0, 1450) for s in (-1, 1)),
        *((s * 250, 20, 1150) for s in (-1, 1)),
        *((s * 270, 120, 900) for s in (-1, 1)),
        *((s * 110, 0, 950) for s in (-1, 1)),
        *((s * 120, 40, 500) for s in (-1, 1)),
        *((s * 130, 0, 80) for s in (-1, 1)),
    ],
    dtype=np.float64,
)


def ring_rig(names, *, distortion=(), size_px=SIZE, turn=0.0):
    """Cameras 6 m from the origin, at 2 m, that look at its middle."""
    cameras = []
    for i, name in enumerate(names):
        angle = turn + 2 * np.pi * i / len(names)
        centre = np.array([6000 * np.cos(angle), 6000 * np.sin(angle), 2000.0])
        ahead = np.array([0, 0, 900.0]) - centre
        ahead /= np.linalg.norm(ahead)
        right = np.cross(ahead, (0, 0, 1.0))
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(ahead, right), ahead])
        K = np.array([[260.0, 0, 159.5], [0, 260.0, 119.5], [0, 0, 1]])
        cameras.append(Camera(name, K, np.array(distortion), R, -R @ centre, size_px))
    return Rig(tuple(cameras))


def colour(camera, frame):
    """What the middle of a picture looks like: RGB."""
    return np.array([40 + 30 * camera, 20 + 10 * frame, 90])


def write_picture(path, camera, frame, size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.broadcast_to(colour(camera, frame)[::-1], (size[1], size[0], 3)).astype(np.uint8)
    assert cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 100])


def walk(num_frames, persons):
    """(P, F, 13, 3) mm: person k stands 1 m from the next, all shift and sway."""
    frame, person = np.arange(num_frames)[:, None], np.arange(persons)
    feet = np.zeros((persons, num_frames, 1, 3))
    feet[..., 0, 0] = (1000.0 * (person - (persons - 1) / 2) + 20.0 * frame).T
    sway = np.zeros((persons, num_frames, 13, 3))
    sway[..., 5:7, 2] = 300 * np.sin(1.3 * frame + 2 * person).T[..., None]
    return STANDING + feet + sway


def write_sportcenter(folder, rig, persons, *, num_frames=12, annotated=(2, 4, 6, 8)):
    """A SportCenter folder; frames are 0-based here. Returns the (P, F, 13, 3) poses."""
    folder.mkdir()
    points = walk(num_frames, len(persons))
    write_calibration(folder / "calibration.json", rig)
    write_trajectories(
        folder / "trajectories.json",
        Trajectories(
            person=np.repeat(persons, num_frames),
            frame=np.tile(np.arange(num_frames), len(persons)),
            head_mm=(points[:, :, 1:3].mean(axis=2) + np.array((0, 0, 300))).reshape(-1, 3),
        ),
    )
    frames = np.array(annotated)
    for row, person in enumerate(persons):
        poses = HumanPoses(
            frames=frames,
            cameras=rig.names,
            points_px=rig.project(points[row, frames]),
            points_mm=points[row, frames],
        )
        write_human_poses(folder, "1_12_2", person, poses)
    for c, name in enumerate(rig.names):
        for frame in range(num_frames):
            write_picture(folder / "multicam" / name / f"frame_{frame + 1:06d}.jpg", c, frame)
    return points


H36M_CAMERAS = ("54138969", "55011271", "58860488", "60457274")


def h36m_labels(rigs, takes, num_frames):
    """The label file's table: `takes` are (subject row, action row) pairs."""
    subjects, actions = ["S1", "S5", "S9"], ["Directions-1", "Greeting-2"]
    camera = np.dtype(
        [("R", "f4", (3, 3)), ("t", "f4", (3, 1)), ("K", "f4", (3, 3)), ("dist", "f4", (5,))]
    )
    row = np.dtype(
        [
            ("subject_idx", "i1"),
            ("action_idx", "i1"),
            ("frame_idx", "i2"),
            ("keypoints", "f4", (17, 3)),
            ("bbox_by_camera_tlbr", "i2", (4, 4)),
        ]
    )
    cameras = np.zeros((3, 4), camera)
    for s, rig in enumerate(rigs):
        for c, one in enumerate(rig):
            cameras[s, c] = (one.R, one.t_mm[:, None], one.K, np.zeros(5))
    table = np.zeros(len(takes) * num_frames, row)
    for t, (s, a) in enumerate(takes):
        for f in range(num_frames):
            one = table[t * num_frames + f]
            points = np.concatenate([STANDING, STANDING[:4]]) + np.array((10 * f, 100 * a, 0))
            one["subject_idx"], one["action_idx"], one["frame_idx"] = s, a, f
            one["keypoints"] = points
            seen = rigs[s].project(points)
            low, high = seen.min(axis=1) - 5, seen.max(axis=1) + 5
            one["bbox_by_camera_tlbr"] = np.stack(
                [low[:, 1], low[:, 0], high[:, 1], high[:, 0]], axis=1
            )
            if f == 1:
                one["bbox_by_camera_tlbr"][2] = 0
    return {
        "subject_names": subjects,
        "camera_names": list(H36M_CAMERAS),
        "action_names": actions,
        "cameras": cameras,
        "table": table,
    }


def write_h36m(folder, *, num_frames=6):
    """Subjects 1, 5 and 9, two actions each; returns the rigs by row."""
    rigs = [ring_rig(H36M_CAMERAS, size_px=None, turn=0.2 * s) for s in range(3)]
    takes = [(s, a) for s in range(3) for a in range(2)]
    (folder / "extra").mkdir(parents=True)
    content = h36m_labels(rigs, takes, num_frames)
    np.save(folder / "extra" / "human36m-multiview-labels-GTbboxes.npy", content)
    for s, a in takes:
        name = f"{content['subject_names'][s]}/{content['action_names'][a]}"
        for c, camera in enumerate(H36M_CAMERAS):
            pictures = folder / "processed" / name / "imageSequence" / camera
            for f in range(num_frames):
                write_picture(pictures / f"img_{f + 1:06d}.jpg", c, f)
    return rigs


def write_h36m_cameras(folder, rigs):
    """camera-parameters.json of the subjects S1, S5 and S9, cameras in another order."""
    names = list(reversed(H36M_CAMERAS))
    content = {
        "intrinsics": {
            c.name: {"calibration_matrix": c.K.tolist(), "distortion": [0.0] * 5} for c in rigs[0]
        },
        "extrinsics": {
            subject: {
                name: {
                    "R": rig[rig.index(name)].R.tolist(),
                    "t": rig[rig.index(name)].t_mm[:, None].tolist(),
                }
                for name in names
            }
            for subject, rig in zip(("S1", "S5", "S9"), rigs, strict=True)
        },
    }
    (folder / "camera-parameters.json").write_text(json.dumps(content))


def pose28(frame):
    """(28, 3) mm."""
    points = np.concatenate([STANDING, STANDING + np.array((60, 0, 0)), STANDING[:2]])
    return points + np.array((10 * frame, 0, 0))


def write_3dhp_sequence(folder, rig, *, num_frames=6, cameras=("0", "2", "4", "7", "8")):
    """A training sequence of all the rig's cameras; pictures of `cameras` only."""
    folder.mkdir(parents=True)
    points = np.stack([pose28(f) for f in range(num_frames)])
    annot2, annot3 = np.empty((len(rig), 1), object), np.empty((len(rig), 1), object)
    lines = ["Skeletool Camera Calibration File V1.0"]
    for c, camera in enumerate(rig):
        annot2[c, 0] = camera.project(points).reshape(num_frames, 56)
        annot3[c, 0] = camera.cam_from_world(points).reshape(num_frames, 84)
        intrinsic, extrinsic = np.eye(4), np.eye(4)
        intrinsic[:3, :3] = camera.K
        extrinsic[:3] = np.column_stack([camera.R, camera.t_mm])
        lines += [
            f"name          {camera.name}",
            f"  sensor      10 10\n  size        {SIZE[0]} {SIZE[1]}\n  animated    0",
            f"  intrinsic   {' '.join(map(repr, intrinsic.reshape(-1).tolist()))} ",
            f"  extrinsic   {' '.join(map(repr, extrinsic.reshape(-1).tolist()))} ",
            "  radial      0",
        ]
    (folder / "camera.calibration").write_text("\n".join(lines) + "\n")
    frames = np.arange(num_frames, dtype=np.float64)[:, None]
    scipy.io.savemat(
        folder / "annot.mat",
        {"annot2": annot2, "annot3": annot3, "univ_annot3": annot3, "frames": frames},
    )
    for name in cameras:
        for f in range(num_frames):
            path = folder / "imageFrames" / f"video_{name}" / f"frame_{f + 1:06d}.jpg"
            write_picture(path, int(name), f)
    return points


TEST_ORDER = (10, 8, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6, 0, 7, 9)
"""Of the joints of mpi_inf_3dhp17, those of the test sets' own order: head top first."""


def write_3dhp_test_set(folder, camera, *, valid=(1, 0, 1, 1)):
    """A test set in the frame of `camera`; returns its (N, 17, 3) mm, joints as mpi_inf_3dhp17."""
    folder.mkdir(parents=True)
    points = np.stack([pose28(f)[:17] for f in range(len(valid))])
    stored = camera.cam_from_world(points)
    with h5py.File(folder / "annot_data.mat", "w") as file:
        file["annot3"] = stored[:, None, TEST_ORDER]
        file["annot2"] = camera.project(points)[:, None, TEST_ORDER]
        file["valid_frame"] = np.array(valid, dtype=np.float64)[:, None]
    for f in range(len(valid)):
        write_picture(folder / "imageSequence" / f"img_{f + 1:06d}.jpg", 0, f)
    return stored
