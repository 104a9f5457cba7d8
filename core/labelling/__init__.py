"""What labelling knows without a window: ghosts of hand labels, and edits made from poses.

Everything here answers with values: arrays to draw, or an `Edit` for `Project.apply`.
"""

from core.labelling.ghosts import Ghosts, hand_ghosts

__all__ = ["Ghosts", "hand_ghosts"]
