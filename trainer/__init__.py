"""The trainer's process: stages, checkpoints, prediction, experiments; no window toolkit.

Trap: threads of OpenMP that wait by spinning take the cores from whoever shares the machine, a
window or a second trainer, and from each other: a step of the small detector beside four busy
processes on two cores took 8 s that way, 0.9 s with waiting ones. OpenMP reads the policy when
torch is loaded, so it is set here, before any module of this package can load it.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
