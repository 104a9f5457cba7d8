"""A rig solvable by hand, written the way every tool would write it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import h5py
import numpy as np
import scipy.io

from core.formats import rig_toml, sportcenter
from core.geometry import Camera, Rig


def look_at_origin(name: str, center_mm, *, size_px=(1280, 1024)) -> Camera:
    """A camera that looks at the world's origin, z up."""
    center = np.asarray(center_mm, dtype=float)
    ahead = -center / np.linalg.norm(center)
    right = np.cross(ahead, [0, 0, 1])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(ahead, right), ahead])
    K = np.array([[900.0, 0, 640.5], [0, 905, 511.25], [0, 0, 1]])
    distortion = np.array([-0.2, 0.05, 1e-3, -2e-3, 0.01])
    return Camera(name, K, distortion, R, -R @ center, size_px)


def a_rig(names=("left", "right", "rear")) -> Rig:
    centers = ((4000, 3000, 2000), (4000, -3500, 2200), (-5000, 300, 1800))
    return Rig(tuple(look_at_origin(n, c) for n, c in zip(names, centers, strict=True)))


def without_sizes(rig: Rig) -> Rig:
    return Rig(tuple(replace(camera, size_px=None) for camera in rig))


def plain_lenses(rig: Rig) -> Rig:
    return Rig(tuple(replace(camera, distortion=np.zeros(0)) for camera in rig))


def write_sportcenter(path: Path, rig: Rig) -> None:
    sportcenter.write_calibration(path, rig)


def write_anipose(path: Path, rig: Rig, mm_per_unit: float = 1.0, extra: str = "") -> None:
    lines: list[str] = []
    for i, c in enumerate(rig):
        rotation = cv2.Rodrigues(c.R)[0].ravel()
        lines += [f"[cam_{i}]", f'name = "{c.name}"', f"size = {list(c.size_px or ())}"]
        lines += [f"matrix = {c.K.tolist()}", f"distortions = {c.distortion.tolist()}"]
        lines += [f"rotation = {rotation.tolist()}"]
        lines += [f"translation = {(c.t_mm / mm_per_unit).tolist()}", extra, ""]
    path.write_text("\n".join([*lines, "[metadata]", "error = 0.3"]))


def write_pose2sim(path: Path, rig: Rig) -> None:
    write_anipose(path, rig, 1000.0, "fisheye = false")


def write_qca(path: Path, rig: Rig) -> None:
    cameras = []
    for c in rig:
        r = (np.diag([1.0, -1, -1]) @ c.R).tolist()
        turn = " ".join(f'r{i + 1}{j + 1}="{r[i][j]!r}"' for i in range(3) for j in range(3))
        place = " ".join(f'{k}="{v!r}"' for k, v in zip("xyz", c.center_mm.tolist(), strict=True))
        assert c.size_px is not None
        width, height = c.size_px
        # The video was cut out of the sensor at (16, 8).
        fov = f'left="16" right="{15 + width}" top="8" bottom="{7 + height}"'
        k1, k2, p1, p2, k3 = c.distortion
        lens = (
            f'focalLengthU="{64 * c.K[0, 0]}" focalLengthV="{64 * c.K[1, 1]}" skew="0" '
            f'centerPointU="{64 * (c.K[0, 2] + 16)}" centerPointV="{64 * (c.K[1, 2] + 8)}" '
            f'radialDistortion1="{k1}" radialDistortion2="{k2}" radialDistortion3="{k3}" '
            f'tangentalDistortion1="{p1}" tangentalDistortion2="{p2}"'
        )
        cameras.append(
            f'<camera serial="{c.name}" model="none"><fov_video {fov}/>'
            f"<transform {turn} {place}/><intrinsic {lens}/></camera>"
        )
    markers = '<camera serial="m" model="Oqus 700"/>'
    text = f"<calibration><cameras>{''.join(cameras)}{markers}</cameras></calibration>"
    path.write_text("<?xml version='1.0' encoding='ASCII'?>\n" + text)


def write_opencv(path: Path, rig: Rig, transposed: bool = False) -> None:
    path.mkdir()
    for c in rig:
        storage = cv2.FileStorage(str(path / f"{c.name}.yaml"), cv2.FILE_STORAGE_WRITE)
        storage.write("intrinsicMatrix", c.K.T if transposed else np.array(c.K))
        storage.write("distortionCoefficients", np.array(c.distortion)[None])
        storage.write("R", c.R.T if transposed else np.array(c.R))
        storage.write("T", np.array(c.t_mm)[:, None])
        if c.size_px is not None:
            storage.write("image_width", c.size_px[0])
            storage.write("image_height", c.size_px[1])
        storage.release()


def write_jarvis(path: Path, rig: Rig) -> None:
    write_opencv(path, rig, transposed=True)


def dannce_structs(rig: Rig) -> list[dict[str, np.ndarray]]:
    structs = []
    for c in rig:
        k1, k2, p1, p2, k3 = c.distortion
        struct = {"K": c.K.T, "r": c.R.T, "t": c.t_mm[None]}
        structs.append(
            struct | {"RDistort": np.array([[k1, k2, k3]]), "TDistort": np.array([[p1, p2]])}
        )
    return structs


