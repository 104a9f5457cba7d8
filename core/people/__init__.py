"""People on the ground and in the views: tracks, the boxes they cast, and whose a detection is.

Ground tracks say where a person stands; a cylinder about that place, projected, is the person's box
in each view; imported detections get one identity in all views, from the tracks where there are
any, and from the geometry of the views where there are none.
"""

from core.people.association import assign_identities
from core.people.cylinder import cylinder_boxes
from core.people.identified import IdentifiedDetections
from core.people.storage import read_tracks, write_tracks
from core.people.tracks import GroundTracks

__all__ = [
    "GroundTracks",
    "IdentifiedDetections",
    "assign_identities",
    "cylinder_boxes",
    "read_tracks",
    "write_tracks",
]
