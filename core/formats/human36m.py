"""Human3.6M's ``camera-parameters.json``: four cameras, placed anew for every subject.

``extrinsics[subject][camera]{R, t}`` in mm, world to camera; ``intrinsics[camera]
{calibration_matrix, distortion}``. Image sizes are not in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.formats.fields import make_camera, make_rig

if TYPE_CHECKING:
    from core.formats.fields import Node
    from core.geometry.camera import Rig


def subjects(root: Node) -> tuple[str, ...]:
    """The subjects that the file has extrinsics of."""
    return tuple(root["extrinsics"].table())


def rig_of_subject(root: Node, subject: str | None) -> Rig:
    """The cameras as they stood for a subject, lengths in mm.

    Raises:
        DataError: where the file has several subjects and none was named, too.
    """
    names = subjects(root)
    if subject is None and len(names) == 1:
        subject = names[0]
    if subject not in names:
        root["extrinsics"].refuse(
            f"a subject: one of {', '.join(names)[:200]}",
            "none named" if subject is None else subject,
            remedy="Say whose cameras are meant.",
        )
    cameras = [
        make_camera(
            root.source,
            name,
            K=root["intrinsics"][name]["calibration_matrix"].array(3, 3),
            distortion=root["intrinsics"][name]["distortion"].vector(-1),
            R=place["R"].array(3, 3),
            t_mm=place["t"].vector(3),
        )
        for name, place in root["extrinsics"][str(subject)].items()
    ]
    return make_rig(root.source, cameras)
