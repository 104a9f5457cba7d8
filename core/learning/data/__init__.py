"""What is learned from: data sets as groups of one person at one frame in all views.

`open_data` reads a data set and divides it by a protocol into labelled, unlabelled and held-out
groups. One file reads one data set; what they share stands in `dataset` and `recordings`.
"""

from core.learning.data.groups import Group, GroupList
from core.learning.data.opening import open_data
from core.learning.data.posedata import PoseData
from core.learning.data.protocols import Protocol, protocol_names, read_protocol
from core.learning.data.recordings import LabelTable, PictureSource, Places, PoseRecording

__all__ = [
    "Group",
    "GroupList",
    "LabelTable",
    "PictureSource",
    "Places",
    "PoseData",
    "PoseRecording",
    "Protocol",
    "open_data",
    "protocol_names",
    "read_protocol",
]
