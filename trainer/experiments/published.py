"""The paper's own figures, to stand beside ours where the data is the paper's, and never else.

MPJPE, NMPJPE, PMPJPE in mm; Tables 1 to 3 of Roy, Citraro, Honari and Fua, 3DV 2022.
"""

from __future__ import annotations

Triple = tuple[float, float, float]

TABLE2_MULTI_VIEW: dict[str, Triple] = {
    "nondiff-noweights": (109.7, 107.7, 97.6),
    "nondiff": (83.0, 79.3, 70.2),
    "noweights": (80.5, 78.4, 66.7),
    "learned": (88.3, 83.6, 70.9),
    "ours": (66.9, 65.5, 55.4),
}
TABLE2_SINGLE_VIEW: dict[str, Triple] = {
    "nondiff-noweights": (142.9, 140.4, 108.6),
    "nondiff": (111.4, 107.7, 82.5),
    "noweights": (118.5, 116.5, 95.4),
    "learned": (121.1, 119.5, 99.0),
    "ours": (104.4, 102.1, 81.1),
}
SPORTCENTER_NEWER = (
    "Newer and without any training on this data (mesh-aware epipolar matching): 59.8 mm MPJPE and "
    "40.7 mm PMPJPE, multi-view."
)
# Tables 1 and 3 are single-view; the latter is about the published test sets.
SINGLE_VIEW: dict[str, Triple] = {
    "h36m-10pct": (56.9, 56.6, 45.4),
    "h36m-s1": (60.8, 60.4, 48.4),
    "3dhp-test": (102.2, 99.6, 93.6),
}