def write_dannce(path: Path, rig: Rig, labels: list[dict[str, np.ndarray]] | None = None) -> None:
    """As MATLAB's version 7 without compression, so that damage hits the contents."""

    def cells(items) -> np.ndarray:
        array = np.empty((len(items), 1), dtype=object)
        array[:, 0] = items
        return array

    content = {"params": cells(dannce_structs(rig)), "camnames": cells(rig.names)}
    if labels is not None:
        content["labelData"] = cells(labels)
    scipy.io.savemat(path, content)


def write_dannce_73(
    path: Path, rig: Rig, labels: list[dict[str, np.ndarray]] | None = None
) -> None:
    """As MATLAB's version 7.3: everything transposed, cells as references into ``#refs#``."""
    with h5py.File(path, "w", userblock_size=512) as file:

        def cells(name: str, structs) -> None:
            references = []
            for i, struct in enumerate(structs):
                group = file.create_group(f"#refs#/{name}{i}")
                for key, value in struct.items():
                    group[key] = value.T
                references.append(group.ref)
            file.create_dataset(name, data=np.array([references], dtype=h5py.ref_dtype))

        cells("params", dannce_structs(rig))
        if labels is not None:
            cells("labelData", labels)
        names = []
        for i, name in enumerate(rig.names):
            codes = np.array([[ord(letter)] for letter in name], np.uint16)
            text = file.create_dataset(f"#refs#/n{i}", data=codes)
            text.attrs["MATLAB_class"] = np.bytes_("char")
            names.append(text.ref)
        file.create_dataset("camnames", data=np.array([names], dtype=h5py.ref_dtype).T)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def write_human36m(path: Path, rig: Rig) -> None:
    lenses = {
        c.name: {"calibration_matrix": c.K.tolist(), "distortion": c.distortion.tolist()}
        for c in rig
    }
    places = {c.name: {"R": c.R.tolist(), "t": c.t_mm[:, None].tolist()} for c in rig}
    path.write_text(json.dumps({"intrinsics": lenses, "extrinsics": {"S1": places}}))


def write_mpi_inf_3dhp(path: Path, rig: Rig) -> None:
    lines = ["Skeletool Camera Calibration File V1.0"]
    for c in rig:
        K, E = np.eye(4), np.eye(4)
        K[:3, :3], E[:3, :3], E[:3, 3] = c.K, c.R, c.t_mm
        assert c.size_px is not None
        width, height = c.size_px
        lines += [f"name          {c.name}", "  sensor      10 10"]
        lines += [f"  size        {width} {height}", "  animated    0"]
        lines += ["  intrinsic   " + " ".join(map(repr, K.ravel().tolist())) + " "]
        lines += ["  extrinsic   " + " ".join(map(repr, E.ravel().tolist())) + " ", "  radial 0"]
    path.write_text("\n".join(lines))


def write_panoptic(path: Path, rig: Rig) -> None:
    cameras = [
        {
            "name": c.name,
            "type": "hd",
            "resolution": list(c.size_px or ()),
            "K": c.K.tolist(),
            "distCoef": c.distortion.tolist(),
            "R": c.R.tolist(),
            "t": (c.t_mm[:, None] / 10).tolist(),
        }
        for c in rig
    ]
    path.write_text(json.dumps({"calibDataSource": "x", "cameras": cameras}))


def write_campus_shelf(path: Path, rig: Rig) -> None:
    content = {}
    for c in rig:
        k1, k2, p1, p2, k3 = c.distortion
        content[c.name] = {
            "k": [[k1], [k2], [k3]],
            "p": [[p1], [p2]],
            "R": c.R.tolist(),
            "T": c.center_mm[:, None].tolist(),
            "fx": c.K[0, 0],
            "fy": c.K[1, 1],
            "cx": c.K[0, 2],
            "cy": c.K[1, 2],
        }
    path.write_text(json.dumps(content))


Writer = Callable[[Path, Rig], None]
# Writer, format as told from the contents, and what the format has no place for.
WRITERS: dict[str, tuple[Writer, str, tuple[Callable[[Rig], Rig], ...]]] = {
    "sportcenter": (write_sportcenter, "sportcenter", (without_sizes,)),
    "anipose": (write_anipose, "anipose", ()),
    "pose2sim": (write_pose2sim, "anipose", ()),
    "qca": (write_qca, "qca", ()),
    "opencv": (write_opencv, "opencv", ()),
    "jarvis": (write_jarvis, "opencv", ()),
    "dannce": (write_dannce, "dannce", (without_sizes,)),
    "dannce_73": (write_dannce_73, "dannce", (without_sizes,)),
    "human36m": (write_human36m, "human36m", (without_sizes,)),
    "mpi_inf_3dhp": (write_mpi_inf_3dhp, "mpi_inf_3dhp", (plain_lenses,)),
    "panoptic": (write_panoptic, "panoptic", ()),
    "campus_shelf": (write_campus_shelf, "campus_shelf", (without_sizes,)),
    "trilabel": (rig_toml.write_rig_toml, "trilabel", ()),
}
