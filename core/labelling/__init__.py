"""What labelling knows without a window: ghosts of hand labels, and edits made from poses.

Everything here answers with values: arrays to draw, or an `Edit` for `Project.apply`.

    ghosts.py    where hand labels of two views put a joint in the others
    placing.py   place, nudge, move a person, confirm, reset, take away
    copying.py   fill joints from ghosts, another frame, other views, a prediction
    swapping.py  left and right change places
    space.py     drags in 3D, reprojected into chosen views
"""

from core.labelling.copying import (
    accepted_ghosts,
    copied_from_frame,
    copied_from_views,
    filled,
    within_pictures,
)
from core.labelling.ghosts import Ghosts, hand_ghosts
from core.labelling.placing import (
    MoveJoints,
    ResetJoints,
    confirmed,
    moved_person,
    nudged,
    place_joint,
    point_of,
    removed,
    removed_person,
    reset_joint,
    reset_person,
    source_of,
)
from core.labelling.space import (
    VIEW_CHOICES,
    MoveInSpace,
    Ray,
    Reprojection,
    ViewChoice,
    chosen_views,
    on_line,
    on_plane,
    reproject,
)
from core.labelling.swapping import SwapJoints, swapped_sides

__all__ = [
    "VIEW_CHOICES",
    "Ghosts",
    "MoveInSpace",
    "MoveJoints",
    "Ray",
    "Reprojection",
    "ResetJoints",
    "SwapJoints",
    "ViewChoice",
    "accepted_ghosts",
    "chosen_views",
    "confirmed",
    "copied_from_frame",
    "copied_from_views",
    "filled",
    "hand_ghosts",
    "moved_person",
    "nudged",
    "on_line",
    "on_plane",
    "place_joint",
    "point_of",
    "removed",
    "removed_person",
    "reproject",
    "reset_joint",
    "reset_person",
    "source_of",
    "swapped_sides",
    "within_pictures",
]
