"""The project folder: labels with a journal, immutable imports, settings; what lasts.

    project.toml   sources, skeleton, subjects, settings      `core.project.spec`
    rig.toml       cameras                                    `core.formats.rig_toml`
    labels.db      human labels and their journal             `core.project.labels`
    imports/       2D detections, ground tracks (HDF5)        `core.project.detections`
    runs/ exports/ cache/ proxies/

`Project` is the one face of all of them; `core.project.importing` makes new ones.
"""

from core.project.edits import (
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
from core.project.labels import Label, LabelRows, Step
from core.project.project import ObservationsBlock, Project
from core.project.spec import ProjectSpec, Subject

__all__ = [
    "BulkLabels",
    "Change",
    "DeleteJoints",
    "DeletePerson",
    "DeletePoints",
    "Edit",
    "JointKey",
    "Label",
    "LabelRows",
    "ObservationsBlock",
    "Place",
    "PointKey",
    "Project",
    "ProjectSpec",
    "SetJoints",
    "SetPoints",
    "SetVisibility",
    "Step",
    "Subject",
    "Visibility",
]
