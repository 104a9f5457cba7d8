"""The numbers of METHOD's sections 1 and 2, shared by the compiled and the tensor path.

Lengths are metres in the gauge: world around the mean camera centre, |P3| = 1, rows in pixels
times depth.
"""

from __future__ import annotations

# Below this share of trace³ a 3x3 normal matrix is singular: rays parallel within 1e-6 radians.
PARALLEL = 1e-13
# A weighted sum may lean on one view by e^18 and still be solvable.
PARALLEL_WEIGHTED = 1e-15
# The answer's determinant is never taken below this share of trace³.
DETERMINANT_FLOOR = 1e-16
# Steps towards the smallest singular value.
HALLEY_STEPS = 4
# An all-view answer farther than this from the cameras is no origin to compute about.
FARTHEST_M = 1e6

# ε² of the median's objective Σ √(d² + ε²), ε = 0.1 mm.
SMOOTHING_M2 = 1e-8
# A Newton step this short leaves an error of its square over ε at most: 2.5e-6 mm.
STEP_M2 = 2.5e-13
MAX_PASSES = 60
# A Newton step this much longer than Weiszfeld's (squared) is not taken.
WILD = 1e6

SUPPORT_WEIGHT = 0.05
# Row factors reach from e^-300 to e^9 of the second strongest view's: more would cost the
# strongest view's partner its digits, and changes the answer by less than 1e-5 mm.
STRONGEST = 9.0

# c of the Geman-McClure cost, in noise scales.
CONSENSUS_SCALES = 3.5
NUM_REFINED = 3
REFINE_STEPS = 6
HUBER = 1.345
HUBER_STEPS = 20

SCALE_FACTOR = 1.2
SCALE_RANGE_MM = (3.0, 60.0)
SCALE_UNKNOWN_MM = 10.0
