"""What labelling knows without a window: ghosts of hand labels, and edits made from poses.

Everything here answers with values: arrays to draw, or an `Edit` for `Project.apply`.

    ghosts.py    where hand labels of two views put a joint in the others
    placing.py   place, nudge, move a person, confirm, reset
    copying.py   fill joints from ghosts, another frame, other views, a prediction
    swapping.py  left and right change places
"""

from core.labelling.copying import (
    accepted_ghosts,
    copied_from_frame,
    copied_from_prediction,
    copied_from_space,
    filled,
    within_pictures,
)
from core.labelling.ghosts import Ghosts, hand_ghosts
from core.labelling.placing import (
    MoveJoints,
    confirmed,
    moved_person,
    nudged,
    place_joint,
    point_of,
    reset_joint,
    reset_person,
    source_of,
)
from core.labelling.swapping import SwapJoints, swapped_sides

__all__ = [
    "Ghosts",
    "MoveJoints",
    "SwapJoints",
    "accepted_ghosts",
    "confirmed",
    "copied_from_frame",
    "copied_from_prediction",
    "copied_from_space",
    "filled",
    "hand_ghosts",
    "moved_person",
    "nudged",
    "place_joint",
    "point_of",
    "reset_joint",
    "reset_person",
    "source_of",
    "swapped_sides",
    "within_pictures",
]
