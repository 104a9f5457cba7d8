"""The project folder: labels with a journal, immutable imports, settings; what lasts.

    project.toml   sources, skeleton, subjects, settings      `core.project.spec`
    rig.toml       cameras                                    `core.formats.rig_toml`
    labels.db      human labels and their journal             `core.project.labels`
    imports/       2D detections, ground tracks (HDF5)        `core.project.detections`
    runs/ exports/ cache/ proxies/

`Project` is the one face of all of them; `core.project.importing` makes new ones.
"""

from core.project.curation_edits import (
    AcceptedPoint,
    AcceptPoints,
    SetOverrides,
    SetReviews,
    Several,
)
from core.project.edits import (
    COPIED,
    HAND,
    REPROJECTED,
    Change,
    DeleteJoints,
    DeletePerson,
    DeletePoints,
    Edit,
    JointKey,
    Place,
    PointKey,
    SetJoints,
    SetPoints,
    SetVisibility,
    Visibility,
)
from core.project.journal import BulkLabels
from core.project.label_rows import Label, LabelRows
from core.project.merge import Conflict, Merge, MergePlan, plan_merge
from core.project.outranking import outranked_between
from core.project.people_edits import (
    RemoveSwap,
    SetTrackPoints,
    SwapIdentities,
    SwapPersonLabels,
)
from core.project.project import ObservationsBlock, Project
from core.project.reviewing import (
    AcceptedRows,
    FrameReviews,
    Provenance,
    Review,
    ReviewName,
    ReviewRows,
    ReviewState,
)
from core.project.spec import ProjectSpec, Subject
from core.project.steps import Direction, Step
from core.project.swapping import Swap

__all__ = [
    "COPIED",
    "HAND",
    "REPROJECTED",
    "AcceptPoints",
    "AcceptedPoint",
    "AcceptedRows",
    "BulkLabels",
    "Change",
    "Conflict",
    "DeleteJoints",
    "DeletePerson",
    "DeletePoints",
    "Direction",
    "Edit",
    "FrameReviews",
    "JointKey",
    "Label",
    "LabelRows",
    "Merge",
    "MergePlan",
    "ObservationsBlock",
    "Place",
    "PointKey",
    "Project",
    "ProjectSpec",
    "Provenance",
    "RemoveSwap",
    "Review",
    "ReviewName",
    "ReviewRows",
    "ReviewState",
    "SetJoints",
    "SetOverrides",
    "SetPoints",
    "SetReviews",
    "SetTrackPoints",
    "SetVisibility",
    "Several",
    "Step",
    "Subject",
    "Swap",
    "SwapIdentities",
    "SwapPersonLabels",
    "Visibility",
    "outranked_between",
    "plan_merge",
]
